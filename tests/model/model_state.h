/* model_state: what the files of the model share. */
#pragma once

#include "base/limits.h"
#include "tests/model/model.h"

struct model_session {
    int64_t id;
    uint32_t attach;
    uint64_t sequence;
    struct model_once {    /* what a native session's last writes were answered, by number */
        uint64_t sequence; /* 0: none */
        int64_t zxid;
        int32_t error;
        struct bytes body;
    } once[LIMIT_SESSION_ONCE_COUNT];
    uint8_t password[16];
    int identity_count;
    struct {
        struct bytes scheme, id;
    } identities[128];
};

struct model_kept {
    struct model_kept *next;
    uint8_t bytes[];
};

struct model_state {
    struct model_node **nodes; /* in order of creation */
    uint32_t node_count;
};

struct model {
    struct model_config config;
    struct model_state state, saved;
    struct model_session **sessions;
    uint32_t session_count;
    struct model_kept *kept;
    struct command_lane lanes[256]; /* by node */
    struct model_members members;
    uint64_t term;
    int64_t zxid, time_ms;
    struct model_result result;
    struct model_change changes[65536];
    uint8_t body[16 << 20];
    struct jute_out out;
};

/* model_alloc gives zeroed memory, model_keep copies bytes: both for as long as the model lives. */
void *model_alloc(struct model *model, size_t size);
struct bytes model_keep(struct model *model, struct bytes bytes);
struct model_session *model_session(const struct model *model, int64_t id);

/* model_acl_make turns a client's vector<ACL> into the stored one; false: InvalidACL. */
bool model_acl_make(const struct model_session *session, struct bytes list, struct bytes *stored);
/* model_acl_perms: what somebody with the session's identities may do; NULL: a stranger. */
int32_t model_acl_perms(struct bytes acl, const struct model_session *session);

bool model_path_valid(struct bytes path);
bool model_is(struct bytes bytes, const char *text);
/* model_parent: the node a path hangs below, by text; null without a '/'. "" stands for the root.
 */
struct bytes model_parent(struct bytes path);

struct model_node *model_node(const struct model *model, struct bytes path);
/* model_quota_node: /zookeeper/quota<prefix>/<name> */
struct model_node *model_quota_node(const struct model *model, struct bytes prefix,
                                    const char *name);
/* The quota rules: a check before, and what follows a change. */
bool model_quota_allows(const struct model *model, struct bytes path, int64_t bytes, int64_t count);
void model_quota_follow(struct model *model, struct bytes path, int64_t bytes, int64_t count);
void model_quota_recount(struct model *model, struct bytes path);

/* model_op runs one decoded-by-itself write against the state; the answer goes to model->out.
 * in_multi: an illegal flag or null path makes the whole multi undecodable. */
#define MODEL_UNDECODABLE 1
int32_t model_op(struct model *model, const struct model_session *session, int32_t op,
                 struct jute_in *in, bool in_multi);
void model_stat_put(struct model *model, const struct model_node *node);
/* model_zxid_next gives the zxid that a change consumes. */
int64_t model_zxid_next(const struct model *model);
/* model_reconfig takes the request; 0 and members.pending: answered later. model_config takes the
 * entry of a membership: true when it answers the request that waits, with *error. */
int32_t model_reconfig(struct model *model, const struct model_session *session,
                       const struct command *c, struct jute_in *in);
bool model_config(struct model *model, const uint8_t *body, uint32_t size, int32_t *error);
void model_change(struct model *model, uint32_t event, struct bytes path);
void model_node_remove(struct model *model, struct model_node *node);
