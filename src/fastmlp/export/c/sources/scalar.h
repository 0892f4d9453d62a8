/* The vector type of one lane, in C99: what vec.h gives to the sources that an exported file is made of. */

#if BITS == 32
#define ROUNDED_ONCE fmaf
#define ROOT sqrtf
#define SIZE fabsf
#else
#define ROUNDED_ONCE fma
#define ROOT sqrt
#define SIZE fabs
#endif

INLINE vec vfma(vec a, vec b, vec c) { return FASTMLP_FMA ? ROUNDED_ONCE(a, b, c) : a * b + c; }
INLINE vec vsqrt(vec a) { return ROOT(a); }
INLINE vec vabs(vec a) { return SIZE(a); }

INLINE uivec vbits(vec a)
{
    uivec i;
    memcpy(&i, &a, sizeof i);
    return i;
}
INLINE vec vreal(uivec i)
{
    vec a;
    memcpy(&a, &i, sizeof a);
    return a;
}

INLINE vmask vlt(vec a, vec b) { return a < b; }
INLINE vmask vle(vec a, vec b) { return a <= b; }
INLINE vmask veq(vec a, vec b) { return a == b; }
INLINE vec vselect(vmask m, vec a, vec b) { return m ? a : b; }

/* NaN in a stays NaN */
INLINE vec vmin(vec a, vec limit) { return limit < a ? limit : a; }
INLINE vec vmax(vec a, vec limit) { return a < limit ? limit : a; }
