/* Updates of the parameters. */

/* The factor that brings a gradient down to the norm it may have. */
static real norm_scale(const fm_kernels *kernels, const fm_hyper *hyper, const real *gradient, ptrdiff_t count)
{
    const double norm = isinf(hyper->global_clipnorm) ? 0 : sqrt(kernels->sum_of_squares(gradient, count));
    return norm > hyper->global_clipnorm ? (real)(hyper->global_clipnorm / norm) : 1;
}

/* The whole gradient first, where its norm decides the step. */
static int clipped_update(step_work *w, const gradient_sink *updating, step_constants *step)
{
    const fm_plan *plan = w->plan;
    const gradient_sink keeping = {.take = take_gradient, .gradient = w->stage->gradient};
    w->sink = &keeping;
    if (run_weights(w)) return 1;
    step->gradient_scale = norm_scale(plan->kernels, &plan->hyper, keeping.gradient, plan->size);
    for (int l = 0; l < plan->layer_count; l++) {
        const fm_layer *layer = &plan->layers[l];
        gradient_sink own = *updating;
        own.layer = layer;
        for (const fm_array *array = layer->arrays; array < layer->arrays + layer->array_count; array++)
            if (array->moves && !layer->frozen)
                take_update(&own, keeping.gradient + array->offset, array->offset, array_size(array), array->decays);
        if (fm_interrupted()) return 1;
    }
    return 0;
}

/* One step of the optimizer from the rows' deltas; returns whether it was interrupted, which leaves some weights moved. */
static int update(fm_plan *plan, step_work *w, double learning_rate, double l2, double weight_decay)
{
    fm_hyper hyper = plan->hyper;
    hyper.learning_rate = learning_rate, hyper.l2 = l2, hyper.weight_decay = weight_decay;
    step_constants step = next_step(plan->optimizer, &hyper, &plan->state);
    const gradient_sink sink = updating_sink(plan, &step);
    w->sink = &sink;
    if (isinf(plan->hyper.global_clipnorm) ? run_weights(w) : clipped_update(w, &sink, &step)) return 1;
    for (int l = 0; l < plan->layer_count; l++)
        if (kind_of(&plan->layers[l])->after_step) kind_of(&plan->layers[l])->after_step(plan, w->stage, l);
    fm_count_step(&plan->state, plan->optimizer, &plan->hyper);
    return 0;
}
