/* Elementary functions on vectors.

   Branch-free, the same operations for both types: only the tables and limits below differ.  fma is said where it is
   meant, so every instruction set that has it gives the same bits.  The polynomials are minimax for the weighted
   errors named beside them (Remez exchange in 200 bits, then rounded one coefficient at a time, the rest fitted anew
   to those already rounded).  Methods: Cody and Waite, Software Manual for the Elementary Functions, 1980;
   Muller, Elementary Functions, 3rd ed. 2016.

   The errors beside the functions are the largest measured, in units of the last place (ulp), float32 (every number in
   the ranges that matter) / float64 (millions), with fma; without it they are at most 0.3 ulp larger.  NaN gives NaN,
   infinities give the limits, and where the result is below the smallest normal number the error is below it too. */
#ifndef FM_ELEMENTARY_H
#define FM_ELEMENTARY_H

#include "vec.h"

#if BITS == 32
/* (expm1(r) - r) / r^2 on |r| <= ln(2)/2, relative to expm1: 2^-26.1 */
static const real expm1_table[] = {0.49999997f, 0.16666546f, 0.04166744f, 0.008366257f, 0.0013870329f};
/* (log(m)/s - 2) / s^2 in s^2, s = (m - 1)/(m + 1), m in [sqrt(1/2), sqrt(2)], relative to log: 2^-30.2 */
static const real log_table[] = {0.66666776f, 0.3997758f, 0.2987096f};
/* the same for m in [1, 2]: 2^-27.7 */
static const real log1p_table[] = {0.6666642f, 0.40021437f, 0.28003025f, 0.28006783f};
/* (-log(erfc(x)) - x) / x on [0, 3.95], error times x erfc(x)/erf(x): 2^-27.8 */
static const real erf_table[] = {0.12837917f,     0.63661957f,   0.102776304f,   -0.019147824f, -0.00016949371f,
                                 0.0016756557f, -0.0006373453f, 0.000118854085f, -9.38689e-06f};
/* (sin(r) - r) / r^3 in r^2 on |r| <= 1.65, relative to sin: 2^-26.4 */
static const real sin_table[] = {-0.16666655f, 0.008332955f, -0.00019801353f, 2.587639e-06f}; /* cos(0) is 1 */
/* pi in parts, to 2^-81: products of the first two with n < 2^12 are exact without fma. */
static const real pi_parts[] = {3.1416015625f, -8.907169103622437e-06f, -1.7411031505432106e-09f, 1.1442377832917456e-17f};
static const real ln2_high = 0.693145751953125f; /* 15 bits: its product with an exponent is exact */
static const real ln2_low = 1.428606765330187e-06f;
static const real exp_zero = 88.0f;      /* the scale of exp(-88) is 2^-127, whose bits are those of 0, */
static const real exp_infinite = 88.8f;  /* and that of exp(88.8) 2^128, whose bits are those of infinity */
static const real exp_lowest = -104.5f;  /* 0 and */
static const real exp_highest = 89.0f;   /* infinity from here on */
static const real erf_one = 3.95f;       /* erf is 1 from here on */
static const real smallest_normal = 1.17549435e-38f;
static const ubits root_half_bits = 0x3f3504f3; /* sqrt(1/2) */
#else
static const real expm1_table[] = { /* 2^-61.6 */
    0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321744, 0.0013888888888889696, 0.00019841269885458648,
    2.4801587290382584e-05, 2.755724507660835e-06, 2.7557318785985554e-07, 2.5108698978117556e-08,
    2.089726291483589e-09};
static const real log_table[] = { /* 2^-59.5 */
    0.6666666666666734, 0.3999999999941646, 0.28571428742109556, 0.22222198592614711,
    0.18183563704067457, 0.1531405792350837, 0.14795951937030583};
static const real log1p_table[] = { /* 2^-59.4 */
    0.6666666666666631,  0.40000000000155916, 0.28571428548009364, 0.22222223960808576, 0.18181744213897652,
    0.1538655428881507, 0.1330104099280716,  0.12105602647808411, 0.08342007952990423, 0.17015406610753822};
static const real erf_table[] = { /* on [0, 5.95]: 2^-56.1 */
    0.12837916709551256,    0.6366197723675836,     0.10277260330178883,    -0.019128447005071967,
    -0.0002091946948234828, 0.0016962063856095367,  -0.0005901255522483589, 2.5878602099004784e-05,
    6.449186629180629e-05,  -2.9724056477479694e-05, 3.4072806266316e-06,   2.8351229623738493e-06,
    -1.741532163139526e-06, 3.363541491982711e-07,  1.3718763025724055e-07, -1.4176414577790796e-07,
    6.57341375209925e-08,   -2.096278843483625e-08, 4.997722378258781e-09,  -9.082234879825474e-10,
    1.2484076140780565e-10, -1.2610945681245814e-11, 8.845517791066684e-13, -3.850494486405522e-14,
    7.834108374246666e-16};
static const real sin_table[] = { /* on |r| <= pi/2: 2^-61.5 */
    -0.16666666666666666,   0.008333333333333207,   -0.0001984126984121248, 2.7557319211569482e-06,
    -2.5052106904423313e-08, 1.6058941002196208e-10, -7.643019357264508e-13, 2.721419165930577e-15};
static const real pi_parts[] = {3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21}; /* n < 2^20; to 2^-122 */
static const real ln2_high = 0.6931471805601177; /* 41 bits */
static const real ln2_low = -1.7239444525614835e-13;
static const real exp_zero = 709.0;
static const real exp_infinite = 709.9;
static const real exp_lowest = -746.0;
static const real exp_highest = 710.0;
static const real erf_one = 5.95;
static const real smallest_normal = 2.2250738585072014e-308;
static const ubits root_half_bits = 0x3fe6a09e667f3bcd;
#endif

#define SIGN_BIT ((ubits)1 << (BITS - 1))
#define POLY(x, x2, table) poly(x, x2, table, (int)(sizeof(table) / sizeof(*table)))

/* c[0] + c[1] x + ... + c[n-1] x^(n-1): even and odd powers in two chains of half the length; x2 = x*x. */
INLINE vec poly(vec x, vec x2, const real *c, const int n)
{
    const int odd = n & 1;
    vec a = vset1(c[n - 1]), b = vset1(c[n - 2]);
    UNROLL for (int i = n - 3; i >= 1; i -= 2) {
        a = vfma(a, x2, vset1(c[i]));
        b = vfma(b, x2, vset1(c[i - 1]));
    }
    if (odd && n > 2) a = vfma(a, x2, vset1(c[0]));
    return odd ? vfma(b, x, a) : vfma(a, x, b);
}

INLINE vec copy_sign(vec size, vec sign)
{
    return vreal((vbits(size) & ~SIGN_BIT) | (vbits(sign) & SIGN_BIT));
}

/* max(x, 0), and 0 for NaN: its other addend carries the NaN. */
INLINE vec positive_part(vec x) { return vselect(vlt(vset1(0), x), x, vset1(0)); }

/* Cody and Waite's reduction: x = n ln2 + r, |r| <= ln(2)/2; gives expm1(r), and exp(x) = (expm1(r) + 1) 2^n.
   The low bits of *shifted are n + bias, so shifted << MANTISSA_BITS is 2^(n + bias - EXPONENT_BIAS): `bias` is part of
   the constant whose addition rounds. */
INLINE vec exp_reduce(vec x, int bias, uivec *shifted)
{
    const vec magic = vset1(ROUND_MAGIC + (real)bias), sum = vfma(x, vset1(RC(1.4426950408889634)), magic);
    const vec n = sum - magic;
    *shifted = vbits(sum);
    const vec r = vfma(n, vset1(-ln2_low), vfma(n, vset1(-ln2_high), x)), r2 = r * r;
    return vfma(r2, POLY(r, r2, expm1_table), r);
}

INLINE vec scale_of(uivec shifted) { return vreal(shifted << MANTISSA_BITS); }

/* exp: 1.08 / 1.03 ulp.  The scale is two factors, as 2^128 and 2^-150 are no normal numbers: underflow is gradual. */
INLINE vec vexp(vec x)
{
    uivec shifted;
    const vec limited = vmax(vmin(x, vset1(exp_highest)), vset1(exp_lowest));
    const vec q = exp_reduce(limited, 2 * EXPONENT_BIAS, &shifted);
    const uivec half = shifted >> 1;
    const vec s = scale_of(half);
    return vfma(q, s, s) * scale_of(shifted - half);
}

/* exp of x <= 0 in fewer operations: 1.08 / 1.03 ulp; 0 from -88 / -709 down, NaN or nonsense above 0. */
INLINE vec vexp_nonpositive(vec x)
{
    uivec shifted;
    const vec q = exp_reduce(vmax(x, vset1(-exp_zero)), EXPONENT_BIAS, &shifted), s = scale_of(shifted);
    return vfma(q, s, s);
}

/* 1 + exp(-x) */
INLINE vec one_plus_exp_of_minus(vec x)
{
    uivec shifted;
    const vec limited = vmax(vmin(x, vset1(exp_zero)), vset1(-exp_infinite));
    const vec q = exp_reduce(-limited, EXPONENT_BIAS, &shifted);
    return vfma(q + vset1(1), scale_of(shifted), vset1(1));
}

/* sigmoid: 2.49 / 2.39 ulp.  exp(-x) may become infinite: 1/inf is the right limit. */
INLINE vec vsigmoid(vec x) { return vset1(1) / one_plus_exp_of_minus(x); }

/* expm1: 1.70 / 1.95 ulp.  2^n - 1 is exact where it matters, so one fma joins it; by halves, as 2^128 is no number. */
INLINE vec vexpm1(vec x)
{
    uivec shifted;
    const vec limited = vmax(vmin(x, vset1(exp_highest)), vset1(-40));
    const vec q = exp_reduce(limited, EXPONENT_BIAS - 1, &shifted), s = scale_of(shifted);
    return vfma(q, s, s - vset1(RC(0.5))) * vset1(2);
}

/* expm1 of x <= 0 in fewer operations, nonsense above 0 */
INLINE vec vexpm1_nonpositive(vec x)
{
    uivec shifted;
    const vec q = exp_reduce(vmax(x, vset1(-40)), EXPONENT_BIAS, &shifted), s = scale_of(shifted);
    return vfma(q, s, s - vset1(1));
}

/* tanh: 1.99 ulp in both types.  tanh(|x|) = (1 - w)/(1 + w), w = exp(-2|x|) = s + q s, here with the sign changed: t = n/d.
   n and d are rounded once, which is near enough for float32 and 2.09 ulp for float64.  There `rest` is what rounding took
   from d, and what is left of n after t d goes over d too, as (1 + |t|)/2 is 1/d. */
INLINE vec vtanh(vec x)
{
    uivec shifted;
    const vec q = exp_reduce(vmax(vabs(x) * vset1(-2), vset1(-40)), EXPONENT_BIAS, &shifted);
    const vec s = scale_of(shifted), one = vset1(1);
    const vec n = vfma(q, s, s - one), d = vfma(q, s, s + one), t = n / d;
#if BITS == 32
    return copy_sign(t, x);
#else
    const vec rest = vfma(q, s, (s + one) - d), left = vfma(-t, rest, vfma(-t, d, n)), half = vset1(RC(0.5));
    return copy_sign(vfma(left, vfma(-half, t, half), t), x);
#endif
}

/* erf: 1.96 / 1.55 ulp.  erf(|x|) = -expm1(-Q), Q = -log(erfc(|x|)): Q is smooth, so that one polynomial serves all x,
   and its error matters less and less as erfc falls. */
INLINE vec verf(vec x)
{
    const vec a = vmin(vabs(x), vset1(erf_one));
    const vec q = vfma(a, POLY(a, a * a, erf_table), a);
    return copy_sign(vexpm1_nonpositive(-q), x);
}

/* log(1 + f) = 2 atanh(s), s = f/(2 + f), as f + s (s^2 T(s^2) - f): 2s = f - s f. */
INLINE vec log_series(vec f, const real *table, const int n)
{
    const vec s = f / (f + vset1(2)), s2 = s * s;
    return vfma(s, vfma(s2, poly(s2, s2 * s2, table, n), -f), f);
}
#define LOG_SERIES(f, table) log_series(f, table, (int)(sizeof(table) / sizeof(*table)))

/* The exponent field k + EXPONENT_BIAS of x = 2^k m, and m in [sqrt(1/2), sqrt(2)); x is positive and normal. */
INLINE uivec log_reduce(vec x, vec *m)
{
    const uivec i = vbits(x) + (vbits(vset1(1)) - root_half_bits);
    *m = vreal((i & (((ubits)1 << MANTISSA_BITS) - 1)) + root_half_bits);
    return i >> MANTISSA_BITS;
}

/* field - offset as a number, for a small field: its bits are or'ed into those of a constant. */
INLINE vec field_minus(uivec field, vec offset)
{
    return vreal(field | vbits(vset1(ROUND_MAGIC))) - (offset + vset1(ROUND_MAGIC));
}

/* y where the argument x of a logarithm is positive and finite, the limits elsewhere. */
INLINE vec log_limits(vec y, vec x)
{
    const vec infinity = vset1((real)INFINITY), zero = vset1(0);
    y = vselect(vlt(x, infinity), y, x);
    return vselect(vle(x, zero), vselect(veq(x, zero), -infinity, vset1((real)NAN)), y);
}

/* log: 0.96 / 1.29 ulp.  Denormals are scaled by 2^54 first. */
INLINE vec vlog(vec x)
{
    const vmask small = vlt(x, vset1(smallest_normal));
    const vec offset = vselect(small, vset1(EXPONENT_BIAS + 54), vset1(EXPONENT_BIAS));
    vec m;
    const uivec field = log_reduce(vselect(small, x * vset1(RC(18014398509481984.0)), x), &m);
    const vec y = LOG_SERIES(m - vset1(1), log_table);
    return log_limits(vfma(field_minus(field, offset), vset1(RC(0.6931471805599453)), y), x);
}

/* log1p: 1.50 / 1.71 ulp.  k is that of 1 + x rounded, but f = (1 + x) 2^-k - 1 = x 2^-k + (2^-k - 1) is rounded once.
   2^-k must be normal, so beyond 2^120 the argument is scaled by 2^-60. */
INLINE vec vlog1p(vec x)
{
    const vmask large = vlt(vset1(RC(1329227995784915872903807060280344576.0)), x);
    const vec offset = vselect(large, vset1(EXPONENT_BIAS - 60), vset1(EXPONENT_BIAS));
    const vec scaled = vselect(large, x * vset1(RC(8.673617379884035e-19)), x);
    vec m;
    const uivec field = log_reduce(scaled + vset1(1), &m);
    const vec s = vreal((2 * EXPONENT_BIAS - field) << MANTISSA_BITS);
    const vec y = LOG_SERIES(vfma(scaled, s, s - vset1(1)), log_table);
    return log_limits(vfma(field_minus(field, offset), vset1(RC(0.6931471805599453)), y), x + vset1(1));
}

/* log(1 + exp(-|x|)): 1.9 / 1.6 ulp.  The argument of the logarithm is in [1, 2], so nothing is split off. */
INLINE vec vlog1p_exp_of_minus_abs(vec x)
{
    return LOG_SERIES(vexp_nonpositive(-vabs(x)), log1p_table);
}

#undef LOG_SERIES

/* sin(r) for |r| <= pi/2, and a little beyond.  r^2 P(r^2) is over a third of r there, so P is one chain: it rounds less. */
INLINE vec sin_series(vec r)
{
    const int n = (int)(sizeof(sin_table) / sizeof(*sin_table));
    const vec r2 = r * r;
    vec p = vset1(sin_table[n - 1]);
    UNROLL for (int i = n - 2; i >= 0; i--) p = vfma(p, r2, vset1(sin_table[i]));
    return vfma(r * r2, p, r);
}

/* y, or -y where the low bit of `odd` is 1 */
INLINE vec negate_if(vec y, uivec odd) { return vreal(vbits(y) ^ (odd << (BITS - 1))); }

/* Cody and Waite's reduction: x - n pi, n whole or half a number. */
INLINE vec minus_multiple_of_pi(vec x, vec n)
{
    UNROLL for (int i = 0; i < (int)(sizeof(pi_parts) / sizeof(*pi_parts)); i++) x = vfma(n, vset1(-pi_parts[i]), x);
    return x;
}

/* y where |x| <= 2^20, else NaN: beyond, neither pi nor a rounded quotient has the bits. */
INLINE vec sin_limits(vec y, vec x) { return vselect(vle(vabs(x), vset1(1048576)), y, vset1((real)NAN)); }

/* sin: 2.50 / 2.22 ulp; without fma float32 has that for |x| < 6400 alone. */
INLINE vec vsin(vec x)
{
    const vec magic = vset1(ROUND_MAGIC), sum = vfma(x, vset1(RC(0.3183098861837907)), magic);
    return sin_limits(negate_if(sin_series(minus_multiple_of_pi(x, sum - magic)), vbits(sum)), x);
}

/* cos: 2.44 / 2.16 ulp, likewise.  With n = k + 1/2 it is -(-1)^k sin(x - n pi).  Of a large x float32 may choose the next n,
   which is why r may be above pi/2. */
INLINE vec vcos(vec x)
{
    const vec magic = vset1(ROUND_MAGIC), half = vset1(RC(0.5));
    const vec sum = vfma(x, vset1(RC(0.3183098861837907)), -half) + magic;
    return sin_limits(negate_if(sin_series(minus_multiple_of_pi(x, (sum - magic) + half)), ~vbits(sum)), x);
}

/* What is left of u turns without whole ones, at most half a turn, exactly; of a u that is too large, 0 or something else. */
INLINE vec part_of_turn(vec u)
{
    const vec magic = vset1(ROUND_MAGIC);
    return u - ((u + magic) - magic);
}

/* 1/4 - |r|: the cosine of r turns is the sine of these, and its sine has the size of their cosine. */
INLINE vec quarter_less(vec r) { return vset1(RC(0.25)) - vmin(vabs(r), vset1(RC(0.5))); }

INLINE vec sin_of_quarter(vec turns) { return sin_series(turns * vset1(RC(6.283185307179586))); }

/* cos(2 pi u) and sin(2 pi u), of every finite u: within 2^-22.8 / 2^-52. */
INLINE vec vcos_of_turns(vec u) { return sin_of_quarter(quarter_less(part_of_turn(u))); }

INLINE vec vsin_of_turns(vec u)
{
    const vec r = part_of_turn(u);
    return copy_sign(sin_of_quarter(quarter_less(quarter_less(r))), r);
}

#endif
