# Included by _kernels.pyx: the plan's flag in a `with`.

cdef class Claim:
    """What `Plan.changing` gives: the plan is taken and given back in C, where no signal comes between."""
    cdef Plan plan
    cdef bint nested

    def __cinit__(self, Plan plan not None, bint nested):
        self.plan = plan
        self.nested = nested

    def __enter__(self):
        if not self.nested and c.fm_plan_claimed(&self.plan.c_plan):
            raise BusyError("the network is being changed by another call, expected it to end first")
        self.plan.claim()

    def __exit__(self, kind, value, traceback):
        c.fm_plan_release(&self.plan.c_plan)
