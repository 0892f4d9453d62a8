# Included by _kernels.pyx: training, batch after batch on the same rows.

cdef int tell_ready(void *context, ptrdiff_t first, const double *sums) except -1 with gil:
    ready, values = <tuple>context
    ready(first, tuple(values.tolist()))
    return 0


cdef class Run:
    """Mini-batches of a plan on given rows, epochs at a time, from a cursor that goes on with every call of `advance`.

    X, y and sample_weight are looked through once; class numbers and orders are copied, other arrays read where they lie.
    `loss` (name, parameters) takes the place of compile's.  With `standardized` y is compared with outputs that are not
    rescaled.  With `check_rows` an X of the plan's dtype need not have been seen
    to be finite: NotFiniteInput comes before the first batch that is not.  With `squares` the third column of `sums` is
    filled.  What it holds is changed with the plan's flag taken, as other threads may be training.  `reference.Run` is its
    readable twin.
    """
    cdef readonly Plan plan
    cdef c.fm_run c_run
    cdef ptrdiff_t count # rows of X
    cdef list rows, epochs, steps # what c_run points to
    cdef readonly Array sums

    def __cinit__(self, Plan plan not None, X, y, sample_weight=None, *, ptrdiff_t batch_size, seed, bint shuffle,
                  loss=None, threads=None, bint check_rows=False, bint squares=False, bint standardized=False):
        cdef c.fm_run *run = &self.c_run
        cdef Array x = as_rows(&plan.c_plan, X)
        self.plan = plan
        self.rows = [x]
        self.epochs = []
        describe_rows(&plan.c_plan, x, &run.input, &run.rows)
        if x.ndim != 2 or batch_size < 1:
            raise ValueError("X needs two dimensions and batch_size at least 1")
        run.target = target_of(&plan.c_plan, plan.loss_or_default(loss), y, sample_weight, run.rows, self.rows, standardized)
        run.batch_size = batch_size
        run.seed = index(seed)
        run.threads = threads or 0
        run.check_rows = check_rows
        run.squares = squares
        self.count = run.rows
        run.epochs = run.epoch = run.batch = 0
        run.orders = NULL
        run.order = NULL
        run.drawn = -1
        if shuffle:
            room = np.empty(run.rows, np.int64)
            self.rows.append(room)
            run.order = <int64_t *>cnp.PyArray_DATA(<Array>room)

    def begin(self, learning_rates, *, epoch=0, order=None, l2=None, weight_decay=None, dropout=None, ptrdiff_t batch=0,
              sums=(0.0, 0.0)):
        """Sets the cursor in the first of as many epochs as learning_rates (epochs, batches) has rows, before its first batch.

        Shuffling numbers them from `epoch` on; an `order` (epochs, any number), int64 row numbers of X, takes its place, and
        each epoch is of those rows.  `l2` and `weight_decay`, like the learning rates, take the places of the hyperparameters,
        and `dropout` has factors of the layers' rates.  An epoch of which another run has trained some batches goes on at `batch`,
        from the `sums` of losses, of correct rows and of the heads' losses that it had there.
        """
        cdef c.fm_run *run = &self.c_run
        cdef int columns = c.fm_sums(&run.target)
        cdef uint32_t number = index(epoch)
        cdef Array given = None if order is None else row_numbers(order, len(learning_rates), self.count)
        cdef ptrdiff_t rows = self.count if given is None else cnp.PyArray_DIM(given, 1)
        shape = len(learning_rates), (rows + run.batch_size - 1) // run.batch_size
        if not shape[0] or not rows:
            raise ValueError("there is nothing to train, expected a row of learning_rates and of order for each epoch")
        if not 0 <= batch < shape[1]:
            raise ValueError(f"batch is {batch}, expected 0 to {shape[1] - 1}")
        if batch and len(sums) != columns - 1:
            raise ValueError(f"sums are {len(sums)}, expected {columns - 1}: of losses, of correct rows and of the heads' losses")
        cdef Array room = np.empty((shape[0] + 1, columns))
        room.fill(np.nan) # np.full takes a microsecond longer
        cdef list epochs = [given, room]
        with self.plan.changing():
            self.set_steps(learning_rates, shape, l2, weight_decay, dropout)
            self.sums = room[:shape[0]]
            self.epochs = epochs
            run.orders = NULL
            if given is not None:
                run.orders = <const int64_t *>cnp.PyArray_DATA(given)
            run.sums = <double *>cnp.PyArray_DATA(room)
            run.rows = rows
            run.epochs = shape[0]
            run.number = number
            run.drawn = -1
            run.epoch, run.batch = 0, batch
            if batch:
                self.sums[0, :2], self.sums[0, 3:] = sums[:2], sums[2:]

    def change(self, learning_rates, *, l2=None, weight_decay=None, dropout=None):
        """What `begin` was given for its steps, anew: those from the cursor on are made so."""
        with self.plan.changing():
            self.set_steps(learning_rates, (self.c_run.epochs, self.batches), l2, weight_decay, dropout)

    cdef int set_steps(self, learning_rates, shape, l2, weight_decay, dropout) except -1:
        cdef c.fm_run *run = &self.c_run
        cdef Array rates = own(ready(learning_rates, cnp.NPY_FLOAT64, shape, "learning_rates"))
        cdef list keep = [rates]
        cdef const double *penalties = of_steps(l2, "l2", shape, keep)
        cdef const double *decays = of_steps(weight_decay, "weight_decay", shape, keep)
        cdef const double *factors = of_steps(dropout, "dropout", shape, keep, self.plan.highest_dropout())
        run.learning_rates = <const double *>cnp.PyArray_DATA(rates)
        run.l2, run.weight_decay, run.dropout = penalties, decays, factors
        self.steps = keep
        return 0

    @property
    def batches(self):
        """Batches of an epoch."""
        return (self.c_run.rows + self.c_run.batch_size - 1) // self.c_run.batch_size

    @property
    def check_rows(self):
        """Whether X is looked through: an attribute that may be set."""
        return bool(self.c_run.check_rows)

    @check_rows.setter
    def check_rows(self, bint value):
        self.c_run.check_rows = value

    @property
    def epoch(self):
        """Epochs done since `begin`; their sums are the first rows of `sums`: losses, correct rows, squares after."""
        return self.c_run.epoch

    @property
    def batch(self):
        """Batches done of the next epoch; its sums so far are in its row of `sums`."""
        return self.c_run.batch

    @property
    def finished(self):
        """Whether all epochs are done."""
        return self.c_run.epoch == self.c_run.epochs

    def advance(self, double seconds=np.inf, batches=None):
        """Trains the next batches, at most so many, until the seconds have passed, but at least one.

        FloatingPointError: the loss of the batch at the cursor is not finite, or its step leads to weights or a state that are
        not; the plan has the last that are finite.
        """
        cdef int status, by_step = 0
        cdef c.fm_run *run = &self.c_run
        cdef Plan plan = self.plan
        cdef ptrdiff_t most = 2**62 if batches is None else batches
        if most < 1:
            raise ValueError(f"batches is {most}, expected at least 1")
        with plan.changing():
            if run.epoch == run.epochs:
                raise RuntimeError("the run has no epochs left: begin others")
            plan.check_compiled()
            plan.forwards = 0
            plan.c_plan.has_gradient = 0
            with nogil:
                status = c.fm_plan_advance(&plan.c_plan, run, most, seconds, &by_step)
            if status == c.FM_BAD_INPUT:
                raise NotFiniteInput(refusal_of_input(&plan.c_plan, self.rows[0]))
            if status == c.FM_NOT_FINITE:
                raise FloatingPointError(f"the step of batch {run.batch} leads to weights that are not finite" if by_step
                                         else f"the loss of batch {run.batch} is not finite")
            check(status)

    def part_gradient(self, order, out, *, ptrdiff_t batch, seed, double dropout=1.0, ready=None):
        """Sums of the losses, of correct rows and of the heads' losses of a part of a batch; its share of the gradient is in `out`.

        `order` has int64 row numbers of X, at most `batch_size` of them; the batch has `batch` rows in all, over which the loss
        is a mean.  `seed` is dropout's.  `out`, (plan.vector_size,), begins as zeros and is laid out like the plan's parameters: see
        `Plan.step_by`.  Where the sum of losses is not finite, there is no gradient.

        `ready(first, sums)` is called once there are sums, with first = plan.vector_size, and then while the gradient is made, the
        last layer's first: out[first:] is done.  What it raises ends the call.
        """
        cdef int status
        cdef Array sums = np.zeros(c.fm_sums(&self.c_run.target) - 1)
        cdef c.fm_part part
        cdef Plan plan = self.plan
        cdef Array rows = row_numbers(np.reshape(order, (1, -1)), 1, self.count)
        cdef void *gradient = plan.vector_data(out, True)
        cdef double *into
        part.rows = cnp.PyArray_SIZE(rows)
        if not 1 <= part.rows <= self.c_run.batch_size or batch < part.rows:
            raise ValueError(f"order has {part.rows} rows, expected 1 to {min(batch, self.c_run.batch_size)}")
        part.input, part.target = self.c_run.input, self.c_run.target
        part.order = <const int64_t *>cnp.PyArray_DATA(rows)
        part.most, part.batch, part.threads = self.c_run.batch_size, batch, self.c_run.threads
        part.seed, part.dropout = index(seed), of_step(dropout, "dropout", plan.highest_dropout())
        cdef tuple telling = (ready, sums)
        part.ready, part.context = NULL, <void *>telling
        if ready is not None:
            part.ready = tell_ready
        with plan.changing():
            plan.check_compiled()
            into = <double *>cnp.PyArray_DATA(sums)
            with nogil:
                status = c.fm_plan_part_gradient(&plan.c_plan, &part, gradient, into)
            check(status)
        return tuple(sums.tolist())
