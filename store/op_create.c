/* create, create2, createContainer, createTTL (zk_protocol.md sections 7, 10, 13). The order of the
 * checks is the wire's contract. */
#include "store/op.h"

#include "base/check.h"
#include "store/path.h"
#include "store/quota.h"

#include <stdio.h>
#include <string.h>

bool op_create_decode(struct jute_in *in, struct op_request *r)
{
    r->path = jute_get_bytes(in);
    r->data = jute_get_bytes(in);
    r->acl = acl_list_take(in);
    r->flags = jute_get_int(in);
    r->ttl = r->op == ZK_OP_CREATE_TTL ? jute_get_long(in) : -1;
    return !in->bad;
}

/* Flag, TTL and opcode must fit together; judged before anything else. */
static int32_t mode_check(const struct op *op, const struct op_request *r)
{
    bool ttl = r->flags == ZK_CREATE_TTL || r->flags == ZK_CREATE_TTL_SEQUENTIAL;
    if (r->flags < ZK_CREATE_PERSISTENT || r->flags > ZK_CREATE_TTL_SEQUENTIAL)
        return ZK_BAD_ARGUMENTS;
    if (ttl && !op->m->config.extended_types)
        return ZK_UNIMPLEMENTED;
    if (ttl != (r->op == ZK_OP_CREATE_TTL))
        return ZK_BAD_ARGUMENTS;
    if (ttl && (r->ttl < 1 || r->ttl > ZK_TTL_MS_MAX))
        return ZK_BAD_ARGUMENTS;
    return ZK_OK;
}

static bool sequential(const struct op_request *r)
{
    return r->flags == ZK_CREATE_PERSISTENT_SEQUENTIAL ||
           r->flags == ZK_CREATE_EPHEMERAL_SEQUENTIAL || r->flags == ZK_CREATE_TTL_SEQUENTIAL;
}

/* The opcode decides; of the flag only the ephemeral bit counts beside it. */
static int64_t owner_of(const struct op *op, const struct op_request *r)
{
    if (r->op == ZK_OP_CREATE_CONTAINER)
        return ZK_OWNER_CONTAINER;
    if (r->op == ZK_OP_CREATE_TTL)
        return (int64_t)(ZK_OWNER_TTL_TOP | (uint64_t)r->ttl);
    bool ephemeral = r->flags == ZK_CREATE_EPHEMERAL || r->flags == ZK_CREATE_EPHEMERAL_SEQUENTIAL;
    return ephemeral ? op->session->id : 0;
}

/* The path with its suffix, in the machine's room. creations never wraps (it stays at INT32_MAX),
 * so a parent at the end of its numbers answers NODE_EXISTS from the second time on. */
static struct bytes suffixed(struct op *op, struct bytes path, int32_t creations)
{
    struct machine *m = op->m;
    uint8_t *at = m->path_room + m->path_used;
    char suffix[16];
    int size = snprintf(suffix, sizeof suffix, "%010d", creations);
    CHECK(creations >= 0 && size > 0 && size <= PATH_SEQUENCE_SIZE);
    CHECK(m->path_used + (uint64_t)path.size + (uint64_t)size <= m->path_max);
    memcpy(at, path.at, (size_t)path.size);
    memcpy(at + path.size, suffix, (size_t)size);
    m->path_used += (uint64_t)path.size + (uint64_t)size;
    return bytes_of(at, (size_t)path.size + (size_t)size);
}

/* The checks behind the permission: on the final path and what stands there. */
static int32_t place_check(struct op *op, const struct znode *parent, struct bytes path,
                           struct bytes data)
{
    int64_t size = data.size > 0 ? data.size : 0;
    if (!path_valid(path))
        return ZK_BAD_ARGUMENTS;
    if (op_node(op, path))
        return ZK_NODE_EXISTS;
    if (op_owner_ephemeral(znode_owner(parent)))
        return ZK_NO_CHILDREN_FOR_EPHEMERALS;
    return quota_check(op, path, size, 1);
}

static int32_t add(struct op *op, const struct op_request *r, struct bytes path, struct bytes acl,
                   uint32_t parent_acl_id)
{
    struct op_effect effect = {
        .kind = OP_CREATED, .parent_acl_id = parent_acl_id, .owner = owner_of(op, r), .path = path};
    struct machine *m = op->m;
    if (acl_intern(m->acls, acl, &effect.acl_id) != 0)
        return ZK_SYSTEM_ERROR;
    if (tree_add(m->tree, path, r->data, effect.acl_id, effect.owner) != 0) {
        acl_settle(m->acls, effect.acl_id);
        m->counters.memory_refused++;
        return ZK_SYSTEM_ERROR;
    }
    op_effect(op, effect);
    quota_created(op, path, r->data.size > 0 ? r->data.size : 0);
    return ZK_OK;
}

int32_t op_create_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    int32_t error = mode_check(op, r), acl_size = 0;
    if (error)
        return error;
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    if (r->path.size < 0)
        return ZK_MARSHALLING_ERROR;
    struct bytes parent_path = path_parent(r->path), path = r->path;
    if (parent_path.size < 0 || path_has_nul(path))
        return ZK_BAD_ARGUMENTS;
    if (acl_fixup(r->acl, op->identities, op->m->acl_room, &acl_size) != ZK_OK)
        return ZK_INVALID_ACL;
    const struct znode *parent = op_node(op, parent_path);
    if (!parent)
        return ZK_NO_NODE;
    if (!op_allows(op, parent, ZK_PERM_CREATE))
        return ZK_NO_AUTH;
    if (sequential(r))
        path = suffixed(op, path, znode_creations(parent));
    error = place_check(op, parent, path, r->data);
    if (error)
        return error;
    error = add(op, r, path, bytes_of(op->m->acl_room, (size_t)acl_size), znode_acl(parent));
    if (error)
        return error;
    jute_put_bytes(out, path);
    if (r->op != ZK_OP_CREATE)
        op_put_stat(out, op_node(op, path));
    CHECK(!out->bad);
    return ZK_OK;
}
