/* AVX2 with FMA. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx2
#include "isa.inc"
#endif
