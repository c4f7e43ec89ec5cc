#include "consensus/raft.h"
#include "consensus/raft_parts.h"

#include <stdarg.h>
#include <stdio.h>

/* A line that is built piece by piece; `used` counts on when the line is full, as snprintf does. */
struct raft_line {
    char *at;
    uint32_t size, used;
};

static PRINTF_LIKE(2, 3) void raft_describe_add(struct raft_line *line, const char *format, ...)
{
    va_list args;
    uint32_t room = line->used < line->size ? line->size - line->used : 0;

    va_start(args, format);
    int n = vsnprintf(room ? line->at + line->used : NULL, room, format, args);
    va_end(args);
    line->used += n > 0 ? (uint32_t)n : 0;
}

static void raft_describe_members(struct raft_line *line, const struct raft_membership *m)
{
    raft_describe_add(line, "%llu[", (unsigned long long)m->index);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_member *member = &m->members[i];
        raft_describe_add(line, "%s%u", i ? " " : "", member->id);
        if (m->joint)
            raft_describe_add(line, "%s%s", member->voter ? "o" : "",
                              member->voter_next ? "n" : "");
        else if (!member->voter)
            raft_describe_add(line, "l");
    }
    raft_describe_add(line, "]%s", m->joint ? " joint" : "");
}

int raft_describe(const struct raft *raft, char *text, uint32_t size)
{
    struct raft_line line = {text, size, 0};

    raft_describe_add(&line,
                      "member %u %s term %llu vote %u leader %u last %llu@%llu durable %llu "
                      "commit %llu members ",
                      raft->config.id, raft_state_name(raft->state), (unsigned long long)raft->term,
                      raft->vote, raft->leader, (unsigned long long)raft->last_index,
                      (unsigned long long)raft->last_term, (unsigned long long)raft->durable_index,
                      (unsigned long long)raft->commit_index);
    raft_describe_members(&line, raft_membership(raft));
    if (!raft->config.voting)
        raft_describe_add(&line, " without a vote");
    for (uint32_t i = 0; raft->state == RAFT_LEADER && i < raft_membership(raft)->count; i++) {
        const struct raft_progress *p = &raft->progress[i];
        if (p->id != raft->config.id)
            raft_describe_add(&line, " %u:%s match %llu next %llu", p->id,
                              p->state == RAFT_PROBE ? "probe" : "stream",
                              (unsigned long long)p->match_index,
                              (unsigned long long)p->next_index);
    }
    return (int)line.used;
}

int raft_describe_input(const struct raft_input *in, char *text, uint32_t size)
{
    static const char *const names[] = {
        "none",      "start",    "saved", "appended", "durable",     "tick",   "message",
        "config",    "transfer", "read",  "sent",     "unreachable", "reborn", "snapshot_installed",
        "compacted", "voting",   "full"};
    struct raft_line line = {text, size, 0};

    raft_describe_add(&line, "%s", in->kind <= RAFT_INPUT_FULL ? names[in->kind] : "unknown");
    if (in->member)
        raft_describe_add(&line, " %u", in->member);
    if (in->index || in->term)
        raft_describe_add(&line, " %llu", (unsigned long long)in->index);
    if (in->term)
        raft_describe_add(&line, "@%llu", (unsigned long long)in->term);
    if (in->context)
        raft_describe_add(&line, " context %llu", (unsigned long long)in->context);
    if (in->membership) {
        raft_describe_add(&line, " ");
        raft_describe_members(&line, in->membership);
    }
    if (in->message && line.used + 1 < size) {
        raft_describe_add(&line, " ");
        line.used +=
            (uint32_t)peer_message_describe(in->message, text + line.used, size - line.used);
    }
    return (int)line.used;
}

int raft_describe_output(const struct raft_output *out, char *text, uint32_t size)
{
    struct raft_line line = {text, size, 0};

    raft_describe_add(&line, "commit %llu", (unsigned long long)out->commit_index);
    if (out->state_changed)
        raft_describe_add(&line, " (%s)", out->reason);
    if (out->save)
        raft_describe_add(&line, " save %llu/%u", (unsigned long long)out->save_term,
                          out->save_vote);
    if (out->append_noop)
        raft_describe_add(&line, " noop");
    if (out->truncate_from)
        raft_describe_add(&line, " truncate %llu", (unsigned long long)out->truncate_from);
    if (out->contradicts)
        raft_describe_add(&line, " contradicted at %llu", (unsigned long long)out->contradicts);
    if (out->accept_first)
        raft_describe_add(&line, " accept %llu-%llu", (unsigned long long)out->accept_first,
                          (unsigned long long)out->accept_last);
    if (out->read_refused)
        raft_describe_add(&line, " read refused");
    for (uint32_t i = 0; i < out->read_count; i++)
        raft_describe_add(&line, " read %llu at %llu", (unsigned long long)out->reads[i].context,
                          (unsigned long long)out->reads[i].index);
    if (out->message_count)
        raft_describe_add(&line, " messages %u", out->message_count);
    return (int)line.used;
}
