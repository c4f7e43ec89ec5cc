#include "consensus/raft.h"

#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#include <stddef.h>
#include <string.h>

struct raft_config raft_config_default(uint8_t id)
{
    return (struct raft_config){.id = id,
                                .voting = true,
                                .heartbeat_ns = 20000000,
                                .election_ns_min = 60000000,
                                .election_ns_max = 120000000,
                                .seed = id,
                                .inflight_max = RAFT_INFLIGHT_MAX};
}

static int raft_init_check(const struct raft_config *config, const struct raft_recovered *recovered)
{
    const struct raft_terms *terms = recovered->terms;

    if (config->id == 0 || config->id > PEER_ID_MAX || config->heartbeat_ns == 0 ||
        config->election_ns_min < 2 * config->heartbeat_ns ||
        config->election_ns_max <= config->election_ns_min || config->inflight_max == 0 ||
        config->inflight_max > RAFT_INFLIGHT_MAX)
        return ERR_RANGE;
    if (recovered->term > PEER_TERM_MAX || recovered->vote > PEER_ID_MAX ||
        (terms && raft_terms_last(terms) > PEER_TERM_MAX))
        return ERR_RANGE;
    if (recovered->commit_index > (terms ? terms->last_index : 0) ||
        recovered->commit_index < (terms ? terms->base_index : 0))
        return ERR_RANGE;
    return raft_member_valid(&recovered->membership) ? 0 : ERR_RANGE;
}

int raft_init(struct raft *raft, const struct raft_config *config,
              const struct raft_recovered *recovered)
{
    memset(raft, 0, sizeof(*raft));
    int err = raft_init_check(config, recovered);
    if (err)
        return err;
    raft->config = *config;
    if (recovered->terms)
        raft->terms = *recovered->terms;
    raft->term = recovered->term;
    raft->vote = recovered->vote;
    if (PLANTED(3)) /* a restart forgets whom it voted for */
        raft->vote = 0;
    if (PLANTED(9)) /* a restart takes the term from its log in place of its superblock */
        raft->term = raft_terms_last(&raft->terms);
    raft->saved_term = recovered->term;
    raft->saved_vote = raft->vote;
    if (raft->term < raft_terms_last(&raft->terms)) { /* the crash came before the save */
        raft->term = raft_terms_last(&raft->terms);
        raft->vote = 0;
    }
    raft->last_index = raft->terms.last_index;
    raft->last_term = raft_terms_last(&raft->terms);
    raft->durable_index = raft->last_index;
    raft->commit_index = recovered->commit_index;
    raft->truncated_low = UINT64_MAX;
    raft->random = config->seed ^ 0x9e3779b97f4a7c15ull * config->id;
    raft->reason = "started";
    raft_member_reset(raft, &recovered->membership);
    return 0;
}

int raft_init_alone(struct raft *raft, uint8_t id, uint64_t term, uint8_t vote, uint64_t last_index,
                    uint64_t last_term)
{
    struct raft_config config = raft_config_default(id);
    struct raft_terms terms;

    raft_terms_init(&terms, last_index, last_term);
    if (last_term > term) /* a leader of one saves its term before it writes */
        return ERR_RANGE;
    return raft_init(raft, &config,
                     &(struct raft_recovered){.term = term,
                                              .vote = vote,
                                              .terms = &terms,
                                              .commit_index = last_index,
                                              .membership = raft_membership_alone(id)});
}

/* ---- shared by the parts --------------------------------------------------------------------- */

uint64_t raft_random(struct raft *raft, uint64_t below)
{
    CHECK(below > 0);
    raft->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = raft->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

struct peer_message *raft_message_add(struct raft *raft, struct raft_output *out, uint8_t kind,
                                      uint8_t to)
{
    CHECK(to != raft->config.id);
    CHECK(to != 0);
    bool vote = kind == PEER_VOTE || kind == PEER_VOTE_REPLY;
    if (raft->saved_term != raft->term && !(PLANTED(2) && vote))
        return NULL;
    if (out->message_count == RAFT_MESSAGE_COUNT_MAX)
        return NULL;
    struct peer_message *m = &out->messages[out->message_count++];
    *m = (struct peer_message){.kind = kind, .from = raft->config.id, .to = to, .term = raft->term};
    return m;
}

void raft_become(struct raft *raft, enum raft_state state, uint8_t leader, const char *reason,
                 struct raft_output *out)
{
    raft->state = state;
    raft->leader = leader;
    raft->reason = reason;
    raft->vouch_round = raft->vouched_ns = 0;
    out->state_changed = true;
    out->reason = reason;
    if (leader) {
        raft->outage_ns = raft->lost_ns ? raft->now_ns - raft->lost_ns : 0;
        raft->lost_ns = 0;
        raft->attempts = 0;
    } else if (raft->lost_ns == 0) {
        raft->lost_ns = raft->now_ns;
    }
}

void raft_become_follower(struct raft *raft, uint64_t term, uint8_t leader, const char *reason,
                          struct raft_output *out)
{
    bool was_leader = raft->state == RAFT_LEADER;

    CHECK(term >= raft->term);
    CHECK(leader != raft->config.id);
    if (term > raft->term) {
        raft->term = term;
        raft->vote = 0;
    }
    raft->transfer_to = 0;
    raft->matched_index = 0; /* until it has shown something: raft_append_contradicts */
    raft->leader_commit = 0;
    raft->answer_round = 0;
    raft_become(raft, RAFT_FOLLOWER, leader, reason, out);
    raft_read_reset(raft);
    if (was_leader || leader)
        raft_vote_rearm(raft);
}

void raft_round_open(struct raft *raft)
{
    CHECK(raft->state == RAFT_LEADER);
    if (!raft->round_open)
        raft->round++;
    raft->round_open = true;
}

/* ---- the step -------------------------------------------------------------------------------- */

static void raft_saved(struct raft *raft, struct raft_output *out)
{
    CHECK(raft->saving);
    CHECK(raft->saving_term >= raft->saved_term);
    raft->saving = false;
    raft->saved_term = raft->saving_term;
    raft->saved_vote = raft->saving_vote;
    if (raft->saved_term != raft->term)
        return; /* it changed meanwhile: saved again */
    if (raft->saved_vote == raft->vote && raft->vote)
        raft_vote_saved(raft, out);
    if (raft->state == RAFT_FOLLOWER && raft->leader)
        raft_append_answer(raft, out);
}

/* One save at a time: what changes while one is on its way is saved behind it. */
static void raft_save(struct raft *raft, struct raft_output *out)
{
    if (raft->saving || (raft->saved_term == raft->term && raft->saved_vote == raft->vote))
        return;
    raft->saving = true;
    raft->saving_term = raft->term;
    raft->saving_vote = raft->vote;
    out->save = true;
    out->save_term = raft->term;
    out->save_vote = raft->vote;
}

static void raft_appended(struct raft *raft, uint64_t index, struct raft_output *out)
{
    CHECK(raft->state == RAFT_LEADER);
    CHECK(index > raft->last_index);
    /* a member with a full table does not campaign, and the table holds one run more */
    CHECK(raft_terms_append(&raft->terms, index, raft->term, raft->commit_index) == 0);
    raft->last_index = index;
    raft->last_term = raft->term;
    raft_lead_transfer_go(raft, out);
}

static void raft_durable(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    uint64_t before = raft->durable_index;

    raft_append_durable(raft, in, out);
    CHECK(raft->durable_index <= raft->last_index);
    if (raft->state == RAFT_LEADER)
        raft_reply_commit(raft, out);
    else if (raft->leader && raft->durable_index > before)
        raft_append_answer(raft, out);
}

/* A higher term ends whatever this member was; only requests for votes are heard by rules of their
 * own. Returns false when the message is of no use any more. */
static bool raft_message_term(struct raft *raft, const struct peer_message *m,
                              struct raft_output *out)
{
    bool from_leader = m->kind == PEER_APPEND || m->kind == PEER_SNAPSHOT;

    if (m->term < raft->term && !(PLANTED(9) && from_leader)) {
        if (m->kind == PEER_APPEND)
            raft_append_refuse_old(raft, m, out);
        return false;
    }
    if (m->term > raft->term)
        raft_become_follower(raft, m->term, from_leader ? m->from : 0,
                             from_leader ? "a new leader was heard" : "a higher term was heard",
                             out);
    if (!from_leader)
        return true;
    if (raft->state == RAFT_LEADER)
        return false; /* there is no second leader of a term: whoever sent this is not one */
    if (raft->leader != m->from)
        raft_become_follower(raft, raft->term, m->from, "a leader was heard", out);
    raft->heard_ns = raft->now_ns;
    raft->attempts = 0;
    raft_vote_rearm(raft);
    return true;
}

static void raft_message(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    CHECK(m->from != raft->config.id);
    if (m->to != raft->config.id || m->from == 0)
        return;
    switch (m->kind) {
    case PEER_PRE_VOTE: raft_vote_pre_request(raft, m, out); return;
    case PEER_PRE_VOTE_REPLY: raft_vote_pre_reply(raft, m, out); return;
    case PEER_VOTE: raft_vote_request(raft, m, out); return;
    case PEER_VOTE_REPLY:
    case PEER_APPEND:
    case PEER_APPEND_REPLY:
    case PEER_READ:
    case PEER_READ_REPLY:
    case PEER_TIMEOUT_NOW:
    case PEER_SNAPSHOT:
    case PEER_SNAPSHOT_REPLY: break;
    default: return; /* not Raft's */
    }
    if (!raft_message_term(raft, m, out))
        return;
    switch (m->kind) {
    case PEER_VOTE_REPLY: raft_vote_reply(raft, m, out); break;
    case PEER_APPEND: raft_append_take(raft, m, out); break;
    case PEER_SNAPSHOT: raft_append_offer(raft, m, out); break;
    case PEER_SNAPSHOT_REPLY:
    case PEER_APPEND_REPLY: raft_reply_take(raft, m, out); break;
    case PEER_READ: raft_read_request(raft, m); break;
    case PEER_READ_REPLY: raft_read_reply(raft, m, out); break;
    case PEER_TIMEOUT_NOW:
        if (raft->state == RAFT_FOLLOWER)
            raft_vote_campaign(raft, true, "the leader handed over", out);
        break;
    default: break;
    }
}

static void raft_time(struct raft *raft, uint64_t now_ns)
{
    if (now_ns > raft->now_ns)
        raft->now_ns = now_ns;
    if (raft->started || now_ns == 0)
        return;
    /* a member that has just started may have promised a leader to be deaf: it counts as if it had
     * heard one now */
    raft->started = true;
    raft->heard_ns = raft->now_ns;
    if (raft->leader == 0)
        raft->lost_ns = raft->now_ns;
    raft_vote_rearm(raft);
}

static void raft_take(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    switch (in->kind) {
    case RAFT_INPUT_START:
        if (raft->state != RAFT_LEADER)
            raft_vote_campaign(raft, false, "told to start", out);
        break;
    case RAFT_INPUT_SAVED: raft_saved(raft, out); break;
    case RAFT_INPUT_APPENDED: raft_appended(raft, in->index, out); break;
    case RAFT_INPUT_DURABLE: raft_durable(raft, in, out); break;
    case RAFT_INPUT_TICK:
        if (raft->state == RAFT_LEADER)
            raft_lead_tick(raft, out);
        else
            raft_vote_tick(raft, out);
        break;
    case RAFT_INPUT_MESSAGE: raft_message(raft, in->message, out); break;
    case RAFT_INPUT_CONFIG:
        raft_member_config(raft, in->index, in->membership);
        if (raft->state == RAFT_LEADER)
            raft_reply_commit(raft, out);
        break;
    case RAFT_INPUT_TRANSFER: raft_lead_transfer(raft, in->member, out); break;
    case RAFT_INPUT_READ: raft_read_add(raft, in->context, out); break;
    case RAFT_INPUT_SENT: raft_next_sent(raft, in); break;
    case RAFT_INPUT_UNREACHABLE: raft_reply_unreachable(raft, in->member, false); break;
    case RAFT_INPUT_REBORN: raft_reply_unreachable(raft, in->member, true); break;
    case RAFT_INPUT_SNAPSHOT_INSTALLED: raft_append_snapshot(raft, in, out); break;
    case RAFT_INPUT_COMPACTED:
        CHECK(in->index <= raft->commit_index);
        raft_terms_compact(&raft->terms, in->index);
        break;
    case RAFT_INPUT_VOTING:
        raft->config.voting = true;
        raft_vote_rearm(raft);
        break;
    case RAFT_INPUT_FULL:
        raft->full = in->full;
        raft_vote_rearm(raft);
        break;
    }
}

void raft_step(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    uint64_t commit_before = raft->commit_index, term_before = raft->term;

    memset(out, 0, offsetof(struct raft_output, reads));
    raft_time(raft, in->now_ns);
    raft_take(raft, in, out);
    if (raft->own_read_count || raft->peer_read_count)
        raft_read_turn(raft, out);
    raft_save(raft, out);
    CHECK(raft->commit_index >= commit_before);
    CHECK(raft->commit_index <= raft->last_index);
    CHECK(raft->term >= term_before);
    CHECK(raft->last_index == raft->terms.last_index);
    out->commit_index = raft->commit_index;
}

/* ---- questions ------------------------------------------------------------------------------- */

uint64_t raft_deadline_ns(const struct raft *raft)
{
    if (raft->state == RAFT_LEADER)
        return raft_lead_deadline_ns(raft);
    if (!raft->started)
        return 0; /* the first TICK starts the clock */
    uint64_t at = raft->leader || raft_vote_eligible(raft) ? raft->election_ns : UINT64_MAX;
    bool asks = raft->state == RAFT_CANDIDATE || (raft->own_read_count && raft->leader);
    return asks && raft->resend_ns < at ? raft->resend_ns : at;
}

bool raft_may_propose(const struct raft *raft)
{
    return raft->state == RAFT_LEADER && raft->transfer_to == 0;
}

bool raft_may_change(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);

    return raft_may_propose(raft) && raft->commit_index >= raft->term_first_index && !m->joint &&
           m->index <= raft->commit_index;
}

bool raft_leave_joint(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);

    return raft->state == RAFT_LEADER && m->joint && m->index <= raft->commit_index &&
           raft->commit_index >= raft->term_first_index;
}

bool raft_snapshot_due(const struct raft *raft, uint32_t member_index)
{
    CHECK(member_index < raft_membership(raft)->count);
    return raft->state == RAFT_LEADER && raft->progress[member_index].id != raft->config.id &&
           raft->progress[member_index].next_index <= raft->terms.base_index;
}

bool raft_snapshot_wanted(const struct raft *raft, uint64_t index, uint64_t term)
{
    return index > raft->commit_index && raft_terms_at(&raft->terms, index) != term;
}

uint64_t raft_compact_limit(const struct raft *raft)
{
    uint64_t limit = raft->commit_index;

    for (uint32_t i = 0; raft->state == RAFT_LEADER && i < raft_membership(raft)->count; i++) {
        const struct raft_progress *p = &raft->progress[i];
        bool live = raft->now_ns - p->heard_ns < raft->config.election_ns_max;
        if (p->id != raft->config.id && live && p->match_index < limit &&
            p->next_index > raft->terms.base_index)
            limit = p->match_index;
    }
    return limit;
}

const char *raft_state_name(enum raft_state state)
{
    static const char *const names[] = {"follower", "pre_candidate", "candidate", "leader"};

    CHECK(state <= RAFT_LEADER);
    return names[state];
}
