/* Which instruction sets are compiled in, which this machine can run, and which one the environment asks for. */
#ifndef FM_DISPATCH_H
#define FM_DISPATCH_H

#include <stddef.h>

typedef struct fm_kernels fm_kernels; /* an instruction set's functions for one type: kernels/table.h */

enum { FM_ISA_UNKNOWN = -1, FM_ISA_NOT_RUNNABLE = -2 };

/* The compiled instruction sets are numbered from 0, the narrowest first. */
int fm_isa_count(void);
const char *fm_isa_name(int isa);
const fm_kernels *fm_isa_table(int isa, int type); /* FM_FLOAT32 or FM_FLOAT64 */

/* 1 if the processor and the operating system can run it. */
int fm_isa_runnable(int isa);

/* The number of the instruction set called `name`, FM_ISA_UNKNOWN if none is compiled in, FM_ISA_NOT_RUNNABLE if it
   cannot run here. */
int fm_isa_find(const char *name);

/* What FASTMLP_ISA names (errors as fm_isa_find), or without it the widest one that runs here. */
int fm_isa_default(void);

/* Of the second-level cache of a core, as far as the processor tells; speed alone depends on it. */
ptrdiff_t fm_cache_bytes(void);

/* The value of FASTMLP_NUM_THREADS, else of OMP_NUM_THREADS; 0 if neither holds a positive number. */
int fm_environment_threads(void);

#endif
