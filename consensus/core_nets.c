/* What the NETs ask for. */
#include "consensus/core_parts.h"

#include "base/zk.h"

#include <string.h>

static bool core_refuse(struct role_core *core, const struct command *command, int32_t error)
{
    struct core_apply head = {.kind = CORE_APPLY_REFUSE, .error = error};
    if (!core_tell_behind(core, &head, command, sizeof(*command)))
        return false;
    counters_add(core->counters, METRIC_core_refused_total, 1);
    return true;
}

static bool core_query(struct role_core *core, const struct command *command)
{
    struct core_apply head = {.kind = CORE_APPLY_QUERY};
    return core_tell_behind(core, &head, command, (uint32_t)sizeof(*command) + command->body_size);
}

static void core_touch(struct role_core *core, const struct command *command, struct now now)
{
    const uint8_t *ids = (const uint8_t *)(command + 1);
    for (uint32_t at = 0; at + 8 <= command->body_size; at += 8) {
        int64_t id;
        memcpy(&id, ids + at, 8);
        expiry_touch(&core->expiry, id, now.mono_ns);
    }
}

/* Takes one command of a NET. False: it stays on the link for a later turn (HOLD). */
static bool core_take(struct role_core *core, const struct command *command, uint32_t size,
                      struct now now)
{
    CHECK(size >= sizeof(*command));
    CHECK(command->body_size <= size - sizeof(*command));
    switch (command->kind) {
    case COMMAND_TOUCH: core_touch(core, command, now); return true;
    case COMMAND_QUERY: return core_query(core, command);
    default:
        if (command->session)
            expiry_touch(&core->expiry, command->session, now.mono_ns);
        if (!core->room_known)
            return false; /* DISK tells in its first turn, which may be after ours */
        if (!core_disk_has_room(core, command->body_size))
            return core_refuse(core, command, ZK_SYSTEM_ERROR);
        return core_propose(core, command, command + 1, now);
    }
}

/* Round robin over the NETs, a bounded number of commands a turn. */
uint32_t core_poll_nets(struct role_core *core, struct now now)
{
    uint32_t taken = 0, quiet = 0;

    while (quiet < core->net_count && taken < CORE_TURN_COMMANDS_MAX) {
        struct link *link = core->net_core[core->net_next];
        core->net_next = (core->net_next + 1) % core->net_count;
        uint32_t size, before = taken;
        for (const struct command *c; taken - before < 64 && (c = link_peek(link, &size));) {
            if (log_tail_batch_full(core->tail) || !core_take(core, c, size, now)) {
                link_release(link);
                return taken;
            }
            link_pop(link);
            taken++;
        }
        link_release(link);
        quiet = taken == before ? quiet + 1 : 0;
    }
    return taken;
}
