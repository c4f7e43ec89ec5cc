#include "base/check.h"
#include "base/plant.h"
#include "consensus/raft_parts.h"

#include <stddef.h>

static struct raft_read_wait *raft_read_find(struct raft_read_wait *waits, uint32_t count,
                                             uint8_t from, uint64_t context)
{
    CHECK(count <= RAFT_READ_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (waits[i].from == from && waits[i].context == context)
            return &waits[i];
    return NULL;
}

void raft_read_add(struct raft *raft, uint64_t context, struct raft_output *out)
{
    if (raft_read_find(raft->own_reads, raft->own_read_count, raft->config.id, context))
        return;
    if (raft->own_read_count == RAFT_READ_COUNT_MAX) {
        out->read_refused = true;
        return;
    }
    raft->own_reads[raft->own_read_count++] =
        (struct raft_read_wait){.from = raft->config.id, .context = context};
}

/* One too many is dropped: it is asked again. */
void raft_read_request(struct raft *raft, const struct peer_message *m)
{
    if (raft->state != RAFT_LEADER || raft->peer_read_count == RAFT_READ_COUNT_MAX ||
        raft_read_find(raft->peer_reads, raft->peer_read_count, m->from, m->context))
        return;
    CHECK(m->term == raft->term);
    raft->peer_reads[raft->peer_read_count++] =
        (struct raft_read_wait){.from = m->from, .context = m->context};
}

static void raft_read_ready(struct raft *raft, uint32_t i, uint64_t index, struct raft_output *out)
{
    CHECK(i < raft->own_read_count);
    CHECK(out->read_count < RAFT_READ_COUNT_MAX);
    out->reads[out->read_count++] =
        (struct raft_read){.context = raft->own_reads[i].context, .index = index};
    raft->own_reads[i] = raft->own_reads[--raft->own_read_count];
}

void raft_read_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out)
{
    struct raft_read_wait *wait =
        raft_read_find(raft->own_reads, raft->own_read_count, raft->config.id, m->context);

    if (wait && m->from == raft->leader)
        raft_read_ready(raft, (uint32_t)(wait - raft->own_reads), m->index, out);
}

/* The leader's term ended, or began: where reads stood in it means nothing now. Others ask again.
 */
void raft_read_reset(struct raft *raft)
{
    raft->peer_read_count = 0;
    for (uint32_t i = 0; i < raft->own_read_count; i++)
        raft->own_reads[i].placed = raft->own_reads[i].asked = false;
}

/* ---- leader ---------------------------------------------------------------------------------- */

/* The index is what is committed when the read came; but a leader knows that only once an entry of
 * its own term is committed. The round is one of which nothing was sent before the read came. */
static void raft_read_place(struct raft *raft, struct raft_read_wait *waits, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (waits[i].placed)
            continue;
        raft_round_open(raft);
        waits[i].placed = true;
        waits[i].index = raft->commit_index;
        waits[i].round = raft->round;
    }
}

static uint64_t raft_read_confirmed_round(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    uint64_t rounds[RAFT_MEMBER_COUNT_MAX];

    if (PLANTED(4)) /* without asking a quorum whether this is the leader still */
        return UINT64_MAX;
    CHECK(raft->state == RAFT_LEADER);
    for (uint32_t i = 0; i < m->count; i++)
        rounds[i] =
            m->members[i].id == raft->config.id ? UINT64_MAX : raft->progress[i].acked_round;
    return raft_member_quorum_value(raft, rounds);
}

static void raft_read_lead(struct raft *raft, struct raft_output *out)
{
    if (raft->commit_index < raft->term_first_index && !PLANTED(13))
        return; /* planted: an index from before the term's first commit */
    raft_read_place(raft, raft->own_reads, raft->own_read_count);
    raft_read_place(raft, raft->peer_reads, raft->peer_read_count);
    uint64_t confirmed = raft_read_confirmed_round(raft);
    for (uint32_t i = 0; i < raft->own_read_count;) {
        if (raft->own_reads[i].round <= confirmed && out->read_count < RAFT_READ_COUNT_MAX)
            raft_read_ready(raft, i, raft->own_reads[i].index, out);
        else
            i++;
    }
    for (uint32_t i = 0; i < raft->peer_read_count;) {
        const struct raft_read_wait *wait = &raft->peer_reads[i];
        struct peer_message *reply = wait->round <= confirmed
                                         ? raft_message_add(raft, out, PEER_READ_REPLY, wait->from)
                                         : NULL;
        if (!reply) {
            i++;
            continue;
        }
        reply->index = wait->index;
        reply->context = wait->context;
        raft->peer_reads[i] = raft->peer_reads[--raft->peer_read_count];
    }
}

/* ---- the others ------------------------------------------------------------------------------ */

static void raft_read_follow(struct raft *raft, struct raft_output *out)
{
    uint64_t again_ns = 2 * raft->config.heartbeat_ns;

    CHECK(raft->leader != raft->config.id);
    for (uint32_t i = 0; i < raft->own_read_count; i++) {
        struct raft_read_wait *wait = &raft->own_reads[i];
        if (wait->asked && raft->now_ns - wait->asked_ns < again_ns)
            continue;
        struct peer_message *m = raft_message_add(raft, out, PEER_READ, raft->leader);
        if (!m)
            continue;
        m->context = wait->context;
        wait->asked = true;
        wait->asked_ns = raft->now_ns;
    }
    if (raft->resend_ns <= raft->now_ns)
        raft->resend_ns = raft->now_ns + again_ns;
}

void raft_read_turn(struct raft *raft, struct raft_output *out)
{
    if (raft->state == RAFT_LEADER) {
        if (raft->own_read_count || raft->peer_read_count)
            raft_read_lead(raft, out);
    } else if (raft->own_read_count && raft->state == RAFT_FOLLOWER && raft->leader) {
        raft_read_follow(raft, out);
    }
}
