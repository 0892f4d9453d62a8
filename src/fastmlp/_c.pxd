# Mirror of csrc/fastmlp.h, csrc/random.h and csrc/interrupt.h, nothing else.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "fastmlp.h" nogil:
    ctypedef struct fm_kernels:
        pass
    ctypedef struct fm_products:
        pass

    int fm_isa_count() noexcept
    const char *fm_isa_name(int isa) noexcept
    const fm_kernels *fm_isa_table(int isa, int type) noexcept
    int fm_matrix_unit(const fm_products *) noexcept
    int fm_isa_runnable(int isa) noexcept
    int fm_isa_find(const char *name) noexcept
    int fm_isa_default() noexcept
    enum:
        FM_ISA_UNKNOWN, FM_ISA_NOT_RUNNABLE

    int fm_cpu_count() noexcept
    int fm_num_threads() noexcept
    void fm_set_num_threads(int threads) noexcept
    int fm_spinning() noexcept
    void fm_set_spinning(int spinning) noexcept
    int fm_environment_threads(const char **wrong) noexcept
    int fm_environment_spinning(const char **wrong) noexcept

    enum:
        FM_ACTIVATIONS, FM_ALL_ACTIVATIONS, FM_LOSSES, FM_OPTIMIZERS, FM_HYPERPARAMETERS, FM_LAYERS, FM_ELEMENTARY
    enum:
        FM_FLOAT32, FM_FLOAT64, FM_UINT8
    enum:
        FM_OK, FM_NO_MEMORY, FM_NOT_FINITE, FM_BAD_INPUT, FM_INTERRUPTED
    enum:
        FM_MOMENTUM, FM_MOST_SLOTS, FM_STATE_SLOTS
    enum:
        FM_UNIFORM, FM_NORMAL, FM_SIGNS
    enum:
        FM_TWO_INPUTS, FM_READS_CODES, FM_KEEPS_INPUT, FM_BY_MEMBER, FM_MOST_ARRAYS, FM_MOST_SETTINGS, FM_AS_REALS

    ctypedef struct fm_activation_info:
        const char *name
        int from_z, row
        double parameter, least, most
    ctypedef struct fm_loss_info:
        const char *name
        int link, label, outputs, count
        double defaults[4]
    ctypedef struct fm_optimizer_info:
        const char *name
        int slots, needs
    ctypedef struct fm_setting:
        const char *name
        double start, least, most
    ctypedef struct fm_layer_info:
        const char *name
        int traits
        fm_setting settings[4]
    const fm_activation_info fm_activations[]
    const fm_loss_info fm_losses[]
    const fm_optimizer_info fm_optimizers[]
    const fm_layer_info fm_layers[]
    const char *const fm_elementary_names[]

    ctypedef struct fm_input:
        const void *data
        ptrdiff_t row_bytes, columns
        int type
        const void *shift
        const void *divisor
    ctypedef struct fm_head_loss:
        int loss, parameter_count
        const double *parameters
        ptrdiff_t outputs, targets
        double weight
    ctypedef struct fm_head:
        ptrdiff_t columns
        int activation
        double parameter
    ctypedef struct fm_target:
        int loss
        const double *parameters
        int parameter_count
        const int64_t *labels
        const void *rows
        const fm_head_loss *heads
        int head_count
        const void *weights
        int standardized
    ctypedef struct fm_hyper:
        double learning_rate, l2, weight_decay, momentum, epsilon, gradient_accumulation_steps
    ctypedef struct fm_hyperparameter_info:
        const char *name
        size_t offset
        double fallback
    const fm_hyperparameter_info fm_hyperparameters[]
    ctypedef struct fm_array:
        const char *name
        ptrdiff_t offset, rows, columns
        int is_matrix, decays, moves, storage
        double learning_rate, weight_decay
    ctypedef struct fm_layer:
        int kind
        ptrdiff_t n_in, n_out
        int source, activation
        double parameter, dropout
        int use_bias, frozen
        int function
        double function_parameter
        int tables
        const int64_t *sizes
        const int64_t *dims
        double settings[4]
        double learning_rate[4]
        double weight_decay[4]
        fm_array arrays[4]
        int array_count, scaled
    ctypedef struct fm_state:
        void *parameters
        void *slots[5]
        int64_t step, pending
        double beta_powers[2]
    ctypedef struct fm_plan:
        int isa, type, layer_count
        fm_layer *layers
        ptrdiff_t n_in, n_out, members, size
        int stored
        void *shift
        void *divisor
        void *output_scale
        void *output_offset
        int rescales_output
        const fm_head *heads
        int head_count
        int optimizer
        fm_hyper hyper
        int planes
        const fm_products *products
        fm_state state
        ptrdiff_t forward_rows
        void *gradient
        int has_gradient
    ctypedef struct fm_run:
        fm_input input
        fm_target target
        ptrdiff_t rows, batch_size
        uint64_t seed
        int threads, check_rows
        ptrdiff_t epochs
        const int64_t *orders
        int64_t *order
        uint32_t number
        ptrdiff_t drawn
        const double *learning_rates
        const double *l2
        const double *weight_decay
        const double *dropout
        double *sums
        int squares
        ptrdiff_t epoch, batch

    ctypedef struct fm_part:
        fm_input input
        fm_target target
        const int64_t *order
        ptrdiff_t rows, most, batch
        uint64_t seed
        double dropout
        int threads
        int (*ready)(void *context, ptrdiff_t first, const double *sums) except -1 nogil
        void *context

    void *fm_alloc(size_t bytes) noexcept
    void *fm_alloc_raw(size_t bytes) noexcept
    void fm_free(void *) noexcept
    ptrdiff_t fm_layer_width(const fm_layer *) noexcept
    int64_t fm_find_wrong_code(const fm_plan *, const fm_input *, ptrdiff_t rows, ptrdiff_t *row, ptrdiff_t *column) noexcept
    int fm_plan_init(fm_plan *) noexcept
    void fm_plan_clear(fm_plan *) noexcept
    int fm_plan_set_planes(fm_plan *, int planes) noexcept
    void fm_plan_repack(fm_plan *) noexcept
    void fm_plan_rescale_output(fm_plan *, const void *scale, const void *offset) noexcept
    int fm_plan_pack(const fm_plan *, void *vector, const fm_array *, const void *values) noexcept
    int fm_plan_unpack(const fm_plan *, const void *vector, const fm_array *, void *values) noexcept
    int fm_plan_claim(fm_plan *) noexcept
    int fm_plan_claimed(const fm_plan *) noexcept
    void fm_plan_release(fm_plan *) noexcept
    int fm_plan_initialize(fm_plan *, int layer, int array, int distribution, double scale, uint64_t seed) noexcept
    int fm_plan_predict(const fm_plan *, const fm_input *, ptrdiff_t rows, void *out, int threads) noexcept
    int fm_plan_predict_dropped(const fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, void *out, int threads) noexcept
    int fm_plan_forward(const fm_plan *, const fm_input *, ptrdiff_t rows, void *const *outs) noexcept
    int fm_plan_evaluate(const fm_plan *, const fm_input *, const fm_target *, ptrdiff_t rows, double *loss,
                         double *correct, int threads) noexcept
    int fm_plan_compile(fm_plan *, int optimizer, const fm_hyper *) noexcept
    double fm_plan_squares(const fm_plan *) noexcept
    int fm_plan_advance(fm_plan *, fm_run *, ptrdiff_t batches, double seconds, int *by_step) noexcept
    int fm_plan_train_forward(fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, double dropout, void *out) noexcept
    int fm_plan_accumulate(fm_plan *, const void *output_gradient, int parameters, void *input_gradient) noexcept
    int fm_plan_take_step(fm_plan *, double learning_rate, double l2, double weight_decay) noexcept
    int fm_plan_have_gradient(fm_plan *) noexcept
    int fm_sums(const fm_target *) noexcept
    int fm_plan_part_gradient(fm_plan *, const fm_part *, void *gradient, double *sums) noexcept
    double fm_plan_gradient_squares(const fm_plan *) noexcept
    void fm_plan_shrink_gradient(fm_plan *, double factor) noexcept
    void fm_plan_take_average(fm_plan *) noexcept
    int64_t fm_plan_batches(const fm_plan *) noexcept
    void fm_plan_blend(fm_plan *, const fm_plan *other, double share) noexcept
    int fm_plan_gradients(const fm_plan *, const fm_input *, const fm_target *, const void *output_gradient,
                          ptrdiff_t rows, void *gradient, void *input_gradient, double *loss) noexcept

    int fm_activation_forward(const fm_kernels *, int type, int activation, void *a, const void *z, ptrdiff_t rows,
                              ptrdiff_t n, double parameter) noexcept
    int fm_activation_backward(const fm_kernels *, int type, int activation, void *dz, const void *da,
                               const void *saved, ptrdiff_t rows, ptrdiff_t n, double parameter) noexcept
    int fm_loss_rows(const fm_kernels *, int type, const void *p, const fm_target *, ptrdiff_t rows, ptrdiff_t n,
                     void *values, void *d, double *correct) noexcept
    int fm_all_finite(const fm_kernels *, int type, const void *values, ptrdiff_t count) noexcept
    void fm_elementary(const fm_kernels *, int type, int function, void *out, const void *x, ptrdiff_t count) noexcept
    void fm_optimizer_step(const fm_kernels *, int type, int optimizer, const fm_hyper *, fm_state *, const void *g,
                           ptrdiff_t count) noexcept
    void fm_optimizer_update(const fm_kernels *, int type, int optimizer, const fm_hyper *, int64_t step, void *w,
                             const void *g, void *const *slots, ptrdiff_t count) noexcept

cdef extern from "random.h" nogil:
    void fm_philox(uint32_t *out, const uint32_t *counter, const uint32_t *key) noexcept
    int fm_shuffle(int64_t *order, ptrdiff_t n, uint64_t seed, uint32_t epoch) noexcept
    double fm_cosine(double x) noexcept

cdef extern from "interrupt.h" nogil:
    void fm_set_interrupt(int (*asked)() noexcept) noexcept
    int fm_zero(void *, size_t bytes) noexcept
