/* AVX-512 (F, DQ, VL, BW), float64. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx512
#define BITS 64
#include "isa.h"
#endif
