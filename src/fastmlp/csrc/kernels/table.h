/* What one instruction set offers for one scalar type: a typed source.

   "In panels": panel p of a matrix holds columns [L*p, L*p + L) of all its rows, a row of a panel is one
   cache line, and a panel begins `<name>_panel` reals after the one before. */
#ifndef FM_TABLE_H
#define FM_TABLE_H

#include "fastmlp.h"
#include "real.h"

static inline ptrdiff_t count_panels(ptrdiff_t columns) { return (columns + L - 1) / L; }
static inline ptrdiff_t padded(ptrdiff_t columns) { return count_panels(columns) * L; }

/* Reals from one panel of weights to the next: an odd number of cache lines, because panels a power of two apart share
   their cache sets, and a row of W crosses them all. */
static inline ptrdiff_t w_panel(ptrdiff_t n_in) { return (n_in | 1) * L; }

/* Lines of a panel of bfloat16, which has two inputs in a lane. */
static inline ptrdiff_t half_lines(ptrdiff_t n_in) { return (n_in + 1) / 2; }

/* Numbers of all tables of a layer that reads codes. */
static inline ptrdiff_t table_numbers(const fm_layer *layer)
{
    ptrdiff_t count = 0;
    for (int t = 0; t < layer->tables; t++) count += layer->sizes[t] * layer->dims[t];
    return count;
}

/* One optimizer step's constants: the hyperparameters, learning_rate and epsilon as the rule takes them, and what follows. */
typedef struct {
#define HYPERPARAMETER(name, fallback) real name;
#define AROUND_STEPS(name, fallback)
#include "hyperparameters.def"
#undef HYPERPARAMETER
    real one_minus_rho, one_minus_beta_1, one_minus_beta_2;
    real root_correction;         /* 1 / sqrt(1 - beta_2^t) */
    real moment_share;            /* of nadam: the factor of the average beside the gradient's */
    real decay;                   /* 1 - learning_rate * weight_decay */
    real gradient_scale;
    int before;                   /* of the following */
} step_constants;

/* What happens before the rule: nothing, an l2 penalty, a factor of the gradient (clipping by norm) and decoupled decay, or any of
   clipping, penalties and decay. */
enum { PLAIN, L2_ALONE, SCALED, PREPARED };

/* z = x.W + b and a = activation(z), (m, k) times (k, n).  z is a where nothing needs z afterwards. */
typedef struct {
    real *z, *a;                  /* (m, n) in panels */
    ptrdiff_t c_panel;            /* of both */
    const real *x;                /* (r, i) at x + r*x_row + (i / L)*x_panel + i % L */
    ptrdiff_t x_row, x_panel;     /* L and the panel's size in panels; the row's size and L in rows */
    const real *w, *bias;         /* (k, n) in panels; (n,) padded, or NULL */
    ptrdiff_t m, k, n;
    int one_chain;                /* of k steps an element, however narrow: for gradients */
    int activation;               /* not a row activation: those are the caller's */
    real parameter;
    int *finite;                  /* set to 0 if a sum, before its activation, is not finite; or NULL */
} dense_args;

/* z^T = W^T.x^T + b for a narrow layer, k and n at most L, with batch rows in the lanes: the bits of dense_forward where
   that has one segment. */
typedef struct {
    real *z;                      /* (n, rows): row panel p at z + p*n*L, lane r % L of line j */
    const real *x;                /* (k, rows), likewise */
    const real *w, *bias;         /* as in dense_args */
    ptrdiff_t panels;             /* of batch rows */
    ptrdiff_t k, n;
} turned_args;

/* dx^T = W.d^T with batch rows in the lanes, so that W is read as it lies. */
typedef struct {
    real *dx;                     /* (k, m) in panels */
    ptrdiff_t dx_panel;
    const real *w;                /* (k, n) in panels */
    const real *d;                /* (n, m) in panels */
    ptrdiff_t d_panel;
    ptrdiff_t m, k, n;
} input_gradient_args;

/* Moves weights and their state by the gradient g: in place, or from what `from` has, w and then the slots. */
typedef void update_kernel(real *w, const real *g, real *const *slots, const real *const *from, ptrdiff_t count,
                           int is_weight, const step_constants *);

/* average = stays from + takes w */
typedef void average_kernel(real *average, const real *from, const real *w, ptrdiff_t count, real stays, real takes);

/* Takes `count` elements of the parameter gradient, those from `offset` in the parameter vector on. */
typedef struct gradient_sink gradient_sink;
struct gradient_sink {
    void (*take)(const gradient_sink *, const real *g, ptrdiff_t offset, ptrdiff_t count, int is_weight);
    real *parameters, *slots[FM_MOST_SLOTS]; /* what an update moves, */
    const real *from[1 + FM_MOST_SLOTS]; /* what these are before it, NULL where it works in place, */
    const step_constants *step;
    real *average;                /* and their moving average, NULL where there is none, */
    const real *average_from;     /* what it is before, */
    real average_stays, average_takes; /* the factors of the average and of the weights */
    average_kernel *move_average;
    const fm_layer *layer;        /* whose parameters these are */
    update_kernel *update;
    real *gradient;               /* or where the gradient goes */
    int (*all_finite)(const real *values, ptrdiff_t count); /* what looks at what is moved, if anybody does, */
    int *finite;                  /* which is cleared where that is not */
};

#define BLOCK_ROWS 256 /* rows of one chain of a parameter gradient: part of the numeric contract */

/* dW = x^T.d and db = the sum of d over the m rows, or over rows [first, last) of them, added to that over those before. */
typedef struct {
    const gradient_sink *sink;
    ptrdiff_t w_offset, b_offset; /* in the parameter vector; b_offset is negative without a bias */
    const real *x;                /* (m, k) in panels */
    ptrdiff_t x_panel;
    int d_in_lines;               /* d is turned, n lines for each panel of L rows, and x is one panel with 1 in lane k */
    const real *d;                /* (m, n) in panels, padding zero */
    ptrdiff_t d_panel;
    ptrdiff_t m, k, n;
    ptrdiff_t first, last;        /* `first` is 0, or a row of the first block of a chain, or where a block begins */
    const real *so_far;           /* the sums over the rows before `first`, like the parameter vector */
    const fm_input *next;         /* rows that come after these: next_order[0], [1], ... are asked for meanwhile */
    const int64_t *next_order;
    ptrdiff_t next_rows;          /* 0 for none */
} weight_gradient_args;

/* Products of bfloat16: a matrix is the sum of `planes` ones whose elements have 8 bits of mantissa, the first of them what is
   nearest and the second what is nearest to the rest.  32 of them in a row of A times 32 in a column of B are a block: see
   products.h.  A block of A is a cache line for each row, of the row's 32 numbers; a block of B 16 lines for each panel of
   columns, pairs of numbers below each other. */
enum { BLOCK = 32, MOST_PLANES = 2, PRODUCT_ROWS = 32, PRODUCT_PANELS = 2 };

static inline ptrdiff_t count_blocks(ptrdiff_t k) { return (k + BLOCK - 1) / BLOCK; }

/* Lines of a block of A for m rows: those of the last rows are read 16 at a time, but for a single row. */
static inline ptrdiff_t block_lines(ptrdiff_t m) { return m == 1 ? 1 : padded(m); }

/* Reals that one plane takes up: of A, (m, k), and of B, (k, n). */
static inline ptrdiff_t a_size(ptrdiff_t m, ptrdiff_t k) { return count_blocks(k) * block_lines(m) * L; }
static inline ptrdiff_t b_panel(ptrdiff_t k) { return count_blocks(k) * BLOCK / 2 * L; }
static inline ptrdiff_t b_size(ptrdiff_t k, ptrdiff_t n) { return count_panels(n) * b_panel(k); }

/* Like dense_args, but x is A and w is B in planes, one after another. */
typedef struct {
    dense_args dense;
    int planes;
} product_args;

/* Like weight_gradient_args, but x is x^T as A, from row 0 of the batch on, and `packed` has room for panels of d as B, over the
   rows: for `pairs` times PRODUCT_PANELS of them, which are taken at a time, so that x^T is read once for all. */
typedef struct {
    weight_gradient_args of;
    ptrdiff_t batch;              /* rows that x has room for */
    real *packed;
    ptrdiff_t pairs;
    int planes;
} product_gradient_args;

/* Integers of 8 bits: 64 inputs are a block, of A a cache line for each row, of B 16 lines for each panel of columns, each of
   them with four inputs in a lane. */
enum { INT8_BLOCK = 64 };
static inline ptrdiff_t int8_blocks(ptrdiff_t k) { return (k + INT8_BLOCK - 1) / INT8_BLOCK; }
static inline ptrdiff_t int8_lines(ptrdiff_t k) { return int8_blocks(k) * (INT8_BLOCK / 4); }

/* Like dense_args, but x is A, rows as bytes, and w is B; what follows these is there for each row and column. */
typedef struct {
    dense_args dense;
    const real *row_scale;        /* (m,) */
    const real *scale;            /* (n,) padded */
    const uint32_t *offset;       /* (n,) padded: 128 times the sum of the column */
} int8_args;

enum { MOST_OWN = 4 };

/* Rows of a layer; matrices in panels, (m, k) going in and (m, n) coming out. */
typedef struct {
    const real *x;
    ptrdiff_t x_panel;
    real *z;
    ptrdiff_t z_panel;
    const real *d;                /* with respect to z; padding zero */
    ptrdiff_t d_panel;
    real *dx;                     /* padding zero */
    ptrdiff_t dx_panel;
    const real *arrays[FM_MOST_ARRAYS]; /* as the parameters hold them */
    real *own[MOST_OWN];          /* the kind's own buffers; NULL in prediction */
    const fm_layer *layer;
    const double *settings;       /* the kind's own numbers */
    int function;                 /* an activation, */
    real parameter;               /* and its parameter */
    ptrdiff_t batch;              /* rows of the whole batch */
    ptrdiff_t first;              /* the batch's row that is row 0 here */
    int draws;                    /* whether noise and dropout are on; if so, what random numbers follow from: */
    uint64_t seed;
    uint32_t number, step, row;   /* of the layer; steps done; of row 0 */
    ptrdiff_t m, k, n;
} layer_args;

/* A panel of the gradient of each array, as of a vector with one element a column. */
typedef real layer_sums[FM_MOST_ARRAYS][L];

/* What a kind of layer computes with vectors; NULL where its layer_kind does not ask. */
typedef struct {
    void (*forward)(const layer_args *);                     /* z */
    void (*backward)(const layer_args *);                    /* dx */
    void (*statistics)(const layer_args *, ptrdiff_t panel); /* of columns of the batch */
    void (*sums)(const layer_args *, ptrdiff_t panel, layer_sums);
    void (*gradient)(const layer_args *, ptrdiff_t panel);   /* of arrays that are no such vectors, to a buffer of its own */
} layer_kernels;

/* A loss of at most L rows, in lines: output j of row r at p[j * L + r], and so in d; target j at y[j * L + r]. */
typedef struct {
    const real *p;                /* logits where the link is fused, else predictions */
    const real *y;                /* targets, */
    const int64_t *labels;        /* or the class of each row */
    const real *weights;          /* (rows,), or NULL for 1 */
    ptrdiff_t rows, n;            /* n outputs */
    real scale;                   /* of the gradients, beside the weights */
    const double *parameters;
    int parameter_count;
    real *d;                      /* the gradient with respect to p; NULL for the values alone */
    real *values;                 /* (rows,): weight * loss */
    double *correct;              /* (rows,): 1 or 0, or the share of the outputs */
    real *apart;                  /* of heads weight * loss of each, without the head's weight, (heads, apart_stride); or NULL */
    ptrdiff_t apart_stride;
} loss_args;

/* Products of bfloat16 and of integers, for float32 alone: the same bits from every table. */
struct fm_products {
    void (*pack_rows)(real *a, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t m, ptrdiff_t k, int planes); /* x as A */
    /* Rows [first, first + m) of the batch's x as columns of x^T as A, (k, batch); first is a multiple of BLOCK. */
    void (*pack_columns)(real *a, const real *x, ptrdiff_t x_panel, ptrdiff_t first, ptrdiff_t m, ptrdiff_t batch, ptrdiff_t k,
                         int planes);
    /* Of W, (k, n) in panels, the pairs of panels [first, last) as B, and as columns of W^T as B. */
    void (*pack_weights)(real *b, real *turned, const real *w, ptrdiff_t k, ptrdiff_t n, ptrdiff_t first, ptrdiff_t last,
                         int planes);
    void (*forward)(const product_args *);
    void (*gradient)(const product_gradient_args *, ptrdiff_t first, ptrdiff_t last); /* units: pairs of d's panels */
    /* Rows of x as bytes, and the scale of each. */
    void (*pack_bytes)(real *a, real *scale, const real *x, ptrdiff_t x_row, ptrdiff_t x_panel, ptrdiff_t m, ptrdiff_t k);
    void (*forward_int8)(const int8_args *);
};

struct fm_kernels {
    void (*dense_forward)(const dense_args *);
    void (*forward_bfloat16)(const dense_args *); /* of weights that are stored so; NULL but for float32 */
    void (*turned_forward)(const turned_args *);
    void (*turned_softmax)(real *a, ptrdiff_t panels, ptrdiff_t n); /* of every column, in place */
    void (*turned_softmax_backward)(real *d, const real *a, ptrdiff_t n); /* of one panel, in place */
    void (*input_gradient)(const input_gradient_args *);
    ptrdiff_t (*weight_gradient_units)(const weight_gradient_args *);
    void (*weight_gradient)(const weight_gradient_args *, ptrdiff_t first, ptrdiff_t last);
    void (*bias_gradient)(const weight_gradient_args *);
    const layer_kernels *layers[FM_LAYERS];
    void (*add)(real *out, const real *a, const real *b, ptrdiff_t count); /* a multiple of L; out may be an input */
    /* Elementwise, any alignment; out may be an input. */
    struct {
        void (*forward)(real *a, const real *z, ptrdiff_t count, real parameter);
        void (*backward)(real *dz, const real *da, const real *saved, ptrdiff_t count, real parameter);
    } activations[FM_ACTIVATIONS];
    /* One row in panels; out may be an input. */
    struct {
        void (*forward)(real *a, ptrdiff_t a_panel, const real *z, ptrdiff_t z_panel, ptrdiff_t n);
        void (*backward)(real *dz, ptrdiff_t dz_panel, const real *da, ptrdiff_t da_panel, const real *a,
                         ptrdiff_t a_panel, ptrdiff_t n);
    } row_activations[FM_ROW_ACTIVATIONS];
    void (*losses[FM_LOSSES])(const loss_args *);
    /* Count is a multiple of L; slots that are not in use are NULL. */
    update_kernel *optimizers[FM_OPTIMIZERS];
    void (*elementary[FM_ELEMENTARY])(real *out, const real *in, ptrdiff_t count);
    /* out (columns, rows) from in (rows, columns), both in panels; lanes without a row are zero. */
    void (*transpose)(real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel, ptrdiff_t rows,
                      ptrdiff_t columns);
    average_kernel *move_average;
    void (*drop)(real *factor, ptrdiff_t panel, const fm_dropout *, ptrdiff_t first, ptrdiff_t rows);
    void (*multiply)(real *out, const real *in, const real *factor, ptrdiff_t count);
    /* In panels, in place, a factor and an offset a column: a * factor + offset, and d * factor. */
    void (*rescale)(real *a, ptrdiff_t panel, const real *factor, const real *offset, ptrdiff_t rows, ptrdiff_t columns);
    void (*scale)(real *d, ptrdiff_t panel, const real *factor, ptrdiff_t rows, ptrdiff_t columns);
    /* Rows order[first], order[first + 1], ... (or first, first + 1, ...) to panels; padding zero. */
    void (*gather)(real *out, ptrdiff_t out_panel, const fm_input *, const int64_t *order, ptrdiff_t first,
                   ptrdiff_t rows);
    /* The same to lines, one a column for each panel of L rows; more than L columns only where nothing is converted. */
    void (*gather_lines)(real *out, const fm_input *, const int64_t *order, ptrdiff_t first, ptrdiff_t rows);
    /* Panels to row-major rows of `columns` reals. */
    void (*scatter)(real *out, const real *in, ptrdiff_t in_panel, ptrdiff_t rows, ptrdiff_t columns);
    int (*all_finite)(const real *values, ptrdiff_t count);
    double (*sum_of_squares)(const real *values, ptrdiff_t count);
};

#endif
