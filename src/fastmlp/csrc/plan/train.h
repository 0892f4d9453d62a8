/* Updates of the parameters. */

/* The factor that brings a gradient down to the norm it may have. */
static real norm_scale(const fm_kernels *kernels, const fm_hyper *hyper, const real *gradient, ptrdiff_t count)
{
    const double norm = isinf(hyper->global_clipnorm) ? 0 : sqrt(kernels->sum_of_squares(gradient, count));
    return norm > hyper->global_clipnorm ? (real)(hyper->global_clipnorm / norm) : 1;
}

/* The step by a gradient that is whole. */
static int update_by(const fm_plan *plan, const gradient_sink *updating, step_constants *step, const real *gradient)
{
    step->gradient_scale = norm_scale(plan->kernels, &plan->hyper, gradient, plan->size);
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        gradient_sink own = *updating;
        own.layer = layer;
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++)
            if (array->moves && !layer->frozen)
                own.take(&own, gradient + array->offset, array->offset, array_size(array), array->decays);
        if (fm_interrupted()) return 1;
    }
    return 0;
}

/* The whole gradient first, where its norm decides the step or it is one of several.  Of those the last one of a step makes it,
   by their mean. */
static int update_by_whole(fm_plan *plan, step_work *w, const gradient_sink *updating, step_constants *step)
{
    real *gradient = w->stage->gradient, *sum = plan->state.slots[FM_SUM];
    const gradient_sink keeping = {.take = take_gradient, .gradient = gradient};
    w->sink = &keeping;
    if (run_weights(w)) return 1;
    if (!sum) return update_by(plan, updating, step, gradient);
    plan->kernels->add(sum, sum, gradient, plan->size);
    plan->state.pending++;
    if (plan->state.pending < (int64_t)plan->hyper.gradient_accumulation_steps) return 0;
    divide(sum, plan->hyper.gradient_accumulation_steps, plan->size);
    if (update_by(plan, updating, step, sum)) return 1;
    memset(sum, 0, (size_t)plan->size * sizeof(real));
    plan->state.pending = 0;
    return 0;
}

/* One step of the optimizer from the rows' deltas, or a part of one; returns whether it was interrupted, which leaves some
   weights moved, but for a step aside, which is not taken where it leads to what is not finite. */
static int update(fm_plan *plan, step_work *w, double learning_rate, double l2, double weight_decay)
{
    fm_hyper hyper = plan->hyper;
    hyper.learning_rate = learning_rate, hyper.l2 = l2, hyper.weight_decay = weight_decay;
    step_constants step = next_step(plan->optimizer, &hyper, &plan->state);
    int finite = 1;
    const gradient_sink sink = w->aside ? aside_sink(plan, &step, &finite) : updating_sink(plan, &plan->state, &step);
    w->sink = &sink;
    begin_step(plan);
    if (w->aside) copy_unmoved(plan);
    if (needs_whole_gradient(&plan->hyper) ? update_by_whole(plan, w, &sink, &step) : run_weights(w)) return 1;
    if (w->aside) {
        w->bad_step = !finite;
        if (w->bad_step) return 0;
        fm_plan_keep_numbers(plan);
        fm_plan_swap(plan);
        w->swapped = 1;
    }
    move_beside(plan, w->stage);
    if (!plan->state.pending) end_step(plan);
    return repack_step(plan, w->workers);
}
