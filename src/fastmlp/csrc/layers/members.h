/* Where a network becomes k members that share its weights (Wen, Tran and Ba, arXiv:2002.06715): z = x * r_i + b_i, with factors
   and biases of each row's member i. */
#if defined LAYER
LAYER(members, BY_MEMBER, &members_kernels, SETTING(members, 2, 1, 1024))
#else
#include "by_member.h"

#if defined KERNELS
/* out = in * r + b, or in * r, or that with tiny products set to zero */
INLINE void scale_members(const layer_args *g, real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel,
                          const int biased, const int flush)
{
    const ptrdiff_t members = members_of(g), w = w_panel(members);
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++) {
        ptrdiff_t member = g->first % members;
        for (ptrdiff_t r = 0; r < g->m; r++, member = next_member(member, members))
            UNROLL for (int v = 0; v < VPL; v++) {
                const ptrdiff_t at = p * w + member * L + v * VW;
                const vec x = vload(in + p * in_panel + r * L + v * VW), s = vload(g->arrays[0] + at);
                const vec y = biased ? vfma(x, s, vload(g->arrays[1] + at)) : x * s;
                vstore(out + p * out_panel + r * L + v * VW, flush ? vflush(y) : y);
            }
    }
}

static void members_forward(const layer_args *g)
{
    if (g->layer->use_bias)
        scale_members(g, g->z, g->z_panel, g->x, g->x_panel, 1, 0);
    else
        scale_members(g, g->z, g->z_panel, g->x, g->x_panel, 0, 0);
}

/* dx = d * r */
static void members_backward(const layer_args *g) { scale_members(g, g->dx, g->dx_panel, g->d, g->d_panel, 0, 1); }

/* Of r: d * x. */
INLINE void member_scale_term(const layer_args *g, ptrdiff_t p, real *sums, ptrdiff_t r, ptrdiff_t member)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        real *sum = sums + member * L + v * VW;
        const vec d = vload(g->d + p * g->d_panel + r * L + v * VW), x = vload(g->x + p * g->x_panel + r * L + v * VW);
        vstore(sum, vload(sum) + d * x);
    }
}

static void members_gradient(const layer_args *g, ptrdiff_t panel)
{
    member_gradients(g, panel, count_panels(g->n), member_scale_term);
}

static const layer_kernels members_kernels = {
    .forward = members_forward, .backward = members_backward, .gradient = members_gradient,
};

#elif defined PLAN
static int members_arrays(const fm_layer *layer, fm_array *arrays)
{
    const fm_array each = {.rows = member_count(layer), .columns = layer->n_out, .is_matrix = 1, .moves = 1};
    arrays[0] = arrays[1] = each;
    arrays[0].name = "r", arrays[0].start = 1, arrays[1].name = "b";
    return layer->use_bias ? 2 : 1;
}

static const layer_kind members_kind = {.arrays = members_arrays, BY_MEMBER_LAYER};
#endif
#endif
