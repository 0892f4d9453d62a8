/* A small pool of threads, and how many of them a call may use. */
#ifndef FM_POOL_H
#define FM_POOL_H

#include <stddef.h>
#include <stdint.h>

/* The number of threads to use where a call does not say: the last fm_set_num_threads, else the environment's
   (read once), else fm_cpu_count.  Setting 0 returns to that default. */
int fm_num_threads(void);
void fm_set_num_threads(int threads);

/* Whether threads that wait may spin for a while, so that calls which follow one another find them awake: what fm_set_spinning
   was told last, else the environment's. */
int fm_spinning(void);
void fm_set_spinning(int spinning);

/* The workers that a call which says `threads` may have: no more than the pool can; 0 says nothing. */
int fm_most_workers(int threads);

/* A number of the calling thread that no other thread has meanwhile, and in a forked child none of before the fork; not 0.
   A thread of that number may live unless it was left behind by a fork. */
uint64_t fm_thread_number(void);
int fm_thread_may_live(uint64_t number);

/* Call task(context, worker, unit) once for every unit in 0 .. units-1, on up to `workers` threads, and return when all
   have returned.  worker is below `workers`, 0 is the calling thread, and no two calls share one at a time: it selects
   scratch memory.  Which worker draws which unit is open, so a unit's result must not depend on it.  The calling thread
   works alone when the pool is in use already (by another thread, or by a task that calls this again).

   Between units it looks whether it is interrupted; if so it returns 1, and units that had not begun are left out. */
typedef void fm_task(void *context, int worker, ptrdiff_t unit);
int fm_parallel(fm_task *task, void *context, int workers, ptrdiff_t units);

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

#endif
