# Included by _kernels.pyx: losses, and what rows are compared with.

cdef tuple fitting_loss(const c.fm_plan *plan, loss):
    """(number, parameter) of a loss (name, parameter) that the output activation fits."""
    cdef int link
    name, parameter = loss
    number = position(LOSSES, name, "loss")
    link = c.fm_losses[<int>number].link
    output = ACTIVATIONS[plan.layers[plan.layer_count - 1].activation]
    if link >= 0:
        expected = c.fm_activations[link].name.decode()
        if output != expected and (expected, output) != ("softmax", "log_softmax"):
            raise ValueError(f"loss {name!r} needs the output activation {expected!r}, got {output!r}")
    outputs = c.fm_losses[<int>number].outputs
    if plan.n_out % outputs:
        raise ValueError(f"loss {name!r} has {outputs} outputs a target, got a network of {plan.n_out}")
    return number, float(parameter)


cdef c.fm_target target_of(const c.fm_plan *plan, tuple loss, y, sample_weight, ptrdiff_t rows, list keep) except *:
    """The C view of a loss (number, parameter), of y and of the weights; `keep` holds the arrays alive."""
    cdef c.fm_target t
    cdef Array array
    cdef ptrdiff_t i
    cdef const int64_t *labels
    t.loss, t.parameter = loss
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
        columns = plan.n_out // c.fm_losses[t.loss].outputs
        array = ready(y, numpy_type(plan.type), (rows, columns), "y")
        t.rows = cnp.PyArray_DATA(array)
    keep.append(array)
    if sample_weight is not None:
        array = ready(sample_weight, numpy_type(plan.type), (rows,), "sample_weight")
        t.weights = cnp.PyArray_DATA(array)
        keep.append(array)
    return t
