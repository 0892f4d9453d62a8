# Included by _kernels.pyx: an optimizer on a plain array.

cdef class ArrayState:
    """An optimizer's state for one array, which its steps change in place."""
    cdef readonly Array array
    cdef const c.fm_kernels *kernels
    cdef int type, optimizer
    cdef c.fm_hyper hyper
    cdef c.fm_state state, before
    cdef void *vectors # those of both states and a gradient, one after the other
    cdef ptrdiff_t count # of each
    cdef size_t used # bytes of the array

    def __cinit__(self, Array array not None, optimizer, hyperparameters, isa=None):
        cdef int i
        cdef char *next_one
        cdef size_t bytes
        self.type = real_type(array)
        self.kernels = c.fm_isa_table(find_isa(isa), self.type)
        self.optimizer = position(OPTIMIZERS, optimizer, "optimizer")
        self.hyper = hyper_of(hyperparameters, self.type)
        if not cnp.PyArray_ISCARRAY(array):
            raise ValueError("the array is changed in place, expected a writable one in C order")
        self.array = array
        self.used = cnp.PyArray_NBYTES(array)
        self.count = (cnp.PyArray_SIZE(array) + 15) // 16 * 16
        bytes = self.count * cnp.PyArray_ITEMSIZE(array)
        self.vectors = c.fm_alloc((2 * (1 + c.FM_MOST_SLOTS) + 1) * bytes)
        if self.vectors == NULL:
            raise MemoryError("fastmlp could not allocate an optimizer's state")
        next_one = <char *>self.vectors + bytes # after the gradient
        idle = c.fm_optimizers[self.optimizer].needs == c.FM_MOMENTUM and self.hyper.momentum == 0
        for state in range(2):
            for i in range(1 + c.FM_MOST_SLOTS):
                vector = <size_t>next_one if i == 0 or i <= c.fm_optimizers[self.optimizer].slots and not idle else 0
                next_one += bytes
                self._set_vector(state, i, vector)
        self.state.step = 0
        self.state.beta_powers[0] = self.state.beta_powers[1] = 1

    cdef void _set_vector(self, int before, int i, size_t vector):
        cdef c.fm_state *state = &self.before if before else &self.state
        if i == 0:
            state.parameters = <void *>vector
        else:
            state.slots[i - 1] = <void *>vector

    def __dealloc__(self):
        c.fm_free(self.vectors)

    @property
    def steps(self):
        """Steps done."""
        return self.state.step

    def step(self, gradient, double learning_rate, double weight_decay):
        """One step by a gradient like the array, finite; whether it was that.

        FloatingPointError, and no change, where the step leads to numbers that are not finite.
        """
        cdef Array g
        cdef Array w = self.array
        cdef int i
        cdef bint finite
        cdef size_t bytes = self.count * cnp.PyArray_ITEMSIZE(w)
        if not cnp.PyArray_CheckExact(gradient):
            return False
        g = gradient
        if (cnp.PyArray_TYPE(g) != cnp.PyArray_TYPE(w) or not cnp.PyArray_ISCARRAY_RO(g) or not cnp.PyArray_SAMESHAPE(g, w)
                or not c.fm_all_finite(self.kernels, self.type, cnp.PyArray_DATA(g), cnp.PyArray_SIZE(g))):
            return False
        memcpy(self.vectors, cnp.PyArray_DATA(g), self.used)
        memcpy(self.state.parameters, cnp.PyArray_DATA(w), self.used)
        self.before.step = self.state.step
        self.before.beta_powers[0], self.before.beta_powers[1] = self.state.beta_powers[0], self.state.beta_powers[1]
        for i in range(c.FM_MOST_SLOTS):
            if self.state.slots[i] != NULL:
                memcpy(self.before.slots[i], self.state.slots[i], bytes)
        self.hyper.learning_rate, self.hyper.weight_decay = learning_rate, weight_decay
        c.fm_optimizer_step(self.kernels, self.type, self.optimizer, &self.hyper, &self.state, self.vectors, self.count)
        finite = c.fm_all_finite(self.kernels, self.type, self.state.parameters, self.count)
        for i in range(c.FM_MOST_SLOTS):
            if self.state.slots[i] != NULL:
                finite = finite and c.fm_all_finite(self.kernels, self.type, self.state.slots[i], self.count)
        if not finite:
            self.state, self.before = self.before, self.state
            raise FloatingPointError("the step leads to numbers that are not finite")
        memcpy(cnp.PyArray_DATA(w), self.state.parameters, self.used)
        return True
