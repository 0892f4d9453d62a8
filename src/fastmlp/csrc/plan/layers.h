/* What each kind of layer does: a file a kind in layers/, a line in layers.def. */

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
    const training_stage *stage; /* in training, */
    ptrdiff_t first;           /* and the batch's row that is row 0 here; else NULL */
} layer_pass;

/* Share number `share` of `shares` of a layer's parameters, over rows [first, last) of the batch. */
typedef struct { ptrdiff_t share, shares, first, last; } gradient_part;

typedef struct {
    int (*arrays)(const fm_layer *, fm_array *); /* describes them but for their places; returns how many */
    int takes_rows;            /* inputs that are not in panels */
    void (*buffers)(stage_layer *, const fm_layer *, stage_arena *, ptrdiff_t rows); /* or NULL: none of its own */
    void (*forward)(const fm_plan *, int l, const layer_pass *);
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

/* Reals that an array takes up in the vector. */
static ptrdiff_t array_size(const fm_array *array)
{
    return count_panels(array->columns) * (array->is_matrix ? w_panel(array->rows) : L);
}

static const real *stage_input(const training_stage *s, int l)
{
    if (s->training && s->layers[l].x) return s->layers[l].x;
    return l ? s->layers[l - 1].a : s->input;
}

/* The activation of rows whose z is there. */
static void activate(const fm_plan *plan, int l, const layer_pass *pass)
{
    const fm_layer *layer = &plan->layers[l];
    if (pass->activation == FM_identity && pass->a == pass->z) return;
    for (ptrdiff_t p = 0; p < count_panels(layer->n_out); p++)
        plan->kernels->activations[pass->activation].forward(pass->a + p * pass->panel, pass->z + p * pass->panel,
                                                             pass->rows * L, (real)layer->parameter);
}

#include "layers/dense.h"
#include "layers/normalization.h"
#include "layers/batch_normalization.h"
#include "layers/layer_normalization.h"
#include "layers/scale.h"
#include "layers/add.h"

static const layer_kind *const layer_kinds[FM_LAYERS] = {
#define LAYER(kind) &kind##_kind,
#include "layers.def"
#undef LAYER
};
