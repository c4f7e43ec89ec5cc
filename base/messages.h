/* messages: the records that cross the links of the drawing in ARCHITECTURE.md. Host byte order: a
 * link never leaves the process. struct command is also what a log entry carries (little-endian on
 * disk; this build is for little-endian machines only).
 *
 *   NET ──net_core──▶ CORE ──core_apply──▶ APPLY ──apply_net──▶ NET     CORE ──core_disk──▶ DISK
 *                      ▲  ◀──apply_core──────┘                           CORE ◀──disk_core── DISK
 */
#pragma once

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

/* A whole node address: an IPv6 address, or an IPv4 one mapped into it (::ffff:a.b.c.d). */
struct address {
    uint8_t ip[16];
    uint16_t port; /* host order; 0 when it does not matter */
    uint8_t pad[6];
};

enum command_kind {
    COMMAND_NOOP = 0,    /* first entry of a term; body struct command_settings, or none */
    COMMAND_REQUEST = 1, /* a client's write: op and its jute body as it came off the wire */
    COMMAND_OPEN = 2,    /* open a session; body struct session_open */
    COMMAND_ATTACH = 3,  /* re-attach a session; body struct session_open with the password */
    COMMAND_AUTH = 4,    /* add identities to the session; body: packed ones, store/acl.h */
    COMMAND_EXPIRE = 5,  /* the leader ends a session; no body, no reply */
    COMMAND_REAP = 6,    /* the leader deletes a container or TTL node; body: the path */
    COMMAND_TOUCH = 7,   /* NET to CORE only, never logged: body int64_t ids of sessions; sequence:
                          * when the last of them had been heard, monotonic ns */
    COMMAND_QUERY = 8,   /* never logged: sync, getEphemerals, and 4lw dump; op and jute body */
    COMMAND_CONFIG = 9,  /* the leader changes the membership; body: base/membership.h */
    COMMAND_CANCEL = 10, /* the leader had no room for `node`'s lanes up to `lane`: none of those
                          * not applied before this entry ever will be; no body, no reply */
};

#define COMMAND_TOUCH_IDS 1024u /* the most in one TOUCH */

/* 1 had no lane and no incarnation. */
#define COMMAND_VERSION 2

/* Flags of a REQUEST. ONCE: its answer is recorded with the session, and a repeat of its number
 * gets that answer (store/once.h). LATE, with ONCE: it came behind its deadline: carried out by
 * nobody, ZK_REQUEST_TIMEOUT unless its number was answered before. */
#define COMMAND_ONCE 1u
#define COMMAND_LATE 2u

/* Ops of COMMAND_QUERY that no client can send. DUMP: sessions and ephemerals as text, for 4lw
 * dump. BARRIER: answered, without a body, once everything that was committed when it was asked is
 * applied; `conn` is COMMAND_CONN_BARRIER and `xid` the NET's own number of the barrier. */
#define COMMAND_OP_DUMP      1000
#define COMMAND_OP_BARRIER   1001
#define COMMAND_CONN_BARRIER UINT64_MAX

/* One command. Zeroed before it is filled, so padding is part of the value. The body follows. */
struct command {
    uint8_t kind;    /* enum command_kind */
    uint8_t version; /* COMMAND_VERSION */
    uint8_t node;    /* origin: the node and NET that hold the client's connection */
    uint8_t net;
    int32_t op;         /* enum zk_op, for REQUEST and QUERY */
    int32_t xid;        /* echoed in the reply */
    uint32_t body_size; /* bytes behind this header */
    uint64_t conn;      /* the origin's token of the connection; 0 = nobody waits for a reply */
    int64_t session;    /* 0 for OPEN until CORE stamps the new id */
    uint32_t attach;    /* which attach of the session this belongs to; from 1 */
    uint32_t flags : 8;  /* COMMAND_ONCE, COMMAND_LATE */
    uint32_t trace : 24; /* id of a request that is traced at its origin (base/trace.h); 0: not */
    uint64_t sequence;  /* the session's commands since this attach, from 1; 0 = not numbered.
                         * With COMMAND_ONCE: the session's own number of it, over all attaches */
    int64_t time_ms;    /* stamped by the leader, never decreasing along the log */
    uint8_t random[16]; /* stamped by the leader; a new session's password */
    /* Which of its origin's commands this is (consensus/core_forward.h): each is applied at most
     * once, in order. 0 = not numbered: a leader's own, and everything of a node without peers. */
    uint64_t lane;
    uint64_t incarnation; /* the origin's start that counts the lanes; 0 with lane 0 */
};
static_assert(sizeof(struct command) == 88, "struct command is stored in the log");
static_assert(offsetof(struct command, conn) == 16, "struct command is stored in the log");
static_assert(offsetof(struct command, lane) == 72, "struct command is stored in the log");

/* How far the commands of one node were applied. */
struct command_lane {
    uint64_t incarnation; /* of the node's start that numbers its lanes */
    uint64_t lane;        /* the last one applied, or cancelled */
    uint64_t cancelled;   /* the last one cancelled; 0 = none in this incarnation */
    uint8_t node;
    uint8_t pad[7];
};
static_assert(sizeof(struct command_lane) == 32, "struct command_lane crosses links");

/* Body of NOOP: those of the leader's settings that decide what later commands do. They travel in
 * the log, so that replicas agree, and a replay after the configuration was changed gives the
 * answers that were given before. */
struct command_settings {
    uint32_t version;      /* COMMAND_SETTINGS_VERSION */
    uint32_t flags;        /* COMMAND_SETTINGS_* */
    uint64_t memory_limit; /* of the tree, bytes */
    int64_t container_unused_ms;
    uint32_t session_count_max;
    uint32_t reserved;
};
static_assert(sizeof(struct command_settings) == 32, "settings are stored in the log");

#define COMMAND_SETTINGS_VERSION        1
#define COMMAND_SETTINGS_EXTENDED_TYPES 1u
#define COMMAND_SETTINGS_ENFORCE_QUOTA  2u
#define COMMAND_SETTINGS_SKIP_ACL       4u
#define COMMAND_SETTINGS_RECONFIG       8u
#define COMMAND_SETTINGS_STANDALONE     16u

/* Body of OPEN and ATTACH. */
struct session_open {
    int32_t timeout_ms;    /* negotiated already, by NET */
    int32_t password_size; /* ATTACH: what the client sent, in [0, 16]; longer never matches */
    uint8_t password[16];
    struct address client; /* becomes the identity ip:... of the session */
};

/* ---- core_apply: what APPLY is to do, in order ---- */
enum core_apply_kind {
    CORE_APPLY_COMMIT = 1,   /* entries up to `index` are committed: apply them from the log tail */
    CORE_APPLY_QUERY = 2,    /* answer this query behind `index`; a struct command + body follows */
    CORE_APPLY_REFUSE = 3,   /* answer with `error` behind `index`; a struct command follows */
    CORE_APPLY_REAP = 4,     /* look for containers and TTL nodes to delete; time_ms is now */
    CORE_APPLY_SNAPSHOT = 5, /* take a snapshot at `index` */
};
/* A QUERY or REFUSE comes behind the COMMIT of its index: CORE keeps it back until then. */

struct core_apply {
    uint32_t kind; /* enum core_apply_kind */
    int32_t error; /* REFUSE: an enum zk_error */
    uint64_t index;
    int64_t time_ms;
};

/* ---- apply_core: what the state machine tells the leader ---- */
enum apply_core_kind {
    APPLY_CORE_SESSION = 1, /* session `id` lives with this timeout (opened, attached, restored) */
    APPLY_CORE_CLOSED = 2,  /* session `id` is gone */
    APPLY_CORE_REAP = 3,    /* a path to reap follows, `size` bytes */
    /* a snapshot at log index `id` is on disk: the log before it may go; index, term and chain of
     * that entry follow, uint64_t each. id 0: none was made */
    APPLY_CORE_SNAPSHOT = 4,
    /* how far this node's own commands of its present incarnation are applied: at most one record
     * a turn; one struct command_lane follows */
    APPLY_CORE_LANE = 5,
    /* the NOOP at log index `id` is applied: `size` bytes of struct command_lane follow, all nodes
     * that were ever heard of. A new leader takes no command before that of its own term. */
    APPLY_CORE_LANES = 6,
    /* commands of this node were cancelled: all up to the `lane` of the struct command_lane that
     * follows, except those that a LANE record before this one told as applied */
    APPLY_CORE_CANCELLED = 7,
    /* the reconfig with zxid `id` is good: `size` bytes of server lines (base/membership.h) follow.
     * The leader brings them into force by COMMAND_CONFIG entries, or proposes one that refuses */
    APPLY_CORE_RECONFIG = 9,
    APPLY_CORE_TRANSFER = 10, /* a client wants node `id` to lead; nothing when another leads now */
    APPLY_CORE_HASH = 8,      /* the state hash behind log index `id`: a uint64_t follows */
};

/* Index distance of the state hashes that APPLY tells: every member tells those of the same
 * indexes. */
#define APPLY_HASH_EVERY 256u

struct apply_core {
    uint32_t kind; /* enum apply_core_kind */
    int32_t timeout_ms;
    int64_t id;
    uint32_t size;
    uint32_t reserved;
};

/* ---- core_disk and disk_core: role_disk.h says what is done for each, and in which order ---- */
enum core_disk_kind {
    CORE_DISK_BATCH = 1, /* write a batch of the log tail; answered by DURABLE */
    CORE_DISK_TRIM = 2,  /* the log before first_index may go; no answer */
    CORE_DISK_SAVE = 3,  /* a struct core_disk_save follows: into the superblock; SAVED */
    CORE_DISK_READ = 5,  /* entries from first_index on, old ones, into `buffer`; READ_DONE */
    CORE_DISK_READ_SNAPSHOT = 6,  /* [offset, offset + size) of snapshot last_index into `buffer` */
    CORE_DISK_WRITE_SNAPSHOT = 7, /* `size` bytes of `buffer` at `offset` of what is received */
    CORE_DISK_INSTALL = 8, /* what was received is snapshot (last_index, term, chain): make it ours,
                            * and begin the log anew behind it; INSTALLED */
};

/* What is not named at a kind is zero. */
struct core_disk {
    uint32_t kind;
    uint32_t size;        /* BATCH: bytes, a multiple of the block size; READ...: room of buffer */
    uint64_t first_index; /* BATCH, TRIM, READ */
    uint64_t last_index;  /* BATCH; READ: entries above it are not wanted */
    uint64_t term, chain; /* of last_index */
    uint64_t term_before, chain_before; /* BATCH: of the entry before first_index */
    uint64_t offset; /* BATCH: where it lies in the log tail, in bytes ever appended */
    uint64_t number; /* BATCH: its number; else: handed back in the answer */
    void *buffer;    /* lent until the answer */
};

/* What CORE decides of the superblock. Flags are as they are to be from now on. */
struct core_disk_save {
    uint64_t term;
    uint8_t vote; /* 0 = nobody */
    uint8_t formed, catching_up;
    uint8_t forget; /* 1: the log and the snapshots are to be put aside at the next start */
    uint8_t memory; /* 1: this run acknowledges from memory */
    uint8_t reserved[3];
    uint8_t cluster_id[16];
    uint64_t incarnation_least; /* starts to come are later than this one; 0: as before */
};

enum disk_core_kind {
    DISK_CORE_DURABLE = 1, /* the batch up to `index`, `term` is on disk; tail: to `offset` */
    DISK_CORE_ROOM = 2,    /* `index` bytes can be appended before more disk must be found */
    DISK_CORE_SAVED = 3,
    DISK_CORE_READ_DONE = 5, /* entries [index, index + count) lie in the buffer, `size` bytes */
    DISK_CORE_SNAPSHOT_READ = 6, /* `size` bytes; the whole file has `offset` bytes */
    DISK_CORE_SNAPSHOT_WRITTEN = 7,
    DISK_CORE_INSTALLED = 8,
};

struct disk_core {
    uint32_t kind;
    int32_t error; /* READ_DONE, SNAPSHOT_*, INSTALLED: 0 or an ERR_*; ROOM: ERR_NOSPACE: the
                    * next segment finds no place */
    uint64_t index;
    uint64_t term;
    uint64_t offset;
    uint64_t number; /* as it was asked with; SAVED: the term that was saved */
    uint32_t size, count;
};

/* ---- apply_net: one ordered stream to each NET ---- */
enum apply_net_kind {
    APPLY_NET_REPLY = 1,   /* struct apply_reply, then the jute body */
    APPLY_NET_CHANGE = 2,  /* struct apply_change, then path, node ACL, parent ACL */
    APPLY_NET_SESSION = 3, /* struct apply_session */
    APPLY_NET_BULK = 4,    /* struct apply_bulk: records too large for the link, in a block */
};

/* Every record begins so; zxid never decreases along the link, and NET handles a record only when
 * zxid <= the published zxid of its turn. */
struct apply_net {
    uint32_t kind;
    uint32_t size; /* bytes behind the whole struct of this kind */
    int64_t zxid;
};

struct apply_reply {
    struct apply_net head;
    uint64_t conn;
    int64_t session; /* for OPEN and ATTACH: the session; else what the command said */
    int32_t op;      /* of the command; 0 for session commands */
    int32_t xid;
    int32_t error;   /* enum zk_error */
    uint32_t attach; /* for OPEN and ATTACH: the attach number to use from now on */
    int32_t timeout_ms;
    uint8_t command_kind;
    uint8_t pad[3];
    int64_t zxid;            /* what the client is told: head.zxid, or of a recorded answer */
    uint8_t password[16]; /* for OPEN and ATTACH */
};

struct apply_change {
    struct apply_net head;
    uint32_t event; /* ZK_EVENT_CREATED, _DELETED, _DATA_CHANGED; NET derives the other */
    uint32_t path_size;
    uint32_t acl_size;        /* packed ACL of the node (store/acl.h); 0 = everybody may read */
    uint32_t parent_acl_size; /* packed ACL of the parent; 0 = everybody may read */
};

enum session_state { SESSION_ATTACHED = 1, SESSION_CLOSED = 2, SESSION_EXPIRED = 3 };

struct apply_session {
    struct apply_net head;
    int64_t session;
    uint32_t attach; /* ATTACHED: connections of an older attach are to be closed */
    uint32_t state;  /* enum session_state */
};

/* The records of one command that are too many for the link (a session with 100 000 ephemerals
 * closes): they stand one behind the other in a block of APPLY's heap, each 8-byte aligned. The NET
 * that takes the record owns its share; the last one frees the block (apply_bulk_done). */
struct apply_bulk {
    struct apply_net head;
    struct bulk_block *block;
};

struct bulk_block {
    uint32_t shares; /* atomic: NETs that have not taken it yet */
    uint32_t reserved;
    uint64_t size; /* bytes of records behind this header */
};

/* Bytes of a whole record with what stands behind it, rounded to the next record in a block. */
static inline uint64_t apply_net_span(const struct apply_net *head)
{
    uint64_t fixed = head->kind == APPLY_NET_REPLY    ? sizeof(struct apply_reply)
                     : head->kind == APPLY_NET_CHANGE ? sizeof(struct apply_change)
                                                      : sizeof(struct apply_session);
    return (fixed + head->size + 7) & ~7ull;
}

/* ---- apply_ctl and ctl_apply: memory that waits for a grace period ---- */
struct retired {
    void *tree_batch; /* struct tree_batch; both are opaque to whoever waits */
    void *acl_batch;  /* struct acl_batch */
};

/* ---- where APPLY reads committed entries from (the log tail, in a node) ---- */
struct entry {
    uint64_t index, term, chain;
    const void *payload;
    uint32_t size;
};
struct entry_source {
    void *self;
    void (*next)(void *self, struct entry *entry); /* the entry behind the last one given */
    void (*done)(void *self);                      /* all given so far are no longer needed */
};
