/* The rows of a batch in training: forward with dropout, loss, and backward to the deltas of every layer. */

static const real *stage_input(const training_stage *s, int l)
{
    if (s->training && s->layers[l].x) return s->layers[l].x;
    return l ? s->layers[l - 1].a : s->input;
}

static void drop(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows, uint64_t seed)
{
    const fm_layer *layer = &plan->layers[l];
    const stage_layer *b = &s->layers[l];
    const real *from = l ? s->layers[l - 1].a : s->input;
    const fm_dropout dropout = {.columns = layer->n_in, .seed = seed, .layer = (uint32_t)l, .step = (uint32_t)plan->step,
                                .threshold = (uint32_t)(layer->dropout * 4294967296.0), .kept = 1 / (1 - layer->dropout)};
    plan->kernels->drop(b->factor, s->panel, &dropout, first, rows);
    for (ptrdiff_t p = 0; p < count_panels(layer->n_in); p++) {
        const ptrdiff_t at = p * s->panel + first * L;
        plan->kernels->multiply(b->x + at, from + at, b->factor + at, rows * L);
    }
}

/* Rows of a normalisation layer in training, gradients included. */
static norm_args stage_norm(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows)
{
    const stage_layer *b = &s->layers[l];
    norm_args g = norm_of(plan, l, rows);
    g.x = stage_input(s, l) + first * L, g.z = b->z + first * L, g.d = b->d + first * L;
    g.x_panel = g.z_panel = g.d_panel = g.dx_panel = s->panel;
    g.d_gamma = b->d_gamma, g.d_beta = b->d_beta;
    if (g.by_row)
        g.mean = b->mean + first, g.inverse = b->inverse + first;
    else if (s->training)
        g.mean = b->mean, g.variance = b->variance;
    return g;
}

/* Layers [from, to). */
static void stage_forward(const fm_plan *plan, const training_stage *s, int from, int to, ptrdiff_t first, ptrdiff_t rows,
                          uint64_t seed)
{
    const fm_kernels *kernels = plan->kernels;
    for (int l = from; l < to; l++) {
        const stage_layer *b = &s->layers[l];
        const int activation = dense_activation(plan, l, s->skip_link);
        if (plan->layers[l].norm) {
            const norm_args g = stage_norm(plan, s, l, first, rows);
            kernels->norm_forward(&g);
            activate_panels(plan, l, activation, b->a + first * L, b->z + first * L, s->panel, rows);
        } else {
            dense_args d = dense_of(plan, l, rows);
            d.z = b->z + first * L, d.a = b->a + first * L, d.c_panel = s->panel;
            d.x = stage_input(s, l) + first * L, d.x_row = L, d.x_panel = s->panel;
            d.activation = activation;
            kernels->dense_forward(&d);
        }
        if (s->training && l + 1 < plan->layer_count && s->layers[l + 1].x) drop(plan, s, l + 1, first, rows, seed);
    }
    if (!s->skip_link && to == plan->layer_count)
        apply_row_activation(plan, s->layers[plan->layer_count - 1].a + first * L, s->panel, rows, NULL);
}

/* d of the last layer, from the gradient with respect to the prediction that d holds. */
static void link_backward(const fm_plan *plan, const training_stage *s, ptrdiff_t first, ptrdiff_t rows)
{
    const stage_layer *b = &s->layers[plan->layer_count - 1];
    const fm_layer *layer = &plan->layers[plan->layer_count - 1];
    const fm_kernels *kernels = plan->kernels;
    if (layer->activation >= FM_ACTIVATIONS)
        for (ptrdiff_t r = first; r < first + rows; r++)
            kernels->row_activations[layer->activation - FM_ACTIVATIONS].backward(
                b->d + r * L, s->panel, b->d + r * L, s->panel, b->a + r * L, s->panel, plan->n_out);
    else
        for (ptrdiff_t p = 0; p < count_panels(plan->n_out); p++) {
            real *d = b->d + p * s->panel + first * L;
            const real *saved = (fm_activations[layer->activation].from_z ? b->z : b->a) + p * s->panel + first * L;
            kernels->activations[layer->activation].backward(d, d, saved, rows * L, (real)layer->parameter);
        }
}

/* A loss of the rows from `first` on, but for their outputs and gradients. */
static loss_args stage_loss_args(const fm_plan *plan, const training_stage *s, ptrdiff_t first, real scale)
{
    return (loss_args){.y = s->targets + first * plan->n_out, .labels = s->labels + first, .weights = s->weights + first,
                       .n = plan->n_out, .scale = scale, .parameter = (real)plan->loss_parameter,
                       .values = s->values + first, .correct = s->correct + first};
}

/* Values, and with `gradients` the deltas of the output layer. */
static void stage_loss(const fm_plan *plan, const training_stage *s, ptrdiff_t first, ptrdiff_t rows, real scale,
                       int gradients, real *turned)
{
    const stage_layer *b = &s->layers[plan->layer_count - 1];
    panel_losses(plan, stage_loss_args(plan, s, first, scale), rows, b->a + first * L,
                 gradients ? b->d + first * L : NULL, s->panel, turned);
    if (gradients && !link_is_fused(plan)) link_backward(plan, s, first, rows);
}

/* Whether turning the weights moves fewer elements than turning the deltas, there and back. */
static int turns_weights(const training_stage *s, const fm_layer *layer, ptrdiff_t rows)
{
    const ptrdiff_t in = count_panels(layer->n_in), out = count_panels(layer->n_out);
    return in * out < count_panels(rows) * (in + out) && in * w_panel(layer->n_out) <= 2 * s->turned_size;
}

/* dx = d.W^T with batch rows in the lanes, so that W is read as it lies. */
static void backward_by_deltas(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows,
                               real *dx, real *turned)
{
    const fm_kernels *kernels = plan->kernels;
    const fm_layer *layer = &plan->layers[l];
    real *dt = turned, *dxt = turned + s->turned_size;
    const ptrdiff_t dt_panel = count_panels(layer->n_out) * L * L;
    kernels->transpose(dt, dt_panel, s->layers[l].d + first * L, s->panel, rows, layer->n_out);
    const input_gradient_args g = {
        .dx = dxt, .dx_panel = count_panels(layer->n_in) * L * L, .w = (const real *)plan->parameters + layer->w,
        .d = dt, .d_panel = dt_panel, .m = rows, .k = layer->n_in, .n = layer->n_out};
    kernels->input_gradient(&g);
    kernels->transpose(dx, s->panel, dxt, g.dx_panel, layer->n_in, rows);
}

/* The same as a product with W^T. */
static void backward_by_weights(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows,
                                real *dx, real *turned)
{
    const fm_kernels *kernels = plan->kernels;
    const fm_layer *layer = &plan->layers[l];
    kernels->transpose(turned, w_panel(layer->n_out), (const real *)plan->parameters + layer->w,
                       w_panel(layer->n_in), layer->n_in, layer->n_out);
    const dense_args d = {.z = dx, .a = dx, .c_panel = s->panel, .x = s->layers[l].d + first * L, .x_row = L,
                          .x_panel = s->panel, .w = turned, .m = rows, .k = layer->n_out, .n = layer->n_in,
                          .one_chain = 1, .activation = FM_identity};
    kernels->dense_forward(&d);
}

/* The gradient with respect to layer l's input, from its deltas, for rows in one chunk; `turned` holds two matrices in the
   other orientation. */
static void dense_backward(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows, real *dx,
                           real *turned)
{
    if (turns_weights(s, &plan->layers[l], rows))
        backward_by_weights(plan, s, l, first, rows, dx, turned);
    else
        backward_by_deltas(plan, s, l, first, rows, dx, turned);
}

/* From the gradient with respect to layer l's input to the deltas of the layer below: dropout and its activation. */
static void pass_down(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows, real *dx)
{
    const fm_kernels *kernels = plan->kernels;
    for (ptrdiff_t p = 0; p < count_panels(plan->layers[l].n_in); p++) {
        real *d = dx + p * s->panel;
        const ptrdiff_t at = p * s->panel + first * L;
        if (s->training && s->layers[l].x) kernels->multiply(d, d, s->layers[l].factor + at, rows * L);
        if (!l) continue;
        const fm_layer *below = &plan->layers[l - 1];
        const real *saved = fm_activations[below->activation].from_z ? s->layers[l - 1].z : s->layers[l - 1].a;
        kernels->activations[below->activation].backward(d, d, saved + at, rows * L, (real)below->parameter);
    }
}

/* Layers high, high - 1, ... low: each from its deltas to those of the layer below. */
static void stage_backward(const fm_plan *plan, const training_stage *s, int high, int low, ptrdiff_t first, ptrdiff_t rows,
                           ptrdiff_t batch, real *turned)
{
    for (int l = high; l >= low; l--) {
        real *dx = (l ? s->layers[l - 1].d : s->input_gradient) + first * L;
        if (plan->layers[l].norm) {
            norm_args g = stage_norm(plan, s, l, first, rows);
            g.dx = dx, g.batch = s->training ? batch : 0;
            plan->kernels->norm_backward(&g);
        } else {
            dense_backward(plan, s, l, first, rows, dx, turned);
        }
        pass_down(plan, s, l, first, rows, dx);
    }
}
