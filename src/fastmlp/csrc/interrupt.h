/* Whether somebody wants long work to end: it is asked for between parts of the work. */
#ifndef FM_INTERRUPT_H
#define FM_INTERRUPT_H

#include <stddef.h>

/* Who is asked, on the thread that called the engine: the answer 1 ends the call with FM_INTERRUPTED.  NULL: nobody. */
void fm_set_interrupt(int (*asked)(void));

/* 1 if the work is to end.  Asks at most every 50 ms, so that it may be called as often as every few microseconds. */
int fm_interrupted(void);

/* Zeros, in parts; 1 if it was interrupted between them. */
int fm_zero(void *memory, size_t bytes);

#endif
