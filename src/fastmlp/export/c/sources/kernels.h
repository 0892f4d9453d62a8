/* The engine's kernels on one row of plain arrays, the sums in the engine's order: what an exported file calls. */

#if BITS == 32
#define LANES 16 /* reals in a cache line: the order of some sums depends on it */
#else
#define LANES 8
#endif

/* z[j] += four inputs times column j of their rows of W, which are n apart: one fma for each, in order. */
INLINE void add_four(real *restrict z, const real *restrict x, const real *restrict w, size_t n, size_t columns)
{
    for (size_t j = 0; j < columns; j++) {
        const real half = vfma(x[1], w[n + j], vfma(x[0], w[j], z[j]));
        z[j] = vfma(x[3], w[3 * n + j], vfma(x[2], w[2 * n + j], half));
    }
}

/* z += x.W, x (k,), W (k, n) row by row: one fma for each input, in order.  Sixteen columns, as a constant, are what
   compilers make vectors of. */
static void accumulate(real *restrict z, const real *restrict x, const real *restrict w, size_t k, size_t n)
{
    for (; k >= 4; k -= 4, x += 4, w += 4 * n) {
        size_t j = 0;
        for (; n - j >= 16; j += 16) add_four(z + j, x, w + j, n, 16);
        add_four(z + j, x, w + j, n, n - j);
    }
    for (; k; k--, x++, w += n)
        for (size_t j = 0; j < n; j++) z[j] = vfma(x[0], w[j], z[j]);
}

/* z = x.W + b; b may be NULL */
static void dense(real *restrict z, const real *restrict x, const real *restrict w, const real *b, size_t k, size_t n)
{
    for (size_t j = 0; j < n; j++) z[j] = b ? b[j] : 0;
    accumulate(z, x, w, k, n);
}

/* dense with the inputs in two segments of k / 2, the second with the rest, summed apart; n is at most 2 cache lines */
static void dense_in_2(real *restrict z, const real *restrict x, const real *restrict w, const real *b, size_t k, size_t n)
{
    real part[2 * LANES] = {0};
    const size_t q = k / 2;
    dense(z, x, w, b, q, n);
    accumulate(part, x + q, w + q * n, k - q, n);
    for (size_t j = 0; j < n; j++) z[j] += part[j];
}

/* dense with the inputs in four segments of k / 4, the last with the rest, summed apart; n is at most a cache line */
static void dense_in_4(real *restrict z, const real *restrict x, const real *restrict w, const real *b, size_t k, size_t n)
{
    real part[3][LANES] = {{0}};
    const size_t q = k / 4;
    dense(z, x, w, b, q, n);
    accumulate(part[0], x + q, w + q * n, q, n);
    accumulate(part[1], x + 2 * q, w + 2 * q * n, q, n);
    accumulate(part[2], x + 3 * q, w + 3 * q * n, k - 3 * q, n);
    for (size_t j = 0; j < n; j++) z[j] = (z[j] + part[1][j]) + (part[0][j] + part[2][j]);
}

/* sum += q.W for some columns of W, whose rows are n apart. */
INLINE void add_int8(int32_t *restrict sum, const int8_t *restrict q, const int8_t *restrict w, size_t k, size_t n, size_t columns)
{
    for (size_t i = 0; i < k; i++, w += n)
        for (size_t j = 0; j < columns; j++) sum[j] += (int32_t)q[i] * w[j];
}

/* z = (q.W) * (most / 127) * scale + b, q the integers nearest to x * (127 / most), most the largest |x|, at least 2^-100: sums
   of whole numbers, and then a rounding for each operation.  q is room for k bytes; a row that is not finite gives NaN. */
static void dense_int8(real *restrict z, const real *restrict x, const int8_t *restrict w, const real *restrict scale,
                       const real *b, int8_t *restrict q, size_t k, size_t n)
{
    real most = FLUSH_BELOW;
    for (size_t i = 0; i < k; i++)
        if (!(vabs(x[i]) <= most) && most == most) most = vabs(x[i]);
    const int finite = most - most == 0;
    const real inverse = 127 / most, factor = finite ? most / 127 : most - most;
    for (size_t i = 0; i < k; i++) q[i] = finite ? (int8_t)((x[i] * inverse + ROUND_MAGIC) - ROUND_MAGIC) : 0;
    for (size_t first = 0; first < n; first += 16) {
        int32_t sum[16] = {0};
        const size_t columns = n - first < 16 ? n - first : 16;
        if (columns == 16)
            add_int8(sum, q, w + first, k, n, 16);
        else
            add_int8(sum, q, w + first, k, n, columns);
        for (size_t j = 0; j < columns; j++)
            z[first + j] = (real)sum[j] * factor * scale[first + j] + (b ? b[first + j] : 0);
    }
}

/* One partial sum a lane, then a tree over the lanes. */
static real sum_of_lanes(real *lane)
{
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

/* z = W x + b, W (n, k) row by row, each sum along x in lanes; b may be NULL */
static void dense_of_member(real *restrict z, const real *restrict x, const real *restrict w, const real *b, size_t k, size_t n)
{
    for (size_t j = 0; j < n; j++, w += k) {
        real lane[LANES] = {0};
        for (size_t i = 0; i < k; i++) lane[i % LANES] = vfma(x[i], w[i], lane[i % LANES]);
        const real dot = sum_of_lanes(lane);
        z[j] = b ? dot + b[j] : dot;
    }
}

/* The row of a table (size, dim) that has this code; the first where there is none. */
static void look_up(real *restrict z, real code, const real *restrict table, size_t size, size_t dim)
{
    const size_t row = code >= 0 && code < (real)size ? (size_t)code : 0;
    for (size_t i = 0; i < dim; i++) z[i] = table[row * dim + i];
}

/* z_jk = b_kj + sum_f cos(2 pi (x_j frequency_fj + turns_fj)) W_fkj, of p columns j, F waves and K values of each column */
static void waves(real *restrict z, const real *restrict x, const real *restrict frequency, const real *restrict turns,
                  const real *restrict w, const real *restrict b, size_t p, size_t F, size_t K)
{
    for (size_t j = 0; j < p; j++, z += K) {
        for (size_t k = 0; k < K; k++) z[k] = b[k * p + j];
        for (size_t f = 0; f < F; f++) {
            const real wave = vcos_of_turns(vfma(x[j], frequency[f * p + j], turns[f * p + j]));
            for (size_t k = 0; k < K; k++) z[k] = vfma(wave, w[(f * K + k) * p + j], z[k]);
        }
    }
}

/* (x - mean) * inverse * gamma + beta, inverse = 1 / sqrt(variance + epsilon); z may be x */
static void batch_norm(real *z, const real *x, const real *mean, const real *inverse, const real *gamma,
                           const real *beta, size_t n)
{
    for (size_t j = 0; j < n; j++) z[j] = vfma((x[j] - mean[j]) * inverse[j], gamma[j], beta[j]);
}

/* the same with the row's own mean and variance */
static void layer_norm(real *z, const real *x, const real *gamma, const real *beta, real epsilon, size_t n)
{
    real lane[LANES] = {0}, squares[LANES] = {0};
    for (size_t j = 0; j < n; j++) lane[j % LANES] += x[j];
    const real mean = sum_of_lanes(lane) / (real)n;
    for (size_t j = 0; j < n; j++) squares[j % LANES] += (x[j] - mean) * (x[j] - mean);
    const real inverse = 1 / vsqrt(sum_of_lanes(squares) / (real)n + epsilon);
    for (size_t j = 0; j < n; j++) z[j] = vfma((x[j] - mean) * inverse, gamma[j], beta[j]);
}

static real largest(const real *z, size_t n)
{
    real most = z[0];
    for (size_t j = 1; j < n; j++) most = z[j] > most ? z[j] : most;
    return most;
}

static void softmax(real *z, size_t n)
{
    real lane[LANES] = {0};
    const real most = largest(z, n);
    for (size_t j = 0; j < n; j++) lane[j % LANES] += z[j] = vexp(z[j] - most);
    const real sum = sum_of_lanes(lane);
    for (size_t j = 0; j < n; j++) z[j] /= sum;
}

static void log_softmax(real *z, size_t n)
{
    real lane[LANES] = {0};
    const real most = largest(z, n);
    for (size_t j = 0; j < n; j++) lane[j % LANES] += vexp(z[j] - most);
    const real log_sum = vlog(sum_of_lanes(lane));
    for (size_t j = 0; j < n; j++) z[j] = (z[j] - most) - log_sum;
}
