/* Products of integers by the instructions of VNNI, and the others of AVX-512; all else on such a processor is AVX-512's. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx512
#define UNIT vnni
#define BITS 32
#include "products.h"
#endif
