/* op: what the handlers of the state machine share. Inside store/ only.
 *
 *   machine_apply ─▶ kinds[c->kind] ─▶ REQUEST: decode ─▶ tree_begin ─▶ run ─▶ op_finish ─▶ reply
 *                                              op_kind table                   │
 *                            ok: tree_commit, effects carried out and told ◀───┴─▶ error: rolled
 * back
 *
 * A handler changes the tree and notes each change as an effect; what follows from a change outside
 * the tree (ACL references, the index of owned nodes, the change stream, the state hash) happens
 * only when the whole command stands. One small file a kind: op_<kind>.c. Role: APPLY. */
#pragma once

#include "store/lanes.h"
#include "store/machine.h"
#include "store/op_config.h"
#include "store/owned.h"
#include "store/session.h"

enum op_effect_kind { OP_CREATED = 1, OP_DELETED, OP_DATA_CHANGED, OP_ACL_CHANGED };

struct op_effect {
    uint32_t kind;
    uint32_t acl_id;        /* of the node: the new one */
    uint32_t parent_acl_id; /* OP_CREATED and OP_DELETED: who may hear of the parent's children */
    uint32_t acl_id_before; /* OP_ACL_CHANGED only */
    int64_t owner;
    struct bytes path; /* in the command's body, in machine.path_room, or in the owned index */
};

struct machine {
    struct command_settings given; /* to machine_create */
    struct machine_config config;        /* as the log has it now */
    struct op_config config_of;   /* the membership, and its change */
    struct tree *tree;
    struct acl_table *acls;
    struct session_table sessions;
    struct owned_index owned;
    struct owned_list containers, ttls;
    struct owned *reap_next[2]; /* where machine_reap_candidates goes on: containers, ttls */
    uint32_t reap_list;
    uint64_t index, term, hash;
    int64_t zxid, time_ms;
    uint64_t quota_count; /* live zookeeper_limits nodes; 0 = no quota is looked for */
    struct lanes lanes;
    struct machine_counters counters;
    /* rooms of the command being applied; grown before it starts, so nothing in them moves */
    struct op_effect *effects;
    uint32_t effect_count, effect_max;
    uint8_t *reply_room, *path_room, *quota_room, *acl_room;
    uint64_t reply_max, path_max, path_used, quota_max;
    struct owned **sort_room;
    uint64_t sort_max;
};

/* A request, decoded. Which fields count depends on op (op_reconfig.c has uses of its own).
 * Everything borrows the body. */
struct op_request {
    int32_t op;
    int32_t flags, version;
    int64_t ttl;
    struct bytes path, data, acl; /* acl: the wire's vector */
    struct bytes all;             /* multi: the whole body */
};

/* One command being applied. */
struct op {
    struct machine *m;
    const struct command *command;
    const struct machine_sink *sink;
    struct session *session; /* NULL: there is none of that id */
    struct bytes identities;
    int64_t zxid;    /* of this command; 0 = it consumes none (so far) */
    uint64_t result; /* hash of what was applied and answered */
    int32_t error;
    uint64_t told_size; /* bytes of paths and ACLs of the changes noted so far */
    bool undone;        /* answered ZK_OK, but nothing of it stands: a failed multi */
    bool closing;       /* the session ends with this command */
    bool later;         /* answered by a later entry */
};

struct op_kind {
    int32_t op;
    int32_t result_op; /* header type of its result in a multi; 0 = not allowed in one */
    bool (*decode)(struct jute_in *in, struct op_request *r); /* false: undecodable */
    /* run gives an enum zk_error; on ZK_OK the reply body is in out */
    int32_t (*run)(struct op *op, const struct op_request *r, struct jute_out *out);
};

/* op_kind finds the handler of an opcode, NULL when it is none a client may write with. */
const struct op_kind *op_kind(int32_t opcode);

/* op_begin takes the next zxid and opens the tree for the command's changes. */
void op_begin(struct op *op);
/* op_finish ends them: carried out when error is ZK_OK and op->undone is false, else undone. */
void op_finish(struct op *op, int32_t error);
/* op_reply tells the sink; nothing of body unless error is ZK_OK. For answers with more than that
 * in the head: op_reply_head makes one, op_reply_send tells the sink and takes it into the hash. */
void op_reply(struct op *op, int32_t error, struct bytes body);
struct apply_reply op_reply_head(const struct op *op, int32_t error);
void op_reply_send(struct op *op, struct apply_reply *head, struct bytes body);
/* op_hash takes bytes into the hash of this command's results. */
void op_hash(struct op *op, const void *at, size_t size);

/* op_effect notes a change for op_finish. parent: the node's parent before or after, the same. */
void op_effect(struct op *op, struct op_effect effect);

/* op_rooms makes the rooms large enough for a command with such a body. */
void op_rooms(struct machine *m, uint64_t body_size);
/* op_room_grow makes *room hold `size` elements of `each` bytes; what is in it stays. */
void *op_room_grow(void *room, uint64_t *max, uint64_t size, uint64_t each);

/* op_node finds a live node by any path, "" being the root; NULL for what cannot be a path. */
const struct znode *op_node(struct op *op, struct bytes path);
uint32_t op_parent_acl(struct op *op, struct bytes path); /* of an existing node */
bool op_allows(struct op *op, const struct znode *node, int32_t perm);
void op_put_stat(struct jute_out *out, const struct znode *node);
/* op_owner_ephemeral: is it a session's id, and not 0 nor a mark? */
bool op_owner_ephemeral(int64_t owner);
bool op_owner_ttl(int64_t owner);
/* op_owned_list: the list a node with this owner belongs to; NULL for plain nodes and, checked by
 * the caller, for an ephemeral whose session does not exist. */
struct owned_list *op_owned_list(struct machine *m, int64_t owner);
/* op_delete_node removes an existing childless node and notes the effect. path must stay valid
 * until op_finish; parent_acl_id is its parent's ACL. */
void op_delete_node(struct op *op, const struct znode *node, struct bytes path,
                    uint32_t parent_acl_id);

bool op_create_decode(struct jute_in *in, struct op_request *r);
int32_t op_create_run(struct op *op, const struct op_request *r, struct jute_out *out);
bool op_delete_decode(struct jute_in *in, struct op_request *r);
int32_t op_delete_run(struct op *op, const struct op_request *r, struct jute_out *out);
bool op_set_data_decode(struct jute_in *in, struct op_request *r);
int32_t op_set_data_run(struct op *op, const struct op_request *r, struct jute_out *out);
bool op_set_acl_decode(struct jute_in *in, struct op_request *r);
int32_t op_set_acl_run(struct op *op, const struct op_request *r, struct jute_out *out);
bool op_check_decode(struct jute_in *in, struct op_request *r);
int32_t op_check_run(struct op *op, const struct op_request *r, struct jute_out *out);
int32_t op_multi_run(struct op *op, const struct op_request *r, struct jute_out *out);
bool op_reconfig_decode(struct jute_in *in, struct op_request *r);
int32_t op_reconfig_run(struct op *op, const struct op_request *r, struct jute_out *out);
int32_t op_session_close_run(struct op *op, const struct op_request *r, struct jute_out *out);

/* Commands that are no requests: each tells the sink itself. body as machine_apply has it. */
void op_session_open(struct op *op, const uint8_t *body);
void op_session_attach(struct op *op, const uint8_t *body);
void op_session_auth(struct op *op, const uint8_t *body);
void op_session_expire(struct op *op, const uint8_t *body);
/* op_session_gone ends the session for good, behind the reply. */
void op_session_gone(struct op *op, uint32_t state);
/* op_session_current: does the command belong to the present attach? */
bool op_session_current(const struct op *op);
/* op_session_repeat: was its sequence applied before? If not, notes it as applied. */
bool op_session_repeat(struct op *op);
/* op_once_repeat answers a command whose number was answered before as it was then, or, when that
 * answer is forgotten because its client has it, with ZK_SYSTEM_ERROR. op_once_record records an
 * answer; of a reconfig, which is answered later, that it was taken. Both for COMMAND_ONCE. */
bool op_once_repeat(struct op *op);
void op_once_record(struct op *op, int32_t error, struct bytes body);
/* op_settings_apply takes over what a NOOP brings. A body this build cannot read stops the node. */
void op_settings_apply(struct op *op, const uint8_t *body);
void op_settings_take(struct machine *m, const struct command_settings *settings);
struct command_settings op_settings_of(const struct machine *m);
void op_reap_apply(struct op *op, const uint8_t *body);
bool op_reap_due(const struct machine *m, const struct znode *node, int64_t time_ms);
