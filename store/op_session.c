/* Sessions: open, attach, authenticate, close, expire (zk_protocol.md section 15; DESIGN section 4:
 * numbering). */
#include "store/op.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/plant.h"

#include <stdlib.h>
#include <string.h>

bool op_session_current(const struct op *op)
{
    CHECK(op->session != NULL);
    return op->command->attach == op->session->attach || PLANTED(38);
}

bool op_session_repeat(struct op *op)
{
    uint64_t sequence = op->command->sequence;
    CHECK(op->session != NULL);
    if (sequence == 0)
        return false;
    if (sequence <= op->session->sequence) {
        op->m->counters.repeats++;
        return true;
    }
    op->m->counters.gaps += sequence - op->session->sequence - 1;
    op->session->sequence = sequence;
    return false;
}

bool op_once_repeat(struct op *op)
{
    const struct command *c = op->command;
    const struct once_answer *found;
    CHECK(op->session != NULL);
    CHECK(c->flags & COMMAND_ONCE);
    enum once_state state = once_find(op->session->once, c->sequence, &found);
    if (state == ONCE_NEW)
        return false;
    op->m->counters.repeats++;
    if (state == ONCE_PASSED) {
        op_reply(op, ZK_SYSTEM_ERROR, bytes_of(NULL, 0));
        return true;
    }
    struct apply_reply head = op_reply_head(op, found->error);
    head.zxid = found->zxid;
    op_reply_send(op, &head, bytes_of(found->body, found->size));
    return true;
}

void op_once_record(struct op *op, int32_t error, struct bytes body)
{
    struct session *session = op->session;
    CHECK(session != NULL);
    CHECK(op->zxid == op->m->zxid);
    if (PLANTED(51) && op->command->sequence % 2 == 0)
        return; /* its repeat is carried out again */
    if (error)
        body.size = 0;
    CHECK(once_record(&session->once, op->command->sequence, op->zxid, error, body) == 0);
}

/* The session belongs to the command's connection from now on; its identities start afresh. */
static void attach(struct op *op, const struct session_open *body)
{
    struct session *session = op->session;
    uint8_t identities[LIMIT_IDENTITIES_SIZE];
    int32_t size = acl_identities_set(identities, &body->client);
    CHECK(session_identify(session, identities, size) == 0);
    session->timeout_ms = body->timeout_ms;
    session->attach++;
    session->sequence = 0;
    session->node = op->command->node;
    session->net = op->command->net;
    CHECK(session->attach != 0);
}

static void tell_attached(struct op *op)
{
    const struct session *session = op->session;
    struct apply_session told = {.head = {APPLY_NET_SESSION, 0, op->m->zxid},
                                 .session = session->id,
                                 .attach = session->attach,
                                 .state = SESSION_ATTACHED};
    struct apply_reply head = op_reply_head(op, ZK_OK);
    head.session = session->id;
    head.attach = session->attach;
    head.timeout_ms = session->timeout_ms;
    memcpy(head.password, session->password, sizeof head.password);
    op_hash(op, &head.session, sizeof head.session);
    op_hash(op, session->identities, (size_t)session->identities_size);
    op->sink->session(op->sink->self, &told);
    op->sink->timer(op->sink->self, session->id, session->timeout_ms);
    op_reply_send(op, &head, bytes_of(NULL, 0));
}

/* No session: the client gets the "expired" handshake answer. */
static void tell_refused(struct op *op, int32_t error)
{
    struct apply_reply head = op_reply_head(op, error);
    CHECK(error != ZK_OK);
    head.session = 0;
    op_reply_send(op, &head, bytes_of(NULL, 0));
}

static bool body_get(const struct op *op, const uint8_t *body, struct session_open *open)
{
    if (op->command->body_size != sizeof *open)
        return false;
    memcpy(open, body, sizeof *open);
    return open->timeout_ms > 0;
}

void op_session_open(struct op *op, const uint8_t *body)
{
    struct machine *m = op->m;
    struct session_open open;
    op_begin(op);
    op_finish(op, ZK_OK);
    if (!body_get(op, body, &open)) {
        tell_refused(op, ZK_MARSHALLING_ERROR);
        return;
    }
    if (session_open(&m->sessions, op->command->session, &op->session) != 0) {
        op->session = NULL;
        tell_refused(op, ZK_SYSTEM_ERROR); /* the table is full, or the id is in use */
        return;
    }
    memcpy(op->session->password, op->command->random, ZK_PASSWORD_SIZE);
    attach(op, &open);
    m->counters.sessions_opened++;
    tell_attached(op);
}

/* Every byte is looked at, so that the time it takes tells nothing. */
static bool password_equal(const struct session *session, const struct session_open *open)
{
    uint8_t differs = 0;
    CHECK(sizeof open->password == sizeof session->password);
    if (open->password_size != ZK_PASSWORD_SIZE)
        return false;
    for (int i = 0; i < ZK_PASSWORD_SIZE; i++)
        differs |= session->password[i] ^ open->password[i];
    return differs == 0;
}

void op_session_attach(struct op *op, const uint8_t *body)
{
    struct session_open open;
    if (!body_get(op, body, &open)) {
        tell_refused(op, ZK_MARSHALLING_ERROR);
        return;
    }
    if (!op->session || !password_equal(op->session, &open)) {
        tell_refused(op, ZK_SESSION_EXPIRED);
        return;
    }
    attach(op, &open);
    tell_attached(op);
}

static int32_t authenticate(struct op *op, struct bytes more)
{
    struct session *session = op->session;
    uint8_t identities[LIMIT_IDENTITIES_SIZE];
    int32_t size = session->identities_size;
    CHECK(size >= 4);
    CHECK(size <= LIMIT_IDENTITIES_SIZE);
    memcpy(identities, session->identities, (size_t)size);
    if (acl_identities_add(identities, &size, more) != 0)
        return ZK_AUTH_FAILED;
    CHECK(session_identify(session, identities, size) == 0);
    op_hash(op, identities, (size_t)size);
    return ZK_OK;
}

void op_session_auth(struct op *op, const uint8_t *body)
{
    struct bytes nothing = bytes_of(NULL, 0);
    CHECK(op->zxid == 0);
    if (!op->session) {
        op_reply(op, ZK_SESSION_EXPIRED, nothing);
    } else if (!op_session_current(op)) {
        op->m->counters.moved++;
        op_reply(op, ZK_SESSION_MOVED, nothing);
    } else if (!op_session_repeat(op)) {
        op_reply(op, authenticate(op, bytes_of(body, op->command->body_size)), nothing);
    }
}

static int path_order(const void *a, const void *b)
{
    struct bytes x = owned_path(*(struct owned *const *)a);
    struct bytes y = owned_path(*(struct owned *const *)b);
    int32_t size = x.size < y.size ? x.size : y.size;
    int order = memcmp(x.at, y.at, (size_t)size);
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

/* In the order of paths: a replica that was restored from a snapshot has them in another order than
 * one that saw them made. */
static void ephemerals_delete(struct op *op)
{
    struct machine *m = op->m;
    uint64_t count = op->session->ephemerals.count, n = 0;
    m->sort_room = op_room_grow(m->sort_room, &m->sort_max, count, sizeof *m->sort_room);
    for (struct owned *owned = op->session->ephemerals.first; owned; owned = owned->next)
        m->sort_room[n++] = owned;
    CHECK(n == count);
    if (n > 1)
        qsort(m->sort_room, n, sizeof *m->sort_room, path_order);
    for (uint64_t i = 0; i < n; i++) {
        if (PLANTED(37) && i > 0 && i + 1 == n) {
            owned_remove(&m->owned, m->sort_room[i]);
            continue;
        }
        struct bytes path = owned_path(m->sort_room[i]);
        const struct znode *node = tree_find(m->tree, path);
        CHECK(node != NULL);
        CHECK(znode_owner(node) == op->session->id);
        op_delete_node(op, node, path, op_parent_acl(op, path));
    }
}

int32_t op_session_close_run(struct op *op, const struct op_request *r, struct jute_out *out)
{
    CHECK(r->op == ZK_OP_CLOSE_SESSION);
    CHECK(!out->bad);
    if (!op->session)
        return ZK_SESSION_EXPIRED;
    ephemerals_delete(op);
    op->closing = true;
    op->m->counters.sessions_closed++;
    return ZK_OK;
}

void op_session_expire(struct op *op, const uint8_t *body)
{
    (void)body;
    CHECK(op->zxid == 0);
    if (!op->session)
        return; /* closed meanwhile */
    op_begin(op);
    ephemerals_delete(op);
    op_finish(op, ZK_OK);
    op->m->counters.sessions_expired++;
    op_session_gone(op, SESSION_EXPIRED);
}

void op_session_gone(struct op *op, uint32_t state)
{
    struct session *session = op->session;
    CHECK(session != NULL);
    struct apply_session told = {.head = {APPLY_NET_SESSION, 0, op->m->zxid},
                                 .session = session->id,
                                 .attach = session->attach,
                                 .state = state};
    op->session = NULL;
    op->identities = (struct bytes){NULL, -1};
    session_close(&op->m->sessions, session);
    op->sink->session(op->sink->self, &told);
    op->sink->timer(op->sink->self, told.session, 0);
}
