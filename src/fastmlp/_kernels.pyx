"""The one compiled door: arrays are checked for memory here, and C trusts.

Messages for people are written above (network.py, validation.py); what is refused here would be unsafe.
"""
cimport numpy as cnp
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastmlp cimport _c as c

from operator import index

import numpy as np

from fastmlp.errors import BusyError

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept # leaves what a handler raised for the caller
    unsigned long PyThread_get_thread_ident() noexcept nogil

cnp.import_array()

ctypedef cnp.ndarray Array

HYPERPARAMETERS = ("learning_rate", "momentum", "rho", "beta_1", "beta_2", "epsilon", "l1", "l2", "weight_decay",
                       "clipvalue", "global_clipnorm", "nesterov")


# --- names: the registry as the C tables have it

def activation_names():
    """name -> (default parameter, what the derivative is computed from: "z", "a", or "row", bounds of the parameter)."""
    return {c.fm_activations[i].name.decode():
            (c.fm_activations[i].parameter,
             "row" if c.fm_activations[i].row else "z" if c.fm_activations[i].from_z else "a",
             (c.fm_activations[i].least, c.fm_activations[i].most))
            for i in range(c.FM_ALL_ACTIVATIONS)}


def loss_names():
    """name -> (default parameter, the output activation it is fused with or "any", whether targets are classes,
    outputs a target)."""
    return {c.fm_losses[i].name.decode():
            (c.fm_losses[i].parameter,
             "any" if c.fm_losses[i].link < 0 else c.fm_activations[c.fm_losses[i].link].name.decode(),
             bool(c.fm_losses[i].label), c.fm_losses[i].outputs)
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
cdef list KINDS = [c.fm_layer_names[i].decode() for i in range(c.FM_LAYERS)]
cdef list ELEMENTARY = [c.fm_elementary_names[i].decode() for i in range(c.FM_ELEMENTARY)]


cdef int position(list names, name, what) except -1:
    for i, known in enumerate(names):
        if known == name:
            return i
    raise ValueError(f"{what} {name!r} is unknown, expected one of {', '.join(names)}")


# --- arrays and errors

cdef unsigned long main_thread = PyThread_get_thread_ident()


cdef int look_at_signals() noexcept with gil:
    return PyErr_CheckSignals() != 0


cdef int interrupted() noexcept nogil:
    """Whether a signal's handler has raised something; the system hands signals to Python's first thread alone."""
    return 0 if PyThread_get_thread_ident() != main_thread else look_at_signals()


c.fm_set_interrupt(interrupted)


cdef int check(int status) except -1:
    """The one place where a status becomes an exception."""
    if status == c.FM_INTERRUPTED:
        return -1 # with what the handler raised
    if status == c.FM_NO_MEMORY:
        raise MemoryError("fastmlp could not allocate its buffers")
    if status == c.FM_NOT_FINITE:
        raise FloatingPointError("a value is not finite")
    return 0


cdef int refuse_input(x) except -1:
    """The error for an input that the engine has found not to be finite."""
    if np.isfinite(x).all():
        raise ValueError("X has numbers that Rescaling or Standardize takes beyond the network's dtype")
    raise ValueError("X contains NaN or infinity, expected finite values")


class NotFiniteInput(ValueError):
    """A row of X that training came to is not finite; batches before it have been trained."""


cdef Array row_numbers(order, ptrdiff_t epochs, ptrdiff_t rows):
    """A copy of order as int64 row numbers of shape (epochs, any number), each below `rows`."""
    cdef ptrdiff_t i
    cdef Array array = own(ready(order, cnp.NPY_INT64, None, "order"))
    cdef const int64_t *numbers = <const int64_t *>cnp.PyArray_DATA(array)
    if cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != epochs:
        raise ValueError(f"order has shape {(<object>array).shape}, expected ({epochs}, any number)")
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
    cdef Array array = own(ready(l2, cnp.NPY_FLOAT64, shape, "l2"))
    cdef const double *values = <const double *>cnp.PyArray_DATA(array)
    for i in range(cnp.PyArray_SIZE(array)):
        checked_penalty(values[i])
    keep.append(array)
    return values


cdef Array plain(x, dtype=None):
    """x as an aligned C-contiguous array of at least one dimension."""
    return np.require(np.ascontiguousarray(x, dtype), requirements=("C", "A"))


cdef Array own(Array x):
    """A copy of what is checked once and then read without a look, so that no other thread can change it meanwhile."""
    return cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)


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


# What a node may say beside its kind, and what it says if it does not; units of a layer that is not dense are those before it.
NODE = {"units": None, "activation": "identity", "parameter": 0.0, "dropout": 0.0, "use_bias": True, "source": -1,
        "trainable": True, "epsilon": 1e-3, "momentum": 0.99, "learning_rate": {}, "weight_decay": {}}


def node_of(layer, n_in):
    """A layer's node with all that it may say; a dense one may be short: (units, activation, parameter, use_bias, dropout)."""
    if not isinstance(layer, dict):
        layer = dict(zip(("units", "activation", "parameter", "use_bias", "dropout"), layer, strict=True), kind="dense")
    unknown = set(layer) - set(NODE) - {"kind"}
    if unknown:
        raise ValueError(f"a node has {sorted(unknown)[0]!r}, expected kind and some of {', '.join(NODE)}")
    node = {**NODE, **layer}
    if node["units"] is None:
        node["units"] = n_in
    return node


cdef int check_derivative(activation, double parameter) except -1:
    """ValueError unless the derivative is right for the parameter."""
    cdef int number = position(ACTIVATIONS, activation, "activation")
    if not c.fm_activations[number].least <= parameter <= c.fm_activations[number].most and c.fm_activations[number].parameter:
        raise ValueError(f"activation {activation!r} has the parameter {parameter:g}, whose derivative is not known, "
                         f"expected {c.fm_activations[number].least:g} to {c.fm_activations[number].most:g}")
    return 0


cdef class Plan:
    """A compiled description of a network: its layers, parameters and optimizer state.

    `reference.Plan` is its readable twin, with the same methods.  A layer is a node, a dict with its kind and some of the keys
    of NODE; `layers` has them with all.  A node's `dropout` is of its input, its `source` the number of the layer whose output
    an "add" takes beside its input, `learning_rate` and `weight_decay` map names of its arrays to factors.
    """
    cdef c.fm_plan c_plan
    cdef readonly tuple layers
    cdef readonly str isa
    cdef tuple default_loss # number and parameter of compile's, or None
    cdef ptrdiff_t forward_rows

    def __cinit__(self, ptrdiff_t n_in, layers, *, dtype="float32", input_shift=None, input_divisor=None, isa=None):
        cdef c.fm_plan *plan = &self.c_plan
        cdef int l
        kind = np.dtype(dtype)
        if kind != np.float32 and kind != np.float64:
            raise ValueError(f"dtype is {kind}, expected float32 or float64")
        number = find_isa(isa)
        self.isa = c.fm_isa_name(number).decode()
        nodes = []
        width = n_in
        for layer in layers:
            nodes.append(node_of(layer, width))
            width = nodes[len(nodes) - 1]["units"]
        self.layers = tuple(nodes)
        if n_in < 1 or not nodes or min([node["units"] for node in nodes]) < 1:
            raise ValueError("a network needs an input width and at least one layer, every width at least 1")
        plan.type = c.FM_FLOAT32 if kind == np.float32 else c.FM_FLOAT64
        plan.kernels = c.fm_isa_table(number, plan.type)
        plan.layer_count = <int>len(nodes)
        plan.n_in = width = n_in
        plan.layers = <c.fm_layer *>c.fm_alloc(plan.layer_count * sizeof(c.fm_layer))
        if plan.layers == NULL:
            raise MemoryError("fastmlp could not allocate a plan")
        cells = 0
        for l in range(plan.layer_count):
            self.describe_node(l, width)
            cells += (<object>plan.layers[l].n_in + 4) * (<object>plan.layers[l].n_out + 16) # Python's: no overflow
            width = plan.layers[l].n_out
        plan.n_out = width
        if cells > 2**48:
            raise MemoryError(f"a network of {cells} parameters does not fit any memory")
        for given, name in ((input_shift, "input_shift"), (input_divisor, "input_divisor")):
            if given is not None:
                self._set_input(ready(np.asarray(given, kind), numpy_type(plan.type), (n_in,), name), name)
        check(c.fm_plan_init(plan))
        self.check_factors()

    def __dealloc__(self):
        c.fm_plan_clear(&self.c_plan)
        c.fm_free(self.c_plan.layers)
        c.fm_free(self.c_plan.shift)
        c.fm_free(self.c_plan.divisor)

    cdef int describe_node(self, int l, ptrdiff_t width) except -1:
        """Node l as C has it, checked for all that memory depends on."""
        cdef c.fm_layer *layer = &self.c_plan.layers[l]
        cdef int i
        node = self.layers[l]
        layer.kind = position(KINDS, node["kind"], "kind")
        layer.n_in, layer.n_out = width, node["units"]
        layer.activation = position(ACTIVATIONS, node["activation"], "activation")
        layer.parameter, layer.dropout = node["parameter"], node["dropout"]
        layer.use_bias, layer.frozen = bool(node["use_bias"]), not node["trainable"]
        layer.epsilon, layer.momentum, layer.source = node["epsilon"], node["momentum"], node["source"]
        if layer.kind != c.FM_dense_layer and layer.n_out != width:
            raise ValueError(f"layer {l}, {node['kind']}, has {layer.n_out} outputs, expected {width} as inputs")
        if not 0 <= layer.dropout < 1:
            raise ValueError(f"dropout is {layer.dropout}, expected at least 0 and below 1")
        if layer.activation >= c.FM_ACTIVATIONS and l != self.c_plan.layer_count - 1:
            raise ValueError(f"activation {node['activation']!r} works on whole rows and is for the output layer alone")
        if not layer.epsilon >= 1e-30 or not 0 <= layer.momentum <= 1:
            raise ValueError(f"epsilon is {layer.epsilon} and momentum {layer.momentum}, expected at least 1e-30 and 0 to 1")
        if layer.kind == c.FM_add_layer:
            if not 0 <= layer.source < l or self.c_plan.layers[layer.source].n_out != layer.n_out:
                raise ValueError(f"layer {l} adds layer {layer.source}, expected one before it with {layer.n_out} outputs")
        elif layer.source != -1:
            raise ValueError(f"layer {l}, {node['kind']}, has a source, expected one of an add alone")
        for i in range(c.FM_MOST_ARRAYS):
            layer.learning_rate[i] = layer.weight_decay[i] = 1
        return 0

    cdef int check_factors(self) except -1:
        """The factors of arrays, whose names are known once the plan is laid out."""
        cdef c.fm_layer *layer
        cdef int l, i
        for l in range(self.c_plan.layer_count):
            layer = &self.c_plan.layers[l]
            names = [layer.arrays[i].name.decode() for i in range(layer.array_count)]
            for key in ("learning_rate", "weight_decay"):
                for name, factor in self.layers[l][key].items():
                    i = position(names, name, f"{key} of layer {l} for array")
                    if not 0 <= factor < np.inf:
                        raise ValueError(f"{key} of {name!r} in layer {l} is {factor}, expected a finite factor of at least 0")
                    if key == "learning_rate":
                        layer.arrays[i].learning_rate = factor
                    else:
                        layer.arrays[i].weight_decay = factor
                    layer.scaled = layer.scaled or factor != 1
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
        return self.c_plan.state.step

    @property
    def loss(self):
        """The loss of `compile`, a name or None."""
        return None if self.default_loss is None else LOSSES[self.default_loss[0]]

    @property
    def num_parameters(self):
        return sum([np.prod(shape, dtype=int) for shape in self._shapes()])

    def _shapes(self):
        shapes = []
        for l in range(self.c_plan.layer_count):
            for i in range(self.c_plan.layers[l].array_count):
                shapes.append(shape_of(&self.c_plan.layers[l].arrays[i]))
        return shapes

    cdef list unpack(self, const void *vector):
        cdef Array array
        cdef const c.fm_array *found
        arrays = []
        for l in range(self.c_plan.layer_count):
            for i in range(self.c_plan.layers[l].array_count):
                found = &self.c_plan.layers[l].arrays[i]
                array = np.empty(shape_of(found), self.dtype)
                c.fm_plan_unpack(&self.c_plan, vector, found, cnp.PyArray_DATA(array))
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
        cdef Array array
        each = iter(arrays)
        for l in range(self.c_plan.layer_count):
            for i in range(self.c_plan.layers[l].array_count):
                array = next(each)
                c.fm_plan_pack(&self.c_plan, vector, &self.c_plan.layers[l].arrays[i], cnp.PyArray_DATA(array))

    def get_weights(self):
        """Copies of the parameters: [W1, b1, W2, ...]; of a normalisation gamma and beta, "batch" also mean and variance."""
        return self.unpack(self.c_plan.state.parameters)

    def set_weights(self, weights):
        arrays = self.checked(weights, "weights")
        with self.changing():
            self.pack(self.c_plan.state.parameters, arrays)

    def initialize(self, int layer, str kind, double scale, seed):
        """Random weights of one layer, "uniform" in [-scale, scale) or "normal"; its bias is zero."""
        cdef bint normal = kind == "normal"
        cdef uint64_t number = index(seed)
        if kind not in ("uniform", "normal"):
            raise ValueError(f"kind is {kind!r}, expected 'uniform' or 'normal'")
        if not 0 <= layer < self.c_plan.layer_count:
            raise IndexError(f"layer is {layer}, expected 0 to {self.c_plan.layer_count - 1}")
        if self.c_plan.layers[layer].kind != c.FM_dense_layer:
            raise ValueError(f"layer {layer} is of kind {self.layers[layer]['kind']!r}, expected a dense one")
        cdef int status
        with self.changing():
            with nogil:
                status = c.fm_plan_initialize(&self.c_plan, layer, normal, scale, number)
            check(status)

    def changing(self, bint nested=True):
        """Holds the plan for the calling thread inside a `with`; BusyError if another thread has it.

        A thread that has it may take it again, unless `nested` is false.
        """
        return Claim(self, nested)

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
            refuse_input(x)
        return result

    def forward(self, X):
        """Every layer's activations, the link applied, no dropout: [(rows, n_out of layer 1), ...]."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status, l
        cdef Array x = self.as_rows(X), a
        self.describe(x, &rows, &count)
        outs = [np.empty((count, layer["units"]), self.dtype) for layer in self.layers]
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
        """Chooses an optimizer and zeroes its state, and the loss that calls take which are given none.

        The loss None is one that Python computes.
        """
        cdef int rule = position(OPTIMIZERS, optimizer, "optimizer")
        cdef c.fm_hyper hyper = hyper_of(hyperparameters, self.c_plan.type)
        for node in self.layers:
            if node["activation"] == "step":
                raise ValueError("activation 'step' has derivative 0 everywhere, so a network with it cannot be trained")
        self.check_derivatives()
        chosen = None if loss is None else self.fitting((loss, loss_parameter))
        with self.changing():
            check(c.fm_plan_compile(&self.c_plan, rule, &hyper))
            self.default_loss = chosen
            self.forward_rows = 0

    cdef int check_derivatives(self) except -1:
        for node in self.layers:
            check_derivative(node["activation"], node["parameter"])
        return 0

    cdef tuple fitting(self, loss):
        """(number, parameter) of a loss (name, parameter) that the output activation fits."""
        cdef int link
        name, parameter = loss
        number = position(LOSSES, name, "loss")
        link = c.fm_losses[<int>number].link
        output = list(self.layers).pop()["activation"]
        if link >= 0:
            expected = c.fm_activations[link].name.decode()
            if output != expected and (expected, output) != ("softmax", "log_softmax"):
                raise ValueError(f"loss {name!r} needs the output activation {expected!r}, got {output!r}")
        outputs = c.fm_losses[<int>number].outputs
        if self.c_plan.n_out % outputs:
            raise ValueError(f"loss {name!r} has {outputs} outputs a target, got a network of {self.n_out}")
        return number, float(parameter)

    def squares(self):
        """The sum of the squared weights of all dense layers, biases left out, in float64."""
        return c.fm_plan_squares(&self.c_plan)

    cdef c.fm_target target(self, loss, y, sample_weight, ptrdiff_t rows, list keep) except *:
        """The C view of y and the weights; `keep` holds the arrays alive."""
        cdef c.fm_target t
        cdef Array array
        cdef ptrdiff_t i
        cdef const int64_t *labels
        chosen = self.default_loss if loss is None else self.fitting(loss)
        if chosen is None:
            raise RuntimeError("the plan has no loss: compile it with one, or give one")
        t.loss, t.parameter = chosen
        t.labels = NULL
        t.rows = t.weights = NULL
        if c.fm_losses[t.loss].label:
            array = own(ready(y, cnp.NPY_INT64, (rows,), "y"))
            labels = <const int64_t *>cnp.PyArray_DATA(array)
            for i in range(rows):
                if labels[i] < 0 or labels[i] >= self.c_plan.n_out:
                    raise ValueError(f"y has class {labels[i]} at row {i}, expected 0 to {self.n_out - 1}")
            t.labels = labels
        else:
            columns = self.c_plan.n_out // c.fm_losses[t.loss].outputs
            array = ready(y, numpy_type(self.c_plan.type), (rows, columns), "y")
            t.rows = cnp.PyArray_DATA(array)
        keep.append(array)
        if sample_weight is not None:
            array = ready(sample_weight, numpy_type(self.c_plan.type), (rows,), "sample_weight")
            t.weights = cnp.PyArray_DATA(array)
            keep.append(array)
        return t

    def train_forward(self, X, *, seed):
        """Predictions of one batch with dropout on, for a loss in Python; train_backward finishes the step."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status
        cdef uint64_t key = index(seed)
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef Array out = np.empty((count, self.n_out), self.dtype)
        cdef void *memory = cnp.PyArray_DATA(out)
        with self.changing():
            self.check_compiled()
            self.forward_rows = 0
            with nogil:
                status = c.fm_plan_train_forward(&self.c_plan, &rows, count, key, memory)
            check(status)
            self.forward_rows = count
        return out

    cdef int check_compiled(self) except -1:
        if self.c_plan.optimizer < 0:
            raise RuntimeError("the plan has no optimizer: compile it first")
        return 0

    def train_backward(self, output_gradient, double learning_rate, l2=None):
        """One optimizer step from the gradient of the loss with respect to train_forward's predictions; `l2` takes the
        place of the hyperparameter."""
        cdef int status
        cdef double penalty
        cdef ptrdiff_t count
        cdef Array d
        cdef const void *memory
        with self.changing():
            if self.forward_rows == 0:
                raise RuntimeError("train_backward needs a train_forward before it")
            penalty = self.c_plan.hyper.l2 if l2 is None else checked_penalty(l2)
            count = self.forward_rows
            d = ready(output_gradient, numpy_type(self.c_plan.type), (count, self.n_out), "output_gradient")
            memory = cnp.PyArray_DATA(d)
            self.forward_rows = 0
            with nogil:
                status = c.fm_plan_train_backward(&self.c_plan, memory, count, learning_rate, penalty)
            if status == c.FM_NOT_FINITE:
                raise FloatingPointError("the step leads to weights that are not finite")
            check(status)

    def gradients(self, X, y, sample_weight=None, *, bint input_gradient=False, loss=None):
        """(loss, gradients like get_weights, gradient of X or None), without dropout, clipping or penalties.

        `loss` (name, parameter) takes the place of compile's.
        """
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef c.fm_target target = self.target(loss, y, sample_weight, count, keep)
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
        self.check_derivatives()
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

    def evaluate(self, X, y, sample_weight=None, threads=None, *, loss=None):
        """(sum of the weighted row losses, number of correct rows); `loss` (name, parameter) takes the place of compile's."""
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef double total, correct
        cdef int status, most = threads or 0
        cdef Array x = self.as_rows(X)
        self.describe(x, &rows, &count)
        cdef c.fm_target target = self.target(loss, y, sample_weight, count, keep)
        with nogil:
            status = c.fm_plan_evaluate(&self.c_plan, &rows, &target, count, &total, &correct, most)
        if status == c.FM_NOT_FINITE:
            refuse_input(x)
        check(status)
        return total, correct

    def get_state(self):
        """The optimizer's state: step, powers of beta, and its vectors as arrays like get_weights."""
        with self.changing():
            return {"step": self.c_plan.state.step,
                    "beta_powers": (self.c_plan.state.beta_powers[0], self.c_plan.state.beta_powers[1]),
                    "slots": [self.unpack(self.c_plan.state.slots[i]) for i in range(self.slots_in_use())]}

    cdef int slots_in_use(self):
        cdef int count = 0
        while count < c.FM_MOST_SLOTS and self.c_plan.state.slots[count] != NULL:
            count += 1
        return count

    def set_state(self, state):
        """Takes what get_state gave; all or nothing."""
        cdef double first, second
        cdef int64_t step = index(state["step"])
        first, second = state["beta_powers"]
        with self.changing():
            slots = [self.checked(arrays, "slots") for arrays in state["slots"]]
            if len(slots) != self.slots_in_use():
                raise ValueError(f"slots has {len(slots)} vectors, expected {self.slots_in_use()}")
            if not 0 <= step < 2**53:
                raise ValueError(f"step is {step}, expected 0 to 2**53 - 1")
            for i, arrays in enumerate(slots):
                self.pack(self.c_plan.state.slots[<int>i], arrays)
            self.c_plan.state.beta_powers[0], self.c_plan.state.beta_powers[1] = first, second
            self.c_plan.state.step = step


cdef class Claim:
    """What `Plan.changing` gives: the plan is taken and given back in C, where no signal comes between."""
    cdef Plan plan
    cdef bint nested

    def __cinit__(self, Plan plan not None, bint nested):
        self.plan = plan
        self.nested = nested

    def __enter__(self):
        cdef c.fm_plan *plan = &self.plan.c_plan
        if not self.nested and c.fm_plan_claimed(plan) or not c.fm_plan_claim(plan):
            raise BusyError("the network is being changed by another call, expected it to end first")

    def __exit__(self, kind, value, traceback):
        c.fm_plan_release(&self.plan.c_plan)


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


include "_run.pxi"
include "_functions.pxi"
include "_native.pxi"
