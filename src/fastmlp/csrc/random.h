/* Random numbers: the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
   numbers: as easy as 1, 2, 3") and all that is drawn from it.  A number depends on what it is for, not on what was
   drawn before: key = the seed, counter = (element, element or row, epoch or step, purpose | layer << 8).

   Integers, and + - * / sqrt of doubles: the same bits on every machine. */
#ifndef FM_RANDOM_H
#define FM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { FM_SHUFFLE = 1, FM_WEIGHTS = 2, FM_DROPOUT = 3, FM_NOISE = 4 };

enum { FM_PHILOX_ROUNDS = 10 };
#define FM_PHILOX_M0 0xD2511F53u
#define FM_PHILOX_M1 0xCD9E8D57u
#define FM_PHILOX_W0 0x9E3779B9u /* the golden ratio, */
#define FM_PHILOX_W1 0xBB67AE85u /* sqrt(3) - 1 */

void fm_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* order = a permutation of 0 .. n-1, n <= 2^32 (Fisher and Yates, from the last place down); 1 if it was interrupted. */
int fm_shuffle(int64_t *order, ptrdiff_t n, uint64_t seed, uint32_t epoch);

/* The element'th number of a layer's weights: uniform in [0, 1), or normal with mean 0 and deviation 1 (Box and Muller:
   sqrt(-2 log(1 - u1)) cos(2 pi u2)). */
double fm_uniform(uint64_t seed, uint32_t layer, uint32_t array, uint64_t element);
double fm_normal(uint64_t seed, uint32_t layer, uint32_t array, uint64_t element);

double fm_logarithm(double x); /* of a normal x > 0; within 1 ulp */
double fm_cosine(double x);    /* |x| <= 2 pi; within 1 ulp */

/* words[j] is for unit start + j of a row of a layer, j < units: whether dropout keeps it, or what noise it has; start is a
   multiple of 4.

   In the header, so that each instruction set compiles it with its own vectors: FM_PHILOX_LANES generators side by
   side, in loops that the compiler vectorises. */
enum { FM_PHILOX_LANES = 32 };

static inline void fm_words(uint32_t *words, ptrdiff_t start, ptrdiff_t units, uint64_t seed, uint32_t purpose, uint32_t layer,
                            uint32_t step, uint32_t row)
{
    for (ptrdiff_t first = 0; first < units; first += 4 * FM_PHILOX_LANES) {
        uint32_t c0[FM_PHILOX_LANES], c1[FM_PHILOX_LANES], c2[FM_PHILOX_LANES], c3[FM_PHILOX_LANES];
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int i = 0; i < FM_PHILOX_LANES; i++) {
            c0[i] = (uint32_t)((start + first) / 4) + (uint32_t)i;
            c1[i] = row;
            c2[i] = step;
            c3[i] = purpose | layer << 8;
        }
        for (int round = 0; round < FM_PHILOX_ROUNDS; round++) {
            for (int i = 0; i < FM_PHILOX_LANES; i++) {
                const uint64_t p0 = (uint64_t)c0[i] * FM_PHILOX_M0, p1 = (uint64_t)c2[i] * FM_PHILOX_M1;
                c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
                c1[i] = (uint32_t)p1;
                c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
                c3[i] = (uint32_t)p0;
            }
            k0 += FM_PHILOX_W0;
            k1 += FM_PHILOX_W1;
        }
        for (int i = 0; i < FM_PHILOX_LANES; i++) {
            const uint32_t block[4] = {c0[i], c1[i], c2[i], c3[i]};
            const ptrdiff_t at = first + 4 * i;
            for (int w = 0; w < 4 && at + w < units; w++) words[at + w] = block[w];
        }
    }
}

#endif
