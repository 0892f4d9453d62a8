/* What vec.h uses of AVX-512, lane by lane, for machines without it: the order of work on vectors of 64 bytes can then be compared
   everywhere, though not the compiler's AVX-512 instructions. */
#ifndef FM_EMULATED_AVX512
#define FM_EMULATED_AVX512

typedef float __m512 __attribute__((vector_size(64)));
typedef double __m512d __attribute__((vector_size(64)));
typedef long long __m512i __attribute__((vector_size(64)));
typedef int __m512i_of_32 __attribute__((vector_size(64)));
typedef short __m512i_of_16 __attribute__((vector_size(64)));
typedef unsigned short __mmask16;
typedef unsigned char __mmask8;

enum { _CMP_EQ_OQ, _CMP_LT_OQ, _CMP_LE_OQ };

#define LANES(name, vec, ...)                                                    \
    static inline __attribute__((always_inline)) vec name(__VA_ARGS__)

/* min and max answer the second operand where one is NaN, as the instructions do */
#define EMULATE(type, real, vec, mask, count, square_root, fused)                                                   \
    LANES(_mm512_set1_##type, vec, real a)                                                                          \
    { vec r; for (int i = 0; i < count; i++) r[i] = a; return r; }                                                  \
    LANES(_mm512_sqrt_##type, vec, vec a)                                                                           \
    { for (int i = 0; i < count; i++) a[i] = square_root(a[i]); return a; }                                         \
    LANES(_mm512_fmadd_##type, vec, vec a, vec b, vec c)                                                            \
    { for (int i = 0; i < count; i++) a[i] = fused(a[i], b[i], c[i]); return a; }                                   \
    LANES(_mm512_min_##type, vec, vec a, vec b)                                                                     \
    { for (int i = 0; i < count; i++) a[i] = a[i] < b[i] ? a[i] : b[i]; return a; }                                 \
    LANES(_mm512_max_##type, vec, vec a, vec b)                                                                     \
    { for (int i = 0; i < count; i++) a[i] = a[i] > b[i] ? a[i] : b[i]; return a; }                                 \
    LANES(_mm512_maskz_loadu_##type, vec, mask m, const real *p)                                                    \
    { vec r; for (int i = 0; i < count; i++) r[i] = m >> i & 1 ? p[i] : 0; return r; }                              \
    LANES(_mm512_mask_storeu_##type, void, real *p, mask m, vec a)                                                  \
    { for (int i = 0; i < count; i++) if (m >> i & 1) p[i] = a[i]; }                                                \
    LANES(_mm512_mask_blend_##type, vec, mask m, vec a, vec b)                                                      \
    { for (int i = 0; i < count; i++) a[i] = m >> i & 1 ? b[i] : a[i]; return a; }                                  \
    LANES(_mm512_cmp_##type##_mask, mask, vec a, vec b, int how)                                                    \
    {                                                                                                               \
        unsigned m = 0;                                                                                             \
        for (int i = 0; i < count; i++)                                                                             \
            m |= (unsigned)(how == _CMP_LT_OQ ? a[i] < b[i] : how == _CMP_LE_OQ ? a[i] <= b[i] : a[i] == b[i]) << i; \
        return (mask)m;                                                                                             \
    }
EMULATE(ps, float, __m512, __mmask16, 16, __builtin_sqrtf, __builtin_fmaf)
EMULATE(pd, double, __m512d, __mmask8, 8, __builtin_sqrt, __builtin_fma)

LANES(_mm512_max_epi32, __m512i, __m512i a, __m512i b)
{
    const __m512i_of_32 above = (__m512i_of_32)a > (__m512i_of_32)b;
    return (a & (__m512i)above) | (b & ~(__m512i)above);
}

LANES(_mm512_madd_epi16, __m512i, __m512i a, __m512i b)
{
    const __m512i_of_16 x = (__m512i_of_16)a, y = (__m512i_of_16)b;
    __m512i_of_32 r;
    for (int i = 0; i < 16; i++) r[i] = x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    return (__m512i)r;
}

#endif
