/* role_core: the loop body of CORE: consensus only. Orders what the NETs ask for, hands batches to
 * DISK, tells APPLY what is committed, and watches over sessions' lives.
 *
 *   net_core[i] ─▶ stamp (time, random, session id) ─▶ log tail ─▶ core_disk ─▶ DISK
 *                                                        ▲                      │
 *   apply_core ─▶ expiry, reaper ─▶ own commands ────────┘       disk_core ◀────┘
 *                                               raft: durable ─▶ committed ─▶ core_apply ─▶ APPLY
 *
 * A batch is what arrived while the last one was being written: it is closed when no write is in
 * flight, never by a timer. Full-policies: core_apply and the log tail HOLD (net_core is not
 * polled); too little room on disk REFUSES (the client is answered, behind everything proposed
 * before), unless another member has room: then it leads (core_room.c). */
#pragma once

#include "base/clock.h"
#include "base/core_state.h"
#include "base/core_status.h"
#include "base/counters.h"
#include "base/link.h"
#include "base/membership.h"
#include "base/trace.h"
#include "consensus/core_forward.h"
#include "consensus/core_hello.h"
#include "consensus/timers.h"
#include "consensus/log_tail.h"
#include "consensus/raft.h"

#define CORE_NET_COUNT_MAX     16
#define CORE_TURN_COMMANDS_MAX 256u /* commands taken from the NETs in one turn */
#define CORE_TURN_MESSAGES_MAX 256u /* of other members, in one turn */
#define CORE_RANDOM_POOL_SIZE  4096
#define CORE_HASH_COUNT        64u             /* state hashes kept to be compared */
#define CORE_CHUNK_SIZE        (256u << 10)    /* bytes of a snapshot in one message */
/* News of a commit ride with the next entries; a member of whose clients none waits for them is
 * sent a message of its own this much later. */
#define CORE_NEWS_NS           (250 * NS_PER_MS / 1000)
/* durability.mode memory: nobody waits for the disk, so a batch is gathered so long, or so far. */
#define CORE_MEMORY_BATCH_NS   (1 * NS_PER_MS)
#define CORE_MEMORY_BATCH_SIZE (128u << 10)
#define CORE_SHOW_NS           (10 * NS_PER_MS) /* the pages are looked at so often */
#define CORE_SILENT_NS         NS_PER_S        /* a leader that answers nothing so long is none */
#define CORE_JOIN_NS           (10 * NS_PER_S) /* a new voter has so long to catch up */
#define CORE_OLD_SIZE          (256u << 10)    /* bytes of old entries read at once */
#define CORE_OLD_SIZE_MAX      LOG_TAIL_BATCH_SIZE_MAX /* when one entry is longer than that */
#define CORE_FORM_SAY_NS       (5 * NS_PER_S)  /* a new ensemble: who is awaited */
#define CORE_STUCK_ASK_NS      NS_PER_S        /* nobody leads: the votes are asked for so often */
#define CORE_STUCK_SAY_NS      (60 * NS_PER_S) /* and the log told, from CORE_FORM_SAY_NS on */
#define CORE_SETTLE_NS         (5 * NS_PER_S)  /* of a membership, until others are forgotten */
#define CORE_GONE_NS           NS_PER_S        /* a member not heard so long is gone */
#define CORE_OTHERS_SAY_NS     (10 * NS_PER_S) /* between two lines about one member */
#define CORE_ABSENT_NS         (5 * NS_PER_S)  /* that this node is no member: told so lately */
#define CORE_BULK_SIZE         (1u << 20)      /* a member that lacks more is sent bulk */
#define CORE_TOUCHES        16u              /* reports of sessions heard, not answered yet */
#define CORE_TOUCH_AGAIN_NS (50 * NS_PER_MS) /* so often until it is answered */
#define CORE_TOUCH_NS       NS_PER_S         /* and no longer */
/* Messages of it on their way to one member: what PEER puts together at once of one sender's bulk
 * (16), less a snapshot's chunk and some that were given up; 75 MB/s when the way takes 10 ms. */
#define CORE_BULK_COUNT_MAX 12u

/* Nobody leads (core_stuck.c). */
struct core_stuck {
    uint64_t since_ns;                    /* 0: one leads, or this node has no part yet */
    uint64_t ask_ns, say_ns;              /* when the others are asked, and the log told, next */
    uint64_t greeted_ns[PEER_ID_MAX + 1]; /* last HELLO of each peer; 0 = none */
};

/* A snapshot on disk. */
struct core_snapshot_id {
    uint64_t index, term, chain;
};

struct role_core_config {
    uint8_t node_id;                  /* in [1, 254] */
    struct command_settings settings; /* for the first entry of the term; version 0 = none */
    uint32_t tick_ms;
    uint32_t session_max;
    uint32_t reap_interval_ms; /* 0 = never */
    uint64_t snapshot_entries; /* a snapshot after so many entries; 0 = never */
    uint64_t snapshot_bytes;   /* or after so many log bytes; 0 = never */
    uint64_t waiting_depth;    /* bytes of queries and refusals kept back, as core_apply's */
    /* fills n random bytes, unguessable in production, seeded in simulation */
    void (*random)(void *self, void *out, uint32_t n);
    void *random_self;
    /* of a node with peers; else zero */
    bool ensemble;
    bool memory; /* an entry is held when it is in the log tail: core_memory.c */
    uint64_t incarnation; /* of this start: larger than any before */
    struct forward_config forward;
    struct core_identity identity;         /* as the superblock holds it */
    uint8_t cluster_id[CORE_CLUSTER_SIZE]; /* of the ensemble that this node may begin */
    struct core_snapshot_id snapshot;      /* that recovery found */
    struct membership servers; /* as configured: the first membership of a new ensemble */
    uint64_t member_index;     /* of the membership that recovery found; 0 = none */
    /* a membership is in the log: PEER's table follows it */
    void (*members_changed)(void *self, const struct membership *before,
                            const struct membership *after);
    /* `members` has been the membership for CORE_SETTLE_NS, as far as this member and its leader
     * know: who was one before is none any more. False: not now, called again. */
    bool (*members_settled)(void *self, const struct raft_membership *members);
    void *members_self;
    bool begins_anew; /* memberships behind the commit index do not count: `servers` does */
    uint32_t form_count; /* voters that must be seen, this one included, to begin */
    /* writes the record that tells PEER the cluster id (PEER is above this layer) */
    void (*cluster_update)(void *record, const uint8_t cluster_id[CORE_CLUSTER_SIZE]);
    uint32_t cluster_update_size;
    /* Stops the node: something that no schedule explains. Called once, from poll. */
    void (*failed)(void *self, int err, const struct fault *reason);
    void *failed_self;
};

/* A state hash: behind which entry, and who said so. */
struct core_hash {
    uint64_t index, hash;
    uint8_t from;
};

/* Old entries, read back from disk for a follower. */
struct core_old {
    uint8_t *buffer; /* CORE_OLD_SIZE_MAX bytes; lent to DISK while `reading` */
    bool reading;
    bool long_entry; /* the next one did not fit in CORE_OLD_SIZE: all of the buffer is used */
    uint64_t first; /* index of the first record in it */
    uint32_t count, size;
};

/* core_install.c: the snapshot on its way to another member, and the one that comes. Each buffer
 * has CORE_CHUNK_SIZE bytes and is lent to DISK while `reading`, `writing`. */
struct core_sending {
    uint8_t to; /* 0 = nobody */
    bool reading;
    struct core_snapshot_id snapshot;
    uint64_t offset;
    uint64_t again_ns;
    uint8_t *buffer;
};

struct core_receiving {
    bool writing, installing;
    uint64_t offset;             /* of the next chunk */
    struct peer_message message; /* of the last one */
    uint8_t *buffer;
};

/* core_touch.c: a report. count 0: none. */
struct core_touch {
    uint64_t number, again_ns, until_ns;
    uint32_t count;
    int64_t ids[COMMAND_TOUCH_IDS];
};

/* A query or a refusal that waits: for a read barrier, and for what was asked before it. */
struct core_wait {
    uint64_t context;       /* of the READ; 0 = none is needed */
    uint64_t lane;          /* the commands up to here are applied first */
    struct core_apply head; /* a struct command and its body follow */
};

/* core_others.c: what a leader has said of a member. */
struct core_other {
    uint64_t said_ns; /* of the last line; 0 = none in this term */
    bool follows;
};

/* The membership that a log leads to without the entry `index` and what is behind it. */
struct core_member_past {
    uint64_t index, member_index;
    struct membership next;
};

/* core_trace.c: the traced requests that are not committed and durable yet. */
#define CORE_TRACES_MAX 32u

struct core_trace {
    uint64_t index;
    uint32_t id;
    uint32_t passed; /* bit n: stage n */
};

struct core_traces {
    struct trace_ring *ring; /* NULL: nothing is traced */
    uint32_t count;
    struct core_trace open[CORE_TRACES_MAX];
};

struct role_core {
    struct role_core_config config;
    struct raft raft;
    struct log_tail *tail;
    struct timers timers;
    struct link *net_core[CORE_NET_COUNT_MAX];
    uint32_t net_count, net_next;
    struct link *core_apply, *apply_core, *core_disk, *disk_core;
    bool writing;         /* a batch is with DISK */
    bool room_known;      /* DISK has told disk_room; before that no write is taken */
    uint64_t disk_room;   /* bytes DISK can take before it must find more disk */
    uint64_t room_used;   /* bytes appended since DISK told disk_room */
    bool disk_short;      /* DISK found no place for the next segment */
    bool room_nowhere;    /* leader: no quorum of disks with room */
    bool starved;         /* follower: entries were dropped for want of room */
    uint64_t handover_ns; /* leader without room: commands wait until then; 0 = none to be had */
    struct link waiting;  /* own FIFO: queries and refusals until their commit is told */
    uint64_t commit_told;
    uint64_t snapshot_index, snapshot_tail; /* where the last snapshot was asked for */
    uint64_t trim_index;                    /* the log below may go; told to DISK when possible */
    bool snapshot_pending;
    bool snapshot_wanted; /* a member needs one that reaches further than the newest */
    int64_t time_ms;      /* last stamp */
    int64_t session_last;
    uint64_t reap_ns;
    uint8_t random_pool[CORE_RANDOM_POOL_SIZE];
    uint32_t random_used;
    struct counters *counters; /* CORE's page */

    struct raft_output out;     /* of the last step */
    uint64_t batch_epoch;       /* raft's, when the batch with DISK was closed */
    uint64_t disk_index;        /* memory: up to here the log is on disk; else not used */
    bool disk_awaited;          /* memory: commits are told again when disk_index is commit_told */
    uint64_t batch_due_ns;      /* memory: the open batch goes to DISK then; 0 = it is empty */
    struct core_state *state;   /* the page for NET; NULL: nobody looks */
    struct core_status *status; /* the page for people; the same */
    uint64_t show_ns;           /* both are told again then; 0 = in this turn */
    struct core_traces traces;

    /* with peers only */
    struct link *core_peer, *peer_core;
    struct forward forward;
    struct core_hello hello;
    uint64_t form_say_ns; /* when it is said next whom a new ensemble waits for; 0: not yet */
    struct core_stuck stuck;
    struct link reads;               /* own FIFO of struct core_wait */
    uint32_t refusal_count;          /* refusals among them */
    uint64_t read_context;           /* of the last READ */
    uint64_t reads_moved_ns, reads_moved; /* when read_ready was last seen to move, or not needed */
    uint64_t read_ready, read_index; /* READs up to this context may be served at read_index */
    bool read_wanted;                /* a query of this turn needs a READ */
    bool stopped;                    /* `failed` was called */
    uint64_t news_ns;                /* leader: commits are told by then; 0 = none is kept back */
    uint64_t awaited[256];           /* the last entry that clients of that node wait for */
    bool nets_held;                  /* the last command of a NET found no room */
    uint32_t handed;                 /* commands taken by core_take since the last turn */
    struct core_hash hash_own[CORE_HASH_COUNT], hash_told[CORE_HASH_COUNT];
    struct core_touch touches[CORE_TOUCHES]; /* by number */
    uint64_t touch_number;                   /* of the next one */
    uint32_t touch_count;                    /* not answered */
    struct core_old old;
    struct core_snapshot_id snapshot; /* the newest on disk; index 0 = none */
    struct core_sending sending;
    struct core_receiving receiving;
    uint64_t member_index;         /* newest membership entry in the log; 0 = none yet */
    struct membership member_next; /* what it leads to */
    /* What the two were before each membership entry that may still be truncated, oldest first. */
    struct core_member_past member_past[RAFT_CONFIG_COUNT_MAX];
    uint32_t member_past_count;
    uint64_t member_said_index;    /* the committed membership that the log last told */
    struct membership member_said; /* ... which is this one */
    bool member_asked;             /* member_wanted is wanted by a client */
    int64_t member_zxid;           /* of the reconfig last begun, in member_term */
    uint64_t member_term;
    struct membership member_wanted;
    bool member_begun; /* the memberships behind the commit index were told to raft */
    bool member_undo;  /* it was refused: who came in for it goes again */
    struct membership member_before;
    uint64_t member_until_ns;  /* who is to join must have caught up by then */
    uint64_t settle_index;     /* the membership that was in force when last looked at */
    uint64_t settle_ns;        /* members_settled is due then; 0 = it was called */
    uint64_t later_incarnation; /* others know of such a start; 0 = this one is the latest */
    bool forgetting;           /* its log is of a history that was given up: core_forget.c */
    bool formed;               /* hello.identity.formed is durable, and PEER knows */
    bool save_out, save_again; /* one SAVE is with DISK; another one follows */
    bool save_of_raft;         /* the one that is out answers raft */
    uint8_t save_vote;
    uint64_t save_term;
    uint8_t leader; /* as told to forward and state */
    uint64_t leader_term;
    uint64_t vouched_ns; /* raft's, as told to state */

    /* Sessions end by heard_ns: all that the NETs said before then is taken. Where a turn does not
     * empty net_core, it is when the turn began that saw heads[]. */
    uint64_t heard_ns, heads_ns; /* heads_ns 0: none are looked at */
    uint64_t heads[CORE_NET_COUNT_MAX];
    bool timers_due; /* a new leader gives every session its time, in the next turn */

    struct core_other others[PEER_ID_MAX + 1]; /* of the term others_term */
    uint64_t others_term;
    uint64_t absent_ns;       /* when another member last said that this is none; 0 = never */
    bool was_member, removed; /* by the log; a later, committed membership leaves it out */
};

/* role_core_init starts from what recovery found: raft is initialised and leads already (its no-op
 * is the first entry proposed here). time_ms: the last stamp in the log. Links and tail are
 * borrowed for the role's life. Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles start. */
MUST_USE int role_core_init(struct role_core *core, const struct role_core_config *config,
                            const struct raft *raft, struct log_tail *tail,
                            struct counters *counters, int64_t time_ms, int64_t session_last);
void role_core_fini(struct role_core *core);

/* core_member_raft is a membership as raft counts it, with index 0. Pure. */
void core_member_raft(const struct membership_body *members, struct raft_membership *to);

/* role_core_flush sends DISK what it has not been sent, for a clean stop, and hears its answers:
 * call it and role_disk_poll in turn until it returns true, everything being on disk. After the
 * role's last turn; nothing is acknowledged any more. */
bool role_core_flush(struct role_core *core, struct now now);

/* core_take takes a command of a NET on CORE's own thread, in NET's turn, as role_core_poll
 * would have taken it from net_core. False: it is to wait there (HOLD, or enough for one turn).
 * Borrows command for the call. For link_direct. */
bool core_take(struct role_core *core, const struct command *command, uint32_t size,
                    struct now now);

/* struct role of dataplane/worker.h: one bounded turn; is there nothing to do; when to wake. */
uint32_t role_core_poll(void *self, struct now now);
bool role_core_idle(void *self);
uint64_t role_core_deadline_ns(void *self, struct now now);
