/* setData (zk_protocol.md sections 7 and 13). */
#include "store/op.h"

#include "base/check.h"
#include "store/path.h"
#include "store/quota.h"

bool op_set_data_decode(struct jute_in *in, struct op_request *r)
{
    r->path = jute_get_bytes(in);
    r->data = jute_get_bytes(in);
    r->version = jute_get_int(in);
    return !in->bad;
}

static int64_t size_of(struct bytes data)
{
    return data.size > 0 ? data.size : 0;
}

int32_t op_set_data_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    struct zk_stat stat;
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    /* The path of a node that exists was looked at when it was created. "" finds the root. */
    const struct znode *node = r->path.size > 0 ? op_node(op, r->path) : NULL;
    if (!node)
        return path_valid(r->path) ? ZK_NO_NODE : ZK_BAD_ARGUMENTS;
    /* The configuration is the ensemble's: not even super sets it (zk_protocol.md section 22). */
    if (path_is(r->path, "/zookeeper/config") || !op_allows(op, node, ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    int64_t more = size_of(r->data) - size_of(znode_data(node));
    if (quota_check(op, r->path, more, 0) != ZK_OK)
        return ZK_QUOTA_EXCEEDED;
    znode_stat(node, &stat);
    if (r->version != -1 && r->version != stat.version)
        return ZK_BAD_VERSION;
    struct op_effect effect = {.kind = OP_DATA_CHANGED, .acl_id = znode_acl(node), .path = r->path};
    if (tree_set(op->m->tree, r->path, r->data) != 0) {
        op->m->counters.memory_refused++;
        return ZK_SYSTEM_ERROR;
    }
    op_effect(op, effect);
    quota_set(op, r->path, more);
    op_put_stat(out, op_node(op, r->path));
    CHECK(!out->bad);
    return ZK_OK;
}
