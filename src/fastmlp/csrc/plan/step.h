/* One step of training.

   It has two phases.  Every row goes forward, through its loss and backward to its deltas, all with the old weights;
   then every weight takes its gradient.  Rows share nothing in the first phase and weights nothing in the second, so
   threads divide either freely and the bits stay the same; or they hand on sums over the rows, in a relay. */

static void take_gradient(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    (void)is_weight;
    memcpy(sink->gradient + offset, g, (size_t)count * sizeof(real));
}

static void take_update(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    sink->update(sink->parameters + offset, g, sink->slots[0] ? sink->slots[0] + offset : NULL,
                 sink->slots[1] ? sink->slots[1] + offset : NULL, count, is_weight, sink->step);
}

static gradient_sink updating_sink(const fm_plan *plan, const step_constants *step)
{
    return (gradient_sink){.take = take_update, .parameters = plan->parameters,
                           .slots = {plan->slots[0], plan->slots[1]}, .step = step,
                           .update = plan->kernels->optimizers[plan->optimizer]};
}

/* The constants of the next optimizer step. */
static step_constants next_step(int optimizer, const fm_hyper *h, const double beta_powers[2], double learning_rate)
{
    const double power_1 = beta_powers[0] * h->beta_1, power_2 = beta_powers[1] * h->beta_2;
    const int adam = fm_optimizers[optimizer].slots == 2;
    const int without_rest = h->l1 == 0 && h->weight_decay == 0 && isinf(h->clipvalue) && isinf(h->global_clipnorm);
    return (step_constants){
        .learning_rate = (real)(adam ? learning_rate / (1 - power_1) : learning_rate), .momentum = (real)h->momentum,
        .rho = (real)h->rho, .one_minus_rho = (real)(1 - h->rho), .beta_1 = (real)h->beta_1,
        .one_minus_beta_1 = (real)(1 - h->beta_1), .beta_2 = (real)h->beta_2,
        .one_minus_beta_2 = (real)(1 - h->beta_2), .epsilon = (real)h->epsilon,
        .root_correction = (real)(1 / sqrt(1 - power_2)), .l1 = (real)h->l1, .l2 = (real)h->l2,
        .decay = (real)(1 - learning_rate * h->weight_decay), .clipvalue = (real)h->clipvalue, .gradient_scale = 1,
        .nesterov = h->nesterov,
        .before = !without_rest ? PREPARED : h->l2 != 0 ? L2_ALONE : PLAIN};
}

static void count_step(fm_plan *plan)
{
    plan->step++;
    plan->beta_powers[0] *= plan->hyper.beta_1;
    plan->beta_powers[1] *= plan->hyper.beta_2;
}

/* What the tasks of one step share. */
typedef struct {
    const fm_plan *plan;
    training_stage *stage;
    const gradient_sink *sink;
    const fm_input *input;
    const fm_target *target;
    const int64_t *order;
    ptrdiff_t first, rows;      /* of the epoch's order; in this batch */
    ptrdiff_t next_rows;        /* of the next batch, worth asking for ahead of time */
    uint64_t seed;
    int with_loss, backward, workers;
    int relays;                 /* whether rows or tiles of weights are what workers share out in the second phase */
    int resident;               /* the stage has these rows from the epoch before */
    int check_rows, bad_rows;   /* whether to look for rows that are not finite; whether there was one */
    int in_lines;               /* forward, loss and backward go by lines.h */
    int gathers, from, to, high, low; /* of a pass over the rows: layers [from, to) forward, layers high to low backward */
    int layer;                  /* whose columns are summed */
} step_work;

/* Shares that a layer's weights are divided in: some for each worker, so that none waits long for another. */
static ptrdiff_t weight_shares(const step_work *w) { return w->workers > 1 ? 4 * w->workers : 1; }

static void gather_targets(const step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_plan *plan = w->plan;
    const training_stage *s = w->stage;
    if (w->target->rows) {
        const fm_input in = {.data = w->target->rows, .row_bytes = plan->n_out * (ptrdiff_t)sizeof(real),
                             .columns = plan->n_out, .type = plan->type};
        plan->kernels->gather_lines(s->targets + first * plan->n_out, &in, w->order, w->first + first, rows);
    }
    for (ptrdiff_t r = first; r < first + rows; r++) {
        const int64_t from = w->order ? w->order[w->first + r] : w->first + r;
        s->labels[r] = w->target->labels ? w->target->labels[from] : 0;
        s->weights[r] = w->target->weights ? ((const real *)w->target->weights)[from] : 1;
    }
}

/* A worker's rows: whole lines of them, as targets lie. */
static ptrdiff_t worker_rows(const step_work *w)
{
    return ((w->rows + w->workers - 1) / w->workers + L - 1) / L * L;
}

/* Rows of a unit: at least as many units as there are workers. */
static ptrdiff_t unit_rows(const step_work *w)
{
    const ptrdiff_t share = worker_rows(w);
    return share < w->stage->chunk ? share : w->stage->chunk;
}

/* Looks at rows that are about to be gathered and lie as the plan's reals, while the cache has them. */
static void check_rows(step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_input *in = w->input;
    int finite = 1;
    for (ptrdiff_t r = w->first + first; r < w->first + first + rows; r++)
        finite &= w->plan->kernels->all_finite(
            (const real *)((const char *)in->data + (w->order ? w->order[r] : r) * in->row_bytes), in->columns);
    if (!finite) __atomic_store_n(&w->bad_rows, 1, __ATOMIC_RELAXED);
}

static void gather_in_lines(const step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_plan *plan = w->plan;
    training_stage *s = w->stage;
    plan->kernels->gather_lines(s->x_lines + first * plan->n_in, w->input, w->order, w->first + first, rows);
    turn_with_one(plan, s->input + first * L, s->panel, s->x_lines + first * plan->n_in, plan->n_in, rows);
    gather_targets(w, first, rows);
}

static void train_in_lines(const step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const training_stage *s = w->stage;
    if (!w->resident) gather_in_lines(w, first, rows);
    forward_in_lines(w->plan, s, first, rows);
    loss_in_lines(w->plan, s, first, rows, 1 / (real)w->rows);
    backward_in_lines(w->plan, s, first, rows);
}

/* Rows of the batch, at most a chunk, through the layers of the pass. */
static void pass_chunk(step_work *w, int worker, ptrdiff_t r, ptrdiff_t rows)
{
    const fm_plan *plan = w->plan;
    training_stage *s = w->stage;
    real *turned = s->turned + worker * 2 * s->turned_size;
    if (w->check_rows && w->gathers) check_rows(w, r, rows);
    if (w->in_lines) {
        train_in_lines(w, r, rows);
        return;
    }
    if (w->gathers) {
        if (!w->resident) plan->kernels->gather(s->input + r * L, s->panel, w->input, w->order, w->first + r, rows);
        if (s->training && s->layers[0].x) drop(plan, s, 0, r, rows, w->seed);
    }
    stage_forward(plan, s, w->from, w->to, r, rows, w->seed);
    if (w->with_loss && w->to == plan->layer_count) {
        if (!w->resident) gather_targets(w, r, rows);
        stage_loss(plan, s, r, rows, 1 / (real)w->rows, w->backward, turned);
    }
    stage_backward(plan, s, w->high, w->low, r, rows, w->rows, turned);
}

static void rows_unit(void *context, int worker, ptrdiff_t unit)
{
    step_work *w = context;
    const ptrdiff_t most = unit_rows(w), r = unit * most;
    pass_chunk(w, worker, r, w->rows - r < most ? w->rows - r : most);
}

static weight_gradient_args weight_gradient_of(const step_work *w, int l)
{
    const fm_layer *layer = &w->plan->layers[l];
    const training_stage *s = w->stage;
    return (weight_gradient_args){
        .w_offset = layer->w, .b_offset = layer->b, .d_in_lines = w->in_lines,
        .x = stage_input(s, l), .x_panel = s->panel, .d = w->in_lines ? s->layers[l].d_lines : s->layers[l].d,
        .d_panel = s->panel, .m = w->rows, .k = layer->n_in, .n = layer->n_out, .so_far = s->gradient,
        .next = w->input, .next_order = w->next_rows ? w->order + w->first + w->rows : NULL,
        .next_rows = l ? 0 : w->next_rows};
}

/* The gradients of gamma and beta, which are no weights: no penalty takes them to zero. */
static void take_norm_gradient(const step_work *w, const gradient_sink *sink, int l)
{
    real d_gamma[64 / sizeof(real)] __attribute__((aligned(64))), d_beta[64 / sizeof(real)] __attribute__((aligned(64)));
    const fm_layer *layer = &w->plan->layers[l];
    const norm_args g = stage_norm(w->plan, w->stage, l, 0, w->rows);
    for (ptrdiff_t p = 0; p < count_panels(layer->n_out); p++) {
        w->plan->kernels->norm_gradient(&g, p, d_gamma, d_beta);
        sink->take(sink, d_gamma, layer->w + p * L, L, 0);
        sink->take(sink, d_beta, layer->b + p * L, L, 0);
    }
}

/* The gradient of a share of one layer's tiles over rows [first, last), added to that over the rows before; `unit` counts
   the shares of all layers. */
static void weight_share(const step_work *w, const gradient_sink *sink, ptrdiff_t unit, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t shares = weight_shares(w), l = unit / shares, share = unit % shares;
    if (w->plan->layers[l].norm) {
        if (!share && last == w->rows) take_norm_gradient(w, sink, (int)l);
        return;
    }
    weight_gradient_args g = weight_gradient_of(w, (int)l);
    const ptrdiff_t units = w->plan->kernels->weight_gradient_units(&g);
    const ptrdiff_t next_end = g.next_rows < last ? g.next_rows : last;
    g.sink = sink, g.first = first, g.last = last;
    g.next_rows = next_end > first ? next_end - first : 0;
    if (g.next_rows) g.next_order += first;
    w->plan->kernels->weight_gradient(&g, units * share / shares, units * (share + 1) / shares);
}

static void weights_unit(void *context, int worker, ptrdiff_t unit)
{
    const step_work *w = context;
    (void)worker;
    weight_share(w, w->sink, unit, 0, w->rows);
}

static void pass_rows(step_work *w)
{
    const ptrdiff_t most = unit_rows(w);
    fm_parallel(rows_unit, w, w->workers, (w->rows + most - 1) / most);
}

static void statistics_unit(void *context, int worker, ptrdiff_t panel)
{
    const step_work *w = context;
    const norm_args g = stage_norm(w->plan, w->stage, w->layer, 0, w->rows);
    (void)worker;
    w->plan->kernels->norm_statistics(&g, panel);
}

static void norm_gradient_unit(void *context, int worker, ptrdiff_t panel)
{
    const step_work *w = context;
    const norm_args g = stage_norm(w->plan, w->stage, w->layer, 0, w->rows);
    const stage_layer *b = &w->stage->layers[w->layer];
    (void)worker;
    w->plan->kernels->norm_gradient(&g, panel, b->d_gamma + panel * L, b->d_beta + panel * L);
}

static void run_columns(step_work *w, int layer, void (*unit)(void *, int, ptrdiff_t))
{
    w->layer = layer;
    fm_parallel(unit, w, w->workers, count_panels(w->plan->layers[layer].n_out));
}

/* Whether a layer needs all rows of the batch before any of them can go on. */
static int needs_batch(const step_work *w, int l)
{
    return w->stage->training && w->plan->layers[l].norm == FM_BATCH_NORM;
}

static int forward_end(const step_work *w, int to)
{
    while (to < w->plan->layer_count && !needs_batch(w, to)) to++;
    return to;
}

static int backward_end(const step_work *w, int low)
{
    const int lowest = w->stage->input_gradient ? 0 : 1;
    while (low > lowest && !needs_batch(w, low - 1)) low--;
    return low;
}

/* Rows from the input through their loss, and backward as far as one pass can. */
static void forward_passes(step_work *w)
{
    const int count = w->plan->layer_count;
    w->gathers = 1, w->from = 0, w->to = forward_end(w, 0), w->high = -1, w->low = 0;
    while (w->to < count) {
        pass_rows(w);
        run_columns(w, w->to, statistics_unit);
        w->gathers = 0, w->from = w->to, w->to = forward_end(w, w->from + 1);
    }
    if (w->backward) w->high = count - 1, w->low = backward_end(w, count);
    pass_rows(w);
}

/* Every row forward, through its loss and backward, in one pass over the rows but for layers that need the whole batch. */
static void run_rows(step_work *w)
{
    int low = w->plan->layer_count;
    if (w->input) {
        forward_passes(w);
        low = w->low;
    }
    w->gathers = w->from = w->to = 0;
    for (; w->backward && low > (w->stage->input_gradient ? 0 : 1); low = w->low) {
        w->high = low - 1, w->low = backward_end(w, w->high);
        if (needs_batch(w, w->high)) run_columns(w, w->high, norm_gradient_unit);
        pass_rows(w);
    }
}

/* Shares of all layers. */
static ptrdiff_t all_shares(const step_work *w) { return w->plan->layer_count * weight_shares(w); }

/* The first row of a relay's part: its worker's own, or where a block of a chain begins. */
static ptrdiff_t relay_start(const step_work *w, ptrdiff_t part)
{
    const ptrdiff_t row = part * worker_rows(w);
    const ptrdiff_t start = row < BLOCK_ROWS ? row : (row + BLOCK_ROWS / 2) / BLOCK_ROWS * BLOCK_ROWS;
    return part == w->workers || start > w->rows ? w->rows : start;
}

/* A relay mostly leaves rows with the core that has them: each part of the rows adds to the sums of every share, as soon as
   the part before has; the last part's sums are the gradient.  A sum takes its rows in their order, as ever. */
static void relay_part(void *context, int worker, ptrdiff_t part)
{
    const step_work *w = context;
    const gradient_sink keeping = {.take = take_gradient, .gradient = w->stage->gradient};
    const gradient_sink *sink = part == w->workers - 1 ? w->sink : &keeping;
    const ptrdiff_t first = relay_start(w, part), last = relay_start(w, part + 1);
    fm_progress *done = &w->stage->done[part];
    (void)worker;
    for (ptrdiff_t unit = 0; unit < all_shares(w); unit++) {
        if (part) fm_await(done - 1, unit + 1);
        weight_share(w, sink, unit, first, last);
        fm_advance(done, unit + 1);
    }
}

static void run_weights(step_work *w)
{
    if (!w->relays) {
        fm_parallel(weights_unit, w, w->workers, all_shares(w));
        return;
    }
    for (int part = 0; part < w->workers; part++) fm_advance(&w->stage->done[part], 0);
    fm_parallel(relay_part, w, w->workers, w->workers);
}
