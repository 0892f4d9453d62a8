/* What normalisations have in common: z = x_hat * gamma + beta, x_hat = (x - mean) / sqrt(variance + epsilon).

   Variances are divided by the count.  Lanes without a column have gamma = beta = d = 0 and so stay zero. */
#ifndef FM_NORMALIZATION_H
#define FM_NORMALIZATION_H

enum { GAMMA, BETA }; /* arrays */
enum { EPSILON };     /* of their settings */

#if defined KERNELS
INLINE vec inverse_deviation(const layer_args *g, vec variance)
{
    return vset1(1) / vsqrt(variance + vset1((real)g->settings[EPSILON]));
}

INLINE vec normalize(const layer_args *g, ptrdiff_t p, ptrdiff_t r, int v, vec mean, vec inverse)
{
    const ptrdiff_t at = p * L + v * VW;
    const vec x_hat = (vload(g->x + p * g->x_panel + r * L + v * VW) - mean) * inverse;
    return vfma(x_hat, vload(g->arrays[GAMMA] + at), vload(g->arrays[BETA] + at));
}
#elif defined PLAN
static int gamma_and_beta(const fm_layer *layer, fm_array *arrays)
{
    arrays[GAMMA] = (fm_array){.name = "gamma", .rows = 1, .columns = layer->n_out, .start = 1, .moves = 1};
    arrays[BETA] = (fm_array){.name = "beta", .rows = 1, .columns = layer->n_out, .moves = 1};
    return 2;
}
#endif

#endif
