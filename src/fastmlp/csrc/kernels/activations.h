/* Activations and their derivatives: a typed source, read after elementary.h.

   X_forward(z, p) is a; X_derivative(u, p) is da/dz from u = z or a, as activations.def says; p is the activation's
   parameter.  The errors beside the functions are the largest measured for either type with fma, in ulp (eps is that
   of 1); where a factor of z underflows, they are below |z| times the smallest normal number, and where z/p does, below
   |p| times it.  Infinite and large z give the limits.  The sign of a zero is not promised. */
#ifndef FM_ACTIVATIONS_H
#define FM_ACTIVATIONS_H

#include "elementary.h"

#define ONE vset1(1)
#define TWO vset1(2)
#define THREE vset1(3)
#define SIX vset1(6)
#define ZERO vset1(0)
#define IGNORE(p) (void)(p)

INLINE vec identity_forward(vec z, vec p) { IGNORE(p); return z; }
INLINE vec identity_derivative(vec a, vec p) { IGNORE(p); IGNORE(a); return ONE; }

/* 1 for z > 0, else 0 */
INLINE vec step_forward(vec z, vec p)
{
    IGNORE(p);
    return vselect(vlt(ZERO, z), ONE, vselect(vle(z, ZERO), ZERO, z));
}
INLINE vec step_derivative(vec a, vec p) { IGNORE(p); IGNORE(a); return ZERO; }

INLINE vec sigmoid_forward(vec z, vec p) { IGNORE(p); return vsigmoid(z); }
/* 1.5 ulp */
INLINE vec sigmoid_derivative(vec a, vec p) { IGNORE(p); return a * (ONE - a); }

INLINE vec tanh_forward(vec z, vec p) { IGNORE(p); return vtanh(z); }
/* 1 - a^2, without its cancellation: 1.5 ulp */
INLINE vec tanh_derivative(vec a, vec p) { IGNORE(p); return (ONE - a) * (ONE + a); }

INLINE vec relu_forward(vec z, vec p) { IGNORE(p); return vselect(vlt(z, ZERO), ZERO, z); }
INLINE vec relu_derivative(vec a, vec p) { IGNORE(p); return vselect(vlt(ZERO, a), ONE, ZERO); }

/* z for z > 0, else p z; p >= 0, or the sign of a would not tell that of z */
INLINE vec leaky_relu_forward(vec z, vec p) { return vselect(vlt(ZERO, z), z, p * z); }
INLINE vec leaky_relu_derivative(vec a, vec p) { return vselect(vlt(ZERO, a), ONE, p); }

/* z for z > 0, else p (exp(z) - 1), p >= 0: 2.1 ulp */
INLINE vec elu_forward(vec z, vec p)
{
    return vselect(vlt(ZERO, z), z, p * vexpm1_nonpositive(z));
}
INLINE vec elu_derivative(vec a, vec p) { return vselect(vlt(ZERO, a), ONE, a + p); }

/* z for z > 0, else p (exp(z/p) - 1), p > 0 (Barron, arXiv:1704.07483): 2.5 ulp; below 0, of which there is no
   derivative, z/p is positive */
INLINE vec celu_forward(vec z, vec p) { return vselect(vlt(z, ZERO), p * vexpm1(z / p), z); }
/* exp(z/p) = a/p + 1 without its cancellation: 1.5 ulp */
INLINE vec celu_derivative(vec a, vec p) { return vselect(vlt(ZERO, a), ONE, (a + p) / p); }

/* Klambauer et al., Self-Normalizing Neural Networks, 2017: the scale times elu of 1.6732632423543772; 2 ulp */
#define SELU_SCALE vset1(RC(1.0507009873554805))
#define SELU_SCALE_ALPHA vset1(RC(1.7580993408473768))
INLINE vec selu_forward(vec z, vec p)
{
    IGNORE(p);
    return vselect(vlt(ZERO, z), SELU_SCALE * z, SELU_SCALE_ALPHA * vexpm1_nonpositive(z));
}
INLINE vec selu_derivative(vec a, vec p)
{
    IGNORE(p);
    return vselect(vlt(ZERO, a), SELU_SCALE, a + SELU_SCALE_ALPHA);
}

/* z P(Z <= z) for a standard normal Z (Hendrycks and Gimpel, 2016).  The tail P(Z <= -a) is exp(-a^2/2) N(a)/D(a), N/D
   minimax for the relative error on [0, tail_end], all coefficients positive; tail_end is where exp(-a^2/2) is 0. */
#if BITS == 32
/* 2^-26.6 */
static const real tail_numerator[] = {0.5f, 0.4382947f, 0.183235f, 0.040633187f, 0.0041163075f};
static const real tail_denominator[] = {1.0f, 1.6744744f, 1.2025025f, 0.4694703f, 0.10185874f, 0.010317933f};
static const real tail_end = 14.5f;
#else
/* 2^-56.0 */
static const real tail_numerator[] = {
    0.5, 0.8279441145968883, 0.6796402370969062, 0.35736970081053626, 0.13205869373243542, 0.03567216379185391,
    0.007123957802371439, 0.0010399062902995055, 0.00010659589937692416, 6.977752393435882e-06, 2.2425066770626425e-07};
static const real tail_denominator[] = {
    1.0, 2.453772789996642, 2.8171078990502973, 2.0015414256585164, 0.9801715808979615, 0.34835039098808757,
    0.09198853191756413, 0.018123186114880955, 0.002624149141878367, 0.0002677584083990325, 1.7490631442790332e-05,
    5.621130642772749e-07};
static const real tail_end = 39.0;
#endif

/* exp(-a^2/2), with what a*a loses in rounding put back, and *ratio = N(a)/D(a) */
INLINE vec normal_tail(vec a, vec *ratio)
{
    const vec h = a * vset1(RC(-0.5)), y = h * a, lost = vfma(h, a, -y), a2 = a * a;
    const vec e = vexp_nonpositive(y);
    *ratio = POLY(a, a2, tail_numerator) / POLY(a, a2, tail_denominator);
    return vfma(e, lost, e);
}
/* 5.2 ulp, and where it is more than 4 within 1.2 eps |z| */
INLINE vec gelu_forward(vec z, vec p)
{
    IGNORE(p);
    vec ratio;
    const vec a = vmin(vabs(z), vset1(tail_end)), e = normal_tail(a, &ratio);
    return vfma(-a * ratio, e, positive_part(z));
}
/* P(Z <= z) + z exp(-z^2/2)/sqrt(2 pi): 4 ulp or 1.2 eps; zero at -0.75 */
INLINE vec gelu_derivative(vec z, vec p)
{
    IGNORE(p);
    vec ratio;
    const vec a = vmin(vabs(z), vset1(tail_end)), e = normal_tail(a, &ratio);
    const vec d = e * vfma(a, vset1(RC(-0.3989422804014327)), ratio);
    return vselect(vlt(z, ZERO), d, ONE - d);
}

/* z sigmoid(v), v = 2 sqrt(2/pi) (z + 0.044715 z^3): 4 ulp or 0.3 eps |z| */
#define GELU_TANH_LINEAR RC(1.5957691216057308)
#define GELU_TANH_CUBIC RC(0.07135481627260025)
INLINE vec gelu_tanh_forward(vec z, vec p)
{
    IGNORE(p);
    const vec low = vmax(z, vset1(-24)), x = vmin(low, vset1(24));
    const vec v = x * vfma(x * x, vset1(GELU_TANH_CUBIC), vset1(GELU_TANH_LINEAR));
    return low / one_plus_exp_of_minus(v);
}

/* sigmoid(v) and its derivative e/(1 + e)^2, e = exp(-|v|) */
INLINE vec sigmoid_and_slope(vec v, vec *slope)
{
    const vec e = vexp_nonpositive(-vabs(v)), positive = ONE / (ONE + e), negative = e * positive;
    *slope = negative * positive;
    return vselect(vlt(v, ZERO), negative, positive);
}
/* sigmoid(v) + z v' sigmoid'(v): 4 ulp or 0.7 eps; zero at -0.75 */
INLINE vec gelu_tanh_derivative(vec z, vec p)
{
    IGNORE(p);
    const vec x = vmax(vmin(z, vset1(24)), vset1(-24)), x2 = x * x;
    const vec v = x * vfma(x2, vset1(GELU_TANH_CUBIC), vset1(GELU_TANH_LINEAR));
    const vec dv = vfma(x2, vset1(RC(3.0) * GELU_TANH_CUBIC), vset1(GELU_TANH_LINEAR));
    vec slope;
    const vec s = sigmoid_and_slope(v, &slope);
    return vfma(x * dv, slope, s);
}

/* z sigmoid(z), also called swish: 2.3 ulp */
INLINE vec silu_forward(vec z, vec p)
{
    IGNORE(p);
    return vmax(z, vset1(-exp_infinite)) / one_plus_exp_of_minus(z);
}
/* sigmoid(z) + z sigmoid'(z): 4 ulp or 0.5 eps; zero at -1.28 */
INLINE vec silu_derivative(vec z, vec p)
{
    IGNORE(p);
    const vec x = vmax(vmin(z, vset1(exp_zero)), vset1(-exp_zero));
    vec slope;
    const vec s = sigmoid_and_slope(x, &slope);
    return vfma(x, slope, s);
}

/* z tanh(log(1 + exp(z))) (Misra, 2019).  With w = exp(-|z|) the tanh is n/d: for z < 0 n = w^2 + 2w, d = n + 2;
   else n = 1 + 2w, d = n + 2w^2.  Returns n.  mish: 3.7 ulp. */
INLINE vec mish_quotient(vec z, vec *w, vec *d)
{
    *w = vexp_nonpositive(-vabs(z));
    const vec w2 = *w + *w, below = vfma(*w, *w, w2), above = w2 + ONE;
    const vmask negative = vlt(z, ZERO);
    *d = vselect(negative, below + TWO, vfma(w2, *w, above));
    return vselect(negative, below, above);
}
INLINE vec mish_forward(vec z, vec p)
{
    IGNORE(p);
    vec w, d;
    const vec n = mish_quotient(z, &w, &d);
    return vmax(z, vset1(-exp_zero)) * n / d;
}
/* n/d + z g/d^2, g = 4w(w + 1) for z < 0, else 4w^2(w + 1): 4 ulp or 0.6 eps; zero at -1.19 */
INLINE vec mish_derivative(vec z, vec p)
{
    IGNORE(p);
    const vec x = vmax(vmin(z, vset1(exp_zero)), vset1(-exp_zero));
    vec w, d;
    const vec n = mish_quotient(x, &w, &d), inverse = ONE / d, w4 = w * vset1(4), g = vfma(w4, w, w4);
    return vfma(x * vselect(vlt(x, ZERO), g, g * w), inverse, n) * inverse;
}

/* log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)): 1.9 ulp */
INLINE vec softplus_forward(vec z, vec p)
{
    IGNORE(p);
    return positive_part(z) + vlog1p_exp_of_minus_abs(z);
}
INLINE vec softplus_derivative(vec z, vec p) { IGNORE(p); return vsigmoid(z); }

/* z/(1 + |z|): 1.5 ulp; 2^60 stands for all beyond it, as inf/inf is no number */
INLINE vec softsign_forward(vec z, vec p)
{
    IGNORE(p);
    const vec x = vmax(vmin(z, vset1(RC(1152921504606846976.0))), vset1(RC(-1152921504606846976.0)));
    return x / (ONE + vabs(x));
}
/* (1 - |a|)^2: 2 ulp */
INLINE vec softsign_derivative(vec a, vec p)
{
    IGNORE(p);
    const vec rest = ONE - vabs(a);
    return rest * rest;
}

/* z between two bounds */
INLINE vec clipped(vec z, vec least, vec most) { return vmin(vmax(z, least), most); }
/* 1 for least < a < most, else 0 */
INLINE vec clipped_derivative(vec a, vec least, vec most)
{
    return vselect(vlt(least, a), vselect(vlt(a, most), ONE, ZERO), ZERO);
}

INLINE vec relu6_forward(vec z, vec p) { IGNORE(p); return clipped(z, ZERO, SIX); }
INLINE vec relu6_derivative(vec a, vec p) { IGNORE(p); return clipped_derivative(a, ZERO, SIX); }

INLINE vec hard_tanh_forward(vec z, vec p) { IGNORE(p); return clipped(z, -ONE, ONE); }
INLINE vec hard_tanh_derivative(vec a, vec p) { IGNORE(p); return clipped_derivative(a, -ONE, ONE); }

/* relu6(z + 3)/6, a line through the middle of the sigmoid (Howard et al., arXiv:1905.02244): 1 ulp */
INLINE vec hard_sigmoid_forward(vec z, vec p) { IGNORE(p); return clipped(z + THREE, ZERO, SIX) / SIX; }
INLINE vec hard_sigmoid_derivative(vec a, vec p) { IGNORE(p); return clipped_derivative(a, ZERO, ONE) / SIX; }

/* z hard_sigmoid(z), which is 0 from -3 down: 1.9 ulp */
INLINE vec hard_swish_forward(vec z, vec p) { return vmax(z, -THREE) * hard_sigmoid_forward(z, p); }
/* (2z + 3)/6 between -3 and 3: 1 ulp */
INLINE vec hard_swish_derivative(vec z, vec p)
{
    IGNORE(p);
    const vec slope = (z + z + THREE) / SIX;
    return vselect(vle(z, -THREE), ZERO, vselect(vle(THREE, z), ONE, slope));
}

INLINE vec exp_forward(vec z, vec p) { IGNORE(p); return vexp(z); }
INLINE vec exp_derivative(vec a, vec p) { IGNORE(p); return a; }

/* log(sigmoid(z)) = min(z, 0) - log(1 + exp(-|z|)): 1.9 ulp */
INLINE vec log_sigmoid_forward(vec z, vec p)
{
    IGNORE(p);
    return vmin(z, ZERO) - vlog1p_exp_of_minus_abs(z);
}
/* 1 - exp(a): 2 ulp */
INLINE vec log_sigmoid_derivative(vec a, vec p) { IGNORE(p); return -vexpm1_nonpositive(a); }

/* 1 for a other than 0, else 0 */
INLINE vec let_through(vec a) { return vselect(vlt(ZERO, vabs(a)), ONE, ZERO); }

/* z for |z| > p, else 0; p >= 0, or a of 0 would not tell that z is small */
INLINE vec hard_shrink_forward(vec z, vec p) { return vselect(vle(vabs(z), p), ZERO, z); }
INLINE vec hard_shrink_derivative(vec a, vec p) { IGNORE(p); return let_through(a); }

/* z, nearer to 0 by p >= 0 (Donoho 1995): 0.5 ulp */
INLINE vec soft_shrink_forward(vec z, vec p) { return z - clipped(z, -p, p); }
INLINE vec soft_shrink_derivative(vec a, vec p) { IGNORE(p); return let_through(a); }

/* z - tanh(z): 4 ulp or 1.5 eps |z| */
INLINE vec tanh_shrink_forward(vec z, vec p) { IGNORE(p); return z - vtanh(z); }
/* tanh(z)^2: 4 ulp or 0.2 eps */
INLINE vec tanh_shrink_derivative(vec z, vec p)
{
    IGNORE(p);
    const vec t = vtanh(z);
    return t * t;
}

/* z for z > p, else 0 (Konda et al., arXiv:1402.3337) */
INLINE vec thresholded_relu_forward(vec z, vec p) { return vselect(vle(z, p), ZERO, z); }
INLINE vec thresholded_relu_derivative(vec z, vec p) { return vselect(vlt(p, z), ONE, vselect(vle(z, p), ZERO, z)); }

/* (|z| + s)/2, s = sqrt(z^2 + p), which is |z| where 2^60 hides p */
INLINE vec squareplus_half(vec z, vec p, vec *s)
{
    const vec size = vabs(z), half = vset1(RC(0.5));
    *s = vselect(vlt(size, vset1(RC(1152921504606846976.0))), vsqrt(vfma(z, z, p)), size);
    return vfma(half, size, half * *s);
}
/* (z + sqrt(z^2 + p))/2, p > 0, which is p/4 over (|z| + s)/2 below 0 (Barron, arXiv:2112.11687): 1.9 ulp */
INLINE vec squareplus_forward(vec z, vec p)
{
    vec s;
    const vec half = squareplus_half(z, p, &s);
    return vselect(vlt(z, ZERO), p * vset1(RC(0.25)) / half, half);
}
/* a/s: 4 ulp */
INLINE vec squareplus_derivative(vec z, vec p)
{
    vec s;
    const vec x = vmin(z, vset1(RC(1152921504606846976.0))), half = squareplus_half(x, p, &s);
    return vselect(vlt(x, ZERO), p * vset1(RC(0.25)) / half, half) / s;
}

/* (z + 1)/2 between 0 and 1 */
INLINE vec sparse_sigmoid_forward(vec z, vec p) { IGNORE(p); return clipped(z + ONE, ZERO, TWO) / TWO; }
INLINE vec sparse_sigmoid_derivative(vec a, vec p) { IGNORE(p); return clipped_derivative(a, ZERO, ONE) / TWO; }

/* sparse_sigmoid(z)^2 up to 1, then z: 2 ulp */
INLINE vec sparse_plus_forward(vec z, vec p)
{
    const vec root = sparse_sigmoid_forward(z, p);
    return vselect(vlt(ONE, z), z, root * root);
}
INLINE vec sparse_plus_derivative(vec z, vec p) { return sparse_sigmoid_forward(z, p); }

#undef ONE
#undef TWO
#undef THREE
#undef SIX
#undef ZERO
#undef IGNORE

#endif
