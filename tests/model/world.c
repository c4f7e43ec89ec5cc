#include "tests/model/world.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void told(struct world *w, char what)
{
    size_t size = strlen(w->order);
    if (size + 1 < sizeof w->order)
        w->order[size] = what;
}

static void on_change(void *self, int64_t zxid, uint32_t event, struct bytes path, struct bytes acl,
                      struct bytes parent_acl)
{
    struct world *w = self;
    told(w, 'c');
    if (w->change_count < WORLD_CHANGE_COUNT) {
        struct world_change *change = &w->changes[w->change_count];
        change->zxid = zxid;
        change->event = event;
        change->acl_size = acl.size;
        change->parent_acl_size = parent_acl.size;
        snprintf(change->path, sizeof change->path, "%.*s", path.size, (const char *)path.at);
    }
    w->change_count++;
}

static void on_reply(void *self, const struct apply_reply *head, struct bytes body)
{
    struct world *w = self;
    told(w, 'r');
    w->reply = *head;
    w->reply_count++;
    CHECK(body.size >= 0 && body.size <= WORLD_BODY_SIZE);
    CHECK((uint32_t)body.size == head->head.size);
    if (body.size)
        memcpy(w->body, body.at, (size_t)body.size);
    w->body_size = body.size;
}

static void on_session(void *self, const struct apply_session *session)
{
    struct world *w = self;
    told(w, 's');
    w->session = *session;
    w->session_count++;
}

static void on_timer(void *self, int64_t session, int32_t timeout_ms)
{
    struct world *w = self;
    told(w, 't');
    w->timer_session = session;
    w->timer_ms = timeout_ms;
    w->timer_count++;
}

static void on_reconfig(void *self, int64_t zxid, struct bytes servers)
{
    struct world *w = self;
    CHECK(servers.size > 0 && (size_t)servers.size < sizeof w->wanted);
    memcpy(w->wanted, servers.at, (size_t)servers.size);
    w->wanted[servers.size] = '\0';
    w->wanted_zxid = zxid;
    w->wanted_count++;
}

static void on_transfer(void *self, uint8_t id)
{
    struct world *w = self;
    w->transfer_to = id;
}

static void on_whose(void *self, const struct command *command)
{
    struct world *w = self;
    w->whose = *command;
}

struct machine_config world_config_default(void)
{
    return (struct machine_config){
        .session_count_max = 64, .acl_count_max = 64, .extended_types = true};
}

void world_init(struct world *w, const struct machine_config *config, uint64_t tree_limit)
{
    struct tree_config tree_config = {.memory_limit = tree_limit ? tree_limit : 1ull << 30,
                                      .nodes_max = 1 << 16};
    memset(w, 0, sizeof *w);
    w->config = *config;
    w->term = 1;
    w->attach = 1;
    w->time_ms = 1000;
    w->body = malloc(WORLD_BODY_SIZE);
    w->request = malloc(WORLD_BODY_SIZE);
    w->sink = (struct machine_sink){.self = w,
                                    .change = on_change,
                                    .reply = on_reply,
                                    .session = on_session,
                                    .timer = on_timer,
                                    .reconfig = on_reconfig,
                                    .transfer = on_transfer,
                                    .whose = on_whose};
    CHECK(w->body && w->request);
    CHECK(tree_create(&w->tree, &tree_config) == 0);
    CHECK(machine_create(&w->machine, config, w->tree) == 0);
    world_begin(w);
}

int32_t world_ready(struct world *w, int64_t session)
{
    struct machine_config config = world_config_default();
    world_init(w, &config, 0);
    return world_open(w, session);
}

void world_fini(struct world *w)
{
    machine_destroy(w->machine);
    tree_destroy(w->tree);
    free(w->body);
    free(w->request);
}

static void forget(struct world *w)
{
    w->change_count = w->reply_count = w->session_count = w->timer_count = 0;
    w->wanted_count = w->transfer_to = 0;
    memset(&w->whose, 0, sizeof w->whose);
    memset(w->order, 0, sizeof w->order);
    memset(&w->reply, 0, sizeof w->reply);
    memset(&w->session, 0, sizeof w->session);
    w->body_size = 0;
}

static struct command stamped(const struct world *w, struct command command, size_t size)
{
    command.version = COMMAND_VERSION;
    command.time_ms = command.time_ms ? command.time_ms : w->time_ms;
    command.body_size = (uint32_t)size;
    return command;
}

void world_apply(struct world *w, struct command command, const void *body, size_t size)
{
    command = stamped(w, command, size);
    forget(w);
    machine_apply(w->machine, ++w->index, w->term, &command, body, &w->sink);
    if (machine_zxid(w->machine) > tree_published(w->tree))
        tree_publish(w->tree, machine_zxid(w->machine));
}

void world_query(struct world *w, struct command command, const void *body, size_t size)
{
    command = stamped(w, command, size);
    command.kind = COMMAND_QUERY;
    forget(w);
    machine_query(w->machine, &command, body, &w->sink);
}

static struct session_open open_body(void)
{
    return (struct session_open){.timeout_ms = 4000, .client.ip = {[10] = 0xFF, 0xFF, 10, 0, 0, 1}};
}

static void password_of(int64_t session, uint8_t *password)
{
    memcpy(password, &session, 8);
    memcpy(password + 8, &session, 8);
}

int32_t world_open(struct world *w, int64_t session)
{
    struct session_open body = open_body();
    struct command command = {.kind = COMMAND_OPEN, .session = session, .conn = 7};
    password_of(session, command.random);
    world_apply(w, command, &body, sizeof body);
    return w->reply.error;
}

int32_t world_attach(struct world *w, int64_t session, const uint8_t *password)
{
    struct session_open body = open_body();
    struct command command = {.kind = COMMAND_ATTACH, .session = session, .conn = 8};
    body.timeout_ms = 6000;
    body.password_size = ZK_PASSWORD_SIZE;
    if (password)
        memcpy(body.password, password, ZK_PASSWORD_SIZE);
    else
        password_of(session, body.password);
    world_apply(w, command, &body, sizeof body);
    return w->reply.error;
}

int32_t world_auth(struct world *w, int64_t session, const char *scheme, const char *id)
{
    uint8_t packed[LIMIT_IDENTITIES_SIZE + 64];
    struct command command = {.kind = COMMAND_AUTH,
                              .session = session,
                              .attach = w->attach,
                              .sequence = w->sequence,
                              .conn = 7};
    int32_t size = acl_identities_one(packed, (int32_t)sizeof packed, bytes_of_string(scheme),
                                      bytes_of_string(id));
    CHECK(size > 0);
    world_apply(w, command, packed, (size_t)size);
    return w->reply.error;
}

int32_t world_close(struct world *w, int64_t session)
{
    world_begin(w);
    return world_request(w, session, ZK_OP_CLOSE_SESSION);
}

void world_expire(struct world *w, int64_t session)
{
    world_apply(w, (struct command){.kind = COMMAND_EXPIRE, .session = session}, NULL, 0);
}

void world_reap(struct world *w, const char *path)
{
    world_apply(w, (struct command){.kind = COMMAND_REAP}, path, strlen(path));
}

int32_t world_request(struct world *w, int64_t session, int32_t op)
{
    struct command command = {.kind = COMMAND_REQUEST,
                              .op = op,
                              .session = session,
                              .attach = w->attach,
                              .sequence = w->sequence,
                              .flags = w->flags,
                              .xid = 77,
                              .conn = 7};
    CHECK(!w->out.bad);
    world_apply(w, command, w->request, (size_t)(w->out.at - w->request));
    return w->reply_count ? w->reply.error : 1;
}

void world_begin(struct world *w)
{
    w->out = jute_out(w->request, WORLD_BODY_SIZE);
}

void world_put_string(struct world *w, const char *string)
{
    jute_put_bytes(&w->out, string ? bytes_of_string(string) : (struct bytes){NULL, -1});
}

void world_put_acl(struct world *w, int32_t perms, const char *scheme, const char *id)
{
    jute_put_int(&w->out, 1);
    jute_put_int(&w->out, perms);
    world_put_string(w, scheme);
    world_put_string(w, id);
}

static void put_create_record(struct world *w, int32_t op, const char *path, const char *data,
                              int32_t flags, int64_t ttl)
{
    world_put_string(w, path);
    world_put_string(w, data);
    world_put_acl(w, ZK_PERM_ALL, "world", "anyone");
    jute_put_int(&w->out, flags);
    if (op == ZK_OP_CREATE_TTL)
        jute_put_long(&w->out, ttl);
}

int32_t world_create_op(struct world *w, int64_t session, int32_t op, const char *path,
                        const char *data, int32_t flags, int64_t ttl)
{
    world_begin(w);
    put_create_record(w, op, path, data, flags, ttl);
    return world_request(w, session, op);
}

int32_t world_create(struct world *w, int64_t session, const char *path, const char *data,
                     int32_t flags)
{
    return world_create_op(w, session, ZK_OP_CREATE, path, data, flags, 0);
}

int32_t world_delete(struct world *w, int64_t session, const char *path, int32_t version)
{
    world_begin(w);
    world_put_string(w, path);
    jute_put_int(&w->out, version);
    return world_request(w, session, ZK_OP_DELETE);
}

int32_t world_set(struct world *w, int64_t session, const char *path, const char *data,
                  int32_t version)
{
    world_begin(w);
    world_put_string(w, path);
    world_put_string(w, data);
    jute_put_int(&w->out, version);
    return world_request(w, session, ZK_OP_SET_DATA);
}

int32_t world_set_acl(struct world *w, int64_t session, const char *path, int32_t version,
                      int32_t perms, const char *scheme, const char *id)
{
    world_begin(w);
    world_put_string(w, path);
    world_put_acl(w, perms, scheme, id);
    jute_put_int(&w->out, version);
    return world_request(w, session, ZK_OP_SET_ACL);
}

int32_t world_create_acl(struct world *w, int64_t session, const char *path, int32_t perms,
                         const char *scheme, const char *id)
{
    world_begin(w);
    world_put_string(w, path);
    world_put_string(w, "");
    world_put_acl(w, perms, scheme, id);
    jute_put_int(&w->out, ZK_CREATE_PERSISTENT);
    return world_request(w, session, ZK_OP_CREATE);
}

void world_put_header(struct world *w, int32_t op, bool done)
{
    jute_put_int(&w->out, op);
    jute_put_byte(&w->out, done);
    jute_put_int(&w->out, -1);
}

void world_put_create(struct world *w, int32_t op, const char *path, const char *data,
                      int32_t flags, int64_t ttl)
{
    world_put_header(w, op, false);
    put_create_record(w, op, path, data, flags, ttl);
}

void world_put_delete(struct world *w, const char *path, int32_t version)
{
    world_put_header(w, ZK_OP_DELETE, false);
    world_put_string(w, path);
    jute_put_int(&w->out, version);
}

void world_put_set(struct world *w, const char *path, const char *data, int32_t version)
{
    world_put_header(w, ZK_OP_SET_DATA, false);
    world_put_string(w, path);
    world_put_string(w, data);
    jute_put_int(&w->out, version);
}

void world_put_check(struct world *w, const char *path, int32_t version)
{
    world_put_header(w, ZK_OP_CHECK, false);
    world_put_string(w, path);
    jute_put_int(&w->out, version);
}

bool world_stat(struct world *w, const char *path, struct zk_stat *stat)
{
    const struct znode *node = tree_find(w->tree, bytes_of_string(path));
    if (node)
        znode_stat(node, stat);
    return node != NULL;
}

bool world_stat_equal(const struct zk_stat *a, const struct zk_stat *b)
{
    return a->czxid == b->czxid && a->mzxid == b->mzxid && a->pzxid == b->pzxid &&
           a->ctime_ms == b->ctime_ms && a->mtime_ms == b->mtime_ms && a->version == b->version &&
           a->cversion == b->cversion && a->aversion == b->aversion &&
           a->ephemeral_owner == b->ephemeral_owner && a->data_length == b->data_length &&
           a->num_children == b->num_children;
}

bool world_data(struct world *w, const char *path, const char *data)
{
    const struct znode *node = tree_find(w->tree, bytes_of_string(path));
    return node &&
           bytes_equal(znode_data(node), data ? bytes_of_string(data) : (struct bytes){NULL, -1});
}

const char *world_body_path(struct world *w)
{
    static char path[256];
    struct jute_in in = jute_in(w->body, (size_t)w->body_size);
    struct bytes text = jute_get_bytes(&in);
    snprintf(path, sizeof path, "%.*s", text.size < 0 ? 0 : text.size, (const char *)text.at);
    return path;
}
