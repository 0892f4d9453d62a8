/* The scalar type of a typed source.  Each translation unit of the kernels and of the plan is for one type: it defines
   BITS, 32 or 64, and all that it includes says `real`. */
#ifndef FM_REAL_H
#define FM_REAL_H

#include <stddef.h>
#include <stdint.h>

#define CAT2_(a, b) a##b
#define CAT2(a, b) CAT2_(a, b)
#define CAT3_(a, b, c) a##b##c
#define CAT3(a, b, c) CAT3_(a, b, c)

#if BITS == 32
#define real float
#define RC(x) CAT2(x, f)                 /* a constant of the type: RC(0.5) */
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define ROUND_MAGIC 12582912.0f          /* 1.5 * 2^23: adding it rounds to an integer, ties to even */
#define FLUSH_BELOW 7.888609052210118e-31f /* 2^-100 */
typedef int32_t bits;
typedef uint32_t ubits;
#else
#define real double
#define RC(x) x
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define ROUND_MAGIC 6755399441055744.0   /* 1.5 * 2^52 */
#define FLUSH_BELOW 1.1830521861667747e-271 /* 2^-900 */
typedef int64_t bits;
typedef uint64_t ubits;
#endif
_Static_assert(BITS == 8 * sizeof(real), "BITS is defined before real.h, as 32 or 64");

#define L ((ptrdiff_t)(64 / sizeof(real)))  /* lanes: reals in a cache line, the width of a panel */

#endif
