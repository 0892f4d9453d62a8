/* The gradient of a part of a batch, whose other parts may be in other processes. */

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
                   .with_loss = 1, .backward = 1, .in_lines = s->x_lines != NULL};
    const unsigned word = fm_fp_begin();
    take_members(&w);
    for (int i = 0; i < 2 + part->target.head_count; i++) sums[i] = 0;
    if (run_rows(&w)) status = FM_INTERRUPTED;
    if (status == FM_OK) {
        sum_rows(s, w.rows, &sums[0], &sums[1]);
        sum_heads(s, &part->target, w.rows, sums + 2);
    }
    if (status == FM_OK && isfinite(sums[0]) && run_weights(&w)) status = FM_INTERRUPTED;
    fm_fp_end(word);
    return status;
}
