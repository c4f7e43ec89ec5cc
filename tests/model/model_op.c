/* The model's writes: sections 7 to 10 and 13 of zk_protocol.md, read from top to bottom. */
#include "tests/model/model_state.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void model_change(struct model *model, uint32_t event, struct bytes path)
{
    CHECK(model->result.change_count < 65536);
    model->changes[model->result.change_count++] =
        (struct model_change){event, model_keep(model, path)};
}

static int64_t size_of(struct bytes data)
{
    return data.size > 0 ? data.size : 0;
}

static bool may(const struct model *model, const struct model_session *session,
                const struct model_node *node, int32_t perm)
{
    return model->config.skip_acl || (model_acl_perms(node->acl, session) & perm);
}

static bool is_session(int64_t owner)
{
    return owner != 0 && owner != INT64_MIN && (uint64_t)owner >> 56 != 0xFF;
}

void model_stat_put(struct model *model, const struct model_node *node)
{
    struct jute_out *out = &model->out;
    struct zk_stat s;
    model_stat(node, &s);
    int64_t times[] = {s.czxid, s.mzxid, s.ctime_ms, s.mtime_ms};
    int32_t versions[] = {s.version, s.cversion, s.aversion};
    for (int i = 0; i < 4; i++)
        jute_put_long(out, times[i]);
    for (int i = 0; i < 3; i++)
        jute_put_int(out, versions[i]);
    jute_put_long(out, s.ephemeral_owner);
    jute_put_int(out, s.data_length);
    jute_put_int(out, s.num_children);
    jute_put_long(out, s.pzxid);
}

static struct model_node *node_add(struct model *model, struct bytes path, struct bytes data,
                                   struct bytes acl, int64_t owner)
{
    struct model_node *node = model_alloc(model, sizeof *node);
    struct model_node *parent = model_node(model, model_parent(path));
    struct model_state *state = &model->state;
    CHECK(node && parent);
    node->path = model_keep(model, path);
    node->data = model_keep(model, data);
    node->acl = model_keep(model, acl);
    node->czxid = node->mzxid = node->pzxid = model->zxid;
    node->ctime_ms = node->mtime_ms = model->time_ms;
    node->owner = owner;
    parent->child_count++;
    parent->creations++;
    parent->pzxid = model->zxid;
    state->nodes = realloc(state->nodes, (state->node_count + 1) * sizeof *state->nodes);
    state->nodes[state->node_count++] = node;
    return node;
}

void model_node_remove(struct model *model, struct model_node *node)
{
    struct model_state *state = &model->state;
    struct model_node *parent = model_node(model, model_parent(node->path));
    uint32_t i = 0;
    parent->child_count--;
    parent->pzxid = model->zxid;
    while (state->nodes[i] != node)
        i++;
    for (; i + 1 < state->node_count; i++)
        state->nodes[i] = state->nodes[i + 1];
    state->node_count--;
    model_change(model, ZK_EVENT_DELETED, node->path);
    model_quota_follow(model, node->path, -size_of(node->data), -1);
}

static bool has_nul(struct bytes path)
{
    for (int32_t i = 0; i < path.size; i++)
        if (path.at[i] == 0)
            return true;
    return false;
}

static int32_t flags_judge(const struct model *model, int32_t op, int32_t flags, int64_t ttl)
{
    bool ttl_flag = flags == 5 || flags == 6;
    if (flags < 0 || flags > 6)
        return ZK_BAD_ARGUMENTS;
    if (ttl_flag && !model->config.extended_types)
        return ZK_UNIMPLEMENTED;
    if (ttl_flag && op != ZK_OP_CREATE_TTL)
        return ZK_BAD_ARGUMENTS;
    if (op == ZK_OP_CREATE_TTL && (!ttl_flag || ttl < 1 || ttl > 0xFFFFFFFFFF))
        return ZK_BAD_ARGUMENTS;
    return ZK_OK;
}

struct create {
    struct bytes path, data, acl;
    int32_t flags;
    int64_t ttl;
};

static int32_t create(struct model *model, const struct model_session *session, int32_t op,
                      struct create r, char *suffix_room)
{
    struct bytes parent_path = model_parent(r.path), acl;
    if (r.path.size < 0)
        return ZK_MARSHALLING_ERROR;
    if (parent_path.size < 0 || has_nul(r.path))
        return ZK_BAD_ARGUMENTS;
    if (!model_acl_make(session, r.acl, &acl))
        return ZK_INVALID_ACL;
    struct model_node *parent = model_node(model, parent_path);
    if (!parent)
        return ZK_NO_NODE;
    if (!may(model, session, parent, ZK_PERM_CREATE))
        return ZK_NO_AUTH;
    if (r.flags == 2 || r.flags == 3 || r.flags == 6) {
        int size = sprintf(suffix_room, "%.*s%010d", r.path.size, (const char *)r.path.at,
                           parent->creations);
        r.path = bytes_of(suffix_room, (size_t)size);
    }
    if (!model_path_valid(r.path))
        return ZK_BAD_ARGUMENTS;
    if (model_node(model, r.path))
        return ZK_NODE_EXISTS;
    if (is_session(parent->owner))
        return ZK_NO_CHILDREN_FOR_EPHEMERALS;
    if (!model_quota_allows(model, r.path, size_of(r.data), 1))
        return ZK_QUOTA_EXCEEDED;
    int64_t owner = op == ZK_OP_CREATE_CONTAINER   ? INT64_MIN
                    : op == ZK_OP_CREATE_TTL       ? (int64_t)(0xFFull << 56) | r.ttl
                    : r.flags == 1 || r.flags == 3 ? session->id
                                                   : 0;
    const struct model_node *node = node_add(model, r.path, r.data, acl, owner);
    model_change(model, ZK_EVENT_CREATED, r.path);
    model_quota_recount(model, r.path);
    model_quota_follow(model, r.path, size_of(r.data), 1);
    jute_put_bytes(&model->out, r.path);
    if (op != ZK_OP_CREATE)
        model_stat_put(model, node);
    return ZK_OK;
}

/* The bytes of a vector<ACL>, stepped over. */
static struct bytes acl_take(struct jute_in *in)
{
    const uint8_t *from = in->at;
    int32_t count = jute_get_count(in, 12);
    for (int32_t i = 0; i < count; i++) {
        jute_get_int(in);
        jute_get_bytes(in);
        jute_get_bytes(in);
    }
    return in->bad || count < 0 ? (struct bytes){NULL, -1}
                                : bytes_of(from, (size_t)(in->at - from));
}

static int32_t op_create(struct model *model, const struct model_session *session, int32_t op,
                         struct jute_in *in, bool in_multi)
{
    struct create r;
    r.path = jute_get_bytes(in);
    r.data = jute_get_bytes(in);
    r.acl = acl_take(in);
    r.flags = jute_get_int(in);
    r.ttl = op == ZK_OP_CREATE_TTL ? jute_get_long(in) : -1;
    if (in->bad || (in_multi && (r.flags < 0 || r.flags > 6)))
        return MODEL_UNDECODABLE;
    int32_t error = flags_judge(model, op, r.flags, r.ttl);
    if (error)
        return error;
    if (!session)
        return ZK_SESSION_EXPIRED;
    char *room = malloc((size_t)(r.path.size < 0 ? 0 : r.path.size) + 32);
    error = create(model, session, op, r, room);
    free(room);
    return error;
}

static int32_t op_delete(struct model *model, const struct model_session *session,
                         struct jute_in *in)
{
    struct bytes path = jute_get_bytes(in);
    int32_t version = jute_get_int(in);
    if (in->bad)
        return MODEL_UNDECODABLE;
    if (!session)
        return ZK_SESSION_EXPIRED;
    if (path.size < 0)
        return ZK_MARSHALLING_ERROR;
    if (model_parent(path).size < 0 || has_nul(path) || model_is(path, "/") ||
        model_is(path, "/zookeeper") || model_is(path, "/zookeeper/quota") ||
        model_is(path, "/zookeeper/config"))
        return ZK_BAD_ARGUMENTS;
    const struct model_node *parent = model_node(model, model_parent(path));
    struct model_node *node = model_node(model, path);
    if (!parent)
        return ZK_NO_NODE;
    if (!may(model, session, parent, ZK_PERM_DELETE))
        return ZK_NO_AUTH;
    if (!node)
        return ZK_NO_NODE;
    if (version != -1 && version != node->version)
        return ZK_BAD_VERSION;
    if (node->child_count)
        return ZK_NOT_EMPTY;
    model_node_remove(model, node);
    return ZK_OK;
}

static int32_t op_set_data(struct model *model, const struct model_session *session,
                           struct jute_in *in)
{
    struct bytes path = jute_get_bytes(in), data = jute_get_bytes(in);
    int32_t version = jute_get_int(in);
    if (in->bad)
        return MODEL_UNDECODABLE;
    if (!session)
        return ZK_SESSION_EXPIRED;
    if (!model_path_valid(path))
        return ZK_BAD_ARGUMENTS;
    struct model_node *node = model_node(model, path);
    if (!node)
        return ZK_NO_NODE;
    if (model_is(path, "/zookeeper/config") || !may(model, session, node, ZK_PERM_WRITE))
        return ZK_NO_AUTH;
    int64_t more = size_of(data) - size_of(node->data);
    if (!model_quota_allows(model, path, more, 0))
        return ZK_QUOTA_EXCEEDED;
    if (version != -1 && version != node->version)
        return ZK_BAD_VERSION;
    node->data = model_keep(model, data);
    node->version = (int32_t)((uint32_t)node->version + 1);
    node->mzxid = model->zxid;
    node->mtime_ms = model->time_ms;
    model_change(model, ZK_EVENT_DATA_CHANGED, path);
    model_quota_follow(model, path, more, 0);
    model_stat_put(model, node);
    return ZK_OK;
}

static int32_t op_set_acl(struct model *model, const struct model_session *session,
                          struct jute_in *in)
{
    struct bytes path = jute_get_bytes(in), list = acl_take(in), acl;
    int32_t version = jute_get_int(in);
    if (in->bad)
        return MODEL_UNDECODABLE;
    if (!session)
        return ZK_SESSION_EXPIRED;
    if (!model_path_valid(path))
        return ZK_BAD_ARGUMENTS;
    if (!model_acl_make(session, list, &acl))
        return ZK_INVALID_ACL;
    struct model_node *node = model_node(model, path);
    if (!node)
        return ZK_NO_NODE;
    if (!may(model, session, node, ZK_PERM_ADMIN))
        return ZK_NO_AUTH;
    if (version != -1 && version != node->aversion)
        return ZK_BAD_VERSION;
    node->acl = model_keep(model, acl);
    node->aversion = (int32_t)((uint32_t)node->aversion + 1);
    model_stat_put(model, node);
    return ZK_OK;
}

static int32_t op_check(struct model *model, const struct model_session *session,
                        struct jute_in *in, bool in_multi)
{
    struct bytes path = jute_get_bytes(in);
    int32_t version = jute_get_int(in);
    if (in->bad)
        return MODEL_UNDECODABLE;
    if (!in_multi)
        return ZK_UNIMPLEMENTED;
    if (!session)
        return ZK_SESSION_EXPIRED;
    if (!model_path_valid(path))
        return ZK_BAD_ARGUMENTS;
    const struct model_node *node = model_node(model, path);
    if (!node)
        return ZK_NO_NODE;
    if (!may(model, session, node, ZK_PERM_READ))
        return ZK_NO_AUTH;
    return version == -1 || version == node->version ? ZK_OK : ZK_BAD_VERSION;
}

int32_t model_op(struct model *model, const struct model_session *session, int32_t op,
                 struct jute_in *in, bool in_multi)
{
    switch (op) {
    case ZK_OP_CREATE:
    case ZK_OP_CREATE2:
    case ZK_OP_CREATE_CONTAINER:
    case ZK_OP_CREATE_TTL: return op_create(model, session, op, in, in_multi);
    case ZK_OP_DELETE: return op_delete(model, session, in);
    case ZK_OP_SET_DATA: return op_set_data(model, session, in);
    case ZK_OP_SET_ACL: return in_multi ? MODEL_UNDECODABLE : op_set_acl(model, session, in);
    case ZK_OP_CHECK: return op_check(model, session, in, in_multi);
    default: return in_multi ? MODEL_UNDECODABLE : ZK_UNIMPLEMENTED;
    }
}
