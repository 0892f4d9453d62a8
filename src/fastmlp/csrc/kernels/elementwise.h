/* Loops over arrays of any length and alignment: activations, elementary functions, optimizers. */
#ifndef FM_ELEMENTWISE_H
#define FM_ELEMENTWISE_H

#include "activations.h"
#include "table.h"

typedef vec unary(vec, vec);

/* Deltas, state and weights too small to matter become zero, as arithmetic on denormals is up to a hundred
   times slower and a moving average of a dead unit would stay denormal for ever. */
INLINE vec vflush(vec a)
{
    return vselect(vlt(vabs(a), vset1(FLUSH_BELOW)), vset1(0), a);
}

/* out = f(in, parameter) */
INLINE void map(real *out, const real *in, ptrdiff_t count, real parameter, unary *f)
{
    const vec p = vset1(parameter);
    ptrdiff_t i = 0;
    for (; i + VW <= count; i += VW) vstore(out + i, f(vload(in + i), p));
    if (i < count) vstore_part(out + i, f(vload_part(in + i, count - i), p), count - i);
}

/* dz = da * derivative(saved, parameter) */
INLINE void map_backward(real *dz, const real *da, const real *saved, ptrdiff_t count, real parameter,
                         unary *derivative)
{
    const vec p = vset1(parameter);
    ptrdiff_t i = 0;
    for (; i + VW <= count; i += VW)
        vstore(dz + i, vflush(vload(da + i) * derivative(vload(saved + i), p)));
    if (i < count) {
        const ptrdiff_t rest = count - i;
        vstore_part(dz + i, vflush(vload_part(da + i, rest) * derivative(vload_part(saved + i, rest), p)), rest);
    }
}

#define ACTIVATION(name, saved, parameter, least, most)                                                           \
    static void name##_map(real *a, const real *z, ptrdiff_t count, real p)                          \
    { map(a, z, count, p, name##_forward); }                                                         \
    static void name##_map_backward(real *dz, const real *da, const real *s, ptrdiff_t count, real p)     \
    { map_backward(dz, da, s, count, p, name##_derivative); }
#define ROW_ACTIVATION(name)
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION

#define ELEMENTARY(name)                                                                             \
    INLINE vec name##_unary(vec x, vec unused) { (void)unused; return v##name(x); }                  \
    static void name##_elementary(real *out, const real *in, ptrdiff_t count)                        \
    { map(out, in, count, 0, name##_unary); }
#include "elementary.def"
#undef ELEMENTARY

static void multiply(real *out, const real *in, const real *factor, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(out + i, vload(in + i) * vload(factor + i));
}

/* a / b for b in (2^-126, 2^126), float64 (2^-1022, 2^1022), to 1 ulp: a first guess from the bits, Newton's
   iteration, and a residual.  It is 1.5 times as fast as the hardware's division, and has the same bits everywhere.
   The guess is off by 7.2 % at most: 1/m is near 1.4641 - m/2 for a mantissa m in [1, 2]. */
INLINE vec vquotient(vec a, vec b)
{
    const ubits guess = BITS == 32 ? (ubits)0x7ef6cf5d : (ubits)0x7fded9eba1613200u;
    vec r = (vec)((ivec)vset1(0) + (bits)guess - (ivec)b);
    UNROLL for (int i = 0; i < (BITS == 32 ? 2 : 3); i++) r = vfma(r, vfma(-b, r, vset1(1)), r);
    const vec q = a * r;
    return vfma(vfma(-b, q, a), r, q);
}

/* The rules: g is the gradient, each moves w and its own state, vectors in the order of its slots.  Formulas are PyTorch's. */

INLINE void sgd(vec *w, vec *velocity, vec g, const step_constants *s)
{
    if (s->momentum != 0) {
        *velocity = vfma(vset1(s->momentum), *velocity, g);
        g = s->nesterov ? vfma(vset1(s->momentum), *velocity, g) : *velocity;
    }
    *w = vfma(vset1(-s->learning_rate), g, *w);
}

INLINE void adagrad(vec *w, vec *sum, vec g, const step_constants *s)
{
    *sum = vfma(g, g, *sum);
    *w = vfma(vset1(-s->learning_rate), vquotient(g, vsqrt(*sum) + vset1(s->epsilon)), *w);
}

INLINE void rmsprop(vec *w, vec *mean, vec g, const step_constants *s)
{
    *mean = vfma(vset1(s->rho), *mean, vset1(s->one_minus_rho) * (g * g));
    *w = vfma(vset1(-s->learning_rate), vquotient(g, vsqrt(*mean) + vset1(s->epsilon)), *w);
}

/* The averages m = state[0] of the gradient and v = state[1] of its square. */
INLINE void move_averages(vec *state, vec g, const step_constants *s)
{
    state[0] = vfma(vset1(s->beta_1), state[0], vset1(s->one_minus_beta_1) * g);
    state[1] = vfma(vset1(s->beta_2), state[1], vset1(s->one_minus_beta_2) * (g * g));
}

INLINE vec adam_step(vec w, vec m, vec v, const step_constants *s)
{
    const vec root = vfma(vsqrt(v), vset1(s->root_correction), vset1(s->epsilon));
    return vfma(vset1(-s->learning_rate), vquotient(m, root), w);
}

/* Kingma and Ba, arXiv:1412.6980, with learning_rate already over 1 - beta_1^t. */
INLINE void adam(vec *w, vec *state, vec g, const step_constants *s)
{
    move_averages(state, g, s);
    *w = adam_step(*w, state[0], state[1], s);
}

/* Reddi, Kale and Kumar, arXiv:1904.09237: adam by the largest v so far, state[2]. */
INLINE void amsgrad(vec *w, vec *state, vec g, const step_constants *s)
{
    move_averages(state, g, s);
    state[2] = vselect(vlt(state[2], state[1]), state[1], state[2]);
    *w = adam_step(*w, state[0], state[2], s);
}

typedef void update_rule(vec *, vec *, vec, const step_constants *);

/* Clipping, penalties and decoupled decay, before any rule. */
INLINE vec prepare(vec *w, vec g, int is_weight, const step_constants *s)
{
    g = g * vset1(s->gradient_scale);
    const vec most = vset1(s->clipvalue);
    g = vselect(vlt(most, g), most, g);
    g = vselect(vlt(g, -most), -most, g);
    if (is_weight) {
        const vec l1 = vset1(s->l1), zero = vset1(0);
        const vec sign = vselect(vlt(zero, *w), l1, vselect(vlt(*w, zero), -l1, zero));
        g = vfma(vset1(s->l2), *w, g + sign);
        *w = *w * vset1(s->decay);
    }
    return g;
}

INLINE void update_loop(real *w, const real *g, real *const *slots, ptrdiff_t count, int is_weight,
                        const step_constants *step, update_rule *rule, const int used, const int before)
{
    const step_constants s = *step; /* a copy, so that the compiler sees that stores to w leave it alone */
    real *slot[FM_MOST_SLOTS] = {0};
    UNROLL for (int k = 0; k < used; k++) slot[k] = slots[k];
    for (ptrdiff_t i = 0; i < count; i += VW) {
        vec x = vload(w + i), state[FM_MOST_SLOTS], d = vload(g + i);
        UNROLL for (int k = 0; k < FM_MOST_SLOTS; k++) state[k] = k < used ? vload(slot[k] + i) : vset1(0);
        if (before == L2_ALONE) d = vfma(vset1(s.l2), x, d);
        if (before == PREPARED) d = prepare(&x, d, is_weight, &s);
        rule(&x, state, d, &s);
        vstore(w + i, vflush(x));
        UNROLL for (int k = 0; k < used; k++) vstore(slot[k] + i, vflush(state[k]));
    }
}

INLINE void update_prepared(real *w, const real *g, real *const *slots, ptrdiff_t count, int is_weight,
                            const step_constants *s, update_rule *rule, const int used)
{
    if (s->before == PREPARED)
        update_loop(w, g, slots, count, is_weight, s, rule, used, PREPARED);
    else if (s->before == L2_ALONE && is_weight)
        update_loop(w, g, slots, count, is_weight, s, rule, used, L2_ALONE);
    else
        update_loop(w, g, slots, count, is_weight, s, rule, used, PLAIN);
}

/* Of a rule that may have no state, slots[0] is NULL then. */
#define OPTIMIZER(name, rule, count_of_slots, needs)                                                                \
    static void name##_update(real *w, const real *g, real *const *slots, ptrdiff_t count, int is_weight,           \
                              const step_constants *s)                                                              \
    {                                                                                                               \
        if (FM_##needs == FM_MOMENTUM && !slots[0])                                                                 \
            update_prepared(w, g, slots, count, is_weight, s, rule, 0);                                             \
        else                                                                                                        \
            update_prepared(w, g, slots, count, is_weight, s, rule, count_of_slots);                                \
    }
#include "optimizers.def"
#undef OPTIMIZER

#endif
