/* Parameters between their two forms.  Canonical arrays are W (n_in, n_out) row-major, and (n_out,) for b
   and what normalisation has; the vector holds W in panels and the others padded, which is a matrix of one row. */

static void pack(const fm_plan *plan, void *vector, const fm_array *array, const void *values)
{
    const fm_input rows = {.data = values, .row_bytes = array->columns * (ptrdiff_t)sizeof(real),
                           .columns = array->columns, .type = plan->type};
    plan->kernels->gather((real *)vector + array->offset, w_panel(array->rows), &rows, NULL, 0, array->rows);
}

static void unpack(const fm_plan *plan, const void *vector, const fm_array *array, void *values)
{
    plan->kernels->scatter(values, (const real *)vector + array->offset, w_panel(array->rows), array->rows,
                              array->columns);
}

/* Values are computed in float64 and rounded, so that both types start from the same weights. */
static void initialize(fm_plan *plan, int l, int normal, double scale, uint64_t seed)
{
    const fm_layer *layer = &plan->layers[l];
    real *w = (real *)plan->parameters + layer->w;
    for (ptrdiff_t i = 0; i < layer->n_in; i++)
        for (ptrdiff_t j = 0; j < layer->n_out; j++) {
            const uint64_t element = (uint64_t)i * (uint64_t)layer->n_out + (uint64_t)j;
            const double value = normal ? scale * fm_normal(seed, (uint32_t)l, element)
                                        : -scale + (scale - -scale) * fm_uniform(seed, (uint32_t)l, element);
            w[j / L * w_panel(layer->n_in) + i * L + j % L] = (real)value;
        }
    if (layer->b >= 0)
        memset((real *)plan->parameters + layer->b, 0, (size_t)padded(layer->n_out) * sizeof(real));
}

/* Whether all layers are so narrow that most lanes of a panel would be empty: then batch rows go in the lanes instead. */
static int is_narrow(const fm_plan *plan)
{
    int narrow = plan->n_in <= L && plan->layers[plan->layer_count - 1].activation != FM_log_softmax;
    for (int l = 0; l < plan->layer_count; l++) narrow &= plan->layers[l].n_out <= L / 2 && !plan->layers[l].norm;
    return narrow;
}

/* Reals of a layer's W in panels, or of its gamma. */
static ptrdiff_t w_size(const fm_layer *layer)
{
    return count_panels(layer->n_out) * (layer->norm ? L : w_panel(layer->n_in));
}

static ptrdiff_t lay_out(fm_plan *plan)
{
    ptrdiff_t size = 0;
    plan->widest = 0;
    for (int l = 0; l < plan->layer_count; l++) {
        fm_layer *layer = &plan->layers[l];
        const ptrdiff_t n = padded(layer->n_out);
        layer->w = size;
        size += w_size(layer);
        layer->b = layer->use_bias ? size : -1;
        size += layer->use_bias ? n : 0;
        layer->mean = layer->norm == FM_BATCH_NORM ? size : -1;
        layer->variance = layer->norm == FM_BATCH_NORM ? size + n : -1;
        size += layer->norm == FM_BATCH_NORM ? 2 * n : 0;
        plan->widest = n > plan->widest ? n : plan->widest;
    }
    plan->narrow = is_narrow(plan);
    return size;
}

static double squares(const fm_plan *plan)
{
    double total = 0;
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        if (layer->norm) continue;
        total += plan->kernels->sum_of_squares((const real *)plan->parameters + layer->w, w_size(layer));
    }
    return total;
}

/* Normalisation begins as the identity would: gamma and the moving variance are 1. */
static void initialize_norms(fm_plan *plan)
{
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        real *parameters = plan->parameters;
        for (ptrdiff_t j = 0; layer->norm && j < layer->n_out; j++) {
            parameters[layer->w + j] = 1;
            if (layer->variance >= 0) parameters[layer->variance + j] = 1;
        }
    }
}
