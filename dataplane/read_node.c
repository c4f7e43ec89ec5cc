/* Reads of one node: exists, getData, getACL, getAllChildrenNumber; and what all reads share. */
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/read.h"
#include "dataplane/zk/reply.h"

inline const struct znode *read_node_find(struct net *net, struct conn *conn, struct bytes path,
                                          int32_t perm, int32_t *error)
{
    const struct znode *node = tree_get(&net->view, path);
    *error = ZK_NO_NODE;
    if (!node)
        return NULL;
    *error = ZK_NO_AUTH;
    uint32_t acl = znode_acl(node);
    if (acl != ACL_ID_OPEN && !acl_allows(net->parts.acls, acl, perm, conn_identities(conn)))
        return NULL;
    *error = ZK_OK;
    return node;
}

inline void read_node_refused(struct net *net, int32_t error)
{
    if (error == ZK_MARSHALLING_ERROR)
        net_count(net, METRIC_net_malformed_total, 1);
}

enum request_step read_node_refuse(struct net *net, struct conn *conn,
                                   const struct request *request, int32_t error)
{
    read_node_refused(net, error);
    conn_answer(net, conn, request->xid, net->view.zxid, error);
    return REQUEST_DONE;
}

int32_t read_node_watch(struct net *net, struct conn *conn, struct bytes path, enum watch_kind kind)
{
    if (watch_add(&net->watches, &conn->watches, path, kind) == 0)
        return ZK_OK;
    net_count(net, METRIC_net_watch_refused_total, 1);
    return ZK_SYSTEM_ERROR;
}

inline bool read_node_open(struct net *net, struct conn *conn, const struct request *request,
                           uint32_t body_size, struct jute_out *body)
{
    uint8_t *room = conn_answer_room(net, conn, request->xid, REPLY_HEADER_SIZE + body_size);
    if (!room)
        return false;
    *body = jute_out(room, REPLY_HEADER_SIZE + body_size);
    reply_header(body, request->xid, net->view.zxid, ZK_OK, body_size);
    return true;
}

inline void read_node_note(struct net *net, uint32_t body_size)
{
    net->turn_cost += body_size / 256;
    net_count(net, METRIC_net_reads_total, 1);
}

inline void read_node_done(struct net *net, struct conn *conn, uint32_t body_size)
{
    conn_sent(net, conn, REPLY_HEADER_SIZE + body_size);
    read_node_note(net, body_size);
}

/* A path that is not null, and a bool: one look at the size for both. */
static inline bool read_node_decode(struct bytes body, struct bytes *path, bool *watch)
{
    uint32_t size, most = (uint32_t)body.size - 5;
    if (body.size < 5)
        return false;
    memcpy(&size, body.at, 4);
    size = __builtin_bswap32(size);
    if (size > most)
        return false;
    *path = bytes_of(body.at + 4, size);
    *watch = body.at[4 + size] != 0;
    return true;
}

inline int32_t read_node_ask(struct net *net, struct conn *conn, const struct request *request,
                             struct read_node *read)
{
    bool watch, exists = request->op == ZK_OP_EXISTS;
    struct bytes path;
    if (!read_node_decode(request->body, &path, &watch))
        return ZK_MARSHALLING_ERROR;
    if (exists && memchr(path.at, 0, (size_t)path.size))
        return ZK_BAD_ARGUMENTS;

    int32_t error;
    const struct znode *node = read_node_find(net, conn, path, ZK_PERM_READ, &error);
    /* exists: on a missing node it waits for its creation */
    if (watch && (node || (exists && error == ZK_NO_NODE))) {
        int32_t refused = read_node_watch(net, conn, path, WATCH_DATA);
        if (refused)
            return refused;
    }
    if (!node)
        return error;
    read->node = node;
    read->with_data = !exists;
    read->size = ZK_STAT_SIZE;
    if (exists)
        return ZK_OK;
    read->data = znode_data(node);
    read->size += reply_bytes_size(read->data);
    return ZK_OK;
}

inline void read_node_put(const struct read_node *read, uint8_t *at)
{
    if (read->with_data) {
        uint32_t be = __builtin_bswap32((uint32_t)read->data.size); /* -1: null */
        memcpy(at, &be, 4);
        at += 4;
        if (read->data.size > 0)
            memcpy(at, read->data.at, (size_t)read->data.size);
        at += read->size - 4 - ZK_STAT_SIZE;
    }
    znode_stat_put(read->node, at);
}

enum request_step read_node_record(struct net *net, struct conn *conn,
                                   const struct request *request)
{
    struct read_node read;
    struct jute_out out;
    int32_t error = read_node_ask(net, conn, request, &read);
    if (error)
        return read_node_refuse(net, conn, request, error);
    if (!read_node_open(net, conn, request, read.size, &out))
        return REQUEST_DONE;
    read_node_put(&read, out.at);
    read_node_done(net, conn, read.size);
    return REQUEST_DONE;
}

/* Copies a packed ACL; a digest id becomes "user:x" for those who may not administer the node. */
static void read_node_put_acl(struct jute_out *out, struct bytes packed, bool redact)
{
    struct jute_in in = jute_in(packed.at, (size_t)packed.size);
    int32_t count = jute_get_int(&in);
    jute_put_int(out, count);
    for (int32_t i = 0; i < count && !in.bad; i++) {
        jute_put_int(out, jute_get_int(&in));
        struct bytes scheme = jute_get_bytes(&in);
        struct bytes id = jute_get_bytes(&in);
        const uint8_t *colon = id.size > 0 ? memchr(id.at, ':', (size_t)id.size) : NULL;
        jute_put_bytes(out, scheme);
        if (redact && colon && bytes_equal(scheme, bytes_of_string("digest"))) {
            int32_t user = (int32_t)(colon - id.at);
            jute_put_int(out, user + 2);
            jute_put_raw(out, id.at, (size_t)user);
            jute_put_raw(out, ":x", 2);
        } else {
            jute_put_bytes(out, id);
        }
    }
}

enum request_step read_node_acl(struct net *net, struct conn *conn, const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    struct bytes path = jute_get_bytes(&in);
    if (in.bad || path.size < 0)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    const struct znode *node = tree_get(&net->view, path);
    if (!node)
        return read_node_refuse(net, conn, request, ZK_NO_NODE);
    struct bytes packed = acl_packed(net->parts.acls, znode_acl(node));
    int32_t perms =
        acl_skips(net->parts.acls) ? ZK_PERM_ALL : acl_packed_perms(packed, conn_identities(conn));
    if (!(perms & (ZK_PERM_READ | ZK_PERM_ADMIN)))
        return read_node_refuse(net, conn, request, ZK_NO_AUTH);

    /* "u:" becomes "u:x": at most one byte more for each entry of at least 12. */
    uint32_t room_size = (uint32_t)packed.size + (uint32_t)packed.size / 12 + ZK_STAT_SIZE;
    uint8_t *room = conn_answer_room(net, conn, request->xid, REPLY_HEADER_SIZE + room_size);
    if (!room)
        return REQUEST_DONE;
    struct jute_out out = jute_out(room + REPLY_HEADER_SIZE, room_size);
    read_node_put_acl(&out, packed, !(perms & ZK_PERM_ADMIN));
    uint8_t *stat = jute_room(&out, ZK_STAT_SIZE);
    CHECK(stat);
    znode_stat_put(node, stat);
    uint32_t size = (uint32_t)(out.at - room) - REPLY_HEADER_SIZE;
    out = jute_out(room, REPLY_HEADER_SIZE);
    reply_header(&out, request->xid, net->view.zxid, ZK_OK, size);
    read_node_done(net, conn, size);
    return REQUEST_DONE;
}

enum request_step read_node_descendants(struct net *net, struct conn *conn,
                                        const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    struct bytes path = jute_get_bytes(&in);
    if (in.bad || path.size < 0)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    int32_t error;
    const struct znode *node = read_node_find(net, conn, path, ZK_PERM_READ, &error);
    struct jute_out out;
    if (error)
        return read_node_refuse(net, conn, request, error);
    uint64_t count = tree_descendant_count(&net->view, node);
    net->turn_cost += count;
    if (!read_node_open(net, conn, request, 4, &out))
        return REQUEST_DONE;
    jute_put_int(&out, (int32_t)count);
    read_node_done(net, conn, 4);
    return REQUEST_DONE;
}
