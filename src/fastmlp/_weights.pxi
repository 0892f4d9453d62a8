# Included by _kernels.pyx: vectors of parameters as lists of arrays, [W1, b1, W2, ...].

cdef tuple shape_of(const c.fm_array *array):
    if array.is_matrix:
        return array.rows, array.columns
    return (array.columns,)


cdef list shapes_of(const c.fm_plan *plan):
    shapes = []
    for l in range(plan.layer_count):
        for i in range(plan.layers[l].array_count):
            shapes.append(shape_of(&plan.layers[l].arrays[i]))
    return shapes


cdef bint laid_out_alike(const c.fm_plan *a, const c.fm_plan *b):
    """Whether two plans have the same arrays of the same type, one after the other."""
    cdef int l, i
    cdef const c.fm_array *one
    cdef const c.fm_array *other
    if a.type != b.type or a.layer_count != b.layer_count or a.size != b.size:
        return False
    for l in range(a.layer_count):
        if a.layers[l].array_count != b.layers[l].array_count:
            return False
        for i in range(a.layers[l].array_count):
            one, other = &a.layers[l].arrays[i], &b.layers[l].arrays[i]
            if one.rows != other.rows or one.columns != other.columns or one.offset != other.offset:
                return False
    return True


cdef list unpacked(const c.fm_plan *plan, const void *vector):
    cdef Array array
    cdef const c.fm_array *found
    arrays = []
    for l in range(plan.layer_count):
        for i in range(plan.layers[l].array_count):
            found = &plan.layers[l].arrays[i]
            array = np.empty(shape_of(found), dtype_of(plan))
            check(c.fm_plan_unpack(plan, vector, found, cnp.PyArray_DATA(array)))
            arrays.append(array)
    return arrays


cdef list checked_parameters(const c.fm_plan *plan, arrays, str name):
    """Arrays shaped like the parameters and of their dtype, all checked before any is used."""
    shapes = shapes_of(plan)
    arrays = list(arrays)
    if len(arrays) != len(shapes):
        raise ValueError(f"{name} has {len(arrays)} arrays, expected {len(shapes)}")
    return [ready(np.asarray(a, dtype_of(plan)), numpy_type(plan.type), shape, name)
            for a, shape in zip(arrays, shapes)]


cdef int pack(const c.fm_plan *plan, void *vector, list arrays) except -1:
    cdef Array array
    each = iter(arrays)
    for l in range(plan.layer_count):
        for i in range(plan.layers[l].array_count):
            array = next(each)
            check(c.fm_plan_pack(plan, vector, &plan.layers[l].arrays[i], cnp.PyArray_DATA(array)))
    return 0


cdef int pack_apart(const c.fm_plan *plan, void *vector, list arrays) except -1:
    """`pack` that changes nothing where it is interrupted."""
    cdef size_t size = plan.size * dtype_of(plan).itemsize
    cdef void *apart = c.fm_alloc_raw(size)
    if apart == NULL:
        raise MemoryError("fastmlp could not allocate its weights")
    try:
        memcpy(apart, vector, size) # with what pads arrays
        pack(plan, apart, arrays)
        memcpy(vector, apart, size)
    finally:
        c.fm_free(apart)
    return 0
