/* Normal noise in training: z = x + stddev n, n by Box and Muller, a pair for each pair of columns. */
#if defined LAYER
LAYER(gaussian_noise, 0, &gaussian_noise_kernels, SETTING(stddev, 1.0, 0.0, FM_HUGE))
#else
#include "noise.h"
#endif

#if defined KERNELS
/* From words w and v, sqrt(-2 log((w + 1/2) / 2^32)) times cos(2 pi v / 2^32) and sin(2 pi v / 2^32).  `columns` of them, a
   multiple of L. */
INLINE void normal_numbers(real *out, const uint32_t *words, ptrdiff_t columns)
{
    real uniform[NOISE_COLUMNS / 2] __attribute__((aligned(64))), turns[NOISE_COLUMNS / 2] __attribute__((aligned(64)));
    const ptrdiff_t pairs = columns / 2, whole = (pairs + VW - 1) / VW * VW;
    for (ptrdiff_t i = 0; i < pairs; i++) {
        uniform[i] = ((real)words[2 * i] + RC(0.5)) * RC(2.3283064365386963e-10);
        turns[i] = (real)words[2 * i + 1] * RC(2.3283064365386963e-10);
    }
    for (ptrdiff_t i = pairs; i < whole; i++) uniform[i] = 1, turns[i] = 0;
    for (ptrdiff_t i = 0; i < pairs; i += VW) {
        const vec radius = vsqrt(vset1(-2) * vlog(vload(uniform + i))), u = vload(turns + i);
        const vec a = radius * vcos_of_turns(u), b = radius * vsin_of_turns(u);
        vstore(out + 2 * i, vlow(a, b));
        vstore(out + 2 * i + VW, vhigh(a, b));
    }
}

static void add_noise(const layer_args *g, ptrdiff_t row, ptrdiff_t first, ptrdiff_t columns)
{
    uint32_t words[NOISE_COLUMNS];
    real normal[NOISE_COLUMNS + 2 * VW] __attribute__((aligned(64)));
    const vec stddev = vset1((real)g->settings[0]);
    noise_words(g, words, first, columns, row);
    normal_numbers(normal, words, columns);
    for (ptrdiff_t c = 0; c < columns; c += L)
        UNROLL for (int v = 0; v < VPL; v++) {
            const ptrdiff_t p = (first + c) / L, lane = row * L + v * VW;
            const vec n = mask_lanes(vload(normal + c + v * VW), vset1(0), g->n - first - c, v);
            vstore(g->z + p * g->z_panel + lane, vfma(stddev, n, vload(g->x + p * g->x_panel + lane)));
        }
}

static void gaussian_noise_forward(const layer_args *g)
{
    if (!g->draws) {
        copy_panels(g, g->z, g->z_panel, g->x, g->x_panel);
        return;
    }
    for (ptrdiff_t r = 0; r < g->m; r++)
        for (ptrdiff_t c = 0; c < padded(g->n); c += NOISE_COLUMNS)
            add_noise(g, r, c, smaller(NOISE_COLUMNS, padded(g->n) - c));
}

static void gaussian_noise_backward(const layer_args *g) { copy_panels(g, g->dx, g->dx_panel, g->d, g->d_panel); }

static const layer_kernels gaussian_noise_kernels = {.forward = gaussian_noise_forward, .backward = gaussian_noise_backward};

#elif defined PLAN
static const layer_kind gaussian_noise_kind = {.arrays = no_arrays, KERNEL_LAYER};
#endif
