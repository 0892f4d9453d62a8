/* AVX2 with FMA, float32. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx2
#define BITS 32
#include "isa.h"
#endif
