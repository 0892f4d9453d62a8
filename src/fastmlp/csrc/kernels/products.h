/* Dense layers by products of bfloat16: float32 alone.

   An element of C = A.B starts from a float32, and takes the inputs in blocks of 32: e is the chain of multiply-adds from 0
   over those of even number, o over those of odd number, and the sum becomes sum + (e + o), all in float32 with denormals,
   operands and results, taken as 0.  With two planes a block is three of these steps, a_low b_high, a_high b_low, a_high b_high.  That is
   what the tiles of Intel's AMX compute, and plain multiply-adds as well: a product of two bfloat16 is exact. */
#ifndef FM_PRODUCTS_H
#define FM_PRODUCTS_H

#include <string.h>

#include "cpu.h"
#include "dense_common.h"
#include "transpose.h"

#if defined(__linux__) && (defined(__AMX_BF16__) || defined(__AMXBF16__)) /* what clang says before 17 */
#define BY_TILES 1
#else
#define BY_TILES 0
#endif
#if defined(__AVX512BF16__) && !BY_TILES
#define BY_PAIRS 1
#else
#define BY_PAIRS 0
#endif

/* The inputs of pair i of a block, in its lower half and in its upper.  Tiles take each input in its place; the instruction of
   pairs.h adds the upper half's product first, so there the first eight pairs are the chain e, the others o. */
INLINE ptrdiff_t lower_input(ptrdiff_t i) { return BY_PAIRS ? i % 8 * 4 + 2 + i / 8 : 2 * i; }
INLINE ptrdiff_t upper_input(ptrdiff_t i) { return BY_PAIRS ? i % 8 * 4 + i / 8 : 2 * i + 1; }

/* What plane number `plane` rounds. */
INLINE vec plane_of(vec x, int plane) { return plane ? x - vwiden(vnearest(x)) : x; }

/* The first of VW numbers; the others are 0. */
INLINE vec load_first(const real *p, ptrdiff_t count)
{
    return count >= VW ? vload(p) : count > 0 ? vload_part(p, count) : vset1(0);
}

/* VW pairs of a line of A, whose inputs a has and then b. */
INLINE void store_line(real *pairs, vec a, vec b)
{
    vstore_nearest(pairs, a, b);
#if BY_PAIRS
    shorts order;
    UNROLL for (int i = 0; i < VW; i++) order[2 * i] = (short)lower_input(i), order[2 * i + 1] = (short)upper_input(i);
    vstore(pairs, vordered(vload(pairs), order));
#endif
}

/* Up to 16 lines of a block of A: rows of x, whose `columns` numbers (at most 32) lie at x and, from the 17th on, at `next`. */
INLINE void block_of_rows(real *lines, const real *x, const real *next, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
                          int plane)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, next += x_row, lines += L) {
        vec v[2 * VPL];
        if (columns == BLOCK)
            UNROLL for (int i = 0; i < VPL; i++) v[i] = vload(x + i * VW), v[VPL + i] = vload(next + i * VW);
        else
            UNROLL for (int i = 0; i < VPL; i++)
                v[i] = load_first(x + i * VW, columns - i * VW), v[VPL + i] = load_first(next + i * VW, columns - L - i * VW);
        UNROLL for (int i = 0; i < VPL; i++)
            store_line(lines + i * VW, plane_of(v[2 * i], plane), plane_of(v[2 * i + 1], plane));
    }
}

/* 16 lines of a block of B: pairs of the first `rows` lines (at most 32) of a panel. */
INLINE void block_of_pairs(real *lines, const real *panel, ptrdiff_t rows, int plane)
{
    for (ptrdiff_t i = 0; i < BLOCK / 2; i++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec lower = lower_input(i) < rows ? vload(panel + lower_input(i) * L + v * VW) : vset1(0);
            const vec upper = upper_input(i) < rows ? vload(panel + upper_input(i) * L + v * VW) : vset1(0);
            vstore(lines + i * L + v * VW, vpairs(plane_of(lower, plane), plane_of(upper, plane)));
        }
}

static void pack_rows(real *a, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t m, ptrdiff_t k, int planes)
{
    const ptrdiff_t plane_size = a_size(m, k), block = block_lines(m) * L;
    for (ptrdiff_t q = 0; q < count_blocks(k); q++)
        for (int plane = 0; plane < planes; plane++)
            block_of_rows(a + plane * plane_size + q * block, x + 2 * q * x_panel, x + (2 * q + 1) * x_panel, x_row, m,
                          smaller(BLOCK, k - q * BLOCK), plane);
}

/* A block of B, turned, is one of A^T for 16 of its rows. */
static void pack_columns(real *a, const real *x, ptrdiff_t x_panel, ptrdiff_t first, ptrdiff_t m, ptrdiff_t batch, ptrdiff_t k,
                         int planes)
{
    real pairs[BLOCK / 2 * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t plane_size = a_size(k, batch), block = block_lines(k) * L;
    for (ptrdiff_t r = 0; r < m; r += BLOCK)
        for (ptrdiff_t p = 0; p < count_panels(k); p++)
            for (int plane = 0; plane < planes; plane++) {
                block_of_pairs(pairs, x + p * x_panel + r * L, m - r, plane);
                transpose(a + plane * plane_size + (first + r) / BLOCK * block + p * L * L, 0, pairs, 0, BLOCK / 2, L);
            }
}

/* And 16 lines of a block of A, turned, are a block of B^T. */
static void pack_weights(real *b, real *turned, const real *w, ptrdiff_t k, ptrdiff_t n, ptrdiff_t first, ptrdiff_t last,
                         int planes)
{
    real lines[BLOCK / 2 * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t panel = w_panel(k), b_plane = b_size(k, n), turned_plane = b_size(n, k), panels = count_panels(n);
    for (ptrdiff_t q = first; q < last; q++)
        for (ptrdiff_t i = 0; i < k; i += BLOCK)
            for (int plane = 0; plane < planes; plane++) {
                const real *from = w + 2 * q * panel + i * L;
                for (ptrdiff_t p = 2 * q; p < smaller(panels, 2 * q + 2); p++)
                    block_of_pairs(b + plane * b_plane + p * b_panel(k) + i / BLOCK * BLOCK / 2 * L, w + p * panel + i * L, k - i,
                                   plane);
                for (ptrdiff_t j = 0; j < BLOCK && i + j < k; j += L, from += L * L) {
                    const ptrdiff_t rows = smaller(L, k - i - j);
                    block_of_rows(lines, from, from + panel, L, rows, smaller(BLOCK, n - q * BLOCK), plane);
                    transpose(turned + plane * turned_plane + (i + j) / L * b_panel(n) + q * BLOCK / 2 * L, 0, lines, 0, rows, L);
                }
            }
}

/* C = start + A.B for a few rows, panels and blocks. */
typedef struct {
    real *c;                      /* (r, panel p) at c + p*c_panel + r*L, at most PRODUCT_ROWS by PRODUCT_PANELS */
    ptrdiff_t c_panel;
    const real *start;            /* as in tile_args, or c itself */
    ptrdiff_t start_panel, start_row;
    const real *a;                /* block q, row r at a + q*a_block + r*L */
    ptrdiff_t a_block, a_plane;
    const real *b;                /* block q of panel p at b + p*b_panel + q*BLOCK/2*L */
    ptrdiff_t b_panel, b_plane;
    ptrdiff_t rows, panels, blocks;
    int planes;                   /* 0: of integers, c and start too */
} product;

/* The planes of A and B whose products make a block, in their order. */
static const unsigned char product_planes[MOST_PLANES][3][2] = {{{0, 0}}, {{1, 0}, {0, 1}, {0, 0}}};
INLINE int products_of(int planes) { return planes == 1 ? 1 : 3; }

#if BY_TILES
#include "tiles.h"
#else
INLINE void configure_tiles(int by_tiles) { (void)by_tiles; }
INLINE void release_tiles(int by_tiles) { (void)by_tiles; }
INLINE void multiply_by_tiles(const product *g) { (void)g; }
#endif
#if BY_PAIRS
#include "pairs.h"
#else
#include "chains.h"
#endif

INLINE void multiply_planes(const product *g, int by_tiles) { (by_tiles ? multiply_by_tiles : multiply_by_lanes)(g); }

/* Blocks of inputs that are taken at a time, so that PRODUCT_ROWS rows of A stay in the first-level cache; and panels whose B
   takes half a second-level cache. */
#define PART_BLOCKS(planes) (32 / (planes))
#define GROUP_BYTES (1024 * 1024)

static void product_forward(const product_args *g)
{
    const dense_args *d = &g->dense;
    const ptrdiff_t panels = count_panels(d->n), blocks = count_blocks(d->k), part = PART_BLOCKS(g->planes);
    const ptrdiff_t fitting = GROUP_BYTES / (b_panel(d->k) * (ptrdiff_t)sizeof(real) * g->planes) & -PRODUCT_PANELS;
    const ptrdiff_t group = fitting < PRODUCT_PANELS ? PRODUCT_PANELS : fitting;
    const int by_tiles = BY_TILES && d->m > 1;
    configure_tiles(by_tiles);
    for (ptrdiff_t first = 0; first < panels; first += group)
        for (ptrdiff_t r = 0; r < d->m; r += PRODUCT_ROWS)
            for (ptrdiff_t q = 0; q < blocks; q += part)
                for (ptrdiff_t p = first; p < smaller(panels, first + group); p += PRODUCT_PANELS) {
                    product t = {
                        .c = d->z + p * d->c_panel + r * L, .c_panel = d->c_panel, .rows = smaller(PRODUCT_ROWS, d->m - r),
                        .start = d->bias ? d->bias + p * L : zeros, .start_panel = d->bias ? L : 0,
                        .a = d->x + q * block_lines(d->m) * L + r * L, .a_block = block_lines(d->m) * L,
                        .a_plane = a_size(d->m, d->k), .b = d->w + p * b_panel(d->k) + q * (BLOCK / 2) * L,
                        .b_panel = b_panel(d->k), .b_plane = b_size(d->k, d->n), .panels = smaller(PRODUCT_PANELS, panels - p),
                        .blocks = smaller(part, blocks - q), .planes = g->planes};
                    if (q) t.start = t.c, t.start_panel = t.c_panel, t.start_row = L;
                    multiply_planes(&t, by_tiles);
                    for (ptrdiff_t j = p; q + part >= blocks && j < p + t.panels; j++)
                        activate(d, j * d->c_panel + r * L, t.rows * L);
                }
    release_tiles(by_tiles);
}

/* Panels [p, end) of d as B, pair after pair of them. */
static void pack_deltas(const product_gradient_args *of, ptrdiff_t p, ptrdiff_t end)
{
    const weight_gradient_args *g = &of->of;
    const ptrdiff_t rows = g->last - g->first, plane_size = PRODUCT_PANELS * b_panel(rows);
    for (ptrdiff_t j = 0; j < end - p; j++) {
        real *pair = of->packed + j / PRODUCT_PANELS * of->planes * plane_size + j % PRODUCT_PANELS * b_panel(rows);
        for (ptrdiff_t r = 0; r < rows; r += BLOCK)
            for (int plane = 0; plane < of->planes; plane++)
                block_of_pairs(pair + plane * plane_size + r / 2 * L, g->d + (p + j) * g->d_panel + (g->first + r) * L, rows - r,
                               plane);
    }
}

/* dW of inputs [i, i + PRODUCT_ROWS) and panels p and p + 1, whose d is packed: one chain of blocks of 32 rows. */
static void product_tile(const product_gradient_args *of, ptrdiff_t i, ptrdiff_t p, ptrdiff_t panels, const real *packed)
{
    const weight_gradient_args *g = &of->of;
    real sums[PRODUCT_PANELS * PRODUCT_ROWS * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t rows = g->last - g->first, block = block_lines(g->k) * L, offset = g->w_offset + p * w_panel(g->k) + i * L;
    const product t = {.c = sums, .c_panel = PRODUCT_ROWS * L, .start = g->first ? g->so_far + offset : zeros,
                       .start_panel = g->first ? w_panel(g->k) : 0, .start_row = g->first ? L : 0,
                       .a = g->x + g->first / BLOCK * block + i * L, .a_block = block, .a_plane = a_size(g->k, of->batch),
                       .b = packed, .b_panel = b_panel(rows), .b_plane = PRODUCT_PANELS * b_panel(rows),
                       .rows = smaller(PRODUCT_ROWS, g->k - i), .panels = panels, .blocks = count_blocks(rows),
                       .planes = of->planes};
    multiply_planes(&t, BY_TILES);
    for (ptrdiff_t j = 0; j < panels; j++)
        g->sink->take(g->sink, sums + j * t.c_panel, offset + j * w_panel(g->k), t.rows * L, 1);
}

static void product_gradient(const product_gradient_args *of, ptrdiff_t first, ptrdiff_t last)
{
    const weight_gradient_args *g = &of->of;
    const ptrdiff_t panels = count_panels(g->n), pair = of->planes * PRODUCT_PANELS * b_panel(g->last - g->first);
    configure_tiles(BY_TILES);
    for (ptrdiff_t unit = first, end; unit < last; unit = end) {
        end = smaller(last, unit + of->pairs);
        pack_deltas(of, unit * PRODUCT_PANELS, smaller(panels, end * PRODUCT_PANELS));
        for (ptrdiff_t i = 0; i < g->k; i += PRODUCT_ROWS) {
            for (ptrdiff_t q = i / L; q < smaller(i / L + 2, count_panels(g->k)); q++)
                prefetch_next(g, q, unit / of->pairs, parts_of(panels, PRODUCT_PANELS * of->pairs));
            for (ptrdiff_t u = unit; u < end; u++)
                product_tile(of, i, u * PRODUCT_PANELS, smaller(PRODUCT_PANELS, panels - u * PRODUCT_PANELS),
                             of->packed + (u - unit) * pair);
        }
    }
    release_tiles(BY_TILES);
}

#include "integers.h"

const fm_products CAT2(fm_products_, UNIT) = {
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
    .pack_weights = pack_weights,
    .forward = product_forward,
    .gradient = product_gradient,
    .pack_bytes = pack_bytes,
    .forward_int8 = forward_int8,
};

#endif
