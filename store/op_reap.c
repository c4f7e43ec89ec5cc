/* Containers and TTL nodes (zk_protocol.md section 18): finding those that may go, and the command
 * that deletes one, which judges again in log order. */
#include "store/op.h"

#include "base/check.h"

bool op_reap_due(const struct machine *m, const struct znode *node, int64_t time_ms)
{
    int64_t owner = znode_owner(node);
    struct zk_stat stat;
    znode_stat(node, &stat);
    if (znode_child_count(node) > 0)
        return false;
    if (owner == ZK_OWNER_CONTAINER) {
        int64_t unused_ms = m->config.container_unused_ms;
        return znode_creations(node) > 0 || (unused_ms > 0 && time_ms - stat.mtime_ms > unused_ms);
    }
    return op_owner_ttl(owner) && time_ms - stat.mtime_ms > (owner & ZK_TTL_MS_MAX);
}

void op_reap_apply(struct op *op, const uint8_t *body)
{
    struct bytes path = bytes_of(body, op->command->body_size);
    const struct znode *node = path.size > 1 ? op_node(op, path) : NULL;
    CHECK(op->sink != NULL);
    if (!node || !op_reap_due(op->m, node, op->m->time_ms))
        return;
    op_begin(op);
    op_delete_node(op, node, path, op_parent_acl(op, path));
    op_finish(op, ZK_OK);
    op->m->counters.reaped++;
}
