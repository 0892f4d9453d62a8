/* Members: networks that share weights.  A row from outside is `members` rows of the layers, one after another, a member each:
   what comes in is repeated, and what goes out is joined. */

/* order[r * members + i] = the row that is number first + r in `from`, or first + r. */
static void repeat_rows(int64_t *order, const int64_t *from, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t members)
{
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t i = 0; i < members; i++) order[r * members + i] = from ? from[first + r] : first + r;
}

/* From rows of a batch to its members' rows. */
static void take_members(step_work *w)
{
    const ptrdiff_t members = w->plan->members;
    if (members == 1) return;
    repeat_rows(w->stage->order, w->order, w->first, w->rows, members);
    w->order = w->stage->order, w->first = 0, w->rows *= members, w->next_rows = 0;
}

/* Row-major rows (rows, n) from those of the members in panels: sums, in their order, over `divisor`. */
static void join_members(const fm_plan *plan, real *out, const real *a, ptrdiff_t panel, ptrdiff_t rows, ptrdiff_t n, real divisor)
{
    const ptrdiff_t members = plan->members;
    if (members == 1) {
        plan->kernels->scatter(out, a, panel, rows, n);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            const real *of_members = a + j / L * panel + r * members * L + j % L;
            real sum = of_members[0];
            for (ptrdiff_t i = 1; i < members; i++) sum += of_members[i * L];
            out[r * n + j] = sum / divisor;
        }
}

/* Predictions are the means of the members'. */
static void join_predictions(const fm_plan *plan, real *out, const real *a, ptrdiff_t panel, ptrdiff_t rows)
{
    join_members(plan, out, a, panel, rows, plan->n_out, (real)plan->members);
}
