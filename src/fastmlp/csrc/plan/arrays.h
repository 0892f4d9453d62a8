/* Kernels on plain arrays, for people and for tests. */

/* Room for `rows` padded rows of n reals. */
static real *new_rows(ptrdiff_t n, ptrdiff_t rows) { return fm_alloc((size_t)(padded(n) * rows) * sizeof(real)); }

static int activation_forward(const fm_kernels *k, int activation, void *a, const void *z, ptrdiff_t rows, ptrdiff_t n,
                              double parameter)
{
    const unsigned word = fm_fp_begin();
    const int by_row = activation >= FM_ACTIVATIONS;
    real *line = by_row ? new_rows(n, 1) : NULL;
    if (!by_row) k->activations[activation].forward(a, z, rows * n, (real)parameter);
    for (ptrdiff_t r = 0; line && r < rows; r++) {
        memcpy(line, (const real *)z + r * n, (size_t)n * sizeof(real));
        k->row_activations[activation - FM_ACTIVATIONS].forward(line, L, line, L, n);
        memcpy((real *)a + r * n, line, (size_t)n * sizeof(real));
    }
    fm_free(line);
    fm_fp_end(word);
    return by_row && !line ? FM_NO_MEMORY : FM_OK;
}

static int activation_backward(const fm_kernels *k, int activation, void *dz, const void *da, const void *saved,
                               ptrdiff_t rows, ptrdiff_t n, double parameter)
{
    const unsigned word = fm_fp_begin();
    const int by_row = activation >= FM_ACTIVATIONS;
    real *line = by_row ? new_rows(n, 2) : NULL, *other = line ? line + padded(n) : NULL;
    if (!by_row) k->activations[activation].backward(dz, da, saved, rows * n, (real)parameter);
    for (ptrdiff_t r = 0; line && r < rows; r++) {
        memcpy(line, (const real *)da + r * n, (size_t)n * sizeof(real));
        memcpy(other, (const real *)saved + r * n, (size_t)n * sizeof(real));
        k->row_activations[activation - FM_ACTIVATIONS].backward(line, L, line, L, other, L, n);
        memcpy((real *)dz + r * n, line, (size_t)n * sizeof(real));
    }
    fm_free(line);
    fm_fp_end(word);
    return by_row && !line ? FM_NO_MEMORY : FM_OK;
}

/* A cache line of rows at a time, in lines: outputs, targets and gradients (n, L) each. */
static int loss_rows(const fm_kernels *k, const void *p, const fm_target *target, ptrdiff_t rows, ptrdiff_t n,
                     void *values, void *d, double *correct)
{
    const unsigned word = fm_fp_begin();
    real *lines = new_rows(n * L, 3), *y = lines ? lines + n * L : NULL, *gradient = lines ? y + n * L : NULL;
    const ptrdiff_t targets = target_columns(target, n);
    const int type = BITS == 32 ? FM_FLOAT32 : FM_FLOAT64;
    const fm_input outputs = {.data = p, .row_bytes = n * (ptrdiff_t)sizeof(real), .columns = n, .type = type};
    const fm_input expected = {.data = target->rows, .row_bytes = targets * (ptrdiff_t)sizeof(real), .columns = targets,
                               .type = type};
    for (ptrdiff_t r = 0; lines && r < rows; r += L) {
        const loss_args l = {
            .p = lines, .y = y, .labels = target->labels ? target->labels + r : NULL,
            .weights = target->weights ? (const real *)target->weights + r : NULL, .rows = rows - r < L ? rows - r : L,
            .n = n, .scale = 1 / (real)rows, .d = gradient, .values = (real *)values + r,
            .correct = correct + r};
        k->gather_lines(lines, &outputs, NULL, r, l.rows);
        if (target->rows) k->gather_lines(y, &expected, NULL, r, l.rows);
        line_losses(k, target, l);
        for (ptrdiff_t i = 0; i < l.rows; i++)
            for (ptrdiff_t j = 0; j < n; j++) ((real *)d)[(r + i) * n + j] = gradient[j * L + i];
    }
    fm_free(lines);
    fm_fp_end(word);
    return lines ? FM_OK : FM_NO_MEMORY;
}

static void optimizer_update(const fm_kernels *k, int optimizer, const fm_hyper *hyper, const fm_state *state, void *w,
                             const void *g, ptrdiff_t count)
{
    step_constants step = next_step(optimizer, hyper, state);
    step.gradient_scale = norm_scale(k, hyper, g, count);
    real *vectors[FM_MOST_SLOTS];
    for (int i = 0; i < FM_MOST_SLOTS; i++) vectors[i] = state->slots[i];
    k->optimizers[optimizer](w, g, vectors, NULL, count, 1, &step);
}

static void elementary(const fm_kernels *k, int function, void *out, const void *in, ptrdiff_t count)
{
    const unsigned word = fm_fp_begin();
    k->elementary[function](out, in, count);
    fm_fp_end(word);
}

static int all_finite(const fm_kernels *k, const void *values, ptrdiff_t count)
{
    const unsigned word = fm_fp_begin();
    const int finite = k->all_finite(values, count);
    fm_fp_end(word);
    return finite;
}
