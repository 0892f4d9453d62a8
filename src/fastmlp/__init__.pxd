"""`cimport fastmlp`: networks in Cython without the GIL.

Build with include_dirs=[fastmlp.get_include()]; nothing is linked.  include/fastmlp_native.h has the contract.

    cimport fastmlp

    def steps(network, float[::1] x, float[::1] out, int count):
        cdef fastmlp.NativeNetwork net = fastmlp.borrow(network)
        cdef int status = 0
        with nogil:
            for _ in range(count):
                status |= fastmlp.predict(&net, &x[0], 1, &out[0])
        fastmlp.check(status)
"""
from libc.stddef cimport ptrdiff_t

cdef extern from "fastmlp_python.h" nogil:
    enum:
        FASTMLP_OK, FASTMLP_NO_MEMORY, FASTMLP_NOT_FINITE, FASTMLP_WRONG_TYPE

    # All that a loop needs of a network; plain data.
    ctypedef int fastmlp_predict_function(const void *network, const void *x, ptrdiff_t rows, void *out) noexcept
    ctypedef struct NativeNetwork "fastmlp_network":
        fastmlp_predict_function *function
        const void *handle
        ptrdiff_t n_in, n_out
        int itemsize

    int fastmlp_predict(const NativeNetwork *, const void *x, ptrdiff_t rows, void *out) noexcept
    int fastmlp_predict_float(const NativeNetwork *, const float *x, ptrdiff_t rows, float *out) noexcept
    int fastmlp_predict_double(const NativeNetwork *, const double *x, ptrdiff_t rows, double *out) noexcept

cdef extern from "fastmlp_python.h":
    int fastmlp_borrow(object network, NativeNetwork *native) except -1


# A Network's function and handle, good while `network` lives: keep a reference.
cdef inline NativeNetwork borrow(object network) except *:
    cdef NativeNetwork native
    fastmlp_borrow(network, &native)
    return native


ctypedef fused real:
    float
    double


# x (rows, n_in) and out (rows, n_out) of the network's type; returns a status, FASTMLP_WRONG_TYPE for the other type.
cdef inline int predict(const NativeNetwork *net, const real *x, ptrdiff_t rows, real *out) noexcept nogil:
    if real is float:
        return fastmlp_predict_float(net, x, rows, out)
    else:
        return fastmlp_predict_double(net, x, rows, out)


# Raises what a status says.
cdef inline int check(int status) except -1:
    if status == FASTMLP_NO_MEMORY:
        raise MemoryError("fastmlp could not allocate its buffers")
    if status == FASTMLP_NOT_FINITE:
        raise ValueError("x contains NaN or infinity, expected finite values")
    if status == FASTMLP_WRONG_TYPE:
        raise TypeError("x and out have the type that is not the network's")
    return 0
