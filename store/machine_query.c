/* Questions that travel with the writes and are answered in log order: sync, getEphemerals, and the
 * text of the four-letter word dump. They change nothing and consume no zxid. */
#include "store/op.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool starts_with(struct bytes path, struct bytes prefix)
{
    return path.size >= prefix.size && memcmp(path.at, prefix.at, (size_t)prefix.size) == 0;
}

/* Null, blank and "/" mean everything. */
static bool prefix_blank(struct bytes prefix)
{
    for (int32_t i = 0; i < prefix.size; i++)
        if (prefix.at[i] > ' ')
            return prefix.size == 1 && prefix.at[0] == '/';
    return true;
}

static uint8_t *room(struct machine *m, uint64_t size)
{
    m->reply_room = op_room_grow(m->reply_room, &m->reply_max, size, 1);
    return m->reply_room;
}

/* The ephemerals of this session whose path begins with the prefix. */
static void get_ephemerals(struct op *op, struct bytes prefix)
{
    const struct owned_list *list = &op->session->ephemerals;
    uint64_t size = 4;
    int32_t count = 0;
    if (prefix_blank(prefix))
        prefix = bytes_of("", 0);
    for (const struct owned *owned = list->first; owned; owned = owned->next) {
        if (starts_with(owned_path(owned), prefix)) {
            size += 4 + (uint64_t)owned->size;
            count++;
        }
    }
    if (size > INT32_MAX) {
        op_reply(op, ZK_SYSTEM_ERROR, bytes_of(NULL, 0));
        return;
    }
    struct jute_out out = jute_out(room(op->m, size), size);
    jute_put_int(&out, count);
    for (const struct owned *owned = list->first; owned; owned = owned->next)
        if (starts_with(owned_path(owned), prefix))
            jute_put_bytes(&out, owned_path(owned));
    CHECK(!out.bad);
    CHECK(out.at == out.end);
    op_reply(op, ZK_OK, bytes_of(op->m->reply_room, size));
}

static void sync(struct op *op, struct bytes path)
{
    uint64_t size = 4 + (uint64_t)(path.size > 0 ? path.size : 0);
    struct jute_out out = jute_out(room(op->m, size), size);
    jute_put_bytes(&out, path);
    CHECK(!out.bad);
    CHECK(out.at == out.end);
    op_reply(op, ZK_OK, bytes_of(op->m->reply_room, size));
}

/* One line of text; lines behind the limit are left out. */
struct text {
    char *at, *end;
};

PRINTF_LIKE(2, 3) static void line(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text->at, (size_t)(text->end - text->at), format, args);
    va_end(args);
    CHECK(size >= 0);
    if (size < text->end - text->at)
        text->at += size;
}

#define DUMP_SIZE (1 << 20) /* a list for people: what does not fit is left out */

static void dump(struct op *op)
{
    const struct session_table *sessions = &op->m->sessions;
    char *start = (char *)room(op->m, DUMP_SIZE);
    struct text text = {start, start + DUMP_SIZE};
    uint32_t with_ephemerals = 0;
    line(&text, "SessionTracker dump:\nGlobal Sessions(%" PRIu32 "):\n", sessions->count);
    for (const struct session *s = sessions->first; s; s = s->next) {
        with_ephemerals += s->ephemerals.count > 0;
        line(&text, "0x%" PRIx64 "\t%" PRId32 "ms\n", (uint64_t)s->id, s->timeout_ms);
    }
    line(&text, "ephemeral nodes dump:\nSessions with Ephemerals (%" PRIu32 "):\n",
         with_ephemerals);
    for (const struct session *s = sessions->first; s; s = s->next) {
        if (s->ephemerals.count)
            line(&text, "0x%" PRIx64 ":\n", (uint64_t)s->id);
        for (const struct owned *owned = s->ephemerals.first; owned; owned = owned->next)
            line(&text, "\t%.*s\n", (int)owned->size, (const char *)owned->path);
    }
    CHECK(text.at < text.end);
    op_reply(op, ZK_OK, bytes_of(start, (size_t)(text.at - start)));
}

/* The session's part of the checks; true when it may go on. */
static bool session_ok(struct op *op)
{
    if (op->session && op_session_current(op))
        return true;
    op_reply(op, op->session ? ZK_SESSION_MOVED : ZK_SESSION_EXPIRED, bytes_of(NULL, 0));
    return false;
}

void machine_query(struct machine *m, const struct command *c, const uint8_t *body,
                   const struct machine_sink *sink)
{
    struct op op = {.m = m, .command = c, .sink = sink, .identities = {NULL, -1}};
    CHECK(c->kind == COMMAND_QUERY);
    CHECK(c->version == COMMAND_VERSION);
    if (c->op == COMMAND_OP_BARRIER) { /* that APPLY has come to it is the answer */
        op_reply(&op, ZK_OK, bytes_of(NULL, 0));
        return;
    }
    if (c->op == COMMAND_OP_DUMP) {
        dump(&op);
        return;
    }
    struct jute_in in = jute_in(body, c->body_size);
    struct bytes path = jute_get_bytes(&in);
    op.session = c->session ? session_find(&m->sessions, c->session) : NULL;
    if (in.bad)
        op_reply(&op, ZK_MARSHALLING_ERROR, bytes_of(NULL, 0));
    else if (c->op != ZK_OP_SYNC && c->op != ZK_OP_GET_EPHEMERALS)
        op_reply(&op, ZK_UNIMPLEMENTED, bytes_of(NULL, 0));
    else if (session_ok(&op))
        (c->op == ZK_OP_SYNC ? sync : get_ephemerals)(&op, path);
}
