/* The register tile: the one multiply-add loop of the package.

   A tile computes MR rows by NP panels of C = A.B, one fused multiply-add per step and element, in the order
   of the steps, so that its bits do not depend on MR, NP or the vector width.  B is in panels: step i of
   panel p is the cache line at b + p*b_panel + i*L.  A is addressed in one of three ways:

   IN_ROWS     (r, i) at a + r*a_row + i                       a row-major matrix, or one row of anything
   IN_PANELS   (r, i) at a + r*L + (i / L)*a_panel + i % L     a matrix in panels
   IN_COLUMNS  (r, i) at a + r + i*a_row                       the transpose of either (within a panel) */
#ifndef FM_TILE_H
#define FM_TILE_H

#include "vec.h"

enum { IN_ROWS, IN_PANELS, IN_COLUMNS, ADDRESSINGS };

typedef struct {
    real *c;            /* (r, panel p) at c + p*c_panel + r*L */
    ptrdiff_t c_panel;
    const real *a;
    ptrdiff_t a_row, a_panel;
    const real *b;
    ptrdiff_t b_panel;
    const real *start;  /* what the sums start from: (r, panel p) at start + p*start_panel + r*start_row, */
    ptrdiff_t start_panel, start_row; /* which is 0 or L */
    ptrdiff_t first, last; /* steps [first, last) */
    ptrdiff_t rows;        /* as many as the tile has, or several tiles of them, one below the other */
} tile_args;

typedef void tile_function(const tile_args *);

#define TILE_ROWS 12   /* no tile has more rows, */
#define TILE_PANELS 8  /* nor more panels */

/* Vectors of a tile's row.  A tile of 0 panels computes the first vector of one: the others are padding, and become 0. */
#define TILE_VECTORS(NP) ((NP) ? (NP) * VPL : 1)

INLINE void tile_step(vec *acc, const real *a, ptrdiff_t a_row, const real *b, ptrdiff_t b_panel, const int MR,
                      const int NP)
{
    const int NV = TILE_VECTORS(NP);
    vec w[TILE_PANELS * VPL];
    UNROLL for (int j = 0; j < NV; j++) w[j] = vload(b + j / VPL * b_panel + j % VPL * VW);
    UNROLL for (int r = 0; r < MR; r++) {
        const vec x = vset1(a[r * a_row]);
        UNROLL for (int j = 0; j < NV; j++) acc[r * NV + j] = vfma(x, w[j], acc[r * NV + j]);
    }
}

/* The multiply-adds of one tile: `a` is the row r = 0 of A at step 0, `b` panel 0 of B. */
INLINE void tile_steps(vec *acc, const tile_args *t, const real *a, const real *b, const int MR, const int NP,
                       const int addressing)
{
    const ptrdiff_t last = t->last, b_panel = t->b_panel;
    b += t->first * L;
    if (addressing == IN_ROWS) {
        a += t->first;
        for (ptrdiff_t i = t->first; i < last; i++, a++, b += L)
            tile_step(acc, a, t->a_row, b, b_panel, MR, NP);
    } else if (addressing == IN_COLUMNS) {
        a += t->first * t->a_row;
        for (ptrdiff_t i = t->first; i < last; i++, a += t->a_row, b += L)
            tile_step(acc, a, 1, b, b_panel, MR, NP);
    } else {
        for (ptrdiff_t i = t->first; i < last;) {
            const ptrdiff_t lane = i & (L - 1), end = last - i < L - lane ? last : i - lane + L;
            const real *x = a + (i / L) * t->a_panel + lane, *next = x - lane + t->a_panel;
            /* the next panel is far away: no hardware prefetcher sees it coming */
            if (end < last)
                UNROLL for (int r = 0; r < MR; r++) __builtin_prefetch(next + r * L);
            for (; i < end; i++, x++, b += L) tile_step(acc, x, L, b, b_panel, MR, NP);
        }
    }
}

INLINE void tile(const tile_args *args, const int MR, const int NP, const int addressing)
{
    const tile_args t = *args; /* a copy, so that the compiler sees that stores to c leave it alone */
    const int NV = TILE_VECTORS(NP);
    const ptrdiff_t a_row = addressing == IN_ROWS ? t.a_row : addressing == IN_COLUMNS ? 1 : L;
    const real *a = t.a, *start = t.start;
    real *c = t.c;
    for (ptrdiff_t left = t.rows; left > 0; left -= MR, a += MR * a_row, start += t.start_row ? MR * L : 0, c += MR * L) {
        vec acc[ACCUMULATORS];
        UNROLL for (int j = 0; j < NV; j++) acc[j] = vload(start + j / VPL * t.start_panel + j % VPL * VW);
        if (t.start_row)
            UNROLL for (int j = NV; j < MR * NV; j++)
                acc[j] = vload(start + j % NV / VPL * t.start_panel + j / NV * L + j % NV % VPL * VW);
        else
            UNROLL for (int j = NV; j < MR * NV; j++) acc[j] = acc[j - NV];
        tile_steps(acc, &t, a, t.b, MR, NP, addressing);
        UNROLL for (int j = 0; j < NV; j++)
            UNROLL for (int r = 0; r < MR; r++)
                vstore(c + j / VPL * t.c_panel + r * L + j % VPL * VW, acc[r * NV + j]);
        if (!NP)
            UNROLL for (int j = 0; j < MR * VPL; j++)
                if (j % VPL) vstore(c + j * VW, vset1(0));
    }
}

/* One function per shape and addressing; a shape that does not fit the registers has no entry in the table. */
#define TILE_FITS(NP, MR) ((MR) * TILE_VECTORS(NP) <= ACCUMULATORS && ((NP) || VPL > 1))
#define TILE_NAME(way, NP, MR) CAT2(CAT2(tile_, way), CAT3(NP, x, MR))
#define TILE_WAY(way, NP, MR)                                                                     \
    static void TILE_NAME(way, NP, MR)(const tile_args *t)                                        \
    { if (TILE_FITS(NP, MR)) tile(t, MR, NP, CAT2(IN_, way)); }
#define TILE(NP, MR) TILE_WAY(ROWS, NP, MR) TILE_WAY(PANELS, NP, MR) TILE_WAY(COLUMNS, NP, MR)
#define FOR_ROWS(X, NP) X(NP, 1) X(NP, 2) X(NP, 3) X(NP, 4) X(NP, 5) X(NP, 6) X(NP, 7) X(NP, 8)     \
    X(NP, 9) X(NP, 10) X(NP, 11) X(NP, 12)
#define FOR_PANELS(X) FOR_ROWS(X, 0) FOR_ROWS(X, 1) FOR_ROWS(X, 2) FOR_ROWS(X, 3) FOR_ROWS(X, 4) FOR_ROWS(X, 5)    \
    FOR_ROWS(X, 6) FOR_ROWS(X, 7) FOR_ROWS(X, 8)
FOR_PANELS(TILE)
#undef TILE
#undef TILE_WAY

#define TILE(NP, MR) [NP][(MR) - 1] = TILE_FITS(NP, MR) ? TILE_NAME(TILE_ADDRESSING, NP, MR) : 0,
static tile_function *const tiles[ADDRESSINGS][TILE_PANELS + 1][TILE_ROWS] = {
#define TILE_ADDRESSING ROWS
    [IN_ROWS] = {FOR_PANELS(TILE)},
#undef TILE_ADDRESSING
#define TILE_ADDRESSING PANELS
    [IN_PANELS] = {FOR_PANELS(TILE)},
#undef TILE_ADDRESSING
#define TILE_ADDRESSING COLUMNS
    [IN_COLUMNS] = {FOR_PANELS(TILE)},
#undef TILE_ADDRESSING
};
#undef TILE

#endif
