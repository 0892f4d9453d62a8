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

/* log(cosh(error)), the derivative tanh(error).  |error| + log(1 + exp(-2 |error|)) - log(2) would lose small errors, whose
   cosh is 1 / sqrt(1 - tanh^2). */
INLINE vec log_cosh_element(vec a, vec y, const vec *parameters, vec *d)
{
    const vec error = a - y, size = vabs(error), t = vtanh(error);
    (void)parameters;
    *d = t;
    const vec large = size + vlog1p_exp_of_minus_abs(size + size) - vset1(RC(0.6931471805599453));
    return vselect(vlt(size, vset1(RC(0.5))), vset1(RC(-0.5)) * vlog1p(-(t * t)), large);
}

/* 2 (y log(y) - y z - y + exp(z)): twice what the log likelihood of the rate exp(z) is below the largest */
INLINE vec poisson_deviance_element(vec z, vec y, const vec *parameters, vec *d)
{
    const vec rate = vexp(z), difference = rate - y;
    (void)parameters;
    *d = difference + difference;
    const vec half = vselect(veq(y, vset1(0)), rate, vfma(y, vlog(y) - z, difference));
    return half + half;
}

/* 2 (y exp(-z) - 1 + z - log(y)).  exp(-z) is taken in halves: it may be beyond the numbers where its product is not. */
INLINE vec gamma_deviance_element(vec z, vec y, const vec *parameters, vec *d)
{
    const vec root = vexp(vset1(RC(-0.5)) * z), excess = vfma(y * root, root, vset1(-1));
    (void)parameters;
    *d = -(excess + excess);
    const vec half = excess + (z - vlog(y));
    return half + half;
}

/* 2 (y^(2 - power) / ((1 - power) (2 - power)) - y exp((1 - power) z) / (1 - power) + exp((2 - power) z) / (2 - power)), for
   a power between 1 and 2 (Jorgensen 1987).  The middle one's exp is taken in halves, as above. */
INLINE vec tweedie_deviance_element(vec z, vec y, const vec *parameters, vec *d)
{
    const vec zero = vset1(0), over = parameters[0] - vset1(1), under = vset1(2) - parameters[0];
    const vec rate = vexp(under * z), root = vexp(vset1(RC(-0.5)) * over * z);
    const vmask none = veq(y, zero);
    const vec share = vselect(none, zero, y * root * root), most = vselect(none, zero, vexp(under * vlog(y)));
    *d = vset1(2) * (rate - share);
    return vset1(2) * (rate / under + share / over - most / (over * under));
}

ELEMENT_LOSS(mse, 0, 0)
ELEMENT_LOSS(mae, 0, 0)
ELEMENT_LOSS(huber, 1, 0)
ELEMENT_LOSS(poisson, 0, 0)
ELEMENT_LOSS(log_cosh, 0, 0)
ELEMENT_LOSS(poisson_deviance, 0, 0)
ELEMENT_LOSS(gamma_deviance, 0, 0)
ELEMENT_LOSS(tweedie_deviance, 1, 0)

/* Of each level q in turn one output a target: the mean over the outputs of max(q e, (q - 1) e), e = y - p (Koenker and
   Bassett, 1978). */
INLINE void quantile_part(const loss_part *part)
{
    const ptrdiff_t targets = part->n / part->l->parameter_count;
    const vec n = vset1((real)part->n), scale = part->scale / n, zero = vset1(0);
    output_sum values;
    output_sum_begin(&values, part->n);
    for (int level = 0; level < part->l->parameter_count; level++)
        for (ptrdiff_t j = level * targets; j < (level + 1) * targets; j++) {
            const vec q = loss_parameter(part, level), below = q - vset1(1);
            const vec error = vload(part->y + (j - level * targets) * L) - vload(part->p + j * L);
            const vmask negative = vlt(error, zero);
            output_sum_add(&values, j, error * vselect(negative, below, q));
            if (!part->d) continue;
            const vec slope = vselect(negative, -below, vselect(vlt(zero, error), -q, error));
            vstore(part->d + j * L, vflush(slope * scale));
        }
    loss_finish(part, output_sum_end(&values, part->n) / n, vset1(0));
}

/* The largest size of n lines, 1 where all are 0: what to divide by before squares are added. */
INLINE vec largest_size(const real *lines, ptrdiff_t n)
{
    vec most = vset1(0);
    for (ptrdiff_t j = 0; j < n; j++) {
        const vec size = vabs(vload(lines + j * L));
        most = vselect(vlt(most, size), size, most);
    }
    return vselect(veq(most, vset1(0)), vset1(1), most);
}

/* value = -sum(y p) / (|y| |p|), 0 where one of them is;  dp = (cosine p / |p| - y / |y|) / |p| */
INLINE void cosine_similarity_part(const loss_part *part)
{
    const vec p_size = largest_size(part->p, part->n), y_size = largest_size(part->y, part->n), zero = vset1(0);
    output_sum products, p_squares, y_squares;
    output_sum_begin(&products, part->n);
    output_sum_begin(&p_squares, part->n);
    output_sum_begin(&y_squares, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec p = vload(part->p + j * L) / p_size, y = vload(part->y + j * L) / y_size;
        output_sum_add(&products, j, p * y);
        output_sum_add(&p_squares, j, p * p);
        output_sum_add(&y_squares, j, y * y);
    }
    const vec p_norm = vsqrt(output_sum_end(&p_squares, part->n)), y_norm = vsqrt(output_sum_end(&y_squares, part->n));
    const vec norms = p_norm * y_norm, product = output_sum_end(&products, part->n);
    const vmask none = veq(norms, zero);
    const vec cosine = vselect(none, zero, product / norms);
    for (ptrdiff_t j = 0; part->d && j < part->n; j++) {
        const vec p = vload(part->p + j * L) / p_size / p_norm, y = vload(part->y + j * L) / y_size / y_norm;
        const vec d = vfma(cosine, p, -y) / p_norm / p_size;
        vstore(part->d + j * L, vflush(vselect(none, zero, d) * part->scale));
    }
    loss_finish(part, -cosine, zero);
}

#endif
