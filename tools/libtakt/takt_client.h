/* takt_client: what a client is made of; between the files of libtakt only.
 *
 *   takt.c          open, free, what is told       takt_session.c  OPEN, RENEW, lease, the other
 * node takt_poll.c     a turn: in, timers, out        takt_request.c  the table, answers, events
 *   takt_record.c   records                        takt_socket.c   the kernel's transport
 *
 * Ticket t has number t - ticket_base on the wire and lies in slot t % slot_count until it is
 * answered in order (that is `acked`) and released. One thread. */
#pragma once

#include "dataplane/beat/beat_wire.h"
#include "tools/libtakt/takt.h"

#define TAKT_BURST         32u
#define TAKT_RX_BURSTS     4u
#define TAKT_EARLY         32u
#define TAKT_RESEND_NS_MIN (5 * 1000000ull)
#define TAKT_RESEND_NS_MAX (200 * 1000000ull)
#define TAKT_TRIES         3u /* without any answer: the next node */
#define TAKT_DATAGRAM_ROOM (BEAT_WIRE_DATAGRAM_MAX + 1)

struct takt_slot {
    int64_t ticket; /* 0: free */
    uint8_t *request, *answer;
    uint32_t request_size, answer_size, answer_event;
    uint64_t missing; /* of the answer: a bit a piece */
    uint64_t deadline_ns, sent_ns, due_ns, resend_ns;
    uint64_t zxid;
    int32_t operation, error;
    uint32_t sends;              /* in this attach */
    bool ever_sent, whole, done; /* done: given to the user */
    takt_answer_fn *fn;
    void *context;
};

struct takt_early {
    uint32_t number; /* 0: free */
    int32_t type;
    uint32_t size;
    uint64_t zxid;
    uint8_t path[BEAT_WIRE_PIECE_SIZE];
};

struct takt_client {
    struct takt_config config;
    struct takt_transport transport;
    struct peer_keys keys;
    enum takt_state state;
    uint64_t now_ns;
    uint32_t node, peer; /* whom it talks to: index; endpoint */
    /* the session */
    int64_t session;
    uint8_t password[TAKT_PASSWORD_SIZE];
    uint32_t timeout_ms, attach;
    uint64_t zxid;
    uint64_t opening, open_first_ns, open_due_ns, open_resend_ns;
    bool open_sent, leader, closing;
    uint32_t follow_moves; /* to look for the leader, since one was heard */
    uint64_t heard_ns;
    /* RENEW, and what it proves */
    uint64_t renew_due_ns, renew_resend_ns, renew_sent_ns;
    uint32_t renew_tries; /* sent since something was heard */
    uint64_t attached_ns;
    uint64_t chain_end_ns; /* the lease before the next one ends then: takt_session.c */
    uint64_t deadline_ns;
    bool offset_known, time_wanted;
    uint64_t time_asked_ns, offset_at_ns, offset_error_ns, rtt_ns;
    int64_t offset_ns;
    /* requests */
    struct takt_slot *slots;
    uint32_t slot_count;
    int64_t ticket_base, ticket_last; /* the last submitted */
    uint64_t acked;                   /* the wire's number of the last one answered in order */
    uint16_t credits;
    /* events */
    uint32_t event, event_size; /* the last one taken; size of the one that is collected */
    uint64_t event_missing;
    uint8_t *event_path;
    struct takt_early early[TAKT_EARLY];
    bool ack_wanted;
    /* datagrams */
    struct takt_datagram out[TAKT_BURST], in[TAKT_BURST];
    uint32_t out_count;
    uint8_t out_room[TAKT_BURST][TAKT_DATAGRAM_ROOM], in_room[TAKT_BURST][TAKT_DATAGRAM_ROOM];
    struct takt_status counts;
};

/* takt_send puts a datagram of the session's into the burst; the fields of the attach are set. */
void takt_send(struct takt_client *client, struct beat_frame *frame);
void takt_flush(struct takt_client *client);

/* takt_session_*: frames that belong to the session, and what is due of it. */
void takt_session_open(struct takt_client *client, uint64_t delay_ns);
void takt_session_next(struct takt_client *client, uint64_t delay_ns); /* at the next node */
void takt_session_opened(struct takt_client *client, const struct beat_frame *frame);
void takt_session_renewed(struct takt_client *client, const struct beat_frame *frame);
void takt_session_timed(struct takt_client *client, const struct beat_frame *frame);
void takt_session_refused(struct takt_client *client, const struct beat_frame *frame);
void takt_session_due(struct takt_client *client);
void takt_session_over(struct takt_client *client, enum takt_state state);
uint64_t takt_session_resend_ns(const struct takt_client *client);
void takt_session_rtt(struct takt_client *client, uint64_t rtt_ns);

/* takt_request_*: the table. */
void takt_request_reply(struct takt_client *client, const struct beat_frame *frame);
void takt_request_event(struct takt_client *client, const struct beat_frame *frame);
void takt_request_settle(struct takt_client *client);
void takt_request_attached(struct takt_client *client);
void takt_request_due(struct takt_client *client);
void takt_request_fail(struct takt_client *client, int32_t error);
struct takt_slot *takt_request_slot(const struct takt_client *client, int64_t ticket);

/* takt_socket_open makes the kernel's transport for "host:port,..."; 0 or an enum takt_error. */
int takt_socket_open(const char *nodes, struct takt_transport *transport);
