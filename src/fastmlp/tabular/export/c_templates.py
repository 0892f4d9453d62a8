"""The fixed parts of an exported tabular model; words in capitals are replaced."""

HEADER = """\
/* NAME: a model of tables, written by fastmlp VERSION.

   Call     void NAME_predict(const double *x, double *out);
            void NAME_predict_rows(const double *x, double *out, size_t rows);
            int NAME_code(int column, const char *word);
            A row x has N_IN numbers, out N_OUT; they do not overlap.  Words are UTF-8 without spaces around
            them, numbers of a category as in the tables below.  Nothing is kept between calls: any
            thread may call at any time.
MORE   Columns of x
COLUMNS
   Columns of out
OUTPUTS
   ROM      ROM_BYTES bytes of parameters, float32; tables of words; the code
   Compile  cc -std=c99 -O3 -c NAME.c, with -mfma or a -march= that has it on x86-64; link with -lm
   Test     see the end of the file: with fma, networks have the bits that fastmlp gives in Python.
*/
"""

QUANTILES_SAID = """\
            void NAME_predict_quantiles(const double *x, double *out);
            Of each prediction the quantiles of the levels that the file was written for.
"""

DECLARED = """\
void NAME_predict(const double *restrict x, double *restrict out);
void NAME_predict_rows(const double *restrict x, double *restrict out, size_t rows);
int NAME_code(int column, const char *word);
"""

CODE = """\
/* The code of a word in a column of categories; 0 where it has none. */
int NAME_code(int column, const char *word)
{
    const char *const *words = 0;
    int size = 0;
    switch (column) {
CASES    default: break;
    }
    for (int code = 1; word && code < size; code++)
        if (!strcmp(words[code], word)) return code;
    return 0;
}
"""

DATES = """\
/* What a date says: the year with a fraction, and places in the year, the week and the day as angles. */
typedef struct { int known; double year, season, weekday, hour; } NAME_date;

/* Days from 1970 to the first of a year. */
static double NAME_first_day(double year)
{
    const double before = year - 1;
    return 365 * (year - 1970) + floor(before / 4) - floor(before / 100) + floor(before / 400) - 477;
}

static void NAME_read_date(NAME_date *date, double seconds)
{
    const double days = floor(seconds / 86400), in_day = (seconds - 86400 * days) / 86400;
    const double turn = 6.283185307179586;
    double year = floor(days / 365.2425) + 1970;
    date->known = seconds == seconds;
    if (!date->known) return;
    if (NAME_first_day(year) > days) year--;
    if (NAME_first_day(year + 1) <= days) year++;
    const double first = NAME_first_day(year), length = NAME_first_day(year + 1) - first;
    const double in_year = (seconds - 86400 * first) / (86400 * length);
    date->year = year + in_year;
    date->season = turn * in_year;
    date->weekday = turn * ((days + 3 - 7 * floor((days + 3) / 7) + in_day) / 7);
    date->hour = turn * in_day;
}
"""

_VALID = """\
/* A code, or 0 where it is none. */
static inline float NAME_valid(double code, int size)
{
    return code >= 0 && code < size ? (float)(int)code : 0.0f;
}

"""

ENCODE = (
    _VALID
    + """\
/* Drawn in smoothly: z / sqrt(1 + (z/3)^2), z = (number - center) factor. */
static float NAME_scaled(double number, double center, double factor)
{
    double z = (number - center) * factor;
    z = z > FAR ? FAR : z < -FAR ? -FAR : z;
    return (float)(z / sqrt(1 + (z / 3) * (z / 3)));
}

static void NAME_encode(const double *restrict x, float *restrict row)
{
    double number[COUNT];
NUMBERS    for (int i = 0; i < COUNT; i++) row[i] = NAME_scaled(number[i], NAME_center[i], NAME_factor[i]);
OTHERS}
"""
)

ENCODE_CODES = (
    _VALID
    + """\
static void NAME_encode(const double *restrict x, float *restrict row)
{
OTHERS}
"""
)

VIEW = """\
/* Behind the numbers for each bin of one (x - low) / width, within 0 and 1. */
static void NAME_see(const float *restrict row, float *restrict seen)
{
    memcpy(seen, row, NUMBERS * sizeof(float));
    for (int i = 0; i < BINS; i++) {
        float share = (row[NAME_bin_column[i]] - NAME_bin_low[i]) / NAME_bin_width[i];
        share = share > 0 ? share : 0;
        seen[NUMBERS + i] = share < 1 ? share : 1;
    }
    memcpy(seen + NUMBERS + BINS, row + NUMBERS, REST * sizeof(float));
}
"""

NUMBERS = """\
/* In the targets' units, and within their range. */
static void NAME_add(double *restrict out, const float *restrict z)
{
    for (int j = 0; j < N_OUT; j++) {
        double y = z[j] * NAME_spread[j] + NAME_mean[j];
        y = y > NAME_low[j] ? y : NAME_low[j];
        out[j] += y < NAME_high[j] ? y : NAME_high[j];
    }
}
"""

CLASSES = """\
static void NAME_add(double *restrict out, const float *restrict z)
{
    for (int j = 0; j < N_OUT; j++) out[j] += z[j];
}
"""

TEMPERED = """\
/* softmax(log(p) / temperature) */
static void NAME_add(double *restrict out, const float *restrict z)
{
    double power[N_OUT], most = -INFINITY, sum = 0;
    for (int j = 0; j < N_OUT; j++) {
        power[j] = log(z[j] > TINY ? z[j] : TINY) / TEMPERATURE;
        most = power[j] > most ? power[j] : most;
    }
    for (int j = 0; j < N_OUT; j++) sum += power[j] = exp(power[j] - most);
    for (int j = 0; j < N_OUT; j++) out[j] += power[j] / sum;
}
"""

PREDICT = """\
void NAME_predict(const double *restrict x, double *restrict out)
{
DECLARED    for (int j = 0; j < N_OUT; j++) out[j] = 0;
    NAME_encode(x, row);
NETS    for (int j = 0; j < N_OUT; j++) out[j] /= COUNT;
}

void NAME_predict_rows(const double *restrict x, double *restrict out, size_t rows)
{
    for (; rows; rows--, x += N_IN, out += N_OUT) NAME_predict(x, out);
}
"""

QUANTILES = """\
void NAME_predict_quantiles(const double *restrict x, double *restrict out);
void NAME_predict_quantiles(const double *restrict x, double *restrict out)
{
    double prediction[N_OUT];
    NAME_predict(x, prediction);
    for (int j = 0; j < N_OUT; j++)
        for (int i = 0; i < LEVELS; i++) out[j * LEVELS + i] = prediction[j] + NAME_offset[j * LEVELS + i];
}
"""

TEST = """\
#ifdef MACRO
#include <stdio.h>

/* Inputs, and what Python gives for them. */
TOLD
PREDICTED

int main(void)
{
    double largest = 0;
    for (int row = 0; row < ROWS; row++) {
        double out[N_OUT];
        NAME_predict(NAME_test_x + row * N_IN, out);
        for (int j = 0; j < N_OUT; j++) {
            const double difference = fabs(out[j] - NAME_test_out[row * N_OUT + j]);
            if (!(difference <= largest)) largest = difference;
        }
    }
    printf("largest difference from Python: %g, allowed: %g\\n", largest, ALLOWED);
    return !(largest <= ALLOWED);
}
#endif
"""
