/* fastmlp from an extension module: a Network object's function and handle.  Include Python.h before. */
#ifndef FASTMLP_PYTHON_H
#define FASTMLP_PYTHON_H

#include "fastmlp_native.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FASTMLP_CAPSULE_NAME "fastmlp._kernels._C_API"
#define FASTMLP_CAPSULE_VERSION 1 /* of the two structs and of what the functions promise */

/* What the capsule of that name points at. */
typedef struct {
    int version;
    int (*borrow)(PyObject *network, fastmlp_network *native);
} fastmlp_capsule;

/* Fills `native` from a fastmlp.Network, with the GIL held.  It is good while `network` lives: keep a reference.
   Returns 0, or -1 with an exception set: TypeError if `network` is something else, ImportError if fastmlp is not
   there or has another version of this interface. */
static inline int fastmlp_borrow(PyObject *network, fastmlp_network *native)
{
    const fastmlp_capsule *capsule = (const fastmlp_capsule *)PyCapsule_Import(FASTMLP_CAPSULE_NAME, 0);
    if (capsule == NULL) return -1;
    if (capsule->version != FASTMLP_CAPSULE_VERSION) {
        PyErr_Format(PyExc_ImportError, "fastmlp has version %d of its C interface, this module was built for version %d",
                     capsule->version, FASTMLP_CAPSULE_VERSION);
        return -1;
    }
    return capsule->borrow(network, native);
}

#ifdef __cplusplus
}
#endif
#endif
