/* sim_watch: which events one connection must be told, by the rules of zk_protocol.md section 14,
 * told as simply as possible: a list of watches, a walk over it for each change. */
#pragma once

#include "tests/sim/sim_log.h"

enum sim_watch_kind {
    SIM_WATCH_DATA = 1,
    SIM_WATCH_CHILD = 2,
    SIM_WATCH_PERSISTENT = 3,
    SIM_WATCH_RECURSIVE = 4,
};

struct sim_event {
    int64_t zxid;
    int32_t type;
    char path[128];
};

#define SIM_WATCHES_MAX 256
#define SIM_EVENTS_MAX  8192

struct sim_watch {
    struct {
        enum sim_watch_kind kind;
        char path[128];
    } set[SIM_WATCHES_MAX];
    uint32_t count;
    uint64_t change_next; /* index in the log's changes: all before were told */
    struct sim_event told[SIM_EVENTS_MAX]; /* received, not yet compared */
    uint32_t told_count;
};

/* sim_watch_reset starts a connection: no watches; changes up to `zxid` are the past. */
void sim_watch_reset(struct sim_watch *watch, const struct sim_log *log, int64_t zxid);

/* sim_watch_add sets a watch as of the present zxid (sim_watch_upto was called with it). */
void sim_watch_add(struct sim_watch *watch, enum sim_watch_kind kind, const char *path);

/* sim_watch_hear notes an event the connection was sent. */
void sim_watch_hear(struct sim_watch *watch, int64_t zxid, int32_t type, struct bytes path);

/* sim_watch_upto: the connection has now been shown a reply of `zxid`; every event up to it must
 * have been heard before, exactly once and in order, and no other. whole = false: the connection is
 * gone, what was heard need only be a beginning. Returns NULL, or what is wrong. */
const char *sim_watch_upto(struct sim_watch *watch, const struct sim_log *log, int64_t zxid,
                           bool whole);
