/* Dense layers: forward and input gradient, as orders of register tiles.

   Which tiles cover a matrix is free: the bits of an element depend on the order of its steps alone. */

static const real FN(zeros)[64 / sizeof(real)] __attribute__((aligned(64))) = {0};

INLINE ptrdiff_t FN(smaller)(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* The fewest parts of `total` with at most `most` in each, */
INLINE ptrdiff_t FN(parts_of)(ptrdiff_t total, ptrdiff_t most) { return (total + most - 1) / most; }

/* and the first of them where they are nearly equal: 7 by at most 3 gives 3, 2, 2. */
INLINE ptrdiff_t FN(part)(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t parts = FN(parts_of)(total, most);
    return (total + parts - 1) / parts;
}

/* Rows of a strip, which is tiles of one height below each other: the first of those parts, and the others that are as
   high, while what they produce stays in the first-level cache. */
#define STRIP_ROWS 48
INLINE ptrdiff_t FN(strip)(ptrdiff_t total, ptrdiff_t most, ptrdiff_t *height)
{
    const ptrdiff_t parts = FN(parts_of)(total, most), larger = total % parts;
    *height = (total + parts - 1) / parts;
    return *height * FN(smaller)(larger ? larger : parts, STRIP_ROWS / *height);
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
    return FN(smaller)(ACCUMULATORS / TILE_VECTORS(panels), addressing == FN(IN_ROWS) && panels > 1 ? 8 : TILE_ROWS);
}

/* Panels of a matrix but for the last if its columns fill no more than one vector. */
INLINE ptrdiff_t FN(whole_panels)(ptrdiff_t columns) { return (columns + L - 1 - (VPL > 1 ? VW : 0)) / L; }

/* The group of panels that begins with panel p, which tiles take together: nearly equal parts of the whole panels; 0 for a
   last panel of one vector. */
INLINE ptrdiff_t FN(group)(ptrdiff_t columns, ptrdiff_t p, ptrdiff_t most)
{
    const ptrdiff_t whole = FN(whole_panels)(columns);
    return p < whole ? FN(part)(whole - p, most) : 0;
}

INLINE ptrdiff_t FN(groups)(ptrdiff_t columns, ptrdiff_t most)
{
    const ptrdiff_t whole = FN(whole_panels)(columns);
    return FN(parts_of)(whole, most) + (whole < FN(count_panels)(columns));
}

INLINE ptrdiff_t FN(panels_of)(ptrdiff_t group) { return group ? group : 1; }

INLINE void FN(run_tile)(const FN(tile_args) *t, int addressing, ptrdiff_t panels, ptrdiff_t height)
{
    FN(tiles)[addressing][panels][height - 1](t);
}

/* Segments of the inputs of a narrow layer, summed apart and joined as (c0 + c2) + (c1 + c3), so that one row
   has several chains to work on: part of the numeric contract. */
INLINE ptrdiff_t FN(segments)(const FN(dense_args) *d)
{
    return d->one_chain || d->k < 32 || d->n > 2 * L ? 1 : d->n <= L ? 4 : 2;
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

/* The strip t of a narrow layer, one plain strip a segment. */
static void FN(segmented_strip)(const FN(dense_args) *d, const FN(tile_args) *t, int addressing, ptrdiff_t np,
                                ptrdiff_t height, ptrdiff_t S)
{
    real sums[4 * STRIP_ROWS * 64 / sizeof(real)] __attribute__((aligned(64))), *part[4];
    const ptrdiff_t q = d->k / S, count = t->rows * L;
    FN(tile_args) u = *t;
    u.c_panel = count;
    for (ptrdiff_t s = 0; s < S; s++) {
        u.c = part[s] = sums + s * FN(panels_of)(np) * count;
        u.first = s * q;
        u.last = s == S - 1 ? d->k : u.first + q;
        if (s) u.start = FN(zeros), u.start_panel = 0;
        FN(run_tile)(&u, addressing, np, height);
    }
    for (ptrdiff_t p = 0; p < FN(panels_of)(np); p++)
        for (ptrdiff_t i = p * count; i < (p + 1) * count; i += VW) {
            const vec even = S == 4 ? vload(part[0] + i) + vload(part[2] + i) : vload(part[0] + i);
            const vec odd = S == 4 ? vload(part[1] + i) + vload(part[3] + i) : vload(part[1] + i);
            vstore(t->c + p * d->c_panel + i - p * count, even + odd);
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
    const ptrdiff_t S = FN(segments)(d), panels = FN(count_panels)(d->n);
    if (S == 4)
        FN(segmented_row)(d, d->x, d->z, 4, 1);
    else if (S == 2)
        FN(segmented_row)(d, d->x, d->z, 2, 2);
    else
        for (ptrdiff_t p = 0, np; p < panels; p += np) {
            np = FN(part)(panels - p, FN(most_panels)(1));
            const FN(tile_args) t = {
                .rows = 1, .c = d->z + p * d->c_panel, .c_panel = d->c_panel, .a = d->x, .b = d->w + p * FN(w_panel)(d->k),
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
    const ptrdiff_t S = FN(segments)(d), panels = FN(count_panels)(d->n);
    if (d->m == 1 && addressing == FN(IN_ROWS)) {
        FN(dense_forward_row)(d);
        return;
    }
    for (ptrdiff_t p = 0, np; p < panels; p += FN(panels_of)(np)) {
        np = FN(group)(d->n, p, S > 1 ? panels : FN(most_panels)(d->m));
        const ptrdiff_t most = FN(most_rows)(np, addressing);
        for (ptrdiff_t r = 0, rows, height; r < d->m; r += rows) {
            rows = FN(strip)(d->m - r, most, &height);
            const FN(tile_args) t = {
                .rows = rows, .c = d->z + p * d->c_panel + r * L, .c_panel = d->c_panel, .a = d->x + r * d->x_row,
                .a_row = d->x_row, .a_panel = d->x_panel, .b = d->w + p * FN(w_panel)(d->k),
                .b_panel = FN(w_panel)(d->k),
                .start = d->bias ? d->bias + p * L : FN(zeros), .start_panel = d->bias ? L : 0, .last = d->k};
            if (S > 1)
                FN(segmented_strip)(d, &t, addressing, np, height, S);
            else
                FN(run_tile)(&t, addressing, np, height);
            for (ptrdiff_t j = p; j < p + FN(panels_of)(np); j++) FN(activate)(d, j * d->c_panel + r * L, rows * L);
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
                .rows = rows, .c = t->z + (p * t->n + j) * L, .c_panel = t->n * L, .a = t->w + j, .a_row = L,
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
        rows = FN(part)(g->k - i, FN(most_rows)(FN(group)(g->m, 0, most), FN(IN_PANELS)));
        for (ptrdiff_t p = 0, np; p < panels; p += FN(panels_of)(np)) {
            np = FN(group)(g->m, p, most);
            const FN(tile_args) t = {
                .rows = rows, .c = g->dx + p * g->dx_panel + i * L, .c_panel = g->dx_panel, .a = g->w + i * L,
                .a_panel = FN(w_panel)(g->k), .b = g->d + p * g->d_panel, .b_panel = g->d_panel, .start = FN(zeros),
                .last = g->n};
            FN(run_tile)(&t, FN(IN_PANELS), np, rows);
        }
    }
}
