/* How training's buffers are laid out in one allocation. */

/* Rows that go through a phase together: whole cache lines of batch rows, for the transposed deltas, which should stay in
   the second-level cache; three panels of them fill a tile. */
static ptrdiff_t chunk_rows(ptrdiff_t rows, ptrdiff_t widest, int planes)
{
    const ptrdiff_t fitting = CHUNK_BYTES / (widest * (ptrdiff_t)sizeof(real)), padded = (rows + L - 1) / L * L;
    const ptrdiff_t unit = planes ? BLOCK : 3 * L, most = fitting < unit ? unit : fitting / unit * unit;
    return padded < most ? padded : most;
}

/* Whether a loss compares what stands before the link: as it is fused with that, as each of its heads is or has none, or as its
   targets are standardized. */
static int link_is_fused(const fm_target *target)
{
    return target && (target->standardized || target->head_count || (target->loss >= 0 && fm_losses[target->loss].link >= 0));
}

static const double *target_parameters(const fm_target *target)
{
    return target->parameters ? target->parameters : fm_losses[target->loss].defaults;
}

static int parameter_count(const fm_target *target)
{
    return target->parameters ? target->parameter_count : fm_losses[target->loss].count;
}

static ptrdiff_t outputs_a_target(const fm_target *target)
{
    const int outputs = fm_losses[target->loss].outputs;
    return outputs ? outputs : parameter_count(target);
}

/* Columns of a target's rows, of n outputs. */
static ptrdiff_t target_columns(const fm_target *target, ptrdiff_t n)
{
    ptrdiff_t columns = 0;
    for (int h = 0; h < target->head_count; h++) columns += target->heads[h].targets;
    return target->head_count ? columns : n / outputs_a_target(target);
}

/* Whether the derivative of a head takes what stood before its activation. */
static int heads_keep_z(const fm_plan *plan)
{
    for (int h = 0; h < plan->head_count; h++)
        if (fm_activations[plan->heads[h].activation].from_z) return 1;
    return 0;
}

static int keeps_z(const fm_plan *plan, int l, int fused)
{
    const int last = l == plan->layer_count - 1;
    return !(fused && last) && (fm_activations[plan->layers[l].activation].from_z || (last && heads_keep_z(plan)));
}

/* Whether a plan trains with batch rows in the lanes (lines.h): inputs leave a lane for the bias, and a row activation, heads
   or a rescaling of the output that no loss is fused with would need panels. */
static int trains_in_lines(const fm_plan *plan, int fused)
{
    int plain = plan->narrow && plan->n_in < L;
    for (int l = 0; l < plan->layer_count; l++) plain &= plan->layers[l].dropout == 0;
    return plain && (fused || (plan->layers[plan->layer_count - 1].activation < FM_ACTIVATIONS && !plan->rescales_output &&
                               !plan->head_count));
}

/* Whether a step's second phase may be a relay: where rows are more data than weights, passing them between cores costs
   more. */
static int may_relay(const fm_plan *plan, int fused, ptrdiff_t rows, int workers)
{
    ptrdiff_t widths = 0;
    for (int l = 0; l < plan->layer_count; l++) widths += plan->layers[l].n_in + plan->layers[l].n_out;
    return workers > 1 && !trains_in_lines(plan, fused) && rows * widths > 2 * plan->size;
}

static void stage_lay_out(training_stage *s, const fm_plan *plan, stage_arena *arena, int fused, ptrdiff_t rows, int workers,
                          int with_gradient, int planes)
{
    TAKE(training_stage, 1); /* where s is, once it is no longer measured */
    const int relays = may_relay(plan, fused, rows, workers);
    /* the last worker's rows of a panel end apart from the first one's of the next */
    const ptrdiff_t panel = ((rows + (workers > 1 ? APART_LINES : 0)) | 1) * L;
    const ptrdiff_t lines = trains_in_lines(plan, fused) ? padded(rows) : 0;
    s->rows = rows, s->panel = panel, s->workers = workers, s->drops = s->batch_statistics = 0, s->fused = s->skip_link = fused;
    s->layers = TAKE(stage_layer, plan->layer_count);
    s->input = TAKE(real, count_panels(plan->n_in) * panel);
    s->x_lines = lines ? TAKE(real, lines * plan->n_in) : NULL;
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        stage_layer b = {0};
        if (layer->dropout > 0) {
            b.x = TAKE(real, count_panels(layer->n_in) * panel);
            b.factor = TAKE(real, count_panels(layer->n_in) * panel);
        }
        b.a = TAKE(real, count_panels(layer->n_out) * panel);
        b.z = keeps_z(plan, l, fused) ? TAKE(real, count_panels(layer->n_out) * panel) : b.a;
        b.d = TAKE(real, count_panels(layer->n_out) * panel);
        if (lines) {
            b.a_lines = TAKE(real, lines * layer->n_out);
            b.z_lines = keeps_z(plan, l, fused) ? TAKE(real, lines * layer->n_out) : b.a_lines;
            b.d_lines = TAKE(real, lines * layer->n_out);
        }
        if (planes_of(layer, planes)) b.packed = TAKE(real, planes * a_size(layer->n_in, rows));
        if (layer->kept >= 0) b.beside = TAKE(real, count_panels(layer->n_out) * panel);
        if (kind_of(layer)->buffers) kind_of(layer)->buffers(b.own, layer, arena, rows);
        if (arena->base) s->layers[l] = b;
    }
    s->order = plan->members > 1 ? TAKE(int64_t, rows) : NULL;
    s->share = 1 / (double)plan->members;
    s->targets = TAKE(real, padded(rows) * plan->n_out);
    s->weights = TAKE(real, rows);
    s->labels = TAKE(int64_t, rows);
    s->values = TAKE(real, rows);
    s->correct = TAKE(double, rows);
    s->head_values = TAKE(real, plan->head_count * rows);
    const ptrdiff_t n_in = count_panels(plan->n_in) * L;
    s->chunk = chunk_rows(rows, plan->widest, planes);
    s->planes = planes;
    s->packed_size = planes && plan->packed_size ? pairs_at_once(rows, planes) * planes * PRODUCT_PANELS * b_panel(rows) : 0;
    s->packed = TAKE(real, workers * s->packed_size);
    s->turned_size = s->chunk * (n_in > plan->widest ? n_in : plan->widest);
    s->turned = TAKE(real, 2 * workers * s->turned_size);
    s->done = relays ? TAKE(fm_progress, workers) : NULL;
    s->gradient = with_gradient || relays ? TAKE(real, plan->size) : NULL;
    s->input_gradient = NULL;
}

/* FM_NO_MEMORY and FM_INTERRUPTED make none. */
static int stage_new(training_stage **made, const fm_plan *plan, int fused, ptrdiff_t rows, int workers, int with_gradient)
{
    training_stage measured, *s;
    stage_arena arena = {NULL, 0};
    const int planes = __atomic_load_n(&plan->planes, __ATOMIC_ACQUIRE);
    stage_lay_out(&measured, plan, &arena, fused, rows, workers, with_gradient, planes);
    s = fm_alloc_raw(arena.used);
    if (!s) return FM_NO_MEMORY;
    if (fm_zero(s, arena.used)) {
        fm_free(s);
        return FM_INTERRUPTED;
    }
    arena = (stage_arena){(char *)s, 0};
    stage_lay_out(s, plan, &arena, fused, rows, workers, with_gradient, planes);
    *made = s;
    return FM_OK;
}
#undef TAKE
