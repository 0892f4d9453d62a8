/* AVX2 with FMA, float64. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx2
#define BITS 64
#include "isa.h"
#endif
