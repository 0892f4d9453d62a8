/* What dense layers have in common, whatever computes their products: parts of a matrix, the activation of what is done, the
   next batch's rows. */
#ifndef FM_DENSE_COMMON_H
#define FM_DENSE_COMMON_H

#include "table.h"
#include "vec.h"

#define KERNEL_TABLE CAT3(FM_TABLE(ISA), _f, BITS)
#define FM_TABLE(isa) CAT2(fm_kernels_, isa)
extern const fm_kernels KERNEL_TABLE; /* a dense layer looks its activation up */

static const real zeros[64 / sizeof(real)] __attribute__((aligned(64))) = {0};

INLINE ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* The fewest parts of `total` with at most `most` in each; here and below, what is one part is found without a division,
   which takes as long as a small layer's products. */
INLINE ptrdiff_t parts_of(ptrdiff_t total, ptrdiff_t most)
{
    return total <= most ? total > 0 : (total + most - 1) / most;
}

/* The first of them where they are nearly equal: 7 by at most 3 gives 3, 2, 2. */
INLINE ptrdiff_t even_part(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t parts = parts_of(total, most);
    return parts <= 1 ? total : (total + parts - 1) / parts;
}

INLINE void activate(const dense_args *d, ptrdiff_t offset, ptrdiff_t count)
{
    if (d->finite) *d->finite &= KERNEL_TABLE.all_finite(d->z + offset, count);
    if (d->activation || d->a != d->z)
        KERNEL_TABLE.activations[d->activation].forward(d->a + offset, d->z + offset, count, d->parameter);
}

/* Columns of panel q of every `among`th of the next batch's rows, which lie anywhere, into the cache: a unit has time for a
   few lines. */
INLINE void prefetch_next(const weight_gradient_args *g, ptrdiff_t q, ptrdiff_t one, ptrdiff_t among)
{
    if (!g->next_rows) return;
    const ptrdiff_t size = g->next->type == FM_UINT8 ? 1 : g->next->type == FM_FLOAT32 ? 4 : 8;
    const char *column = (const char *)g->next->data + q * L * size;
    for (ptrdiff_t r = one; r < g->next_rows; r += among)
        __builtin_prefetch(column + g->next_order[r] * g->next->row_bytes);
}

#endif
