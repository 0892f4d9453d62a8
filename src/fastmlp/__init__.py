"""fastmlp: multi-layer perceptrons on a CPU, small and fast.

>>> import numpy as np
>>> import fastmlp
>>> net = fastmlp.Network([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
>>> net.predict(np.array([[0.0, 1.0], [1.0, 1.0]])).shape
(2, 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import initializers, layers, losses, metrics, optimizers, schedules
from .config import (
    __version__,
    get_include,
    get_matmul_precision,
    get_num_threads,
    get_spinning,
    set_matmul_precision,
    set_num_threads,
    set_spinning,
    show_config,
    warn_of_environment,
)
from .errors import BusyError, ModelFileError, NotCompiledError
from .layers import *
from .loops import clip_gradients
from .network import Network, load
from .thread_limits import watch
from .training.callbacks.history import History

if TYPE_CHECKING:
    from . import autodiff, callbacks, datasets, functional, plots, reference
    from . import dask as dask
    from . import keras as keras
    from . import mpi as mpi
    from . import onnx as onnx
    from . import ray as ray
    from . import sklearn as sklearn
    from . import spark as spark
    from . import tabular as tabular
    from . import torch as torch
    from .fleet import Fleet
    from .training.range_test import RangeTest, learning_rate_range

__all__ = [
    "BusyError",
    "Fleet",
    "History",
    "ModelFileError",
    "Network",
    "NotCompiledError",
    "RangeTest",
    "__version__",
    "autodiff",
    "callbacks",
    "clip_gradients",
    "datasets",
    "functional",
    "get_include",
    "get_matmul_precision",
    "get_num_threads",
    "get_spinning",
    "initializers",
    "layers",
    "learning_rate_range",
    "load",
    "losses",
    "metrics",
    "optimizers",
    "plots",
    "reference",
    "schedules",
    "set_matmul_precision",
    "set_num_threads",
    "set_spinning",
    "show_config",
]
__all__ += layers.PUBLIC

warn_of_environment()
watch()

# Imported when they are first used, so that a script that only predicts does not wait for them.
_LATER = frozenset({"autodiff", "callbacks", "dask", "datasets", "functional", "keras", "mpi", "onnx"})
_LATER |= frozenset({"plots", "ray", "reference", "sklearn", "spark", "tabular", "torch"})
_OF_SKLEARN = frozenset({"sklearn", "tabular"})  # need it at import; the others wait for their package
_MODULES = {"Fleet": "fleet"} | dict.fromkeys(("RangeTest", "learning_rate_range"), "training.range_test")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LATER:
        return import_module(f"{__name__}.{name}")
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is meant for users; completion, `help` and the like get every name that stands here."""
    from importlib.util import find_spec

    names = {name for name in globals() if name.startswith("__")}.union(__all__, _LATER)
    return sorted(names if find_spec("sklearn") else names - _OF_SKLEARN)
