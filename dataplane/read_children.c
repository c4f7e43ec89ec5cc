/* getChildren and getChildren2. */
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/read.h"
#include "dataplane/zk/reply.h"

uint64_t read_children_size(const struct tree_view *view, const struct znode *node)
{
    uint64_t size = 4;
    for (const struct znode *child = tree_child_first(view, node); child;
         child = tree_child_next(view, child))
        size += reply_bytes_size(znode_name(child));
    return size;
}

void read_children_put(struct jute_out *out, const struct tree_view *view, const struct znode *node)
{
    jute_put_int(out, (int32_t)znode_child_count(node));
    for (const struct znode *child = tree_child_first(view, node); child;
         child = tree_child_next(view, child))
        jute_put_bytes(out, znode_name(child));
}

enum request_step read_children_list(struct net *net, struct conn *conn,
                                     const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    struct bytes path = jute_get_bytes(&in);
    bool watch = jute_get_bool(&in);
    bool with_stat = request->op == ZK_OP_GET_CHILDREN2;
    if (in.bad || path.size < 0)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);

    int32_t error;
    const struct znode *node = read_node_find(net, conn, path, ZK_PERM_READ, &error);
    if (error)
        return read_node_refuse(net, conn, request, error);
    net->turn_cost += znode_child_count(node);
    uint64_t size = read_children_size(&net->view, node) + (with_stat ? ZK_STAT_SIZE : 0);
    struct jute_out out;
    if (size > net->config.reply_size_max) /* told, before a watch is left behind */
        size = net->config.reply_size_max;
    else if (watch)
        error = read_node_watch(net, conn, path, WATCH_CHILD);
    if (error)
        return read_node_refuse(net, conn, request, error);
    if (!read_node_open(net, conn, request, (uint32_t)size, &out))
        return REQUEST_DONE;
    read_children_put(&out, &net->view, node);
    if (with_stat) {
        struct zk_stat stat;
        znode_stat(node, &stat);
        reply_stat(&out, &stat);
    }
    CHECK(!out.bad && out.at == out.end); /* both walks saw the one state of the view */
    read_node_done(net, conn, (uint32_t)size);
    return REQUEST_DONE;
}
