# Included by _kernels.pyx: every kernel as a function on arrays, and the random numbers.

cdef tuple flat_rows(Array x):
    """(rows, n) of an array seen as rows of its last axis."""
    n = x.shape[x.ndim - 1] if x.ndim else 1
    return (x.size // n if n else 0), n


def all_finite(Array x not None):
    """Whether no element of a float32 or float64 array is NaN or infinite."""
    cdef int number = find_isa(None), type = real_type(x), answer
    cdef Array array = plain(x)
    cdef const void *values = cnp.PyArray_DATA(array)
    cdef ptrdiff_t count = array.size
    with nogil:
        answer = c.fm_all_finite(c.fm_isa_table(number, type), type, values, count)
    return bool(answer)


def all_below(Array x not None, ptrdiff_t limit):
    """Whether all numbers of an int64 array are at least 0 and below a limit."""
    cdef Array array = ready(x, cnp.NPY_INT64, None, "x")
    cdef const int64_t *numbers = <const int64_t *>cnp.PyArray_DATA(array)
    cdef ptrdiff_t i, beyond = 0
    with nogil:
        for i in range(cnp.PyArray_SIZE(array)):
            beyond += numbers[i] < 0 or numbers[i] >= limit
    return not beyond


def elementary(name, x, isa=None):
    """exp, log, log1p, expm1, tanh, erf or sigmoid of every element, by the engine's own code."""
    cdef int number = find_isa(isa)
    cdef int function = position(ELEMENTARY, name, "name")
    cdef Array array = plain(x)
    cdef int type = real_type(array)
    cdef Array out = np.empty_like(array)
    cdef const void *source = cnp.PyArray_DATA(array)
    cdef void *memory = cnp.PyArray_DATA(out)
    cdef ptrdiff_t count = array.size
    with nogil:
        c.fm_elementary(c.fm_isa_table(number, type), type, function, memory, source, count)
    return out.reshape(np.shape(x))


def activation_forward(name, z, double parameter=0.0, isa=None):
    """activation(z), of any shape; a row activation works along the last axis."""
    cdef int number = find_isa(isa), activation = position(ACTIVATIONS, name, "activation")
    cdef Array array = plain(z)
    cdef int type = real_type(array)
    cdef Array a = np.empty_like(array)
    cdef ptrdiff_t rows, n
    rows, n = flat_rows(array)
    check(c.fm_activation_forward(c.fm_isa_table(number, type), type, activation, cnp.PyArray_DATA(a),
                                  cnp.PyArray_DATA(array), rows, n, parameter))
    return a.reshape(np.shape(z))


def activation_backward(name, da, saved, double parameter=0.0, isa=None):
    """da * derivative, from z or a as activation_names says; a row activation from a, along the last axis."""
    cdef int number = find_isa(isa), activation = position(ACTIVATIONS, name, "activation")
    cdef Array array = plain(da)
    cdef int type = real_type(array)
    cdef Array kept = ready(saved, numpy_type(type), (<object>array).shape, "saved")
    cdef Array dz = np.empty_like(array)
    cdef ptrdiff_t rows, n
    check_derivative(name, parameter)
    rows, n = flat_rows(array)
    check(c.fm_activation_backward(c.fm_isa_table(number, type), type, activation, cnp.PyArray_DATA(dz),
                                   cnp.PyArray_DATA(array), cnp.PyArray_DATA(kept), rows, n, parameter))
    return dz.reshape(np.shape(da))


cdef Plan layer_plan(W, b, activation, parameter, isa):
    """A plan of one dense layer."""
    w = np.asarray(W)
    if w.ndim != 2:
        raise ValueError(f"W has shape {w.shape}, expected (n_in, n_out)")
    node = {"kind": "dense", "units": w.shape[1], "activation": activation, "parameter": parameter,
            "use_bias": b is not None}
    plan = Plan(w.shape[0], [node], dtype=w.dtype, isa=isa)
    plan.set_weights([w] if b is None else [w, b])
    return plan


def dense_forward(X, W, b=None, activation="identity", double parameter=0.0, isa=None):
    """activation(X @ W + b)."""
    return layer_plan(W, b, activation, parameter, isa).predict(X)


def dense_backward(dz, X, W, isa=None):
    """(dX, dW, db) of z = X @ W + b, from dz."""
    w = np.asarray(W)
    plan = layer_plan(w, np.zeros(np.shape(w)[1:], w.dtype), "identity", 0.0, isa)
    (dW, db), dX = plan.backward(X, dz)
    return dX, dW, db


def loss_gradient(name, parameters, p, y, sample_weight=None, isa=None):
    """(weighted loss of each row, gradient of their mean with respect to p, correct rows).

    p holds logits where loss_names says that the loss is fused with its link, else predictions.
    """
    cdef int number = find_isa(isa), type
    cdef tuple loss = loss_of((name, parameters))
    cdef Array array = plain(p)
    cdef Array targets, weights, values, d, correct
    cdef c.fm_target t
    type = real_type(array)
    if array.ndim != 2:
        raise ValueError(f"p has shape {(<object>array).shape}, expected (rows, n_out)")
    cdef ptrdiff_t rows = array.shape[0], n = array.shape[1]
    set_loss(&t, loss)
    t.labels = NULL
    t.rows = t.weights = NULL
    if takes_labels(loss):
        targets = own(ready(y, cnp.NPY_INT64, (rows,), "y"))
        if rows and not (0 <= targets.min() and targets.max() < n):
            raise ValueError(f"y has classes {targets.min()} to {targets.max()}, expected 0 to {n - 1}")
        t.labels = <const int64_t *>cnp.PyArray_DATA(targets)
    else:
        targets = ready(y, numpy_type(type), (rows, target_columns(loss, n)), "y")
        t.rows = cnp.PyArray_DATA(targets)
    if sample_weight is not None:
        weights = ready(sample_weight, numpy_type(type), (rows,), "sample_weight")
        t.weights = cnp.PyArray_DATA(weights)
    values = np.empty(rows, array.dtype)
    d = np.empty_like(array)
    correct = np.empty(rows, np.float64)
    check(c.fm_loss_rows(c.fm_isa_table(number, type), type, cnp.PyArray_DATA(array), &t, rows, n,
                         cnp.PyArray_DATA(values), cnp.PyArray_DATA(d), <double *>cnp.PyArray_DATA(correct)))
    return values, d, correct


def optimizer_update(name, w, g, slots, hyperparameters, double learning_rate, int64_t step=0, isa=None):
    """One step of an optimizer on arrays, in place: w and slots change; `step` steps were done before."""
    cdef int number = find_isa(isa), rule = position(OPTIMIZERS, name, "optimizer"), type = real_type(w)
    cdef c.fm_hyper hyper = hyper_of(hyperparameters, type)
    cdef void *vectors[5] # w, g and the slots
    cdef Array array
    cdef ptrdiff_t i
    hyper.learning_rate = learning_rate
    targets = [w, *slots]
    for target in targets:
        if not isinstance(target, np.ndarray) or not target.flags.writeable:
            raise ValueError("w and slots are changed in place, expected writable arrays")
    sources = [w, g, *slots]
    padded = []
    for source in sources:
        array = ready(source, numpy_type(type), w.shape, "g and slots")
        copy = np.zeros((w.size + 15) // 16 * 16, w.dtype)
        copy[:w.size] = array.reshape(-1)
        padded.append(copy)
    for i in range(2 + c.FM_MOST_SLOTS):
        vectors[i] = NULL
        if i < len(padded):
            array = padded[i]
            vectors[i] = cnp.PyArray_DATA(array)
    needed = c.fm_optimizers[rule].slots
    idle = c.fm_optimizers[rule].needs == c.FM_MOMENTUM and hyper.momentum == 0
    if len(slots) != needed and not (idle and not slots):
        raise ValueError(f"slots has {len(slots)} arrays, expected {needed}")
    c.fm_optimizer_update(c.fm_isa_table(number, type), type, rule, &hyper, step, vectors[0], vectors[1], &vectors[2],
                          padded[0].size)
    for target, copy in zip(targets, [padded[0], *padded[2:]]):
        target[...] = copy[:w.size].reshape(w.shape)


# --- random numbers

def philox(counter, key):
    """Philox4x32-10 of counters (..., 4) uint32 under a key of two words."""
    cdef Array source = plain(counter, np.uint32)
    cdef Array out = np.empty_like(source)
    cdef uint32_t words[2]
    cdef ptrdiff_t i
    if source.ndim < 1 or source.shape[source.ndim - 1] != 4:
        raise ValueError(f"counter has shape {(<object>source).shape}, expected (..., 4)")
    first, second = key
    words[0], words[1] = first, second
    for i in range(source.size // 4):
        c.fm_philox(<uint32_t *>cnp.PyArray_DATA(out) + 4 * i, <const uint32_t *>cnp.PyArray_DATA(source) + 4 * i, words)
    return out


def shuffled(seed, epoch, ptrdiff_t n):
    """The order of n rows in an epoch: int64, a permutation that depends on the three arguments alone."""
    cdef uint64_t key = index(seed)
    cdef uint32_t number = index(epoch)
    if n < 0:
        raise ValueError(f"n is {n}, expected at least 0")
    cdef Array order = np.empty(n, np.int64)
    cdef int64_t *memory = <int64_t *>cnp.PyArray_DATA(order)
    cdef int stopped
    with nogil:
        stopped = c.fm_shuffle(memory, n, key, number)
    check(c.FM_INTERRUPTED if stopped else c.FM_OK)
    return order


def cosine(double x):
    """cos(x) for |x| <= 2 pi, with the same bits on every machine."""
    return c.fm_cosine(x)
