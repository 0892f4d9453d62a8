/* Random numbers, scalar: shuffling and initial weights (see random.h). */
#include "random.h"

#include "interrupt.h"

#include <string.h>

#include "cpu.h"

void fm_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < FM_PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)c0 * FM_PHILOX_M0, p1 = (uint64_t)c2 * FM_PHILOX_M1;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += FM_PHILOX_W0;
        k1 += FM_PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* One block for a purpose; c3 = purpose | layer << 8. */
static void draw(uint32_t out[4], uint64_t seed, uint64_t c01, uint32_t c2, uint32_t c3)
{
    const uint32_t counter[4] = {(uint32_t)c01, (uint32_t)(c01 >> 32), c2, c3};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    fm_philox(out, counter, key);
}

int fm_shuffle(int64_t *order, ptrdiff_t n, uint64_t seed, uint32_t epoch)
{
    uint32_t words[4];
    for (ptrdiff_t i = 0; i < n; i++) order[i] = i;
    for (ptrdiff_t t = 0, i = n - 1; i > 0; t++, i--) {
        if (t % (1 << 20) == 0 && fm_interrupted()) return 1;
        if (t % 4 == 0) draw(words, seed, (uint32_t)(t / 4), epoch, FM_SHUFFLE);
        const ptrdiff_t j = (ptrdiff_t)(((uint64_t)words[t % 4] * ((uint64_t)i + 1)) >> 32);
        const int64_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return 0;
}

/* 53 of two words' 64 bits, times 2^-53. */
static double unit_interval(const uint32_t words[2])
{
    return ((words[0] >> 5) * 67108864.0 + (words[1] >> 6)) * 0x1p-53;
}

double fm_uniform(uint64_t seed, uint32_t layer, uint32_t array, uint64_t element)
{
    uint32_t words[4];
    draw(words, seed, element / 2, array, FM_WEIGHTS | layer << 8);
    return unit_interval(words + 2 * (element % 2));
}

double fm_normal(uint64_t seed, uint32_t layer, uint32_t array, uint64_t element)
{
    uint32_t words[4];
    draw(words, seed, element, array, FM_WEIGHTS | layer << 8);
    const double u1 = unit_interval(words), u2 = unit_interval(words + 2);
    return __builtin_sqrt(-2 * fm_logarithm(1 - u1)) * fm_cosine(6.283185307179586 * u2);
}

/* x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); with s = f / (2 + f), log(1 + f) = 2s + s^3 P(s^2), summed as in
   fdlibm so that the leading term, f, is exact.  P: Chebyshev fit of (log((1 + s) / (1 - s)) - 2s) / s^3, error
   4.6e-18 of the result. */
double fm_logarithm(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t shifted = bits - 0x3FE6A09E00000000u; /* the exponent field grows at sqrt(1/2) */
    const double k = (double)((int64_t)shifted >> 52);
    bits -= shifted & 0xFFF0000000000000u;
    memcpy(&x, &bits, sizeof x);
    const double f = x - 1, s = f / (2 + f), z = s * s, half_square = 0.5 * f * f;
    double p = 0.14617807153417325;
    p = p * z + 0.15331611722055008;
    p = p * z + 0.1818289243253687;
    p = p * z + 0.22222211089379496;
    p = p * z + 0.28571428626253836;
    p = p * z + 0.3999999999989889;
    p = p * z + 0.666666666666667;
    const double ln2_high = 0.6931471804855391, ln2_low = 7.440617110012397e-11; /* k * ln2_high is exact */
    return k * ln2_high - ((half_square - (s * (half_square + z * p) + k * ln2_low)) - f);
}

/* sin and cos on [-pi/4, pi/4]: Chebyshev fits of (sin r - r) / r^3 and (cos r - 1 + r^2/2) / r^4 in r^2, errors
   1.3e-17 and 5e-19; `tail` is what r lacks. */
static double sine_near_zero(double r, double tail)
{
    const double z = r * r;
    double p = 1.5917988979397435e-10;
    p = p * z - 2.5051129896450185e-08;
    p = p * z + 2.7557316093198404e-06;
    p = p * z - 0.00019841269836740532;
    p = p * z + 0.008333333333330936;
    p = p * z - 0.16666666666666666;
    return r + (r * z * p + tail);
}

static double cosine_near_zero(double r, double tail)
{
    const double z = r * r, half = 0.5 * z, rest = 1 - half;
    double p = -1.138254464534925e-11;
    p = p * z + 2.087614504941318e-09;
    p = p * z - 2.755731726587808e-07;
    p = p * z + 2.48015872987544e-05;
    p = p * z - 0.0013888888888887389;
    p = p * z + 0.041666666666666664;
    return rest + (((1 - rest) - half) + (z * z * p - r * tail));
}

/* Cody and Waite: x = n pi/2 + r + tail, pi/2 in three parts of which n times the first two are exact; what the
   subtractions round away goes into the tail. */
static double cosine(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    const double n = (x * 0.6366197723675814 + magic) - magic;
    const double first = x - n * 1.5707963267341256, second = n * 6.077100506303966e-11, near = first - second;
    const double low = n * 2.0222662487959506e-21 - ((first - near) - second);
    const double r = near - low, tail = (near - r) - low;
    switch ((int)n & 3) {
    case 0: return cosine_near_zero(r, tail);
    case 1: return -sine_near_zero(r, tail);
    case 2: return -cosine_near_zero(r, tail);
    default: return sine_near_zero(r, tail);
    }
}

/* The one of these functions that is called from outside a plan's work, so the control word is the caller's. */
double fm_cosine(double x)
{
    const unsigned word = fm_fp_begin();
    const double result = cosine(x);
    fm_fp_end(word);
    return result;
}
