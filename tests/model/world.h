/* world: a state machine over a tree, with everything it tells recorded, and short ways to send it
 * commands. For unit tests: one command at a time, what came of the last one is in the struct. */
#pragma once

#include "base/jute.h"
#include "store/machine.h"

#define WORLD_CHANGE_COUNT 64
#define WORLD_BODY_SIZE    (4 << 20)

struct world_change {
    int64_t zxid;
    uint32_t event;
    char path[128];
    int32_t acl_size, parent_acl_size; /* -1: everybody may read */
};

struct world {
    struct machine_config config;
    struct tree *tree;
    struct machine *machine;
    struct machine_sink sink;
    uint64_t index, term;
    int64_t time_ms;
    uint32_t attach;   /* for the commands that world_request sends; 1 at first */
    uint64_t sequence; /* the same; 0 = not numbered */
    uint32_t flags;    /* the same; COMMAND_ONCE, COMMAND_LATE */
    /* what the last command brought */
    struct world_change changes[WORLD_CHANGE_COUNT];
    uint32_t change_count, reply_count, session_count, timer_count;
    struct apply_reply reply;
    struct apply_session session;
    uint32_t wanted_count; /* memberships told by reconfig; the last: */
    char wanted[4200];
    int64_t wanted_zxid;
    uint32_t transfer_to; /* 0: nobody was asked for */
    struct command whose; /* of the reply, when it was not for the command; else zeros */
    int64_t timer_session;
    int32_t timer_ms;
    char order[256]; /* c r s t: in which order things were told */
    int32_t body_size;
    uint8_t *body;    /* of the reply */
    uint8_t *request; /* WORLD_BODY_SIZE bytes: the request being built */
    struct jute_out out;
};

/* world_init takes the configuration; world_config_default is one with TTL nodes on. tree_limit:
 * the tree's memory limit in bytes, 0 = a lot. */
struct machine_config world_config_default(void);
void world_init(struct world *world, const struct machine_config *config, uint64_t tree_limit);
void world_fini(struct world *world);

/* world_ready is world_init by default with one open session, for a setup: 0. */
int32_t world_ready(struct world *world, int64_t session);

/* world_apply sends a command as it is (version, time and body_size are filled in). */
void world_apply(struct world *world, struct command command, const void *body, size_t size);
void world_query(struct world *world, struct command command, const void *body, size_t size);

/* Sessions. world_open answers the error; the password is the id's bytes, twice. The client is
 * 10.0.0.1. */
int32_t world_open(struct world *world, int64_t session);
int32_t world_attach(struct world *world, int64_t session, const uint8_t *password);
int32_t world_auth(struct world *world, int64_t session, const char *scheme, const char *id);
int32_t world_close(struct world *world, int64_t session);
void world_expire(struct world *world, int64_t session);
void world_reap(struct world *world, const char *path);

/* Requests. Each returns the error of the reply; the body is in world->body. NULL paths and data
 * are null on the wire. acl NULL: world:anyone:cdrwa. */
int32_t world_request(struct world *world, int64_t session, int32_t op);
int32_t world_create(struct world *world, int64_t session, const char *path, const char *data,
                     int32_t flags);
int32_t world_create_op(struct world *world, int64_t session, int32_t op, const char *path,
                        const char *data, int32_t flags, int64_t ttl);
int32_t world_delete(struct world *world, int64_t session, const char *path, int32_t version);
int32_t world_set(struct world *world, int64_t session, const char *path, const char *data,
                  int32_t version);
int32_t world_set_acl(struct world *world, int64_t session, const char *path, int32_t version,
                      int32_t perms, const char *scheme, const char *id);
int32_t world_create_acl(struct world *world, int64_t session, const char *path, int32_t perms,
                         const char *scheme, const char *id);

/* Building bodies: start with world_begin, then put, then world_request. */
void world_begin(struct world *world);
void world_put_string(struct world *world, const char *string);
void world_put_acl(struct world *world, int32_t perms, const char *scheme, const char *id);
/* One operation of a multi, header first; world_put_done ends it. */
void world_put_create(struct world *world, int32_t op, const char *path, const char *data,
                      int32_t flags, int64_t ttl);
void world_put_delete(struct world *world, const char *path, int32_t version);
void world_put_set(struct world *world, const char *path, const char *data, int32_t version);
void world_put_check(struct world *world, const char *path, int32_t version);
void world_put_header(struct world *world, int32_t op, bool done);

/* world_stat reads a node's Stat in the writer's state; false when there is no such node. */
bool world_stat(struct world *world, const char *path, struct zk_stat *stat);
bool world_stat_equal(const struct zk_stat *a, const struct zk_stat *b);
/* world_data compares a node's data with a string; false also when there is no such node. */
bool world_data(struct world *world, const char *path, const char *data);
/* world_body_path reads the reply's leading string into a static buffer. */
const char *world_body_path(struct world *world);
