/* Training's buffers for one plan and batch size.  Matrices that are not in lines are in panels, `rows`
   lines or some more apart, an odd number, as panels a power of two apart would fight for the same cache sets. */

typedef struct {
    real *x;       /* this layer's input with dropout, (rows, n_in); NULL without */
    real *factor;  /* dropout's: 0 or 1 / (1 - rate) */
    real *z, *a;   /* (rows, n_out); z is a unless the derivative needs z */
    real *d;       /* the gradient with respect to z */
    real *z_lines, *a_lines, *d_lines;          /* z, a and d of a network that trains in lines */
    real *mean, *inverse;                       /* (rows,), of layer normalisation; */
    real *variance, *d_gamma, *d_beta;          /* (n_out,), with a mean, of batch normalisation */
} stage_layer;

typedef struct {
    ptrdiff_t rows, panel, chunk;
    int workers;
    stage_layer *layers;
    real *input;             /* (rows, n_in) */
    real *x_lines;           /* the same in lines, or NULL: see lines.h */
    real *targets, *weights; /* (rows, n_out) in lines; (rows,) */
    int64_t *labels;
    real *values;            /* weighted loss of each row */
    double *correct;
    real *turned;            /* for each worker, two matrices of a chunk, or weights, or a loss's rows, turned */
    ptrdiff_t turned_size;
    real *gradient;          /* like the parameters; where an update needs the whole of it first */
    real *input_gradient;    /* (rows, n_in); where asked for */
    fm_progress *done;       /* of each worker's part of a relay; NULL where there is none */
    double pace[WAYS];       /* seconds a batch took lately, each way */
    ptrdiff_t batches;       /* so far, whole ones */
    int resident;            /* the last rows gathered were a whole epoch, in the order that they lie in */
    int training;            /* dropout is on, and batch normalisation takes the batch's statistics */
    int skip_link;           /* the output layer stops at its logits, for a fused loss */
} training_stage;

/* Rows that go through a phase together: whole cache lines of batch rows, for the transposed deltas, which should stay in
   the second-level cache; three panels of them fill a tile. */
static ptrdiff_t chunk_rows(ptrdiff_t rows, ptrdiff_t widest)
{
    const ptrdiff_t fitting = CHUNK_BYTES / (widest * (ptrdiff_t)sizeof(real)), padded = (rows + L - 1) / L * L;
    const ptrdiff_t most = fitting < 3 * L ? 3 * L : fitting / (3 * L) * (3 * L);
    return padded < most ? padded : most;
}

/* Hands out parts of one allocation; with base 0 it only measures. */
typedef struct { char *base; size_t used; } stage_arena;

static void *arena_take(stage_arena *arena, size_t count, size_t size)
{
    void *part = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * size + 63) / 64 * 64;
    return part;
}

#define TAKE(type, count) ((type *)arena_take(arena, (size_t)(count), sizeof(type)))

static int link_is_fused(const fm_plan *plan)
{
    return plan->loss >= 0 && fm_losses[plan->loss].link >= 0;
}

static int keeps_z(const fm_plan *plan, int l)
{
    if (l == plan->layer_count - 1 && link_is_fused(plan)) return 0;
    return fm_activations[plan->layers[l].activation].from_z;
}

/* Whether a plan trains with batch rows in the lanes (lines.h): inputs leave a lane for the bias, and a row activation that
   no loss is fused with would need whole rows. */
static int trains_in_lines(const fm_plan *plan)
{
    int plain = plan->narrow && plan->n_in < L;
    for (int l = 0; l < plan->layer_count; l++) plain &= plan->layers[l].dropout == 0;
    return plain && (link_is_fused(plan) || plan->layers[plan->layer_count - 1].activation < FM_ACTIVATIONS);
}

/* Whether a step's second phase may be a relay: where rows are more data than weights, passing them between cores costs
   more. */
static int may_relay(const fm_plan *plan, ptrdiff_t rows, int workers)
{
    ptrdiff_t widths = 0;
    for (int l = 0; l < plan->layer_count; l++) widths += plan->layers[l].n_in + plan->layers[l].n_out;
    return workers > 1 && !trains_in_lines(plan) && rows * widths > 2 * plan->size;
}

static void stage_lay_out(training_stage *s, const fm_plan *plan, stage_arena *arena, ptrdiff_t rows, int workers,
                          int with_gradient)
{
    TAKE(training_stage, 1); /* where s is, once it is no longer measured */
    const int relays = may_relay(plan, rows, workers);
    /* the last worker's rows of a panel end apart from the first one's of the next */
    const ptrdiff_t panel = ((rows + (workers > 1 ? APART_LINES : 0)) | 1) * L;
    const ptrdiff_t lines = trains_in_lines(plan) ? padded(rows) : 0;
    s->rows = rows, s->panel = panel, s->workers = workers, s->training = 0, s->skip_link = link_is_fused(plan);
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
        b.z = keeps_z(plan, l) ? TAKE(real, count_panels(layer->n_out) * panel) : b.a;
        b.d = TAKE(real, count_panels(layer->n_out) * panel);
        if (lines) {
            b.a_lines = TAKE(real, lines * layer->n_out);
            b.z_lines = keeps_z(plan, l) ? TAKE(real, lines * layer->n_out) : b.a_lines;
            b.d_lines = TAKE(real, lines * layer->n_out);
        }
        if (layer->norm == FM_LAYER_NORM) {
            b.mean = TAKE(real, rows);
            b.inverse = TAKE(real, rows);
        } else if (layer->norm == FM_BATCH_NORM) {
            real **vectors[] = {&b.mean, &b.variance, &b.d_gamma, &b.d_beta};
            for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) *vectors[i] = TAKE(real, padded(layer->n_out));
        }
        if (arena->base) s->layers[l] = b;
    }
    s->targets = TAKE(real, padded(rows) * plan->n_out);
    s->weights = TAKE(real, rows);
    s->labels = TAKE(int64_t, rows);
    s->values = TAKE(real, rows);
    s->correct = TAKE(double, rows);
    const ptrdiff_t n_in = count_panels(plan->n_in) * L;
    s->chunk = chunk_rows(rows, plan->widest);
    s->turned_size = s->chunk * (n_in > plan->widest ? n_in : plan->widest);
    s->turned = TAKE(real, 2 * workers * s->turned_size);
    s->done = relays ? TAKE(fm_progress, workers) : NULL;
    s->gradient = with_gradient || relays ? TAKE(real, plan->size) : NULL;
    s->input_gradient = NULL;
}

static training_stage *stage_new(const fm_plan *plan, ptrdiff_t rows, int workers, int with_gradient)
{
    training_stage measured, *s;
    stage_arena arena = {NULL, 0};
    stage_lay_out(&measured, plan, &arena, rows, workers, with_gradient);
    s = fm_alloc(arena.used);
    if (!s) return NULL;
    arena = (stage_arena){(char *)s, 0};
    stage_lay_out(s, plan, &arena, rows, workers, with_gradient);
    return s;
}
#undef TAKE
