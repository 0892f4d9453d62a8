# Included by _kernels.pyx: the Plan.

cdef dict DISTRIBUTIONS = {"uniform": c.FM_UNIFORM, "normal": c.FM_NORMAL, "signs": c.FM_SIGNS}


# By how many planes of bfloat16 the products are of; 0 is float32.
cdef tuple MATMUL_PRECISIONS = ("highest", "medium", "high")


cdef int planes_of(precision, int type) except -1:
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(f"matmul_precision is {precision!r}, expected 'highest', 'high' or 'medium'")
    if precision != "highest" and type != c.FM_FLOAT32:
        raise ValueError(f"matmul_precision is {precision!r} with dtype float64, expected 'highest' or float32")
    return MATMUL_PRECISIONS.index(precision)


cdef class Plan:
    """A compiled description of a network: its layers, parameters and optimizer state.

    `reference.Plan` is its readable twin, with the same methods.  A layer is a node, a dict with its kind and some of the keys
    of NODE; `layers` has them with all.  A node's `dropout` is of its input, its `source` the number of the layer whose output
    an "add" takes beside its input, `learning_rate` and `weight_decay` map names of its arrays to factors.  `heads`,
    (columns, activation, parameter) each, divide an output of identities.
    """
    cdef c.fm_plan c_plan
    cdef readonly tuple layers, heads
    cdef readonly str isa
    cdef list tables # what layers point to
    cdef tuple default_loss # compile's, as loss_of gives it, or None
    cdef readonly uint64_t forwards # training's forward passes since the weights moved last
    cdef bint derivatives_known

    def __cinit__(self, ptrdiff_t n_in, layers, *, dtype="float32", input_shift=None, input_divisor=None, heads=(), isa=None):
        cdef c.fm_plan *plan = &self.c_plan
        cdef int l, status
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
        self.tables = []
        if n_in < 1 or not nodes or min([node["units"] for node in nodes]) < 1:
            raise ValueError("a network needs an input width and at least one layer, every width at least 1")
        plan.type = c.FM_FLOAT32 if kind == np.float32 else c.FM_FLOAT64
        plan.isa = number
        plan.layer_count = <int>len(nodes)
        plan.n_in = width = n_in
        plan.layers = <c.fm_layer *>c.fm_alloc(plan.layer_count * sizeof(c.fm_layer))
        if plan.layers == NULL:
            raise MemoryError("fastmlp could not allocate a plan")
        cells = 0
        for l in range(plan.layer_count):
            self.tables.append(describe_node(plan, l, nodes[l], width))
            cells += (<object>plan.layers[l].n_in + 4) * (<object>plan.layers[l].n_out + 16) # Python's: no overflow
            width = plan.layers[l].n_out
        plan.n_out = width
        if cells > 2**48:
            raise MemoryError(f"a network of {cells} parameters does not fit any memory")
        for given, name in ((input_shift, "input_shift"), (input_divisor, "input_divisor")):
            if given is not None:
                self._set_input(ready(np.asarray(given, kind), numpy_type(plan.type), (n_in,), name), name)
        if plan.type != c.FM_FLOAT32 and any([node.get("storage") for node in nodes]):
            raise ValueError("weights are stored in few bits with dtype float64, expected float32")
        check_codes(plan, self.layers)
        self.take_heads(tuple(heads))
        with nogil:
            status = c.fm_plan_init(plan)
        check(status)
        take_factors(plan, self.layers)

    def __dealloc__(self):
        c.fm_plan_clear(&self.c_plan)
        c.fm_free(self.c_plan.layers)
        c.fm_free(<void *>self.c_plan.heads)
        c.fm_free(self.c_plan.shift)
        c.fm_free(self.c_plan.divisor)

    cdef int take_heads(self, tuple heads) except -1:
        cdef c.fm_plan *plan = &self.c_plan
        cdef c.fm_head *taken
        cdef int number
        self.heads = heads
        if not heads:
            return 0
        widths, output = [columns for columns, _, _ in heads], self.layers[len(self.layers) - 1]["activation"]
        if min(widths) < 1 or sum(widths) != plan.n_out or output != "identity":
            raise ValueError(f"heads have {widths} columns after the activation {output!r}, expected 'identity' and "
                             f"columns of at least 1 that add up to the {plan.n_out} outputs")
        plan.heads = taken = <c.fm_head *>c.fm_alloc(len(heads) * sizeof(c.fm_head))
        if taken == NULL:
            raise MemoryError("fastmlp could not allocate a plan")
        plan.head_count = <int>len(heads)
        for columns, activation, parameter in heads:
            number = position(ACTIVATIONS, activation, "activation")
            if number >= c.FM_ACTIVATIONS and activation != "softmax":
                raise ValueError(f"a head has the activation {activation!r}, expected 'softmax' or one of single numbers")
            taken.columns, taken.activation, taken.parameter = columns, number, parameter
            taken += 1
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
    def members(self):
        """Networks that share weights; predictions are the means of theirs, and the loss is the mean of theirs."""
        return self.c_plan.members

    @property
    def dtype(self):
        return dtype_of(&self.c_plan)

    @property
    def step(self):
        """Optimizer steps done since compile."""
        return self.c_plan.state.step

    @property
    def batches(self):
        """Batches trained since compile: as many as steps, but where gradients of several make one."""
        return c.fm_plan_batches(&self.c_plan) if self.c_plan.optimizer >= 0 else 0

    @property
    def loss(self):
        """The loss of `compile`, a name or None."""
        return None if self.default_loss is None else "heads" if self.default_loss[0] < 0 else LOSSES[self.default_loss[0]]

    @property
    def num_parameters(self):
        return sum([np.prod(shape, dtype=int) for shape in shapes_of(&self.c_plan)])

    @property
    def matmul_precision(self):
        """"highest", or of what the products of wide dense layers are: "high", three products of bfloat16, or "medium", one."""
        return MATMUL_PRECISIONS[self.c_plan.planes]

    @matmul_precision.setter
    def matmul_precision(self, precision):
        cdef int planes = planes_of(precision, self.c_plan.type)
        cdef int status
        with self.changing():
            with nogil:
                status = c.fm_plan_set_planes(&self.c_plan, planes)
            check(status)

    @property
    def matrix_unit(self):
        """Whether the processor's unit for products of bfloat16 takes part."""
        return bool((self.c_plan.planes or self.c_plan.stored) and c.fm_matrix_unit(self.c_plan.products))

    def changing(self, bint nested=True):
        """Holds the plan for the calling thread inside a `with`; BusyError if another thread has it.

        A thread that has it may take it again, unless `nested` is false.
        """
        return Claim(self, nested)

    cdef int claim(self) except -1:
        """What entering `changing` does, for where its cost counts: a `finally` with c.fm_plan_release has to follow."""
        if not c.fm_plan_claim(&self.c_plan):
            raise BusyError("the network is being changed by another call, expected it to end first")
        return 0

    def get_weights(self):
        """Copies of the parameters: [W1, b1, W2, ...]; of a normalisation gamma and beta, "batch" also mean and variance."""
        return unpacked(&self.c_plan, self.c_plan.state.parameters)

    def set_weights(self, weights):
        arrays = checked_parameters(&self.c_plan, weights, "weights")
        with self.changing():
            (pack_apart if self.c_plan.stored else pack)(&self.c_plan, self.c_plan.state.parameters, arrays)
            c.fm_plan_repack(&self.c_plan)
            self.c_plan.forward_rows = 0

    def initialize(self, int layer, str kind, double scale, seed, int array=0):
        """Random numbers for one array of a layer: "uniform" in [-scale, scale), "normal", or "signs", scale or -scale."""
        cdef uint64_t number = index(seed)
        if kind not in DISTRIBUTIONS:
            raise ValueError(f"kind is {kind!r}, expected one of {', '.join(DISTRIBUTIONS)}")
        cdef int distribution = DISTRIBUTIONS[kind]
        if not 0 <= layer < self.c_plan.layer_count:
            raise IndexError(f"layer is {layer}, expected 0 to {self.c_plan.layer_count - 1}")
        if not 0 <= array < self.c_plan.layers[layer].array_count:
            raise IndexError(f"array is {array}, expected one of the {self.c_plan.layers[layer].array_count} of layer {layer}")
        if self.c_plan.layers[layer].arrays[array].storage != c.FM_AS_REALS:
            raise ValueError(f"array {array} of layer {layer} is stored in few bits, expected one of reals")
        cdef int status
        with self.changing():
            with nogil:
                status = c.fm_plan_initialize(&self.c_plan, layer, array, distribution, scale, number)
            self.c_plan.forward_rows = 0
            check(status)

    def rescale_output(self, scale, offset):
        """From now on predictions are a * scale + offset of the last activations a, which are those of an identity."""
        cdef int number = numpy_type(self.c_plan.type)
        cdef Array factor = ready(scale, number, (self.n_out,), "scale"), shift = ready(offset, number, (self.n_out,), "offset")
        output = self.layers[len(self.layers) - 1]["activation"]
        if output != "identity" or self.heads:
            raise ValueError(f"the output has {'heads' if self.heads else f'activation {output!r}'}, expected 'identity' where it "
                             "is rescaled")
        with self.changing():
            c.fm_plan_rescale_output(&self.c_plan, cnp.PyArray_DATA(factor), cnp.PyArray_DATA(shift))

    # --- what reads

    def predict(self, X, out=None, threads=None):
        """Predictions (rows, n_out), or (n_out,) for one row (n_in,)."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = as_rows(&self.c_plan, X)
        describe_rows(&self.c_plan, x, &rows, &count)
        result = run_predict(&self.c_plan, x, &rows, count, out, threads or 0)
        if result is None:
            if out is not None and not out_fits(&self.c_plan, out, x, cnp.PyArray_NDIM(x), count):
                raise ValueError("out does not fit: expected a writable C-contiguous array of the predictions' shape and "
                                 f"dtype {self.dtype} that shares no memory with X")
            check_input(c.FM_NOT_FINITE, &self.c_plan, x)
        return result

    def predict_dropped(self, X, *, seed, threads=None):
        """Predictions with dropout; what a row drops follows from the seed and its place in X."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status, most = threads or 0
        cdef uint64_t key = index(seed)
        cdef Array x = as_rows(&self.c_plan, X)
        describe_rows(&self.c_plan, x, &rows, &count)
        cdef Array out = new_predictions(&self.c_plan, cnp.PyArray_NDIM(x), count)
        cdef void *memory = cnp.PyArray_DATA(out)
        with nogil:
            status = c.fm_plan_predict_dropped(&self.c_plan, &rows, count, key, memory, most)
        check_input(status, &self.c_plan, x)
        return out

    def forward(self, X):
        """Every layer's activations, the link applied, no dropout: [(rows, n_out of layer 1), ...], with members (rows,
        members, n_out)."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status, l
        cdef Array x = as_rows(&self.c_plan, X), a
        describe_rows(&self.c_plan, x, &rows, &count)
        shape = [count] if self.c_plan.members == 1 else [count, self.c_plan.members]
        outs = [np.empty([*shape, layer["units"]], self.dtype) for layer in self.layers]
        cdef Array pointers = np.empty(len(outs), np.uintp)
        for l in range(len(outs)):
            a = outs[l]
            (<void **>cnp.PyArray_DATA(pointers))[l] = cnp.PyArray_DATA(a)
        cdef void **addresses = <void **>cnp.PyArray_DATA(pointers)
        with nogil:
            status = c.fm_plan_forward(&self.c_plan, &rows, count, addresses)
        check_input(status, &self.c_plan, x)
        return outs if x.ndim == 2 else [layer[0] for layer in outs]

    def gradients(self, X, y, sample_weight=None, *, bint input_gradient=False, loss=None, bint standardized=False):
        """(loss, gradients like get_weights, gradient of X or None), without dropout, clipping or penalties.

        `loss` (name, parameters) takes the place of compile's.  With `standardized` y is compared with outputs that are not
        rescaled.
        """
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = as_rows(&self.c_plan, X)
        describe_rows(&self.c_plan, x, &rows, &count)
        cdef c.fm_target target = target_of(&self.c_plan, self.loss_or_default(loss), y, sample_weight, count, keep,
                                            standardized)
        return self.run_gradients(x, &rows, &target, NULL, count, input_gradient)

    def backward(self, X, output_gradient):
        """(gradients like get_weights, gradient of X) from the gradient with respect to the prediction."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef Array x = as_rows(&self.c_plan, X)
        describe_rows(&self.c_plan, x, &rows, &count)
        cdef Array d = ready(output_gradient, numpy_type(self.c_plan.type), (count, self.n_out), "output_gradient")
        return self.run_gradients(x, &rows, NULL, cnp.PyArray_DATA(d), count, True)[1:]

    cdef tuple loss_or_default(self, loss):
        """Number and parameters of a loss (name, parameters), or of compile's."""
        if loss is not None:
            return fitting_loss(&self.c_plan, loss)
        if self.default_loss is None:
            raise RuntimeError("the plan has no loss: compile it with one, or give one")
        return self.default_loss

    cdef tuple run_gradients(self, Array x, const c.fm_input *rows, const c.fm_target *target,
                             const void *output_gradient, ptrdiff_t count, bint input_gradient):
        cdef double loss
        cdef int status
        cdef Array dx = np.empty((count, self.n_in), self.dtype) if input_gradient else np.empty(0)
        cdef void *dx_memory = cnp.PyArray_DATA(dx) if input_gradient else NULL
        cdef size_t size = self.c_plan.size * self.dtype.itemsize
        self.check_derivatives()
        cdef void *gradient = c.fm_alloc_raw(size)
        if gradient == NULL:
            raise MemoryError("fastmlp could not allocate a gradient")
        try:
            with nogil:
                status = c.FM_INTERRUPTED if c.fm_zero(gradient, size) else c.fm_plan_gradients(
                    &self.c_plan, rows, target, output_gradient, count, gradient, dx_memory, &loss)
            check_input(status, &self.c_plan, x)
            return loss, unpacked(&self.c_plan, gradient), dx if input_gradient else None
        finally:
            c.fm_free(gradient)

    def evaluate(self, X, y, sample_weight=None, threads=None, *, loss=None, bint standardized=False):
        """(sum of the row losses, sum of correct rows), both weighted; `loss` (name, parameters) takes the place of compile's.

        With `standardized` y is compared with outputs that are not rescaled.
        """
        cdef list keep = []
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef double total, correct
        cdef int status, most = threads or 0
        cdef Array x = as_rows(&self.c_plan, X)
        describe_rows(&self.c_plan, x, &rows, &count)
        cdef c.fm_target target = target_of(&self.c_plan, self.loss_or_default(loss), y, sample_weight, count, keep,
                                            standardized)
        with nogil:
            status = c.fm_plan_evaluate(&self.c_plan, &rows, &target, count, &total, &correct, most)
        check_input(status, &self.c_plan, x)
        return total, correct

    # --- training

    def compile(self, loss, loss_parameters, optimizer, hyperparameters):
        """Chooses an optimizer and zeroes its state, and the loss that calls take which are given none.

        The loss None is one that Python computes.
        """
        cdef int rule = position(OPTIMIZERS, optimizer, "optimizer")
        cdef c.fm_hyper hyper = hyper_of(hyperparameters, self.c_plan.type)
        for node in (*self.layers, *self.head_nodes()):
            if "step" in (node["activation"], node["function"]):
                raise ValueError("activation 'step' has derivative 0 everywhere, so a network with it cannot be trained")
        self.check_derivatives()
        chosen = None if loss is None else fitting_loss(&self.c_plan, (loss, loss_parameters))
        cdef int status
        with self.changing():
            with nogil:
                status = c.fm_plan_compile(&self.c_plan, rule, &hyper)
            check(status)
            self.default_loss = chosen
            self.forwards = 0

    cdef list head_nodes(self):
        """Their activations as nodes have them."""
        return [{**NODE, "activation": activation, "parameter": parameter} for _, activation, parameter in self.heads]

    cdef int check_reals(self) except -1:
        if self.c_plan.stored:
            raise ValueError("weights are stored in few bits, for predictions alone, expected those of float32")
        return 0

    cdef int check_derivatives(self) except -1:
        self.check_reals()
        for node in (*self.layers, *self.head_nodes()):
            check_derivative(node["activation"], node["parameter"])
            check_derivative(node["function"], node["function_parameter"])
        return 0

    def squares(self):
        """The sum of the squared weights of all dense layers, biases left out, in float64."""
        return c.fm_plan_squares(&self.c_plan)

    cdef double highest_dropout(self):
        """What a factor of the dropout rates has to stay below."""
        highest = max(node["dropout"] for node in self.layers)
        return 1 / highest if highest > 0 else np.inf

    def train_forward(self, X, *, seed, double dropout=1.0):
        """Predictions of one batch in training, with dropout at its rates times `dropout`; what `accumulate` needs is kept until
        the weights change."""
        cdef c.fm_input rows
        cdef ptrdiff_t count
        cdef int status
        cdef uint64_t key = index(seed)
        cdef Array x = as_rows(&self.c_plan, X)
        if dropout != 1:
            of_step(dropout, "dropout", self.highest_dropout())
        describe_rows(&self.c_plan, x, &rows, &count)
        if not self.derivatives_known:
            self.check_derivatives()
            self.derivatives_known = True
        cdef Array out = new_predictions(&self.c_plan, 2, count)
        cdef void *memory = cnp.PyArray_DATA(out)
        self.claim()
        try:
            with nogil:
                status = c.fm_plan_train_forward(&self.c_plan, &rows, count, key, dropout, memory)
            check_input(status, &self.c_plan, x)
            self.forwards += 1
        finally:
            c.fm_plan_release(&self.c_plan)
        return out

    def accumulate(self, output_gradient, *, bint inputs=False, bint parameters=True):
        """Adds the gradient of the parameters, from that with respect to train_forward's predictions, to the plan's, and returns
        that of the input, (rows, n_in), or None."""
        cdef int status = c.FM_OK
        cdef Array d, dx
        cdef const void *memory
        cdef void *dx_memory = NULL
        cdef cnp.npy_intp shape[2]
        self.claim()
        try:
            if self.c_plan.forward_rows == 0:
                raise RuntimeError("there is no forward pass of training to go back through, expected one whose batch is the "
                                   "last, with nothing between that changes the network")
            d = ready(output_gradient, numpy_type(self.c_plan.type), (self.c_plan.forward_rows, self.c_plan.n_out),
                      "output_gradient")
            memory = cnp.PyArray_DATA(d)
            if inputs:
                shape[0], shape[1] = self.c_plan.forward_rows, self.c_plan.n_in
                dx = cnp.PyArray_EMPTY(2, shape, numpy_type(self.c_plan.type), 0)
                dx_memory = cnp.PyArray_DATA(dx)
            if inputs or parameters:
                with nogil:
                    status = c.fm_plan_accumulate(&self.c_plan, memory, parameters, dx_memory)
            if status == c.FM_BAD_INPUT:
                raise ValueError("output_gradient contains NaN or infinity, expected finite values")
            check(status)
        finally:
            c.fm_plan_release(&self.c_plan)
        return dx if inputs else None

    def take_step(self, double learning_rate, l2=None, weight_decay=None):
        """One optimizer step by the plan's gradient, which stays, or a part of one where gradients accumulate; `l2` and
        `weight_decay` take the places of the hyperparameters."""
        cdef int status
        cdef double penalty = self.c_plan.hyper.l2 if l2 is None else of_step(l2, "l2")
        cdef double decay = self.c_plan.hyper.weight_decay if weight_decay is None else of_step(weight_decay, "weight_decay")
        self.claim()
        try:
            self.check_compiled()
            if not self.c_plan.has_gradient:
                raise RuntimeError("there is no gradient to make a step by, expected one since it was set to zero")
            with nogil:
                status = c.fm_plan_take_step(&self.c_plan, learning_rate, penalty, decay)
            if status == c.FM_NOT_FINITE:
                raise FloatingPointError("the step leads to weights that are not finite")
            check(status)
            self.forwards = 0
        finally:
            c.fm_plan_release(&self.c_plan)

    @property
    def vector_size(self):
        """How many numbers a vector like the plan's parameters has, as it is laid out."""
        return self.c_plan.size

    @property
    def layer_starts(self):
        """Where the arrays of each layer that has any begin in such a vector, the last layer's first."""
        cdef int l
        return [self.c_plan.layers[l].arrays[0].offset for l in reversed(range(self.c_plan.layer_count))
                if self.c_plan.layers[l].array_count]

    cdef void *vector_data(self, vector, bint writable) except NULL:
        """The data of an array (vector_size,) of the plan's dtype."""
        cdef Array array
        if (isinstance(vector, np.ndarray) and vector.dtype == self.dtype and vector.shape == (self.c_plan.size,)
                and vector.flags.c_contiguous and vector.flags.aligned and (vector.flags.writeable or not writable)):
            array = vector
            return cnp.PyArray_DATA(array)
        raise ValueError(f"the vector does not fit: expected a contiguous array of {self.dtype} of shape ({self.c_plan.size},)")

    def step_by(self, vector, double learning_rate, l2=None, weight_decay=None):
        """`take_step` by a gradient (vector_size,) that is the sum of what `Run.part_gradient` gave."""
        cdef const void *values = self.vector_data(vector, False)
        with self.changing():
            check(c.fm_plan_have_gradient(&self.c_plan))
            memcpy(self.c_plan.gradient, values, self.c_plan.size * self.dtype.itemsize)
            self.c_plan.has_gradient = 1
            self.c_plan.forward_rows = 0
            try:
                self.take_step(learning_rate, l2, weight_decay)
            finally:
                self.c_plan.has_gradient = 0

    def train_backward(self, output_gradient, double learning_rate, l2=None, weight_decay=None):
        """The rest of a step whose loss comes from outside: `accumulate` and `take_step`, from a gradient of zero back to it."""
        with self.changing():
            self.check_compiled()
            self.zero_gradient()
            self.accumulate(output_gradient)
            try:
                self.take_step(learning_rate, l2, weight_decay)
            finally:
                self.zero_gradient()

    @property
    def forward_rows(self):
        """Rows of the batch that `accumulate` goes back through, or 0."""
        return self.c_plan.forward_rows

    @property
    def has_gradient(self):
        """Whether there is a gradient: else it is zero."""
        return bool(self.c_plan.has_gradient)

    def zero_gradient(self):
        """Forgets what `accumulate` has added up."""
        self.claim()
        self.c_plan.has_gradient = 0
        c.fm_plan_release(&self.c_plan)

    def get_gradient(self):
        """What `accumulate` has added up, arrays like get_weights; zeros for what is not trained."""
        if not self.c_plan.has_gradient:
            return [np.zeros(shape, self.dtype) for shape in shapes_of(&self.c_plan)]
        return unpacked(&self.c_plan, self.c_plan.gradient)

    def set_gradient(self, gradient):
        """Takes another gradient, arrays like get_weights; those of what is not trained stay zero."""
        cdef c.fm_layer *layer
        arrays = checked_parameters(&self.c_plan, gradient, "gradient")
        each = iter(arrays)
        with self.changing():
            check(c.fm_plan_have_gradient(&self.c_plan))
            for l in range(self.c_plan.layer_count):
                layer = &self.c_plan.layers[l]
                for i in range(layer.array_count):
                    array = next(each)
                    if layer.arrays[i].moves and not layer.frozen:
                        check(c.fm_plan_pack(&self.c_plan, self.c_plan.gradient, &layer.arrays[i],
                                             cnp.PyArray_DATA(<Array>array)))
            self.c_plan.has_gradient = 1

    def gradient_squares(self):
        """The sum of the squares of the plan's gradient, in float64."""
        return c.fm_plan_gradient_squares(&self.c_plan)

    def shrink_gradient(self, double factor):
        """The plan's gradient times a factor."""
        with self.changing():
            c.fm_plan_shrink_gradient(&self.c_plan, factor)

    def take_average(self):
        """The moving average of the weights, where there is one and a step was made, takes the place of those that are trained."""
        with self.changing():
            c.fm_plan_take_average(&self.c_plan)

    def blend(self, Plan other not None, double share):
        """parameters += share * (other's - parameters), of a plan with the same arrays; a share of 1 copies them."""
        self.check_reals()
        if not laid_out_alike(&self.c_plan, &other.c_plan):
            raise ValueError("other has other arrays, expected those of the same layers and dtype")
        with self.changing():
            c.fm_plan_blend(&self.c_plan, &other.c_plan, share)

    cdef int check_compiled(self) except -1:
        if self.c_plan.optimizer < 0:
            raise RuntimeError("the plan has no optimizer: compile it first")
        return 0

    def get_state(self):
        """The optimizer's state: step, powers of beta, and its vectors as arrays like get_weights."""
        with self.changing():
            return {"step": self.c_plan.state.step, "pending": self.c_plan.state.pending,
                    "beta_powers": (self.c_plan.state.beta_powers[0], self.c_plan.state.beta_powers[1]),
                    "slots": [unpacked(&self.c_plan, self.c_plan.state.slots[<int>i]) for i in self.slots_in_use()]}

    cdef list slots_in_use(self):
        return [i for i in range(c.FM_STATE_SLOTS) if self.c_plan.state.slots[<int>i] != NULL]

    def set_state(self, state):
        """Takes what get_state gave; all or nothing."""
        cdef double first, second
        cdef int64_t step = index(state["step"]), pending = index(state.get("pending", 0))
        first, second = state["beta_powers"]
        with self.changing():
            slots = [checked_parameters(&self.c_plan, arrays, "slots") for arrays in state["slots"]]
            used = self.slots_in_use()
            if len(slots) != len(used):
                raise ValueError(f"slots has {len(slots)} vectors, expected {len(used)}")
            if not 0 <= step < 2**53:
                raise ValueError(f"step is {step}, expected 0 to 2**53 - 1")
            if not 0 <= pending < max(1, self.c_plan.hyper.gradient_accumulation_steps):
                raise ValueError(f"pending is {pending}, expected less than gradient_accumulation_steps")
            for i, arrays in zip(used, slots):
                pack(&self.c_plan, self.c_plan.state.slots[<int>i], arrays)
            self.c_plan.state.beta_powers[0], self.c_plan.state.beta_powers[1] = first, second
            self.c_plan.state.step, self.c_plan.state.pending = step, pending


def reads_rows(Plan plan not None, X):
    """Whether X is a matrix of the plan's inputs in its dtype that is read as it lies."""
    cdef c.fm_input rows
    cdef ptrdiff_t count
    return (cnp.PyArray_CheckExact(X) and cnp.PyArray_NDIM(<Array>X) == 2 and rows_of(X, &plan.c_plan, &rows, &count)
            and rows.type == plan.c_plan.type)


def is_like_predictions(Plan plan not None, dY):
    """Whether dY is an array as train_forward's last predictions were."""
    cdef Array array
    if not cnp.PyArray_CheckExact(dY):
        return False
    array = dY
    return (cnp.PyArray_TYPE(array) == numpy_type(plan.c_plan.type) and cnp.PyArray_ISCARRAY_RO(array)
            and cnp.PyArray_NDIM(array) == 2 and cnp.PyArray_DIM(array, 0) == plan.c_plan.forward_rows
            and cnp.PyArray_DIM(array, 1) == plan.c_plan.n_out)


def clip_gradients(list plans, double max_norm):
    """The norm of the gradients of some plans together, in float64, which are scaled down to `max_norm` where it is larger.

    FloatingPointError, and no change, where it is not finite.
    """
    cdef Plan plan
    cdef ptrdiff_t i, claimed = 0
    cdef double norm = 0
    try:
        for plan in plans:
            plan.claim()
            claimed += 1
        for plan in plans:
            norm += c.fm_plan_gradient_squares(&plan.c_plan)
        norm = sqrt(norm)
        if not isfinite(norm):
            raise FloatingPointError(f"the norm of the gradients is {norm}, expected a finite one")
        if norm > max_norm:
            for plan in plans:
                c.fm_plan_shrink_gradient(&plan.c_plan, max_norm / norm)
    finally:
        for i in range(claimed):
            plan = plans[i]
            c.fm_plan_release(&plan.c_plan)
    return norm
