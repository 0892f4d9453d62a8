# cython: boundscheck=False, wraparound=False
"""A network in a loop in Cython: a mass hung on a spring, pushed by the network."""
cimport fastmlp


def swing(network, double[::1] state, Py_ssize_t steps):
    """Moves state, the position and the speed, by a number of steps; the GIL is free meanwhile."""
    cdef fastmlp.NativeNetwork net = fastmlp.borrow(network) # good while `network` lives
    cdef double force
    cdef int status = 0
    cdef Py_ssize_t i
    if net.n_in != 2 or net.n_out != 1 or state.shape[0] != 2:
        raise ValueError("network and state do not fit, expected 2 inputs, 1 output and 2 numbers")
    with nogil:
        for i in range(steps):
            status = fastmlp.predict(&net, &state[0], 1, &force)
            if status != fastmlp.FASTMLP_OK:
                break
            state[1] += 0.01 * (force - state[0] - state[1] - 9.81)
            state[0] += 0.01 * state[1]
    fastmlp.check(status)
