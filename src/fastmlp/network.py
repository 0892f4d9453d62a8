"""`Network`: a multi-layer perceptron's description, its parameters and everything one does with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from . import initializers, optimizers, registry, training, validation
from . import layers as descriptions
from ._kernels import Plan, Predictor
from .errors import BusyError, NotCompiledError
from .files import format as serialization
from .initializers import Initializer
from .layers import ActivationName, Layer
from .optimizers import Optimizer

if TYPE_CHECKING:
    from .callbacks import Callback
    from .native import NativeNetwork
    from .training import History

Array = np.ndarray[Any, Any]
Loss = str | tuple[str, float] | Callable[[Array, Array], tuple[float, Array]]
Metric = str | Callable[[Array, Array], float]


class Network(Predictor):
    """A multi-layer perceptron on the CPU.

    Parameters
    ----------
    layers : sequence
        The width of the input, then one element a layer: a width, `Dense`, `Dropout`, `Activation`,
        `BatchNormalization` or `LayerNormalization`; `Rescaling` or `Standardize` may stand directly after
        the input's width.
    activation : str, (str, float) or list
        Of the hidden dense layers that do not name their own and have no `Activation` after them, before the
        next dense layer; a list has one for each of them.
    output : str or (str, float)
        Activation of the last layer, unless that names its own.
    dtype : {"float32", "float64"}
        Of the parameters and all arithmetic.
    initializer : str or (str, float), optional
        How weights begin, "glorot_uniform" by default; see `fastmlp.initializers`.  Biases begin at zero.
    seed : int or numpy.random.Generator, optional
        0 <= seed < 2**64.  Initial weights, shuffling and dropout follow from it, on every machine alike; a
        Generator gives one number and is not kept.  None takes one from the operating system.
    isa : str, optional
        The instruction set to run on; None takes the best this machine has.

    Attributes
    ----------
    layers : tuple
        The layers, each `Dense` with its activation and initializer filled in.
    seed : int
    plan : Plan
        The compiled network; see `fastmlp.reference.Plan` for its readable twin.
    optimizer, loss, metrics
        As given to `compile`.

    Raises
    ------
    ValueError, TypeError
        If the layers do not make a network, or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> net = Network([784, 100, 10], activation="sigmoid", output="softmax", seed=0)
    >>> net.num_parameters
    79510
    >>> net.predict(np.zeros(784)).shape
    (10,)
    """

    layers: tuple[Layer, ...]
    seed: int
    optimizer: Optimizer | None
    loss: Loss | None
    loss_parameter: float
    metrics: list[Metric]
    stop_training: bool  # what a callback sets to end `fit` after the epoch

    def __init__(
        self,
        layers: Sequence[int | Layer],
        *,
        activation: ActivationName | list[ActivationName] = "relu",
        output: ActivationName = "identity",
        dtype: Any = "float32",
        initializer: Initializer | None = None,
        seed: int | np.random.Generator | None = None,
        isa: str | None = None,
    ) -> None:
        n_in, resolved = descriptions.resolve(layers, activation, output, initializer)
        self._build(n_in, resolved, validation.as_dtype(dtype), validation.as_seed(seed), isa)
        for i, (layer, width) in enumerate(descriptions.layers_with_parameters(n_in, self.layers)):
            if isinstance(layer, descriptions.Dense):
                assert layer.initializer is not None
                kind, scale = initializers.distribution(layer.initializer, width, layer.units)
                if scale > 0:
                    self.plan.initialize(i, kind, scale, self.seed)

    def _build(
        self, n_in: int, layers: tuple[Layer, ...], dtype: np.dtype[Any], seed: int, isa: str | None
    ) -> None:
        """Everything but the weights, which stay zero."""
        steps, shift, divisor = descriptions.plan_arguments(n_in, layers, dtype)
        super().__init__(
            Plan(n_in, steps, dtype=dtype.name, input_shift=shift, input_divisor=divisor, isa=isa)
        )
        self.layers = layers
        self.seed = seed
        self.optimizer = None
        self.loss = None
        self.loss_parameter = 0.0
        self.metrics = []
        self.stop_training = False
        self._isa = isa
        self._epochs_done = 0  # since compile: the number of the next epoch, which shuffling depends on
        self._flag = threading.Lock()
        self._owner: int | None = None

    # ---- what it is ----

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """The width of the input and of every dense layer."""
        return descriptions.sizes(self.plan.n_in, self.layers)

    @property
    def num_parameters(self) -> int:
        """How many weights and biases there are."""
        return sum(int(np.prod(shape)) for shape in self._shapes().values())

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.plan.dtype

    @property
    def isa(self) -> str:
        """The instruction set that runs."""
        return self.plan.isa

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return descriptions.parameter_shapes(self.plan.n_in, self.layers)

    def __repr__(self) -> str:
        words = []
        for layer in self.layers:
            if isinstance(layer, descriptions.Dense) and layer.initializer == initializers.DEFAULT:
                layer = descriptions.Dense(layer.units, layer.activation, use_bias=layer.use_bias)
            words.append(repr(layer))
        inside = ", ".join([str(self.plan.n_in), *words])
        return f"{type(self).__name__}([{inside}], dtype={self.dtype.name!r}, seed={self.seed})"

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print a table of the layers, their output shapes and their numbers of parameters.

        Parameters
        ----------
        print_fn : callable
            Takes one line at a time.

        Examples
        --------
        >>> from fastmlp import Network
        >>> Network([784, 100, 10], activation="sigmoid", output="softmax").summary()
        Layer           Output shape  Parameters
        ----------------------------------------
        input           (rows, 784)            0
        dense, sigmoid  (rows, 100)        78500
        dense, softmax  (rows, 10)          1010
        ----------------------------------------
        Total                              79510
        """
        for line in descriptions.table(self.plan.n_in, self.layers):
            print_fn(line)

    # ---- training ----

    @contextmanager
    def _busy(self, *, inside: bool = False) -> Iterator[None]:
        """Holds the flag of those who change the network; `inside`: callbacks of the holder's may pass."""
        if inside and self._owner == threading.get_ident():
            yield
            return
        if not self._flag.acquire(blocking=False):
            raise BusyError("the network is being changed by another call, expected it to end first")
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = None
            self._flag.release()

    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: Loss | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> None:
        """Choose how to train; the optimizer's state and the count of epochs begin anew, the weights stay.

        Parameters
        ----------
        optimizer : str or Optimizer
            A name, with its defaults, or an object of `fastmlp.optimizers`.
        loss : str, (str, float) or callable, optional
            None takes the one that fits the output activation: categorical cross-entropy for softmax (sparse
            if the targets are class indices), binary_crossentropy for sigmoid, poisson for exp, mse for the
            rest. A callable has the form ``loss(y_true, y_pred) -> (mean value, gradient with respect to
            y_pred)``.
        metrics : iterable of str or callable, optional
            None is ["accuracy"] for cross-entropy losses and nothing for others.

        Raises
        ------
        ValueError
            If a name is unknown, the loss needs another output activation, or a layer cannot be trained.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([4, 8, 3], output="softmax", seed=0)
        >>> net.compile("adam", metrics=["accuracy"])
        """
        chosen = optimizers.resolve(optimizer)
        output = self.plan.layers[-1][1]
        for _, activation, *_ in self.plan.layers:
            if activation == "step":
                raise ValueError("activation 'step' has derivative 0, so a network with it cannot be trained")
        parameter = 0.0
        name: str | None = None
        if loss is None:
            name, parameter = registry.resolve_loss(registry.fitting_loss(output, labels=True))
        elif not callable(loss):
            loss, parameter = registry.resolve_loss(loss)
            registry.check_loss_fits(loss, output)
            name = loss
        if metrics is None:
            metrics = ["accuracy"] if name in registry.CLASS_LOSSES else []
        checked = training.check_metrics(metrics)
        with self._busy():
            self.plan.compile(name, parameter, chosen.name, chosen.hyperparameters())
            self.optimizer, self.loss, self.loss_parameter, self.metrics = chosen, loss, parameter, checked
            self._epochs_done = 0

    def _resolve_loss(self, y: object) -> Any:
        """The loss that fits the targets, a name or a callable; the plan is made ready for it."""
        if self.optimizer is None:
            raise NotCompiledError("the network is not compiled, expected a call of compile() first")
        if self.loss is not None:
            return self.loss
        shape = validation.numeric(y, "y").shape
        name = registry.fitting_loss(self.plan.layers[-1][1], labels=len(shape) == 1 or shape[1:] == (1,))
        if name != self.plan.loss:
            with self._busy(inside=True):
                state = self.plan.get_state()
                self.plan.compile(
                    name, self.loss_parameter, self.optimizer.name, self.optimizer.hyperparameters()
                )
                self.plan.set_state(state)
        return name

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int | None = 32,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        callbacks: Iterable[Callback] = (),
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        shuffle: bool = True,
        verbose: bool | int | str = "auto",
        threads: int | None = None,
    ) -> History:
        """Train for a number of epochs.

        A second call goes on where the first ended: two calls of 5 epochs give the bits of one of 10.

        Parameters
        ----------
        X : array-like of shape (rows, n_in)
            Floats, integers, bool, a list, a data frame, a tensor in main memory or anything that exports its
            memory by DLPack or `__array_interface__`; finite.  uint8 is read as it is.
        y : array-like
            Class indices of shape (rows,), or one row of n_out numbers for each row of X.  (rows,) and (rows,
            1) are the same where n_out is 1.
        epochs : int
            How often all rows are used, at least 1.
        batch_size : int or None
            Rows of a step; the last batch may be shorter.  None is all rows: full-batch gradient descent.
        validation_split : float
            0 <= share < 1 of the rows, the last ones, that are held out.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Held-out rows of their own.
        callbacks : iterable of Callback
            See `fastmlp.callbacks`.
        sample_weight : array-like of shape (rows,), optional
            Factors of the rows' losses, 0 or more; the loss is their weighted sum over the number of rows.
        class_weight : mapping, optional
            Class index to factor; multiplies with `sample_weight`.
        shuffle : bool
            Whether each epoch has its own order, which follows from the seed.
        verbose : "auto", bool or int
            "auto" shows progress on long fits in a terminal; True always, False never.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        History
            ``history.history`` has a list for the loss and each metric, ``history.epoch`` the epochs'
            numbers.

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite; the weights are the last finite ones, or those that a callback
            restores.
        NotCompiledError
            Before `compile`.
        ValueError, TypeError
            If an argument does not fit; nothing is changed.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
        >>> net = Network([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
        >>> net.compile("adam")
        >>> history = net.fit(X, y, epochs=3, batch_size=None)
        >>> history.epoch
        [0, 1, 2]
        """
        return training.fit(
            self,
            X,
            y,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=validation_split,
            validation_data=validation_data,
            callbacks=callbacks,
            sample_weight=sample_weight,
            class_weight=class_weight,
            shuffle=shuffle,
            verbose=verbose,
            threads=threads,
        )

    def train_on_batch(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """One step of the optimizer on all rows of X.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        dict
            "loss" and the metrics, as they were before the step.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1], seed=0)
        >>> net.compile("sgd")
        >>> sorted(net.train_on_batch([[1.0, 2.0]], [0.5]))
        ['loss']
        """
        return training.train_on_batch(self, X, y, sample_weight)

    def evaluate(
        self, X: Any, y: Any, sample_weight: Any = None, *, threads: int | None = None
    ) -> dict[str, float]:
        """The loss and the metrics on given rows, without dropout.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        dict
            "loss" and the metrics.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 3], output="softmax", seed=0)
        >>> net.compile()
        >>> sorted(net.evaluate([[1.0, 2.0]], [1]))
        ['accuracy', 'loss']
        """
        return training.evaluate(self, X, y, sample_weight, threads=threads)

    # ---- prediction, and looking inside ----

    def _predict(self, X: Any, out: Array | None, threads: int | None) -> Array:
        """What `predict` does with anything but a ready array: converts it, or says what is wrong with it."""
        if type(X) is not np.ndarray:  # what a tensor exports may be ready as it lies
            return super().predict(validation.numeric(X, "X"), out, threads)
        inputs = validation.as_inputs(X, self.plan.n_in, self.plan.dtype, single=True)
        if out is not None:
            validation.as_out(out, (*inputs.shape[:-1], self.plan.n_out), self.plan.dtype, X)
        return self.plan.predict(inputs, out, validation.as_threads(threads))

    def predict_classes(self, X: Any, *, threads: int | None = None) -> Array:
        """The class of every row: the strongest output, or whether a single sigmoid output is above 0.5.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
            As in `fit`.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        ndarray of int64, shape (rows,), or () for one row of shape (n_in,)

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 2], output="softmax", seed=0)
        >>> net.set_weights([[[1, 0], [0, 1]], [0, 0]])
        >>> net.predict_classes([[3, 1], [1, 3]])
        array([0, 1])
        """
        predictions = self.predict(X, None, threads)
        if self.plan.n_out > 1:
            return np.asarray(predictions.argmax(axis=-1))
        if self.plan.layers[-1][1] != "sigmoid":
            given = self.plan.layers[-1][1]
            raise ValueError(
                f"the one output has activation {given!r}, predict_classes expects 'sigmoid' there"
            )
        return np.asarray(predictions[..., 0] > 0.5).astype(np.int64)

    def forward(self, X: Any) -> list[Array]:
        """Every layer's activations, to look inside; without dropout.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
            As in `fit`.

        Returns
        -------
        list of ndarray
            One of shape (rows, units) for each dense or normalisation layer; the last is what `predict`
            returns.

        Examples
        --------
        >>> from fastmlp import Network
        >>> [a.shape for a in Network([2, 8, 3], seed=0).forward([[1.0, 2.0]])]
        [(1, 8), (1, 3)]
        """
        return list(self.plan.forward(validation.as_inputs(X, self.plan.n_in, self.plan.dtype, single=True)))

    def gradients(
        self, X: Any, y: Any, sample_weight: Any = None, *, input_gradient: bool = False
    ) -> tuple[Any, ...]:
        """The loss and its gradients with respect to the parameters; without dropout, penalties and clipping.

        Batch normalisation has its moving statistics here, as in `predict`.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        input_gradient : bool
            Whether the gradient with respect to X is wanted too.

        Returns
        -------
        loss : float
        gradients : list of (dW, db)
            Of each dense layer, db None where there is no bias; (dgamma, dbeta) of a normalisation.
        dX : ndarray of shape (rows, n_in)
            Only on request.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1], dtype="float64", initializer="zeros")
        >>> net.compile()
        >>> net.gradients([[1.0, 2.0]], [1.0])
        (1.0, [(array([[-2.],
               [-4.]]), array([-2.]))])
        """
        loss = self._resolve_loss(y)
        inputs = validation.as_inputs(X, self.plan.n_in, self.plan.dtype)
        targets = validation.as_targets(y, loss, self.plan.n_out, self.plan.dtype, len(inputs))
        weights = validation.as_sample_weight(sample_weight, len(inputs), self.plan.dtype)
        if isinstance(loss, str):
            value, flat, dX = self.plan.gradients(inputs, targets, weights, input_gradient=input_gradient)
        else:
            value, output_gradient = training.python_loss(loss, targets, self.plan.predict(inputs), weights)
            flat, dX = self.plan.backward(inputs, output_gradient)
        pairs = self._paired(flat)
        return (value, pairs, dX) if input_gradient else (value, pairs)

    # ---- parameters ----

    def _paired(self, flat: Sequence[Array]) -> list[tuple[Array, Array | None]]:
        """[(W, b or None), ...] from a flat list, (gamma, beta) of a normalisation."""
        arrays = iter(flat)
        pairs: list[tuple[Array, Array | None]] = []
        for layer, width in descriptions.layers_with_parameters(self.plan.n_in, self.layers):
            first, *rest = [next(arrays) for _ in descriptions.own_shapes(layer, width)]
            pairs.append((first, rest[0] if rest else None))
        return pairs

    def _dense_pairs(self) -> list[tuple[Array, Array | None]]:
        return [pair for pair in self._paired(self.plan.get_weights()) if pair[0].ndim == 2]

    @property
    def weights(self) -> tuple[Array, ...]:
        """Read-only copies of every dense layer's W, shape (n_in, n_out)."""
        return tuple(_read_only(W) for W, _ in self._dense_pairs())

    @property
    def biases(self) -> tuple[Array | None, ...]:
        """Read-only copies of every dense layer's b, shape (n_out,), or None where there is none."""
        return tuple(None if b is None else _read_only(b) for _, b in self._dense_pairs())

    def get_weights(self) -> list[Array]:
        """Copies of the parameters as a flat list, [W1, b1, W2, ...]; no b in a layer without a bias.

        `LayerNormalization` has gamma and beta there, `BatchNormalization` gamma, beta, and the moving mean
        and variance.

        >>> from fastmlp import Network
        >>> [array.shape for array in Network([4, 3, 1]).get_weights()]
        [(4, 3), (3,), (3, 1), (1,)]
        """
        return list(self.plan.get_weights())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the parameters by those of a list shaped like `get_weights`; all or none.

        >>> from fastmlp import Network
        >>> net = Network([2, 1])
        >>> net.set_weights([[[1.0], [2.0]], [0.5]])
        >>> net.predict([1.0, 1.0])
        array([3.5], dtype=float32)
        """
        shapes = self._shapes()
        arrays = validation.as_weights(weights, list(shapes), list(shapes.values()), self.plan.dtype)
        with self._busy(inside=True):
            self.plan.set_weights(arrays)

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters by name: "layers.0.W", "layers.0.b", "layers.1.W", ...

        >>> from fastmlp import Network
        >>> list(Network([4, 1]).state_dict())
        ['layers.0.W', 'layers.0.b']
        """
        return dict(zip(self._shapes(), self.plan.get_weights(), strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the parameters by those of a mapping like `state_dict`; all or none.

        >>> from fastmlp import Network
        >>> net, other = Network([4, 1], seed=0), Network([4, 1], seed=1)
        >>> net.load_state_dict(other.state_dict())
        """
        names = list(self._shapes())
        if not isinstance(state, Mapping):
            raise TypeError(f"state is a {type(state).__name__}, expected a mapping of names to arrays")
        for name in names:
            if name not in state:
                raise ValueError(f"state lacks {name!r}, expected {', '.join(names)}")
        for name in state:
            if name not in names:
                raise ValueError(f"state holds {name!r}, expected only {', '.join(names)}")
        self.set_weights([state[name] for name in names])

    # ---- files, pickles, copies ----

    def folded(self) -> Network:
        """A network without `BatchNormalization` that predicts the same to rounding, not compiled.

        What one does to its input at prediction, x * scale + offset, goes into W and b of the dense layer
        before it, where nothing stands between, or else of the one after it; between two activations it
        becomes a dense layer of its own.

        Returns
        -------
        Network
            Its own copy of the weights, computed in float64.

        Examples
        --------
        >>> from fastmlp import Activation, BatchNormalization, Dense, Network
        >>> Network([4, Dense(8), BatchNormalization(), Activation("relu"), 2], seed=0).folded()
        Network([4, Dense(8, 'relu'), Dense(2, 'identity')], dtype='float32', seed=0)
        """
        from . import folding

        return folding.folded(self)

    def save(self, path: str | os.PathLike[str], *, include_optimizer: bool = False) -> None:
        """Write the network to a file; a crash leaves an older file of that name whole.

        Parameters
        ----------
        path : str or path
            Its suffix is the format: ".npz", a zip of NumPy arrays and a JSON header, or ".safetensors", with
            the header among its metadata.  Neither has a pickle inside.
        include_optimizer : bool
            Also write the optimizer's state, so that a resumed training ends with the same bits.

        Raises
        ------
        ValueError
            If the suffix is another one, or a loss or metric in Python would have to be saved with the
            optimizer.
        OSError
            If the file cannot be written; it names the file.

        Examples
        --------
        >>> import fastmlp, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "net.npz")
        ...     fastmlp.Network([4, 1], seed=0).save(path)
        ...     fastmlp.load(path).layer_sizes
        (4, 1)
        """
        serialization.save(self, path, include_optimizer=include_optimizer)

    def native(self) -> NativeNetwork:
        """The network as a C function and a handle, for loops without Python: ctypes, cffi, Numba.

        Returns
        -------
        NativeNetwork
            Keeps the network's memory alive, and follows its weights.  Cython and C extensions borrow the
            same from the Network itself: ``cimport fastmlp``, and the headers of `fastmlp.get_include`.

        Examples
        --------
        >>> from fastmlp import Network
        >>> native = Network([4, 8, 3], seed=0).native()
        >>> native.n_in, native.n_out, native.dtype
        (4, 3, dtype('float32'))
        """
        from . import native

        return native.of(self)

    def export_c(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        int8: bool = False,
        X: Any = None,
    ) -> None:
        """Write the network as one C99 file without dependencies, for programs and microcontrollers.

        The file defines ``void NAME_predict(const float *x, float *out)`` (double for float64) and
        ``NAME_predict_rows``.  With fused multiply-add it gives the bits of `predict`; its header comment
        says what it needs of ROM and RAM, how to compile it, and how accurate it is without.
        ``-DNAME_TEST`` adds a `main` that compares it with predictions of a few rows in Python.

        Parameters
        ----------
        path : str or path
            Its suffix is ".c".
        name : str, optional
            What every name in the file begins with, a C identifier; None takes the file's name.
        int8 : bool
            Store weights in 8 bits, with one scale an output: a quarter of the size of float32.  The error is
            measured and stands in the header comment.
        X : array-like of shape (rows, n_in), optional
            Rows to measure int8's error on, the first three of which become the test vector; None takes rows
            that are standard normal behind `Rescaling` or `Standardize`.

        Raises
        ------
        ValueError, TypeError
            If the suffix is another one, the name is no C identifier, or X does not fit.

        Examples
        --------
        >>> import os, tempfile
        >>> from fastmlp import Network
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.c")
        ...     Network([4, 8, 1], seed=0).export_c(path)
        ...     text = open(path).read()
        >>> "void model_predict(const float *restrict x, float *restrict out)" in text
        True
        """
        from . import export_c

        export_c.export(self, path, name=name, int8=int8, X=X)

    def __reduce__(self) -> tuple[Any, ...]:
        attributes = {name: value for name, value in self.__dict__.items() if name not in ("_flag", "_owner")}
        description = (self.plan.n_in, self.layers, self.dtype.name, self.seed, self._isa)
        compiled = None
        with self._busy(inside=True):
            if self.optimizer is not None:
                chosen = (self.optimizer.name, self.optimizer.hyperparameters())
                compiled = (self.plan.loss, self.loss_parameter, *chosen, self.plan.get_state())
            return _restored, (type(self), description, self.plan.get_weights(), compiled), attributes

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        vars(self).update(attributes)


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _restored(
    cls: type[Network],
    description: tuple[int, tuple[Layer, ...], str, int, str | None],
    weights: list[Array],
    compiled: tuple[Any, ...] | None,
) -> Network:
    """A network from its parts; an instruction set that this machine lacks gives way to the default one."""
    n_in, layers, dtype, seed, isa = description
    net = cls.__new__(cls)
    runnable = registry.isas()["runnable"]
    net._build(n_in, layers, np.dtype(dtype), seed, isa if isa in runnable else None)
    net.plan.set_weights(weights)
    if compiled is not None:
        *arguments, state = compiled
        net.plan.compile(*arguments)
        net.plan.set_state(state)
    return net
