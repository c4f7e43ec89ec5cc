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

/* request_serve decodes the header of a packet and calls its handler. Borrows payload. */
enum request_step request_serve(struct net *net, struct conn *conn, struct bytes payload);

/* request_take is the same for a decoded header; frame_size: as net_quorum_read has it. */
enum request_step request_take(struct net *net, struct conn *conn, const struct request *request,
                               uint32_t frame_size);

/* request_name gives the four-letter-word code of an op ("GETD"), or "NA". */
const char *request_name(int32_t op);

/* ---- handlers. All: one frame of a live connection; borrow request; return how to go on ---- */
enum request_step read_node_exists(struct net *net, struct conn *conn,
                                   const struct request *request);
enum request_step read_node_data(struct net *net, struct conn *conn, const struct request *request);
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
