"""A network's layers as a whole: from what `Network` is given to resolved layers, and what follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .. import initializers, registry, validation
from ..errors import listed, shown, unknown
from ..initializers import Initializer
from .activation import Activation, Dropout
from .base import LAYERS, ActivationName, Layer, named
from .dense import Connected, Dense
from .lowering import Node, nodes_of


def resolve(
    layers: object, activation: object, output: object, initializer: object
) -> tuple[int, tuple[Layer, ...]]:
    """The input's width and the layers, every `Dense` with its activation and initializer filled in.

    Raises TypeError or ValueError where the layers do not make a network.
    """
    items = validation.as_list(layers, "layers", "a list: the input's width, then layers")
    if len(items) < 2:
        raise ValueError(
            f"layers has {len(items)} elements, expected the input's width and at least one layer"
        )
    if isinstance(items[0], Layer):
        raise TypeError(f"layers begins with {shown(items[0])}, expected the input's width")
    n_in = validation.integer(items[0], "layers[0], the input's width,", 1, validation.MAX_UNITS)
    found = _expanded([_layer(layer, f"layers[{i}]") for i, layer in enumerate(items[1:], 1)])
    _check_order(found)
    chosen = initializers.DEFAULT if initializer is None else initializer
    filled = _filled(found, activation, output, initializers.resolve(chosen))
    check(filled, n_in)
    return n_in, filled


def _layer(value: object, argument: str) -> Layer:
    if isinstance(value, Layer):
        return value
    try:
        return Dense(validation.integer(value, argument, 1, validation.MAX_UNITS))
    except TypeError:
        expected = f"a width or one of {listed(LAYERS)}"
        raise TypeError(f"{argument} is {shown(value)}, expected {expected}") from None


def _expanded(layers: Sequence[Layer], before: Sequence[Layer] = ()) -> list[Layer]:
    """With each composite layer written out, after those before them."""
    found: list[Layer] = []
    for layer in layers:
        if not layer.composite:
            found.append(layer)
            continue
        above, name = [*before, *found], type(layer).__name__
        inside = [_layer(item, f"layers[{i}] of a {name}") for i, item in enumerate(layer.expanded(above))]
        found += _expanded(inside, above)
    return found


def _check_order(layers: Sequence[Layer]) -> None:
    for i, layer in enumerate(layers):
        before, expected = layers[i - 1] if i else None, ""
        if layer.leads and i > 0:
            expected = "which belongs directly after the input's width"
        elif layer.ends and i < len(layers) - 1:
            expected = "expected it at the end"
        elif isinstance(layer, Activation) and not (before and before.takes_activation):
            expected = "expected it after a layer that may have one and has none"
        if expected:
            raise ValueError(f"layers[{i + 1}] is {shown(layer)}, {expected}")
    if not any(isinstance(layer, Connected) for layer in layers):
        came = f"layers has {shown(list(layers))} after the input"
        raise ValueError(f"{came}, expected a width or a Dense layer")
    acting = [layer for layer in layers if not layer.ends]
    if isinstance(acting[-1], Dropout):
        raise ValueError(f"layers ends with {acting[-1]!r}, expected a layer that it acts on")


def _filled(
    layers: Sequence[Layer], activation: object, output: object, initializer: Initializer
) -> tuple[Layer, ...]:
    dense = [i for i, layer in enumerate(layers) if isinstance(layer, Connected)]
    # A Dense whose activation stands apart, after a normalisation say, has none of its own.
    apart = {
        i
        for i, end in zip(dense, [*dense[1:], len(layers)], strict=True)
        if any(layer.activates for layer in layers[i + 1 : end])
    }
    taking = [i for i in dense if i not in apart]
    names: dict[int, ActivationName] = dict.fromkeys(apart, "identity")
    hidden = [i for i in taking if i != dense[-1]]
    names.update(zip(hidden, _hidden_activations(activation, len(hidden)), strict=True))
    names.setdefault(dense[-1], named(output, "output"))
    return tuple(
        layer.filled(names[i], initializer) if isinstance(layer, Connected) else layer
        for i, layer in enumerate(layers)
    )


def _hidden_activations(activation: object, hidden: int) -> list[ActivationName]:
    """One for each hidden layer, from one for all or a list."""
    if isinstance(activation, list):
        if len(activation) != hidden:
            raise ValueError(
                f"activation has {len(activation)} names, expected one for each of {hidden} hidden layers"
            )
        return [named(item, f"activation[{i}]") for i, item in enumerate(activation)]
    return [named(activation, "activation")] * hidden


def check(layers: Sequence[Layer], n_in: int) -> None:
    """Raises ValueError unless resolved layers, in this order, make a network."""
    _check_order(layers)
    *before, last = nodes_of(n_in, layers)
    _check_members([*before, last])
    for node in before:
        name, _ = node.activation
        if registry.ACTIVATIONS[name][1] == "row":
            raise ValueError(f"activation {name!r} is in a hidden layer, expected it in the last one alone")
    if layers[-1].ends and last.activation[0] != "identity":
        came = f"{layers[-1]!r} after the activation {last.activation[0]!r}"
        raise ValueError(f"layers ends with {came}, expected 'identity' there")


def _check_members(nodes: Sequence[Node]) -> None:
    specs = [(node.layer, node.spec()) for node in nodes]
    counted = [(layer, spec["members"]) for layer, spec in specs if "members" in spec]
    for layer, members in counted:
        if members != counted[0][1]:
            raise ValueError(f"layers has {layer!r}, expected as many members as {counted[0][0]!r} has")


def shapes(n_in: int, layers: Sequence[Layer]) -> list[dict[str, tuple[int, ...]]]:
    """Names and shapes of the arrays of every node that has any, in the order of `Network.get_weights`."""
    return [node.shapes for node in nodes_of(n_in, layers) if node.shapes]


def sizes(n_in: int, layers: Sequence[Layer]) -> tuple[int, ...]:
    """The input's width and every dense layer's."""
    return (n_in, *(layer.units for layer in layers if isinstance(layer, Connected)))


def parameter_shapes(shapes: Iterable[dict[str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
    """Those of `shapes` by their names in files: "layers.0.W", "layers.0.b", "layers.1.W"..."""
    return {f"layers.{i}.{name}": shape for i, own in enumerate(shapes) for name, shape in own.items()}


def storages(n_in: int, layers: Sequence[Layer]) -> dict[str, str]:
    """How those arrays are stored that are not reals, by their names in files."""
    owners = [node.layer for node in nodes_of(n_in, layers) if node.shapes]
    return {
        f"layers.{i}.{name}": how for i, layer in enumerate(owners) for name, how in layer.storages().items()
    }


def rows(n_in: int, layers: Sequence[Layer]) -> list[tuple[str, int, int]]:
    """(words, width, parameters) of the input and of each layer."""
    found = [("input", n_in, 0)]
    for layer in layers:
        width = found[-1][1]
        count = sum(math.prod(shape) for shape in layer.arrays(width).values())
        found.append((layer.words(), layer.output_width(width), count))
    return found


def table(n_in: int, layers: Sequence[Layer]) -> list[str]:
    """The lines of `Network.summary`: layer, output shape, parameters, and the total."""
    found = rows(n_in, layers)
    cells = [("Layer", "Output shape", "Parameters")]
    cells += [(name, f"(rows, {width})", str(count)) for name, width, count in found]
    cells += [("Total", "", str(sum(count for *_, count in found)))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in cells]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def from_config(config: dict[str, Any]) -> Layer:
    """The layer of a dict made by `Layer.to_config`."""
    fields = dict(config)
    name = fields.pop("type")
    known = [key for key, cls in LAYERS.items() if not cls.composite]
    if name not in known:
        raise unknown("layer", name, known)
    layer: Layer = LAYERS[name](**fields)
    return layer
