/* Losses whose targets are numbers. */
#ifndef FM_REGRESSION_LOSSES_H
#define FM_REGRESSION_LOSSES_H

#include "part.h"

INLINE vec mse_element(vec a, vec y, const vec *parameters, vec *d)
{
    (void)parameters;
    const vec error = a - y;
    *d = error + error;
    return error * error;
}

INLINE vec mae_element(vec a, vec y, const vec *parameters, vec *d)
{
    (void)parameters;
    const vec error = a - y, zero = vset1(0);
    *d = vselect(vlt(zero, error), vset1(1), vselect(vlt(error, zero), vset1(-1), error));
    return vabs(error);
}

/* error^2 / 2 up to delta, then delta * (|error| - delta / 2) */
INLINE vec huber_element(vec a, vec y, const vec *parameters, vec *d)
{
    const vec delta = parameters[0], error = a - y, size = vabs(error), half = vset1(RC(0.5));
    const vmask outside = vlt(delta, size);
    *d = vselect(outside, vselect(vlt(error, vset1(0)), -delta, delta), error);
    return vselect(outside, delta * vfma(-half, delta, size), half * error * error);
}

/* exp(z) - y*z: the negative log likelihood of counts but for a constant */
INLINE vec poisson_element(vec z, vec y, const vec *parameters, vec *d)
{
    (void)parameters;
    const vec rate = vexp(z);
    *d = rate - y;
    return vfma(-y, z, rate);
}

/* Outputs m and after them s = log(variance), as many of each as there are targets: the mean over the targets of
   (s + (m - y)^2 / exp(s)) / 2, the negative log likelihood but for a constant (Nix and Weigend, 1994);
   dm = (m - y) / exp(s), ds = (1 - (m - y)^2 / exp(s)) / 2 */
INLINE void gaussian_nll_part(const loss_part *part)
{
    const ptrdiff_t targets = part->n / 2;
    const vec n = vset1((real)targets), scale = part->scale / n, half = vset1(RC(0.5));
    output_sum values;
    output_sum_begin(&values, targets);
    for (ptrdiff_t j = 0; j < targets; j++) {
        const vec s = vload(part->p + (targets + j) * L), error = vload(part->p + j * L) - vload(part->y + j * L);
        const vec scaled = error * vexp(-s), square = error * scaled;
        output_sum_add(&values, j, half * (s + square));
        if (!part->d) continue;
        vstore(part->d + j * L, vflush(scaled * scale));
        vstore(part->d + (targets + j) * L, vflush(half * (vset1(1) - square) * scale));
    }
    loss_finish(part, output_sum_end(&values, targets) / n, vset1(0));
}

ELEMENT_LOSS(mse, 0, 0)
ELEMENT_LOSS(mae, 0, 0)
ELEMENT_LOSS(huber, 1, 0)
ELEMENT_LOSS(poisson, 0, 0)

#endif
