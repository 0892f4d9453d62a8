# Included by _kernels.pyx: losses, and what rows are compared with.

cdef tuple loss_of(loss):
    """(number, parameters) of a loss (name, parameters): a number is the first of them, and the rest have their defaults.

    Where heads (name, parameters, outputs, weight), one or more, stand in the place of the name: (-1, none, what C takes of
    them, columns of targets).
    """
    name, given = loss
    if isinstance(name, tuple):
        return loss_of_heads(name)
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


cdef tuple loss_of_heads(tuple heads):
    cdef Array memory = np.zeros(len(heads) * sizeof(c.fm_head_loss), np.uint8), parameters
    cdef c.fm_head_loss *head = <c.fm_head_loss *>cnp.PyArray_DATA(memory)
    cdef list keep = [memory]
    columns = 0
    for name, given, outputs, weight in heads:
        own = loss_of((name, given))
        parameters = own[1]
        if isinstance(name, tuple) or outputs < 1 or outputs % outputs_of(own) or not 0 <= weight < np.inf:
            raise ValueError(f"a head has the loss {name!r}, {outputs} outputs and the weight {weight}, expected a loss of so "
                             "many outputs and a finite weight of at least 0")
        head.loss, head.parameter_count = own[0], <int>cnp.PyArray_DIM(parameters, 0)
        head.parameters = <const double *>cnp.PyArray_DATA(parameters)
        head.outputs, head.weight = outputs, weight
        head.targets = 1 if c.fm_losses[head.loss].label else head.outputs // outputs_of(own)
        columns += head.targets
        keep.append(parameters)
        head += 1
    return -1, np.empty(0), keep, columns


cdef void set_loss(c.fm_target *target, tuple loss):
    """Of what `loss_of` gave, which stays as long as the target."""
    cdef Array parameters = loss[1], heads
    target.loss = loss[0]
    target.heads, target.head_count = NULL, 0
    if target.loss < 0:
        heads = loss[2][0]
        target.heads = <const c.fm_head_loss *>cnp.PyArray_DATA(heads)
        target.head_count = <int>(<object>heads.nbytes // sizeof(c.fm_head_loss))
    target.standardized = 0
    target.parameters = <const double *>cnp.PyArray_DATA(parameters)
    target.parameter_count = <int>cnp.PyArray_DIM(parameters, 0)


cdef ptrdiff_t target_columns(tuple loss, ptrdiff_t n):
    """Of n outputs."""
    return loss[3] if loss[0] < 0 else n // outputs_of(loss)


cdef bint takes_labels(tuple loss):
    return loss[0] >= 0 and c.fm_losses[<int>loss[0]].label


cdef ptrdiff_t outputs_of(tuple loss):
    """Outputs of the network for each target."""
    cdef int outputs = c.fm_losses[<int>loss[0]].outputs
    return outputs if outputs else len(loss[1])


cdef int check_link(name, int activation, bint fused) except -1:
    """ValueError unless a loss fits the activation; one that is `fused` takes what stands before it."""
    cdef int link = c.fm_losses[<int>position(LOSSES, name, "loss")].link
    output = ACTIVATIONS[activation]
    expected = output if link < 0 and not fused else "identity" if link < 0 else c.fm_activations[link].name.decode()
    if output != expected and (expected, output) != ("softmax", "log_softmax"):
        raise ValueError(f"loss {name!r} needs the output activation {expected!r}, got {output!r}")
    return 0


cdef tuple fitting_loss(const c.fm_plan *plan, loss):
    """(number, parameters) of a loss (name, parameters) that the output activation fits."""
    cdef tuple found = loss_of(loss)
    cdef int h
    name = loss[0]
    if found[0] < 0:
        came, expected = [head[2] for head in name], [plan.heads[h].columns for h in range(plan.head_count)]
        if came != expected:
            raise ValueError(f"the loss has heads of {came} outputs, expected {expected or 'none'} as the plan has")
        for h in range(plan.head_count):
            check_link(name[h][0], plan.heads[h].activation, True)
        return found
    check_link(name, plan.layers[plan.layer_count - 1].activation, False)
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
    if takes_labels(loss):
        array = own(ready(y, cnp.NPY_INT64, (rows,), "y"))
        labels = <const int64_t *>cnp.PyArray_DATA(array)
        for i in range(rows):
            if labels[i] < 0 or labels[i] >= plan.n_out:
                raise ValueError(f"y has class {labels[i]} at row {i}, expected 0 to {plan.n_out - 1}")
        t.labels = labels
    else:
        array = ready(y, numpy_type(plan.type), (rows, target_columns(loss, plan.n_out)), "y")
        t.rows = cnp.PyArray_DATA(array)
    keep.append(array)
    if sample_weight is not None:
        array = ready(sample_weight, numpy_type(plan.type), (rows,), "sample_weight")
        t.weights = cnp.PyArray_DATA(array)
        keep.append(array)
    return t
