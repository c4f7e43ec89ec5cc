/* raft: who leads, what is in the log, and what is committed. Pure: time, disk results and messages
 * come in as one struct raft_input; what is to be done goes out as one struct raft_output. No
 * clock, no I/O, no allocation; random bits come from a seed. Entry bytes never pass here: raft
 * knows entries by index and term (raft_terms), the caller keeps the bytes in the log tail.
 *
 *              no leader heard for long, or START, or TIMEOUT_NOW (then straight to CANDIDATE)
 *        ┌─────────────────────────┐
 *        │                         ▼
 *   FOLLOWER ◀───leader heard─ PRE_CANDIDATE ──quorum would vote──▶ CANDIDATE ──quorum──▶ LEADER
 *        ▲                                      own vote durable ─┘ of durable votes        │
 *        └──── higher term; no quorum heard for election_ns_max; removed (C_new committed) ─┘
 *
 * What a turn of CORE does with it:
 *   1. one raft_step per thing that happened. After each, at once and in this order:
 *      - accept_first != 0: the APPEND's entries [accept_first, accept_last] are in the log from
 *        now on. truncate_from != 0 comes first: the log tail forgets entries from there on. Copy
 *        exactly those records (the payload starts with the entry message->index + 1). Make sure
 *        *before* the step that there is room for the payload, and that it is whole; else drop the
 *        message. A membership entry among them is told by CONFIG right after.
 *      - save: write save_term and save_vote to the superblock, then step SAVED. One at a time.
 *      - append_noop: this member leads a new term: append an entry and step APPENDED, before any
 *        other entry. (raft->last_index < raft->term_first_index says the same, later.)
 *      - messages: send them. Whatever tells a term or a vote is here only once it is durable.
 *      - reads: serve them when applied >= index. commit_index: apply up to there.
 *   2. for each member: while raft_next_append says ENTRIES or EMPTY: cut to bytes, build the
 * header by raft_append_message, send, step SENT. Member states, heartbeats and the commit index
 *      travel that way too.
 *   3. raft_leave_joint: append the final membership. raft_snapshot_due: send a snapshot.
 *   4. step TICK when raft_deadline_ns is reached.
 *
 * Rules (Ongaro, "Consensus: Bridging Theory and Practice", section numbers): entries are committed
 * by counting only when of the leader's own term (3.6.2); a leader's own disk counts like any other
 * (10.2.1); an APPEND is acknowledged when it is durable, by DURABLE; membership by joint consensus
 * (4.3), in force when appended; pre-vote (9.6), check-quorum (6.2), voters deaf to candidates
 * while they hear a leader (4.2.3), transfer (3.10), ReadIndex (6.4).
 *
 * One member alone: START, SAVED, then it leads. Role: CORE. */
#pragma once

#include "base/err.h"
#include "consensus/peer_message.h"
#include "consensus/raft_term.h"

#include <stdbool.h>
#include <stdint.h>

#define RAFT_MEMBER_COUNT_MAX 16
#define RAFT_CONFIG_COUNT_MAX 8  /* memberships in the log that are not known committed, and one */
#define RAFT_INFLIGHT_MAX     64 /* entry messages to one member that are not answered */
#define RAFT_WINDOW_FIRST     8  /* of them, to a member that nothing was lost to yet */
#define RAFT_READ_COUNT_MAX   64 /* reads waiting, own and others' each */
/* One step: a message to each other member, and an answer to each waiting read. */
#define RAFT_MESSAGE_COUNT_MAX (RAFT_MEMBER_COUNT_MAX + RAFT_READ_COUNT_MAX)
#define RAFT_DESCRIBE_SIZE     512 /* a line of any describe function fits */

enum raft_state { RAFT_FOLLOWER = 0, RAFT_PRE_CANDIDATE = 1, RAFT_CANDIDATE = 2, RAFT_LEADER = 3 };

/* A member with neither flag is a learner: it gets entries and is never counted. */
struct raft_member {
    uint8_t id;      /* in [1, PEER_ID_MAX] */
    bool voter;      /* in the only membership, or C_old of a joint one */
    bool voter_next; /* in C_new of a joint membership; else false */
};

struct raft_membership {
    uint64_t index; /* of its entry; 0 = from the configuration */
    bool joint;     /* a quorum is a majority of the voters and one of the next voters */
    uint32_t count; /* in [1, RAFT_MEMBER_COUNT_MAX] */
    struct raft_member members[RAFT_MEMBER_COUNT_MAX];
};

struct raft_config {
    uint8_t id;    /* this member */
    uint32_t rank; /* among the voters, by id: the lowest campaigns first */
    bool voting;   /* false: catching up after its disk was lost; RAFT_INPUT_VOTING */
    uint64_t heartbeat_ns;
    uint64_t election_ns_min; /* >= 2 * heartbeat_ns */
    uint64_t election_ns_max; /* > election_ns_min */
    uint64_t seed;
    uint32_t inflight_max; /* in [1, RAFT_INFLIGHT_MAX] */
};

/* What the disk held. terms may be NULL for an empty log. */
struct raft_recovered {
    uint64_t term;
    uint8_t vote;
    const struct raft_terms *terms;    /* base: the snapshot; entries behind it */
    uint64_t commit_index;             /* in [base, last]: known committed */
    struct raft_membership membership; /* at commit_index; later ones by CONFIG, in order */
};

enum raft_progress_state {
    RAFT_PROBE = 0,     /* where its log parts from ours is unknown: one message at a time */
    RAFT_REPLICATE = 1, /* messages stream, `window` at most on their way */
};

/* A message with entries that was not answered. */
struct raft_inflight {
    uint64_t index; /* of its last entry */
    uint64_t round, sent_ns;
    bool bulk; /* it may be overtaken by messages that are not */
};

/* What the leader knows of a member. */
struct raft_progress {
    uint8_t id;
    bool votes;          /* it said so, in this term: it has caught up, if it lost its disk */
    bool full;           /* it said so: one message of entries at a time, and it is no heir */
    uint64_t full_round; /* of the last one; 0 = the next one may go at once */
    enum raft_progress_state state;
    bool probe_sent;        /* PROBE: entries or a heartbeat went out, unanswered */
    uint64_t match_index;   /* durable there and equal to ours up to here */
    uint64_t held_index;    /* of what was sent since the last back-up, came up to here */
    uint64_t next_index;    /* first entry not sent; PROBE: not known to have come */
    uint64_t bulk_index;    /* last entry that went as bulk; 0 = none since the last back-up */
    uint64_t commit_sent;   /* the commit index that it was told */
    uint64_t heard_ns;      /* its last message of this term */
    uint64_t back_ns;       /* when it was heard again after a silence */
    uint64_t sent_round;    /* round of the last message sent */
    uint64_t acked_round;   /* highest round it answered */
    uint64_t matched_round; /* highest round it answered without REJECT */
    uint64_t backup_round;  /* refusals of older rounds are stale */
    /* Messages that are on their way, like TCP's: doubles from 1 up to window_slow, then grows by 1
     * a window; a loss halves it. What came and is not durable there is no part of it. */
    uint32_t window, window_slow, window_acks;
    uint32_t inflight_first, inflight_count;
    struct raft_inflight inflight[RAFT_INFLIGHT_MAX]; /* a ring */
};

struct raft_read {
    uint64_t context; /* the caller's, echoed */
    uint64_t index;   /* may be served when this much is applied */
};

struct raft_read_wait {
    uint8_t from; /* who asked: this member's own id, or another's */
    bool placed;  /* leader: index and round are set */
    bool asked;   /* follower: the leader was asked at asked_ns */
    uint64_t context, index, round, asked_ns;
};

struct raft {
    struct raft_config config;
    enum raft_state state;
    uint8_t vote;   /* whom this member voted for in `term`; 0 = nobody */
    uint8_t leader; /* of `term`, 0 = unknown */
    uint64_t term;
    uint64_t last_index, last_term;
    uint64_t durable_index; /* of this member's own log */
    uint64_t commit_index;
    uint64_t matched_index;    /* follower: equal to what its leader has shown, up to here */
    uint64_t leader_commit;    /* follower: the commit index that this leader told */
    uint64_t term_first_index; /* leader: the first entry of its term */
    uint64_t log_epoch;        /* counts truncations; see RAFT_INPUT_DURABLE */
    uint64_t truncated_low;    /* lowest truncate_from since the last DURABLE of this epoch */
    struct raft_terms terms;

    uint64_t saved_term; /* durable */
    uint8_t saved_vote;
    bool saving; /* one save is out; saving_term and saving_vote are on their way */
    uint8_t saving_vote;
    uint64_t saving_term;

    bool full;               /* this member's disk; RAFT_INPUT_FULL */
    bool started;            /* the first time was seen */
    bool transfer_campaign;  /* candidate at the leader's wish */
    uint64_t now_ns;         /* of the last input that had one */
    uint64_t heard_ns;       /* the leader's last message, or the start */
    uint64_t election_ns;    /* campaign then */
    uint64_t resend_ns;      /* candidates: ask again; followers: reads are asked again */
    uint64_t campaign_round; /* of pre-votes */
    uint32_t attempts;       /* campaigns since a leader was heard */
    uint64_t granted;        /* a set of member indexes */
    uint64_t random;         /* state of the generator */
    uint64_t lost_ns;        /* since when no leader is known; 0 = one is */
    uint64_t outage_ns;      /* how long the last such time was */
    const char *reason;      /* of the last change of state */

    uint64_t round;          /* leader: heartbeats are numbered; reads are tied to them */
    bool round_open;         /* nothing of this round was sent yet */
    uint64_t heartbeat_ns;   /* leader: next round */
    uint64_t vouch_round;    /* leader: its answers are awaited, it began at vouch_ns; 0 = none */
    uint64_t vouch_ns;
    uint64_t vouched_ns;     /* raft_vouched_ns */
    uint64_t answer_round;   /* follower: highest round of this leader, echoed */
    uint8_t transfer_to;     /* leader: hands over to; 0 = nobody */
    uint64_t transfer_ns;    /* gives up then */
    uint64_t transfer_round; /* TIMEOUT_NOW was sent in this round */
    struct raft_progress progress[RAFT_MEMBER_COUNT_MAX]; /* as membership members[] */

    uint32_t config_count; /* the first is committed, the last is in force */
    struct raft_membership configs[RAFT_CONFIG_COUNT_MAX];
    uint32_t own_read_count, peer_read_count;
    struct raft_read_wait own_reads[RAFT_READ_COUNT_MAX], peer_reads[RAFT_READ_COUNT_MAX];
};

enum raft_input_kind {
    RAFT_INPUT_START = 1,    /* campaign now */
    RAFT_INPUT_SAVED = 2,    /* what the last `save` asked for is durable */
    RAFT_INPUT_APPENDED = 3, /* leader: entries up to `index`, of its term, are in the log tail */
    /* This member's log is durable up to index@term, written by a batch that was closed when
     * log_epoch was `epoch`: a batch may hold entries that were truncated while it was written. */
    RAFT_INPUT_DURABLE = 4,
    RAFT_INPUT_TICK = 5,
    RAFT_INPUT_MESSAGE = 6,  /* `message` came from another member */
    RAFT_INPUT_CONFIG = 7,   /* the entry `index` holds `membership`: in force from now on */
    RAFT_INPUT_TRANSFER = 8, /* leader: hand over to `member`; 0 = give the attempt up */
    /* A read named `context` wants an index; on any member. It is asked for until it is known,
     * also across leaders. A context is never used twice, not even after a restart. */
    RAFT_INPUT_READ = 9,
    /* An APPEND went to `member`, its last entry is `index`; `bulk`: other messages may overtake it
     * by much. */
    RAFT_INPUT_SENT = 10,
    RAFT_INPUT_UNREACHABLE = 11, /* `member` is not reached: probe it */
    RAFT_INPUT_REBORN = 12,      /* `member` came back with another log or incarnation */
    /* The log begins behind index@term now; `membership` is the one of the snapshot. Entries behind
     * that one stay exactly when the log held index@term. */
    RAFT_INPUT_SNAPSHOT_INSTALLED = 13,
    RAFT_INPUT_COMPACTED = 14, /* entries up to `index` can no longer be sent */
    RAFT_INPUT_VOTING = 15,    /* caught up: votes and campaigns from now on */
    /* Whether this member's disk is as good as full, `full`: the leader is told in each answer, and
     * the member campaigns later than those with room. It votes as ever. */
    RAFT_INPUT_FULL = 16,
};

/* now_ns is monotonic and belongs in every input; 0 = as the last one. */
struct raft_input {
    enum raft_input_kind kind;
    uint64_t index;
    uint64_t term;
    uint64_t now_ns;
    uint8_t member;
    bool bulk;
    bool full;
    uint64_t epoch;
    uint64_t context;
    const struct peer_message *message;
    const struct raft_membership *membership;
};

struct raft_output {
    bool save;          /* save_term, save_vote to the superblock, then SAVED */
    bool append_noop;   /* append an empty entry of the new term, then APPENDED */
    bool state_changed; /* state, term, leader or the end of a transfer; `reason` says why */
    bool read_refused;  /* too many reads wait */
    uint8_t save_vote;
    uint64_t save_term;
    const char *reason;
    uint64_t truncate_from;             /* forget entries from here on; 0 = none */
    uint64_t accept_first, accept_last; /* entries of this APPEND to be appended; 0 = none */
    /* The message shows that its leader holds another entry there, although that is committed here;
     * it was not taken, and is not answered. 0 = no. Only a history that was given up is such. */
    uint64_t contradicts;
    uint64_t commit_index;              /* entries up to here may be applied */
    uint32_t message_count, read_count;
    struct raft_read reads[RAFT_READ_COUNT_MAX]; /* own reads that may be served */
    struct peer_message messages[RAFT_MESSAGE_COUNT_MAX];
};

/* raft_config_default: heartbeats each 20 ms, elections after 60 to 120 ms, voting, rank 0. */
struct raft_config raft_config_default(uint8_t id);

/* raft_membership_alone is the membership of one voter. */
struct raft_membership raft_membership_alone(uint8_t id);

/* raft_init restores what the superblock and the log held; recovered is copied. Returns 0, or
 * ERR_RANGE: config or recovered values outside their ranges, a term above PEER_TERM_MAX, a commit
 * index outside the log, a membership that is empty, repeats an id or has no voter. A log whose
 * last term is above the saved one (the crash came between the two writes) raises the term: the
 * first step asks for a save, and nobody is told anything before. */
MUST_USE int raft_init(struct raft *raft, const struct raft_config *config,
                       const struct raft_recovered *recovered);

/* raft_init_alone is raft_init for a node that is its own ensemble: all its log is committed.
 * Returns as raft_init does; ERR_RANGE also when last_term is above term. */
MUST_USE int raft_init_alone(struct raft *raft, uint8_t id, uint64_t term, uint8_t vote,
                             uint64_t last_index, uint64_t last_term);

/* raft_step takes one input. Overwrites *out, arrays up to their counts. */
void raft_step(struct raft *raft, const struct raft_input *in, struct raft_output *out);

/* raft_deadline_ns is when TICK is needed next (also for a member that may not campaign: it forgets
 * a leader that it does not hear); UINT64_MAX = not before something else happens. */
uint64_t raft_deadline_ns(const struct raft *raft);

/* ---- the leader sends ------------------------------------------------------------------------ */

enum raft_append {
    RAFT_APPEND_NONE = 0,    /* nothing to send to that member now */
    RAFT_APPEND_EMPTY = 1,   /* a heartbeat or news of a commit: a message without entries */
    RAFT_APPEND_ENTRIES = 2, /* entries [first, last]; the caller may send fewer, from first on */
};

struct raft_range {
    uint8_t to;
    bool quiet; /* EMPTY: needs no answer */
    uint64_t prev_index, prev_term;
    uint64_t first, last; /* last = prev_index when EMPTY */
    uint64_t term;        /* of all entries of the range */
};

/* raft_next_append says what to send to the member at member_index of the membership in force; NONE
 * for this member itself and unless it leads. It changes nothing: step SENT (with the last index
 * that was really put in the message), or ask again later. */
enum raft_append raft_next_append(const struct raft *raft, uint32_t member_index,
                                  struct raft_range *range);

/* raft_next_empty is the same for a caller that cannot send entries to that member now: EMPTY or
 * NONE. */
enum raft_append raft_next_empty(const struct raft *raft, uint32_t member_index,
                                 struct raft_range *range);

/* raft_append_message fills the header for the entries [range->first, last]; last = prev_index for
 * an EMPTY one. payload_size is left for the caller. */
void raft_append_message(const struct raft *raft, const struct raft_range *range, uint64_t last,
                         struct peer_message *message);

/* ---- questions ------------------------------------------------------------------------------- */

/* Is there bulk on its way to the member at member_index: what is sent now and is not bulk may come
 * before it, and would be refused. */
bool raft_bulk_on_way(const struct raft *raft, uint32_t member_index);

/* How many messages with entries are on their way to the member at member_index. */
uint32_t raft_on_way_count(const struct raft *raft, uint32_t member_index);

/* The membership in force: the newest in the log. */
const struct raft_membership *raft_membership(const struct raft *raft);

/* raft_member_index finds a member of the membership in force; -1 = not in it. */
int raft_member_index(const struct raft *raft, uint8_t id);

/* May the caller append entries: this member leads and is not handing over. */
bool raft_may_propose(const struct raft *raft);

/* raft_has_room: can what this leader appends now become durable at a quorum: of members that were
 * heard lately and whose disks have room (its own too). */
bool raft_has_room(const struct raft *raft);

/* raft_vouched_ns: no leader of a later term than this member's was elected before then, by its
 * clock. A quorum has answered, in this term, what was sent then or later, and every election needs
 * a vote of one of those, given after its answer: however late the answer came. It moves on with
 * the heartbeats. UINT64_MAX: nobody can be elected without this member; 0: it does not lead, or
 * nobody has answered yet. */
static inline uint64_t raft_vouched_ns(const struct raft *raft)
{
    return raft->vouched_ns;
}

/* raft_heir is the voter that a leader without room should hand over to: of those who have room and
 * are heard, who are a quorum without the leader, the one whose log reaches furthest. 0: there is
 * no such quorum, or this member does not lead. */
uint8_t raft_heir(const struct raft *raft);

/* May the caller append a membership: it leads, an entry of its term is committed, and no other
 * membership is under way. The first one appended must be joint if it changes any voter. */
bool raft_may_change(const struct raft *raft);

/* Is it this leader's turn to append the final membership (the next voters, not joint). */
bool raft_leave_joint(const struct raft *raft);

/* Does the member at member_index need a snapshot: it lacks entries that the log no longer holds.
 */
bool raft_snapshot_due(const struct raft *raft, uint32_t member_index);

/* raft_snapshot_wanted is false when installing a snapshot of index@term would lose or gain nothing
 * here: the log has that entry. Ask again right before it replaces anything. Each SNAPSHOT message
 * is stepped as well (MESSAGE): it shows that the leader lives, and the answer that ends the offers
 * comes from there. */
bool raft_snapshot_wanted(const struct raft *raft, uint64_t index, uint64_t term);

/* raft_compact_limit is the highest index that COMPACTED may name without cutting what a member
 * that keeps up still needs: the least match of members in REPLICATE, and nothing uncommitted. */
uint64_t raft_compact_limit(const struct raft *raft);

/* raft_quorum_index is the highest index that a majority of `count` members hold; count in
 * [1, RAFT_MEMBER_COUNT_MAX]. */
uint64_t raft_quorum_index(const uint64_t *match_index, uint32_t count);

/* Lines for people; all return bytes as snprintf does. */
const char *raft_state_name(enum raft_state state);
int raft_describe(const struct raft *raft, char *line, uint32_t size);
int raft_describe_input(const struct raft_input *in, char *line, uint32_t size);
int raft_describe_output(const struct raft_output *out, char *line, uint32_t size);
