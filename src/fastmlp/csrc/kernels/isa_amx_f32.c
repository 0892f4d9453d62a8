/* AVX-512 with the tiles of AMX for products of bfloat16, float32. */
#if defined(__x86_64__) || defined(_M_X64)
#define ISA amx
#define BITS 32
#include "isa.h"
#endif
