/* What is done around the steps of a rule: a moving average of the weights (as Keras has it), lookahead (Zhang et al.,
   arXiv:1907.08610), and gradients of several batches that make one step. */

static int accumulates(const fm_hyper *hyper) { return hyper->gradient_accumulation_steps > 1; }
static int needs_whole_gradient(const fm_hyper *hyper) { return !isinf(hyper->global_clipnorm) || accumulates(hyper); }

/* Whether the next batch completes a step. */
static int is_last_of_step(const fm_plan *plan)
{
    return plan->state.pending + 1 >= (int64_t)plan->hyper.gradient_accumulation_steps;
}

static void divide(real *values, double by, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) values[i] /= (real)by;
}

static void take_averaged_update(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    take_update(sink, g, offset, count, is_weight);
    sink->move_average(sink->average + offset, sink->average_from + offset, sink->parameters + offset, count,
                       sink->average_stays, sink->average_takes);
}

/* Looks at what was moved while the cache has it. */
static void take_looked(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    (sink->average ? take_averaged_update : take_update)(sink, g, offset, count, is_weight);
    int finite = sink->all_finite(sink->parameters + offset, count);
    if (sink->average) finite &= sink->all_finite(sink->average + offset, count);
    for (int i = 0; i < FM_MOST_SLOTS; i++) finite &= !sink->slots[i] || sink->all_finite(sink->slots[i] + offset, count);
    if (!finite) __atomic_store_n(sink->finite, 0, __ATOMIC_RELAXED);
}

/* What moves the vectors of a state; the average is that of the first step alone after it. */
static gradient_sink updating_sink(const fm_plan *plan, const fm_state *state, const step_constants *step)
{
    gradient_sink sink = {.take = take_update, .parameters = state->parameters, .step = step,
                          .update = plan->kernels->optimizers[plan->optimizer]};
    for (int i = 0; i < FM_MOST_SLOTS; i++) sink.slots[i] = state->slots[i];
    if (plan->hyper.use_ema != 0) {
        const double momentum = plan->state.step ? plan->hyper.ema_momentum : 0;
        sink.take = take_averaged_update, sink.move_average = plan->kernels->move_average;
        sink.average = state->slots[FM_SLOW], sink.average_from = sink.average;
        sink.average_stays = (real)momentum, sink.average_takes = (real)(1 - momentum);
    }
    return sink;
}

/* What moves the vectors of one state to those of another. */
static gradient_sink moving_sink(const fm_plan *plan, const fm_state *to, const fm_state *from, const step_constants *step)
{
    gradient_sink sink = updating_sink(plan, to, step);
    sink.from[0] = from->parameters, sink.average_from = from->slots[FM_SLOW];
    for (int i = 0; i < FM_MOST_SLOTS; i++) sink.from[1 + i] = from->slots[i];
    return sink;
}

/* Elements [at, at + count) of the parameters and of slots below FM_SUM. */
static void copy_part(const fm_state *to, const fm_state *from, ptrdiff_t at, ptrdiff_t count)
{
    memcpy((real *)to->parameters + at, (const real *)from->parameters + at, (size_t)count * sizeof(real));
    for (int i = 0; i < FM_SUM; i++)
        if (from->slots[i]) memcpy((real *)to->slots[i] + at, (const real *)from->slots[i] + at, (size_t)count * sizeof(real));
}

/* What moves a state into its copy, and clears *finite where that is not. */
static gradient_sink aside_sink(const fm_plan *plan, const step_constants *step, int *finite)
{
    gradient_sink sink = moving_sink(plan, &plan->kept, &plan->state, step);
    sink.take = take_looked, sink.all_finite = plan->kernels->all_finite, sink.finite = finite;
    return sink;
}

/* Into the copy of the state what no step moves. */
static void copy_unmoved(fm_plan *plan)
{
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++)
            if (!array->moves || layer->frozen) copy_part(&plan->kept, &plan->state, array->offset, array_size(array));
    }
}

/* Whether what kinds move beside their gradients is. */
static int beside_is_finite(const fm_plan *plan)
{
    int finite = 1;
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++)
            if (!array->moves)
                finite &= plan->kernels->all_finite((const real *)plan->state.parameters + array->offset, array_size(array));
    }
    return finite;
}

/* Slow weights begin as what the first step finds. */
static void begin_step(fm_plan *plan)
{
    if (plan->hyper.lookahead_steps != 0 && plan->state.step == 0)
        memcpy(plan->state.slots[FM_SLOW], plan->state.parameters, (size_t)plan->size * sizeof(real));
}

/* Slow weights go a share of the way to those that training has moved, which then go on from there; all of the way where the
   slow ones are taken as they are. */
static void meet(fm_plan *plan, double share)
{
    real *w = plan->state.parameters, *slow = plan->state.slots[FM_SLOW];
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++) {
            if (!array->moves || layer->frozen) continue;
            for (ptrdiff_t i = array->offset; i < array->offset + array_size(array); i++) {
                slow[i] += (real)share * (w[i] - slow[i]);
                w[i] = slow[i];
            }
        }
    }
}

static void take_average(fm_plan *plan)
{
    meet(plan, 0);
    plan->forward_rows = 0;
}

static int is_multiple(int64_t step, double of) { return of > 0 && step % (int64_t)of == 0; }

/* After the weights have moved. */
static void end_step(fm_plan *plan)
{
    const fm_hyper *hyper = &plan->hyper;
    fm_count_step(&plan->state, plan->optimizer, hyper);
    if (is_multiple(plan->state.step, hyper->lookahead_steps)) meet(plan, hyper->lookahead_alpha);
    if (is_multiple(plan->state.step, hyper->ema_overwrite_frequency)) meet(plan, 0);
}

/* What kinds of layers move beside their arrays' gradients, after each batch. */
static void move_beside(fm_plan *plan, const training_stage *s)
{
    for (int l = 0; l < plan->layer_count; l++)
        if (kind_of(&plan->layers[l])->after_step) kind_of(&plan->layers[l])->after_step(plan, s, l);
}
