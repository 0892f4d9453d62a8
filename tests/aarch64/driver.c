/* Trains a network with every optimizer in both types and prints hashes, without Python: the numeric contract says that
   the lines after the first are the same for every fma instruction set, compiler and architecture.

     tests/aarch64/build.sh gcc driver

   driver [ISA]: the widest one that runs here, or the one named. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastmlp.h"
#include "random.h"

enum { ROWS = 301, BATCH = 32, EPOCHS = 4, N_IN = 37, LAYERS = 7 };
/* The dense ones have 4, 1, 2, 1, 4 segments of inputs, float64 2, 1, 1, 1, 4. */
static const ptrdiff_t widths[LAYERS] = {15, 40, 40, 17, 33, 33, 5};
static const int norms[LAYERS] = {0, 0, FM_LAYER_NORM, 0, 0, FM_BATCH_NORM, 0};

/* Knuth's generator: uniform in [-1, 1), exact in float32. */
static uint64_t state;
static double draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 40) / (1 << 23) - 1;
}

/* FNV-1a of the bytes of a double whose zero has lost its sign, which is outside the contract. */
static uint64_t hash;
static void add_to_hash(double x)
{
    unsigned char bytes[sizeof x];
    x += 0.0;
    if (!isfinite(x)) printf("not finite\n"), exit(1);
    uint64_t word;
    memcpy(&word, &x, sizeof word);
    for (size_t i = 0; i < sizeof bytes; i++) hash = (hash ^ (word >> (8 * i) & 0xFF)) * 1099511628211u;
}

static void check(int status)
{
    if (status != FM_OK) printf("status %d\n", status), exit(1);
}

static double get(const fm_plan *plan, const void *reals, ptrdiff_t i)
{
    return plan->type == FM_FLOAT32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static void set(const fm_plan *plan, void *reals, ptrdiff_t i, double x)
{
    if (plan->type == FM_FLOAT32)
        ((float *)reals)[i] = (float)x;
    else
        ((double *)reals)[i] = x;
}

static void hash_reals(const fm_plan *plan, const void *reals, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) add_to_hash(get(plan, reals, i));
}

/* Parameters, or anything laid out like them, in their canonical form. */
static void hash_vector(const fm_plan *plan, const void *vector)
{
    double values[40 * 40];
    fm_array arrays[FM_MOST_ARRAYS];
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0, count = fm_layer_arrays(&plan->layers[l], arrays); i < count; i++) {
            fm_plan_unpack(plan, vector, &arrays[i], values);
            hash_reals(plan, values, arrays[i].rows * arrays[i].columns);
        }
}

static void describe(fm_plan *plan, const fm_kernels *kernels, int type, fm_layer layers[LAYERS])
{
    static const int activations[LAYERS] = {FM_tanh, FM_gelu, FM_identity, FM_relu, FM_identity, FM_mish, FM_softmax};
    memset(plan, 0, sizeof *plan);
    memset(layers, 0, LAYERS * sizeof *layers);
    for (int l = 0; l < LAYERS; l++) {
        layers[l].n_in = l ? widths[l - 1] : N_IN;
        layers[l].n_out = widths[l];
        layers[l].activation = activations[l];
        layers[l].use_bias = 1;
        layers[l].norm = norms[l], layers[l].epsilon = 1e-3, layers[l].momentum = 0.9;
        layers[l].dropout = l ? 0.25 : 0.1;
    }
    plan->kernels = kernels;
    plan->type = type;
    plan->layer_count = LAYERS;
    plan->layers = layers;
    plan->n_in = N_IN;
    plan->n_out = widths[LAYERS - 1];
    check(fm_plan_init(plan));
    for (int l = 0; l < LAYERS; l++)
        if (!norms[l]) fm_plan_initialize(plan, l, l & 1, 0.3, 99);
}

/* One training run of an optimizer, hashed: epoch sums, weights, state, predictions, gradients, one row alone. */
static void run(const fm_kernels *kernels, int type, int optimizer)
{
    static double x[ROWS * N_IN], out[ROWS * 5], dx[ROWS * N_IN], rates[ROWS]; /* room for either type */
    static int64_t labels[ROWS], order[ROWS];
    const int all = optimizer == FM_adagrad_optimizer || optimizer == FM_sgd_optimizer; /* penalties and clipping too */
    const fm_hyper hyper = {
        .momentum = 0.9, .nesterov = 1, .rho = 0.9, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8,
        .l1 = all ? 1e-4 : 0, .l2 = all ? 1e-3 : 0, .weight_decay = optimizer == FM_adamw_optimizer ? 0.01 : 0,
        .clipvalue = all ? 0.05 : INFINITY, .global_clipnorm = optimizer == FM_rmsprop_optimizer ? 0.5 : INFINITY};
    fm_plan plan;
    fm_layer layers[LAYERS];
    describe(&plan, kernels, type, layers);
    state = 12345;
    for (ptrdiff_t i = 0; i < ROWS * N_IN; i++) set(&plan, x, i, 2 * draw());
    for (ptrdiff_t r = 0; r < ROWS; r++) {
        labels[r] = (int64_t)(2.5 * (1 + draw()));
        order[r] = (r * 100 + 7) % ROWS; /* 301 is 7 * 43 */
        rates[r] = 0.01 / (1 + (double)r);
    }
    const fm_input input = {.data = x, .row_bytes = N_IN * (type == FM_FLOAT32 ? 4 : 8), .columns = N_IN, .type = type};
    const fm_target target = {.labels = labels};
    check(fm_plan_compile(&plan, FM_sparse_categorical_crossentropy_loss, 0, optimizer, &hyper));
    for (int e = 0; e < EPOCHS; e++) {
        fm_epoch epoch = {.input = input, .target = target, .rows = ROWS, .batch_size = e ? BATCH : ROWS,
                          .order = e & 1 ? order : NULL, .learning_rates = rates, .seed = 7u + (unsigned)e,
                          .seconds = INFINITY, .threads = 1};
        check(fm_plan_train(&plan, &epoch));
        add_to_hash(epoch.loss), add_to_hash(epoch.correct);
    }
    hash_vector(&plan, plan.parameters);
    for (int i = 0; i < fm_optimizers[optimizer].slots; i++) hash_vector(&plan, plan.slots[i]);
    check(fm_plan_predict(&plan, &input, ROWS, out, 1));
    hash_reals(&plan, out, ROWS * plan.n_out);
    check(fm_plan_predict(&plan, &input, 1, out, 1));
    hash_reals(&plan, out, plan.n_out);
    double loss, correct;
    check(fm_plan_evaluate(&plan, &input, &target, ROWS, &loss, &correct, 1));
    add_to_hash(loss), add_to_hash(correct);
    void *gradient = fm_alloc((size_t)plan.size * sizeof(double));
    check(fm_plan_gradients(&plan, &input, &target, NULL, ROWS, gradient, dx, &loss));
    hash_vector(&plan, gradient);
    hash_reals(&plan, dx, ROWS * N_IN);
    fm_free(gradient);
    fm_plan_clear(&plan);
    printf("%s %-8s %016llx  loss %.6f\n", type == FM_FLOAT32 ? "float32" : "float64", fm_optimizers[optimizer].name,
           (unsigned long long)hash, loss);
}

/* Every activation, loss and elementary function on plain rows, the shuffle and the cosine, hashed. */
static void run_kernels(const fm_kernels *kernels, int type)
{
    enum { M = 20, N = 27, COUNT = M * N };
    static double z[COUNT], a[COUNT], d[COUNT], y[COUNT], values[M], correct[M];
    const fm_plan like = {.type = type}; /* for set and hash_reals */
    int64_t labels[M], order[ROWS];
    state = 54321;
    for (int i = 0; i < COUNT; i++) set(&like, z, i, 12 * draw()), set(&like, y, i, i % N ? 0.03 * (1 + draw()) : 0);
    for (int r = 0; r < M; r++) labels[r] = r;
    for (int f = 0; f < FM_ALL_ACTIVATIONS; f++) {
        const double parameter = fm_activations[f].parameter;
        check(fm_activation_forward(kernels, type, f, a, z, M, N, parameter));
        check(fm_activation_backward(kernels, type, f, d, y, fm_activations[f].from_z ? z : a, M, N, parameter));
        hash_reals(&like, a, COUNT), hash_reals(&like, d, COUNT);
    }
    for (int l = 0; l < FM_LOSSES; l++) {
        const fm_target target = {.labels = labels, .rows = y};
        check(fm_loss_rows(kernels, type, l, fm_losses[l].parameter, z, &target, M, N, values, d, correct));
        hash_reals(&like, values, M), hash_reals(&like, d, COUNT);
        for (int r = 0; r < M; r++) add_to_hash(correct[r]);
    }
    for (int i = 0; i < COUNT; i++) set(&like, z, i, fabs(get(&like, z, i)) + 1e-3);
    for (int f = 0; f < FM_ELEMENTARY; f++) {
        fm_elementary(kernels, type, f, a, z, COUNT);
        hash_reals(&like, a, COUNT);
    }
    fm_shuffle(order, ROWS, 5, 6);
    for (int r = 0; r < ROWS; r++) add_to_hash((double)order[r]), add_to_hash(fm_cosine(0.02 * r));
    printf("%s kernels  %016llx\n", type == FM_FLOAT32 ? "float32" : "float64", (unsigned long long)hash);
}

int main(int count, char **arguments)
{
    const int isa = count > 1 ? fm_isa_find(arguments[1]) : fm_isa_default();
    if (isa < 0) return printf("%s is not compiled in or cannot run here\n", count > 1 ? arguments[1] : "FASTMLP_ISA"), 2;
    printf("# %s\n", fm_isa_name(isa));
    for (int type = FM_FLOAT32; type <= FM_FLOAT64; type++) {
        hash = 14695981039346656037u;
        run_kernels(fm_isa_table(isa, type), type);
        for (int optimizer = 0; optimizer < FM_OPTIMIZERS; optimizer++) {
            hash = 14695981039346656037u;
            run(fm_isa_table(isa, type), type, optimizer);
        }
    }
    return 0;
}
