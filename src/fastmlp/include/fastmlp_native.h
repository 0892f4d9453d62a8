/* fastmlp from C: what predicts without Python.  C99 or C++; nothing is linked, a call goes through an address.

   The address of the function and of the network come from Python, as numbers: `net.native()` has `function` and
   `handle`.  Extension modules take them from a Network object with fastmlp_python.h.

   Lifetime       A handle is good while the Python object it was taken from lives: the NativeNetwork of net.native(),
                  the Network given to fastmlp_borrow.  Its sizes and its type never change.  Its weights are read in
                  each call: after fit, set_weights or load_state_dict the same handle predicts with the new ones.
                  A copy, or what a pickle or a file brings back, is another network with a handle of its own.
   Threads        A call runs on its own thread alone, needs no GIL, and keeps nothing between calls: any number of
                  threads may call with one handle at once.  While the network is trained by another thread a call may
                  see weights of two steps, never bad memory.
   Memory         Up to 16 KB of scratch is on the stack, and a call that needs more allocates it: one row allocates
                  nothing where input and layers are up to 1000 floats or 500 doubles wide.
   Arithmetic     The bits are those of Network.predict, for a row alone or in any batch.  The caller's floating-point
                  control word may be any; it is restored. */
#ifndef FASTMLP_NATIVE_H
#define FASTMLP_NATIVE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions below return.  After any but FASTMLP_OK the content of `out` is unspecified. */
enum {
    FASTMLP_OK = 0,
    FASTMLP_NO_MEMORY = 1,  /* scratch could not be allocated */
    FASTMLP_NOT_FINITE = 2, /* x holds NaN or infinity, or a number that is no code where one belongs */
    FASTMLP_WRONG_TYPE = 3  /* only of the functions of one type: the network has the other */
};

/* Predicts `rows` rows.
     network   a handle
     x         (rows, n_in) numbers of the network's type, row after row without gaps, aligned as their type is;
               before any Rescaling or Standardize of the network, which are part of it
     rows      where it is 0 or less, nothing is read or written
     out       (rows, n_out) numbers, likewise; shares no memory with x */
typedef int fastmlp_predict_function(const void *network, const void *x, ptrdiff_t rows, void *out);

/* All that a loop needs of a network; plain data, to be copied at will. */
typedef struct {
    fastmlp_predict_function *function;
    const void *handle;
    ptrdiff_t n_in, n_out;
    int itemsize; /* bytes of a number of x and out: 4 for float, 8 for double */
} fastmlp_network;

/* The function of a network of either type. */
static inline int fastmlp_predict(const fastmlp_network *network, const void *x, ptrdiff_t rows, void *out)
{
    return network->function(network->handle, x, rows, out);
}

/* The same, where the type is known and should be checked. */
static inline int fastmlp_predict_float(const fastmlp_network *network, const float *x, ptrdiff_t rows, float *out)
{
    if (network->itemsize != (int)sizeof(float)) return FASTMLP_WRONG_TYPE;
    return network->function(network->handle, x, rows, out);
}

static inline int fastmlp_predict_double(const fastmlp_network *network, const double *x, ptrdiff_t rows, double *out)
{
    if (network->itemsize != (int)sizeof(double)) return FASTMLP_WRONG_TYPE;
    return network->function(network->handle, x, rows, out);
}

#ifdef __cplusplus
}
#endif
#endif
