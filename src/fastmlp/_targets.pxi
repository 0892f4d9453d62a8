# Included by _kernels.pyx: losses, and what rows are compared with.

cdef tuple loss_of(loss):
    """(number, parameters) of a loss (name, parameters): a number is the first of them, and the rest have their defaults."""
    name, given = loss
    cdef int number = position(LOSSES, name, "loss"), i
    cdef c.fm_loss_info *info = <c.fm_loss_info *>&c.fm_losses[number]
    values = list(given) if isinstance(given, (tuple, list)) else [given][:info.count]
    if info.outputs:
        if len(values) > info.count:
            raise ValueError(f"loss {name!r} came with {len(values)} parameters, expected at most {info.count}")
        values += [info.defaults[i] for i in range(len(values), info.count)]
    elif not values:
        raise ValueError(f"loss {name!r} came without parameters, expected at least one")
    return number, np.array(values, np.float64)


cdef void set_loss(c.fm_target *target, tuple loss):
    """Of a (number, parameters) that stays as long as the target."""
    cdef Array parameters = loss[1]
    target.loss = loss[0]
    target.standardized = 0
    target.parameters = <const double *>cnp.PyArray_DATA(parameters)
    target.parameter_count = <int>cnp.PyArray_DIM(parameters, 0)


cdef ptrdiff_t outputs_of(tuple loss):
    """Outputs of the network for each target."""
    cdef int outputs = c.fm_losses[<int>loss[0]].outputs
    return outputs if outputs else len(loss[1])


cdef tuple fitting_loss(const c.fm_plan *plan, loss):
    """(number, parameters) of a loss (name, parameters) that the output activation fits."""
    cdef tuple found = loss_of(loss)
    cdef int link = c.fm_losses[<int>found[0]].link
    name, output = loss[0], ACTIVATIONS[plan.layers[plan.layer_count - 1].activation]
    if link >= 0:
        expected = c.fm_activations[link].name.decode()
        if output != expected and (expected, output) != ("softmax", "log_softmax"):
            raise ValueError(f"loss {name!r} needs the output activation {expected!r}, got {output!r}")
    outputs = outputs_of(found)
    if plan.n_out % outputs:
        raise ValueError(f"loss {name!r} has {outputs} outputs a target, got a network of {plan.n_out}")
    return found


cdef c.fm_target target_of(const c.fm_plan *plan, tuple loss, y, sample_weight, ptrdiff_t rows, list keep,
                           bint standardized=False) except *:
    """The C view of a loss (number, parameters), of y and of the weights; `keep` holds the arrays alive."""
    cdef c.fm_target t
    cdef Array array
    cdef ptrdiff_t i
    cdef const int64_t *labels
    set_loss(&t, loss)
    keep.append(loss)
    if standardized and not plan.rescales_output:
        raise ValueError("standardized came with a plan whose output is not rescaled, expected rescale_output before")
    t.standardized = standardized
    t.labels = NULL
    t.rows = t.weights = NULL
    if c.fm_losses[t.loss].label:
        array = own(ready(y, cnp.NPY_INT64, (rows,), "y"))
        labels = <const int64_t *>cnp.PyArray_DATA(array)
        for i in range(rows):
            if labels[i] < 0 or labels[i] >= plan.n_out:
                raise ValueError(f"y has class {labels[i]} at row {i}, expected 0 to {plan.n_out - 1}")
        t.labels = labels
    else:
        columns = plan.n_out // outputs_of(loss)
        array = ready(y, numpy_type(plan.type), (rows, columns), "y")
        t.rows = cnp.PyArray_DATA(array)
    keep.append(array)
    if sample_weight is not None:
        array = ready(sample_weight, numpy_type(plan.type), (rows,), "sample_weight")
        t.weights = cnp.PyArray_DATA(array)
        keep.append(array)
    return t
