/* Philox and what is drawn from it, in integers and plain double arithmetic. */
#include "random.h"

#include <string.h>

#include "threads.h"

enum { SHUFFLE = 1, WEIGHTS = 2, DROPOUT = 3 };
enum { ROUNDS = 10, BLOCKS = 16 }; /* BLOCKS: counters that advance together, for the compiler to vectorize */

static uint32_t purpose(uint32_t what, uint32_t layer) { return what | layer << 8; }

/* BLOCKS counters that differ in their first word alone: c[word][block]. */
static void philox_blocks(uint32_t c[4][BLOCKS], uint32_t key_0, uint32_t key_1)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const uint64_t product_0 = (uint64_t)0xD2511F53u * c[0][i], product_1 = (uint64_t)0xCD9E8D57u * c[2][i];
            const uint32_t first = (uint32_t)(product_1 >> 32) ^ c[1][i] ^ key_0;
            const uint32_t third = (uint32_t)(product_0 >> 32) ^ c[3][i] ^ key_1;
            c[0][i] = first, c[1][i] = (uint32_t)product_1, c[2][i] = third, c[3][i] = (uint32_t)product_0;
        }
        key_0 += 0x9E3779B9u, key_1 += 0xBB67AE85u;
    }
}

void fm_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, key_0 = key[0], key_1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t product_0 = (uint64_t)0xD2511F53u * c[0], product_1 = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t first = (uint32_t)(product_1 >> 32) ^ c[1] ^ key_0;
        const uint32_t third = (uint32_t)(product_0 >> 32) ^ c[3] ^ key_1;
        c[0] = first, c[1] = (uint32_t)product_1, c[2] = third, c[3] = (uint32_t)product_0;
        key_0 += 0x9E3779B9u, key_1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

static void draw(uint32_t out[4], uint64_t seed, uint64_t index, uint32_t epoch, uint32_t what)
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), epoch, what};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    fm_philox(out, counter, key);
}

/* Fisher and Yates, from the last place down. */
void fm_shuffle(int64_t *order, ptrdiff_t n, uint64_t seed, uint32_t epoch)
{
    uint32_t words[4];
    for (ptrdiff_t i = 0; i < n; i++) order[i] = i;
    for (ptrdiff_t t = 0; t < n - 1; t++) {
        const ptrdiff_t i = n - 1 - t;
        if (t % 4 == 0) draw(words, seed, (uint64_t)t / 4, epoch, SHUFFLE);
        const ptrdiff_t j = (ptrdiff_t)(((uint64_t)words[t % 4] * (uint64_t)(i + 1)) >> 32);
        const int64_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}

/* 53 bits of two words, in [0, 1). */
static double unit(uint32_t high, uint32_t low)
{
    return ((double)(high >> 5) * 67108864.0 + (double)(low >> 6)) * 0x1p-53;
}

double fm_uniform(uint64_t seed, uint32_t layer, uint64_t element)
{
    uint32_t words[4];
    draw(words, seed, element / 2, 0, purpose(WEIGHTS, layer));
    return unit(words[element % 2 * 2], words[element % 2 * 2 + 1]);
}

static double polynomial(const double *coefficients, int count, double x)
{
    double sum = coefficients[count - 1];
    for (int i = count - 2; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

/* log(x) for normal x > 0: x = 2^k m with m in [sqrt(1/2), sqrt(2)), and log m = 2 atanh(s), s = (m - 1) / (m + 1). */
static double logarithm(double x)
{
    /* (2 atanh(s) - 2 s) / s^3 in s^2, interpolated at Chebyshev points */
    static const double series[] = {0.666666666666667,   0.39999999999899444, 0.2857142862600327, 0.22222211130259878,
                                    0.18182889455674947, 0.15331710618210773, 0.14616585424888623};
    uint64_t bits;
    double m;
    memcpy(&bits, &x, sizeof bits);
    /* subtracting the bits of sqrt(1/2) makes the exponent field that of m's range */
    const int64_t k = (int64_t)(bits - 0x3FE6A09E667F3BCDu) >> 52;
    bits -= (uint64_t)k << 52;
    memcpy(&m, &bits, sizeof m);
    const double s = (m - 1) / (m + 1), square = s * s;
    const double log_2_high = 6.93147180369123816490e-01, log_2_low = 1.90821492927058770002e-10;
    return (double)k * log_2_high + (2 * s + (s * square * polynomial(series, 7, square) + (double)k * log_2_low));
}

/* cos(quadrant * pi/2 + x) for |x| <= pi/4. */
static double quadrant_cosine(int quadrant, double x)
{
    /* (sin(x)/x - 1) / x^2 and (cos(x) - 1 + x^2/2) / x^4 in x^2, interpolated at Chebyshev points */
    static const double sine[] = {-0.16666666666666666,   0.008333333333330948,   -0.00019841269836756774,
                                  2.7557316101617874e-06, -2.505113165023518e-08, 1.5918115263265974e-10};
    static const double cosine[] = {0.041666666666666664,    -0.0013888888888887398, 2.480158729876456e-05,
                                    -2.7557317271145144e-07, 2.087614614655861e-09,  -1.1382623647474604e-11};
    const double square = x * x;
    const double c = 1 - (0.5 * square - square * square * polynomial(cosine, 6, square));
    const double s = x + x * square * polynomial(sine, 6, square);
    const double values[4] = {c, -s, -c, s};
    return values[quadrant & 3];
}

double fm_cosine(double x)
{
    const unsigned word = fm_fp_begin();
    const double turns = x * 0.63661977236758134308; /* 2 / pi */
    const int quadrant = (int)(turns < 0 ? turns - 0.5 : turns + 0.5);
    /* pi/2 in two parts, the first with zeros at its end (Cody and Waite) */
    const double rest = (x - quadrant * 1.57079632673412561417e+00) - quadrant * 6.07710050650619224932e-11;
    const double cosine = quadrant_cosine(quadrant, rest);
    fm_fp_end(word);
    return cosine;
}

/* Box and Muller's transformation, one of its two numbers. */
double fm_normal(uint64_t seed, uint32_t layer, uint64_t element)
{
    uint32_t words[4];
    draw(words, seed, element, 0, purpose(WEIGHTS, layer));
    const double u = unit(words[0], words[1]), quarters = 4 * unit(words[2], words[3]);
    const int quadrant = (int)(quarters + 0.5);
    const double angle = (quarters - quadrant) * 1.57079632679489661923;
    return __builtin_sqrt(-2 * logarithm(1 - u)) * quadrant_cosine(quadrant, angle);
}

void fm_dropout_words(uint32_t *words, ptrdiff_t first, ptrdiff_t units, uint64_t seed, uint32_t layer, uint32_t step,
                      uint32_t row)
{
    for (ptrdiff_t done = 0; done < units; done += 4 * BLOCKS) {
        const ptrdiff_t rest = units - done < 4 * BLOCKS ? units - done : 4 * BLOCKS;
        uint32_t c[4][BLOCKS];
        for (int i = 0; i < BLOCKS; i++) {
            c[0][i] = (uint32_t)((first + done) / 4 + i);
            c[1][i] = row, c[2][i] = step, c[3][i] = purpose(DROPOUT, layer);
        }
        philox_blocks(c, (uint32_t)seed, (uint32_t)(seed >> 32));
        for (ptrdiff_t i = 0; i < rest; i++) words[done + i] = c[i % 4][i / 4];
    }
}
