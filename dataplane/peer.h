/* peer: the role PEER, which carries messages between the members as datagrams. It exists only in
 * a node of more than one member, and shares a worker with NET 0.
 *
 *  CORE ─ core_peer ─▶ urgent ─▶ fragments ─────────────────────────────▶┐
 *                 └──▶ bulk ──▶ [ bulk queue ] ─▶ token bucket ─▶ ───────▶ datagram port ──▶ peers
 *  CTL ── ctl_peer ─▶ peer table, cluster id, keys
 *  CORE ◀ peer_core ─ whole, checked, once ◀─ reassembly ◀─ checks ◀───── datagram port ◀── peers
 *
 * Messages (consensus/peer_message.h) may be lost, never changed, and come at most once each in an
 * incarnation of the sender. Order is not kept. Everything full drops and counts: core's messages
 * are repeated by those who need them.
 *
 * Bulk is SNAPSHOT, FETCH_REPLY, whatever carries the flag PEER_BULK, and what is larger than
 * PEER_URGENT_SIZE_MAX (no receive buffer takes it in one burst). It leaves fragment by fragment at
 * a configured rate behind everything urgent.
 *
 * Who is heard. A datagram counts when its wire version, cluster id, `to`, `from`, incarnation and
 * mark (peer_keys) are right. One that is not is refused, counted by cause, and the first of each
 * peer and cause is a line that says what to do, repeated at most once a minute.
 *   cluster id: all zero = not formed yet. Between a formed node and one that is not, and between
 *     two that are not, only HELLO passes: CORE forms or joins with it.
 *   incarnation: what a peer sent before its restart is refused once it was heard after it, and
 *     what is meant for this node before its own restart always is. A node that does not know the
 *     incarnation of the other side says 0; with keys that is good for a greeting only, so that
 *     nothing recorded earlier is taken for new.
 *     A peer that names a later incarnation of this node than this one has heard of a start that
 *     this disk does not remember: CORE is told (PEER_LATER), once.
 * Two nodes with one id: the one that is heard stays, the other one is told (peer_twin.h).
 * Whoever is refused because it is no member is told so, and then tells its CORE (PEER_ABSENT).
 * One stranger is heard all the same: who leads. A member that was away while others came and went
 * learns who they are from nobody else (its log has it from the leader). Such a GUEST has a place
 * while one is free, until it is a member, or has not led for PEER_GUEST_NS; it gets no vote here.
 * Greetings (no message inside) go to a peer that nothing was sent to for a while, and in answer to
 * one that does not know us; they keep `heard` and the round trip fresh.
 *
 *             poll idle deadline   seen     - : safe at the same time, from different threads
 *   poll ...         X              -       X : one role, one call at a time
 *   seen             -              -                                                          */
#pragma once

#include "base/counters.h"
#include "base/link.h"
#include "base/messages.h"
#include "dataplane/peer_keys.h"
#include "dataplane/peer_reassembly.h"
#include "dataplane/port/datagram.h"

#include <stdatomic.h>

#define PEER_COUNT_MAX       15 /* others; with this node RAFT_MEMBER_COUNT_MAX */
#define PEER_NAME_SIZE       256
#define PEER_TURN_MESSAGES   256u        /* taken from core_peer in one turn */
#define PEER_TURN_SIZE       (1u << 20)  /* and bytes of them, but at least one */
#define PEER_URGENT_SIZE_MAX (96u << 10) /* an APPEND of PEER_APPEND_SIZE is urgent */
/* What would wait longer for its pace is dropped: it would be asked for again meanwhile, and come
 * twice. 100 ms of the default pace hold the largest window of one member, 4 MiB. */
#define PEER_BULK_WAIT_NS_MAX (100 * NS_PER_MS)
#define PEER_SAY_AGAIN_NS     (60 * NS_PER_S)
/* Told for so long that another node with its id is heard, a node stops: longer than it takes until
 * a process that died is not heard any more (unreachable_ms). */
#define PEER_TWIN_NS  (6 * NS_PER_S)
#define PEER_STILL_NS NS_PER_S
#define PEER_ABSENT_NS NS_PER_S /* strangers are told no more often, and CORE is */
#define PEER_GUEST_NS  (5 * NS_PER_S)

/* Why a message or a datagram went no further: cause, metric, the words behind "it". Those up to
 * PEER_DROP_LINE_LAST get a line for a person. */
#define PEER_DROP_TABLE(X)                                                                         \
    X(VERSION, refused, "speaks another wire version")                                             \
    X(CLUSTER, refused, "belongs to another cluster")                                              \
    X(KEY, refused, "has a wrong or missing key")                                                  \
    X(TO, refused, "is meant for another node")                                                    \
    X(SELF, refused, "has the id of this node")                                                    \
    X(FROM, refused, "comes from a node that is not a member")                                     \
    X(TWIN, refused, "has the id of another one that is heard")                                    \
    X(CORRUPT, damaged, "was damaged on its way")                                                  \
    X(OLD, stale, "is of an earlier incarnation of its sender")                                    \
    X(STALE, stale, "was meant for this node before its restart")                                  \
    X(REPEATED, repeated, "was received before, or is too old to know")                            \
    X(MALFORMED, malformed, "is not a message of takt")                                            \
    X(INCOMPLETE, incomplete, "never became whole")                                                \
    X(CORE_FULL, core_full, "found peer_core full")                                                \
    X(SEND_FULL, send_full, "found the network's queue full")                                      \
    X(BULK_FULL, bulk_dropped, "found the bulk queue full")                                        \
    X(UNREACHABLE, bulk_dropped, "was bulk for a peer that is not heard")                          \
    X(UNKNOWN, unknown, "was for a node that is not a member, or has no address")
#define PEER_DROP_LINE_LAST PEER_DROP_OLD

enum peer_drop {
#define PEER_DROP_ENUM(name, metric, text) PEER_DROP_##name,
    PEER_DROP_TABLE(PEER_DROP_ENUM)
#undef PEER_DROP_ENUM
        PEER_DROP_COUNT
};

/* One member as PEER needs to know it. */
struct peer_member {
    uint8_t id;                /* in [1, 254] */
    struct address address;    /* where datagrams go; port 0: not known yet, nothing is sent */
    char name[PEER_NAME_SIZE]; /* as configured ("db2.example:2888"), for people; may be empty */
};

/* A record of ctl_peer (from CTL), also taken on core_peer (from CORE): its first byte is none of a
 * peer_message's kinds. */
enum peer_update_kind {
    PEER_UPDATE_SET = 240,     /* `member` is added, or has a new address or name; an address with
                                * port 0 leaves the one of a known member with the same name */
    PEER_UPDATE_REMOVE = 241,  /* member.id is no member any more */
    PEER_UPDATE_CLUSTER = 242, /* the node was formed, or has joined: `cluster` */
    PEER_UPDATE_KEYS = 243,    /* *keys, copied when the record is handled; keys_taken then is 1 */
};

struct peer_update {
    uint8_t kind;
    uint8_t cluster[PEER_FRAME_CLUSTER_SIZE];
    struct peer_member member;
    const struct peer_keys *keys;
    _Atomic uint32_t *keys_taken; /* 1 (release) when *keys is no longer needed; may be NULL */
};

struct peer_config {
    uint8_t id;
    uint8_t cluster[PEER_FRAME_CLUSTER_SIZE]; /* zero: not formed yet */
    uint64_t incarnation; /* > 0, greater than at any earlier start of this id */
    struct peer_member members[PEER_COUNT_MAX + 1]; /* one with the own id is left out */
    uint32_t member_count;
    uint64_t bulk_bytes_per_s;  /* pace of bulk, all peers together; > 0 */
    uint32_t bulk_burst_size;   /* bytes of bulk that may go at once; at least 16 KiB */
    uint64_t bulk_queue_size;   /* bytes, a power of two; at least four largest messages */
    uint32_t greet_ms;          /* a greeting to a peer that nothing was sent to for so long; > 0 */
    uint32_t unreachable_ms;    /* not heard for so long: unreachable */
    uint32_t slots, bulk_slots; /* messages under reassembly, per peer and stream */
    struct peer_keys keys;      /* count 0: no marks */
    /* Prints a line about a refused peer; NULL: say(SAY_WARN). */
    void (*line)(void *self, const char *text);
    void *line_self;
    /* Stops the node: another one has its id (peer_twin.h). Called once, from poll; may be NULL. */
    void (*failed)(void *self, int err, const struct fault *reason);
    void *failed_self;
};

/* What a peer looks like from here; read by anybody (`takt status`, CTL that resolves names, CORE).
 * Written by PEER, relaxed. Messages unless said otherwise. */
struct peer_seen {
    _Atomic uint64_t id;          /* 0: the slot is not used */
    _Atomic uint64_t heard_ns;    /* mono_ns of the last good datagram; 0: never */
    _Atomic uint64_t reachable;   /* 1: heard within unreachable_ms */
    _Atomic uint64_t incarnation; /* 0: not known */
    _Atomic uint64_t rtt_ns;      /* smoothed, of datagrams; 0: not known */
    _Atomic uint64_t sent, received, sent_bytes, received_bytes;
    _Atomic uint64_t dropped[PEER_DROP_COUNT];
};

struct peer_parts {
    struct link *core_peer, *peer_core; /* of struct peer_message and payload */
    struct link *ctl_peer;              /* of struct peer_update; may be NULL */
    struct datagram_port *port;         /* borrowed; datagram_start is called */
    struct counters *page;              /* PEER's */
};

/* One sequence of messages to and from one peer. */
struct peer_stream {
    uint64_t id_sent; /* of the last message */
    struct peer_reassembly in;
};

struct peer_said {
    uint64_t at_ns; /* of the last line; 0: none */
    uint64_t count; /* refused since */
};

struct peer_remote {
    uint8_t id; /* 0: free */
    struct address address;
    char name[PEER_NAME_SIZE];
    uint32_t size_max; /* of a datagram to it */
    uint64_t size_asked_ns;
    uint64_t incarnation;
    uint64_t heard_ns, sent_ns, greeted_ns;
    uint64_t guest_ns;       /* no member here, but it led then; 0: a member */
    struct address heard_at; /* where `incarnation` was first heard from */
    uint64_t strange_ns;     /* while none was: when another source than `address` was first seen */
    uint64_t twin_ns;        /* when TWIN was last sent; 0: never */
    uint64_t stamp_at_ns; /* when its last stamp came */
    uint32_t stamp_us;    /* that stamp; 0: none */
    struct peer_stream urgent, bulk;
    struct peer_said said[PEER_DROP_COUNT];
    struct peer_seen seen;
};

struct peer {
    struct peer_config config;
    struct peer_parts parts;
    struct now now;
    struct peer_remote remotes[PEER_COUNT_MAX];
    uint8_t index_of[256];                       /* id -> index into remotes + 1, 0: not a member */
    struct peer_said strangers[PEER_DROP_COUNT]; /* refused, of nobody we know */
    struct link bulk;                            /* own FIFO */
    uint32_t bulk_offset;                        /* bytes of its first record that have left */
    uint32_t bulk_unit;      /* bytes of each of its fragments; 0: it was not begun */
    uint64_t bulk_id;        /* its message id */
    uint64_t tokens;         /* bytes of bulk that may go now */
    uint64_t tokens_ns;      /* when tokens was right */
    uint64_t due_ns;         /* greetings, reachability and routes are looked at then */
    uint64_t too_large_seen; /* the port's count when the routes were asked */
    uint64_t twin_since_ns, twin_told_ns; /* TWIN comes since then, and came last then */
    bool failed;                          /* `failed` was called */
    uint64_t absent_told_ns, absent_sent_ns; /* CORE; a stranger */
    uint64_t woke_ns; /* when it had no turn for PEER_STILL_NS: it heard nobody, who may be well */
    uint64_t later_told;     /* the latest start of this node that CORE was told of; 0: none */
};

/* peer_config_default sets everything but id, cluster, incarnation and members. */
void peer_config_default(struct peer_config *config);

/* peer_init prepares the role; parts and what they point to are borrowed for its life. Takes all
 * the memory it ever uses. Returns 0, ERR_RANGE (a value outside what its comment says; two members
 * of one id) or ERR_NOMEM. Before the roles start. */
MUST_USE int peer_init(struct peer *peer, const struct peer_config *config,
                       const struct peer_parts *parts, struct fault *fault);
void peer_fini(struct peer *peer);

/* struct role of dataplane/worker.h. */
uint32_t peer_poll(void *self, struct now now);
uint32_t peer_finish(void *self, struct now now); /* sends what CORE said in this turn */
bool peer_idle(void *self);
uint64_t peer_deadline_ns(void *self, struct now now);
int peer_park_fds(void *self, int *fds, int max);

/* peer_seen_of gives what is known of peer `index` in [0, PEER_COUNT_MAX); id 0: no peer there. Any
 * role. */
const struct peer_seen *peer_seen_of(const struct peer *peer, uint32_t index);

/* peer_drop_text says what happened to a datagram or message of that cause: "belongs to another
 * cluster". Any role. */
const char *peer_drop_text(enum peer_drop drop);
