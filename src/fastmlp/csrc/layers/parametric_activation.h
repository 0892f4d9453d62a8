/* A share alpha of a function in each column: z = x + alpha (f(x) - x). */
#if defined LAYER
LAYER(parametric_activation, 0, &parametric_activation_kernels, )

#elif defined KERNELS
INLINE void function_of(const layer_args *g, real *f, const real *x, ptrdiff_t rows)
{
    KERNEL_TABLE.activations[g->function].forward(f, x, rows * L, g->parameter);
}

/* out = a + alpha (out - a) in panel p */
INLINE void take_share(const layer_args *g, ptrdiff_t p, real *out, const real *a, const int flush)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec alpha = vload(g->arrays[0] + p * L + v * VW);
        for (ptrdiff_t at = v * VW; at < g->m * L; at += L) {
            const vec whole = vload(a + at), mixed = vfma(alpha, vload(out + at) - whole, whole);
            vstore(out + at, flush ? vflush(mixed) : mixed);
        }
    }
}

static void parametric_activation_forward(const layer_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++) {
        function_of(g, g->z + p * g->z_panel, g->x + p * g->x_panel, g->m);
        take_share(g, p, g->z + p * g->z_panel, g->x + p * g->x_panel, 0);
    }
}

/* dx = d + alpha (d f'(x) - d) */
static void parametric_activation_backward(const layer_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++) {
        const real *x = g->x + p * g->x_panel, *d = g->d + p * g->d_panel;
        real *dx = g->dx + p * g->dx_panel;
        if (!fm_activations[g->function].from_z) function_of(g, dx, x, g->m);
        KERNEL_TABLE.activations[g->function].backward(dx, d, fm_activations[g->function].from_z ? x : dx, g->m * L, g->parameter);
        take_share(g, p, dx, d, 1);
    }
}

/* dalpha: sums of d (f(x) - x), in the contract's order; f of some rows is computed ahead of their sums. */
static void parametric_activation_sums(const layer_args *g, ptrdiff_t p, layer_sums sums)
{
    enum { AHEAD = 32 };
    const real *x = g->x + p * g->x_panel, *d = g->d + p * g->d_panel;
    real f[AHEAD * L] __attribute__((aligned(64)));
    line total = lanes_of(0), block = lanes_of(0);
    for (ptrdiff_t first = 0; first < g->m; first += AHEAD) {
        const ptrdiff_t rows = smaller(AHEAD, g->m - first);
        function_of(g, f, x + first * L, rows);
        UNROLL for (int v = 0; v < VPL; v++) {
            if (first % BLOCK_ROWS == 0) total.v[v] = total.v[v] + block.v[v], block.v[v] = vset1(0);
            for (ptrdiff_t at = v * VW; at < rows * L; at += L)
                block.v[v] = block.v[v] + vload(d + first * L + at) * (vload(f + at) - vload(x + first * L + at));
        }
    }
    UNROLL for (int v = 0; v < VPL; v++) vstore(sums[0] + v * VW, total.v[v] + block.v[v]);
}

static const layer_kernels parametric_activation_kernels = {
    .forward = parametric_activation_forward, .backward = parametric_activation_backward, .sums = parametric_activation_sums,
};

#elif defined PLAN
static int parametric_activation_arrays(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "alpha", .rows = 1, .columns = layer->n_out, .start = 1, .moves = 1};
    return 1;
}

static const layer_kind parametric_activation_kind = {.arrays = parametric_activation_arrays, KERNEL_LAYER};
#endif
