/* One step of training.

   It has two phases.  Every row goes forward, through its loss and backward to its deltas, all with the old weights;
   then every weight takes its gradient.  Rows share nothing in the first phase and weights nothing in the second, so
   threads divide either freely and the bits stay the same; or they hand on sums over the rows, in a relay. */

static void take_gradient(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    (void)is_weight;
    memcpy(sink->gradient + offset, g, (size_t)count * sizeof(real));
}

/* The constants of an array with factors of its own. */
static step_constants scaled_step(const step_constants *step, const fm_layer *layer, ptrdiff_t offset)
{
    const fm_array *array = layer->arrays;
    while (array + 1 < layer->arrays + layer->array_count && offset >= array[1].offset) array++;
    step_constants scaled = *step;
    scaled.learning_rate = step->learning_rate * (real)array->learning_rate;
    scaled.decay = 1 - (1 - step->decay) * (real)(array->learning_rate * array->weight_decay);
    scaled.l1 = step->l1 * (real)array->weight_decay;
    scaled.l2 = step->l2 * (real)array->weight_decay;
    return scaled;
}

static void take_update(const gradient_sink *sink, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight)
{
    real *slots[FM_MOST_SLOTS];
    const real *there[1 + FM_MOST_SLOTS], *const *from = sink->from[0] ? there : NULL;
    for (int i = 0; i < FM_MOST_SLOTS; i++) slots[i] = sink->slots[i] ? sink->slots[i] + offset : NULL;
    for (int i = 0; from && i < 1 + FM_MOST_SLOTS; i++) there[i] = sink->from[i] ? sink->from[i] + offset : NULL;
    if (sink->layer->scaled) {
        const step_constants step = scaled_step(sink->step, sink->layer, offset);
        sink->update(sink->parameters + offset, g, slots, from, count, is_weight, &step);
    } else {
        sink->update(sink->parameters + offset, g, slots, from, count, is_weight, sink->step);
    }
}

/* Shares that a layer's weights are divided in: some for each worker, so that none waits long for another, and so many that
   each takes some hundredths of a second at most. */
static ptrdiff_t fewest_shares(const step_work *w) { return w->workers > 1 ? 4 * w->workers : 1; }

static ptrdiff_t weight_shares(const step_work *w)
{
    const ptrdiff_t least = fewest_shares(w);
    const double shares = (double)(w->rows + UPDATE_ROWS) * (double)w->plan->largest / (w->told ? TOLD_WORK : SHARE_WORK);
    return shares > (double)least ? (ptrdiff_t)shares : least;
}

static void gather_targets(const step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const fm_plan *plan = w->plan;
    const training_stage *s = w->stage;
    if (w->target->rows) {
        const ptrdiff_t columns = target_columns(w->target, plan->n_out);
        const fm_input in = {.data = w->target->rows, .row_bytes = columns * (ptrdiff_t)sizeof(real), .columns = columns,
                             .type = plan->type};
        plan->kernels->gather_lines(s->targets + first * columns, &in, w->order, w->first + first, rows);
    }
    for (ptrdiff_t r = first; r < first + rows; r++) {
        const int64_t from = w->order ? w->order[w->first + r] : w->first + r;
        s->labels[r] = w->target->labels ? w->target->labels[from] : 0;
        s->weights[r] = w->target->weights ? ((const real *)w->target->weights)[from] : 1;
    }
}

/* Rows are shared out in whole lines of them, as targets lie, or in whole blocks.  What is one share is found without a division. */
static ptrdiff_t shared_rows(const step_work *w) { return w->stage->planes ? BLOCK : L; }

/* A share for each worker, if there are so many lines. */
static ptrdiff_t row_shares(const step_work *w)
{
    const ptrdiff_t lines = w->workers > 1 ? (w->rows + shared_rows(w) - 1) / shared_rows(w) : 1;
    return lines < w->workers ? lines : w->workers;
}

/* The first row of a share: the line that is nearest to an equal part, as what is left of the last line may be little. */
static ptrdiff_t share_start(const step_work *w, ptrdiff_t share)
{
    const ptrdiff_t shares = row_shares(w), lines = shared_rows(w);
    if (!share || share >= shares) return share ? w->rows : 0;
    return (share * w->rows / shares + lines / 2) / lines * lines;
}

/* Looks at gathered rows while the cache has them. */
static void check_rows(step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const training_stage *s = w->stage;
    int finite = 1;
    for (ptrdiff_t p = 0; p < count_panels(w->plan->n_in); p++)
        finite &= w->plan->kernels->all_finite(s->input + p * s->panel + first * L, rows * L);
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

static void train_in_lines(step_work *w, ptrdiff_t first, ptrdiff_t rows)
{
    const training_stage *s = w->stage;
    if (!w->resident) gather_in_lines(w, first, rows);
    if (w->check_rows) check_rows(w, first, rows);
    forward_in_lines(w->plan, s, first, rows);
    loss_in_lines(w->plan, s, w->target, first, rows, 1 / (real)(w->rows + w->others));
    backward_in_lines(w->plan, s, first, rows);
}

/* Rows of the batch, at most a chunk, through the layers of the pass. */
static void pass_chunk(step_work *w, int worker, ptrdiff_t r, ptrdiff_t rows)
{
    const fm_plan *plan = w->plan;
    training_stage *s = w->stage;
    real *turned = s->turned + worker * 2 * s->turned_size;
    if (w->in_lines) {
        train_in_lines(w, r, rows);
        return;
    }
    if (w->gathers) {
        if (!w->resident) plan->kernels->gather(s->input + r * L, s->panel, w->input, w->order, w->first + r, rows);
        if (w->check_rows) check_rows(w, r, rows);
        if (s->drops && s->layers[0].x) drop(plan, s, 0, r, rows);
    }
    stage_forward(plan, s, w->from, w->to, r, rows, turned);
    if (w->with_loss && w->to == plan->layer_count) {
        if (!w->resident) gather_targets(w, r, rows);
        stage_loss(plan, s, w->target, r, rows, 1 / (real)(w->rows + w->others), w->backward, turned);
    }
    stage_backward(w, r, rows, turned);
}

/* A unit is a chunk of a share, in turn of all shares: so each worker has as much to do, and mostly the same rows in all passes. */
static void rows_unit(void *context, int worker, ptrdiff_t unit)
{
    step_work *w = context;
    const ptrdiff_t shares = row_shares(w), round = shares > 1 ? unit / shares : unit, share = unit - round * shares;
    const ptrdiff_t first = share_start(w, share) + round * w->stage->chunk, left = share_start(w, share + 1) - first;
    if (left > 0) pass_chunk(w, worker, first, left < w->stage->chunk ? left : w->stage->chunk);
}

/* The gradient of a share of one layer's parameters over rows [first, last), added to that over the rows before; `unit`
   counts the shares of all layers. */
static void weight_share(const step_work *w, int worker, const gradient_sink *sink, ptrdiff_t unit, ptrdiff_t first,
                         ptrdiff_t last)
{
    const ptrdiff_t shares = weight_shares(w);
    const int l = (int)(unit / shares);
    const fm_layer *layer = &w->plan->layers[l];
    gradient_sink own = *sink;
    own.layer = layer;
    if (layer->array_count && (!layer->frozen || w->all_layers))
        kind_of(layer)->gradient(w, &own, l, (gradient_part){unit % shares, shares, first, last, worker});
}

static void weights_unit(void *context, int worker, ptrdiff_t unit)
{
    const step_work *w = context;
    weight_share(w, worker, w->sink, w->first_unit + unit, 0, w->rows);
}

/* This and what follows return whether they were interrupted. */
static int pass_rows(step_work *w)
{
    ptrdiff_t rounds = 1;
    for (ptrdiff_t share = 0; share < row_shares(w); share++)
        while (share_start(w, share + 1) - share_start(w, share) > rounds * w->stage->chunk) rounds++;
    return fm_parallel(rows_unit, w, w->workers, row_shares(w) * rounds);
}

/* What a layer does with a column of the batch between two passes over the rows. */
static void forward_unit(void *context, int worker, ptrdiff_t panel)
{
    const step_work *w = context;
    (void)worker;
    kind_of(&w->plan->layers[w->layer])->forward_columns(w, w->layer, panel);
}

static void backward_unit(void *context, int worker, ptrdiff_t panel)
{
    const step_work *w = context;
    (void)worker;
    kind_of(&w->plan->layers[w->layer])->backward_columns(w, w->layer, panel);
}

static int run_columns(step_work *w, int layer, void (*unit)(void *, int, ptrdiff_t))
{
    w->layer = layer;
    return fm_parallel(unit, w, w->workers, count_panels(w->plan->layers[layer].n_out));
}

/* Whether a layer needs all rows of the batch before any of them can go on. */
static int needs_batch(const step_work *w, int l)
{
    return w->stage->batch_statistics && kind_of(&w->plan->layers[l])->forward_columns && !w->plan->layers[l].frozen;
}

static int forward_end(const step_work *w, int to)
{
    while (to < w->plan->layer_count && !needs_batch(w, to)) to++;
    return to;
}

/* The last layer that the backward pass goes through: below it there is nothing that a gradient is for. */
static int lowest_layer(const step_work *w)
{
    int l = 0;
    if (w->stage->input_gradient) return 0;
    while (!w->all_layers && l < w->plan->layer_count - 1 && (w->plan->layers[l].frozen || !w->plan->layers[l].array_count)) l++;
    return l + 1;
}

static int backward_end(const step_work *w, int low)
{
    const int lowest = lowest_layer(w);
    while (low > lowest && !needs_batch(w, low - 1)) low--;
    return low;
}

/* Rows from the input through their loss, and backward as far as one pass can. */
static int forward_passes(step_work *w)
{
    const int count = w->plan->layer_count;
    w->gathers = 1, w->from = 0, w->to = forward_end(w, 0), w->high = -1, w->low = 0;
    while (w->to < count) {
        if (pass_rows(w) || run_columns(w, w->to, forward_unit)) return 1;
        w->gathers = 0, w->from = w->to, w->to = forward_end(w, w->from + 1);
    }
    if (w->backward) w->high = count - 1, w->low = backward_end(w, count);
    return pass_rows(w);
}

/* Every row forward, through its loss and backward, in one pass over the rows but for layers that need the whole batch. */
static int run_rows(step_work *w)
{
    int low = w->plan->layer_count;
    if (w->input) {
        if (forward_passes(w)) return 1;
        low = w->low;
    }
    w->gathers = w->from = w->to = 0;
    for (; w->backward && low > lowest_layer(w); low = w->low) {
        w->high = low - 1, w->low = backward_end(w, w->high);
        if (needs_batch(w, w->high) && run_columns(w, w->high, backward_unit)) return 1;
        if (pass_rows(w)) return 1;
    }
    return 0;
}

/* Shares of all layers. */
static ptrdiff_t all_shares(const step_work *w) { return w->plan->layer_count * weight_shares(w); }

/* The first row of a relay's part: its worker's own, or where a block of a chain begins. */
static ptrdiff_t relay_start(const step_work *w, ptrdiff_t part)
{
    const ptrdiff_t row = share_start(w, part);
    const ptrdiff_t start = row < BLOCK_ROWS ? row : (row + BLOCK_ROWS / 2) / BLOCK_ROWS * BLOCK_ROWS;
    return part == w->workers || start > w->rows ? w->rows : start;
}

/* A relay mostly leaves rows with the core that has them: each part of the rows adds to the sums of every share, as soon as
   the part before has; the last part's sums are the gradient.  A sum takes its rows in their order, as ever. */
static void relay_part(void *context, int worker, ptrdiff_t part)
{
    step_work *w = context;
    const gradient_sink keeping = {.take = take_gradient, .gradient = w->stage->gradient};
    const gradient_sink *sink = part == w->workers - 1 ? w->sink : &keeping;
    const ptrdiff_t first = relay_start(w, part), last = relay_start(w, part + 1);
    fm_progress *done = &w->stage->done[part];
    for (ptrdiff_t unit = 0; unit < all_shares(w); unit++) {
        if (part) fm_await(done - 1, unit + 1);
        if (worker == 0 && fm_interrupted()) __atomic_store_n(&w->interrupted, 1, __ATOMIC_RELAXED);
        if (!__atomic_load_n(&w->interrupted, __ATOMIC_RELAXED)) weight_share(w, worker, sink, unit, first, last);
        fm_advance(done, unit + 1);
    }
}

static int run_weights(step_work *w)
{
    if (!w->relays) return fm_parallel(weights_unit, w, w->workers, all_shares(w));
    for (int part = 0; part < w->workers; part++) fm_advance(&w->stage->done[part], 0);
    w->interrupted = 0;
    return fm_parallel(relay_part, w, w->workers, w->workers) || w->interrupted;
}
