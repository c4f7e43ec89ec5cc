#include "consensus/raft.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

#define RAFT_TERM_MAX 0x7ffffffeull /* the epoch of a zxid is the term, and a zxid is positive */

int raft_init(struct raft *raft, uint8_t id, uint64_t term, uint8_t vote, uint64_t last_index,
              uint64_t last_term, uint64_t commit_index)
{
    memset(raft, 0, sizeof(*raft));
    if (id == 0 || id > 254 || term > RAFT_TERM_MAX || last_term > term)
        return ERR_RANGE;
    if (commit_index > last_index)
        return ERR_RANGE;
    raft->id = id;
    raft->term = term;
    raft->vote = vote;
    raft->last_index = last_index;
    raft->last_term = last_term;
    raft->commit_index = commit_index;
    raft->member_count = 1;
    raft->match_index[0] = last_index;
    return 0;
}

uint64_t raft_quorum_index(const uint64_t *match_index, uint32_t count)
{
    uint64_t sorted[RAFT_MEMBER_COUNT_MAX];

    CHECK(count >= 1);
    CHECK(count <= RAFT_MEMBER_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) { /* insertion sort, descending */
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < match_index[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = match_index[i];
    }
    return sorted[count / 2];
}

static void raft_start(struct raft *raft, struct raft_output *out)
{
    CHECK(raft->state == RAFT_FOLLOWER);
    CHECK(raft->term < RAFT_TERM_MAX);
    raft->state = RAFT_CANDIDATE;
    raft->term++;
    raft->vote = raft->id;
    out->save = true;
}

static void raft_saved(struct raft *raft, struct raft_output *out)
{
    if (raft->state != RAFT_CANDIDATE)
        return;
    CHECK(raft->vote == raft->id);
    raft->state = RAFT_LEADER;
    raft->term_first_index = raft->last_index + 1;
    out->append_noop = true;
}

static void raft_appended(struct raft *raft, uint64_t index)
{
    CHECK(raft->state == RAFT_LEADER);
    CHECK(index > raft->last_index);
    raft->last_index = index;
    raft->last_term = raft->term;
}

static void raft_durable(struct raft *raft, uint64_t index)
{
    CHECK(index <= raft->last_index);
    CHECK(index >= raft->match_index[0]);
    raft->match_index[0] = index;
    if (raft->state != RAFT_LEADER)
        return;
    uint64_t quorum = raft_quorum_index(raft->match_index, raft->member_count);
    /* an entry of an older term is committed only by one of this term behind it */
    if (quorum >= raft->term_first_index && quorum > raft->commit_index)
        raft->commit_index = quorum;
}

void raft_step(struct raft *raft, const struct raft_input *in, struct raft_output *out)
{
    uint64_t commit_before = raft->commit_index;

    memset(out, 0, sizeof(*out));
    switch (in->kind) {
    case RAFT_INPUT_START: raft_start(raft, out); break;
    case RAFT_INPUT_SAVED: raft_saved(raft, out); break;
    case RAFT_INPUT_APPENDED: raft_appended(raft, in->index); break;
    case RAFT_INPUT_DURABLE: raft_durable(raft, in->index); break;
    }
    CHECK(raft->commit_index >= commit_before);
    CHECK(raft->commit_index <= raft->last_index);
    out->commit_index = raft->commit_index;
}

int raft_describe(const struct raft *raft, char *line, uint32_t size)
{
    static const char *const names[] = {"follower", "candidate", "leader"};

    return snprintf(line, size, "member %u %s term %llu vote %u last %llu@%llu commit %llu",
                    raft->id, names[raft->state], (unsigned long long)raft->term, raft->vote,
                    (unsigned long long)raft->last_index, (unsigned long long)raft->last_term,
                    (unsigned long long)raft->commit_index);
}
