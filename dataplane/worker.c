#include "dataplane/worker.h"

#include "base/check.h"
#include "base/counters.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define WORKER_LINGER_NS   200000ull /* how long hybrid yields: several wake-ups' worth */
#define WORKER_CROWDED_NS     200000ull   /* a yield that took longer met others on this core */
#define WORKER_CROWDED_FOR_NS 20000000ull /* so long no more lingering, then it tries again */
#define WORKER_PAUSE_NS    1000ull   /* longest tpause: short against a network's round trip */

static const char *const worker_idle_names[] = {
    [WORKER_IDLE_SPIN] = "spin", [WORKER_IDLE_PAUSE] = "pause",   [WORKER_IDLE_YIELD] = "yield",
    [WORKER_IDLE_PARK] = "park", [WORKER_IDLE_HYBRID] = "hybrid",
};
#define WORKER_IDLE_COUNT (sizeof(worker_idle_names) / sizeof(worker_idle_names[0]))

int worker_idle_of(const char *name, enum worker_idle *idle)
{
    for (size_t i = 0; i < WORKER_IDLE_COUNT; i++) {
        if (strcmp(name, worker_idle_names[i]) == 0) {
            *idle = (enum worker_idle)i;
            return 0;
        }
    }
    return ERR_RANGE;
}

const char *worker_idle_name(enum worker_idle idle)
{
    CHECK((size_t)idle < WORKER_IDLE_COUNT);
    return worker_idle_names[idle];
}

static uint64_t worker_mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

int worker_init(struct worker *worker, const char *name, enum worker_idle idle, int cpu)
{
    memset(worker, 0, sizeof(*worker));
    worker->name = name;
    worker->idle = idle;
    worker->cpu = cpu;
    worker->linger_ns = WORKER_LINGER_NS;
    worker->waiter = -1;
    worker->cpu_wanted = WORKER_CPU_KEEP;
    worker->cpu_now = cpu;
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->park_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->wake_fd < 0 || worker->park_fd < 0) {
        worker_fini(worker);
        return ERR_LIMIT;
    }
    return 0;
}

void worker_fini(struct worker *worker)
{
    CHECK(!worker->started);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    if (worker->park_fd >= 0)
        close(worker->park_fd);
    worker->wake_fd = worker->park_fd = -1;
}

int worker_role_add(struct worker *worker, const struct role *role)
{
    CHECK(role->poll != NULL);
    if (worker->role_count == WORKER_ROLES_MAX)
        return ERR_FULL;
    struct role *to = &worker->roles[worker->role_count];
    *to = *role;
    if (!to->turns)
        to->turns = &worker->own_turns[worker->role_count];
    worker->role_count++;
    return 0;
}

int worker_downstream_add(struct worker *worker, struct worker *downstream,
                          const _Atomic uint64_t *published)
{
    if (downstream == worker)
        return 0;
    if (worker->downstream_count == WORKER_DOWNSTREAMS_MAX)
        return ERR_FULL;
    worker->downstreams[worker->downstream_count++] = (struct worker_downstream){
        downstream, published, atomic_load_explicit(published, memory_order_relaxed)};
    return 0;
}

static void worker_ring(struct worker *worker)
{
    /* Whoever takes the flag down writes: one system call per park, however many wake it. */
    if (atomic_load_explicit(&worker->parked, memory_order_relaxed) &&
        atomic_exchange_explicit(&worker->parked, 0, memory_order_acq_rel)) {
        uint64_t one = 1;
        /* Fails only when the counter is about to overflow, and then it is readable anyway. */
        ssize_t unused = write(worker->wake_fd, &one, sizeof(one));
        (void)unused;
    }
}

void worker_wake(struct worker *worker)
{
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in worker_park */
    worker_ring(worker);
}

/* The clock is read only behind a role that worked, so a turn without work reads it once: its time
 * holds the looks of those before it that had nothing to do. */
static uint64_t worker_role_turn(struct worker *worker, uint32_t i, struct now now,
                                 uint64_t begin_ns)
{
    struct turns *turns = worker->roles[i].turns;
    uint32_t work = worker->roles[i].poll(worker->roles[i].self, now);
    worker->role_work[i] = work;
    counters_bump(&turns->turns, 1);
    if (work == 0)
        return begin_ns;
    uint64_t end_ns = worker_mono_ns();
    uint64_t took_ns = end_ns - begin_ns;
    if (took_ns > atomic_load_explicit(&turns->worst_ns, memory_order_relaxed))
        atomic_store_explicit(&turns->worst_ns, took_ns, memory_order_relaxed);
    counters_bump(&turns->turns_busy, 1);
    counters_bump(&turns->work, work);
    counters_bump(&turns->busy_ns, took_ns);
    return end_ns;
}

/* The roles' second halves. The clock is read only behind those that worked. */
static uint64_t worker_finish(struct worker *worker, struct now now, uint64_t at_ns)
{
    for (uint32_t i = 0; i < worker->role_count; i++) {
        const struct role *role = &worker->roles[i];
        uint32_t work = role->finish ? role->finish(role->self, now) : 0;
        if (work == 0)
            continue;
        struct turns *turns = role->turns;
        uint64_t end_ns = worker_mono_ns();
        worker->role_work[i] += work;
        counters_bump(&turns->work, work);
        counters_bump(&turns->busy_ns, end_ns - at_ns);
        at_ns = end_ns;
    }
    return at_ns;
}

/* Wakes those to whom something was published in this turn, and nobody else: a needless ring costs
 * two system calls and another thread's turn. */
static void worker_wake_downstreams(struct worker *worker)
{
    bool fenced = false;

    for (uint32_t i = 0; i < worker->downstream_count; i++) {
        struct worker_downstream *down = &worker->downstreams[i];
        uint64_t published = atomic_load_explicit(down->published, memory_order_relaxed);
        if (published == down->seen)
            continue;
        down->seen = published;
        if (!fenced)
            atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in worker_park */
        fenced = true;
        worker_ring(down->worker);
    }
}

uint32_t worker_turn(struct worker *worker, struct now now)
{
    uint64_t work = 0, at_ns = now.mono_ns;
    for (uint32_t i = 0; i < worker->role_count; i++)
        at_ns = worker_role_turn(worker, i, now, at_ns);
    at_ns = worker_finish(worker, now, at_ns);
    for (uint32_t i = 0; i < worker->role_count; i++)
        work += worker->role_work[i];
    worker_wake_downstreams(worker);
    if (work)
        worker->worked_ns = at_ns;
    return work > UINT32_MAX ? UINT32_MAX : (uint32_t)work;
}

/* True when no role has anything to do, as far as the roles know without asking the kernel. */
static bool worker_all_idle(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->role_count; i++) {
        const struct role *role = &worker->roles[i];
        if (role->idle ? !role->idle(role->self) : worker->role_work[i] != 0)
            return false;
    }
    return true;
}

static uint64_t worker_deadline_ns(struct worker *worker, struct now now)
{
    uint64_t deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < worker->role_count; i++) {
        const struct role *role = &worker->roles[i];
        uint64_t at_ns = role->deadline_ns ? role->deadline_ns(role->self, now) : UINT64_MAX;
        if (at_ns < deadline_ns)
            deadline_ns = at_ns;
    }
    return deadline_ns;
}

static void worker_sleep(struct worker *worker, uint64_t wait_ns)
{
    if (worker->waiter >= 0) {
        const struct role *role = &worker->roles[worker->waiter];
        role->wait(role->self, worker->wake_fd, wait_ns);
        return;
    }
    struct epoll_event event;
    struct timespec ts = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                          .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int n = epoll_pwait2(worker->park_fd, &event, 1, wait_ns == UINT64_MAX ? NULL : &ts, NULL);
    if (n < 0 && errno == ENOSYS) {
        /* Before Linux 5.11: milliseconds, rounded up so that a deadline is not spun for. */
        uint64_t ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);
        epoll_wait(worker->park_fd, &event, 1,
                   wait_ns == UINT64_MAX ? -1 : (int)(ms > 60000 ? 60000 : ms));
    }
}

/* The consumer's half of the protocol in worker.h. */
static void worker_park(struct worker *worker, struct now now)
{
    atomic_store_explicit(&worker->parked, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* pairs with worker_wake and worker_turn */
    uint64_t deadline_ns = worker_deadline_ns(worker, now);
    if (!worker_all_idle(worker) || atomic_load_explicit(&worker->stop, memory_order_relaxed) ||
        atomic_load_explicit(&worker->cpu_wanted, memory_order_relaxed) != WORKER_CPU_KEEP ||
        deadline_ns <= now.mono_ns) {
        atomic_store_explicit(&worker->parked, 0, memory_order_relaxed);
        return;
    }
    for (uint32_t i = 0; i < worker->role_count; i++)
        if (worker->roles[i].offline)
            worker->roles[i].offline(worker->roles[i].self);
    worker_sleep(worker, deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns - now.mono_ns);
    for (uint32_t i = 0; i < worker->role_count; i++)
        if (worker->roles[i].online)
            worker->roles[i].online(worker->roles[i].self);
    /* wake_fd is watched edge-triggered, so it needs no reading: a ring that comes between the end
     * of the sleep and this line ends the next one early, once. */
    atomic_store_explicit(&worker->parked, 0, memory_order_relaxed);
    counters_bump(&worker->park_count, 1);
    counters_bump(&worker->park_ns, worker_mono_ns() - now.mono_ns);
}

static void worker_pause(void)
{
#if defined(__x86_64__)
    static _Atomic int has_tpause = -1;
    int has = atomic_load_explicit(&has_tpause, memory_order_relaxed);
    if (UNLIKELY(has < 0)) {
        unsigned a, b, c = 0, d;
        has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (1u << 5)); /* WAITPKG */
        atomic_store_explicit(&has_tpause, has, memory_order_relaxed);
    }
    if (has) {
        /* tpause eax=low, edx=high of the TSC to wake at, ecx=1: light sleep. ~2 ticks a ns. */
        uint64_t until = __builtin_ia32_rdtsc() + 2 * WORKER_PAUSE_NS;
        __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0xf1"
                         :
                         : "c"(1), "a"((uint32_t)until), "d"((uint32_t)(until >> 32))
                         : "cc");
        return;
    }
    for (int i = 0; i < 8; i++)
        _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True while hybrid is to yield. A yield from which it took long to come back says that others want
 * this core: then it parks at once for a while, for a sleeper that is woken gets its core sooner
 * than one that has just given it away (a scheduler's slice, 3 to 4 ms, against 20 us). */
static bool worker_lingers(struct worker *worker, struct now now)
{
    if (worker->yielded_ns && now.mono_ns - worker->yielded_ns > WORKER_CROWDED_NS)
        worker->crowded_until_ns = now.mono_ns + WORKER_CROWDED_FOR_NS;
    worker->yielded_ns = 0;
    return now.mono_ns >= worker->crowded_until_ns &&
           now.mono_ns < worker->worked_ns + worker->linger_ns;
}

/* Lingering ends at the time of the last work plus linger_ns: an idle turn costs ~1 us, so this
 * turn's clock is near enough. */
static void worker_rest(struct worker *worker, struct now now, uint32_t work)
{
    switch (worker->idle) {
    case WORKER_IDLE_SPIN:
        return;
    case WORKER_IDLE_PAUSE:
        if (work == 0)
            worker_pause();
        return;
    case WORKER_IDLE_YIELD:
        if (work == 0)
            sched_yield();
        return;
    case WORKER_IDLE_HYBRID:
        if (work) {
            worker->yielded_ns = 0;
            return;
        }
        if (worker_lingers(worker, now)) {
            sched_yield();
            worker->yielded_ns = now.mono_ns;
            return;
        }
        break;
    case WORKER_IDLE_PARK:
        break;
    }
    /* Roles that know they are idle need no empty turn first: whatever the kernel holds for them
     * ends the sleep at once. */
    if (worker_all_idle(worker))
        worker_park(worker, work ? clock_now() : now);
}

static int worker_watch(struct worker *worker, int fd, uint32_t flags)
{
    struct epoll_event event = {.events = EPOLLIN | flags, .data.fd = fd};
    return epoll_ctl(worker->park_fd, EPOLL_CTL_ADD, fd, &event) ? ERR_LIMIT : 0;
}

/* Finds who sleeps: the one role that can wait by itself, when no other has descriptors; else the
 * epoll set over all of them. */
static int worker_park_set(struct worker *worker)
{
    int fds[WORKER_FDS_MAX], count = 0, waiter = -1, waiter_count = 0;
    for (uint32_t i = 0; i < worker->role_count; i++) {
        const struct role *role = &worker->roles[i];
        int room = WORKER_FDS_MAX - count;
        int n = role->park_fds ? role->park_fds(role->self, fds + count, room) : 0;
        if (n > WORKER_FDS_MAX - count)
            return ERR_FULL;
        if (role->wait) {
            waiter = (int)i;
            waiter_count = n > 0 ? n : 0;
        }
        count += n > 0 ? n : 0;
    }
    if (waiter >= 0 && count == waiter_count) {
        worker->waiter = waiter;
        return 0;
    }
    for (int i = 0; i < count; i++)
        if (worker_watch(worker, fds[i], 0))
            return ERR_LIMIT;
    return worker_watch(worker, worker->wake_fd, EPOLLET);
}

static int worker_bind(struct worker *worker, int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (cpu >= CPU_SETSIZE)
        return ERR_RANGE;
    if (cpu >= 0)
        CPU_SET(cpu, &set);
    for (int any = 0; cpu < 0 && any < CPU_SETSIZE; any++) /* the kernel keeps what is allowed */
        CPU_SET(any, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        return ERR_RANGE;
    atomic_store_explicit(&worker->cpu_now, cpu, memory_order_relaxed);
    return 0;
}

/* Between two turns. What the roles hold stays theirs; only the core under them is another. */
static void worker_move_now(struct worker *worker, int cpu)
{
    int err = worker_bind(worker, cpu);

    atomic_store_explicit(&worker->move_error, err, memory_order_relaxed);
    /* release; pairs with acquire in worker_move */
    atomic_store_explicit(&worker->cpu_wanted, WORKER_CPU_KEEP, memory_order_release);
}

static void worker_loop(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->role_count; i++)
        if (worker->roles[i].online)
            worker->roles[i].online(worker->roles[i].self);
    while (!atomic_load_explicit(&worker->stop, memory_order_acquire)) {
        int wanted = atomic_load_explicit(&worker->cpu_wanted, memory_order_acquire);
        if (UNLIKELY(wanted != WORKER_CPU_KEEP))
            worker_move_now(worker, wanted);
        struct now now = clock_now();
        uint32_t work = worker_turn(worker, now);
        worker_rest(worker, now, work);
    }
    for (uint32_t i = 0; i < worker->role_count; i++)
        if (worker->roles[i].offline)
            worker->roles[i].offline(worker->roles[i].self);
}

int worker_move(struct worker *worker, int cpu, uint64_t wait_ns)
{
    const struct timespec nap = {.tv_nsec = 100000};
    uint64_t begin_ns = worker_mono_ns();

    if (!worker->started)
        return ERR_CLOSED;
    if (cpu < -1 || cpu >= CPU_SETSIZE)
        return ERR_RANGE;
    atomic_store_explicit(&worker->cpu_wanted, cpu, memory_order_release);
    worker_wake(worker); /* a parked one would move only when something else wakes it */
    while (atomic_load_explicit(&worker->cpu_wanted, memory_order_acquire) != WORKER_CPU_KEEP) {
        if (worker_mono_ns() - begin_ns > wait_ns)
            return ERR_BUSY;
        nanosleep(&nap, NULL);
    }
    return atomic_load_explicit(&worker->move_error, memory_order_relaxed);
}

int worker_run(struct worker *worker)
{
    int err = worker->cpu < 0 ? 0 : worker_bind(worker, worker->cpu);
    if (!err)
        err = worker_park_set(worker);
    if (!err)
        worker_loop(worker);
    return err;
}

static void *worker_thread(void *arg)
{
    struct worker *worker = arg;
    char name[16];
    snprintf(name, sizeof(name), "%s", worker->name);
    pthread_setname_np(pthread_self(), name);
    worker_loop(worker);
    return NULL;
}

int worker_start(struct worker *worker)
{
    CHECK(!worker->started);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    int err = worker_park_set(worker);
    if (!err && worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (worker->cpu < CPU_SETSIZE)
            CPU_SET(worker->cpu, &set);
        if (CPU_COUNT(&set) == 0 || pthread_attr_setaffinity_np(&attr, sizeof(set), &set))
            err = ERR_RANGE;
    }
    if (!err) {
        int code = pthread_create(&worker->thread, &attr, worker_thread, worker);
        err = code == 0 ? 0 : code == EINVAL ? ERR_RANGE : ERR_LIMIT;
    }
    pthread_attr_destroy(&attr);
    worker->started = err == 0;
    return err;
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->stop, true, memory_order_seq_cst);
    worker_wake(worker);
}

void worker_join(struct worker *worker)
{
    if (!worker->started)
        return;
    pthread_join(worker->thread, NULL);
    worker->started = false;
}
