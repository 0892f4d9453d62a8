/* Products of bfloat16 by multiply-adds of float32. */
#ifndef FM_CHAINS_H
#define FM_CHAINS_H

/* Rows whose chains fit the register file, two for each vector of a row. */
#define CHAIN_ROWS (ACCUMULATORS / (2 * VPL))

/* One block: c, (MR, L), += (e + o), x (MR, BLOCK) already float32. */
INLINE void add_chains(real *c, const real *x, const real *b, const int MR)
{
    vec even[CHAIN_ROWS * VPL], odd[CHAIN_ROWS * VPL];
    UNROLL for (int j = 0; j < MR * VPL; j++) even[j] = odd[j] = vset1(0);
    for (int i = 0; i < BLOCK / 2; i++, x += 2, b += L) {
        vec w[VPL];
        UNROLL for (int j = 0; j < VPL; j++) w[j] = vreal(vbits(vload(b + j * VW)) << 16);
        UNROLL for (int r = 0; r < MR; r++)
            UNROLL for (int j = 0; j < VPL; j++) even[r * VPL + j] = vfma(vset1(x[r * BLOCK]), w[j], even[r * VPL + j]);
        UNROLL for (int j = 0; j < VPL; j++) w[j] = vreal(vbits(vload(b + j * VW)) & 0xFFFF0000u);
        UNROLL for (int r = 0; r < MR; r++)
            UNROLL for (int j = 0; j < VPL; j++) odd[r * VPL + j] = vfma(vset1(x[r * BLOCK + 1]), w[j], odd[r * VPL + j]);
    }
    UNROLL for (int r = 0; r < MR; r++)
        UNROLL for (int j = 0; j < VPL; j++) {
            real *sum = c + r * L + j * VW;
            vstore(sum, vload(sum) + (even[r * VPL + j] + odd[r * VPL + j]));
        }
}

/* Rows [r, r + MR) of a product that c already holds the start of.  Never inlined: the caller has changed the floating-point
   control word, and arithmetic must not leave where it holds. */
#define CHAINS(MR)                                                                                                     \
    static __attribute__((noinline)) void CAT2(chains_, MR)(const product *g, ptrdiff_t r)                             \
    {                                                                                                                  \
        real x[MOST_PLANES * CHAIN_ROWS * BLOCK] __attribute__((aligned(64)));                                         \
        if ((MR) > CHAIN_ROWS) return;                                                                                 \
        for (ptrdiff_t q = 0; q < g->blocks; q++) {                                                                    \
            for (int plane = 0; plane < g->planes; plane++)                                                            \
                widen(x + plane * CHAIN_ROWS * BLOCK, g->a + plane * g->a_plane + q * g->a_block + r * L, MR);         \
            for (ptrdiff_t p = 0; p < g->panels; p++)                                                                  \
                for (int i = 0; i < products_of(g->planes); i++) {                                                     \
                    const unsigned char *of = product_planes[g->planes - 1][i];                                        \
                    add_chains(g->c + p * g->c_panel + r * L, x + of[0] * CHAIN_ROWS * BLOCK,                          \
                               g->b + of[1] * g->b_plane + p * g->b_panel + q * (BLOCK / 2) * L, MR);                  \
                }                                                                                                      \
        }                                                                                                              \
    }

/* Lines of A as float32. */
INLINE void widen(real *x, const real *lines, ptrdiff_t rows)
{
    const uint16_t *from = (const uint16_t *)lines;
    for (ptrdiff_t i = 0; i < rows * BLOCK; i += VW) vstore(x + i, vwiden(*(const halves *)(from + i)));
}

CHAINS(1) CHAINS(2) CHAINS(3) CHAINS(4) CHAINS(5) CHAINS(6) CHAINS(7) CHAINS(8) CHAINS(9) CHAINS(10) CHAINS(11) CHAINS(12)
#undef CHAINS
static void (*const chains[])(const product *, ptrdiff_t) = {
    chains_1, chains_2, chains_3, chains_4, chains_5, chains_6, chains_7, chains_8, chains_9, chains_10, chains_11, chains_12};

static void multiply_by_lanes(const product *g)
{
    for (ptrdiff_t p = 0; g->start != g->c && p < g->panels; p++)
        for (ptrdiff_t r = 0; r < g->rows; r++)
            UNROLL for (int j = 0; j < VPL; j++)
                vstore(g->c + p * g->c_panel + r * L + j * VW, vload(g->start + p * g->start_panel + r * g->start_row + j * VW));
    fm_fp_set(FM_FP_FLUSH);
    for (ptrdiff_t r = 0, rows; r < g->rows; r += rows) {
        rows = even_part(g->rows - r, CHAIN_ROWS);
        chains[rows - 1](g, r);
    }
    fm_fp_set(FM_FP_DEFAULT);
}

#endif
