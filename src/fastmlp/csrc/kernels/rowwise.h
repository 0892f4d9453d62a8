/* Kernels that work along a row in panels: softmax, log_softmax, gathering.

   Sums along a row have one partial sum a lane of the cache line, added panel by panel, then a fixed tree over the lanes:
   the same order for every vector width. */
#ifndef FM_ROWWISE_H
#define FM_ROWWISE_H

#include "elementary.h"
#include "table.h"

static const real lane_numbers[64 / sizeof(real)] __attribute__((aligned(64))) = {
    0, 1, 2, 3, 4, 5, 6, 7,
#if BITS == 32
    8, 9, 10, 11, 12, 13, 14, 15,
#endif
};

/* Values of the lanes below `n`, `other` in the rest; v is the vector within the cache line. */
INLINE vec mask_lanes(vec a, vec other, ptrdiff_t n, int v)
{
    return vselect(vlt(vload(lane_numbers + v * VW), vset1((real)n)), a, other);
}

typedef struct { vec v[VPL]; } line; /* one real a lane */

INLINE line lanes_of(real x)
{
    line s;
    UNROLL for (int v = 0; v < VPL; v++) s.v[v] = vset1(x);
    return s;
}

INLINE real sum_lanes(line s)
{
    real a[64 / sizeof(real)] __attribute__((aligned(64)));
    UNROLL for (int v = 0; v < VPL; v++) vstore(a + v * VW, s.v[v]);
    UNROLL for (ptrdiff_t half = 64 / sizeof(real) / 2; half; half /= 2)
        UNROLL for (ptrdiff_t i = 0; i < half; i++) a[i] += a[i + half];
    return a[0];
}

INLINE real max_lanes(line s)
{
    real a[64 / sizeof(real)] __attribute__((aligned(64)));
    UNROLL for (int v = 0; v < VPL; v++) vstore(a + v * VW, s.v[v]);
    UNROLL for (ptrdiff_t half = 64 / sizeof(real) / 2; half; half /= 2)
        UNROLL for (ptrdiff_t i = 0; i < half; i++) a[i] = a[i + half] > a[i] ? a[i + half] : a[i];
    return a[0];
}

static real row_max(const real *z, ptrdiff_t panel, ptrdiff_t n)
{
    line most = lanes_of(-(real)INFINITY);
    for (ptrdiff_t i = 0; i < n; i += L, z += panel)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec x = mask_lanes(vload(z + v * VW), most.v[v], n - i, v);
            most.v[v] = vselect(vlt(most.v[v], x), x, most.v[v]);
        }
    return max_lanes(most);
}

/* e = exp(z - max), 0 in the padding; returns the sum.  e may be NULL. */
INLINE real row_exp(real *e, ptrdiff_t e_panel, const real *z, ptrdiff_t z_panel, ptrdiff_t n, real most)
{
    line sum = lanes_of(0);
    for (ptrdiff_t i = 0; i < n; i += L, z += z_panel, e += e ? e_panel : 0)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec x = mask_lanes(vexp(vload(z + v * VW) - vset1(most)), vset1(0), n - i, v);
            sum.v[v] = sum.v[v] + x;
            if (e) vstore(e + v * VW, x);
        }
    return sum_lanes(sum);
}

INLINE real scalar_log(real x)
{
    return vlog(vset1(x))[0];
}

static void softmax_row(real *a, ptrdiff_t a_panel, const real *z, ptrdiff_t z_panel, ptrdiff_t n)
{
    const real sum = row_exp(a, a_panel, z, z_panel, n, row_max(z, z_panel, n));
    for (ptrdiff_t i = 0; i < n; i += L, a += a_panel)
        UNROLL for (int v = 0; v < VPL; v++) vstore(a + v * VW, vload(a + v * VW) / vset1(sum));
}

/* A sum over outputs with rows in the lanes, in the order of sum_lanes: a partial sum for each lane of a cache line of
   outputs, then their tree. */
typedef struct { vec part[64 / sizeof(real)]; } output_sum;

INLINE void output_sum_begin(output_sum *s, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < smaller(n, L); j++) s->part[j] = vset1(0);
}

INLINE void output_sum_add(output_sum *s, ptrdiff_t j, vec x)
{
    s->part[j & (L - 1)] = s->part[j & (L - 1)] + x;
}

INLINE vec output_sum_end(output_sum *s, ptrdiff_t n)
{
    for (ptrdiff_t half = L / 2; half; half /= 2)
        for (ptrdiff_t i = 0; i < half && i + half < n; i++) s->part[i] = s->part[i] + s->part[i + half];
    return s->part[0];
}

/* softmax_row of L rows at once, one in each lane. */
static void turned_softmax(real *a, ptrdiff_t panels, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < panels * L; i += VW) {
        real *z = a + i / L * n * L + i % L;
        vec most = vset1(-(real)INFINITY);
        output_sum sum;
        output_sum_begin(&sum, n);
        for (ptrdiff_t j = 0; j < n; j++) most = vselect(vlt(most, vload(z + j * L)), vload(z + j * L), most);
        for (ptrdiff_t j = 0; j < n; j++) {
            const vec e = vexp(vload(z + j * L) - most);
            output_sum_add(&sum, j, e);
            vstore(z + j * L, e);
        }
        const vec total = output_sum_end(&sum, n);
        for (ptrdiff_t j = 0; j < n; j++) vstore(z + j * L, vload(z + j * L) / total);
    }
}

/* dz = a * (da - sum(a * da)) */
static void softmax_row_backward(real *dz, ptrdiff_t dz_panel, const real *da, ptrdiff_t da_panel, const real *a,
                                 ptrdiff_t a_panel, ptrdiff_t n)
{
    line sum = lanes_of(0);
    for (ptrdiff_t i = 0; i < n; i += L)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t p = i / L;
            const vec product = vload(a + p * a_panel + v * VW) * vload(da + p * da_panel + v * VW);
            sum.v[v] = sum.v[v] + mask_lanes(product, vset1(0), n - i, v);
        }
    const vec dot = vset1(sum_lanes(sum));
    for (ptrdiff_t i = 0; i < n; i += L, dz += dz_panel, da += da_panel, a += a_panel)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec d = vflush(vload(a + v * VW) * (vload(da + v * VW) - dot));
            vstore(dz + v * VW, mask_lanes(d, vset1(0), n - i, v));
        }
}

/* The same of L rows at once, one in each lane. */
static void turned_softmax_backward(real *d, const real *a, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < L; i += VW) {
        output_sum sum;
        output_sum_begin(&sum, n);
        for (ptrdiff_t j = i; j < n * L; j += L) output_sum_add(&sum, j / L, vload(a + j) * vload(d + j));
        const vec dot = output_sum_end(&sum, n);
        for (ptrdiff_t j = i; j < n * L; j += L) vstore(d + j, vflush(vload(a + j) * (vload(d + j) - dot)));
    }
}

static void log_softmax_row(real *a, ptrdiff_t a_panel, const real *z, ptrdiff_t z_panel, ptrdiff_t n)
{
    const real most = row_max(z, z_panel, n);
    const vec log_sum = vset1(scalar_log(row_exp(NULL, 0, z, z_panel, n, most)));
    for (ptrdiff_t i = 0; i < n; i += L, a += a_panel, z += z_panel)
        UNROLL for (int v = 0; v < VPL; v++) vstore(a + v * VW, (vload(z + v * VW) - vset1(most)) - log_sum);
}

/* dz = da - exp(a) * sum(da) */
static void log_softmax_row_backward(real *dz, ptrdiff_t dz_panel, const real *da, ptrdiff_t da_panel,
                                     const real *a, ptrdiff_t a_panel, ptrdiff_t n)
{
    line sum = lanes_of(0);
    for (ptrdiff_t i = 0; i < n; i += L)
        UNROLL for (int v = 0; v < VPL; v++)
            sum.v[v] = sum.v[v] + mask_lanes(vload(da + i / L * da_panel + v * VW), vset1(0), n - i, v);
    const vec total = vset1(sum_lanes(sum));
    for (ptrdiff_t i = 0; i < n; i += L, dz += dz_panel, da += da_panel, a += a_panel)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec d = vflush(vfma(-vexp(vload(a + v * VW)), total, vload(da + v * VW)));
            vstore(dz + v * VW, mask_lanes(d, vset1(0), n - i, v));
        }
}

/* n reals from column c of one row from outside, rescaled. */
INLINE void convert(real *line, const fm_input *in, const char *row, ptrdiff_t c, const ptrdiff_t n)
{
    const real *shift = in->shift, *divisor = in->divisor;
    if (in->type == FM_UINT8)
        for (ptrdiff_t i = 0; i < n; i++) line[i] = (real)((const uint8_t *)row)[c + i];
    else if (in->type == FM_FLOAT32)
        for (ptrdiff_t i = 0; i < n; i++) line[i] = (real)((const float *)row)[c + i];
    else
        for (ptrdiff_t i = 0; i < n; i++) line[i] = (real)((const double *)row)[c + i];
    if (shift)
        for (ptrdiff_t i = 0; i < n; i++) line[i] -= shift[c + i];
    if (divisor)
        for (ptrdiff_t i = 0; i < n; i++) line[i] /= divisor[c + i];
}

/* The reals of a row from outside are those of the plan. */
INLINE int is_plain(const fm_input *in)
{
    return in->type == (BITS == 32 ? FM_FLOAT32 : FM_FLOAT64) && !in->shift && !in->divisor;
}

/* A row of plain reals to panels, padding zero. */
INLINE void copy_row(real *line, ptrdiff_t panel, const real *row, ptrdiff_t columns)
{
    ptrdiff_t left = columns;
    for (; left >= L; left -= L, row += L, line += panel)
        UNROLL for (int v = 0; v < VPL; v++) vstore(line + v * VW, vload(row + v * VW));
    if (left) UNROLL for (int v = 0; v < VPL; v++, left -= VW)
        vstore(line + v * VW, vload_part(row + v * VW, left < 0 ? 0 : smaller(left, VW)));
}

/* Rows of any input type, in the order of `order` (NULL: as they lie), to panels, rescaled; padding zero.  Rows of a
   shuffled epoch lie anywhere, so each is asked for two rows ahead. */
static void gather(real *out, ptrdiff_t out_panel, const fm_input *in, const int64_t *order, ptrdiff_t first,
                   ptrdiff_t rows)
{
    const ptrdiff_t whole = in->columns / L * L;
    const int plain = is_plain(in);
    const ptrdiff_t bytes = in->columns * (in->type == FM_UINT8 ? 1 : in->type == FM_FLOAT32 ? 4 : 8);
    for (ptrdiff_t r = 0; r < rows; r++) {
        const char *row = (const char *)in->data + (order ? order[first + r] : first + r) * in->row_bytes;
        if (order && r + 2 < rows) {
            const char *ahead = (const char *)in->data + order[first + r + 2] * in->row_bytes;
            for (ptrdiff_t b = 0; b < bytes; b += 64) __builtin_prefetch(ahead + b);
        }
        real *line = out + r * L;
        ptrdiff_t c = 0;
        if (plain) {
            copy_row(line, out_panel, (const real *)row, in->columns);
            continue;
        }
        for (; c < whole; c += L, line += out_panel) convert(line, in, row, c, L); /* a constant: vectors */
        if (c < in->columns) {
            UNROLL for (int v = 0; v < VPL; v++) vstore(line + v * VW, vset1(0));
            convert(line, in, row, c, in->columns - c);
        }
    }
}

/* Where L rows lie, from row r of the order on; those beyond the last are the last once more. */
INLINE void find_rows(const char *rows[], const fm_input *in, const int64_t *order, ptrdiff_t r, ptrdiff_t last)
{
    ptrdiff_t at[64 / sizeof(real)];
    for (ptrdiff_t j = 0; j < L; j++) at[j] = r + j < last ? r + j : last;
    if (order)
        for (ptrdiff_t j = 0; j < L; j++) at[j] = order[at[j]];
    for (ptrdiff_t j = 0; j < L; j++) rows[j] = (const char *)in->data + at[j] * in->row_bytes;
}

/* gather to lines: panel p of L rows is one line for each column.  Lanes without a row repeat the last. */
static void gather_lines(real *out, const fm_input *in, const int64_t *order, ptrdiff_t first, ptrdiff_t rows)
{
    real converted[64 / sizeof(real)][64 / sizeof(real)];
    const char *row[64 / sizeof(real)];
    const int plain = is_plain(in);
    for (ptrdiff_t r = 0; r < rows; r += L) {
        find_rows(row, in, order, first + r, first + rows - 1);
        for (ptrdiff_t j = 0; !plain && j < L; j++) {
            convert(converted[j], in, row[j], 0, in->columns);
            row[j] = (const char *)converted[j];
        }
        for (ptrdiff_t c = 0; c < in->columns; c++, out += L)
            for (ptrdiff_t j = 0; j < L; j++) out[j] = ((const real *)row[j])[c];
    }
}

/* Dropout's factors of rows of a layer's input: 0 with the probability threshold / 2^32, else `kept`. */
static void drop(real *factor, ptrdiff_t panel, const fm_dropout *d, ptrdiff_t first, ptrdiff_t rows)
{
    uint32_t words[4 * FM_PHILOX_LANES];
    real chosen[4 * FM_PHILOX_LANES] __attribute__((aligned(64)));
    const ptrdiff_t columns = (d->columns + L - 1) / L * L, most = 4 * FM_PHILOX_LANES;
    const real kept = (real)d->kept;
    for (ptrdiff_t r = first; r < first + rows; r++)
        for (ptrdiff_t c = 0; c < columns; c += most) {
            const ptrdiff_t n = columns - c < most ? columns - c : most;
            fm_words(words, c, n, d->seed, FM_DROPOUT, d->layer, d->step, d->row + (uint32_t)r);
            for (ptrdiff_t i = 0; i < n; i++) chosen[i] = words[i] >= d->threshold ? kept : 0; /* vectors, no jumps */
            for (ptrdiff_t i = 0; i < n; i += L)
                memcpy(factor + (c + i) / L * panel + r * L, chosen + i, L * sizeof(real));
        }
}

/* A line is stored whole where it ends within the rows that are stored: what it puts beyond its row comes after. */
static void scatter(real *out, const real *in, ptrdiff_t in_panel, ptrdiff_t rows, ptrdiff_t columns)
{
    const real *end = out + rows * columns;
    for (ptrdiff_t r = 0; r < rows; r++, out += columns)
        for (ptrdiff_t c = 0; c < columns; c += L) {
            const real *line = in + c / L * in_panel + r * L;
            if (end - (out + c) >= L)
                UNROLL for (int v = 0; v < VPL; v++) vstore(out + c + v * VW, vload(line + v * VW));
            else
                memcpy(out + c, line, (size_t)(columns - c < L ? columns - c : L) * sizeof(real));
        }
}

/* x - x is 0 for finite x and NaN otherwise, so that a sum of such differences has no bits if all are finite.  The last
   vector may look at values once more.  What is longer than a cache is asked for ahead of time. */
static int all_finite(const real *values, ptrdiff_t count)
{
    const ptrdiff_t ahead = count > 1 << 18 ? 4096 : 0;
    uint64_t words[VBYTES / 8], bits_set = 0;
    vec sum[4] = {vset1(0), vset1(0), vset1(0), vset1(0)};
    ptrdiff_t i = 0;
    if (count < VW) {
        const vec x = vload_part(values, count);
        sum[0] = x - x;
    } else {
        for (; i + 4 * VW <= count; i += 4 * VW)
            UNROLL for (int j = 0; j < 4; j++) {
                const vec x = vload(values + i + j * VW);
                __builtin_prefetch(values + i + j * VW + ahead);
                sum[j] = sum[j] + (x - x);
            }
        for (; i < count; i += VW) {
            const vec x = vload(values + smaller(i, count - VW));
            sum[0] = sum[0] + (x - x);
        }
    }
    const vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    memcpy(words, &all, sizeof words);
    UNROLL for (int j = 0; j < VBYTES / 8; j++) bits_set |= words[j];
    return !bits_set;
}

static double sum_of_squares(const real *values, ptrdiff_t count)
{
    double sums[64 / sizeof(real)] = {0}, total = 0;
    for (ptrdiff_t i = 0; i < count; i += L)
        for (ptrdiff_t j = 0; j < L; j++) sums[j] += (double)values[i + j] * (double)values[i + j];
    for (ptrdiff_t j = 0; j < L; j++) total += sums[j];
    return total;
}

#endif
