/* Dense layers whose weights are stored as bfloat16: the chains of gemm.h, of those numbers as float32.  A lane of W has the
   weights of two inputs, the first in its lower half. */
#ifndef FM_HALVES_H
#define FM_HALVES_H

#include "gemm.h"

/* Sums of a tile that leave room for two steps' operands. */
#define HALF_SUMS (ACCUMULATORS / 3 * 2)
#define HALVES_FIT(MR, NP) ((MR) * (NP) * VPL <= HALF_SUMS)

INLINE void half_step(vec *acc, const real *x, ptrdiff_t x_row, const vec *w, const int MR, const int NV)
{
    UNROLL for (int r = 0; r < MR; r++) {
        const vec a = vset1(x[r * x_row]);
        UNROLL for (int j = 0; j < NV; j++) acc[r * NV + j] = vfma(a, w[j], acc[r * NV + j]);
    }
}

/* Inputs [first, last) of a tile: x is its first row, w its first panel. */
INLINE void half_chain(vec *acc, const dense_args *d, const real *x, const real *w, ptrdiff_t first, ptrdiff_t last, const int MR,
                       const int NP)
{
    const ptrdiff_t panel = w_panel(half_lines(d->k)), x_row = d->x_row;
    for (ptrdiff_t i = first, end; i < last; i = end) {
        const real *at = x + i / L * d->x_panel - i / L * L, *lines = w + i / 2 * L;
        for (end = smaller(last, i / L * L + L); i < end; i = (i | 1) + 1, lines += L) {
            vec low[HALF_SUMS], high[HALF_SUMS];
            UNROLL for (int j = 0; j < NP * VPL; j++) {
                const uivec pair = vbits(vload(lines + j / VPL * panel + j % VPL * VW));
                low[j] = vreal(pair << 16), high[j] = vreal(pair & 0xFFFF0000u);
            }
            if (!(i & 1)) half_step(acc, at + i, x_row, low, MR, NP * VPL);
            if ((i | 1) < end) half_step(acc, at + (i | 1), x_row, high, MR, NP * VPL);
        }
    }
}

/* z of MR rows and NP panels; `part` has room for a narrow layer's segments. */
INLINE void half_tile(const dense_args *d, ptrdiff_t r, ptrdiff_t p, const int MR, const int NP)
{
    real part[4][HALF_SUMS * VW] __attribute__((aligned(64)));
    const ptrdiff_t S = segments(d), q = d->k / S;
    real *z = d->z + p * d->c_panel + r * L;
    for (ptrdiff_t s = 0; s < S; s++) {
        vec acc[HALF_SUMS];
        UNROLL for (int j = 0; j < MR * NP * VPL; j++)
            acc[j] = s || !d->bias ? vset1(0) : vload(d->bias + p * L + j % (NP * VPL) * VW);
        half_chain(acc, d, d->x + r * d->x_row, d->w + p * w_panel(half_lines(d->k)), s * q, s == S - 1 ? d->k : s * q + q, MR, NP);
        UNROLL for (int j = 0; j < MR * NP * VPL; j++)
            vstore(S > 1 ? part[s] + j * VW : z + j % (NP * VPL) / VPL * d->c_panel + j / (NP * VPL) * L + j % VPL * VW, acc[j]);
    }
    for (int j = 0; S > 1 && j < MR * NP * VPL; j++) {
        const vec even = S == 4 ? vload(part[0] + j * VW) + vload(part[2] + j * VW) : vload(part[0] + j * VW);
        const vec odd = S == 4 ? vload(part[1] + j * VW) + vload(part[3] + j * VW) : vload(part[1] + j * VW);
        vstore(z + j % (NP * VPL) / VPL * d->c_panel + j / (NP * VPL) * L + j % VPL * VW, even + odd);
    }
}

/* One function for each number of rows and of panels, powers of two both. */
#define HALVES(MR, NP)                                                                  \
    static void CAT2(halves_##MR##_, NP)(const dense_args *d, ptrdiff_t r, ptrdiff_t p) \
    { if (HALVES_FIT(MR, NP)) half_tile(d, r, p, MR, NP); }
HALVES(1, 1) HALVES(1, 2) HALVES(1, 4) HALVES(1, 8) HALVES(2, 1) HALVES(2, 2) HALVES(2, 4) HALVES(2, 8) HALVES(4, 1) HALVES(4, 2)
HALVES(4, 4)
#undef HALVES
enum { MOST_HALF_ROWS = 4, MOST_HALF_PANELS = 8 };
static void (*const half_functions[MOST_HALF_ROWS + 1][MOST_HALF_PANELS + 1])(const dense_args *, ptrdiff_t, ptrdiff_t) = {
    [1] = {[1] = halves_1_1, [2] = halves_1_2, [4] = halves_1_4, [8] = halves_1_8},
    [2] = {[1] = halves_2_1, [2] = halves_2_2, [4] = halves_2_4, [8] = halves_2_8},
    [4] = {[1] = halves_4_1, [2] = halves_4_2, [4] = halves_4_4}};

static void forward_bfloat16(const dense_args *d)
{
    const ptrdiff_t all = count_panels(d->n);
    ptrdiff_t most = d->m >= MOST_HALF_ROWS && HALVES_FIT(MOST_HALF_ROWS, 1) ? MOST_HALF_ROWS : d->m >= 2 ? 2 : 1;
    for (ptrdiff_t p = 0, panels; p < all; p += panels) {
        for (panels = MOST_HALF_PANELS; panels > all - p || !HALVES_FIT(most, panels);) panels /= 2;
        for (ptrdiff_t r = 0, rows; r < d->m; r += rows) {
            for (rows = most; rows > d->m - r;) rows /= 2;
            half_functions[rows][panels](d, r, p);
        }
        for (ptrdiff_t j = p; j < p + panels; j++) activate(d, j * d->c_panel, d->m * L);
    }
}

#endif
