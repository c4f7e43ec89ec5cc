#include "tests/sim/check_once.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_once_init(struct check_once *once)
{
    once->count = 0;
    once->room = 1024;
    once->seen = calloc(once->room, sizeof(*once->seen));
    CHECK(once->seen);
}

void check_once_fini(struct check_once *once)
{
    free(once->seen);
    once->seen = NULL;
}

static struct check_once_seen *once_place(struct check_once *once, int64_t session, int32_t xid)
{
    uint64_t at = ((uint64_t)session * 0x9e3779b97f4a7c15ull + (uint32_t)xid * 0xd6e8feb9ull) >> 20;

    for (at %= once->room; once->seen[at].used; at = (at + 1) % once->room)
        if (once->seen[at].session == session && once->seen[at].xid == xid)
            break;
    return &once->seen[at];
}

static void once_grow(struct check_once *once)
{
    struct check_once old = *once;

    once->room *= 2;
    once->seen = calloc(once->room, sizeof(*once->seen));
    CHECK(once->seen);
    for (uint64_t i = 0; i < old.room; i++)
        if (old.seen[i].used)
            *once_place(once, old.seen[i].session, old.seen[i].xid) = old.seen[i];
    free(old.seen);
}

/* An id may come again, long after its session ended. */
static void once_forget(struct check_once *once, int64_t session)
{
    for (uint64_t i = 0; i < once->room; i++)
        if (once->seen[i].used && once->seen[i].session == session)
            once->seen[i].session = 0; /* nobody's; the place stays taken */
}

const char *check_once_entry(struct check_once *once, const struct command *command,
                             int64_t session, bool effect)
{
    static char text[120];

    if (command->kind == COMMAND_OPEN && effect)
        once_forget(once, session);
    if (command->kind != COMMAND_REQUEST || command->xid <= 0 || !effect)
        return NULL;
    if (2 * once->count >= once->room)
        once_grow(once);
    struct check_once_seen *seen = once_place(once, command->session, command->xid);
    if (seen->used) {
        snprintf(text, sizeof(text), "xid %d of session %llx took effect twice", command->xid,
                 (unsigned long long)command->session);
        return text;
    }
    *seen = (struct check_once_seen){command->session, command->xid, true};
    once->count++;
    return NULL;
}
