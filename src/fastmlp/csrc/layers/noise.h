/* What layers have in common that are random in training: word c of a row decides about its column c. */
#ifndef FM_NOISE_H
#define FM_NOISE_H

#if defined KERNELS
enum { NOISE_COLUMNS = 4 * FM_PHILOX_LANES }; /* of a row at a time, whole cache lines */

/* Words for columns [first, first + columns) of a row. */
INLINE void noise_words(const layer_args *g, uint32_t *words, ptrdiff_t first, ptrdiff_t columns, ptrdiff_t row)
{
    fm_words(words, first, columns, g->seed, FM_NOISE, g->number, g->step, g->row + (uint32_t)row);
}

/* The rows as they are. */
INLINE void copy_panels(const layer_args *g, real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel)
{
    for (ptrdiff_t p = 0; p < count_panels(g->n); p++)
        memcpy(out + p * out_panel, in + p * in_panel, (size_t)(g->m * L) * sizeof(real));
}
#endif

#endif
