"""Model files: a zip of NumPy arrays with a JSON header, which ``numpy.load`` and ``unzip`` can look into.

``header.json`` holds the format's name and version, the layers, the dtype, the seed and what
`Network.compile` was told; the arrays are named as in `Network.state_dict`, and the optimizer's
"optimizer.0.layers.0.W" and so on. Nothing is pickled.  A reader trusts no size in the file: the arrays'
shapes follow from the layers, and each must have just the bytes it says, before anything is allocated.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from . import config, optimizers, registry, validation
from . import layers as descriptions
from .errors import ModelFileError, NotCompiledError, listed

if TYPE_CHECKING:
    from zipfile import ZipFile

    from .network import Network

Array = np.ndarray[Any, Any]

FORMAT = "fastmlp"
VERSION = 1
SUFFIXES = (".npz",)
_HEADER = "header.json"
_MAX_HEADER_BYTES = 1 << 24
_MAX_SLOTS = 2


def save(net: Network, path: str | os.PathLike[str], *, include_optimizer: bool = False) -> None:
    """Write a network to a file; see `Network.save`."""
    target = _checked_path(path)
    if validation.boolean(include_optimizer, "include_optimizer") and net.optimizer is None:
        raise NotCompiledError("include_optimizer is True, expected a network that was compiled")
    with net._busy(inside=True):
        header, arrays = _contents(net, include_optimizer)
    with _replacing(target) as file:
        _write(file, header, arrays)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file written by `Network.save`.

    Parameters
    ----------
    path : str or path
        Its suffix is the format: ".npz".

    Returns
    -------
    Network
        It predicts the same bits; it is compiled if the saved one was, with the optimizer's state if that was
        saved.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, or was written by a newer version; it is a ValueError.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import fastmlp, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.npz")
    ...     fastmlp.Network([4, 1], seed=0).save(path)
    ...     net = fastmlp.load(path)
    >>> net
    Network([4, Dense(1, 'identity')], dtype='float32', seed=0)
    """
    import zipfile

    target = _checked_path(path)
    with open(target, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{target} {error}") from None
        except zipfile.BadZipFile:
            raise ModelFileError(f"{target} is truncated, damaged or not a fastmlp model") from None
        except MemoryError:
            raise
        except (
            Exception
        ) as error:  # whatever damage makes zipfile, json and the checks of the description say
            raise ModelFileError(f"{target} is not a readable fastmlp model: {error}") from None


def _checked_path(path: str | os.PathLike[str]) -> str:
    try:
        text = os.fspath(path)
    except TypeError:
        raise TypeError(f"path is a {type(path).__name__}, expected a str or a path") from None
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if not text.endswith(SUFFIXES):
        raise ValueError(f"path is {text!r}, expected a name that ends with {listed(SUFFIXES)}")
    return text


# ---- writing ----


def _contents(net: Network, include_optimizer: bool) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays by name."""
    arrays: dict[str, Array] = net.state_dict()
    names = list(arrays)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "fastmlp": config.__version__,
        "n_in": net.plan.n_in,
        "layers": [descriptions.to_config(layer) for layer in net.layers],
        "dtype": net.dtype.name,
        "seed": net.seed,
        "compile": None,
        "training": None,
    }
    try:
        header["compile"] = _compile_config(net)
    except ValueError:
        if include_optimizer:
            raise
    if include_optimizer:
        state = net.plan.get_state()
        header["training"] = {
            "step": int(state["step"]),
            "beta_powers": [float(power) for power in state["beta_powers"]],
            "epochs": net._epochs_done,
            "slots": len(state["slots"]),
        }
        for k, slot in enumerate(state["slots"]):
            arrays.update({f"optimizer.{k}.{name}": array for name, array in zip(names, slot, strict=True)})
    return header, arrays


def _compile_config(net: Network) -> dict[str, Any] | None:
    """What compile was told; ValueError where a Python function is part of it."""
    if net.optimizer is None:
        return None
    for what, item in [("loss", net.loss), *(("metric", metric) for metric in net.metrics)]:
        if callable(item):
            raise ValueError(f"{what} is a Python function, which cannot be saved with the optimizer")
    return {
        "optimizer": optimizers.to_config(net.optimizer),
        "loss": net.loss,
        "loss_parameter": net.loss_parameter,
        "compiled_loss": net.plan.loss,
        "metrics": list(net.metrics),
    }


def _write(file: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    import json
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(_HEADER), json.dumps(header, indent=1, allow_nan=False))
        for name, array in arrays.items():
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes >= 2**30) as member:
                np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)


def _member(name: str) -> Any:
    """A zip entry without the time of day, so that the same network gives the same file."""
    import zipfile

    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def _replacing(path: str) -> Iterator[IO[bytes]]:
    """A new file beside `path` that takes its place once it is on the disk, or goes if anything fails."""
    path = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    # Not tempfile, whose files nobody but the owner can read; here the umask decides.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            if os.path.exists(path):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ---- reading ----


def _read(archive: ZipFile, file_size: int) -> Network:
    from .network import _restored

    header = _read_header(archive, file_size)
    layers = tuple(descriptions.from_config(item) for item in header["layers"])
    n_in = validation.integer(header["n_in"], "n_in", 1, validation.MAX_UNITS)
    descriptions.check(layers)
    dtype = validation.as_dtype(header["dtype"])
    seed = validation.integer(header["seed"], "seed", 0, 2**64 - 1)
    shapes = descriptions.parameter_shapes(n_in, layers)
    training_header = header.get("training")
    slots = 0
    if training_header is not None:
        slots = validation.integer(training_header["slots"], "slots", 0, _MAX_SLOTS)
    expected = dict(shapes)
    for k in range(slots):
        expected.update({f"optimizer.{k}.{name}": shape for name, shape in shapes.items()})
    sizes = {name: _check_member(archive, name, shape, dtype, file_size) for name, shape in expected.items()}
    arrays = {
        name: _read_member(archive, name, shape, dtype, sizes[name]) for name, shape in expected.items()
    }

    description = (n_in, layers, dtype.name, seed, None)
    weights = validation.as_weights(
        [arrays[name] for name in shapes], list(shapes), list(shapes.values()), dtype
    )
    net = _restored(_network_class(), description, weights, None)
    if header.get("compile") is not None:
        _restore_compile(net, header["compile"])
        if training_header is not None:
            slot_arrays = [[arrays[f"optimizer.{k}.{name}"] for name in shapes] for k in range(slots)]
            _restore_training(net, training_header, slot_arrays)
    return net


def _network_class() -> type[Network]:
    from .network import Network

    return Network


def _read_header(archive: ZipFile, file_size: int) -> dict[str, Any]:
    import json

    if _HEADER not in archive.namelist():
        raise ModelFileError("is a zip file but not a fastmlp model: it has no header.json")
    info = archive.getinfo(_HEADER)
    if info.compress_type != 0 or info.file_size > min(file_size, _MAX_HEADER_BYTES):
        raise ModelFileError(
            f"has a header of {info.file_size} bytes, expected at most {_MAX_HEADER_BYTES}, uncompressed"
        )
    header = json.loads(archive.read(info).decode("utf-8"), parse_constant=_refuse_constant)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelFileError("is not a fastmlp model: its header names another format")
    version = header.get("version")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError(f"has the format version {version!r}, expected 1 to {VERSION}")
    if version > VERSION:
        raise ModelFileError(
            f"was written by a newer fastmlp (format {version}), this one reads up to {VERSION}"
        )
    return header


def _refuse_constant(name: str) -> float:
    raise ValueError(f"the header contains {name}")


def _check_member(
    archive: ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], file_size: int
) -> int:
    """The bytes of an array's numbers, once the zip's and the array's own headers have said the same."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ModelFileError(f"lacks the array {name}") from None
    size = dtype.itemsize
    for length in shape:
        size *= length
    # Stored, not compressed: then no array can be larger than the file.
    if info.compress_type != 0 or not size < info.file_size <= min(size + 10_000, file_size):
        raise ModelFileError(
            f"has {info.file_size} bytes for {name}, expected {size} and a header, uncompressed"
        )
    with archive.open(info) as member:
        found, fortran_order, kind = _array_header(member)
        length = member.tell()
    if found != shape or fortran_order or kind != dtype.newbyteorder("<"):
        raise ModelFileError(f"holds {name} of shape {found} and dtype {kind}, expected {shape} and {dtype}")
    if info.file_size != length + size:
        raise ModelFileError(f"has {info.file_size} bytes for {name}, expected {length + size}")
    return size


def _array_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ModelFileError(f"holds an array of .npy version {version}, expected (1, 0)")
    return np.lib.format.read_array_header_1_0(member)


def _read_member(
    archive: ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], size: int
) -> Array:
    with archive.open(f"{name}.npy") as member:
        data = member.read()  # to the end, where the checksum is looked at
    return np.frombuffer(data, dtype.newbyteorder("<"), offset=len(data) - size).astype(dtype).reshape(shape)


def _restore_compile(net: Network, saved: Mapping[str, Any]) -> None:
    optimizer = optimizers.from_config(saved["optimizer"])
    loss: Any = saved["loss"]
    if loss in registry.LOSS_PARAMETERS:
        loss = (loss, saved["loss_parameter"])
    net.compile(optimizer, loss, saved["metrics"])
    name = saved["compiled_loss"]
    if name != net.plan.loss:  # of a softmax output that last saw one-hot targets
        registry.check_loss_fits(registry.resolve_loss(name)[0], net.plan.layers[-1][1])
        net.plan.compile(name, net.loss_parameter, optimizer.name, optimizer.hyperparameters())


def _restore_training(net: Network, saved: Mapping[str, Any], slots: list[list[Array]]) -> None:
    powers = [
        validation.real(power, "beta_powers", minimum=0.0, maximum=1.0) for power in saved["beta_powers"]
    ]
    step = validation.integer(saved["step"], "step", 0, 2**63 - 1)
    net.plan.set_state({"step": step, "beta_powers": tuple(powers), "slots": slots})
    net._epochs_done = validation.integer(saved["epochs"], "epochs", 0, 2**32 - 1)
