/* Cosines of the first p columns and what is linear in them, before all columns as they are: z = [y_1, ..., y_p, x], where
   y_j has K values, W_j^T cos(2 pi x_j frequency_j + phase_j) + b_j, of F waves. */
#if defined LAYER
LAYER(periodic_embedding, KEEPS_INPUT, &periodic_embedding_kernels,
      SETTING(columns, 1, 1, 1048576) SETTING(frequencies, 16, 1, 64) SETTING(width, 4, 2, 64))
#else

/* Arrays, whose columns are the p columns: (F, p), (F, p), (F*K, p) and (K, p), row f*K + k of W for wave f and value k. */
enum { FREQUENCY, PHASE, WAVE_WEIGHT, WAVE_BIAS };
enum { COLUMNS, FREQUENCIES, WIDTH };
enum { MOST_WAVES = 64 };

typedef struct { ptrdiff_t columns, waves, values; } periodic_shape; /* p, F, K */

static inline periodic_shape periodic_shape_of(const double *settings)
{
    return (periodic_shape){(ptrdiff_t)settings[COLUMNS], (ptrdiff_t)settings[FREQUENCIES], (ptrdiff_t)settings[WIDTH] - 1};
}

/* Lines of a panel of all four arrays. */
static inline ptrdiff_t periodic_lines(periodic_shape s) { return 2 * s.waves + s.waves * s.values + s.values; }

#if defined KERNELS
#define TURN RC(6.283185307179586)

/* A panel of the p columns. */
typedef struct {
    periodic_shape s;
    ptrdiff_t columns;                          /* of this panel */
    const real *frequency, *weight, *bias;      /* its lines */
    real turns[MOST_WAVES * L];                 /* its phases, in turns */
} wave_panel;

static void wave_panel_of(wave_panel *w, const layer_args *g, ptrdiff_t p)
{
    const periodic_shape s = periodic_shape_of(g->settings);
    const real *phase = g->arrays[PHASE] + p * w_panel(s.waves);
    w->s = s, w->columns = smaller(s.columns - p * L, L);
    w->frequency = g->arrays[FREQUENCY] + p * w_panel(s.waves);
    w->weight = g->arrays[WAVE_WEIGHT] + p * w_panel(s.waves * s.values);
    w->bias = g->arrays[WAVE_BIAS] + p * w_panel(s.values);
    for (ptrdiff_t i = 0; i < s.waves * L; i += VW) vstore(w->turns + i, vload(phase + i) * vset1(1 / TURN));
}

/* (K, L) to (L, K) and back; RealMLP's K is said, for the compiler to make shuffles of it. */
INLINE void interleave(real *flat, const real *values, const ptrdiff_t k_values)
{
    for (ptrdiff_t j = 0; j < L; j++)
        for (ptrdiff_t k = 0; k < k_values; k++) flat[j * k_values + k] = values[k * L + j];
}

INLINE void separate(real *values, const real *flat, const ptrdiff_t k_values)
{
    for (ptrdiff_t j = 0; j < L; j++)
        for (ptrdiff_t k = 0; k < k_values; k++) values[k * L + j] = flat[j * k_values + k];
}

/* The values of a panel's columns, (K, L), to where z has them, column by column; `z` is the row in the first of their panels.
   What it puts beyond them is overwritten by the columns as they are, or padding. */
static void spread(const wave_panel *w, real *z, ptrdiff_t panel, const real *values)
{
    real flat[MOST_WAVES * L] __attribute__((aligned(64)));
    w->s.values == 3 ? interleave(flat, values, 3) : interleave(flat, values, w->s.values);
    for (ptrdiff_t i = 0; i < w->columns * w->s.values; i += L)
        UNROLL for (int v = 0; v < VPL; v++) vstore(z + i / L * panel + v * VW, vload(flat + i + v * VW));
}

/* And back; zero in lanes without a column, which so have no gradient. */
static void collect(const wave_panel *w, real *values, const real *d, ptrdiff_t panel)
{
    real flat[MOST_WAVES * L] __attribute__((aligned(64)));
    for (ptrdiff_t i = 0; i < w->columns * w->s.values; i += L)
        UNROLL for (int v = 0; v < VPL; v++) vstore(flat + i + v * VW, vload(d + i / L * panel + v * VW));
    w->s.values == 3 ? separate(values, flat, 3) : separate(values, flat, w->s.values);
    for (ptrdiff_t k = 0; w->columns < L && k < w->s.values; k++)
        UNROLL for (int v = 0; v < VPL; v++)
            vstore(values + k * L + v * VW, mask_lanes(vload(values + k * L + v * VW), vset1(0), w->columns, v));
}

/* The turns of wave f at x, vector v of the panel. */
INLINE vec turns_of(const wave_panel *w, vec x, ptrdiff_t f, int v)
{
    return vfma(x, vload(w->frequency + f * L + v * VW), vload(w->turns + f * L + v * VW));
}

/* y of a row's x, (K, L): a chain over the waves that begins at the bias. */
INLINE void wave_values(const wave_panel *w, real *values, const real *x)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        real waves[MOST_WAVES * VW] __attribute__((aligned(64)));
        if (v * VW >= w->columns) break;
        for (ptrdiff_t f = 0; f < w->s.waves; f++) vstore(waves + f * VW, vcos_of_turns(turns_of(w, vload(x + v * VW), f, v)));
        for (ptrdiff_t k = 0; k < w->s.values; k++) {
            vec y = vload(w->bias + k * L + v * VW);
            for (ptrdiff_t f = 0; f < w->s.waves; f++)
                y = vfma(vload(waves + f * VW), vload(w->weight + (f * w->s.values + k) * L + v * VW), y);
            vstore(values + k * L + v * VW, y);
        }
    }
}

static void periodic_forward(const layer_args *g)
{
    const periodic_shape s = periodic_shape_of(g->settings);
    real values[MOST_WAVES * L] __attribute__((aligned(64))) = {0};
    wave_panel w;
    for (ptrdiff_t p = 0; p < count_panels(s.columns); p++) {
        wave_panel_of(&w, g, p);
        for (ptrdiff_t r = 0; r < g->m; r++) {
            wave_values(&w, values, g->x + p * g->x_panel + r * L);
            spread(&w, g->z + p * s.values * g->z_panel + r * L, g->z_panel, values);
        }
    }
    copy_columns(g->z, g->z_panel, s.columns * s.values, g->x, g->x_panel, 0, g->k, g->m);
}

/* The gradient with respect to the angle of wave f, from that with respect to y: -sin(2 pi u) sum_k d_k W_fk. */
INLINE vec angle_gradient(const wave_panel *w, const real *d, vec u, ptrdiff_t f, int v)
{
    const real *weight = w->weight + f * w->s.values * L + v * VW;
    vec sum = vload(d + v * VW) * vload(weight);
    for (ptrdiff_t k = 1; k < w->s.values; k++) sum = vfma(vload(d + k * L + v * VW), vload(weight + k * L), sum);
    return -vsin_of_turns(u) * sum;
}

/* dx = the gradient of the columns as they are + 2 pi sum_f (that of the angle) frequency_f */
static void periodic_backward(const layer_args *g)
{
    const periodic_shape s = periodic_shape_of(g->settings);
    const ptrdiff_t last = count_panels(g->k) - 1;
    real values[MOST_WAVES * L] __attribute__((aligned(64)));
    wave_panel w;
    memset(g->dx + last * g->dx_panel, 0, (size_t)(g->m * L) * sizeof(real));
    copy_columns(g->dx, g->dx_panel, 0, g->d, g->d_panel, s.columns * s.values, g->k, g->m);
    for (ptrdiff_t p = 0; p < count_panels(s.columns); p++) {
        wave_panel_of(&w, g, p);
        for (ptrdiff_t r = 0; r < g->m; r++) {
            real *dx = g->dx + p * g->dx_panel + r * L;
            collect(&w, values, g->d + p * s.values * g->d_panel + r * L, g->d_panel);
            UNROLL for (int v = 0; v < VPL; v++) {
                const vec x = vload(g->x + p * g->x_panel + r * L + v * VW), own = vload(dx + v * VW);
                vec sum = vset1(0);
                for (ptrdiff_t f = 0; f < s.waves; f++)
                    sum = vfma(angle_gradient(&w, values, turns_of(&w, x, f, v), f, v), vload(w.frequency + f * L + v * VW), sum);
                vstore(dx + v * VW, vflush(vfma(sum, vset1(TURN), own)));
            }
        }
    }
}

/* sum + a b, in memory */
INLINE void add_product(real *sum, vec a, vec b) { vstore(sum, vfma(a, b, vload(sum))); }

/* A row's part of the gradient of a panel, added to `sums`: its lines of each array one after another. */
INLINE void add_wave_gradient(const wave_panel *w, real *sums, const real *x_row, const real *d)
{
    const ptrdiff_t waves = w->s.waves, values = w->s.values;
    real *frequency = sums, *phase = frequency + waves * L, *weight = phase + waves * L, *bias = weight + waves * values * L;
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec x = vload(x_row + v * VW);
        if (v * VW >= w->columns) break;
        for (ptrdiff_t f = 0; f < waves; f++) {
            const vec u = turns_of(w, x, f, v), wave = vcos_of_turns(u), angle = angle_gradient(w, d, u, f, v);
            add_product(frequency + f * L + v * VW, angle, x);
            vstore(phase + f * L + v * VW, vload(phase + f * L + v * VW) + angle);
            for (ptrdiff_t k = 0; k < values; k++)
                add_product(weight + (f * values + k) * L + v * VW, vload(d + k * L + v * VW), wave);
        }
        for (ptrdiff_t k = 0; k < values; k++)
            vstore(bias + k * L + v * VW, vload(bias + k * L + v * VW) + vload(d + k * L + v * VW));
    }
}

/* To own[0]: for each panel its lines of the gradient, and room for those of a block. */
static void periodic_gradient(const layer_args *g, ptrdiff_t p)
{
    const periodic_shape s = periodic_shape_of(g->settings);
    const ptrdiff_t size = periodic_lines(s) * L;
    real *total = g->own[0] + 2 * p * size, values[MOST_WAVES * L] __attribute__((aligned(64)));
    wave_panel w;
    wave_panel_of(&w, g, p);
    for (ptrdiff_t first = 0; first < g->m; first += BLOCK_ROWS) {
        real *sums = first ? total + size : total;
        memset(sums, 0, (size_t)size * sizeof(real));
        for (ptrdiff_t r = first; r < smaller(first + BLOCK_ROWS, g->m); r++) {
            collect(&w, values, g->d + p * s.values * g->d_panel + r * L, g->d_panel);
            add_wave_gradient(&w, sums, g->x + p * g->x_panel + r * L, values);
        }
        for (ptrdiff_t i = 0; first && i < size; i += VW) vstore(total + i, vload(total + i) + vload(sums + i));
    }
    for (ptrdiff_t i = 0; i < s.waves * L; i += VW) vstore(total + i, vload(total + i) * vset1(TURN)); /* of frequencies */
}

static const layer_kernels periodic_embedding_kernels = {
    .forward = periodic_forward, .backward = periodic_backward, .gradient = periodic_gradient,
};
#undef TURN

#elif defined PLAN
static int periodic_embedding_arrays(const fm_layer *layer, fm_array *arrays)
{
    const periodic_shape s = periodic_shape_of(layer->settings);
    const fm_array matrix = {.columns = s.columns, .is_matrix = 1, .moves = 1};
    for (int i = 0; i < 4; i++) arrays[i] = matrix;
    arrays[FREQUENCY].name = "frequency", arrays[FREQUENCY].rows = s.waves;
    arrays[PHASE].name = "phase", arrays[PHASE].rows = s.waves;
    arrays[WAVE_WEIGHT].name = "W", arrays[WAVE_WEIGHT].rows = s.waves * s.values, arrays[WAVE_WEIGHT].decays = 1;
    arrays[WAVE_BIAS].name = "b", arrays[WAVE_BIAS].rows = s.values;
    return 4;
}

static ptrdiff_t periodic_embedding_width(const fm_layer *layer)
{
    const periodic_shape s = periodic_shape_of(layer->settings);
    return s.columns <= layer->n_in ? layer->n_in + s.columns * s.values : 0;
}

static void periodic_embedding_buffers(real **own, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    const periodic_shape s = periodic_shape_of(layer->settings);
    (void)rows;
    own[0] = TAKE(real, 2 * count_panels(s.columns) * periodic_lines(s) * L);
}

/* A share of the panels; all rows at once. */
static void periodic_embedding_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    const fm_layer *layer = &w->plan->layers[l];
    const periodic_shape s = periodic_shape_of(layer->settings);
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    if (part.last < w->rows) return;
    for (ptrdiff_t p = part.share; p < count_panels(s.columns); p += part.shares) {
        const real *lines = g.own[0] + 2 * p * periodic_lines(s) * L;
        kernels_of(w->plan, l)->gradient(&g, p);
        for (int i = 0; i < layer->array_count; i++) {
            const fm_array *array = &layer->arrays[i];
            sink->take(sink, lines, array->offset + p * w_panel(array->rows), array->rows * L, array->decays);
            lines += array->rows * L;
        }
    }
}

static const layer_kind periodic_embedding_kind = {
    .arrays = periodic_embedding_arrays, .width = periodic_embedding_width, .buffers = periodic_embedding_buffers,
    .forward = forward_by_kernel, .backward = backward_by_kernel, .gradient = periodic_embedding_gradient,
};
#endif
#endif
