#include "consensus/raft.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

struct raft_config raft_config_default(uint8_t id)
{
    return (struct raft_config){.id = id, .voting = true, .heartbeat_ns = 20000000,
                                .election_ns_min = 60000000, .election_ns_max = 120000000,
                                .seed = id, .inflight_max = RAFT_INFLIGHT_MAX};
}

struct raft_membership raft_membership_alone(uint8_t id)
{
    return (struct raft_membership){.count = 1, .members = {{.id = id, .voter = true}}};
}

int raft_init(struct raft *raft, const struct raft_config *config,
              const struct raft_recovered *recovered)
{
    const struct raft_terms *terms = recovered->terms;

    memset(raft, 0, sizeof(*raft));
    uint64_t last_index = terms ? terms->last_index : 0;
    uint64_t last_term = terms ? raft_terms_last(terms) : 0;
    if (config->id == 0 || config->id > PEER_ID_MAX || recovered->term > PEER_TERM_MAX ||
        last_term > recovered->term)
        return ERR_RANGE;
    if (recovered->commit_index > last_index)
        return ERR_RANGE;
    raft->config = *config;
    if (terms)
        raft->terms = *terms;
    raft->term = recovered->term;
    raft->vote = recovered->vote;
    raft->last_index = last_index;
    raft->last_term = last_term;
    raft->durable_index = last_index;
    raft->commit_index = recovered->commit_index;
    return 0;
}

int raft_init_alone(struct raft *raft, uint8_t id, uint64_t term, uint8_t vote,
                    uint64_t last_index, uint64_t last_term)
{
    struct raft_config config = raft_config_default(id);
    struct raft_terms terms;

    raft_terms_init(&terms, last_index, last_term);
    return raft_init(raft, &config,
                     &(struct raft_recovered){.term = term,
                                              .vote = vote,
                                              .terms = &terms,
                                              .commit_index = last_index,
                                              .membership = raft_membership_alone(id)});
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
    CHECK(raft->term < PEER_TERM_MAX);
    raft->state = RAFT_CANDIDATE;
    raft->term++;
    raft->vote = raft->config.id;
    out->save = true;
}

static void raft_saved(struct raft *raft, struct raft_output *out)
{
    if (raft->state != RAFT_CANDIDATE)
        return;
    CHECK(raft->vote == raft->config.id);
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
    CHECK(index >= raft->durable_index);
    raft->durable_index = index;
    /* an entry of an older term is committed only by one of this term behind it */
    if (raft->state == RAFT_LEADER && index >= raft->term_first_index &&
        index > raft->commit_index)
        raft->commit_index = index;
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
    default: CHECK(!"known input");
    }
    CHECK(raft->commit_index >= commit_before);
    CHECK(raft->commit_index <= raft->last_index);
    out->commit_index = raft->commit_index;
}

int raft_describe(const struct raft *raft, char *line, uint32_t size)
{
    static const char *const names[] = {"follower", "pre-candidate", "candidate", "leader"};

    return snprintf(line, size, "member %u %s term %llu vote %u last %llu@%llu commit %llu",
                    raft->config.id, names[raft->state], (unsigned long long)raft->term, raft->vote,
                    (unsigned long long)raft->last_index, (unsigned long long)raft->last_term,
                    (unsigned long long)raft->commit_index);
}
