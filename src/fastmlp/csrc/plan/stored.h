/* Arrays of float32 plans that are stored in few bits, in panels as products read them.  What is unpacked is what products take,
   and packed again it is the same.

   bfloat16: the nearest numbers of 8 bits of mantissa, two inputs in a lane.
   int8: integers q from -127 to 127 and a scale for each column.  A scale has 17 bits, so that q times it is a float32.  After
   the panels of the integers come the scales, and 128 times the sum of each column, which products need as well. */

static ptrdiff_t half_panel(const fm_array *array) { return w_panel(half_lines(array->rows)); }

static ptrdiff_t int8_panel(const fm_array *array) { return w_panel(int8_lines(array->rows)); }

static const real *int8_scales(const fm_array *array, const real *w) { return w + count_panels(array->columns) * int8_panel(array); }

static const uint32_t *int8_offsets(const fm_array *array, const real *w)
{
    return (const uint32_t *)(int8_scales(array, w) + padded(array->columns));
}

static ptrdiff_t stored_size(const fm_array *array)
{
    if (array->storage == FM_AS_BFLOAT16) return count_panels(array->columns) * half_panel(array);
    return count_panels(array->columns) * int8_panel(array) + 2 * padded(array->columns);
}

/* What a row takes up as bytes, with its scale. */
static void note_stored(fm_plan *plan, const fm_array *array)
{
    const ptrdiff_t row = array->storage == FM_AS_INT8 ? int8_blocks(array->rows) * L + 1 : 0;
    if (array->storage == FM_AS_REALS) return;
    plan->stored = 1;
    if (row > plan->stored_row) plan->stored_row = row;
}

/* most / 127 without the last 7 bits, at least 2^-100; NaN where that is not finite. */
static real int8_scale(real most)
{
    const float quotient = (float)(most / 127);
    uint32_t pattern;
    float scale;
    memcpy(&pattern, &quotient, sizeof pattern);
    pattern &= 0xFFFFFF80u;
    memcpy(&scale, &pattern, sizeof scale);
    return !isfinite(most) ? (real)NAN : scale > FLUSH_BELOW ? scale : (real)FLUSH_BELOW;
}

static int8_t *int8_panel_of(const fm_array *array, const real *w, ptrdiff_t p) { return (int8_t *)(w + p * int8_panel(array)); }

/* Input i of column j of a panel. */
static ptrdiff_t int8_place(ptrdiff_t i, ptrdiff_t j) { return (i / 4 * L + j) * 4 + i % 4; }

/* Columns that panel p has. */
static ptrdiff_t columns_of(const fm_array *array, ptrdiff_t p)
{
    const ptrdiff_t left = array->columns - p * L;
    return left < L ? left : L;
}

/* The larger of sizes so far and those of a row; a NaN stays. */
static void note_sizes(real *most, const real *row, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++) {
        const real size = row[j] < 0 ? -row[j] : row[j];
        if (!(size <= most[j]) && most[j] == most[j]) most[j] = size;
    }
}

/* Row i as integers, of scales that are there, added to the columns' sums. */
static void pack_integers(const fm_array *array, real *w, const real *row, ptrdiff_t i)
{
    const real *scale = int8_scales(array, w);
    uint32_t *offset = (uint32_t *)int8_offsets(array, w);
    for (ptrdiff_t j = 0; j < array->columns; j++) {
        const int q = isfinite(scale[j]) ? (int)(row[j] / scale[j] + ROUND_MAGIC - ROUND_MAGIC) : 0;
        int8_panel_of(array, w, j / L)[int8_place(i, j % L)] = (int8_t)q;
        offset[j] += (uint32_t)q * 128u;
    }
}

/* The nearest bfloat16, ties to even; a denormal becomes 0, and NaN stays one. */
static uint16_t nearest_half(real value)
{
    const float number = (float)value;
    uint32_t pattern;
    memcpy(&pattern, &number, sizeof pattern);
    if (number != number) return (uint16_t)(pattern >> 16 | 0x40);
    return (pattern & 0x7F800000u) ? (uint16_t)((pattern + 0x7FFF + (pattern >> 16 & 1)) >> 16) : 0;
}

static real widened(uint16_t half)
{
    const uint32_t pattern = (uint32_t)half << 16;
    float number;
    memcpy(&number, &pattern, sizeof number);
    return number;
}

/* The weight of input i in column j. */
static uint16_t *half_at(const fm_array *array, const real *w, ptrdiff_t i, ptrdiff_t j)
{
    return (uint16_t *)(w + j / L * half_panel(array) + i / 2 * L + j % L) + i % 2;
}

/* The scales of the columns; they begin as 0. */
static int find_scales(const fm_array *array, real *scale, const real *values)
{
    for (ptrdiff_t i = 0; i < array->rows; i++) {
        note_sizes(scale, values + i * array->columns, array->columns);
        if (fm_interrupted()) return FM_INTERRUPTED;
    }
    for (ptrdiff_t j = 0; j < array->columns; j++) scale[j] = int8_scale(scale[j]);
    return FM_OK;
}

static int pack_rows_stored(const fm_array *array, real *w, const real *values)
{
    for (ptrdiff_t i = 0; i < array->rows; i++, values += array->columns) {
        if (array->storage == FM_AS_INT8)
            pack_integers(array, w, values, i);
        else
            for (ptrdiff_t j = 0; j < array->columns; j++) *half_at(array, w, i, j) = nearest_half(values[j]);
        if (fm_interrupted()) return FM_INTERRUPTED;
    }
    return FM_OK;
}

static int pack_stored(const fm_array *array, real *w, const real *values)
{
    const unsigned word = fm_fp_begin();
    memset(w, 0, (size_t)stored_size(array) * sizeof(real));
    int status = array->storage == FM_AS_INT8 ? find_scales(array, (real *)int8_scales(array, w), values) : FM_OK;
    if (status == FM_OK) status = pack_rows_stored(array, w, values);
    fm_fp_end(word);
    return status;
}

static int unpack_stored(const fm_array *array, const real *w, real *values)
{
    for (ptrdiff_t p = 0; p < count_panels(array->columns); p++, values += L) {
        const int8_t *integers = int8_panel_of(array, w, p);
        const real *scale = int8_scales(array, w) + p * L;
        if (p && fm_interrupted()) return FM_INTERRUPTED;
        for (ptrdiff_t i = 0; i < array->rows; i++)
            for (ptrdiff_t j = 0; j < columns_of(array, p); j++)
                values[i * array->columns + j] = array->storage == FM_AS_BFLOAT16
                                                     ? widened(*half_at(array, w, i, p * L + j))
                                                     : scale[j] * integers[int8_place(i, j)];
    }
    return FM_OK;
}
