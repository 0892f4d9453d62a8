# Included by _kernels.pyx: names, the registry as the C tables have it; instruction sets; threads.

def activation_names():
    """name -> (default parameter, what the derivative is computed from: "z", "a", or "row", bounds of the parameter)."""
    return {c.fm_activations[i].name.decode():
            (c.fm_activations[i].parameter,
             "row" if c.fm_activations[i].row else "z" if c.fm_activations[i].from_z else "a",
             (c.fm_activations[i].least, c.fm_activations[i].most))
            for i in range(c.FM_ALL_ACTIVATIONS)}


def loss_names():
    """name -> (default parameters, the output activation it is fused with or "any", whether targets are classes,
    outputs a target, 0 for one a parameter)."""
    return {c.fm_losses[i].name.decode():
            (tuple(c.fm_losses[i].defaults[j] for j in range(c.fm_losses[i].count)),
             "any" if c.fm_losses[i].link < 0 else c.fm_activations[c.fm_losses[i].link].name.decode(),
             bool(c.fm_losses[i].label), c.fm_losses[i].outputs)
            for i in range(c.FM_LOSSES)}


def optimizer_names():
    """name -> number of state vectors."""
    return {c.fm_optimizers[i].name.decode(): c.fm_optimizers[i].slots for i in range(c.FM_OPTIMIZERS)}


cdef dict TRAITS = {"two_inputs": c.FM_TWO_INPUTS, "reads_codes": c.FM_READS_CODES, "keeps_input": c.FM_KEEPS_INPUT,
          "by_member": c.FM_BY_MEMBER}


def layer_kinds():
    """name -> (its traits, {setting: (default, least, most)})."""
    found = {}
    for i in range(c.FM_LAYERS):
        traits, settings = c.fm_layers[i].traits, {}
        for j in range(c.FM_MOST_SETTINGS):
            if c.fm_layers[i].settings[j].name != NULL:
                setting = c.fm_layers[i].settings[j]
                settings[setting.name.decode()] = (setting.start, setting.least, setting.most)
        found[c.fm_layers[i].name.decode()] = (frozenset([name for name, bit in TRAITS.items() if traits & bit]), settings)
    return found


def isas():
    """The instruction sets: those compiled in, those this machine can run, the default; and "alike", which share all kernels
    but the products of bfloat16 with the one before them."""
    count = c.fm_isa_count()
    names = [c.fm_isa_name(i).decode() for i in range(count)]
    return {"compiled": names, "runnable": [n for i, n in enumerate(names) if c.fm_isa_runnable(i)],
            "default": c.fm_isa_name(find_isa(None)).decode(),
            "alike": [names[i] for i in range(1, count)
                      if c.fm_isa_table(i, c.FM_FLOAT32) == c.fm_isa_table(i - 1, c.FM_FLOAT32)]}


def set_num_threads(int threads):
    c.fm_set_num_threads(threads)


def get_num_threads():
    return c.fm_num_threads()


def wrong_variables():
    """The environment's variables that should hold a number of threads, or whether they spin, and do not."""
    cdef const char *names[2]
    c.fm_environment_threads(&names[0])
    c.fm_environment_spinning(&names[1])
    return [names[i].decode() for i in range(2) if names[i] != NULL]


def set_spinning(bint spinning):
    c.fm_set_spinning(spinning)


def get_spinning():
    return bool(c.fm_spinning())


def cpu_count():
    return c.fm_cpu_count()


cdef int find_isa(isa) except -1:
    cdef int number = c.fm_isa_default() if isa is None else c.fm_isa_find(str(isa).encode("ascii", "backslashreplace"))
    if number >= 0:
        return number
    source = "FASTMLP_ISA" if isa is None else f"isa {isa!r}"
    names = ", ".join([c.fm_isa_name(i).decode() for i in range(c.fm_isa_count())])
    if number == c.FM_ISA_UNKNOWN:
        raise ValueError(f"{source} names no instruction set of this build, expected one of {names}")
    raise ValueError(f"{source} names an instruction set this machine cannot run; compiled in are {names}")


cdef list ACTIVATIONS = list(activation_names())
cdef list LOSSES = list(loss_names())
cdef list OPTIMIZERS = list(optimizer_names())
cdef list HYPERPARAMETERS = [c.fm_hyperparameters[i].name.decode() for i in range(c.FM_HYPERPARAMETERS)]
cdef dict LAYER_KINDS = layer_kinds()
cdef list KINDS = list(LAYER_KINDS)
cdef list ELEMENTARY = [c.fm_elementary_names[i].decode() for i in range(c.FM_ELEMENTARY)]


cdef int position(list names, name, what) except -1:
    for i, known in enumerate(names):
        if known == name:
            return i
    raise ValueError(f"{what} {name!r} is unknown, expected one of {', '.join(names)}")
