#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

/* ---- commit ---------------------------------------------------------------------------------- */

static uint64_t raft_reply_quorum_match(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t match[RAFT_MEMBER_COUNT_MAX];

    for (uint32_t i = 0; i < m->count; i++)
        match[i] = m->members[i].id == raft->config.id ? raft->durable_index
                                                       : raft->progress[i].match_index;
    return raft_member_quorum_value(raft, match);
}

void raft_reply_commit(struct raft *raft, struct raft_output *out)
{
    CHECK(raft->state == RAFT_LEADER);
    uint64_t quorum = raft_reply_quorum_match(raft);
    /* an entry of an older term is committed only by one of this term behind it */
    bool counts = quorum >= raft->term_first_index || PLANTED(1);
    if (counts && quorum > raft->commit_index) {
        CHECK(quorum <= raft->last_index);
        raft->commit_index = quorum;
        raft_member_commit(raft);
    }
    raft_lead_removed(raft, out);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void raft_reply_free(struct raft_progress *p)
{
    while (p->inflight_count && p->inflight[p->inflight_first] <= p->match_index) {
        p->inflight_first = (p->inflight_first + 1) % RAFT_INFLIGHT_MAX;
        p->inflight_count--;
    }
}

static void raft_reply_matched(struct raft_progress *p, const struct peer_message *m)
{
    if (p->matched_round < m->context)
        p->matched_round = m->context;
    if (p->match_index < m->index)
        p->match_index = m->index;
    if (p->next_index <= p->match_index)
        p->next_index = p->match_index + 1;
    if (p->state == RAFT_PROBE && p->probe_round == m->context && p->next_index <= p->probe_last)
        p->next_index = p->probe_last + 1; /* on their disk now */
    p->state = RAFT_REPLICATE;
    p->probe_sent = false;
    raft_reply_free(p);
}

/* From now on only answers to what is sent from now on tell where the logs part. The others'
 * heartbeats are not due because of it. */
static void raft_reply_new_round(struct raft *raft, struct raft_progress *p)
{
    for (uint32_t i = 0; i < raft_membership(raft)->count; i++)
        if (raft->progress[i].sent_round == raft->round && &raft->progress[i] != p)
            raft->progress[i].sent_round++;
    raft->round++;
    p->backup_round = raft->round;
}

static void raft_reply_refused(struct raft *raft, struct raft_progress *p,
                               const struct peer_message *m)
{
    if (m->context < p->backup_round || m->extra >= p->next_index)
        return; /* about messages that went out before the last back-up */
    if (m->index < p->match_index) {
        if (m->context <= p->matched_round)
            return;         /* older than an answer that showed more */
        p->match_index = 0; /* it lost what it had: it is not counted for it any more */
        p->next_index = raft->last_index + 1;
    }
    uint64_t at = raft_terms_floor(&raft->terms, m->index, m->log_term);
    if (m->index < raft->terms.base_index)
        at = raft->terms.base_index - 1; /* next_index <= base: a snapshot */
    if (at < p->match_index)
        at = p->match_index;
    if (at + 1 < p->next_index)
        p->next_index = at + 1;
    p->state =
        RAFT_PROBE; /* one message until it arrives: a burst may be what the way does not carry */
    p->probe_sent = false;
    p->probe_last = 0;
    p->inflight_count = 0;
    raft_reply_new_round(raft, p);
}

void raft_reply_take(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    int i = raft_member_index(raft, m->from);

    if (raft->state != RAFT_LEADER || i < 0)
        return;
    CHECK(m->term == raft->term);
    struct raft_progress *p = &raft->progress[i];
    p->heard_ns = raft->now_ns;
    if (m->kind != PEER_APPEND_REPLY || m->context > raft->round)
        return;
    if (m->context > p->acked_round)
        p->acked_round = m->context;
    if (m->flags & PEER_REJECT) {
        raft_reply_refused(raft, p, m);
        return;
    }
    if (m->index > raft->last_index)
        return; /* no member that follows this leader says so */
    raft_reply_matched(p, m);
    raft_reply_commit(raft, out);
    if (raft->state == RAFT_LEADER)
        raft_lead_transfer_go(raft, out);
}

void raft_reply_unreachable(struct raft *raft, uint8_t member, bool reborn)
{
    int i = raft_member_index(raft, member);

    if (raft->state != RAFT_LEADER || i < 0 || member == raft->config.id)
        return;
    struct raft_progress *p = &raft->progress[i];
    CHECK(p->id == member);
    if (reborn)
        p->match_index = 0;
    p->state = RAFT_PROBE;
    p->next_index = reborn ? raft->last_index + 1 : p->match_index + 1;
    p->probe_sent = false;
    p->probe_last = 0;
    p->inflight_count = 0;
    raft_reply_new_round(raft, p);
}
