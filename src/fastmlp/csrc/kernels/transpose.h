/* Transposition of matrices in panels: a typed source. */
#ifndef FM_TRANSPOSE_H
#define FM_TRANSPOSE_H

#include "table.h"
#include "vec.h"

/* A VW by VW block, log2(VW) times interleaved: each pass rotates the bits of the element's index by one. */
INLINE void transpose_square(vec block[VW])
{
    vec other[VW];
    UNROLL for (int width = 1; width < VW; width *= 2) {
        UNROLL for (int i = 0; i < VW / 2; i++) {
            other[2 * i] = vlow(block[i], block[i + VW / 2]);
            other[2 * i + 1] = vhigh(block[i], block[i + VW / 2]);
        }
        UNROLL for (int i = 0; i < VW; i++) block[i] = other[i];
    }
}

/* out (columns, rows) is the transpose of in (rows, columns), both in panels; lanes without a row are zero. */
static void transpose(real *out, ptrdiff_t out_panel, const real *in, ptrdiff_t in_panel, ptrdiff_t rows,
                      ptrdiff_t columns)
{
    for (ptrdiff_t r = 0; r < rows; r += VW)
        for (ptrdiff_t c = 0; c < columns; c += VW) {
            const real *from = in + c / L * in_panel + r * L + c % L;
            real *to = out + r / L * out_panel + c * L + r % L;
            const ptrdiff_t lines = rows - r, lanes = columns - c;
            vec block[VW];
            UNROLL for (int i = 0; i < VW; i++) block[i] = i < lines ? vload(from + i * L) : vset1(0);
            transpose_square(block);
            UNROLL for (int i = 0; i < VW; i++)
                if (i < lanes) vstore(to + i * L, block[i]);
        }
    for (ptrdiff_t r = (rows + VW - 1) / VW * VW; r % L; r += VW) /* lanes of the last panel that no block reached */
        for (ptrdiff_t c = 0; c < columns; c++) vstore(out + r / L * out_panel + c * L + r % L, vset1(0));
}

#endif
