/* What every machine of the architecture runs (SSE2 on x86-64, NEON on aarch64), float32. */
#define ISA baseline
#define BITS 32
#include "isa.h"
