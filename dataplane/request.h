/* request: the table op -> handler. A handler is called for one decoded header of a live
 * connection; each kind of request has a small file of its own. */
#pragma once

#include "dataplane/conn.h"

struct request {
    int32_t xid, op;
    struct bytes body;
};

enum request_step {
    REQUEST_DONE,  /* answered, or passed on */
    REQUEST_WAIT,  /* not taken: look at the same frame again when conn->wait is over */
    REQUEST_RETRY, /* not taken: look again next turn */
    REQUEST_CLOSE, /* close the connection when what is queued has been sent */
};

/* When a request may be looked at although commands of its connection are not answered. */
enum request_order {
    REQUEST_BEHIND, /* only when all of them are answered */
    REQUEST_READ,   /* the same, and behind a barrier when reads are linearizable */
    REQUEST_AMONG,  /* at once: it is a command itself, or a ping: writes that wait for a slow disk
                     * must not look like a dead server */
};

/* request_serve decodes the header of a packet and calls its handler. Borrows payload. */
enum request_step request_serve(struct net *net, struct conn *conn, struct bytes payload);

/* request_take is the same for a decoded header; frame_size: as net_quorum_read has it. */
enum request_step request_take(struct net *net, struct conn *conn, const struct request *request,
                               uint32_t frame_size);

/* What request_take does around a handler, for who has the answer put elsewhere than into the
 * stream. request_admit: may a request of this order be served now? REQUEST_DONE: yes, and a trace
 * of it is begun; else how to go on: it waits, or was refused. request_answered notes it when it
 * was answered on the spot. */
enum request_step request_admit(struct net *net, struct conn *conn, const struct request *request,
                                enum request_order order, uint32_t frame_size);
void request_answered(struct net *net, struct conn *conn, const struct request *request);

/* request_name gives the four-letter-word code of an op ("GETD"), or "NA". */
const char *request_name(int32_t op);

/* ---- handlers. All: one frame of a live connection; borrow request; return how to go on ---- */
enum request_step read_node_record(struct net *net, struct conn *conn,
                                   const struct request *request);
enum request_step read_node_acl(struct net *net, struct conn *conn, const struct request *request);
enum request_step read_node_descendants(struct net *net, struct conn *conn,
                                        const struct request *request);
enum request_step read_children_list(struct net *net, struct conn *conn,
                                     const struct request *request);
enum request_step read_multi_serve(struct net *net, struct conn *conn,
                                   const struct request *request);
enum request_step read_watches_check(struct net *net, struct conn *conn,
                                     const struct request *request);
enum request_step read_watches_remove(struct net *net, struct conn *conn,
                                      const struct request *request);
enum request_step read_watches_add(struct net *net, struct conn *conn,
                                   const struct request *request);
enum request_step read_watches_set(struct net *net, struct conn *conn,
                                   const struct request *request);
enum request_step client_ping(struct net *net, struct conn *conn, const struct request *request);
enum request_step client_auth(struct net *net, struct conn *conn, const struct request *request);
enum request_step client_sasl(struct net *net, struct conn *conn, const struct request *request);
enum request_step client_who_am_i(struct net *net, struct conn *conn,
                                  const struct request *request);
enum request_step client_close(struct net *net, struct conn *conn, const struct request *request);
enum request_step write_command(struct net *net, struct conn *conn, const struct request *request);
