/* What kinds whose arrays have a part for each member share.  Row r of a batch is of member r % members, the first setting. */
#if defined KERNELS && !defined FM_BY_MEMBER_KERNELS
#define FM_BY_MEMBER_KERNELS

static inline ptrdiff_t members_of(const layer_args *g) { return (ptrdiff_t)g->settings[0]; }

/* The member of the row after one of `member`. */
static inline ptrdiff_t next_member(ptrdiff_t member, ptrdiff_t members) { return member + 1 < members ? member + 1 : 0; }

/* Adds to sums what row r, of a member, gives to panel p of an array's gradient. */
typedef void member_term(const layer_args *g, ptrdiff_t p, real *sums, ptrdiff_t r, ptrdiff_t member);

/* Panel p of the gradient of array i, in the contract's order: the array's lines, and room for as many after them. */
INLINE void member_sums(const layer_args *g, int i, ptrdiff_t p, member_term *term)
{
    const ptrdiff_t size = g->layer->arrays[i].rows * L, members = members_of(g);
    real *total = g->own[i] + 2 * p * size;
    ptrdiff_t member = 0;
    for (ptrdiff_t first = 0; first < g->m; first += BLOCK_ROWS) {
        real *sums = first ? total + size : total;
        memset(sums, 0, (size_t)size * sizeof(real));
        for (ptrdiff_t r = first; r < smaller(first + BLOCK_ROWS, g->m); r++, member = next_member(member, members))
            term(g, p, sums, r, member);
        for (ptrdiff_t at = 0; first && at < size; at += VW) vstore(total + at, vload(total + at) + vload(sums + at));
    }
}

/* Of a bias: d. */
INLINE void member_bias_term(const layer_args *g, ptrdiff_t p, real *sums, ptrdiff_t r, ptrdiff_t member)
{
    UNROLL for (int v = 0; v < VPL; v++) {
        real *sum = sums + member * L + v * VW;
        vstore(sum, vload(sum) + vload(g->d + p * g->d_panel + r * L + v * VW));
    }
}

/* Panels of the first array's gradient, by its terms, and after them those of the bias. */
INLINE void member_gradients(const layer_args *g, ptrdiff_t panel, ptrdiff_t panels, member_term *term)
{
    if (panel < panels)
        member_sums(g, 0, panel, term);
    else
        member_sums(g, 1, panel - panels, member_bias_term);
}

#elif defined PLAN && !defined FM_BY_MEMBER_PLAN
#define FM_BY_MEMBER_PLAN

static inline ptrdiff_t member_count(const fm_layer *layer) { return (ptrdiff_t)layer->settings[0]; }

/* For each array what member_sums needs. */
static void by_member_buffers(real **own, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)rows;
    for (int i = 0; i < layer->array_count; i++)
        own[i] = TAKE(real, 2 * count_panels(layer->arrays[i].columns) * layer->arrays[i].rows * L);
}

/* A share of the panels of all arrays, which the kernel numbers one array after another; all rows at once. */
static void by_member_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    const fm_layer *layer = &w->plan->layers[l];
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    ptrdiff_t unit = 0;
    if (part.last < w->rows) return;
    for (int i = 0; i < layer->array_count; i++) {
        const fm_array *array = &layer->arrays[i];
        const ptrdiff_t size = array->rows * L;
        for (ptrdiff_t p = 0; p < count_panels(array->columns); p++, unit++) {
            if (unit % part.shares != part.share) continue;
            kernels_of(w->plan, l)->gradient(&g, unit);
            sink->take(sink, g.own[i] + 2 * p * size, array->offset + p * w_panel(array->rows), size, array->decays);
        }
    }
}

#define BY_MEMBER_LAYER                                                                                                       \
    .buffers = by_member_buffers, .forward = forward_by_kernel, .backward = backward_by_kernel, .gradient = by_member_gradient
#endif
