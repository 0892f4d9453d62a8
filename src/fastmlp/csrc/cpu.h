/* The processor: which instruction sets are compiled in and can run, its caches, how many there are, its floating-point control
   word; and what the environment asks for. */
#ifndef FM_CPU_H
#define FM_CPU_H

#include <stddef.h>

/* An instruction set's functions for one type, and those for products of bfloat16: kernels/table.h. */
typedef struct fm_kernels fm_kernels;
typedef struct fm_products fm_products;

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

/* Those that use the processor's unit for such products are an instruction set's only where the system lets this process use
   it, which is asked at the first call. */
const fm_products *fm_isa_products(int isa);
int fm_matrix_unit(const fm_products *); /* whether these are they */

/* What FASTMLP_ISA names (errors as fm_isa_find), or without it the widest one that runs here. */
int fm_isa_default(void);

/* Of the second-level cache of a core, as far as the processor tells; speed alone depends on it. */
ptrdiff_t fm_cache_bytes(void);

/* The processors this process may use: affinity and, on Linux, the cgroup's quota.  At least 1. */
int fm_cpu_count(void);

/* The same, quickly: the quota is that of the first call. */
int fm_processors(void);

/* The number of threads in FASTMLP_NUM_THREADS, else in OMP_NUM_THREADS, as they were at the first call; 0 if neither holds
   one.  *wrong, where asked for: the variable that is not empty and holds none, or NULL. */
int fm_environment_threads(const char **wrong);

/* 0 if FASTMLP_SPINNING is 0, else 1, as it was at the first call.  *wrong as above: where it holds anything but 0 or 1. */
int fm_environment_spinning(const char **wrong);

/* The caller may have left flush-to-zero or another rounding on (-ffast-math libraries do); the numeric contract needs
   the IEEE default.  Between fm_fp_begin and fm_fp_end it holds; `saved` is the caller's word. */
#if defined(__x86_64__) || defined(_M_X64)
#define FM_FP_DEFAULT 0x1F80u /* MXCSR: nearest, all exceptions masked, no flush-to-zero, no denormals-are-zero */
#define FM_FP_CONTROL 0xFFC0u /* the bits below are the sticky exception flags */
#define FM_FP_FLUSH 0x9FC0u   /* the default, but for denormals: operands and results that are count as 0 */
static inline unsigned fm_fp_get(void) { return __builtin_ia32_stmxcsr(); }
static inline void fm_fp_set(unsigned word) { __builtin_ia32_ldmxcsr(word); }
#else
#define FM_FP_DEFAULT 0u /* FPCR */
#define FM_FP_CONTROL 0xFFFFFFFFu
#define FM_FP_FLUSH 0x1000000u
static inline unsigned fm_fp_get(void)
{
    unsigned long long word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return (unsigned)word;
}
static inline void fm_fp_set(unsigned word) { __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long long)word)); }
#endif

static inline unsigned fm_fp_begin(void)
{
    const unsigned saved = fm_fp_get();
    if ((saved & FM_FP_CONTROL) != FM_FP_DEFAULT) fm_fp_set(FM_FP_DEFAULT);
    return saved;
}

static inline void fm_fp_end(unsigned saved)
{
    if ((saved & FM_FP_CONTROL) != FM_FP_DEFAULT) fm_fp_set(saved);
}

#endif
