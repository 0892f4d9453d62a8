/* The order of work of a forward pass. */

/* One row of a small network takes a fifth of a microsecond. */
#define INLINED static inline __attribute__((always_inline))

/* The activation of a layer as its forward pass applies it: row activations come after, and a fused link not at all. */
static int own_activation(const fm_plan *plan, int l, int skip_link)
{
    const int activation = plan->layers[l].activation;
    return activation >= FM_ACTIVATIONS || (skip_link && l == plan->layer_count - 1) ? FM_identity : activation;
}

/* softmax of a few outputs, L rows at a time in `lines` (L, n_out). */
static void softmax_in_lines(const fm_plan *plan, real *a, ptrdiff_t panel, ptrdiff_t rows, real *lines)
{
    const fm_kernels *kernels = plan->kernels;
    for (ptrdiff_t r = 0; r < rows; r += L) {
        const ptrdiff_t some = rows - r < L ? rows - r : L;
        kernels->transpose(lines, 0, a + r * L, panel, some, plan->n_out);
        kernels->turned_softmax(lines, 1, plan->n_out);
        kernels->transpose(a + r * L, panel, lines, 0, plan->n_out, some);
    }
}

/* Of the output layer, if it has one; `lines` is room for L rows of it, or NULL. */
static void apply_row_activation(const fm_plan *plan, real *a, ptrdiff_t panel, ptrdiff_t rows, real *lines)
{
    const int activation = plan->layers[plan->layer_count - 1].activation;
    if (activation < FM_ACTIVATIONS) return;
    if (lines && activation == FM_softmax && plan->n_out <= 2 * L) {
        softmax_in_lines(plan, a, panel, rows, lines);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        plan->kernels->row_activations[activation - FM_ACTIVATIONS].forward(a + r * L, panel, a + r * L, panel,
                                                                               plan->n_out);
}

/* Of the network's output: a * scale + offset. */
static void rescale_output(const fm_plan *plan, real *a, ptrdiff_t panel, ptrdiff_t rows)
{
    if (plan->rescales_output)
        plan->kernels->rescale(a, panel, plan->output_scale, plan->output_offset, rows, plan->n_out);
}

static int rows_finite(const fm_plan *plan, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t rows)
{
    const fm_kernels *kernels = plan->kernels;
    int finite = 1;
    if (x_panel != L) return kernels->all_finite(x, count_panels(plan->n_in) * x_panel);
    if (x_row == plan->n_in) return kernels->all_finite(x, rows * x_row);
    for (ptrdiff_t r = 0; r < rows; r++) finite &= kernels->all_finite(x + r * x_row, plan->n_in);
    return finite;
}

/* Whether the sums of the first layer tell that its inputs are finite, as what is not makes them so, with less to look at
   than the inputs. */
static int sums_tell(const fm_plan *plan)
{
    const fm_layer *first = &plan->layers[0];
    return kind_of(first)->takes_rows && first->n_in > count_panels(first->n_out) * L;
}

/* Rows on their way through all layers, between two buffers of rows*widest reals; a third one is for the outputs that an add
   needs later. */
typedef struct {
    const fm_plan *plan;
    const real *x; /* the input, as a layer_pass has it */
    ptrdiff_t x_row, x_panel, rows;
    real *buffers[3];
    int skip_link, planes;
    real *packed; /* room for the rows in planes */
} row_block;

/* The input of rows from `first` on, converted into `input_buffer`, if there is one.  With members the rows are theirs, row
   order[r] of those on each. */
INLINED void take_input(row_block *b, const fm_input *input, ptrdiff_t first, const int64_t *order, real *input_buffer)
{
    const ptrdiff_t panel = b->rows * L;
    fm_input from = *input;
    from.data = (const char *)input->data + first * input->row_bytes;
    b->x = from.data, b->x_row = input->row_bytes / (ptrdiff_t)sizeof(real), b->x_panel = L;
    if (input_buffer) {
        b->plan->kernels->gather(input_buffer, panel, &from, order, 0, b->rows);
        b->x = input_buffer, b->x_row = L, b->x_panel = panel;
    }
}

INLINED int block_finite(const row_block *b) { return rows_finite(b->plan, b->x, b->x_row, b->x_panel, b->rows); }

INLINED real *output_of(const row_block *b, int l)
{
    const fm_layer *layer = &b->plan->layers[l];
    return layer->kept < 0 ? b->buffers[l & 1] : b->buffers[2] + layer->kept * b->rows;
}

INLINED layer_pass pass_through(const row_block *b, int l, const real *x, int *finite)
{
    const fm_layer *layer = &b->plan->layers[l];
    const ptrdiff_t panel = b->rows * L;
    real *a = output_of(b, l);
    return (layer_pass){
        .x = x, .x_row = l ? L : b->x_row, .x_panel = l ? panel : b->x_panel, .z = a, .a = a,
        .panel = panel, .rows = b->rows, .other = layer->source < 0 ? NULL : output_of(b, layer->source),
        .activation = own_activation(b->plan, l, b->skip_link), .finite = finite, .planes = b->planes, .packed = b->packed};
}

/* What comes after the last layer; returns the output. */
INLINED real *finish_block(const row_block *b)
{
    const fm_plan *plan = b->plan;
    const ptrdiff_t panel = b->rows * L;
    real *a = output_of(b, plan->layer_count - 1);
    real *other = b->buffers[plan->layer_count & 1]; /* the one that the last layer's input was in */
    if (b->skip_link) return a;
    apply_row_activation(plan, a, panel, b->rows, b->rows >= L ? other : NULL);
    apply_heads(plan, a, panel, b->rows, other);
    rescale_output(plan, a, panel, b->rows);
    return a;
}

/* All of it: the output, in panels of rows*L, or NULL if an input is not finite. */
INLINED real *infer(const row_block *b)
{
    const fm_plan *plan = b->plan;
    const int by_sums = sums_tell(plan);
    const real *x = b->x;
    int finite = 1;
    if (!by_sums && !block_finite(b)) return NULL;
    for (int l = 0; l < plan->layer_count; l++) {
        const layer_pass pass = pass_through(b, l, x, by_sums && !l ? &finite : NULL);
        kind_of(&plan->layers[l])->forward(plan, l, &pass);
        /* a sum may also be too large, which its inputs tell */
        if (!l && !finite && !block_finite(b)) return NULL;
        x = pass.a;
    }
    return finish_block(b);
}

/* The same for a narrow network: the input is turned once, and the output turned back. */
static real *infer_turned(const row_block *b, const fm_input *input, ptrdiff_t first, const int64_t *order, real *input_buffer)
{
    const fm_plan *plan = b->plan;
    const fm_kernels *kernels = plan->kernels;
    const ptrdiff_t rows = b->rows, panel = rows * L, panels = (rows + L - 1) / L;
    const int skip_link = b->skip_link;
    real *z = b->buffers[0];
    kernels->gather(input_buffer, panel, input, order, first, rows);
    if (!kernels->all_finite(input_buffer, panel)) return NULL;
    kernels->transpose(z, plan->n_in * L, input_buffer, panel, rows, plan->n_in);
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        const int activation = own_activation(plan, l, skip_link);
        const turned_args t = {.z = b->buffers[(l + 1) & 1], .x = z, .w = array_of(plan, l, 0), .panels = panels,
                                .bias = bias_of(plan, l), .k = layer->n_in,
                               .n = layer->n_out};
        kernels->turned_forward(&t);
        z = t.z;
        if (activation != FM_identity)
            kernels->activations[activation].forward(z, z, panels * layer->n_out * L, (real)layer->parameter);
    }
    if (!skip_link && plan->layers[plan->layer_count - 1].activation == FM_softmax)
        kernels->turned_softmax(z, panels, plan->n_out);
    for (ptrdiff_t p = 0; p < panels && !skip_link; p++) heads_forward(plan, z + p * plan->n_out * L);
    kernels->transpose(input_buffer, panel, z, plan->n_out * L, plan->n_out, rows);
    if (!skip_link) rescale_output(plan, input_buffer, panel, rows);
    return input_buffer;
}

static int needs_gather(const fm_plan *plan, const fm_input *input)
{
    return input->type != plan->type || input->shift || input->divisor ||
           input->row_bytes % (ptrdiff_t)sizeof(real) != 0 || !kind_of(&plan->layers[0])->takes_rows || plan->members > 1;
}

/* Reals of scratch a row from outside. */
static ptrdiff_t scratch_row(const fm_plan *plan, const fm_input *input)
{
    const int gathers = needs_gather(plan, input) || plan->narrow;
    return plan->members * (2 * plan->widest + plan->kept_width + (gathers ? count_panels(plan->n_in) * L : 0));
}

/* Rows from outside that a worker takes at once: some for each worker, as one may be slower than another, but enough to amortise
   reading the weights. */
enum { SHARE_ROWS = 128, WORKER_SHARES = 4 };

static ptrdiff_t worker_share(ptrdiff_t rows, int workers)
{
    const ptrdiff_t many = rows / workers / SHARE_ROWS, most = workers > 1 ? WORKER_SHARES : 1;
    const ptrdiff_t shares = workers * (many < 1 ? 1 : many < most ? many : most);
    return (rows + shares - 1) / shares;
}

/* Rows from outside that go through all layers together: inputs and activations in three quarters of a second-level cache, and
   enough rows to amortise reading the weights.  Blocks of a share are nearly equal, or one worker would have what is left while the
   others wait. */
static ptrdiff_t block_rows(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, int workers)
{
    const ptrdiff_t row = scratch_row(plan, input) / plan->members + plan->n_in;
    const ptrdiff_t fitting = fm_cache_bytes() / 4 * 3 / (row * (ptrdiff_t)sizeof(real));
    const ptrdiff_t of_members = fitting < 48 ? 48 : fitting / 48 * 48;
    const ptrdiff_t block = of_members < plan->members ? 1 : of_members / plan->members, share = worker_share(rows, workers);
    const ptrdiff_t blocks = (share + block - 1) / block, most = (share + blocks - 1) / blocks;
    return plan->narrow || plan->head_count ? padded(most) : most; /* heads take L rows at a time */
}

/* What is done with the output of each block: predictions stored, or losses summed. */
typedef struct row_pass row_pass;
struct row_pass {
    const fm_plan *plan;
    const fm_input *input;
    const fm_target *target;
    ptrdiff_t rows, block;       /* from outside */
    int64_t *order;              /* (block * members,): which row of its block each is; NULL without members */
    real *scratch;               /* of each worker in turn: buffers, and what `finish` takes */
    ptrdiff_t scratch_size, spare;
    int skip_link, status, planes;
    void (*finish)(const row_pass *, real *a, ptrdiff_t first, ptrdiff_t rows, real *spare);
    real *out;                   /* (rows, n_out) */
    real *values;                /* (rows,) losses */
    double *correct;
};

static void pass_task(void *context, int worker, ptrdiff_t unit)
{
    row_pass *pass = context;
    real *scratch = pass->scratch + worker * pass->scratch_size;
    const ptrdiff_t block = pass->block * pass->plan->members, size = block * pass->plan->widest, first = unit * pass->block;
    const ptrdiff_t rows = pass->rows - first < pass->block ? pass->rows - first : pass->block;
    const int turned = rows >= L && pass->plan->narrow;
    real *inputs = scratch + 2 * size + block * pass->plan->kept_width, *spare = scratch + pass->scratch_size - pass->spare, *a;
    real *input_buffer = turned || needs_gather(pass->plan, pass->input) ? inputs : NULL;
    row_block b = {.plan = pass->plan, .rows = rows * pass->plan->members, .skip_link = pass->skip_link, .planes = pass->planes,
                   .buffers = {scratch, scratch + size, scratch + 2 * size}, .packed = spare};
    if (turned) {
        a = infer_turned(&b, pass->input, first, pass->order, input_buffer);
    } else {
        take_input(&b, pass->input, first, pass->order, input_buffer);
        a = infer(&b);
    }
    if (a)
        pass->finish(pass, a, first, rows, spare);
    else
        __atomic_store_n(&pass->status, FM_NOT_FINITE, __ATOMIC_RELAXED);
}

static int pass_run(row_pass *pass, int most)
{
    real stack[STACK_BYTES / sizeof(real)] __attribute__((aligned(64)));
    const fm_plan *plan = pass->plan;
    const unsigned word = fm_fp_begin();
    pass->block = block_rows(plan, pass->input, pass->rows, most);
    const ptrdiff_t units = (pass->rows + pass->block - 1) / pass->block;
    const int workers = units < most ? (int)units : most;
    const ptrdiff_t packed = packed_rows(plan, pass->block * plan->members, pass->planes);
    if (packed > pass->spare) pass->spare = packed; /* one use comes after the other */
    pass->scratch_size = pass->block * scratch_row(plan, pass->input) + pass->spare;
    const size_t bytes = (size_t)(workers * pass->scratch_size) * sizeof(real);
    pass->scratch = bytes <= sizeof stack ? stack : fm_alloc_raw(bytes);
    if (plan->members > 1) {
        pass->order = fm_alloc_raw((size_t)(pass->block * plan->members) * sizeof(int64_t));
        if (pass->order) repeat_rows(pass->order, NULL, 0, pass->block, plan->members);
    }
    if (!pass->scratch || (plan->members > 1 && !pass->order))
        pass->status = FM_NO_MEMORY;
    else if (fm_parallel(pass_task, pass, workers, units))
        pass->status = FM_INTERRUPTED;
    if (pass->scratch != stack) fm_free(pass->scratch);
    fm_free(pass->order);
    fm_fp_end(word);
    return pass->status;
}

/* A block in scratch_row reals a row, and what `packed` needs behind them. */
INLINED row_block block_in(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, real *scratch)
{
    const ptrdiff_t size = rows * plan->widest;
    row_block b = {.plan = plan, .rows = rows, .buffers = {scratch, scratch + size, scratch + 2 * size},
                   .packed = scratch + rows * scratch_row(plan, input)};
    take_input(&b, input, 0, NULL, needs_gather(plan, input) ? scratch + 2 * size + rows * plan->kept_width : NULL);
    return b;
}

/* The next L rows; `columns` of targets. */
static void next_rows(loss_args *l, ptrdiff_t columns)
{
    if (l->y) l->y += columns * L;
    if (l->labels) l->labels += L;
    if (l->weights) l->weights += L;
    l->values += L, l->correct += L;
    if (l->apart) l->apart += L;
}

/* Rows of a loss whose outputs are in panels: L of them at a time to lines, and their gradients back to the panels of d, if
   there are any.  `lines` holds a matrix (n_out, L), and one more for gradients. */
static void panel_losses(const fm_plan *plan, const fm_target *target, loss_args l, ptrdiff_t rows, const real *a, real *d,
                         ptrdiff_t panel, real *lines)
{
    const fm_kernels *kernels = plan->kernels;
    const ptrdiff_t columns = target_columns(target, plan->n_out);
    l.p = lines, l.d = d ? lines + l.n * L : NULL;
    for (ptrdiff_t r = 0; r < rows; r += L) {
        l.rows = rows - r < L ? rows - r : L;
        kernels->transpose(lines, 0, a + r * L, panel, l.rows, l.n);
        line_losses(kernels, target, l);
        if (d) kernels->transpose(d + r * L, panel, l.d, 0, l.n, l.rows);
        next_rows(&l, columns);
    }
}

/* Targets of at most L rows of members. */
typedef struct { int64_t order[L], labels[L]; real weights[L]; } member_targets;

/* Those of rows [r, r + rows) of a block that begins with row `first` from outside. */
static void take_targets(member_targets *t, loss_args *l, const row_pass *pass, ptrdiff_t first, ptrdiff_t r, ptrdiff_t rows)
{
    const fm_target *target = pass->target;
    for (ptrdiff_t i = 0; i < rows; i++) {
        t->order[i] = first + pass->order[r + i];
        if (target->labels) t->labels[i] = target->labels[t->order[i]];
        if (target->weights) t->weights[i] = ((const real *)target->weights)[t->order[i]];
    }
    l->labels = target->labels ? t->labels : NULL, l->weights = target->weights ? t->weights : NULL;
}

static void store_losses(const row_pass *pass, real *a, ptrdiff_t first, ptrdiff_t rows, real *spare)
{
    const fm_plan *plan = pass->plan;
    const fm_target *target = pass->target;
    const ptrdiff_t columns = target_columns(target, plan->n_out);
    const fm_input in = {.data = target->rows, .row_bytes = columns * (ptrdiff_t)sizeof(real), .columns = columns,
                         .type = plan->type};
    real *y = spare + plan->n_out * L;
    rows *= plan->members;
    for (ptrdiff_t r = 0; r < rows; r += L) {
        const ptrdiff_t some = rows - r < L ? rows - r : L, at = first * plan->members + r;
        member_targets repeated;
        loss_args l = {
            .y = y, .labels = target->labels ? target->labels + at : NULL,
            .weights = target->weights ? (const real *)target->weights + at : NULL, .n = plan->n_out,
            .values = pass->values + at, .correct = pass->correct + at};
        if (pass->order) take_targets(&repeated, &l, pass, first, r, some);
        if (target->rows)
            plan->kernels->gather_lines(y, &in, pass->order ? repeated.order : NULL, pass->order ? 0 : at, some);
        panel_losses(plan, target, l, some, a + r * L, NULL, rows * L, spare);
    }
}

/* Sums in float64 in the order of the rows, whatever block or thread they came from. */
static int evaluate(const fm_plan *plan, const fm_input *input, const fm_target *target, ptrdiff_t rows,
                    double *loss, double *correct, int threads)
{
    row_pass pass = {.planes = __atomic_load_n(&plan->planes, __ATOMIC_ACQUIRE), .plan = plan, .input = input, .target = target,
                     .rows = rows, .finish = store_losses, .spare = 2 * plan->n_out * L, .skip_link = link_is_fused(target)};
    const ptrdiff_t all = rows * plan->members;
    double *memory = fm_alloc_raw((size_t)all * (sizeof(double) + sizeof(real)));
    if (!memory) return FM_NO_MEMORY;
    pass.correct = memory;
    pass.values = (real *)(memory + all);
    const int status = pass_run(&pass, fm_workers_for(plan, rows, threads));
    *loss = *correct = 0;
    const real *weights = target->weights;
    for (ptrdiff_t r = 0, i = 0; r < rows && status == FM_OK; r++)
        for (ptrdiff_t end = i + plan->members; i < end; i++)
            *loss += (double)pass.values[i], *correct += weights ? (double)weights[r] * pass.correct[i] : pass.correct[i];
    *loss /= (double)plan->members, *correct /= (double)plan->members;
    fm_free(memory);
    return status;
}
