/* A factor a column: z = x * s. */
#if defined LAYER
LAYER(scale, 0, &scale_kernels, )

#elif defined KERNELS
/* (m, n) times a factor a column, as they are or with tiny products set to zero.  Lanes without a column stay zero. */
INLINE void scale_columns(const layer_args *g, real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel,
                          const int flush)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec s = vload(g->arrays[0] + p * L + v * VW);
            for (ptrdiff_t at = v * VW; at < g->m * L; at += L) {
                const vec product = vload(in + p * in_panel + at) * s;
                vstore(out + p * out_panel + at, flush ? vflush(product) : product);
            }
        }
}

static void scale_forward(const layer_args *g) { scale_columns(g, g->z, g->z_panel, g->x, g->x_panel, 0); }

/* dx = d * s */
static void scale_backward(const layer_args *g) { scale_columns(g, g->dx, g->dx_panel, g->d, g->d_panel, 1); }

/* ds: sums of d * x over the m rows */
static void scale_sums(const layer_args *g, ptrdiff_t p, layer_sums sums)
{
    UNROLL for (int v = 0; v < VPL; v++) vstore(sums[0] + v * VW, column_sum(g, p, v, d_x_term, NULL));
}

static const layer_kernels scale_kernels = {.forward = scale_forward, .backward = scale_backward, .sums = scale_sums};

#elif defined PLAN
static int scale_arrays(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "s", .rows = 1, .columns = layer->n_out, .start = 1, .moves = 1};
    return 1;
}

static const layer_kind scale_kind = {.arrays = scale_arrays, KERNEL_LAYER};
#endif
