/* core_parts: the inside of CORE, for role_core.c and core_*.c only. One turn of role_core_poll
 * calls the files in the order of the drawing:
 *
 *   core_disk   what is durable        core_peers  what other members say ─▶ core_replicate, ...
 *   core_tell   commits to APPLY       core_apply  sessions, lanes, reaping, snapshots
 *   core_nets   what clients ask for ─▶ outbox ─▶ core_propose   (with peers; else at once)
 *   core_replicate                     entries to the other members
 *   core_touch  which clients were heard, told to the leader
 *   core_room   is there room on disk, here and elsewhere: asked by all that propose
 *
 * Everything that happens to raft goes through core_step. */
#pragma once

#include "consensus/role_core.h"

/* core_raft.c. core_step gives raft one input and does what it says: saves, messages, the rest is
 * in core->out until the next step. */
void core_step(struct role_core *core, const struct raft_input *in);
/* Puts a message for another member on core_peer; false: no room, it is lost. */
bool core_peer_send(struct role_core *core, const struct peer_message *head, const void *payload);
/* Makes term, vote, identity and membership durable; core_saved: DISK says that they are. */
void core_save(struct role_core *core);
void core_saved(struct role_core *core, struct now now);
/* Stops the node with a reason, once. */
void core_fail(struct role_core *core, int err, const struct fault *fault);

/* core_tell.c. core_put pushes one record on a link to APPLY; false: no room (HOLD). */
bool core_put(struct link *link, const struct core_apply *head, const void *behind, uint32_t size);
/* Tells a query or a refusal behind everything proposed. False: no room (HOLD). */
bool core_tell_behind(struct role_core *core, struct core_apply *head, const void *behind,
                      uint32_t size);
void core_tell_committed(struct role_core *core);

/* core_trace.c. A request of this node with trace id `id` has its place in the log; everything up
 * to `index` has passed DURABLE or COMMIT. */
void core_trace_proposed(struct role_core *core, uint32_t id, uint64_t index);
void core_trace_passed(struct role_core *core, enum trace_stage stage, uint64_t index);

/* core_propose.c. Appends one command to the log tail; false: no room in the tail now (HOLD). */
bool core_propose(struct role_core *core, const struct command *command, const void *body,
                  struct now now);
/* Takes note of the stamp of an entry that is in the log now, however it came there. NULL: none. */
void core_follow_time(struct role_core *core, const struct log_record *record);

/* core_room.c: room on the disk. core_disk_has_room: for an entry of this member's own; what is
 * kept back is for cancelled commands, and for what a leader sends. core_room_takes: for a leader's
 * entries. */
bool core_disk_has_room(const struct role_core *core, uint32_t body_size);
bool core_room_takes(const struct role_core *core, uint32_t size);
/* core_room_for: may a leader take a command. 0; ERR_NOSPACE: no, and nobody else can; ERR_FULL:
 * not now, somebody else is about to. */
MUST_USE int core_room_for(const struct role_core *core, uint32_t body_size, struct now now);
/* core_room_turn tells raft whether the disk is full, and hands leadership to a member with room.
 */
void core_room_turn(struct role_core *core, struct now now);

/* struct forward_log's self, and its propose. */
struct core_log {
    struct role_core *core;
    struct now now;
};
int core_log_propose(void *self, const struct command *command, const void *body);

/* core_disk.c. core_disk_has_term: is raft's term on the disk, or on its way there in front of what
 * is sent now? Entries, or a snapshot, of a term that the superblock does not know yet would be
 * refused at the next start. */
bool core_disk_has_term(const struct role_core *core);
/* core_send_batch gives the open batch to DISK, if `now` and DISK has none. */
void core_send_batch(struct role_core *core, bool now);
uint32_t core_poll_disk(struct role_core *core, struct now now);

/* core_memory.c: durability.mode memory. core_memory_turn acknowledges what is in the log tail;
 * core_memory_written: DISK has written up to `index`; core_memory_truncate: the entries from
 * `from` on are gone; core_memory_on_disk: is what was told to APPLY on disk, so that a snapshot
 * may be of it? If not, nothing more is told until it is: one write of the disk.
 * core_memory_batch_due: is it time to write the open batch? core_memory_deadline_ns: when. */
void core_memory_turn(struct role_core *core, struct now now);
void core_memory_written(struct role_core *core, uint64_t index);
void core_memory_truncate(struct role_core *core, uint64_t from);
bool core_memory_on_disk(struct role_core *core);
bool core_memory_batch_due(struct role_core *core, struct now now);
uint64_t core_memory_deadline_ns(const struct role_core *core);

/* core_nets.c: round robin over the NETs, a bounded number of commands a turn. */
uint32_t core_poll_nets(struct role_core *core, struct now now);
uint32_t core_propose_own(struct role_core *core, struct now now);

/* core_apply.c */
uint32_t core_poll_apply(struct role_core *core, struct now now);
uint32_t core_expire(struct role_core *core, struct now now);
bool core_may_expire(const struct role_core *core);
void core_reap(struct role_core *core, struct now now);
void core_snapshot(struct role_core *core);

/* ---- with peers ---- */

/* core_peers.c: what they say; what the outbox holds for the leader. */
uint32_t core_poll_peers(struct role_core *core, struct now now);
void core_send_forwards(struct role_core *core, struct now now);

/* core_replicate.c. payload is message->payload_size bytes, 8-byte aligned. */
void core_replicate(struct role_core *core, struct now now);
void core_on_append(struct role_core *core, const struct peer_message *message,
                    const uint8_t *payload, struct now now);

/* core_catch_up.c: entries that the log tail does not hold any more. False: not now. */
bool core_catch_up(struct role_core *core, const struct raft_range *range);
/* core_lane says which lane the next entries of a range take, `size` bytes of them at first: bulk,
 * for a member that lacks much, and paced behind what is urgent; or urgent. */
enum core_lane { CORE_LANE_URGENT, CORE_LANE_BULK, CORE_LANE_WAIT /* not now */ };
enum core_lane core_lane(const struct role_core *core, const struct raft_range *range,
                         uint64_t size);
void core_catch_up_read(struct role_core *core, const struct disk_core *done, struct now now);

/* core_touch.c: sessions that were heard (COMMAND_TOUCH); reports that are not answered go again.
 */
void core_touch(struct role_core *core, const struct command *command, struct now now);
void core_touch_turn(struct role_core *core, struct now now);
uint64_t core_touch_deadline_ns(const struct role_core *core);
void core_on_touch(struct role_core *core, const struct peer_message *message,
                   const uint8_t *payload, struct now now);
void core_on_touch_reply(struct role_core *core, const struct peer_message *message,
                         const uint8_t *payload, struct now now);

/* core_install.c: a leader's turn; what DISK answers; what the other side says. */
void core_install_turn(struct role_core *core, struct now now);
uint64_t core_install_deadline_ns(const struct role_core *core);
void core_install_read(struct role_core *core, const struct disk_core *done, struct now now);
void core_install_written(struct role_core *core, const struct disk_core *done);
void core_install_done(struct role_core *core, const struct disk_core *done);
void core_on_snapshot(struct role_core *core, const struct peer_message *message,
                      const uint8_t *payload, struct now now);
void core_on_snapshot_reply(struct role_core *core, const struct peer_message *message,
                            const uint8_t *payload, struct now now);

/* core_hash.c: the state hash behind an index, this node's own and the leader's. */
void core_hash_own(struct role_core *core, uint64_t index, const void *hash, uint32_t size);
void core_on_hash(struct role_core *core, const struct peer_message *message,
                  const uint8_t *payload, struct now now);

/* core_reads.c. core_wait keeps a query (or a refusal, without barrier) until it may be told;
 * false: no room (HOLD). core_ask_reads asks raft once a turn; core_tell_reads tells those that are
 * due. */
bool core_wait(struct role_core *core, const struct core_apply *head, const struct command *command,
               bool barrier);
void core_ask_reads(struct role_core *core, struct now now);
bool core_reads_silent(struct role_core *core, struct now now);
bool core_reads_due(struct role_core *core);
uint32_t core_tell_reads(struct role_core *core);

/* core_form.c: greetings; the end of a save; has a node that came with an empty disk caught up. */
void core_on_hello(struct role_core *core, const struct peer_message *message,
                   const uint8_t *payload, struct now now);
void core_form_turn(struct role_core *core, struct now now);
void core_form_send(struct role_core *core, uint8_t to, bool answer);
/* core_stuck.c: while nobody leads, the members are asked whether they have a vote; when too few
 * have one, or are heard, the log says so now and then, and the page always. For when the pages
 * are told (core_show). */
void core_stuck_turn(struct role_core *core, struct now now);
void core_hello_saved(struct role_core *core, struct now now);
/* core_outlived: member `from` knows this node by a later incarnation than this start's. The disk
 * was set back or replaced, for each start saves its own before anybody hears of it, and the clock
 * is behind, for else this start's would be later still. Nobody would listen: the node makes the
 * later one durable, without its vote until it has caught up, and starts again (ERR_RESTART) behind
 * it. Of two processes with one id, this lets the one go on that the others' server list points to.
 * No effect when `incarnation` is not later. */
void core_outlived(struct role_core *core, uint8_t from, uint64_t incarnation);
/* core_forget.c. core_contradicted: the leader's log holds another entry than is committed here
 * (core->out.contradicts): this member forgets its log, or stops. core_forget_saved: that is
 * durable. */
void core_contradicted(struct role_core *core);
void core_forget_saved(struct role_core *core);
/* core_others.c. core_others_show: when the pages are told; core_others_member: for the page;
 * core_on_absent: another member says that this node is none. */
void core_others_show(struct role_core *core, struct now now);
enum core_status_member core_others_member(const struct role_core *core, struct now now);
void core_on_absent(struct role_core *core, const struct peer_message *message,
                    const uint8_t *payload, struct now now);
void core_hello_caught_up(struct role_core *core, struct now now);

/* core_member.c: a membership entry is in the log; a client wants another membership (lines of
 * base/membership.h); a leader appends the next entry. */
void core_member_wanted(struct role_core *core, int64_t zxid, const void *lines, uint32_t size,
                        struct now now);
/* core_member_transfer hands leadership to voter `to`, if this node leads. */
void core_member_transfer(struct role_core *core, uint8_t to, struct now now);
void core_member_begin(struct role_core *core, struct now now);
void core_member_turn(struct role_core *core, struct now now);
void core_member_settle(struct role_core *core, struct now now);
/* core_member_say.c: says once that another membership is committed. */
void core_member_say(struct role_core *core);
/* core_member_truncate: the entries from `from` on are gone, and with them what they changed. */
void core_member_truncate(struct role_core *core, uint64_t from, struct now now);
void core_member_entry(struct role_core *core, uint64_t index, const uint8_t *body, uint32_t size,
                       struct now now);
