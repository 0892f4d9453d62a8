/* AVX-512 F, DQ, BW, VL. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx512
#include "isa.inc"
#endif
