/* node_page: what a node shows to whoever looks from outside: one block of memory in a file of
 * /dev/shm, so that `takt top` and `takt trace` read it without asking the node anything, and so
 * that it is still there after a crash, as the node left it.
 *
 *   taktd ── roles write their own parts, as they go ──▶ ┌───────────────┐
 *          CTL writes seen_ns and steps once a second ─▶ │ struct        │ ◀── takt top, takt trace
 *                                                        │ node_page     │     map it read-only
 *                                                        └───────────────┘
 *
 * In /dev/shm and not in the data directory: a page of a file on a disk is made read-only while it
 * is written back, and a role that counts would wait for the disk. Both sides must be of one build,
 * which the head says; there is no other format.
 *
 *   who writes                    what                       how
 *     taktd before the roles        everything until `state`   plain, then state with release
 *     the owner of each part        counters, turns, links,    relaxed atomics: each number is
 *                                   traces, status             whole
 *     CTL                           seen_*, steps              the same                         */
#pragma once

#include "base/clock.h"
#include "base/core_status.h"
#include "base/counters.h"
#include "base/device_facts.h"
#include "base/err.h"
#include "base/link.h"
#include "base/say.h"
#include "base/trace.h"
#include "base/turns.h"

#define NODE_PAGE_VERSION  1u
#define NODE_PAGE_ROLES    24u /* roles of a node */
#define NODE_PAGE_COUNTERS 24u /* pages of counters */
#define NODE_PAGE_LINKS    56u
#define NODE_PAGE_RINGS    18u
#define NODE_PAGE_DIR      "/dev/shm"
#define NODE_PAGE_PATH_MAX 64u
#define NODE_PAGE_LIST_MAX 256u

enum node_page_state {
    NODE_PAGE_STARTING = 0,
    NODE_PAGE_RUNNING = 1, /* with a process that is gone: it crashed, or was killed */
    NODE_PAGE_STOPPED = 2, /* in order */
    NODE_PAGE_FAILED = 3,  /* a role could not go on; `reason` */
};

struct node_page_role {
    char name[16], worker[16]; /* worker: the thread that turns it */
    uint32_t index;            /* among those of its name */
    uint32_t idle;             /* enum worker_idle of its worker */
    _Atomic int32_t cpu;       /* -1: any */
    struct turns turns;
};

struct node_page_counters {
    char role[16];
    uint32_t index;
    struct counters counters;
};

struct node_page_link {
    char name[16];
    uint32_t index;
    struct link link; /* head, tail, high_water, full_count, depth; its pointers are the node's */
};

struct node_page_ring {
    char role[16];
    uint32_t index;
    struct trace_ring ring;
};

/* What CTL makes of the stamps, for one step of the way. */
struct node_page_step {
    struct hist all;   /* since the start */
    _Atomic uint64_t count, p50_ns, p99_ns, p999_ns, max_ns; /* of `all` */
};

struct node_page {
    char magic[8];
    uint32_t version;
    uint32_t node_id;
    uint64_t size;      /* sizeof(struct node_page): of another build when it differs */
    uint64_t layout;    /* metrics, roles and so on of this build, as a number */
    int64_t pid;
    int64_t started_ms; /* wall clock */
    uint64_t started_ns; /* monotonic */
    char build[64], listen[64], data_dir[256], cluster[64], layout_name[16];
    char boot_id[40]; /* of the machine's start that monotonic times belong to */
    uint32_t role_count, counters_count, link_count, ring_count;
    uint32_t trace_every;
    _Atomic uint32_t state; /* enum node_page_state */
    char reason[256];       /* of FAILED; written before state */
    _Atomic uint64_t seen_ns; /* monotonic: CTL's last look */
    _Atomic int64_t seen_ms;  /* wall clock, the same */
    _Atomic uint64_t lost_stamps;
    struct device_facts device; /* of the dpdk port; driver "": it has none */
    struct core_status status;
    _Atomic uint64_t reason_text[8]; /* core_status.reason as text: a pointer is the node's */
    struct node_page_role roles[NODE_PAGE_ROLES];
    struct node_page_counters counters[NODE_PAGE_COUNTERS];
    struct node_page_link links[NODE_PAGE_LINKS];
    struct node_page_step steps[TRACE_STEPS];
    struct node_page_ring rings[NODE_PAGE_RINGS];
};

/* node_page_path gives the file that belongs to a data directory, for this user: its name is made
 * of the directory's real path. Returns 0 or ERR_NOTFOUND (there is no such directory). */
MUST_USE int node_page_path(const char *data_dir, char path[NODE_PAGE_PATH_MAX]);

/* node_page_data writes which directory the page is of, as it is found from everywhere; as it is
 * given, where there is no such directory (a simulated disk). */
void node_page_data(struct node_page *page, const char *data_dir);

/* node_page_create makes the file, with room for ring_count rings, and maps it. A file that is
 * there is of a node that ended: one that crashed is kept as PATH.crashed, others are replaced;
 * those of nodes whose process and data directory are both gone are removed. Returns 0, ERR_IO or
 * ERR_NOMEM with the reason (somebody else's file of that name, no /dev/shm). The data directory is
 * locked. */
MUST_USE int node_page_create(const char *path, uint32_t ring_count, struct node_page **page,
                              struct fault *fault);

/* node_page_reset makes a page as new: the node begins again in the same process. */
void node_page_reset(struct node_page *page);

/* node_page_remove takes the file away: the node has ended in order. */
void node_page_remove(const char *path, struct node_page *page);

/* node_page_open maps a page read-only. Returns 0, ERR_NOTFOUND, ERR_VERSION (another build's),
 * ERR_CORRUPT (not a page) or ERR_IO, with the reason. */
MUST_USE int node_page_open(const char *path, const struct node_page **page, struct fault *fault);

void node_page_close(const struct node_page *page);

/* True while the process that the page speaks of runs. */
bool node_page_alive(const struct node_page *page);

/* node_page_list finds the pages that this user may read, newest first. Returns how many of them
 * are in paths. */
uint32_t node_page_list(char (*paths)[NODE_PAGE_PATH_MAX], uint32_t max);

/* ---- CTL's part ---- */

/* Joins stamps into steps. Owned by CTL. */
struct node_page_watch {
    struct node_page *page;
    struct trace_join join;
    uint64_t at[NODE_PAGE_RINGS];
    uint64_t lost;
};

/* node_page_look collects the stamps made since the last look, and says that the node was seen. */
void node_page_look(struct node_page_watch *watch, struct now now);
