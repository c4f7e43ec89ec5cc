#include "base/check.h"
#include "consensus/raft_parts.h"

static bool raft_next_has_room(const struct raft *raft, const struct raft_progress *p)
{
    return p->state == RAFT_PROBE ? !p->probe_sent : p->inflight_count < raft->config.inflight_max;
}

static void raft_next_prev(const struct raft *raft, const struct raft_progress *p,
                           struct raft_range *range)
{
    *range = (struct raft_range){.to = p->id};
    if (p->next_index > raft->terms.base_index) {
        range->prev_index = p->next_index - 1;
        range->prev_term = raft_terms_at(&raft->terms, range->prev_index);
    } /* else it needs a snapshot: a heartbeat at 0@0, which each log matches */
    range->last = range->prev_index;
}

enum raft_append raft_next_append(const struct raft *raft, uint32_t member_index,
                                  struct raft_range *range)
{
    CHECK(member_index < raft_membership(raft)->count);
    const struct raft_progress *p = &raft->progress[member_index];
    if (raft->state != RAFT_LEADER || p->id == raft->config.id)
        return RAFT_APPEND_NONE;
    CHECK(p->next_index <= raft->last_index + 1);
    bool snapshot = p->next_index <= raft->terms.base_index;
    raft_next_prev(raft, p, range);
    if (!snapshot && p->next_index <= raft->last_index && raft_next_has_room(raft, p)) {
        range->first = p->next_index;
        range->last = raft_terms_run_end(&raft->terms, p->next_index);
        range->term = raft_terms_at(&raft->terms, p->next_index);
        return RAFT_APPEND_ENTRIES;
    }
    if (p->sent_round < raft->round)
        return RAFT_APPEND_EMPTY;
    /* Idle members are told of a commit at once: their clients wait for it. */
    range->quiet = true;
    return !snapshot && p->state == RAFT_REPLICATE && p->commit_sent < raft->commit_index
               ? RAFT_APPEND_EMPTY
               : RAFT_APPEND_NONE;
}

void raft_next_sent(struct raft *raft, uint8_t member, uint64_t index)
{
    int i = raft_member_index(raft, member);

    if (raft->state != RAFT_LEADER || i < 0)
        return;
    struct raft_progress *p = &raft->progress[i];
    CHECK(index <= raft->last_index);
    CHECK(member != raft->config.id);
    bool beat = p->sent_round < raft->round;
    p->sent_round = raft->round;
    p->commit_sent = raft->commit_index;
    raft->round_open = false;
    if (p->state == RAFT_PROBE) {
        if (index >= p->next_index) {
            p->probe_last = index;
            p->probe_round = raft->round;
        }
        p->probe_sent = p->probe_sent || beat || index >= p->next_index;
    } else if (index >= p->next_index) {
        CHECK(p->inflight_count < RAFT_INFLIGHT_MAX);
        p->inflight[(p->inflight_first + p->inflight_count++) % RAFT_INFLIGHT_MAX] = index;
        p->next_index = index + 1;
    }
}
