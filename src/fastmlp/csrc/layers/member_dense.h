/* A dense layer of each member's own, such as its head: z_j = W_ij . x + b_ij for a row of member i. */
#if defined LAYER
LAYER(member_dense, BY_MEMBER, &member_dense_kernels, SETTING(members, 2, 1, 1024))
#else
#include "by_member.h"

#if defined KERNELS
/* Vector v of panel p of row r of x, zero where there is no column. */
INLINE vec member_input(const layer_args *g, ptrdiff_t p, ptrdiff_t r, int v)
{
    return mask_lanes(vload(g->x + p * g->x_panel + r * L + v * VW), vset1(0), g->k - p * L, v);
}

/* Element j of a row in panels. */
INLINE ptrdiff_t element_at(ptrdiff_t panel, ptrdiff_t r, ptrdiff_t j) { return j / L * panel + r * L + j % L; }

/* The sum over a row of x times weights, line `at` of W, in the order of sums along a row. */
INLINE real member_dot(const layer_args *g, ptrdiff_t r, ptrdiff_t at)
{
    const ptrdiff_t w = w_panel(g->layer->arrays[0].rows);
    line sum = lanes_of(0);
    for (ptrdiff_t p = 0; p < count_panels(g->k); p++)
        UNROLL for (int v = 0; v < VPL; v++)
            sum.v[v] = vfma(member_input(g, p, r, v), vload(g->arrays[0] + p * w + at * L + v * VW), sum.v[v]);
    return sum_lanes(sum);
}

static void member_dense_forward(const layer_args *g)
{
    const ptrdiff_t members = members_of(g), b = w_panel(members);
    ptrdiff_t member = g->first % members;
    for (ptrdiff_t r = 0; r < g->m; r++, member = next_member(member, members))
        for (ptrdiff_t j = 0; j < g->n; j++) {
            const real dot = member_dot(g, r, member * g->n + j);
            g->z[element_at(g->z_panel, r, j)] = g->layer->use_bias ? dot + g->arrays[1][element_at(b, member, j)] : dot;
        }
}

/* dx = sum_j d_j W_ij, a chain over the outputs */
static void member_dense_backward(const layer_args *g)
{
    const ptrdiff_t members = members_of(g), w = w_panel(g->layer->arrays[0].rows);
    ptrdiff_t member = g->first % members;
    for (ptrdiff_t r = 0; r < g->m; r++, member = next_member(member, members))
        for (ptrdiff_t p = 0; p < count_panels(g->k); p++)
            UNROLL for (int v = 0; v < VPL; v++) {
                const real *weights = g->arrays[0] + p * w + member * g->n * L + v * VW;
                vec sum = vset1(0);
                for (ptrdiff_t j = 0; j < g->n; j++)
                    sum = vfma(vset1(g->d[element_at(g->d_panel, r, j)]), vload(weights + j * L), sum);
                vstore(g->dx + p * g->dx_panel + r * L + v * VW, vflush(sum));
            }
}

/* Of W_ij: d_j x, one fma. */
INLINE void member_weights_term(const layer_args *g, ptrdiff_t p, real *sums, ptrdiff_t r, ptrdiff_t member)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        const vec x = member_input(g, p, r, v);
        real *sum = sums + member * g->n * L + v * VW;
        for (ptrdiff_t j = 0; j < g->n; j++, sum += L)
            vstore(sum, vfma(vset1(g->d[element_at(g->d_panel, r, j)]), x, vload(sum)));
    }
}

static void member_dense_gradient(const layer_args *g, ptrdiff_t panel)
{
    member_gradients(g, panel, count_panels(g->k), member_weights_term);
}

static const layer_kernels member_dense_kernels = {
    .forward = member_dense_forward, .backward = member_dense_backward, .gradient = member_dense_gradient,
};

#elif defined PLAN
static int member_dense_arrays(const fm_layer *layer, fm_array *arrays)
{
    const ptrdiff_t members = member_count(layer);
    arrays[0] = (fm_array){.name = "W", .rows = members * layer->n_out, .columns = layer->n_in, .is_matrix = 1, .decays = 1, .moves = 1};
    arrays[1] = (fm_array){.name = "b", .rows = members, .columns = layer->n_out, .is_matrix = 1, .moves = 1};
    return layer->use_bias ? 2 : 1;
}

static const layer_kind member_dense_kind = {.arrays = member_dense_arrays, .width = dense_width, BY_MEMBER_LAYER};
#endif
#endif
