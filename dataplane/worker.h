/* worker: a thread that runs a list of roles in turn, and decides what to do when none has work.
 *
 *  ┌─▶ now ─▶ each role's poll ─▶ each role's finish ─▶ work done? ── yes ─▶ wake those ────┐
 *  │                                                       │ no            published to   │
 *  └──────────────────── idle policy ◀─────────────────────┴──────────────────────────────┘
 *
 * Parking. A producer publishes on a link, a consumer may be about to sleep; neither may miss the
 * other. The consumer: parked = 1, fence, look at every role's idle() once more, sleep. The
 * producer: publish, fence, look at parked, write the eventfd. With sequentially consistent fences
 * at least one of the two sees the other's store (Dekker), so either the consumer does not sleep or
 * it is woken.
 *
 *                 run   wake  stop  counters     - : safe at the same time, from different threads
 *     run          X     -     -      -          X : one thread, one call at a time
 *     move         -     -     -      -          (move: one thread, CTL)
 *     wake         -     -     -      -
 *     stop         -     -     -      -                                                         */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/lines.h"
#include "base/turns.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_ROLES_MAX       24
#define WORKER_DOWNSTREAMS_MAX 64
#define WORKER_FDS_MAX         64

#define WORKER_CPU_KEEP (-2)

/* One loop body. self is passed to every function. */
struct role {
    const char *name;
    void *self;
    /* One bounded turn. Returns units of work done; 0: there was none. */
    uint32_t (*poll)(void *self, struct now now);
    /* The rest of the turn, behind every role's poll: takes what the others made in this turn, so
     * that a request does not wait a turn at each link. Returns units of work done. May be NULL. */
    uint32_t (*finish)(void *self, struct now now);
    /* True when poll and finish would do nothing now. Asked again after the park is announced.
     * NULL: idle when the last poll returned 0. Must be true only when everything that could end
     * the idleness either wakes the worker (worker_wake by a producer, a park fd) or is the
     * deadline. */
    bool (*idle)(void *self);
    /* The next mono_ns at which poll must run; UINT64_MAX or NULL function: none. */
    uint64_t (*deadline_ns)(void *self, struct now now);
    /* Descriptors that are readable while there is work, asked for once at start. Returns the
     * count, or -1: none to wait on; then deadline_ns must bound the sleep. May be NULL. */
    int (*park_fds)(void *self, int *fds, int max);
    /* Sleeps for the worker, as port_wait does. Used when no other role of the worker has fds; may
     * be NULL. */
    void (*wait)(void *self, int wake_fd, uint64_t wait_ns);
    void (*online)(void *self);  /* after a park; may be NULL */
    void (*offline)(void *self); /* before a park (RCU readers leave); may be NULL */
    struct turns *turns; /* where its turns are counted, borrowed; NULL: in the worker */
};

enum worker_idle {
    WORKER_IDLE_SPIN,   /* never lets the core go */
    WORKER_IDLE_PAUSE,  /* spins, with tpause or pause between turns */
    WORKER_IDLE_YIELD,  /* sched_yield after an idle turn */
    WORKER_IDLE_PARK,   /* sleeps as soon as all roles are idle */
    WORKER_IDLE_HYBRID, /* yields for linger_ns, then parks; parks at once on a crowded core */
};

/* Whom to wake, and what tells that there is something to wake it for. */
struct worker_downstream {
    struct worker *worker;
    const _Atomic uint64_t *published; /* a link's head, or another number that only changes when
                                        * the downstream has something to do */
    uint64_t seen;
};

struct worker {
    /* set before start */
    const char *name;
    struct role roles[WORKER_ROLES_MAX];
    uint32_t role_count;
    struct worker_downstream downstreams[WORKER_DOWNSTREAMS_MAX];
    uint32_t downstream_count;
    enum worker_idle idle;
    uint64_t linger_ns; /* hybrid */
    int cpu;            /* -1: any */
    /* the worker's own */
    int park_fd;                          /* epoll over wake_fd and the roles' descriptors */
    int wake_fd;                          /* eventfd */
    int waiter;                           /* index of the role that sleeps for us; -1: park_fd */
    uint64_t worked_ns;                   /* mono_ns of the last turn with work */
    uint64_t yielded_ns;                  /* start of the idle turn before a yield; 0: none */
    uint64_t crowded_until_ns;            /* hybrid does not linger before then */
    uint32_t role_work[WORKER_ROLES_MAX]; /* what each role's last poll returned */
    pthread_t thread;
    bool started;
    struct turns own_turns[WORKER_ROLES_MAX]; /* of roles that brought none */
    _Atomic uint64_t park_count;
    _Atomic uint64_t park_ns; /* time asleep */
    _Atomic bool stop;
    _Atomic int32_t cpu_wanted; /* by CTL: where to run from the next turn on; WORKER_CPU_KEEP */
    _Atomic int32_t cpu_now;    /* -1: any; what worker_bind last did */
    _Atomic int32_t move_error; /* of the last move: 0 or ERR_RANGE; before cpu_wanted is KEEP */
    /* written by the worker and by whoever wakes it */
    _Alignas(64) _Atomic uint32_t parked;
};
LINES_APART(struct worker, move_error, parked);

/* worker_init prepares a worker with no roles. name must outlive it. Returns 0 or ERR_LIMIT (no
 * descriptor left). Before start. */
MUST_USE int worker_init(struct worker *worker, const char *name, enum worker_idle idle, int cpu);
void worker_fini(struct worker *worker);

/* worker_role_add appends a role; they run in the order added. Copies role. Returns 0 or ERR_FULL.
 * Before start. */
MUST_USE int worker_role_add(struct worker *worker, const struct role *role);

/* worker_downstream_add: roles of `worker` publish for roles of `downstream`, which is woken after
 * a turn in which *published (the link's head; written by this worker) has changed. Adding the
 * worker itself does nothing. Returns 0 or ERR_FULL. Before start. */
MUST_USE int worker_downstream_add(struct worker *worker, struct worker *downstream,
                                   const _Atomic uint64_t *published);

/* worker_start runs the worker in a thread of its own, bound to worker->cpu. Returns 0, ERR_RANGE
 * (no such cpu), ERR_LIMIT (no thread or descriptor), ERR_FULL (too many descriptors). */
MUST_USE int worker_start(struct worker *worker);

/* worker_run runs the worker in the calling thread until worker_stop. Returns as worker_start. */
MUST_USE int worker_run(struct worker *worker);

/* worker_stop makes run return after the turn it is in; worker_join waits for a started thread. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

/* worker_move asks the worker to run on cpu (-1: any that the process may use) and waits until it
 * does: it pins itself between two turns, so no request is touched. Returns 0; ERR_RANGE: that cpu
 * is not for this process, and it stays where it was; ERR_BUSY: a turn took longer than wait_ns (it
 * moves when that ends); ERR_CLOSED: it does not run. Role: CTL, one call at a time. */
MUST_USE int worker_move(struct worker *worker, int cpu, uint64_t wait_ns);

/* worker_wake ends a park, or keeps the next one from starting, if the worker is parked or about to
 * be. Costs a fence and a load when it is not. For a producer that is not a worker's role; the
 * worker calls it for its downstreams by itself. Any thread. */
void worker_wake(struct worker *worker);

/* worker_turn runs every role once and wakes downstreams. Returns the work done. For tests and for
 * whoever drives a worker without a thread (the simulator). */
uint32_t worker_turn(struct worker *worker, struct now now);

/* worker_idle_of gives the policy of a name ("park"), or ERR_RANGE. */
MUST_USE int worker_idle_of(const char *name, enum worker_idle *idle);
const char *worker_idle_name(enum worker_idle idle);

/* True when the policy never lets its core go: no more such workers than cores. */
static inline bool worker_idle_spins(enum worker_idle idle)
{
    return idle == WORKER_IDLE_SPIN || idle == WORKER_IDLE_PAUSE;
}
