/* Statistics of each row over its columns (Ba, Kiros and Hinton, arXiv:1607.06450). */
#if defined LAYER
LAYER(layer_normalization, 0, &layer_normalization_kernels, SETTING(epsilon, 1e-3, 1e-30, INFINITY))
#else
#include "normalization.h"
enum { ROW_MEAN, ROW_INVERSE }; /* training's buffers, (m,): the means and 1 / deviation */
#endif

#if defined KERNELS
static void layer_normalization_row(const layer_args *g, ptrdiff_t r)
{
    const ptrdiff_t panels = count_panels(g->n);
    const real *x = g->x + r * L;
    line sum = lanes_of(0), squares = lanes_of(0);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++)
            sum.v[v] = sum.v[v] + mask_lanes(vload(x + p * g->x_panel + v * VW), vset1(0), g->n - p * L, v);
    const vec mean = vset1(sum_lanes(sum) / (real)g->n);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec centred = vload(x + p * g->x_panel + v * VW) - mean;
            squares.v[v] = squares.v[v] + mask_lanes(centred * centred, vset1(0), g->n - p * L, v);
        }
    const vec inverse = inverse_deviation(g, vset1(sum_lanes(squares) / (real)g->n));
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++)
            vstore(g->z + p * g->z_panel + r * L + v * VW, normalize(g, p, r, v, mean, inverse));
    if (g->own[ROW_MEAN]) g->own[ROW_MEAN][r] = mean[0], g->own[ROW_INVERSE][r] = inverse[0];
}

static void layer_normalization_forward(const layer_args *g)
{
    for (ptrdiff_t r = 0; r < g->m; r++) layer_normalization_row(g, r);
}

/* dx = (dy - mean(dy) - x_hat * mean(dy * x_hat)) / deviation, dy = d * gamma, means along the row */
static void layer_normalization_row_backward(const layer_args *g, ptrdiff_t r)
{
    const vec mean = vset1(g->own[ROW_MEAN][r]), inverse = vset1(g->own[ROW_INVERSE][r]);
    const ptrdiff_t panels = count_panels(g->n);
    line sum = lanes_of(0), products = lanes_of(0);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec dy = vload(g->d + p * g->d_panel + lane) * vload(g->arrays[GAMMA] + p * L + v * VW);
            sum.v[v] = sum.v[v] + dy;
            products.v[v] = products.v[v] + dy * ((vload(g->x + p * g->x_panel + lane) - mean) * inverse);
        }
    const vec mean_dy = vset1(sum_lanes(sum) / (real)g->n), slope = vset1(sum_lanes(products) / (real)g->n);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec dy = vload(g->d + p * g->d_panel + lane) * vload(g->arrays[GAMMA] + p * L + v * VW);
            const vec x_hat = (vload(g->x + p * g->x_panel + lane) - mean) * inverse;
            const vec dx = vflush(inverse * vfma(-x_hat, slope, dy - mean_dy));
            vstore(g->dx + p * g->dx_panel + lane, mask_lanes(dx, vset1(0), g->n - p * L, v));
        }
}

static void layer_normalization_backward(const layer_args *g)
{
    for (ptrdiff_t r = 0; r < g->m; r++) layer_normalization_row_backward(g, r);
}

INLINE vec d_row_hat_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)of_column;
    const vec mean = vset1(g->own[ROW_MEAN][r]), inverse = vset1(g->own[ROW_INVERSE][r]);
    return vload(g->d + at_d) * ((vload(g->x + at_x) - mean) * inverse);
}

/* sums of d * x_hat and of d over the m rows */
static void layer_normalization_sums(const layer_args *g, ptrdiff_t p, layer_sums sums)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        vstore(sums[GAMMA] + v * VW, column_sum(g, p, v, d_row_hat_term, NULL));
        vstore(sums[BETA] + v * VW, column_sum(g, p, v, d_term, NULL));
    }
}

static const layer_kernels layer_normalization_kernels = {
    .forward = layer_normalization_forward, .backward = layer_normalization_backward, .sums = layer_normalization_sums,
};

#elif defined PLAN
static void layer_normalization_buffers(real **own, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)layer;
    own[ROW_MEAN] = TAKE(real, rows);
    own[ROW_INVERSE] = TAKE(real, rows);
}

static void layer_normalization_args(layer_args *g, const fm_plan *plan, int l, const training_stage *s, ptrdiff_t first)
{
    (void)plan, (void)l;
    if (s) g->own[ROW_MEAN] += first, g->own[ROW_INVERSE] += first;
}

static const layer_kind layer_normalization_kind = {
    .arrays = gamma_and_beta, .buffers = layer_normalization_buffers, .args = layer_normalization_args, KERNEL_LAYER,
};
#endif
