/* A fully connected layer: z = x.W + b. */
#if defined LAYER
LAYER(dense, 0, NULL, SETTING(storage, 0, 0, FM_STORAGES - 1))

#elif defined PLAN
static int dense_arrays(const fm_layer *layer, fm_array *arrays)
{
    const int storage = (int)layer->settings[0], trains = storage == FM_AS_REALS;
    arrays[0] = (fm_array){.name = "W", .rows = layer->n_in, .columns = layer->n_out, .is_matrix = 1, .decays = trains, .moves = trains,
                           .storage = storage};
    arrays[1] = (fm_array){.name = "b", .rows = 1, .columns = layer->n_out, .moves = 1};
    return layer->use_bias ? 2 : 1;
}

/* More inputs than these and their sums of products might not fit 32 bits. */
#define MOST_INT8_INPUTS (1 << 17)

static ptrdiff_t dense_width(const fm_layer *layer)
{
    if ((int)layer->settings[0] == FM_AS_INT8 && layer->n_in > MOST_INT8_INPUTS) return 0;
    return layer->n_out ? layer->n_out : layer->n_in;
}

static const real *bias_of(const fm_plan *plan, int l)
{
    return plan->layers[l].use_bias ? array_of(plan, l, 1) : NULL;
}

/* Rows in planes, and in training also turned, for the gradient of the weights. */
static void forward_by_planes(const fm_plan *plan, int l, const layer_pass *pass, const dense_args *d)
{
    const training_stage *s = pass->stage;
    const fm_products *products = plan->products;
    product_args g = {.dense = *d, .planes = pass->planes};
    products->pack_rows(pass->packed, d->x, d->x_row, d->x_panel, d->m, d->k, g.planes);
    if (s) products->pack_columns(s->layers[l].packed, d->x, d->x_panel, pass->first, d->m, s->rows, d->k, g.planes);
    g.dense.x = pass->packed, g.dense.w = packed_weights(plan, l, g.planes);
    products->forward(&g);
}

static dense_args dense_args_of(const fm_plan *plan, int l, const layer_pass *pass)
{
    const fm_layer *layer = &plan->layers[l];
    return (dense_args){.z = pass->z, .a = pass->a, .c_panel = pass->panel, .x = pass->x, .x_row = pass->x_row,
                          .x_panel = pass->x_panel, .w = array_of(plan, l, 0), .bias = bias_of(plan, l), .m = pass->rows,
                          .k = layer->n_in, .n = layer->n_out, .activation = pass->activation,
                          .parameter = (real)layer->parameter, .finite = pass->finite};
}

/* Weights that are integers of 8 bits, and rows that become such. */
static void forward_by_integers(const fm_plan *plan, int l, const layer_pass *pass, const dense_args *d)
{
    const fm_array *w = &plan->layers[l].arrays[0];
    real *row_scale = pass->packed + int8_blocks(d->k) * block_lines(d->m) * L;
    int8_args g = {.dense = *d, .row_scale = row_scale, .scale = int8_scales(w, d->w), .offset = int8_offsets(w, d->w)};
    plan->products->pack_bytes(pass->packed, row_scale, d->x, d->x_row, d->x_panel, d->m, d->k);
    g.dense.x = pass->packed;
    plan->products->forward_int8(&g);
}

static void dense_rows(const fm_plan *plan, int l, const layer_pass *pass)
{
    const dense_args d = dense_args_of(plan, l, pass);
    if (plan->layers[l].arrays[0].storage == FM_AS_INT8)
        forward_by_integers(plan, l, pass, &d);
    else if (plan->layers[l].arrays[0].storage == FM_AS_BFLOAT16)
        plan->kernels->forward_bfloat16(&d);
    else if (planes_of(&plan->layers[l], pass->planes))
        forward_by_planes(plan, l, pass, &d);
    else
        plan->kernels->dense_forward(&d);
}

/* Chains of products of float32 or float64, of a layer that has one for each output. */
static void dense_panels(const fm_plan *plan, int l, const layer_pass *pass, ptrdiff_t first, ptrdiff_t last)
{
    dense_args d = dense_args_of(plan, l, pass);
    const int halves = plan->layers[l].arrays[0].storage == FM_AS_BFLOAT16;
    d.n = (last * L < d.n ? last * L : d.n) - first * L, d.one_chain = 1;
    d.w += first * w_panel(halves ? half_lines(d.k) : d.k), d.z += first * d.c_panel, d.a += first * d.c_panel;
    if (d.bias) d.bias += first * L;
    (halves ? plan->kernels->forward_bfloat16 : plan->kernels->dense_forward)(&d);
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
        .dx = dxt, .dx_panel = count_panels(layer->n_in) * L * L, .w = array_of(plan, l, 0),
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
    kernels->transpose(turned, w_panel(layer->n_out), array_of(plan, l, 0),
                       w_panel(layer->n_in), layer->n_in, layer->n_out);
    const dense_args d = {.z = dx, .a = dx, .c_panel = s->panel, .x = s->layers[l].d + first * L, .x_row = L,
                          .x_panel = s->panel, .w = turned, .m = rows, .k = layer->n_out, .n = layer->n_in,
                          .one_chain = 1, .activation = FM_identity};
    kernels->dense_forward(&d);
}

/* The same by planes. */
static void backward_by_planes(const fm_plan *plan, const training_stage *s, int l, ptrdiff_t first, ptrdiff_t rows,
                               real *dx, real *packed)
{
    const fm_layer *layer = &plan->layers[l];
    const product_args g = {
        .dense = {.z = dx, .a = dx, .c_panel = s->panel, .x = packed, .w = packed_turned(plan, l, s->planes), .m = rows,
                  .k = layer->n_out, .n = layer->n_in, .activation = FM_identity},
        .planes = s->planes};
    plan->products->pack_rows(packed, s->layers[l].d + first * L, L, s->panel, rows, layer->n_out, s->planes);
    plan->products->forward(&g);
}

/* The gradient with respect to layer l's input, from its deltas, for rows in one chunk; `turned` holds two matrices in the
   other orientation. */
static void dense_backward(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    const fm_plan *plan = w->plan;
    const training_stage *s = w->stage;
    if (planes_of(&plan->layers[l], s->planes))
        backward_by_planes(plan, s, l, first, rows, dx, turned);
    else if (turns_weights(s, &plan->layers[l], rows))
        backward_by_weights(plan, s, l, first, rows, dx, turned);
    else
        backward_by_deltas(plan, s, l, first, rows, dx, turned);
}

static void dense_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    const fm_layer *layer = &w->plan->layers[l];
    const training_stage *s = w->stage;
    weight_gradient_args g = {
        .sink = sink, .w_offset = layer->arrays[0].offset, .b_offset = layer->use_bias ? layer->arrays[1].offset : -1,
        .d_in_lines = w->in_lines, .x = stage_input(s, l), .x_panel = s->panel,
        .d = w->in_lines ? s->layers[l].d_lines : s->layers[l].d, .d_panel = s->panel, .m = w->rows, .k = layer->n_in,
        .n = layer->n_out, .so_far = s->gradient, .first = part.first, .last = part.last, .next = w->input,
        .next_order = w->next_rows ? w->order + w->first + w->rows + part.first : NULL};
    const ptrdiff_t next_end = w->next_rows < part.last ? w->next_rows : part.last;
    g.next_rows = !l && next_end > part.first ? next_end - part.first : 0;
    if (planes_of(layer, s->planes)) {
        g.x = s->layers[l].packed;
        const product_gradient_args p = {.of = g, .batch = s->rows, .packed = s->packed + part.worker * s->packed_size,
                                         .pairs = pairs_at_once(s->rows, s->planes), .planes = s->planes};
        const ptrdiff_t units = weight_pairs(layer);
        if (!part.share && g.b_offset >= 0) w->plan->kernels->bias_gradient(&g);
        w->plan->products->gradient(&p, units * part.share / part.shares, units * (part.share + 1) / part.shares);
        return;
    }
    const ptrdiff_t units = w->plan->kernels->weight_gradient_units(&g);
    w->plan->kernels->weight_gradient(&g, units * part.share / part.shares, units * (part.share + 1) / part.shares);
}

static const layer_kind dense_kind = {
    .arrays = dense_arrays, .width = dense_width, .takes_rows = 1, .goes_by_lines = 1, .takes_planes = 1, .forward = dense_rows,
    .forward_panels = dense_panels,
    .backward = dense_backward, .gradient = dense_gradient,
};
#endif
