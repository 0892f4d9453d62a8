/* One instruction set and one type: every kernel, behind one exported table.  All else is static, so that nothing compiled
   for a wide machine can be linked into a narrow one's path. */
#include <math.h>
#include <string.h>

#include "random.h"
#include "real.h"
#include "table.h"
#include "vec.h"

#include "elementary.h"
#include "activations.h"
#include "elementwise.h"
#include "updates.h"
#include "tile.h"
#include "transpose.h"
#include "gemm.h"
#include "weight_gradient.h"
#if BITS == 32
#define UNIT ISA
#include "products.h"
#include "halves.h"
#endif
#include "rowwise.h"
#include "columns.h"
#include "losses.h"

#define KERNELS /* of each kind of layer */
#include "layers.def"
#undef KERNELS

#define ACTIVATION(name, saved, parameter, least, most) {name##_map, name##_map_backward},
#define ROW_ACTIVATION(name)
#define LOSS(name, ...) name##_loss,
#define OPTIMIZER(name, rule, slots, needs) name##_update,
#define ELEMENTARY(name) name##_elementary,
const fm_kernels KERNEL_TABLE = {
    .dense_forward = dense_forward,
#if BITS == 32
    .forward_bfloat16 = forward_bfloat16,
#endif
    .turned_forward = turned_forward,
    .turned_softmax = turned_softmax,
    .turned_softmax_backward = turned_softmax_backward,
    .input_gradient = input_gradient,
    .weight_gradient_units = weight_gradient_units,
    .weight_gradient = weight_gradient,
    .bias_gradient = bias_gradient,
    .layers = {
#define LAYER(kind, traits, kernels, settings) kernels,
#include "layers.def"
#undef LAYER
    },
    .add = add,
    .activations = {
#include "activations.def"
    },
#undef ACTIVATION
#undef ROW_ACTIVATION
#define ACTIVATION(name, saved, parameter, least, most)
#define ROW_ACTIVATION(name) {name##_row, name##_row_backward},
    .row_activations = {
#include "activations.def"
    },
    .losses = {
#include "losses.def"
    },
    .optimizers = {
#include "optimizers.def"
    },
    .elementary = {
#include "elementary.def"
    },
    .transpose = transpose,
    .move_average = move_average,
    .drop = drop,
    .multiply = multiply,
    .rescale = rescale_panels,
    .scale = scale_panels,
    .gather = gather,
    .gather_lines = gather_lines,
    .scatter = scatter,
    .all_finite = all_finite,
    .sum_of_squares = sum_of_squares,
};
