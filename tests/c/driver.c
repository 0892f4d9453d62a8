/* Trains a network with every optimizer in both types and prints hashes, without Python: the numeric contract says that
   the lines after the first are the same for every fma instruction set, compiler, system and architecture.  Another one
   is trained on three threads and must have the bits of one.

     tests/c/build.sh gcc driver.c driver

   driver [ISA]: the widest one that runs here, or the one named. */
#include "network.h"
#include "random.h"

enum { ROWS = 301, BATCH = 32, EPOCHS = 4, N_IN = 37, LAYERS = 7 };
/* The dense ones have 4, 1, 2, 1, 4 segments of inputs, float64 2, 1, 1, 1, 4. */
static const layer_spec specs[LAYERS] = {
    {15, FM_tanh, 0, 0.1}, {40, FM_gelu, 0, 0.25}, {40, FM_identity, FM_layer_normalization_layer, 0.25}, {17, FM_relu, 0, 0.25},
    {33, FM_identity, 0, 0.25}, {33, FM_mish, FM_batch_normalization_layer, 0.25}, {5, FM_softmax, 0, 0.25}};

/* What is trained on; room for either type. */
static double x[ROWS * N_IN], out[ROWS * 5], dx[ROWS * N_IN], rates[ROWS];
static int64_t labels[ROWS], order[ROWS];
static const fm_target target = {.loss = FM_sparse_categorical_crossentropy_loss, .labels = labels};

static const char *type_name(int type) { return type == FM_FLOAT32 ? "float32" : "float64"; }

static fm_input draw_data(int type)
{
    state = 12345;
    for (ptrdiff_t i = 0; i < ROWS * N_IN; i++) set(type, x, i, 2 * draw());
    for (ptrdiff_t r = 0; r < ROWS; r++) {
        labels[r] = (int64_t)(2.5 * (1 + draw()));
        order[r] = (r * 100 + 7) % ROWS; /* 301 is 7 * 43 */
        rates[r] = 0.01 / (1 + (double)r);
    }
    return (fm_input){.data = x, .row_bytes = N_IN * (ptrdiff_t)real_bytes(type), .columns = N_IN, .type = type};
}

/* An epoch of the data, as it lies or in the other order; hashes the sum of its losses and the correct rows. */
static void train(fm_plan *plan, const fm_input *input, ptrdiff_t batch_size, const int64_t *orders, uint64_t seed, int threads)
{
    double sums[2 * 3]; /* an epoch, and room for a copy */
    int by_step;
    fm_run run = {.input = *input, .target = target, .rows = ROWS, .batch_size = batch_size, .seed = seed, .threads = threads,
                  .epochs = 1, .orders = orders, .drawn = -1, .learning_rates = rates, .sums = sums};
    check(fm_plan_advance(plan, &run, ROWS, INFINITY, &by_step));
    add_to_hash(sums[0]), add_to_hash(sums[1]);
}

/* One training run of an optimizer, hashed: epoch sums, weights, state, predictions, gradients, one row alone. */
static void run(int isa, int type, int optimizer)
{
    const int all = optimizer == FM_adagrad_optimizer || optimizer == FM_sgd_optimizer; /* penalties and clipping too */
    const fm_hyper hyper = {
        .momentum = 0.9, .nesterov = 1, .rho = 0.9, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8,
        .momentum_decay = 0.004, .eta_minus = 0.5, .eta_plus = 1.2, .step_min = 1e-6, .step_max = 50,
        .l1 = all ? 1e-4 : 0, .l2 = all ? 1e-3 : 0, .weight_decay = optimizer == FM_adamw_optimizer ? 0.01 : 0,
        .clipvalue = all ? 0.05 : INFINITY, .global_clipnorm = optimizer == FM_rmsprop_optimizer ? 0.5 : INFINITY};
    fm_plan plan;
    fm_layer layers[LAYERS];
    describe(&plan, layers, isa, type, N_IN, specs, LAYERS);
    check(fm_plan_init(&plan));
    draw_weights(&plan);
    const fm_input input = draw_data(type);
    check(fm_plan_compile(&plan, optimizer, &hyper));
    for (int e = 0; e < EPOCHS; e++) train(&plan, &input, e ? BATCH : ROWS, e & 1 ? order : NULL, 7u + (unsigned)e, 1);
    hash_vector(&plan, plan.state.parameters);
    for (int i = 0; i < fm_optimizers[optimizer].slots; i++) hash_vector(&plan, plan.state.slots[i]);
    check(fm_plan_predict(&plan, &input, ROWS, out, 1));
    hash_reals(type, out, ROWS * plan.n_out);
    check(fm_plan_predict(&plan, &input, 1, out, 1));
    hash_reals(type, out, plan.n_out);
    double loss, correct;
    check(fm_plan_evaluate(&plan, &input, &target, ROWS, &loss, &correct, 1));
    add_to_hash(loss), add_to_hash(correct);
    void *gradient = fm_alloc((size_t)plan.size * sizeof(double));
    check(fm_plan_gradients(&plan, &input, &target, NULL, ROWS, gradient, dx, &loss));
    hash_vector(&plan, gradient);
    hash_reals(type, dx, ROWS * N_IN);
    fm_free(gradient);
    fm_plan_clear(&plan);
    printf("%s %-8s %016llx  loss %.6f\n", type_name(type), fm_optimizers[optimizer].name, (unsigned long long)hash, loss);
}

/* Wide enough for several threads, and often enough that each way of sharing a batch is taken. */
static uint64_t hash_on_threads(int isa, int type, int threads)
{
    static const layer_spec wide[] = {{160, FM_tanh, 0, 0}, {96, FM_relu, 0, 0.25}, {5, FM_softmax, 0, 0}};
    const fm_hyper hyper = {.momentum = 0.9, .epsilon = 1e-8, .clipvalue = INFINITY, .global_clipnorm = INFINITY};
    fm_plan plan;
    fm_layer layers[3];
    describe(&plan, layers, isa, type, N_IN, wide, 3);
    check(fm_plan_init(&plan));
    draw_weights(&plan);
    const fm_input input = draw_data(type);
    check(fm_plan_compile(&plan, FM_sgd_optimizer, &hyper));
    begin_hash();
    for (int e = 0; e < 12; e++) train(&plan, &input, 150, NULL, 7, threads);
    hash_vector(&plan, plan.state.parameters);
    check(fm_plan_predict(&plan, &input, ROWS, out, threads));
    hash_reals(type, out, ROWS * plan.n_out);
    fm_plan_clear(&plan);
    return hash;
}

/* More weights than half a second-level cache, predicting so often that each way over the threads is taken. */
static uint64_t hash_predictions(int isa, int type, int threads)
{
    static const layer_spec heavy[] = {{600, FM_tanh, 0, 0}, {600, FM_relu, 0, 0}, {5, FM_softmax, 0, 0}};
    static const ptrdiff_t rows[] = {1, 33};
    fm_plan plan;
    fm_layer layers[3];
    describe(&plan, layers, isa, type, N_IN, heavy, 3);
    check(fm_plan_init(&plan));
    draw_weights(&plan);
    const fm_input input = draw_data(type);
    begin_hash();
    for (int i = 0; i < 24; i++) {
        check(fm_plan_predict(&plan, &input, rows[i & 1], out, threads));
        hash_reals(type, out, rows[i & 1] * plan.n_out);
    }
    fm_plan_clear(&plan);
    return hash;
}

/* Predictions of many rows and of one. */
static void hash_many_and_one(fm_plan *plan, const fm_input *input, int threads)
{
    check(fm_plan_predict(plan, input, ROWS, out, threads));
    hash_reals(FM_FLOAT32, out, ROWS * plan->n_out);
    check(fm_plan_predict(plan, input, 1, out, threads));
    hash_reals(FM_FLOAT32, out, plan->n_out);
}

/* Layers whose products are of bfloat16, beside others that are too narrow, trained and predicting; hashed. */
static uint64_t hash_products(int isa, int planes, int threads)
{
    static const layer_spec wide[] = {{96, FM_tanh, 0, 0}, {81, FM_relu, 0, 0.25}, {130, FM_gelu, 0, 0}, {5, FM_softmax, 0, 0}};
    const fm_hyper hyper = {.momentum = 0.9, .epsilon = 1e-8, .clipvalue = INFINITY, .global_clipnorm = INFINITY};
    fm_plan plan;
    fm_layer layers[4];
    describe(&plan, layers, isa, FM_FLOAT32, N_IN, wide, 4);
    check(fm_plan_init(&plan));
    draw_weights(&plan);
    check(fm_plan_set_planes(&plan, planes));
    const fm_input input = draw_data(FM_FLOAT32);
    check(fm_plan_compile(&plan, FM_sgd_optimizer, &hyper));
    begin_hash();
    for (int e = 0; e < 6; e++) train(&plan, &input, e & 1 ? BATCH : ROWS, NULL, 7, threads);
    hash_vector(&plan, plan.state.parameters);
    hash_many_and_one(&plan, &input, threads);
    fm_plan_clear(&plan);
    return hash;
}

/* Weights in few bits, predicting many rows and one; hashed with what is unpacked. */
static uint64_t hash_stored(int isa, int storage, int threads)
{
    static const layer_spec wide[] = {{96, FM_relu, 0, 0}, {81, FM_tanh, 0, 0}, {130, FM_gelu, 0, 0}, {5, FM_softmax, 0, 0}};
    static float values[1 << 14];
    fm_plan plan;
    fm_layer layers[4];
    describe(&plan, layers, isa, FM_FLOAT32, N_IN, wide, 4);
    for (int l = 0; l < 4; l++) layers[l].settings[0] = storage;
    check(fm_plan_init(&plan));
    const fm_input input = draw_data(FM_FLOAT32);
    for (int l = 0; l < 4; l++) {
        for (ptrdiff_t i = 0; i < layers[l].n_in * layers[l].n_out; i++) values[i] = (float)(0.3 * draw());
        fm_plan_pack(&plan, plan.state.parameters, &layers[l].arrays[0], values);
    }
    begin_hash();
    hash_vector(&plan, plan.state.parameters);
    hash_many_and_one(&plan, &input, threads);
    fm_plan_clear(&plan);
    return hash;
}

/* Plain rows for kernels. */
enum { M = 20, N = 27, COUNT = M * N };
static double z[COUNT], a[COUNT], d[COUNT], y[COUNT];

static void draw_rows(int type)
{
    state = 54321;
    for (int i = 0; i < COUNT; i++) set(type, z, i, 12 * draw()), set(type, y, i, i % N ? 0.03 * (1 + draw()) : 0);
}

static void hash_loss(const fm_kernels *kernels, int type, int loss, ptrdiff_t n)
{
    double values[M], correct[M];
    int64_t classes[M];
    for (int r = 0; r < M; r++) classes[r] = r;
    const fm_target both = {.loss = loss, .labels = classes, .rows = y};
    check(fm_loss_rows(kernels, type, z, &both, M, n, values, d, correct));
    hash_reals(type, values, M), hash_reals(type, d, M * n);
    for (int r = 0; r < M; r++) add_to_hash(correct[r]);
}

/* What comes before these shares a line, rows' activations too; these and those after them have one each. */
enum { FIRST_ACTIVATION_ALONE = FM_log_sigmoid, FIRST_ALONE = FM_gaussian_nll_loss, FIRST_ELEMENTARY_ALONE = FM_sin_elementary };

static void hash_activation(const fm_kernels *kernels, int type, int function)
{
    const double parameter = fm_activations[function].parameter;
    check(fm_activation_forward(kernels, type, function, a, z, M, N, parameter));
    check(fm_activation_backward(kernels, type, function, d, y, fm_activations[function].from_z ? z : a, M, N, parameter));
    hash_reals(type, a, COUNT), hash_reals(type, d, COUNT);
}

static void hash_elementary(const fm_kernels *kernels, int type, int function)
{
    fm_elementary(kernels, type, function, a, z, COUNT);
    hash_reals(type, a, COUNT);
}

/* The first activations, losses and elementary functions, the shuffle and the cosine, hashed. */
static void run_kernels(const fm_kernels *kernels, int type)
{
    draw_rows(type);
    for (int f = 0; f < FIRST_ACTIVATION_ALONE; f++) hash_activation(kernels, type, f);
    for (int f = FM_ACTIVATIONS; f < FM_ALL_ACTIVATIONS; f++) hash_activation(kernels, type, f);
    for (int l = 0; l < FIRST_ALONE; l++) hash_loss(kernels, type, l, N);
    for (int i = 0; i < COUNT; i++) set(type, z, i, fabs(get(type, z, i)) + 1e-3);
    for (int f = 0; f < FIRST_ELEMENTARY_ALONE; f++) hash_elementary(kernels, type, f);
    fm_shuffle(order, ROWS, 5, 6);
    for (int r = 0; r < ROWS; r++) add_to_hash((double)order[r]), add_to_hash(fm_cosine(0.02 * r));
    printf("%s kernels  %016llx\n", type_name(type), (unsigned long long)hash);
}

static void run_activation(const fm_kernels *kernels, int type, int function)
{
    draw_rows(type);
    hash_activation(kernels, type, function);
    printf("%s %s  %016llx\n", type_name(type), fm_activations[function].name, (unsigned long long)hash);
}

static void run_elementary(const fm_kernels *kernels, int type, int function)
{
    draw_rows(type);
    hash_elementary(kernels, type, function);
    printf("%s elementary %d  %016llx\n", type_name(type), function, (unsigned long long)hash);
}

static void run_loss(const fm_kernels *kernels, int type, int loss)
{
    const int outputs = fm_losses[loss].outputs ? fm_losses[loss].outputs : fm_losses[loss].count;
    draw_rows(type);
    for (int i = 0; i < COUNT && fm_losses[loss].link == FM_exp; i++) set(type, y, i, get(type, y, i) + 0.01); /* not 0 */
    hash_loss(kernels, type, loss, N / outputs * outputs);
    printf("%s %s  %016llx\n", type_name(type), fm_losses[loss].name, (unsigned long long)hash);
}

int main(int count, char **arguments)
{
    const int isa = count > 1 ? fm_isa_find(arguments[1]) : fm_isa_default();
    if (isa < 0) return printf("%s is not compiled in or cannot run here\n", count > 1 ? arguments[1] : "FASTMLP_ISA"), 2;
    printf("# %s\n", fm_isa_name(isa));
    for (int type = FM_FLOAT32; type <= FM_FLOAT64; type++) {
        begin_hash();
        run_kernels(fm_isa_table(isa, type), type);
        for (int function = FIRST_ACTIVATION_ALONE; function < FM_ACTIVATIONS; function++) {
            begin_hash();
            run_activation(fm_isa_table(isa, type), type, function);
        }
        for (int function = FIRST_ELEMENTARY_ALONE; function < FM_ELEMENTARY; function++) {
            begin_hash();
            run_elementary(fm_isa_table(isa, type), type, function);
        }
        for (int loss = FIRST_ALONE; loss < FM_LOSSES; loss++) {
            begin_hash();
            run_loss(fm_isa_table(isa, type), type, loss);
        }
        for (int optimizer = 0; optimizer < FM_OPTIMIZERS; optimizer++) {
            begin_hash();
            run(isa, type, optimizer);
        }
        if (hash_on_threads(isa, type, 3) != hash_on_threads(isa, type, 1))
            return printf("three threads have other bits than one\n"), 1;
        if (hash_predictions(isa, type, 3) != hash_predictions(isa, type, 1))
            return printf("three threads predict other bits than one\n"), 1;
    }
    for (int planes = 1; planes <= 2; planes++) {
        const uint64_t alone = hash_products(isa, planes, 1);
        if (hash_products(isa, planes, 3) != alone)
            return printf("three threads have other bits than one\n"), 1;
        printf("products of %d  %016llx\n", planes, (unsigned long long)alone);
    }
    for (int storage = 1; storage < FM_STORAGES; storage++) {
        const uint64_t alone = hash_stored(isa, storage, 1);
        if (hash_stored(isa, storage, 3) != alone)
            return printf("three threads have other bits than one\n"), 1;
        printf("stored as %d  %016llx\n", storage, (unsigned long long)alone);
    }
    return 0;
}
