/* sim_log: what was committed, in order, and what that means: the model of tests/model is fed each
 * entry once, and every state of every node is kept by the zxid that made it, so that an answer
 * read at any zxid can be checked later. Grows with the run; not for production. */
#pragma once

#include "base/messages.h"
#include "tests/model/model.h"
#include "tests/sim/check_once.h"

#include <stdbool.h>

struct sim_change {
    int64_t zxid;
    uint32_t event; /* enum zk_event: CREATED, DELETED, DATA_CHANGED */
    bool unordered; /* one of a closing session's: their order is not promised */
    char *path;
};

/* What the model says of one entry. */
struct sim_entry {
    uint64_t term;
    uint32_t size;
    uint8_t *payload;      /* struct command + body */
    bool answered, effect; /* effect: it was done, not answered as before (COMMAND_ONCE) */
    int32_t error;
    int64_t zxid;
    int64_t zxid_after; /* the model's behind it; a repeat's zxid is the one of its answer */
    int32_t body_size;
    uint8_t *body;
    int64_t session;
    int64_t whose_session; /* it answers an earlier request: this one; 0: its own */
    int32_t whose_xid;
    bool gone; /* it ended its session */
};

/* One state of one path. */
struct sim_state {
    int64_t zxid;
    bool exists;
    struct zk_stat stat;
    int32_t data_size; /* -1: null */
    uint8_t *data;
};

struct sim_path {
    char *path;
    struct sim_state *states;
    uint32_t count, room;
};

struct sim_log {
    struct model *model;
    struct sim_entry *entries; /* [0] is index 1 */
    uint64_t count, room;
    struct sim_change *changes;
    uint64_t change_count, change_room;
    struct sim_path *paths;
    uint32_t path_count, path_room;
    uint32_t *path_table, path_table_room; /* by hash: index + 1, open addressing; 0: free */
    struct check_once once;
};

void sim_log_init(struct sim_log *log, const struct model_config *config);
void sim_log_fini(struct sim_log *log);

/* sim_log_add takes a committed entry that some node shows: one that was seen before must be the
 * same to the byte, and a new one must come right behind the last. Returns NULL, or what is wrong.
 */
const char *sim_log_add(struct sim_log *log, const struct entry *entry);

/* sim_log_find gives the entry of a client's request, or NULL. xids are unique in a session. */
const struct sim_entry *sim_log_find(const struct sim_log *log, int64_t session, int32_t xid);

/* sim_log_at gives the state of path as of zxid; NULL: it never existed by then. */
const struct sim_state *sim_log_at(const struct sim_log *log, const char *path, int64_t zxid);

int64_t sim_log_zxid(const struct sim_log *log);
