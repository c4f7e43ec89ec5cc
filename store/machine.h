/* machine: the replicated state machine. Pure: one command in, its results out; no clock, no I/O,
 * no randomness, no thread. Same commands in the same order give the same results, zxids and state
 * hash on every replica.
 *
 *                    ┌────────────── struct machine ───────────────┐
 *   command, body ──▶│ table op -> handler    tree  sessions  acl  │──▶ sink: changes, then the
 * reply, │ effects: carried out, or dropped, as one    │    session records, timers
 *                    └──────────────────────────────────────────────┘
 *
 * zxid = (term << 32) | counter; the first zxid of a term has counter 1. One is consumed by every
 * REQUEST that is answered (failed ones too; a multi that cannot be decoded too), every OPEN, every
 * close and effective EXPIRE, every effective REAP. None: NOOP, ATTACH, AUTH, queries, repeats, and
 * a single request that cannot be decoded.
 *
 * Numbering (session, attach, sequence): a command of an older attach is answered ZK_SESSION_MOVED;
 * one whose sequence was applied before has no effect and no new answer. A number left out means
 * that CORE refused that command (machine_refuse told the client), so the next one is taken.
 *
 * Lanes (node, incarnation, lane): a command that was forwarded twice is applied once; the second
 * has no effect, no answer and no zxid (store/lanes.h).
 *
 * Role: APPLY calls everything here, one call at a time; NET reads only machine_acls and the tree.
 */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/membership.h"
#include "base/messages.h"
#include "base/zk.h"
#include "store/acl.h"
#include "store/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct machine;

struct machine_config {
    uint64_t memory_limit;    /* the tree's, bytes: for machine_settings only */
    uint32_t session_count_max;  /* in [1, LIMIT_SESSION_COUNT_MAX] */
    uint32_t acl_count_max;      /* distinct ACLs, in [2, 2^24] */
    bool extended_types;         /* extendedTypesEnabled: TTL nodes may be made */
    bool enforce_quota;          /* enforceQuota: hard limits are refused */
    bool skip_acl;               /* skipACL */
    bool reconfig_enabled;       /* reconfigEnabled; else reconfig is answered -123 */
    bool standalone;             /* standaloneEnabled: no change to fewer than two voters */
    int64_t container_unused_ms; /* znode.container.maxNeverUsedIntervalMs; 0 = never */
};

/* Settings beside the capacities of tree and ACL table: those in the log count. A NOOP brings the
 * leader's (struct command_settings); until the first one, and for a fresh machine, those given to
 * machine_create count. A snapshot keeps them. */

/* Where results go. Of one command: changes, in the order of zk_protocol.md section 14, then the
 * reply and the session record (ATTACHED before the reply, CLOSED and EXPIRED behind it). All bytes
 * are lent for the call. */
struct machine_sink {
    void *self;
    /* acl and parent_acl are packed; null when everybody may read. event: ZK_EVENT_CREATED,
     * _DELETED or _DATA_CHANGED */
    void (*change)(void *self, int64_t zxid, uint32_t event, struct bytes path, struct bytes acl,
                   struct bytes parent_acl);
    void (*reply)(void *self, const struct apply_reply *head, struct bytes body);
    void (*session)(void *self, const struct apply_session *session);
    void (*timer)(void *self, int64_t session, int32_t timeout_ms); /* 0: closed */
    /* The membership `servers` (lines of base/membership.h) is wanted by the reconfig with this
     * zxid: the leader is to bring it about by COMMAND_CONFIG, or refuse it by one. Told again at
     * each NOOP until the first of these entries is applied. May be NULL. */
    void (*reconfig)(void *self, int64_t zxid, struct bytes servers);
    /* Voter `id` is to lead, if this node does now: a wish that is told once. May be NULL. */
    void (*transfer)(void *self, uint8_t id);
    /* The next reply is not for the command being applied but for this earlier one. May be NULL. */
    void (*whose)(void *self, const struct command *command);
};

/* Numbers for CTL; written by APPLY, read by anybody with relaxed loads. */
struct machine_counters {
    uint64_t applied, failed, repeats, moved, undecodable, gaps;
    uint64_t lane_repeats, lane_gaps; /* dropped as repeats or of an older start; left out */
    uint64_t memory_refused; /* writes refused at the memory limit */
    uint64_t sessions_opened, sessions_closed, sessions_expired, reaped;
};

/* machine_create makes an empty machine over a fresh tree. Returns 0, ERR_RANGE or ERR_NOMEM.
 * Borrows the tree, which must outlive it. */
MUST_USE int machine_create(struct machine **machine, const struct machine_config *config,
                            struct tree *tree);
void machine_destroy(struct machine *machine);

/* machine_apply applies the log entry (index, term). index is greater than any before, term never
 * less. body has c->body_size bytes. Borrows both for the call. Never fails: what a client did
 * wrong is an answer; a broken log entry (a kind or version this build does not know) stops the
 * node. The caller publishes machine_zxid() in the tree after it passed the results on. */
void machine_apply(struct machine *machine, uint64_t index, uint64_t term, const struct command *c,
                   const uint8_t *body, const struct machine_sink *sink);

/* machine_settings gives what machine_create was told, for the log's next NOOP. memory_limit is the
 * tree's, told by the caller in machine_config. */
struct command_settings machine_settings(const struct machine *machine);

/* machine_query answers a COMMAND_QUERY (sync, getEphemerals, COMMAND_OP_DUMP) in the present
 * state. No zxid, no effect on the state. */
void machine_query(struct machine *machine, const struct command *c, const uint8_t *body,
                   const struct machine_sink *sink);

/* machine_refuse answers a command that was not logged with `error`. No effect on the state. */
void machine_refuse(struct machine *machine, const struct command *c, enum zk_error error,
                    const struct machine_sink *sink);

/* machine_reap_candidates looks at up to visit_count container and TTL nodes, going on where the
 * last call stopped, and calls found for each that may be deleted at time_ms. Returns how many it
 * looked at, at most the number there are. COMMAND_REAP judges again when it is applied. */
uint32_t machine_reap_candidates(struct machine *machine, int64_t time_ms, uint32_t visit_count,
                                 void (*found)(void *self, struct bytes path), void *self);

/* machine_timers calls sink->timer for every session, in order of opening (after a restore). */
void machine_timers(const struct machine *machine, const struct machine_sink *sink);

int64_t machine_zxid(const struct machine *machine);   /* last consumed; 0 at first */
uint64_t machine_index(const struct machine *machine); /* last applied */
uint64_t machine_term(const struct machine *machine);
int64_t machine_time_ms(const struct machine *machine); /* of the last command; never decreases */
uint64_t machine_hash(const struct machine *machine);   /* running hash of everything applied */
uint32_t machine_session_count(const struct machine *machine);
/* machine_lane is how far `node`'s commands were applied (incarnation 0: it never sent any).
 * machine_lanes copies those of all nodes that ever did, at most 256. Returns how many. */
struct command_lane machine_lane(const struct machine *machine, uint8_t node);
uint32_t machine_lanes(const struct machine *machine, struct command_lane *out);
uint64_t machine_ephemeral_count(const struct machine *machine);
const struct machine_counters *machine_counters(const struct machine *machine);
/* machine_members gives the membership in force as applied, count 0 for a node alone; *version
 * (NULL: not wanted) the zxid of its entry, -1 without; *next (NULL: not wanted) the new list while
 * both count, else NULL. Lent until the next apply. */
const struct membership *machine_members(const struct machine *machine, int64_t *version,
                                         const struct membership **next);
struct acl_table *machine_acls(struct machine *machine); /* readers: acl_allows and friends */

/* ---- memory ----
 * The tree's limit is on what it holds, so every replica refuses the same command. A write that
 * would grow past it is answered ZK_SYSTEM_ERROR (-1): the one code that says "not your fault" and
 * that every client in use knows (kazoo 2.8 and the C client of 3.8 have no name for -125; kazoo's
 * reader dies of a code it does not know). Deletes, closes and shrinking sets always work. */

/* ---- snapshots (store/snapshot.c) ----
 * Save, on APPLY at one index: machine_image, which holds scalars and sessions; acl_pin; then, from
 * any role, the ACLs (acl_count, acl_packed) and the nodes of a tree view; at the end acl_unpin.
 * Restore, into a fresh machine and tree: machine_image_load, acl_restore for each ACL, the tree's
 * own restore of each node and machine_image_node beside it, machine_image_done at the end. */

/* machine_image makes a versioned record of everything but tree and ACLs, 40 bytes, about 60 a
 * session and 25 a node. The caller frees *image with free(). Returns 0 or ERR_NOMEM. */
MUST_USE int machine_image(const struct machine *machine, uint8_t **image, uint64_t *size);

/* machine_image_load reads it into a machine that has applied nothing. Returns 0, ERR_VERSION,
 * ERR_MALFORMED, ERR_LIMIT (more sessions than configured) or ERR_NOMEM. */
MUST_USE int machine_image_load(struct machine *machine, const uint8_t *image, uint64_t size);

/* machine_image_node enters a node's ACL reference and owner. Returns 0, ERR_MALFORMED (no such
 * ACL, or no such session) or ERR_NOMEM. Borrows path. */
MUST_USE int machine_image_node(struct machine *machine, struct bytes path, uint32_t acl_id,
                                int64_t owner);
void machine_image_done(struct machine *machine);
