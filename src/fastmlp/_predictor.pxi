# Included by _kernels.pyx: what Network inherits.

cdef class Predictor:
    """What Network inherits: predictions of ready arrays without a line of Python."""
    cdef readonly Plan plan

    def __init__(self, Plan plan not None):
        self.plan = plan

    def predict(self, X, out=None, threads=None, *, dropout=False, seed=None, batch_size=None, verbose=None):
        """The network's answer to every row.

        Parameters
        ----------
        X : array-like of shape (rows, n_in) or (n_in,)
            Finite numbers.  Arrays of float32, float64 or uint8 with contiguous rows are read as they lie; the
            shortest way is an array of the network's dtype.
        out : ndarray, optional
            Takes the predictions: of the network's dtype, C-contiguous, writable, apart from X.
        threads : int, optional
            At most this many threads; None leaves it to `fastmlp.set_num_threads`.  Short work uses one.
        dropout : bool
            Whether units are dropped as in training, each row's its own; `BatchNormalization` keeps its moving
            statistics. Predictions with several seeds are samples whose spread says how unsure the network is:
            Monte Carlo dropout (Gal and Ghahramani, arXiv:1506.02142).
        seed : int or numpy.random.Generator, optional
            Of that dropout, 0 <= seed < 2**64; None takes one from the operating system. What a row drops follows
            from the seed and the row's place in X alone.
        batch_size, verbose : optional
            Keras' arguments, which change nothing here: all rows go in one call, and nothing is shown.

        Returns
        -------
        ndarray of shape (rows, n_out), or (n_out,) for one row
            `out`, where it is given.  A row's bits do not depend on the rows beside it, nor on threads.

        Raises
        ------
        ValueError, TypeError
            If X or out do not fit, or a seed comes without dropout.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> net = Network([2, 1], initializer="zeros")
        >>> net.predict(np.array([[1.0, 2.0], [3.0, 4.0]])).shape
        (2, 1)
        >>> from fastmlp import Dense, Dropout
        >>> net = Network([2, Dense(64, "relu"), Dropout(0.2), 1], seed=0)
        >>> samples = np.stack([net.predict([[1.0, 2.0]], dropout=True, seed=s) for s in range(100)])
        >>> mean, deviation = samples.mean(axis=0), samples.std(axis=0)
        """
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Plan plan = self.plan
        if batch_size is not None and index(batch_size) < 1:
            raise ValueError(f"batch_size is {batch_size}, expected an integer of at least 1")
        if dropout is not False or seed is not None:
            return self._predict_dropped(X, out, threads, dropout, seed)
        if plan is not None and cnp.PyArray_CheckExact(X) and rows_of(X, &plan.c_plan, &rows, &count):
            if threads is None or (type(threads) is int and 0 < threads < 65536):
                result = run_predict(&plan.c_plan, X, &rows, count, out, 0 if threads is None else threads)
                if result is not None:
                    return result
        return self._predict(X, out, threads)

    def __call__(self, X, training=False):
        """Predictions for every row of X; in training those that `backward` goes back from.

        Parameters
        ----------
        X : array-like of shape (rows, n_in), or without training (n_in,)
            As in `fit`.
        training : bool
            False is predict(X).  True is the forward pass of a training step: dropout is on, with other units
            than in the pass before, and `BatchNormalization` takes the statistics of the batch.

        Returns
        -------
        ndarray of shape (rows, n_out), or (n_out,) for one row

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> net([[1.0, 2.0]], training=True).shape
        (1, 1)
        """
        if training is False:
            return self.predict(X)
        return self._call(X, training)
