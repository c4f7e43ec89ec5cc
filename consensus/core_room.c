/* Room on the disk, and who leads when it ends. What DISK has room for is used from above:
 *
 *   room ──────────────┬── 3 batches ───┬── 2 batches ─────────┬── 1 batch ──── 0
 *        everything    │ FULL is told,  │ commands are refused │ a leader's    │ cancelled lanes,
 *        is taken      │ a leader hands │ (or wait for another │ entries are   │ a new term's
 *                      │ over           │ leader)              │ dropped too   │ first entry
 *
 * A segment that is merely not made yet is not a full disk: FULL begins when DISK has tried. A
 * leader hands over only when others with room are a quorum by themselves. Commands wait for that,
 * as the heir must have all that is in the log; for 3 s at most: then, and when there is nobody,
 * they are refused, for a second before it is tried again. */
#include "consensus/core_parts.h"

#include "base/say.h"

#define ROOM_PATIENCE_NS (3 * NS_PER_S)
#define ROOM_AGAIN_NS    NS_PER_S

static bool room_left(const struct role_core *core, uint64_t size, uint32_t batches)
{
    return core->room_used + size + (uint64_t)batches * core->tail->batch_size_max <=
           core->disk_room;
}

bool core_disk_has_room(const struct role_core *core, uint32_t body_size)
{
    return room_left(core, body_size, 2);
}

bool core_room_takes(const struct role_core *core, uint32_t size)
{
    return core->room_known && room_left(core, size, 1);
}

int core_room_for(const struct role_core *core, uint32_t body_size, struct now now)
{
    CHECK(core->raft.state == RAFT_LEADER);
    if (core_disk_has_room(core, body_size) && !core->room_nowhere)
        return 0;
    if (!core->disk_short && !core->room_nowhere)
        return ERR_FULL; /* the next segment is on its way */
    bool patient = core->handover_ns == 0 || now.mono_ns < core->handover_ns;
    return patient && raft_heir(&core->raft) ? ERR_FULL : ERR_NOSPACE;
}

/* A transfer that took too long (the heir is behind) is begun again, until patience ends. */
static void room_hand_over(struct role_core *core, struct now now)
{
    uint8_t heir = raft_heir(&core->raft);

    if (now.mono_ns >= core->handover_ns + ROOM_AGAIN_NS)
        core->handover_ns = 0;
    if (!heir || !raft_may_propose(&core->raft))
        return;
    if (core->handover_ns == 0) {
        say(SAY_WARN, "the disk of this leader is full: it hands over to node %u, which has room",
            heir);
        core->handover_ns = now.mono_ns + ROOM_PATIENCE_NS;
        counters_add(core->counters, METRIC_core_handovers_total, 1);
    }
    if (now.mono_ns < core->handover_ns)
        core_member_transfer(core, heir, now);
}

/* A quorum without a member whose disk is full is not to be had: what is appended stays
 * uncommitted. That somebody is not heard is another matter. */
static bool room_nowhere(const struct role_core *core)
{
    bool full = core->raft.full;

    for (uint32_t i = 0; i < raft_membership(&core->raft)->count && !full; i++)
        full = core->raft.progress[i].full;
    return full && !raft_has_room(&core->raft);
}

void core_room_turn(struct role_core *core, struct now now)
{
    bool full = core->disk_short && !room_left(core, 0, 3);

    if (full != core->raft.full)
        core_step(core, &(struct raft_input){
                            .kind = RAFT_INPUT_FULL, .full = full, .now_ns = now.mono_ns});
    CHECK(core->raft.full == full);
    core->starved = core->starved && full && core->raft.state != RAFT_LEADER;
    core->room_nowhere = core->raft.state == RAFT_LEADER && room_nowhere(core);
    if (full && core->raft.state == RAFT_LEADER)
        room_hand_over(core, now);
    else
        core->handover_ns = 0;
}
