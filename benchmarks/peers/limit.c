/* How many multiply-adds a core can do: independent chains in registers, in assembly, because compilers' loops
   fall short of the limit by some percent.  Prints one line for each kind: name and GFLOP/s (a multiply-add is two).

   Twelve chains cover a latency of 4 cycles at 2 to 3 a cycle; the operands are ordinary numbers, since
   processors may clock higher on zeros.  argv[1] is a number of rounds of about 2 ms each; the best counts. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const float a32 = 1.0f / 1024, b32 = 3.0f / 1024;
static const double a64 = 1.0 / 1024, b64 = 3.0 / 1024;

#define TWELVE(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#if defined(__x86_64__)
#define CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
    "xmm12", "xmm13", "cc"
#define ZERO(i) "vxorps %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n"
#define FMA_ZS(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n"
#define FMA_ZD(i) "vfmadd231pd %%zmm12, %%zmm13, %%zmm" #i "\n"
#define FMA_YS(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n"
#define FMA_YD(i) "vfmadd231pd %%ymm12, %%ymm13, %%ymm" #i "\n"
#define LOOP(name, broadcast, register, FMA, a, b) \
    static void name(long n) \
    { \
        __asm__ volatile(TWELVE(ZERO) \
            broadcast " %1, %%" register "12\n" broadcast " %2, %%" register "13\n" \
            "1:\n" TWELVE(FMA) "dec %0\n jnz 1b\n vzeroupper\n" \
            : "+r"(n) : "m"(a), "m"(b) : CLOBBERS); \
    }
LOOP(avx512_32, "vbroadcastss", "zmm", FMA_ZS, a32, b32)
LOOP(avx512_64, "vbroadcastsd", "zmm", FMA_ZD, a64, b64)
LOOP(avx2_32, "vbroadcastss", "ymm", FMA_YS, a32, b32)
LOOP(avx2_64, "vbroadcastsd", "ymm", FMA_YD, a64, b64)
#elif defined(__aarch64__)
#define ZERO(i) "movi v" #i ".2d, #0\n"
#define FMA_S(i) "fmla v" #i ".4s, v12.4s, v13.4s\n"
#define FMA_D(i) "fmla v" #i ".2d, v12.2d, v13.2d\n"
#define LOOP(name, shape, FMA, a, b) \
    static void name(long n) \
    { \
        __asm__ volatile(TWELVE(ZERO) \
            "ld1r {v12." shape "}, [%1]\n ld1r {v13." shape "}, [%2]\n" \
            "1:\n" TWELVE(FMA) "subs %0, %0, #1\n b.ne 1b\n" \
            : "+r"(n) : "r"(&a), "r"(&b), "m"(a), "m"(b) \
            : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "cc"); \
    }
LOOP(neon_32, "4s", FMA_S, a32, b32)
LOOP(neon_64, "2d", FMA_D, a64, b64)
#endif

/* The best of `rounds` turns of n passes: 12 multiply-adds of `lanes` numbers each. */
static void report(const char *name, void (*loop)(long), int lanes, int rounds)
{
    const long n = 300000;
    double best = 0;
    loop(n);
    for (int i = 0; i < rounds; i++) {
        double start = now();
        loop(n);
        double rate = 12.0 * 2 * lanes * (double)n / (now() - start) / 1e9;
        if (rate > best)
            best = rate;
    }
    printf("%s %.1f\n", name, best);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        report("avx512-float32", avx512_32, 16, rounds);
        report("avx512-float64", avx512_64, 8, rounds);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        report("avx2-float32", avx2_32, 8, rounds);
        report("avx2-float64", avx2_64, 4, rounds);
    }
#elif defined(__aarch64__)
    report("neon-float32", neon_32, 4, rounds);
    report("neon-float64", neon_64, 2, rounds);
#else
    (void)rounds;
    (void)report;
#endif
    return 0;
}
