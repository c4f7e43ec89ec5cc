/* What the NETs ask for. */
#include "consensus/core_parts.h"

#include "base/zk.h"

#include <string.h>

static bool nets_refuse(struct role_core *core, const struct command *command, int32_t error)
{
    struct core_apply head = {.kind = CORE_APPLY_REFUSE, .error = error};
    bool told = core->config.ensemble ? core_wait(core, &head, command, false)
                                      : core_tell_behind(core, &head, command, sizeof(*command));
    if (told)
        counters_add(core->counters, METRIC_core_refused_total, 1);
    return told;
}

static bool nets_query(struct role_core *core, const struct command *command)
{
    struct core_apply head = {.kind = CORE_APPLY_QUERY};
    if (core->config.ensemble)
        return core_wait(core, &head, command, true);
    return core_tell_behind(core, &head, command, (uint32_t)sizeof(*command) + command->body_size);
}

/* A command for the log. Alone: at once; with peers: by way of the outbox, whoever leads. */
static bool nets_command(struct role_core *core, const struct command *command, struct now now)
{
    if (core->config.ensemble) {
        if (forward_full(&core->forward, now.mono_ns))
            return nets_refuse(core, command, ZK_SYSTEM_ERROR);
        if (core->refusal_count)
            return false; /* the next answer must not overtake a refusal that waits */
        return forward_take(&core->forward, command, command + 1) != 0;
    }
    if (command->session)
        timers_touch(&core->timers, command->session, now.mono_ns);
    if (!core->room_known)
        return false; /* DISK tells in its first turn, which may be after ours */
    if (!core_disk_has_room(core, command->body_size))
        return nets_refuse(core, command, ZK_SYSTEM_ERROR);
    return core_propose(core, command, command + 1, now);
}

/* Takes one command of a NET. False: it stays on the link for a later turn (HOLD). */
static bool nets_take(struct role_core *core, const struct command *command, uint32_t size,
                      struct now now)
{
    CHECK(size >= sizeof(*command));
    CHECK(command->body_size <= size - sizeof(*command));
    switch (command->kind) {
    case COMMAND_TOUCH: core_touch(core, command, now); return true;
    case COMMAND_QUERY: return nets_query(core, command);
    default: return nets_command(core, command, now);
    }
}

bool core_take(struct role_core *core, const struct command *command, uint32_t size, struct now now)
{
    if (core->stopped || core->handed >= CORE_TURN_COMMANDS_MAX ||
        (!core->config.ensemble && log_tail_batch_full(core->tail)) ||
        !nets_take(core, command, size, now))
        return false;
    core->handed++;
    return true;
}

static uint32_t nets_drain(struct role_core *core, struct now now)
{
    uint32_t taken = core->handed, quiet = 0;

    core->nets_held = false;
    core->handed = 0;
    while (quiet < core->net_count && taken < CORE_TURN_COMMANDS_MAX) {
        struct link *link = core->net_core[core->net_next];
        if (++core->net_next == core->net_count) /* a division would be asked for each turn */
            core->net_next = 0;
        uint32_t size, before = taken;
        for (const struct command *c; taken - before < 64 && (c = link_peek(link, &size));) {
            bool full = !core->config.ensemble && log_tail_batch_full(core->tail);
            if (full || !nets_take(core, c, size, now)) {
                core->nets_held = true;
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

/* What lies on net_core when the turn begins is awaited, be it for several turns. */
static void nets_await(struct role_core *core, struct now now)
{
    if (core->heads_ns)
        return;
    core->heads_ns = now.mono_ns;
    for (uint32_t i = 0; i < core->net_count; i++)
        core->heads[i] = link_published(core->net_core[i]);
}

static void nets_heard(struct role_core *core)
{
    for (uint32_t i = 0; i < core->net_count; i++)
        if (core->net_core[i]->cursor < core->heads[i])
            return;
    core->heard_ns = core->heads_ns;
    core->heads_ns = 0;
}

uint32_t core_poll_nets(struct role_core *core, struct now now)
{
    nets_await(core, now);
    uint32_t taken = nets_drain(core, now);
    nets_heard(core);
    return taken;
}

/* What the outbox holds is proposed when this node leads. */
uint32_t core_propose_own(struct role_core *core, struct now now)
{
    struct core_log to = {core, now};
    struct forward_log log = {&to, core_log_propose};

    return forward_own(&core->forward, CORE_TURN_COMMANDS_MAX, &log, now.mono_ns);
}
