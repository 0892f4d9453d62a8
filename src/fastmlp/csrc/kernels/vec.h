/* The vector type of the instruction set being compiled: the only #if on instruction sets.

   vec      VW reals, the native width; + - * / work on it, as GNU C vectors do
   ivec     integers of the same width and count; + - & | ^ << >> work; casts keep the bits
   uivec    without a sign; vbits(vec) and vreal(uivec) keep the bits
   vmask    the answer of a comparison; vselect(m, a, b) is m ? a : b by lane
   VPL      vectors per cache line (L reals)

   vfma is one rounding on every instruction set but the SSE2 baseline, which has no fused
   instruction and rounds twice.  Comparisons with NaN are false.  Division and vsqrt are the IEEE operations;
   estimates are never used, because their bits differ between machines. */
#ifndef FM_VEC_H
#define FM_VEC_H

#include "real.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define VBYTES 64
#if BITS == 32
#define MM(op) CAT3(_mm512_, op, _ps)
#define VMASK_TYPE __mmask16
#define MM_CMP _mm512_cmp_ps_mask
#else
#define MM(op) CAT3(_mm512_, op, _pd)
#define VMASK_TYPE __mmask8
#define MM_CMP _mm512_cmp_pd_mask
#endif
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VBYTES 32
#if BITS == 32
#define MM(op) CAT3(_mm256_, op, _ps)
#else
#define MM(op) CAT3(_mm256_, op, _pd)
#endif
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define VBYTES 16
#if BITS == 32
#define MM(op) CAT3(_mm_, op, _ps)
#else
#define MM(op) CAT3(_mm_, op, _pd)
#endif
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define VBYTES 16
#if BITS == 32
#define MM(op) CAT3(op, _, f32)
#else
#define MM(op) CAT3(op, _, f64)
#endif
#else
#error "no vector type for this machine: fastmlp needs x86-64 or aarch64"
#endif

#define INLINE static inline __attribute__((always_inline))
/* Full unrolling keeps arrays of accumulators in registers; each compiler has its own word. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

typedef real vec __attribute__((vector_size(VBYTES)));
typedef bits ivec __attribute__((vector_size(VBYTES)));
typedef real uvec __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));
typedef ubits uivec __attribute__((vector_size(VBYTES))); /* >> fills with zeros: AVX2 has no other for 64 */
#define VW (VBYTES * 8 / BITS)
#define VPL (64 / VBYTES)

/* Vectors of sums that leave room for one step's operands in the register file. */
#if VBYTES == 64 || defined(__aarch64__)
#define ACCUMULATORS 24
#else
#define ACCUMULATORS 12
#endif

#if VBYTES == 64
typedef VMASK_TYPE vmask;
#else
typedef ivec vmask;
#endif

/* Loads and stores take any alignment. */
INLINE vec vload(const real *p) { return *(const uvec *)p; }
INLINE void vstore(real *p, vec a) { *(uvec *)p = a; }

/* The first `count` reals of a vector, 0 to VW: the rest is zero, and no memory beyond them is touched. */
#if VBYTES == 64
INLINE vec vload_part(const real *p, ptrdiff_t count) { return MM(maskz_loadu)((VMASK_TYPE)((1u << count) - 1), p); }
INLINE void vstore_part(real *p, vec a, ptrdiff_t count) { MM(mask_storeu)(p, (VMASK_TYPE)((1u << count) - 1), a); }
#else
#if VBYTES == 32
static const bits part_masks[2 * VW] = {-1, -1, -1, -1,
#if BITS == 32
                                        -1, -1, -1, -1,
#endif
};
INLINE vec vload_part(const real *p, ptrdiff_t count)
{
    return MM(maskload)(p, _mm256_loadu_si256((const void *)(part_masks + VW - count)));
}
#else
INLINE vec vload_part(const real *p, ptrdiff_t count)
{
    real part[VW] = {0};
    memcpy(part, p, (size_t)count * sizeof(real));
    return vload(part);
}
#endif
INLINE void vstore_part(real *p, vec a, ptrdiff_t count)
{
    real part[VW];
    vstore(part, a);
    memcpy(p, part, (size_t)count * sizeof(real));
}
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
INLINE vec vset1(real a) { return MM(vdupq_n)(a); }
INLINE vec vfma(vec a, vec b, vec c) { return MM(vfmaq)(c, a, b); }
INLINE vec vsqrt(vec a) { return MM(vsqrtq)(a); }
#else
INLINE vec vset1(real a) { return MM(set1)(a); }
INLINE vec vsqrt(vec a) { return MM(sqrt)(a); }
#if VBYTES == 16
INLINE vec vfma(vec a, vec b, vec c) { return a * b + c; }
#else
INLINE vec vfma(vec a, vec b, vec c) { return MM(fmadd)(a, b, c); }
#endif
#endif

INLINE uivec vbits(vec a) { return (uivec)a; }
INLINE vec vreal(uivec a) { return (vec)a; }

#if VBYTES == 64
INLINE vmask vlt(vec a, vec b) { return MM_CMP(a, b, _CMP_LT_OQ); }
INLINE vmask vle(vec a, vec b) { return MM_CMP(a, b, _CMP_LE_OQ); }
INLINE vmask veq(vec a, vec b) { return MM_CMP(a, b, _CMP_EQ_OQ); }
INLINE vec vselect(vmask m, vec a, vec b) { return MM(mask_blend)(m, b, a); }
#else
INLINE vmask vlt(vec a, vec b) { return a < b; }
INLINE vmask vle(vec a, vec b) { return a <= b; }
INLINE vmask veq(vec a, vec b) { return a == b; }
#if VBYTES == 32
INLINE vec vselect(vmask m, vec a, vec b) { return MM(blendv)(b, a, (vec)m); }
#else
INLINE vec vselect(vmask m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }
#endif
#endif

/* The smaller (larger) of a and a limit that is neither NaN nor zero; NaN in a stays NaN.  (x86 answers the
   second operand for NaN, so the limit comes first there.) */
#if defined(__aarch64__) || defined(_M_ARM64)
INLINE vec vmin(vec a, vec limit) { return MM(vminq)(a, limit); }
INLINE vec vmax(vec a, vec limit) { return MM(vmaxq)(a, limit); }
#else
INLINE vec vmin(vec a, vec limit) { return MM(min)(limit, a); }
INLINE vec vmax(vec a, vec limit) { return MM(max)(limit, a); }
#endif

INLINE vec vabs(vec a) { return (vec)((ivec)a & (bits)(((ubits)~0) >> 1)); }

/* The lower or upper halves of two vectors, element by element in turn: a0 b0 a1 b1 ... */
#if VBYTES * 8 / BITS == 16
#define VLOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define VHIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VBYTES * 8 / BITS == 8
#define VLOW 0, 8, 1, 9, 2, 10, 3, 11
#define VHIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif VBYTES * 8 / BITS == 4
#define VLOW 0, 4, 1, 5
#define VHIGH 2, 6, 3, 7
#else
#define VLOW 0, 2
#define VHIGH 1, 3
#endif
#if defined(__clang__)
INLINE vec vlow(vec a, vec b) { return __builtin_shufflevector(a, b, VLOW); }
INLINE vec vhigh(vec a, vec b) { return __builtin_shufflevector(a, b, VHIGH); }
#else
INLINE vec vlow(vec a, vec b) { return __builtin_shuffle(a, b, (ivec){VLOW}); }
INLINE vec vhigh(vec a, vec b) { return __builtin_shuffle(a, b, (ivec){VHIGH}); }
#endif

#if BITS == 32

/* VW bfloat16, as the upper halves of what they are as float32. */
typedef uint16_t halves __attribute__((vector_size(VW * 2), aligned(2), may_alias));

/* VW numbers of 8 bits. */
typedef uint8_t vbytes __attribute__((vector_size(VW), aligned(1), may_alias));

INLINE ivec vlarger(ivec a, ivec b)
{
#if VBYTES == 64
    return (ivec)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif VBYTES == 32
    return (ivec)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    const ivec above = a > b;
    return (a & above) | (b & ~above);
#endif
}

/* a0 b0 + a1 b1 in each lane of 32 bits, of pairs of 16. */
typedef int16_t shorts __attribute__((vector_size(VBYTES)));
INLINE uivec vpair_sums(shorts a, shorts b)
{
#if VBYTES == 64
    return (uivec)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif VBYTES == 32
    return (uivec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__aarch64__) || defined(_M_ARM64)
    const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    return (uivec)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
#else
    return (uivec)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
}

/* sum + a0 b0 + a1 b1 + a2 b2 + a3 b3 in each lane: bytes of a without a sign, of b with one. */
INLINE uivec vdot(uivec sum, uivec a, uivec b)
{
#ifdef __AVX512VNNI__
    return (uivec)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    const shorts even = (shorts)(a & 0x00FF00FFu), odd = (shorts)(a >> 8 & 0x00FF00FFu);
    return sum + vpair_sums(even, (shorts)b << 8 >> 8) + vpair_sums(odd, (shorts)b >> 8);
#endif
}

INLINE vec vwiden(halves h) { return vreal(__builtin_convertvector(h, uivec) << 16); }

/* The nearest bfloat16, ties to even.  A denormal becomes 0, and NaN stays one. */
INLINE halves vnearest(vec x)
{
#ifdef __AVX512BF16__
    return (halves)_mm512_cvtneps_pbh(x);
#else
    const uivec u = vbits(x), rounded = u + 0x7FFF + (u >> 16 & 1);
    const vmask usual = vle(vset1(RC(1.17549435e-38)), vabs(x));
    const vec other = vselect(veq(x, x), vset1(0), x + x);
    return __builtin_convertvector(vbits(vselect(usual, vreal(rounded), other)) >> 16, halves);
#endif
}

/* VW pairs: the nearest to a beside each other, and after them those to b. */
INLINE void vstore_nearest(real *pairs, vec a, vec b)
{
#ifdef __AVX512BF16__ /* one store, as a load of both waits for two */
    *(uvec *)pairs = (uvec)_mm512_cvtne2ps_pbh(b, a);
#else
    *(halves *)pairs = vnearest(a);
    *((halves *)pairs + 1) = vnearest(b);
#endif
}

/* VW pairs of the nearest to a and to b. */
INLINE vec vpairs(vec a, vec b)
{
#ifdef __AVX512BF16__
    const __m512i turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                          20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (vec)_mm512_permutexvar_epi16(turn, (__m512i)_mm512_cvtne2ps_pbh(b, a));
#else
    return vreal(__builtin_convertvector(vnearest(a), uivec) | __builtin_convertvector(vnearest(b), uivec) << 16);
#endif
}

#ifdef __AVX512BF16__
/* sum + a1 b1, rounded, + a0 b0 in each lane, of pairs of bfloat16; denormals are 0. */
INLINE vec vadd_pairs(vec sum, vec a, vec b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

INLINE vec vordered(vec halves, shorts order) { return (vec)_mm512_permutexvar_epi16((__m512i)order, (__m512i)halves); }
#endif
#endif

#endif
