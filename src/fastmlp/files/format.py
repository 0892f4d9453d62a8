"""Model files: named arrays and one JSON header, in a container that the suffix names.

The header holds the format's name and version, the layers, the dtype, the seed, the labels of the classes and
what `Network.compile` was told; the arrays are named as in `Network.state_dict`, and the optimizer's
"optimizer.0.layers.0.W" and so on; weights in few bits are as `few_bits` says.  With the optimizer the
header's "training" says where a fit is within an epoch, in "position": the batches done, their sums and what
they are made by; where averaged weights have taken the place of those that training moves, these are
"moving.layers.0.W" and so on.  Nothing is pickled.  A reader trusts no size in the file: the arrays' shapes
follow from the layers, and each must have just the bytes it says, before anything is allocated.

What a header says and how it is checked stands here; the containers, `npz` and `safetensors`, write and
read bytes.
"""

from __future__ import annotations

import dataclasses
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, Protocol, TypeVar

import numpy as np

from .. import config, losses, optimizers, registry, schedules, validation
from ..errors import ModelFileError, NotCompiledError, said
from ..layers import chain
from ..model import Description, Done, Model, Moving, Position, Recipe, restored
from . import atomic, few_bits, paths

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]
Dtypes = Mapping[str, np.dtype[Any]]
M = TypeVar("M", bound=Model)

FORMAT = "fastmlp"
VERSION = 1
SUFFIXES = (".npz", ".safetensors")
MAX_HEADER_BYTES = 1 << 24


class Reader(Protocol):
    """An open model file."""

    def header(self, limit: int) -> bytes:
        """The header's text; ModelFileError if there is none or it has more bytes than `limit`."""
        ...

    def arrays(self, shapes: Shapes, dtypes: Dtypes) -> dict[str, Array]:
        """The arrays; ModelFileError, before any is read, if one is missing or of another shape or dtype."""
        ...


class Container(Protocol):
    """A module that writes and reads files of one suffix."""

    INDENT: int | None  # of the header's JSON

    def write(self, file: IO[bytes], header: str, arrays: Mapping[str, Array]) -> None:
        """The whole file; the same bytes for the same content."""
        ...

    def opened(self, file: IO[bytes], size: int) -> AbstractContextManager[Reader]:
        """A reader of this one open file of `size` bytes; ModelFileError if it is not of this kind."""
        ...


def _container(path: str) -> Container:
    """The module for the path's suffix."""
    if path.endswith(".npz"):
        from . import npz

        return npz
    from . import safetensors

    return safetensors


def save(
    net: Model,
    path: str | os.PathLike[str],
    *,
    include_optimizer: bool = False,
) -> None:
    """Write a network to a file; see `Network.save`."""
    target = paths.checked(path, SUFFIXES)
    if validation.boolean(include_optimizer, "include_optimizer") and net.optimizer is None:
        raise NotCompiledError("include_optimizer is True, expected a network that was compiled")
    atomic.write(target, _filling(net, _container(target), include_optimizer))


def _filling(net: Model, container: Container, include_optimizer: bool) -> Callable[[IO[bytes]], None]:
    """What writes the file of the network as it is at this moment."""
    import json

    with net.changing():
        header, arrays = _contents(net, include_optimizer)
    text = json.dumps(header, indent=container.INDENT, allow_nan=False)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(
            f"the network's description has {len(text)} bytes, expected at most {MAX_HEADER_BYTES}"
        )
    return lambda file: container.write(file, text, arrays)


def load(path: str | os.PathLike[str], kind: type[M]) -> M:
    """A network of that kind from a file."""
    with opened(paths.checked(path, SUFFIXES)) as reader:
        return _read(reader, kind)


def to_bytes(net: Model) -> bytes:
    """A network's `.npz` file, in memory."""
    from . import npz

    file = io.BytesIO()
    _filling(net, npz, False)(file)
    return file.getvalue()


def from_bytes(content: bytes, kind: type[M]) -> M:
    """A network of that kind from what `to_bytes` gave."""
    with opened_bytes(content) as reader:
        return _read(reader, kind)


@contextmanager
def opened(target: str) -> Iterator[Reader]:
    """A reader of a file; whatever is found wrong with the content becomes a ModelFileError that names it."""
    # Opened once: another file may take its name at any time.  What may be a pipe is not waited for.
    flags = getattr(os, "O_NONBLOCK", 0)
    with (
        _errors_of(target),
        open(target, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file,
    ):
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError("is not a regular file")
        with _container(target).opened(file, status.st_size) as reader:
            yield reader


@contextmanager
def opened_bytes(content: bytes) -> Iterator[Reader]:
    """A reader of an `.npz` file in memory."""
    from . import npz

    with _errors_of("the model's file"), npz.opened(io.BytesIO(content), len(content)) as reader:
        yield reader


@contextmanager
def _errors_of(target: str) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{target} {said(error)}") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever damage makes the container, json and the description's checks say
        raise ModelFileError(f"{target} is not a readable fastmlp model: {said(error)}") from None


# ---- writing ----


def _contents(net: Model, include_optimizer: bool) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays by name."""
    arrays: dict[str, Array] = net.state_dict()
    names = list(arrays)
    if storages := chain.storages(net.plan.n_in, net.layers):
        arrays = few_bits.written(arrays, storages)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "fastmlp": config.__version__,
        **described(net),
        "compile": None,
        "training": None,
    }
    if net.classes is not None:
        header["classes"] = (
            {name: own.tolist() for name, own in net.classes.items()} if net.heads else net.classes.tolist()
        )
    try:
        header["compile"] = _compile_config(net)
    except ValueError:
        if include_optimizer:
            raise
    if include_optimizer:
        state = net.plan.get_state()
        header["training"] = {
            "step": int(state["step"]),
            "pending": int(state["pending"]),
            "beta_powers": [float(power) for power in state["beta_powers"]],
            "epochs": net.epochs_done,
            "slots": len(state["slots"]),
            **_place(net),
        }
        for k, slot in enumerate(state["slots"]):
            arrays.update({f"optimizer.{k}.{name}": array for name, array in zip(names, slot, strict=True)})
        if "moving" in header["training"]:
            assert net.moving is not None
            arrays.update({f"moving.{name}": a for name, a in zip(names, net.moving.weights, strict=True)})
    return header, arrays


def _place(net: Model) -> dict[str, Any]:
    """Where a fit is, unless the network was trained otherwise since."""
    place: dict[str, Any] = {}
    if net.position is not None and net.position.batches == net.plan.batches:
        done = net.position.done
        sums = [repr(float(value)) for value in done.sums]  # in words: they may be infinite
        recipe = dataclasses.asdict(net.position.recipe)
        if recipe["shards"] is None:  # as files had it before there were any
            del recipe["shards"]
        place["position"] = {**recipe, "batch": done.batch, "sums": sums}
    if net.moving is not None and net.moving.batches == net.plan.batches:
        place["moving"] = True
    return place


def described(net: Model) -> dict[str, Any]:
    """What a network is, without its arrays."""
    return {
        "n_in": net.plan.n_in,
        "layers": [layer.to_config() for layer in net.layers],
        "dtype": net.dtype.name,
        "seed": net.seed,
        **({} if net.matmul_precision == "highest" else {"matmul_precision": net.matmul_precision}),
    }


def _compile_config(net: Model) -> dict[str, Any] | None:
    """What compile was told; ValueError where a Python function is part of it."""
    if net.optimizer is None:
        return None
    for what, item in [("loss", net.loss), *(("metric", metric) for metric in net.metrics)]:
        if callable(item):
            raise ValueError(f"{what} is a Python function, which cannot be saved with the optimizer")
    factors = net.dropout_schedule
    standardizes = {"standardize_targets": True} if net.standardize_targets else {}
    return {
        "optimizer": optimizers.to_config(net.optimizer),
        "loss": net.loss,
        "loss_parameter": net.loss_parameter,
        "compiled_loss": net.plan.loss or net.loss_on_plan().name,
        "metrics": list(net.metrics),
        "dropout_schedule": None if factors is None else schedules.to_config(factors, "dropout_schedule"),
        **standardizes,
    }


# ---- reading ----


def _read(reader: Reader, kind: type[M]) -> M:
    header = parsed_header(reader.header(MAX_HEADER_BYTES), FORMAT, VERSION)
    description, shapes = checked_description(header)
    training_header = header.get("training")
    slots = 0
    if training_header is not None:
        slots = validation.integer(training_header["slots"], "slots", 0, registry.MOST_SLOTS)
    expected = dict(shapes)
    for k in range(slots):
        expected.update({f"optimizer.{k}.{name}": shape for name, shape in shapes.items()})
    if training_header is not None and training_header.get("moving"):
        expected.update({f"moving.{name}": shape for name, shape in shapes.items()})
    arrays = arrays_of(reader, description, expected)
    net = rebuilt(kind, description, shapes, arrays)
    if header.get("compile") is not None:
        _restore_compile(net, header["compile"])
        if training_header is not None:
            state = [{name: arrays[f"optimizer.{k}.{name}"] for name in shapes} for k in range(slots)]
            _restore_training(net, training_header, state)
            _restore_place(net, training_header, [arrays.get(f"moving.{name}") for name in shapes])
    elif training_header is not None:
        raise ModelFileError("has the state of an optimizer but no optimizer")
    _restore_classes(net, header.get("classes"))
    return net


def checked_description(header: Mapping[str, Any]) -> tuple[Description, dict[str, tuple[int, ...]]]:
    """What `described` wrote, and the shapes of the network's arrays by name."""
    layers = tuple(chain.from_config(item) for item in header["layers"])
    n_in = validation.integer(header["n_in"], "n_in", 1, validation.MAX_UNITS)
    chain.check(layers, n_in)
    dtype = validation.as_dtype(header["dtype"])
    seed = validation.integer(header["seed"], "seed", 0, 2**64 - 1)
    precision = validation.as_matmul_precision(header.get("matmul_precision", "highest"), dtype)
    shapes = chain.parameter_shapes(chain.shapes(n_in, layers))
    return (n_in, layers, dtype.name, seed, None, precision), shapes


def arrays_of(reader: Reader, description: Description, shapes: Shapes, prefix: str = "") -> dict[str, Array]:
    """A network's arrays by name, of those shapes, from where they may be stored in few bits."""
    n_in, layers, dtype, *_ = description
    storages = {prefix + name: how for name, how in chain.storages(n_in, layers).items()}
    expected, dtypes = few_bits.expected(shapes, np.dtype(dtype), storages)
    return few_bits.read(reader.arrays(expected, dtypes), storages)


def rebuilt(
    kind: type[M],
    description: Description,
    shapes: Mapping[str, tuple[int, ...]],
    arrays: Mapping[str, Array],
) -> M:
    """A network of arrays, which are looked through."""
    names = list(shapes)
    dtype = np.dtype(description[2])
    weights = validation.as_weights([arrays[name] for name in names], names, list(shapes.values()), dtype)
    return restored(kind, description, weights)


def _restore_classes(net: Model, classes: object) -> None:
    lists = [] if classes is None else classes.values() if isinstance(classes, dict) else [classes]
    if not all(map(_are_labels, lists)):
        raise ModelFileError("has a damaged list of classes, expected words, numbers or booleans")
    try:
        net.classes = classes
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"has a damaged list of classes: {error}") from None


def _are_labels(classes: object) -> bool:
    kinds = {type(label) for label in classes} if isinstance(classes, list) else set()
    return len(kinds) == 1 and kinds <= {str, bool, int, float}


def parsed_header(text: bytes, form: str, newest: int) -> dict[str, Any]:
    """A header of a format, up to its newest version."""
    import json

    header = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    if not isinstance(header, dict) or header.get("format") != form:
        raise ModelFileError(f"is not a {form} model: its header names another format")
    version = header.get("version")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError(f"has the format version {version!r}, expected 1 to {newest}")
    if version > newest:
        raise ModelFileError(
            f"was written by a newer fastmlp (format {version}), this one reads up to {newest}"
        )
    return header


def _refuse_constant(name: str) -> float:
    raise ValueError(f"the header contains {name}")


def _restore_compile(net: Model, saved: Mapping[str, Any]) -> None:
    optimizer = optimizers.from_config(saved["optimizer"])
    factors = saved.get("dropout_schedule")
    dropout_schedule = None if factors is None else schedules.from_config(factors, "dropout_schedule")
    (net.recall if net.predicts_alone else net.compile)(
        optimizer,
        _saved_loss(saved),
        saved["metrics"],
        dropout_schedule=dropout_schedule,
        standardize_targets=saved.get("standardize_targets", False),
    )
    losses.resolve(saved["compiled_loss"]).check_fits(net.plan.layers[-1]["activation"])


def _saved_loss(saved: Mapping[str, Any]) -> losses.Loss | None:
    """The loss of a header, which has the parameter 0 for those that take none."""
    if saved["loss"] is None:
        return None
    takes = losses.resolve(saved["loss"]).takes_parameter()
    return losses.resolve((saved["loss"], saved["loss_parameter"]) if takes else saved["loss"])


def _restore_training(net: Model, saved: Mapping[str, Any], slots: list[dict[str, Array]]) -> None:
    assert net.optimizer is not None
    powers = [
        validation.real(power, "beta_powers", minimum=0.0, maximum=1.0) for power in saved["beta_powers"]
    ]
    step = validation.integer(saved["step"], "step", 0, schedules.MAX_STEPS - 1)
    pending = validation.integer(saved.get("pending", 0), "pending", 0, net.optimizer.batches_a_step - 1)
    squares = [k for k in net.optimizer.squares if k < registry.OPTIMIZERS[net.optimizer.rule]]
    for k, slot in enumerate(slots):
        for name, array in slot.items():
            argument = f"optimizer.{k}.{name}"
            validation.check_finite(array, argument)
            if k in squares and array.min() < 0:
                raise ModelFileError(f"holds {array.min():g} in {argument}, expected numbers of 0 or more")
    arrays = [list(slot.values()) for slot in slots]
    net.plan.set_state({"step": step, "pending": pending, "beta_powers": tuple(powers), "slots": arrays})
    net.epochs_done = validation.integer(saved["epochs"], "epochs", 0, validation.MOST_EPOCHS)


def _restore_place(net: Model, saved: Mapping[str, Any], moving: list[Array | None]) -> None:
    batches, position = net.plan.batches, saved.get("position")
    if position is not None:
        batch = validation.integer(position["batch"], "batch", 1, batches)
        sums = tuple(float(value) for value in position["sums"])
        least = 2 + len(net.heads)
        if len(sums) not in (least, least + 2):
            raise ModelFileError(f"holds {len(sums)} sums of an epoch, expected {least} or {least + 2}")
        net.position = Position(_recipe(position), Done(batch, sums), batches)
    if saved.get("moving"):
        weights = [array for array in moving if array is not None]
        for array in weights:
            validation.check_finite(array, "moving")
        net.moving = Moving(weights, batches)


def _recipe(position: Mapping[str, Any]) -> Recipe:
    if position["rows"] is None:
        return Recipe(None, None, None)
    rows = validation.integer(position["rows"], "rows", 1)
    batch_size = validation.integer(position["batch_size"], "batch_size", 1)
    batches = -(-rows // batch_size)
    validation.integer(position["batch"], "batch", 1, batches)
    shards = position.get("shards")
    shards = None if shards is None else validation.integer(shards, "shards", 1, rows)
    return Recipe(rows, batch_size, validation.boolean(position["shuffle"], "shuffle"), shards)
