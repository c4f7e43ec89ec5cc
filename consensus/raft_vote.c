#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#define VOTE_FULL_WAITS 3 /* longest election timeouts that a member without room lets pass */

/* How long a member stays deaf to candidates once it has heard a leader. Below the shortest
 * election timeout by a margin, so that the first candidate finds the others willing. */
static uint64_t raft_vote_deaf_ns(const struct raft *raft)
{
    return raft->config.election_ns_min - raft->config.election_ns_min / 4;
}

bool raft_vote_deaf(const struct raft *raft)
{
    if (PLANTED(6)) /* a removed member can disturb */
        return false;
    return raft->state == RAFT_LEADER ||
           (raft->started && raft->now_ns - raft->heard_ns < raft_vote_deaf_ns(raft));
}

/* The first candidate is the member of the lowest rank: each rank has its slot, with some chance in
 * it. Whoever has to try again draws from the whole range: no pattern keeps votes split. */
void raft_vote_rearm(struct raft *raft)
{
    const struct raft_config *c = &raft->config;
    uint64_t range = c->election_ns_max - c->election_ns_min;
    uint32_t voters = raft_member_voters(raft);
    uint64_t slot = range / voters;
    uint32_t rank = c->rank < voters ? c->rank : voters - 1;
    if (rank && raft->leader && raft->leader < c->id)
        rank--; /* the leader's own slot is not waited for */
    uint64_t wait =
        raft->attempts ? raft_random(raft, range) : slot * rank + raft_random(raft, slot / 2 + 1);

    CHECK(voters > 0);
    if (raft->full) /* the others first: it would have to hand over, or refuse */
        wait += VOTE_FULL_WAITS * c->election_ns_max;
    raft->election_ns = raft->now_ns + c->election_ns_min + wait;
}

bool raft_vote_eligible(const struct raft *raft)
{
    const struct raft_terms *terms = &raft->terms;
    /* a table full of uncommitted terms has no room for one more */
    bool room =
        terms->count < RAFT_TERM_RUN_MAX - 1 ||
        terms->runs[(terms->start + 1) % RAFT_TERM_RUN_MAX].first_index <= raft->commit_index + 1;

    return raft->config.voting && room && raft->term < PEER_TERM_MAX &&
           raft_member_may_campaign(raft, raft->config.id);
}

static void raft_vote_ask(struct raft *raft, uint8_t kind, struct raft_output *out)
{
    const struct raft_membership *members = raft_membership(raft);

    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->members[i];
        if (member->id == raft->config.id || !(member->voter || member->voter_next) ||
            (raft->granted >> i & 1))
            continue;
        struct peer_message *m = raft_message_add(raft, out, kind, member->id);
        if (!m)
            continue;
        m->term = kind == PEER_PRE_VOTE ? raft->term + 1 : raft->term;
        m->index = raft->last_index;
        m->log_term = raft->last_term;
        m->context = kind == PEER_PRE_VOTE ? raft->campaign_round : 0;
        m->flags = kind == PEER_VOTE && raft->transfer_campaign ? PEER_TRANSFER : 0;
    }
    raft->resend_ns = raft->now_ns + raft->config.heartbeat_ns;
}

static void raft_vote_grant(struct raft *raft, uint8_t from)
{
    int i = raft_member_index(raft, from);

    if (i >= 0)
        raft->granted |= 1ull << i;
}

/* A vote of its own in a new term; nobody is asked before it is durable. */
static void raft_vote_stand(struct raft *raft, const char *reason, struct raft_output *out)
{
    const struct raft_config *c = &raft->config;

    CHECK(raft->term < PEER_TERM_MAX);
    raft->term++;
    raft->vote = c->id;
    raft->granted = 0;
    raft_become(raft, RAFT_CANDIDATE, 0, reason, out);
    raft->election_ns = raft->now_ns + c->election_ns_min +
                        raft_random(raft, c->election_ns_max - c->election_ns_min);
    raft->resend_ns = raft->election_ns; /* until the vote is durable */
    if (PLANTED(2))                      /* the vote is told before it is durable */
        raft_vote_saved(raft, out);
}

void raft_vote_campaign(struct raft *raft, bool transfer, const char *reason,
                        struct raft_output *out)
{
    CHECK(raft->state != RAFT_LEADER);
    if (!raft_vote_eligible(raft)) {
        raft_vote_rearm(raft);
        return;
    }
    raft_read_reset(raft);
    raft->attempts++;
    raft->transfer_campaign = transfer;
    if (transfer || PLANTED(6)) {
        raft_vote_stand(raft, reason, out);
        return;
    }
    raft_become(raft, RAFT_PRE_CANDIDATE, 0, reason, out);
    raft->campaign_round++;
    raft->granted = 0;
    raft_vote_grant(raft, raft->config.id);
    raft->election_ns =
        raft->now_ns + raft->config.heartbeat_ns + raft_random(raft, raft->config.heartbeat_ns);
    if (raft_member_quorum(raft, raft->granted))
        raft_vote_stand(raft, reason, out);
    else
        raft_vote_ask(raft, PEER_PRE_VOTE, out);
}

static void raft_vote_count(struct raft *raft, struct raft_output *out)
{
    CHECK(raft->state == RAFT_CANDIDATE);
    CHECK(raft->vote == raft->config.id);
    if (raft_member_quorum(raft, raft->granted))
        raft_lead_begin(raft, raft->transfer_campaign ? "elected after a transfer" : "elected",
                        out);
}

/* The vote that was given is durable: it counts, and it may be told. */
void raft_vote_saved(struct raft *raft, struct raft_output *out)
{
    if (raft->state == RAFT_CANDIDATE) {
        raft_vote_grant(raft, raft->config.id);
        raft_vote_count(raft, out);
        if (raft->state == RAFT_CANDIDATE)
            raft_vote_ask(raft, PEER_VOTE, out);
    } else if (raft->state == RAFT_FOLLOWER && raft->vote != raft->config.id) {
        (void)raft_message_add(raft, out, PEER_VOTE_REPLY, raft->vote);
    }
}

/* A member that may not campaign (an observer, one without its vote yet, one that was removed and
 * never told) finds out as the others do that its leader is gone: its clients must not take it for
 * one that is part of the ensemble. */
static void raft_vote_forget(struct raft *raft, struct raft_output *out)
{
    CHECK(raft->leader != raft->config.id);
    raft_become_follower(raft, raft->term, 0, "no leader was heard", out);
    raft_vote_rearm(raft);
}

void raft_vote_tick(struct raft *raft, struct raft_output *out)
{
    bool silent = raft->started && raft->now_ns >= raft->election_ns;

    if (silent && raft->leader && !raft_vote_eligible(raft))
        raft_vote_forget(raft, out);
    else if (silent)
        raft_vote_campaign(raft, false, "no leader was heard", out);
    else if (raft->state == RAFT_CANDIDATE && raft->now_ns >= raft->resend_ns)
        raft_vote_ask(raft, PEER_VOTE, out);
}

/* ---- asked for a vote ------------------------------------------------------------------------ */

static bool raft_vote_log_is_new(const struct raft *raft, const struct peer_message *m)
{
    if (PLANTED(16)) /* a vote for whoever asks */
        return true;
    return m->log_term > raft->last_term ||
           (m->log_term == raft->last_term && m->index >= raft->last_index);
}

void raft_vote_pre_request(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    bool free =
        m->term > raft->term || (m->term == raft->term &&
                                 (raft->vote == m->from || (raft->vote == 0 && raft->leader == 0)));
    bool grant =
        free && raft->config.voting && !raft_vote_deaf(raft) && raft_vote_log_is_new(raft, m);
    struct peer_message *reply = raft_message_add(raft, out, PEER_PRE_VOTE_REPLY, m->from);

    if (!reply)
        return;
    reply->flags = grant ? 0 : PEER_REJECT;
    reply->term = grant ? m->term : raft->term;
    reply->context = m->context;
}

void raft_vote_pre_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    if (m->flags & PEER_REJECT) {
        if (m->term > raft->term)
            raft_become_follower(raft, m->term, 0, "a higher term was heard", out);
        return;
    }
    if (raft->state != RAFT_PRE_CANDIDATE || m->context != raft->campaign_round ||
        m->term != raft->term + 1)
        return;
    raft_vote_grant(raft, m->from);
    if (raft_member_quorum(raft, raft->granted))
        raft_vote_stand(raft, raft->reason, out);
}

void raft_vote_request(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    if (m->term < raft->term) {
        struct peer_message *no = raft_message_add(raft, out, PEER_VOTE_REPLY, m->from);
        if (no)
            no->flags = PEER_REJECT;
        return;
    }
    if (m->term > raft->term) {
        if (raft_vote_deaf(raft) && !(m->flags & PEER_TRANSFER))
            return; /* as if it had not been heard: the term stays too */
        raft_become_follower(raft, m->term, 0, "a candidate of a higher term was heard", out);
    }
    bool free = raft->vote == m->from || (raft->vote == 0 && raft->leader == 0);
    if (!free || !raft->config.voting || !raft_vote_log_is_new(raft, m)) {
        struct peer_message *no = raft_message_add(raft, out, PEER_VOTE_REPLY, m->from);
        if (no)
            no->flags = PEER_REJECT;
        return;
    }
    if (raft->state == RAFT_PRE_CANDIDATE)
        raft_become_follower(raft, raft->term, 0, "another candidate was faster", out);
    CHECK(raft->state == RAFT_FOLLOWER);
    raft->vote = m->from;
    raft_vote_rearm(raft);
    bool durable = raft->saved_term == raft->term && raft->saved_vote == raft->vote;
    if (durable || PLANTED(2)) /* else when it is */
        raft_vote_saved(raft, out);
}

void raft_vote_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    if (raft->state != RAFT_CANDIDATE || (m->flags & PEER_REJECT))
        return;
    CHECK(m->term == raft->term);
    bool asked = raft->saved_vote == raft->vote && raft->saved_term == raft->term;
    if (!asked && !PLANTED(2))
        return;
    raft_vote_grant(raft, m->from);
    raft_vote_count(raft, out);
}
