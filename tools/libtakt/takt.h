/* takt: the client of takt's datagram protocol (dataplane/beat/PROTOCOL.md), for control loops.
 *
 *   takt_open ──▶ takt_poll, takt_poll, takt_poll ... ──▶ takt_free
 *                   │  ▲ takt_set, takt_get, ... (submit: a ticket)
 *                   └──┴▶ answers (callback, or takt_answer), watch events, the state
 *
 * Poll mode: takt_poll does a bounded piece of work and comes back. No threads; no memory is taken
 * after takt_open; nothing blocks; the only system calls are recvmmsg and sendmmsg of one
 * non-blocking socket (none at all with a transport of your own). Blocking forms (takt_wait_*) run
 * the same machine and sleep in between.
 *
 * A client is used by one thread at a time. Callbacks run in takt_poll and takt_wait_*; they may
 * submit requests and must not call takt_poll, takt_wait_*, takt_restart or takt_free.
 *
 * Times are ns of the client's clock: CLOCK_MONOTONIC, or the transport's. Sizes are bytes.
 * C99 and C++; includes nothing but stdint.h. */
#ifndef TAKT_H
#define TAKT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAKT_API __attribute__((visibility("default")))

#define TAKT_NODES_MAX    16
#define TAKT_REQUESTS_MAX 64    /* in the table: not answered, or the answer not released */
#define TAKT_MESSAGE_MAX  61440 /* bytes of a request's or an answer's record */
#define TAKT_PASSWORD_SIZE 16
#define TAKT_STAT_SIZE    68

struct takt_client;

/* ---- codes ---- */

/* What a call of this library returns when it is not 0 or more; and answers' errors that the client
 * makes by itself. Errors of the node's are between -1 and -199. */
enum takt_error {
    TAKT_ERROR_ARGUMENT = -1001, /* an argument is outside what this header says */
    TAKT_ERROR_FULL = -1002,     /* the table of requests is full: poll, release answers */
    TAKT_ERROR_MEMORY = -1003,   /* takt_open: no memory */
    TAKT_ERROR_SOCKET = -1004,   /* takt_open: no socket, or a name that means no address: errno */
    TAKT_ERROR_KEYS = -1005,     /* takt_open: the text of the keys is wrong */
    TAKT_ERROR_TIMEOUT = -1006,  /* takt_wait_*: not in that time */
    TAKT_ERROR_STATE = -1007,    /* the session has expired or is closed */
    TAKT_ERROR_PENDING = -1008,  /* not known yet */
    TAKT_ERROR_TICKET = -1009,   /* no such ticket: never given, released, or with a callback */
    TAKT_ERROR_MALFORMED = -1010, /* takt_read_*: not such a record */
    TAKT_ERROR_SIZE = -1011,     /* takt_put_*: no room; an answer larger than config.answer_size */
};

/* The node's, of an answer (as in the ZooKeeper protocol). */
enum takt_answer_error {
    TAKT_OK = 0,
    TAKT_NO_NODE = -101,
    TAKT_NO_PERMISSION = -102,
    TAKT_BAD_VERSION = -103,
    TAKT_NO_CHILDREN_FOR_EPHEMERALS = -108,
    TAKT_NODE_EXISTS = -110,
    TAKT_NOT_EMPTY = -111,
    TAKT_EXPIRED_SESSION = -112, /* whether a write was carried out is not known */
    TAKT_PAST_DEADLINE = -122,   /* it was not carried out, and will not be */
};

enum takt_state {
    TAKT_OPENING = 0, /* looks for a node, for the first time or again */
    TAKT_LIVE = 1,
    TAKT_EXPIRED = 2, /* the session and its ephemerals are gone: takt_restart, or takt_free */
    TAKT_CLOSED = 3,  /* by takt_close; the same */
};

/* ---- a transport ---- */

struct takt_datagram {
    uint32_t node; /* index into the list of nodes: where it goes, or came from */
    uint32_t size; /* receive: the room before, the bytes after (of a larger one: the room) */
    uint8_t *bytes;
};

/* What a client stands on: kernel sockets when config.transport is NULL; a simulator's network, or
 * another port, otherwise. Each is called by the client's thread only. */
struct takt_transport {
    void *context;
    uint32_t node_count; /* in [1, TAKT_NODES_MAX] */
    /* Takes datagrams to be sent, without blocking; returns how many were taken. The others
     * count as lost on the way. Borrows them for the call. */
    uint32_t (*send)(void *context, const struct takt_datagram *datagrams, uint32_t count);
    /* Gives up to count datagrams that have come, without blocking; returns how many. */
    uint32_t (*receive)(void *context, struct takt_datagram *datagrams, uint32_t count);
    /* The clock: monotonic, never 0. For takt_wait_* only, as is wait. */
    uint64_t (*now_ns)(void *context);
    /* Returns when a datagram may be there, or at until_ns, or before. */
    void (*wait)(void *context, uint64_t until_ns);
    /* At takt_free; may be NULL. */
    void (*close)(void *context);
};

/* ---- a client ---- */

struct takt_event {
    int32_t type; /* 1 created, 2 deleted, 3 data changed, 4 children changed */
    uint32_t number; /* from 1 in each attach */
    const char *path; /* not terminated */
    uint32_t path_size;
    int64_t zxid;
};

struct takt_answer {
    int64_t ticket;
    int32_t error; /* 0; enum takt_answer_error and the rest of the node's; enum takt_error */
    int64_t zxid;
    const uint8_t *bytes; /* the operation's response record (PROTOCOL.md section 7) */
    uint32_t size;
};

typedef void takt_answer_fn(void *context, const struct takt_answer *answer);
typedef void takt_event_fn(void *context, const struct takt_event *event);
typedef void takt_state_fn(void *context, enum takt_state state);

/* 0 or NULL is the default of each field but nodes. */
struct takt_config {
    const char *nodes;   /* "host:port,host:port,[v6]:port"; the port may be left out: 2182 */
    uint32_t timeout_ms; /* of the session, from 1; default 5000. The node may clamp it. */
    uint32_t endpoint;   /* the client's own number; default: a random one */
    uint32_t drift_ppm;  /* how far the rates of this clock and a node's may differ; default 200 */
    uint32_t renew_us;   /* between RENEWs; default: a quarter of the timeout */
    uint32_t request_count; /* of the table, in [1, TAKT_REQUESTS_MAX]; default 16 */
    uint32_t request_size;  /* of the largest request; default and most TAKT_MESSAGE_MAX */
    uint32_t answer_size;   /* of the largest answer; the same */
    int follow_leader; /* not 0: when a node does not lead, and so gives no lease, try the next;
                        * after a round in which none led, one node a timeout */
    const char *keys;  /* the text of a key file, "<number> <hex>" a line; default: no MAC */
    const struct takt_transport *transport; /* then nodes is not looked at; copied */
    uint64_t opening;  /* opening numbers begin behind it; default: the wall clock */
    int64_t session;   /* to resume an earlier session: of takt_identity; then also: */
    uint8_t password[TAKT_PASSWORD_SIZE];
    uint64_t sequence; /* the last number used of it (takt_identity), all answered */
    takt_answer_fn *on_answer_default; /* of requests that are submitted with no callback; default:
                                        * they are asked for with takt_answer */
    takt_event_fn *on_event;
    takt_state_fn *on_state;
    void *context; /* of these three */
};

/* takt_open makes a client and looks up the nodes' names: the only call that takes memory and may
 * block. Nothing is sent before the first takt_poll. Returns 0, TAKT_ERROR_ARGUMENT, _MEMORY,
 * _SOCKET or _KEYS. *client is the caller's, until takt_free. Borrows config for the call. */
TAKT_API int takt_open(const struct takt_config *config, struct takt_client **client);

/* takt_free ends the client, and not its session: that lives for its timeout (see takt_close).
 * client may be NULL. */
TAKT_API void takt_free(struct takt_client *client);

/* takt_poll takes what has come and sends what is due; call it each cycle. now_ns is the clock now,
 * never less than before, not 0. Work: at most 128 datagrams in, and the requests within the
 * credits out. Returns enum takt_state. */
TAKT_API int takt_poll(struct takt_client *client, uint64_t now_ns);

/* takt_next_ns says when takt_poll has something to send, if nothing comes before: for loops that
 * sleep. Never 0; UINT64_MAX: nothing is due. */
TAKT_API uint64_t takt_next_ns(const struct takt_client *client);

/* takt_restart begins a new session after TAKT_EXPIRED or TAKT_CLOSED. Tickets of the old one are
 * gone. Returns 0, or TAKT_ERROR_STATE: the session is not over. */
TAKT_API int takt_restart(struct takt_client *client);

/* takt_identity gives what config.session, .password and .sequence need to resume the session from
 * another process. Returns 0, or TAKT_ERROR_PENDING: not opened, or requests are not answered. */
TAKT_API int takt_identity(const struct takt_client *client, int64_t *session,
                           uint8_t password[TAKT_PASSWORD_SIZE], uint64_t *sequence);

/* ---- the watchdog ---- */

/* takt_session_deadline gives the time until which the session, and so its ephemerals, certainly
 * live; 0: no node has vouched for it. It only ever grows within a session, and is 0 after its end.
 * A loop whose output needs a lease acts only while now < deadline; see takt(3), "LEASES". */
TAKT_API uint64_t takt_session_deadline(const struct takt_client *client);

/* takt_time_offset gives the node's clock minus this one, wrong by at most *error_ns at the time of
 * the last takt_poll. Returns 0, or TAKT_ERROR_PENDING: not measured since the last attach. */
TAKT_API int takt_time_offset(const struct takt_client *client, int64_t *offset_ns,
                              uint64_t *error_ns);

/* takt_time_ask has the next takt_poll measure the offset anew (TIME); each RENEW does so, too. */
TAKT_API void takt_time_ask(struct takt_client *client);

struct takt_status {
    enum takt_state state;
    uint32_t node; /* index into the list */
    int leader;    /* not 0: that node said that it leads */
    int64_t session;
    uint32_t timeout_ms; /* as granted; 0 before */
    uint32_t credits, in_flight, submitted; /* the table: not answered; of these: sent */
    uint64_t rtt_ns; /* smoothed; 0: not known */
    int64_t zxid; /* the newest seen */
    uint64_t sent, received, dropped, resent, attaches, refused; /* counts */
    int32_t refusal; /* the last REFUSED's code */
};
TAKT_API void takt_status(const struct takt_client *client, struct takt_status *status);

/* ---- requests ---- */

/* What becomes of an answer, and until when a request makes sense; NULL: the defaults. */
struct takt_done {
    takt_answer_fn *answer; /* called once, in takt_poll; NULL: config.on_answer_default */
    void *context;
    uint64_t deadline_ns; /* 0: none. A request that no node looks at before this time is not
                           * carried out (TAKT_PAST_DEADLINE). */
};

/* Each of these puts a request into the table and returns its ticket, more than 0; or
 *   TAKT_ERROR_ARGUMENT  an operation that the protocol does not have
 *   TAKT_ERROR_SIZE      larger than config.request_size
 *   TAKT_ERROR_FULL      the table is full
 *   TAKT_ERROR_STATE     the session is over, or takt_close was called
 * Requests are carried out in order, each once, whatever is lost, repeated or fails over; answers
 * come in the same order. Nothing is borrowed after the call. Versions: -1 is any. */
TAKT_API int64_t takt_submit(struct takt_client *client, int32_t operation, const void *record,
                             uint32_t size, const struct takt_done *done);

enum takt_create_flag {
    TAKT_PERSISTENT = 0,
    TAKT_EPHEMERAL = 1,
    TAKT_SEQUENTIAL = 2, /* may be added to TAKT_EPHEMERAL */
};
/* Open to everybody. Answer: the path (takt_read_path). */
TAKT_API int64_t takt_create(struct takt_client *client, const char *path, const void *data,
                             uint32_t size, int32_t flags, const struct takt_done *done);
TAKT_API int64_t takt_delete(struct takt_client *client, const char *path, int32_t version,
                             const struct takt_done *done);
/* watch not 0: one event when it changes. Answers: takt_read_data; takt_read_stat. */
TAKT_API int64_t takt_get(struct takt_client *client, const char *path, int watch,
                          const struct takt_done *done);
TAKT_API int64_t takt_exists(struct takt_client *client, const char *path, int watch,
                             const struct takt_done *done);
/* Answer: a vector of names: takt_read_children. */
TAKT_API int64_t takt_children(struct takt_client *client, const char *path, int watch,
                               const struct takt_done *done);
/* Answer: takt_read_stat. */
TAKT_API int64_t takt_set(struct takt_client *client, const char *path, const void *data,
                          uint32_t size, int32_t version, const struct takt_done *done);
TAKT_API int64_t takt_sync(struct takt_client *client, const char *path,
                           const struct takt_done *done);
/* A persistent watch of the node, or with recursive of all below, too; of this attach: set it again
 * at each TAKT_LIVE. */
TAKT_API int64_t takt_watch(struct takt_client *client, const char *path, int recursive,
                            const struct takt_done *done);
/* The session's end, and its ephemerals' with it; then TAKT_CLOSED. */
TAKT_API int64_t takt_close(struct takt_client *client, const struct takt_done *done);

/* A multi is written part by part into the caller's room, from used 0, then takt_multi submits it.
 * takt_put_*: returns 0, or TAKT_ERROR_SIZE: no room, *used is as before. */
TAKT_API int takt_put_create(void *room, uint32_t size, uint32_t *used, const char *path,
                             const void *data, uint32_t data_size, int32_t flags);
TAKT_API int takt_put_set(void *room, uint32_t size, uint32_t *used, const char *path,
                          const void *data, uint32_t data_size, int32_t version);
TAKT_API int takt_put_delete(void *room, uint32_t size, uint32_t *used, const char *path,
                             int32_t version);
TAKT_API int takt_put_check(void *room, uint32_t size, uint32_t *used, const char *path,
                            int32_t version);
/* All parts or none; as takt_submit. */
TAKT_API int64_t takt_multi(struct takt_client *client, const void *parts, uint32_t used,
                            const struct takt_done *done);

/* ---- answers ---- */

/* takt_answer gives the answer of a request without a callback. Returns 0, TAKT_ERROR_PENDING or
 * TAKT_ERROR_TICKET. answer->bytes lie in the table until takt_release. */
TAKT_API int takt_answer(const struct takt_client *client, int64_t ticket,
                         struct takt_answer *answer);
/* takt_release gives the place of an answered ticket back. Returns 0 or TAKT_ERROR_TICKET; before
 * the answer: TAKT_ERROR_PENDING. */
TAKT_API int takt_release(struct takt_client *client, int64_t ticket);

struct takt_stat {
    int64_t czxid, mzxid, ctime_ms, mtime_ms;
    int32_t version, cversion, aversion;
    int64_t ephemeral_owner;
    int32_t data_length, children_count;
    int64_t pzxid;
};

/* takt_read_* read an answer's record. Return 0, or TAKT_ERROR_MALFORMED (also of an answer with an
 * error). What they give borrows the record. data may be NULL with size 0; stat may be NULL. */
TAKT_API int takt_read_data(const struct takt_answer *answer, const uint8_t **data, uint32_t *size,
                            struct takt_stat *stat);
TAKT_API int takt_read_stat(const struct takt_answer *answer, struct takt_stat *stat);
TAKT_API int takt_read_path(const struct takt_answer *answer, const char **path, uint32_t *size);
/* Steps through the names: *at is 0 at first. Returns 1 with a name, 0 at the end. */
TAKT_API int takt_read_children(const struct takt_answer *answer, uint32_t *at, const char **name,
                                uint32_t *size);

/* ---- blocking ---- */

/* takt_wait_live polls until the session is live. Returns 0, TAKT_ERROR_TIMEOUT or
 * TAKT_ERROR_STATE. */
TAKT_API int takt_wait_live(struct takt_client *client, uint64_t timeout_ns);

/* takt_wait_answer polls until a request without a callback is answered, and gives the answer as
 * takt_answer does. `ticket` may be what a submitting call returned: an error of that is returned
 * as it is. Returns 0, TAKT_ERROR_TIMEOUT or TAKT_ERROR_TICKET. */
TAKT_API int takt_wait_answer(struct takt_client *client, int64_t ticket, uint64_t timeout_ns,
                              struct takt_answer *answer);

/* takt_error_text names a code of either kind for a person; never NULL. */
TAKT_API const char *takt_error_text(int32_t code);

/* takt_now_ns is CLOCK_MONOTONIC. */
TAKT_API uint64_t takt_now_ns(void);

#ifdef __cplusplus
}
#endif
#endif
