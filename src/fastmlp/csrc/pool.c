/* Threads: the only file that starts any.

   Each pool thread has a mailbox.  fm_parallel puts the address of one job (on its own stack) into the mailboxes of
   the threads it needs and works as worker 0.  Who takes a job draws units of work from it until none are left.  Then
   the caller takes back the mailboxes that nobody has emptied, so that a thread which the system did not let run costs
   nothing, and waits for those who did begin.  A thread with an empty mailbox spins for some microseconds, because the
   next call of a training loop comes soon, then parks: an idle process uses no processor time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu, thread affinity */
#endif
#include "pool.h"

#include "cpu.h"
#include "interrupt.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_SPIN 40e-6 /* seconds: waking a thread takes as long */
#define LONG_SPIN 1e-3
#define LOOK_SECONDS 0.01 /* between two looks at how many processors there are */
enum { MAX_THREADS = 256 };

/* The little that is needed of the system's threads. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

typedef SRWLOCK mutex_type;
typedef CONDITION_VARIABLE condition_type;
typedef HANDLE thread_type;
#define THREAD_RESULT unsigned __stdcall
static void mutex_init(mutex_type *m) { InitializeSRWLock(m); }
static void mutex_lock(mutex_type *m) { AcquireSRWLockExclusive(m); }
static void mutex_unlock(mutex_type *m) { ReleaseSRWLockExclusive(m); }
static void condition_init(condition_type *c) { InitializeConditionVariable(c); }
static void condition_wait(condition_type *c, mutex_type *m) { SleepConditionVariableSRW(c, m, INFINITE, 0); }
static void condition_signal(condition_type *c) { WakeConditionVariable(c); }
static void thread_yield(void) { SwitchToThread(); }
static int thread_start(thread_type *t, unsigned(__stdcall *f)(void *), void *argument)
{
    *t = (HANDLE)_beginthreadex(NULL, 0, f, argument, 0, NULL);
    return *t != NULL;
}
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>

typedef pthread_mutex_t mutex_type;
typedef pthread_cond_t condition_type;
typedef pthread_t thread_type;
#define THREAD_RESULT void *
static void mutex_init(mutex_type *m) { pthread_mutex_init(m, NULL); }
static void mutex_lock(mutex_type *m) { pthread_mutex_lock(m); }
static void mutex_unlock(mutex_type *m) { pthread_mutex_unlock(m); }
static void condition_init(condition_type *c) { pthread_cond_init(c, NULL); }
static void condition_wait(condition_type *c, mutex_type *m) { pthread_cond_wait(c, m); }
static void condition_signal(condition_type *c) { pthread_cond_signal(c); }
static void thread_yield(void) { sched_yield(); }
static int thread_start(thread_type *t, void *(*f)(void *), void *argument)
{
    sigset_t all, callers;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &callers); /* Ctrl-C belongs to the interpreter's threads */
    const int error = pthread_create(t, NULL, f, argument);
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    return error == 0;
}
#endif

static void spin_pause(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

#if defined(__linux__)
typedef struct { cpu_set_t of[16]; } cpus_type; /* 16384 processors */

/* A thread that is woken may run where its caller may, `allowed`.  But a system may wake it on its waker's processor, where it
   gets no time before the waker is done, though others are idle: so it must not wake here.  0 if nothing was changed. */
static int avoid_this_cpu(thread_type thread, cpus_type *allowed)
{
    const int cpu = sched_getcpu();
    if (cpu < 0 || sched_getaffinity(0, sizeof allowed->of, allowed->of) != 0) return 0;
    cpus_type others = *allowed;
    CPU_CLR_S(cpu, sizeof others.of, others.of);
    if (CPU_COUNT_S(sizeof others.of, others.of) == 0) others = *allowed;
    return pthread_setaffinity_np(thread, sizeof others.of, others.of) == 0;
}
static void allow_cpus(const cpus_type *allowed) { sched_setaffinity(0, sizeof allowed->of, allowed->of); }
#else
typedef struct { int none; } cpus_type;
static int avoid_this_cpu(thread_type thread, cpus_type *allowed) { return (void)thread, (void)allowed, 0; }
static void allow_cpus(const cpus_type *allowed) { (void)allowed; }
#endif

/* A wait of at most so many seconds, which soon gives way to whoever else wants the processor. */
typedef struct { double start, most; unsigned turns; } spin_type;

static int keep_spinning(spin_type *spin)
{
    if (spin->most <= 0) return 0;
    spin_pause();
    if (++spin->turns % 16) return 1;
    const double waited = fm_seconds() - spin->start;
    if (waited > SHORT_SPIN) thread_yield();
    return waited < spin->most;
}

typedef struct {
    fm_task *task; /* NULL: the thread ends */
    void *context;
    ptrdiff_t next, units; /* units below `next` are taken */
    int unfinished;        /* workers that have the job or may still take it, worker 0 not counted */
    int interrupted;       /* no further unit begins */
} job_type;

typedef struct {
    _Alignas(128) job_type *job; /* the mailbox; each in cache lines of its own */
    int worker;
    int soon; /* the last job came within LONG_SPIN */
    int parked, restricted; /* the thread sleeps; and may not wake on every processor: under the lock */
    cpus_type allowed;
    mutex_type lock;
    condition_type arrived;
    thread_type thread;
} mailbox_type;

static struct {
    int in_use;  /* taken by one fm_parallel at a time; guards the fields below */
    int started; /* mailboxes[0 .. started-1] have threads; mailbox i is worker i + 1 */
    int prepared;
    int spins; /* waits may spin: there is a processor for every worker, and nobody has forbidden it */
    int processors;
    double looked; /* when those were counted */
    int waiting; /* the caller sleeps until the last worker is done; under the lock */
    mutex_type lock;
    condition_type finished;
    mailbox_type mailboxes[MAX_THREADS - 1];
} pool;

/* Empties a mailbox: who gets the job has it. */
static job_type *take_job(mailbox_type *box)
{
    if (!__atomic_load_n(&box->job, __ATOMIC_RELAXED)) return NULL;
    return __atomic_exchange_n(&box->job, NULL, __ATOMIC_ACQ_REL);
}

static job_type *sleep_until_job(mailbox_type *box)
{
    job_type *job;
    mutex_lock(&box->lock);
    box->parked = 1;
    while (!(job = take_job(box))) {
        condition_wait(&box->arrived, &box->lock);
        if (box->restricted) allow_cpus(&box->allowed);
        box->restricted = 0;
    }
    box->parked = 0;
    mutex_unlock(&box->lock);
    return job;
}

static job_type *await_job(mailbox_type *box)
{
    const int spins = __atomic_load_n(&pool.spins, __ATOMIC_RELAXED);
    const double start = fm_seconds();
    spin_type spin = {start, !spins ? 0 : box->soon ? LONG_SPIN : SHORT_SPIN, 0};
    job_type *job;
    while (!(job = take_job(box)) && keep_spinning(&spin)) {}
    if (!job) job = sleep_until_job(box);
    box->soon = fm_seconds() - start < LONG_SPIN;
    return job;
}

/* The caller's thread, worker 0, asks whether it is interrupted: signals come to it. */
static void draw_units(job_type *job, int worker)
{
    ptrdiff_t unit;
    while (!__atomic_load_n(&job->interrupted, __ATOMIC_RELAXED) &&
           (unit = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED)) < job->units) {
        job->task(job->context, worker, unit);
        if (worker == 0 && unit + 1 < job->units && fm_interrupted())
            __atomic_store_n(&job->interrupted, 1, __ATOMIC_RELAXED);
    }
}

static void send_job(mailbox_type *box, job_type *job)
{
    mutex_lock(&box->lock);
    __atomic_store_n(&box->job, job, __ATOMIC_RELEASE);
    if (box->parked) {
        box->restricted = avoid_this_cpu(box->thread, &box->allowed) || box->restricted;
        condition_signal(&box->arrived);
    }
    mutex_unlock(&box->lock);
}

/* The job is gone as soon as its count is 0, so the caller is woken through the pool. */
static void finish_job(job_type *job)
{
    if (__atomic_sub_fetch(&job->unfinished, 1, __ATOMIC_ACQ_REL) > 0) return;
    mutex_lock(&pool.lock);
    if (pool.waiting) condition_signal(&pool.finished);
    mutex_unlock(&pool.lock);
}

static void await_workers(job_type *job)
{
    spin_type spin = {fm_seconds(), pool.spins ? LONG_SPIN : 0, 0};
    int unfinished;
    while ((unfinished = __atomic_load_n(&job->unfinished, __ATOMIC_ACQUIRE)) && keep_spinning(&spin)) {}
    if (!unfinished) return;
    mutex_lock(&pool.lock);
    pool.waiting = 1;
    while (__atomic_load_n(&job->unfinished, __ATOMIC_ACQUIRE)) condition_wait(&pool.finished, &pool.lock);
    pool.waiting = 0;
    mutex_unlock(&pool.lock);
}

static THREAD_RESULT serve(void *argument)
{
    mailbox_type *box = argument;
    fm_fp_set(FM_FP_DEFAULT); /* a new thread inherits its maker's */
    for (;;) {
        job_type *job = await_job(box);
        if (job->task) draw_units(job, box->worker);
        const int last = !job->task;
        finish_job(job);
        if (last) return 0;
    }
}

#ifndef _WIN32
/* Threads do not survive fork, and their locks are in any state: the child begins again. */
static void forget_pool(void) { memset(&pool, 0, sizeof pool); }

/* Only so that nothing runs while the process is taken apart; a pool in use is left alone. */
static void stop_pool(void)
{
    if (__atomic_exchange_n(&pool.in_use, 1, __ATOMIC_ACQUIRE)) return;
    job_type end = {.unfinished = pool.started};
    for (int i = 0; i < pool.started; i++) send_job(&pool.mailboxes[i], &end);
    for (int i = 0; i < pool.started; i++) pthread_join(pool.mailboxes[i].thread, NULL);
    pool.started = 0; /* in_use stays: a call during the exit runs alone */
}
#endif

static void prepare_pool(void)
{
    mutex_init(&pool.lock);
    condition_init(&pool.finished);
    pool.prepared = 1;
#ifndef _WIN32 /* Windows has no fork and ends the threads of a process itself */
    static int registered;
    if (!registered) {
        pthread_atfork(NULL, NULL, forget_pool);
        atexit(stop_pool);
        registered = 1;
    }
#endif
}

enum { ADDRESS_BITS = 48 }; /* of user space, on all that this runs on */
static uint64_t forks;

#ifndef _WIN32
static void count_fork(void) { forks = (forks + 1) & 0xFFFF; }
#endif

/* The address of something that each thread has for itself, and above it how often the process has been forked. */
uint64_t fm_thread_number(void)
{
    static _Thread_local char own;
#ifndef _WIN32
    static int registered;
    if (!__atomic_load_n(&registered, __ATOMIC_RELAXED) && !__atomic_exchange_n(&registered, 1, __ATOMIC_RELAXED))
        pthread_atfork(NULL, NULL, count_fork);
#endif
    return (uint64_t)(uintptr_t)&own | forks << ADDRESS_BITS;
}

int fm_thread_may_live(uint64_t number) { return number >> ADDRESS_BITS == forks; }

/* Start threads until `wanted` run; the number that do. */
static int grow_pool(int wanted)
{
    if (!pool.prepared) prepare_pool();
    while (pool.started < wanted) {
        mailbox_type *box = &pool.mailboxes[pool.started];
        mutex_init(&box->lock);
        condition_init(&box->arrived);
        box->worker = pool.started + 1;
        if (!thread_start(&box->thread, serve, box)) break;
        pool.started++;
    }
    return pool.started < wanted ? pool.started : wanted;
}

static int spinning_set = -1; /* by fm_set_spinning; -1 not */

int fm_spinning(void)
{
    const int set = __atomic_load_n(&spinning_set, __ATOMIC_RELAXED);
    return set >= 0 ? set : fm_environment_spinning(NULL);
}

void fm_set_spinning(int spinning) { __atomic_store_n(&spinning_set, spinning, __ATOMIC_RELAXED); }

/* A thread that spins where there are fewer processors than workers keeps one of these from its work. */
static void look_around(int workers)
{
    const double now = fm_seconds();
    if (now - pool.looked > LOOK_SECONDS) pool.processors = fm_processors(), pool.looked = now;
    __atomic_store_n(&pool.spins, fm_spinning() && workers <= pool.processors, __ATOMIC_RELAXED);
}

static int run_alone(fm_task *task, void *context, ptrdiff_t units)
{
    for (ptrdiff_t unit = 0; unit < units; unit++) {
        task(context, 0, unit);
        if (unit + 1 < units && fm_interrupted()) return 1;
    }
    return 0;
}

int fm_parallel(fm_task *task, void *context, int workers, ptrdiff_t units)
{
    job_type job = {.task = task, .context = context, .units = units};
    if (workers > units) workers = (int)units;
    if (workers > MAX_THREADS) workers = MAX_THREADS;
    if (workers < 2 || __atomic_exchange_n(&pool.in_use, 1, __ATOMIC_ACQUIRE)) return run_alone(task, context, units);
    look_around(workers);
    const int others = job.unfinished = grow_pool(workers - 1);
    for (int i = 0; i < others; i++) send_job(&pool.mailboxes[i], &job);
    draw_units(&job, 0);
    for (int i = 0; i < others; i++)
        if (take_job(&pool.mailboxes[i])) __atomic_sub_fetch(&job.unfinished, 1, __ATOMIC_ACQ_REL);
    if (others) await_workers(&job);
    __atomic_store_n(&pool.in_use, 0, __ATOMIC_RELEASE);
    return job.interrupted;
}

void fm_await(const fm_progress *progress, ptrdiff_t least)
{
    for (int spins = 0; __atomic_load_n(&progress->done, __ATOMIC_ACQUIRE) < least; spins += spins < 1000)
        spins < 1000 ? spin_pause() : thread_yield();
}

static int threads_set; /* by fm_set_num_threads; 0 not */

int fm_num_threads(void)
{
    static int standard; /* threads that race to compute it write the same number */
    int threads = __atomic_load_n(&threads_set, __ATOMIC_RELAXED);
    if (threads) return threads;
    threads = __atomic_load_n(&standard, __ATOMIC_RELAXED);
    if (threads) return threads;
    threads = fm_environment_threads(NULL);
    if (!threads) threads = fm_cpu_count();
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    __atomic_store_n(&standard, threads, __ATOMIC_RELAXED);
    return threads;
}

int fm_most_workers(int threads)
{
    if (threads <= 0) return fm_num_threads();
    return threads < MAX_THREADS ? threads : MAX_THREADS;
}

void fm_set_num_threads(int threads)
{
    if (threads < 0) threads = 0;
    __atomic_store_n(&threads_set, threads < MAX_THREADS ? threads : MAX_THREADS, __ATOMIC_RELAXED);
}
