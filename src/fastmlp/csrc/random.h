/* Everything random: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

   A number depends on the seed and on what it is for, never on what was drawn before: the counter is (element, row, epoch or
   step, purpose | layer << 8).  No function here uses fma or the platform's libm, so the bits are the same on every
   machine. */
#ifndef FM_RANDOM_H
#define FM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void fm_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* order[0 .. n-1] becomes a permutation of 0 .. n-1; n below 2^32. */
void fm_shuffle(int64_t *order, ptrdiff_t n, uint64_t seed, uint32_t epoch);

/* Of one element of a layer's weights: uniform in [0, 1); normal with mean 0 and deviation 1. */
double fm_uniform(uint64_t seed, uint32_t layer, uint64_t element);
double fm_normal(uint64_t seed, uint32_t layer, uint64_t element);

/* One word each for units [first, first + units) of a batch row; first is a multiple of 4. */
void fm_dropout_words(uint32_t *words, ptrdiff_t first, ptrdiff_t units, uint64_t seed, uint32_t layer, uint32_t step,
                      uint32_t row);

/* cos(x) for |x| <= 2 pi, within 1e-15. */
double fm_cosine(double x);

#endif
