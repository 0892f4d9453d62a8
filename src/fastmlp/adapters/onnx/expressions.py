"""Expressions of ONNX operators as trees: read from text, and compared however they are written.

A tree is "x", a float, or a tuple (operator, operands, attributes), the attributes a sorted tuple of pairs.
To compare two trees each becomes a monomial, a factor and powers of atoms: products are flattened, sums
collected and divided by their first coefficient, so that ``0.5 * x * (1 + Erf(x / 1.41421))`` and
``x * (0.5 + Erf(0.70711 * x) * 0.5)`` are one expression.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

Tree = Any  # "x" | float | tuple[str, tuple[Tree, ...], tuple[tuple[str, Any], ...]]
Atom = tuple[Any, ...]
Monomial = tuple[float, tuple[tuple[Atom, int], ...]]

MAX_SIZE = 500  # leaves and operators of a tree that is worth comparing; most have about 10
TOLERANCE = 2e-6  # of constants: float32's rounding, a few times

_OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow"}
_COMPARISONS = {ast.Lt: "Less", ast.Gt: "Greater"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "LeakyRelu": {"alpha": 0.01},
    "Elu": {"alpha": 1.0},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "Gelu": {"approximate": "none"},
    "Swish": {"alpha": 1.0},
    "Softmax": {"axis": -1},
    "LogSoftmax": {"axis": -1},
}
_COMMUTATIVE = frozenset({"Max", "Min"})


def parse(text: str) -> Tree:
    """The tree of an expression in Python's syntax, with ONNX operators as functions; p is a parameter.

    >>> parse("LeakyRelu(x, alpha=p)")
    ('LeakyRelu', ('x',), (('alpha', 'p'),))
    """
    return _from_syntax(ast.parse(text, mode="eval").body)


def _from_syntax(node: ast.expr) -> Tree:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.BinOp):
        return (_OPERATORS[type(node.op)], (_from_syntax(node.left), _from_syntax(node.right)), ())
    if isinstance(node, ast.UnaryOp):
        operand = _from_syntax(node.operand)
        return -operand if isinstance(operand, float) else ("Neg", (operand,), ())
    if isinstance(node, ast.Compare):
        name = _COMPARISONS[type(node.ops[0])]
        return (name, (_from_syntax(node.left), _from_syntax(node.comparators[0])), ())
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    attributes = tuple(
        sorted(
            (k.arg or "", k.value.id if isinstance(k.value, ast.Name) else ast.literal_eval(k.value))
            for k in node.keywords
        )
    )
    return (node.func.id, tuple(map(_from_syntax, node.args)), attributes)


def with_parameter(tree: Tree, parameter: float) -> Tree:
    """The tree with a number for p."""
    if tree == "p":
        return parameter
    if not isinstance(tree, tuple):
        return tree
    name, operands, attributes = tree
    filled = tuple((key, parameter if value == "p" else value) for key, value in attributes)
    return (name, tuple(with_parameter(operand, parameter) for operand in operands), filled)


def has_parameter(tree: Tree) -> bool:
    """Whether p stands in the tree."""
    return with_parameter(tree, 0.0) != tree


def numbers(tree: Tree) -> Iterator[float]:
    """Every number in the tree, attributes included."""
    if isinstance(tree, float):
        yield tree
    elif isinstance(tree, tuple):
        for operand in tree[1]:
            yield from numbers(operand)
        yield from (value for _, value in tree[2] if isinstance(value, float))


def operators(tree: Tree) -> set[str]:
    """The names of the operators in a tree of at most MAX_SIZE."""
    if not isinstance(tree, tuple):
        return set()
    return {tree[0]}.union(*map(operators, tree[1]))


def size(tree: Tree) -> int:
    """How many leaves and operators the tree has, counted at most a little beyond MAX_SIZE.

    Subtrees may be shared, so a small graph can have a tree of any size.
    """
    count, stack = 0, [tree]
    while stack and count <= MAX_SIZE:
        count += 1
        top = stack.pop()
        if isinstance(top, tuple):
            stack.extend(top[1])
    return count


# ---- the form in which trees are compared ----


def normal(tree: Tree) -> Monomial:
    """The monomial of a tree of at most MAX_SIZE."""
    if isinstance(tree, float):
        return (tree, ())
    if isinstance(tree, str):
        return (1.0, (((tree,), 1),))
    name, operands, attributes = tree
    terms = [normal(operand) for operand in operands]
    if name == "Add":
        return _sum([(1.0, terms[0]), (1.0, terms[1])])
    if name == "Sub":
        return _sum([(1.0, terms[0]), (-1.0, terms[1])])
    if name in ("Less", "LessOrEqual"):
        return _function(name.replace("Less", "Greater"), terms[::-1], attributes)
    if name == "Neg":
        return (-terms[0][0], terms[0][1])
    if name == "Mul":
        return _product(terms[0], terms[1])
    if name in ("Div", "Reciprocal"):
        top = terms[0] if name == "Div" else (1.0, ())
        inverse = _power(terms[-1], -1)
        return _function(name, terms, attributes) if inverse is None else _product(top, inverse)
    if name == "Pow" and not terms[1][1] and terms[1][0] in (2.0, 3.0):
        power = _power(terms[0], int(terms[1][0]))
        assert power is not None
        return power
    return _function(name, terms, attributes)


def _function(name: str, terms: list[Monomial], attributes: Any) -> Monomial:
    if name in _COMMUTATIVE:
        terms = sorted(terms, key=_skeleton)
    filled = {**_DEFAULTS.get(name, {}), **dict(attributes)}
    if filled.get("axis") == 1:
        filled["axis"] = -1  # tensors here have two axes
    return (1.0, (((name, tuple(terms), tuple(sorted(filled.items()))), 1),))


def _product(a: Monomial, b: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(a[1])
    for atom, power in b[1]:
        powers[atom] = powers.get(atom, 0) + power
    factors = tuple(sorted(((k, n) for k, n in powers.items() if n), key=_skeleton))
    return (a[0] * b[0], factors)


def _power(a: Monomial, exponent: int) -> Monomial | None:
    if a[0] == 0 and exponent < 0:
        return None
    return (a[0] ** exponent, tuple((atom, power * exponent) for atom, power in a[1]))


def _sum(parts: list[tuple[float, Monomial]]) -> Monomial:
    constant = 0.0
    terms: dict[Any, float] = {}
    for sign, (coefficient, factors) in parts:
        scale = sign * coefficient
        if len(factors) == 1 and factors[0][1] == 1 and factors[0][0][0] == "+":
            _, inner_constant, inner = factors[0][0]
            constant += scale * inner_constant
            for key, value in inner:
                terms[key] = terms.get(key, 0.0) + scale * value
        elif factors:
            terms[factors] = terms.get(factors, 0.0) + scale
        else:
            constant += scale
    kept = sorted(((key, value) for key, value in terms.items() if value), key=_skeleton)
    if not kept:
        return (constant, ())
    if constant == 0 and len(kept) == 1:
        return (kept[0][1], kept[0][0])
    first = constant if constant else kept[0][1]
    scaled = tuple((key, value / first) for key, value in kept)
    return (first, ((("+", constant / first, scaled), 1),))


def _skeleton(item: Any) -> str:
    """What orders terms and factors: everything but the numbers, which rounding changes."""
    if isinstance(item, float):
        return "#"
    if isinstance(item, tuple):
        return f"({','.join(map(_skeleton, item))})"
    return str(item)


def same(a: Any, b: Any) -> bool:
    """Whether two monomials, or parts of them, are equal but for the rounding of numbers."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or math.isclose(a, b, rel_tol=TOLERANCE)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)
