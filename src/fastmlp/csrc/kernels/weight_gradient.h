/* Weight and bias gradients of dense layers, as orders of register tiles. */
#ifndef FM_WEIGHT_GRADIENT_H
#define FM_WEIGHT_GRADIENT_H

#include "gemm.h"
#include "transpose.h"

/* sums += block */
INLINE void add_block(real *sums, const real *block, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(sums + i, vload(sums + i) + vload(block + i));
}

/* Sums over batch rows [first, last) of at most L lines and a group np of panels, in tiles of that height, added to those over
   the rows before, which `sums` holds; t holds the operands. */
static void gradient_sums(real *sums, ptrdiff_t panel, tile_args *t, int addressing, ptrdiff_t first,
                          ptrdiff_t last, ptrdiff_t np, ptrdiff_t height)
{
    real block[TILE_PANELS * 64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t count = t->rows * L;
    t->start = zeros, t->c = sums, t->c_panel = panel;
    if (first && first < BLOCK_ROWS) t->start = sums, t->start_panel = panel, t->start_row = L;
    for (t->first = first; t->first < last; t->first = t->last) {
        const int more = t->first >= BLOCK_ROWS;
        t->last = smaller((t->first / BLOCK_ROWS + 1) * BLOCK_ROWS, last);
        if (more) t->c = block, t->c_panel = count, t->start = zeros, t->start_panel = t->start_row = 0;
        run_tile(t, addressing, np, height);
        for (ptrdiff_t j = 0; more && j < panels_of(np); j++)
            add_block(sums + j * panel, block + j * count, count);
    }
}

/* The gradient of a strip of rows and np panels from panel p on, to the sink: t holds their x. */
static void gradient_strip(const weight_gradient_args *g, tile_args *t, ptrdiff_t height, ptrdiff_t p,
                           ptrdiff_t np, ptrdiff_t offset, ptrdiff_t panel, int is_weight)
{
    real sums[TILE_PANELS * 64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t count = t->rows * L;
    t->b = g->d + p * g->d_panel, t->b_panel = g->d_panel;
    for (ptrdiff_t j = 0; g->first && j < panels_of(np); j++)
        memcpy(sums + j * count, g->so_far + offset + (p + j) * panel, (size_t)count * sizeof(real));
    gradient_sums(sums, count, t, IN_COLUMNS, g->first, g->last, np, height);
    for (ptrdiff_t j = 0; j < panels_of(np); j++)
        g->sink->take(g->sink, sums + j * count, offset + (p + j) * panel, count, is_weight);
}

/* That of W[i : i + rows, panel p : p + np]. */
static void weight_strip(const weight_gradient_args *g, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t height, ptrdiff_t p,
                         ptrdiff_t np)
{
    tile_args t = {.rows = rows, .a = g->x + (i / L) * g->x_panel + i % L, .a_row = L};
    gradient_strip(g, &t, height, p, np, g->w_offset + i * L, w_panel(g->k), 1);
}

/* That of the bias, a row of weights whose x is always 1. */
static void bias_gradient(const weight_gradient_args *g)
{
    static const real one = 1;
    const ptrdiff_t panels = count_panels(g->n), most = most_panels(1);
    for (ptrdiff_t p = 0, np; p < panels; p += panels_of(np)) {
        tile_args t = {.rows = 1, .a = &one, .a_row = 0};
        np = tiles_across(g->n, p, most);
        gradient_strip(g, &t, 1, p, np, g->b_offset, L, 0);
    }
}

/* How many of the last columns have their dW as dW^T = d^T.x, as that is less work, turning it back included: those of a
   last panel of few columns, whose lanes are mostly padding in d. */
INLINE ptrdiff_t turned_columns(const weight_gradient_args *g)
{
    const ptrdiff_t columns = g->n & (L - 1), lanes = VPL > 1 && columns <= VW ? VW : L;
    const ptrdiff_t turned = count_panels(g->k) * (columns * g->m + 6 * L) * L;
    return turned < g->k * g->m * lanes ? columns : 0;
}

/* dW of the last `columns` of np panels of inputs from panel q on, as lines of dW^T that are turned back. */
static void turned_weights(const weight_gradient_args *g, ptrdiff_t columns, ptrdiff_t q, ptrdiff_t np)
{
    real lines[TILE_PANELS * 64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    real sums[64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t last = g->n / L, offset = g->w_offset + last * w_panel(g->k);
    for (ptrdiff_t p = 0; g->first && p < panels_of(np); p++) {
        const ptrdiff_t i = (q + p) * L;
        transpose(lines + p * L * L, 0, g->so_far + offset + i * L, 0, smaller(L, g->k - i), columns);
    }
    for (ptrdiff_t j = 0, rows, height; j < columns; j += rows) {
        rows = strip(columns - j, most_rows(np, IN_COLUMNS), &height);
        tile_args t = {.rows = rows, .a = g->d + last * g->d_panel + j, .a_row = L, .b = g->x + q * g->x_panel,
                       .b_panel = g->x_panel};
        gradient_sums(lines + j * L, L * L, &t, IN_COLUMNS, g->first, g->last, np, height);
    }
    for (ptrdiff_t p = 0; p < panels_of(np); p++) {
        const ptrdiff_t i = (q + p) * L, count = smaller(L, g->k - i);
        transpose(sums, 0, lines + p * L * L, 0, columns, count);
        g->sink->take(g->sink, sums, offset + i * L, count * L, 1);
    }
}

static void turned_weight_gradient(const weight_gradient_args *g, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t q = 0, unit = 0, np; q < count_panels(g->k); q += panels_of(np), unit++) {
        np = tiles_across(g->k, q, most_panels(columns));
        if (unit < first || unit >= last) continue;
        for (ptrdiff_t p = q; columns == g->n && p < q + panels_of(np); p++) prefetch_next(g, p, 0, 1);
        turned_weights(g, columns, q, np);
    }
}

/* dW of panel q of inputs and np panels of outputs from panel p on. */
static void panel_weights(const weight_gradient_args *g, ptrdiff_t q, ptrdiff_t p, ptrdiff_t np)
{
    const ptrdiff_t end = smaller((q + 1) * L, g->k), highest = most_rows(np, IN_COLUMNS);
    if (end == (q + 1) * L) { /* one strip, of a height that divides it */
        ptrdiff_t even = L;
        while (even > highest) even /= 2;
        weight_strip(g, q * L, L, even, p, np);
        return;
    }
    for (ptrdiff_t i = q * L, rows, height; i < end; i += rows) {
        rows = strip(end - i, highest, &height);
        weight_strip(g, i, rows, height, p, np);
    }
}

static void plain_weight_gradient(const weight_gradient_args *g, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t groups = tile_groups(columns, most_panels(g->k));
    for (ptrdiff_t p = 0, np, group = 0, unit = 0; group < groups; p += panels_of(np), group++) {
        np = tiles_across(columns, p, most_panels(g->k));
        for (ptrdiff_t q = 0; q < count_panels(g->k); q++, unit++) {
            if (unit < first || unit >= last) continue;
            prefetch_next(g, q, group, groups);
            panel_weights(g, q, p, np);
        }
    }
}

/* A unit of work is one panel of inputs (L rows of W) by one group of output panels, or one group of input panels where the
   gradient is turned; those come last. */
static ptrdiff_t plain_units(const weight_gradient_args *g)
{
    return tile_groups(g->n - turned_columns(g), most_panels(g->k)) * count_panels(g->k);
}

/* dW and db of a narrow layer, one unit: d^T.x with x's 1 beside it, so that the bias is one more lane and no chain of its
   own. */
static void narrow_gradient(const weight_gradient_args *g)
{
    real lines[64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    real sums[64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t np = tiles_across(g->k + 1, 0, 1);
    for (ptrdiff_t j = 0, rows, height; j < g->n; j += rows) {
        rows = strip(g->n - j, most_rows(np, IN_PANELS), &height);
        tile_args t = {.rows = rows, .a = g->d + j * L, .a_panel = g->n * L, .b = g->x};
        gradient_sums(lines + j * L, 0, &t, IN_PANELS, 0, g->m, np, height);
    }
    transpose(sums, 0, lines, 0, g->n, g->k + 1);
    g->sink->take(g->sink, sums, g->w_offset, g->k * L, 1);
    if (g->b_offset >= 0) g->sink->take(g->sink, sums + g->k * L, g->b_offset, L, 0);
}

static ptrdiff_t weight_gradient_units(const weight_gradient_args *g)
{
    if (g->d_in_lines) return 1;
    const ptrdiff_t turned = turned_columns(g);
    return plain_units(g) + (turned ? tile_groups(g->k, most_panels(turned)) : 0);
}

/* `first` and `last` select units, so that threads can share a layer.  The bias goes with the first. */
static void weight_gradient(const weight_gradient_args *g, ptrdiff_t first, ptrdiff_t last)
{
    if (g->d_in_lines) {
        if (first < last) prefetch_next(g, 0, 0, 1), narrow_gradient(g);
        return;
    }
    const ptrdiff_t turned = turned_columns(g), plain = plain_units(g);
    if (!first && last && g->b_offset >= 0) bias_gradient(g);
    plain_weight_gradient(g, g->n - turned, first, last);
    if (turned) turned_weight_gradient(g, turned, first - plain, last - plain);
}

#endif
