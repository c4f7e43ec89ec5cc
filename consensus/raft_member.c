#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#include <string.h>

struct raft_membership raft_membership_alone(uint8_t id)
{
    return (struct raft_membership){.count = 1, .members = {{.id = id, .voter = true}}};
}

const struct raft_membership *raft_membership(const struct raft *raft)
{
    CHECK(raft->config_count > 0);
    return &raft->configs[raft->config_count - 1];
}

int raft_member_index(const struct raft *raft, uint8_t id)
{
    const struct raft_membership *m = raft_membership(raft);

    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].id == id)
            return (int)i;
    return -1;
}

bool raft_member_valid(const struct raft_membership *m)
{
    uint32_t voters = 0, next = 0;

    if (m->count == 0 || m->count > RAFT_MEMBER_COUNT_MAX)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_member *member = &m->members[i];
        if (member->id == 0 || member->id > PEER_ID_MAX || (member->voter_next && !m->joint))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (m->members[k].id == member->id)
                return false;
        voters += member->voter;
        next += member->voter_next;
    }
    return voters > 0 && (next > 0 || !m->joint);
}

/* The membership in force changed: what is known of members that stay is kept. */
static void raft_member_progress(struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    struct raft_progress before[RAFT_MEMBER_COUNT_MAX];

    memcpy(before, raft->progress, sizeof(before));
    memset(raft->progress, 0, sizeof(raft->progress));
    for (uint32_t i = 0; i < m->count; i++) {
        struct raft_progress *p = &raft->progress[i];
        *p = raft_next_begin(raft, m->members[i].id);
        for (uint32_t k = 0; k < RAFT_MEMBER_COUNT_MAX; k++)
            if (before[k].id == p->id)
                *p = before[k];
    }
    if (raft->state == RAFT_LEADER)
        raft_lead_vouch(raft);
}

void raft_member_reset(struct raft *raft, const struct raft_membership *membership)
{
    CHECK(raft_member_valid(membership));
    CHECK(raft->state == RAFT_FOLLOWER);
    raft->configs[0] = *membership;
    raft->config_count = 1;
    raft_member_progress(raft);
}

void raft_member_config(struct raft *raft, uint64_t index, const struct raft_membership *membership)
{
    CHECK(raft_member_valid(membership));
    CHECK(index <= raft->last_index);
    if (index <= raft_membership(raft)->index)
        return; /* known already */
    /* A leader appends one when the one before is committed, so of those in a log all but the last
     * two are, whether this member has heard of it or not: the oldest is not gone back to. */
    if (raft->config_count == RAFT_CONFIG_COUNT_MAX)
        memmove(raft->configs, raft->configs + 1,
                --raft->config_count * sizeof(raft->configs[0]));
    raft->configs[raft->config_count] = *membership;
    raft->configs[raft->config_count++].index = index;
    raft_member_commit(raft);
    raft_member_progress(raft);
    if (raft->state != RAFT_LEADER && raft->election_ns < raft->now_ns)
        raft_vote_rearm(raft);
}

void raft_member_truncate(struct raft *raft, uint64_t from)
{
    uint32_t before = raft->config_count;

    while (raft->config_count > 1 && raft_membership(raft)->index >= from)
        raft->config_count--;
    CHECK(raft_membership(raft)->index < from);
    if (raft->config_count != before)
        raft_member_progress(raft);
}

/* Of the committed memberships only the newest is needed: nothing goes back behind it. */
void raft_member_commit(struct raft *raft)
{
    uint32_t keep = 0;

    while (keep + 1 < raft->config_count && raft->configs[keep + 1].index <= raft->commit_index)
        keep++;
    if (keep == 0)
        return;
    raft->config_count -= keep;
    memmove(raft->configs, raft->configs + keep, raft->config_count * sizeof(raft->configs[0]));
}

/* A snapshot up to `index` was installed: its membership takes the place of all up to there. */
void raft_member_snapshot(struct raft *raft, const struct raft_membership *membership,
                          uint64_t index)
{
    uint32_t gone = 0;

    CHECK(raft_member_valid(membership));
    CHECK(membership->index <= index);
    while (gone < raft->config_count && raft->configs[gone].index <= index)
        gone++;
    CHECK(gone > 0);
    memmove(raft->configs + 1, raft->configs + gone,
            (raft->config_count - gone) * sizeof(raft->configs[0]));
    raft->configs[0] = *membership;
    raft->config_count -= gone - 1;
    raft_member_progress(raft);
}

static bool raft_member_votes_in(const struct raft_membership *m, uint8_t id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].id == id)
            return m->members[i].voter || m->members[i].voter_next;
    return false;
}

bool raft_member_is_voter(const struct raft *raft, uint8_t id)
{
    CHECK(id != 0);
    return raft_member_votes_in(raft_membership(raft), id);
}

/* A member that is removed by an entry which is not committed may be the only one that holds it:
 * it is needed until then (4.2.2). Its own vote does not count. */
bool raft_member_may_campaign(const struct raft *raft, uint8_t id)
{
    CHECK(raft->config_count > 0);
    if (PLANTED(15)) /* the membership in force alone says who campaigns */
        return raft_member_is_voter(raft, id);
    for (uint32_t i = 0; i < raft->config_count; i++)
        if (raft_member_votes_in(&raft->configs[i], id))
            return true;
    return false;
}

uint32_t raft_member_voters(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint32_t voters = 0;

    for (uint32_t i = 0; i < m->count; i++)
        voters += m->members[i].voter || m->members[i].voter_next;
    return voters;
}

/* ---- quorums --------------------------------------------------------------------------------- */

uint64_t raft_member_quorum_value(const struct raft *raft, const uint64_t *values)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t now[RAFT_MEMBER_COUNT_MAX], next[RAFT_MEMBER_COUNT_MAX];
    uint32_t now_count = 0, next_count = 0;

    for (uint32_t i = 0; i < m->count; i++) {
        if (m->members[i].voter || (PLANTED(14) && !m->joint)) /* learners are counted */
            now[now_count++] = values[i];
        if (m->members[i].voter_next)
            next[next_count++] = values[i];
    }
    CHECK(now_count > 0);
    uint64_t value = raft_quorum_index(now, now_count);
    if (!m->joint)
        return value;
    CHECK(next_count > 0);
    uint64_t other = raft_quorum_index(next, next_count);
    if (PLANTED(5)) /* the new membership decides alone as soon as it is appended */
        return other;
    return value < other ? value : other;
}

bool raft_member_quorum(const struct raft *raft, uint64_t set)
{
    uint64_t values[RAFT_MEMBER_COUNT_MAX];

    for (uint32_t i = 0; i < RAFT_MEMBER_COUNT_MAX; i++)
        values[i] = set >> i & 1;
    return raft_member_quorum_value(raft, values) == 1;
}
