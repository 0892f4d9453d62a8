/* Weights, inputs and deltas in planes of bfloat16, for layers whose products are of them. */

/* The planes of a layer's products where the plan's have so many. */
static int planes_of(const fm_layer *layer, int planes) { return layer->packed < 0 ? 0 : planes; }

/* Narrower layers cost more to pack than they gain: part of the numeric contract. */
#define LEAST_WIDTH 64

static int takes_planes(const fm_plan *plan, const fm_layer *layer)
{
    return plan->type == FM_FLOAT32 && kind_of(layer)->takes_planes && !layer->arrays[0].storage && layer->n_in >= LEAST_WIDTH && layer->n_out >= LEAST_WIDTH;
}

/* W as B, and after it W^T, in `planes` planes each. */
static const real *packed_weights(const fm_plan *plan, int l, int planes)
{
    return (const real *)plan->packed[planes] + planes * plan->layers[l].packed;
}

static const real *packed_turned(const fm_plan *plan, int l, int planes)
{
    return packed_weights(plan, l, planes) + planes * b_size(plan->layers[l].n_in, plan->layers[l].n_out);
}

static void lay_out_packed(fm_plan *plan)
{
    plan->packed_size = 0;
    for (int l = 0; l < plan->layer_count; l++) {
        fm_layer *layer = &plan->layers[l];
        layer->packed = -1;
        if (!takes_planes(plan, layer)) continue;
        layer->packed = plan->packed_size;
        plan->packed_size += b_size(layer->n_in, layer->n_out) + b_size(layer->n_out, layer->n_in);
    }
}

/* Pairs of panels of all layers' weights, one after another, are the units of packing. */
static ptrdiff_t weight_pairs(const fm_layer *layer)
{
    return layer->packed < 0 ? 0 : (count_panels(layer->n_out) + 1) / 2;
}

typedef struct { const fm_plan *plan; int planes; } repacking;

static void repack_unit(void *context, int worker, ptrdiff_t unit)
{
    const repacking *r = context;
    const fm_plan *plan = r->plan;
    const int planes = r->planes;
    int l = 0;
    (void)worker;
    for (; unit >= weight_pairs(&plan->layers[l]); l++) unit -= weight_pairs(&plan->layers[l]);
    const fm_layer *layer = &plan->layers[l];
    plan->products->pack_weights((real *)packed_weights(plan, l, planes), (real *)packed_turned(plan, l, planes), array_of(plan, l, 0),
                                layer->n_in, layer->n_out, unit, unit + 1, planes);
}

static ptrdiff_t repack_units(const fm_plan *plan)
{
    ptrdiff_t units = 0;
    for (int l = 0; l < plan->layer_count; l++) units += weight_pairs(&plan->layers[l]);
    return units;
}

/* After a step, which is undone where this returns that it was interrupted. */
static int repack_step(const fm_plan *plan, int workers)
{
    repacking r = {plan, plan->planes};
    return r.planes && fm_parallel(repack_unit, &r, workers, repack_units(plan));
}

/* After a change that nobody undoes: no signal ends it. */
static void repack(const fm_plan *plan, int planes)
{
    repacking r = {plan, planes};
    for (ptrdiff_t unit = 0; planes && unit < repack_units(plan); unit++) repack_unit(&r, 0, unit);
}

/* Pairs of panels of deltas that are packed at a time: what a part of the second-level cache holds. */
static ptrdiff_t pairs_at_once(ptrdiff_t rows, int planes)
{
    const ptrdiff_t fitting = 256 * 1024 / (planes * PRODUCT_PANELS * b_panel(rows) * (ptrdiff_t)sizeof(real));
    return fitting < 1 ? 1 : fitting > 8 ? 8 : fitting;
}

/* Reals of room for the inputs or deltas of `rows` rows of any layer, in planes, or as what meets stored weights. */
static ptrdiff_t packed_rows(const fm_plan *plan, ptrdiff_t rows, int planes)
{
    ptrdiff_t most = padded(block_lines(rows) * plan->stored_row);
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        const ptrdiff_t size = planes_of(layer, planes) * a_size(rows, layer->n_in > layer->n_out ? layer->n_in : layer->n_out);
        most = size > most ? size : most;
    }
    return most;
}
