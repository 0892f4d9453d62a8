/* Training's buffers for one plan and batch size.  Matrices that are not in lines are in panels, `rows`
   lines or some more apart, an odd number, as panels a power of two apart would fight for the same cache sets. */

typedef struct {
    real *x;       /* this layer's input with dropout, (rows, n_in); NULL without */
    real *factor;  /* dropout's: 0 or 1 / (1 - rate) */
    real *z, *a;   /* (rows, n_out); z is a unless the derivative needs z */
    real *d;       /* the gradient with respect to z */
    real *beside;  /* the gradient with respect to a that comes by an add, where one has this layer as its source */
    real *z_lines, *a_lines, *d_lines;          /* z, a and d of a network that trains in lines */
    real *packed;  /* this layer's input, turned, in planes; NULL where its products are float32 */
    real *own[MOST_OWN]; /* of its kind */
} stage_layer;

/* What dropout's random numbers follow from. */
typedef struct {
    uint64_t seed;
    uint32_t step, row;        /* that row 0 of the buffers counts as */
    double factor;             /* of the rates */
} mask_source;

typedef struct {
    ptrdiff_t rows, panel, chunk;
    int workers;
    stage_layer *layers;
    real *input;             /* (rows, n_in) */
    real *x_lines;           /* the same in lines, or NULL: see lines.h */
    int64_t *order;          /* (rows,): with members, which row from outside each is; else NULL */
    real *targets, *weights; /* (rows, n_out) in lines; (rows,) */
    int64_t *labels;
    real *values;            /* weighted loss of each row */
    double *correct;
    real *head_values;       /* likewise of each head, (heads, rows), without the heads' weights */
    real *turned;            /* for each worker, two matrices of a chunk, or weights, or a loss's rows, turned */
    ptrdiff_t turned_size;
    int planes;              /* of bfloat16, of the plan's products */
    real *packed;            /* for each worker, some panels of all rows in them */
    ptrdiff_t packed_size;
    real *gradient;          /* like the parameters; where an update needs the whole of it first */
    real *input_gradient;    /* (rows, n_in); where asked for */
    fm_progress *done;       /* of each worker's part of a relay; NULL where there is none */
    way_paces paces;         /* of whole batches */
    double share;            /* of a row from outside that is a row here: 1 / members */
    int fused;               /* made for a loss that is fused with its link */
    mask_source masks;       /* of this step; where */
    int drops;               /* dropout and noise are on */
    int batch_statistics;    /* batch normalisation takes the batch's statistics */
    int skip_link;           /* the output layer stops at its logits, for a fused loss */
    int went_back;           /* a gradient of the parameters came of the batch that fm_plan_train_forward left here */
} training_stage;

/* What the tasks of one step share. */
typedef struct {
    const fm_plan *plan;
    training_stage *stage;
    const gradient_sink *sink;
    const fm_input *input;
    const fm_target *target;
    const int64_t *order;
    ptrdiff_t first, rows;      /* of the order; in this batch, those of members: see take_members */
    ptrdiff_t others;           /* rows of the batch, likewise, that other parts of it have: the mean is over all */
    ptrdiff_t next_rows;        /* of the next batch, worth asking for ahead of time */
    int with_loss, backward, workers;
    int all_layers;             /* gradients of frozen layers too */
    int relays;                 /* whether rows or tiles of weights are what workers share out in the second phase */
    int gathered, resident;     /* the stage has all rows from the batch before; and these are the same */
    int check_rows, bad_rows;   /* whether to look for rows that are not finite; whether there was one */
    int in_lines;               /* forward, loss and backward go by lines.h */
    int gathers, from, to, high, low; /* of a pass over the rows: layers [from, to) forward, layers high to low backward */
    int layer;                  /* whose columns are summed */
    ptrdiff_t first_unit;       /* of shares of weights, where not all are made at once */
    int told;                   /* somebody looks at messages between shares of weights */
    int interrupted;            /* a relay ends early */
    int aside, swapped;         /* whether the step is written into the copy of the state, to take its place; whether it has */
    int bad_step;               /* a step aside leads to what is not finite */
} step_work;
