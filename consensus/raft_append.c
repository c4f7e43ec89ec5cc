#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#include <stddef.h>

void raft_append_message(const struct raft *raft, const struct raft_range *range, uint64_t last,
                         struct peer_message *message)
{
    CHECK(raft->state == RAFT_LEADER);
    CHECK(last >= range->prev_index && last <= range->last);
    *message = (struct peer_message){.kind = PEER_APPEND,
                                     .from = raft->config.id,
                                     .to = range->to,
                                     .flags = range->quiet ? PEER_QUIET : 0,
                                     .term = raft->term,
                                     .index = range->prev_index,
                                     .log_term = range->prev_term,
                                     .commit = raft->commit_index,
                                     .context = raft->round};
    if (last > range->prev_index)
        peer_message_set_entries(message, range->term, (uint32_t)(last - range->prev_index));
}

/* ---- what the leader is told ----------------------------------------------------------------- */

/* What is durable here and known to equal the leader's log. */
void raft_append_answer(struct raft *raft, struct raft_output *out)
{
    uint64_t match =
        raft->matched_index < raft->durable_index ? raft->matched_index : raft->durable_index;
    CHECK(raft->state == RAFT_FOLLOWER);
    CHECK(raft->leader != 0);
    struct peer_message *reply = raft_message_add(raft, out, PEER_APPEND_REPLY, raft->leader);
    if (!reply)
        return;
    reply->index = match;
    if (PLANTED(7)) /* acknowledged before it is durable */
        reply->index = raft->matched_index;
    reply->commit = raft->commit_index;
    reply->context = raft->answer_round;
    reply->extra = raft->matched_index;
    reply->flags = (raft->full ? PEER_FULL : 0) | (raft->config.voting ? 0 : PEER_MUTE);
}

/* The hint: the last entry here that the leader's log may hold too, below the one it named. */
static void raft_append_refuse(struct raft *raft, const struct peer_message *m,
                               struct raft_output *out)
{
    struct peer_message *reply = raft_message_add(raft, out, PEER_APPEND_REPLY, m->from);

    if (!reply)
        return;
    CHECK(m->index > raft->commit_index);
    uint64_t below = m->index <= raft->last_index ? m->index - 1 : raft->last_index;
    uint64_t hint = raft_terms_floor(&raft->terms, below, m->log_term);
    reply->flags = PEER_REJECT;
    reply->index = hint;
    reply->log_term = raft_terms_at(&raft->terms, hint);
    reply->commit = raft->commit_index;
    reply->context = m->context;
    reply->extra = m->index;
}

/* A deposed leader learns that it is one. */
void raft_append_refuse_old(struct raft *raft, const struct peer_message *m,
                            struct raft_output *out)
{
    struct peer_message *reply = raft_message_add(raft, out, PEER_APPEND_REPLY, m->from);

    if (!reply)
        return;
    CHECK(reply->term > m->term);
    reply->flags = PEER_REJECT;
    reply->extra = m->index;
}

/* ---- entries come in ------------------------------------------------------------------------- */

/* Where do the entries [first, last] of one term, which the leader holds, differ from what is
 * committed here; 0: nowhere that this log knows of. Each later leader's log holds what is
 * committed, unless a majority forgot it and went on without (ARCHITECTURE.md, section 6). Who
 * leads there leads a term higher than any here, and terms do not go down: so whatever shows an
 * entry of the leader's term at a place that is committed here shows the difference, if it lies
 * below this table's base, too. What others had left there, of terms as low as those here, is not
 * told apart below the base: it is acknowledged, and counts for nothing, as it is not of the
 * leader's term. */
static uint64_t raft_append_differs(const struct raft *raft, uint64_t first, uint64_t last,
                                    uint64_t term)
{
    const struct raft_terms *terms = &raft->terms;
    uint64_t base = terms->base_index;

    if (last > raft->commit_index)
        last = raft->commit_index;
    if (first > last)
        return 0;
    if (first <= base && (term > terms->base_term || (last >= base && term != terms->base_term)))
        return last < base ? last : base;
    if (first <= base)
        first = base + 1;
    if (first > last)
        return 0;
    if (raft_terms_at(terms, first) != term)
        return first;
    uint64_t end = raft_terms_run_end(terms, first);
    return end < last ? end + 1 : 0;
}

static bool raft_append_contradicts(const struct raft *raft, const struct peer_message *m,
                                    struct raft_output *out)
{
    uint64_t last = m->index + (m->kind == PEER_APPEND ? peer_message_entry_count(m) : 0);

    out->contradicts = raft_append_differs(raft, m->index, m->index, m->log_term);
    if (PLANTED(53))
        out->contradicts = 0;
    else if (!out->contradicts && last > m->index)
        out->contradicts =
            raft_append_differs(raft, m->index + 1, last, peer_message_entry_term(m));
    return out->contradicts != 0;
}

static bool raft_append_matches(const struct raft *raft, const struct peer_message *m)
{
    if (m->index <= raft->commit_index)
        return true; /* what is committed, and not contradicted */
    return m->index <= raft->last_index && raft_terms_at(&raft->terms, m->index) == m->log_term;
}

/* The first entry of the message that the log here does not hold. All have one term, and the log
 * here has that term in one stretch; entries up to the commit index are certainly equal. */
static uint64_t raft_append_first_new(const struct raft *raft, const struct peer_message *m,
                                      uint64_t last)
{
    uint64_t at = m->index + 1;

    if (at <= raft->commit_index)
        at = raft->commit_index + 1;
    if (at <= raft->last_index && at <= last &&
        raft_terms_at(&raft->terms, at) == peer_message_entry_term(m))
        at = raft_terms_run_end(&raft->terms, at) + 1;
    return at;
}

static void raft_append_cut(struct raft *raft, uint64_t from, struct raft_output *out)
{
    CHECK(from > raft->commit_index);
    CHECK(from > raft->matched_index);
    raft_terms_truncate(&raft->terms, from);
    raft_member_truncate(raft, from);
    if (raft->durable_index >= from)
        raft->durable_index = from - 1;
    if (raft->truncated_low > from)
        raft->truncated_low = from;
    raft->log_epoch++;
    out->truncate_from = from;
}

/* False: not taken, and not answered (the table of terms is full of what is not committed). */
static bool raft_append_entries(struct raft *raft, const struct peer_message *m, uint64_t last,
                                struct raft_output *out)
{
    uint64_t first = raft_append_first_new(raft, m, last);

    if (first > last)
        return true;
    /* a leader does not contradict what it said before, and its terms do not go down */
    if (first <= raft->matched_index ||
        peer_message_entry_term(m) < raft_terms_at(&raft->terms, first - 1))
        return false;
    if (first <= raft->last_index)
        raft_append_cut(raft, first, out);
    CHECK(raft->terms.last_index == first - 1);
    int err = raft_terms_append(&raft->terms, last, peer_message_entry_term(m), raft->commit_index);
    if (!err) {
        out->accept_first = first;
        out->accept_last = last;
    }
    raft->last_index = raft->terms.last_index;
    raft->last_term = raft_terms_last(&raft->terms);
    return !err;
}

static void raft_append_commit(struct raft *raft, const struct peer_message *m)
{
    uint64_t commit = m->commit < raft->matched_index ? m->commit : raft->matched_index;

    if (PLANTED(10)) /* not limited to what is known to equal the leader's log */
        commit = m->commit < raft->last_index ? m->commit : raft->last_index;
    if (commit <= raft->commit_index)
        return;
    CHECK(commit <= raft->last_index);
    raft->commit_index = commit;
    raft_member_commit(raft);
}

void raft_append_take(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    uint64_t last = m->index + peer_message_entry_count(m);
    bool news = m->context > raft->answer_round;

    CHECK(raft->state == RAFT_FOLLOWER);
    CHECK(raft->leader == m->from);
    if (raft->leader_commit < m->commit)
        raft->leader_commit = m->commit;
    if (PLANTED(8) && m->index > raft->last_index && raft->terms.base_index > 0) {
        raft_terms_init(&raft->terms, m->index,
                        m->log_term); /* what is missing is taken as being */
        raft->last_index = m->index;  /* in the snapshot */
    }
    if (raft_append_contradicts(raft, m, out))
        return;
    if (!raft_append_matches(raft, m)) {
        raft_append_refuse(raft, m, out);
        return;
    }
    if (!raft_append_entries(raft, m, last, out))
        return;
    if (last > raft->matched_index)
        raft->matched_index = last;
    raft_append_commit(raft, m);
    if (news)
        raft->answer_round = m->context;
    /* entries are acknowledged by DURABLE; what needs no disk is answered now. That bulk has come
     * lets the next of it set out. */
    bool durable = raft->durable_index >= last;
    if (news || PLANTED(7) || (m->flags & PEER_BULK) || (durable && !(m->flags & PEER_QUIET)))
        raft_append_answer(raft, out);
}

/* A snapshot is offered that is not wanted, as its last entry lies here: then all up to there is
 * committed and equal to the leader's, and telling so is what ends the offers. */
void raft_append_offer(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    CHECK(raft->leader == m->from);
    if (raft_append_contradicts(raft, m, out))
        return;
    if (m->index > raft->commit_index &&
        (m->index > raft->last_index || raft_terms_at(&raft->terms, m->index) != m->log_term))
        return;
    if (raft->matched_index < m->index)
        raft->matched_index = m->index;
    if (raft->commit_index < m->index) {
        raft->commit_index = m->index;
        raft_member_commit(raft);
    }
    CHECK(raft->commit_index <= raft->last_index);
    raft_append_answer(raft, out);
}

/* ---- the disk -------------------------------------------------------------------------------- */

void raft_append_durable(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    uint64_t index = in->index;

    if (PLANTED(12)) { /* entries that were truncated while they were written count */
        if (index > raft->durable_index)
            raft->durable_index = index < raft->last_index ? index : raft->last_index;
        return;
    }
    CHECK(in->epoch <= raft->log_epoch);
    if (in->epoch == raft->log_epoch) {
        CHECK(index <= raft->last_index);
        CHECK(index < raft->terms.base_index || in->term == 0 ||
              raft_terms_at(&raft->terms, index) == in->term);
        raft->truncated_low = UINT64_MAX; /* DISK writes in order: no older batch is behind this */
    } else if (index >= raft->truncated_low) {
        index = raft->truncated_low - 1;
    }
    if (index > raft->durable_index)
        raft->durable_index = index;
}

void raft_append_snapshot(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    CHECK(raft->state != RAFT_LEADER);
    CHECK(in->index > raft->commit_index);
    CHECK(in->membership != NULL);
    if (raft_terms_at(&raft->terms, in->index) == in->term) {
        raft_terms_compact(&raft->terms, in->index);
    } else { /* what lies there belongs to another history */
        raft_member_truncate(raft, raft->commit_index + 1);
        raft_terms_init(&raft->terms, in->index, in->term);
        raft->last_index = in->index;
        raft->last_term = in->term;
        raft->log_epoch++;
        raft->truncated_low = in->index + 1;
        raft->durable_index = in->index;
    }
    if (raft->durable_index < in->index)
        raft->durable_index = in->index;
    raft->commit_index = in->index;
    if (raft->matched_index < in->index)
        raft->matched_index = in->index;
    raft_member_snapshot(raft, in->membership, in->index);
    if (raft->state == RAFT_FOLLOWER && raft->leader)
        raft_append_answer(raft, out);
}
