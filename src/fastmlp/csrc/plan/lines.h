/* The rows of a batch in training for a narrow network.  Every matrix is turned, so that batch rows are in
   the lanes and no lane is padding: panel p of L batch rows is one line of L reals for each column.  The bits are those of
   backward.h. */

/* Rows (rows, n) of n < L lines, with 1 in lane n: what the weights' gradients take. */
static void turn_with_one(const fm_plan *plan, real *out, ptrdiff_t panel, const real *lines, ptrdiff_t n, ptrdiff_t rows)
{
    plan->kernels->transpose(out, panel, lines, n * L, n, rows);
    for (ptrdiff_t r = 0; r < rows; r++) out[r * L + n] = 1;
}

static void forward_in_lines(const fm_plan *plan, const training_stage *s, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_kernels *kernels = plan->kernels;
    const ptrdiff_t panels = count_panels(rows);
    const real *x = s->x_lines + first * plan->n_in;
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        real *z = s->layers[l].z_lines + first * layer->n_out, *a = s->layers[l].a_lines + first * layer->n_out;
        const int activation = own_activation(plan, l, s->skip_link);
        const turned_args t = {.z = z, .x = x, .w = array_of(plan, l, 0), .k = layer->n_in, .n = layer->n_out,
                               .bias = bias_of(plan, l), .panels = panels};
        kernels->turned_forward(&t);
        if (activation != FM_identity || a != z)
            kernels->activations[activation].forward(a, z, panels * layer->n_out * L, (real)layer->parameter);
        if (l + 1 < plan->layer_count)
            turn_with_one(plan, s->layers[l].a + first * L, s->panel, a, layer->n_out, rows);
        x = a;
    }
}

/* d = d * activation'(z) of a layer */
static void through_activation_in_lines(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_layer *layer = &plan->layers[l];
    const stage_layer *b = &s->layers[l];
    real *d = b->d_lines + first * layer->n_out;
    const real *saved = (fm_activations[layer->activation].from_z ? b->z_lines : b->a_lines) + first * layer->n_out;
    plan->kernels->activations[layer->activation].backward(d, d, saved, padded(rows) * layer->n_out,
                                                              (real)layer->parameter);
}

/* Values, and the deltas of the output layer. */
static void loss_in_lines(const fm_plan *plan, const training_stage *s, const fm_target *target, ptrdiff_t first,
                          ptrdiff_t rows, real scale)
{
    const int last = plan->layer_count - 1;
    const ptrdiff_t columns = target_columns(target, plan->n_out);
    loss_args l = stage_loss_args(plan, s, target, first, scale);
    l.p = s->layers[last].a_lines + first * plan->n_out, l.d = s->layers[last].d_lines + first * plan->n_out;
    for (ptrdiff_t r = 0; r < rows; r += L, l.p += l.n * L, l.d += l.n * L, next_rows(&l, columns)) {
        l.rows = rows - r < L ? rows - r : L;
        line_losses(plan->kernels, target, l);
    }
    if (!link_is_fused(target)) through_activation_in_lines(plan, s, last, first, rows);
}

/* Deltas of all layers. */
static void backward_in_lines(const fm_plan *plan, const training_stage *s, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_kernels *kernels = plan->kernels;
    for (int l = plan->layer_count - 1; l > 0; l--) {
        const fm_layer *layer = &plan->layers[l];
        const real *d = s->layers[l].d_lines + first * layer->n_out;
        const input_gradient_args g = {
            .dx = s->layers[l - 1].d_lines + first * layer->n_in, .dx_panel = layer->n_in * L,
            .w = array_of(plan, l, 0), .d = d, .d_panel = layer->n_out * L, .m = rows,
            .k = layer->n_in, .n = layer->n_out};
        kernels->input_gradient(&g);
        through_activation_in_lines(plan, s, l - 1, first, rows);
    }
}
