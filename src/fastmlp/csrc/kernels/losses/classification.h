/* Losses whose targets are classes.  A label smoothing s takes the share s of every target and deals it out evenly
   (Szegedy et al., arXiv:1512.00567): y (1 - s) + s / classes.  `sparse` ones compare with a label a row. */
#ifndef FM_CLASSIFICATION_LOSSES_H
#define FM_CLASSIFICATION_LOSSES_H

#include "part.h"

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

/* The targets of a row over the classes, smoothed. */
typedef struct {
    const loss_part *part;
    vec label, kept, share;
    int sparse;
} class_targets;

INLINE class_targets targets_of(const loss_part *part, vec smoothing, const int sparse)
{
    return (class_targets){.part = part, .label = sparse ? label_lanes(part) : vset1(0), .kept = vset1(1) - smoothing,
                           .share = smoothing / vset1((real)part->n), .sparse = sparse};
}

INLINE vec target(const class_targets *t, ptrdiff_t j)
{
    const vec y = t->sparse ? one_where(veq(t->label, vset1((real)j))) : vload(t->part->y + j * L);
    return vfma(y, t->kept, t->share);
}

/* 1 where `found`, the first largest output, is the row's class */
INLINE vec right_class(const class_targets *t, vec found)
{
    vec expected = t->label;
    if (!t->sparse) largest(t->part->y, t->part->n, &expected);
    return one_where(veq(found, expected));
}

/* value = sum(y * (log(sum(exp(z))) - z)), with `relative` less the entropy of y;  dz = softmax(z) * sum(y) - y */
INLINE void row_crossentropy(const loss_part *part, vec smoothing, const int sparse, const int relative)
{
    vec found;
    output_sum values, targets;
    const class_targets t = targets_of(part, smoothing, sparse);
    const vec most = largest(part->p, part->n, &found), sum = exp_sum(part, most), log_sum = vlog(sum);
    output_sum_begin(&values, part->n);
    output_sum_begin(&targets, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec y = target(&t, j), cost = log_sum - (vload(part->p + j * L) - most);
        /* a zero target costs nothing, however unlikely: 0 * inf is not 0 */
        output_sum_add(&values, j, vselect(veq(y, vset1(0)), vset1(0), y * (relative ? cost + vlog(y) : cost)));
        output_sum_add(&targets, j, y);
    }
    const vec factor = output_sum_end(&targets, part->n) / sum;
    for (ptrdiff_t j = 0; part->d && j < part->n; j++) {
        real *d = part->d + j * L;
        vstore(d, vflush(part->scale * vfma(vload(d), factor, -target(&t, j))));
    }
    loss_finish(part, output_sum_end(&values, part->n), right_class(&t, found));
}

INLINE void categorical_crossentropy_part(const loss_part *part)
{
    row_crossentropy(part, loss_parameter(part, 0), 0, 0);
}

INLINE void kl_divergence_part(const loss_part *part) { row_crossentropy(part, vset1(0), 0, 1); }

/* value = log(sum(exp(z))) - z[label];  dz = softmax(z) - [j == label] */
INLINE void label_crossentropy(const loss_part *part)
{
    vec found;
    const vec most = largest(part->p, part->n, &found), sum = exp_sum(part, most), factor = part->scale / sum;
    if (part->d) {
        const vec own = labelled(part, part->d) * factor - part->scale;
        for (ptrdiff_t j = 0; j < part->n; j++)
            vstore(part->d + j * L, vflush(vload(part->d + j * L) * factor));
        store_labelled(part, part->d, vflush(own));
    }
    loss_finish(part, vlog(sum) - (labelled(part, part->p) - most), one_where(veq(found, label_lanes(part))));
}

INLINE void sparse_categorical_crossentropy_part(const loss_part *part)
{
    if (part->l->parameters[0] == 0)
        label_crossentropy(part);
    else
        row_crossentropy(part, loss_parameter(part, 0), 1, 0);
}

/* q^gamma for q >= 0 and gamma >= 0, 1 where gamma is 0 */
INLINE vec focus(vec q, vec gamma)
{
    return vselect(veq(gamma, vset1(0)), vset1(1), vexp(gamma * vlog(q)));
}

/* x / y, or `limit` where y is 0 */
INLINE vec ratio_or(vec x, vec y, vec limit)
{
    return vselect(veq(y, vset1(0)), limit, x / y);
}

/* With p = softmax(z): value = alpha sum(y (1 - p)^gamma (-log p));  dz[k] = alpha (h[k] - p[k] sum(h)), where
   h = y (1 - p)^gamma (gamma p log(p) / (1 - p) - 1) is p times the derivative by p (Lin et al., arXiv:1708.02002). */
INLINE void focal_crossentropy(const loss_part *part, const int sparse)
{
    vec found;
    output_sum values, derivatives;
    const vec gamma = loss_parameter(part, 0), alpha = loss_parameter(part, 1), zero = vset1(0), one = vset1(1);
    const class_targets t = targets_of(part, loss_parameter(part, 2), sparse);
    const vec most = largest(part->p, part->n, &found), sum = exp_sum(part, most), log_sum = vlog(sum);
    output_sum_begin(&values, part->n);
    output_sum_begin(&derivatives, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec z = vload(part->p + j * L) - most, cost = log_sum - z, p = vexp(z) / sum, q = one - p, y = target(&t, j);
        const vec weight = y * focus(q, gamma), slope = vselect(veq(p, zero), zero, p * ratio_or(cost, q, one));
        const vec h = -(weight * vfma(gamma, slope, one));
        output_sum_add(&values, j, vselect(veq(weight, zero), zero, weight * cost));
        output_sum_add(&derivatives, j, h);
        if (part->d) vstore(part->d + j * L, h);
    }
    const vec total = output_sum_end(&derivatives, part->n), scale = part->scale * alpha;
    for (ptrdiff_t j = 0; part->d && j < part->n; j++) {
        const vec p = vexp(vload(part->p + j * L) - most) / sum;
        vstore(part->d + j * L, vflush(scale * vfma(-p, total, vload(part->d + j * L))));
    }
    loss_finish(part, alpha * output_sum_end(&values, part->n), right_class(&t, found));
}

INLINE void categorical_focal_crossentropy_part(const loss_part *part) { focal_crossentropy(part, 0); }
INLINE void sparse_categorical_focal_crossentropy_part(const loss_part *part) { focal_crossentropy(part, 1); }

INLINE vec smoothed_bit(vec y, vec smoothing)
{
    return vfma(y, vset1(1) - smoothing, vset1(RC(0.5)) * smoothing);
}

/* max(z, 0) - z*y + log(1 + exp(-|z|)), which neither overflows nor cancels */
INLINE vec binary_crossentropy_element(vec z, vec y, const vec *smoothing, vec *d)
{
    y = smoothed_bit(y, smoothing[0]);
    *d = vsigmoid(z) - y;
    const vec positive = vselect(vlt(vset1(0), z), z, vset1(0));
    return vfma(-z, y, positive) + vlog1p_exp_of_minus_abs(z);
}

/* w q^gamma times the cross-entropy, where q = y (1 - p) + (1 - y) p, p = sigmoid(z), is the probability of an error and w
   goes from `negative` at y = 0 to `positive` at 1; the derivative is w q^gamma (gamma (dq / q) cross-entropy + p - y),
   dq = (1 - 2 y) p (1 - p) (Lin et al., arXiv:1708.02002). */
INLINE vec binary_focal_crossentropy_element(vec z, vec y, const vec *parameters, vec *d)
{
    const vec gamma = parameters[0], positive = parameters[1], negative = parameters[2], one = vset1(1);
    vec difference;
    const vec value = binary_crossentropy_element(z, y, parameters + 3, &difference);
    const vec expected = smoothed_bit(y, parameters[3]), p = vsigmoid(z), rest = vsigmoid(-z);
    const vec q = vfma(expected, rest, (one - expected) * p), dq = (one - expected - expected) * p * rest;
    const vec weight = vfma(expected, positive - negative, negative) * focus(q, gamma);
    *d = weight * vfma(gamma * ratio_or(dq, q, vset1(0)), value, difference);
    return weight * value;
}

/* How far t p is below 1, 0 where it is not; t is 1 where y > 0, else -1, and NaN where y is not finite. */
INLINE vec hinge_margin(vec p, vec y, vec *t)
{
    const vec one = vset1(1), zero = vset1(0);
    *t = vfma(zero, y, vselect(vlt(zero, y), one, -one));
    const vec margin = vfma(-*t, p, one);
    return vselect(vlt(margin, zero), zero, margin);
}

INLINE vec hinge_element(vec p, vec y, const vec *parameters, vec *d)
{
    vec t;
    const vec margin = hinge_margin(p, y, &t);
    (void)parameters;
    *d = vselect(vlt(vset1(0), margin), -t, vset1(0));
    return margin;
}

INLINE vec squared_hinge_element(vec p, vec y, const vec *parameters, vec *d)
{
    vec t;
    const vec margin = hinge_margin(p, y, &t);
    (void)parameters;
    *d = -(t * (margin + margin));
    return margin * margin;
}

ELEMENT_LOSS(binary_crossentropy, 1, 1)
ELEMENT_LOSS(binary_focal_crossentropy, 4, 1)
ELEMENT_LOSS(hinge, 0, 1)
ELEMENT_LOSS(squared_hinge, 0, 1)

#endif
