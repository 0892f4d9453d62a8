/* The constants of an optimizer's next step. */

/* Kingma and Ba: averages that began at 0 are too small, the gradient's by 1 - beta_1^t, the square's by 1 - beta_2^t. */
static void correct(step_constants *s, const fm_hyper *h, const double powers[2])
{
    s->learning_rate = (real)(h->learning_rate / (1 - powers[0]));
    s->root_correction = (real)(1 / sqrt(1 - powers[1]));
}

/* Liu et al., arXiv:1908.03265: a factor from how many gradients the average of squares is of; for too few its root is 1. */
static void rectify(step_constants *s, const fm_hyper *h, const double powers[2], int64_t t)
{
    const double most = 2 / (1 - h->beta_2) - 1, length = most - 2 * (double)t * powers[1] / (1 - powers[1]);
    const double rate = h->learning_rate / (1 - powers[0]);
    if (length > 5) {
        const double factor = sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length));
        s->learning_rate = (real)(rate * factor * sqrt(1 - powers[1])), s->root_correction = 1;
    } else {
        s->learning_rate = (real)rate, s->root_correction = 0, s->epsilon = 1;
    }
}

/* Dozat: lr ((1 - mu_t) / (1 - p) g + mu_{t+1} / (1 - p mu_{t+1}) m), p the product of mu_1 to mu_t. */
static void look_ahead(step_constants *s, const fm_hyper *h, const double powers[2], int64_t t)
{
    const double mu = fm_nadam_momentum(h, t), next = fm_nadam_momentum(h, t + 1), product = powers[0];
    s->learning_rate = (real)(h->learning_rate * (1 - mu) / (1 - product));
    s->moment_share = (real)(next * (1 - product) / ((1 - mu) * (1 - product * next)));
    s->root_correction = (real)(1 / sqrt(1 - powers[1]));
}

static int before_rule(const fm_hyper *h)
{
    const int scales = h->weight_decay != 0 || !isinf(h->global_clipnorm);
    if (h->l1 != 0 || !isinf(h->clipvalue) || (scales && h->l2 != 0)) return PREPARED;
    return scales ? SCALED : h->l2 != 0 ? L2_ALONE : PLAIN;
}

/* Of the step after those that the state counts. */
static step_constants next_step(int optimizer, const fm_hyper *h, const fm_state *state)
{
    fm_state next = {.step = state->step, .beta_powers = {state->beta_powers[0], state->beta_powers[1]}};
    step_constants s = {
#define HYPERPARAMETER(name, fallback) .name = (real)h->name,
#define AROUND_STEPS(name, fallback)
#include "hyperparameters.def"
#undef HYPERPARAMETER
        .one_minus_rho = (real)(1 - h->rho), .one_minus_beta_1 = (real)(1 - h->beta_1),
        .one_minus_beta_2 = (real)(1 - h->beta_2), .root_correction = 1,
        .decay = (real)(1 - h->learning_rate * h->weight_decay), .gradient_scale = 1,
        .before = before_rule(h)};
    fm_count_step(&next, optimizer, h);
    switch (fm_optimizers[optimizer].needs) {
    case FM_CORRECTION: correct(&s, h, next.beta_powers); break;
    case FM_RECTIFICATION: rectify(&s, h, next.beta_powers, next.step); break;
    case FM_NESTEROV: look_ahead(&s, h, next.beta_powers, next.step); break;
    default: break;
    }
    return s;
}
