#include "tests/sim/sim_reply.h"

#include "base/check.h"
#include "base/jute_stat.h"
#include "tests/sim/sim_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void wrong(const struct sim_client *c, const struct sim_request *r,
                            const char *format, ...)
{
    char text[600], request[SIM_PATH_SIZE + 64] = "";
    va_list args;

    if (r)
        snprintf(request, sizeof(request), " xid %d %s %s", r->xid, zk_op_name(r->op), r->path);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_world_wrong(c->world, "client %u at node %u, session %llx%s: %s", c->id, c->host + 1,
                    (unsigned long long)c->session, request, text);
}

/* ---- the handshake --------------------------------------------------------------------------- */

/* Did something committed end the session? */
static bool session_ended(const struct sim_log *log, int64_t session)
{
    for (uint64_t i = 0; i < log->count; i++) {
        const struct command *command = (const struct command *)log->entries[i].payload;
        if (command->session != session)
            continue;
        if (command->kind == COMMAND_EXPIRE ||
            (command->kind == COMMAND_REQUEST && command->op == ZK_OP_CLOSE_SESSION))
            return true;
    }
    return false;
}

static bool session_opened(const struct sim_log *log, int64_t session)
{
    for (uint64_t i = log->count; i > 0; i--) {
        const struct command *command = (const struct command *)log->entries[i - 1].payload;
        if (command->kind == COMMAND_OPEN && command->session == session)
            return true;
    }
    return false;
}

bool sim_reply_greeting(struct sim_client *c, struct jute_in *in)
{
    jute_get_int(in);
    int32_t timeout_ms = jute_get_int(in);
    int64_t session = jute_get_long(in);
    struct bytes password = jute_get_bytes(in);
    jute_get_bool(in);
    if (in->bad || in->at != in->end || password.size != 16)
        wrong(c, NULL, "a ConnectResponse that is none");
    if (c->forged) {
        if (timeout_ms != 0)
            wrong(c, NULL, "attached with a wrong password");
        return false;
    }
    if (timeout_ms == 0) {
        if (!session_ended(c->log, c->session))
            wrong(c, NULL, "told that its session expired, and nothing committed ended it");
        c->session = 0;
        memset(c->password, 0, sizeof(c->password));
        c->expired++;
        return false;
    }
    if (c->session && session != c->session)
        wrong(c, NULL, "re-attached to another session");
    if (!session_opened(c->log, session))
        wrong(c, NULL, "given a session that was never committed");
    c->session = session;
    c->timeout_ms = timeout_ms;
    memcpy(c->password, password.at, 16);
    return true;
}

/* ---- replies --------------------------------------------------------------------------------- */

static void check_write(struct sim_client *c, const struct sim_request *r, int64_t zxid,
                        int32_t error, struct jute_in *in)
{
    const struct sim_entry *entry = sim_log_find(c->log, c->session, r->xid);

    if (!entry && error == ZK_SYSTEM_ERROR && c->world->knobs.disk_full) {
        c->refused++;
        if (r->key >= 0) {
            check_registers_void(&c->world->registers, (uint32_t)r->key, r->key_op);
            c->key_busy = false;
        }
        return;
    }
    if (!entry)
        wrong(c, r, "answered %d, and nothing of it is committed", error);
    if (!entry->answered)
        wrong(c, r, "answered %d, and the model says that nobody is answered", error);
    if (error != entry->error)
        wrong(c, r, "answered %d, the model says %d", error, entry->error);
    if (zxid != entry->zxid)
        wrong(c, r, "answered at zxid %llx, the model says %llx", (unsigned long long)zxid,
              (unsigned long long)entry->zxid);
    size_t size = (size_t)(in->end - in->at);
    size_t want = error == 0 && entry->body_size > 0 ? (size_t)entry->body_size : 0;
    if (size != want || (size && memcmp(in->at, entry->body, size) != 0))
        wrong(c, r, "its body of %zu bytes is not the model's of %zu", size, want);
    c->world->reconfigs += r->op == ZK_OP_RECONFIG && error == 0;
    const char *late = check_order_write(&c->world->order, r->floor, zxid);
    if (late)
        wrong(c, r, "%s", late);
    if (r->key < 0)
        return;
    c->key_busy = false;
    if (error == 0)
        check_registers_end(&c->world->registers, (uint32_t)r->key, r->key_op, 0, c->world->now_ns);
    else
        check_registers_void(&c->world->registers, (uint32_t)r->key, r->key_op);
}

static void check_stat(struct sim_client *c, const struct sim_request *r, int64_t zxid,
                       struct jute_in *in, const struct zk_stat *want)
{
    struct zk_stat s = jute_stat_get(in);

    const char *ownerless = s.ephemeral_owner
                                ? check_session_owner(&c->world->sessions, s.ephemeral_owner, zxid)
                                : NULL;
    if (ownerless)
        wrong(c, r, "%s", ownerless);
    if (in->bad || s.czxid != want->czxid || s.mzxid != want->mzxid ||
        s.ctime_ms != want->ctime_ms || s.mtime_ms != want->mtime_ms ||
        s.version != want->version || s.cversion != want->cversion ||
        s.aversion != want->aversion || s.ephemeral_owner != want->ephemeral_owner ||
        s.data_length != want->data_length || s.num_children != want->num_children ||
        s.pzxid != want->pzxid)
        wrong(c, r,
              "Stat differs: version %d/%d cversion %d/%d aversion %d/%d mzxid %llx/%llx pzxid "
              "%llx/%llx children %d/%d (told/model)",
              s.version, want->version, s.cversion, want->cversion, s.aversion, want->aversion,
              (unsigned long long)s.mzxid, (unsigned long long)want->mzxid,
              (unsigned long long)s.pzxid, (unsigned long long)want->pzxid, s.num_children,
              want->num_children);
}

static void check_children(struct sim_client *c, const struct sim_request *r, int64_t zxid,
                           struct jute_in *in, const struct sim_state *state)
{
    int32_t count = jute_get_count(in, 4);
    char path[2 * SIM_PATH_SIZE];

    if (count != state->stat.num_children)
        wrong(c, r, "%d children, the model has %d", count, state->stat.num_children);
    for (int32_t i = 0; i < count; i++) {
        struct bytes name = jute_get_bytes(in);
        snprintf(path, sizeof(path), "%s/%.*s", strcmp(r->path, "/") ? r->path : "", name.size,
                 (const char *)name.at);
        /* those that are there from the start were never noted */
        if (strncmp(path, "/zookeeper", 10) != 0 && !sim_log_at(c->log, path, zxid))
            wrong(c, r, "child %s does not exist at that zxid", path);
    }
}

static void check_register(struct sim_client *c, const struct sim_request *r, int32_t error,
                           struct bytes data)
{
    uint64_t value = 0;

    if (r->key < 0)
        return;
    if (error == 0 && data.size != sizeof(value))
        wrong(c, r, "a register of %d bytes", data.size);
    if (error == 0)
        memcpy(&value, data.at, sizeof(value));
    check_registers_end(&c->world->registers, (uint32_t)r->key, r->key_op, value, c->world->now_ns);
    c->key_busy = false;
}

static void check_read(struct sim_client *c, const struct sim_request *r, int64_t zxid,
                       int32_t error, struct jute_in *in)
{
    const struct sim_state *state = sim_log_at(c->log, r->path, zxid);
    int32_t want = state ? 0 : ZK_NO_NODE;
    /* linearizable reads are behind what was answered before they began, without a sync */
    bool barrier = c->world->knobs.linearizable && r->floor > c->synced_floor;
    const char *old = check_order_read(barrier ? r->floor : c->synced_floor, zxid);

    if (old)
        wrong(c, r, "%s", old);
    if (error)
        check_register(c, r, error, (struct bytes){NULL, 0});

    if (error != want)
        wrong(c, r, "read %d at zxid %llx, the model says %d", error, (unsigned long long)zxid,
              want);
    if (error == 0) {
        if (r->op == ZK_OP_GET_DATA) {
            struct bytes data = jute_get_bytes(in);
            check_register(c, r, 0, data);
            if (!bytes_equal(data, (struct bytes){state->data, state->data_size}))
                wrong(c, r, "its data are not the model's at zxid %llx", (unsigned long long)zxid);
        }
        if (r->op == ZK_OP_GET_CHILDREN || r->op == ZK_OP_GET_CHILDREN2)
            check_children(c, r, zxid, in, state);
        if (r->op != ZK_OP_GET_CHILDREN)
            check_stat(c, r, zxid, in, &state->stat);
        if (in->bad || in->at != in->end)
            wrong(c, r, "its body is too long or too short");
    }
    if (r->watch && r->op == ZK_OP_EXISTS)
        sim_watch_add(&c->watch, SIM_WATCH_DATA, r->path);
    else if (r->watch && error == 0)
        sim_watch_add(&c->watch, r->op == ZK_OP_GET_DATA ? SIM_WATCH_DATA : SIM_WATCH_CHILD,
                      r->path);
}

/* setWatches: per list, either the event that was missed or a watch (zk_protocol.md section 14). */
static void check_set_watches(struct sim_client *c, const struct sim_request *r, int64_t zxid)
{
    uint32_t heard = 0;

    for (int list = 0; list < 3; list++) {
        const struct sim_state *state = sim_log_at(c->log, c->wanted[list], zxid);
        int64_t changed = !state ? 0 : list == 0 ? state->stat.mzxid : state->stat.pzxid;
        int32_t event = 0;
        if (list == 1)
            event = state ? ZK_EVENT_CREATED : 0;
        else if (!state)
            event = ZK_EVENT_DELETED;
        else if (changed > c->wanted_zxid)
            event = list == 0 ? ZK_EVENT_DATA_CHANGED : ZK_EVENT_CHILDREN_CHANGED;
        if (!event) {
            sim_watch_add(&c->watch, list == 2 ? SIM_WATCH_CHILD : SIM_WATCH_DATA, c->wanted[list]);
            continue;
        }
        if (heard == c->caught_up_count || c->caught_up[heard].type != event ||
            strcmp(c->caught_up[heard].path, c->wanted[list]) != 0)
            wrong(c, r, "setWatches owed event %d of %s", event, c->wanted[list]);
        heard++;
    }
    if (heard != c->caught_up_count)
        wrong(c, r, "setWatches told an event too many");
    c->caught_up_count = 0;
}

static void check_event(struct sim_client *c, int64_t zxid, struct jute_in *in)
{
    int32_t type = jute_get_int(in), state = jute_get_int(in);
    struct bytes path = jute_get_bytes(in);

    if (in->bad || in->at != in->end || state != ZK_STATE_SYNC_CONNECTED)
        wrong(c, NULL, "an event that is none");
    c->events++;
    if (zxid != -1) {
        sim_watch_hear(&c->watch, zxid, type, path);
        return;
    }
    if (c->caught_up_count == 8)
        wrong(c, NULL, "too many events of setWatches");
    struct sim_event *to = &c->caught_up[c->caught_up_count++];
    to->type = type;
    snprintf(to->path, sizeof(to->path), "%.*s", path.size, (const char *)path.at);
}

static void check_order(struct sim_client *c, const struct sim_request *r, int64_t zxid)
{
    const char *differs;

    if (zxid > sim_log_zxid(c->log))
        wrong(c, r, "zxid %llx is not committed", (unsigned long long)zxid);
    c->last_zxid = zxid;
    differs = sim_watch_upto(&c->watch, c->log, zxid, true);
    if (differs)
        wrong(c, r, "watches: %s", differs);
}

/* Replies come in the order of the requests; only a ping's may overtake (zk_protocol.md section
 * 16). */
static struct sim_request take_pending(struct sim_client *c, int32_t xid, int64_t zxid)
{
    uint32_t at = 0;

    while (xid == ZK_XID_PING && at < c->pending_count && c->pending[at].xid != xid)
        at++;
    const char *back = check_back_reply(&c->back, at < c->pending_count,
                                        at < c->pending_count ? c->pending[at].xid : 0, xid, zxid);
    if (!back && at >= c->pending_count)
        back = "got the reply of a ping that it did not send";
    if (back)
        wrong(c, c->pending_count ? &c->pending[0] : NULL, "%s", back);
    struct sim_request r = c->pending[at];
    memmove(c->pending + at, c->pending + at + 1, (--c->pending_count - at) * sizeof(r));
    return r;
}

void sim_reply_check(struct sim_client *c, struct jute_in *in)
{
    int32_t xid = jute_get_int(in);
    int64_t zxid = jute_get_long(in);
    int32_t error = jute_get_int(in);

    if (in->bad)
        wrong(c, NULL, "a reply without a header");
    if (xid == ZK_XID_NOTIFICATION) {
        check_event(c, zxid, in);
        return;
    }
    struct sim_request r = take_pending(c, xid, zxid);
    c->replies++;
    if (sim_world_member(c->world, c->host)) /* one that was removed speaks for nobody's leader */
        check_session_heard(&c->world->sessions, c->session, r.sent_ns);
    check_order(c, &r, zxid);
    if (r.write)
        check_write(c, &r, zxid, error, in);
    else if (r.op == ZK_OP_SET_WATCHES)
        check_set_watches(c, &r, zxid);
    else if (r.op == ZK_OP_ADD_WATCH)
        sim_watch_add(&c->watch, r.mode ? SIM_WATCH_RECURSIVE : SIM_WATCH_PERSISTENT, r.path);
    else if (r.op == ZK_OP_PING || r.op == ZK_OP_SYNC) {
        if (error != 0)
            wrong(c, &r, "failed with %d", error);
        if (r.op == ZK_OP_SYNC && r.floor > c->synced_floor)
            c->synced_floor = r.floor;
    } else
        check_read(c, &r, zxid, error, in);
}

void sim_reply_end(struct sim_client *c)
{
    const char *differs = sim_watch_upto(&c->watch, c->log, sim_log_zxid(c->log), false);

    if (differs)
        wrong(c, NULL, "watches, at the connection's end: %s", differs);
}
