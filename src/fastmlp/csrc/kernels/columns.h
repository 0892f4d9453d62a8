/* Sums over the rows of a column, in the contract's order: chains over blocks of BLOCK_ROWS, added in order. */
#ifndef FM_COLUMNS_H
#define FM_COLUMNS_H

#include "rowwise.h"

/* What is summed, of row r: vectors at_x of x and at_d of d; and what it needs of its columns. */
typedef vec column_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column);

/* Of vector v of panel p. */
INLINE vec column_sum(const layer_args *g, ptrdiff_t p, int v, column_term *term, const vec *of_column)
{
    vec total = vset1(0);
    for (ptrdiff_t first = 0; first < g->m; first += BLOCK_ROWS) {
        const ptrdiff_t last = smaller(first + BLOCK_ROWS, g->m);
        vec sum = vset1(0);
        for (ptrdiff_t r = first; r < last; r++) {
            const ptrdiff_t lane = r * L + v * VW;
            sum = sum + term(g, r, p * g->x_panel + lane, p * g->d_panel + lane, of_column);
        }
        total = first ? total + sum : sum;
    }
    return total;
}

INLINE vec d_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)r, (void)at_x, (void)of_column;
    return vload(g->d + at_d);
}

INLINE vec d_x_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)r, (void)of_column;
    return vload(g->d + at_d) * vload(g->x + at_x);
}

/* Columns from `from_first` on of one matrix to those from `to_first` on of another. */
static void copy_columns(real *to, ptrdiff_t to_panel, ptrdiff_t to_first, const real *from, ptrdiff_t from_panel,
                         ptrdiff_t from_first, ptrdiff_t columns, ptrdiff_t rows)
{
    for (ptrdiff_t i = 0; i < columns; i++) {
        real *t = to + (to_first + i) / L * to_panel + (to_first + i) % L;
        const real *f = from + (from_first + i) / L * from_panel + (from_first + i) % L;
        for (ptrdiff_t r = 0; r < rows; r++) t[r * L] = f[r * L];
    }
}

#endif
