/* The rows of a batch in training: forward with dropout, loss, and backward to the deltas of every layer. */

static void drop(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_layer *layer = &plan->layers[l];
    const stage_layer *b = &s->layers[l];
    const real *from = l ? s->layers[l - 1].a : s->input;
    const double rate = layer->dropout * s->masks.factor;
    const fm_dropout dropout = {.columns = layer->n_in, .seed = s->masks.seed, .layer = (uint32_t)l, .step = s->masks.step,
                                .row = s->masks.row, .threshold = (uint32_t)(rate * 4294967296.0), .kept = 1 / (1 - rate)};
    plan->kernels->drop(b->factor, s->panel, &dropout, first, rows);
    for (ptrdiff_t p = 0; p < count_panels(layer->n_in); p++) {
        const ptrdiff_t at = p * s->panel + first * L;
        plan->kernels->multiply(b->x + at, from + at, b->factor + at, rows * L);
    }
}

/* Layers [from, to); `turned` is a worker's room, here and below. */
static void stage_forward(const fm_plan *plan, const training_stage *s, int from, int to, ptrdiff_t first, ptrdiff_t rows,
                          real *turned)
{
    for (int l = from; l < to; l++) {
        const stage_layer *b = &s->layers[l];
        const fm_layer *layer = &plan->layers[l];
        const layer_pass pass = {.x = stage_input(s, l) + first * L, .x_row = L, .x_panel = s->panel, .z = b->z + first * L,
                                 .a = b->a + first * L, .panel = s->panel, .rows = rows,
                                 .other = layer->source < 0 ? NULL : s->layers[layer->source].a + first * L,
                                 .activation = own_activation(plan, l, s->skip_link), .stage = s, .first = first,
                                 .planes = s->planes, .packed = turned};
        kind_of(layer)->forward(plan, l, &pass);
        if (s->drops && l + 1 < plan->layer_count && s->layers[l + 1].x) drop(plan, s, l + 1, first, rows);
    }
    if (!s->skip_link && to == plan->layer_count) {
        apply_row_activation(plan, s->layers[plan->layer_count - 1].a + first * L, s->panel, rows, NULL);
        apply_heads(plan, s->layers[plan->layer_count - 1].a + first * L, s->panel, rows, turned);
        rescale_output(plan, s->layers[plan->layer_count - 1].a + first * L, s->panel, rows);
    }
}

/* d of the last layer, from the gradient with respect to the prediction that d holds. */
static void link_backward(const fm_plan *plan, const training_stage *s, ptrdiff_t first, ptrdiff_t rows, real *turned)
{
    const stage_layer *b = &s->layers[plan->layer_count - 1];
    const fm_layer *layer = &plan->layers[plan->layer_count - 1];
    const fm_kernels *kernels = plan->kernels;
    if (plan->head_count)
        pass_heads(plan, b->d + first * L, b->a + first * L, b->z + first * L, s->panel, rows, turned);
    if (plan->rescales_output) kernels->scale(b->d + first * L, s->panel, plan->output_scale, rows, plan->n_out);
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
static loss_args stage_loss_args(const fm_plan *plan, const training_stage *s, const fm_target *target, ptrdiff_t first,
                                 real scale)
{
    return (loss_args){.y = s->targets + first * target_columns(target, plan->n_out), .labels = s->labels + first,
                       .weights = s->weights + first, .n = plan->n_out, .scale = scale,
                       .values = s->values + first, .correct = s->correct + first,
                       .apart = target->head_count ? s->head_values + first : NULL, .apart_stride = s->rows};
}

/* Values, and with `gradients` the deltas of the output layer. */
static void stage_loss(const fm_plan *plan, const training_stage *s, const fm_target *target, ptrdiff_t first,
                       ptrdiff_t rows, real scale, int gradients, real *turned)
{
    const stage_layer *b = &s->layers[plan->layer_count - 1];
    panel_losses(plan, target, stage_loss_args(plan, s, target, first, scale), rows, b->a + first * L,
                 gradients ? b->d + first * L : NULL, s->panel, turned);
    if (gradients && !link_is_fused(target)) link_backward(plan, s, first, rows, turned);
}

/* From the gradient with respect to layer l's input to the deltas of the layer below: dropout, what comes by an add, and its
   activation. */
static void pass_down(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows, real *dx)
{
    const fm_kernels *kernels = plan->kernels;
    for (ptrdiff_t p = 0; p < count_panels(plan->layers[l].n_in); p++) {
        real *d = dx + p * s->panel;
        const ptrdiff_t at = p * s->panel + first * L;
        if (s->drops && s->layers[l].x) kernels->multiply(d, d, s->layers[l].factor + at, rows * L);
        if (!l) continue;
        const fm_layer *below = &plan->layers[l - 1];
        if (s->layers[l - 1].beside) kernels->add(d, d, s->layers[l - 1].beside + at, rows * L);
        const real *saved = fm_activations[below->activation].from_z ? s->layers[l - 1].z : s->layers[l - 1].a;
        kernels->activations[below->activation].backward(d, d, saved + at, rows * L, (real)below->parameter);
    }
}

/* Layers high, high - 1, ... low: each from its deltas to those of the layer below. */
static void stage_backward(const step_work *w, ptrdiff_t first, ptrdiff_t rows, real *turned)
{
    const training_stage *s = w->stage;
    for (int l = w->high; l >= w->low; l--) {
        real *dx = (l ? s->layers[l - 1].d : s->input_gradient) + first * L;
        kind_of(&w->plan->layers[l])->backward(w, l, first, rows, dx, turned);
        pass_down(w->plan, s, l, first, rows, dx);
    }
}
