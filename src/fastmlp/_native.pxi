# Networks for callers without Python: addresses for net.native(), and the capsule that include/fastmlp_python.h imports.
from cpython.pycapsule cimport PyCapsule_New

from fastmlp cimport NativeNetwork, fastmlp_predict_function

cdef extern from "native.h" nogil:
    fastmlp_predict_function fm_native_predict

cdef extern from "fastmlp_python.h":
    const char *FASTMLP_CAPSULE_NAME
    int FASTMLP_CAPSULE_VERSION
    ctypedef struct fastmlp_capsule:
        int version
        int (*borrow)(object network, NativeNetwork *) except -1


cdef int borrow_network(object network, NativeNetwork *native) except -1:
    if not isinstance(network, Predictor) or (<Predictor>network).plan is None:
        raise TypeError(f"network is a {type(network).__name__}, expected a fastmlp.Network")
    cdef Plan plan = (<Predictor>network).plan
    native.function = fm_native_predict
    native.handle = &plan.c_plan
    native.n_in = plan.c_plan.n_in
    native.n_out = plan.c_plan.n_out
    native.itemsize = sizeof(float) if plan.c_plan.type == c.FM_FLOAT32 else sizeof(double)
    return 0


def native_addresses(Plan plan not None):
    """(function, handle): the address of the C function that predicts, and of the plan, which must be kept alive."""
    return <size_t><void *>fm_native_predict, <size_t><void *>&plan.c_plan


cdef fastmlp_capsule capsule
capsule.version = FASTMLP_CAPSULE_VERSION
capsule.borrow = borrow_network
_C_API = PyCapsule_New(&capsule, FASTMLP_CAPSULE_NAME, NULL)
