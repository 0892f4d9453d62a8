"""threadpoolctl's limits hold for the engine's threads too.

threadpoolctl finds libraries among the loaded files by their names and asks the controllers that it knows.
Ours is made known to it when it is imported, before or after this package, which does not import it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from . import _kernels
from .config import __version__

_NAME = "threadpoolctl"


def register(threadpoolctl: ModuleType) -> None:
    """Make a controller of the engine's threads known to the package threadpoolctl.

    Parameters
    ----------
    threadpoolctl : module
        Its versions before 3.2 know only controllers of their own and are left alone.

    Examples
    --------
    >>> import threadpoolctl, fastmlp
    >>> with threadpoolctl.threadpool_limits(1):
    ...     fastmlp.get_num_threads()
    1
    """
    if not hasattr(threadpoolctl, "register"):
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc,name-defined]
        user_api = internal_api = "fastmlp"
        filename_prefixes = (os.path.basename(_kernels.__file__).lower(),)
        check_symbols = ("PyInit__kernels",)

        def set_additional_attributes(self) -> None:
            if not os.path.samefile(self.filepath, _kernels.__file__):
                self.dynlib = None  # another package's file of that name: its symbol is not looked for

        def get_num_threads(self) -> int:
            return _kernels.get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            _kernels.set_num_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    threadpoolctl.register(Controller)


class _Awaiting:
    """A finder that finds what the others do, and registers once threadpoolctl has been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _NAME:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others if hasattr(finder, "find_spec"))
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._extend(spec.loader)
        return spec

    def _extend(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            register(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        loader.exec_module = exec_module


def watch() -> None:
    """Register with threadpoolctl where it has been imported, else as soon as it is."""
    if _NAME in sys.modules:
        register(sys.modules[_NAME])
    else:
        sys.meta_path.insert(0, _Awaiting())
