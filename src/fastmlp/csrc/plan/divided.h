/* A few rows through a network whose weights are more than a core's second-level cache: the workers divide each layer's units,
   so that each has the same part of the weights in every call, and keeps it in its own cache.  A unit's chains stay whole. */

enum { FEW_ROWS = 64, MOST_SHARES = 32 };
#define SHARE_BYTES ((ptrdiff_t)256 * 1024) /* of a worker's weights, at least */
#define LAYER_BYTES ((ptrdiff_t)64 * 1024)  /* of a layer's, that are worth a meeting */

/* How far a layer is. */
typedef struct {
    fm_progress ready; /* shares that are done */
    uint32_t taken;    /* bits of those that somebody has */
    char apart[128 - sizeof(uint32_t)];
} layer_shares;

typedef struct {
    const row_block *block;
    layer_shares *layers;
    int workers, by_sums;
    int finite[MOST_SHARES]; /* of each share of the first layer */
} divided_rows;

static int divided_workers(const fm_plan *plan, ptrdiff_t rows, int planes, int most)
{
    const ptrdiff_t bytes = plan->size * (ptrdiff_t)sizeof(real), fitting = bytes / SHARE_BYTES;
    if (rows > FEW_ROWS || bytes < fm_cache_bytes() / 2 || planes || plan->stored_row || plan->members > 1 || plan->head_count) return 1;
    if (most > MOST_SHARES) most = MOST_SHARES;
    return fitting < most ? (int)fitting : most;
}

static int shares_of(const divided_rows *d, int l)
{
    const fm_layer *layer = &d->block->plan->layers[l];
    const ptrdiff_t panels = count_panels(layer->n_out);
    if (!kind_of(layer)->forward_panels || panels <= 2) return 1;
    if (layer->n_in * layer->n_out * (ptrdiff_t)sizeof(real) < LAYER_BYTES) return 1;
    return panels < d->workers ? (int)panels : d->workers;
}

static int take_share(layer_shares *layer, int share)
{
    const uint32_t bit = 1u << share;
    if (__atomic_load_n(&layer->taken, __ATOMIC_RELAXED) & bit) return 0;
    return !(__atomic_fetch_or(&layer->taken, bit, __ATOMIC_RELAXED) & bit);
}

static void run_share(divided_rows *d, int l, int share, int shares)
{
    const fm_plan *plan = d->block->plan;
    const fm_layer *layer = &plan->layers[l];
    const ptrdiff_t panels = count_panels(layer->n_out);
    const real *x = l ? output_of(d->block, l - 1) : d->block->x;
    const layer_pass pass = pass_through(d->block, l, x, d->by_sums && !l ? &d->finite[share] : NULL);
    if (shares == 1)
        kind_of(layer)->forward(plan, l, &pass);
    else
        kind_of(layer)->forward_panels(plan, l, &pass, panels * share / shares, panels * (share + 1) / shares);
    __atomic_fetch_add(&d->layers[l].ready.done, 1, __ATOMIC_ACQ_REL);
}

/* Through all layers with whoever else is there: a worker's own share first, then what nobody has.  What is not divided is the
   caller's, worker 0's. */
static void divided_unit(void *context, int worker, ptrdiff_t unit)
{
    divided_rows *d = context;
    const int count = d->block->plan->layer_count;
    (void)unit;
    for (int l = 0; l < count; l++) {
        const int shares = shares_of(d, l);
        for (int i = 0; i < shares && (shares > 1 || !worker); i++)
            if (take_share(&d->layers[l], (worker + i) % shares)) run_share(d, l, (worker + i) % shares, shares);
        if (l < count - 1 || !worker) fm_await(&d->layers[l].ready, shares);
    }
}

static int all_finite_shares(const divided_rows *d)
{
    int finite = 1;
    for (int i = 0; i < d->workers; i++) finite &= d->finite[i];
    return finite || block_finite(d->block);
}

/* A worker that is late finds its share done, and may have been given every unit before the caller had one. */
static int run_divided(divided_rows *d)
{
    for (int i = 0; i < d->workers; i++) d->finite[i] = 1;
    memset(d->layers, 0, (size_t)d->block->plan->layer_count * sizeof *d->layers);
    d->by_sums = sums_tell(d->block->plan);
    if (!d->by_sums && !block_finite(d->block)) return FM_NOT_FINITE;
    if (fm_parallel(divided_unit, d, d->workers, d->workers)) return FM_INTERRUPTED;
    divided_unit(d, 0, d->workers);
    return all_finite_shares(d) ? FM_OK : FM_NOT_FINITE;
}

static int predict_divided(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, real *out, int workers)
{
    char stack[STACK_BYTES] __attribute__((aligned(64)));
    const size_t meetings = (size_t)plan->layer_count * sizeof(layer_shares);
    const size_t bytes = meetings + (size_t)(rows * scratch_row(plan, input)) * sizeof(real);
    char *memory = bytes <= sizeof stack ? stack : fm_alloc_raw(bytes);
    if (!memory) return FM_NO_MEMORY;
    const unsigned word = fm_fp_begin();
    real *scratch = (real *)(memory + meetings);
    const row_block block = block_in(plan, input, rows, scratch);
    divided_rows d = {.block = &block, .layers = (layer_shares *)memory, .workers = workers};
    const int status = run_divided(&d);
    if (status == FM_OK) plan->kernels->scatter(out, finish_block(&block), rows * L, rows, plan->n_out);
    fm_fp_end(word);
    if (memory != stack) fm_free(memory);
    return status;
}
