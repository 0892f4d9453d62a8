/* A slope a column for what is negative (He et al., arXiv:1502.01852): z = x where x > 0, else slope x. */
#if defined LAYER
LAYER(prelu, 0, &prelu_kernels, )

#elif defined KERNELS
/* (m, n) where x > 0, else times the slope of the column.  Lanes without a column stay zero. */
INLINE void slope_columns(const layer_args *g, real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel,
                          const int flush)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec slope = vload(g->arrays[0] + p * L + v * VW);
            for (ptrdiff_t at = v * VW; at < g->m * L; at += L) {
                const vec a = vload(in + p * in_panel + at), x = vload(g->x + p * g->x_panel + at);
                const vec sloped = vselect(vlt(vset1(0), x), a, a * slope);
                vstore(out + p * out_panel + at, flush ? vflush(sloped) : sloped);
            }
        }
}

static void prelu_forward(const layer_args *g) { slope_columns(g, g->z, g->z_panel, g->x, g->x_panel, 0); }

/* dx = d where x > 0, else d * slope */
static void prelu_backward(const layer_args *g) { slope_columns(g, g->dx, g->dx_panel, g->d, g->d_panel, 1); }

INLINE vec negative_term(const layer_args *g, ptrdiff_t r, ptrdiff_t at_x, ptrdiff_t at_d, const vec *of_column)
{
    (void)r, (void)of_column;
    const vec x = vload(g->x + at_x);
    return vload(g->d + at_d) * vselect(vlt(vset1(0), x), vset1(0), x);
}

/* dslope: sums of d * min(x, 0) over the m rows */
static void prelu_sums(const layer_args *g, ptrdiff_t p, layer_sums sums)
{
    UNROLL for (int v = 0; v < VPL; v++) vstore(sums[0] + v * VW, column_sum(g, p, v, negative_term, NULL));
}

static const layer_kernels prelu_kernels = {.forward = prelu_forward, .backward = prelu_backward, .sums = prelu_sums};

#elif defined PLAN
static int prelu_arrays(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "slope", .rows = 1, .columns = layer->n_out, .start = 0.25, .moves = 1};
    return 1;
}

static const layer_kind prelu_kind = {.arrays = prelu_arrays, KERNEL_LAYER};
#endif
