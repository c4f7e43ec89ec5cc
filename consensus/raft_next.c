#include "base/check.h"
#include "consensus/raft_parts.h"

#define NEXT_FULL_ROUNDS 5 /* heartbeats between two messages to a full disk that does not move */

struct raft_progress raft_next_begin(const struct raft *raft, uint8_t id)
{
    uint32_t most = raft->config.inflight_max;

    CHECK(id != 0);
    CHECK(most > 0);
    return (struct raft_progress){.id = id,
                                  .next_index = raft->last_index + 1,
                                  .heard_ns = raft->now_ns,
                                  .backup_round = raft->round,
                                  .window = most < RAFT_WINDOW_FIRST ? most : RAFT_WINDOW_FIRST,
                                  .window_slow = most};
}

static bool raft_next_has_room(const struct raft *raft, const struct raft_progress *p)
{
    CHECK(p->window >= 1);
    CHECK(p->window <= raft->config.inflight_max);
    /* whose disk is full drops entries until it has room, or takes them from its reserve */
    if (p->full &&
        (p->inflight_count || (p->full_round && raft->round < p->full_round + NEXT_FULL_ROUNDS)))
        return false;
    if (p->state == RAFT_PROBE)
        return !p->probe_sent;
    return p->inflight_count < raft->config.inflight_max && raft_next_on_way(p) < p->window;
}

static void raft_next_prev(const struct raft *raft, const struct raft_progress *p, uint64_t prev,
                           struct raft_range *range)
{
    *range = (struct raft_range){.to = p->id};
    if (p->next_index > raft->terms.base_index && prev >= raft->terms.base_index) {
        range->prev_index = prev;
        range->prev_term = raft_terms_at(&raft->terms, prev);
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
    CHECK(p->next_index > p->match_index);
    if (p->next_index <= raft->terms.base_index || p->next_index > raft->last_index ||
        !raft_next_has_room(raft, p))
        return raft_next_empty(raft, member_index, range);
    raft_next_prev(raft, p, p->next_index - 1, range);
    range->first = p->next_index;
    range->last = raft_terms_run_end(&raft->terms, p->next_index);
    range->term = raft_terms_at(&raft->terms, p->next_index);
    return RAFT_APPEND_ENTRIES;
}

enum raft_append raft_next_empty(const struct raft *raft, uint32_t member_index,
                                 struct raft_range *range)
{
    CHECK(member_index < raft_membership(raft)->count);
    const struct raft_progress *p = &raft->progress[member_index];
    if (raft->state != RAFT_LEADER || p->id == raft->config.id)
        return RAFT_APPEND_NONE;
    /* Idle members are told of a commit at once: their clients wait for it. */
    bool beat = p->sent_round < raft->round;
    bool news = p->next_index > raft->terms.base_index && p->state == RAFT_REPLICATE &&
                p->commit_sent < raft->commit_index;
    if (!beat && !news)
        return RAFT_APPEND_NONE;
    /* A heartbeat may overtake the entries that are under way: it names what is certainly there, so
     * that it is not refused for them. PROBE asks where the logs part. */
    raft_next_prev(raft, p, p->state == RAFT_PROBE ? p->next_index - 1 : p->match_index, range);
    range->quiet = !beat;
    return RAFT_APPEND_EMPTY;
}

void raft_next_sent(struct raft *raft, const struct raft_input *in)
{
    int i = raft_member_index(raft, in->member);

    if (raft->state != RAFT_LEADER || i < 0)
        return;
    struct raft_progress *p = &raft->progress[i];
    CHECK(in->index <= raft->last_index);
    CHECK(in->member != raft->config.id);
    bool beat = p->sent_round < raft->round, entries = in->index >= p->next_index;
    p->sent_round = raft->round;
    p->commit_sent = raft->commit_index;
    raft->round_open = false;
    if (entries) {
        p->full_round = raft->round;
        CHECK(p->inflight_count < RAFT_INFLIGHT_MAX);
        p->inflight[(p->inflight_first + p->inflight_count++) % RAFT_INFLIGHT_MAX] =
            (struct raft_inflight){in->index, raft->round, raft->now_ns, in->bulk};
        if (in->bulk)
            p->bulk_index = in->index;
    }
    if (p->state == RAFT_PROBE)
        p->probe_sent = p->probe_sent || beat || entries;
    else if (entries)
        p->next_index = in->index + 1;
}

/* ---- what is on its way ---- */

bool raft_bulk_on_way(const struct raft *raft, uint32_t member_index)
{
    CHECK(member_index < raft_membership(raft)->count);
    const struct raft_progress *p = &raft->progress[member_index];
    CHECK(p->bulk_index < p->next_index || p->state == RAFT_PROBE);
    return raft->state == RAFT_LEADER && p->bulk_index > p->held_index;
}

uint32_t raft_next_on_way(const struct raft_progress *p)
{
    uint32_t held = 0;

    CHECK(p->inflight_count <= RAFT_INFLIGHT_MAX);
    while (held < p->inflight_count &&
           p->inflight[(p->inflight_first + held) % RAFT_INFLIGHT_MAX].index <= p->held_index)
        held++;
    return p->inflight_count - held;
}

uint32_t raft_on_way_count(const struct raft *raft, uint32_t member_index)
{
    CHECK(member_index < raft_membership(raft)->count);
    return raft_next_on_way(&raft->progress[member_index]);
}
