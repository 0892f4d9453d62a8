/* Losses of at most L rows and their gradients: a value is a mean over the outputs, as Keras has it, and the row's weight
   multiplies it.  Where a link is fused, the lines hold logits and the gradient is theirs.  Batch rows are in the lanes. */
#ifndef FM_LOSSES_H
#define FM_LOSSES_H

#include "losses/classification.h"
#include "losses/regression.h"

#define LOSS(name, ...)                                                 \
    static void name##_loss(const loss_args *l)                         \
    {                                                                   \
        for (int v = 0; v * VW < l->rows; v++) {                        \
            const loss_part part = loss_part_of(l, v);                  \
            name##_part(&part);                                         \
        }                                                               \
    }
#include "losses.def"
#undef LOSS

#endif
