/* setACL (zk_protocol.md sections 7, 12 and 13). The version is the node's aversion. */
#include "store/op.h"

#include "base/check.h"
#include "store/path.h"

bool op_set_acl_decode(struct jute_in *in, struct op_request *r)
{
    r->path = jute_get_bytes(in);
    r->acl = acl_list_take(in);
    r->version = jute_get_int(in);
    return !in->bad;
}

int32_t op_set_acl_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    struct op_effect effect = {.kind = OP_ACL_CHANGED, .path = r->path};
    struct machine *m = op->m;
    struct zk_stat stat;
    int32_t size = 0;
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    if (!path_valid(r->path))
        return ZK_BAD_ARGUMENTS;
    if (acl_fixup(r->acl, op->identities, m->acl_room, &size) != ZK_OK)
        return ZK_INVALID_ACL;
    const struct znode *node = op_node(op, r->path);
    if (!node)
        return ZK_NO_NODE;
    if (!op_allows(op, node, ZK_PERM_ADMIN))
        return ZK_NO_AUTH;
    znode_stat(node, &stat);
    if (r->version != -1 && r->version != stat.aversion)
        return ZK_BAD_VERSION;
    if (acl_intern(m->acls, bytes_of(m->acl_room, (size_t)size), &effect.acl_id) != 0)
        return ZK_SYSTEM_ERROR;
    effect.acl_id_before = znode_acl(node);
    tree_set_acl(m->tree, r->path, effect.acl_id);
    op_effect(op, effect);
    op_put_stat(out, op_node(op, r->path));
    CHECK(!out->bad);
    CHECK(m->effect_count > 0);
    return ZK_OK;
}
