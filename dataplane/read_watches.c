/* checkWatches, removeWatches, addWatch, setWatches and setWatches2: all about this connection's
 * own watches (zk_protocol.md sections 7, 14). */
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/read.h"

/* The kinds that a WatcherType of the wire means; 0: there is no such type. */
static uint32_t read_watches_kinds(int32_t type)
{
    switch (type) {
    case ZK_WATCHER_CHILDREN: return WATCH_CHILD;
    case ZK_WATCHER_DATA: return WATCH_DATA;
    case ZK_WATCHER_ANY: return WATCH_ALL;
    case ZK_WATCHER_PERSISTENT: return WATCH_PERSISTENT;
    case ZK_WATCHER_PERSISTENT_RECURSIVE: return WATCH_RECURSIVE;
    default: return 0;
    }
}

static bool read_watches_parse(const struct request *request, struct bytes *path, int32_t *value)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    *path = jute_get_bytes(&in);
    *value = jute_get_int(&in);
    return !in.bad && path->size >= 0;
}

enum request_step read_watches_check(struct net *net, struct conn *conn,
                                     const struct request *request)
{
    struct bytes path;
    int32_t type;
    uint32_t kinds;
    if (!read_watches_parse(request, &path, &type) || (kinds = read_watches_kinds(type)) == 0)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    bool held = watch_kinds(&net->watches, &conn->watches, path) & kinds;
    return read_node_refuse(net, conn, request, held ? ZK_OK : ZK_NO_WATCHER);
}

enum request_step read_watches_remove(struct net *net, struct conn *conn,
                                      const struct request *request)
{
    struct bytes path;
    int32_t type;
    uint32_t kinds;
    if (!read_watches_parse(request, &path, &type) || (kinds = read_watches_kinds(type)) == 0)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    bool held = watch_remove(&net->watches, &conn->watches, path, kinds) != 0;
    return read_node_refuse(net, conn, request, held ? ZK_OK : ZK_NO_WATCHER);
}

enum request_step read_watches_add(struct net *net, struct conn *conn,
                                   const struct request *request)
{
    struct bytes path;
    int32_t mode;
    struct jute_out out;
    if (!read_watches_parse(request, &path, &mode) || (mode != 0 && mode != 1))
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    int32_t refused =
        read_node_watch(net, conn, path, mode == 0 ? WATCH_PERSISTENT : WATCH_RECURSIVE);
    if (refused)
        return read_node_refuse(net, conn, request, refused);
    if (!read_node_open(net, conn, request, 4, &out))
        return REQUEST_DONE;
    jute_put_int(&out, 0); /* an ErrorResponse */
    read_node_done(net, conn, 4);
    return REQUEST_DONE;
}

/* ---- setWatches: what a client held on its last connection, with the last zxid it saw ---- */

enum read_watches_list { LIST_DATA, LIST_EXIST, LIST_CHILD, LIST_PERSISTENT, LIST_RECURSIVE };

/* What happened to a path since relative_zxid that the watch would have told; 0: nothing. */
static int32_t read_watches_missed(const struct znode *node, enum read_watches_list list,
                                   int64_t relative_zxid)
{
    struct zk_stat stat;
    if (list == LIST_PERSISTENT || list == LIST_RECURSIVE)
        return 0; /* no catch-up: clients read again */
    if (list == LIST_EXIST)
        return node ? ZK_EVENT_CREATED : 0;
    if (!node)
        return ZK_EVENT_DELETED;
    znode_stat(node, &stat);
    if (list == LIST_DATA)
        return stat.mzxid > relative_zxid ? ZK_EVENT_DATA_CHANGED : 0;
    return stat.pzxid > relative_zxid ? ZK_EVENT_CHILDREN_CHANGED : 0;
}

static int32_t read_watches_restore(struct net *net, struct conn *conn, enum read_watches_list list,
                                    struct bytes path, int64_t relative_zxid)
{
    static const enum watch_kind kinds[] = {
        [LIST_DATA] = WATCH_DATA,           [LIST_EXIST] = WATCH_DATA,
        [LIST_CHILD] = WATCH_CHILD,         [LIST_PERSISTENT] = WATCH_PERSISTENT,
        [LIST_RECURSIVE] = WATCH_RECURSIVE,
    };
    const struct znode *node = tree_get(&net->view, path);
    net->turn_cost++;
    int32_t event = read_watches_missed(node, list, relative_zxid);
    if (!event)
        return read_node_watch(net, conn, path, kinds[list]);
    /* Stricter than the reference: as with any event, who may not read the node is not told. */
    if (node && !acl_allows(net->parts.acls, znode_acl(node), ZK_PERM_READ, conn_identities(conn)))
        net_count(net, METRIC_net_events_filtered_total, 1);
    else
        conn_event(net, conn, -1, event, path);
    return ZK_OK;
}

/* Walks all lists of the record. With net NULL only checks that it decodes. Returns a wire error.
 */
static int32_t read_watches_walk(struct net *net, struct conn *conn, const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    int64_t relative_zxid = jute_get_long(&in);
    int lists = request->op == ZK_OP_SET_WATCHES ? LIST_CHILD + 1 : LIST_RECURSIVE + 1;
    int32_t error = ZK_OK;
    for (int list = 0; list < lists; list++) {
        int32_t count = jute_get_count(&in, 4);
        if (count < 0)
            return ZK_MARSHALLING_ERROR; /* a null list too */
        for (int32_t i = 0; i < count; i++) {
            struct bytes path = jute_get_bytes(&in);
            if (path.size < 0)
                return ZK_MARSHALLING_ERROR;
            if (net && conn->state == CONN_LIVE && error == ZK_OK)
                error = read_watches_restore(net, conn, (enum read_watches_list)list, path,
                                             relative_zxid);
        }
    }
    return error;
}

enum request_step read_watches_set(struct net *net, struct conn *conn,
                                   const struct request *request)
{
    int32_t error = read_watches_walk(NULL, conn, request);
    if (error == ZK_OK)
        error = read_watches_walk(net, conn, request);
    if (conn->state == CONN_LIVE)
        read_node_refuse(net, conn, request, error);
    return REQUEST_DONE;
}
