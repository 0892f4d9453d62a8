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
    ("functional", "Kernels as functions", "fastmlp.functional"),
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
        _write(folder / f"{page}.rst", lines)
    index = ["Reference", "=========", "", ".. toctree::", "   :maxdepth: 1", ""]
    _write(folder / "index.rst", [*index, *(f"   {page}" for page, _, _ in PAGES), ""])


def _write(path: Path, lines: list[str]) -> None:
    text = "\n".join(lines)
    if not path.exists() or path.read_text("utf-8") != text:  # an untouched page is not built again
        path.write_text(text, "utf-8")
