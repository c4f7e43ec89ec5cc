/* reconfig (zk_protocol.md section 7, zk_admin.md section 7): what is wanted is checked here, in
 * the order of the reference, and becomes the pending change. The leader's CORE carries it out with
 * entries of its own (op_config.c), and the client is answered when the last of them is applied. A
 * node alone has no membership to change. */
#include "store/op.h"

#include "base/check.h"

#include <string.h>

/* Of struct op_request: path = joining, data = leaving, acl = new members, ttl = the version that
 * the change is based on. A text that is absent has size -1. */
bool op_reconfig_decode(struct jute_in *in, struct op_request *r)
{
    CHECK(r->op == ZK_OP_RECONFIG);
    r->path = jute_get_bytes(in);
    r->data = jute_get_bytes(in);
    r->acl = jute_get_bytes(in);
    r->ttl = jute_get_long(in);
    return !in->bad;
}

static size_t text_size(struct bytes text)
{
    return text.size > 0 ? (size_t)text.size : 0;
}

/* More than MEMBERSHIP_MAX servers in both lists together are more than the log can serve while
 * both count. */
static bool fits_beside(const struct membership *now, const struct membership *wanted)
{
    struct membership both = *now;
    for (uint32_t i = 0; i < wanted->count; i++)
        if (membership_add(&both, &wanted->server[i]) != 0)
            return false;
    return true;
}

static bool every_client_known(const struct membership *wanted)
{
    for (uint32_t i = 0; i < wanted->count; i++)
        if (!wanted->server[i].client_port)
            return false;
    return true;
}

/* The list that the request asks for. False: there is none such. */
static bool wanted_list(const struct op *op, const struct op_request *r, struct membership *wanted)
{
    const struct membership *now = &op->m->config_of.now;
    int err;
    *wanted = *now;
    if (r->acl.size >= 0)
        err = membership_parse(wanted, (const char *)r->acl.at, text_size(r->acl), NULL, NULL);
    else
        err = membership_change(wanted, (const char *)r->path.at, text_size(r->path),
                                (const char *)r->data.at, text_size(r->data), NULL);
    if (err || (r->acl.size >= 0 && !every_client_known(wanted)))
        return false;
    if (membership_check(wanted, NULL) != 0 || !fits_beside(now, wanted))
        return false;
    return membership_voter_count(wanted) >= (op->m->config.standalone ? 2 : 1);
}

/* takt's own, where the new members stand: "leader=<id>" asks that this voter leads, for a restart
 * in turn. It changes no membership, so reconfigEnabled does not forbid it; the ACL does. */
static bool wants_leader(const struct op_request *r)
{
    return r->acl.size > 7 && memcmp(r->acl.at, "leader=", 7) == 0;
}

static int32_t transfer(struct op *op, const struct op_request *r, struct jute_out *out)
{
    const struct membership_server *to;
    const struct znode *node = op_node(op, bytes_of_string("/zookeeper/config"));
    uint32_t id = 0;
    CHECK(node != NULL);
    for (int32_t i = 7; i < r->acl.size && id <= MEMBERSHIP_ID_MAX; i++)
        id = r->acl.at[i] >= '0' && r->acl.at[i] <= '9' ? id * 10 + (uint32_t)(r->acl.at[i] - '0')
                                                        : MEMBERSHIP_ID_MAX + 1;
    to = membership_find(&op->m->config_of.now, id);
    if (!to || to->observer)
        return ZK_BAD_ARGUMENTS;
    if (!op_allows(op, node, ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    if (op->sink->transfer)
        op->sink->transfer(op->sink->self, (uint8_t)id);
    jute_put_bytes(out, znode_data(node));
    op_put_stat(out, node);
    CHECK(!out->bad);
    return ZK_OK;
}

int32_t op_reconfig_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    const struct op_config *config = &op->m->config_of;
    struct membership wanted;
    CHECK(r->op == ZK_OP_RECONFIG);
    CHECK(out != NULL);
    if (!op->m->config.reconfig_enabled && !wants_leader(r))
        return ZK_RECONFIG_DISABLED;
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    if (config->now.count == 0)
        return ZK_UNIMPLEMENTED;
    if (wants_leader(r))
        return transfer(op, r, out);
    if (config->pending || config->next.count > 0)
        return ZK_RECONFIG_IN_PROGRESS;
    if (r->ttl != -1 && r->ttl != config->version)
        return ZK_BAD_VERSION;
    if (!wanted_list(op, r, &wanted))
        return ZK_BAD_ARGUMENTS;
    const struct znode *node = op_node(op, bytes_of_string("/zookeeper/config"));
    CHECK(node != NULL);
    if (!op_allows(op, node, ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    op_config_want(op, &wanted);
    return ZK_OK;
}
