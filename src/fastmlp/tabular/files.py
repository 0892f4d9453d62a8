"""A fitted tabular estimator as one `.npz` file: a JSON header, the networks' arrays, no pickles."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from .. import config, validation
from ..errors import ModelFileError
from ..files import atomic, format, npz, paths
from ..network import Network
from . import views
from .encoding import TableEncoder
from .ensemble import Ensemble, Member
from .targets import Classes, Numbers, Targets

Array = np.ndarray[Any, Any]

FORMAT = "fastmlp.tabular"
VERSION = 1


def save(path: str | os.PathLike[str], ensemble: Ensemble, about: dict[str, Any]) -> None:
    """Write an ensemble, and what the estimator wants to know of itself, which JSON can hold."""
    target = paths.checked(path, (".npz",))
    atomic.write(target, _filling(ensemble, about))


def to_bytes(ensemble: Ensemble, about: dict[str, Any]) -> bytes:
    """What `save` writes, in memory."""
    file = io.BytesIO()
    _filling(ensemble, about)(file)
    return file.getvalue()


def _filling(ensemble: Ensemble, about: dict[str, Any]) -> Callable[[IO[bytes]], None]:
    """What writes the file."""
    arrays: dict[str, Array] = {}
    for i, member in enumerate(ensemble.members):
        arrays |= {f"networks.{i}.{name}": array for name, array in member.net.state_dict().items()}
    if ensemble.residuals is not None:
        arrays["residuals"] = ensemble.residuals
    header = {
        "format": FORMAT,
        "version": VERSION,
        "fastmlp": config.__version__,
        "about": about,
        "encoder": ensemble.encoder.to_config(),
        "targets": _targets_config(ensemble.targets),
        "views": {name: view.to_config() for name, view in ensemble.views.items()},
        "temperature": ensemble.temperature,
        "residuals": 0 if ensemble.residuals is None else len(ensemble.residuals),
        "members": [
            {
                "view": member.view,
                "errors": member.errors,
                "epoch": member.epoch,
                "network": format.described(member.net),
            }
            for member in ensemble.members
        ],
    }
    text = json.dumps(header, indent=npz.INDENT, allow_nan=False)
    if len(text) > format.MAX_HEADER_BYTES:
        expected = f"expected at most {format.MAX_HEADER_BYTES}; drop= leaves columns of many words out"
        raise ValueError(f"the table's description has {len(text)} bytes, {expected}")
    return lambda file: npz.write(file, text, arrays)


def load(path: str | os.PathLike[str]) -> tuple[Ensemble, dict[str, Any]]:
    """What `save` wrote; ModelFileError for anything else."""
    with format.opened(paths.checked(path, (".npz",))) as reader:
        return _read(reader)


def from_bytes(content: bytes) -> tuple[Ensemble, dict[str, Any]]:
    """What `to_bytes` was given."""
    with format.opened_bytes(content) as reader:
        return _read(reader)


def _read(reader: format.Reader) -> tuple[Ensemble, dict[str, Any]]:
    header = format.parsed_header(reader.header(format.MAX_HEADER_BYTES), FORMAT, VERSION)
    encoder = TableEncoder.from_config(header["encoder"])
    targets = _targets(header["targets"])
    seen = {name: views.from_config(each) for name, each in header["views"].items()}
    members = [_member(reader, i, each, encoder, targets, seen) for i, each in enumerate(header["members"])]
    if not members:
        raise ModelFileError("has no networks, expected one or more")
    temperature = validation.real(header["temperature"], "temperature", above=0.0)
    residuals = _residuals(reader, header.get("residuals", 0), targets)
    return Ensemble(encoder, targets, seen, members, temperature, residuals), header["about"]


def _residuals(reader: format.Reader, rows: object, targets: Targets) -> Array | None:
    """Sorted ones, None of 0 rows."""
    count = validation.integer(rows, "residuals", 0)
    if not count:
        return None
    shape, dtype = (count, targets.outputs), np.dtype(np.float64)
    found = reader.arrays({"residuals": shape}, {"residuals": dtype})["residuals"]
    if not np.isfinite(found).all() or (np.diff(found, axis=0) < 0).any():
        raise ModelFileError("has residuals that are not finite and sorted")
    return found


def _member(
    reader: format.Reader,
    number: int,
    saved: dict[str, Any],
    encoder: TableEncoder,
    targets: Targets,
    seen: dict[str, views.View],
) -> Member:
    description, shapes = format.checked_description(saved["network"])
    width = len(encoder.names) + seen[saved["view"]].extra
    if description[0] != width:
        raise ModelFileError(f"has a network of {description[0]} inputs, expected {width} as in its columns")
    prefixed = {f"networks.{number}.{name}": shape for name, shape in shapes.items()}
    arrays = format.arrays_of(reader, description, prefixed, f"networks.{number}.")
    net = format.rebuilt(Network, description, prefixed, arrays)
    if net.plan.n_out != targets.outputs:
        raise ModelFileError(f"has a network of {net.plan.n_out} outputs, expected {targets.outputs}")
    return Member(net, saved["view"], saved["errors"], saved["epoch"])


def _targets_config(targets: Targets) -> dict[str, Any]:
    if isinstance(targets, Numbers):
        fields = ("mean", "spread", "low", "high")
        return {"kind": "numbers", **{name: getattr(targets, name).tolist() for name in fields}}
    classes = targets.classes
    values = classes.tolist()
    for value in values:
        if not isinstance(value, (str, int, float, bool)):
            kind = type(value).__name__
            raise ValueError(f"y had labels of {kind}, and only words, numbers and booleans can be saved")
    return {"kind": "classes", "dtype": classes.dtype.str, "values": values}


def _targets(saved: dict[str, Any]) -> Targets:
    if saved["kind"] == "classes":
        return Classes(np.array(saved["values"], np.dtype(saved["dtype"])))
    return Numbers(*(np.array(saved[name], np.float64) for name in ("mean", "spread", "low", "high")))
