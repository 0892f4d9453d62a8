/* The only file that asks the processor or the environment anything. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include <sched.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define FM_X86 1
#include <cpuid.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FM_ARM64 1
#else
#error "fastmlp needs x86-64 or aarch64"
#endif

/* What is believed of a second-level cache: hypervisors may describe one that is not there. */
enum { LEAST_CACHE = 512 * 1024, MOST_CACHE = 2048 * 1024 };

static int always(void) { return 1; }

#ifdef FM_X86

/* XCR0: the register files that the operating system saves when it switches threads.  A processor may have wide
   registers that the system does not save (old kernels, virtual machines); using them would corrupt other threads'. */
static uint32_t saved_registers(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax;
}

enum {
    YMM_SAVED = 0x06, /* XCR0 bits 1, 2: SSE and AVX */
#ifdef __APPLE__
    ZMM_SAVED = YMM_SAVED /* macOS turns the AVX-512 state on at a thread's first use: trust that it will */
#else
    ZMM_SAVED = 0xE6 /* and bits 5, 6, 7: masks, upper halves, registers 16-31 */
#endif
};

static int has_avx2(void)
{
    unsigned eax, ebx, ecx, edx;
    if ((saved_registers() & YMM_SAVED) != YMM_SAVED) return 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_AVX) || !(ecx & bit_FMA)) return 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_AVX2);
}

static int has_avx512(void)
{
    const unsigned needed = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned eax, ebx, ecx, edx;
    if (!has_avx2() || (saved_registers() & ZMM_SAVED) != ZMM_SAVED) return 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & needed) == needed;
}

static int has_vnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return has_avx512() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & bit_AVX512VNNI);
}

static int has_bf16(void)
{
    unsigned eax, ebx, ecx, edx;
    return has_vnni() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1u << 5);
}

/* Whether AVX512-BF16 adds in the order, and rounds, as pairs.h needs: seen on AMD's processors. */
static int has_pairs(void)
{
    unsigned eax, ebx, ecx, edx;
    return has_bf16() && __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx;
}

/* The size of the second-level cache by one of the leaves that describe caches (Intel's 4, AMD's 0x8000001D have one
   form), or 0. */
static ptrdiff_t described_cache(unsigned leaf)
{
    unsigned eax, ebx, ecx, edx;
    for (unsigned i = 0; i < 8 && __get_cpuid_count(leaf, i, &eax, &ebx, &ecx, &edx) && (eax & 0x1F); i++)
        if ((eax >> 5 & 7) == 2)
            return (ptrdiff_t)((ebx >> 22) + 1) * ((ebx >> 12 & 0x3FF) + 1) * ((ebx & 0xFFF) + 1) * ((ptrdiff_t)ecx + 1);
    return 0;
}

/* Linux gives tiles to processes that ask (since 5.16); other systems are not known to. */
#ifdef __linux__
enum { TILES_SAVED = 0x60000, TILE_DATA = 18, ARCH_GET_XCOMP_SUPP = 0x1021, ARCH_REQ_XCOMP_PERM = 0x1023 };

static int has_amx(void)
{
    const unsigned needed = 1u << 22 | 1u << 24 | 1u << 25; /* AMX-BF16, AMX-TILE, AMX-INT8 */
    unsigned eax, ebx, ecx, edx;
    uint64_t given = 0;
    if (!has_bf16() || (saved_registers() & TILES_SAVED) != TILES_SAVED) return 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & needed) != needed) return 0;
    return syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &given) == 0 && given >> TILE_DATA & 1;
}

/* The process's signal stacks must be large enough from then on, so only those ask who have work for the unit.  Threads and
   children have what the process has. */
static int ask_for_tiles(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0; }
#else
static int has_amx(void) { return 0; }
static int ask_for_tiles(void) { return 0; }
#endif

extern const fm_kernels fm_kernels_avx2_f32, fm_kernels_avx2_f64, fm_kernels_avx512_f32, fm_kernels_avx512_f64;
extern const fm_products fm_products_avx2, fm_products_avx512, fm_products_vnni, fm_products_bf16, fm_products_amx;
#else
static ptrdiff_t described_cache(unsigned leaf) { return (void)leaf, 0; }
#endif

extern const fm_kernels fm_kernels_baseline_f32, fm_kernels_baseline_f64;
extern const fm_products fm_products_baseline;

#define TABLES(isa) {&fm_kernels_##isa##_f32, &fm_kernels_##isa##_f64}, &fm_products_##isa
static const struct {
    const char *name;
    const fm_kernels *tables[2]; /* of FM_FLOAT32 and FM_FLOAT64 */
    const fm_products *products;
    int (*runnable)(void);
} isas[] = {
#ifdef FM_X86
    {"baseline", TABLES(baseline), always}, /* SSE2: every x86-64 processor (2003-) */
    {"avx2", TABLES(avx2), has_avx2},       /* Intel Haswell (2013-), AMD Excavator (2015-) and Zen (2017-) */
    {"avx512", TABLES(avx512), has_avx512}, /* Intel Skylake-SP (2017-), AMD Zen 4 (2022-) */
    {"vnni", {&fm_kernels_avx512_f32, &fm_kernels_avx512_f64}, &fm_products_vnni, has_vnni}, /* Ice Lake (2019-), Zen 4 */
    {"bf16", {&fm_kernels_avx512_f32, &fm_kernels_avx512_f64}, &fm_products_bf16, has_pairs}, /* AMD Zen 4 (2022-) */
    {"amx", {&fm_kernels_avx512_f32, &fm_kernels_avx512_f64}, &fm_products_amx, has_amx}, /* Intel Sapphire Rapids (2023-) */
#else
    {"neon", TABLES(baseline), always}, /* every aarch64 processor (2012-); has fused multiply-add */
#endif
};

int fm_isa_count(void) { return (int)(sizeof isas / sizeof *isas); }
const char *fm_isa_name(int isa) { return isas[isa].name; }
const fm_kernels *fm_isa_table(int isa, int type) { return isas[isa].tables[type]; }

int fm_isa_runnable(int isa)
{
    static signed char answers[sizeof isas / sizeof *isas]; /* 0 not asked yet, 1 yes, -1 no: cpuid is slow under a
                                                               hypervisor.  Threads that race write the same answer. */
    signed char answer = __atomic_load_n(&answers[isa], __ATOMIC_RELAXED);
    if (!answer) {
        answer = isas[isa].runnable() ? 1 : -1;
        __atomic_store_n(&answers[isa], answer, __ATOMIC_RELAXED);
    }
    return answer > 0;
}

const fm_products *fm_isa_products(int isa)
{
#ifdef FM_X86
    static signed char answer; /* as in fm_isa_runnable */
    signed char known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (isas[isa].products != &fm_products_amx) return isas[isa].products;
    if (!known) __atomic_store_n(&answer, known = ask_for_tiles() ? 1 : -1, __ATOMIC_RELAXED);
    return known > 0 ? &fm_products_amx : &fm_products_vnni;
#else
    return isas[isa].products;
#endif
}

int fm_matrix_unit(const fm_products *products)
{
#ifdef FM_X86
    return products == &fm_products_amx;
#else
    return (void)products, 0;
#endif
}

int fm_isa_find(const char *name)
{
    for (int isa = 0; isa < fm_isa_count(); isa++)
        if (strcmp(isas[isa].name, name) == 0) return fm_isa_runnable(isa) ? isa : FM_ISA_NOT_RUNNABLE;
    return FM_ISA_UNKNOWN;
}

int fm_isa_default(void)
{
    const char *forced = getenv("FASTMLP_ISA");
    int isa = fm_isa_count() - 1;
    if (forced && *forced) return fm_isa_find(forced);
    while (isa > 0 && !fm_isa_runnable(isa)) isa--;
    return isa;
}

ptrdiff_t fm_cache_bytes(void)
{
    static ptrdiff_t answer; /* 0: not asked yet; as in fm_isa_runnable */
    ptrdiff_t bytes = __atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (bytes) return bytes;
    bytes = described_cache(4);
    if (!bytes) bytes = described_cache(0x8000001D);
    bytes = bytes < LEAST_CACHE ? LEAST_CACHE : bytes > MOST_CACHE ? MOST_CACHE : bytes;
    __atomic_store_n(&answer, bytes, __ATOMIC_RELAXED);
    return bytes;
}

#if defined(__linux__)

/* The processors that one cgroup's quota is worth, rounded up; 0 without a limit. */
static int quota_of(const char *folder, int version)
{
    char path[4200];
    double quota = 0, period = 0;
    FILE *file;
    if (version == 2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (!(file = fopen(path, "re"))) return 0;
        if (fscanf(file, "%lf %lf", &quota, &period) != 2) quota = 0; /* "max 100000" */
        fclose(file);
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (!(file = fopen(path, "re"))) return 0;
        if (fscanf(file, "%lf", &quota) != 1) quota = 0; /* -1: no limit */
        fclose(file);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (!(file = fopen(path, "re"))) return 0;
        if (fscanf(file, "%lf", &period) != 1) period = 0;
        fclose(file);
    }
    if (!(quota > 0 && period > 0) || quota / period > 1 << 16) return 0;
    const int whole = (int)(quota / period);
    return whole + (quota > whole * period);
}

/* The least quota of a cgroup and those around it.  Inside a container the path may be the host's; then its first
   levels do not exist and the last step, the root, is the container's own. */
static int least_quota(const char *root, const char *group, int version)
{
    char folder[4160];
    int least = 0;
    snprintf(folder, sizeof folder, "%s%s", root, group);
    for (;;) {
        const int quota = quota_of(folder, version);
        if (quota && (!least || quota < least)) least = quota;
        if (strlen(folder) <= strlen(root)) return least;
        *strrchr(folder, '/') = '\0';
    }
}

static int names_cpu(const char *controllers)
{
    for (const char *c = controllers; c; c = strchr(c, ','), c = c ? c + 1 : NULL)
        if (strncmp(c, "cpu", 3) == 0 && (c[3] == ',' || c[3] == '\0')) return 1;
    return 0;
}

/* /proc/self/cgroup has a line "0::/group" for version 2 and "4:cpu,cpuacct:/group" for version 1. */
static int cgroup_cpus(void)
{
    char line[4096];
    int least = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        int quota = 0;
        if (*++controllers == '\0')
            quota = least_quota("/sys/fs/cgroup", group, 2);
        else if (names_cpu(controllers))
            quota = least_quota("/sys/fs/cgroup/cpu", group, 1);
        if (quota && (!least || quota < least)) least = quota;
    }
    if (file) fclose(file);
    return least;
}

/* Of those that the affinity allows, as many as a quota, if there is one, is worth. */
static int cpus_within(int quota)
{
    cpu_set_t set[16]; /* 16384 processors */
    const int allowed = sched_getaffinity(0, sizeof set, set) == 0 ? CPU_COUNT_S(sizeof set, set)
                                                                  : (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int count = quota && quota < allowed ? quota : allowed;
    return count > 1 ? count : 1;
}

int fm_cpu_count(void) { return cpus_within(cgroup_cpus()); }

int fm_processors(void)
{
    static int quota = -1; /* -1: not asked yet; as in fm_isa_runnable */
    int known = __atomic_load_n(&quota, __ATOMIC_RELAXED);
    if (known < 0) __atomic_store_n(&quota, known = cgroup_cpus(), __ATOMIC_RELAXED);
    return cpus_within(known);
}

#elif defined(_WIN32)

int fm_cpu_count(void)
{
    DWORD_PTR process, system; /* of this process's group of at most 64 */
    if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &system)) return 1;
    const int count = __builtin_popcountll(process);
    return count > 1 ? count : 1;
}

#else

int fm_cpu_count(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 1 ? (int)count : 1;
}

#endif

#if !defined(__linux__)
int fm_processors(void) { return fm_cpu_count(); }
#endif

/* The first of the whole numbers in a list, "4,2" (OMP_NUM_THREADS may be one), or 0. */
static int threads_in(const char *text)
{
    char *end;
    const long count = strtol(text, &end, 10);
    const char next = end[strspn(end, " ")];
    return end != text && (next == '\0' || next == ',') && count >= 1 && count <= 1 << 16 ? (int)count : 0;
}

int fm_environment_threads(const char **wrong)
{
    static const char *const names[] = {"FASTMLP_NUM_THREADS", "OMP_NUM_THREADS"};
    static const char *kept_wrong;
    static int kept = -1; /* -1: not asked yet; as in fm_isa_runnable */
    int threads = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
    if (threads < 0) {
        const char *found = NULL;
        threads = 0;
        for (size_t i = 0; i < sizeof names / sizeof *names && !threads; i++) {
            const char *text = getenv(names[i]);
            if (!text || text[strspn(text, " ")] == '\0') continue;
            if (!(threads = threads_in(text)) && !found) found = names[i];
        }
        __atomic_store_n(&kept_wrong, found, __ATOMIC_RELAXED);
        __atomic_store_n(&kept, threads, __ATOMIC_RELEASE);
    }
    if (wrong) *wrong = __atomic_load_n(&kept_wrong, __ATOMIC_RELAXED);
    return threads;
}

int fm_environment_spinning(const char **wrong)
{
    static const char name[] = "FASTMLP_SPINNING";
    static int kept = -1, kept_wrong; /* -1: not asked yet; as in fm_isa_runnable */
    int spinning = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
    if (spinning < 0) {
        const char *text = getenv(name);
        spinning = !text || strcmp(text, "0") != 0;
        __atomic_store_n(&kept_wrong, text && *text && strcmp(text, "0") && strcmp(text, "1"), __ATOMIC_RELAXED);
        __atomic_store_n(&kept, spinning, __ATOMIC_RELEASE);
    }
    if (wrong) *wrong = __atomic_load_n(&kept_wrong, __ATOMIC_RELAXED) ? name : NULL;
    return spinning;
}
