/* What the plan asks of a kind of layer, and of its kernels: see layers.def. */

/* Hands out parts of one allocation; with base 0 it only measures. */
typedef struct { char *base; size_t used; } stage_arena;

static void *arena_take(stage_arena *arena, size_t count, size_t size)
{
    void *part = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * size + 63) / 64 * 64;
    return part;
}

#define TAKE(type, count) ((type *)arena_take(arena, (size_t)(count), sizeof(type)))

/* Rows that go forward through a layer, in prediction and in training. */
typedef struct {
    const real *x;             /* (r, i) at x + r*x_row + (i / L)*x_panel + i % L */
    ptrdiff_t x_row, x_panel;  /* L and the panel's size, but where a kind takes rows as they lie */
    real *z, *a;               /* (rows, n_out) in panels; z is a where nothing needs z */
    ptrdiff_t panel, rows;
    const real *other;         /* like a: the output of an add's source */
    int activation;            /* identity where it comes later, or not at all */
    int *finite;               /* see dense_args */
    int planes;                /* of the plan's products, as the pass found them */
    real *packed;              /* room for the rows in them: packed_rows */
    const training_stage *stage; /* in training, */
    ptrdiff_t first;           /* and the batch's row that is row 0 here; else NULL and 0 */
} layer_pass;

/* Share number `share` of `shares` of a layer's parameters, over rows [first, last) of the batch, and who has it. */
typedef struct { ptrdiff_t share, shares, first, last; int worker; } gradient_part;

typedef struct {
    int (*arrays)(const fm_layer *, fm_array *); /* describes them but for their places; returns how many */
    ptrdiff_t (*width)(const fm_layer *); /* outputs, 0 where its settings do not go with n_in; NULL: n_in */
    int takes_rows;            /* inputs that are not in panels */
    int goes_by_lines;         /* whether lines.h knows it */
    int takes_planes;          /* whether its products, of array 0 as weights, may be of bfloat16 */
    void (*buffers)(real **own, const fm_layer *, stage_arena *, ptrdiff_t rows); /* or NULL: none of its own */
    /* What its kernels are told beside what all are, of rows from `first` on; or NULL.  A stage there is in training alone. */
    void (*args)(layer_args *, const fm_plan *, int l, const training_stage *, ptrdiff_t first);
    void (*forward)(const fm_plan *, int l, const layer_pass *);
    /* The same for panels [first, last) of the outputs, of more than two; or NULL where it takes all of them. */
    void (*forward_panels)(const fm_plan *, int l, const layer_pass *, ptrdiff_t first, ptrdiff_t last);
    /* Where a layer needs all rows of a batch before one can go on, what it does with a panel of columns before; or NULL. */
    void (*forward_columns)(const step_work *, int l, ptrdiff_t panel);
    void (*backward_columns)(const step_work *, int l, ptrdiff_t panel);
    /* The gradient with respect to the input, from that with respect to z; `turned` has room for two turned matrices. */
    void (*backward)(const step_work *, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned);
    void (*gradient)(const step_work *, const gradient_sink *, int l, gradient_part);
    void (*after_step)(fm_plan *, const training_stage *, int l); /* or NULL */
} layer_kind;

static const layer_kind *const layer_kinds[FM_LAYERS];
static inline const layer_kind *kind_of(const fm_layer *layer) { return layer_kinds[layer->kind]; }

/* Array i of a layer. */
static real *array_of(const fm_plan *plan, int l, int i)
{
    return (real *)plan->state.parameters + plan->layers[l].arrays[i].offset;
}

#include "stored.h"

/* Reals that an array takes up in the vector. */
static ptrdiff_t array_size(const fm_array *array)
{
    if (array->storage) return stored_size(array);
    return count_panels(array->columns) * (array->is_matrix ? w_panel(array->rows) : L);
}

static const real *stage_input(const training_stage *s, int l)
{
    if (s->drops && s->layers[l].x) return s->layers[l].x;
    return l ? s->layers[l - 1].a : s->input;
}

/* Of a kind without arrays. */
static int no_arrays(const fm_layer *layer, fm_array *arrays) { return (void)layer, (void)arrays, 0; }

/* The activation of rows whose z is there. */
static void activate(const fm_plan *plan, int l, const layer_pass *pass)
{
    const fm_layer *layer = &plan->layers[l];
    if (pass->activation == FM_identity && pass->a == pass->z) return;
    for (ptrdiff_t p = 0; p < count_panels(layer->n_out); p++)
        plan->kernels->activations[pass->activation].forward(pass->a + p * pass->panel, pass->z + p * pass->panel,
                                                             pass->rows * L, (real)layer->parameter);
}

/* Kinds whose layer_kernels do all of it, and whose arrays have an element a column: KERNEL_LAYER stands for the rest. */

static const layer_kernels *kernels_of(const fm_plan *plan, int l) { return plan->kernels->layers[plan->layers[l].kind]; }

static layer_args args_of(const fm_plan *plan, int l, ptrdiff_t rows)
{
    const fm_layer *layer = &plan->layers[l];
    layer_args g = {.m = rows, .k = layer->n_in, .n = layer->n_out, .layer = layer, .settings = layer->settings,
                    .function = layer->function, .parameter = (real)layer->function_parameter};
    for (int i = 0; i < layer->array_count; i++) g.arrays[i] = array_of(plan, l, i);
    return g;
}

static void add_own(layer_args *g, const fm_plan *plan, int l, const training_stage *s, ptrdiff_t first)
{
    if (s) {
        memcpy(g->own, s->layers[l].own, sizeof g->own);
        g->draws = s->drops, g->seed = s->masks.seed, g->number = (uint32_t)l, g->step = s->masks.step;
        g->row = s->masks.row + (uint32_t)first;
    }
    if (kind_of(&plan->layers[l])->args) kind_of(&plan->layers[l])->args(g, plan, l, s, first);
}

/* Rows of the batch from `first` on, gradients included. */
static layer_args args_of_stage(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows)
{
    const training_stage *s = w->stage;
    layer_args g = args_of(w->plan, l, rows);
    g.x = stage_input(s, l) + first * L, g.d = s->layers[l].d + first * L;
    g.x_panel = g.d_panel = g.dx_panel = s->panel;
    g.batch = w->rows, g.first = first;
    add_own(&g, w->plan, l, s, first);
    return g;
}

static void forward_by_kernel(const fm_plan *plan, int l, const layer_pass *pass)
{
    layer_args g = args_of(plan, l, pass->rows);
    g.x = pass->x, g.x_panel = pass->x_panel, g.z = pass->z, g.z_panel = pass->panel, g.first = pass->first;
    add_own(&g, plan, l, pass->stage, pass->first);
    kernels_of(plan, l)->forward(&g);
    activate(plan, l, pass);
}

static void backward_by_kernel(const step_work *w, int l, ptrdiff_t first, ptrdiff_t rows, real *dx, real *turned)
{
    layer_args g = args_of_stage(w, l, first, rows);
    (void)turned;
    g.dx = dx;
    kernels_of(w->plan, l)->backward(&g);
}

/* All of it is the first share's, over all rows at once. */
static void gradient_by_kernel(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    const fm_layer *layer = &w->plan->layers[l];
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    layer_sums sums __attribute__((aligned(64)));
    if (part.share || part.last < w->rows) return;
    for (ptrdiff_t p = 0; p < count_panels(g.n); p++) {
        kernels_of(w->plan, l)->sums(&g, p, sums);
        for (int i = 0; i < layer->array_count; i++)
            if (layer->arrays[i].moves)
                sink->take(sink, sums[i], layer->arrays[i].offset + p * L, L, layer->arrays[i].decays);
    }
}

#define KERNEL_LAYER .forward = forward_by_kernel, .backward = backward_by_kernel, .gradient = gradient_by_kernel

#include "packing.h"

#define PLAN /* of each kind */
#include "layers.def"
#undef PLAN

static const layer_kind *const layer_kinds[FM_LAYERS] = {
#define LAYER(kind, traits, kernels, settings) &kind##_kind,
#include "layers.def"
#undef LAYER
};
