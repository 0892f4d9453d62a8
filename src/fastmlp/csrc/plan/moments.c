/* How the memory of an optimizer's averages grows with its steps: the same double arithmetic for both types and all machines. */
#include "plan.h"

/* 0.96^x for x >= 0, within 1e-15 (1 + 4 log2(1 + x)): the whole part by squaring, the rest by the exponential series. */
static double power_of_096(double x)
{
    if (x > 20000) return 0; /* far below what is added to 1 */
    const int whole = (int)x;
    const double exponent = (x - whole) * -0.04082199452025517; /* log 0.96 */
    double result = 1, square = 0.96, series = 1;
    for (int term = 9; term > 0; term--) series = 1 + series * exponent / term;
    for (int left = whole; left; left >>= 1, square *= square)
        if (left & 1) result *= square;
    return result * series;
}

double fm_nadam_momentum(const fm_hyper *h, int64_t t)
{
    return h->beta_1 * (1 - 0.5 * power_of_096((double)t * h->momentum_decay));
}

void fm_count_step(fm_state *state, int optimizer, const fm_hyper *h)
{
    state->step++;
    state->beta_powers[0] *= fm_optimizers[optimizer].needs == FM_NESTEROV ? fm_nadam_momentum(h, state->step) : h->beta_1;
    state->beta_powers[1] *= h->beta_2;
}
