"""Exceptions of our own, and the wording that several modules share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

# Options of other packages, each with the name that it has here, where a function has that.
_ELSEWHERE = {
    "lr": "learning_rate",
    "max_lr": "learning_rate",
    "initial_learning_rate": "learning_rate",
    "betas": "beta_1",
    "momentum": "beta_1",
    "alpha": "rho",
    "eps": "epsilon",
    "clipnorm": "global_clipnorm",
    "decay_rate": "factor",
    "gamma": "factor",
    "step_size": "every",
    "decay_steps": "steps",
    "T_max": "steps",
    "total_steps": "steps",
    "eta_min": "minimum",
    "boundaries": "milestones",
    "out_features": "units",
    "bias": "use_bias",
    "p": "rate",
    "output_activation": "output",
    "out_activation": "output",
    "random_state": "seed",
    "workers": "threads",
    "num_threads": "threads",
    "n_jobs": "threads",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "nb_epoch": "epochs",
    "max_iter": "epochs",
    "val_data": "validation_data",
    "criterion": "loss",
    "x": "X",
}
# Others, each with why there is none, or where it is.
_NOT_HERE = {
    "validation_freq": "held-out rows are measured after each epoch",
    "validation_batch_size": "predictions have the same bits in batches of any size",
    "run_eagerly": "training is compiled",
    "jit_compile": "training is compiled",
    "steps_per_execution": "training is compiled, and signals are looked at every 50 ms",
    "auto_scale_loss": "float32 needs no scaling of the loss",
    "max_queue_size": "two batches are made ahead",
    "use_multiprocessing": "a thread makes batches ahead",
    "return_dict": "what comes back is a dict",
    "from_logits": "the output's softmax or sigmoid belongs to the network",
    "input_shape": "the input's width is the first element of a Network's list",
    "input_dim": "the input's width is the first element of a Network's list",
    "in_features": "the input's width is the first element of a Network's list",
    "kernel_regularizer": "the optimizer has l1 and l2",
    "bias_regularizer": "the optimizer has l1 and l2, of weights",
    "dropout": "Dropout is a layer of its own",
    "decay": "the learning rate may be a schedule",
    "warmup_steps": "a Warmup goes before any schedule",
    "warmup_target": "a Warmup goes before any schedule",
    "staircase": "StepDecay is the one that falls in steps",
    "lr": "the optimizer has the learning rate",
    "learning_rate": "the optimizer has the learning rate",
    "optimizer": "compile takes it",
    "random_state": "all that is random follows from the network's seed",
    "seed": "all that is random follows from the network's seed",
    "patience": "EarlyStopping is a callback",
    "early_stopping": "EarlyStopping is a callback",
    "save_weights_only": "a file has the network, and with include_optimizer what training needs",
}

MANY = 4  # names of which one is worth pointing to; fewer are seen at a glance
MOST_CHARACTERS = 60  # of a name that may be a slip of another


class NotCompiledError(RuntimeError):
    """A network is asked to train or evaluate before `Network.compile` was called."""


class BusyError(RuntimeError):
    """A network is asked to change while another call, usually `Network.fit`, is changing it."""


class ModelFileError(ValueError):
    """A file is not a model, is damaged, or was written by a newer version."""


def printable(text: str) -> str:
    r"""The text with escapes in place of the characters that a terminal would obey rather than show.

    >>> print(printable("red \x1b[31m"))
    red \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object) -> str:
    """A value as it stands in a message: short, on one line.

    >>> print(shown([[1.0] * 100]))
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, ...
    """
    text = repr(value)
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def said(error: Exception) -> str:
    """What an error says of a file's content, as it can stand in a message: one line, short and printable.

    >>> said(KeyError("a" * 1000)) == "'" + "a" * 299
    True
    """
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__


def listed(names: Iterable[str]) -> str:
    """The names, of a registry or a file, as they stand in a sentence."""
    return ", ".join(map(printable, names))


def unknown(argument: str, value: object, known: Iterable[str], accepted: Iterable[str] = ()) -> ValueError:
    """The error for a name that is not in a registry; it lists those that are, and names the nearest.

    `accepted`: other names that would do, too many to list.

    >>> print(unknown("colour", "gren", ["red", "green", "blue", "white"]))
    unknown colour 'gren', expected one of red, green, blue, white; did you mean 'green'?
    """
    names = list(known)
    nearest = (nearest_name(value, names) or nearest_name(value, accepted)) if len(names) >= MANY else None
    hint = "" if nearest is None else f"; did you mean {nearest!r}?"
    return ValueError(f"unknown {argument} {shown(value)}, expected one of {listed(names)}{hint}")


def unknown_option(of: str, option: str, known: Iterable[str]) -> TypeError:
    """The error for an option that a function has not; it tells what another package's is here.

    >>> print(unknown_option("Adam", "lr", ["learning_rate", "epsilon"]))
    unknown option of Adam: 'lr', expected one of learning_rate, epsilon; did you mean 'learning_rate'?
    """
    known = list(known)
    if not known:
        return TypeError(f"{of} got the option {shown(option)}, expected none")
    known_here = _ELSEWHERE.get(option)
    reason = None if known_here in known else _NOT_HERE.get(option)
    if known_here not in known and reason is None:
        return TypeError(str(unknown(f"option of {of}:", option, known)))
    hint = f"; did you mean {known_here!r}?" if reason is None else f", as {reason}"
    return TypeError(f"unknown option of {of}: {shown(option)}, expected one of {listed(known)}{hint}")


def tells_options(function: F) -> F:
    """A function that refuses an option which it has not by a sentence that names those it has.

    >>> @tells_options
    ... def draw(shape, *, size=1):
    ...     pass
    >>> draw("circle", sise=2)
    Traceback (most recent call last):
        ...
    TypeError: unknown option of draw: 'sise', expected one of shape, size
    """
    code = function.__code__
    known = [name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name != "self"]
    name = function.__qualname__.removesuffix(".__init__").split(".")[-1]

    @functools.wraps(function)
    def told(*arguments: Any, **options: Any) -> Any:
        for option in options:
            if option not in known:
                raise unknown_option(name, option, known)
        return function(*arguments, **options)

    return cast(F, told)


def origin(value: object) -> tuple[str, str]:
    """The package of a function, a class or an object of one, "" where none is known, and its name.

    >>> import json
    >>> origin(json.loads), origin(json.JSONDecoder())
    (('json', 'loads'), ('json', 'JSONDecoder'))
    """
    package = str(getattr(value, "__module__", "")).partition(".")[0]
    return package, str(getattr(value, "__name__", type(value).__name__))


def nearest_name(value: object, names: Iterable[str]) -> str | None:
    """The name that is most like a value, if one is."""
    import difflib

    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        return None
    lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(value.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None
