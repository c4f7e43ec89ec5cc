/* The log line of a membership: who belongs from which entry on, and what that changed. */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <stdarg.h>
#include <stdio.h>

struct member_text {
    char at[512];
    size_t used;
};

static void __attribute__((format(printf, 2, 3)))
member_put(struct member_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (text->used < sizeof(text->at))
        text->used +=
            (size_t)vsnprintf(text->at + text->used, sizeof(text->at) - text->used, format, args);
    va_end(args);
}

static void member_put_list(struct member_text *text, const struct membership *members,
                            bool observers)
{
    bool any = false;

    for (uint32_t i = 0; i < members->count; i++) {
        if (members->server[i].observer != observers)
            continue;
        member_put(text, " %u", members->server[i].id);
        any = true;
    }
    if (!any)
        member_put(text, " none");
}

static void member_put_changes(struct member_text *text, const struct membership *before,
                               const struct membership *after)
{
    const char *mark = " (";

    for (uint32_t i = 0; i < after->count; i++) {
        const struct membership_server *server = &after->server[i];
        const struct membership_server *was = membership_find(before, server->id);
        const char *what = !was ? "joined"
                           : was->observer != server->observer
                               ? server->observer ? "is an observer now" : "votes now"
                           : !membership_server_equal(was, server) ? "has other addresses"
                                                                   : NULL;
        if (!what)
            continue;
        member_put(text, "%s%u %s", mark, server->id, what);
        mark = ", ";
    }
    for (uint32_t i = 0; i < before->count; i++) {
        if (membership_find(after, before->server[i].id))
            continue;
        member_put(text, "%s%u left", mark, before->server[i].id);
        mark = ", ";
    }
    if (*mark == ',')
        member_put(text, ")");
}

static void member_say(struct role_core *core)
{
    struct member_text text = {.used = 0};

    member_put_list(&text, &core->member_next, false);
    member_put(&text, "; observers");
    member_put_list(&text, &core->member_next, true);
    if (core->member_said_index) /* before the first one there was only a file */
        member_put_changes(&text, &core->member_said, &core->member_next);
    core->member_said_index = core->member_index;
    core->member_said = core->member_next;
    say(SAY_INFO, "members from entry %llu on: voters%s", (unsigned long long)core->member_index,
        text.at);
}

/* Asked each turn: the room for a line is taken only when there is one to say. */
void core_member_say(struct role_core *core)
{
    if (core->member_index == core->member_said_index)
        return;
    const struct raft_membership *members = raft_membership(&core->raft);
    if (!members->joint && core->member_index <= core->raft.commit_index &&
        members->index == core->member_index)
        member_say(core);
}
