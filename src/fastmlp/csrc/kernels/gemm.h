/* Dense layers: forward and input gradient, as orders of register tiles.

   Which tiles cover a matrix is free: the bits of an element depend on the order of its steps alone. */
#ifndef FM_GEMM_H
#define FM_GEMM_H

#include "dense_common.h"
#include "tile.h"

/* Rows of a strip, which is tiles of one height below each other: the first of those parts, and the others that are as
   high, while what they produce stays in the first-level cache. */
#define STRIP_ROWS 48
INLINE ptrdiff_t strip(ptrdiff_t total, ptrdiff_t most, ptrdiff_t *height)
{
    *height = total;
    if (total <= most) return total;
    const ptrdiff_t parts = parts_of(total, most), larger = total % parts;
    *height = (total + parts - 1) / parts;
    return *height * smaller(larger ? larger : parts, STRIP_ROWS / *height);
}

/* Rows that a tile of the full height has: enough chains to hide the latency of a multiply-add. */
#define FULL_ROWS (VBYTES == 64 ? 8 : VBYTES == 32 ? 6 : ACCUMULATORS / VPL)

INLINE ptrdiff_t most_panels(ptrdiff_t m)
{
    const ptrdiff_t panels = ACCUMULATORS / VPL / smaller(m, FULL_ROWS);
    return panels < 1 ? 1 : smaller(panels, TILE_PANELS);
}

/* Row-major operands take one address register a row, which limits their tiles. */
INLINE ptrdiff_t most_rows(ptrdiff_t panels, int addressing)
{
    return smaller(ACCUMULATORS / TILE_VECTORS(panels), addressing == IN_ROWS && panels > 1 ? 8 : TILE_ROWS);
}

/* Panels of a matrix but for the last if its columns fill no more than one vector. */
INLINE ptrdiff_t whole_panels(ptrdiff_t columns) { return (columns + L - 1 - (VPL > 1 ? VW : 0)) / L; }

/* The group of panels that begins with panel p, which tiles take together: nearly equal parts of the whole panels; 0 for a
   last panel of one vector. */
INLINE ptrdiff_t tiles_across(ptrdiff_t columns, ptrdiff_t p, ptrdiff_t most)
{
    const ptrdiff_t whole = whole_panels(columns);
    return p < whole ? even_part(whole - p, most) : 0;
}

INLINE ptrdiff_t tile_groups(ptrdiff_t columns, ptrdiff_t most)
{
    const ptrdiff_t whole = whole_panels(columns);
    return parts_of(whole, most) + (whole < count_panels(columns));
}

INLINE ptrdiff_t panels_of(ptrdiff_t group) { return group ? group : 1; }

INLINE void run_tile(const tile_args *t, int addressing, ptrdiff_t panels, ptrdiff_t height)
{
    tiles[addressing][panels][height - 1](t);
}

/* Segments of the inputs of a narrow layer, summed apart and joined as (c0 + c2) + (c1 + c3), so that one row
   has several chains to work on: part of the numeric contract. */
INLINE ptrdiff_t segments(const dense_args *d)
{
    return d->one_chain || d->k < 32 || d->n > 2 * L ? 1 : d->n <= L ? 4 : 2;
}

/* One row-major row through NP panels from panel p on and all S segments at once: S chains a panel. */
INLINE void row_sums(const dense_args *d, ptrdiff_t p, const int S, const int NP)
{
    vec acc[TILE_PANELS * VPL];
    const ptrdiff_t k = d->k, q = k / S, b_panel = w_panel(k), c_panel = d->c_panel;
    real *z = d->z + p * c_panel;
    const real *x = d->x, *w = d->w + p * b_panel, *bias = d->bias ? d->bias + p * L : NULL;
    UNROLL for (int s = 0; s < S; s++)
        UNROLL for (int j = 0; j < NP * VPL; j++) acc[s * NP * VPL + j] = s || !bias ? vset1(0) : vload(bias + j * VW);
    for (ptrdiff_t i = 0; i < q; i++, w += L)
        UNROLL for (int s = 0; s < S; s++)
            tile_step(acc + s * NP * VPL, x + s * q + i, 0, w + s * q * L, b_panel, 1, NP);
    w += (S - 1) * q * L;
    for (ptrdiff_t i = S * q; S > 1 && i < k; i++, w += L)
        tile_step(acc + (S - 1) * NP * VPL, x + i, 0, w, b_panel, 1, NP);
    UNROLL for (int j = 0; j < NP * VPL; j++) {
        const vec even = S == 4 ? acc[j] + acc[2 * NP * VPL + j] : acc[j];
        const vec odd = S == 4 ? acc[NP * VPL + j] + acc[3 * NP * VPL + j] : S == 2 ? acc[NP * VPL + j] : even;
        vstore(z + j / VPL * c_panel + j % VPL * VW, S == 1 ? even : even + odd);
    }
}

/* One function for each number of panels. */
#define ROW(NP)                                                                     \
    static void CAT2(row_sums_, NP)(const dense_args *d, ptrdiff_t p)               \
    { if (TILE_FITS(NP, 1)) row_sums(d, p, 1, NP); }
ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8)
#undef ROW
#define ROW(NP) CAT2(row_sums_, NP),
static void (*const row_functions[TILE_PANELS])(const dense_args *, ptrdiff_t) = {
    ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7) ROW(8)};
#undef ROW

/* The strip t of a narrow layer, one plain strip a segment. */
static void segmented_strip(const dense_args *d, const tile_args *t, int addressing, ptrdiff_t np,
                            ptrdiff_t height, ptrdiff_t S)
{
    real sums[4 * STRIP_ROWS * 64 / sizeof(real)] __attribute__((aligned(64))), *part[4];
    const ptrdiff_t q = d->k / S, count = t->rows * L;
    tile_args u = *t;
    u.c_panel = count;
    for (ptrdiff_t s = 0; s < S; s++) {
        u.c = part[s] = sums + s * panels_of(np) * count;
        u.first = s * q;
        u.last = s == S - 1 ? d->k : u.first + q;
        if (s) u.start = zeros, u.start_panel = 0;
        run_tile(&u, addressing, np, height);
    }
    for (ptrdiff_t p = 0; p < panels_of(np); p++)
        for (ptrdiff_t i = p * count; i < (p + 1) * count; i += VW) {
            const vec even = S == 4 ? vload(part[0] + i) + vload(part[2] + i) : vload(part[0] + i);
            const vec odd = S == 4 ? vload(part[1] + i) + vload(part[3] + i) : vload(part[1] + i);
            vstore(t->c + p * d->c_panel + i - p * count, even + odd);
        }
}

static void dense_forward_row(const dense_args *d)
{
    const ptrdiff_t S = segments(d), panels = count_panels(d->n);
    if (S == 4)
        row_sums(d, 0, 4, 1);
    else if (S == 2)
        row_sums(d, 0, 2, 2);
    else
        for (ptrdiff_t p = 0, np; p < panels; p += np) {
            np = even_part(panels - p, most_panels(1));
            row_functions[np - 1](d, p);
        }
    if (d->c_panel == L)
        activate(d, 0, panels * L);
    else
        for (ptrdiff_t p = 0; p < panels; p++) activate(d, p * d->c_panel, L);
}

static void dense_forward_rows(const dense_args *d)
{
    const int addressing = d->x_panel == L ? IN_ROWS : IN_PANELS;
    const ptrdiff_t S = segments(d), panels = count_panels(d->n);
    for (ptrdiff_t p = 0, np; p < panels; p += panels_of(np)) {
        np = tiles_across(d->n, p, S > 1 ? panels : most_panels(d->m));
        const ptrdiff_t most = most_rows(np, addressing);
        for (ptrdiff_t r = 0, rows, height; r < d->m; r += rows) {
            rows = strip(d->m - r, most, &height);
            const tile_args t = {
                .rows = rows, .c = d->z + p * d->c_panel + r * L, .c_panel = d->c_panel, .a = d->x + r * d->x_row,
                .a_row = d->x_row, .a_panel = d->x_panel, .b = d->w + p * w_panel(d->k),
                .b_panel = w_panel(d->k),
                .start = d->bias ? d->bias + p * L : zeros, .start_panel = d->bias ? L : 0, .last = d->k};
            if (S > 1)
                segmented_strip(d, &t, addressing, np, height, S);
            else
                run_tile(&t, addressing, np, height);
            for (ptrdiff_t j = p; j < p + panels_of(np); j++) activate(d, j * d->c_panel + r * L, rows * L);
        }
    }
}

static void dense_forward(const dense_args *d)
{
    (d->m == 1 && d->x_panel == L ? dense_forward_row : dense_forward_rows)(d);
}

static void turned_forward(const turned_args *t)
{
    real start[64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t most = most_panels(t->n);
    for (ptrdiff_t j = 0; j < t->n; j++)
        UNROLL for (int v = 0; v < VPL; v++) vstore(start + j * L + v * VW, vset1(t->bias ? t->bias[j] : 0));
    for (ptrdiff_t p = 0, np; p < t->panels; p += np) {
        np = even_part(t->panels - p, most);
        for (ptrdiff_t j = 0, rows; j < t->n; j += rows) {
            rows = even_part(t->n - j, most_rows(np, IN_COLUMNS));
            const tile_args u = {
                .rows = rows, .c = t->z + (p * t->n + j) * L, .c_panel = t->n * L, .a = t->w + j, .a_row = L,
                .b = t->x + p * t->k * L, .b_panel = t->k * L, .start = start + j * L, .start_row = L, .last = t->k};
            run_tile(&u, IN_COLUMNS, np, rows);
        }
    }
}

/* Rows of W outside, batch rows inside: eight rows of W cross all its panels, and are read once for all batch rows, while
   the deltas of a chunk stay in the second-level cache. */
static void input_gradient(const input_gradient_args *g)
{
    const ptrdiff_t panels = count_panels(g->m), most = most_panels(g->k);
    for (ptrdiff_t i = 0, rows; i < g->k; i += rows) {
        rows = even_part(g->k - i, most_rows(tiles_across(g->m, 0, most), IN_PANELS));
        for (ptrdiff_t p = 0, np; p < panels; p += panels_of(np)) {
            np = tiles_across(g->m, p, most);
            const tile_args t = {
                .rows = rows, .c = g->dx + p * g->dx_panel + i * L, .c_panel = g->dx_panel, .a = g->w + i * L,
                .a_panel = w_panel(g->k), .b = g->d + p * g->d_panel, .b_panel = g->d_panel, .start = zeros,
                .last = g->n};
            run_tile(&t, IN_PANELS, np, rows);
        }
    }
}

#endif
