from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array = NDArray[Any]
Parameters = float | Sequence[float]  # of a loss; a number is the first of them

def activation_names() -> dict[str, tuple[float, str, tuple[float, float]]]: ...
def loss_names() -> dict[str, tuple[tuple[float, ...], str, bool, int]]: ...
def optimizer_names() -> dict[str, int]: ...
def layer_kinds() -> dict[str, tuple[frozenset[str], dict[str, tuple[float, float, float]]]]: ...
def isas() -> dict[str, Any]: ...
def set_num_threads(threads: int) -> None: ...
def wrong_variable() -> str | None: ...
def get_num_threads() -> int: ...
def cpu_count() -> int: ...

class NotFiniteInput(ValueError): ...

class Plan:
    layers: tuple[dict[str, Any], ...]
    isa: str
    def __init__(
        self,
        n_in: int,
        layers: Sequence[Any],
        *,
        dtype: Any = "float32",
        input_shift: ArrayLike | None = None,
        input_divisor: ArrayLike | None = None,
        isa: str | None = None,
    ) -> None: ...
    @property
    def n_in(self) -> int: ...
    @property
    def n_out(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> str | None: ...
    @property
    def num_parameters(self) -> int: ...
    def get_weights(self) -> list[_Array]: ...
    def set_weights(self, weights: Sequence[ArrayLike]) -> None: ...
    def initialize(self, layer: int, kind: str, scale: float, seed: int, array: int = 0) -> None: ...
    def predict(self, X: ArrayLike, out: _Array | None = None, threads: int | None = None) -> _Array: ...
    def forward(self, X: ArrayLike) -> list[_Array]: ...
    def compile(
        self,
        loss: str | None,
        loss_parameters: Parameters,
        optimizer: str,
        hyperparameters: Mapping[str, Any],
    ) -> None: ...
    def squares(self) -> float: ...
    def train_forward(self, X: ArrayLike, *, seed: int, dropout: float = 1.0) -> _Array: ...
    def train_backward(
        self,
        output_gradient: ArrayLike,
        learning_rate: float,
        l2: float | None = None,
        weight_decay: float | None = None,
    ) -> None: ...
    def gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        input_gradient: bool = False,
        loss: tuple[str, Parameters] | None = None,
    ) -> tuple[float, list[_Array], _Array | None]: ...
    def backward(self, X: ArrayLike, output_gradient: ArrayLike) -> tuple[list[_Array], _Array]: ...
    def evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
        *,
        loss: tuple[str, Parameters] | None = None,
    ) -> tuple[float, float]: ...
    def changing(self, nested: bool = True) -> AbstractContextManager[None]: ...
    def get_state(self) -> dict[str, Any]: ...
    def set_state(self, state: Mapping[str, Any]) -> None: ...

class Run:
    plan: Plan
    check_rows: bool
    def __init__(
        self,
        plan: Plan,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        loss: tuple[str, Parameters] | None = None,
        threads: int | None = None,
        check_rows: bool = False,
        squares: bool = False,
    ) -> None: ...
    def begin(
        self,
        learning_rates: _Array,
        *,
        epoch: int = 0,
        order: _Array | None = None,
        l2: _Array | None = None,
        weight_decay: _Array | None = None,
        dropout: _Array | None = None,
    ) -> None: ...
    def change(
        self,
        learning_rates: _Array,
        *,
        l2: _Array | None = None,
        weight_decay: _Array | None = None,
        dropout: _Array | None = None,
    ) -> None: ...
    def advance(self, seconds: float = ..., batches: int | None = None) -> None: ...
    @property
    def batches(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    @property
    def sums(self) -> _Array: ...

class Predictor:
    plan: Plan
    def __init__(self, plan: Plan) -> None: ...
    def predict(
        self,
        X: ArrayLike,
        out: _Array | None = None,
        threads: int | None = None,
        *,
        batch_size: int | None = None,
        verbose: object = None,
    ) -> _Array: ...
    def __call__(self, X: ArrayLike) -> _Array: ...

def all_finite(x: _Array) -> bool: ...
def elementary(name: str, x: ArrayLike, isa: str | None = None) -> _Array: ...
def activation_forward(name: str, z: ArrayLike, parameter: float = 0.0, isa: str | None = None) -> _Array: ...
def activation_backward(
    name: str, da: ArrayLike, saved: ArrayLike, parameter: float = 0.0, isa: str | None = None
) -> _Array: ...
def dense_forward(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None = None,
    activation: str = "identity",
    parameter: float = 0.0,
    isa: str | None = None,
) -> _Array: ...
def dense_backward(
    dz: ArrayLike, X: ArrayLike, W: ArrayLike, isa: str | None = None
) -> tuple[_Array, _Array, _Array]: ...
def loss_gradient(
    name: str,
    parameters: Parameters,
    p: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    isa: str | None = None,
) -> tuple[_Array, _Array, _Array]: ...
def optimizer_update(
    name: str,
    w: _Array,
    g: ArrayLike,
    slots: Sequence[_Array],
    hyperparameters: Mapping[str, Any],
    learning_rate: float,
    step: int = 0,
    isa: str | None = None,
) -> None: ...
def philox(counter: ArrayLike, key: tuple[int, int]) -> NDArray[np.uint32]: ...
def shuffled(seed: int, epoch: int, n: int) -> NDArray[np.int64]: ...
def cosine(x: float) -> float: ...
def native_addresses(plan: Plan) -> tuple[int, int]: ...
