# Included by _kernels.pyx: rows of callers as C reads them, and predictions into arrays.

cdef int describe_rows(const c.fm_plan *plan, Array x, c.fm_input *rows, ptrdiff_t *count) except -1:
    cdef ptrdiff_t row, column
    if rows_of(x, plan, rows, count):
        size = c.fm_find_wrong_code(plan, rows, count[0], &row, &column)
        if size:
            raise ValueError(f"X has {np.atleast_2d(x)[row, column]} in row {row}, column {column}, expected a whole number from "
                             f"0 to {size - 1}")
        return 0
    raise ValueError(f"X has shape {(<object>x).shape} and dtype {x.dtype}, expected ({'rows'}, {plan.n_in}) of "
                     f"{dtype_of(plan)}, float64, float32 or uint8 with contiguous rows")


cdef Array as_rows(const c.fm_plan *plan, x):
    """x itself where its rows can be read as they lie, else a contiguous copy."""
    cdef c.fm_input rows
    cdef ptrdiff_t count
    cdef Array array = np.asarray(x)
    if not rows_of(array, plan, &rows, &count) and array.dtype.kind in "fiub":
        kept = array.dtype in (np.float32, np.float64, np.uint8) and array.dtype.isnative
        array = np.require(array, array.dtype if kept else dtype_of(plan), ("C", "A"))
    return array


cdef Array new_predictions(const c.fm_plan *plan, int dimensions, ptrdiff_t count):
    """Room for the predictions of `count` rows, of shape (count, n_out), or of a row without `count`."""
    cdef cnp.npy_intp shape[2]
    shape[0] = count
    shape[dimensions - 1] = plan.n_out
    return cnp.PyArray_EMPTY(dimensions, shape, numpy_type(plan.type), 0)


cdef object run_predict(const c.fm_plan *plan, Array x, c.fm_input *rows, ptrdiff_t count, out, int threads):
    """Predictions for described rows; None if `out` is not fit or a value of X is not finite."""
    cdef int status
    cdef Array result
    cdef int dimensions = cnp.PyArray_NDIM(x)
    cdef void *memory
    cdef bint short = count * plan.size < 16384
    if out is not None and not out_fits(plan, out, x, dimensions, count):
        return None
    # Long work is stored block by block, and a later block may hold a NaN: `out` is written when all is well.
    if out is None or not (short or count == 1):
        result = new_predictions(plan, dimensions, count)
    else:
        result = out
    memory = cnp.PyArray_DATA(result)
    if short:
        status = c.fm_plan_predict(plan, rows, count, memory, 1)
    else:
        with nogil:
            status = c.fm_plan_predict(plan, rows, count, memory, threads)
    if status == c.FM_NOT_FINITE:
        return None
    check(status)
    if out is not None and result is not out:
        memcpy(cnp.PyArray_DATA(<Array>out), memory, cnp.PyArray_NBYTES(result))
    return result if out is None else out


cdef bint out_fits(const c.fm_plan *plan, out, Array x, int dimensions, ptrdiff_t count):
    """out can take the predictions of x: shape, dtype, order, writable, and no memory shared with x."""
    if not cnp.PyArray_Check(out):
        return False
    cdef Array array = out
    return (cnp.PyArray_TYPE(array) == numpy_type(plan.type) and cnp.PyArray_ISCARRAY(array)
            and cnp.PyArray_NDIM(array) == dimensions
            and cnp.PyArray_DIM(array, dimensions - 1) == plan.n_out
            and (dimensions == 1 or cnp.PyArray_DIM(array, 0) == count)
            and not overlap(array, x))
