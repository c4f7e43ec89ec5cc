/* node: one whole takt node, put together from a configuration and its surroundings. No globals:
 * the simulator holds several in one process.
 *
 *   node_open    lock, superblock, snapshot, log: what was acknowledged is there; leads its term
 *   node_start   its workers run (threads)         or   node_turn  each role once (no threads)
 *   node_wait    until node_stop, or until a role fails: the reason is in the fault
 *   node_close   the log is closed; everything is given back
 *
 *                  open start wait close turn     stop     - : from any thread or a signal handler
 *     open ...              X                      -       X : one thread, in this order         */
#pragma once

#include "base/core_state.h"
#include "base/counters.h"
#include "base/disk_io.h"
#include "base/node_page.h"
#include "dataplane/port/datagram.h"
#include "dataplane/port/port.h"
#include "tools/taktd/config.h"

struct node;

/* A datagram port as it is wanted. When `count` of them share an address, each sender's datagrams
 * come to one of them; they are opened in order, on one thread. */
struct node_datagrams {
    struct address listen;
    uint32_t size_limit; /* no datagram above it, whatever the route says; 0: none */
    uint32_t index, count;
    const char *name; /* "peers", "beat" */
    uint8_t priority; /* 802.1Q, of what is sent: in [0, 7] */
};

/* What a node needs from its surroundings. Borrowed for the node's life. */
struct node_env {
    struct disk_io *disk; /* an open data directory, not yet locked */
    /* opens the port of NET `index`; the returned port belongs to the node. 0 or ERR_* */
    int (*port_open)(void *self, uint32_t index, const struct port_setup *setup, struct port **port,
                     struct fault *fault);
    void *port_self;
    /* opens a port of the peer link, or of native sessions; it belongs to the node.
     * 0 or ERR_*. NULL for a node that has neither */
    int (*datagram_open)(void *self, const struct node_datagrams *want,
                         struct datagram_port **port, struct fault *fault);
    /* finds the address of a peer's host name; NULL: only addresses are understood. Blocks; called
     * from node_open only. 0, or ERR_NOTFOUND: it is looked for again when it is needed */
    int (*resolve)(void *self, const char *host, struct address *at, struct fault *fault);
    /* fills n bytes: unguessable in production, seeded in simulation. Any role */
    void (*random)(void *self, void *out, uint32_t n);
    void *random_self;
    /* sees every entry that recovery replays and that APPLY is about to apply, in order; NULL in
     * production, where only the simulator's checkers would want it. Role: APPLY */
    void (*tap)(void *self, const struct entry *entry);
    void *tap_self;
    /* gives the page in which the node shows itself, or NULL: it is not shown. Called once the data
     * directory is this node's; the page outlives the node. The function may be NULL */
    struct node_page *(*page)(void *self);
    void *page_self;
    struct now now; /* at the time of node_open */
    bool again;     /* the process has opened the node before: ERR_RESTART */
    bool threads;   /* false: node_turn drives it, and nothing blocks but the disk */
    bool rings;     /* every record goes by its link's ring, though one thread turns both roles:
                     * for node_turn_held */
};

/* What recovery found, for the start-up lines. */
struct node_recovery {
    uint64_t snapshot_index;           /* 0 = none */
    uint64_t entries;                  /* replayed from the log */
    uint64_t cut_size;                 /* bytes of a torn tail that were cut */
    uint64_t last_index, term;
    uint64_t nodes, sessions;
    uint64_t elapsed_ns;
};

/* node_open recovers and prepares a node. The configuration is checked already. Returns 0,
 * ERR_BUSY (the directory is in use), ERR_CORRUPT, ERR_VERSION, ERR_CONFIG, ERR_NOMEM, ERR_NOSPACE,
 * ERR_IO or what port_open returned; the fault says what to do. Borrows config until node_close. */
MUST_USE int node_open(struct node **node, const struct config *config,
                       const struct node_env *env, struct fault *fault);
const struct node_recovery *node_recovery(const struct node *node);

/* node_start starts the workers. Returns 0, ERR_RANGE (a cpu) or ERR_LIMIT. Assumes env.threads. */
MUST_USE int node_start(struct node *node, struct fault *fault);

/* node_wait returns when the node has stopped: 0 after node_stop, else the failing role's error
 * with its reason in the fault. */
MUST_USE int node_wait(struct node *node, struct fault *fault);

/* node_stop asks every worker to stop after its turn. Async-signal-safe. */
void node_stop(struct node *node);

/* node_turn runs every role once; returns units of work. *deadline_ns, if not NULL, is when some
 * role must run again though nothing arrives. Returns ERR_* (negative) once a role has failed.
 * Assumes !env.threads. */
int64_t node_turn(struct node *node, struct now now, uint64_t *deadline_ns, struct fault *fault);

/* node_turn_held is node_turn without the roles whose bit is set in `held` (bit i: the i-th role in
 * the order of the drawing): in the simulator, a core that stands still while others run on.
 * Assumes env.rings when held is not 0. */
int64_t node_turn_held(struct node *node, struct now now, uint32_t held, uint64_t *deadline_ns,
                       struct fault *fault);

/* node_idle says whether no role would do anything in a turn now, as far as the roles know without
 * asking the outside. Assumes !env.threads. */
bool node_idle(const struct node *node);

/* One worker, as it runs now. */
struct node_worker {
    char roles[96]; /* "net0 core disk apply" */
    const char *idle;
    int cpu;        /* -1: any */
};

/* node_worker_at describes the i-th worker; false behind the last. Role: CTL. */
bool node_worker_at(struct node *node, uint32_t i, struct node_worker *to);

/* node_move lets the worker of a role ("core", "net1") run on another cpu (-1: any) from its next
 * turn on; the roles that share its thread go with it, and no request is lost. Waits for that turn,
 * at most 1 s; *which is the worker, if not NULL. Returns 0; ERR_NOTFOUND: no such role; ERR_RANGE:
 * that cpu is not for this process; ERR_CONFIG: two workers that never sleep would share it;
 * ERR_BUSY; ERR_CLOSED; each with a sentence. Role: CTL. */
MUST_USE int node_move(struct node *node, const char *role, int cpu, struct node_worker *which,
                       struct fault *fault);

/* node_resolve looks up again where the members are that have names and are not heard (while nobody
 * leads: all that have names), and tells the peer link of addresses that are new. One name a call;
 * it may block for as long as the resolver does, and is then not asked again for four times as
 * long. Nothing for a node without peers. Role: CTL, about once a second. */
void node_resolve(struct node *node);

/* node_rekey reads the peers' keys (peers.key_file) again and hands them to PEER, which uses them
 * from its next turn on. Returns 0; ERR_UNSUPPORTED (no key file is configured, or a node alone);
 * ERR_BUSY (the last ones are not taken over yet); or what peer_keys_load returns. After an error
 * the keys are as before. Role: CTL. */
MUST_USE int node_rekey(struct node *node, struct fault *fault);

void node_close(struct node *node);

/* node_abandon is node_close for a process that is dead to its disk: what is in flight is not
 * waited for. For the simulator's crashes. */
void node_abandon(struct node *node);

/* For CTL, tests and the simulator: read-only looks. */
struct port *node_port(struct node *node, uint32_t net);
const struct core_state *node_standing(const struct node *node); /* in its ensemble; a page */
const struct counters_book *node_counters(const struct node *node);
struct machine *node_machine(struct node *node);
struct tree *node_tree(struct node *node);
