# Included by _kernels.pyx: an optimizer's hyperparameters.

HYPERPARAMETERS = ("learning_rate", "momentum", "rho", "beta_1", "beta_2", "epsilon", "l1", "l2", "weight_decay",
                       "clipvalue", "global_clipnorm", "nesterov")


cdef c.fm_hyper hyper_of(values, int type) except *:
    cdef c.fm_hyper hyper
    cdef double least = 1e-30 if type == c.FM_FLOAT32 else 1e-200 # padding stays zero while g / epsilon does
    unknown = set(values) - set(HYPERPARAMETERS)
    if unknown:
        raise ValueError(f"hyperparameters has {sorted(unknown)[0]!r}, expected some of {', '.join(HYPERPARAMETERS)}")

    def value(name, default):
        given = values.get(name)
        return default if given is None else float(given)

    hyper.learning_rate = value("learning_rate", 0)
    hyper.momentum = value("momentum", 0)
    hyper.rho = value("rho", 0)
    hyper.beta_1 = value("beta_1", 0)
    hyper.beta_2 = value("beta_2", 0)
    hyper.epsilon = value("epsilon", 1e-8)
    hyper.l1 = value("l1", 0)
    hyper.l2 = value("l2", 0)
    hyper.weight_decay = value("weight_decay", 0)
    hyper.clipvalue = value("clipvalue", np.inf)
    hyper.global_clipnorm = value("global_clipnorm", np.inf)
    hyper.nesterov = bool(values.get("nesterov"))
    if not hyper.epsilon >= least:
        raise ValueError(f"epsilon is {hyper.epsilon}, expected at least {least}")
    return hyper
