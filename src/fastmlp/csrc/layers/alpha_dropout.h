/* Dropout for selu (Klambauer et al., arXiv:1706.02515): in training what is dropped becomes selu's limit -s, and a x + b makes
   mean 0 and variance 1 of all again. */
#if defined LAYER
LAYER(alpha_dropout, 0, &alpha_dropout_kernels, SETTING(rate, 0.5, 0.0, 0.999))
#else
#include "noise.h"
#endif

#if defined KERNELS
typedef struct { uint32_t threshold; vec a, b, dropped; } alpha_constants;

/* a = 1 / sqrt((1 - p) (1 + p s^2)) and b = a p s; what is dropped is b - a s. */
INLINE alpha_constants alpha_constants_of(const layer_args *g)
{
    const double p = g->settings[0], s = 1.7580993408473766; /* 1.0507... * 1.6732... */
    const double a = 1 / __builtin_sqrt((1 - p) * (1 + p * s * s));
    return (alpha_constants){(uint32_t)(p * 4294967296.0), vset1((real)a), vset1((real)(a * p * s)), vset1((real)(a * p * s - a * s))};
}

/* Of a row 1 in the columns that are kept, 0 in the others and in the padding. */
INLINE void kept_columns(const layer_args *g, real *kept, ptrdiff_t row, ptrdiff_t first, ptrdiff_t columns, uint32_t threshold)
{
    uint32_t words[NOISE_COLUMNS];
    noise_words(g, words, first, columns, row);
    for (ptrdiff_t i = 0; i < columns; i++) kept[i] = words[i] >= threshold ? 1 : 0;
}

typedef void alpha_line(const layer_args *g, const alpha_constants *k, ptrdiff_t p, ptrdiff_t lane, vec kept, int v);

INLINE void alpha_forward_line(const layer_args *g, const alpha_constants *k, ptrdiff_t p, ptrdiff_t lane, vec kept, int v)
{
    const vec x = vload(g->x + p * g->x_panel + lane);
    const vec z = vselect(vlt(vset1(0), kept), vfma(x, k->a, k->b), k->dropped);
    vstore(g->z + p * g->z_panel + lane, mask_lanes(z, vset1(0), g->n - p * L, v));
}

INLINE void alpha_backward_line(const layer_args *g, const alpha_constants *k, ptrdiff_t p, ptrdiff_t lane, vec kept, int v)
{
    (void)v;
    const vec d = vload(g->d + p * g->d_panel + lane) * k->a;
    vstore(g->dx + p * g->dx_panel + lane, vselect(vlt(vset1(0), kept), vflush(d), vset1(0)));
}

INLINE void alpha_rows(const layer_args *g, alpha_line *line)
{
    const alpha_constants k = alpha_constants_of(g);
    real kept[NOISE_COLUMNS] __attribute__((aligned(64)));
    for (ptrdiff_t r = 0; r < g->m; r++)
        for (ptrdiff_t c = 0; c < padded(g->n); c += NOISE_COLUMNS) {
            const ptrdiff_t columns = smaller(NOISE_COLUMNS, padded(g->n) - c);
            kept_columns(g, kept, r, c, columns, k.threshold);
            for (ptrdiff_t i = 0; i < columns; i += L)
                UNROLL for (int v = 0; v < VPL; v++)
                    line(g, &k, (c + i) / L, r * L + v * VW, vload(kept + i + v * VW), v);
        }
}

static void alpha_dropout_forward(const layer_args *g)
{
    if (g->draws)
        alpha_rows(g, alpha_forward_line);
    else
        copy_panels(g, g->z, g->z_panel, g->x, g->x_panel);
}

static void alpha_dropout_backward(const layer_args *g)
{
    if (g->draws)
        alpha_rows(g, alpha_backward_line);
    else
        copy_panels(g, g->dx, g->dx_panel, g->d, g->d_panel);
}

static const layer_kernels alpha_dropout_kernels = {.forward = alpha_dropout_forward, .backward = alpha_dropout_backward};

#elif defined PLAN
static const layer_kind alpha_dropout_kind = {.arrays = no_arrays, KERNEL_LAYER};
#endif
