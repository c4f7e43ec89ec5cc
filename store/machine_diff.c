#include "store/machine_diff.h"

#include "base/check.h"
#include "store/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct diff {
    void (*found)(void *self, const struct machine_difference *difference);
    void *self;
    uint64_t count;
};

static void diff_tell(struct diff *d, const char *kind, const char *name, const char *a,
                      const char *b)
{
    CHECK(a != NULL || b != NULL);
    d->count++;
    d->found(d->self, &(struct machine_difference){kind, name, a, b});
}

static void diff_number(struct diff *d, const char *kind, const char *name, uint64_t a, uint64_t b,
                        const char *format)
{
    char a_text[32], b_text[32];

    if (a == b)
        return;
    snprintf(a_text, sizeof(a_text), format[0] == 'x' ? "0x%" PRIx64 : "%" PRIu64, a);
    snprintf(b_text, sizeof(b_text), format[0] == 'x' ? "0x%" PRIx64 : "%" PRIu64, b);
    diff_tell(d, kind, name, a_text, b_text);
}

static void diff_state(struct diff *d, const struct machine *a, const struct machine *b)
{
    struct command_settings sa = op_settings_of(a), sb = op_settings_of(b);

    diff_number(d, "state", "zxid", (uint64_t)a->zxid, (uint64_t)b->zxid, "x");
    diff_number(d, "state", "time_ms", (uint64_t)a->time_ms, (uint64_t)b->time_ms, "u");
    diff_number(d, "state", "hash", a->hash, b->hash, "x");
    diff_number(d, "setting", "flags", sa.flags, sb.flags, "x");
    diff_number(d, "setting", "memory_limit", sa.memory_limit, sb.memory_limit, "u");
    diff_number(d, "setting", "container_unused_ms", (uint64_t)sa.container_unused_ms,
                (uint64_t)sb.container_unused_ms, "u");
    diff_number(d, "setting", "session_count_max", sa.session_count_max, sb.session_count_max, "u");
}

static const char *diff_lane_text(const struct command_lane *lane, char *room, size_t size)
{
    if (lane->incarnation == 0)
        return NULL;
    snprintf(room, size, "incarnation %" PRIu64 ", lane %" PRIu64 ", cancelled up to %" PRIu64,
             lane->incarnation, lane->lane, lane->cancelled);
    return room;
}

static void diff_lanes(struct diff *d, const struct lanes *a, const struct lanes *b)
{
    char name[16], a_text[96], b_text[96];

    for (uint32_t i = 0; i < LANES_COUNT; i++) {
        const struct command_lane *la = &a->node[i], *lb = &b->node[i];
        if (la->incarnation == lb->incarnation && la->lane == lb->lane &&
            la->cancelled == lb->cancelled)
            continue;
        snprintf(name, sizeof(name), "node %u", i);
        diff_tell(d, "lane", name, diff_lane_text(la, a_text, sizeof(a_text)),
                  diff_lane_text(lb, b_text, sizeof(b_text)));
    }
}

static const char *diff_list_text(const struct membership *list, char *room, size_t size)
{
    if (list->count == 0)
        return NULL;
    membership_print(list, -1, room, size);
    for (char *at = room; *at; at++)
        if (*at == '\n')
            *at = at[1] ? ' ' : '\0';
    return room;
}

static void diff_list(struct diff *d, const char *name, const struct membership *a,
                      const struct membership *b)
{
    char a_text[MEMBERSHIP_TEXT_SIZE], b_text[MEMBERSHIP_TEXT_SIZE];

    if (!membership_equal(a, b))
        diff_tell(d, "membership", name, diff_list_text(a, a_text, sizeof(a_text)),
                  diff_list_text(b, b_text, sizeof(b_text)));
}

static void diff_members(struct diff *d, const struct op_config *a, const struct op_config *b)
{
    static const struct membership none;

    diff_list(d, "now", &a->now, &b->now);
    diff_list(d, "next", &a->next, &b->next);
    diff_list(d, "pending", a->pending ? &a->wanted : &none, b->pending ? &b->wanted : &none);
    diff_number(d, "membership", "version", (uint64_t)a->version, (uint64_t)b->version, "x");
}

/* Secrets are not shown, only that they differ. */
static const char *diff_session_text(const struct session *s, const struct session *other,
                                     char *room, size_t size)
{
    if (!s)
        return NULL;
    bool password = other && memcmp(s->password, other->password, sizeof(s->password)) != 0;
    bool who = other && !bytes_equal(session_identities(s), session_identities(other));
    snprintf(room, size, "timeout %d ms, attach %u, sequence %" PRIu64 ", at node %u net %u%s%s",
             s->timeout_ms, s->attach, s->sequence, s->node, s->net,
             password ? ", another password" : "", who ? ", other identities" : "");
    return room;
}

static void diff_session(struct diff *d, const struct session *a, const struct session *b)
{
    char name[24], a_text[160], b_text[160];
    const char *as = diff_session_text(a, b, a_text, sizeof(a_text));
    const char *bs = diff_session_text(b, a, b_text, sizeof(b_text));

    CHECK(as != NULL || bs != NULL);
    if (as && bs && strcmp(as, bs) == 0 && !strstr(as, "another password") &&
        !strstr(as, "other identities"))
        return;
    snprintf(name, sizeof(name), "0x%" PRIx64, (uint64_t)(a ? a : b)->id);
    diff_tell(d, "session", name, as, bs);
}

uint64_t machine_diff(const struct machine *a, const struct machine *b,
                      void (*found)(void *self, const struct machine_difference *difference),
                      void *self)
{
    struct diff d = {.found = found, .self = self};

    CHECK(a != NULL && b != NULL);
    CHECK(found != NULL);
    diff_state(&d, a, b);
    diff_lanes(&d, &a->lanes, &b->lanes);
    diff_members(&d, &a->config_of, &b->config_of);
    for (const struct session *s = a->sessions.first; s; s = s->next)
        diff_session(&d, s, session_find(&b->sessions, s->id));
    for (const struct session *s = b->sessions.first; s; s = s->next)
        if (!session_find(&a->sessions, s->id))
            diff_session(&d, NULL, s);
    return d.count;
}
