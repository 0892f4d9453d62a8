/* Products of bfloat16 by the instructions of AVX512-BF16, and the others of VNNI; all else on such a processor is AVX-512's. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA avx512
#define UNIT bf16
#define BITS 32
#include "products.h"
#endif
