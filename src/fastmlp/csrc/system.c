/* Memory and the one clock: the only file that asks the operating system for either. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>
#else
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime, posix_memalign, madvise */
#endif
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#endif

#include "system.h"

#include <string.h>

#define HUGE_PAGE ((size_t)2 << 20)

#ifdef FM_TEST_ALLOC
long fm_allocations_left;
static int refused(void) { return fm_allocations_left && !--fm_allocations_left; }
#else
static int refused(void) { return 0; }
#endif

/* Aligned to a huge page where the system can use one: fewer address translations. */
void *fm_alloc_raw(size_t bytes)
{
    const size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
    if (refused()) return NULL;
#ifdef _WIN32
    return _aligned_malloc(bytes ? bytes : 1, alignment);
#else
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1)) return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE) madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return memory;
#endif
}

void *fm_alloc(size_t bytes)
{
    void *memory = fm_alloc_raw(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void fm_free(void *memory)
{
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

double fm_seconds(void)
{
#ifdef _WIN32
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (double)now.QuadPart / (double)frequency.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}
