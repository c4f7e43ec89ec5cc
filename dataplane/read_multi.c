/* multiRead: getData and getChildren, each answered by itself, all from one state. */
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/read.h"
#include "dataplane/zk/reply.h"

struct read_multi_op {
    int32_t type;
    bool done;
    struct bytes path;
};

static struct read_multi_op read_multi_next(struct jute_in *in)
{
    struct read_multi_op op = {.type = jute_get_int(in)};
    op.done = jute_get_bool(in);
    jute_get_int(in);
    if (in->bad || op.done)
        return op;
    if (op.type != ZK_OP_GET_DATA && op.type != ZK_OP_GET_CHILDREN) {
        in->bad = true;
        return op;
    }
    op.path = jute_get_bytes(in);
    jute_get_bool(in);
    if (op.path.size < 0)
        in->bad = true;
    return op;
}

static uint64_t read_multi_size(struct net *net, struct conn *conn, const struct read_multi_op *op)
{
    int32_t error;
    const struct znode *node = read_node_find(net, conn, op->path, ZK_PERM_READ, &error);
    net->turn_cost++;
    if (error)
        return REPLY_ERROR_SIZE;
    net->turn_cost += op->type == ZK_OP_GET_CHILDREN ? znode_child_count(node) : 0;
    if (op->type == ZK_OP_GET_CHILDREN)
        return REPLY_MULTI_HEADER_SIZE + read_children_size(&net->view, node);
    return REPLY_MULTI_HEADER_SIZE + reply_bytes_size(znode_data(node)) + ZK_STAT_SIZE;
}

static void read_multi_put(struct net *net, struct conn *conn, const struct read_multi_op *op,
                           struct jute_out *out)
{
    int32_t error;
    const struct znode *node = read_node_find(net, conn, op->path, ZK_PERM_READ, &error);
    if (error) {
        reply_multi_error(out, error);
        return;
    }
    reply_multi_header(out, op->type, false, ZK_OK);
    if (op->type == ZK_OP_GET_CHILDREN) {
        read_children_put(out, &net->view, node);
        return;
    }
    struct zk_stat stat;
    znode_stat(node, &stat);
    jute_put_bytes(out, znode_data(node));
    reply_stat(out, &stat);
}

enum request_step read_multi_serve(struct net *net, struct conn *conn,
                                   const struct request *request)
{
    struct jute_in in = jute_in(request->body.at, (size_t)request->body.size);
    struct read_multi_op op;
    struct jute_out out;
    uint64_t size = REPLY_MULTI_HEADER_SIZE;
    for (op = read_multi_next(&in); !in.bad && !op.done; op = read_multi_next(&in)) {
        if (size <= net->config.reply_size_max) /* above it nothing is sent, so nothing is summed */
            size += read_multi_size(net, conn, &op);
    }
    if (in.bad)
        return read_node_refuse(net, conn, request, ZK_MARSHALLING_ERROR);
    if (size > net->config.reply_size_max)
        size = net->config.reply_size_max;
    if (!read_node_open(net, conn, request, (uint32_t)size, &out))
        return REQUEST_DONE;
    in = jute_in(request->body.at, (size_t)request->body.size);
    for (op = read_multi_next(&in); !op.done; op = read_multi_next(&in))
        read_multi_put(net, conn, &op, &out);
    reply_multi_header(&out, ZK_OP_ERROR, true, -1);
    CHECK(!out.bad && out.at == out.end);
    read_node_done(net, conn, (uint32_t)size);
    return REQUEST_DONE;
}
