/* raft_kit: member 1 of an ensemble, the others played by hand with single messages. For
 * test_raft.c, test_raft_lead.c and test_raft_member.c. */
#pragma once

#include "consensus/raft.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull

static struct raft raft;
static struct raft_output out;
static uint64_t now_ns;

static inline void step(struct raft_input in)
{
    in.now_ns = now_ns;
    raft_step(&raft, &in, &out);
}

static inline void input(enum raft_input_kind kind, uint64_t index)
{
    step((struct raft_input){.kind = kind, .index = index});
}

static inline void message(struct peer_message m)
{
    m.to = 1;
    step((struct raft_input){.kind = RAFT_INPUT_MESSAGE, .message = &m});
}

static inline void durable(uint64_t index)
{
    step((struct raft_input){.kind = RAFT_INPUT_DURABLE,
                             .index = index,
                             .term = raft_terms_at(&raft.terms, index),
                             .epoch = raft.log_epoch});
}

static inline struct raft_membership members_of(uint32_t voters, uint32_t learners)
{
    struct raft_membership m = {.count = voters + learners};

    for (uint32_t i = 0; i < m.count; i++)
        m.members[i] = (struct raft_member){.id = (uint8_t)(i + 1), .voter = i < voters};
    return m;
}

/* Member 1 with a log of `last` entries of `log_term`, `commit` of them known committed. */
static inline void member(struct raft_membership membership, uint64_t term, uint64_t last,
                          uint64_t log_term, uint64_t commit)
{
    static struct raft_terms terms;
    struct raft_config config = raft_config_default(1);

    raft_terms_init(&terms, 0, 0);
    if (last)
        assert_int_equal(raft_terms_append(&terms, last, log_term, 0), 0);
    assert_int_equal(raft_init(&raft, &config,
                               &(struct raft_recovered){.term = term,
                                                        .terms = &terms,
                                                        .commit_index = commit,
                                                        .membership = membership}),
                     0);
    now_ns = 1000 * MS;
    input(RAFT_INPUT_TICK, 0);
    now_ns += 50 * MS; /* no longer deaf */
}

static inline const struct peer_message *told(uint8_t kind)
{
    for (uint32_t i = 0; i < out.message_count; i++)
        if (out.messages[i].kind == kind)
            return &out.messages[i];
    return NULL;
}

static inline void append(uint8_t from, uint64_t term, uint64_t prev, uint64_t prev_term,
                          uint64_t entry_term, uint32_t count, uint64_t commit, uint64_t round)
{
    struct peer_message m = {.kind = PEER_APPEND,
                             .from = from,
                             .term = term,
                             .index = prev,
                             .log_term = prev_term,
                             .commit = commit,
                             .context = round};

    peer_message_set_entries(&m, entry_term, count);
    message(m);
}

static inline void lead(void)
{
    input(RAFT_INPUT_START, 0);
    message((struct peer_message){.kind = PEER_PRE_VOTE_REPLY,
                                  .from = 2,
                                  .term = raft.term + 1,
                                  .context = raft.campaign_round});
    input(RAFT_INPUT_SAVED, 0);
    message((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 2, .term = raft.term});
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_true(out.append_noop);
    input(RAFT_INPUT_APPENDED, raft.last_index + 1);
}

static inline void ack(uint8_t from, uint64_t match)
{
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .from = from,
                                  .term = raft.term,
                                  .index = match,
                                  .context = raft.round});
}

/* Sends all that may be sent to a member; returns the last range. */
static inline struct raft_range send_all(uint8_t to)
{
    struct raft_range range = {.to = 0}, at;
    uint32_t i = (uint32_t)raft_member_index(&raft, to);

    while (raft_next_append(&raft, i, &at) != RAFT_APPEND_NONE) {
        range = at;
        step((struct raft_input){.kind = RAFT_INPUT_SENT, .member = to, .index = at.last});
    }
    return range;
}

static inline struct raft_membership joint_1_to_2(void)
{
    return (struct raft_membership){
        .joint = true,
        .count = 2,
        .members = {{.id = 1, .voter = true}, {.id = 2, .voter_next = true}}};
}
