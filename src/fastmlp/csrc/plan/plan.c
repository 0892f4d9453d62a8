/* A compiled description of a network and the work it orders; the arithmetic is in the kernels' tables. */
#include <math.h>
#include <string.h>

#include "plan.h"
#include "random.h"

const fm_activation_info fm_activations[] = {
#define A 0
#define Z 1
#define ACTIVATION(name, saved, parameter) {#name, saved, 0, parameter},
#define ROW_ACTIVATION(name)
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
#undef A
#undef Z
#define ACTIVATION(name, saved, parameter)
#define ROW_ACTIVATION(name) {#name, 0, 1, 0.0},
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
};

const fm_loss_info fm_losses[] = {
#define FM_any (-1)
#define LABEL 1
#define ROW 0
#define LOSS(name, link, target, parameter) {#name, FM_##link, target, parameter},
#include "losses.def"
#undef LOSS
#undef LABEL
#undef ROW
};

const fm_optimizer_info fm_optimizers[] = {
#define OPTIMIZER(name, rule, slots) {#name, slots},
#include "optimizers.def"
#undef OPTIMIZER
};

const char *const fm_elementary_names[] = {
#define ELEMENTARY(name) #name,
#include "elementary.def"
#undef ELEMENTARY
};

static size_t real_size(const fm_plan *plan) { return plan->type == FM_FLOAT32 ? sizeof(float) : sizeof(double); }
static size_t vector_bytes(const fm_plan *plan) { return (size_t)plan->size * real_size(plan); }

/* Vectors of training's state: the parameters, then the optimizer's slots in use. */
static int state_vectors(const fm_plan *plan, void *vectors[3])
{
    int count = 0;
    vectors[count++] = plan->parameters;
    for (int i = 0; i < 2; i++)
        if (plan->slots[i]) vectors[count++] = plan->slots[i];
    return count;
}

void fm_plan_keep(fm_plan *plan)
{
    void *vectors[3];
    const int count = state_vectors(plan, vectors);
    for (int i = 0; i < count; i++)
        memcpy((char *)plan->snapshot + (size_t)i * vector_bytes(plan), vectors[i], vector_bytes(plan));
    plan->kept_step = plan->step;
    memcpy(plan->kept_powers, plan->beta_powers, sizeof plan->beta_powers);
}

void fm_plan_restore(fm_plan *plan)
{
    void *vectors[3];
    const int count = state_vectors(plan, vectors);
    for (int i = 0; i < count; i++)
        memcpy(vectors[i], (char *)plan->snapshot + (size_t)i * vector_bytes(plan), vector_bytes(plan));
    plan->step = plan->kept_step;
    memcpy(plan->beta_powers, plan->kept_powers, sizeof plan->beta_powers);
}

/* Training, which has more than one pass and times its batches, tries two for less. */
int fm_workers_for(const fm_plan *plan, ptrdiff_t rows, int passes, int threads)
{
    const double work = (double)rows * (double)plan->size * passes, least = 2e6;
    const int most = fm_most_workers(threads);
    if (most == 1 || work < (passes > 1 ? least / 2 : 2 * least)) return 1;
    const int workers = work / least < most ? (int)(work / least) : most;
    return workers > 2 ? workers : 2;
}

static const fm_typed_plan *typed_plan(int type) { return type == FM_FLOAT32 ? &fm_typed_plan_f32 : &fm_typed_plan_f64; }

int fm_plan_init(fm_plan *plan)
{
    plan->size = typed_plan(plan->type)->lay_out(plan);
    plan->loss = -1;
    plan->parameters = fm_alloc(vector_bytes(plan));
    if (!plan->parameters) return FM_NO_MEMORY;
    typed_plan(plan->type)->initialize_norms(plan);
    return FM_OK;
}

static void drop_training(fm_plan *plan)
{
    void **owned[] = {&plan->slots[0], &plan->slots[1], &plan->snapshot, &plan->stage};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        fm_free(*owned[i]);
        *owned[i] = NULL;
    }
}

void fm_plan_clear(fm_plan *plan)
{
    drop_training(plan);
    fm_free(plan->parameters);
    plan->parameters = NULL;
}

int fm_layer_arrays(const fm_layer *layer, fm_array arrays[FM_MOST_ARRAYS])
{
    const ptrdiff_t vectors[] = {layer->b, layer->mean, layer->variance};
    int count = 0;
    arrays[count++] = (fm_array){layer->w, layer->norm ? 1 : layer->n_in, layer->n_out, !layer->norm};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (vectors[i] >= 0) arrays[count++] = (fm_array){vectors[i], 1, layer->n_out, 0};
    return count;
}

void fm_plan_pack(const fm_plan *plan, void *vector, const fm_array *array, const void *values)
{
    typed_plan(plan->type)->pack(plan, vector, array, values);
}

void fm_plan_unpack(const fm_plan *plan, const void *vector, const fm_array *array, void *values)
{
    typed_plan(plan->type)->unpack(plan, vector, array, values);
}

void fm_plan_initialize(fm_plan *plan, int layer, int normal, double scale, uint64_t seed)
{
    const unsigned word = fm_fp_begin();
    typed_plan(plan->type)->initialize(plan, layer, normal, scale, seed);
    fm_fp_end(word);
}

int fm_plan_predict(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *out, int threads)
{
    return typed_plan(plan->type)->predict(plan, input, rows, out, threads);
}

int fm_plan_forward(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *const *outs)
{
    return typed_plan(plan->type)->forward(plan, input, rows, outs);
}

int fm_plan_evaluate(const fm_plan *plan, const fm_input *input, const fm_target *target, ptrdiff_t rows, double *loss,
                     double *correct, int threads)
{
    const unsigned word = fm_fp_begin();
    const int status = typed_plan(plan->type)->evaluate(plan, input, target, rows, loss, correct, threads);
    fm_fp_end(word);
    return status;
}

/* What the rule keeps: plain gradient descent needs no velocity. */
static int slots_in_use(const fm_plan *plan)
{
    return plan->optimizer == FM_sgd_optimizer && plan->hyper.momentum == 0 ? 0 : fm_optimizers[plan->optimizer].slots;
}

int fm_plan_compile(fm_plan *plan, int loss, double loss_parameter, int optimizer, const fm_hyper *hyper)
{
    drop_training(plan);
    plan->loss = loss;
    plan->loss_parameter = loss_parameter;
    plan->optimizer = optimizer;
    plan->hyper = *hyper;
    plan->step = 0;
    plan->beta_powers[0] = plan->beta_powers[1] = 1;
    const int slots = slots_in_use(plan);
    for (int i = 0; i < slots; i++)
        if (!(plan->slots[i] = fm_alloc(vector_bytes(plan)))) return FM_NO_MEMORY;
    plan->snapshot = fm_alloc_raw((size_t)(1 + slots) * vector_bytes(plan));
    return plan->snapshot ? FM_OK : FM_NO_MEMORY;
}

double fm_plan_squares(const fm_plan *plan) { return typed_plan(plan->type)->squares(plan); }

int fm_plan_train(fm_plan *plan, fm_epoch *epoch)
{
    const double start = fm_seconds();
    fm_plan_keep(plan);
    /* a copy of a large network must not cost more than a small part of its slice */
    const double least = 20 * (fm_seconds() - start);
    if (epoch->seconds < least) epoch->seconds = least;
    const int status = typed_plan(plan->type)->train(plan, epoch);
    if (status == FM_NOT_FINITE) fm_plan_restore(plan);
    return status;
}

/* Epochs until `most` are done or the time is over, or one that diverges. */
static int train_epochs(fm_plan *plan, fm_epoch *epoch, fm_epochs *run, ptrdiff_t most, double end)
{
    const ptrdiff_t batches = (epoch->rows + epoch->batch_size - 1) / epoch->batch_size;
    epoch->order = run->orders ? run->orders : run->order;
    epoch->seconds = INFINITY;
    epoch->again = 0;
    for (run->done = 0; run->done < most && (!run->done || fm_seconds() < end); run->done++) {
        double *sums = run->sums + run->columns * run->done;
        if (run->order) fm_shuffle(run->order, epoch->rows, epoch->seed, run->number + (uint32_t)run->done);
        epoch->batch = 0, epoch->loss = epoch->correct = 0;
        const int status = typed_plan(plan->type)->train(plan, epoch);
        if (status != FM_OK) return status;
        sums[0] = epoch->loss, sums[1] = epoch->correct;
        if (run->columns > 2) sums[2] = fm_plan_squares(plan);
        epoch->learning_rates += batches;
        if (epoch->l2) epoch->l2 += batches;
        if (run->orders) epoch->order += epoch->rows;
        epoch->again = 1;
    }
    return FM_OK;
}

/* The state is copied once a call: the epochs before one that diverges are made again. */
int fm_plan_train_epochs(fm_plan *plan, fm_epoch *epoch, fm_epochs *run)
{
    fm_epoch first = *epoch;
    fm_plan_keep(plan);
    const int status = train_epochs(plan, epoch, run, run->most, fm_seconds() + epoch->seconds);
    if (status == FM_NOT_FINITE) fm_plan_restore(plan);
    if (status == FM_NOT_FINITE && run->done) train_epochs(plan, &first, run, run->done, INFINITY);
    return run->done ? FM_OK : status;
}

int fm_plan_train_forward(fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, void *out)
{
    return typed_plan(plan->type)->train_forward(plan, input, rows, seed, out);
}

int fm_plan_train_backward(fm_plan *plan, const void *output_gradient, ptrdiff_t rows, double learning_rate,
                           double l2)
{
    return typed_plan(plan->type)->train_backward(plan, output_gradient, rows, learning_rate, l2);
}

int fm_plan_gradients(const fm_plan *plan, const fm_input *input, const fm_target *target, const void *output_gradient,
                      ptrdiff_t rows, void *gradient, void *input_gradient, double *loss)
{
    return typed_plan(plan->type)->gradients(plan, input, target, output_gradient, rows, gradient, input_gradient, loss);
}

int fm_activation_forward(const fm_kernels *k, int type, int activation, void *a, const void *z, ptrdiff_t rows,
                          ptrdiff_t n, double parameter)
{
    return typed_plan(type)->activation_forward(k, activation, a, z, rows, n, parameter);
}

int fm_activation_backward(const fm_kernels *k, int type, int activation, void *dz, const void *da, const void *saved,
                           ptrdiff_t rows, ptrdiff_t n, double parameter)
{
    return typed_plan(type)->activation_backward(k, activation, dz, da, saved, rows, n, parameter);
}

int fm_loss_rows(const fm_kernels *k, int type, int loss, double parameter, const void *p, const fm_target *target,
                 ptrdiff_t rows, ptrdiff_t n, void *values, void *d, double *correct)
{
    return typed_plan(type)->loss_rows(k, loss, parameter, p, target, rows, n, values, d, correct);
}

int fm_all_finite(const fm_kernels *k, int type, const void *values, ptrdiff_t count)
{
    return typed_plan(type)->all_finite(k, values, count);
}

void fm_elementary(const fm_kernels *k, int type, int function, void *out, const void *in, ptrdiff_t count)
{
    typed_plan(type)->elementary(k, function, out, in, count);
}

void fm_optimizer_update(const fm_kernels *k, int type, int optimizer, const fm_hyper *hyper, int64_t step, void *w,
                         const void *g, void *slot_0, void *slot_1, ptrdiff_t count)
{
    double powers[2] = {1, 1};
    for (int64_t t = 0; t < step; t++) powers[0] *= hyper->beta_1, powers[1] *= hyper->beta_2;
    typed_plan(type)->optimizer_update(k, optimizer, hyper, powers, w, g, slot_0, slot_1, count);
}
