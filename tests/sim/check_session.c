#include "tests/sim/check_session.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/zk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_SETTLE_NS (3 * NS_PER_S) /* mended, it takes so long until all touches arrive */
#define SESSION_LAG_NS (1000 * NS_PER_MS) /* that APPLY of a leader may be behind */

void check_session_init(struct check_session *check)
{
    memset(check, 0, sizeof(*check));
    check->lives = calloc(CHECK_SESSION_COUNT, sizeof(*check->lives));
    CHECK(check->lives);
}

void check_session_fini(struct check_session *check)
{
    free(check->lives);
    check->lives = NULL;
}

/* The session's place, or the free one it would get. */
static struct check_session_life *session_place(const struct check_session *check, int64_t id)
{
    uint64_t at = ((uint64_t)id * 0x9e3779b97f4a7c15ull) >> 40;

    for (at %= CHECK_SESSION_COUNT; check->lives[at].id; at = (at + 1) % CHECK_SESSION_COUNT)
        if (check->lives[at].id == id)
            break;
    return &check->lives[at];
}

static void session_open(struct check_session *check, int64_t id, int32_t timeout_ms, int64_t zxid,
                         uint64_t now_ns)
{
    struct check_session_life *life = session_place(check, id);
    bool again = life->id != 0;

    check->count += !again;
    CHECK(2 * check->count < CHECK_SESSION_COUNT);
    *life = (struct check_session_life){.id = id,
                                        .opened_zxid = zxid,
                                        .timeout_ms = timeout_ms,
                                        .timeout_ms_before = timeout_ms,
                                        .again = again,
                                        .heard_ns = now_ns};
}

static const char *session_expired(const struct check_session *check,
                                   const struct check_session_life *life,
                                   struct check_session_when when)
{
    static char text[240];
    int32_t timeout_ms =
        life->timeout_ms < life->timeout_ms_before ? life->timeout_ms : life->timeout_ms_before;
    uint64_t timeout_ns = (uint64_t)timeout_ms * NS_PER_MS;
    uint64_t least_ns = timeout_ns - timeout_ns / 100; /* clocks drift */
    uint64_t mended_ns = check->calm_ns + SESSION_SETTLE_NS;

    if (when.leader_since_ns && when.now_ns - when.leader_since_ns < least_ns) {
        snprintf(text, sizeof(text),
                 "session %llx of %d ms was expired by a leader that was in office for %llu us",
                 (unsigned long long)life->id, timeout_ms,
                 (unsigned long long)(when.now_ns - when.leader_since_ns) / 1000);
        return text;
    }
    if (check->calm_ns && life->heard_ns > mended_ns && when.now_ns - life->heard_ns < least_ns) {
        snprintf(text, sizeof(text),
                 "session %llx of %d ms was expired %llu us after its client was heard",
                 (unsigned long long)life->id, timeout_ms,
                 (unsigned long long)(when.now_ns - life->heard_ns) / 1000);
        return text;
    }
    return NULL;
}

const char *check_session_entry(struct check_session *check, const struct command *command,
                                int64_t session, bool effect, int64_t zxid,
                                struct check_session_when when)
{
    struct session_open open;
    const char *wrong = NULL;
    bool ends = command->kind == COMMAND_EXPIRE ||
                (command->kind == COMMAND_REQUEST && command->op == ZK_OP_CLOSE_SESSION);

    if (command->kind == COMMAND_OPEN && effect) {
        memcpy(&open, command + 1, sizeof(open));
        session_open(check, session, open.timeout_ms, zxid, when.now_ns);
    }
    if ((!ends && command->kind != COMMAND_ATTACH) || !effect)
        return NULL;
    struct check_session_life *life = session_place(check, command->session);
    if (!life->id)
        return NULL; /* opened before the first entry that was seen */
    if (command->kind == COMMAND_ATTACH) {
        memcpy(&open, command + 1, sizeof(open));
        /* The leader expires by what it has applied: while it lags that may be two attaches ago. */
        bool lags = when.now_ns - life->attached_ns < SESSION_LAG_NS;
        if (!lags || life->timeout_ms < life->timeout_ms_before)
            life->timeout_ms_before = life->timeout_ms;
        life->timeout_ms = open.timeout_ms;
        life->attached_ns = when.now_ns;
        return NULL;
    }
    if (command->kind == COMMAND_EXPIRE)
        wrong = session_expired(check, life, when);
    life->ended_zxid = zxid;
    return wrong;
}

void check_session_heard(struct check_session *check, int64_t session, uint64_t sent_ns)
{
    struct check_session_life *life = session_place(check, session);

    if (life->id && sent_ns > life->heard_ns)
        life->heard_ns = sent_ns;
}

const char *check_session_owner(const struct check_session *check, int64_t session, int64_t zxid)
{
    static char text[200];
    const struct check_session_life *life = session_place(check, session);

    if (!life->id) {
        snprintf(text, sizeof(text), "an ephemeral of session %llx, which never was",
                 (unsigned long long)session);
        return text;
    }
    if ((life->again || zxid >= life->opened_zxid) &&
        (!life->ended_zxid || zxid < life->ended_zxid))
        return NULL;
    snprintf(text, sizeof(text),
             "an ephemeral of session %llx at zxid %llx, which lived %llx..%llx",
             (unsigned long long)session, (unsigned long long)zxid,
             (unsigned long long)life->opened_zxid, (unsigned long long)life->ended_zxid);
    return text;
}
