/* A factor a column: z = x * s. */

static int scale_arrays(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "s", .rows = 1, .columns = layer->n_out, .start = 1, .moves = 1};
    return 1;
}

static norm_args scale_of(const fm_plan *plan, int l, ptrdiff_t rows)
{
    return (norm_args){.gamma = array_of(plan, l, 0), .m = rows, .n = plan->layers[l].n_out};
}

static void scale_rows(const fm_plan *plan, int l, const layer_pass *pass)
{
    norm_args g = scale_of(plan, l, pass->rows);
    g.x = pass->x, g.x_panel = pass->x_panel, g.z = pass->z, g.z_panel = pass->panel;
    plan->kernels->scale_forward(&g);
    activate(plan, l, pass);
}

static void scale_backward(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    norm_args g = of_stage(w, l, first, scale_of(w->plan, l, rows));
    (void)turned;
    g.dx = dx;
    w->plan->kernels->scale_backward(&g);
}

static void scale_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    real d_s[64 / sizeof(real)] __attribute__((aligned(64)));
    const norm_args g = of_stage(w, l, 0, scale_of(w->plan, l, w->rows));
    if (part.share || part.last < w->rows) return;
    for (ptrdiff_t p = 0; p < count_panels(g.n); p++) {
        w->plan->kernels->scale_gradient(&g, p, d_s);
        sink->take(sink, d_s, w->plan->layers[l].arrays[0].offset + p * L, L, 0);
    }
}

static const layer_kind scale_kind = {
    .arrays = scale_arrays, .forward = scale_rows, .backward = scale_backward, .gradient = scale_gradient,
};
