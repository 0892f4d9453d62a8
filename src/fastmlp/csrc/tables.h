/* The table of an instruction set: one set of kernels a type. */
#ifndef FM_TABLES_H
#define FM_TABLES_H
#include "fastmlp.h"

#define BITS 32
#include "real.h"
#include "kernels.h"
#include "real_end.h"
#undef BITS
#define BITS 64
#include "real.h"
#include "kernels.h"
#include "real_end.h"
#undef BITS

struct fm_kernels {
    const kernels_r32 *functions_r32;
    const kernels_r64 *functions_r64;
};
#endif
