/* Whether somebody wants long work to end. */
#include "interrupt.h"

#include <string.h>

#include "system.h"

#define SECONDS 0.05
#define PART ((size_t)16 << 20) /* bytes: some milliseconds */

static int (*ask)(void);
static _Thread_local double asked_at;

void fm_set_interrupt(int (*asked)(void)) { ask = asked; }

int fm_interrupted(void)
{
    if (!ask) return 0;
    const double now = fm_seconds();
    if (now - asked_at < SECONDS) return 0;
    asked_at = now;
    return ask();
}

int fm_zero(void *memory, size_t bytes)
{
    for (; bytes > PART; memory = (char *)memory + PART, bytes -= PART) {
        memset(memory, 0, PART);
        if (fm_interrupted()) return 1;
    }
    memset(memory, 0, bytes);
    return 0;
}
