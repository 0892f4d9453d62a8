"""The reference's pages, written from the package: a new public name is there without a line here."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

# (page, title, module)
PAGES = [
    ("network", "Networks", "fastmlp"),
    ("layers", "Layers", "fastmlp.layers"),
    ("losses", "Losses", "fastmlp.losses"),
    ("metrics", "Metrics", "fastmlp.metrics"),
    ("optimizers", "Optimizers", "fastmlp.optimizers"),
    ("schedules", "Schedules", "fastmlp.schedules"),
    ("initializers", "Initializers", "fastmlp.initializers"),
    ("callbacks", "Callbacks", "fastmlp.callbacks"),
    ("datasets", "Data", "fastmlp.datasets"),
    ("autodiff", "Derivatives", "fastmlp.autodiff"),
    ("plots", "Pictures", "fastmlp.plots"),
    ("functional", "Functions on arrays", "fastmlp.functional"),
    ("reference", "The NumPy twin", "fastmlp.reference"),
    ("tabular", "Tables", "fastmlp.tabular"),
    ("sklearn", "scikit-learn", "fastmlp.sklearn"),
    ("mpi", "MPI", "fastmlp.mpi"),
    ("torch", "PyTorch", "fastmlp.torch"),
    ("keras", "Keras", "fastmlp.keras"),
    ("onnx", "ONNX", "fastmlp.onnx"),
    ("dask", "Dask", "fastmlp.dask"),
    ("spark", "Spark", "fastmlp.spark"),
    ("ray", "Ray", "fastmlp.ray"),
]

# What these classes have for the engine: all but what `_OUTER` names, or these alone.
_INNER: dict[str, set[str] | None] = {
    "fastmlp.layers.base.Layer": None,
    "fastmlp.layers.dense.Connected": None,
    "fastmlp.layers.dense.TrainedConnected": None,
    "fastmlp.losses.base.Loss": None,
    "fastmlp.optimizers.Optimizer": None,
    "fastmlp.optimizers.Solver": None,
    "fastmlp.model.Model": {
        *("as_indices", "begin_epochs", "changing", "check_trained", "loss_on_plan", "objective_for"),
        *("of_batches", "output_rescaling", "predicts_alone", "recall", "rescale_output"),
    },
    "fastmlp.training.callbacks.base.Callback": None,  # what `fit` calls: on the page of Callback alone
    "fastmlp.training.callbacks.history.History": {"end_interrupted", "extend", "weighted"},
}
_OUTER = {"on"}


def public(module: ModuleType) -> list[str]:
    """Functions and classes for users: those of ``__all__``, or those that are defined in the module."""
    listed = getattr(module, "__all__", None)
    names = [name for name in dir(module) if not name.startswith("_")] if listed is None else list(listed)
    found = []
    for name in names:
        thing = getattr(module, name)
        ours = getattr(thing, "__module__", "").startswith(module.__name__)
        if (inspect.isclass(thing) or callable(thing)) and (listed is not None or ours):
            found.append(name)
    return found


def tables(module: ModuleType) -> dict[str, dict[str, object]]:
    """The dictionaries among a module's public names."""
    listed = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return {name: table for name, table in listed.items() if isinstance(table, dict)}


def members(module: str, name: str) -> list[tuple[str, str]]:
    """(kind, name) of a class's methods and properties for users, with those of its bases in fastmlp.

    What the engine asks layers, losses and networks is not for users, see `_INNER`; scikit-learn's
    methods are on its own site.
    """
    cls = getattr(importlib.import_module(module), name)
    found = []
    for member in dir(cls):
        owner = next((base for base in cls.__mro__ if member in vars(base)), None)
        if member.startswith("_") or owner is None or not owner.__module__.startswith("fastmlp."):
            continue
        if member.endswith("_request") or _is_inner(cls, member) or not inspect.getdoc(getattr(cls, member)):
            continue
        if inspect.isroutine(getattr(cls, member)):
            found.append(("method", member))
        elif isinstance(vars(owner)[member], property):
            found.append(("property", member))
    return found


def _is_inner(cls: type, member: str) -> bool:
    for base in cls.__mro__:
        whole = f"{base.__module__}.{base.__name__}"
        if whole in _INNER and member in vars(base):
            names = _INNER[whole]
            if member not in _OUTER and (member in names if names else cls.__name__ != "Callback"):
                return True
    return False


def write(folder: Path) -> None:
    """A page for each module, and the index of the pages."""
    folder.mkdir(exist_ok=True)
    modules = {name: importlib.import_module(name) for _, _, name in PAGES}
    shown = [getattr(modules[name], entry) for _, _, name in PAGES[1:] for entry in public(modules[name])]
    for page, title, name in PAGES:
        module = modules[name]
        entries = public(module)
        if name == "fastmlp":  # its other names stand on the pages of their modules
            entries = [entry for entry in entries if getattr(module, entry) not in shown]
        first = (module.__doc__ or "").strip().splitlines()[0]
        lines = [title, "=" * len(title), "", first, "", f".. currentmodule:: {name}", "", ".. autosummary::"]
        lines += ["   :toctree: generated", "", *(f"   {entry}" for entry in entries), ""]
        for table, content in tables(module).items():
            keys = ", ".join(f"``{key}``" for key in content)
            lines += [f".. py:data:: {table}", "   :type: dict", "", f"   By name: {keys}.", ""]
        _write(folder / f"{page}.rst", lines)
    index = ["Reference", "=========", "", ".. toctree::", "   :maxdepth: 1", ""]
    _write(folder / "index.rst", [*index, *(f"   {page}" for page, _, _ in PAGES), ""])


def _write(path: Path, lines: list[str]) -> None:
    text = "\n".join(lines)
    if not path.exists() or path.read_text("utf-8") != text:  # an untouched page is not built again
        path.write_text(text, "utf-8")
