"""`Network`: a multi-layer perceptron's description, its parameters and everything one does with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from . import config, labels, loops, notebook, starts, validation
from .errors import listed, tells_options
from .export.native import NativeNetwork
from .files import format as files
from .initializers import Initializer
from .layers import ActivationName, Layer, Scale, chain
from .layers.lowering import nodes_of
from .losses import Loss
from .model import Array, Model, restored
from .training import data, fit, scoring, sparse, start, step
from .training.callbacks.base import Callback
from .training.callbacks.history import History


class Network(Model):
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
    matmul_precision : {"highest", "high", "medium"}, optional
        Of the matrix products of dense layers with at least 64 inputs and 64 outputs, in prediction and in
        training.  "highest" is float32; "high" takes three products of bfloat16 for each, with errors of
        about 1e-5 of a product, "medium" one, with errors of 4e-3.  Processors with a unit for them are
        faster so, others slower; the bits are the same.  Sums, weights and all else are float32.  None is
        what `fastmlp.set_matmul_precision` was told.

    Attributes
    ----------
    layers : tuple
        The layers, each `Dense` with its activation and initializer filled in.
    seed : int
    plan : Plan
        The compiled network; see `fastmlp.reference.Plan` for its readable twin.
    optimizer, loss, metrics
        As given to `compile`.
    classes : ndarray or None
        The labels of the classes, where targets are not indices.
    report : QuantizationReport or None
        What `quantized` measured of the network that it made: str() says it.

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

    @tells_options
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
        matmul_precision: str | None = None,
    ) -> None:
        n_in, resolved = chain.resolve(layers, activation, output, initializer)
        kind = validation.as_dtype(dtype)
        precision = config.precision_of(kind, matmul_precision)
        self._build(n_in, resolved, kind, validation.as_seed(seed), isa)
        starts.begin(self.plan, nodes_of(n_in, self.layers), self.seed)
        if precision != "highest":
            self.matmul_precision = precision

    def __repr__(self) -> str:
        inside = ", ".join([str(self.plan.n_in), *(repr(layer.shown()) for layer in self.layers)])
        said = f"dtype={self.dtype.name!r}, seed={self.seed}"
        if self.matmul_precision != "highest":
            said += f", matmul_precision={self.matmul_precision!r}"
        return f"{type(self).__name__}([{inside}], {said})"

    def _repr_html_(self) -> str:
        title = f"{type(self).__name__}, {self.dtype.name}, seed {self.seed}"
        if self.matmul_precision != "highest":
            title += f", matmul_precision {self.matmul_precision}"
        return notebook.of_layers(title, chain.rows(self.plan.n_in, self.layers))

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
        print_fn = validation.as_function(print_fn, "print_fn")
        for line in chain.table(self.plan.n_in, self.layers):
            print_fn(line)
        if self.matmul_precision != "highest":
            print_fn(f"matmul_precision {self.matmul_precision}")

    # ---- training ----

    def adapt(self, X: Any) -> None:
        """Let the dense layers begin by rows: every value before an activation has variance 1 on them.

        Layer by layer each column of W is divided by the standard deviation of z = x @ W, x what the layer
        takes in of X without dropout, and b becomes minus a mean of z over five random rows with random
        weights, which places the kinks of relu among the rows.  Columns of z without any spread stay, and so
        do layers that are not trained.  Random numbers follow from the seed.

        Parameters
        ----------
        X : array-like of shape (rows, n_in)
            As in `fit`, such as the rows to train on; of more than 4096 so many are chosen at random.

        Raises
        ------
        ValueError, TypeError
            If X does not fit; nothing is changed.

        References
        ----------
        D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted
        trees on tabular data", 2024, arXiv:2407.04491, of RealMLP; the variances as in Mishkin and Matas,
        "All you need is a good init", 2016, arXiv:1511.06422.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> X = np.random.default_rng(0).uniform(100, 900, (500, 3))
        >>> net = Network([3, 32, 1], seed=0)
        >>> net.adapt(X)
        >>> (X @ net.weights[0]).std(axis=0).round(3)[:4]
        array([1., 1., 1., 1.])
        """
        start.adapt(self, X)

    @tells_options
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int | None = 32,
        validation_split: float = 0.0,
        validation_data: Any = None,
        callbacks: Iterable[Callback] = (),
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        shuffle: bool = True,
        verbose: bool | int | str = "auto",
        threads: int | None = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        resume: bool = False,
        initial_epoch: int = 0,
        comm: Any = None,
        shards: int | None = None,
    ) -> History:
        """Train for a number of epochs.

        A second call goes on where the first ended: two calls of 5 epochs give the bits of one of 10.  With
        `resume` one that was stopped within an epoch goes on at its next batch.

        Parameters
        ----------
        X : array-like of shape (rows, n_in), or iterable of batches
            Floats, integers, bool, a list, a data frame, a tensor in main memory or anything that exports its
            memory by DLPack or `__array_interface__`; finite.  uint8 is read as it is.  Sparse matrices of
            SciPy, here and in `evaluate` and `predict`, are made dense some batches at a time.
            Without y: batches (X, y) or (X, y, sample_weight), of a generator, a list, a `DataLoader` of
            PyTorch or any other iterable, each one step, in the order in which they come (see Notes).
            With the name of a column as y: a table, or tables larger than memory, of a `ParquetFile`, a data
            set or a `RecordBatchReader` of Arrow, a data frame of Dask, or any iterable of tables of Arrow,
            pandas or polars; their other columns are X, and `batch_size` rows in their order are a step.
            Of Dask's arrays and data frames, with y likewise or as an array, one partition after another is
            computed, ahead of the training; `batch_size` rows in their order are a step.
        y : array-like or str, optional
            Classes of shape (rows,): indices, or words, booleans or any whole numbers, which `classes` then
            lists in their order; or one row of n_out numbers for each row of X.  (rows,) and (rows, 1) are
            the same where n_out is 1.  With `Heads` a mapping of their names to targets, or a list of arrays.
        epochs : int
            How often all rows are used, at least 1.
        batch_size : int or None
            Rows of a step; the last batch may be shorter.  None is all rows: full-batch gradient descent.
            Batches that come as such stay as they are.
        validation_split : float
            0 <= share < 1 of the rows, the last ones, that are held out.
        validation_data : (X, y), (X, y, sample_weight) or iterable of batches, optional
            Held-out rows of their own; a tuple or a list is one of the first two, or tables and the name y.
        callbacks : iterable of Callback
            See `fastmlp.callbacks`.
        sample_weight : array-like of shape (rows,), optional
            Factors of the rows' losses, 0 or more; the loss is their weighted sum over the number of rows,
            and metrics are weighted means.
        class_weight : mapping or "balanced", optional
            Class to factor, by its label or, where there are none, its index; multiplies with
            `sample_weight`.  "balanced" is rows / (classes * rows of the class), as in scikit-learn.
        shuffle : bool
            Whether each epoch has its own order, which follows from the seed.
        verbose : "auto", bool or int
            "auto" shows progress on long fits in a terminal, and in a notebook the last epoch, of long fits
            with a bar and a curve that grows; True shows every epoch, False none.
        threads : int, optional
            At most this many threads.
        steps_per_epoch : int, optional
            Batches of an epoch, which goes on where the last one ended; an iterable other than an iterator
            begins anew when it ends.  None: an epoch is one pass.  An endless generator needs it.
        validation_steps : int, optional
            Likewise of the held-out batches, of which an iterable other than an iterator begins anew in every
            epoch.
        resume : bool
            Whether `epochs` counts those that the network has done since compile, too, and the first of the
            rest is the one within which the last fit stopped, by Ctrl-C, an error or `stop_training`, or in
            which a file was saved with its optimizer.  With the same data and arguments the network ends with
            the bits of a fit that was never stopped (see Notes).  Without it such an epoch begins anew.
        initial_epoch : int
            The number of the first epoch, 0 to `epochs`, of which so many fewer are trained: a name for
            callbacks and the history, as in Keras.
        comm : mpi4py.MPI.Comm, optional
            The communicator of processes that train this network together, each on rows of its own: X, y and
            `sample_weight` are those of this rank, all else is the same on each, and so are the weights in
            the end (see the guide "Clusters").
        shards : int, optional
            Parts that the rows of all ranks are divided in, as `numpy.array_split` cuts them; at most the
            number of rows.  A batch takes its share of each part, in the part's own order, and the parts'
            gradients are added in their order: so the bits follow from this number, however many ranks and
            threads carry the parts.  None is the number of ranks, or without `comm` one whole.

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
            If an argument does not fit; nothing is changed, but for the steps of the batches before one that
            does not fit.

        Warns
        -----
        RuntimeWarning
            If there are fewer batches than epochs need: training ends with those that there are.

        Notes
        -----
        Batches train to the bits of an unshuffled fit on the same rows in the same batches.  A thread of its
        own makes the next two while one trains, so that the iterable works at the same time; its errors are
        raised as they are.  After an epoch it has been asked for no more batches than were trained; what
        was made ahead is lost where Ctrl-C or an error ends an epoch.  Metrics other than the loss and a
        counted accuracy are of predictions made before each step.  Labels that are not indices are learned
        from the first batch, or else `classes` has to have them.

        A script that may be killed at any time, and goes on when it is started again::

            net = fastmlp.load("run.npz") if os.path.exists("run.npz") else new_network()
            every = datetime.timedelta(minutes=5)
            checkpoint = ModelCheckpoint("run.npz", save_freq=every, include_optimizer=True)
            net.fit(X, y, epochs=100, callbacks=[checkpoint], resume=True)

        Weights, the optimizer's state, steps of schedules, the order of rows, dropout, the epoch's sums so
        far and a learning rate that a callback has set are in the file; what callbacks have seen is not.
        The history has the epochs from the one on that was stopped, with their numbers.  The rows have to be
        as many as they were, in batches of the same size; nobody looks whether they are the same.

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

        Batches, from an endless generator:

        >>> def batches(rng):
        ...     while True:
        ...         X = rng.integers(0, 2, (16, 2))
        ...         yield X, X[:, 0] ^ X[:, 1]
        >>> history = net.fit(batches(np.random.default_rng(0)), epochs=2, steps_per_epoch=10)
        """
        return fit.fit(
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
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            resume=resume,
            initial_epoch=initial_epoch,
            comm=comm,
            shards=shards,
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
        return step.train_on_batch(self, X, y, sample_weight)

    @tells_options
    def evaluate(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        threads: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        verbose: object = None,
    ) -> dict[str, float]:
        """The loss and the metrics on given rows, without dropout.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`: arrays, also Dask's, tables with the name of a column as y, or without y an iterable
            of batches.
        threads : int, optional
            At most this many threads.
        steps : int, optional
            How many of the batches are taken; None takes all.
        batch_size, verbose : optional
            Keras' arguments, which change nothing here.

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
        if batch_size is not None:
            validation.integer(batch_size, "batch_size", 1)
        return data.evaluate(self, X, y, sample_weight, steps=steps, threads=threads)

    # ---- loops of one's own ----

    def _call(self, X: Any, training: Any) -> Array:
        """What a call does with anything but training=False."""
        if not validation.boolean(training, "training"):
            return self.predict(X)
        return loops.forward(self, X)

    def backward(self, dY: Any, *, inputs: bool = False, parameters: bool = True) -> Array | None:
        """Go back through the last net(X, training=True), and add to the gradient.

        Parameters
        ----------
        dY : array-like of shape (rows, n_out)
            The gradient of a loss with respect to the predictions; finite.
        inputs : bool
            Whether the gradient with respect to X is wanted.
        parameters : bool
            Whether `gradient` grows by that of the parameters.  What is left out costs nothing.

        Returns
        -------
        ndarray of shape (rows, n_in), or None without `inputs`

        Raises
        ------
        RuntimeError
            Without a forward pass before, or where the network was changed in between.
        ValueError, TypeError
            If dY does not fit; nothing is changed.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1], initializer="zeros")
        >>> Y = net([[1.0, 2.0]], training=True)
        >>> net.backward([[1.0]], inputs=True)
        array([[0., 0.]], dtype=float32)
        >>> net.gradient[0].ravel(), net.gradient[1]
        (array([1., 2.], dtype=float32), array([1.], dtype=float32))
        """
        return loops.backward(self, dY, inputs=inputs, parameters=parameters)

    @property
    def gradient(self) -> list[Array]:
        """What `backward` has added up, copies shaped like `get_weights`; a list like it may be set.

        It is zero where nothing is trained: in frozen layers and moving statistics.
        """
        return self.plan.get_gradient()

    @gradient.setter
    def gradient(self, gradient: Any) -> None:
        loops.set_gradient(self, gradient)

    def zero_gradient(self) -> None:
        """Make the gradient zero; `fit`, `train_on_batch` and `compile` do so too.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1])
        >>> net.gradient = [[[3.0], [4.0]], [1.0]]
        >>> net.zero_gradient()
        >>> net.gradient[1]
        array([0.], dtype=float32)
        """
        self.plan.zero_gradient()

    def step(self) -> None:
        """One step of the compiled optimizer by the gradient, which stays until `zero_gradient`.

        The same bits as a step of `fit`, penalties, clipping and schedules included.  `BatchNormalization`
        takes the statistics of the last net(X, training=True) into its moving ones; of those before it in the
        step, each whose gradient was added up has given them when the next one began.

        Raises
        ------
        FloatingPointError
            If it leads to weights that are not finite; nothing is changed.
        RuntimeError
            If the gradient is zero as `zero_gradient` made it.
        NotCompiledError
            Before `compile`.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1], initializer="zeros")
        >>> net.compile("sgd")
        >>> dY = net([[1.0, 2.0]], training=True) - 0.5                # of (Y - 0.5)^2 / 2
        >>> net.backward(dY)
        >>> net.step()
        >>> net.biases[0]
        array([0.005], dtype=float32)
        """
        loops.step(self)

    def blend(self, other: Network, tau: float) -> None:
        """All arrays become (1 - tau) times themselves plus tau times another network's (Polyak averaging).

        Parameters
        ----------
        other : Network
            With the same layers and dtype.
        tau : float
            0 to 1, which copies.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net, target = Network([2, 1], seed=0), Network([2, 1], seed=1)
        >>> target.blend(net, 1.0)
        >>> bool((target.weights[0] == net.weights[0]).all())
        True
        """
        loops.blend(self, other, tau)

    # ---- prediction, and looking inside ----

    def _predict(self, X: Any, out: Array | None, threads: int | None) -> Array:
        """What `predict` does with anything but a ready array: converts it, or says what is wrong with it."""
        if validation.is_sparse(X):
            return self._predict_sparse(X, out, threads)
        if type(X) is not np.ndarray:  # what a tensor exports may be ready as it lies
            return super().predict(validation.numeric(X, "X"), out, threads)
        inputs = validation.as_inputs(X, self.plan.n_in, self.plan.dtype, single=True)
        if out is not None:
            validation.as_out(out, (*inputs.shape[:-1], self.plan.n_out), self.plan.dtype, X)
        return self.plan.predict(inputs, out, validation.as_threads(threads))

    def _predict_sparse(self, X: Any, out: Array | None, threads: int | None) -> Array:
        """What `predict` does with a sparse matrix: a chunk of rows is dense at a time."""
        csr = sparse.as_csr(X, self.plan.n_in, self.plan.dtype, "X")
        if out is not None:
            validation.as_out(out, (csr.shape[0], self.plan.n_out), self.plan.dtype, X)
        predictions = scoring.predicted(self, csr, validation.as_threads(threads))
        if out is None:
            return predictions
        out[...] = predictions
        return out

    def _predict_dropped(self, X: Any, out: Array | None, threads: Any, dropout: Any, seed: Any) -> Array:
        """What `predict` does where dropout or a seed is given."""
        if not validation.boolean(dropout, "dropout"):
            if seed is None:
                return self.predict(X, out, threads)
            raise ValueError("seed came without dropout=True, expected both or none of them")
        threads = validation.as_threads(threads)
        inputs = validation.as_inputs(X, self.plan.n_in, self.plan.dtype, single=True)
        if out is not None:
            validation.as_out(out, (*inputs.shape[:-1], self.plan.n_out), self.plan.dtype, X)
        predictions = self.plan.predict_dropped(inputs, seed=validation.as_seed(seed), threads=threads)
        if out is None:
            return predictions
        out[...] = predictions
        return out

    def predict_classes(self, X: Any, *, threads: int | None = None) -> Any:
        """The class of every row: the strongest output, or whether a single one says yes.

        A single sigmoid output says yes above 0.5, one that was compiled with a hinge loss above 0.  Labels,
        where `classes` has them, else indices.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
            As in `fit`.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        ndarray of shape (rows,), or () for one row of shape (n_in,)
            int64, or the dtype of `classes`.  With `Heads` a dict of them, of the heads that are softmax or
            sigmoid or have a loss of classes.

        Raises
        ------
        ValueError
            If the output, or every head, is neither.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 2], output="softmax", seed=0)
        >>> net.set_weights([[[1, 0], [0, 1]], [0, 0]])
        >>> net.predict_classes([[3, 1], [1, 3]])
        array([0, 1])
        >>> net.classes = ["no", "yes"]
        >>> net.predict_classes([[3, 1], [1, 3]])
        array(['no', 'yes'], dtype='<U3')

        >>> from fastmlp import Heads
        >>> net = Network([2, 4, Heads({"price": 1, "kind": (3, "softmax")})], initializer="zeros")
        >>> net.classes = {"kind": ["ant", "bee", "cat"]}
        >>> net.predict_classes([[1.0, 2.0]])
        {'kind': array(['ant'], dtype='<U3')}
        """
        loss = None if self._compiled is None else self._loss_of_plan(self._compiled.loss)
        if self.heads:
            known, found = self.classes or {}, self._of_heads("predict_classes", X, threads, loss)
            return {
                name: labels.strongest(own, loss and loss.of_head(name), known.get(name))
                for name, own in found.items()
            }
        activation = self.plan.layers[-1]["activation"]
        if self.plan.n_out == 1 and activation != "sigmoid" and not (loss and loss.classes):
            raise ValueError(
                f"the one output has activation {activation!r}, predict_classes expects 'sigmoid' there, "
                "or a loss of classes"
            )
        return labels.strongest(self.predict(X, None, threads), loss, self.classes)

    def _of_heads(self, name: str, X: Any, threads: int | None, loss: Loss | None = None) -> dict[str, Array]:
        """Predictions of the heads that have classes by their activation or their loss."""
        chosen = [
            head
            for head, _, activation, _ in self.layers[-1].output_heads()
            if activation in labels.PROBABILITIES or (loss is not None and loss.of_head(head).classes)
        ]
        if not chosen:
            expected = f"{name} expects one of softmax or sigmoid"
            raise ValueError(f"the heads {listed(self.heads)} have no classes, {expected}")
        predictions = self.predict_heads(X, threads=threads)
        return {head: predictions[head] for head in chosen}

    def predict_heads(self, X: Any, *, threads: int | None = None) -> dict[str, Array]:
        """What `predict` gives, by the names of the output's heads.

        Parameters
        ----------
        X, threads
            As in `predict`.

        Returns
        -------
        dict of ndarray
            Of each head, in their order, (rows, columns), or (columns,) for one row: views of one array.

        Raises
        ------
        ValueError
            If the network does not end with `Heads`.

        Examples
        --------
        >>> from fastmlp import Heads, Network
        >>> net = Network([2, 3, Heads({"price": 1, "kind": (2, "softmax")})], initializer="zeros")
        >>> net.predict_heads([1.0, 2.0])
        {'price': array([0.], dtype=float32), 'kind': array([0.5, 0.5], dtype=float32)}
        """
        if not self.heads:
            raise ValueError("the network has no heads, expected one that ends with fastmlp.Heads")
        predictions = self.predict(X, None, threads)
        return {name: predictions[..., columns] for name, columns in self.heads.items()}

    def predict_proba(self, X: Any, *, threads: int | None = None) -> Any:
        """The probability of every class, in the order of `classes`, or of every independent output.

        Parameters
        ----------
        X, threads
            As in `predict`.

        Returns
        -------
        ndarray of shape (rows, classes), or (classes,) for one row of shape (n_in,)
            What `predict` gives of softmax, or of several sigmoid outputs; of a single sigmoid output p both
            1 - p and p.  With `Heads` a dict of them, of the heads that are softmax or sigmoid.

        Raises
        ------
        ValueError
            If the output, or every head, is neither softmax, log_softmax nor sigmoid.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 1], output="sigmoid", initializer="zeros")
        >>> net.predict_proba([[1.0, 2.0]])
        array([[0.5, 0.5]], dtype=float32)
        """
        if self.heads:
            activations = {name: activation for name, _, activation, _ in self.layers[-1].output_heads()}
            found = self._of_heads("predict_proba", X, threads)
            return {name: labels.probabilities(own, activations[name]) for name, own in found.items()}
        activation = self.plan.layers[-1]["activation"]
        if activation not in labels.PROBABILITIES:
            expected = "predict_proba expects 'softmax' or 'sigmoid' there"
            raise ValueError(f"the output has activation {activation!r}, {expected}")
        return labels.probabilities(self.predict(X, None, threads), activation)

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
            returns.  With `Members` of shape (rows, members, units); `predict` returns the mean of the last.

        Examples
        --------
        >>> from fastmlp import Network
        >>> [a.shape for a in Network([2, 8, 3], seed=0).forward([[1.0, 2.0]])]
        [(1, 8), (1, 3)]
        """
        return list(self.plan.forward(validation.as_inputs(X, self.plan.n_in, self.plan.dtype, single=True)))

    def layer_output(self, X: Any, layer: int) -> Array:
        """What one of `layers` gives, as in `predict`.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
            As in `predict`.
        layer : int
            Place in ``net.layers``; below 0 it counts from the end.

        Returns
        -------
        ndarray of shape (rows, units) or (units,)

        Raises
        ------
        ValueError, TypeError
            If there is no such layer.

        Examples
        --------
        >>> from fastmlp import BatchNormalization, Dense, Network
        >>> net = Network([2, Dense(8, "relu"), BatchNormalization(), 3], seed=0)
        >>> net.layer_output([[1.0, 2.0]], 1).shape
        (1, 8)
        """
        count = len(self.layers)
        place = validation.integer(layer, "layer", -count, count - 1) % count
        first = self.layers[: place + 1]
        while len(first) > 1 and first[-1].drops() is not None:  # which does nothing here
            first = first[:-1]
        weights = self.get_weights()[: len(chain.parameter_shapes(chain.shapes(self.plan.n_in, first)))]
        if not nodes_of(self.plan.n_in, first):  # all of it goes into a node that comes after
            first, weights = (*first, Scale()), [np.ones(self.plan.n_in, self.dtype)]
        part = (self.plan.n_in, first, self.dtype.name, self.seed, self._isa, self.matmul_precision)
        return restored(Network, part, weights).predict(X)

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
        y, _ = self.as_indices(y)
        objective = self.objective_for(y)
        input_gradient = validation.boolean(input_gradient, "input_gradient")
        inputs = validation.as_inputs(X, self.plan.n_in, self.plan.dtype)
        targets = objective.loss.as_targets(y, self.plan.n_out, self.plan.dtype, len(inputs))
        weights = validation.as_sample_weight(sample_weight, len(inputs), self.plan.dtype)
        if objective.in_python:
            value, output_gradient = scoring.python_loss(
                objective.loss, targets, self.plan.predict(inputs), weights
            )
            dX: Array | None
            flat, dX = self.plan.backward(inputs, output_gradient)
        else:
            value, flat, dX = self.plan.gradients(
                inputs, targets, weights, input_gradient=input_gradient, loss=objective.named
            )
        pairs = self._paired(flat)
        return (value, pairs, dX) if input_gradient else (value, pairs)

    # ---- files, pickles, copies ----

    def folded(self) -> Network:
        """A network without `BatchNormalization` that predicts the same to rounding, not compiled.

        What one does to its input at prediction, x * scale + offset, goes into W and b of the dense layer
        before it, where nothing stands between, or else of the one after it; between two activations, or
        where an `Add` reads what would change, it becomes a dense layer of its own.

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
        from .export import folding

        return folding.folded(self)

    def quantized(self, storage: str, X: Any = None, y: Any = None) -> Network:
        """A copy for predictions alone whose `Dense` layers have their weights in few bits.

        All else stays float32.  A row's bits depend neither on the rows beside it, nor on threads or the
        instruction set.  The copy predicts, evaluates by what `compile` was told, saves, loads and is
        exported to C, with the same bits; it cannot be trained.

        Parameters
        ----------
        storage : {"int8", "bf16"}
            "int8": weights become integers of 8 bits, with a scale for each output, and the inputs of a layer
            likewise, with a scale for each row: a quarter of the memory.  Columns of X should be of a similar
            size, as `Standardize` makes them.  "bf16": weights become bfloat16, numbers with 8 bits of
            mantissa: half of the memory, and the bits of a network of float32 with these weights.
        X : array-like of shape (rows, n_in), optional
            Rows to measure the change on, which `report` then has.
        y : array-like, optional
            Their targets, for the loss and the metrics of a compiled network before and after.

        Returns
        -------
        Network

        Raises
        ------
        ValueError, TypeError
            If storage is another one, the dtype is float64, a layer has more than 131072 inputs, y comes
            without X or to a network that is not compiled, or X or y do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> X = np.random.default_rng(0).standard_normal((1000, 20))
        >>> net = Network([20, 128, 128, 3], output="softmax", seed=0)
        >>> small = net.quantized("int8", X)
        >>> small.report.largest < 0.05, small.report.same_class > 0.95
        (True, True)
        >>> small.layers[0]
        QuantizedDense(128, 'relu')
        """
        from .export import quantization

        return quantization.quantized(self, storage, X, y)

    def save(self, path: str | os.PathLike[str], *, include_optimizer: bool = False) -> None:
        """Write the network to a file; a crash leaves an older file of that name whole.

        Parameters
        ----------
        path : str or path
            Its suffix is the format: ".npz", a zip of NumPy arrays and a JSON header, or ".safetensors", with
            the header among its metadata.  Neither has a pickle inside.
        include_optimizer : bool
            Also write the optimizer's state and where a fit is, so that a resumed training ends with the same
            bits.

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
        files.save(self, path, include_optimizer=include_optimizer)

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
        from .export import native

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
            Write ``quantized("int8")``, with weights of 8 bits: a quarter of the size.  The error is measured
            and stands in the header comment.  Not of float64 networks.
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
        from .export import c

        c.export(self, path, name=name, int8=int8, X=X)

    def export_js(self, path: str | os.PathLike[str]) -> None:
        """Write the network as one JavaScript module without dependencies, for browsers and Node.

        The module exports ``predict(x)``, from an array of n_in numbers to a Float32Array (of float64, a
        Float64Array) of n_out, and ``steps``, the functions that predict applies one after another, with
        their weights.  Each operation is rounded as the network's dtype, sums are in the order of `predict`,
        and an activation is JavaScript's, rounded once: predictions differ from those in Python by rounding.

        Parameters
        ----------
        path : str or path
            Its suffix is ".js" or ".mjs".  Weights take 16 bytes for every 3 of float32.

        Raises
        ------
        ValueError, TypeError
            If the suffix is another one, or a layer has no equal in exported networks.

        Examples
        --------
        >>> import os, tempfile
        >>> from fastmlp import Network
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.js")
        ...     Network([4, 8, 1], seed=0).export_js(path)
        ...     text = open(path).read()
        >>> "export const predict" in text
        True
        """
        from .export import js

        js.export(self, path)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file written by `Network.save`.

    Parameters
    ----------
    path : str or path
        Its suffix is the format: ".npz" or ".safetensors".

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
    return files.load(path, Network)
