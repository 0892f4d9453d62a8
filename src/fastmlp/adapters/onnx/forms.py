"""Activations as expressions of ONNX operators, which `save` writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

OLDEST_OPSET = 13  # Softmax along one axis


@dataclass(frozen=True)
class Form:
    """One way to write an activation.

    Attributes
    ----------
    name : str
        Of `fastmlp.registry.ACTIVATIONS`, or NORMALIZED.
    text : str
        The expression in Python's syntax, with operators as functions, of x and the activation's parameter p.
    dtypes : tuple of str
        Those it is written for: where ONNX Runtime computes an operator in float32 alone, float64 has a
        composed form.
    since : int
        The oldest opset that has the operators.
    """

    name: str
    text: str
    dtypes: tuple[str, ...] = ("float32", "float64")
    since: int = OLDEST_OPSET


NORMALIZED = "normalized"  # of layer normalisation; p is epsilon, gamma and beta follow

_SINGLE, _DOUBLE = ("float32",), ("float64",)
_CENTRED = "(x - ReduceMean(x))"
# expm1(m) = 2 t / (1 - t) with t = tanh(m / 2), which keeps the digits that exp(m) - 1 loses near 0.
_EXPM1 = "(2 * Tanh(0.5 * Min(x, 0)) / (1 - Tanh(0.5 * Min(x, 0))))"
_EXPM1_OF_SHARE = _EXPM1.replace("Min(x, 0)", "(Min(x, 0) / p)")
_SOFTPLUS = "(Max(x, 0) + Log(1 + Exp(-Abs(x))))"
# Of |x|, whose square is not to overflow: beyond 2^60 the root is |x|.
_NEAR = "Min(Abs(x), 1152921504606846976)"
_SQUAREPLUS = f"(0.5 * Abs(x) + 0.5 * (Sqrt({_NEAR} * {_NEAR} + p) + (Abs(x) - {_NEAR})))"
_SELU = (1.0507009873554805, 1.7580993408473766)  # the scale, and its product with alpha (arXiv:1706.02515)
_ROOT_HALF = 0.7071067811865476
_ROOT_2_PI = 0.7978845608028654  # sqrt(2 / pi)

# (-log(erfc(u)) - u) / u in u on [0, 5.95], as in elementary.h: ONNX Runtime has no float64 Erf, and that of
# onnx's evaluator has seven digits.  erfc(u) is 1 + erf(-u) without its cancellation; from 5.95 on erf is 1.
_LOG_ERFC = (
    0.12837916709551256, 0.6366197723675836, 0.10277260330178883, -0.019128447005071967,
    -0.0002091946948234828, 0.0016962063856095367, -0.0005901255522483589, 2.5878602099004784e-05,
    6.449186629180629e-05, -2.9724056477479694e-05, 3.4072806266316e-06, 2.8351229623738493e-06,
    -1.741532163139526e-06, 3.363541491982711e-07, 1.3718763025724055e-07, -1.4176414577790796e-07,
    6.57341375209925e-08, -2.096278843483625e-08, 4.997722378258781e-09, -9.082234879825474e-10,
    1.2484076140780565e-10, -1.2610945681245814e-11, 8.845517791066684e-13, -3.850494486405522e-14,
    7.834108374246666e-16,
)  # fmt: skip
_U = f"Min(Abs(x) * {_ROOT_HALF}, 5.95)"
_SERIES = reduce(lambda tail, c: f"({c!r} + {_U} * {tail})", reversed(_LOG_ERFC[:-1]), repr(_LOG_ERFC[-1]))
_HALF_ERFC = f"(0.5 * Exp(-({_U} + {_U} * {_SERIES})))"

# The first that fits opset and dtype is written.
FORMS = (
    Form("identity", "x"),
    Form("step", "Where(x > 0, 1, 0)"),
    Form("sigmoid", "Sigmoid(x)"),
    Form("tanh", "Tanh(x)"),
    Form("relu", "Relu(x)"),
    Form("leaky_relu", "LeakyRelu(x, alpha=p)", _SINGLE),
    Form("leaky_relu", "Where(x < 0, p * x, x)", _DOUBLE),
    Form("elu", "Elu(x, alpha=p)", _SINGLE),
    Form("elu", f"Where(x > 0, x, p * {_EXPM1})", _DOUBLE),
    Form("celu", "Celu(x, alpha=p)", _SINGLE),
    Form("celu", f"Max(x, 0) + p * {_EXPM1_OF_SHARE}", _DOUBLE),
    Form("selu", "Selu(x)", _SINGLE),
    Form("selu", f"Where(x > 0, {_SELU[0]} * x, {_SELU[1]} * {_EXPM1})", _DOUBLE),
    Form("gelu", "Gelu(x, approximate='none')", _SINGLE, 20),
    Form("gelu", f"x * (0.5 * (1 + Erf(x * {_ROOT_HALF})))", _SINGLE),
    Form("gelu", f"x * Where(x < 0, {_HALF_ERFC}, 1 - {_HALF_ERFC})", _DOUBLE),
    Form("gelu_tanh", "Gelu(x, approximate='tanh')", _SINGLE, 20),
    # (1 + tanh(u)) / 2 is sigmoid(2 u)
    Form("gelu_tanh", f"x * Sigmoid({2 * _ROOT_2_PI} * x * (1 + 0.044715 * (x * x)))"),
    Form("silu", "x * Sigmoid(x)"),
    Form("mish", "Mish(x)", _SINGLE, 18),
    Form("mish", "x * Tanh(Softplus(x))", _SINGLE),
    Form("mish", f"x * Tanh({_SOFTPLUS})", _DOUBLE),
    Form("softplus", "Softplus(x)", _SINGLE),
    Form("softplus", _SOFTPLUS, _DOUBLE),
    Form("softsign", "Softsign(x)", _SINGLE),
    Form("softsign", "x / (1 + Abs(x))", _DOUBLE),
    Form("relu6", "Clip(x, 0, 6)"),
    Form("hard_tanh", "Clip(x, -1, 1)"),
    Form("hard_sigmoid", "Clip(x + 3, 0, 6) / 6"),
    Form("hard_swish", "x * (Clip(x + 3, 0, 6) / 6)"),
    Form("exp", "Exp(x)"),
    Form("log_sigmoid", "-Softplus(-x)", _SINGLE),
    Form("log_sigmoid", "Min(x, 0) - Log(1 + Exp(-Abs(x)))", _DOUBLE),
    Form("hard_shrink", "Shrink(x, lambd=p, bias=0.0)", _SINGLE),
    Form("hard_shrink", "Where(Abs(x) > p, x, 0)", _DOUBLE),
    Form("soft_shrink", "x - Min(Max(x, -p), p)"),  # Shrink is another function where p is below 0
    Form("tanh_shrink", "x - Tanh(x)"),
    Form("thresholded_relu", "ThresholdedRelu(x, alpha=p)", _SINGLE),
    Form("thresholded_relu", "Where(x > p, x, 0)", _DOUBLE),
    Form("squareplus", f"Where(x < 0, 0.25 * p / {_SQUAREPLUS}, {_SQUAREPLUS})"),
    Form("sparse_plus", "Where(x > 1, x, Clip(x + 1, 0, 2) / 2 * (Clip(x + 1, 0, 2) / 2))"),
    Form("sparse_sigmoid", "Clip(x + 1, 0, 2) / 2"),
    Form("softmax", "Softmax(x, axis=-1)"),
    Form("log_softmax", "LogSoftmax(x, axis=-1)"),
    Form(NORMALIZED, f"{_CENTRED} / Sqrt(ReduceMean({_CENTRED} * {_CENTRED}) + p)"),
)


def text(name: str, dtype: str, opset: int) -> str:
    """The expression that `save` writes for an activation."""
    for form in FORMS:
        if form.name == name and dtype in form.dtypes and form.since <= opset:
            return form.text
    raise ValueError(f"activation {name!r} has no form in ONNX, expected another one")
