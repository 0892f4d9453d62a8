/* Passes in training's buffers that read a plan and change nothing: gradients, activations, predictions with dropout. */

/* The passes of `gradients`; returns whether they were interrupted. */
static int gradient_passes(step_work *w, const void *output_gradient)
{
    if (run_rows(w)) return 1;
    if (output_gradient) {
        take_output_gradient(w->plan, w->stage, output_gradient, w->rows);
        w->input = NULL, w->backward = 1;
        if (run_rows(w)) return 1;
    }
    return w->sink->gradient && run_weights(w);
}

static int gradients(const fm_plan *plan, const fm_input *input, const fm_target *target,
                     const void *output_gradient, ptrdiff_t rows, void *gradient, void *input_gradient, double *loss)
{
    double correct = 0;
    training_stage *s;
    const int status = stage_new(&s, plan, link_is_fused(target), rows * plan->members, 1, 0);
    if (status != FM_OK) return status;
    if (input_gradient) s->input_gradient = fm_alloc((size_t)(count_panels(plan->n_in) * s->panel) * sizeof(real));
    if (input_gradient && !s->input_gradient) {
        fm_free(s);
        return FM_NO_MEMORY;
    }
    const gradient_sink sink = {.take = take_gradient, .gradient = gradient};
    step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .target = target, .rows = rows, .sink = &sink,
                   .with_loss = !output_gradient, .backward = !output_gradient, .all_layers = 1, .check_rows = 1};
    const unsigned word = fm_fp_begin();
    take_members(&w);
    const int passed = status_of(&w, gradient_passes(&w, output_gradient));
    *loss = 0;
    if (!output_gradient) sum_rows(s, w.rows, loss, &correct);
    *loss /= (double)rows;
    if (input_gradient && passed == FM_OK) {
        join_members(plan, input_gradient, s->input_gradient, s->panel, rows, plan->n_in, 1);
        undo_divisor(plan, input_gradient, rows);
    }
    fm_fp_end(word);
    fm_free(s->input_gradient);
    fm_free(s);
    return passed;
}

/* Every layer's activations, block by block through a stage that neither drops nor stops at logits. */
static int forward(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *const *outs)
{
    const ptrdiff_t members = plan->members, most = members < 1024 ? 1024 / members : 1, block = rows < most ? rows : most;
    training_stage *s;
    const int status = stage_new(&s, plan, 0, block * members, 1, 0);
    if (status != FM_OK) return status;
    s->skip_link = 0;
    const unsigned word = fm_fp_begin();
    int passed = FM_OK;
    for (ptrdiff_t first = 0; first < rows && passed == FM_OK; first += block) {
        step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .first = first,
                       .rows = rows - first < block ? rows - first : block, .check_rows = 1};
        take_members(&w);
        passed = status_of(&w, run_rows(&w) || fm_interrupted());
        for (int l = 0; l < plan->layer_count && passed == FM_OK; l++) {
            const ptrdiff_t n = plan->layers[l].n_out;
            plan->kernels->scatter((real *)outs[l] + first * members * n, s->layers[l].a, s->panel, w.rows, n);
        }
    }
    fm_fp_end(word);
    fm_free(s);
    return passed;
}

/* Predictions as dropout leaves them, block by block likewise. */
static int predict_dropped(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, void *out, int threads)
{
    const int workers = fm_workers_for(plan, rows, threads);
    const ptrdiff_t members = plan->members, most = workers * (members < 1024 ? 1024 / members : 1);
    const ptrdiff_t block = rows < most ? rows : most;
    training_stage *s;
    int passed = stage_new(&s, plan, 0, block * members, workers, 0);
    if (passed != FM_OK) return passed;
    s->skip_link = 0, s->drops = 1;
    const unsigned word = fm_fp_begin();
    for (ptrdiff_t first = 0; first < rows && passed == FM_OK; first += block) {
        step_work w = {.plan = plan, .stage = s, .workers = workers, .input = input, .first = first,
                       .rows = rows - first < block ? rows - first : block, .check_rows = 1};
        const ptrdiff_t count = w.rows;
        take_members(&w);
        s->masks = (mask_source){seed, 0, (uint32_t)(first * members), 1};
        passed = status_of(&w, run_rows(&w) || fm_interrupted());
        join_predictions(plan, (real *)out + first * plan->n_out, s->layers[plan->layer_count - 1].a, s->panel, count);
    }
    fm_fp_end(word);
    fm_free(s);
    return passed;
}
