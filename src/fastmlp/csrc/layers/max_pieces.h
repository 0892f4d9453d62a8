/* The largest of some columns: z_j = max over k of x_{k n + j}, n columns out of n pieces in. */
#if defined LAYER
LAYER(max_pieces, 0, &max_pieces_kernels, SETTING(pieces, 2, 1, 65536))
#elif defined KERNELS
/* Columns [from, from + L) of a row in panels, which may lie in two lines; beyond the matrix zeros. */
INLINE void load_columns(real *line, const real *rows, ptrdiff_t panel, ptrdiff_t columns, ptrdiff_t from, ptrdiff_t row)
{
    real two[2 * L] __attribute__((aligned(64)));
    const ptrdiff_t p = from / L;
    const real *at = rows + p * panel + row * L;
    UNROLL for (int v = 0; v < VPL; v++) {
        vstore(two + v * VW, vload(at + v * VW));
        vstore(two + L + v * VW, p + 1 < count_panels(columns) ? vload(at + panel + v * VW) : vset1(0));
    }
    UNROLL for (int v = 0; v < VPL; v++) vstore(line + v * VW, vload(two + from % L + v * VW));
}

/* The other way, `count` of them. */
INLINE void store_columns(real *rows, ptrdiff_t panel, ptrdiff_t from, ptrdiff_t count, ptrdiff_t row, const real *line)
{
    for (ptrdiff_t i = 0; i < count; i++) rows[(from + i) / L * panel + row * L + (from + i) % L] = line[i];
}

/* Of columns [p L, p L + L) the largest of the pieces, and which it is, the first of those alike. */
INLINE void best_of(const layer_args *g, ptrdiff_t p, ptrdiff_t row, real *best, real *which)
{
    const ptrdiff_t pieces = (ptrdiff_t)g->settings[0];
    real line[L] __attribute__((aligned(64)));
    load_columns(best, g->x, g->x_panel, g->k, p * L, row);
    UNROLL for (int v = 0; v < VPL; v++) vstore(which + v * VW, vset1(0));
    for (ptrdiff_t k = 1; k < pieces; k++) {
        load_columns(line, g->x, g->x_panel, g->k, k * g->n + p * L, row);
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec x = vload(line + v * VW), b = vload(best + v * VW);
            const vmask larger = vlt(b, x);
            vstore(best + v * VW, vselect(larger, x, b));
            vstore(which + v * VW, vselect(larger, vset1((real)k), vload(which + v * VW)));
        }
    }
}

static void max_pieces_forward(const layer_args *g)
{
    real best[L] __attribute__((aligned(64))), which[L] __attribute__((aligned(64)));
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        for (ptrdiff_t r = 0; r < g->m; r++) {
            best_of(g, p, r, best, which);
            UNROLL for (int v = 0; v < VPL; v++)
                vstore(g->z + p * g->z_panel + r * L + v * VW, mask_lanes(vload(best + v * VW), vset1(0), g->n - p * L, v));
        }
}

/* d to the piece that was the largest; after the last piece comes padding, which is zero as that of d is. */
static void max_pieces_backward(const layer_args *g)
{
    const ptrdiff_t pieces = (ptrdiff_t)g->settings[0];
    real best[L] __attribute__((aligned(64))), which[L] __attribute__((aligned(64))), line[L] __attribute__((aligned(64)));
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        for (ptrdiff_t r = 0; r < g->m; r++) {
            best_of(g, p, r, best, which);
            for (ptrdiff_t k = 0; k < pieces; k++) {
                const ptrdiff_t from = k * g->n + p * L;
                const ptrdiff_t end = k + 1 < pieces ? (k + 1) * g->n : padded(g->k);
                UNROLL for (int v = 0; v < VPL; v++) {
                    const vmask mine = veq(vload(which + v * VW), vset1((real)k));
                    vstore(line + v * VW, vselect(mine, vload(g->d + p * g->d_panel + r * L + v * VW), vset1(0)));
                }
                store_columns(g->dx, g->dx_panel, from, smaller(L, end - from), r, line);
            }
        }
}

static const layer_kernels max_pieces_kernels = {.forward = max_pieces_forward, .backward = max_pieces_backward};

#elif defined PLAN
static ptrdiff_t max_pieces_width(const fm_layer *layer)
{
    const ptrdiff_t pieces = (ptrdiff_t)layer->settings[0];
    return layer->n_in % pieces ? 0 : layer->n_in / pieces;
}

static const layer_kind max_pieces_kind = {.arrays = no_arrays, .width = max_pieces_width, KERNEL_LAYER};
#endif
