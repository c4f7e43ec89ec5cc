/* check: an operation of multi only (zk_protocol.md sections 8 and 13). */
#include "store/op.h"

#include "base/check.h"
#include "store/path.h"

bool op_check_decode(struct jute_in *in, struct op_request *r)
{
    r->path = jute_get_bytes(in);
    r->version = jute_get_int(in);
    return !in->bad;
}

int32_t op_check_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    struct zk_stat stat;
    CHECK(out != NULL);
    if (op->command->op != ZK_OP_MULTI)
        return ZK_UNIMPLEMENTED;
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    if (!path_valid(r->path))
        return ZK_BAD_ARGUMENTS;
    const struct znode *node = op_node(op, r->path);
    if (!node)
        return ZK_NO_NODE;
    if (!op_allows(op, node, ZK_PERM_READ))
        return ZK_NO_AUTH;
    znode_stat(node, &stat);
    return r->version == -1 || r->version == stat.version ? ZK_OK : ZK_BAD_VERSION;
}
