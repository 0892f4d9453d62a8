/* Loops over weights: the optimizers. */
#ifndef FM_UPDATES_H
#define FM_UPDATES_H

#include "elementwise.h"

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

/* Hinton, lecture 6e, by the variance of the gradient: state[0] averages its square, state[1] the gradient itself. */
INLINE void centered_rmsprop(vec *w, vec *state, vec g, const step_constants *s)
{
    state[0] = vfma(vset1(s->rho), state[0], vset1(s->one_minus_rho) * (g * g));
    state[1] = vfma(vset1(s->rho), state[1], vset1(s->one_minus_rho) * g);
    const vec variance = positive_part(vfma(-state[1], state[1], state[0]));
    *w = vfma(vset1(-s->learning_rate), vquotient(g, vsqrt(variance) + vset1(s->epsilon)), *w);
}

/* Zeiler, arXiv:1212.5701: state[0] averages the squares of gradients, state[1] those of steps. */
INLINE void adadelta(vec *w, vec *state, vec g, const step_constants *s)
{
    const vec epsilon = vset1(s->epsilon);
    state[0] = vfma(vset1(s->rho), state[0], vset1(s->one_minus_rho) * (g * g));
    const vec step = vquotient(vsqrt(state[1] + epsilon), vsqrt(state[0] + epsilon)) * g;
    state[1] = vfma(vset1(s->rho), state[1], vset1(s->one_minus_rho) * (step * step));
    *w = vfma(vset1(-s->learning_rate), step, *w);
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

/* Kingma and Ba, arXiv:1412.6980, with learning_rate already over 1 - beta_1^t.  With other constants it is radam. */
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

/* Dozat, ICLR workshop 2016: the gradient beside moment_share times its average. */
INLINE void nadam(vec *w, vec *state, vec g, const step_constants *s)
{
    move_averages(state, g, s);
    *w = adam_step(*w, vfma(vset1(s->moment_share), state[0], g), state[1], s);
}

/* Kingma and Ba, section 7.1: adam by a fading maximum of |g| in place of the root. */
INLINE void adamax(vec *w, vec *state, vec g, const step_constants *s)
{
    state[0] = vfma(vset1(s->beta_1), state[0], vset1(s->one_minus_beta_1) * g);
    const vec faded = vset1(s->beta_2) * state[1], size = vabs(g) + vset1(s->epsilon);
    state[1] = vselect(vlt(faded, size), size, faded);
    *w = vfma(vset1(-s->learning_rate), vquotient(state[0], state[1]), *w);
}

/* b where a > 0, -b where a < 0, else 0 */
INLINE vec by_sign(vec a, vec b)
{
    const vec zero = vset1(0);
    return vselect(vlt(zero, a), b, vselect(vlt(a, zero), -b, zero));
}

/* Chen et al., arXiv:2302.06675: the sign of one average moves w, another one is kept. */
INLINE void lion(vec *w, vec *average, vec g, const step_constants *s)
{
    const vec direction = vfma(vset1(s->beta_1), *average, vset1(s->one_minus_beta_1) * g);
    *average = vfma(vset1(s->beta_2), *average, vset1(s->one_minus_beta_2) * g);
    *w = *w - by_sign(direction, vset1(s->learning_rate));
}

/* Riedmiller and Braun, ICNN 1993: state[0] is the gradient before, 0 after a turn; state[1] the size of the step, 0 until there
   is a gradient.  Signs are multiplied, not gradients, whose product may be too small to have one. */
INLINE void rprop(vec *w, vec *state, vec g, const step_constants *s)
{
    const vec zero = vset1(0), one = vset1(1), turn = by_sign(g, by_sign(state[0], one));
    const vec factor = vselect(vlt(zero, turn), vset1(s->eta_plus), vselect(vlt(turn, zero), vset1(s->eta_minus), one));
    const vec size = vselect(vlt(zero, state[1]), state[1], vabs(by_sign(g, vset1(s->learning_rate)))) * factor;
    const vec most = vset1(s->learning_rate == 0 ? 0 : s->step_max), enough = vmax(size, vset1(s->step_min));
    state[1] = vselect(vlt(zero, size), vselect(vlt(enough, most), enough, most), zero);
    state[0] = vselect(vlt(turn, zero), zero, g);
    *w = *w - by_sign(state[0], state[1]);
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
        g = vfma(vset1(s->l2), *w, g + by_sign(*w, vset1(s->l1)));
        *w = *w * vset1(s->decay);
    }
    return g;
}

INLINE void update_loop(real *w, const real *g, real *const *slots, const real *const *from, ptrdiff_t count, int is_weight,
                        const step_constants *step, update_rule *rule, const int used, const int before)
{
    const step_constants s = *step; /* a copy, so that the compiler sees that stores to w leave it alone */
    const real *w_from = from ? from[0] : w, *slot_from[FM_MOST_SLOTS] = {0};
    real *slot[FM_MOST_SLOTS] = {0};
    UNROLL for (int k = 0; k < used; k++) slot[k] = slots[k], slot_from[k] = from ? from[1 + k] : slots[k];
    for (ptrdiff_t i = 0; i < count; i += VW) {
        vec x = vload(w_from + i), state[FM_MOST_SLOTS], d = vload(g + i);
        UNROLL for (int k = 0; k < FM_MOST_SLOTS; k++) state[k] = k < used ? vload(slot_from[k] + i) : vset1(0);
        if (before == L2_ALONE) d = vfma(vset1(s.l2), x, d);
        if (before == SCALED) d = d * vset1(s.gradient_scale), x = is_weight ? x * vset1(s.decay) : x;
        if (before == PREPARED) d = prepare(&x, d, is_weight, &s);
        rule(&x, state, d, &s);
        vstore(w + i, vflush(x));
        UNROLL for (int k = 0; k < used; k++) vstore(slot[k] + i, vflush(state[k]));
    }
}

INLINE void update_prepared(real *w, const real *g, real *const *slots, const real *const *from, ptrdiff_t count,
                            int is_weight, const step_constants *s, update_rule *rule, const int used)
{
    if (s->before == PREPARED)
        update_loop(w, g, slots, from, count, is_weight, s, rule, used, PREPARED);
    else if (s->before == SCALED)
        update_loop(w, g, slots, from, count, is_weight, s, rule, used, SCALED);
    else if (s->before == L2_ALONE && is_weight)
        update_loop(w, g, slots, from, count, is_weight, s, rule, used, L2_ALONE);
    else
        update_loop(w, g, slots, from, count, is_weight, s, rule, used, PLAIN);
}

static void move_average(real *average, const real *from, const real *w, ptrdiff_t count, real stays, real takes)
{
    for (ptrdiff_t i = 0; i < count; i += VW)
        vstore(average + i, vflush(vfma(vset1(stays), vload(from + i), vset1(takes) * vload(w + i))));
}

/* Of a rule that may have no state, slots[0] is NULL then. */
#define OPTIMIZER(name, rule, count_of_slots, needs)                                                                \
    static void name##_update(real *w, const real *g, real *const *slots, const real *const *from, ptrdiff_t count, \
                              int is_weight, const step_constants *s)                                               \
    {                                                                                                               \
        if (FM_##needs == FM_MOMENTUM && !slots[0])                                                                 \
            update_prepared(w, g, slots, from, count, is_weight, s, rule, 0);                                       \
        else                                                                                                        \
            update_prepared(w, g, slots, from, count, is_weight, s, rule, count_of_slots);                          \
    }
#include "optimizers.def"
#undef OPTIMIZER

#endif
