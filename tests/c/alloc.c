/* Lets every allocation of every call fail in turn.  A call that fails so must have changed nothing: predictions and state
   have the same bits, training goes on as if it had not been made, and made again it does what it would have done.

   Each site has a process of its own, so that one that crashes does not hide the next.  sanitize.sh runs it under the address sanitizer. */
#include "network.h"

#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 300, BATCH = 100, MOST_IN = 40, MOST_OUT = 5, MOST_LAYERS = 6, EPOCHS = 2, BATCHES = EPOCHS * (ROWS / BATCH) };

typedef struct { const char *name; ptrdiff_t n_in; int count; layer_spec layers[MOST_LAYERS]; } network_spec;
static const network_spec networks[] = {
    {"wide", MOST_IN, 5, {{96, FM_tanh, 0, 0.1}, {96, FM_identity, FM_batch_normalization_layer, 0}, {64, FM_gelu, 0, 0.2},
                          {64, FM_identity, FM_layer_normalization_layer, 0}, {MOST_OUT, FM_softmax, 0, 0}}},
    {"members", 10, 3, {{96, FM_tanh, 0, 0.1}, {96, FM_identity, FM_members_layer, 0}, {MOST_OUT, FM_softmax, FM_member_dense_layer, 0}}},
    {"narrow", 6, 2, {{5, FM_tanh, 0, 0}, {3, FM_softmax, 0, 0}}}, /* trains with its rows in the lanes */
};

/* A plan with data, and what calls write. */
typedef struct {
    fm_plan plan;
    fm_layer layers[MOST_LAYERS];
    fm_input input;
    fm_target target;
    double x[ROWS * MOST_IN], out[ROWS * MOST_OUT], d_out[ROWS * MOST_OUT], rates[BATCHES], sums[3 * (EPOCHS + 1)];
    int64_t labels[ROWS], order[ROWS];
    int threads;
} work;

static const fm_hyper hyper = {.momentum = 0.9, .rho = 0.9, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8,
                               .clipvalue = INFINITY, .global_clipnorm = INFINITY};

static void make(work *w, const network_spec *network, int type, int threads)
{
    memset(w, 0, sizeof *w);
    state = 12345;
    for (ptrdiff_t i = 0; i < ROWS * network->n_in; i++) set(type, w->x, i, draw());
    for (ptrdiff_t i = 0; i < ROWS * MOST_OUT; i++) set(type, w->d_out, i, 0.01 * draw());
    for (ptrdiff_t r = 0; r < ROWS; r++) w->labels[r] = r % 3;
    for (int b = 0; b < BATCHES; b++) w->rates[b] = 0.01;
    w->input = (fm_input){.data = w->x, .row_bytes = network->n_in * (ptrdiff_t)real_bytes(type), .columns = network->n_in,
                          .type = type};
    w->target = (fm_target){.loss = FM_sparse_categorical_crossentropy_loss, .labels = w->labels};
    w->threads = threads;
    describe(&w->plan, w->layers, fm_isa_default(), type, network->n_in, network->layers, network->count);
}

static int compile_with(work *w, int optimizer, double clipnorm)
{
    fm_hyper clipped = hyper;
    clipped.global_clipnorm = clipnorm;
    return fm_plan_compile(&w->plan, optimizer, &clipped);
}

static int train_batches(work *w, ptrdiff_t epochs, ptrdiff_t batch_size, int64_t *order)
{
    int by_step;
    fm_run run = {.input = w->input, .target = w->target, .rows = ROWS, .batch_size = batch_size, .seed = 7,
                  .threads = w->threads, .epochs = epochs, .order = order, .drawn = -1, .learning_rates = w->rates,
                  .sums = w->sums};
    return fm_plan_advance(&w->plan, &run, BATCHES, INFINITY, &by_step);
}

/* The calls.  What they write for their caller is not looked at: another driver does. */
static int init(work *w) { return fm_plan_init(&w->plan); }
static int initialize(work *w) { return draw_weights(&w->plan), FM_OK; }
static int compile(work *w) { return compile_with(w, FM_adam_optimizer, INFINITY); }
static int compile_one_slot(work *w) { return compile_with(w, FM_rmsprop_optimizer, INFINITY); }
static int compile_three_slots(work *w) { return compile_with(w, FM_amsgrad_optimizer, INFINITY); }
static int compile_clipped(work *w) { return compile_with(w, FM_adamw_optimizer, 0.5); }
static int compile_around(work *w)
{
    fm_hyper more = hyper;
    more.use_ema = 1, more.ema_momentum = 0.9, more.gradient_accumulation_steps = 2;
    return fm_plan_compile(&w->plan, FM_adam_optimizer, &more);
}
static int by_products(work *w) { return w->plan.type == FM_FLOAT32 ? fm_plan_set_planes(&w->plan, 2) : FM_OK; }
static int train(work *w) { return train_batches(w, 1, BATCH, NULL); }
static int train_other_rows(work *w) { return train_batches(w, 1, BATCH / 2, NULL); }
static int train_epochs(work *w) { return train_batches(w, EPOCHS, BATCH, w->order); }
static int step_in_parts(work *w)
{
    static double dx[ROWS * MOST_IN];
    w->plan.has_gradient = 0;
    int status = fm_plan_train_forward(&w->plan, &w->input, BATCH + 1, 7, 1, w->out);
    for (int i = 0; i < 2 && !status; i++) status = fm_plan_accumulate(&w->plan, w->d_out, 1, dx);
    return status ? status : fm_plan_take_step(&w->plan, 0.01, 0, 0);
}
static int part_of_step(work *w)
{
    static double gradient[1 << 20];
    double sums[2];
    const fm_part part = {.input = w->input, .target = w->target, .order = w->order, .rows = BATCH, .most = BATCH + 1,
                          .batch = 2 * BATCH, .seed = 7, .dropout = 1, .threads = w->threads};
    return w->plan.size > 1 << 20 ? FM_NO_MEMORY : fm_plan_part_gradient(&w->plan, &part, gradient, sums);
}
static int predict_row(work *w) { return fm_plan_predict(&w->plan, &w->input, 1, w->out, 1); }
static int predict(work *w) { return fm_plan_predict(&w->plan, &w->input, ROWS, w->out, w->threads); }
static int predict_dropped(work *w) { return fm_plan_predict_dropped(&w->plan, &w->input, ROWS, 7, w->out, w->threads); }
static int evaluate(work *w)
{
    double loss, correct;
    return fm_plan_evaluate(&w->plan, &w->input, &w->target, ROWS, &loss, &correct, w->threads);
}
static int gradients_from(work *w, const fm_target *target, const void *output_gradient, void *input_gradient)
{
    double loss;
    void *gradient = fm_alloc((size_t)w->plan.size * sizeof(double));
    const int status = gradient ? fm_plan_gradients(&w->plan, &w->input, target, output_gradient, ROWS, gradient,
                                                    input_gradient, &loss) : FM_NO_MEMORY;
    fm_free(gradient);
    return status;
}
static int gradients(work *w) { return gradients_from(w, &w->target, NULL, NULL); }
static int gradients_of_inputs(work *w)
{
    double dx[ROWS * MOST_IN];
    return gradients_from(w, NULL, w->d_out, dx);
}
static int forward(work *w)
{
    static double rows[MOST_LAYERS][ROWS * 200]; /* of two members */
    void *outs[MOST_LAYERS];
    for (int l = 0; l < MOST_LAYERS; l++) outs[l] = rows[l];
    return fm_plan_forward(&w->plan, &w->input, ROWS, outs);
}
static int pack(work *w)
{
    double values[100 * 100];
    const fm_array *arrays = w->plan.layers[0].arrays;
    fm_plan_unpack(&w->plan, w->plan.state.parameters, &arrays[0], values);
    fm_plan_pack(&w->plan, w->plan.state.parameters, &arrays[0], values);
    return FM_OK;
}
static int functions(work *w)
{
    const fm_plan *p = &w->plan;
    double values[ROWS], correct[ROWS];
    int status = FM_OK;
    for (int f = 0; f < FM_ALL_ACTIVATIONS && !status; f++) {
        status = fm_activation_forward(p->kernels, p->type, f, w->out, w->d_out, ROWS, 3, 1);
        if (!status) status = fm_activation_backward(p->kernels, p->type, f, w->out, w->d_out, w->d_out, ROWS, 3, 1);
    }
    return status ? status : fm_loss_rows(p->kernels, p->type, w->d_out, &w->target, ROWS, 3, values, w->out, correct);
}

/* What a plan has been through before the call. */
enum stage { DESCRIBED, MADE, COMPILED };

static const struct { const char *name; enum stage stage; int (*function)(work *); int threads; } calls[] = {
    {"init", DESCRIBED, init, 1},
    {"initialize", MADE, initialize, 1},
    {"compile", MADE, compile, 1},
    {"recompile", COMPILED, compile, 1},
    {"recompile with fewer slots", COMPILED, compile_one_slot, 1},
    {"recompile with more slots", COMPILED, compile_three_slots, 1},
    {"recompile with clipping", COMPILED, compile_clipped, 1},
    {"recompile with averages", COMPILED, compile_around, 1},
    {"products of bfloat16", COMPILED, by_products, 1},
    {"train", COMPILED, train, 1},
    {"train on two threads", COMPILED, train, 2},
    {"train with another batch size", COMPILED, train_other_rows, 1},
    {"train epochs", COMPILED, train_epochs, 2},
    {"a step in its parts", COMPILED, step_in_parts, 1},
    {"a part of a step", COMPILED, part_of_step, 1},
    {"predict one row", COMPILED, predict_row, 1},
    {"predict", COMPILED, predict, 1},
    {"predict on two threads", COMPILED, predict, 2},
    {"predict with dropout", COMPILED, predict_dropped, 2},
    {"evaluate", COMPILED, evaluate, 2},
    {"gradients", COMPILED, gradients, 1},
    {"gradients of inputs", COMPILED, gradients_of_inputs, 1},
    {"forward", MADE, forward, 1},
    {"pack and unpack", MADE, pack, 1},
    {"kernels on arrays", MADE, functions, 1},
};
enum { CALLS = sizeof calls / sizeof *calls };

static void bring_to(work *w, enum stage stage)
{
    if (stage >= MADE) check(init(w)), check(initialize(w));
    if (stage >= COMPILED) check(compile(w)), check(train(w));
}

/* Of the weights, the optimizer's state and the predictions, as far as there are any. */
static uint64_t fingerprint(work *w)
{
    const fm_plan *plan = &w->plan;
    const fm_state *kept = &plan->state;
    begin_hash();
    if (!kept->parameters) return hash;
    hash_vector(plan, kept->parameters);
    for (int i = 0; i < FM_MOST_SLOTS; i++)
        if (kept->slots[i]) add_to_hash(i), hash_vector(plan, kept->slots[i]);
    add_to_hash((double)kept->step), add_to_hash(plan->optimizer);
    add_to_hash(kept->beta_powers[0]), add_to_hash(kept->beta_powers[1]);
    check(predict(w));
    hash_reals(plan->type, w->out, ROWS * plan->n_out);
    return hash;
}

/* The bits of a plan that goes on from here: what is missing up to a compiled one, and more training. */
static uint64_t ending(work *w, enum stage stage)
{
    if (stage < MADE) check(initialize(w));
    if (stage < COMPILED) check(compile(w));
    check(train(w));
    return fingerprint(w);
}

/* No status that a sanitizer ends a process with. */
enum outcome { PASSED = 60, SUCCEEDED, WRONG };

static int wrong(const char *what) { return printf("%s; ", what), fflush(stdout), WRONG; }

/* The call with its nth allocation failing.  Then the plan goes on without it, or makes it again. */
static int walk_site(const network_spec *network, int type, int number, long nth, int again)
{
    static work w, twin;
    const enum stage stage = calls[number].stage;
    const int made = again || stage == DESCRIBED; /* a plan cannot go on without init */
    make(&w, network, type, calls[number].threads), make(&twin, network, type, calls[number].threads);
    bring_to(&w, stage), bring_to(&twin, stage);
    const uint64_t before = fingerprint(&w);
    fm_allocations_left = nth;
    const int status = calls[number].function(&w), failed = !fm_allocations_left;
    fm_allocations_left = 0;
    int outcome = PASSED;
    if (!failed) {
        outcome = status == FM_OK ? SUCCEEDED : wrong("failed though memory did not");
    } else {
        if (status != FM_NO_MEMORY) outcome = wrong("said nothing");
        if (fingerprint(&w) != before) outcome = wrong("changed the plan");
        if (made) check(calls[number].function(&w)), check(calls[number].function(&twin));
        if (ending(&w, stage) != ending(&twin, stage)) outcome = wrong("other bits afterwards");
    }
    fm_plan_clear(&w.plan), fm_plan_clear(&twin.plan);
    return outcome;
}

/* In a process of its own. */
static int try_site(const network_spec *network, int type, int number, long nth, int again)
{
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) exit(walk_site(network, type, number, nth, again));
    if (child < 0 || waitpid(child, &status, 0) != child) return perror("fork"), exit(2), WRONG;
    const int outcome = WIFEXITED(status) ? WEXITSTATUS(status) : WRONG;
    if (outcome == PASSED || outcome == SUCCEEDED) return outcome;
    if (WIFSIGNALED(status)) printf("signal %d; ", WTERMSIG(status));
    printf("%s, float%d, %s: allocation %ld%s\n", network->name, type == FM_FLOAT32 ? 32 : 64, calls[number].name, nth,
           again ? ", and the call again" : "");
    return WRONG;
}

int main(void)
{
    int sites = 0, faults = 0;
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++)
        for (int type = FM_FLOAT32; type <= FM_FLOAT64; type++)
            for (int number = 0; number < CALLS; number++)
                for (long nth = 1, outcome = PASSED; outcome != SUCCEEDED; nth++) {
                    outcome = try_site(&networks[n], type, number, nth, 0);
                    if (outcome == SUCCEEDED) break;
                    sites++, faults += outcome == WRONG;
                    faults += try_site(&networks[n], type, number, nth, 1) == WRONG;
                    if (nth > 200) return printf("%s never succeeds\n", calls[number].name), 1;
                }
    printf("%d allocations failed in turn, %d faults\n", sites, faults);
    return faults != 0 || sites < 4 * 15;
}
