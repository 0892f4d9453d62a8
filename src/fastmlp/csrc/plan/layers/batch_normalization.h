/* Statistics of each column: over the rows of the batch in training, else moving averages of those. */

static int batch_normalization_arrays(const fm_layer *layer, fm_array *arrays)
{
    gamma_and_beta(layer, arrays);
    arrays[2] = (fm_array){.name = "mean", .rows = 1, .columns = layer->n_out};
    arrays[3] = (fm_array){.name = "variance", .rows = 1, .columns = layer->n_out, .start = 1};
    return 4;
}

static void batch_normalization_buffers(stage_layer *b, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)rows;
    real **vectors[] = {&b->mean, &b->variance, &b->d_gamma, &b->d_beta};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) *vectors[i] = TAKE(real, padded(layer->n_out));
}

static int takes_batch_statistics(const fm_layer *layer, const training_stage *s)
{
    return s && s->training && !layer->frozen;
}

static norm_args batch_norm_of(const fm_plan *plan, int l, ptrdiff_t rows, const training_stage *s)
{
    const int of_batch = takes_batch_statistics(&plan->layers[l], s);
    norm_args g = norm_of(plan, l, rows);
    g.mean = of_batch ? s->layers[l].mean : array_of(plan, l, 2);
    g.variance = of_batch ? s->layers[l].variance : array_of(plan, l, 3);
    return g;
}

static void batch_normalization_forward(const fm_plan *plan, int l, const layer_pass *pass)
{
    normalize_rows(plan, l, pass, batch_norm_of(plan, l, pass->rows, pass->stage));
}

static void batch_normalization_forward_columns(const step_work *w, int l, ptrdiff_t panel)
{
    const norm_args g = of_stage(w, l, 0, batch_norm_of(w->plan, l, w->rows, w->stage));
    w->plan->kernels->norm_statistics(&g, panel);
}

static void batch_normalization_backward_columns(const step_work *w, int l, ptrdiff_t panel)
{
    const norm_args g = of_stage(w, l, 0, batch_norm_of(w->plan, l, w->rows, w->stage));
    const stage_layer *b = &w->stage->layers[l];
    w->plan->kernels->norm_gradient(&g, panel, b->d_gamma + panel * L, b->d_beta + panel * L);
}

static void batch_normalization_backward(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    norm_args g = of_stage(w, l, first, batch_norm_of(w->plan, l, rows, w->stage));
    (void)turned;
    g.dx = dx, g.batch = takes_batch_statistics(&w->plan->layers[l], w->stage) ? w->rows : 0;
    w->plan->kernels->norm_backward(&g);
}

static void batch_normalization_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    take_gamma_and_beta(w, sink, l, part, of_stage(w, l, 0, batch_norm_of(w->plan, l, w->rows, w->stage)));
}

/* moving = momentum * moving + (1 - momentum) * batch */
static void move_statistics(fm_plan *plan, const training_stage *s, int l)
{
    const fm_layer *layer = &plan->layers[l];
    const real momentum = (real)layer->momentum, rest = (real)(1 - layer->momentum);
    real *mean = array_of(plan, l, 2), *variance = array_of(plan, l, 3);
    if (layer->frozen) return;
    for (ptrdiff_t j = 0; j < layer->n_out; j++) {
        mean[j] = momentum * mean[j] + rest * s->layers[l].mean[j];
        variance[j] = momentum * variance[j] + rest * s->layers[l].variance[j];
    }
}

static const layer_kind batch_normalization_kind = {
    .arrays = batch_normalization_arrays, .buffers = batch_normalization_buffers, .forward = batch_normalization_forward,
    .forward_columns = batch_normalization_forward_columns, .backward_columns = batch_normalization_backward_columns,
    .backward = batch_normalization_backward, .gradient = batch_normalization_gradient, .after_step = move_statistics,
};
