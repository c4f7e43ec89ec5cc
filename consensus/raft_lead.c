#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#include <stddef.h>

void raft_lead_begin(struct raft *raft, const char *reason, struct raft_output *out)
{
    CHECK(raft->state == RAFT_CANDIDATE);
    CHECK(raft->vote == raft->config.id);
    raft_become(raft, RAFT_LEADER, raft->config.id, reason, out);
    raft->term_first_index = raft->last_index + 1;
    raft->transfer_to = 0;
    raft->round++;
    raft->round_open = false;
    raft->heartbeat_ns = raft->now_ns + raft->config.heartbeat_ns;
    for (uint32_t i = 0; i < raft_membership(raft)->count; i++)
        raft->progress[i] = raft_next_begin(raft, raft_membership(raft)->members[i].id);
    raft_read_reset(raft);
    raft_lead_vouch(raft);
    out->append_noop = true;
}

/* ---- how long it certainly leads ------------------------------------------------------------- */

/* One that has no vote, as its disk was lost, may have given one before, and answers an older
 * leader: it is not counted. */
static uint64_t raft_lead_answered_round(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t rounds[RAFT_MEMBER_COUNT_MAX];

    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_progress *p = &raft->progress[i];
        uint64_t told = p->votes ? p->acked_round : 0;
        rounds[i] = m->members[i].id == raft->config.id ? UINT64_MAX : told;
    }
    return raft_member_quorum_value(raft, rounds);
}

void raft_lead_vouch(struct raft *raft)
{
    CHECK(raft->state == RAFT_LEADER);
    uint64_t answered = raft_lead_answered_round(raft);
    if (answered == UINT64_MAX) {
        raft->vouched_ns = UINT64_MAX;
    } else if (raft->vouch_round && answered >= raft->vouch_round) {
        raft->vouched_ns = raft->vouch_ns;
        raft->vouch_round = 0;
    } else if (raft->vouched_ns == UINT64_MAX) {
        raft->vouched_ns = raft->now_ns; /* until this step it decided alone */
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Is there a quorum of members that were heard within the longest election timeout. */
static bool raft_lead_quorum_heard(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t heard = 0;

    CHECK(raft->state == RAFT_LEADER);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].id == raft->config.id ||
            raft->now_ns - raft->progress[i].heard_ns < raft->config.election_ns_max)
            heard |= 1ull << i;
    return raft_member_quorum(raft, heard);
}

void raft_lead_tick(struct raft *raft, struct raft_output *out)
{
    if (!raft_lead_quorum_heard(raft)) {
        raft_become_follower(raft, raft->term, 0, "no quorum was heard", out);
        return;
    }
    if (raft->transfer_to && raft->now_ns >= raft->transfer_ns) {
        raft->transfer_to = 0;
        out->state_changed = true;
        out->reason = "the transfer took too long";
    }
    if (raft->now_ns < raft->heartbeat_ns)
        return;
    raft->heartbeat_ns = raft->now_ns + raft->config.heartbeat_ns;
    raft->round++;
    if (raft->vouch_round == 0) {
        raft->vouch_round = raft->round;
        raft->vouch_ns = raft->now_ns;
    }
    raft_lead_transfer_go(raft, out);
}

uint64_t raft_lead_deadline_ns(const struct raft *raft)
{
    CHECK(raft->state == RAFT_LEADER);
    if (raft_membership(raft)->count == 1 && raft_member_is_voter(raft, raft->config.id))
        return UINT64_MAX; /* nobody to be heard by */
    if (raft->transfer_to && raft->transfer_ns < raft->heartbeat_ns)
        return raft->transfer_ns;
    return raft->heartbeat_ns;
}

/* ---- room on disks --------------------------------------------------------------------------- */

/* The members that can take entries now, as a set of member indexes. */
static uint64_t raft_lead_roomy(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t set = 0;

    CHECK(raft->state == RAFT_LEADER);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_progress *p = &raft->progress[i];
        bool room = m->members[i].id == raft->config.id
                        ? !raft->full
                        : !p->full && raft->now_ns - p->heard_ns < raft->config.election_ns_max;
        set |= (uint64_t)room << i;
    }
    return set;
}

bool raft_has_room(const struct raft *raft)
{
    return raft->state == RAFT_LEADER && raft_member_quorum(raft, raft_lead_roomy(raft));
}

uint8_t raft_heir(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint8_t heir = 0;
    uint64_t most = 0;

    if (raft->state != RAFT_LEADER)
        return 0;
    uint64_t roomy = raft_lead_roomy(raft);
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t match = raft->progress[i].match_index;
        if (m->members[i].id == raft->config.id)
            roomy &= ~(1ull << i);
        else if ((roomy >> i & 1) && raft_member_is_voter(raft, m->members[i].id) &&
                 (heir == 0 || match > most)) {
            heir = m->members[i].id;
            most = match;
        }
    }
    return raft_member_quorum(raft, roomy) ? heir : 0;
}

/* ---- leaving office -------------------------------------------------------------------------- */

void raft_lead_transfer(struct raft *raft, uint8_t to, struct raft_output *out)
{
    if (raft->state != RAFT_LEADER)
        return;
    CHECK(to <= PEER_ID_MAX);
    if (to == 0 || to == raft->config.id || !raft_member_is_voter(raft, to)) {
        raft->transfer_to = 0;
        return;
    }
    raft->transfer_to = to;
    raft->transfer_ns = raft->now_ns + raft->config.election_ns_max;
    raft->transfer_round = 0;
    raft_lead_transfer_go(raft, out);
}

/* Once its log is as long as ours, the other one may campaign; told again each heartbeat. */
void raft_lead_transfer_go(struct raft *raft, struct raft_output *out)
{
    if (raft->transfer_to == 0 || raft->transfer_round == raft->round)
        return;
    int i = raft_member_index(raft, raft->transfer_to);
    CHECK(raft->state == RAFT_LEADER);
    if (i < 0 || raft->progress[i].match_index < raft->last_index)
        return;
    if (raft_message_add(raft, out, PEER_TIMEOUT_NOW, raft->transfer_to))
        raft->transfer_round = raft->round;
}

/* The committed membership is one without this leader: it goes, and names a successor so that
 * nobody has to wait for a timeout. */
void raft_lead_removed(struct raft *raft, struct raft_output *out)
{
    const struct raft_membership *m = raft_membership(raft);
    uint32_t best = m->count;

    CHECK(raft->state == RAFT_LEADER);
    if (m->joint || m->index > raft->commit_index || raft_member_is_voter(raft, raft->config.id))
        return;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].voter &&
            (best == m->count || raft->progress[i].match_index > raft->progress[best].match_index))
            best = i;
    CHECK(best < m->count);
    (void)raft_message_add(raft, out, PEER_TIMEOUT_NOW, m->members[best].id);
    raft_become_follower(raft, raft->term, 0, "no voter any more", out);
}
