/* raft_parts: what the files of the Raft core call of one another; nobody else includes it.
 *
 *   raft.c ── step, hard state, changes of state
 *     ├─ raft_vote.c     campaigns, votes                 ├─ raft_append.c   follower: entries in
 *     ├─ raft_member.c   memberships, quorums             ├─ raft_next.c     leader: what to send
 *     ├─ raft_reply.c    leader: answers, commit          ├─ raft_lead.c     office: time, transfer
 *     └─ raft_read.c     reads                            └─ raft_describe.c lines for people
 * All of it runs inside one raft_step. Role: CORE. */
#pragma once

#include "consensus/raft.h"

/* raft_message_add opens a message of this term in *out, zeroed but for kind, from, to and term.
 * NULL: it must not leave, as the term is not durable yet (nothing is lost that is not repeated),
 * or there is no room. */
struct peer_message *raft_message_add(struct raft *raft, struct raft_output *out, uint8_t kind,
                                      uint8_t to);

/* Changes of state; each sets out->state_changed and the reason. */
void raft_become_follower(struct raft *raft, uint64_t term, uint8_t leader, const char *reason,
                          struct raft_output *out);
void raft_become(struct raft *raft, enum raft_state state, uint8_t leader, const char *reason,
                 struct raft_output *out);

/* raft_random draws from [0, below); below > 0. */
uint64_t raft_random(struct raft *raft, uint64_t below);

/* raft_round_open makes sure that what is asked now is confirmed by messages sent from now on. */
void raft_round_open(struct raft *raft);

/* ---- raft_member.c */
void raft_member_config(struct raft *raft, uint64_t index,
                        const struct raft_membership *membership);
void raft_member_truncate(struct raft *raft, uint64_t from);
void raft_member_commit(struct raft *raft);
void raft_member_snapshot(struct raft *raft, const struct raft_membership *membership,
                          uint64_t index);
void raft_member_reset(struct raft *raft, const struct raft_membership *membership);
bool raft_member_valid(const struct raft_membership *membership);
bool raft_member_is_voter(const struct raft *raft, uint8_t id);
/* Is it a voter of the membership in force or of an older one that may be in force again. */
bool raft_member_may_campaign(const struct raft *raft, uint8_t id);
uint32_t raft_member_voters(const struct raft *raft);
/* Does the set of member indexes hold a quorum. */
bool raft_member_quorum(const struct raft *raft, uint64_t set);
/* The highest value that a quorum has at least; values[] as members[]. */
uint64_t raft_member_quorum_value(const struct raft *raft, const uint64_t *values);

/* ---- raft_vote.c */
void raft_vote_rearm(struct raft *raft);
bool raft_vote_eligible(const struct raft *raft);
void raft_vote_campaign(struct raft *raft, bool transfer, const char *reason,
                        struct raft_output *out);
void raft_vote_saved(struct raft *raft, struct raft_output *out);
void raft_vote_tick(struct raft *raft, struct raft_output *out);
bool raft_vote_deaf(const struct raft *raft);
void raft_vote_pre_request(struct raft *raft, const struct peer_message *m,
                           struct raft_output *out);
void raft_vote_pre_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_vote_request(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_vote_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out);

/* ---- raft_append.c */
void raft_append_take(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_append_answer(struct raft *raft, struct raft_output *out);
void raft_append_refuse_old(struct raft *raft, const struct peer_message *m,
                            struct raft_output *out);
void raft_append_offer(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_append_durable(struct raft *raft, const struct raft_input *in, struct raft_output *out);
void raft_append_snapshot(struct raft *raft, const struct raft_input *in, struct raft_output *out);

/* ---- raft_next.c */
void raft_next_sent(struct raft *raft, const struct raft_input *in);
/* What the leader knows of a member that it has sent nothing. */
struct raft_progress raft_next_begin(const struct raft *raft, uint8_t id);
uint32_t raft_next_on_way(const struct raft_progress *p);

/* ---- raft_reply.c */
void raft_reply_take(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_reply_commit(struct raft *raft, struct raft_output *out);
void raft_reply_unreachable(struct raft *raft, uint8_t member, bool reborn);

/* ---- raft_lead.c */
void raft_lead_begin(struct raft *raft, const char *reason, struct raft_output *out);
void raft_lead_tick(struct raft *raft, struct raft_output *out);
void raft_lead_transfer(struct raft *raft, uint8_t to, struct raft_output *out);
void raft_lead_transfer_go(struct raft *raft, struct raft_output *out);
void raft_lead_removed(struct raft *raft, struct raft_output *out);
uint64_t raft_lead_deadline_ns(const struct raft *raft);
/* A member answered, or the membership is another one: raft_vouched_ns follows. */
void raft_lead_vouch(struct raft *raft);

/* ---- raft_read.c */
void raft_read_add(struct raft *raft, uint64_t context, struct raft_output *out);
void raft_read_request(struct raft *raft, const struct peer_message *m);
void raft_read_reply(struct raft *raft, const struct peer_message *m, struct raft_output *out);
void raft_read_turn(struct raft *raft, struct raft_output *out);
void raft_read_reset(struct raft *raft);
