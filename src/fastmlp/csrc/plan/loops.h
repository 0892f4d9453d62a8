/* A step of training in its parts, for loops and losses from outside: forward, gradients that add up, the optimizer. */

/* A stage of more rows or workers will do, as a run's does for its last batch. */
static int loop_stage(training_stage **found, fm_plan *plan, ptrdiff_t rows)
{
    const int workers = fm_workers_for(plan, rows, 0);
    const training_stage *s = plan->stage;
    const ptrdiff_t all = rows * plan->members;
    const int fits = s && !s->fused && s->rows >= all && s->rows <= 4 * all && s->workers >= workers;
    return stage_for(found, plan, 0, fits ? s->rows : all, fits ? s->workers : workers);
}

static int loop_workers(const fm_plan *plan, const training_stage *s, ptrdiff_t rows)
{
    const int workers = fm_workers_for(plan, rows, 0);
    return workers < s->workers ? workers : s->workers;
}

/* Of passes over rows of an input that they have looked at. */
static int status_of(const step_work *w, int interrupted)
{
    return interrupted ? FM_INTERRUPTED : w->bad_rows ? FM_NOT_FINITE : FM_OK;
}

/* Before the buffers take another batch: the statistics of the one that they hold, if a gradient came of it that has not been
   zeroed since. */
static void leave_batch(fm_plan *plan)
{
    const training_stage *s = plan->stage;
    if (plan->forward_rows && s->went_back && plan->has_gradient) {
        const unsigned word = fm_fp_begin();
        move_beside(plan, s);
        fm_fp_end(word);
    }
    plan->forward_rows = 0;
}

static int train_forward(fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, double dropout,
                         void *out)
{
    training_stage *s;
    leave_batch(plan);
    const int status = loop_stage(&s, plan, rows);
    if (status != FM_OK) return status;
    s->drops = s->batch_statistics = 1, s->skip_link = s->went_back = 0;
    s->masks = (mask_source){seed, (uint32_t)fm_plan_batches(plan), 0, dropout};
    step_work w = {.plan = plan, .stage = s, .workers = loop_workers(plan, s, rows), .input = input,
                   .rows = rows, .check_rows = 1};
    const unsigned word = fm_fp_begin();
    take_members(&w);
    const int passed = status_of(&w, run_rows(&w));
    if (passed == FM_OK) join_predictions(plan, out, s->layers[plan->layer_count - 1].a, s->panel, rows);
    fm_fp_end(word);
    if (passed == FM_OK) plan->forward_rows = rows;
    return passed;
}

/* Deltas of the output layer from the gradient with respect to the prediction, of which each member has a share; `rows` are
   those of the stage. */
static void take_output_gradient(const fm_plan *plan, const training_stage *s, const void *output_gradient, ptrdiff_t rows)
{
    const fm_input in = {.data = output_gradient, .row_bytes = plan->n_out * (ptrdiff_t)sizeof(real),
                         .columns = plan->n_out, .type = plan->type};
    real *d = s->layers[plan->layer_count - 1].d;
    plan->kernels->gather(d, s->panel, &in, s->order, 0, rows);
    for (ptrdiff_t p = 0; p < count_panels(plan->n_out) && s->order; p++)
        for (ptrdiff_t i = 0; i < rows * L; i++) d[p * s->panel + i] /= (real)plan->members;
    link_backward(plan, s, 0, rows, s->turned);
}

/* d loss / d x = (d loss / d x_in) / divisor, as x_in = (x - shift) / divisor. */
static void undo_divisor(const fm_plan *plan, real *dx, ptrdiff_t rows)
{
    const real *divisor = plan->divisor;
    for (ptrdiff_t r = 0; r < rows && divisor; r++)
        for (ptrdiff_t i = 0; i < plan->n_in; i++) dx[r * plan->n_in + i] /= divisor[i];
}

/* Room for the gradient with respect to the input, for as long as there is the stage. */
static int input_gradient_room(fm_plan *plan)
{
    const training_stage *s = plan->stage;
    if (!plan->input_gradient) plan->input_gradient = fm_alloc((size_t)(count_panels(plan->n_in) * s->panel) * sizeof(real));
    return plan->input_gradient != NULL;
}

/* The first gradient is stored, and later ones come beside it until they are whole: what was interrupted has added nothing. */
static int accumulate(fm_plan *plan, const void *output_gradient, int parameters, void *input_gradient)
{
    training_stage *s = plan->stage;
    const ptrdiff_t rows = plan->forward_rows, all = rows * plan->members;
    const gradient_sink sink = {.take = take_gradient, .gradient = plan->has_gradient ? plan->addend : plan->gradient};
    step_work w = {.plan = plan, .stage = s, .workers = loop_workers(plan, s, rows), .rows = all, .backward = 1, .sink = &sink};
    if (input_gradient && !input_gradient_room(plan)) return FM_NO_MEMORY;
    const unsigned word = fm_fp_begin();
    int status = plan->kernels->all_finite(output_gradient, rows * plan->n_out) ? FM_OK : FM_BAD_INPUT;
    if (status == FM_OK) {
        s->input_gradient = input_gradient ? plan->input_gradient : NULL;
        take_output_gradient(plan, s, output_gradient, all);
        if (run_rows(&w) || (parameters && run_weights(&w))) status = FM_INTERRUPTED;
        s->input_gradient = NULL;
    }
    if (status == FM_OK && input_gradient) {
        join_members(plan, input_gradient, plan->input_gradient, s->panel, rows, plan->n_in, 1);
        undo_divisor(plan, input_gradient, rows);
    }
    if (status == FM_OK && parameters) {
        if (plan->has_gradient) plan->kernels->add(plan->gradient, plan->gradient, plan->addend, plan->size);
        plan->has_gradient = s->went_back = 1;
    }
    fm_fp_end(word);
    return status;
}

static int part_is_finite(const fm_kernels *kernels, const fm_state *state, ptrdiff_t at, ptrdiff_t count)
{
    int finite = kernels->all_finite((const real *)state->parameters + at, count);
    for (int i = 0; i < FM_SUM; i++)
        if (state->slots[i]) finite &= kernels->all_finite((const real *)state->slots[i] + at, count);
    return finite;
}

/* Reals that are moved and looked at together, while a first-level cache has them. */
enum { PIECE = 1024 };

/* The state after a step, in the place of the plan's copy: what it was stays as it is until all is well. */
static int next_state(fm_plan *plan, const step_constants *step, const real *gradient)
{
    const fm_state *from = &plan->state, *to = &plan->kept;
    gradient_sink sink = moving_sink(plan, to, from, step);
    const real *slow = sink.average ? NULL : from->slots[FM_SLOW]; /* which a step leaves as they are */
    int finite = 1;
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = sink.layer = &plan->layers[l];
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++) {
            const ptrdiff_t end = array->offset + array_size(array);
            for (ptrdiff_t at = array->offset; at < end; at += PIECE) {
                const ptrdiff_t count = end - at < PIECE ? end - at : PIECE;
                if (!array->moves || layer->frozen) {
                    copy_part(to, from, at, count);
                    continue;
                }
                sink.take(&sink, gradient + at, at, count, array->decays);
                if (slow) memcpy((real *)to->slots[FM_SLOW] + at, slow + at, (size_t)count * sizeof(real));
                finite &= part_is_finite(plan->kernels, to, at, count);
            }
            if (fm_interrupted()) return FM_INTERRUPTED;
        }
    }
    return finite ? FM_OK : FM_NOT_FINITE;
}

/* The step by a gradient that is whole. */
static int step_by(fm_plan *plan, const fm_hyper *hyper, const real *gradient)
{
    step_constants step = next_step(plan->optimizer, hyper, &plan->state);
    step.gradient_scale = norm_scale(plan->kernels, hyper, gradient, plan->size);
    begin_step(plan);
    const int status = next_state(plan, &step, gradient);
    if (status != FM_OK) return status;
    fm_plan_keep_numbers(plan);
    fm_plan_restore(plan);
    end_step(plan);
    return FM_OK;
}

/* Likewise by the mean of the gradients of some batches, of which the plan's is one: the sum with it is the copy's. */
static int add_and_step(fm_plan *plan, const fm_hyper *hyper)
{
    real *sum = plan->kept.slots[FM_SUM], *before = plan->state.slots[FM_SUM];
    plan->kernels->add(sum, before, plan->gradient, plan->size);
    if (!plan->kernels->all_finite(sum, plan->size)) return FM_NOT_FINITE;
    if (!is_last_of_step(plan)) {
        plan->state.slots[FM_SUM] = sum, plan->kept.slots[FM_SUM] = before;
        plan->state.pending++;
        return FM_OK;
    }
    divide(sum, plan->hyper.gradient_accumulation_steps, plan->size);
    const int status = step_by(plan, hyper, sum);
    if (status == FM_OK) {
        memset(plan->state.slots[FM_SUM], 0, (size_t)plan->size * sizeof(real));
        plan->state.pending = 0;
    }
    return status;
}

static int take_step(fm_plan *plan, double learning_rate, double l2, double weight_decay)
{
    fm_hyper hyper = plan->hyper;
    hyper.learning_rate = learning_rate, hyper.l2 = l2, hyper.weight_decay = weight_decay;
    const unsigned word = fm_fp_begin();
    const int status = plan->state.slots[FM_SUM] ? add_and_step(plan, &hyper) : step_by(plan, &hyper, plan->gradient);
    if (status == FM_OK && plan->forward_rows) move_beside(plan, plan->stage);
    if (status != FM_OK && plan->forward_rows) ((training_stage *)plan->stage)->went_back = 0;
    if (status == FM_OK) plan->forward_rows = 0;
    fm_fp_end(word);
    return status;
}

static double gradient_squares(const fm_plan *plan)
{
    return plan->has_gradient ? plan->kernels->sum_of_squares(plan->gradient, plan->size) : 0;
}

static void shrink_gradient(fm_plan *plan, double factor)
{
    real *gradient = plan->gradient;
    const ptrdiff_t count = plan->has_gradient ? plan->size : 0;
    const real by = (real)factor;
    for (ptrdiff_t i = 0; i < count; i++) gradient[i] *= by;
}

/* From the nearer end, so that equal weights stay and a share of 1 copies. */
static void blend(fm_plan *plan, const fm_plan *other, double share)
{
    real *w = plan->state.parameters;
    const real *v = other->state.parameters, near = (real)share, far = (real)(1 - share);
    if (share < 0.5)
        for (ptrdiff_t i = 0; i < plan->size; i++) w[i] += near * (v[i] - w[i]);
    else
        for (ptrdiff_t i = 0; i < plan->size; i++) w[i] = v[i] - far * (v[i] - w[i]);
    plan->forward_rows = 0;
}
