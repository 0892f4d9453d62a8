"""The table of activations as expressions of ONNX operators: `save` writes by it, `load` finds by it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce

from ... import registry
from . import expressions
from .expressions import Tree

OLDEST_OPSET = 13  # Softmax along one axis


@dataclass(frozen=True)
class Form:
    """One way to write an activation.

    Attributes
    ----------
    name : str
        Of `fastmlp.registry.ACTIVATIONS`, or of something else that `load` wants to find.
    text : str
        The expression, of x and the activation's parameter p.
    since : int
        The oldest opset that has the operators.
    dtypes : tuple of str
        Those `save` writes it for: where ONNX Runtime computes an operator in float32 alone, float64 has a
        composed form.  Empty: it is only recognised.
    """

    name: str
    text: str
    since: int = OLDEST_OPSET
    dtypes: tuple[str, ...] = ()


# Rows of the table that are no activations.
NORMALIZED, TWO_COLUMNS = "normalized", "two columns"

_CENTRED = "(x - ReduceMean(x))"
_BOTH = ("float32", "float64")
_SINGLE = ("float32",)
_DOUBLE = ("float64",)
# expm1(m) = 2 t / (1 - t) with t = tanh(m / 2), which keeps the digits that exp(m) - 1 loses near 0.
_EXPM1 = "(2 * Tanh(0.5 * Min(x, 0)) / (1 - Tanh(0.5 * Min(x, 0))))"
_SOFTPLUS = "(Max(x, 0) + Log(1 + Exp(-Abs(x))))"
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

# The first that fits opset and dtype is written; all are recognised.
FORMS = (
    Form("step", "Where(x > 0, 1, 0)", dtypes=_BOTH),
    Form("step", "x > 0"),
    Form("sigmoid", "Sigmoid(x)", dtypes=_BOTH),
    Form("sigmoid", "1 / (1 + Exp(-x))"),
    Form("tanh", "Tanh(x)", dtypes=_BOTH),
    Form("relu", "Relu(x)", dtypes=_BOTH),
    Form("relu", "Max(x, 0)"),
    Form("relu", "Clip(x, 0)"),
    Form("leaky_relu", "LeakyRelu(x, alpha=p)", dtypes=_SINGLE),
    Form("leaky_relu", "Where(x < 0, p * x, x)", dtypes=_DOUBLE),
    Form("leaky_relu", "Where(x > 0, x, p * x)"),
    Form("leaky_relu", "Where(GreaterOrEqual(x, 0), x, p * x)"),
    Form("leaky_relu", "PRelu(x, p)"),
    Form("elu", "Elu(x, alpha=p)", dtypes=_SINGLE),
    Form("elu", f"Where(x > 0, x, p * {_EXPM1})", dtypes=_DOUBLE),
    Form("selu", "Selu(x)", dtypes=_SINGLE),
    Form("selu", f"Where(x > 0, {_SELU[0]} * x, {_SELU[1]} * {_EXPM1})", dtypes=_DOUBLE),
    Form("gelu", "Gelu(x, approximate='none')", 20, _SINGLE),
    Form("gelu", f"x * (0.5 * (1 + Erf(x * {_ROOT_HALF})))", dtypes=_SINGLE),
    Form("gelu", f"x * Where(x < 0, {_HALF_ERFC}, 1 - {_HALF_ERFC})", dtypes=_DOUBLE),
    Form("gelu_tanh", "Gelu(x, approximate='tanh')", 20, _SINGLE),
    # (1 + tanh(u)) / 2 is sigmoid(2 u)
    Form("gelu_tanh", f"x * Sigmoid({2 * _ROOT_2_PI} * x * (1 + 0.044715 * (x * x)))", dtypes=_BOTH),
    Form("gelu_tanh", f"0.5 * x * (1 + Tanh({_ROOT_2_PI} * (x + 0.044715 * x ** 3)))"),
    Form("gelu_tanh", f"0.5 * x * (1 + Tanh({_ROOT_2_PI} * x * (1 + 0.044715 * x ** 2)))"),
    Form("silu", "x * Sigmoid(x)", dtypes=_BOTH),
    Form("silu", "Swish(x)", 24),
    Form("silu", "x / (1 + Exp(-x))"),
    Form("mish", "Mish(x)", 18, _SINGLE),
    Form("mish", "x * Tanh(Softplus(x))", dtypes=_SINGLE),
    Form("mish", f"x * Tanh({_SOFTPLUS})", dtypes=_DOUBLE),
    Form("mish", "x * Tanh(Log(1 + Exp(x)))"),
    Form("mish", "x * Tanh(Where(x > 20, x, Softplus(x)))"),
    Form("softplus", "Softplus(x)", dtypes=_SINGLE),
    Form("softplus", _SOFTPLUS, dtypes=_DOUBLE),
    Form("softplus", "Log(1 + Exp(x))"),
    Form("softplus", "Where(x > 20, x, Softplus(x))"),  # PyTorch's; beyond 20 they differ by 2e-9
    Form("softsign", "Softsign(x)", dtypes=_SINGLE),
    Form("softsign", "x / (1 + Abs(x))", dtypes=_DOUBLE),
    Form("exp", "Exp(x)", dtypes=_BOTH),
    Form("softmax", "Softmax(x, axis=-1)", dtypes=_BOTH),
    Form("softmax", "Exp(x) / ReduceSum(Exp(x))"),
    Form("softmax", "Exp(x - ReduceMax(x)) / ReduceSum(Exp(x - ReduceMax(x)))"),
    Form("log_softmax", "LogSoftmax(x, axis=-1)", dtypes=_BOTH),
    Form("log_softmax", "Log(Softmax(x, axis=-1))"),
    # p is epsilon; gamma and beta follow
    Form(NORMALIZED, f"{_CENTRED} / Sqrt(ReduceMean({_CENTRED} * {_CENTRED}) + p)", dtypes=_BOTH),
    # the two columns that scikit-learn's binary classifiers end with
    Form(TWO_COLUMNS, "Concat(1 - x, x, axis=1)"),
)

OPERATORS = frozenset(
    name for form in FORMS for name in expressions.operators(expressions.parse(form.text))
) | {"Neg", "Reciprocal"}


_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Reciprocal", "Pow"})
_TREES = {form: expressions.parse(form.text) for form in FORMS}
OPERATORS = frozenset(
    name for form in FORMS for name in expressions.operators(expressions.parse(form.text))
) | {"Neg", "Reciprocal"}


_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Reciprocal", "Pow"})
_TREES = {form: expressions.parse(form.text) for form in FORMS}
_PLAIN = [
    (form, expressions.normal(tree)) for form, tree in _TREES.items() if not expressions.has_parameter(tree)
]
_PARAMETRIC = [(form, tree) for form, tree in _TREES.items() if expressions.has_parameter(tree)]
OPERATORS = frozenset(
    {"Neg", "Reciprocal", "LessOrEqual"}.union(*map(expressions.operators, _TREES.values()))
)


def written(name: str, parameter: float, dtype: str, opset: int) -> Tree:
    """The tree that `save` writes for an activation; "x" alone for the identity."""
    if name == "identity":
        return "x"
    for form in FORMS:
        if form.name == name and dtype in form.dtypes and form.since <= opset:
            return expressions.with_parameter(_TREES[form], parameter)
    raise ValueError(f"activation {name!r} has no form in ONNX, expected one of {', '.join(_names())}")


def _names() -> Iterator[str]:
    yield from dict.fromkeys(form.name for form in FORMS if form.dtypes)


def found(tree: Tree) -> tuple[str, float] | None:
    """The name and parameter of what the tree computes, or None."""
    if expressions.size(tree) > expressions.MAX_SIZE:
        return None
    try:
        return _matching(tree)
    except (OverflowError, RecursionError):  # of constants that are no activation's, or a chain of hundreds
        return None


def _matching(tree: Tree) -> tuple[str, float] | None:
    kinds = _functions(tree)
    numbers = dict.fromkeys(filter(math.isfinite, expressions.numbers(tree)))
    wanted = expressions.normal(tree)
    for form, pattern in _TREES.items():
        if _FUNCTIONS[form] != kinds:
            continue
        default = registry.ACTIVATIONS.get(form.name, (0.0,))[0]
        if not expressions.has_parameter(pattern):
            if expressions.same(_normal(form), wanted):
                return form.name, default
            continue
        for parameter in (*numbers, default):  # an attribute may be left out
            if expressions.same(expressions.normal(expressions.with_parameter(pattern, parameter)), wanted):
                return form.name, parameter
    return None


@cache
def _normal(form: Form) -> expressions.Monomial:
    return expressions.normal(_TREES[form])


def _functions(tree: Tree) -> frozenset[str]:
    """The operators that are no arithmetic: equal expressions have the same."""
    return frozenset(name.replace("Less", "Greater") for name in expressions.operators(tree) - _ARITHMETIC)


_FUNCTIONS = {form: _functions(tree) for form, tree in _TREES.items()}
