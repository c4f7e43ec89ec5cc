#include "store/op.h"

#include "base/check.h"
#include "base/jute_stat.h"
#include "store/path.h"
#include "store/quota.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool decode_nothing(struct jute_in *in, struct op_request *r)
{
    (void)in;
    (void)r;
    return true;
}

static bool decode_all(struct jute_in *in, struct op_request *r)
{
    r->all = bytes_of(in->at, (size_t)(in->end - in->at));
    return true;
}

/* createSession and deleteContainer are the leader's own (zk_protocol.md section 22). */
static int32_t run_internal(struct op *op, const struct op_request *r, struct jute_out *out)
{
    (void)op;
    (void)r;
    (void)out;
    return ZK_UNIMPLEMENTED;
}

/* The frequent ones first: it is searched in order. */
static const struct op_kind kinds[] = {
    {ZK_OP_SET_DATA, ZK_OP_SET_DATA, op_set_data_decode, op_set_data_run},
    {ZK_OP_CREATE, ZK_OP_CREATE, op_create_decode, op_create_run},
    {ZK_OP_CREATE2, ZK_OP_CREATE2, op_create_decode, op_create_run},
    {ZK_OP_CREATE_CONTAINER, ZK_OP_CREATE2, op_create_decode, op_create_run},
    {ZK_OP_CREATE_TTL, ZK_OP_CREATE2, op_create_decode, op_create_run},
    {ZK_OP_DELETE, ZK_OP_DELETE, op_delete_decode, op_delete_run},
    {ZK_OP_CHECK, ZK_OP_CHECK, op_check_decode, op_check_run},
    {ZK_OP_SET_ACL, 0, op_set_acl_decode, op_set_acl_run},
    {ZK_OP_MULTI, 0, decode_all, op_multi_run},
    {ZK_OP_RECONFIG, 0, op_reconfig_decode, op_reconfig_run},
    {ZK_OP_CLOSE_SESSION, 0, decode_nothing, op_session_close_run},
    {ZK_OP_CREATE_SESSION, 0, decode_nothing, run_internal},
    {ZK_OP_DELETE_CONTAINER, 0, decode_nothing, run_internal},
};

const struct op_kind *op_kind(int32_t opcode)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].op == opcode)
            return &kinds[i];
    return NULL;
}

void *op_room_grow(void *room, uint64_t *max, uint64_t size, uint64_t each)
{
    if (size <= *max)
        return room;
    uint64_t next = size + size / 2;
    room = realloc(room, next * each);
    CHECK(room != NULL); /* a few MiB; without them nothing can be applied */
    *max = next;
    return room;
}

/* The most that a multi of this size can answer, suffix included: each operation takes at least
 * 17 bytes and answers at most 9 + 4 + path + 11 + 68 bytes. A set of 22 bytes answers 77, a create
 * has at least 40 bytes, all else answers less than it took. */
void op_rooms(struct machine *m, uint64_t body_size)
{
    m->reply_room =
        op_room_grow(m->reply_room, &m->reply_max, 4 * body_size + 1024 + MEMBERSHIP_TEXT_SIZE, 1);
    m->path_room = op_room_grow(m->path_room, &m->path_max, 2 * body_size + 256, 1);
    m->path_used = 0;
}

void op_begin(struct op *op)
{
    struct machine *m = op->m;
    uint64_t term_first = m->term << 32 | 1;
    op->zxid = (uint64_t)m->zxid < term_first ? (int64_t)term_first : m->zxid + 1;
    CHECK((uint64_t)op->zxid >> 32 == m->term); /* CORE begins a new term before the counter ends */
    CHECK(op->zxid > m->zxid);
    m->zxid = op->zxid;
    m->effect_count = 0;
    tree_begin(m->tree, op->zxid, m->time_ms);
}

void op_hash(struct op *op, const void *at, size_t size)
{
    op->result = XXH3_64bits_withSeed(at, size, op->result);
}

static struct bytes acl_told(struct op *op, uint32_t id)
{
    struct bytes nobody = {NULL, -1};
    if (LIKELY(id == ACL_ID_OPEN))
        return nobody;
    return acl_allows(op->m->acls, id, ZK_PERM_READ, nobody) ? nobody : acl_packed(op->m->acls, id);
}

static int32_t told_acl_size(struct op *op, uint32_t id)
{
    struct bytes told = acl_told(op, id);
    return told.size > 0 ? told.size : 0;
}

static void tell(struct op *op, const struct op_effect *effect, uint32_t event)
{
    op->sink->change(op->sink->self, op->zxid, event, effect->path, acl_told(op, effect->acl_id),
                     acl_told(op, effect->parent_acl_id));
}

/* Out of the index, and the reaper steps over it. */
static void disown(struct machine *m, struct bytes path)
{
    struct owned *owned = owned_find(&m->owned, path);
    CHECK(owned != NULL);
    for (int i = 0; i < 2; i++)
        if (m->reap_next[i] == owned)
            m->reap_next[i] = owned->next;
    owned_remove(&m->owned, owned);
}

static void carry_out(struct op *op, const struct op_effect *effect)
{
    struct machine *m = op->m;
    struct owned_list *list = op_owned_list(m, effect->owner);
    op->result ^= effect->kind + (uint64_t)effect->owner * 0x9E3779B97F4A7C15ull;
    op_hash(op, effect->path.at, (size_t)effect->path.size);
    switch ((enum op_effect_kind)effect->kind) {
    case OP_CREATED:
        acl_take(m->acls, effect->acl_id);
        CHECK(effect->owner == 0 || list != NULL);
        if (list)
            CHECK(owned_add(&m->owned, list, effect->path) == 0);
        tell(op, effect, ZK_EVENT_CREATED);
        break;
    case OP_DELETED:
        tell(op, effect, ZK_EVENT_DELETED);
        acl_drop(m->acls, effect->acl_id);
        if (list)
            disown(m, effect->path); /* the path may lie in the entry: last */
        break;
    case OP_DATA_CHANGED: tell(op, effect, ZK_EVENT_DATA_CHANGED); break;
    case OP_ACL_CHANGED:
        acl_take(m->acls, effect->acl_id);
        acl_drop(m->acls, effect->acl_id_before);
        break;
    }
}

static void drop(struct machine *m, const struct op_effect *effect)
{
    if (effect->kind == OP_CREATED || effect->kind == OP_ACL_CHANGED)
        acl_settle(m->acls, effect->acl_id);
    if (quota_is_limits(effect->path)) {
        m->quota_count -= effect->kind == OP_CREATED;
        m->quota_count += effect->kind == OP_DELETED;
    }
}

void op_finish(struct op *op, int32_t error)
{
    struct machine *m = op->m;
    CHECK(op->zxid == m->zxid);
    op->error = error;
    if (error == ZK_OK && !op->undone) {
        tree_commit(m->tree);
        for (uint32_t i = 0; i < m->effect_count; i++)
            carry_out(op, &m->effects[i]);
    } else {
        tree_rollback(m->tree);
        for (uint32_t i = 0; i < m->effect_count; i++)
            drop(m, &m->effects[i]);
    }
    m->effect_count = 0;
}

struct apply_reply op_reply_head(const struct op *op, int32_t error)
{
    const struct command *c = op->command;
    return (struct apply_reply){
        .head = {APPLY_NET_REPLY, 0, op->m->zxid},
        .conn = c->conn,
        .session = c->session,
        .op = c->op,
        .xid = c->xid,
        .error = error,
        .command_kind = c->kind,
        .zxid = op->m->zxid,
    };
}

void op_reply_send(struct op *op, struct apply_reply *head, struct bytes body)
{
    CHECK(body.size >= 0);
    CHECK(head->error == ZK_OK || body.size == 0);
    op->error = head->error;
    op->m->counters.failed += head->error != ZK_OK;
    head->head.size = (uint32_t)body.size;
    op_hash(op, body.at, (size_t)body.size);
    op->sink->reply(op->sink->self, head, body);
}

void op_reply(struct op *op, int32_t error, struct bytes body)
{
    struct apply_reply head = op_reply_head(op, error);
    if (error)
        body.size = 0;
    op_reply_send(op, &head, body);
}

void op_effect(struct op *op, struct op_effect effect)
{
    struct machine *m = op->m;
    uint64_t max = m->effect_max;
    m->effects = op_room_grow(m->effects, &max, m->effect_count + 1ull, sizeof *m->effects);
    m->effect_max = (uint32_t)max;
    CHECK(effect.path.size > 0);
    op->told_size += (uint64_t)effect.path.size;
    if (effect.kind != OP_ACL_CHANGED)
        op->told_size += (uint64_t)told_acl_size(op, effect.acl_id) +
                         (uint64_t)told_acl_size(op, effect.parent_acl_id);
    m->effects[m->effect_count++] = effect;
    if (quota_is_limits(effect.path)) {
        m->quota_count += effect.kind == OP_CREATED;
        m->quota_count -= effect.kind == OP_DELETED;
    }
}

const struct znode *op_node(struct op *op, struct bytes path)
{
    if (path.size == 0)
        return tree_find(op->m->tree, bytes_of("/", 1));
    if (path.size < 0 || path.at[0] != '/' || (path.size > 1 && path.at[path.size - 1] == '/'))
        return NULL;
    return tree_find(op->m->tree, path);
}

uint32_t op_parent_acl(struct op *op, struct bytes path)
{
    const struct znode *parent = op_node(op, path_parent(path));
    CHECK(parent != NULL);
    return znode_acl(parent);
}

bool op_allows(struct op *op, const struct znode *node, int32_t perm)
{
    uint32_t id = znode_acl(node);
    return LIKELY(id == ACL_ID_OPEN) || acl_allows(op->m->acls, id, perm, op->identities);
}

void op_put_stat(struct jute_out *out, const struct znode *node)
{
    struct zk_stat stat;
    CHECK(node != NULL);
    znode_stat(node, &stat);
    jute_stat_put(out, &stat);
}

bool op_owner_ttl(int64_t owner)
{
    return ((uint64_t)owner & ZK_OWNER_TTL_TOP) == ZK_OWNER_TTL_TOP;
}

bool op_owner_ephemeral(int64_t owner)
{
    return owner != 0 && owner != ZK_OWNER_CONTAINER && !op_owner_ttl(owner);
}

struct owned_list *op_owned_list(struct machine *m, int64_t owner)
{
    if (owner == 0)
        return NULL;
    if (owner == ZK_OWNER_CONTAINER)
        return &m->containers;
    if (op_owner_ttl(owner))
        return &m->ttls;
    struct session *session = session_find(&m->sessions, owner);
    return session ? &session->ephemerals : NULL;
}

void op_delete_node(struct op *op, const struct znode *node, struct bytes path,
                    uint32_t parent_acl_id)
{
    int64_t size = znode_data(node).size;
    CHECK(znode_child_count(node) == 0);
    op_effect(op, (struct op_effect){.kind = OP_DELETED,
                                     .acl_id = znode_acl(node),
                                     .parent_acl_id = parent_acl_id,
                                     .owner = znode_owner(node),
                                     .path = path});
    tree_remove(op->m->tree, path);
    quota_deleted(op, path, size > 0 ? size : 0);
}
