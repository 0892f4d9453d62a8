/* What the files of the plan share, those of each type and plan.c. */
#ifndef FM_PLAN_H
#define FM_PLAN_H

#include "fastmlp.h"

#define CHUNK_BYTES (640 * 1024)   /* of a layer's deltas in training: within a second-level cache */
#define NEXT_BYTES (128 * 1024)    /* of the next batch's rows, asked for ahead of time */
#define APART_LINES 24             /* between the rows of different cores: how far a hardware prefetcher runs ahead */
#define SHARE_WORK 1e9             /* multiply-adds after which it is time to look for an interruption, */
#define TOLD_WORK 1e8              /* after which messages are looked at, where a gradient goes on its way as it is made */
#define UPDATE_ROWS 64             /* as many rows' of which an update of the weights takes */
#define PART_REALS ((ptrdiff_t)1 << 22) /* of a long copy, after which likewise */
#define STATE_PART ((size_t)1 << 20) /* bytes of a vector of the state that a thread takes at once */
#define STACK_BYTES (16 * 1024)    /* of scratch on the C stack; more is allocated */

#define ALONE_WORK 3e7             /* multiply-adds beyond which one worker alone is not tried where more may work */

/* Ways over the threads: one worker; workers that share rows, in training then weights; of a training step, workers with a part
   of the rows each, who hand on sums; of a prediction, workers with a part of each layer's units. */
enum { ALONE, SHARED, RELAYED, DIVIDED, WAYS };

/* What a piece of work took lately, each way; and how many pieces were done. */
typedef struct {
    double seconds[WAYS];
    int64_t pieces;
} way_paces;

enum { PREDICTION_SIZES = 24 }; /* of predictions of 1, 2 to 3, 4 to 7 ... rows */

/* What the files of one type offer to plan.c: entry points like those of fastmlp.h. */
typedef struct {
    ptrdiff_t (*layer_width)(const fm_layer *);
    ptrdiff_t (*lay_out)(fm_plan *); /* offsets of all arrays; returns the size of the parameter vector */
    void (*initialize_arrays)(fm_plan *); /* to what they begin as */
    int (*initialize)(fm_plan *, int layer, int array, int distribution, double scale, uint64_t seed);
    int (*pack)(const fm_plan *, void *vector, const fm_array *, const void *values);
    int (*unpack)(const fm_plan *, const void *vector, const fm_array *, void *values);
    void (*repack)(const fm_plan *, int planes);
    double (*squares)(const fm_plan *);
    int (*predict)(const fm_plan *, const fm_input *, ptrdiff_t rows, void *out, int threads);
    int (*predict_dropped)(const fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, void *out, int threads);
    int (*forward)(const fm_plan *, const fm_input *, ptrdiff_t rows, void *const *outs);
    int (*evaluate)(const fm_plan *, const fm_input *, const fm_target *, ptrdiff_t rows, double *loss, double *correct,
                    int threads);
    int (*advance)(fm_plan *, fm_run *, ptrdiff_t batches, double seconds, int *by_step);
    int (*train_forward)(fm_plan *, const fm_input *, ptrdiff_t rows, uint64_t seed, double dropout, void *out);
    int (*accumulate)(fm_plan *, const void *output_gradient, int parameters, void *input_gradient);
    int (*take_step)(fm_plan *, double learning_rate, double l2, double weight_decay);
    int (*part_gradient)(fm_plan *, const fm_part *, void *gradient, double *sums);
    double (*gradient_squares)(const fm_plan *);
    void (*shrink_gradient)(fm_plan *, double factor);
    void (*take_average)(fm_plan *);
    void (*blend)(fm_plan *, const fm_plan *other, double share);
    int (*gradients)(const fm_plan *, const fm_input *, const fm_target *, const void *output_gradient, ptrdiff_t rows,
                     void *gradient, void *input_gradient, double *loss);
    int (*activation_forward)(const fm_kernels *, int activation, void *a, const void *z, ptrdiff_t rows, ptrdiff_t n,
                              double parameter);
    int (*activation_backward)(const fm_kernels *, int activation, void *dz, const void *da, const void *saved,
                               ptrdiff_t rows, ptrdiff_t n, double parameter);
    int (*loss_rows)(const fm_kernels *, const void *p, const fm_target *, ptrdiff_t rows, ptrdiff_t n, void *values,
                     void *d, double *correct);
    void (*optimizer_update)(const fm_kernels *, int optimizer, const fm_hyper *, const fm_state *, void *w, const void *g,
                             ptrdiff_t count);
    void (*elementary)(const fm_kernels *, int function, void *out, const void *in, ptrdiff_t count);
    int (*all_finite)(const fm_kernels *, const void *values, ptrdiff_t count);
} fm_typed_plan;

extern const fm_typed_plan fm_typed_plan_f32, fm_typed_plan_f64;

/* The vectors of a state, number 0 the parameters, go over the threads in parts: task(context, worker, part) for all of them;
   whether it was interrupted. */
typedef struct {
    int vector;
    size_t first, bytes;
} fm_state_part;

void *fm_state_vector(const fm_state *, int vector); /* or NULL */
fm_state_part fm_part_of_state(const fm_plan *, ptrdiff_t part);
int fm_for_state(const fm_plan *, fm_task *, void *context, int workers);

/* A copy of the state, and back to it: what was the state then is the copy.  fm_plan_keep returns whether it was interrupted.
   fm_plan_swap takes no time however long the vectors are; fm_plan_restore packs weights anew as well. */
int fm_plan_keep(fm_plan *, int workers);
void fm_plan_keep_numbers(fm_plan *); /* of the state, without its vectors */
void fm_plan_swap(fm_plan *);
void fm_plan_restore(fm_plan *);

/* Counts a step of the optimizer: the number of steps done, and the powers of beta. */
void fm_count_step(fm_state *, int optimizer, const fm_hyper *);
/* What nadam has in place of beta_1 at step t: mu_t = beta_1 (1 - 0.96^(t momentum_decay) / 2). */
double fm_nadam_momentum(const fm_hyper *, int64_t t);

/* Frees training's buffers. */
void fm_plan_drop_stage(fm_plan *);

/* Multiply-adds of rows, those of all members, through the network. */
double fm_work(const fm_plan *, ptrdiff_t rows);

/* Threads for `rows` rows through the network: as many as are allowed while each has enough multiply-adds to outweigh waking
   it.  And likewise, `passes` times, two for less where it is measured whether they pay. */
int fm_workers_for(const fm_plan *, ptrdiff_t rows, int threads);
int fm_workers_to_try(const fm_plan *, ptrdiff_t rows, int passes, int threads);

#endif
