/* Losses of at most L rows and their gradients, as Keras defines them: a value is a mean over the outputs, and the row's weight
   multiplies it.  Where a link is fused, the lines hold logits and the gradient is theirs.  Batch rows are in the lanes. */
#ifndef FM_LOSSES_H
#define FM_LOSSES_H

#include "rowwise.h"

/* The part of a loss that vector v of the lines has: `rows` rows from `first` on. */
typedef struct {
    const loss_args *l;
    const real *p, *y;            /* output j at p[j * L], target j at y[j * L] */
    real *d;
    ptrdiff_t first, rows, n;     /* n outputs */
    vec weight, scale;            /* of the values; of the gradients */
} loss_part;

INLINE loss_part loss_part_of(const loss_args *l, int v)
{
    const ptrdiff_t first = v * VW, rows = smaller(VW, l->rows - first);
    const vec one = vset1(1);
    const vec weight = !l->weights ? one : rows == VW ? vload(l->weights + first) : vload_part(l->weights + first, rows);
    return (loss_part){.l = l, .p = l->p + first, .y = l->y ? l->y + first : NULL, .d = l->d ? l->d + first : NULL,
                       .first = first, .rows = rows, .n = l->n, .weight = weight, .scale = weight * vset1(l->scale)};
}

INLINE void loss_finish(const loss_part *part, vec value, vec correct)
{
    real lanes[VW];
    real *values = part->l->values + part->first;
    double *right = part->l->correct + part->first;
    value = part->weight * value;
    if (part->rows == VW)
        vstore(values, value);
    else
        vstore_part(values, value, part->rows);
    vstore(lanes, correct);
    for (ptrdiff_t i = 0; i < part->rows; i++) right[i] = (double)lanes[i];
}

INLINE vec one_where(vmask m) { return vselect(m, vset1(1), vset1(0)); }

/* Of each row the element of its class, and back; 0 in the lanes without a row. */
INLINE vec labelled(const loss_part *part, const real *lines)
{
    real lanes[VW] = {0};
    for (ptrdiff_t i = 0; i < part->rows; i++) lanes[i] = lines[part->l->labels[part->first + i] * L + i];
    return vload(lanes);
}

INLINE void store_labelled(const loss_part *part, real *lines, vec x)
{
    real lanes[VW];
    vstore(lanes, x);
    for (ptrdiff_t i = 0; i < part->rows; i++) lines[part->l->labels[part->first + i] * L + i] = lanes[i];
}

INLINE vec label_lanes(const loss_part *part)
{
    real lanes[VW] = {0};
    for (ptrdiff_t i = 0; i < part->rows; i++) lanes[i] = (real)part->l->labels[part->first + i];
    return vload(lanes);
}

/* The largest of n lines, and in *index the first that has it. */
INLINE vec largest(const real *lines, ptrdiff_t n, vec *index)
{
    vec most = vset1(-(real)INFINITY);
    *index = vset1(0);
    for (ptrdiff_t j = 0; j < n; j++) {
        const vec x = vload(lines + j * L);
        const vmask larger = vlt(most, x);
        most = vselect(larger, x, most);
        *index = vselect(larger, vset1((real)j), *index);
    }
    return most;
}

/* The sum of exp(p - most) over the outputs, whose terms are stored in d. */
INLINE vec exp_sum(const loss_part *part, vec most)
{
    output_sum sum;
    output_sum_begin(&sum, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec e = vexp(vload(part->p + j * L) - most);
        output_sum_add(&sum, j, e);
        if (part->d) vstore(part->d + j * L, e);
    }
    return output_sum_end(&sum, part->n);
}

/* value = log(sum(exp(z))) - z[label];  dz = softmax(z) - [j == label] */
INLINE void sparse_categorical_crossentropy_part(const loss_part *part)
{
    vec found;
    const vec most = largest(part->p, part->n, &found), sum = exp_sum(part, most), factor = part->scale / sum;
    if (part->d) {
        const vec own = labelled(part, part->d) * factor - part->scale;
        for (ptrdiff_t j = 0; j < part->n; j++)
            vstore(part->d + j * L, vflush(vload(part->d + j * L) * factor));
        store_labelled(part, part->d, vflush(own));
    }
    loss_finish(part, vlog(sum) - (labelled(part, part->p) - most),
                one_where(veq(found, label_lanes(part))));
}

/* value = sum(y * (log(sum(exp(z))) - z));  dz = softmax(z) * sum(y) - y */
INLINE void categorical_crossentropy_part(const loss_part *part)
{
    vec found, expected;
    output_sum values, targets;
    const vec most = largest(part->p, part->n, &found), sum = exp_sum(part, most), log_sum = vlog(sum);
    largest(part->y, part->n, &expected);
    output_sum_begin(&values, part->n);
    output_sum_begin(&targets, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec y = vload(part->y + j * L), cost = log_sum - (vload(part->p + j * L) - most);
        /* a zero target costs nothing, however unlikely: 0 * inf is not 0 */
        output_sum_add(&values, j, vselect(veq(y, vset1(0)), vset1(0), y * cost));
        output_sum_add(&targets, j, y);
    }
    const vec factor = output_sum_end(&targets, part->n) / sum;
    for (ptrdiff_t j = 0; part->d && j < part->n; j++) {
        real *d = part->d + j * L;
        vstore(d, vflush(part->scale * vfma(vload(d), factor, -vload(part->y + j * L))));
    }
    loss_finish(part, output_sum_end(&values, part->n), one_where(veq(found, expected)));
}

/* A loss that is a mean over the outputs: f gives an element's value and puts its derivative in *d. */
typedef vec element_loss(vec p, vec y, vec parameter, vec *d);

/* 1 where logit and target are on the same side, which makes an output right as a class */
INLINE vec same_side(vec z, vec y)
{
    return one_where(veq(one_where(vlt(vset1(0), z)), one_where(vlt(vset1(RC(0.5)), y))));
}

/* `classes`: the outputs are logits of classes, and the share of right ones counts. */
INLINE void mean_loss(const loss_part *part, element_loss *f, const int classes)
{
    output_sum values;
    const vec n = vset1((real)part->n), scale = part->scale / n, parameter = vset1(part->l->parameter);
    vec right = vset1(0);
    output_sum_begin(&values, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        vec d;
        const vec p = vload(part->p + j * L), y = vload(part->y + j * L);
        output_sum_add(&values, j, f(p, y, parameter, &d));
        if (part->d) vstore(part->d + j * L, vflush(d * scale));
        if (classes) right = right + same_side(p, y);
    }
    loss_finish(part, output_sum_end(&values, part->n) / n, right);
    for (ptrdiff_t i = 0; classes && i < part->rows; i++) part->l->correct[part->first + i] /= (double)part->n;
}

/* max(z, 0) - z*y + log(1 + exp(-|z|)), which neither overflows nor cancels */
INLINE vec binary_crossentropy_element(vec z, vec y, vec parameter, vec *d)
{
    (void)parameter;
    *d = vsigmoid(z) - y;
    const vec positive = vselect(vlt(vset1(0), z), z, vset1(0));
    return vfma(-z, y, positive) + vlog1p_exp_of_minus_abs(z);
}

INLINE vec mse_element(vec a, vec y, vec parameter, vec *d)
{
    (void)parameter;
    const vec error = a - y;
    *d = error + error;
    return error * error;
}

INLINE vec mae_element(vec a, vec y, vec parameter, vec *d)
{
    (void)parameter;
    const vec error = a - y, zero = vset1(0);
    *d = vselect(vlt(zero, error), vset1(1), vselect(vlt(error, zero), vset1(-1), error));
    return vabs(error);
}

/* error^2 / 2 up to delta, then delta * (|error| - delta / 2) */
INLINE vec huber_element(vec a, vec y, vec delta, vec *d)
{
    const vec error = a - y, size = vabs(error), half = vset1(RC(0.5));
    const vmask outside = vlt(delta, size);
    *d = vselect(outside, vselect(vlt(error, vset1(0)), -delta, delta), error);
    return vselect(outside, delta * vfma(-half, delta, size), half * error * error);
}

/* exp(z) - y*z: the negative log likelihood of counts but for a constant */
INLINE vec poisson_element(vec z, vec y, vec parameter, vec *d)
{
    (void)parameter;
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

#define ELEMENT_LOSS(name, classes)                                     \
    INLINE void name##_part(const loss_part *part)                      \
    { mean_loss(part, name##_element, classes); }
ELEMENT_LOSS(binary_crossentropy, 1)
ELEMENT_LOSS(mse, 0)
ELEMENT_LOSS(mae, 0)
ELEMENT_LOSS(huber, 0)
ELEMENT_LOSS(poisson, 0)
#undef ELEMENT_LOSS

#define LOSS(name, link, target, parameter, outputs)                             \
    static void name##_loss(const loss_args *l)                         \
    {                                                                   \
        for (int v = 0; v * VW < l->rows; v++) {                        \
            const loss_part part = loss_part_of(l, v);                  \
            name##_part(&part);                                         \
        }                                                               \
    }
#include "losses.def"
#undef LOSS

#endif
