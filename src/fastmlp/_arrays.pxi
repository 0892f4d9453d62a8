# Included by _kernels.pyx: what callers give, as memory that C may read.

cdef Array row_numbers(order, ptrdiff_t epochs, ptrdiff_t rows):
    """A copy of order as int64 row numbers of shape (epochs, any number), each below `rows`."""
    cdef ptrdiff_t i
    cdef Array array = own(ready(order, cnp.NPY_INT64, None, "order"))
    cdef const int64_t *numbers = <const int64_t *>cnp.PyArray_DATA(array)
    if cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != epochs:
        raise ValueError(f"order has shape {(<object>array).shape}, expected ({epochs}, any number)")
    for i in range(cnp.PyArray_SIZE(array)):
        if numbers[i] < 0 or numbers[i] >= rows:
            raise ValueError(f"order has row {numbers[i]}, expected 0 to {rows - 1}")
    return array


cdef double of_step(double value, str name, double below=np.inf) except -1:
    """A setting of one step, checked."""
    if not 0 <= value < below:
        least = "finite numbers of at least 0" if below == np.inf else f"numbers of 0 to less than {below:g}"
        raise ValueError(f"{name} is {value}, expected {least}")
    return value


cdef const double *of_steps(values, str name, shape, list keep, double below=np.inf) except? NULL:
    """The data of settings of steps, an array of float64 that `keep` holds alive; NULL for None."""
    cdef ptrdiff_t i
    if values is None:
        return NULL
    cdef Array array = own(ready(values, cnp.NPY_FLOAT64, shape, name))
    cdef const double *data = <const double *>cnp.PyArray_DATA(array)
    for i in range(cnp.PyArray_SIZE(array)):
        of_step(data[i], name, below)
    keep.append(array)
    return data


cdef Array plain(x, dtype=None):
    """x as an aligned C-contiguous array of at least one dimension."""
    if (dtype is None and cnp.PyArray_CheckExact(x) and cnp.PyArray_ISCARRAY_RO(<Array>x)
            and cnp.PyArray_NDIM(<Array>x) > 0):
        return x # the long way takes two microseconds
    return np.require(np.ascontiguousarray(x, dtype), requirements=("C", "A"))


cdef Array own(Array x):
    """A copy of what is checked once and then read without a look, so that no other thread can change it meanwhile."""
    return cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)


cdef Array ready(x, int type_number, shape, str name):
    """x as a C-contiguous array of that type and shape; nothing is converted silently but the memory order."""
    cdef Array array
    if (cnp.PyArray_Check(x) and cnp.PyArray_TYPE(<Array>x) == type_number and cnp.PyArray_ISCARRAY_RO(<Array>x)
            and cnp.PyArray_NDIM(<Array>x) > 0):
        array = x
    else:
        array = plain(x)
    if array.dtype.num != type_number or not array.dtype.isnative:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {cnp.PyArray_DescrFromType(type_number)}")
    if shape is not None and (<object>array).shape != tuple(shape):
        raise ValueError(f"{name} has shape {(<object>array).shape}, expected {tuple(shape)}")
    return array


cdef int real_type(Array x) except -1:
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT32 and cnp.PyArray_ISNOTSWAPPED(x):
        return c.FM_FLOAT32
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 and cnp.PyArray_ISNOTSWAPPED(x):
        return c.FM_FLOAT64
    raise TypeError(f"the array has dtype {x.dtype}, expected float32 or float64")


cdef object dtype_of(const c.fm_plan *plan):
    return np.dtype(np.float32 if plan.type == c.FM_FLOAT32 else np.float64)


cdef int numpy_type(int type):
    return cnp.NPY_FLOAT32 if type == c.FM_FLOAT32 else cnp.NPY_FLOAT64


cdef int input_type(Array x):
    """The C input type of an array whose rows can be read as they lie, or -1."""
    cdef int number = cnp.PyArray_TYPE(x)
    cdef int type
    if number == cnp.NPY_FLOAT32:
        type = c.FM_FLOAT32
    elif number == cnp.NPY_FLOAT64:
        type = c.FM_FLOAT64
    elif number == cnp.NPY_UINT8:
        type = c.FM_UINT8
    else:
        return -1
    if not cnp.PyArray_ISBEHAVED_RO(x):
        return -1
    return type


cdef bint rows_of(Array x, const c.fm_plan *plan, c.fm_input *rows, ptrdiff_t *count):
    """Describes x, of shape (rows, n_in) or (n_in,), as input; False if it must be converted first."""
    cdef int dimensions = cnp.PyArray_NDIM(x)
    cdef int type = input_type(x)
    if type < 0 or dimensions < 1 or dimensions > 2:
        return False
    if cnp.PyArray_DIM(x, dimensions - 1) != plan.n_in:
        return False
    if cnp.PyArray_STRIDE(x, dimensions - 1) != cnp.PyArray_ITEMSIZE(x) and plan.n_in > 1:
        return False
    count[0] = cnp.PyArray_DIM(x, 0) if dimensions == 2 else 1
    rows.data = cnp.PyArray_DATA(x)
    rows.row_bytes = cnp.PyArray_STRIDE(x, 0) if dimensions == 2 else cnp.PyArray_ITEMSIZE(x) * plan.n_in
    rows.columns = plan.n_in
    rows.type = type
    rows.shift = plan.shift
    rows.divisor = plan.divisor
    return count[0] > 0


cdef bint overlap(Array a, Array b):
    """Whether the memory from the first to the last byte of two arrays intersects."""
    cdef char *a_first = <char *>cnp.PyArray_DATA(a)
    cdef char *b_first = <char *>cnp.PyArray_DATA(b)
    if a_first + cnp.PyArray_NBYTES(a) <= b_first:
        return False
    if cnp.PyArray_ISCONTIGUOUS(b) and b_first + cnp.PyArray_NBYTES(b) <= a_first:
        return False
    return np.may_share_memory(a, b)
