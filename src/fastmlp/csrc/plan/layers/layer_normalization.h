/* Statistics of each row. */

static void layer_normalization_buffers(stage_layer *b, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)layer;
    b->mean = TAKE(real, rows);
    b->inverse = TAKE(real, rows);
}

/* Rows from `first` of the stage on, which keeps their statistics. */
static norm_args layer_norm_of(const fm_plan *plan, int l, ptrdiff_t rows, const training_stage *s, ptrdiff_t first)
{
    norm_args g = norm_of(plan, l, rows);
    g.by_row = 1;
    if (s) g.mean = s->layers[l].mean + first, g.inverse = s->layers[l].inverse + first;
    return g;
}

static void layer_normalization_forward(const fm_plan *plan, int l, const layer_pass *pass)
{
    normalize_rows(plan, l, pass, layer_norm_of(plan, l, pass->rows, pass->stage, pass->first));
}

static void layer_normalization_backward(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    norm_args g = of_stage(w, l, first, layer_norm_of(w->plan, l, rows, w->stage, first));
    (void)turned;
    g.dx = dx;
    w->plan->kernels->norm_backward(&g);
}

static void layer_normalization_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    take_gamma_and_beta(w, sink, l, part, of_stage(w, l, 0, layer_norm_of(w->plan, l, w->rows, w->stage, 0)));
}

static const layer_kind layer_normalization_kind = {
    .arrays = gamma_and_beta, .buffers = layer_normalization_buffers, .forward = layer_normalization_forward,
    .backward = layer_normalization_backward, .gradient = layer_normalization_gradient,
};
