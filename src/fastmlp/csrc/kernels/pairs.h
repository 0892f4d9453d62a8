/* Products of bfloat16 by AVX512-BF16, whose instruction is two multiply-adds of a chain: the bits of chains.h. */
#ifndef FM_PAIRS_H
#define FM_PAIRS_H

/* Sums whose two chains fit the register file beside them. */
#define PAIR_SUMS (ACCUMULATORS / 3)

/* Blocks of inputs at a time, of which two panels take half of a first-level cache. */
#define PAIR_BLOCKS 8

/* One block of MR rows and NP panels: sum += (e + o). */
INLINE void add_pairs(vec *sum, const real *a, const real *b, ptrdiff_t b_panel, const int MR, const int NP)
{
    vec even[PAIR_SUMS], odd[PAIR_SUMS];
    UNROLL for (int j = 0; j < MR * NP; j++) even[j] = odd[j] = vset1(0);
    for (int i = 0; i < BLOCK / 4; i++, a++, b += L) {
        vec w[PRODUCT_PANELS];
        UNROLL for (int p = 0; p < NP; p++) w[p] = vload(b + p * b_panel);
        UNROLL for (int r = 0; r < MR; r++)
            UNROLL for (int p = 0; p < NP; p++) even[r * NP + p] = vadd_pairs(even[r * NP + p], vset1(a[r * L]), w[p]);
        UNROLL for (int p = 0; p < NP; p++) w[p] = vload(b + BLOCK / 4 * L + p * b_panel);
        UNROLL for (int r = 0; r < MR; r++)
            UNROLL for (int p = 0; p < NP; p++)
                odd[r * NP + p] = vadd_pairs(odd[r * NP + p], vset1(a[BLOCK / 4 + r * L]), w[p]);
    }
    UNROLL for (int j = 0; j < MR * NP; j++) sum[j] += even[j] + odd[j];
}

/* Rows [r, r + MR) of a product.  Never inlined, as in chains.h. */
#define PAIRS(MR, NP)                                                                                                 \
    static __attribute__((noinline)) void CAT2(pairs_##MR##_, NP)(const product *g, ptrdiff_t r)                      \
    {                                                                                                                 \
        vec sum[PAIR_SUMS];                                                                                           \
        const real *a = g->a + r * L, *b = g->b;                                                                      \
        UNROLL for (int j = 0; j < (MR) * (NP); j++)                                                                  \
            sum[j] = vload(g->start + j % (NP) * g->start_panel + (r + j / (NP)) * g->start_row);                     \
        for (ptrdiff_t q = 0; q < g->blocks; q++, a += g->a_block, b += BLOCK / 2 * L)                                \
            for (int i = 0; i < products_of(g->planes); i++) {                                                        \
                const unsigned char *of = product_planes[g->planes - 1][i];                                           \
                add_pairs(sum, a + of[0] * g->a_plane, b + of[1] * g->b_plane, g->b_panel, MR, NP);                   \
            }                                                                                                         \
        UNROLL for (int j = 0; j < (MR) * (NP); j++) vstore(g->c + j % (NP) * g->c_panel + (r + j / (NP)) * L, sum[j]); \
    }
PAIRS(1, 1) PAIRS(2, 1) PAIRS(3, 1) PAIRS(4, 1) PAIRS(5, 1) PAIRS(6, 1) PAIRS(7, 1) PAIRS(8, 1)
PAIRS(1, 2) PAIRS(2, 2) PAIRS(3, 2) PAIRS(4, 2)
#undef PAIRS
static void (*const pair_functions[PRODUCT_PANELS][PAIR_SUMS])(const product *, ptrdiff_t) = {
    {pairs_1_1, pairs_2_1, pairs_3_1, pairs_4_1, pairs_5_1, pairs_6_1, pairs_7_1, pairs_8_1},
    {pairs_1_2, pairs_2_2, pairs_3_2, pairs_4_2}};

static void multiply_part(const product *g)
{
    const ptrdiff_t most = PAIR_SUMS / g->panels;
    for (ptrdiff_t r = 0, rows; r < g->rows; r += rows) {
        rows = even_part(g->rows - r, most);
        pair_functions[g->panels - 1][rows - 1](g, r);
    }
}

static void multiply_by_lanes(const product *g)
{
    const ptrdiff_t most = PAIR_BLOCKS / g->planes;
    product part = *g;
    fm_fp_set(FM_FP_FLUSH);
    for (ptrdiff_t q = 0; q < g->blocks; q += part.blocks) {
        part.blocks = even_part(g->blocks - q, most);
        multiply_part(&part);
        part.a += part.blocks * g->a_block, part.b += part.blocks * (BLOCK / 2 * L);
        part.start = g->c, part.start_panel = g->c_panel, part.start_row = L;
    }
    fm_fp_set(FM_FP_DEFAULT);
}

#endif
