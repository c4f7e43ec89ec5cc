/* beat: native sessions over datagrams (PROTOCOL.md), beside the streams of ZooKeeper's clients, in
 * the NET that owns it. To NET a client is a connection like any other: struct beat is a port whose
 * streams are sessions, so reads, writes, watches, ACLs and limits are those of dataplane/.
 *
 *   datagram ─▶ wire, mark, endpoint ─▶ client ─▶ slot of its number ─ in order ─▶ request_take ─┐
 *                                         │           │ answered: the answer is kept, sent again │
 *   datagram ◀── REPLY, EVENT ◀───────────┴───────────┴◀── frames that NET puts into stream.tx ◀─┘
 *
 *   (nobody) ── OPEN ─▶ OPENING ── ConnectResponse ─▶ LIVE ── NET closes it ─▶ CLOSING ─▶ (nobody)
 *                          └──────── refused, no room ──────────────────────────▲
 *
 * A request that comes whole and in its turn is served from the datagram's bytes. One that must
 * wait (out of order, in pieces, behind others) lies in its slot. An answer stays in its slot until
 * the client says that it has it. Events stay until receipt, and are sent again. All memory is from
 * NET's slab, bounded for each client. Nothing is ever sent that is not an answer, but events.
 *
 * One role (that NET) owns it: no two calls at the same time. */
#pragma once

#include "dataplane/beat/beat_wire.h"
#include "dataplane/net.h"
#include "dataplane/port/datagram.h"

#define BEAT_CREDITS        LIMIT_SESSION_ONCE_COUNT
#define BEAT_EVENTS_MAX     256u          /* not receipted, of one client; then its attach ends */
#define BEAT_EVENTS_SIZE    (64u << 10)   /* the same, bytes of paths */
#define BEAT_EVENTS_AGAIN   8u            /* events that are sent again at a time */
#define BEAT_RESEND_NS_MIN  (1 * NS_PER_MS)
#define BEAT_RESEND_NS_MAX  (50 * NS_PER_MS)
#define BEAT_MARGIN_US      250 /* RENEWED leaves behind the TOUCH: for clocks of two cores */
#define BEAT_SLOT_KEPT      1024u /* room that a slot keeps when its request is done with */
#define BEAT_CHAINS         4096u
#define BEAT_BURSTS         4u /* of the datagram port, in one turn */

struct beat_config {
    uint32_t endpoint;      /* not 0 */
    uint32_t timeout_ms_min; /* of native sessions; at least 1 */
    uint64_t lease_loss_ns; /* what an election may take from a lease; 0 for a node alone */
    struct peer_keys keys;  /* count 0: datagrams have no mark */
};

enum beat_slot_state {
    BEAT_SLOT_FREE,     /* nothing of it has come; so is one whose number is receipted */
    BEAT_SLOT_PIECES,   /* some pieces have come */
    BEAT_SLOT_WHOLE,    /* waits for its turn */
    BEAT_SLOT_ASKED,    /* with NET: not answered yet */
    BEAT_SLOT_ANSWERED,
};

/* One request: first its message, then its answer, in one piece of the slab. */
struct beat_slot {
    uint64_t sequence;
    uint64_t missing; /* PIECES: a bit for each */
    uint64_t time;    /* request: deadline; answer: zxid */
    uint8_t *bytes;   /* room of the slab; NULL with room 0 */
    uint32_t size, room; /* of the message, or of the answer */
    int32_t code;   /* request: operation; answer: error */
    uint32_t event; /* answer: events sent before it */
    uint8_t state;  /* enum beat_slot_state */
};

struct beat_event {
    struct beat_event *next;
    int64_t zxid;
    uint32_t number, size; /* bytes of the path, behind this struct */
    int32_t code;
};

enum beat_client_state { BEAT_OPENING, BEAT_LIVE, BEAT_CLOSING };

struct beat_client {
    struct stream stream; /* first: NET's connection hangs on it */
    struct beat_client *chain;      /* of the table */
    struct beat_client *next, *prev; /* CLOSING: next of beat.closing; with events: beat.telling */
    struct address address;
    uint32_t endpoint;
    uint8_t state; /* enum beat_client_state */
    bool telling;  /* on that list */
    bool quiet;    /* it knows, or need not know, that its attach ends */
    uint64_t opening; /* the number of its OPEN */
    int64_t session;
    uint32_t attach;
    uint8_t password[ZK_PASSWORD_SIZE];
    uint64_t taken, acked; /* requests given to NET; answers that the client has */
    uint32_t large_count;  /* slots with more room than BEAT_SLOT_KEPT */
    struct beat_wire_head head; /* of what is sent to it; LIVE */
    struct beat_event *event_first, *event_end;
    uint32_t event_sent, event_acked, event_count, event_size;
    uint64_t resend_ns;
    struct beat_slot slots[BEAT_CREDITS];
};

struct beat_renewal {
    struct beat_client *client;
    uint64_t sequence, received_ns;
};

struct beat {
    _Alignas(LINES_SIZE) struct port port; /* first: the streams' port */
    struct net *net;
    struct datagram_port *datagrams;
    struct beat_config config;
    const struct peer_key *key; /* to send with; NULL: none */
    struct now now;
    uint8_t flags; /* of what is sent in this turn */
    struct beat_client **chains;
    struct beat_client *closing;
    struct beat_client *telling; /* have events without receipt */
    uint32_t full_burst;         /* the last poll may have left datagrams */
    uint32_t renewal_count;      /* RENEWs of this burst */
    struct beat_renewal renewals[DATAGRAM_BURST];
};
LINES_OWN(struct beat);

/* beat_init makes the front end of a NET; takes the datagram port, also when it fails. Returns 0,
 * ERR_RANGE (a configured value) or ERR_NOMEM. Copies config. Before the roles start. */
MUST_USE int beat_init(struct beat *beat, const struct beat_config *config, struct net *net,
                       struct datagram_port *datagrams);
void beat_fini(struct beat *beat);

/* beat_poll takes datagrams, sends events again, and ends what NET has closed: behind apply_net in
 * NET's turn. Returns units of work. beat_flush sends what the turn produced. */
uint32_t beat_poll(struct beat *beat, struct now now);
void beat_flush(struct beat *beat);
bool beat_idle(struct beat *beat);
uint64_t beat_deadline_ns(struct beat *beat, struct now now);

/* beat_serve gives NET the requests of a live connection that wait in their slots, in order, at
 * most `frames`. Returns how many were handled. */
uint32_t beat_serve(struct beat *beat, struct conn *conn, uint32_t frames);

/* ---- between the files of beat/ ----
 *
 * What is called seldom takes a frame by value: then that of a request is never in memory. */

/* beat_client.c: the table, opening and ending. */
struct beat_client *beat_client_find(struct beat *beat, const struct address *address,
                                     uint32_t endpoint);
__attribute__((cold)) void beat_client_open(struct beat *beat, const struct address *from,
                                            struct beat_frame frame);
/* Takes what NET wrote into the client's stream: answers and events, each sent at once. */
void beat_client_output(struct beat *beat, struct beat_client *client);
void beat_client_end(struct beat *beat, struct beat_client *client);
uint32_t beat_client_reap(struct beat *beat);
extern const struct port_ops beat_client_ops;

/* beat_request.c: a request's way through its slot. */
void beat_request(struct beat *beat, struct beat_client *client, const struct beat_frame *frame);
void beat_request_acked(struct beat *beat, struct beat_client *client, uint64_t acked);
void beat_request_answer(struct beat *beat, struct beat_client *client, int32_t xid, int64_t zxid,
                         int32_t error, struct bytes body);
void beat_request_drop(struct beat *beat, struct beat_client *client);

/* beat_event.c: events until their receipt. beat_event_add: false: too many, end the attach. */
MUST_USE bool beat_event_add(struct beat *beat, struct beat_client *client, int64_t zxid,
                             int32_t code, struct bytes path);
void beat_event_acked(struct beat *beat, struct beat_client *client, uint32_t event);
uint32_t beat_event_again(struct beat *beat);
uint64_t beat_event_deadline_ns(const struct beat *beat);
void beat_event_drop(struct beat *beat, struct beat_client *client);

/* beat.c: sending. beat_say sends frame with `message` in as many pieces as it takes; frame has
 * kind, session, sequence, attach, code, time; the rest is filled in. client NULL: only endpoints
 * are. beat_say_whole: the same to an attached client (beat_attached came before), of a message
 * that one datagram takes, in room of beat_room, which is asked for first: what a frame is made of
 * need not be kept over that call. beat_room returns NULL when the port has none: counted, the
 * frame is lost. beat_refuse answers a frame with BEAT_REFUSED. */
void beat_attached(const struct beat *beat, struct beat_client *client);
uint8_t *beat_room(struct beat *beat);
void beat_say(struct beat *beat, const struct address *to, const struct beat_client *client,
              struct beat_frame *frame, struct bytes message);
void beat_say_whole(struct beat *beat, const struct beat_client *client, struct beat_frame *frame,
                    struct bytes message, uint8_t *room);
__attribute__((cold)) void beat_refuse(struct beat *beat, const struct address *to,
                                       struct beat_frame frame, enum beat_refusal why);
