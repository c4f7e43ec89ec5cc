/* core_forward: how the commands of this node's clients reach the log, whoever leads: each in
 * order, each at most once, and exactly once as long as this node lives. Embedded in CORE; pure:
 * messages and time come in as values, messages go out as values.
 *
 *   origin                                                    leader
 *   NETs ─ forward_take ─▶ outbox ── FORWARD{first lane, commands} ──▶ forward_accept ─▶ propose
 *              lane 1,2,3..   ▲  ▲ ◀── FORWARD_REPLY{accepted, flags} ─┘      │
 *                             │  └─ own outbox, when this node leads ─────────┘ forward_own
 *   APPLY ─ LANE: applied ────┘  forward_applied frees
 *         ─ CANCELLED ─────────▶ forward_cancelled: clients are answered with an error
 *
 * Lanes. A node numbers what its clients ask from 1, in an incarnation (a number that each start of
 * the node makes larger and writes to its disk first). The leader proposes the lanes of a node in
 * order without gaps: it knows for each node the last lane it put in the log (`accepted`), skips
 * what it has and does not take what is too far ahead. The state machine has the same numbers of
 * what is applied (struct command_lane), and drops a lane it has seen and every older incarnation.
 *
 * Leader change. What the old leader had accepted may be in the new leader's log or not. So a new
 * leader takes nothing until the first entry of its term is applied: then everything that can ever
 * be applied of older terms is, and the machine's lanes are what it goes on from. Every origin,
 * when it hears of another leader or another term, sends again all that is not applied. A lane that
 * got into the log is skipped; one that did not is taken now. That is the whole argument.
 *
 * No room. A leader whose disk is full must refuse, and may not while the command could still come
 * into some log. So the refusal is an entry itself: COMMAND_CANCEL moves the node's lane over the
 * refused ones, and from there on every replica drops them. The origin answers its clients when it
 * has applied the CANCEL, and tells the leader in its next FORWARD (`refused`); before that the
 * leader takes nothing more of it: so answers stay in the order of the requests. While the leader
 * is known to be full, an origin refuses what has no lane yet by itself (forward_full).
 *
 * Timing. Messages are lost, doubled and overtaken. An origin sends a window of bytes ahead of what
 * is accepted; goes back to the first one not accepted when the leader says it lost something, and
 * after retry_ns without progress (doubled each time up to the maximum). */
#pragma once

#include "base/err.h"
#include "base/messages.h"
#include "consensus/outbox.h"

#include <stdbool.h>
#include <stdint.h>

#define FORWARD_NODE_COUNT 256u

struct forward_config {
    uint8_t node_id;           /* in [1, 254] */
    uint64_t incarnation;      /* of this start of the node; not 0, larger than any before */
    uint64_t outbox_size;      /* bytes, a power of two; two of the largest commands fit */
    uint32_t message_size_max; /* bytes of a FORWARD payload, unless one command alone is larger */
    uint64_t window_size;      /* bytes sent and not accepted, above which nothing is sent */
    uint64_t retry_ns_min, retry_ns_max;
};

/* Payload of FORWARD: this, then `count` commands as they lie in the outbox. */
struct forward_head {
    uint64_t incarnation;
    uint64_t first;   /* lane of the first command; the others follow without gaps */
    uint64_t refused; /* every cancelled lane up to here is answered: at least command_lane's
                       * cancelled, or the leader takes nothing */
    uint32_t count;
    uint32_t size; /* bytes of the commands */
};
static_assert(sizeof(struct forward_head) == 32, "struct forward_head is sent");

/* Payload of FORWARD_REPLY. */
struct forward_answer {
    uint64_t incarnation;
    uint64_t accepted; /* every lane up to here is in the leader's log, or cancelled; with STALE:
                        * the later incarnation */
    uint32_t flags;    /* FORWARD_* */
    uint32_t reserved;
};
static_assert(sizeof(struct forward_answer) == 24, "struct forward_answer is sent");

#define FORWARD_LOST  1u /* what came begins behind accepted + 1 */
#define FORWARD_HOLD  2u /* no room in the leader's log tail now, or it is not ready: soon again */
#define FORWARD_FULL  4u /* the leader's disk is full */
#define FORWARD_STALE 8u /* a later start of this node was heard of: this one is over */

/* What forward_own and forward_accept propose through: 0 = it is in the log tail; ERR_FULL = no
 * room there now; ERR_NOSPACE = the disk is full. A COMMAND_CANCEL comes this way as well and is to
 * be taken from the reserve. The command is lent for the call; stamp the copy in the log. */
struct forward_log {
    void *self;
    int (*propose)(void *self, const struct command *command, const void *body);
};

/* One message to be sent: to the leader, kind FORWARD. Lent until the next call of forward_*. */
struct forward_out {
    uint8_t to;
    struct forward_head head;
    const uint8_t *commands; /* head.size bytes */
};

struct forward_lane {
    uint64_t incarnation, lane, cancelled;
};

struct forward {
    struct forward_config config;
    struct outbox outbox;
    uint64_t applied; /* every lane up to here is applied, or cancelled and answered */
    uint64_t refused; /* the last cancelled lane whose client is answered */
    /* the leader as this node knows it */
    uint8_t leader; /* 0 = none */
    uint64_t term;
    bool ready;     /* this node leads, and has learnt the lanes of its term */
    bool stale;     /* this incarnation is over: a leader said so */
    uint64_t later; /* stale: the one that the leader has heard of */
    /* sending; cursors into the outbox, lanes of the last record before them */
    uint64_t sent_at, sent;
    uint64_t accepted_at, accepted;
    uint64_t retry_ns, retry_at_ns; /* 0 = nothing waits for an answer */
    uint64_t silent_ns; /* when the first message was sent that this leader has not answered; 0 */
    uint64_t asked;     /* the last lane ever sent to a leader */
    uint64_t pause_until_ns;        /* HOLD: nothing is sent before */
    uint64_t rewound_ns;
    uint64_t full_until_ns;
    /* leading: what is in the log of each node */
    struct forward_lane lanes[FORWARD_NODE_COUNT];
    /* for counters */
    uint64_t sent_count, resent_count, skipped_count, cancelled_count;
};

/* forward_init: an empty outbox, no leader. Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles
 * start. */
MUST_USE int forward_init(struct forward *forward, const struct forward_config *config);
void forward_fini(struct forward *forward);

/* ---- any member: its own clients' commands ---- */

/* forward_take numbers a command (REQUEST, OPEN, ATTACH, AUTH) and keeps its bytes. Returns the
 * lane, or 0: no room, leave it where it is (HOLD). */
MUST_USE uint64_t forward_take(struct forward *forward, const struct command *command,
                               const void *body);

/* forward_full: should a command that has no lane yet be refused (ZK_SYSTEM_ERROR, behind what was
 * taken before) in place of taken? For a second after a leader said that its disk is full. */
bool forward_full(const struct forward *forward, uint64_t now_ns);

/* forward_lane_last is the lane given last, forward.applied how far they are done: an answer that
 * must come behind everything taken so far waits until applied has reached it. */
static inline uint64_t forward_lane_last(const struct forward *forward)
{
    return forward->outbox.lane_last;
}

/* forward_applied takes a LANE record of APPLY: frees. An incarnation other than this one: no
 * effect. */
void forward_applied(struct forward *forward, uint64_t incarnation, uint64_t lane);

/* forward_cancelled takes a CANCELLED record: gives each command up to `lane` that is not applied
 * to refuse, in order, and frees it. refuse puts an answer on core_apply; false = no room there:
 * then forward_cancelled returns false and is to be called again with the same record (HOLD). */
MUST_USE bool forward_cancelled(struct forward *forward, uint64_t incarnation, uint64_t lane,
                                bool (*refuse)(void *self, const struct command *command),
                                void *self);

/* forward_leader tells who leads in which term (0 = nobody known); call it whenever raft's view may
 * have changed, the same as before is no change. This node's own id: it leads, and begins to learn
 * (forward_lanes). Everything not applied will be sent, or proposed, again. */
void forward_leader(struct forward *forward, uint8_t leader, uint64_t term, uint64_t now_ns);

/* forward_to_send gives the next FORWARD message, if one is due: not for a node that leads, nor
 * without a leader. forward_sent says that it was put on its way; a message that could not be
 * (core_peer full) is simply not told, and given again. Loop until false. */
bool forward_to_send(struct forward *forward, uint64_t now_ns, struct forward_out *out);
void forward_sent(struct forward *forward, const struct forward_out *out, uint64_t now_ns);

/* forward_reply takes a FORWARD_REPLY that came from member `from` with its message's term. Returns
 * 0 or ERR_MALFORMED. */
MUST_USE int forward_reply(struct forward *forward, uint8_t from, uint64_t term,
                           const void *payload, uint32_t size, uint64_t now_ns);

/* forward_silent says whether the leader has answered nothing for `ns`, of what it was sent: this
 * node hears it, and is not heard. */
bool forward_silent(const struct forward *forward, uint64_t ns, uint64_t now_ns);

/* forward_deadline_ns is when forward_to_send should next be called; UINT64_MAX: only after another
 * call. */
uint64_t forward_deadline_ns(const struct forward *forward);

/* ---- the leader ---- */

/* forward_lanes takes the lanes that APPLY told for the first entry of this leader's own term, all
 * of them; from then on it takes commands (forward.ready). */
void forward_lanes(struct forward *forward, const struct command_lane *lanes, uint32_t count);

/* forward_own proposes what the own outbox holds, at most `max` commands. Returns how many; stops
 * at ERR_FULL. ERR_NOSPACE: those left are cancelled (COMMAND_CANCEL). Nothing unless ready. */
uint32_t forward_own(struct forward *forward, uint32_t max, const struct forward_log *log,
                     uint64_t now_ns);

/* forward_accept takes a FORWARD of member `from`: proposes what is new, and fills the answer to be
 * sent back. payload is 8-byte aligned. Returns 0, or ERR_MALFORMED: nothing of it was taken and no
 * answer goes out. When this node does not lead, ERR_CLOSED and no answer. */
MUST_USE int forward_accept(struct forward *forward, uint8_t from, const void *payload,
                            uint32_t size, const struct forward_log *log,
                            struct forward_answer *answer);
