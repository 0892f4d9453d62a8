/* AVX-512 (F, DQ, VL, BW), float32. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx512
#define BITS 32
#include "isa.h"
#endif
