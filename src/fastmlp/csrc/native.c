/* Predictions for callers without Python: a plan, and plain rows of its type. */
#include "native.h"

_Static_assert((int)FM_OK == FASTMLP_OK && (int)FM_NO_MEMORY == FASTMLP_NO_MEMORY &&
                   (int)FM_NOT_FINITE == FASTMLP_NOT_FINITE,
               "a status is passed on as it is");

int fm_native_predict(const void *network, const void *x, ptrdiff_t rows, void *out)
{
    const fm_plan *plan = network;
    const ptrdiff_t size = plan->type == FM_FLOAT32 ? sizeof(float) : sizeof(double);
    const fm_input input = {.data = x, .row_bytes = plan->n_in * size, .columns = plan->n_in, .type = plan->type,
                            .shift = plan->shift, .divisor = plan->divisor};
    return rows > 0 ? fm_plan_predict(plan, &input, rows, out, 1) : FM_OK;
}
