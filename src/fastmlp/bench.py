"""A short benchmark of this machine: ``python -m fastmlp bench``.

How near the engine comes to its best rate of multiply-adds, and how it compares with whichever of NumPy,
PyTorch, ONNX Runtime, scikit-learn and JAX are installed.  All get the same weights and rows, answers
are compared before they are timed, turns are taken in one run, and medians are shown.  One thread, float32.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from . import optimizers
from .config import __version__
from .network import Network

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]

TURN, ROUNDS = 0.01, 7  # seconds of a turn, and how many turns each has
BOUND = 2e-5  # greatest difference of two answers, as a share of the greatest output


class Shape(NamedTuple):
    """A network and a number of rows."""

    widths: tuple[int, ...]
    hidden: str
    output: str
    rows: int

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, {self.rows} row{'s' * (self.rows > 1)}"

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products."""
        pairs = zip(self.widths[:-1], self.widths[1:], strict=True)
        return 2 * self.rows * sum(n_in * n_out for n_in, n_out in pairs)


PREDICT = (
    Shape((2, 3, 2, 2), "sigmoid", "identity", 1),
    Shape((17, 64, 64, 6), "tanh", "identity", 1),
    Shape((784, 100, 10), "sigmoid", "softmax", 1),
    Shape((784, 100, 10), "sigmoid", "softmax", 32),
    Shape((784, 512, 512, 10), "relu", "softmax", 256),
)
# The engine's own best rate stands in for the machine's limit, which only a loop in assembly shows.
BEST_RATE = tuple(
    Shape((n, n, n), "relu", "identity", rows) for n, rows in ((256, 256), (384, 240), (512, 256))
)
# widths, batch size, rows
TRAIN = (((784, 100, 10), 32, 3200), ((784, 512, 512, 10), 128, 1280))


def main(options: argparse.Namespace | None = None) -> int:
    """Measure in a process of one thread and one core, and print; returns the exit status.

    Libraries make their threads when they are imported; in this process NumPy already has.

    Parameters
    ----------
    options : argparse.Namespace, optional
        Nothing is read from it.
    """
    sys.stdout.flush()
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-c", "from fastmlp.bench import measure; measure()"]
    with _one_core():
        process = subprocess.Popen(command, env={**os.environ, **single, "FASTMLP_NUM_THREADS": "1"})
    try:
        return process.wait()
    except BaseException:
        process.kill()
        raise


@contextmanager
def _one_core() -> Iterator[None]:
    """Child processes that begin in this are held to one core, where the system can do that."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure() -> None:
    """Measure and print, in this process."""
    start = time.perf_counter()
    peers, versions = _installed()
    best = _best_rate()
    net = Network(PREDICT[0].widths, seed=0)
    print(f"fastmlp {__version__} on {net.isa}, float32, one thread; " + ", ".join(versions))
    print(f"100 % below is the engine's own best rate, {best / 1e9:.0f} GFLOP/s; the machine's limit, which")
    print("takes a loop in assembly to show, may be some percent higher\n")
    _predictions(peers, best)
    _trainings(best)
    print(f"\n{time.perf_counter() - start:.0f} s; the whole suite is benchmarks/peers of the source")


# ---- time ----


def _seconds(run: Call, calls: int) -> float:
    collects = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls
    finally:
        if collects:
            gc.enable()


def _calls(run: Call) -> int:
    """How many calls fill a turn."""
    calls = 1
    while (taken := _seconds(run, calls) * calls) < TURN / 4:
        calls *= 4
    return max(1, round(calls * TURN / taken))


def _medians(runs: Mapping[str, Call]) -> dict[str, float]:
    """Seconds a call of each, in turn."""
    calls = {name: _calls(run) for name, run in runs.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            samples[name].append(_seconds(run, calls[name]))
    return {name: statistics.median(values) for name, values in samples.items()}


# ---- jobs ----


def _network(shape: Shape) -> tuple[Network, Array]:
    net = Network(shape.widths, activation=shape.hidden, output=shape.output, seed=0)
    return net, np.random.default_rng(0).standard_normal((shape.rows, shape.widths[0]), np.float32)


def _best_rate() -> float:
    """Operations a second of the best of a few square networks."""
    runs: dict[str, Call] = {}
    for shape in BEST_RATE:
        net, X = _network(shape)
        runs[str(shape)] = partial(net.predict, X)
    times = _medians(runs)
    return max(shape.operations / times[str(shape)] for shape in BEST_RATE)


def _predictions(peers: Mapping[str, Callable[..., Call]], best: float) -> None:
    heads = ["predict", "fastmlp", "% of best rate", *(f"{name} / ours" for name in peers)]
    rows = []
    for shape in PREDICT:
        net, X = _network(shape)
        runs: dict[str, Call] = {"fastmlp": partial(net.predict, X)}
        expected = net.predict(X)
        notes = {}
        for name, make in peers.items():
            try:
                run = make(shape, net.get_weights(), X)
                if _close(run(), expected):
                    runs[name] = run
                else:
                    notes[name] = "differs"
            except Exception as error:  # another package's trouble is a note in its column
                notes[name] = type(error).__name__
        times = _medians(runs)
        own = times["fastmlp"]
        share = f"{100 * shape.operations / own / best:.0f}"
        others = [f"{times[name] / own:.1f}x" if name in times else notes[name] for name in peers]
        rows.append([str(shape), _time(own), share, *others])
    print(_table(heads, rows))


def _close(outputs: Array, expected: Array) -> bool:
    outputs = np.asarray(outputs)
    if outputs.shape != expected.shape or not np.isfinite(outputs).all():
        return False
    return bool(np.abs(outputs - expected).max() <= BOUND * np.abs(expected).max())


def _trainings(best: float) -> None:
    rows = []
    for widths, batch, count in TRAIN:
        generator = np.random.default_rng(0)
        X = generator.standard_normal((count, widths[0]), np.float32)
        y = generator.integers(0, widths[-1], count)
        runs: dict[str, Call] = {}
        for optimizer in (optimizers.SGD(0.01), optimizers.Adam(1e-4)):
            net = Network(widths, activation="relu", output="softmax", seed=0)
            net.compile(optimizer, metrics=[])
            runs[optimizer.name] = partial(net.fit, X, y, batch_size=batch, verbose=False)
        products = Shape(widths, "relu", "softmax", 1).operations
        operations = count * (3 * products - 2 * widths[0] * widths[1])
        for name, seconds in _medians(runs).items():
            title = f"{'-'.join(map(str, widths))}, batch {batch}, {name}"
            share = f"{100 * operations / seconds / best:.0f}"
            rows.append([title, f"{count / seconds:,.0f}", share])
    print("\n" + _table(["train", "rows/s", "% of best rate"], rows))


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-4 else f"{seconds * 1e3:.2f} ms"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )


# ---- the others: each makes a callable, array in and array out, from weights as Keras lists them ----


def _installed() -> tuple[dict[str, Callable[..., Call]], list[str]]:
    """Makers by name, and what to say of versions and absences."""
    makers: dict[str, Callable[..., Call]] = {"numpy": _numpy}
    words = [f"numpy {np.__version__}"]
    for name, module, make in (
        ("torch", "torch", _torch),
        ("onnxruntime", "onnxruntime", _onnxruntime),
        ("scikit-learn", "sklearn", _sklearn),
        ("jax", "jax", _jax),
    ):
        try:
            found = find_spec(module) is not None and (name != "onnxruntime" or find_spec("onnx") is not None)
            if found:
                words.append(f"{name} {__import__(module).__version__}")
                makers[name] = make
            else:
                words.append(f"no {name}")
        except Exception as error:  # installed, but broken
            print(f"{name} cannot be imported: {type(error).__name__}", file=sys.stderr)
            words.append(f"no {name}")
    return makers, words


def _numpy(shape: Shape, weights: list[Array], X: Array) -> Call:
    """Into arrays made beforehand, activations in place."""
    outputs = [np.empty((shape.rows, W.shape[1]), W.dtype) for W in weights[::2]]

    def activate(name: str, z: Array) -> None:
        if name == "relu":
            np.maximum(z, 0, out=z)
        elif name == "tanh":
            np.tanh(z, z)
        elif name == "sigmoid":
            np.negative(z, z)
            np.exp(z, z)
            np.add(z, 1, z)
            np.reciprocal(z, z)
        elif name == "softmax":
            np.subtract(z, z.max(-1, keepdims=True), z)
            np.exp(z, z)
            np.divide(z, z.sum(-1, keepdims=True), z)

    names = [shape.hidden] * (len(outputs) - 1) + [shape.output]
    steps = list(zip(weights[::2], weights[1::2], outputs, names, strict=True))

    def run() -> Array:
        x = X
        for W, b, z, name in steps:
            np.dot(x, W, z)
            np.add(z, b, z)
            activate(name, z)
            x = z
        return x

    return run


def _torch(shape: Shape, weights: list[Array], X: Array) -> Call:
    torch: Any = import_module("torch")

    torch.set_num_threads(1)
    kinds = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
    layers: list[Any] = []
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        dense = torch.nn.Linear(*W.shape)
        dense.weight.data, dense.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b)
        layers += [dense, kinds[shape.hidden]()]
    layers[-1:] = [torch.nn.Softmax(-1)] if shape.output == "softmax" else []
    model = torch.nn.Sequential(*layers).eval()

    def run() -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(X)).numpy()

    return run


def _onnxruntime(shape: Shape, weights: list[Array], X: Array) -> Call:
    import onnxruntime

    onnx: Any = import_module("onnx")
    helper, numpy_helper = import_module("onnx.helper"), import_module("onnx.numpy_helper")

    kinds = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softmax": "Softmax"}
    nodes, constants, name = [], [], "x"
    for i in range(0, len(weights), 2):
        constants += [numpy_helper.from_array(weights[i + j], f"p{i + j}") for j in (0, 1)]
        nodes.append(helper.make_node("Gemm", [name, f"p{i}", f"p{i + 1}"], [f"z{i}"]))
        name, activation = f"z{i}", shape.output if i + 2 == len(weights) else shape.hidden
        if activation != "identity":
            nodes.append(helper.make_node(kinds[activation], [name], [f"a{i}"]))
            name = f"a{i}"
    ends = [
        helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, [None, width])
        for end, width in (("x", shape.widths[0]), (name, shape.widths[-1]))
    ]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": X})[0]


def _sklearn(shape: Shape, weights: list[Array], X: Array) -> Call:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    classifies = shape.output == "softmax"
    kind: Any = MLPClassifier if classifies else MLPRegressor
    activation = "logistic" if shape.hidden == "sigmoid" else shape.hidden
    model = kind(hidden_layer_sizes=shape.widths[1:-1], activation=activation)
    n_out = shape.widths[-1]
    targets = np.arange(n_out) if classifies else np.zeros((n_out, n_out), np.float32)
    first = np.zeros((n_out, shape.widths[0]), np.float32)
    model.partial_fit(first, targets, **({"classes": targets} if classifies else {}))
    model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
    return lambda: model.predict_proba(X) if classifies else model.predict(X)


def _jax(shape: Shape, weights: list[Array], X: Array) -> Call:
    import jax

    kinds: dict[str, Any] = {
        "sigmoid": jax.nn.sigmoid,
        "tanh": jax.numpy.tanh,
        "relu": jax.nn.relu,
        "softmax": jax.nn.softmax,
        "identity": lambda z: z,
    }

    def forward(parameters: list[Any], x: Any) -> Any:
        for i in range(0, len(parameters), 2):
            last = i + 2 == len(parameters)
            x = kinds[shape.output if last else shape.hidden](x @ parameters[i] + parameters[i + 1])
        return x

    parameters = [jax.numpy.asarray(array) for array in weights]
    compiled = jax.jit(forward).lower(parameters, X).compile()
    return lambda: np.asarray(compiled(parameters, X))
