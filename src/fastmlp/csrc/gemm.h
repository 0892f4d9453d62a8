/* Dense layers: forward, input gradient, weight and bias gradient, as orders of register tiles.

   Which tiles cover a matrix is free: the bits of an element depend on the order of its steps alone. */

static const real FN(zeros)[64 / sizeof(real)] __attribute__((aligned(64))) = {0};

INLINE ptrdiff_t FN(smaller)(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* The first of the fewest nearly equal parts of `total`, none above `most`: 7 by at most 3 gives 3, 2, 2. */
INLINE ptrdiff_t FN(part)(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t parts = (total + most - 1) / most;
    return (total + parts - 1) / parts;
}

/* Rows that a tile of the full height has: enough chains to hide the latency of a multiply-add. */
#define FULL_ROWS (VBYTES == 64 ? 8 : VBYTES == 32 ? 6 : ACCUMULATORS / VPL)

INLINE ptrdiff_t FN(most_panels)(ptrdiff_t m)
{
    const ptrdiff_t panels = ACCUMULATORS / VPL / FN(smaller)(m, FULL_ROWS);
    return panels < 1 ? 1 : FN(smaller)(panels, TILE_PANELS);
}

/* Row-major operands take one address register a row, which limits their tiles. */
INLINE ptrdiff_t FN(most_rows)(ptrdiff_t panels, int addressing)
{
    return FN(smaller)(ACCUMULATORS / VPL / panels, addressing == FN(IN_ROWS) && panels > 1 ? 8 : TILE_ROWS);
}

INLINE void FN(run_tile)(const FN(tile_args) *t, int addressing, ptrdiff_t panels, ptrdiff_t rows)
{
    FN(tiles)[addressing][panels - 1][rows - 1](t);
}

/* Segments of the inputs of a narrow layer, summed apart and joined as (c0 + c2) + (c1 + c3), so that one row
   has several chains to work on: part of the numeric contract. */
INLINE ptrdiff_t FN(segments)(ptrdiff_t k, ptrdiff_t n)
{
    return k < 32 || n > 2 * L ? 1 : n <= L ? 4 : 2;
}

/* One row-major row through all segments at once: S chains a panel instead of one. */
INLINE void FN(segmented_row)(const FN(dense_args) *d, const real *x, real *z, const int S, const int NP)
{
    vec acc[4 * 2 * VPL];
    const ptrdiff_t q = d->k / S, w_panel = FN(w_panel)(d->k);
    UNROLL for (int s = 0; s < S; s++)
        UNROLL for (int p = 0; p < NP; p++)
            UNROLL for (int v = 0; v < VPL; v++)
                acc[(s * NP + p) * VPL + v] =
                    vload((s || !d->bias ? FN(zeros) : d->bias + p * L) + v * VW);
    const real *w = d->w;
    for (ptrdiff_t i = 0; i < q; i++, w += L)
        UNROLL for (int s = 0; s < S; s++)
            FN(tile_step)(acc + s * NP * VPL, x + s * q + i, 0, w + s * q * L, w_panel, 1, NP);
    for (ptrdiff_t i = S * q; i < d->k; i++)
        FN(tile_step)(acc + (S - 1) * NP * VPL, x + i, 0, d->w + i * L, w_panel, 1, NP);
    UNROLL for (int p = 0; p < NP; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const int j = p * VPL + v;
            const vec sum = S == 4 ? (acc[j] + acc[2 * NP * VPL + j]) + (acc[NP * VPL + j] + acc[3 * NP * VPL + j])
                                   : acc[j] + acc[NP * VPL + j];
            vstore(z + p * d->c_panel + v * VW, sum);
        }
}

/* A tile of `rows` rows from row r of a narrow layer, one plain tile a segment. */
static void FN(segmented_tile)(const FN(dense_args) *d, FN(tile_args) *t, int addressing, ptrdiff_t r, ptrdiff_t rows,
                               ptrdiff_t S)
{
    real part[4][2 * TILE_ROWS * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t panels = FN(count_panels)(d->n), q = d->k / S, count = rows * L;
    FN(tile_args) u = *t;
    u.c_panel = count;
    for (ptrdiff_t s = 0; s < S; s++) {
        u.c = part[s];
        u.first = s * q;
        u.last = s == S - 1 ? d->k : u.first + q;
        if (s) u.start = FN(zeros), u.start_panel = 0;
        FN(run_tile)(&u, addressing, panels, rows);
    }
    for (ptrdiff_t p = 0; p < panels; p++)
        for (ptrdiff_t i = p * count; i < (p + 1) * count; i += VW) {
            const vec even = S == 4 ? vload(part[0] + i) + vload(part[2] + i) : vload(part[0] + i);
            const vec odd = S == 4 ? vload(part[1] + i) + vload(part[3] + i) : vload(part[1] + i);
            vstore(d->z + p * d->c_panel + r * L + i - p * count, even + odd);
        }
}

INLINE void FN(activate)(const FN(dense_args) *d, ptrdiff_t offset, ptrdiff_t count)
{
    if (d->finite) *d->finite &= FN(table).all_finite(d->z + offset, count);
    if (d->activation || d->a != d->z)
        FN(table).activations[d->activation].forward(d->a + offset, d->z + offset, count, d->parameter);
}

static void FN(dense_forward_row)(const FN(dense_args) *d)
{
    const ptrdiff_t S = FN(segments)(d->k, d->n), panels = FN(count_panels)(d->n);
    if (S == 4)
        FN(segmented_row)(d, d->x, d->z, 4, 1);
    else if (S == 2)
        FN(segmented_row)(d, d->x, d->z, 2, 2);
    else
        for (ptrdiff_t p = 0, np; p < panels; p += np) {
            np = FN(part)(panels - p, FN(most_panels)(1));
            const FN(tile_args) t = {
                .c = d->z + p * d->c_panel, .c_panel = d->c_panel, .a = d->x, .b = d->w + p * FN(w_panel)(d->k),
                .b_panel = FN(w_panel)(d->k), .start = d->bias ? d->bias + p * L : FN(zeros),
                .start_panel = d->bias ? L : 0, .last = d->k};
            FN(run_tile)(&t, FN(IN_ROWS), np, 1);
        }
    if (d->c_panel == L)
        FN(activate)(d, 0, panels * L);
    else
        for (ptrdiff_t p = 0; p < panels; p++) FN(activate)(d, p * d->c_panel, L);
}

static void FN(dense_forward)(const FN(dense_args) *d)
{
    const int addressing = d->x_panel == L ? FN(IN_ROWS) : FN(IN_PANELS);
    const ptrdiff_t S = FN(segments)(d->k, d->n), panels = FN(count_panels)(d->n);
    if (d->m == 1 && addressing == FN(IN_ROWS)) {
        FN(dense_forward_row)(d);
        return;
    }
    for (ptrdiff_t p = 0, np; p < panels; p += np) {
        np = S > 1 ? panels : FN(part)(panels - p, FN(most_panels)(d->m));
        const ptrdiff_t most = FN(most_rows)(np, addressing);
        for (ptrdiff_t r = 0, rows; r < d->m; r += rows) {
            rows = FN(part)(d->m - r, most);
            FN(tile_args) t = {
                .c = d->z + p * d->c_panel + r * L, .c_panel = d->c_panel, .a = d->x + r * d->x_row,
                .a_row = d->x_row, .a_panel = d->x_panel, .b = d->w + p * FN(w_panel)(d->k),
                .b_panel = FN(w_panel)(d->k),
                .start = d->bias ? d->bias + p * L : FN(zeros), .start_panel = d->bias ? L : 0, .last = d->k};
            if (S > 1)
                FN(segmented_tile)(d, &t, addressing, r, rows, S);
            else
                FN(run_tile)(&t, addressing, np, rows);
            for (ptrdiff_t j = p; j < p + np; j++) FN(activate)(d, j * d->c_panel + r * L, rows * L);
        }
    }
}

static void FN(turned_forward)(const FN(turned_args) *t)
{
    real start[64 / sizeof(real) * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t most = FN(most_panels)(t->n);
    for (ptrdiff_t j = 0; j < t->n; j++)
        UNROLL for (int v = 0; v < VPL; v++) vstore(start + j * L + v * VW, vset1(t->bias ? t->bias[j] : 0));
    for (ptrdiff_t p = 0, np; p < t->panels; p += np) {
        np = FN(part)(t->panels - p, most);
        for (ptrdiff_t j = 0, rows; j < t->n; j += rows) {
            rows = FN(part)(t->n - j, FN(most_rows)(np, FN(IN_COLUMNS)));
            const FN(tile_args) u = {
                .c = t->z + (p * t->n + j) * L, .c_panel = t->n * L, .a = t->w + j, .a_row = L,
                .b = t->x + p * t->k * L, .b_panel = t->k * L, .start = start + j * L, .start_row = L, .last = t->k};
            FN(run_tile)(&u, FN(IN_COLUMNS), np, rows);
        }
    }
}

/* Rows of W outside, batch rows inside: eight rows of W cross all its panels, and are read once for all batch rows, while
   the deltas of a chunk stay in the second-level cache. */
static void FN(input_gradient)(const FN(input_gradient_args) *g)
{
    const ptrdiff_t panels = FN(count_panels)(g->m), most = FN(most_panels)(g->k);
    for (ptrdiff_t i = 0, rows; i < g->k; i += rows) {
        rows = FN(part)(g->k - i, FN(most_rows)(FN(part)(panels, most), FN(IN_PANELS)));
        for (ptrdiff_t p = 0, np; p < panels; p += np) {
            np = FN(part)(panels - p, most);
            const FN(tile_args) t = {
                .c = g->dx + p * g->dx_panel + i * L, .c_panel = g->dx_panel, .a = g->w + i * L,
                .a_panel = FN(w_panel)(g->k), .b = g->d + p * g->d_panel, .b_panel = g->d_panel, .start = FN(zeros),
                .last = g->n};
            FN(run_tile)(&t, FN(IN_PANELS), np, rows);
        }
    }
}

#define BLOCK_ROWS 256 /* rows of one chain of a parameter gradient: part of the numeric contract */

/* sums += block, or sums = block for the first. */
INLINE void FN(add_block)(real *sums, const real *block, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(sums + i, vload(sums + i) + vload(block + i));
}

/* The gradient of `rows` rows and np panels from panel p on, over all m batch rows, to the sink: t holds their x. */
static void FN(gradient_tile)(const FN(weight_gradient_args) *g, FN(tile_args) *t, int addressing, ptrdiff_t rows,
                              ptrdiff_t p, ptrdiff_t np, ptrdiff_t offset, ptrdiff_t panel, int is_weight)
{
    real sums[ACCUMULATORS * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    real block[ACCUMULATORS * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    t->b = g->d + p * g->d_panel, t->b_panel = g->d_panel, t->start = FN(zeros);
    t->c = sums, t->c_panel = rows * L;
    for (t->first = 0; t->first < g->m; t->first = t->last) {
        t->last = FN(smaller)(t->first + BLOCK_ROWS, g->m);
        FN(run_tile)(t, addressing, np, rows);
        if (t->first) FN(add_block)(sums, block, np * rows * L);
        t->c = block;
    }
    for (ptrdiff_t j = 0; j < np; j++)
        g->sink->take(g->sink, sums + j * rows * L, offset + (p + j) * panel, rows * L, is_weight);
}

/* That of W[i : i + rows, panel p : p + np]. */
static void FN(weight_tile)(const FN(weight_gradient_args) *g, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t p, ptrdiff_t np)
{
    FN(tile_args) t = {.a = g->x + (g->x_in_lines ? i * L : (i / L) * g->x_panel + i % L), .a_row = L,
                       .a_panel = g->k * L};
    FN(gradient_tile)(g, &t, g->x_in_lines ? FN(IN_PANELS) : FN(IN_COLUMNS), rows, p, np, g->w_offset + i * L,
                      FN(w_panel)(g->k), 1);
}

/* That of the bias, a row of weights whose x is always 1. */
static void FN(bias_tiles)(const FN(weight_gradient_args) *g)
{
    static const real one = 1;
    const ptrdiff_t panels = FN(count_panels)(g->n), most = FN(most_panels)(1);
    for (ptrdiff_t p = 0, np; p < panels; p += np) {
        FN(tile_args) t = {.a = &one, .a_row = 0};
        np = FN(part)(panels - p, most);
        FN(gradient_tile)(g, &t, FN(IN_COLUMNS), 1, p, np, g->b_offset, L, 0);
    }
}

/* Columns of panel q of the next batch's rows, which lie anywhere, into the cache: a unit has time for a line of each. */
INLINE void FN(prefetch_next)(const FN(weight_gradient_args) *g, ptrdiff_t q)
{
    const ptrdiff_t size = g->next->type == FM_UINT8 ? 1 : g->next->type == FM_FLOAT32 ? 4 : 8;
    const char *column = (const char *)g->next->data + q * L * size;
    for (ptrdiff_t r = 0; r < g->next_rows; r++) __builtin_prefetch(column + g->next_order[r] * g->next->row_bytes);
}

/* A unit of work is one panel of inputs (L rows of W) by one group of output panels; `first` and `last` select
   units, so that threads can share a layer.  The bias goes with the first. */
static ptrdiff_t FN(weight_gradient_units)(const FN(weight_gradient_args) *g)
{
    const ptrdiff_t most = FN(most_panels)(g->k), panels = FN(count_panels)(g->n);
    return (panels + most - 1) / most * FN(count_panels)(g->k);
}

static void FN(weight_gradient)(const FN(weight_gradient_args) *g, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t panels = FN(count_panels)(g->n), x_panels = FN(count_panels)(g->k), most = FN(most_panels)(g->k);
    ptrdiff_t unit = 0;
    if (!first && last && g->b_offset >= 0) FN(bias_tiles)(g);
    for (ptrdiff_t p = 0, np; p < panels; p += np) {
        np = FN(part)(panels - p, most);
        const ptrdiff_t rows_most = FN(most_rows)(np, FN(IN_COLUMNS));
        for (ptrdiff_t q = 0; q < x_panels; q++, unit++) {
            if (unit < first || unit >= last) continue;
            if (!p && g->next_rows) FN(prefetch_next)(g, q);
            const ptrdiff_t end = FN(smaller)((q + 1) * L, g->k);
            for (ptrdiff_t i = q * L, rows; i < end; i += rows) {
                rows = FN(part)(end - i, rows_most);
                FN(weight_tile)(g, i, rows, p, np);
            }
        }
    }
}
