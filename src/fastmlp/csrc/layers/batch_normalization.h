/* Statistics of each column (Ioffe and Szegedy, arXiv:1502.03167): over the rows of the batch in training, else moving averages
   of those. */
#if defined LAYER
LAYER(batch_normalization, 0, &batch_normalization_kernels,
      SETTING(epsilon, 1e-3, 1e-30, INFINITY) SETTING(momentum, 0.99, 0.0, 1.0))
#else
#include "normalization.h"
enum { COLUMN_MEAN, COLUMN_VARIANCE, D_GAMMA, D_BETA }; /* training's buffers, (n,) padded; gradients over the whole batch */
#endif

#if defined KERNELS
INLINE vec x_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)r, (void)at_d, (void)of_column;
    return vload(g->x + at_x);
}

INLINE vec square_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *mean)
{
    (void)r, (void)at_d;
    const vec x = vload(g->x + at_x) - *mean;
    return x * x;
}

/* mean and variance of the columns of panel p over the m rows of x */
static void batch_normalization_statistics(const layer_args *g, ptrdiff_t p)
{
    const vec count = vset1((real)g->m);
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec mean = column_sum(g, p, v, x_term, NULL) / count;
        vstore(g->own[COLUMN_MEAN] + p * L + v * VW, mean);
        vstore(g->own[COLUMN_VARIANCE] + p * L + v * VW, column_sum(g, p, v, square_term, &mean) / count);
    }
}

static void batch_normalization_forward(const layer_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec mean = vload(g->own[COLUMN_MEAN] + p * L + v * VW);
            const vec inverse = inverse_deviation(g, vload(g->own[COLUMN_VARIANCE] + p * L + v * VW));
            for (ptrdiff_t r = 0; r < g->m; r++)
                vstore(g->z + p * g->z_panel + r * L + v * VW, normalize(g, p, r, v, mean, inverse));
        }
}

/* dx = gamma * (d - mean(d) - x_hat * mean(d * x_hat)) / deviation, means over the batch; with statistics that do not
   depend on the rows, gamma * d / deviation */
static void batch_normalization_panel_backward(const layer_args *g, ptrdiff_t p)
{
    const vec batch = vset1((real)g->batch);
    UNROLL for (int v = 0; v < VPL; v++) {
        const ptrdiff_t at = p * L + v * VW;
        const vec mean = vload(g->own[COLUMN_MEAN] + at);
        const vec inverse = inverse_deviation(g, vload(g->own[COLUMN_VARIANCE] + at));
        const vec scale = vload(g->arrays[GAMMA] + at) * inverse;
        const vec mean_d = g->batch ? vload(g->own[D_BETA] + at) / batch : vset1(0);
        const vec slope = g->batch ? vload(g->own[D_GAMMA] + at) / batch : vset1(0);
        for (ptrdiff_t r = 0; r < g->m; r++) {
            const ptrdiff_t lane = r * L + v * VW;
            const vec x_hat = (vload(g->x + p * g->x_panel + lane) - mean) * inverse;
            const vec d = vload(g->d + p * g->d_panel + lane);
            vstore(g->dx + p * g->dx_panel + lane, vflush(scale * vfma(-x_hat, slope, d - mean_d)));
        }
    }
}

static void batch_normalization_backward(const layer_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++) batch_normalization_panel_backward(g, p);
}

INLINE vec d_column_hat_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)r;
    return vload(g->d + at_d) * ((vload(g->x + at_x) - of_column[0]) * of_column[1]);
}

/* sums of d * x_hat and of d over the m rows */
static void batch_normalization_sums(const layer_args *g, ptrdiff_t p, layer_sums sums)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        const ptrdiff_t at = p * L + v * VW;
        const vec mean = vload(g->own[COLUMN_MEAN] + at);
        const vec of_column[] = {mean, inverse_deviation(g, vload(g->own[COLUMN_VARIANCE] + at))};
        vstore(sums[GAMMA] + v * VW, column_sum(g, p, v, d_column_hat_term, of_column));
        vstore(sums[BETA] + v * VW, column_sum(g, p, v, d_term, NULL));
    }
}

static const layer_kernels batch_normalization_kernels = {
    .forward = batch_normalization_forward, .backward = batch_normalization_backward,
    .statistics = batch_normalization_statistics, .sums = batch_normalization_sums,
};

#elif defined PLAN
enum { MEAN = BETA + 1, VARIANCE };  /* more arrays, */
enum { MOMENTUM = EPSILON + 1 };     /* and a setting */

static int batch_normalization_arrays(const fm_layer *layer, fm_array *arrays)
{
    gamma_and_beta(layer, arrays);
    arrays[MEAN] = (fm_array){.name = "mean", .rows = 1, .columns = layer->n_out};
    arrays[VARIANCE] = (fm_array){.name = "variance", .rows = 1, .columns = layer->n_out, .start = 1};
    return 4;
}

static void batch_normalization_buffers(real **own, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)rows;
    for (int i = COLUMN_MEAN; i <= D_BETA; i++) own[i] = TAKE(real, padded(layer->n_out));
}

static void batch_normalization_args(layer_args *g, const fm_plan *plan, int l, const training_stage *s, ptrdiff_t first)
{
    (void)first;
    if (s && s->batch_statistics && !plan->layers[l].frozen) return;
    g->own[COLUMN_MEAN] = array_of(plan, l, MEAN), g->own[COLUMN_VARIANCE] = array_of(plan, l, VARIANCE);
    g->batch = 0;
}

static void batch_normalization_forward_columns(const step_work *w, int l, ptrdiff_t panel)
{
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    kernels_of(w->plan, l)->statistics(&g, panel);
}

static void batch_normalization_backward_columns(const step_work *w, int l, ptrdiff_t panel)
{
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    layer_sums sums __attribute__((aligned(64)));
    kernels_of(w->plan, l)->sums(&g, panel, sums);
    memcpy(g.own[D_GAMMA] + panel * L, sums[GAMMA], sizeof sums[GAMMA]);
    memcpy(g.own[D_BETA] + panel * L, sums[BETA], sizeof sums[BETA]);
}

/* moving = momentum * moving + (1 - momentum) * batch */
static void move_statistics(fm_plan *plan, const training_stage *s, int l)
{
    const fm_layer *layer = &plan->layers[l];
    const real momentum = (real)layer->settings[MOMENTUM], rest = (real)(1 - layer->settings[MOMENTUM]);
    real *mean = array_of(plan, l, MEAN), *variance = array_of(plan, l, VARIANCE), *const *own = s->layers[l].own;
    if (layer->frozen) return;
    for (ptrdiff_t j = 0; j < layer->n_out; j++) {
        mean[j] = momentum * mean[j] + rest * own[COLUMN_MEAN][j];
        variance[j] = momentum * variance[j] + rest * own[COLUMN_VARIANCE][j];
    }
}

static const layer_kind batch_normalization_kind = {
    .arrays = batch_normalization_arrays, .buffers = batch_normalization_buffers, .args = batch_normalization_args,
    .forward_columns = batch_normalization_forward_columns, .backward_columns = batch_normalization_backward_columns,
    .after_step = move_statistics, KERNEL_LAYER,
};
#endif
