/* Predictions, in the way over the threads that is the fastest. */

/* A pass of one row on the stack, without dividing it up. */
static int predict_row(const fm_plan *plan, const fm_input *input, real *out, int planes)
{
    real stack[STACK_BYTES / sizeof(real)] __attribute__((aligned(64)));
    const unsigned word = fm_fp_begin();
    row_block block = block_in(plan, input, 1, stack);
    block.planes = planes;
    const real *a = infer(&block);
    if (a) plan->kernels->scatter(out, a, L, 1, plan->n_out);
    fm_fp_end(word);
    return a ? FM_OK : FM_NOT_FINITE;
}

static void store_predictions(const row_pass *pass, real *a, ptrdiff_t first, ptrdiff_t rows, real *spare)
{
    (void)spare;
    join_predictions(pass->plan, pass->out + first * pass->plan->n_out, a, rows * pass->plan->members * L, rows);
}

static int predict_rows(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *out, int planes, int workers)
{
    const ptrdiff_t packed = planes || plan->stored_row ? packed_rows(plan, 1, planes) : 0;
    const size_t scratch = (size_t)(scratch_row(plan, input) + packed) * sizeof(real);
    if (rows == 1 && plan->members == 1 && !plan->head_count && scratch <= STACK_BYTES)
        return predict_row(plan, input, out, planes);
    row_pass pass = {.planes = planes, .plan = plan, .input = input, .rows = rows, .finish = store_predictions, .out = out};
    return pass_run(&pass, workers);
}

/* The ways that may pay, and the workers of each. */
static int ways_to_predict(const fm_plan *plan, ptrdiff_t rows, int planes, int threads, int ways[WAYS], int workers[WAYS])
{
    int count = 0;
    workers[ALONE] = 1;
    workers[SHARED] = rows > 1 ? fm_workers_to_try(plan, rows, 1, threads) : 1;
    workers[DIVIDED] = divided_workers(plan, rows, planes, fm_most_workers(threads));
    const int several = workers[SHARED] > 1 || workers[DIVIDED] > 1;
    if (!several || fm_work(plan, rows) <= ALONE_WORK) ways[count++] = ALONE;
    if (workers[SHARED] > 1) ways[count++] = SHARED;
    if (workers[DIVIDED] > 1) ways[count++] = DIVIDED;
    return count;
}

/* Of about so many rows. */
static way_paces *paces_of(const fm_plan *plan, ptrdiff_t rows)
{
    int sizes = 0;
    while (rows >> sizes > 1 && sizes < PREDICTION_SIZES - 1) sizes++;
    return (way_paces *)plan->pace + sizes;
}

static __attribute__((noinline)) int predict_in_ways(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *out,
                                                     int planes, const int *ways, int count, const int *workers)
{
    int trial;
    way_paces *paces = paces_of(plan, rows);
    const int way = choose_way(paces, ways, count, &trial);
    const double start = fm_seconds();
    const int status = way == DIVIDED ? predict_divided(plan, input, rows, out, workers[way])
                                      : predict_rows(plan, input, rows, out, planes, workers[way]);
    if (status == FM_OK) note_pace(paces, way, trial, (fm_seconds() - start) / (double)rows);
    return status;
}

static int predict(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *out, int threads)
{
    const int planes = __atomic_load_n(&plan->planes, __ATOMIC_ACQUIRE);
    int ways[WAYS], workers[WAYS];
    const int count = threads == 1 ? 0 : ways_to_predict(plan, rows, planes, threads, ways, workers);
    if (!count || (count == 1 && ways[0] == ALONE)) return predict_rows(plan, input, rows, out, planes, 1);
    return predict_in_ways(plan, input, rows, out, planes, ways, count, workers);
}
