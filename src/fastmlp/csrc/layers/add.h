/* A skip connection: z = x + the output of an earlier layer, its source, before dropout. */
#if defined LAYER
LAYER(add, TWO_INPUTS, NULL, )

#elif defined PLAN
static void add_rows(const fm_plan *plan, int l, const layer_pass *pass)
{
    for (ptrdiff_t p = 0; p < count_panels(plan->layers[l].n_out); p++)
        plan->kernels->add(pass->z + p * pass->panel, pass->x + p * pass->x_panel, pass->other + p * pass->panel,
                           pass->rows * L);
    activate(plan, l, pass);
}

/* Whether a layer above has the same source, and so has put its gradient there before. */
static int source_has_gradient(const fm_plan *plan, int l)
{
    for (int above = l + 1; above < plan->layer_count; above++)
        if (plan->layers[above].source == plan->layers[l].source) return 1;
    return 0;
}

/* d goes both ways as it is. */
static void add_backward(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    const training_stage *s = w->stage;
    const int more = source_has_gradient(w->plan, l);
    (void)turned;
    for (ptrdiff_t p = 0; p < count_panels(w->plan->layers[l].n_out); p++) {
        const ptrdiff_t at = p * s->panel + first * L;
        const real *d = s->layers[l].d + at;
        real *beside = s->layers[w->plan->layers[l].source].beside + at;
        memcpy(dx + p * s->panel, d, (size_t)(rows * L) * sizeof(real));
        if (more)
            w->plan->kernels->add(beside, beside, d, rows * L);
        else
            memcpy(beside, d, (size_t)(rows * L) * sizeof(real));
    }
}

static const layer_kind add_kind = {.arrays = no_arrays, .forward = add_rows, .backward = add_backward};
#endif
