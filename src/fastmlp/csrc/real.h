/* The scalar type of a typed source.  A typed source (elementary.h, gemm.h, ...) is included
   twice, once with BITS 32 and once with BITS 64, between real.h and real_end.h; it says `real`
   for the scalar and FN(name) for every name it defines. */
#include <stddef.h>
#include <stdint.h>

#define CAT2_(a, b) a##b
#define CAT2(a, b) CAT2_(a, b)
#define CAT3_(a, b, c) a##b##c
#define CAT3(a, b, c) CAT3_(a, b, c)

#if BITS == 32
#define real float
#define FN(name) CAT2(name, _r32)
#define RC(x) CAT2(x, f)                 /* a constant of the type: RC(0.5) */
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define ROUND_MAGIC 12582912.0f          /* 1.5 * 2^23: adding it rounds to an integer, ties to even */
#define FLUSH_BELOW 7.888609052210118e-31f /* 2^-100 */
typedef int32_t FN(bits);
typedef uint32_t FN(ubits);
#else
#define real double
#define FN(name) CAT2(name, _r64)
#define RC(x) x
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define ROUND_MAGIC 6755399441055744.0   /* 1.5 * 2^52 */
#define FLUSH_BELOW 1.1830521861667747e-271 /* 2^-900 */
typedef int64_t FN(bits);
typedef uint64_t FN(ubits);
#endif

#define L ((ptrdiff_t)(64 / sizeof(real)))  /* lanes: reals in a cache line, the width of a panel */
#define bits FN(bits)
#define ubits FN(ubits)
