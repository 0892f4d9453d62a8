/* Loops over arrays of any length and alignment: activations and elementary functions. */
#ifndef FM_ELEMENTWISE_H
#define FM_ELEMENTWISE_H

#include "activations.h"
#include "table.h"

typedef vec unary(vec, vec);

/* Deltas, state and weights too small to matter become zero, as arithmetic on denormals is up to a hundred
   times slower and a moving average of a dead unit would stay denormal for ever. */
INLINE vec vflush(vec a)
{
    return vselect(vlt(vabs(a), vset1(FLUSH_BELOW)), vset1(0), a);
}

/* out = f(in, parameter) */
INLINE void map(real *out, const real *in, ptrdiff_t count, real parameter, unary *f)
{
    const vec p = vset1(parameter);
    ptrdiff_t i = 0;
    for (; i + VW <= count; i += VW) vstore(out + i, f(vload(in + i), p));
    if (i < count) vstore_part(out + i, f(vload_part(in + i, count - i), p), count - i);
}

/* dz = da * derivative(saved, parameter) */
INLINE void map_backward(real *dz, const real *da, const real *saved, ptrdiff_t count, real parameter,
                         unary *derivative)
{
    const vec p = vset1(parameter);
    ptrdiff_t i = 0;
    for (; i + VW <= count; i += VW)
        vstore(dz + i, vflush(vload(da + i) * derivative(vload(saved + i), p)));
    if (i < count) {
        const ptrdiff_t rest = count - i;
        vstore_part(dz + i, vflush(vload_part(da + i, rest) * derivative(vload_part(saved + i, rest), p)), rest);
    }
}

#define ACTIVATION(name, saved, parameter, least, most)                                                           \
    static void name##_map(real *a, const real *z, ptrdiff_t count, real p)                          \
    { map(a, z, count, p, name##_forward); }                                                         \
    static void name##_map_backward(real *dz, const real *da, const real *s, ptrdiff_t count, real p)     \
    { map_backward(dz, da, s, count, p, name##_derivative); }
#define ROW_ACTIVATION(name)
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION

#define ELEMENTARY(name)                                                                             \
    INLINE vec name##_unary(vec x, vec unused) { (void)unused; return v##name(x); }                  \
    static void name##_elementary(real *out, const real *in, ptrdiff_t count)                        \
    { map(out, in, count, 0, name##_unary); }
#include "elementary.def"
#undef ELEMENTARY

static void add(real *out, const real *a, const real *b, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(out + i, vload(a + i) + vload(b + i));
}

static void multiply(real *out, const real *in, const real *factor, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += VW) vstore(out + i, vload(in + i) * vload(factor + i));
}

static void rescale_panels(real *a, ptrdiff_t panel, const real *factor, const real *offset, ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t p = 0; p < count_panels(columns); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec f = vload(factor + p * L + v * VW), o = vload(offset + p * L + v * VW);
            real *column = a + p * panel + v * VW;
            for (ptrdiff_t r = 0; r < rows; r++) vstore(column + r * L, vfma(vload(column + r * L), f, o));
        }
}

static void scale_panels(real *d, ptrdiff_t panel, const real *factor, ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t p = 0; p < count_panels(columns); p++)
        UNROLL for (int v = 0; v < VPL; v++) {
            const vec f = vload(factor + p * L + v * VW);
            real *column = d + p * panel + v * VW;
            for (ptrdiff_t r = 0; r < rows; r++) vstore(column + r * L, vflush(vload(column + r * L) * f));
        }
}

#endif
