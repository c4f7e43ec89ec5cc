/* read: what the handlers of reads share. A read is answered from the turn's view, at S. */
#pragma once

#include "dataplane/request.h"
#include "dataplane/watch.h"
#include "store/tree.h"

/* read_node_find gives the node at path if the connection has `perm` on it; else NULL and the wire
 * error in *error. Lends the node for the turn. */
const struct znode *read_node_find(struct net *net, struct conn *conn, struct bytes path,
                                   int32_t perm, int32_t *error);

/* read_node_refuse answers with an error and no body. Always REQUEST_DONE. */
enum request_step read_node_refuse(struct net *net, struct conn *conn,
                                   const struct request *request, int32_t error);
void read_node_refused(struct net *net, int32_t error); /* counts it, and no more */

/* read_node_watch sets one watch of the connection. Returns ZK_OK or what the client is told at a
 * limit: ZK_SYSTEM_ERROR, the one code that every client knows for "the server could not". */
int32_t read_node_watch(struct net *net, struct conn *conn, struct bytes path,
                        enum watch_kind kind);

/* read_node_open gives room for the body of a reply of exactly body_size bytes. False: it was
 * answered with an error already, or closed. read_node_done sends the reply. */
bool read_node_open(struct net *net, struct conn *conn, const struct request *request,
                    uint32_t body_size, struct jute_out *body);
void read_node_done(struct net *net, struct conn *conn, uint32_t body_size);
void read_node_note(struct net *net, uint32_t body_size); /* counts it, and no more */

/* A get or an exists that is to be answered: the record is put where its reader wants it. Borrows
 * from the turn's view. */
struct read_node {
    const struct znode *node;
    struct bytes data; /* with_data */
    bool with_data;
    uint32_t size; /* of the record, bytes */
};

/* read_node_ask decodes the request, looks its node up and sets its watch. Returns ZK_OK, or the
 * error that is the answer. read_node_put writes read->size bytes. */
int32_t read_node_ask(struct net *net, struct conn *conn, const struct request *request,
                      struct read_node *read);
void read_node_put(const struct read_node *read, uint8_t *at);

/* The children of a node of the turn's view as vector<ustring>: size in bytes, then the bytes. */
uint64_t read_children_size(const struct tree_view *view, const struct znode *node);
void read_children_put(struct jute_out *out, const struct tree_view *view,
                       const struct znode *node);
