/* A compiled description of a network and the work it orders; the arithmetic is in the kernels' tables. */
#include <math.h>
#include <string.h>

#include "interrupt.h"
#include "plan.h"
#include "random.h"

const fm_activation_info fm_activations[] = {
#define A 0
#define Z 1
#define ACTIVATION(name, saved, parameter, least, most) {#name, saved, 0, parameter, least, most},
#define ROW_ACTIVATION(name)
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
#undef A
#undef Z
#define ACTIVATION(name, saved, parameter, least, most)
#define ROW_ACTIVATION(name) {#name, 0, 1, 0.0, 0.0, 0.0},
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
};

const fm_loss_info fm_losses[] = {
#define FM_any (-1)
#define LABEL 1
#define ROW 0
#define LOSS(name, link, target, outputs, count, ...) {#name, FM_##link, target, outputs, count, {__VA_ARGS__}},
#include "losses.def"
#undef LOSS
#undef LABEL
#undef ROW
};

const fm_optimizer_info fm_optimizers[] = {
#define OPTIMIZER(name, rule, slots, needs) {#name, slots, FM_##needs},
#include "optimizers.def"
#undef OPTIMIZER
};

const fm_hyperparameter_info fm_hyperparameters[] = {
#define HYPERPARAMETER(name, fallback) {#name, offsetof(fm_hyper, name), fallback},
#include "hyperparameters.def"
#undef HYPERPARAMETER
};

const char *const fm_elementary_names[] = {
#define ELEMENTARY(name) #name,
#include "elementary.def"
#undef ELEMENTARY
};

const fm_layer_info fm_layers[] = {
#define TWO_INPUTS FM_TWO_INPUTS
#define READS_CODES FM_READS_CODES
#define KEEPS_INPUT FM_KEEPS_INPUT
#define BY_MEMBER FM_BY_MEMBER
#define SETTING(name, start, least, most) {#name, start, least, most},
#define LAYER(kind, traits, kernels, settings) {#kind, traits, {settings}},
#include "layers.def"
#undef LAYER
#undef SETTING
#undef TWO_INPUTS
#undef READS_CODES
#undef KEEPS_INPUT
#undef BY_MEMBER
};

static size_t real_size(const fm_plan *plan) { return plan->type == FM_FLOAT32 ? sizeof(float) : sizeof(double); }
static size_t vector_bytes(const fm_plan *plan) { return (size_t)plan->size * real_size(plan); }

static ptrdiff_t parts_of_vector(const fm_plan *plan) { return (ptrdiff_t)((vector_bytes(plan) + STATE_PART - 1) / STATE_PART); }

void *fm_state_vector(const fm_state *state, int vector) { return vector ? state->slots[vector - 1] : state->parameters; }

fm_state_part fm_part_of_state(const fm_plan *plan, ptrdiff_t part)
{
    const ptrdiff_t parts = parts_of_vector(plan);
    const size_t first = (size_t)(part % parts) * STATE_PART, left = vector_bytes(plan) - first;
    return (fm_state_part){(int)(part / parts), first, left < STATE_PART ? left : STATE_PART};
}

int fm_for_state(const fm_plan *plan, fm_task *task, void *context, int workers)
{
    const ptrdiff_t parts = (1 + FM_STATE_SLOTS) * parts_of_vector(plan);
    if (vector_bytes(plan) > STATE_PART) return fm_parallel(task, context, workers, parts);
    for (ptrdiff_t part = 0; part < parts; part++) task(context, 0, part);
    return 0;
}

static void keep_part(void *context, int worker, ptrdiff_t number)
{
    const fm_plan *plan = context;
    const fm_state_part part = fm_part_of_state(plan, number);
    const char *from = fm_state_vector(&plan->state, part.vector);
    (void)worker;
    if (from) memcpy((char *)fm_state_vector(&plan->kept, part.vector) + part.first, from + part.first, part.bytes);
}

int fm_plan_keep(fm_plan *plan, int workers)
{
    const int interrupted = fm_for_state(plan, keep_part, plan, workers);
    plan->kept_whole |= !interrupted;
    fm_plan_keep_numbers(plan);
    return interrupted;
}

void fm_plan_keep_numbers(fm_plan *plan)
{
    plan->kept.step = plan->state.step, plan->kept.pending = plan->state.pending;
    memcpy(plan->kept.beta_powers, plan->state.beta_powers, sizeof plan->state.beta_powers);
}

int64_t fm_plan_batches(const fm_plan *plan)
{
    const double several = plan->hyper.gradient_accumulation_steps;
    return plan->state.step * (several > 1 ? (int64_t)several : 1) + plan->state.pending;
}

void fm_plan_swap(fm_plan *plan)
{
    const fm_state given_up = plan->state;
    plan->state = plan->kept;
    plan->kept = given_up;
}

void fm_plan_restore(fm_plan *plan)
{
    fm_plan_swap(plan);
    fm_plan_repack(plan);
}

double fm_work(const fm_plan *plan, ptrdiff_t rows) { return (double)(rows * plan->members) * (double)plan->size; }

#define WORKER_WORK 2e6

static int workers_from(double least, double work, int threads)
{
    const int most = fm_most_workers(threads);
    if (most == 1 || work < least) return 1;
    const int workers = work / WORKER_WORK < most ? (int)(work / WORKER_WORK) : most;
    return workers > 2 ? workers : 2;
}

int fm_workers_for(const fm_plan *plan, ptrdiff_t rows, int threads)
{
    return workers_from(2 * WORKER_WORK, fm_work(plan, rows), threads);
}

int fm_workers_to_try(const fm_plan *plan, ptrdiff_t rows, int passes, int threads)
{
    return workers_from(WORKER_WORK / 2, passes * fm_work(plan, rows), threads);
}

static const fm_typed_plan *typed_plan(int type) { return type == FM_FLOAT32 ? &fm_typed_plan_f32 : &fm_typed_plan_f64; }

/* A vector of zeros, which is long work: *made is what is to be freed, however it ends. */
static int new_zeros(const fm_plan *plan, void **made)
{
    *made = fm_alloc_raw(vector_bytes(plan));
    if (!*made) return FM_NO_MEMORY;
    return fm_zero(*made, vector_bytes(plan)) ? FM_INTERRUPTED : FM_OK;
}

int fm_plan_init(fm_plan *plan)
{
    plan->kernels = fm_isa_table(plan->isa, plan->type);
    plan->size = typed_plan(plan->type)->lay_out(plan);
    plan->optimizer = -1;
    if (plan->stored) plan->products = fm_isa_products(plan->isa);
    const size_t line = ((size_t)plan->n_out * real_size(plan) + 63) / 64 * 64;
    plan->output_scale = fm_alloc(line);
    plan->output_offset = fm_alloc(line);
    plan->pace = fm_alloc(PREDICTION_SIZES * sizeof(way_paces));
    const int made = plan->output_scale && plan->output_offset && plan->pace;
    const int status = made ? new_zeros(plan, &plan->state.parameters) : FM_NO_MEMORY;
    if (status != FM_OK) {
        fm_free(plan->output_scale);
        fm_free(plan->output_offset);
        fm_free(plan->pace);
        plan->output_scale = plan->output_offset = plan->pace = NULL;
        return status;
    }
    typed_plan(plan->type)->initialize_arrays(plan);
    return FM_OK;
}

static void free_slots(fm_state *state)
{
    for (int i = 0; i < FM_STATE_SLOTS; i++) {
        fm_free(state->slots[i]);
        state->slots[i] = NULL;
    }
}

void fm_plan_drop_stage(fm_plan *plan)
{
    fm_free(plan->stage);
    fm_free(plan->input_gradient);
    plan->stage = plan->input_gradient = NULL;
    plan->forward_rows = 0;
}

/* What training has beside the parameters.  Both vectors of those stay: a prediction on another thread may be reading either. */
static void drop_training(fm_plan *plan)
{
    free_slots(&plan->state);
    free_slots(&plan->kept);
    fm_plan_drop_stage(plan);
    plan->has_gradient = 0;
}

void fm_plan_clear(fm_plan *plan)
{
    drop_training(plan);
    void **const vectors[] = {&plan->state.parameters, &plan->kept.parameters, &plan->gradient, &plan->addend,
                              &plan->output_scale, &plan->output_offset, &plan->pace, &plan->packed[1], &plan->packed[2]};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        fm_free(*vectors[i]);
        *vectors[i] = NULL;
    }
}

void fm_plan_rescale_output(fm_plan *plan, const void *scale, const void *offset)
{
    const size_t bytes = (size_t)plan->n_out * real_size(plan);
    memcpy(plan->output_scale, scale, bytes);
    memcpy(plan->output_offset, offset, bytes);
    plan->rescales_output = 1;
    fm_plan_drop_stage(plan);
}

int fm_plan_claim(fm_plan *plan)
{
    const uint64_t own = fm_thread_number();
    uint64_t owner = __atomic_load_n(&plan->owner, __ATOMIC_ACQUIRE);
    if (owner != own) {
        if (owner && fm_thread_may_live(owner)) return 0;
        if (!__atomic_compare_exchange_n(&plan->owner, &owner, own, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return 0;
        plan->claims = 0;
    }
    plan->claims++;
    return 1;
}

int fm_plan_claimed(const fm_plan *plan)
{
    return __atomic_load_n(&plan->owner, __ATOMIC_ACQUIRE) == fm_thread_number();
}

void fm_plan_release(fm_plan *plan)
{
    if (--plan->claims == 0) __atomic_store_n(&plan->owner, 0, __ATOMIC_RELEASE);
}

int fm_plan_pack(const fm_plan *plan, void *vector, const fm_array *array, const void *values)
{
    return typed_plan(plan->type)->pack(plan, vector, array, values);
}

int fm_plan_set_planes(fm_plan *plan, int planes)
{
    if (planes && !plan->packed[planes]) {
        const size_t bytes = (size_t)(planes * plan->packed_size) * sizeof(float);
        if (!(plan->packed[planes] = fm_alloc(bytes ? bytes : 1))) return FM_NO_MEMORY;
    }
    const unsigned word = fm_fp_begin();
    if (planes && !plan->products) plan->products = fm_isa_products(plan->isa);
    typed_plan(plan->type)->repack(plan, planes);
    __atomic_store_n(&plan->planes, planes, __ATOMIC_RELEASE); /* now a prediction may read them */
    fm_plan_drop_stage(plan);
    fm_fp_end(word);
    return FM_OK;
}

void fm_plan_repack(fm_plan *plan)
{
    const unsigned word = fm_fp_begin();
    typed_plan(plan->type)->repack(plan, plan->planes);
    fm_fp_end(word);
}

ptrdiff_t fm_layer_width(const fm_layer *layer) { return typed_plan(FM_FLOAT32)->layer_width(layer); }

int fm_plan_unpack(const fm_plan *plan, const void *vector, const fm_array *array, void *values)
{
    return typed_plan(plan->type)->unpack(plan, vector, array, values);
}

int fm_plan_initialize(fm_plan *plan, int layer, int array, int distribution, double scale, uint64_t seed)
{
    const unsigned word = fm_fp_begin();
    const int status = typed_plan(plan->type)->initialize(plan, layer, array, distribution, scale, seed);
    fm_fp_end(word);
    fm_plan_repack(plan);
    return status;
}

/* A number of an input, exactly. */
static double number_at(const fm_input *input, ptrdiff_t row, ptrdiff_t column)
{
    static const ptrdiff_t sizes[] = {[FM_FLOAT32] = sizeof(float), [FM_FLOAT64] = sizeof(double), [FM_UINT8] = 1};
    const char *at = (const char *)input->data + row * input->row_bytes + column * sizes[input->type];
    if (input->type == FM_FLOAT32) return *(const float *)at;
    return input->type == FM_FLOAT64 ? *(const double *)at : *(const uint8_t *)at;
}

int64_t fm_find_wrong_code(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, ptrdiff_t *row, ptrdiff_t *column)
{
    if (plan->codes < 0) return 0;
    const fm_layer *layer = &plan->layers[plan->codes];
    for (ptrdiff_t r = 0; r < rows; r++)
        for (int t = 0; t < layer->tables; t++) {
            const double value = number_at(input, r, plan->n_in - layer->tables + t);
            const int inside = value >= 0 && value < (double)layer->sizes[t];
            if (inside && value == (double)(int64_t)value) continue;
            *row = r, *column = plan->n_in - layer->tables + t;
            return layer->sizes[t];
        }
    return 0;
}

int fm_plan_predict(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, void *out, int threads)
{
    ptrdiff_t row, column;
    if (fm_find_wrong_code(plan, input, rows, &row, &column)) return FM_NOT_FINITE;
    return typed_plan(plan->type)->predict(plan, input, rows, out, threads);
}

int fm_plan_predict_dropped(const fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, void *out, int threads)
{
    return typed_plan(plan->type)->predict_dropped(plan, input, rows, seed, out, threads);
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

/* Whether a slot is in use: plain gradient descent needs no velocity. */
static int uses_slot(int optimizer, const fm_hyper *hyper, int slot)
{
    const int idle = fm_optimizers[optimizer].needs == FM_MOMENTUM && hyper->momentum == 0;
    if (slot == FM_SLOW) return hyper->use_ema != 0 || hyper->lookahead_steps != 0;
    if (slot == FM_SUM) return hyper->gradient_accumulation_steps > 1;
    return !idle && slot < fm_optimizers[optimizer].slots;
}

/* Vectors for the slots of a state and of its copy. */
static int new_slots(const fm_plan *plan, int optimizer, const fm_hyper *hyper, fm_state *state, fm_state *kept)
{
    for (int i = 0; i < FM_STATE_SLOTS; i++) {
        if (!uses_slot(optimizer, hyper, i)) continue;
        const int status = new_zeros(plan, &state->slots[i]);
        if (status != FM_OK) return status;
        kept->slots[i] = fm_alloc_raw(vector_bytes(plan));
        if (!kept->slots[i]) return FM_NO_MEMORY;
    }
    return FM_OK;
}

/* All but the parameters, whose pointer a prediction may be reading. */
static void take_slots(fm_state *to, const fm_state *from)
{
    memcpy(to->slots, from->slots, sizeof to->slots);
    memcpy(to->beta_powers, from->beta_powers, sizeof to->beta_powers);
    to->step = from->step, to->pending = from->pending;
}

int fm_plan_compile(fm_plan *plan, int optimizer, const fm_hyper *hyper)
{
    fm_state state = {.beta_powers = {1, 1}}, kept = {0};
    if (!plan->kept.parameters && !(plan->kept.parameters = fm_alloc_raw(vector_bytes(plan)))) return FM_NO_MEMORY;
    const int status = new_slots(plan, optimizer, hyper, &state, &kept);
    if (status != FM_OK) {
        free_slots(&state);
        free_slots(&kept);
        return status;
    }
    drop_training(plan);
    take_slots(&plan->state, &state);
    take_slots(&plan->kept, &kept);
    plan->kept_whole = 0;
    plan->optimizer = optimizer, plan->hyper = *hyper;
    return FM_OK;
}

double fm_plan_squares(const fm_plan *plan)
{
    const unsigned word = fm_fp_begin();
    const double total = typed_plan(plan->type)->squares(plan);
    fm_fp_end(word);
    return total;
}

int fm_plan_advance(fm_plan *plan, fm_run *run, ptrdiff_t batches, double seconds, int *by_step)
{
    return typed_plan(plan->type)->advance(plan, run, batches, seconds, by_step);
}

int fm_plan_train_forward(fm_plan *plan, const fm_input *input, ptrdiff_t rows, uint64_t seed, double dropout,
                          void *out)
{
    return typed_plan(plan->type)->train_forward(plan, input, rows, seed, dropout, out);
}

/* A vector like the parameters, all zeros, unless there is one. */
static int have_vector(const fm_plan *plan, void **vector)
{
    if (!*vector) *vector = fm_alloc(vector_bytes(plan));
    return *vector != NULL;
}

int fm_plan_have_gradient(fm_plan *plan) { return have_vector(plan, &plan->gradient) ? FM_OK : FM_NO_MEMORY; }

int fm_plan_accumulate(fm_plan *plan, const void *output_gradient, int parameters, void *input_gradient)
{
    if (parameters && !have_vector(plan, &plan->gradient)) return FM_NO_MEMORY;
    if (parameters && plan->has_gradient && !have_vector(plan, &plan->addend)) return FM_NO_MEMORY;
    return typed_plan(plan->type)->accumulate(plan, output_gradient, parameters, input_gradient);
}

int fm_plan_take_step(fm_plan *plan, double learning_rate, double l2, double weight_decay)
{
    return typed_plan(plan->type)->take_step(plan, learning_rate, l2, weight_decay);
}

int fm_plan_part_gradient(fm_plan *plan, const fm_part *part, void *gradient, double *sums)
{
    return typed_plan(plan->type)->part_gradient(plan, part, gradient, sums);
}

double fm_plan_gradient_squares(const fm_plan *plan)
{
    const unsigned word = fm_fp_begin();
    const double squares = typed_plan(plan->type)->gradient_squares(plan);
    fm_fp_end(word);
    return squares;
}

void fm_plan_shrink_gradient(fm_plan *plan, double factor)
{
    const unsigned word = fm_fp_begin();
    typed_plan(plan->type)->shrink_gradient(plan, factor);
    fm_fp_end(word);
}

void fm_plan_take_average(fm_plan *plan)
{
    const unsigned word = fm_fp_begin();
    if (plan->hyper.use_ema != 0 && plan->state.step > 0) typed_plan(plan->type)->take_average(plan);
    fm_fp_end(word);
    fm_plan_repack(plan);
}

void fm_plan_blend(fm_plan *plan, const fm_plan *other, double share)
{
    const unsigned word = fm_fp_begin();
    typed_plan(plan->type)->blend(plan, other, share);
    fm_fp_end(word);
    fm_plan_repack(plan);
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

int fm_loss_rows(const fm_kernels *k, int type, const void *p, const fm_target *target, ptrdiff_t rows, ptrdiff_t n,
                 void *values, void *d, double *correct)
{
    return typed_plan(type)->loss_rows(k, p, target, rows, n, values, d, correct);
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
                         const void *g, void *const *slots, ptrdiff_t count)
{
    const unsigned word = fm_fp_begin();
    fm_state state = {.beta_powers = {1, 1}};
    double before[2] = {0, 0};
    for (int i = 0; i < FM_MOST_SLOTS; i++) state.slots[i] = slots[i];
    while (state.step < step && memcmp(state.beta_powers, before, sizeof before)) { /* they end at 0 or at the least number */
        memcpy(before, state.beta_powers, sizeof before);
        fm_count_step(&state, optimizer, hyper);
    }
    state.step = step;
    state.parameters = w;
    fm_optimizer_step(k, type, optimizer, hyper, &state, g, count);
    fm_fp_end(word);
}

void fm_optimizer_step(const fm_kernels *k, int type, int optimizer, const fm_hyper *hyper, fm_state *state, const void *g,
                       ptrdiff_t count)
{
    const unsigned word = fm_fp_begin();
    typed_plan(type)->optimizer_update(k, optimizer, hyper, state, state->parameters, g, count);
    fm_count_step(state, optimizer, hyper);
    fm_fp_end(word);
}
