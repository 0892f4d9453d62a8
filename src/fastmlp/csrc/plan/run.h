/* Batch after batch of a run: their ways over the threads, the cursor, and what happens when training diverges. */

/* The plan's stage for batches of `rows` rows, made anew when the size, the workers or the loss's kind change.  Where that
   fails, it has none. */
static int stage_for(training_stage **found, fm_plan *plan, int fused, ptrdiff_t rows, int workers)
{
    training_stage *s = plan->stage;
    *found = s;
    if (s && s->rows == rows && s->workers == workers && s->fused == fused) return FM_OK;
    fm_plan_drop_stage(plan);
    *found = NULL;
    const int status = stage_new(found, plan, fused, rows, workers, needs_whole_gradient(&plan->hyper));
    plan->stage = *found;
    return status;
}

static void sum_rows(const training_stage *s, ptrdiff_t rows, double *loss, double *correct)
{
    for (ptrdiff_t r = 0; r < rows; r++)
        *loss += s->share * (double)s->values[r], *correct += s->share * (double)s->weights[r] * s->correct[r];
}

/* Likewise of each of the heads, if the loss is theirs. */
static void sum_heads(const training_stage *s, const fm_target *target, ptrdiff_t rows, double *sums)
{
    for (int h = 0; h < target->head_count; h++)
        for (ptrdiff_t r = 0; r < rows; r++) sums[h] += s->share * (double)s->head_values[h * s->rows + r];
}

/* Whether the loss of the batch is; that of the epoch so far may be beyond the numbers where each batch's is not. */
static int loss_is_finite(const step_work *w)
{
    double loss = 0, correct = 0;
    sum_rows(w->stage, w->rows, &loss, &correct);
    return isfinite(loss);
}

typedef struct { const fm_plan *plan; int finite; } state_look;

static void look_at_part(void *context, int worker, ptrdiff_t number)
{
    state_look *look = context;
    const fm_state_part part = fm_part_of_state(look->plan, number);
    const char *vector = fm_state_vector(&look->plan->state, part.vector);
    (void)worker;
    if (vector && !look->plan->kernels->all_finite((const real *)(vector + part.first), (ptrdiff_t)(part.bytes / sizeof(real))))
        __atomic_store_n(&look->finite, 0, __ATOMIC_RELAXED);
}

/* Whether all of the plan's state is finite, in *finite; returns whether it was interrupted before that is known. */
static int look_at_state(const fm_plan *plan, int workers, int *finite)
{
    state_look look = {plan, 1};
    const int interrupted = fm_for_state(plan, look_at_part, &look, workers);
    *finite = look.finite;
    return interrupted;
}

/* Rows of the next batch, if they lie anywhere and a small part of the second-level cache takes them. */
static ptrdiff_t rows_to_prefetch(const step_work *w, const fm_run *run)
{
    const ptrdiff_t left = run->rows - w->first - w->rows, rows = left < run->batch_size ? left : run->batch_size;
    return w->order && rows * run->input.row_bytes <= NEXT_BYTES ? rows : 0;
}

static double *sums_of(const fm_run *run, ptrdiff_t epoch) { return run->sums + epoch * fm_sums(&run->target); }

static ptrdiff_t batches_of(const fm_run *run) { return (run->rows + run->batch_size - 1) / run->batch_size; }

static int train_batch(fm_plan *plan, step_work *w, fm_run *run)
{
    const ptrdiff_t at = run->epoch * batches_of(run) + run->batch;
    double *sums = sums_of(run, run->epoch), loss = sums[0], correct = sums[1];
    w->first = run->batch * run->batch_size;
    w->rows = run->rows - w->first < run->batch_size ? run->rows - w->first : run->batch_size;
    w->next_rows = rows_to_prefetch(w, run);
    take_members(w);
    w->stage->masks = (mask_source){run->seed, (uint32_t)fm_plan_batches(plan), 0, run->dropout ? run->dropout[at] : 1};
    if (run_rows(w)) return FM_INTERRUPTED;
    if (w->bad_rows) return FM_BAD_INPUT;
    sum_rows(w->stage, w->rows, &loss, &correct);
    if (!isfinite(loss) && !loss_is_finite(w)) return FM_NOT_FINITE;
    if (update(plan, w, run->learning_rates[at], run->l2 ? run->l2[at] : plan->hyper.l2,
               run->weight_decay ? run->weight_decay[at] : plan->hyper.weight_decay))
        return FM_INTERRUPTED;
    sums[0] = loss, sums[1] = correct;
    sum_heads(w->stage, &run->target, w->rows, sums + 3);
    return FM_OK;
}

/* The ways of a step that may pay; alone only for less than about a millisecond, and first, so that the other threads are woken
   once. */
static int ways_to_train(const fm_plan *plan, const training_stage *s, int ways[WAYS])
{
    int count = 0;
    if (s->workers == 1 || (double)s->rows * (double)plan->size <= ALONE_WORK) ways[count++] = ALONE;
    if (s->done) ways[count++] = RELAYED;
    if (s->workers > 1) ways[count++] = SHARED;
    return count;
}

static int batch_in_way(fm_plan *plan, step_work *w, fm_run *run, int way)
{
    w->workers = way == ALONE ? 1 : w->stage->workers, w->relays = way == RELAYED;
    return train_batch(plan, w, run);
}

/* The rest of an epoch, less than a batch, tells nothing about the others. */
static int short_batch(fm_plan *plan, step_work *w, fm_run *run, ptrdiff_t rows, const int *ways, int count)
{
    const int alone = fm_workers_to_try(plan, rows, 3, w->stage->workers) == 1;
    return batch_in_way(plan, w, run, alone ? ALONE : fastest_way(&w->stage->paces, ways, count));
}

static int timed_batch(fm_plan *plan, step_work *w, fm_run *run)
{
    training_stage *s = w->stage;
    int ways[WAYS], trial;
    const int count = ways_to_train(plan, s, ways);
    const ptrdiff_t left = run->rows - run->batch * run->batch_size;
    if (left * plan->members < s->rows) return short_batch(plan, w, run, left, ways, count);
    const int way = choose_way(&s->paces, ways, count, &trial);
    const double start = fm_seconds();
    const int status = batch_in_way(plan, w, run, way);
    note_pace(&s->paces, way, trial, fm_seconds() - start);
    return status;
}

/* The order of the epoch that the cursor is in. */
static int take_order(step_work *w, fm_run *run)
{
    w->order = run->orders ? run->orders + run->epoch * run->rows : run->order;
    if (run->orders || !run->order || run->drawn == run->epoch) return FM_OK;
    run->drawn = -1;
    if (fm_shuffle(run->order, run->rows, run->seed, run->number + (uint32_t)run->epoch)) return FM_INTERRUPTED;
    run->drawn = run->epoch;
    return FM_OK;
}

/* Trains the batch at the cursor and moves the cursor on. */
static int next_batch(fm_plan *plan, step_work *w, fm_run *run)
{
    double *sums = sums_of(run, run->epoch);
    for (int i = 0; i < fm_sums(&run->target) && run->batch == 0; i++) sums[i] = i == 2 ? sums[i] : 0;
    int status = take_order(w, run);
    if (status != FM_OK) return status;
    const int whole = batches_of(run) == 1 && !w->order;
    w->resident = whole && w->gathered;
    status = timed_batch(plan, w, run);
    w->gathered = whole;
    if (status != FM_OK) return status;
    if (++run->batch == batches_of(run)) {
        if (run->squares) sums[2] = squares(plan);
        run->batch = 0, run->epoch++;
    }
    return FM_OK;
}

/* Where a call began: the copy of the plan's state is of that time too, and that of the sums, which lies behind theirs. */
typedef struct { ptrdiff_t epoch, batch; } run_cursor;

static void copy_sums(const fm_run *run, ptrdiff_t to, ptrdiff_t from)
{
    memcpy(sums_of(run, to), sums_of(run, from), (size_t)fm_sums(&run->target) * sizeof(double));
}

static void go_back(fm_plan *plan, step_work *w, fm_run *run, const run_cursor *begin)
{
    if (!w->aside || w->swapped) fm_plan_restore(plan);
    w->swapped = 0;
    run->epoch = begin->epoch, run->batch = begin->batch;
    if (begin->batch) copy_sums(run, begin->epoch, run->epochs);
}

/* Some step since `begin` has led to values that are not finite: the steps before it are made again.  Which one it was is found
   by looking after each, so that it does not depend on how many batches a call has trained.  A step aside is the only one. */
static int remake(fm_plan *plan, step_work *w, fm_run *run, const run_cursor *begin)
{
    ptrdiff_t good = 0;
    int status, finite = 1;
    w->bad_rows = 0;
    go_back(plan, w, run, begin);
    if (w->aside) return FM_NOT_FINITE;
    if (fm_plan_keep(plan, w->stage->workers)) return FM_INTERRUPTED;
    do {
        status = next_batch(plan, w, run);
        if (status == FM_OK && look_at_state(plan, w->stage->workers, &finite)) status = FM_INTERRUPTED;
    } while (status == FM_OK && finite && ++good && run->epoch < run->epochs);
    if (status == FM_INTERRUPTED) return status;
    go_back(plan, w, run, begin);
    if (fm_plan_keep(plan, w->stage->workers)) return FM_INTERRUPTED;
    for (status = FM_OK; good && status == FM_OK; good--) status = next_batch(plan, w, run);
    return status == FM_OK ? FM_NOT_FINITE : status;
}

static int run_batches(fm_plan *plan, step_work *w, fm_run *run, ptrdiff_t batches, double end)
{
    int status;
    do status = next_batch(plan, w, run);
    while (status == FM_OK && --batches > 0 && run->epoch < run->epochs && fm_seconds() < end);
    return status;
}

/* Whether a call trains a batch alone, whose step can go aside: the state after it is written beside the one before, and no copy
   is made.  Sums of gradients and slow weights are written where they are. */
static int goes_aside(const fm_plan *plan, const fm_run *run, ptrdiff_t batches)
{
    const int last = run->epoch + 1 == run->epochs && run->batch + 1 == batches_of(run);
    return plan->kept_whole && (batches == 1 || last) && !accumulates(&plan->hyper) && plan->hyper.lookahead_steps == 0;
}

static int advance(fm_plan *plan, fm_run *run, ptrdiff_t batches, double seconds, int *by_step)
{
    const ptrdiff_t rows = run->batch_size < run->rows ? run->batch_size : run->rows;
    const run_cursor begin = {run->epoch, run->batch};
    const double start = fm_seconds();
    const int fused = link_is_fused(&run->target);
    training_stage *s;
    plan->forward_rows = 0;
    int status = stage_for(&s, plan, fused, rows * plan->members, fm_workers_to_try(plan, rows, 3, run->threads));
    if (status != FM_OK) return status;
    const int aside = goes_aside(plan, run, batches);
    if (!aside && fm_plan_keep(plan, s->workers)) return FM_INTERRUPTED;
    /* a copy of a large network must not cost more than a small part of the time */
    const double least = 20 * (fm_seconds() - start);
    copy_sums(run, run->epochs, run->epoch);
    s->drops = s->batch_statistics = 1, s->skip_link = fused;
    step_work w = {.plan = plan, .stage = s, .input = &run->input, .target = &run->target,
                   .with_loss = 1, .backward = 1, .in_lines = s->x_lines != NULL, .check_rows = run->check_rows, .aside = aside};
    const unsigned word = fm_fp_begin();
    status = run_batches(plan, &w, run, batches, start + (seconds > least ? seconds : least));
    int finite = 1;
    if (aside)
        finite = !w.bad_step && beside_is_finite(plan);
    else if (status != FM_INTERRUPTED && look_at_state(plan, s->workers, &finite))
        status = FM_INTERRUPTED;
    *by_step = status != FM_INTERRUPTED && !finite;
    if (*by_step) status = remake(plan, &w, run, &begin);
    if (status == FM_INTERRUPTED) go_back(plan, &w, run, &begin);
    fm_fp_end(word);
    return status;
}
