/* Parameters between their two forms.  Canonical arrays are W (n_in, n_out) row-major, and (n_out,) for b
   and what normalisation has; the vector holds W in panels and the others padded, which is a matrix of one row. */

static int pack(const fm_plan *plan, void *vector, const fm_array *array, const void *values)
{
    if (array->storage) return pack_stored(array, (real *)vector + array->offset, values);
    const fm_input rows = {.data = values, .row_bytes = array->columns * (ptrdiff_t)sizeof(real),
                           .columns = array->columns, .type = plan->type};
    plan->kernels->gather((real *)vector + array->offset, w_panel(array->rows), &rows, NULL, 0, array->rows);
    return FM_OK;
}

static int unpack(const fm_plan *plan, const void *vector, const fm_array *array, void *values)
{
    const real *from = (const real *)vector + array->offset;
    const ptrdiff_t most = PART_REALS / array->columns + 1;
    if (array->storage) return unpack_stored(array, from, values);
    for (ptrdiff_t r = 0; r < array->rows; r += most) {
        const ptrdiff_t rows = array->rows - r < most ? array->rows - r : most;
        if (r && fm_interrupted()) return FM_INTERRUPTED;
        plan->kernels->scatter((real *)values + r * array->columns, from + r * L, w_panel(array->rows), rows, array->columns);
    }
    return FM_OK;
}

/* Values are computed in float64 and rounded, so that both types start from the same weights. */
static double drawn(int distribution, double scale, uint64_t seed, int l, int i, uint64_t element)
{
    if (distribution == FM_NORMAL) return scale * fm_normal(seed, (uint32_t)l, (uint32_t)i, element);
    const double u = fm_uniform(seed, (uint32_t)l, (uint32_t)i, element);
    return distribution == FM_UNIFORM ? -scale + (scale - -scale) * u : u < 0.5 ? -scale : scale;
}

static int initialize(fm_plan *plan, int l, int i, int distribution, double scale, uint64_t seed)
{
    const fm_array *array = &plan->layers[l].arrays[i];
    real *w = array_of(plan, l, i);
    for (ptrdiff_t r = 0; r < array->rows; r++) {
        for (ptrdiff_t j = 0; j < array->columns; j++) {
            const uint64_t element = (uint64_t)r * (uint64_t)array->columns + (uint64_t)j;
            w[j / L * (array->is_matrix ? w_panel(array->rows) : L) + r * L + j % L] =
                (real)drawn(distribution, scale, seed, l, i, element);
        }
        if (fm_interrupted()) return FM_INTERRUPTED;
    }
    return FM_OK;
}

static ptrdiff_t layer_width(const fm_layer *layer)
{
    return kind_of(layer)->width ? kind_of(layer)->width(layer) : layer->n_in;
}

/* Whether all layers are so narrow that most lanes of a panel would be empty: then batch rows go in the lanes instead. */
static int is_narrow(const fm_plan *plan)
{
    int narrow = !plan->stored && plan->n_in <= L && plan->layers[plan->layer_count - 1].activation != FM_log_softmax;
    for (int l = 0; l < plan->layer_count; l++)
        narrow &= plan->layers[l].n_out <= L / 2 && kind_of(&plan->layers[l])->goes_by_lines;
    return narrow;
}

/* The places of a layer's arrays, from `offset` on; returns where they end. */
static ptrdiff_t lay_out_arrays(fm_layer *layer, ptrdiff_t offset)
{
    layer->array_count = kind_of(layer)->arrays(layer, layer->arrays);
    layer->scaled = 0;
    for (int i = 0; i < layer->array_count; i++) {
        fm_array *array = &layer->arrays[i];
        array->offset = offset;
        array->learning_rate = layer->learning_rate[i], array->weight_decay = layer->weight_decay[i];
        layer->scaled |= array->learning_rate != 1 || array->weight_decay != 1;
        offset += array_size(array);
    }
    return offset;
}

static ptrdiff_t lay_out(fm_plan *plan)
{
    ptrdiff_t size = 0;
    plan->widest = plan->largest = plan->kept_width = plan->stored = plan->stored_row = 0, plan->codes = -1, plan->members = 1;
    for (int l = 0; l < plan->layer_count; l++) {
        fm_layer *layer = &plan->layers[l];
        const ptrdiff_t n = padded(layer->n_out), end = lay_out_arrays(layer, size);
        plan->widest = n > plan->widest ? n : plan->widest;
        plan->largest = end - size > plan->largest ? end - size : plan->largest;
        size = end;
        layer->kept = -1;
        for (int i = 0; i < layer->array_count; i++) note_stored(plan, &layer->arrays[i]);
        if (layer->tables) plan->codes = l;
        if (fm_layers[layer->kind].traits & FM_BY_MEMBER) plan->members = (ptrdiff_t)layer->settings[0];
    }
    for (int l = 0; l < plan->layer_count; l++) {
        fm_layer *source = plan->layers[l].source < 0 ? NULL : &plan->layers[plan->layers[l].source];
        if (!source || source->kept >= 0) continue;
        source->kept = plan->kept_width;
        plan->kept_width += padded(source->n_out);
    }
    plan->narrow = is_narrow(plan);
    lay_out_packed(plan);
    return size;
}

static double squares(const fm_plan *plan)
{
    double total = 0;
    for (int l = 0; l < plan->layer_count; l++)
        for (const fm_array *array = plan->layers[l].arrays; array < plan->layers[l].arrays + plan->layers[l].array_count; array++)
            if (array->decays)
                total += plan->kernels->sum_of_squares((const real *)plan->state.parameters + array->offset, array_size(array));
    return total;
}

/* Every array as it begins; padding stays zero. */
static void initialize_arrays(fm_plan *plan)
{
    for (int l = 0; l < plan->layer_count; l++)
        for (int i = 0; i < plan->layers[l].array_count; i++) {
            const fm_array *array = &plan->layers[l].arrays[i];
            for (ptrdiff_t r = 0; array->start != 0 && r < array->rows; r++)
                for (ptrdiff_t j = 0; j < array->columns; j++)
                    array_of(plan, l, i)[j / L * w_panel(array->rows) + r * L + j % L] = (real)array->start;
        }
}
