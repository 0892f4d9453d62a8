/* fastmlp: multi-layer perceptrons.  The one public header; see docs/design.md for the layout and the numeric contract.

   Function names say what they work on (fm_plan_train); a status is 0 or an fm_status.  Nothing here checks memory:
   the callers do. */
#ifndef FASTMLP_H
#define FASTMLP_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "pool.h"
#include "system.h"

enum {
#define ACTIVATION(name, saved, parameter) FM_##name,
#define ROW_ACTIVATION(name)
#include "activations.def"
    FM_ACTIVATIONS,
#undef ACTIVATION
#undef ROW_ACTIVATION
    FM_BEFORE_ROW_ACTIVATIONS = FM_ACTIVATIONS - 1,
#define ACTIVATION(name, saved, parameter)
#define ROW_ACTIVATION(name) FM_##name,
#include "activations.def"
    FM_ALL_ACTIVATIONS,
    FM_ROW_ACTIVATIONS = FM_ALL_ACTIVATIONS - FM_ACTIVATIONS
#undef ACTIVATION
#undef ROW_ACTIVATION
};

enum {
#define LOSS(name, link, target, parameter) FM_##name##_loss,
#include "losses.def"
#undef LOSS
    FM_LOSSES
};

enum {
#define OPTIMIZER(name, rule, slots) FM_##name##_optimizer,
#include "optimizers.def"
#undef OPTIMIZER
    FM_OPTIMIZERS
};

enum {
#define ELEMENTARY(name) FM_##name##_elementary,
#include "elementary.def"
#undef ELEMENTARY
    FM_ELEMENTARY
};

/* What the registry knows of each name, in the order of the numbers above. */
typedef struct { const char *name; int from_z; int row; double parameter; } fm_activation_info;
typedef struct { const char *name; int link; int label; double parameter; } fm_loss_info; /* link -1: any */
typedef struct { const char *name; int slots; } fm_optimizer_info;
extern const fm_activation_info fm_activations[];
extern const fm_loss_info fm_losses[];
extern const fm_optimizer_info fm_optimizers[];
extern const char *const fm_elementary_names[];

enum { FM_FLOAT32, FM_FLOAT64, FM_UINT8 };

/* Rows that come from outside, row-major. */
typedef struct {
    const void *data;
    ptrdiff_t row_bytes, columns;
    int type;
    const void *shift, *divisor; /* reals of the plan's type, or NULL: (x - shift) / divisor */
} fm_input;

/* What rows are compared with. */
typedef struct {
    const int64_t *labels;  /* one class a row, */
    const void *rows;       /* or (rows, n_out) reals of the plan's type, */
    const void *weights;    /* one real a row, or NULL */
} fm_target;

/* Dropout of one layer's input in one step: a word below threshold drops, what is kept is multiplied by `kept`. */
typedef struct {
    ptrdiff_t columns;
    uint64_t seed;
    uint32_t layer, step, threshold;
    double kept;
} fm_dropout;

/* Hyperparameters, in the words of docs/design.md. */
typedef struct {
    double learning_rate, momentum, rho, beta_1, beta_2, epsilon, l1, l2, weight_decay;
    double clipvalue, global_clipnorm; /* infinite for none */
    int nesterov;
} fm_hyper;

/* A layer is dense, or normalises its input: then n_out is n_in, w is gamma and b beta. */
enum fm_norm { FM_NO_NORM, FM_BATCH_NORM, FM_LAYER_NORM };

typedef struct {
    ptrdiff_t n_in, n_out;
    int activation;
    double parameter;
    int use_bias;
    double dropout;            /* of this layer's input */
    int norm;
    double epsilon, momentum;  /* of a normalisation: added to the variance; of the moving statistics */
    ptrdiff_t w, b;            /* offsets in the parameter vector; b is -1 without a bias */
    ptrdiff_t mean, variance;  /* offsets of the moving statistics, or -1 */
} fm_layer;

/* One canonical array of a layer, (rows, columns) or with is_matrix 0 (columns,), and its place in a vector. */
typedef struct { ptrdiff_t offset, rows, columns; int is_matrix; } fm_array;
enum { FM_MOST_ARRAYS = 4 };

typedef struct {
    const fm_kernels *kernels;
    int type;                  /* FM_FLOAT32 or FM_FLOAT64 */
    int layer_count;
    fm_layer *layers;
    ptrdiff_t n_in, n_out, widest; /* widest: reals of the longest padded row of any layer */
    int narrow;                /* batches go through all layers with their rows in the lanes */
    ptrdiff_t size;            /* reals in the parameter vector */
    void *parameters, *slots[2];
    void *snapshot;            /* parameters and slots at the start of a slice */
    void *shift, *divisor;     /* (n_in,) of the input, or NULL */
    int loss;                  /* -1: from Python */
    double loss_parameter;
    int optimizer;
    fm_hyper hyper;
    int64_t step;              /* optimizer steps done */
    double beta_powers[2];     /* beta^step */
    int64_t kept_step;         /* of the snapshot */
    double kept_powers[2];
    void *stage;               /* training's buffers, made for a batch size */
} fm_plan;

enum fm_status { FM_OK, FM_NO_MEMORY, FM_NOT_FINITE, FM_BAD_INPUT };

/* Completes a plan whose kernels, type, layers (sizes, activations) are set: offsets, size, parameters. */
int fm_plan_init(fm_plan *);
void fm_plan_clear(fm_plan *);

/* The arrays of a layer, in order: W and b, or gamma and beta and the moving mean and variance; returns how many. */
int fm_layer_arrays(const fm_layer *, fm_array arrays[FM_MOST_ARRAYS]);
/* One of them, row-major, to and from a vector laid out like the parameters. */
void fm_plan_pack(const fm_plan *, void *vector, const fm_array *, const void *values);
void fm_plan_unpack(const fm_plan *, const void *vector, const fm_array *, void *values);
/* Weights uniform in [-scale, scale) or normal with that deviation; the bias zero. */
void fm_plan_initialize(fm_plan *, int layer, int normal, double scale, uint64_t seed);

/* The sum of the squared weights of all dense layers, biases left out. */
double fm_plan_squares(const fm_plan *);

/* Predictions (rows, n_out), row-major.  Scratch is on the stack or allocated by the call. */
int fm_plan_predict(const fm_plan *, const fm_input *, ptrdiff_t rows, void *out, int threads);
/* Every layer's activations: outs[l] is (rows, n_out of l), row-major. */
int fm_plan_forward(const fm_plan *, const fm_input *, ptrdiff_t rows, void *const *outs);
int fm_plan_evaluate(const fm_plan *, const fm_input *, const fm_target *, ptrdiff_t rows, double *loss, double *correct,
                     int threads);

/* Zeroes the optimizer's state. */
int fm_plan_compile(fm_plan *, int loss, double loss_parameter, int optimizer, const fm_hyper *);

typedef struct {
    fm_input input;
    fm_target target;
    ptrdiff_t rows, batch_size;
    const int64_t *order;          /* of the rows; NULL: as they lie */
    const double *learning_rates;  /* one a batch, */
    const double *l2;              /* likewise; NULL: the hyperparameter */
    uint64_t seed;                 /* of dropout */
    double seconds;                /* stop after the batch that passes this; raised to 20 times a copy of the state's */
    int threads;
    int again;                     /* the same arrays as in the call before, which nobody has written to since */
    int check_rows;                /* nobody has looked whether the input is finite: FM_BAD_INPUT at the first batch that is not */
    ptrdiff_t batch;               /* in: the first batch; out: the next one */
    double loss, correct;          /* in and out: sums over the rows done */
} fm_epoch;

/* Whole epochs one after the other. */
typedef struct {
    int64_t *order;         /* room for that of each epoch, which is drawn here, */
    const int64_t *orders;  /* or all orders, (most, rows); both NULL: as they lie */
    uint32_t number;        /* of the first epoch */
    ptrdiff_t most, done;   /* epochs: to do; out: done when the time had passed */
    double *sums;           /* out: loss and correct of each, (most, columns); in a third column fm_plan_squares after it */
    int columns;
} fm_epochs;

int fm_plan_train(fm_plan *, fm_epoch *);
/* Epochs with learning rates and penalties (most, batches), until the seconds have passed; one that diverges fails only as
   the first of a call.  The epoch's order, seconds, batch, sums and place in the rates and penalties are used up. */
int fm_plan_train_epochs(fm_plan *, fm_epoch *, fm_epochs *);
/* One batch in two halves, for a loss from outside: predictions out, their gradient in. */
int fm_plan_train_forward(fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, void *out);
int fm_plan_train_backward(fm_plan *, const void *output_gradient, ptrdiff_t rows, double learning_rate, double l2);
/* gradient: a vector laid out like the parameters; input_gradient: (rows, n_in) or NULL.  Starts from a target, or from
   the gradient with respect to the prediction. */
int fm_plan_gradients(const fm_plan *, const fm_input *, const fm_target *, const void *output_gradient,
                      ptrdiff_t rows, void *gradient, void *input_gradient, double *loss);

/* Kernels on plain row-major arrays (rows, n) of a type, by number. */
int fm_activation_forward(const fm_kernels *, int type, int activation, void *a, const void *z, ptrdiff_t rows,
                          ptrdiff_t n, double parameter);
int fm_activation_backward(const fm_kernels *, int type, int activation, void *dz, const void *da, const void *saved,
                           ptrdiff_t rows, ptrdiff_t n, double parameter);
/* values (rows,), d (rows, n), correct (rows,); p holds logits where the link is fused. */
int fm_loss_rows(const fm_kernels *, int type, int loss, double parameter, const void *p, const fm_target *,
                 ptrdiff_t rows, ptrdiff_t n, void *values, void *d, double *correct);
int fm_all_finite(const fm_kernels *, int type, const void *values, ptrdiff_t count);
void fm_elementary(const fm_kernels *, int type, int function, void *out, const void *in, ptrdiff_t count);
/* count is a multiple of 16; `step` optimizer steps were done before. */
void fm_optimizer_update(const fm_kernels *, int type, int optimizer, const fm_hyper *, int64_t step, void *w,
                         const void *g, void *slot_0, void *slot_1, ptrdiff_t count);

#endif
