# Included by _kernels.pyx: signals, and statuses as exceptions.

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


cdef str refusal_of_input(const c.fm_plan *plan, x):
    """What is wrong with an input that the engine has found not to be finite."""
    if not np.isfinite(x).all():
        return "X contains NaN or infinity, expected finite values"
    with np.errstate(over="ignore"):
        held = np.isfinite(x.astype(dtype_of(plan))).all()
    what = "numbers that Rescaling or Standardize takes" if held else "numbers"
    return f"X has {what} beyond {dtype_of(plan)}"


cdef int check_input(int status, const c.fm_plan *plan, x) except -1:
    """`check`, for a call that looks whether its input x is finite."""
    if status == c.FM_NOT_FINITE:
        raise ValueError(refusal_of_input(plan, x))
    return check(status)


class NotFiniteInput(ValueError):
    """A row of X that training came to is not finite; batches before it have been trained."""
