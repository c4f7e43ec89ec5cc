/* The membership in the log (base/membership.h): what its entries do to the state. */
#include "store/op.h"

#include "base/check.h"

#include <string.h>

static struct bytes op_config_path(void)
{
    return bytes_of_string("/zookeeper/config");
}

/* The answer to the pending request: of the entry that ends it, to who asked. */
static void op_config_answer(struct op *op, int32_t error)
{
    struct op_config *config = &op->m->config_of;
    struct op answer = *op;
    struct jute_out out = jute_out(op->m->reply_room, op->m->reply_max);

    CHECK(config->pending);
    answer.command = &config->who;
    if (error == ZK_OK) {
        const struct znode *node = op_node(op, op_config_path());
        jute_put_bytes(&out, znode_data(node));
        op_put_stat(&out, node);
        CHECK(!out.bad);
    }
    if (op->sink->whose)
        op->sink->whose(op->sink->self, &config->who);
    op_reply(&answer, error, bytes_of(op->m->reply_room, (size_t)(out.at - op->m->reply_room)));
    op->result = answer.result;
    op->error = error;
    config->pending = false;
    memset(&config->wanted, 0, sizeof config->wanted);
    memset(&config->who, 0, sizeof config->who);
}

/* Writes /zookeeper/config: data, mzxid and mtime; its version is -1 (zk_protocol.md section 16).
 */
static void op_config_write(struct op *op, const struct membership *members)
{
    char text[MEMBERSHIP_TEXT_SIZE];

    op_begin(op);
    size_t size = membership_print(members, op->zxid, text, sizeof text);
    struct bytes path = op_config_path();
    const struct znode *node = op_node(op, path);
    CHECK(node != NULL); /* it cannot be deleted */
    struct op_effect effect = {.kind = OP_DATA_CHANGED, .acl_id = znode_acl(node), .path = path};
    tree_set_unversioned(op->m->tree, path, bytes_of(text, size));
    op_effect(op, effect);
    op_finish(op, ZK_OK);
    op_hash(op, text, size);
}

void op_config_apply(struct op *op, const uint8_t *body)
{
    struct op_config *config = &op->m->config_of;
    struct membership_body entry;

    CHECK(membership_body_decode(&entry, body, op->command->body_size) == 0);
    op_hash(op, body, op->command->body_size);
    if (entry.flags & MEMBERSHIP_REFUSED) {
        if (config->pending)
            op_config_answer(op, entry.error);
        return;
    }
    if (entry.flags & MEMBERSHIP_JOINT) {
        config->next = entry.after;
#if TAKT_PLANT == 45
        if (config->pending)
            op_config_answer(op, ZK_RECONFIG_IN_PROGRESS);
#endif
        return;
    }
    /* Two memberships, and then the first of a new ensemble: --begin-anew. */
    bool given_up = entry.flags & MEMBERSHIP_INITIAL && config->next.count > 0;
    op_config_write(op, &entry.after);
    config->now = entry.after;
    config->version = op->zxid;
    memset(&config->next, 0, sizeof config->next);
    if (config->pending && membership_equal(&config->wanted, &config->now))
        op_config_answer(op, ZK_OK);
    else if (config->pending && given_up)
        op_config_answer(op, ZK_NEW_CONFIG_NO_QUORUM);
}

/* ---- the request that waits ---- */

static void op_config_tell(struct op *op)
{
    const struct op_config *config = &op->m->config_of;
    char text[MEMBERSHIP_TEXT_SIZE];

    CHECK(config->pending);
    if (!op->sink->reconfig)
        return;
    size_t size = membership_print(&config->wanted, -1, text, sizeof text);
    op->sink->reconfig(op->sink->self, config->wanted_zxid, bytes_of(text, size));
}

void op_config_want(struct op *op, const struct membership *wanted)
{
    struct op_config *config = &op->m->config_of;

    CHECK(!config->pending);
    CHECK(op->command->kind == COMMAND_REQUEST);
    config->pending = true;
    config->wanted = *wanted;
    config->who = *op->command;
    config->wanted_zxid = op->zxid;
    op->later = true;
    op_config_tell(op);
}

void op_config_remind(struct op *op)
{
    const struct op_config *config = &op->m->config_of;

    if (config->pending && config->next.count == 0)
        op_config_tell(op);
}

/* ---- the snapshot image ---- */

static void members_put(struct jute_out *out, const struct membership *m)
{
    char text[MEMBERSHIP_TEXT_SIZE];
    size_t size = membership_print(m, -1, text, sizeof text);
    jute_put_bytes(out, bytes_of(text, size));
}

static void members_get(struct jute_in *in, struct membership *m)
{
    struct bytes text = jute_get_bytes(in);
    in->bad |= text.size < 0;
    if (!in->bad)
        in->bad = membership_parse(m, (const char *)text.at, (size_t)text.size, NULL, NULL) != 0 ||
                  (m->count > 0 && membership_check(m, NULL) != 0);
}

void op_config_put(struct jute_out *out, const struct op_config *config)
{
    const struct command *who = &config->who;

    members_put(out, &config->now);
    members_put(out, &config->next);
    jute_put_long(out, config->version);
#if TAKT_PLANT == 46
    jute_put_byte(out, false);
    return;
#endif
    jute_put_byte(out, config->pending);
    if (!config->pending)
        return;
    members_put(out, &config->wanted);
    jute_put_long(out, config->wanted_zxid);
    jute_put_byte(out, who->node);
    jute_put_byte(out, who->net);
    jute_put_int(out, who->xid);
    jute_put_long(out, (int64_t)who->conn);
    jute_put_long(out, who->session);
    jute_put_int(out, (int32_t)who->attach);
    jute_put_long(out, (int64_t)who->sequence);
    jute_put_long(out, (int64_t)who->lane);
    jute_put_long(out, (int64_t)who->incarnation);
}

static void waiting_get(struct jute_in *in, struct op_config *config)
{
    struct command *who = &config->who;

    members_get(in, &config->wanted);
    in->bad |= config->wanted.count == 0;
    config->wanted_zxid = jute_get_long(in);
    *who = (struct command){.kind = COMMAND_REQUEST, .version = COMMAND_VERSION};
    who->op = ZK_OP_RECONFIG;
    who->node = jute_get_byte(in);
    who->net = jute_get_byte(in);
    who->xid = jute_get_int(in);
    who->conn = (uint64_t)jute_get_long(in);
    who->session = jute_get_long(in);
    who->attach = (uint32_t)jute_get_int(in);
    who->sequence = (uint64_t)jute_get_long(in);
    who->lane = (uint64_t)jute_get_long(in);
    who->incarnation = (uint64_t)jute_get_long(in);
}

void op_config_get(struct jute_in *in, struct op_config *config)
{
    members_get(in, &config->now);
    members_get(in, &config->next);
    config->version = jute_get_long(in);
    config->pending = jute_get_bool(in);
    in->bad |= config->now.count == 0 && (config->pending || config->version != -1);
    if (config->pending)
        waiting_get(in, config);
}
