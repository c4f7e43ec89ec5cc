#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

/* ---- commit ---------------------------------------------------------------------------------- */

/* A voter that lost its disk and catches up is counted although it does not vote yet. What it says
 * it has is durable and equal to this log from the first entry on, so it is one of those that hold
 * the entry; every later leader needs a majority, which has a member in common with those, and that
 * one either votes by its log, which holds the entry, or does not vote and is not in the majority.
 * (Lost again, it begins again without a vote.) What it may have forgotten is the promise to a
 * later leader, made before its disk was lost: then it could help an older one to a majority. It
 * cannot be asked by that one: what was sent to its earlier start is refused (dataplane/peer.h), so
 * the older leader must have heard its new start, while still in office. It leaves office when it
 * has not heard a majority for election_ns_max, and the later one was elected by members that had
 * not heard it for election_ns_min: it would take a disk that is lost, and a start on an empty one,
 * in the difference of the two. */
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
    /* when all is committed nobody is counted: the last to answer commits nothing */
    uint64_t quorum = raft->commit_index < raft->last_index ? raft_reply_quorum_match(raft) : 0;
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
    while (p->inflight_count && p->inflight[p->inflight_first].index <= p->match_index) {
        p->inflight_first = (p->inflight_first + 1) % RAFT_INFLIGHT_MAX;
        p->inflight_count--;
    }
}

/* `came` messages did. */
static void raft_reply_widen(const struct raft *raft, struct raft_progress *p, uint32_t came)
{
    p->window_acks += came;
    if (p->window < p->window_slow) {
        p->window += came;
        p->window_acks = 0;
    } else if (p->window_acks >= p->window) {
        p->window++;
        p->window_acks = 0;
    }
    if (p->window > raft->config.inflight_max)
        p->window = raft->config.inflight_max;
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

/* Something of what was sent did not come: again from `next` on, one message until it arrives, as a
 * burst may be what the way does not carry; then half as many as there were. What was sent before a
 * silence is lost to that, and says nothing about the way. */
static void raft_reply_back_up(struct raft *raft, struct raft_progress *p, uint64_t next)
{
    CHECK(next > p->match_index);
    CHECK(next <= raft->last_index + 1);
    if (p->inflight_count && p->inflight[p->inflight_first].sent_ns < p->back_ns)
        p->window_slow = raft->config.inflight_max;
    else if (p->inflight_count)
        p->window_slow = p->inflight_count / 2 > 1 ? p->inflight_count / 2 : 1;
    p->window = 1;
    p->window_acks = 0;
    p->state = RAFT_PROBE;
    p->next_index = next;
    p->probe_sent = false;
    p->bulk_index = 0;
    p->held_index = p->match_index;
    p->inflight_count = 0;
    raft_reply_new_round(raft, p);
}

/* A member that answers a later message, and does not hold the entries of one that went out well
 * before: that one is lost. Bulk waits for its pace, and is overtaken meanwhile. */
static bool raft_reply_shows_loss(const struct raft *raft, const struct raft_progress *p,
                                  uint64_t context, uint64_t held)
{
    uint64_t heartbeat_ns = raft->config.heartbeat_ns;

    for (uint32_t i = 0; i < p->inflight_count; i++) {
        const struct raft_inflight *f = &p->inflight[(p->inflight_first + i) % RAFT_INFLIGHT_MAX];
        if (f->index > held)
            return context > f->round &&
                   raft->now_ns - f->sent_ns >= (f->bulk ? 5 * heartbeat_ns : heartbeat_ns / 2);
    }
    return false;
}

static void raft_reply_matched(struct raft *raft, struct raft_progress *p,
                               const struct peer_message *m)
{
    uint64_t held = m->extra < m->index ? m->index : m->extra;
    uint32_t on_way = raft_next_on_way(p);

    if (held > raft->last_index)
        held = raft->last_index; /* it may say anything */
    if (p->matched_round < m->context)
        p->matched_round = m->context;
    if (p->match_index < m->index)
        p->match_index = m->index;
    /* PROBE ends when the entry before the next one is known to be there: this answers what named
     * it, or has it. */
    if (p->state == RAFT_PROBE &&
        (m->context >= p->backup_round || p->match_index + 1 >= p->next_index)) {
        p->state = RAFT_REPLICATE;
        p->probe_sent = false;
        if (p->inflight_count)
            p->next_index = p->inflight[p->inflight_first].index + 1;
    }
    if (p->next_index <= p->match_index)
        p->next_index = p->match_index + 1;
    if (p->held_index < held)
        p->held_index = held;
    raft_reply_widen(raft, p, on_way - raft_next_on_way(p));
    raft_reply_free(p);
    if (p->state == RAFT_REPLICATE && raft_reply_shows_loss(raft, p, m->context, held))
        raft_reply_back_up(raft, p, (held > p->match_index ? held : p->match_index) + 1);
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
    raft_reply_back_up(raft, p, at + 1 < p->next_index ? at + 1 : p->next_index);
}

void raft_reply_take(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    int i = raft_member_index(raft, m->from);

    if (raft->state != RAFT_LEADER || i < 0)
        return;
    CHECK(m->term == raft->term);
    struct raft_progress *p = &raft->progress[i];
    if (raft->now_ns - p->heard_ns >= raft->config.election_ns_min)
        p->back_ns = raft->now_ns;
    p->heard_ns = raft->now_ns;
    if (m->kind != PEER_APPEND_REPLY || m->context > raft->round)
        return;
    if (!(m->flags & PEER_REJECT)) /* a refusal does not say */
        p->votes = !(m->flags & PEER_MUTE);
    if (m->context > p->acked_round) {
        p->acked_round = m->context;
        if (raft->vouch_round && m->context >= raft->vouch_round)
            raft_lead_vouch(raft);
    }
    if (m->flags & PEER_REJECT) {
        raft_reply_refused(raft, p, m);
        return;
    }
    if (m->index > raft->last_index)
        return; /* no member that follows this leader says so */
    uint64_t before = p->match_index;
    p->full = m->flags & PEER_FULL;
    raft_reply_matched(raft, p, m);
    if (p->match_index > before)
        p->full_round = 0;
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
    if (reborn) {
        p->match_index = 0;
        p->votes = false; /* until it says so: it may have lost its disk */
    }
    raft_reply_back_up(raft, p, reborn ? raft->last_index + 1 : p->match_index + 1);
}
