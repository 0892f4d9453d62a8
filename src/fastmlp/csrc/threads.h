/* A small pool of threads, the number of them, and the floating-point control word. */
#ifndef FM_THREADS_H
#define FM_THREADS_H

#include <stddef.h>

/* The CPUs this process may use: affinity and, on Linux, the cgroup's quota.  At least 1. */
int fm_cpu_count(void);

/* The number of threads to use where a call does not say: the last fm_set_num_threads, else the environment's
   (read once), else fm_cpu_count.  Setting 0 returns to that default. */
int fm_num_threads(void);
void fm_set_num_threads(int threads);

/* Call task(context, worker, unit) once for every unit in 0 .. units-1, on up to `workers` threads, and return when all
   have returned.  worker is below `workers`, 0 is the calling thread, and no two calls share one at a time: it selects
   scratch memory.  Which worker draws which unit is open, so a unit's result must not depend on it.  The calling thread
   works alone when the pool is in use already (by another thread, or by a task that calls this again). */
typedef void fm_task(void *context, int worker, ptrdiff_t unit);
void fm_parallel(fm_task *task, void *context, int workers, ptrdiff_t units);

/* How far a task is, for another task of the same fm_parallel that was given a greater unit and needs what this one made. */
typedef struct {
    ptrdiff_t done;
    char apart[128 - sizeof(ptrdiff_t)]; /* cores must not contend for a line, nor for the one fetched with it */
} fm_progress;
static inline void fm_advance(fm_progress *progress, ptrdiff_t done)
{
    __atomic_store_n(&progress->done, done, __ATOMIC_RELEASE);
}
void fm_await(const fm_progress *progress, ptrdiff_t least);

/* The caller may have left flush-to-zero or another rounding on (-ffast-math libraries do); the numeric contract needs
   the IEEE default.  Between fm_fp_begin and fm_fp_end it holds; `saved` is the caller's word. */
#if defined(__x86_64__) || defined(_M_X64)
#define FM_FP_DEFAULT 0x1F80u /* MXCSR: nearest, all exceptions masked, no flush-to-zero, no denormals-are-zero */
#define FM_FP_CONTROL 0xFFC0u /* the bits below are the sticky exception flags */
static inline unsigned fm_fp_get(void) { return __builtin_ia32_stmxcsr(); }
static inline void fm_fp_set(unsigned word) { __builtin_ia32_ldmxcsr(word); }
#else
#define FM_FP_DEFAULT 0u /* FPCR */
#define FM_FP_CONTROL 0xFFFFFFFFu
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
