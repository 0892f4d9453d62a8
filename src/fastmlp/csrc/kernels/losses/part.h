/* What losses share: the rows that a vector holds of at most L, one in each lane; their values, weights and counts. */
#ifndef FM_LOSS_PART_H
#define FM_LOSS_PART_H

#include "../elementwise.h"
#include "../rowwise.h"

/* The part of a loss that vector v of the lines has: `rows` rows from `first` on. */
typedef struct {
    const loss_args *l;
    const real *p, *y;            /* output j at p[j * L], target j at y[j * L] */
    real *d;
    ptrdiff_t first, rows, n;     /* n outputs */
    vec weight, scale;            /* of the values; of the gradients */
} loss_part;

INLINE loss_part loss_part_of(const loss_args *l, int v)
{
    const ptrdiff_t first = v * VW, rows = smaller(VW, l->rows - first);
    const vec one = vset1(1);
    const vec weight = !l->weights ? one : rows == VW ? vload(l->weights + first) : vload_part(l->weights + first, rows);
    return (loss_part){.l = l, .p = l->p + first, .y = l->y ? l->y + first : NULL, .d = l->d ? l->d + first : NULL,
                       .first = first, .rows = rows, .n = l->n, .weight = weight, .scale = weight * vset1(l->scale)};
}

INLINE void loss_finish(const loss_part *part, vec value, vec correct)
{
    real lanes[VW];
    real *values = part->l->values + part->first;
    double *right = part->l->correct + part->first;
    value = part->weight * value;
    if (part->rows == VW)
        vstore(values, value);
    else
        vstore_part(values, value, part->rows);
    vstore(lanes, correct);
    for (ptrdiff_t i = 0; i < part->rows; i++) right[i] = (double)lanes[i];
}

INLINE vec one_where(vmask m) { return vselect(m, vset1(1), vset1(0)); }

INLINE vec loss_parameter(const loss_part *part, int i) { return vset1((real)part->l->parameters[i]); }

/* A loss that is a mean over the outputs: f gives an element's value and puts its derivative in *d. */
typedef vec element_loss(vec p, vec y, const vec *parameters, vec *d);
enum { MOST_OF_ELEMENTS = 4 }; /* parameters */

/* 1 where logit and target are on the same side, which makes an output right as a class */
INLINE vec same_side(vec z, vec y)
{
    return one_where(veq(one_where(vlt(vset1(0), z)), one_where(vlt(vset1(RC(0.5)), y))));
}

/* `count` parameters.  `classes`: an output says its class by its sign, and the share of right ones counts. */
INLINE void mean_loss(const loss_part *part, element_loss *f, const int count, const int classes)
{
    output_sum values;
    vec parameters[MOST_OF_ELEMENTS], right = vset1(0);
    const vec n = vset1((real)part->n), scale = part->scale / n;
    UNROLL for (int i = 0; i < count; i++) parameters[i] = loss_parameter(part, i);
    output_sum_begin(&values, part->n);
    for (ptrdiff_t j = 0; j < part->n; j++) {
        vec d;
        const vec p = vload(part->p + j * L), y = vload(part->y + j * L);
        output_sum_add(&values, j, f(p, y, parameters, &d));
        if (part->d) vstore(part->d + j * L, vflush(d * scale));
        if (classes) right = right + same_side(p, y);
    }
    loss_finish(part, output_sum_end(&values, part->n) / n, right);
    for (ptrdiff_t i = 0; classes && i < part->rows; i++) part->l->correct[part->first + i] /= (double)part->n;
}

#define ELEMENT_LOSS(name, count, classes)                              \
    INLINE void name##_part(const loss_part *part)                      \
    { mean_loss(part, name##_element, count, classes); }

#endif
