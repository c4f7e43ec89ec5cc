/* A member that is ahead of a history that was given up (ARCHITECTURE.md, section 6): a majority
 * lost its memory, and --recover-from-disk made voters of what their disks have. The leader of the
 * new history holds other entries than this member, at places that are committed here.
 *
 *   1 ... 90 │ 91 ... 100      committed here, in term 7
 *   1 ... 90 │ 91' ...         the leader's, in term 8: raft refuses the message unanswered
 *
 * The superblock says `forget`, and no vote; the next start, in the same process, puts log and
 * snapshots aside and comes back as one without a disk does. Term and vote stay. */
#include "consensus/core_parts.h"

#include "base/say.h"

/* Only where entries are acknowledged from memory is there a history that can be given up. */
static bool forget_may(const struct role_core *core, uint8_t leader)
{
    return core->config.memory || core->hello.memory_heard[leader];
}

void core_contradicted(struct role_core *core)
{
    uint64_t index = core->out.contradicts;
    uint8_t leader = core->raft.leader;
    struct fault fault;

    CHECK(index > 0 && index <= core->raft.commit_index);
    if (core->forgetting || core->stopped)
        return;
    if (!forget_may(core, leader)) {
        fault_set(&fault, ERR_CORRUPT,
                  "entry %llu is committed here, and node %u, which leads term %llu, holds another "
                  "one: the logs of the members differ. Keep both data directories, and let this "
                  "node begin with an empty one",
                  (unsigned long long)index, leader, (unsigned long long)core->raft.term);
        core_fail(core, ERR_CORRUPT, &fault);
        return;
    }
    say(SAY_WARN,
        "entry %llu is committed here, and node %u, which leads term %llu, holds another one: this "
        "node holds a history that was given up when others were started with --recover-from-disk. "
        "Its log and snapshots are put aside (lost.*), and it catches up before it votes",
        (unsigned long long)index, leader, (unsigned long long)core->raft.term);
    core->forgetting = true;
    core->hello.identity.catching_up = true;
    core_save(core);
}

void core_forget_saved(struct role_core *core)
{
    struct fault fault;

    CHECK(core->forgetting);
    fault_set(&fault, ERR_RESTART, "node %u begins again without a log", core->config.node_id);
    core_fail(core, ERR_RESTART, &fault);
}
