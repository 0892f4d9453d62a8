/* A factor a column, z = x * s, beside its gradients; and the sum of two matrices.  Lanes without a column have s = d = 0. */
#ifndef FM_SCALE_H
#define FM_SCALE_H

#include "normalization.h"

/* z = x * gamma */
static void scale_forward(const norm_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec factor = vload(g->gamma + p * L + v * VW);
            for (ptrdiff_t at = v * VW; at < g->m * L; at += L)
                vstore(g->z + p * g->z_panel + at, vload(g->x + p * g->x_panel + at) * factor);
        }
}

/* dx = d * gamma */
static void scale_backward(const norm_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec factor = vload(g->gamma + p * L + v * VW);
            for (ptrdiff_t at = v * VW; at < g->m * L; at += L)
                vstore(g->dx + p * g->dx_panel + at, vflush(vload(g->d + p * g->d_panel + at) * factor));
        }
}

INLINE vec d_x_term(const norm_args *g, ptrdiff_t at_x, ptrdiff_t at_d, vec mean, vec inverse)
{
    (void)mean, (void)inverse;
    return vload(g->d + at_d) * vload(g->x + at_x);
}

/* the gradient of gamma of panel p: sums of d * x over the m rows */
static void scale_gradient(const norm_args *g, ptrdiff_t p, real *d_gamma)
{
    UNROLL for (int v = 0; v < VPL; v++)
        vstore(d_gamma + v * VW, column_sum(g, p, v, d_x_term, vset1(0), vset1(0), 0));
}

static void add(real *out, const real *a, const real *b, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(out + i, vload(a + i) + vload(b + i));
}

#endif
