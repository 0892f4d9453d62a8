/* Heads: slices of the output side by side, each with an activation and, where the target says so, a loss of its own.  Rows are
   in the lanes, so that a slice is as whole as an output of its own would be. */

/* The activations of L rows in lines (n_out, L). */
static void heads_forward(const fm_plan *plan, real *lines)
{
    const fm_kernels *kernels = plan->kernels;
    for (const fm_head *head = plan->heads; head < plan->heads + plan->head_count; lines += head++->columns * L)
        if (head->activation == FM_softmax)
            kernels->turned_softmax(lines, 1, head->columns);
        else
            kernels->activations[head->activation].forward(lines, lines, head->columns * L, (real)head->parameter);
}

/* From the gradients with respect to the activations to those before them, of the heads whose derivative takes `saved`. */
static void heads_backward(const fm_plan *plan, real *d, const real *saved, int from_z)
{
    const fm_kernels *kernels = plan->kernels;
    for (const fm_head *head = plan->heads; head < plan->heads + plan->head_count; head++) {
        const ptrdiff_t count = head->columns * L;
        if (fm_activations[head->activation].from_z == from_z) {
            if (head->activation == FM_softmax)
                kernels->turned_softmax_backward(d, saved, head->columns);
            else
                kernels->activations[head->activation].backward(d, d, saved, count, (real)head->parameter);
        }
        d += count, saved += count;
    }
}

/* heads_forward of an output in panels; `lines` is room for L rows of it. */
static void apply_heads(const fm_plan *plan, real *a, ptrdiff_t panel, ptrdiff_t rows, real *lines)
{
    for (ptrdiff_t r = 0; r < rows && plan->head_count; r += L) {
        const ptrdiff_t some = rows - r < L ? rows - r : L;
        plan->kernels->transpose(lines, 0, a + r * L, panel, some, plan->n_out);
        heads_forward(plan, lines);
        plan->kernels->transpose(a + r * L, panel, lines, 0, plan->n_out, some);
    }
}

/* heads_backward likewise; `lines` is room for two matrices. */
static void pass_heads(const fm_plan *plan, real *d, const real *a, const real *z, ptrdiff_t panel, ptrdiff_t rows, real *lines)
{
    const fm_kernels *kernels = plan->kernels;
    real *saved = lines + plan->n_out * L;
    for (ptrdiff_t r = 0; r < rows; r += L) {
        const ptrdiff_t some = rows - r < L ? rows - r : L;
        kernels->transpose(lines, 0, d + r * L, panel, some, plan->n_out);
        for (int from_z = 0; from_z <= heads_keep_z(plan); from_z++) {
            kernels->transpose(saved, 0, (from_z ? z : a) + r * L, panel, some, plan->n_out);
            heads_backward(plan, lines, saved, from_z);
        }
        kernels->transpose(d + r * L, panel, lines, 0, plan->n_out, some);
    }
}

/* A class as the rows of targets hold it; they are checked, but another thread may have written to them since. */
static int64_t class_in(real value, ptrdiff_t classes) { return value >= 0 && value < (real)classes ? (int64_t)value : 0; }

/* The weighted sum of the heads' losses, from 0 in their order. */
static void head_losses(const fm_kernels *kernels, const fm_target *target, loss_args l)
{
    real values[L];
    double correct[L];
    int64_t labels[L];
    real *const sums = l.values;
    for (ptrdiff_t r = 0; r < l.rows; r++) sums[r] = 0, l.correct[r] = 0;
    const real scale = l.scale;
    for (const fm_head_loss *head = target->heads; head < target->heads + target->head_count; head++) {
        const real weight = (real)head->weight;
        const ptrdiff_t count = head->outputs * L;
        l.n = head->outputs, l.scale = scale * weight, l.values = values, l.correct = correct, l.labels = NULL;
        l.parameters = head->parameters, l.parameter_count = head->parameter_count;
        if (fm_losses[head->loss].label) {
            for (ptrdiff_t r = 0; r < l.rows; r++) labels[r] = class_in(l.y[r], head->outputs);
            l.labels = labels;
        }
        real *const d = l.d;
        if (!(weight > 0)) { /* 0 of an infinite loss is none */
            if (d) memset(d, 0, (size_t)count * sizeof(real));
            l.d = NULL;
        }
        if (weight > 0 || l.apart) kernels->losses[head->loss](&l);
        for (ptrdiff_t r = 0; r < l.rows && weight > 0; r++) sums[r] += weight * values[r];
        if (l.apart) {
            memcpy(l.apart, values, (size_t)l.rows * sizeof(real));
            l.apart += l.apart_stride;
        }
        l.p += count, l.y += head->targets * L, l.d = d ? d + count : NULL;
    }
}

/* A loss of at most L rows, whatever it is of. */
static void line_losses(const fm_kernels *kernels, const fm_target *target, loss_args l)
{
    if (target->head_count) {
        head_losses(kernels, target, l);
        return;
    }
    l.parameters = target_parameters(target), l.parameter_count = parameter_count(target);
    kernels->losses[target->loss](&l);
}
