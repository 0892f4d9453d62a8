/* What is asked of the operating system: memory and the time. */
#ifndef FM_SYSTEM_H
#define FM_SYSTEM_H

#include <stddef.h>

/* Memory aligned to a cache line; NULL when there is none.  fm_alloc's is zeroed.  fm_free takes NULL too. */
void *fm_alloc(size_t bytes);
void *fm_alloc_raw(size_t bytes);
void fm_free(void *);

#ifdef FM_TEST_ALLOC
extern long fm_allocations_left; /* for tests: the last of these fails; 0: none does */
#endif

/* Seconds of a clock that is never set back, from any start. */
double fm_seconds(void);

#endif
