/* fastmlp: multi-layer perceptrons.  The one public header; see docs/design.md for the layout and the numeric contract.

   Function names say what they work on (fm_plan_predict); a status is 0 or an fm_status.  Nothing here checks memory:
   the callers do. */
#ifndef FASTMLP_H
#define FASTMLP_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "pool.h"
#include "system.h"

enum {
#define ACTIVATION(name, saved, parameter, least, most) FM_##name,
#define ROW_ACTIVATION(name)
#include "activations.def"
    FM_ACTIVATIONS,
#undef ACTIVATION
#undef ROW_ACTIVATION
    FM_BEFORE_ROW_ACTIVATIONS = FM_ACTIVATIONS - 1,
#define ACTIVATION(name, saved, parameter, least, most)
#define ROW_ACTIVATION(name) FM_##name,
#include "activations.def"
    FM_ALL_ACTIVATIONS,
    FM_ROW_ACTIVATIONS = FM_ALL_ACTIVATIONS - FM_ACTIVATIONS
#undef ACTIVATION
#undef ROW_ACTIVATION
};

enum {
#define LOSS(name, ...) FM_##name##_loss,
#include "losses.def"
#undef LOSS
    FM_LOSSES
};

enum {
#define OPTIMIZER(name, rule, slots, needs) FM_##name##_optimizer,
#include "optimizers.def"
#undef OPTIMIZER
    FM_OPTIMIZERS
};

enum {
#define LAYER(kind, traits, kernels, settings) FM_##kind##_layer,
#include "layers.def"
#undef LAYER
    FM_LAYERS
};

enum {
#define ELEMENTARY(name) FM_##name##_elementary,
#include "elementary.def"
#undef ELEMENTARY
    FM_ELEMENTARY
};

enum { FM_NOTHING, FM_MOMENTUM, FM_CORRECTION, FM_RECTIFICATION, FM_NESTEROV }; /* what an optimizer needs: optimizers.def */
enum { FM_MOST_SLOTS = 3 };
enum { FM_TWO_INPUTS = 1, FM_READS_CODES = 2, FM_KEEPS_INPUT = 4, FM_BY_MEMBER = 8 }; /* traits of a kind of layer: layers.def */
enum { FM_MOST_SETTINGS = 4 };
#define FM_HUGE 1e30 /* as a bound of a parameter: both types hold it, and its product with a number of usual size */

/* What the registry knows of each name, in the order of the numbers above. */
typedef struct { const char *name; int from_z, row; double parameter, least, most; } fm_activation_info;
typedef struct { const char *name; int link, label, outputs, count; double defaults[4]; } fm_loss_info; /* link -1: any;
                                                                              outputs 0: one a parameter */
typedef struct { const char *name; int slots, needs; } fm_optimizer_info;
typedef struct { const char *name; double start, least, most; } fm_setting;
typedef struct { const char *name; int traits; fm_setting settings[FM_MOST_SETTINGS]; } fm_layer_info; /* name NULL: no more */
extern const fm_activation_info fm_activations[];
extern const fm_loss_info fm_losses[];
extern const fm_optimizer_info fm_optimizers[];
extern const fm_layer_info fm_layers[];
extern const char *const fm_elementary_names[];

enum { FM_FLOAT32, FM_FLOAT64, FM_UINT8 };

/* Rows that come from outside, row-major. */
typedef struct {
    const void *data;
    ptrdiff_t row_bytes, columns;
    int type;
    const void *shift, *divisor; /* reals of the plan's type, or NULL: (x - shift) / divisor */
} fm_input;

/* The loss of a slice of the outputs; a class stands among the reals of its targets' rows. */
typedef struct {
    int loss, parameter_count;
    const double *parameters;
    ptrdiff_t outputs, targets; /* how many columns it has of both */
    double weight;              /* in the sum */
} fm_head_loss;

/* What rows are compared with, and how. */
typedef struct {
    int loss;               /* a number, or -1: Python computes it, or there are heads */
    const double *parameters; /* of the loss, or NULL for its defaults */
    int parameter_count;
    const int64_t *labels;  /* one class a row, */
    const void *rows;       /* or reals of the plan's type, (rows, n_out / outputs a target), */
    const fm_head_loss *heads; /* of all outputs, one after another; of their targets the reals are, */
    int head_count;         /* if there are any */
    const void *weights;    /* one real a row, or NULL */
    int standardized;       /* rows are what outputs are compared with before the plan's output_scale and output_offset */
} fm_target;

/* Dropout of one layer's input in one step: a word below threshold drops, what is kept is multiplied by `kept`.  `row` is what
   row 0 of the buffers counts as. */
typedef struct {
    ptrdiff_t columns;
    uint64_t seed;
    uint32_t layer, step, row, threshold;
    double kept;
} fm_dropout;

/* Hyperparameters; a clip is infinite for none, and a switch 0 or 1. */
typedef struct {
#define HYPERPARAMETER(name, fallback) double name;
#include "hyperparameters.def"
#undef HYPERPARAMETER
} fm_hyper;
typedef struct { const char *name; size_t offset; double fallback; } fm_hyperparameter_info;
extern const fm_hyperparameter_info fm_hyperparameters[];
enum {
#define HYPERPARAMETER(name, fallback) FM_##name##_hyperparameter,
#include "hyperparameters.def"
    FM_HYPERPARAMETERS
#undef HYPERPARAMETER
};

/* How an array of a float32 plan is stored: see plan/stored.h.  What is not reals is for predictions alone. */
enum { FM_AS_REALS, FM_AS_INT8, FM_AS_BFLOAT16, FM_STORAGES };

/* One canonical array of a layer, (rows, columns) or with is_matrix 0 (columns,), and its place in a vector. */
typedef struct {
    const char *name;
    ptrdiff_t offset, rows, columns;
    int is_matrix;
    int decays;                /* penalties and weight decay act on it */
    int moves;                 /* by its gradient */
    int storage;
    double start;              /* what its elements begin as */
    double learning_rate, weight_decay; /* factors of the optimizer's */
} fm_array;
enum { FM_MOST_ARRAYS = 4 };

typedef struct {
    int kind;                  /* of layers.def */
    ptrdiff_t n_in, n_out;
    int source;                /* with FM_TWO_INPUTS the layer whose output is the second one; else -1 */
    int activation;
    double parameter;
    double dropout;            /* of this layer's input */
    int use_bias;              /* of a dense layer */
    int frozen;                /* training leaves its arrays alone */
    int function;              /* an activation that the kind applies itself, */
    double function_parameter; /* not at its end */
    int tables;                /* with FM_READS_CODES how many columns of codes; */
    const int64_t *sizes, *dims; /* how many codes each may have, and how many numbers one becomes */
    double settings[FM_MOST_SETTINGS]; /* the kind's own numbers, in the order of layers.def */
    double learning_rate[FM_MOST_ARRAYS], weight_decay[FM_MOST_ARRAYS]; /* factors of each array */
    fm_array arrays[FM_MOST_ARRAYS]; /* in order; made with the plan */
    int array_count;
    int scaled;                /* whether an array has a factor other than 1 */
    ptrdiff_t kept;            /* where an add's source lies in a prediction's scratch, or -1 */
    ptrdiff_t packed;          /* where its weights lie in plan->packed, for each plane; -1: its products are float32 */
} fm_layer;

/* Vectors laid out like the parameters, and numbers.  After the slots of the rule come those of what is done around steps: the
   slow weights of lookahead, or the moving average of the weights; and the sum of the gradients of batches since the last step. */
enum { FM_SLOW = FM_MOST_SLOTS, FM_SUM, FM_STATE_SLOTS };
typedef struct {
    void *parameters, *slots[FM_STATE_SLOTS]; /* those that are not in use are NULL */
    int64_t step;              /* optimizer steps done */
    int64_t pending;           /* batches in the sum */
    double beta_powers[2];     /* beta^step; of nadam the product of all its mu, and beta_2^step */
} fm_state;

/* A slice of the output with an activation of its own, softmax or one of single numbers. */
typedef struct {
    ptrdiff_t columns;
    int activation;
    double parameter;
} fm_head;

typedef struct {
    int isa;                   /* its number: see cpu.h */
    const fm_kernels *kernels;
    int type;                  /* FM_FLOAT32 or FM_FLOAT64 */
    int layer_count;
    fm_layer *layers;
    ptrdiff_t n_in, n_out;
    ptrdiff_t widest, kept_width; /* reals of the longest padded row of any layer; of all that adds have as sources */
    int codes;                 /* the layer that reads codes, or -1 */
    ptrdiff_t members;         /* networks that share weights: a row of X is so many rows of the layers */
    int stored;                /* whether weights are stored otherwise than as reals, */
    ptrdiff_t stored_row;      /* and the reals that a row takes up as what meets them, at most */
    int narrow;                /* batches go through all layers with their rows in the lanes */
    ptrdiff_t size, largest;   /* reals in the parameter vector; of a layer's weights, at most */
    void *shift, *divisor;     /* (n_in,) of the input, or NULL */
    void *output_scale, *output_offset; /* (n_out,) padded: predictions are a * scale + offset of the last activations a, */
    int rescales_output;       /* if so, which an identity is */
    const fm_head *heads;      /* of the whole output, after an identity; the caller's, as the layers are */
    int head_count;            /* 0 for none */
    int optimizer;             /* -1: not compiled */
    fm_hyper hyper;
    int planes;                /* of bfloat16 that products take, 1 or 2; 0: they are float32 */
    const fm_products *products; /* set with the first planes, and where weights are stored */
    void *packed[3];           /* weights in so many planes, or NULL before; what was made stays, as a prediction may read it */
    ptrdiff_t packed_size;     /* of each plane */
    fm_state state, kept;      /* what training changes; what it was, to go back to */
    int kept_whole;            /* whether the copy has been all of a state, padding too */
    void *stage;               /* training's buffers, made for a batch size */
    ptrdiff_t forward_rows;    /* of the batch that they hold for fm_plan_accumulate, or 0 */
    void *input_gradient;      /* room beside them, made when it is first asked for */
    void *gradient, *addend;   /* like the parameters: what fm_plan_accumulate adds up, and room for one more; NULL before */
    int has_gradient;          /* else it is zero, whatever lies there */
    void *pace;                /* of predictions, each way over the threads: see ways.h; reading a plan changes it */
    uint64_t owner;            /* the thread that changes the plan: see fm_plan_claim */
    int claims;                /* how often it has claimed it */
} fm_plan;

enum fm_status { FM_OK, FM_NO_MEMORY, FM_NOT_FINITE, FM_BAD_INPUT, FM_INTERRUPTED };

/* Takes the plan for the calling thread, which may have taken it before; 0 if another thread has it.  Whoever changes a plan
   takes it: training, compiling, weights and state.  Those that only read it need not. */
int fm_plan_claim(fm_plan *);
int fm_plan_claimed(const fm_plan *); /* whether the calling thread has it */
void fm_plan_release(fm_plan *);

/* The outputs of a layer whose kind, n_in, settings and, where they are free, n_out are given; 0 where these do not go together. */
ptrdiff_t fm_layer_width(const fm_layer *);

/* The first of the rows' codes that is none, whole and from 0 to below its size: its row and column, and its size; or 0. */
int64_t fm_find_wrong_code(const fm_plan *, const fm_input *, ptrdiff_t rows, ptrdiff_t *row, ptrdiff_t *column);

/* Completes a plan whose isa, type, layers (sizes, activations) are set: offsets, size, parameters. */
int fm_plan_init(fm_plan *);
void fm_plan_clear(fm_plan *);

/* An array of a layer, row-major, to and from a vector laid out like the parameters.  Only what is stored in few bits takes long
   enough to be interrupted on the way there. */
int fm_plan_pack(const fm_plan *, void *vector, const fm_array *, const void *values);
int fm_plan_unpack(const fm_plan *, const void *vector, const fm_array *, void *values);
/* One array of a layer: uniform in [-scale, scale), normal with that deviation, or the signs of the former times scale. */
enum { FM_UNIFORM, FM_NORMAL, FM_SIGNS };
int fm_plan_initialize(fm_plan *, int layer, int array, int distribution, double scale, uint64_t seed);

/* From now on the products of wide dense layers are of so many planes of bfloat16, or of float32: 0.  Of float32 plans. */
int fm_plan_set_planes(fm_plan *, int planes);
/* Makes the planes of the weights anew; whoever writes to these from outside calls it. */
void fm_plan_repack(fm_plan *);

/* Takes (n_out,) reals of the plan's type as scale and offset of the predictions. */
void fm_plan_rescale_output(fm_plan *, const void *scale, const void *offset);

/* The sum of the squared weights of all dense layers, biases left out. */
double fm_plan_squares(const fm_plan *);

/* Predictions (rows, n_out), row-major.  Scratch is on the stack or allocated by the call. */
int fm_plan_predict(const fm_plan *, const fm_input *, ptrdiff_t rows, void *out, int threads);
/* The same with dropout, each row's units drawn from the seed and its place in X alone. */
int fm_plan_predict_dropped(const fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, void *out, int threads);
/* Every layer's activations: outs[l] is (rows * members, n_out of l), row-major.  This, like predictions, evaluation and gradients, is
   FM_NOT_FINITE where the input is not finite, as it is or rescaled. */
int fm_plan_forward(const fm_plan *, const fm_input *, ptrdiff_t rows, void *const *outs);
/* Sums of the row losses and of correct rows, both weighted. */
int fm_plan_evaluate(const fm_plan *, const fm_input *, const fm_target *, ptrdiff_t rows, double *loss, double *correct,
                     int threads);

/* Chooses an optimizer and zeroes its state.  If there is no memory or it is interrupted, all is as before. */
int fm_plan_compile(fm_plan *, int optimizer, const fm_hyper *);

/* Epochs of mini-batches on the same rows, batch after batch from where the cursor is. */
typedef struct {
    fm_input input;
    fm_target target;
    ptrdiff_t rows, batch_size;    /* of an epoch; the last batch may be shorter */
    uint64_t seed;                 /* of shuffling and of dropout */
    int threads;
    int check_rows;                /* nobody has looked whether the input is finite: FM_BAD_INPUT before a batch that is not */
    ptrdiff_t epochs;
    const int64_t *orders;         /* of each epoch's rows, (epochs, rows); */
    int64_t *order;                /* or room for (rows,), where each order is drawn; both NULL: as they lie */
    uint32_t number;               /* of the first epoch, for what is drawn */
    ptrdiff_t drawn;               /* the epoch whose order was drawn last; begins as -1 */
    const double *learning_rates;  /* (epochs, batches) */
    const double *l2, *weight_decay; /* likewise; NULL: the hyperparameter */
    const double *dropout;         /* likewise, factors of each layer's rate; NULL: 1 */
    double *sums;                  /* out, (epochs + 1, fm_sums), the last row for a copy: weighted sums of losses and correct rows;
                                      with `squares`, fm_plan_squares; weighted sums of the losses of each head */
    int squares;
    ptrdiff_t epoch, batch;        /* the cursor: epochs done, and batches of the next one, whose sums so far are in `sums` */
} fm_run;

static inline int fm_sums(const fm_target *target) { return 3 + target->head_count; }

/* Trains the next batches, at most so many, until the seconds have passed, but at least one.

   FM_NOT_FINITE: training goes no further.  The plan has the last parameters and state that are finite; the cursor stands at
   the batch whose loss is not, or whose step led to values that are not (`*by_step` is 1 then).
   FM_INTERRUPTED and FM_NO_MEMORY: plan and cursor are as before the call.  FM_BAD_INPUT: batches before were trained. */
int fm_plan_advance(fm_plan *, fm_run *, ptrdiff_t batches, double seconds, int *by_step);

/* Training step by step, for loops and losses from outside.  A call that fails has changed nothing but the buffers.

   Predictions of a batch, with dropout and the batch's statistics; what accumulate needs of it is kept until the weights are
   changed by anything.  FM_NOT_FINITE: X is not finite, as it is or rescaled. */
int fm_plan_train_forward(fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, double dropout, void *out);
/* From the gradient with respect to those predictions: that of the parameters is added to the plan's, and that of the input,
   (rows, n_in), is written; either is left out on request.  FM_BAD_INPUT: the former is not finite. */
int fm_plan_accumulate(fm_plan *, const void *output_gradient, int parameters, void *input_gradient);
/* One step of the optimizer by the plan's gradient, which stays, or a part of one where gradients accumulate; batch normalisation
   takes the statistics of the last batch. */
int fm_plan_take_step(fm_plan *, double learning_rate, double l2, double weight_decay);
int fm_plan_have_gradient(fm_plan *); /* room for one, to be written from outside */

/* Rows of one batch, of which others may be elsewhere. */
typedef struct {
    fm_input input;
    fm_target target;
    const int64_t *order;          /* the part's rows, */
    ptrdiff_t rows;                /* so many, */
    ptrdiff_t most;                /* and at most so many in any batch: what buffers are made for */
    ptrdiff_t batch;               /* rows of the whole batch, over which the loss is a mean */
    uint64_t seed;                 /* of dropout */
    double dropout;                /* a factor of the layers' rates */
    int threads;
    /* Told as soon as there are sums, and then while the gradient is made, from the last layer to the first: its elements from
       `first` on are done.  It returns whether to end.  NULL where nobody asks. */
    int (*ready)(void *context, ptrdiff_t first, const double *sums);
    void *context;
} fm_part;

/* The part's share of the gradient that a step of the batch is made by, a vector like the plan's parameters that begins as zeros,
   and sums like those of a run, but squares.  Where the loss is not finite the gradient is not computed.  FM_INTERRUPTED also where
   `ready` says so. */
int fm_plan_part_gradient(fm_plan *, const fm_part *, void *gradient, double *sums);
/* Of the plan's gradient the sum of the squares; itself times a factor. */
double fm_plan_gradient_squares(const fm_plan *);
void fm_plan_shrink_gradient(fm_plan *, double factor);
/* The moving average of the weights, where there is one and a step was made, takes the place of what training moves. */
void fm_plan_take_average(fm_plan *);
/* Batches trained: those of all steps, and those that wait for theirs. */
int64_t fm_plan_batches(const fm_plan *);
/* parameters = (1 - share) parameters + share other's, of a plan with the same arrays and type. */
void fm_plan_blend(fm_plan *, const fm_plan *other, double share);

/* gradient: a vector laid out like the parameters, or NULL; input_gradient: (rows, n_in) or NULL.  Starts from a target, or from
   the gradient with respect to the prediction. */
int fm_plan_gradients(const fm_plan *, const fm_input *, const fm_target *, const void *output_gradient,
                      ptrdiff_t rows, void *gradient, void *input_gradient, double *loss);

/* Kernels on plain row-major arrays (rows, n) of a type, by number. */
int fm_activation_forward(const fm_kernels *, int type, int activation, void *a, const void *z, ptrdiff_t rows,
                          ptrdiff_t n, double parameter);
int fm_activation_backward(const fm_kernels *, int type, int activation, void *dz, const void *da, const void *saved,
                           ptrdiff_t rows, ptrdiff_t n, double parameter);
/* values (rows,), d (rows, n), correct (rows,); p holds logits where the link is fused. */
int fm_loss_rows(const fm_kernels *, int type, const void *p, const fm_target *, ptrdiff_t rows, ptrdiff_t n, void *values,
                 void *d, double *correct);
int fm_all_finite(const fm_kernels *, int type, const void *values, ptrdiff_t count);
void fm_elementary(const fm_kernels *, int type, int function, void *out, const void *in, ptrdiff_t count);
/* One step on a state of vectors of any length that is a multiple of 16. */
void fm_optimizer_step(const fm_kernels *, int type, int optimizer, const fm_hyper *, fm_state *, const void *g,
                       ptrdiff_t count);
/* `step` optimizer steps were done before. */
void fm_optimizer_update(const fm_kernels *, int type, int optimizer, const fm_hyper *, int64_t step, void *w,
                         const void *g, void *const *slots, ptrdiff_t count);

#endif
