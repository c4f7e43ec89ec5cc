/* delete (zk_protocol.md sections 7 and 13). */
#include "store/op.h"

#include "base/check.h"
#include "store/path.h"

bool op_delete_decode(struct jute_in *in, struct op_request *r)
{
    r->path = jute_get_bytes(in);
    r->version = jute_get_int(in);
    return !in->bad;
}

int32_t op_delete_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    struct zk_stat stat;
    CHECK(out != NULL);
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    if (r->path.size < 0)
        return ZK_MARSHALLING_ERROR;
    struct bytes parent_path = path_parent(r->path);
    if (parent_path.size < 0 || path_has_nul(r->path) || path_special(r->path))
        return ZK_BAD_ARGUMENTS;
    const struct znode *parent = op_node(op, parent_path);
    if (!parent)
        return ZK_NO_NODE;
    if (!op_allows(op, parent, ZK_PERM_DELETE))
        return ZK_NO_AUTH;
    const struct znode *node = op_node(op, r->path);
    if (!node)
        return ZK_NO_NODE;
    znode_stat(node, &stat);
    if (r->version != -1 && r->version != stat.version)
        return ZK_BAD_VERSION;
    if (znode_child_count(node) > 0)
        return ZK_NOT_EMPTY;
    CHECK(r->path.size > 1);
    op_delete_node(op, node, r->path, znode_acl(parent));
    return ZK_OK;
}
