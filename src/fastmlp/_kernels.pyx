"""The one compiled door: arrays are checked for memory here, and C trusts.

Messages for people are written above (network.py, validation.py); what is refused here would be unsafe.
"""
cimport numpy as cnp
from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastmlp cimport _c as c

from operator import index

import numpy as np

from fastmlp.errors import BusyError

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept # leaves what a handler raised for the caller
    unsigned long PyThread_get_thread_ident() noexcept nogil

cnp.import_array()

ctypedef cnp.ndarray Array

include "_names.pxi"
include "_errors.pxi"
include "_arrays.pxi"
include "_hyper.pxi"
include "_nodes.pxi"
include "_weights.pxi"
include "_targets.pxi"
include "_prediction.pxi"
include "_plan.pxi"
include "_claim.pxi"
include "_predictor.pxi"
include "_run.pxi"
include "_stepper.pxi"
include "_functions.pxi"
include "_native.pxi"
include "_tables.pxi"
