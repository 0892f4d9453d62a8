# Included by _kernels.pyx: an optimizer's hyperparameters.


cdef c.fm_hyper hyper_of(values, int type) except *:
    cdef c.fm_hyper hyper
    cdef double *field
    cdef double least = 1e-30 if type == c.FM_FLOAT32 else 1e-200 # padding stays zero while g / epsilon does
    unknown = set(values) - set(HYPERPARAMETERS)
    if unknown:
        raise ValueError(f"hyperparameters has {sorted(unknown)[0]!r}, expected some of {', '.join(HYPERPARAMETERS)}")

    for i in range(c.FM_HYPERPARAMETERS):
        given = values.get(HYPERPARAMETERS[i])
        field = <double *>(<char *>&hyper + c.fm_hyperparameters[i].offset)
        field[0] = c.fm_hyperparameters[i].fallback if given is None else float(given)
    if not hyper.epsilon >= least:
        raise ValueError(f"epsilon is {hyper.epsilon}, expected at least {least}")
    return hyper
