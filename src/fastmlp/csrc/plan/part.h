/* The gradient of a part of a batch, whose other parts may be in other processes. */

/* Outside of the engine's floating-point state, as it may do anything. */
static int told(const fm_part *part, ptrdiff_t first, const double *sums, unsigned *word)
{
    if (!part->ready) return 0;
    fm_fp_end(*word);
    const int ends = part->ready(part->context, first, sums);
    *word = fm_fp_begin();
    return ends;
}

/* The gradients of layers from the last to the first, so that those that are done can be on their way meanwhile.  A round is
   a millisecond or so. */
static int run_weights_told(step_work *w, const fm_part *part, const double *sums, unsigned *word)
{
    const ptrdiff_t shares = weight_shares(w), round = fewest_shares(w);
    ptrdiff_t done = w->plan->size;
    for (int l = w->plan->layer_count - 1; l >= 0; l--) {
        for (ptrdiff_t share = 0; share < shares; share += round) {
            const ptrdiff_t left = shares - share;
            w->first_unit = l * shares + share;
            if (fm_parallel(weights_unit, w, w->workers, left < round ? left : round)) return 1;
            if (left <= round && w->plan->layers[l].array_count) done = w->plan->layers[l].arrays[0].offset;
            if (told(part, done, sums, word)) return 1;
        }
    }
    return 0;
}

static int part_gradient(fm_plan *plan, const fm_part *part, void *gradient, double *sums)
{
    const int fused = link_is_fused(&part->target);
    const ptrdiff_t members = plan->members;
    training_stage *s;
    plan->forward_rows = 0;
    int status = stage_for(&s, plan, fused, part->most * members, fm_workers_to_try(plan, part->most, 3, part->threads));
    if (status != FM_OK) return status;
    s->drops = s->batch_statistics = 1, s->skip_link = fused;
    s->masks = (mask_source){part->seed, (uint32_t)fm_plan_batches(plan), 0, part->dropout};
    const gradient_sink sink = {.take = take_gradient, .gradient = gradient};
    step_work w = {.plan = plan, .stage = s, .workers = s->workers, .input = &part->input, .target = &part->target,
                   .order = part->order, .rows = part->rows, .others = (part->batch - part->rows) * members, .sink = &sink,
                   .with_loss = 1, .backward = 1, .in_lines = s->x_lines != NULL, .told = part->ready != NULL};
    unsigned word = fm_fp_begin();
    take_members(&w);
    for (int i = 0; i < 2 + part->target.head_count; i++) sums[i] = 0;
    if (run_rows(&w)) status = FM_INTERRUPTED;
    if (status == FM_OK) {
        sum_rows(s, w.rows, &sums[0], &sums[1]);
        sum_heads(s, &part->target, w.rows, sums + 2);
        if (told(part, plan->size, sums, &word)) status = FM_INTERRUPTED;
    }
    if (status == FM_OK && isfinite(sums[0]))
        if (part->ready ? run_weights_told(&w, part, sums, &word) : run_weights(&w)) status = FM_INTERRUPTED;
    fm_fp_end(word);
    return status;
}
