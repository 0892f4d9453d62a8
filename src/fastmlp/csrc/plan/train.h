/* Updates, batches, epochs and gradients. */

/* The factor that brings a gradient down to the norm it may have. */
static real norm_scale(const fm_kernels *kernels, const fm_hyper *hyper, const real *gradient, ptrdiff_t count)
{
    const double norm = isinf(hyper->global_clipnorm) ? 0 : sqrt(kernels->sum_of_squares(gradient, count));
    return norm > hyper->global_clipnorm ? (real)(hyper->global_clipnorm / norm) : 1;
}

/* The whole gradient first, where its norm decides the step. */
static void clipped_update(step_work *w, const gradient_sink *updating, step_constants *step)
{
    const fm_plan *plan = w->plan;
    const gradient_sink keeping = {.take = take_gradient, .gradient = w->stage->gradient};
    w->sink = &keeping;
    run_weights(w);
    step->gradient_scale = norm_scale(plan->kernels, &plan->hyper, keeping.gradient, plan->size);
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        take_update(updating, keeping.gradient + layer->w, layer->w, w_size(layer), !layer->norm);
        if (layer->b >= 0)
            take_update(updating, keeping.gradient + layer->b, layer->b, count_panels(layer->n_out) * L, 0);
    }
}

/* moving = momentum * moving + (1 - momentum) * batch */
static void move_statistics(fm_plan *plan, const training_stage *s)
{
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        if (layer->norm != FM_BATCH_NORM) continue;
        const real momentum = (real)layer->momentum, rest = (real)(1 - layer->momentum);
        real *mean = (real *)plan->parameters + layer->mean, *variance = (real *)plan->parameters + layer->variance;
        for (ptrdiff_t j = 0; j < layer->n_out; j++) {
            mean[j] = momentum * mean[j] + rest * s->layers[l].mean[j];
            variance[j] = momentum * variance[j] + rest * s->layers[l].variance[j];
        }
    }
}

static void update(fm_plan *plan, step_work *w, double learning_rate, double l2)
{
    fm_hyper hyper = plan->hyper;
    hyper.l2 = l2;
    step_constants step = next_step(plan->optimizer, &hyper, plan->beta_powers, learning_rate);
    const gradient_sink sink = updating_sink(plan, &step);
    if (isinf(plan->hyper.global_clipnorm)) {
        w->sink = &sink;
        run_weights(w);
    } else {
        clipped_update(w, &sink, &step);
    }
    move_statistics(plan, w->stage);
    count_step(plan);
}

/* The plan's stage for batches of `rows` rows, made anew when the size or the workers change. */
static training_stage *stage_for(fm_plan *plan, ptrdiff_t rows, int workers)
{
    training_stage *s = plan->stage;
    if (s && s->rows == rows && s->workers == workers) return s;
    fm_free(s);
    plan->stage = s = stage_new(plan, rows, workers, !isinf(plan->hyper.global_clipnorm));
    return s;
}

static void sum_rows(const training_stage *s, ptrdiff_t rows, double *loss, double *correct)
{
    for (ptrdiff_t r = 0; r < rows; r++) *loss += (double)s->values[r], *correct += s->correct[r];
}

/* Rows of the next batch, if they lie anywhere and a small part of the second-level cache takes them. */
static ptrdiff_t rows_to_prefetch(const step_work *w, const fm_epoch *e)
{
    const ptrdiff_t left = e->rows - w->first - w->rows, rows = left < e->batch_size ? left : e->batch_size;
    return e->order && rows * e->input.row_bytes <= NEXT_BYTES ? rows : 0;
}

static int train_batch(fm_plan *plan, step_work *w, fm_epoch *e)
{
    double loss = e->loss, correct = e->correct;
    w->first = e->batch * e->batch_size;
    w->rows = e->rows - w->first < e->batch_size ? e->rows - w->first : e->batch_size;
    w->next_rows = rows_to_prefetch(w, e);
    run_rows(w);
    if (w->bad_rows) return FM_BAD_INPUT;
    sum_rows(w->stage, w->rows, &loss, &correct);
    if (!isfinite(loss)) return FM_NOT_FINITE;
    update(plan, w, e->learning_rates[e->batch], e->l2 ? e->l2[e->batch] : plan->hyper.l2);
    e->loss = loss, e->correct = correct;
    e->batch++;
    return FM_OK;
}

/* Every so often a few batches are made each way that may pay, and those between them the fastest way: alone for less than
   about a millisecond, as on a machine that is busy with other things a second thread can cost more than it gives; and once
   more soon after the start, should it have been disturbed.  The bits are the same. */
enum { TRIAL = 3, SOON = 128, PERIOD = 512 };

/* Alone comes first, so that the other threads are woken once. */
static int possible_ways(const fm_plan *plan, const training_stage *s, int ways[WAYS])
{
    int count = 0;
    if (s->workers == 1 || (double)s->rows * (double)plan->size <= 3e7) ways[count++] = ALONE;
    if (s->done) ways[count++] = RELAYED;
    if (s->workers > 1) ways[count++] = SHARED;
    return count;
}

static ptrdiff_t trial_batch(const training_stage *s)
{
    return s->batches < SOON ? s->batches : (s->batches - SOON) % PERIOD;
}

/* The way of the next batch; *in_trial is 0 if it is the fastest one's. */
static int choose_way(const fm_plan *plan, const training_stage *s, int *in_trial)
{
    int ways[WAYS];
    const int count = possible_ways(plan, s, ways);
    const ptrdiff_t trial = trial_batch(s) / TRIAL;
    if ((*in_trial = trial < count)) return ways[trial];
    int way = ways[0];
    for (int i = 1; i < count; i++)
        if (s->pace[ways[i]] < s->pace[way]) way = ways[i];
    return way;
}

static int batch_in_way(fm_plan *plan, step_work *w, fm_epoch *e, int way)
{
    w->workers = way == ALONE ? 1 : w->stage->workers, w->relays = way == RELAYED;
    return train_batch(plan, w, e);
}

/* The rest of an epoch, less than a batch, tells nothing about the others. */
static int short_batch(fm_plan *plan, step_work *w, fm_epoch *e, ptrdiff_t rows)
{
    int in_trial;
    const int alone = fm_workers_for(plan, rows, 3, w->stage->workers) == 1;
    return batch_in_way(plan, w, e, alone ? ALONE : choose_way(plan, w->stage, &in_trial));
}

static int timed_batch(fm_plan *plan, step_work *w, fm_epoch *e)
{
    training_stage *s = w->stage;
    int in_trial;
    const ptrdiff_t left = e->rows - e->batch * e->batch_size;
    if (left < s->rows) return short_batch(plan, w, e, left);
    const int way = choose_way(plan, s, &in_trial);
    const double start = fm_seconds();
    const int status = batch_in_way(plan, w, e, way);
    const double pace = fm_seconds() - start;
    const ptrdiff_t batch = trial_batch(s) % TRIAL;
    /* The first batch of a trial may have to wake a thread or find new memory: the best of the others counts.  Afterwards the
       average follows what the machine does meanwhile. */
    if (!in_trial)
        s->pace[way] += (pace - s->pace[way]) / 16;
    else if (batch == 1 || (batch && pace < s->pace[way]))
        s->pace[way] = pace;
    s->batches++;
    return status;
}

/* FM_NOT_FINITE leaves the plan in any state: it is the caller who has a copy. */
static int train(fm_plan *plan, fm_epoch *e)
{
    const ptrdiff_t rows = e->batch_size < e->rows ? e->batch_size : e->rows;
    const ptrdiff_t batches = (e->rows + e->batch_size - 1) / e->batch_size;
    training_stage *s = stage_for(plan, rows, fm_workers_for(plan, rows, 3, e->threads));
    if (!s) return FM_NO_MEMORY;
    s->training = 1;
    s->skip_link = link_is_fused(plan);
    const int whole = batches == 1 && !e->order, resident = whole && e->again && s->resident;
    s->resident = whole;
    step_work w = {.plan = plan, .stage = s, .input = &e->input, .target = &e->target, .order = e->order,
                   .resident = resident,
                   .seed = e->seed, .with_loss = 1, .backward = 1, .in_lines = s->x_lines != NULL,
                   .check_rows = e->check_rows && e->input.type == plan->type};
    const unsigned word = fm_fp_begin();
    const double start = fm_seconds();
    int status = FM_OK;
    while (e->batch < batches && status == FM_OK) {
        status = timed_batch(plan, &w, e);
        if (fm_seconds() - start >= e->seconds) break;
    }
    /* a finite loss may have led to weights that are not */
    if (!plan->kernels->all_finite(plan->parameters, plan->size)) status = FM_NOT_FINITE;
    fm_fp_end(word);
    return status;
}

static int train_forward(fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, void *out)
{
    training_stage *s = stage_for(plan, rows, 1);
    if (!s) return FM_NO_MEMORY;
    s->training = 1, s->skip_link = 0; /* predictions, whatever loss is compiled */
    step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .rows = rows, .seed = seed};
    const unsigned word = fm_fp_begin();
    run_rows(&w);
    plan->kernels->scatter(out, s->layers[plan->layer_count - 1].a, s->panel, rows, plan->n_out);
    fm_fp_end(word);
    return FM_OK;
}

/* Deltas of the output layer from the gradient with respect to the prediction. */
static void take_output_gradient(const fm_plan *plan, const training_stage *s, const void *output_gradient, ptrdiff_t rows)
{
    const fm_input in = {.data = output_gradient, .row_bytes = plan->n_out * (ptrdiff_t)sizeof(real),
                         .columns = plan->n_out, .type = plan->type};
    plan->kernels->gather(s->layers[plan->layer_count - 1].d, s->panel, &in, NULL, 0, rows);
    link_backward(plan, s, 0, rows);
}

static int train_backward(fm_plan *plan, const void *output_gradient, ptrdiff_t rows, double learning_rate,
                          double l2)
{
    training_stage *s = plan->stage;
    step_work w = {.plan = plan, .stage = s, .workers = 1, .rows = rows, .backward = 1};
    const unsigned word = fm_fp_begin();
    fm_plan_keep(plan);
    take_output_gradient(plan, s, output_gradient, rows);
    run_rows(&w);
    update(plan, &w, learning_rate, l2);
    const int finite = plan->kernels->all_finite(plan->parameters, plan->size);
    if (!finite) fm_plan_restore(plan);
    fm_fp_end(word);
    return finite ? FM_OK : FM_NOT_FINITE;
}

/* d loss / d x = (d loss / d x_in) / divisor, as x_in = (x - shift) / divisor. */
static void undo_divisor(const fm_plan *plan, real *dx, ptrdiff_t rows)
{
    const real *divisor = plan->divisor;
    for (ptrdiff_t r = 0; r < rows && divisor; r++)
        for (ptrdiff_t i = 0; i < plan->n_in; i++) dx[r * plan->n_in + i] /= divisor[i];
}

static int gradients(const fm_plan *plan, const fm_input *input, const fm_target *target,
                     const void *output_gradient, ptrdiff_t rows, void *gradient, void *input_gradient, double *loss)
{
    double correct = 0;
    training_stage *s = stage_new(plan, rows, 1, 0);
    const size_t input_size = (size_t)(count_panels(plan->n_in) * (s ? s->panel : 0)) * sizeof(real);
    if (!s) return FM_NO_MEMORY;
    if (input_gradient && !(s->input_gradient = fm_alloc(input_size))) {
        fm_free(s);
        return FM_NO_MEMORY;
    }
    if (output_gradient) s->skip_link = 0;
    const gradient_sink sink = {.take = take_gradient, .gradient = gradient};
    step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .target = target, .rows = rows, .sink = &sink,
                   .with_loss = !output_gradient, .backward = !output_gradient};
    const unsigned word = fm_fp_begin();
    run_rows(&w);
    if (output_gradient) {
        take_output_gradient(plan, s, output_gradient, rows);
        w.input = NULL, w.backward = 1;
        run_rows(&w);
    }
    run_weights(&w);
    *loss = 0;
    if (!output_gradient) sum_rows(s, rows, loss, &correct);
    *loss /= (double)rows;
    if (input_gradient) {
        plan->kernels->scatter(input_gradient, s->input_gradient, s->panel, rows, plan->n_in);
        undo_divisor(plan, input_gradient, rows);
    }
    fm_fp_end(word);
    fm_free(s->input_gradient);
    fm_free(s);
    return FM_OK;
}

/* Every layer's activations, block by block through a stage that neither drops nor stops at logits. */
static int forward(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *const *outs)
{
    const ptrdiff_t block = rows < 1024 ? rows : 1024;
    training_stage *s = stage_new(plan, block, 1, 0);
    if (!s) return FM_NO_MEMORY;
    s->skip_link = 0;
    const unsigned word = fm_fp_begin();
    for (ptrdiff_t first = 0; first < rows; first += block) {
        step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .first = first,
                       .rows = rows - first < block ? rows - first : block};
        run_rows(&w);
        for (int l = 0; l < plan->layer_count; l++) {
            const ptrdiff_t n = plan->layers[l].n_out;
            plan->kernels->scatter((real *)outs[l] + first * n, s->layers[l].a, s->panel, w.rows, n);
        }
    }
    fm_fp_end(word);
    fm_free(s);
    return FM_OK;
}
