/* The plan of one type: the order of work, behind one exported table. */
#include <math.h>
#include <string.h>

#include "interrupt.h"
#include "kernels/table.h"
#include "plan.h"
#include "random.h"

#include "stage.h"
#include "layers.h"
#include "parameters.h"
#include "buffers.h"
#include "heads.h"
#include "members.h"
#include "ways.h"
#include "forward.h"
#include "divided.h"
#include "predict.h"
#include "backward.h"
#include "lines.h"
#include "constants.h"
#include "step.h"
#include "around.h"
#include "train.h"
#include "run.h"
#include "loops.h"
#include "part.h"
#include "gradients.h"
#include "arrays.h"

const fm_typed_plan CAT2(fm_typed_plan_f, BITS) = {
    .layer_width = layer_width,
    .lay_out = lay_out,
    .initialize_arrays = initialize_arrays,
    .initialize = initialize,
    .pack = pack,
    .unpack = unpack,
    .repack = repack,
    .squares = squares,
    .predict = predict,
    .predict_dropped = predict_dropped,
    .forward = forward,
    .evaluate = evaluate,
    .advance = advance,
    .train_forward = train_forward,
    .accumulate = accumulate,
    .take_step = take_step,
    .part_gradient = part_gradient,
    .gradient_squares = gradient_squares,
    .shrink_gradient = shrink_gradient,
    .take_average = take_average,
    .blend = blend,
    .gradients = gradients,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .loss_rows = loss_rows,
    .optimizer_update = optimizer_update,
    .elementary = elementary,
    .all_finite = all_finite,
};
