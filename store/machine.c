#include "store/machine.h"

#include "base/check.h"
#include "base/limits.h"
#include "store/op.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

int machine_create(struct machine **machine, const struct machine_config *config, struct tree *tree)
{
    CHECK(tree != NULL);
    if (config->session_count_max < 1 || config->session_count_max > LIMIT_SESSION_COUNT_MAX)
        return ERR_RANGE;
    struct machine *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NOMEM;
    m->config = *config;
    m->tree = tree;
    m->given = op_settings_of(m);
    m->config_of.version = -1;
    int err = acl_table_create(&m->acls, config->acl_count_max, config->skip_acl);
    if (!err)
        err = session_table_init(&m->sessions, config->session_count_max);
    if (!err)
        err = owned_init(&m->owned);
    m->acl_room = malloc(LIMIT_ACL_SIZE);
    if (!err && !m->acl_room)
        err = ERR_NOMEM;
    if (err) {
        machine_destroy(m);
        return err;
    }
    for (int i = 0; i < 3; i++)
        acl_take(m->acls, ACL_ID_OPEN); /* the nodes of a fresh tree: "/", quota and its parent */
    acl_take(m->acls, ACL_ID_READ);     /* /zookeeper/config */
    *machine = m;
    return 0;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    free(m->effects);
    free(m->reply_room);
    free(m->path_room);
    free(m->quota_room);
    free(m->acl_room);
    free(m->sort_room);
    owned_fini(&m->owned);
    session_table_fini(&m->sessions);
    acl_table_destroy(m->acls);
    free(m);
}

/* A request that ends before its handler runs, but consumes a zxid. */
static void answer(struct op *op, int32_t error)
{
    CHECK(error != ZK_OK);
    op_begin(op);
    op_finish(op, error);
    op_reply(op, error, bytes_of(NULL, 0));
}

/* A request whose number says whether it was carried out before. True: it is answered. */
static bool apply_once(struct op *op)
{
    if (!op->session) {
        answer(op, ZK_SESSION_EXPIRED);
        return true;
    }
    if (op_once_repeat(op))
        return true;
    if (!(op->command->flags & COMMAND_LATE))
        return false;
    answer(op, ZK_REQUEST_TIMEOUT);
    op_once_record(op, ZK_REQUEST_TIMEOUT, bytes_of(NULL, 0));
    return true;
}

static void apply_request(struct op *op, const uint8_t *body)
{
    const struct command *c = op->command;
    struct machine *m = op->m;
    const struct op_kind *kind = op_kind(c->op);
    struct op_request r = {.op = c->op};
    struct jute_in in = jute_in(body, c->body_size);
    bool once = c->flags & COMMAND_ONCE;
    if (op->session && !op_session_current(op)) {
        m->counters.moved++;
        answer(op, ZK_SESSION_MOVED);
        return;
    }
    if (once ? apply_once(op) : op->session && op_session_repeat(op))
        return;
    if (!kind) {
        answer(op, ZK_UNIMPLEMENTED);
        return;
    }
    if (!kind->decode(&in, &r)) {
        m->counters.undecodable++;
        op_reply(op, ZK_MARSHALLING_ERROR, bytes_of(NULL, 0));
        return;
    }
    op_begin(op);
    struct jute_out out = jute_out(m->reply_room, m->reply_max);
    int32_t error = kind->run(op, &r, &out);
    struct bytes told = bytes_of(m->reply_room, (size_t)(out.at - m->reply_room));
    if (once && told.size > LIMIT_SESSION_ONCE_SIZE)
        error = ZK_SYSTEM_ERROR; /* what cannot be recorded is not done */
    op_finish(op, error);
    if (!op->later)
        op_reply(op, error, told);
    if (once && !op->closing)
        op_once_record(op, error, told);
    if (op->closing)
        op_session_gone(op, SESSION_CLOSED);
}

/* The lane was moved already; whom it concerns learns it from there. */
static void apply_cancel(struct op *op, const uint8_t *body)
{
    (void)body;
    CHECK(op->command->lane != 0);
    CHECK(op->command->body_size == 0);
}

static void (*const kinds[])(struct op *op, const uint8_t *body) = {
    [COMMAND_NOOP] = op_settings_apply, [COMMAND_REQUEST] = apply_request,
    [COMMAND_OPEN] = op_session_open,   [COMMAND_ATTACH] = op_session_attach,
    [COMMAND_AUTH] = op_session_auth,   [COMMAND_EXPIRE] = op_session_expire,
    [COMMAND_REAP] = op_reap_apply,     [COMMAND_CANCEL] = apply_cancel,
    [COMMAND_CONFIG] = op_config_apply,
};

static struct op op_of(struct machine *m, const struct command *c, const struct machine_sink *sink)
{
    struct op op = {.m = m, .command = c, .sink = sink, .identities = {NULL, -1}};
    CHECK(c->version == COMMAND_VERSION);
    op.session = c->session ? session_find(&m->sessions, c->session) : NULL;
    if (op.session)
        op.identities = session_identities(op.session);
    return op;
}

void machine_apply(struct machine *m, uint64_t index, uint64_t term, const struct command *c,
                   const uint8_t *body, const struct machine_sink *sink)
{
    struct op op = op_of(m, c, sink);
    CHECK(index > m->index);
    CHECK(term >= m->term && term < 1u << 31);
    CHECK(c->kind < sizeof kinds / sizeof kinds[0]);
    CHECK(kinds[c->kind] != NULL);
    m->index = index;
    m->term = term;
    if (c->time_ms > m->time_ms)
        m->time_ms = c->time_ms;
    if (lanes_take(&m->lanes, c) == LANES_NEW) {
        if (c->kind != COMMAND_NOOP)
            op_rooms(m, c->body_size);
        kinds[c->kind](&op, body);
    } else {
        m->counters.lane_repeats++;
    }
    m->counters.lane_gaps = m->lanes.gaps;
    m->counters.applied++;
    struct {
        uint64_t before, index;
        int64_t zxid, error;
        uint64_t result;
    } link = {m->hash, index, m->zxid, op.error,
              op.result ^ m->lanes.node[c->node].lane * 0x9E3779B97F4A7C15ull};
    m->hash = XXH3_64bits(&link, sizeof link);
}

void machine_refuse(struct machine *m, const struct command *c, enum zk_error error,
                    const struct machine_sink *sink)
{
    struct op op = op_of(m, c, sink);
    CHECK(error != ZK_OK);
    op_reply(&op, error, bytes_of(NULL, 0));
}

void machine_timers(const struct machine *m, const struct machine_sink *sink)
{
    CHECK(sink->timer != NULL);
    for (const struct session *s = m->sessions.first; s; s = s->next)
        sink->timer(sink->self, s->id, s->timeout_ms);
}

/* ---- what others may ask ---- */

int64_t machine_zxid(const struct machine *m)
{
    return m->zxid;
}

uint64_t machine_index(const struct machine *m)
{
    return m->index;
}

uint64_t machine_term(const struct machine *m)
{
    return m->term;
}

int64_t machine_time_ms(const struct machine *m)
{
    return m->time_ms;
}

uint64_t machine_hash(const struct machine *m)
{
    return m->hash;
}

struct command_settings machine_settings(const struct machine *m)
{
    return m->given;
}

uint32_t machine_session_count(const struct machine *m)
{
    return m->sessions.count;
}

struct command_lane machine_lane(const struct machine *m, uint8_t node)
{
    return m->lanes.node[node];
}

uint32_t machine_lanes(const struct machine *m, struct command_lane *out)
{
    return lanes_list(&m->lanes, out);
}

uint64_t machine_ephemeral_count(const struct machine *m)
{
    return m->owned.count - m->containers.count - m->ttls.count;
}

const struct machine_counters *machine_counters(const struct machine *m)
{
    return &m->counters;
}

const struct membership *machine_members(const struct machine *m, int64_t *version,
                                         const struct membership **next)
{
    if (version)
        *version = m->config_of.version;
    if (next)
        *next = m->config_of.next.count > 0 ? &m->config_of.next : NULL;
    return &m->config_of.now;
}

struct acl_table *machine_acls(struct machine *m)
{
    return m->acls;
}
