/* Losses of at most L rows and their gradients, as Keras defines them: a value is a mean over the outputs, and the row's weight
   multiplies it.  Where a link is fused, the lines hold logits and the gradient is theirs.  Batch rows are in the lanes. */

/* The part of a loss that vector v of the lines has: `rows` rows from `first` on. */
typedef struct {
    const FN(loss_args) *l;
    const real *p, *y;            /* output j at p[j * L], */
    real *d;
    ptrdiff_t first, rows, n;
    vec weight, scale;            /* of the values; of the gradients */
} FN(loss_part);

INLINE FN(loss_part) FN(loss_part_of)(const FN(loss_args) *l, int v)
{
    const ptrdiff_t first = v * VW, rows = FN(smaller)(VW, l->rows - first);
    const vec one = vset1(1);
    const vec weight = !l->weights ? one : rows == VW ? vload(l->weights + first) : vload_part(l->weights + first, rows);
    return (FN(loss_part)){.l = l, .p = l->p + first, .y = l->y ? l->y + first : NULL, .d = l->d ? l->d + first : NULL,
                           .first = first, .rows = rows, .n = l->n, .weight = weight, .scale = weight * vset1(l->scale)};
}

INLINE void FN(loss_finish)(const FN(loss_part) *part, vec value, vec correct)
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

INLINE vec FN(one_where)(vmask m) { return vselect(m, vset1(1), vset1(0)); }

/* Of each row the element of its class, and back; 0 in the lanes without a row. */
INLINE vec FN(labelled)(const FN(loss_part) *part, const real *lines)
{
    real lanes[VW] = {0};
    for (ptrdiff_t i = 0; i < part->rows; i++) lanes[i] = lines[part->l->labels[part->first + i] * L + i];
    return vload(lanes);
}

INLINE void FN(store_labelled)(const FN(loss_part) *part, real *lines, vec x)
{
    real lanes[VW];
    vstore(lanes, x);
    for (ptrdiff_t i = 0; i < part->rows; i++) lines[part->l->labels[part->first + i] * L + i] = lanes[i];
}

INLINE vec FN(label_lanes)(const FN(loss_part) *part)
{
    real lanes[VW] = {0};
    for (ptrdiff_t i = 0; i < part->rows; i++) lanes[i] = (real)part->l->labels[part->first + i];
    return vload(lanes);
}

/* The largest of n lines, and in *index the first that has it. */
INLINE vec FN(largest)(const real *lines, ptrdiff_t n, vec *index)
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
INLINE vec FN(exp_sum)(const FN(loss_part) *part, vec most)
{
    FN(output_sum) sum;
    FN(output_sum_begin)(&sum, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec e = FN(vexp)(vload(part->p + j * L) - most);
        FN(output_sum_add)(&sum, j, e);
        if (part->d) vstore(part->d + j * L, e);
    }
    return FN(output_sum_end)(&sum, part->n);
}

/* value = log(sum(exp(z))) - z[label];  dz = softmax(z) - [j == label] */
INLINE void FN(sparse_categorical_crossentropy_part)(const FN(loss_part) *part)
{
    vec found;
    const vec most = FN(largest)(part->p, part->n, &found), sum = FN(exp_sum)(part, most), factor = part->scale / sum;
    if (part->d) {
        const vec own = FN(labelled)(part, part->d) * factor - part->scale;
        for (ptrdiff_t j = 0; j < part->n; j++)
            vstore(part->d + j * L, FN(vflush)(vload(part->d + j * L) * factor));
        FN(store_labelled)(part, part->d, FN(vflush)(own));
    }
    FN(loss_finish)(part, FN(vlog)(sum) - (FN(labelled)(part, part->p) - most),
                    FN(one_where)(veq(found, FN(label_lanes)(part))));
}

/* value = sum(y * (log(sum(exp(z))) - z));  dz = softmax(z) * sum(y) - y */
INLINE void FN(categorical_crossentropy_part)(const FN(loss_part) *part)
{
    vec found, expected;
    FN(output_sum) values, targets;
    const vec most = FN(largest)(part->p, part->n, &found), sum = FN(exp_sum)(part, most), log_sum = FN(vlog)(sum);
    FN(largest)(part->y, part->n, &expected);
    FN(output_sum_begin)(&values, part->n);
    FN(output_sum_begin)(&targets, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        const vec y = vload(part->y + j * L), cost = log_sum - (vload(part->p + j * L) - most);
        /* a zero target costs nothing, however unlikely: 0 * inf is not 0 */
        FN(output_sum_add)(&values, j, vselect(veq(y, vset1(0)), vset1(0), y * cost));
        FN(output_sum_add)(&targets, j, y);
    }
    const vec factor = FN(output_sum_end)(&targets, part->n) / sum;
    for (ptrdiff_t j = 0; part->d && j < part->n; j++) {
        real *d = part->d + j * L;
        vstore(d, FN(vflush)(part->scale * vfma(vload(d), factor, -vload(part->y + j * L))));
    }
    FN(loss_finish)(part, FN(output_sum_end)(&values, part->n), FN(one_where)(veq(found, expected)));
}

/* A loss that is a mean over the outputs: f gives an element's value and puts its derivative in *d. */
typedef vec FN(element_loss)(vec p, vec y, vec parameter, vec *d);

/* 1 where logit and target are on the same side, which makes an output right as a class */
INLINE vec FN(same_side)(vec z, vec y)
{
    return FN(one_where)(veq(FN(one_where)(vlt(vset1(0), z)), FN(one_where)(vlt(vset1(RC(0.5)), y))));
}

/* `classes`: the outputs are logits of classes, and the share of right ones counts. */
INLINE void FN(mean_loss)(const FN(loss_part) *part, FN(element_loss) *f, const int classes)
{
    FN(output_sum) values;
    const vec n = vset1((real)part->n), scale = part->scale / n, parameter = vset1(part->l->parameter);
    vec right = vset1(0);
    FN(output_sum_begin)(&values, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        vec d;
        const vec p = vload(part->p + j * L), y = vload(part->y + j * L);
        FN(output_sum_add)(&values, j, f(p, y, parameter, &d));
        if (part->d) vstore(part->d + j * L, FN(vflush)(d * scale));
        if (classes) right = right + FN(same_side)(p, y);
    }
    FN(loss_finish)(part, FN(output_sum_end)(&values, part->n) / n, right);
    for (ptrdiff_t i = 0; classes && i < part->rows; i++) part->l->correct[part->first + i] /= (double)part->n;
}

/* max(z, 0) - z*y + log(1 + exp(-|z|)), which neither overflows nor cancels */
INLINE vec FN(binary_crossentropy_element)(vec z, vec y, vec parameter, vec *d)
{
    (void)parameter;
    *d = FN(vsigmoid)(z) - y;
    const vec positive = vselect(vlt(vset1(0), z), z, vset1(0));
    return vfma(-z, y, positive) + FN(vlog1p_exp_of_minus_abs)(z);
}

INLINE vec FN(mse_element)(vec a, vec y, vec parameter, vec *d)
{
    (void)parameter;
    const vec error = a - y;
    *d = error + error;
    return error * error;
}

INLINE vec FN(mae_element)(vec a, vec y, vec parameter, vec *d)
{
    (void)parameter;
    const vec error = a - y, zero = vset1(0);
    *d = vselect(vlt(zero, error), vset1(1), vselect(vlt(error, zero), vset1(-1), error));
    return vabs(error);
}

/* error^2 / 2 up to delta, then delta * (|error| - delta / 2) */
INLINE vec FN(huber_element)(vec a, vec y, vec delta, vec *d)
{
    const vec error = a - y, size = vabs(error), half = vset1(RC(0.5));
    const vmask outside = vlt(delta, size);
    *d = vselect(outside, vselect(vlt(error, vset1(0)), -delta, delta), error);
    return vselect(outside, delta * vfma(-half, delta, size), half * error * error);
}

/* exp(z) - y*z: the negative log likelihood of counts but for a constant */
INLINE vec FN(poisson_element)(vec z, vec y, vec parameter, vec *d)
{
    (void)parameter;
    const vec rate = FN(vexp)(z);
    *d = rate - y;
    return vfma(-y, z, rate);
}

#define ELEMENT_LOSS(name, classes)                                     \
    INLINE void FN(name##_part)(const FN(loss_part) *part)              \
    { FN(mean_loss)(part, FN(name##_element), classes); }
ELEMENT_LOSS(binary_crossentropy, 1)
ELEMENT_LOSS(mse, 0)
ELEMENT_LOSS(mae, 0)
ELEMENT_LOSS(huber, 0)
ELEMENT_LOSS(poisson, 0)
#undef ELEMENT_LOSS

#define LOSS(name, link, target, parameter)                             \
    static void FN(name##_loss)(const FN(loss_args) *l)                 \
    {                                                                   \
        for (int v = 0; v * VW < l->rows; v++) {                        \
            const FN(loss_part) part = FN(loss_part_of)(l, v);          \
            FN(name##_part)(&part);                                     \
        }                                                               \
    }
#include "losses.def"
#undef LOSS
