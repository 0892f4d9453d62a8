"""``convert``: a model from one kind of file to another, by the suffixes."""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelFileError, listed
from ..files import atomic
from ..network import Network
from ..optional import require
from . import models
from . import options as given
from .output import check_writable, say


def run(options: argparse.Namespace) -> int:
    """Read MODEL, write OUTPUT."""
    source, target = options.model, options.output
    reader = _of_suffix("MODEL", source, {suffix: each.read for suffix, each in FORMATS.items()})
    writer = _of_suffix("OUTPUT", target, {suffix: each.write for suffix, each in FORMATS.items()})
    check_writable(target, "OUTPUT")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"OUTPUT is {str(target)!r}, the file that MODEL names")
    model = reader(source, options)
    if not models.is_network(model):
        tabular = {suffix: each.write_tabular for suffix, each in FORMATS.items()}
        writer = _of_suffix("OUTPUT", target, tabular, " of a tabular model")
    writer(model, target)
    if not options.quiet:
        say(f"saved      {target}")
    return 0


def _of_suffix(argument: str, path: Path, functions: dict[str, Any], of: str = "") -> Any:
    """The function for a path; ValueError names the suffixes that have one."""
    found = functions.get(path.suffix)
    if found is None:
        known = listed([suffix for suffix, function in functions.items() if function is not None])
        raise ValueError(f"{argument} is {str(path)!r}, expected a name{of} that ends in one of {known}")
    return found


# ---- reading ----


def _refuse_activations(options: argparse.Namespace) -> None:
    told = ("activation", "output_activation")
    given.refuse(options, told, "of PyTorch's state dicts in .safetensors files, and MODEL is none")


def _read_own(path: Path, options: argparse.Namespace) -> Any:
    _refuse_activations(options)
    return models.read(path)


def _read_safetensors(path: Path, options: argparse.Namespace) -> Network:
    """A network of this package, or PyTorch's state dict, which does not know its activations."""
    if not path.exists() or models.is_own(path):
        return _read_own(path, options)
    from .. import torch

    return torch.from_state_dict(
        path, activation=options.activation, output=options.output_activation or "identity"
    )


def _read_onnx(path: Path, options: argparse.Namespace) -> Network:
    _refuse_activations(options)
    from .. import onnx

    return onnx.load(path)


def _read_keras(path: Path, options: argparse.Namespace) -> Network:
    _refuse_activations(options)
    from .. import keras
    from ..adapters.keras._module import keras_module

    module = keras_module()
    path.open("rb").close()  # whose error says why it cannot be read
    try:
        model = module.saving.load_model(path, compile=False)
    except Exception as error:  # of zip, JSON, h5py and Keras's own
        raise ModelFileError(f"{path} is not a Keras file that can be read: {error}") from error
    return keras.from_keras(model)


# ---- writing ----


def _save(model: Any, path: Path) -> None:
    model.save(path)


def _export_c(model: Any, path: Path) -> None:
    name = re.sub(r"[^A-Za-z0-9_]", "_", path.stem)
    model.export_c(path, name=name if name[0].isalpha() else f"model_{name}")


def _export_js(network: Network, path: Path) -> None:
    network.export_js(path)


def _write_onnx(network: Network, path: Path) -> None:
    from .. import onnx

    onnx.save(network, path)


def _write_tabular_onnx(model: Any, path: Path) -> None:
    model.export_onnx(path)


def _write_keras(network: Network, path: Path) -> None:
    from .. import keras

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.keras"
        keras.to_keras(network).save(whole)
        content = whole.read_bytes()
    atomic.write(path, lambda file: file.write(content))


def _write_state(network: Network, path: Path) -> None:
    from .. import torch

    state = torch.to_torch(network).state_dict()
    atomic.write(path, lambda file: require("torch", "torch").save(state, file))


Reader = Callable[[Path, argparse.Namespace], Any]
Writer = Callable[[Any, Path], None]


@dataclass(frozen=True)
class Format:
    """What reads and writes a kind of file; None where nothing does.

    Attributes
    ----------
    read : function of the path and the options
    write : function of a network and the path
    write_tabular : function of a tabular model and the path
    """

    read: Reader | None
    write: Writer | None
    write_tabular: Writer | None = None


FORMATS = {
    ".npz": Format(_read_own, _save, _save),
    ".safetensors": Format(_read_safetensors, _save),
    ".onnx": Format(_read_onnx, _write_onnx, _write_tabular_onnx),
    ".c": Format(None, _export_c, _export_c),
    ".js": Format(None, _export_js),
    ".mjs": Format(None, _export_js),
    ".keras": Format(_read_keras, _write_keras),
    ".pt": Format(None, _write_state),
    ".pth": Format(None, _write_state),
}
