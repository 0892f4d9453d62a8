/* Passes that move no weights, or whose loss comes from outside: gradients, activations, the two halves of a step. */

/* Of passes over rows of an input that they have looked at. */
static int status_of(const step_work *w, int interrupted)
{
    return interrupted ? FM_INTERRUPTED : w->bad_rows ? FM_NOT_FINITE : FM_OK;
}

static int train_forward(fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, double dropout,
                         void *out)
{
    training_stage *s;
    const int status = stage_for(&s, plan, 0, rows, 1);
    if (status != FM_OK) return status;
    s->training = 1, s->skip_link = 0, s->dropout = dropout;
    step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .rows = rows, .seed = seed,
                   .check_rows = 1};
    const unsigned word = fm_fp_begin();
    const int passed = status_of(&w, run_rows(&w));
    if (passed == FM_OK) plan->kernels->scatter(out, s->layers[plan->layer_count - 1].a, s->panel, rows, plan->n_out);
    fm_fp_end(word);
    return passed;
}

/* Deltas of the output layer from the gradient with respect to the prediction. */
static void take_output_gradient(const fm_plan *plan, const training_stage *s, const void *output_gradient, ptrdiff_t rows)
{
    const fm_input in = {.data = output_gradient, .row_bytes = plan->n_out * (ptrdiff_t)sizeof(real),
                         .columns = plan->n_out, .type = plan->type};
    plan->kernels->gather(s->layers[plan->layer_count - 1].d, s->panel, &in, NULL, 0, rows);
    link_backward(plan, s, 0, rows);
}

static int train_backward(fm_plan *plan, const void *output_gradient, ptrdiff_t rows, double learning_rate,
                          double l2, double weight_decay)
{
    training_stage *s = plan->stage;
    step_work w = {.plan = plan, .stage = s, .workers = 1, .rows = rows, .backward = 1};
    const unsigned word = fm_fp_begin();
    int status = fm_plan_keep(plan) ? FM_INTERRUPTED : FM_OK;
    if (status == FM_OK) {
        take_output_gradient(plan, s, output_gradient, rows);
        if (run_rows(&w) || update(plan, &w, learning_rate, l2, weight_decay))
            status = FM_INTERRUPTED;
        else if (!state_is_finite(plan))
            status = FM_NOT_FINITE;
        if (status != FM_OK) fm_plan_restore(plan);
    }
    fm_fp_end(word);
    return status;
}

/* d loss / d x = (d loss / d x_in) / divisor, as x_in = (x - shift) / divisor. */
static void undo_divisor(const fm_plan *plan, real *dx, ptrdiff_t rows)
{
    const real *divisor = plan->divisor;
    for (ptrdiff_t r = 0; r < rows && divisor; r++)
        for (ptrdiff_t i = 0; i < plan->n_in; i++) dx[r * plan->n_in + i] /= divisor[i];
}

/* The passes of `gradients`; returns whether they were interrupted. */
static int gradient_passes(step_work *w, const void *output_gradient)
{
    if (run_rows(w)) return 1;
    if (output_gradient) {
        take_output_gradient(w->plan, w->stage, output_gradient, w->rows);
        w->input = NULL, w->backward = 1;
        if (run_rows(w)) return 1;
    }
    return run_weights(w);
}

static int gradients(const fm_plan *plan, const fm_input *input, const fm_target *target,
                     const void *output_gradient, ptrdiff_t rows, void *gradient, void *input_gradient, double *loss)
{
    double correct = 0;
    training_stage *s;
    const int status = stage_new(&s, plan, link_is_fused(target), rows, 1, 0);
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
    const int passed = status_of(&w, gradient_passes(&w, output_gradient));
    *loss = 0;
    if (!output_gradient) sum_rows(s, rows, loss, &correct);
    *loss /= (double)rows;
    if (input_gradient && passed == FM_OK) {
        plan->kernels->scatter(input_gradient, s->input_gradient, s->panel, rows, plan->n_in);
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
    const ptrdiff_t block = rows < 1024 ? rows : 1024;
    training_stage *s;
    const int status = stage_new(&s, plan, 0, block, 1, 0);
    if (status != FM_OK) return status;
    s->skip_link = 0;
    const unsigned word = fm_fp_begin();
    int passed = FM_OK;
    for (ptrdiff_t first = 0; first < rows && passed == FM_OK; first += block) {
        step_work w = {.plan = plan, .stage = s, .workers = 1, .input = input, .first = first,
                       .rows = rows - first < block ? rows - first : block, .check_rows = 1};
        passed = status_of(&w, run_rows(&w) || fm_interrupted());
        for (int l = 0; l < plan->layer_count && passed == FM_OK; l++) {
            const ptrdiff_t n = plan->layers[l].n_out;
            plan->kernels->scatter((real *)outs[l] + first * n, s->layers[l].a, s->panel, w.rows, n);
        }
    }
    fm_fp_end(word);
    fm_free(s);
    return passed;
}
