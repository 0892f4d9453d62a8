# Included by _kernels.pyx: nodes, as which layers cross the door.

# What a node may say beside its kind and that kind's own settings, and what it says if it does not; units follow from those before
# it and the settings, but of a dense layer are free.
cdef dict NODE = {"units": None, "activation": "identity", "parameter": 0.0, "dropout": 0.0, "function": "identity",
                  "function_parameter": 0.0, "use_bias": True, "source": -1, "sizes": (), "dims": (), "trainable": True,
                  "learning_rate": {}, "weight_decay": {}}


cdef dict node_of(layer, n_in):
    """A layer's node with all that it may say."""
    if not isinstance(layer, dict) or "kind" not in layer:
        raise TypeError(f"a layer is {layer!r}, expected a node, a dict with its kind")
    kind = KINDS[position(KINDS, layer["kind"], "kind")]
    known = {"kind": kind, **NODE, **{name: start for name, (start, _, _) in LAYER_KINDS[kind][1].items()}}
    unknown = set(layer) - set(known)
    if unknown:
        raise ValueError(f"a node of kind {kind!r} has {sorted(unknown)[0]!r}, expected some of {', '.join(known)}")
    node = {**known, **layer}
    if node["units"] is None:
        node["units"] = width_of(node, n_in)
    return node


cdef ptrdiff_t width_of(dict node, ptrdiff_t n_in) except -1:
    """The outputs of a layer whose settings decide them."""
    cdef c.fm_layer layer
    memset(&layer, 0, sizeof(layer))
    layer.kind, layer.n_in = position(KINDS, node["kind"], "kind"), n_in
    take_settings(&layer, node)
    tables = take_tables(&layer, node)
    return c.fm_layer_width(&layer)


cdef object take_tables(c.fm_layer *layer, dict node):
    """Points a layer that reads codes to its sizes and dims; the array that holds them, (2, tables)."""
    cdef Array tables
    if ("reads_codes" in LAYER_KINDS[node["kind"]][0]) != bool(len(node["sizes"])) or len(node["sizes"]) != len(node["dims"]):
        raise ValueError(f"a layer of kind {node['kind']!r} has {len(node['sizes'])} sizes and {len(node['dims'])} dims, "
                         "expected as many of both, and some in a kind that reads codes alone")
    for name in ("sizes", "dims"):
        if not all([1 <= number < 2**31 for number in node[name]]):
            raise ValueError(f"{name} of a layer is {tuple(node[name])}, expected whole numbers from 1 to {2**31 - 1}")
    if sum([size * dim for size, dim in zip(node["sizes"], node["dims"])]) > 2**40:
        raise MemoryError("tables of more than 2**40 numbers do not fit any memory")
    tables = np.array([node["sizes"], node["dims"]], np.int64)
    layer.tables = len(node["sizes"])
    layer.sizes = <const int64_t *>cnp.PyArray_DATA(tables)
    layer.dims = layer.sizes + layer.tables
    return tables


cdef int take_settings(c.fm_layer *layer, dict node) except -1:
    for i, (name, (_, least, most)) in enumerate(LAYER_KINDS[node["kind"]][1].items()):
        layer.settings[i] = node[name]
        if not least <= layer.settings[i] <= most:
            raise ValueError(f"{name} of a layer of kind {node['kind']!r} is {layer.settings[i]}, "
                             f"expected {least:g} to {most:g}")
    return 0


cdef int check_derivative(activation, double parameter) except -1:
    """ValueError unless the derivative is right for the parameter."""
    cdef int number = position(ACTIVATIONS, activation, "activation")
    if not c.fm_activations[number].least <= parameter <= c.fm_activations[number].most and c.fm_activations[number].parameter:
        raise ValueError(f"activation {activation!r} has the parameter {parameter:g}, whose derivative is not known, "
                         f"expected {c.fm_activations[number].least:g} to {c.fm_activations[number].most:g}")
    return 0


cdef object describe_node(c.fm_plan *plan, int l, dict node, ptrdiff_t width):
    """Node l as C has it, checked for all that memory depends on; what it points to, to be kept."""
    cdef c.fm_layer *layer = &plan.layers[l]
    cdef int i
    layer.kind = position(KINDS, node["kind"], "kind")
    layer.n_in, layer.n_out = width, node["units"]
    layer.activation = position(ACTIVATIONS, node["activation"], "activation")
    layer.parameter, layer.dropout = node["parameter"], node["dropout"]
    layer.use_bias, layer.frozen = bool(node["use_bias"]), not node["trainable"]
    layer.source = node["source"]
    layer.function, layer.function_parameter = position(ACTIVATIONS, node["function"], "function"), node["function_parameter"]
    if layer.function >= c.FM_ACTIVATIONS:
        raise ValueError(f"function {node['function']!r} works on whole rows, expected one of each number alone")
    traits, _ = LAYER_KINDS[node["kind"]]
    take_settings(layer, node)
    tables = take_tables(layer, node)
    if layer.n_out != c.fm_layer_width(layer):
        raise ValueError(f"layer {l}, {node['kind']}, has {width} inputs and {layer.n_out} outputs, "
                         f"expected {c.fm_layer_width(layer)}")
    if not 0 <= layer.dropout < 1:
        raise ValueError(f"dropout is {layer.dropout}, expected at least 0 and below 1")
    if layer.activation >= c.FM_ACTIVATIONS and l != plan.layer_count - 1:
        raise ValueError(f"activation {node['activation']!r} works on whole rows and is for the output layer alone")
    if "two_inputs" in traits:
        if not 0 <= layer.source < l or plan.layers[layer.source].n_out != layer.n_out:
            raise ValueError(f"layer {l} adds layer {layer.source}, expected one before it with {layer.n_out} outputs")
    elif layer.source != -1:
        raise ValueError(f"layer {l}, {node['kind']}, has a source, expected one of a kind with two inputs alone")
    if "by_member" in traits:
        if plan.members not in (0, node["members"]):
            raise ValueError(f"layer {l}, {node['kind']}, has {node['members']:g} members, expected the {plan.members} of the "
                             "layers before it")
        plan.members = node["members"]
    for i in range(c.FM_MOST_ARRAYS):
        layer.learning_rate[i] = layer.weight_decay[i] = 1
    return tables


cdef int check_codes(c.fm_plan *plan, tuple nodes) except -1:
    """ValueError unless codes come to the layer that reads them as X has them."""
    cdef ptrdiff_t i
    for l, node in enumerate(nodes):
        if "reads_codes" not in LAYER_KINDS[node["kind"]][0]:
            continue
        changing = [before["kind"] for before in nodes[:l] if "keeps_input" not in LAYER_KINDS[before["kind"]][0]]
        changing += ["an activation" for before in nodes[:l] if before["activation"] != "identity"]
        changing += ["dropout" for before in nodes[:l + 1] if before["dropout"]]
        for i in range(plan.n_in - len(node["sizes"]), plan.n_in):
            if plan.shift != NULL and real_at(plan, plan.shift, i) != 0:
                changing.append("a shift of the input")
            if plan.divisor != NULL and real_at(plan, plan.divisor, i) != 1:
                changing.append("a divisor of the input")
        if changing:
            raise ValueError(f"layer {l}, {node['kind']}, reads codes from the last columns of the input, "
                             f"expected nothing before it that changes them, got {changing[0]}")
    return 0


cdef double real_at(const c.fm_plan *plan, const void *values, ptrdiff_t i) noexcept:
    return (<const float *>values)[i] if plan.type == c.FM_FLOAT32 else (<const double *>values)[i]


cdef int take_factors(c.fm_plan *plan, tuple nodes) except -1:
    """The factors of arrays, whose names are known once the plan is laid out; one of weight decay lets an array decay."""
    cdef c.fm_layer *layer
    cdef int l, i
    for l in range(plan.layer_count):
        layer = &plan.layers[l]
        names = [layer.arrays[i].name.decode() for i in range(layer.array_count)]
        for key in ("learning_rate", "weight_decay"):
            for name, factor in nodes[l][key].items():
                i = position(names, name, f"{key} of layer {l} for array")
                if not 0 <= factor < np.inf:
                    raise ValueError(f"{key} of {name!r} in layer {l} is {factor}, expected a finite factor of at least 0")
                if key == "learning_rate":
                    layer.arrays[i].learning_rate = factor
                else:
                    layer.arrays[i].weight_decay, layer.arrays[i].decays = factor, True
                layer.scaled = layer.scaled or factor != 1
    return 0
