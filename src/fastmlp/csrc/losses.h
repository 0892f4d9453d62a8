/* Losses of one row and their gradients, as Keras defines them: a value is a mean over the outputs, and the row's weight
   multiplies it.  Where a link is fused, the row holds logits and the gradient is theirs. */

/* value = log(sum(exp(z))) - z[label];  dz = softmax(z) - [j == label] */
static void FN(sparse_categorical_crossentropy_loss)(FN(loss_row) *r)
{
    const real most = FN(row_max)(r->p, r->p_panel, r->n);
    const real target = r->p[r->label / L * r->p_panel + r->label % L];
    const real sum = FN(row_exp)(r->d, r->d_panel, r->p, r->p_panel, r->n, most);
    r->value = r->weight * (FN(scalar_log)(sum) - (target - most));
    r->correct = target == most && FN(row_argmax)(r->p, r->p_panel, r->n) == r->label;
    if (!r->d) return;
    const vec factor = vset1(r->scale / sum);
    for (ptrdiff_t i = 0; i < r->n; i += L) {
        real *d = r->d + i / L * r->d_panel;
        const ptrdiff_t label = r->label - i;
        UNROLL for (int v = 0; v < VPL; v++) vstore(d + v * VW, vload(d + v * VW) * factor);
        if (label >= 0 && label < L) d[label] -= r->scale;
        UNROLL for (int v = 0; v < VPL; v++) vstore(d + v * VW, FN(vflush)(vload(d + v * VW)));
    }
}

/* value = sum(y * (log(sum(exp(z))) - z));  dz = softmax(z) * sum(y) - y */
static void FN(categorical_crossentropy_loss)(FN(loss_row) *r)
{
    const real most = FN(row_max)(r->p, r->p_panel, r->n);
    const real sum = FN(row_exp)(r->d, r->d_panel, r->p, r->p_panel, r->n, most), log_sum = FN(scalar_log)(sum);
    FN(lanes) values = FN(lanes_of)(0), targets = FN(lanes_of)(0);
    for (ptrdiff_t i = 0; i < r->n; i += L)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec y = FN(mask_lanes)(vload(r->y + i / L * r->y_panel + v * VW), vset1(0), r->n - i, v);
            const vec z = vload(r->p + i / L * r->p_panel + v * VW);
            const vec cost = vset1(log_sum) - (z - vset1(most));
            /* a zero target costs nothing, however unlikely: 0 * inf is not 0 */
            values.v[v] = values.v[v] + vselect(veq(y, vset1(0)), vset1(0), y * cost);
            targets.v[v] = targets.v[v] + y;
        }
    r->value = r->weight * FN(sum_lanes)(values);
    r->correct = FN(row_argmax)(r->p, r->p_panel, r->n) == FN(row_argmax)(r->y, r->y_panel, r->n);
    if (!r->d) return;
    const vec factor = vset1(FN(sum_lanes)(targets) / sum), scale = vset1(r->scale);
    for (ptrdiff_t i = 0; i < r->n; i += L)
        UNROLL for (int v = 0; v < VPL; v++) {
            real *d = r->d + i / L * r->d_panel + v * VW;
            const vec y = FN(mask_lanes)(vload(r->y + i / L * r->y_panel + v * VW), vset1(0), r->n - i, v);
            vstore(d, FN(vflush)(scale * vfma(vload(d), factor, -y)));
        }
}

/* A loss that is a mean over the outputs: f gives an element's value and puts its derivative in *d. */
typedef vec FN(element_loss)(vec p, vec y, vec parameter, vec *d);

/* A row is right as a class when logit and target are on the same side. */
INLINE int FN(same_side)(real z, real y) { return (z > 0) == (y > RC(0.5)); }

/* `classes`: the outputs are logits of classes, and right ones are counted. */
INLINE void FN(mean_loss)(FN(loss_row) *r, FN(element_loss) *f, const int classes)
{
    FN(lanes) values = FN(lanes_of)(0);
    const vec scale = vset1(r->scale / (real)r->n), parameter = vset1(r->parameter);
    ptrdiff_t correct = 0;
    for (ptrdiff_t i = 0; i < r->n; i += L)
        UNROLL for (int v = 0; v < VPL; v++) {
            vec d;
            const vec p = vload(r->p + i / L * r->p_panel + v * VW), y = vload(r->y + i / L * r->y_panel + v * VW);
            const vec value = f(p, y, parameter, &d);
            values.v[v] = values.v[v] + FN(mask_lanes)(value, vset1(0), r->n - i, v);
            if (r->d)
                vstore(r->d + i / L * r->d_panel + v * VW,
                       FN(mask_lanes)(FN(vflush)(d * scale), vset1(0), r->n - i, v));
        }
    r->value = r->weight * (FN(sum_lanes)(values) / (real)r->n);
    for (ptrdiff_t i = 0; i < r->n && classes; i++)
        correct += FN(same_side)(r->p[i / L * r->p_panel + i % L], r->y[i / L * r->y_panel + i % L]);
    r->correct = (double)correct / (double)r->n;
}

/* At most VW values of one column, `stride` apart, 0 in the lanes beyond them; and back. */
INLINE vec FN(column_lanes)(const real *values, ptrdiff_t stride, ptrdiff_t count)
{
    real lanes[VW] = {0};
    if (stride == 1) return count == VW ? vload(values) : FN(load_part)(values, count);
    for (ptrdiff_t i = 0; i < count; i++) lanes[i] = values[i * stride];
    return vload(lanes);
}

INLINE void FN(column_store)(real *values, vec lanes, ptrdiff_t count)
{
    if (count == VW)
        vstore(values, lanes);
    else
        FN(store_part)(values, lanes, count);
}

/* 1 where same_side, else 0 */
INLINE vec FN(lanes_on_same_side)(vec z, vec y)
{
    const vec zero = vset1(0), one = vset1(1);
    const vec z_side = vselect(vlt(zero, z), one, zero), y_side = vselect(vlt(vset1(RC(0.5)), y), one, zero);
    return vselect(veq(z_side, y_side), one, zero);
}

/* The same for a network with one output: batch rows in the lanes, instead of one row in a whole cache line. */
INLINE void FN(column_loss)(const FN(loss_column) *c, FN(element_loss) *f, const int classes)
{
    const vec parameter = vset1(c->parameter), scale = vset1(c->scale);
    for (ptrdiff_t first = 0; first < c->rows; first += VW) {
        real d[VW], correct[VW];
        const ptrdiff_t rows = c->rows - first < VW ? c->rows - first : VW;
        const vec p = FN(column_lanes)(c->p + first * c->p_row, c->p_row, rows);
        const vec y = FN(column_lanes)(c->y + first * c->y_row, c->y_row, rows);
        const vec weight = c->weights ? FN(column_lanes)(c->weights + first, 1, rows) : vset1(1);
        vec derivative;
        FN(column_store)(c->values + first, weight * f(p, y, parameter, &derivative), rows);
        vstore(correct, classes ? FN(lanes_on_same_side)(p, y) : vset1(0));
        for (ptrdiff_t i = 0; i < rows; i++) c->correct[first + i] = (double)correct[i];
        if (!c->d) continue;
        derivative = FN(vflush)(derivative * (weight * scale));
        if (c->d_row == 1) {
            FN(column_store)(c->d + first, derivative, rows);
            continue;
        }
        vstore(d, derivative);
        for (ptrdiff_t i = 0; i < rows; i++) {
            memset(c->d + (first + i) * c->d_row, 0, 64);
            c->d[(first + i) * c->d_row] = d[i];
        }
    }
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

#define ELEMENT_LOSS(name, classes)                                                                          \
    static void FN(name##_loss)(FN(loss_row) *r) { FN(mean_loss)(r, FN(name##_element), classes); }          \
    static void FN(name##_column)(const FN(loss_column) *c) { FN(column_loss)(c, FN(name##_element), classes); }
ELEMENT_LOSS(binary_crossentropy, 1)
ELEMENT_LOSS(mse, 0)
ELEMENT_LOSS(mae, 0)
ELEMENT_LOSS(huber, 0)
ELEMENT_LOSS(poisson, 0)
#undef ELEMENT_LOSS
