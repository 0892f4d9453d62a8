/* Normalisation layers: z = x_hat * gamma + beta, x_hat = (x - mean) / sqrt(variance + epsilon).

   Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167) has statistics of each column over the rows, layer
   normalisation (Ba, Kiros and Hinton, arXiv:1607.06450) of each row over its columns; variances are divided by the count.
   Sums over rows are chains over blocks of BLOCK_ROWS, added in order; sums along a row are those of rowwise.h.  Lanes
   without a column have gamma = beta = d = 0 and so stay zero. */
#ifndef FM_NORMALIZATION_H
#define FM_NORMALIZATION_H

#include "rowwise.h"

INLINE vec inverse_deviation(vec variance, real epsilon)
{
    return vset1(1) / vsqrt(variance + vset1(epsilon));
}

/* What is summed over the rows of a column. */
typedef vec column_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse);

INLINE vec x_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse)
{
    (void)at_d, (void)mean, (void)inverse;
    return vload(g->x + at_x);
}

INLINE vec square_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse)
{
    (void)at_d, (void)inverse;
    const vec x = vload(g->x + at_x) - mean;
    return x * x;
}

INLINE vec d_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse)
{
    (void)at_x, (void)mean, (void)inverse;
    return vload(g->d + at_d);
}

INLINE vec d_x_hat_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse)
{
    return vload(g->d + at_d) * ((vload(g->x + at_x) - mean) * inverse);
}

INLINE vec column_sum(const norm_args *g, ptrdiff_t p, int v, column_term *term, vec mean, vec inverse,
                      const int by_row)
{
    vec total = vset1(0);
    for (ptrdiff_t first = 0; first < g->m; first += BLOCK_ROWS) {
        const ptrdiff_t last = smaller(first + BLOCK_ROWS, g->m);
        vec sum = vset1(0);
        for (ptrdiff_t r = first; r < last; r++) {
            const ptrdiff_t lane = r * L + v * VW;
            if (by_row) mean = vset1(g->mean[r]), inverse = vset1(g->inverse[r]);
            sum = sum + term(g, p * g->x_panel + lane, p * g->d_panel + lane, mean, inverse);
        }
        total = first ? total + sum : sum;
    }
    return total;
}

/* mean and variance of the columns of panel p over the m rows of x */
static void norm_statistics(const norm_args *g, ptrdiff_t p)
{
    const vec count = vset1((real)g->m);
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec mean = column_sum(g, p, v, x_term, vset1(0), vset1(0), 0) / count;
        vstore(g->mean + p * L + v * VW, mean);
        vstore(g->variance + p * L + v * VW,
               column_sum(g, p, v, square_term, mean, vset1(0), 0) / count);
    }
}

/* the gradients of gamma and beta of panel p: sums of d * x_hat and of d over the m rows */
static void norm_gradient(const norm_args *g, ptrdiff_t p, real *d_gamma, real *d_beta)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        const ptrdiff_t at = p * L + v * VW;
        const vec mean = g->by_row ? vset1(0) : vload(g->mean + at);
        const vec inverse = g->by_row ? vset1(0) : inverse_deviation(vload(g->variance + at), g->epsilon);
        vstore(d_gamma + v * VW, g->by_row ? column_sum(g, p, v, d_x_hat_term, mean, inverse, 1)
                                           : column_sum(g, p, v, d_x_hat_term, mean, inverse, 0));
        vstore(d_beta + v * VW, column_sum(g, p, v, d_term, mean, inverse, 0));
    }
}

INLINE vec normalize(const norm_args *g, ptrdiff_t p, ptrdiff_t r, int v, vec mean, vec inverse)
{
    const ptrdiff_t at = p * L + v * VW;
    const vec x_hat = (vload(g->x + p * g->x_panel + r * L + v * VW) - mean) * inverse;
    return vfma(x_hat, vload(g->gamma + at), vload(g->beta + at));
}

static void layer_norm_row(const norm_args *g, ptrdiff_t r)
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
    const vec inverse = inverse_deviation(vset1(sum_lanes(squares) / (real)g->n), g->epsilon);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++)
            vstore(g->z + p * g->z_panel + r * L + v * VW, normalize(g, p, r, v, mean, inverse));
    if (g->inverse) g->mean[r] = mean[0], g->inverse[r] = inverse[0];
}

static void batch_norm_panel(const norm_args *g, ptrdiff_t p)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec mean = vload(g->mean + p * L + v * VW);
        const vec inverse = inverse_deviation(vload(g->variance + p * L + v * VW), g->epsilon);
        for (ptrdiff_t r = 0; r < g->m; r++)
            vstore(g->z + p * g->z_panel + r * L + v * VW, normalize(g, p, r, v, mean, inverse));
    }
}

static void norm_forward(const norm_args *g)
{
    for (ptrdiff_t r = 0; g->by_row && r < g->m; r++) layer_norm_row(g, r);
    for (ptrdiff_t p = 0; !g->by_row && p < count_panels(g->n); p++) batch_norm_panel(g, p);
}

/* dx = (dy - mean(dy) - x_hat * mean(dy * x_hat)) / deviation, dy = d * gamma, means along the row */
static void layer_norm_row_backward(const norm_args *g, ptrdiff_t r)
{
    const vec mean = vset1(g->mean[r]), inverse = vset1(g->inverse[r]);
    const ptrdiff_t panels = count_panels(g->n);
    line sum = lanes_of(0), products = lanes_of(0);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec dy = vload(g->d + p * g->d_panel + lane) * vload(g->gamma + p * L + v * VW);
            sum.v[v] = sum.v[v] + dy;
            products.v[v] = products.v[v] + dy * ((vload(g->x + p * g->x_panel + lane) - mean) * inverse);
        }
    const vec mean_dy = vset1(sum_lanes(sum) / (real)g->n), slope = vset1(sum_lanes(products) / (real)g->n);
    for (ptrdiff_t p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec dy = vload(g->d + p * g->d_panel + lane) * vload(g->gamma + p * L + v * VW);
            const vec x_hat = (vload(g->x + p * g->x_panel + lane) - mean) * inverse;
            const vec dx = vflush(inverse * vfma(-x_hat, slope, dy - mean_dy));
            vstore(g->dx + p * g->dx_panel + lane, mask_lanes(dx, vset1(0), g->n - p * L, v));
        }
}

/* dx = gamma * (d - mean(d) - x_hat * mean(d * x_hat)) / deviation, means over the batch; with statistics that do not
   depend on the rows, gamma * d / deviation */
static void batch_norm_panel_backward(const norm_args *g, ptrdiff_t p)
{
    const vec batch = vset1((real)g->batch);
    UNROLL for (int v = 0; v < VPL; v++) {
        const ptrdiff_t at = p * L + v * VW;
        const vec mean = vload(g->mean + at), inverse = inverse_deviation(vload(g->variance + at), g->epsilon);
        const vec scale = vload(g->gamma + at) * inverse;
        const vec mean_d = g->batch ? vload(g->d_beta + at) / batch : vset1(0);
        const vec slope = g->batch ? vload(g->d_gamma + at) / batch : vset1(0);
        for (ptrdiff_t r = 0; r < g->m; r++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec x_hat = (vload(g->x + p * g->x_panel + lane) - mean) * inverse;
            const vec d = vload(g->d + p * g->d_panel + lane);
            vstore(g->dx + p * g->dx_panel + lane, vflush(scale * vfma(-x_hat, slope, d - mean_d)));
        }
    }
}

static void norm_backward(const norm_args *g)
{
    for (ptrdiff_t r = 0; g->by_row && r < g->m; r++) layer_norm_row_backward(g, r);
    for (ptrdiff_t p = 0; !g->by_row && p < count_panels(g->n); p++) batch_norm_panel_backward(g, p);
}

#endif
