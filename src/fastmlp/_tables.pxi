# Included by _kernels.pyx: one row of a table, from a dictionary to a mean of networks, without a loop of Python.

import datetime

from libc.math cimport NAN, isfinite, sqrt as c_sqrt

cdef extern from "Python.h":
    cnp.PyObject *PyDict_GetItemWithError(object, object) except? NULL
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    int PyDict_Next(object, Py_ssize_t *, cnp.PyObject **, cnp.PyObject **)

cdef enum: OTHER, NUMBER, CATEGORY
cdef enum: MOST_CLASSES = 256 # of a row on the stack
cdef double FAR = 1e100, TINY = 1e-12
cdef int BEST_ISA = find_isa(None), EXP = position(ELEMENTARY, "exp", "name"), LOG = position(ELEMENTARY, "log", "name")

# What is a single value of a dictionary beside words, numbers and dates of Python's own; item() makes it one.
cdef frozenset SCALARS = frozenset({np.float64, np.float32, np.int64, np.int32, np.bool_, np.str_})
cdef long long EXACT = <long long>1 << 53 # up to here float64 has all whole numbers

ctypedef struct Cell:
    int kind, flags      # flags: how many indicators
    ptrdiff_t number, flag, code # places in a row; of code -1 where there is none
    double median


def tempered(Array probabilities not None, double temperature):
    """softmax(log(p) / T) of each row of float64 (rows, n), C-contiguous; no p counts as less than 1e-12."""
    cdef ptrdiff_t rows = cnp.PyArray_DIM(probabilities, 0), n = cnp.PyArray_DIM(probabilities, 1), r
    cdef Array result = cnp.PyArray_Copy(probabilities)
    cdef double *p = <double *>cnp.PyArray_DATA(result)
    if cnp.PyArray_TYPE(probabilities) != cnp.NPY_DOUBLE or not cnp.PyArray_ISCARRAY(result):
        raise TypeError(f"probabilities is of {probabilities.dtype}, expected float64")
    for r in range(rows):
        temper(p + r * n, n, temperature)
    return result


cdef void temper(double *p, ptrdiff_t n, double temperature) noexcept:
    cdef const c.fm_kernels *kernels = c.fm_isa_table(BEST_ISA, c.FM_FLOAT64)
    cdef double most = -1e300, total = 0
    cdef ptrdiff_t j
    for j in range(n):
        p[j] = p[j] if p[j] > TINY else TINY
    c.fm_elementary(kernels, c.FM_FLOAT64, LOG, p, p, n)
    for j in range(n):
        p[j] /= temperature
        most = p[j] if p[j] > most else most
    for j in range(n):
        p[j] -= most
    c.fm_elementary(kernels, c.FM_FLOAT64, EXP, p, p, n)
    for j in range(n):
        total += p[j]
    for j in range(n):
        p[j] /= total


cdef double as_number(value):
    """A number that float64 has, NaN of all else."""
    cdef long long whole
    cdef int overflow
    if type(value) is float:
        return <double>value
    if type(value) is int:
        whole = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and -EXACT <= whole <= EXACT:
            return <double>whole
    return NAN


cdef class RowEncoder:
    """What `TableEncoder.transform` makes of a dictionary of single values.

    Parameters
    ----------
    columns : list of Column
        Those that are used, in their order.
    center, factor : ndarray of float64, shape (numbers + indicators,)
    """
    cdef tuple given
    cdef list names, columns, known, indicators
    cdef Array cells, center, factor
    cdef ptrdiff_t width

    def __init__(self, columns, center, factor):
        cdef Cell *cell
        self.given = columns, center, factor
        self.columns = list(columns)
        self.center, self.factor = np.array(center, np.float64), np.array(factor, np.float64)
        self.names = [column.name for column in columns]
        self.known = [getattr(column, "known", None) for column in columns]
        self.indicators = [getattr(column, "indicators_of_codes", None) for column in columns]
        self.cells = np.zeros(max(1, len(self.columns)) * sizeof(Cell), np.uint8)
        number, flag, code = 0, sum(len(each.number_names()) for each in columns), len(center)
        for i, column in enumerate(self.columns):
            cell = self.cell(i)
            cell.kind = {"number": NUMBER, "category": CATEGORY}.get(column.kind, OTHER)
            cell.median = column.median if cell.kind == NUMBER else 0.0
            cell.number, cell.flag, cell.flags, cell.code = number, flag, len(column.indicator_names()), -1
            if cell.kind == CATEGORY and not column.one_hot:
                cell.code = code
                code += 1
            number += len(column.number_names())
            flag += cell.flags
        if flag != len(self.center):
            raise ValueError(f"center has {len(self.center)} numbers, expected {flag}")
        self.width = code

    def __reduce__(self):
        return RowEncoder, self.given

    cdef inline Cell *cell(self, ptrdiff_t i) noexcept:
        return <Cell *>cnp.PyArray_DATA(self.cells) + i

    def __call__(self, dict X not None):
        """float32 of shape (1, n); None where a value is of another type or a column is missing."""
        cdef cnp.npy_intp shape[2]
        cdef cnp.PyObject *key
        cdef cnp.PyObject *value
        cdef Py_ssize_t place = 0
        cdef ptrdiff_t i, scaled = cnp.PyArray_DIM(self.center, 0)
        cdef double *center = <double *>cnp.PyArray_DATA(self.center)
        cdef double *factor = <double *>cnp.PyArray_DATA(self.factor)
        cdef double z, third
        cdef Array raw, row
        while PyDict_Next(X, &place, &key, &value):
            kind = type(<object>value)
            if not (kind is float or kind is str or kind is int or kind is bool or <object>value is None
                    or kind in SCALARS or isinstance(<object>value, datetime.date)):
                return None
        shape[0], shape[1] = 1, self.width
        row = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT, 0)
        raw = cnp.PyArray_EMPTY(1, &shape[1], cnp.NPY_DOUBLE, 0)
        for i in range(len(self.names)):
            value = PyDict_GetItemWithError(X, self.names[i])
            if value == NULL:
                return None
            self.read(i, <object>value, <double *>cnp.PyArray_DATA(raw), <float *>cnp.PyArray_DATA(row))
        for i in range(scaled):
            z = ((<double *>cnp.PyArray_DATA(raw))[i] - center[i]) * factor[i]
            z = FAR if z > FAR else -FAR if z < -FAR else z
            third = z / 3
            (<float *>cnp.PyArray_DATA(row))[i] = <float>(z / c_sqrt(1 + third * third))
        return row

    cdef int read(self, ptrdiff_t i, value, double *raw, float *row) except -1:
        """One cell, to its places in numbers and in the row."""
        cdef Cell *cell = self.cell(i)
        cdef double number
        cdef bint gap
        if type(value) in SCALARS:
            value = value.item()
        if cell.kind == NUMBER:
            number = as_number(value)
            gap = value is None or (type(value) is float and number != number)
            if gap or isfinite(number):
                raw[cell.number] = cell.median if gap else number
                if cell.flags:
                    raw[cell.flag] = gap
                return 0
        elif cell.kind == CATEGORY and type(value) is str:
            known = <dict>self.known[i]
            found = known.get(value)
            if found is None:
                found = known.get((<str>value).strip(), 0)
            return self.put(cell, (), (<list>self.indicators[i])[<ptrdiff_t>found], found, raw, row)
        numbers, indicators, code = self.columns[i].cell(value)
        return self.put(cell, numbers, indicators, code, raw, row)

    cdef int put(self, Cell *cell, tuple numbers, tuple indicators, code, double *raw, float *row) except -1:
        cdef ptrdiff_t j
        for j in range(len(numbers)):
            raw[cell.number + j] = numbers[j]
        for j in range(cell.flags):
            raw[cell.flag + j] = indicators[j]
        if cell.code >= 0:
            row[cell.code] = code
        return 0


cdef class RowPredictor:
    """The mean of networks' predictions of one encoded row.

    Parameters
    ----------
    members : list of (Predictor, int)
        Each with the number of its view.
    views : list of (columns, lows, widths, numbers)
        As `tabular.views.Quantiles` has them, int64 and float32 arrays (bins,); None is the row itself.
    width : int
        Of the encoded row.
    temperature : float
        Of probabilities, where `numbers` is None.
    numbers : tuple of ndarray of float64, shape (n,), or None
        Means, spreads, least and largest targets.
    """
    cdef tuple given
    cdef list members, views
    cdef ptrdiff_t width, outputs
    cdef double temperature
    cdef Array mean, spread, low, high

    def __init__(self, members, views, width, temperature, numbers):
        self.given = members, views, width, temperature, numbers
        self.members, self.views, self.width, self.temperature = list(members), list(views), width, temperature
        self.outputs = members[0][0].plan.n_out
        if numbers is None and self.outputs > MOST_CLASSES:
            raise ValueError(f"there are {self.outputs} classes, expected at most {MOST_CLASSES}")
        if numbers is not None:
            self.mean, self.spread, self.low, self.high = (np.array(each, np.float64) for each in numbers)
            if len(self.mean) != self.outputs:
                raise ValueError(f"numbers are of {len(self.mean)} targets, expected {self.outputs}")

    def __reduce__(self):
        return RowPredictor, self.given

    def __call__(self, Array row not None):
        """float64 of shape (1, outputs); None where a network refuses the row, or it is no row of float32."""
        cdef c.fm_input rows
        cdef ptrdiff_t count, j
        cdef cnp.npy_intp shape[2]
        cdef Array result, seen, output
        cdef double *total
        cdef Plan plan
        if not (cnp.PyArray_TYPE(row) == cnp.NPY_FLOAT and cnp.PyArray_ISCARRAY_RO(row) and cnp.PyArray_NDIM(row) == 2
                and cnp.PyArray_DIM(row, 0) == 1 and cnp.PyArray_DIM(row, 1) == self.width):
            return None
        shape[0], shape[1] = 1, self.outputs
        result = cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, 0)
        total = <double *>cnp.PyArray_DATA(result)
        made = [row if view is None else None for view in self.views]
        for net, number in self.members:
            if made[number] is None:
                made[number] = self.see(<tuple>self.views[number], row)
            seen, plan = made[number], (<Predictor>net).plan
            if plan.c_plan.n_out != self.outputs or not rows_of(seen, &plan.c_plan, &rows, &count):
                return None
            output = run_predict(&plan.c_plan, seen, &rows, count, None, 1)
            if output is None or cnp.PyArray_TYPE(output) != cnp.NPY_FLOAT:
                return None
            self.add(total, <float *>cnp.PyArray_DATA(output))
        for j in range(self.outputs):
            total[j] /= len(self.members)
        return result

    cdef see(self, tuple view, Array row):
        """Behind the numbers (x - low) / width of each bin, within 0 and 1."""
        cdef Array columns = view[0], lows = view[1], widths = view[2]
        cdef ptrdiff_t numbers = view[3], bins = cnp.PyArray_DIM(columns, 0), i
        cdef cnp.npy_intp shape[2]
        cdef Array seen
        cdef float *x = <float *>cnp.PyArray_DATA(row)
        cdef float *out
        cdef float share
        shape[0], shape[1] = 1, self.width + bins
        seen = cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT, 0)
        out = <float *>cnp.PyArray_DATA(seen)
        memcpy(out, x, <size_t>numbers * sizeof(float))
        for i in range(bins):
            share = x[(<int64_t *>cnp.PyArray_DATA(columns))[i]] - (<float *>cnp.PyArray_DATA(lows))[i]
            share = share / (<float *>cnp.PyArray_DATA(widths))[i]
            share = share if share > 0 else 0
            out[numbers + i] = share if share < 1 else 1
        memcpy(out + numbers + bins, x + numbers, <size_t>(self.width - numbers) * sizeof(float))
        return seen

    cdef void add(self, double *total, const float *output) noexcept:
        """A network's output as a prediction, added to those before."""
        cdef double own[MOST_CLASSES]
        cdef double y
        cdef ptrdiff_t j
        if self.mean is not None:
            for j in range(self.outputs):
                y = output[j] * (<double *>cnp.PyArray_DATA(self.spread))[j] + (<double *>cnp.PyArray_DATA(self.mean))[j]
                y = max(y, (<double *>cnp.PyArray_DATA(self.low))[j])
                total[j] += min(y, (<double *>cnp.PyArray_DATA(self.high))[j])
            return
        for j in range(self.outputs):
            own[j] = output[j]
        if self.temperature != 1:
            temper(own, self.outputs, self.temperature)
        for j in range(self.outputs):
            total[j] += own[j]
