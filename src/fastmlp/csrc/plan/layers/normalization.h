/* What normalisations have in common: z = x_hat * gamma + beta. */

static int gamma_and_beta(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "gamma", .rows = 1, .columns = layer->n_out, .start = 1, .moves = 1};
    arrays[1] = (fm_array){.name = "beta", .rows = 1, .columns = layer->n_out, .moves = 1};
    return 2;
}

static norm_args norm_of(const fm_plan *plan, int l, ptrdiff_t rows)
{
    return (norm_args){.gamma = array_of(plan, l, 0), .beta = array_of(plan, l, 1), .m = rows, .n = plan->layers[l].n_out,
                       .epsilon = (real)plan->layers[l].epsilon};
}

/* The rows of a pass, with the statistics that `g` has. */
static void normalize_rows(const fm_plan *plan, int l, const layer_pass *pass, norm_args g)
{
    g.x = pass->x, g.x_panel = pass->x_panel, g.z = pass->z, g.z_panel = pass->panel;
    plan->kernels->norm_forward(&g);
    activate(plan, l, pass);
}

/* Rows of the batch from `first` on, gradients included. */
static norm_args of_stage(const step_work *w, int l, ptrdiff_t first, norm_args g)
{
    const training_stage *s = w->stage;
    const stage_layer *b = &s->layers[l];
    g.x = stage_input(s, l) + first * L, g.d = b->d + first * L;
    g.x_panel = g.z_panel = g.d_panel = g.dx_panel = s->panel;
    g.d_gamma = b->d_gamma, g.d_beta = b->d_beta;
    return g;
}

/* They are no weights: no penalty takes them to zero. */
static void take_gamma_and_beta(const step_work *w, const gradient_sink *sink, int l, gradient_part part, norm_args g)
{
    real d_gamma[64 / sizeof(real)] __attribute__((aligned(64))), d_beta[64 / sizeof(real)] __attribute__((aligned(64)));
    const fm_array *arrays = w->plan->layers[l].arrays;
    if (part.share || part.last < w->rows) return;
    for (ptrdiff_t p = 0; p < count_panels(g.n); p++) {
        w->plan->kernels->norm_gradient(&g, p, d_gamma, d_beta);
        sink->take(sink, d_gamma, arrays[0].offset + p * L, L, 0);
        sink->take(sink, d_beta, arrays[1].offset + p * L, L, 0);
    }
}
