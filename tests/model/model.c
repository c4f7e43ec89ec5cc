#include "tests/model/model_state.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void *model_alloc(struct model *model, size_t size)
{
    struct model_kept *kept = calloc(1, sizeof *kept + size + 1);
    CHECK(kept != NULL);
    kept->next = model->kept;
    model->kept = kept;
    return kept->bytes;
}

struct bytes model_keep(struct model *model, struct bytes bytes)
{
    uint8_t *copy = model_alloc(model, bytes.size > 0 ? (size_t)bytes.size : 0);
    if (bytes.size > 0)
        memcpy(copy, bytes.at, (size_t)bytes.size);
    return (struct bytes){copy, bytes.size};
}

static void built_in(struct model *model, const char *path, int32_t children, int32_t aversion,
                     int32_t perms)
{
    struct model_node *node = model_alloc(model, sizeof *node);
    uint8_t acl[64];
    struct jute_out out = jute_out(acl, sizeof acl);
    jute_put_int(&out, 1);
    jute_put_int(&out, perms);
    jute_put_bytes(&out, bytes_of_string("world"));
    jute_put_bytes(&out, bytes_of_string("anyone"));
    node->path = bytes_of_string(path);
    node->data = bytes_of_string("");
    node->acl = model_keep(model, bytes_of(acl, (size_t)(out.at - acl)));
    node->child_count = children;
    node->aversion = aversion;
    model->state.nodes =
        realloc(model->state.nodes, (model->state.node_count + 1) * sizeof(void *));
    model->state.nodes[model->state.node_count++] = node;
}

struct model *model_create(const struct model_config *config)
{
    struct model *model = calloc(1, sizeof *model);
    CHECK(model != NULL);
    model->config = *config;
    model->members.version = -1;
    built_in(model, "/", 1, 0, ZK_PERM_ALL);
    built_in(model, "/zookeeper", 2, 0, ZK_PERM_ALL);
    built_in(model, "/zookeeper/quota", 0, 0, ZK_PERM_ALL);
    built_in(model, "/zookeeper/config", 0, -1, ZK_PERM_READ);
    return model;
}

void model_destroy(struct model *model)
{
    struct model_kept *next;
    for (struct model_kept *kept = model->kept; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    free(model->state.nodes);
    free(model->saved.nodes);
    for (uint32_t i = 0; i < model->session_count; i++)
        free(model->sessions[i]);
    free(model->sessions);
    free(model);
}

struct model_session *model_session(const struct model *model, int64_t id)
{
    for (uint32_t i = 0; i < model->session_count; i++)
        if (id != 0 && model->sessions[i]->id == id)
            return model->sessions[i];
    return NULL;
}

struct model_node *model_node(const struct model *model, struct bytes path)
{
    if (path.size == 0)
        path = bytes_of_string("/");
    for (uint32_t i = 0; i < model->state.node_count; i++)
        if (bytes_equal(model->state.nodes[i]->path, path))
            return model->state.nodes[i];
    return NULL;
}

int64_t model_zxid_next(const struct model *model)
{
    return (uint64_t)model->zxid >> 32 < model->term ? (int64_t)(model->term << 32 | 1)
                                                     : model->zxid + 1;
}

static void zxid_next(struct model *model)
{
    model->zxid = model_zxid_next(model);
}

/* ---- all or nothing ---- */

static void state_save(struct model *model)
{
    const struct model_state *now = &model->state;
    struct model_state *saved = &model->saved;
    uint32_t have = saved->node_count;
    saved->nodes = realloc(saved->nodes, (now->node_count + 1) * sizeof(void *));
    saved->node_count = now->node_count;
    for (uint32_t i = 0; i < now->node_count; i++) {
        if (i >= have) /* what was saved before is of no use any more */
            saved->nodes[i] = model_alloc(model, sizeof(struct model_node));
        *saved->nodes[i] = *now->nodes[i];
    }
}

static void state_back(struct model *model)
{
    struct model_state now = model->state;
    model->state = model->saved;
    model->saved = now;
    model->result.change_count = 0;
}

/* ---- multi ---- */

static void header_put(struct model *model, int32_t type, bool done, int32_t error)
{
    jute_put_int(&model->out, type);
    jute_put_byte(&model->out, done);
    jute_put_int(&model->out, error);
}

static bool header_take(struct jute_in *in, int32_t *op)
{
    *op = jute_get_int(in);
    bool done = jute_get_byte(in) != 0;
    jute_get_int(in);
    return !done && !in->bad;
}

/* Runs the operations until one fails. Undecodable ones anywhere count before all else, so even
 * behind a failure the rest is run (on a state that will be dropped) to see its form. */
static int32_t multi(struct model *model, const struct model_session *session, struct jute_in in)
{
    int32_t op, count = 0, failed = -1, failure = 0;
    state_save(model);
    while (header_take(&in, &op)) {
        header_put(model, op == 15 || op == 19 || op == 21 ? 15 : op, false, 0);
        int32_t error = model_op(model, session, op, &in, true);
        if (error == MODEL_UNDECODABLE)
            return MODEL_UNDECODABLE;
        if (error && failed < 0) {
            failed = count;
            failure = error;
        }
        count++;
    }
    if (in.bad)
        return MODEL_UNDECODABLE;
    if (failure == ZK_MARSHALLING_ERROR)
        return failure;
    if (failed >= 0) {
        model->out = jute_out(model->body, sizeof model->body);
        state_back(model);
        for (int32_t i = 0; i < count; i++) {
            int32_t code = i < failed ? 0 : i == failed ? failure : ZK_RUNTIME_INCONSISTENCY;
            header_put(model, -1, false, code);
            jute_put_int(&model->out, code);
        }
    }
    header_put(model, -1, true, -1);
    return ZK_OK;
}

/* ---- sessions ---- */

static int by_path(const void *a, const void *b)
{
    struct bytes x = (*(struct model_node *const *)a)->path;
    struct bytes y = (*(struct model_node *const *)b)->path;
    int order = memcmp(x.at, y.at, (size_t)(x.size < y.size ? x.size : y.size));
    return order ? order : x.size - y.size;
}

static void session_end(struct model *model, struct model_session *session)
{
    struct model_node **mine = calloc(model->state.node_count, sizeof *mine);
    uint32_t count = 0, i = 0;
    for (uint32_t n = 0; n < model->state.node_count; n++)
        if (model->state.nodes[n]->owner == session->id)
            mine[count++] = model->state.nodes[n];
    if (count)
        qsort(mine, count, sizeof *mine, by_path);
    for (uint32_t n = 0; n < count; n++)
        model_node_remove(model, mine[n]);
    free(mine);
    while (model->sessions[i] != session)
        i++;
    model->sessions[i] = model->sessions[--model->session_count];
    free(session);
    model->result.session_gone = true;
}

static void identity_add(struct model *model, struct model_session *session, struct bytes scheme,
                         struct bytes id)
{
    for (int i = 0; i < session->identity_count; i++)
        if (bytes_equal(session->identities[i].scheme, scheme) &&
            bytes_equal(session->identities[i].id, id))
            return;
    CHECK(session->identity_count < 128);
    session->identities[session->identity_count].scheme = model_keep(model, scheme);
    session->identities[session->identity_count++].id = model_keep(model, id);
}

static void attach(struct model *model, struct model_session *session,
                   const struct session_open *open)
{
    char text[64];
    const uint8_t *ip = open->client.ip;
    snprintf(text, sizeof text, "%d.%d.%d.%d", ip[12], ip[13], ip[14], ip[15]);
    session->attach++;
    session->sequence = 0;
    session->identity_count = 0;
    identity_add(model, session, bytes_of_string("ip"), bytes_of_string(text));
    model->result.session = session->id;
    model->result.attach = session->attach;
}

static int32_t open_session(struct model *model, const struct command *c, const uint8_t *body)
{
    struct session_open open;
    zxid_next(model);
    if (c->body_size != sizeof open)
        return ZK_MARSHALLING_ERROR;
    memcpy(&open, body, sizeof open);
    if (open.timeout_ms <= 0)
        return ZK_MARSHALLING_ERROR;
    if (c->session == 0 || c->session == INT64_MIN || model_session(model, c->session) ||
        model->session_count >= model->config.session_count_max)
        return ZK_SYSTEM_ERROR;
    struct model_session *session = calloc(1, sizeof *session);
    model->sessions = realloc(model->sessions, (model->session_count + 1) * sizeof(void *));
    model->sessions[model->session_count++] = session;
    session->id = c->session;
    memcpy(session->password, c->random, 16);
    attach(model, session, &open);
    return ZK_OK;
}

static int32_t attach_session(struct model *model, struct model_session *session,
                              const struct command *c, const uint8_t *body)
{
    struct session_open open;
    if (c->body_size != sizeof open)
        return ZK_MARSHALLING_ERROR;
    memcpy(&open, body, sizeof open);
    if (open.timeout_ms <= 0)
        return ZK_MARSHALLING_ERROR;
    if (!session || open.password_size != 16 || memcmp(open.password, session->password, 16) != 0)
        return ZK_SESSION_EXPIRED;
    attach(model, session, &open);
    return ZK_OK;
}

static int32_t authenticate(struct model *model, struct model_session *session,
                            const struct command *c, const uint8_t *body)
{
    struct jute_in in = jute_in(body, c->body_size);
    int32_t count = jute_get_count(&in, 8);
    for (int32_t i = 0; i < count; i++) {
        struct bytes scheme = jute_get_bytes(&in);
        identity_add(model, session, scheme, jute_get_bytes(&in));
    }
    return in.bad ? ZK_AUTH_FAILED : ZK_OK;
}

/* ---- commands ---- */

static int32_t request(struct model *model, struct model_session *session, const struct command *c,
                       const uint8_t *body)
{
    struct jute_in in = jute_in(body, c->body_size);
    int64_t before = model->zxid;
    int32_t error;
    zxid_next(model);
    if (session && session->attach != c->attach)
        return ZK_SESSION_MOVED;
    if (c->op == ZK_OP_MULTI)
        error = multi(model, session, in);
    else if (c->op == ZK_OP_RECONFIG)
        error = model_reconfig(model, session, c, &in);
    else if (c->op == ZK_OP_CLOSE_SESSION)
        error = session ? ZK_OK : ZK_SESSION_EXPIRED;
    else
        error = model_op(model, session, c->op, &in, false);
    if (error == MODEL_UNDECODABLE) {
        if (c->op != ZK_OP_MULTI)
            model->zxid = before;
        error = ZK_MARSHALLING_ERROR;
    }
    if (error && c->op == ZK_OP_MULTI && model->saved.node_count)
        state_back(model); /* a single request that fails has changed nothing */
    else if (!error && c->op == ZK_OP_CLOSE_SESSION)
        session_end(model, session);
    return error;
}

static void reap(struct model *model, const struct command *c, const uint8_t *body)
{
    struct model_node *node = model_node(model, bytes_of(body, c->body_size));
    if (!node || c->body_size < 2 || node->child_count)
        return;
    int64_t age = model->time_ms - node->mtime_ms;
    bool container = node->owner == INT64_MIN, ttl = (uint64_t)node->owner >> 56 == 0xFF;
    bool unused = model->config.container_unused_ms > 0 && age > model->config.container_unused_ms;
    if (!(container && (node->creations > 0 || unused)) &&
        !(ttl && age > (node->owner & 0xFFFFFFFFFF)))
        return;
    zxid_next(model);
    model_node_remove(model, node);
}

/* The leader's settings come with the first entry of its term. */
static void settings(struct model *model, const struct command *c, const uint8_t *body)
{
    struct command_settings s;
    if (c->body_size != sizeof s)
        return;
    memcpy(&s, body, sizeof s);
    model->config = (struct model_config){.extended_types = s.flags & 1,
                                          .enforce_quota = s.flags & 2,
                                          .skip_acl = s.flags & 4,
                                          .reconfig_enabled = s.flags & 8,
                                          .container_unused_ms = s.container_unused_ms,
                                          .session_count_max = s.session_count_max,
                                          .standalone = s.flags & 16};
}

/* Was this number applied before? (0 is no number) */
static bool repeated(struct model_session *session, const struct command *c)
{
    if (!session || c->attach != session->attach || c->sequence == 0)
        return false;
    if (c->sequence <= session->sequence)
        return true;
    session->sequence = c->sequence;
    return false;
}

/* Each numbered command of a node takes effect once, in order; what an earlier start of the node
 * numbered does not count once a later one is heard of. */
static bool lane_new(struct model *model, const struct command *c)
{
    struct command_lane *lane = &model->lanes[c->node];

    if (c->lane == 0)
        return true;
    if (c->incarnation < lane->incarnation)
        return false;
    if (c->incarnation > lane->incarnation)
        *lane = (struct command_lane){.incarnation = c->incarnation};
    if (c->lane <= lane->lane)
        return false;
    lane->lane = c->lane;
    return true;
}

static void begin(struct model *model)
{
    memset(&model->result, 0, sizeof model->result);
    model->out = jute_out(model->body, sizeof model->body);
}

static const struct model_result *answer(struct model *model, bool answered, int32_t error)
{
    struct model_result *result = &model->result;
    CHECK(!model->out.bad);
    result->answered = answered;
    result->error = error;
    result->zxid = model->zxid;
    result->body = bytes_of(model->body, error ? 0 : (size_t)(model->out.at - model->body));
    result->changes = model->changes;
    return result;
}

/* A native session's request: each number is carried out once, in order, and answered the same from
 * then on. */
static const struct model_result *once(struct model *model, struct model_session *session,
                                       const struct command *c, const uint8_t *body)
{
    bool moved = session && session->attach != c->attach;
    if (!session || moved) {
        model->result.again = true;
        zxid_next(model);
        return answer(model, true, moved ? ZK_SESSION_MOVED : ZK_SESSION_EXPIRED);
    }
    struct model_once *kept = &session->once[c->sequence % LIMIT_SESSION_ONCE_COUNT];
    uint64_t last = 0;
    for (int i = 0; i < LIMIT_SESSION_ONCE_COUNT; i++)
        last = session->once[i].sequence > last ? session->once[i].sequence : last;
    if (c->sequence <= last) {
        bool known = kept->sequence == c->sequence;
        answer(model, true, known ? kept->error : ZK_SYSTEM_ERROR);
        model->result.again = true;
        if (known) {
            model->result.zxid = kept->zxid;
            model->result.body = kept->body;
        }
        return &model->result;
    }
    bool late = c->flags & COMMAND_LATE, close = c->op == ZK_OP_CLOSE_SESSION;
    if (late)
        zxid_next(model);
    int32_t error = late ? ZK_REQUEST_TIMEOUT : request(model, session, c, body);
    answer(model, true, error);
    CHECK(model->result.body.size <= LIMIT_SESSION_ONCE_SIZE);
    if (error != ZK_MARSHALLING_ERROR && (late || !close)) /* who closed has no record any more */
        *kept = (struct model_once){c->sequence, model->zxid, error,
                                    model_keep(model, model->result.body)};
    return &model->result;
}

const struct model_result *model_apply(struct model *model, uint64_t term, const struct command *c,
                                       const uint8_t *body)
{
    struct model_session *session = model_session(model, c->session);
    int32_t error;
    begin(model);
    model->term = term;
    if (c->time_ms > model->time_ms)
        model->time_ms = c->time_ms;
    if (!lane_new(model, c))
        return answer(model, false, ZK_OK);
    switch ((enum command_kind)c->kind) {
    case COMMAND_REQUEST:
        if (c->flags & COMMAND_ONCE)
            return once(model, session, c, body);
        if (repeated(session, c))
            return answer(model, false, ZK_OK);
        error = request(model, session, c, body);
        return answer(model, error || c->op != ZK_OP_RECONFIG || model->out.at != model->body,
                      error);
    case COMMAND_OPEN: return answer(model, true, open_session(model, c, body));
    case COMMAND_ATTACH: return answer(model, true, attach_session(model, session, c, body));
    case COMMAND_AUTH:
        if (!session)
            return answer(model, true, ZK_SESSION_EXPIRED);
        if (session->attach != c->attach)
            return answer(model, true, ZK_SESSION_MOVED);
        if (repeated(session, c))
            return answer(model, false, ZK_OK);
        return answer(model, true, authenticate(model, session, c, body));
    case COMMAND_EXPIRE:
        if (session) {
            zxid_next(model);
            session_end(model, session);
        }
        return answer(model, false, ZK_OK);
    case COMMAND_NOOP: settings(model, c, body); return answer(model, false, ZK_OK);
    case COMMAND_REAP: reap(model, c, body); return answer(model, false, ZK_OK);
    case COMMAND_CONFIG: {
        bool answers = model_config(model, body, c->body_size, &error);
        return answer(model, answers, error);
    }
    default: return answer(model, false, ZK_OK);
    }
}

const struct model_result *model_query(struct model *model, const struct command *c,
                                       const uint8_t *body)
{
    const struct model_session *session = model_session(model, c->session);
    struct jute_in in = jute_in(body, c->body_size);
    struct bytes path = jute_get_bytes(&in);
    int32_t count = 0;
    begin(model);
    if (in.bad)
        return answer(model, true, ZK_MARSHALLING_ERROR);
    if (!session || session->attach != c->attach)
        return answer(model, true, session ? ZK_SESSION_MOVED : ZK_SESSION_EXPIRED);
    if (c->op == ZK_OP_SYNC) {
        jute_put_bytes(&model->out, path);
        return answer(model, true, ZK_OK);
    }
    jute_put_int(&model->out, 0);
    for (uint32_t i = 0; i < model->state.node_count; i++) {
        struct bytes at = model->state.nodes[i]->path;
        if (model->state.nodes[i]->owner != session->id ||
            (path.size > 0 &&
             (at.size < path.size || memcmp(at.at, path.at, (size_t)path.size) != 0)))
            continue;
        jute_put_bytes(&model->out, at);
        count++;
    }
    struct jute_out count_out = jute_out(model->body, 4);
    jute_put_int(&count_out, count);
    return answer(model, true, ZK_OK);
}

/* ---- the present state ---- */

const struct model_node *model_find(const struct model *model, struct bytes path)
{
    return path.size > 0 ? model_node(model, path) : NULL;
}

uint32_t model_node_count(const struct model *model)
{
    return model->state.node_count;
}

const struct model_node *model_node_at(const struct model *model, uint32_t index)
{
    CHECK(index < model->state.node_count);
    return model->state.nodes[index];
}

void model_stat(const struct model_node *node, struct zk_stat *stat)
{
    bool session = node->owner != INT64_MIN && (uint64_t)node->owner >> 56 != 0xFF;
    *stat = (struct zk_stat){
        .czxid = node->czxid,
        .mzxid = node->mzxid,
        .ctime_ms = node->ctime_ms,
        .mtime_ms = node->mtime_ms,
        .version = node->version,
        .cversion = (int32_t)(2u * (uint32_t)node->creations - (uint32_t)node->child_count),
        .aversion = node->aversion,
        .ephemeral_owner = session ? node->owner : 0,
        .data_length = node->data.size > 0 ? node->data.size : 0,
        .num_children = node->child_count,
        .pzxid = node->pzxid};
}

int64_t model_zxid(const struct model *model)
{
    return model->zxid;
}

bool model_allows(const struct model *model, int64_t session, const struct model_node *node,
                  int32_t perm)
{
    return model->config.skip_acl ||
           (model_acl_perms(node->acl, model_session(model, session)) & perm);
}
