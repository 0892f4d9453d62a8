/* Dense layers whose weights are integers of 8 bits: float32 alone.

   A row x becomes bytes q + 128, q the nearest integer to x * (127 / most), most the largest |x|, at least 2^-100.  Sums of
   products are whole numbers of 32 bits, the same in any order; those of q + 128 are larger by 128 times a column's sum, which
   the plan has.  Then z = (sum * most / 127) * scale + b, each operation rounded. */
#ifndef FM_INTEGERS_H
#define FM_INTEGERS_H

#include <math.h>

#define LARGEST_FINITE 0x7F7FFFFF /* its bits, which are ordered as numbers are, NaN after infinity */

/* Rows that are packed together, a panel of all of them after another, as they lie. */
enum { BYTE_ROWS = 16 };

/* L numbers of a row, of `left` that it has from there on. */
INLINE vec part_of_line(const real *x, ptrdiff_t left, int v)
{
    return left >= L ? vload(x + v * VW) : load_first(x + v * VW, left - v * VW);
}

/* The bits of the largest |x| of each row. */
INLINE void largest_bits(int32_t *found, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t rows, ptrdiff_t k)
{
    ivec most[BYTE_ROWS] = {{0}};
    for (ptrdiff_t left = k; left > 0; left -= L, x += x_panel)
        for (ptrdiff_t r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < VPL; v++)
                most[r] = vlarger((ivec)vabs(part_of_line(x + r * x_row, left, v)), most[r]);
    for (ptrdiff_t r = 0; r < rows; r++) {
        int32_t lanes[VW];
        memcpy(lanes, &most[r], sizeof lanes);
        UNROLL for (int half = VW / 2; half; half /= 2)
            UNROLL for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
        found[r] = lanes[0];
    }
}

/* A cache line of a row's bytes from four of its panels. */
INLINE void line_of_bytes(uint8_t *to, const real *x, ptrdiff_t x_panel, ptrdiff_t left, vec inverse)
{
    for (ptrdiff_t i = 0; i < INT8_BLOCK; i += L, x += x_panel)
        UNROLL for (int v = 0; v < VPL; v++) {
            const uivec rounded = vbits(part_of_line(x, left - i, v) * inverse + vset1(ROUND_MAGIC)) + 128;
            *(vbytes *)(to + i + v * VW) = __builtin_convertvector(rounded, vbytes);
        }
}

/* Up to BYTE_ROWS rows, to lines of A whose blocks are `block` reals apart. */
INLINE void some_bytes(real *a, ptrdiff_t block, real *scale, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t rows,
                       ptrdiff_t k)
{
    int32_t most[BYTE_ROWS];
    real inverse[BYTE_ROWS];
    largest_bits(most, x, x_row, x_panel, rows, k);
    for (ptrdiff_t r = 0; r < rows; r++) {
        real largest;
        memcpy(&largest, &most[r], sizeof largest);
        if (!(largest > FLUSH_BELOW)) largest = FLUSH_BELOW;
        scale[r] = most[r] <= LARGEST_FINITE ? largest / 127 : (real)NAN;
        inverse[r] = most[r] <= LARGEST_FINITE ? 127 / largest : 0;
    }
    for (ptrdiff_t left = k; left > 0; left -= INT8_BLOCK, a += block, x += INT8_BLOCK / L * x_panel)
        for (ptrdiff_t r = 0; r < rows; r++)
            line_of_bytes((uint8_t *)(a + r * L), x + r * x_row, x_panel, left, vset1(inverse[r]));
}

static void pack_bytes(real *a, real *scale, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t m, ptrdiff_t k)
{
    const ptrdiff_t block = block_lines(m) * L;
    for (ptrdiff_t r = 0; r < m; r += BYTE_ROWS)
        some_bytes(a + r * L, block, scale + r, x + r * x_row, x_row, x_panel, smaller(BYTE_ROWS, m - r), k);
}

/* Sums of a tile that leave room for its operands. */
#define DOT_SUMS (ACCUMULATORS / 3 * 2)
#define DOTS_FIT(MR, NP) ((MR) * (NP) * VPL <= DOT_SUMS)

/* C = A.B of integers for MR rows and NP panels, the first `lines` of B. */
INLINE void dots(const product *g, ptrdiff_t r, ptrdiff_t p, ptrdiff_t lines, const int MR, const int NP)
{
    uivec sum[DOT_SUMS];
    const real *a = g->a + r * L, *b = g->b + p * g->b_panel;
    UNROLL for (int j = 0; j < MR * NP * VPL; j++) sum[j] = (uivec){0};
    for (ptrdiff_t left = lines; left > 0; left -= INT8_BLOCK / 4, a += g->a_block)
        for (ptrdiff_t i = 0; i < smaller(left, INT8_BLOCK / 4); i++, b += L) {
            uivec w[DOT_SUMS];
            UNROLL for (int j = 0; j < NP * VPL; j++) w[j] = vbits(vload(b + j / VPL * g->b_panel + j % VPL * VW));
            UNROLL for (int row = 0; row < MR; row++) {
                const uivec x = vbits(vset1(a[row * L + i]));
                UNROLL for (int j = 0; j < NP * VPL; j++) sum[row * NP * VPL + j] = vdot(sum[row * NP * VPL + j], x, w[j]);
            }
        }
    UNROLL for (int row = 0; row < MR; row++)
        UNROLL for (int j = 0; j < NP * VPL; j++)
            vstore(g->c + (p + j / VPL) * g->c_panel + (r + row) * L + j % VPL * VW, vreal(sum[row * NP * VPL + j]));
}

/* One function for each number of rows and of panels, powers of two both. */
#define DOTS(MR, NP)                                                                                           \
    static void CAT2(dots_##MR##_, NP)(const product *g, ptrdiff_t r, ptrdiff_t p, ptrdiff_t lines)            \
    { if (DOTS_FIT(MR, NP)) dots(g, r, p, lines, MR, NP); }
DOTS(1, 1) DOTS(1, 2) DOTS(1, 4) DOTS(1, 8) DOTS(2, 1) DOTS(2, 2) DOTS(2, 4) DOTS(2, 8) DOTS(4, 1) DOTS(4, 2) DOTS(4, 4)
#undef DOTS
enum { MOST_DOT_ROWS = 4, MOST_DOT_PANELS = 8 };
static void (*const dot_functions[MOST_DOT_ROWS + 1][MOST_DOT_PANELS + 1])(const product *, ptrdiff_t, ptrdiff_t, ptrdiff_t) = {
    [1] = {[1] = dots_1_1, [2] = dots_1_2, [4] = dots_1_4, [8] = dots_1_8},
    [2] = {[1] = dots_2_1, [2] = dots_2_2, [4] = dots_2_4, [8] = dots_2_8},
    [4] = {[1] = dots_4_1, [2] = dots_4_2, [4] = dots_4_4}};

static void multiply_by_dots(const product *g, ptrdiff_t lines)
{
    for (ptrdiff_t r = 0, rows; r < g->rows; r += rows) {
        for (rows = MOST_DOT_ROWS; rows > g->rows - r || !DOTS_FIT(rows, 1);) rows /= 2;
        for (ptrdiff_t p = 0, panels; p < g->panels; p += panels) {
            for (panels = MOST_DOT_PANELS; panels > g->panels - p || !DOTS_FIT(rows, panels);) panels /= 2;
            dot_functions[rows][panels](g, r, p, lines);
        }
    }
}

/* z of rows [r, r + rows) and some panels from p on, whose sums are there, and their activation. */
static void finish_integers(const int8_args *g, const product *sums, ptrdiff_t r, ptrdiff_t p)
{
    const dense_args *d = &g->dense;
    for (ptrdiff_t j = 0; j < sums->panels; j++) {
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t column = (p + j) * L + v * VW;
            const uivec offset = vbits(vload((const real *)g->offset + column));
            const vec scale = vload(g->scale + column), bias = d->bias ? vload(d->bias + column) : vset1(0);
            const real *from = sums->c + j * sums->c_panel + v * VW;
            real *z = d->z + (p + j) * d->c_panel + r * L + v * VW;
            for (ptrdiff_t row = 0; row < sums->rows; row++) {
                const vec sum = __builtin_convertvector((ivec)(vbits(vload(from + row * L)) - offset), vec);
                vstore(z + row * L, sum * vset1(g->row_scale[r + row]) * scale + bias);
            }
        }
        activate(d, (p + j) * d->c_panel + r * L, sums->rows * L);
    }
}

static void forward_int8(const int8_args *g)
{
    real sums[PRODUCT_ROWS * MOST_DOT_PANELS * 64 / sizeof(real)] __attribute__((aligned(64)));
    const dense_args *d = &g->dense;
    const int by_tiles = BY_TILES && d->m > 1;
    const ptrdiff_t panels = count_panels(d->n), b_panel = w_panel(int8_lines(d->k)), step = by_tiles ? PRODUCT_PANELS : MOST_DOT_PANELS;
    const ptrdiff_t fitting = GROUP_BYTES / (b_panel * (ptrdiff_t)sizeof(real)) & -MOST_DOT_PANELS;
    const ptrdiff_t group = fitting < MOST_DOT_PANELS ? MOST_DOT_PANELS : fitting;
    configure_tiles(by_tiles);
    for (ptrdiff_t first = 0; first < panels; first += group)
        for (ptrdiff_t r = 0; r < d->m; r += PRODUCT_ROWS)
            for (ptrdiff_t p = first; p < smaller(panels, first + group); p += step) {
                const product t = {.c = sums, .c_panel = PRODUCT_ROWS * L, .start = zeros, .a = d->x + r * L,
                                   .a_block = block_lines(d->m) * L, .b = d->w + p * b_panel, .b_panel = b_panel,
                                   .rows = smaller(PRODUCT_ROWS, d->m - r), .panels = smaller(step, panels - p),
                                   .blocks = int8_blocks(d->k)};
                if (by_tiles)
                    multiply_by_tiles(&t);
                else
                    multiply_by_dots(&t, (d->k + 3) / 4);
                finish_integers(g, &t, r, p);
            }
    release_tiles(by_tiles);
}

#endif
