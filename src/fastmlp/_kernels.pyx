"""The one compiled door: arrays are checked for memory here, and C trusts.

Messages for people are written above (network.py, validation.py); what is refused here would be unsafe.
"""
cimport numpy as cnp
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastmlp cimport _c as c

from operator import index

import numpy as np

cnp.import_array()

ctypedef cnp.ndarray Array

HYPERPARAMETERS = ("learning_rate", "momentum", "rho", "beta_1", "beta_2", "epsilon", "l1", "l2", "weight_decay",
                       "clipvalue", "global_clipnorm", "nesterov")


# --- names: the registry as the C tables have it

def activation_names():
    """name -> (default parameter, what the derivative is computed from: "z", "a", or "row")."""
    return {c.fm_activations[i].name.decode():
            (c.fm_activations[i].parameter,
             "row" if c.fm_activations[i].row else "z" if c.fm_activations[i].from_z else "a")
            for i in range(c.FM_ALL_ACTIVATIONS)}


def loss_names():
    """name -> (default parameter, the output activation it is fused with or "any", whether targets are classes)."""
    return {c.fm_losses[i].name.decode():
            (c.fm_losses[i].parameter,
             "any" if c.fm_losses[i].link < 0 else c.fm_activations[c.fm_losses[i].link].name.decode(),
             bool(c.fm_losses[i].label))
            for i in range(c.FM_LOSSES)}


def optimizer_names():
    """name -> number of state vectors."""
    return {c.fm_optimizers[i].name.decode(): c.fm_optimizers[i].slots for i in range(c.FM_OPTIMIZERS)}


def isas():
    """The instruction sets: those compiled in, those this machine can run, and the default."""
    names = [c.fm_isa_name(i).decode() for i in range(c.fm_isa_count())]
    return {"compiled": names, "runnable": [n for i, n in enumerate(names) if c.fm_isa_runnable(i)],
            "default": c.fm_isa_name(find_isa(None)).decode()}


def set_num_threads(int threads):
    c.fm_set_num_threads(threads)


def get_num_threads():
    return c.fm_num_threads()


def wrong_variable():
    """The environment's variable that should hold a number of threads and does not, or None."""
    cdef const char *name = NULL
    c.fm_environment_threads(&name)
    return None if name == NULL else name.decode()


def cpu_count():
    return c.fm_cpu_count()


cdef int find_isa(isa) except -1:
    cdef int number = c.fm_isa_default() if isa is None else c.fm_isa_find(str(isa).encode())
    if number >= 0:
        return number
    source = "FASTMLP_ISA" if isa is None else f"isa {isa!r}"
    names = ", ".join([c.fm_isa_name(i).decode() for i in range(c.fm_isa_count())])
    if number == c.FM_ISA_UNKNOWN:
        raise ValueError(f"{source} names no instruction set of this build, expected one of {names}")
    raise ValueError(f"{source} names an instruction set this machine cannot run; compiled in are {names}")


cdef list ACTIVATIONS = list(activation_names())
cdef list LOSSES = list(loss_names())
cdef list OPTIMIZERS = list(optimizer_names())
cdef list ELEMENTARY = [c.fm_elementary_names[i].decode() for i in range(c.FM_ELEMENTARY)]


cdef int position(list names, name, what) except -1:
    for i, known in enumerate(names):
        if known == name:
            return i
    raise ValueError(f"{what} {name!r} is unknown, expected one of {', '.join(names)}")


# --- arrays and errors

cdef int check(int status) except -1:
    """The one place where a status becomes an exception."""
    if status == c.FM_NO_MEMORY:
        raise MemoryError("fastmlp could not allocate its buffers")
    if status == c.FM_NOT_FINITE:
        raise FloatingPointError("a value is not finite")
    return 0


class NotFiniteInput(ValueError):
    """A row of X that training came to is not finite; batches before it have been trained."""


cdef int check_training(int status, const c.fm_epoch *e) except -1:
    if status == c.FM_BAD_INPUT:
        raise NotFiniteInput("X contains NaN or infinity, expected finite values")
    if status == c.FM_NOT_FINITE:
        batches = (e.rows + e.batch_size - 1) // e.batch_size
        raise FloatingPointError(f"the loss of batch {e.batch} is not finite" if e.batch < batches
                                 else "a step led to weights that are not finite")
    return check(status)


cdef Array row_numbers(order, shape, ptrdiff_t rows):
    """order as int64 row numbers of that shape, each below `rows`."""
    cdef ptrdiff_t i
    cdef Array array = ready(order, cnp.NPY_INT64, shape, "order")
    cdef const int64_t *numbers = <const int64_t *>cnp.PyArray_DATA(array)
    for i in range(cnp.PyArray_SIZE(array)):
        if numbers[i] < 0 or numbers[i] >= rows:
            raise ValueError(f"order has row {numbers[i]}, expected 0 to {rows - 1}")
    return array


cdef double checked_penalty(double l2) except -1:
    if not 0 <= l2 < np.inf:
        raise ValueError(f"l2 is {l2}, expected finite numbers of at least 0")
    return l2


cdef const double *penalties(l2, shape, list keep) except? NULL:
    """The data of l2, an array of float64 that `keep` holds alive; NULL for None."""
    cdef ptrdiff_t i
    if l2 is None:
        return NULL
    cdef Array array = ready(l2, cnp.NPY_FLOAT64, shape, "l2")
    cdef const double *values = <const double *>cnp.PyArray_DATA(array)
    for i in range(cnp.PyArray_SIZE(array)):
        checked_penalty(values[i])
    keep.append(array)
    return values


cdef Array plain(x, dtype=None):
    """x as an aligned C-contiguous array of at least one dimension."""
    return np.require(np.ascontiguousarray(x, dtype), requirements=("C", "A"))


cdef Array ready(x, int type_number, shape, str name):
    """x as a C-contiguous array of that type and shape; nothing is converted silently but the memory order."""
    cdef Array array
    if (cnp.PyArray_Check(x) and cnp.PyArray_TYPE(<Array>x) == type_number and cnp.PyArray_ISCARRAY_RO(<Array>x)
            and cnp.PyArray_NDIM(<Array>x) > 0):
        array = x # the long way takes two microseconds
    else:
        array = plain(x)
    if array.dtype.num != type_number or not array.dtype.isnative:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {cnp.PyArray_DescrFromType(type_number)}")
    if shape is not None and (<object>array).shape != tuple(shape):
        raise ValueError(f"{name} has shape {(<object>array).shape}, expected {tuple(shape)}")
    return array


cdef int real_type(Array x) except -1:
    if x.dtype == np.float32:
        return c.FM_FLOAT32
    if x.dtype == np.float64:
        return c.FM_FLOAT64
    raise TypeError(f"the array has dtype {x.dtype}, expected float32 or float64")


cdef int numpy_type(int type):
    return cnp.NPY_FLOAT32 if type == c.FM_FLOAT32 else cnp.NPY_FLOAT64


cdef int input_type(Array x):
    """The C input type of an array whose rows can be read as they lie, or -1."""
    cdef int number = cnp.PyArray_TYPE(x)
    cdef int type
    if number == cnp.NPY_FLOAT32:
        type = c.FM_FLOAT32
    elif number == cnp.NPY_FLOAT64:
        type = c.FM_FLOAT64
    elif number == cnp.NPY_UINT8:
        type = c.FM_UINT8
    else:
        return -1
    if not cnp.PyArray_ISBEHAVED_RO(x):
        return -1
    return type


cdef bint rows_of(Array x, c.fm_plan *plan, c.fm_input *rows, ptrdiff_t *count):
    """Describes x, of shape (rows, n_in) or (n_in,), as input; False if it must be converted first."""
    cdef int dimensions = cnp.PyArray_NDIM(x)
    cdef int type = input_type(x)
    if type < 0 or dimensions < 1 or dimensions > 2:
        return False
    if cnp.PyArray_DIM(x, dimensions - 1) != plan.n_in:
        return False
    if cnp.PyArray_STRIDE(x, dimensions - 1) != cnp.PyArray_ITEMSIZE(x) and plan.n_in > 1:
        return False
    count[0] = cnp.PyArray_DIM(x, 0) if dimensions == 2 else 1
    rows.data = cnp.PyArray_DATA(x)
    rows.row_bytes = cnp.PyArray_STRIDE(x, 0) if dimensions == 2 else cnp.PyArray_ITEMSIZE(x) * plan.n_in
    rows.columns = plan.n_in
    rows.type = type
    rows.shift = plan.shift
    rows.divisor = plan.divisor
    return count[0] > 0


cdef c.fm_hyper hyper_of(values, int type) except *:
    cdef c.fm_hyper hyper
    cdef double least = 1e-30 if type == c.FM_FLOAT32 else 1e-200 # padding stays zero while g / epsilon does
    unknown = set(values) - set(HYPERPARAMETERS)
    if unknown:
        raise ValueError(f"hyperparameters has {sorted(unknown)[0]!r}, expected some of {', '.join(HYPERPARAMETERS)}")

    def value(name, default):
        given = values.get(name)
        return default if given is None else float(given)

    hyper.learning_rate = value("learning_rate", 0)
    hyper.momentum = value("momentum", 0)
    hyper.rho = value("rho", 0)
    hyper.beta_1 = value("beta_1", 0)
    hyper.beta_2 = value("beta_2", 0)
    hyper.epsilon = value("epsilon", 1e-8)
    hyper.l1 = value("l1", 0)
    hyper.l2 = value("l2", 0)
    hyper.weight_decay = value("weight_decay", 0)
    hyper.clipvalue = value("clipvalue", np.inf)
    hyper.global_clipnorm = value("global_clipnorm", np.inf)
    hyper.nesterov = bool(values.get("nesterov"))
    if not hyper.epsilon >= least:
        raise ValueError(f"epsilon is {hyper.epsilon}, expected at least {least}")
    return hyper


# --- the plan

cdef tuple shape_of(const c.fm_array *array):
    if array.is_matrix:
        return array.rows, array.columns
    return (array.columns,)


cdef tuple plain_layer(layer):
    """A layer's tuple with plain values in it."""
    n_out, activation, parameter, use_bias, dropout, *norm = layer
    dense = int(n_out), str(activation), float(parameter), bool(use_bias), float(dropout)
    if not norm:
        return dense
    kind, epsilon, momentum = norm
    if kind not in ("batch", "layer"):
        raise ValueError(f"a layer normalises by {kind!r}, expected 'batch' or 'layer'")
    return *dense, kind, float(epsilon), float(momentum)


cdef class Plan:
    """A compiled description of a network: its layers, parameters and optimizer state.

    `reference.Plan` is its readable twin, with the same methods.  A layer is (n_out, activation, parameter, use_bias,
    dropout rate of the layer's input), or one that normalises (..., "batch" or "layer", epsilon, momentum), n_out that
    of the layer before and use_bias true.
    """
    cdef c.fm_plan c_plan
    cdef readonly tuple layers
    cdef readonly str isa
    cdef object order, order_key
    cdef ptrdiff_t forward_rows
    cdef bint compiled

    def __cinit__(self, ptrdiff_t n_in, layers, *, dtype="float32", input_shift=None, input_divisor=None, isa=None):
        cdef c.fm_plan *plan = &self.c_plan
        cdef int l
        kind = np.dtype(dtype)
        if kind != np.float32 and kind != np.float64:
            raise ValueError(f"dtype is {kind}, expected float32 or float64")
        number = find_isa(isa)
        self.isa = c.fm_isa_name(number).decode()
        self.layers = tuple([plain_layer(layer) for layer in layers])
        if n_in < 1 or not self.layers or min([layer[0] for layer in self.layers]) < 1:
            raise ValueError("a network needs an input width and at least one layer, every width at least 1")
        plan.type = c.FM_FLOAT32 if kind == np.float32 else c.FM_FLOAT64
        plan.kernels = c.fm_isa_table(number, plan.type)
        plan.layer_count = <int>len(self.layers)
        plan.n_in = width = n_in
        plan.layers = <c.fm_layer *>c.fm_alloc(plan.layer_count * sizeof(c.fm_layer))
        if plan.layers == NULL:
            raise MemoryError("fastmlp could not allocate a plan")
        cells = 0
        for l in range(plan.layer_count):
            n_out, activation, parameter, use_bias, dropout, *norm = self.layers[l]
            if not 0 <= dropout < 1:
                raise ValueError(f"dropout is {dropout}, expected at least 0 and below 1")
            plan.layers[l].n_in = width
            plan.layers[l].n_out = n_out
            plan.layers[l].activation = position(ACTIVATIONS, activation, "activation")
            plan.layers[l].parameter = parameter
            plan.layers[l].use_bias = use_bias
            plan.layers[l].dropout = dropout
            if plan.layers[l].activation >= c.FM_ACTIVATIONS and l != plan.layer_count - 1:
                raise ValueError(f"activation {activation!r} works on whole rows and is for the output layer alone")
            self._set_norm(&plan.layers[l], norm)
            cells += 4 * (n_out + 16) if norm else (width + 1) * (n_out + 16)
            width = n_out
        plan.n_out = width
        if cells > 2**48:
            raise MemoryError(f"a network of {cells} parameters does not fit any memory")
        for given, name in ((input_shift, "input_shift"), (input_divisor, "input_divisor")):
            if given is not None:
                self._set_input(ready(np.asarray(given, kind), numpy_type(plan.type), (n_in,), name), name)
        check(c.fm_plan_init(plan))

    def __dealloc__(self):
        c.fm_plan_clear(&self.c_plan)
        c.fm_free(self.c_plan.layers)
        c.fm_free(self.c_plan.shift)
        c.fm_free(self.c_plan.divisor)

    cdef int _set_norm(self, c.fm_layer *layer, norm) except -1:
        layer.norm = c.FM_NO_NORM
        if not norm:
            return 0
        layer.norm = c.FM_BATCH_NORM if norm[0] == "batch" else c.FM_LAYER_NORM
        layer.epsilon, layer.momentum = norm[1:]
        if layer.n_out != layer.n_in or not layer.use_bias:
            raise ValueError(f"a normalisation has {layer.n_out} outputs, expected {layer.n_in}, and use_bias")
        if not layer.epsilon >= 1e-30 or not 0 <= layer.momentum <= 1:
            raise ValueError(f"epsilon is {layer.epsilon} and momentum {layer.momentum}, expected at least 1e-30 and 0 to 1")
        return 0

    def _set_input(self, Array values, name):
        cdef size_t bytes = values.nbytes
        cdef void *copy = c.fm_alloc(bytes)
        if copy == NULL:
            raise MemoryError("fastmlp could not allocate a plan")
        memcpy(copy, cnp.PyArray_DATA(values), bytes)
        if name == "input_shift":
            self.c_plan.shift = copy
        else:
            self.c_plan.divisor = copy

    @property
    def n_in(self):
        return self.c_plan.n_in

    @property
    def n_out(self):
        return self.c_plan.n_out

    @property
    def dtype(self):
        return np.dtype(np.float32 if self.c_plan.type == c.FM_FLOAT32 else np.float64)

    @property
    def step(self):
        """Optimizer steps done since compile."""
        return self.c_plan.step

    @property
    def loss(self):
        return None if self.c_plan.loss < 0 else c.fm_losses[self.c_plan.loss].name.decode()

    @property
    def num_parameters(self):
        return sum([np.prod(shape, dtype=int) for shape in self._shapes()])

    def _shapes(self):
        cdef c.fm_array found[c.FM_MOST_ARRAYS]
        shapes = []
        for l in range(self.c_plan.layer_count):
            for i in range(c.fm_layer_arrays(&self.c_plan.layers[l], found)):
                shapes.append(shape_of(&found[i]))
        return shapes

    cdef list unpack(self, const void *vector):
        cdef c.fm_array found[c.FM_MOST_ARRAYS]
        cdef Array array
        arrays = []
        for l in range(self.c_plan.layer_count):
            for i in range(c.fm_layer_arrays(&self.c_plan.layers[l], found)):
                array = np.empty(shape_of(&found[i]), self.dtype)
                c.fm_plan_unpack(&self.c_plan, vector, &found[i], cnp.PyArray_DATA(array))
                arrays.append(array)
        return arrays

    cdef list checked(self, arrays, str name):
        """Arrays shaped like the parameters and of their dtype, all checked before any is used."""
        shapes = self._shapes()
        arrays = list(arrays)
        if len(arrays) != len(shapes):
            raise ValueError(f"{name} has {len(arrays)} arrays, expected {len(shapes)}")
        return [ready(np.asarray(a, self.dtype), numpy_type(self.c_plan.type), shape, name)
                for a, shape in zip(arrays, shapes)]

    cdef void pack(self, void *vector, list arrays):
        cdef c.fm_array found[c.FM_MOST_ARRAYS]
        cdef Array array
        each = iter(arrays)
        for l in range(self.c_plan.layer_count):
            for i in range(c.fm_layer_arrays(&self.c_plan.layers[l], found)):
                array = next(each)
                c.fm_plan_pack(&self.c_plan, vector, &found[i], cnp.PyArray_DATA(array))

    def get_weights(self):
        """Copies of the parameters: [W1, b1, W2, ...]; of a normalisation gamma and beta, "batch" also mean and variance."""
        return self.unpack(self.c_plan.parameters)

    def set_weights(self, weights):
        self.pack(self.c_plan.parameters, self.checked(weights, "weights"))

    def initialize(self, int layer, str kind, double scale, seed):
        """Random weights of one layer, "uniform" in [-scale, scale) or "normal"; its bias is zero."""
        cdef bint normal = kind == "normal"
        cdef uint64_t number = index(seed)
        if kind not in ("uniform", "normal"):
            raise ValueError(f"kind is {kind!r}, expected 'uniform' or 'normal'")
        if not 0 <= layer < self.c_plan.layer_count:
            raise IndexError(f"layer is {layer}, expected 0 to {self.c_plan.layer_count - 1}")
        if self.c_plan.layers[layer].norm:
            raise ValueError(f"layer {layer} is a normalisation, expected a dense one")
        with nogil:
            c.fm_plan_initialize(&self.c_plan, layer, normal, scale, number)

    # --- prediction

    cdef int describe(self, Array x, c.fm_input *rows, ptrdiff_t *count) except -1:
        if rows_of(x, &self.c_plan, rows, count):
            return 0
        raise ValueError(f"X has shape {(<object>x).shape} and dtype {x.dtype}, expected ({'rows'}, {self.n_in}) of "
                         f"{self.dtype}, float64, float32 or uint8 with contiguous rows")

    cdef Array as_rows(self, x):
        """x itself where its rows can be read as they lie, else a contiguous copy."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array array = np.asarray(x)
        if not rows_of(array, &self.c_plan, &rows, &count) and array.dtype.kind in "fiub":
            kept = array.dtype in (np.float32, np.float64, np.uint8) and array.dtype.isnative
            array = np.require(array, array.dtype if kept else self.dtype, ("C", "A"))
        return array

    cdef object run_predict(self, Array x, c.fm_input *rows, ptrdiff_t count, out, int threads):
        """Predictions for described rows; None if `out` is not fit or a value of X is not finite."""
        cdef int status
        cdef Array result
        cdef cnp.npy_intp shape[2]
        cdef int dimensions = cnp.PyArray_NDIM(x)
        cdef void *memory
        cdef bint short = count * self.c_plan.size < 16384
        if out is not None and not self.fits(out, x, dimensions, count):
            return None
        # Long work is stored block by block, and a later block may hold a NaN: `out` is written when all is well.
        if out is None or not (short or count == 1):
            shape[0] = count
            shape[dimensions - 1] = self.c_plan.n_out
            result = cnp.PyArray_EMPTY(dimensions, shape, numpy_type(self.c_plan.type), 0)
        else:
            result = out
        memory = cnp.PyArray_DATA(result)
        if short:
            status = c.fm_plan_predict(&self.c_plan, rows, count, memory, 1)
        else:
            with nogil:
                status = c.fm_plan_predict(&self.c_plan, rows, count, memory, threads)
        if status == c.FM_NOT_FINITE:
            return None
        check(status)
        if out is not None and result is not out:
            memcpy(cnp.PyArray_DATA(<Array>out), memory, cnp.PyArray_NBYTES(result))
        return result if out is None else out

    cdef bint fits(self, out, Array x, int dimensions, ptrdiff_t count):
        """out can take the predictions of x: shape, dtype, order, writable, and no memory shared with x."""
        if not cnp.PyArray_Check(out):
            return False
        cdef Array array = out
        return (cnp.PyArray_TYPE(array) == numpy_type(self.c_plan.type) and cnp.PyArray_ISCARRAY(array)
                and cnp.PyArray_NDIM(array) == dimensions
                and cnp.PyArray_DIM(array, dimensions - 1) == self.c_plan.n_out
                and (dimensions == 1 or cnp.PyArray_DIM(array, 0) == count)
                and not overlap(array, x))

    def predict(self, X, out=None, threads=None):
        """Predictions (rows, n_out), or (n_out,) for one row (n_in,)."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        result = self.run_predict(x, &rows, count, out, threads or 0)
        if result is None:
            if out is not None and not self.fits(out, x, cnp.PyArray_NDIM(x), count):
                raise ValueError("out does not fit: expected a writable C-contiguous array of the predictions' shape and "
                                 f"dtype {self.dtype} that shares no memory with X")
            raise ValueError("X contains NaN or infinity, expected finite values")
        return result

    def forward(self, X):
        """Every layer's activations, the link applied, no dropout: [(rows, n_out of layer 1), ...]."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status, l
        cdef Array x = self.as_rows(X), a
        self.describe(x, &rows, &count)
        outs = [np.empty((count, layer[0]), self.dtype) for layer in self.layers]
        cdef Array pointers = np.empty(len(outs), np.uintp)
        for l in range(len(outs)):
            a = outs[l]
            (<void **>cnp.PyArray_DATA(pointers))[l] = cnp.PyArray_DATA(a)
        cdef void **addresses = <void **>cnp.PyArray_DATA(pointers)
        with nogil:
            status = c.fm_plan_forward(&self.c_plan, &rows, count, addresses)
        check(status)
        return outs if x.ndim == 2 else [layer[0] for layer in outs]

    # --- training

    def compile(self, loss, double loss_parameter, optimizer, hyperparameters):
        """Chooses loss and optimizer and zeroes the optimizer's state; loss None is one that Python computes."""
        cdef int number = -1 if loss is None else position(LOSSES, loss, "loss")
        cdef int rule = position(OPTIMIZERS, optimizer, "optimizer")
        cdef c.fm_hyper hyper = hyper_of(hyperparameters, self.c_plan.type)
        cdef int link
        for layer in self.layers:
            if layer[1] == "step":
                raise ValueError("activation 'step' has derivative 0 everywhere, so a network with it cannot be trained")
        if number >= 0 and c.fm_losses[number].link >= 0:
            link = c.fm_losses[number].link
            expected = c.fm_activations[link].name.decode()
            output = list(self.layers).pop()[1]
            if output != expected and (expected, output) != ("softmax", "log_softmax"):
                raise ValueError(f"loss {loss!r} needs the output activation {expected!r}, got {output!r}")
        self.compiled = False
        check(c.fm_plan_compile(&self.c_plan, number, loss_parameter, rule, &hyper))
        self.compiled = True
        self.forward_rows = 0

    def squares(self):
        """The sum of the squared weights of all dense layers, biases left out, in float64."""
        return c.fm_plan_squares(&self.c_plan)

    cdef c.fm_target target(self, y, sample_weight, ptrdiff_t rows, list keep) except *:
        """The C view of y and the weights; `keep` holds the arrays alive."""
        cdef c.fm_target t
        cdef Array array
        cdef ptrdiff_t i
        cdef const int64_t *labels
        t.labels = NULL
        t.rows = t.weights = NULL
        if self.c_plan.loss < 0:
            raise RuntimeError("the plan has no loss: compile it first")
        if c.fm_losses[self.c_plan.loss].label:
            array = ready(y, cnp.NPY_INT64, (rows,), "y")
            labels = <const int64_t *>cnp.PyArray_DATA(array)
            for i in range(rows):
                if labels[i] < 0 or labels[i] >= self.c_plan.n_out:
                    raise ValueError(f"y has class {labels[i]} at row {i}, expected 0 to {self.n_out - 1}")
            t.labels = labels
        else:
            array = ready(y, numpy_type(self.c_plan.type), (rows, self.n_out), "y")
            t.rows = cnp.PyArray_DATA(array)
        keep.append(array)
        if sample_weight is not None:
            array = ready(sample_weight, numpy_type(self.c_plan.type), (rows,), "sample_weight")
            t.weights = cnp.PyArray_DATA(array)
            keep.append(array)
        return t

    def train(self, X, y, sample_weight=None, *, ptrdiff_t batch_size, seed, epoch, bint shuffle, ptrdiff_t first,
              learning_rates, double seconds, threads=None, sums=(0.0, 0.0), order=None, bint check_rows=False, l2=None):
        """Mini-batches first, first + 1, ... of an epoch, until it ends or `seconds` have passed.

        Returns the next batch, the sum of the weighted row losses and the number of correct rows, both added to `sums`:
        an epoch in several calls adds its rows in the order of one.  With an `order`, int64 row numbers of X, the epoch is
        of those rows.  With `check_rows` an X of the plan's dtype need not have been seen to be finite: NotFiniteInput comes
        before the first batch that is not.  `l2`, like the learning rates, takes the place of the hyperparameter.
        """
        cdef c.fm_epoch e
        cdef int status
        cdef list keep = []
        self.describe_epoch(&e, X, y, sample_weight, batch_size, seed, threads, keep)
        cdef Array given = None if order is None else row_numbers(order, (len(order),), e.rows)
        if given is not None:
            e.rows = cnp.PyArray_SIZE(given)
        batches = (e.rows + batch_size - 1) // batch_size
        cdef Array rates = ready(learning_rates, cnp.NPY_FLOAT64, (batches,), "learning_rates")
        if not 0 <= first < batches:
            raise ValueError(f"first is {first}, expected 0 to {batches - 1}")
        if given is None and shuffle:
            given = self.shuffled_rows(seed, epoch, e.rows)
        e.order = <const int64_t *>cnp.PyArray_DATA(given) if given is not None else NULL
        e.learning_rates = <const double *>cnp.PyArray_DATA(rates)
        e.l2 = penalties(l2, (batches,), keep)
        e.seconds = seconds
        e.check_rows = check_rows
        e.batch = first
        e.loss, e.correct = sums
        self.forward_rows = 0
        with nogil:
            status = c.fm_plan_train(&self.c_plan, &e)
        check_training(status, &e)
        return e.batch, e.loss, e.correct

    def train_epochs(self, X, y, sample_weight=None, *, ptrdiff_t batch_size, seed, epoch, bint shuffle, learning_rates,
                     double seconds, threads=None, order=None, l2=None, Array out not None):
        """Whole epochs from `epoch` on, one for each row of learning_rates (epochs, batches), until `seconds` have passed.

        `out` (epochs, 2) takes the sum of the weighted row losses and the number of correct rows of each epoch done, with a
        third column also `squares` after it, and how many these are is returned.  An epoch that diverges ends the call
        before it, and raises as the first of a call.  `order` (epochs, rows), int64, takes the place of shuffling, and
        `l2`, like the learning rates, that of the hyperparameter.
        """
        cdef c.fm_epoch e
        cdef c.fm_epochs run
        cdef int status
        cdef list keep = []
        self.describe_epoch(&e, X, y, sample_weight, batch_size, seed, threads, keep)
        epochs, batches = len(learning_rates), (e.rows + batch_size - 1) // batch_size
        cdef Array rates = ready(learning_rates, cnp.NPY_FLOAT64, (epochs, batches), "learning_rates")
        cdef Array given = None if order is None else row_numbers(order, (epochs, e.rows), e.rows)
        cdef Array room = np.empty(e.rows if shuffle and given is None else 0, np.int64)
        fits = cnp.PyArray_TYPE(out) == cnp.NPY_FLOAT64 and cnp.PyArray_ISCARRAY(out)
        if not fits or (<object>out).shape not in ((epochs, 2), (epochs, 3)):
            raise ValueError(f"out does not fit: expected a writable C-contiguous array of shape {(epochs, 2)} or "
                             f"{(epochs, 3)} and dtype float64")
        e.learning_rates = <const double *>cnp.PyArray_DATA(rates)
        e.l2 = penalties(l2, (epochs, batches), keep)
        e.seconds = seconds
        run.orders = <const int64_t *>cnp.PyArray_DATA(given) if given is not None else NULL
        run.order = <int64_t *>cnp.PyArray_DATA(room) if shuffle and given is None else NULL
        run.number = index(epoch)
        run.most = epochs
        run.sums = <double *>cnp.PyArray_DATA(out)
        run.columns = <int>cnp.PyArray_DIM(out, 1)
        self.forward_rows = 0
        with nogil:
            status = c.fm_plan_train_epochs(&self.c_plan, &e, &run)
        check_training(status, &e)
        return run.done

    cdef Array shuffled_rows(self, seed, epoch, ptrdiff_t rows):
        """An epoch's order, which the next slice of the epoch needs once more."""
        if self.order_key != (rows, seed, epoch):
            self.order = shuffled(seed, epoch, rows)
            self.order_key = (rows, seed, epoch)
        return self.order

    cdef int describe_epoch(self, c.fm_epoch *e, X, y, sample_weight, ptrdiff_t batch_size, seed, threads,
                            list keep) except -1:
        """Everything of `e` that one epoch has in common with the next; `keep` holds the arrays it points to."""
        cdef Array x = self.as_rows(X)
        keep.append(x)
        self.describe(x, &e.input, &e.rows)
        if x.ndim != 2 or batch_size < 1:
            raise ValueError("X needs two dimensions and batch_size at least 1")
        e.target = self.target(y, sample_weight, e.rows, keep)
        e.batch_size = batch_size
        e.seed = index(seed)
        e.threads = threads or 0
        e.again = e.check_rows = False
        return 0

    def train_forward(self, X, *, seed):
        """Predictions of one batch with dropout on, for a loss in Python; train_backward finishes the step."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status
        cdef uint64_t key = index(seed)
        if not self.compiled:
            raise RuntimeError("the plan has no optimizer: compile it first")
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef Array out = np.empty((count, self.n_out), self.dtype)
        cdef void *memory = cnp.PyArray_DATA(out)
        with nogil:
            status = c.fm_plan_train_forward(&self.c_plan, &rows, count, key, memory)
        check(status)
        self.forward_rows = count
        return out

    def train_backward(self, output_gradient, double learning_rate, l2=None):
        """One optimizer step from the gradient of the loss with respect to train_forward's predictions; `l2` as in train."""
        cdef int status
        cdef double penalty = self.c_plan.hyper.l2 if l2 is None else checked_penalty(l2)
        if self.forward_rows == 0:
            raise RuntimeError("train_backward needs a train_forward before it")
        cdef ptrdiff_t count = self.forward_rows
        cdef Array d = ready(output_gradient, numpy_type(self.c_plan.type), (count, self.n_out), "output_gradient")
        cdef const void *memory = cnp.PyArray_DATA(d)
        with nogil:
            status = c.fm_plan_train_backward(&self.c_plan, memory, count, learning_rate, penalty)
        self.forward_rows = 0
        if status == c.FM_NOT_FINITE:
            raise FloatingPointError("a step led to weights that are not finite")
        check(status)

    def gradients(self, X, y, sample_weight=None, *, bint input_gradient=False):
        """(loss, gradients like get_weights, gradient of X or None), without dropout, clipping or penalties."""
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef c.fm_target target = self.target(y, sample_weight, count, keep)
        return self.run_gradients(&rows, &target, NULL, count, input_gradient)

    def backward(self, X, output_gradient):
        """(gradients like get_weights, gradient of X) from the gradient with respect to the prediction."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef Array d = ready(output_gradient, numpy_type(self.c_plan.type), (count, self.n_out), "output_gradient")
        return self.run_gradients(&rows, NULL, cnp.PyArray_DATA(d), count, True)[1:]

    cdef tuple run_gradients(self, const c.fm_input *rows, const c.fm_target *target, const void *output_gradient,
                             ptrdiff_t count, bint input_gradient):
        cdef double loss
        cdef int status
        cdef Array dx = np.empty((count, self.n_in), self.dtype) if input_gradient else np.empty(0)
        cdef void *dx_memory = cnp.PyArray_DATA(dx) if input_gradient else NULL
        cdef size_t size = self.c_plan.size * self.dtype.itemsize
        cdef void *gradient = c.fm_alloc(size)
        if gradient == NULL:
            raise MemoryError("fastmlp could not allocate a gradient")
        try:
            with nogil:
                status = c.fm_plan_gradients(&self.c_plan, rows, target, output_gradient, count, gradient, dx_memory,
                                             &loss)
            check(status)
            return loss, self.unpack(gradient), dx if input_gradient else None
        finally:
            c.fm_free(gradient)

    def evaluate(self, X, y, sample_weight=None, threads=None):
        """(sum of the weighted row losses, number of correct rows)."""
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef double loss, correct
        cdef int status, most = threads or 0
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef c.fm_target target = self.target(y, sample_weight, count, keep)
        with nogil:
            status = c.fm_plan_evaluate(&self.c_plan, &rows, &target, count, &loss, &correct, most)
        check(status)
        return loss, correct

    def get_state(self):
        """The optimizer's state: step, powers of beta, and its vectors as arrays like get_weights."""
        return {"step": self.c_plan.step, "beta_powers": (self.c_plan.beta_powers[0], self.c_plan.beta_powers[1]),
                "slots": [self.unpack(self.c_plan.slots[i]) for i in range(2) if self.c_plan.slots[i] != NULL]}

    def set_state(self, state):
        slots = [self.checked(arrays, "slots") for arrays in state["slots"]]
        used = [i for i in range(2) if self.c_plan.slots[i] != NULL]
        if len(slots) != len(used):
            raise ValueError(f"slots has {len(slots)} vectors, expected {len(used)}")
        cdef double first, second
        first, second = state["beta_powers"]
        cdef int64_t step = index(state["step"])
        for i, arrays in zip(used, slots):
            self.pack(self.c_plan.slots[<int>i], arrays)
        self.c_plan.beta_powers[0], self.c_plan.beta_powers[1] = first, second
        self.c_plan.step = step


cdef bint overlap(Array a, Array b):
    """Whether the memory from the first to the last byte of two arrays intersects."""
    cdef char *a_first = <char *>cnp.PyArray_DATA(a)
    cdef char *b_first = <char *>cnp.PyArray_DATA(b)
    if a_first + cnp.PyArray_NBYTES(a) <= b_first:
        return False
    if cnp.PyArray_ISCONTIGUOUS(b) and b_first + cnp.PyArray_NBYTES(b) <= a_first:
        return False
    return np.may_share_memory(a, b)


cdef class Predictor:
    """What Network inherits: predictions of ready arrays without a line of Python."""
    cdef readonly Plan plan

    def __init__(self, Plan plan not None):
        self.plan = plan

    def predict(self, X, out=None, threads=None):
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

        Returns
        -------
        ndarray of shape (rows, n_out), or (n_out,) for one row
            `out`, where it is given.  A row's bits do not depend on the rows beside it, nor on threads.

        Raises
        ------
        ValueError, TypeError
            If X or out do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> net = Network([2, 1], initializer="zeros")
        >>> net.predict(np.array([[1.0, 2.0], [3.0, 4.0]])).shape
        (2, 1)
        """
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Plan plan = self.plan
        if plan is not None and cnp.PyArray_CheckExact(X) and rows_of(X, &plan.c_plan, &rows, &count):
            if threads is None or (type(threads) is int and 0 < threads < 65536):
                result = plan.run_predict(X, &rows, count, out, 0 if threads is None else threads)
                if result is not None:
                    return result
        return self._predict(X, out, threads)

    def __call__(self, X):
        """The same as predict(X)."""
        return self.predict(X)


include "_functions.pxi"
include "_native.pxi"
