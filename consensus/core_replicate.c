/* Entries between members: what a leader sends, and what a follower takes into its log. */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <string.h>

#define REPLICATE_MESSAGES_MAX 16u /* to one member in one turn */

/* ---- a leader sends -------------------------------------------------------------------------- */

/* The entries [range->first, ...] that fit in one message: the last index, and their bytes. */
static uint64_t replicate_cut(struct role_core *core, const struct raft_range *range,
                              uint32_t *size)
{
    uint64_t last = range->first - 1;

    *size = 0;
    for (uint64_t index = range->first; index <= range->last; index++) {
        const struct log_record *record = log_tail_find(core->tail, index);
        if (!record)
            break;
        uint64_t span = log_record_span(record->size);
        if (*size && *size + span > PEER_APPEND_SIZE)
            break; /* a larger one travels alone */
        *size += (uint32_t)span;
        last = index;
    }
    return last;
}

static bool replicate_entries(struct role_core *core, const struct raft_range *range)
{
    struct peer_message head;
    uint32_t size;
    uint64_t last = replicate_cut(core, range, &size);

    if (last < range->first)
        return core_catch_up(core, range);
    enum core_lane lane = core_lane(core, range, size);
    if (lane == CORE_LANE_WAIT)
        return false;
    raft_append_message(&core->raft, range, last, &head);
    head.flags |= lane == CORE_LANE_BULK ? PEER_BULK : 0;
    head.payload_size = size;
    uint8_t *at = link_reserve(core->core_peer, (uint32_t)sizeof(head) + size);
    if (!at) {
        counters_add(core->counters, METRIC_core_peer_dropped_total, 1);
        return false;
    }
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    for (uint64_t index = range->first; index <= last; index++) {
        const struct log_record *record = log_tail_find(core->tail, index);
        uint64_t span = log_record_span(record->size);
        memcpy(at, record, span);
        at += span;
    }
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_SENT,
                                         .member = range->to,
                                         .index = last,
                                         .bulk = lane == CORE_LANE_BULK});
    return true;
}

static bool replicate_empty(struct role_core *core, const struct raft_range *range)
{
    struct peer_message head;

    raft_append_message(&core->raft, range, range->prev_index, &head);
    head.payload_size = 0;
    if (!core_peer_send(core, &head, NULL))
        return false;
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_SENT, .member = range->to, .index = range->prev_index});
    return true;
}

/* May news of a commit wait for the next entries? Not when a client of that member waits for them:
 * an answer was asked for behind what it was told last. */
static bool replicate_news_wait(const struct role_core *core, uint32_t member_index,
                                struct now now)
{
    const struct raft_progress *progress = &core->raft.progress[member_index];

    return core->awaited[progress->id] <= progress->commit_sent &&
           (core->news_ns == 0 || now.mono_ns < core->news_ns);
}

void core_replicate(struct role_core *core, struct now now)
{
    bool kept_back = false;

    if (core->raft.state != RAFT_LEADER) {
        core->news_ns = 0;
        return;
    }
    uint32_t count = raft_membership(&core->raft)->count;
    for (uint32_t i = 0; i < count; i++) {
        struct raft_range range;
        bool sent = true;
        for (uint32_t n = 0; sent && n < REPLICATE_MESSAGES_MAX; n++) {
            enum raft_append what = raft_next_append(&core->raft, i, &range);
            if (what == RAFT_APPEND_NONE)
                break;
            if (what == RAFT_APPEND_EMPTY && range.quiet && replicate_news_wait(core, i, now)) {
                kept_back = true;
                break;
            }
            sent = what == RAFT_APPEND_EMPTY ? replicate_empty(core, &range)
                                             : replicate_entries(core, &range);
        }
        if (!sent && raft_next_empty(&core->raft, i, &range) == RAFT_APPEND_EMPTY)
            replicate_empty(core, &range); /* a heartbeat does not wait for entries */
    }
    if (!kept_back)
        core->news_ns = 0;
    else if (core->news_ns == 0)
        core->news_ns = now.mono_ns + CORE_NEWS_NS;
}

/* ---- a follower takes ------------------------------------------------------------------------ */

/* Are these whole records of consecutive entries of one term, as the header says? */
static bool replicate_whole(const struct peer_message *message, const uint8_t *payload)
{
    uint64_t at = 0, term = peer_message_entry_term(message);
    uint32_t count = peer_message_entry_count(message);

    for (uint32_t i = 0; i < count; i++) {
        const struct log_record *record = (const struct log_record *)(payload + at);
        if (message->payload_size - at < sizeof(*record) || record->kind != LOG_RECORD_ENTRY ||
            record->index != message->index + 1 + i || record->term != term ||
            record->size < sizeof(struct command) ||
            log_record_span(record->size) > message->payload_size - at)
            return false;
        const struct command *command = (const struct command *)(record + 1);
        if (command->body_size != record->size - sizeof(*command))
            return false;
        at += log_record_span(record->size);
    }
    return at == message->payload_size;
}

static void replicate_config(struct role_core *core, const struct log_record *record,
                             struct now now)
{
    const struct command *command = (const struct command *)(record + 1);
    if (command->kind == COMMAND_CONFIG)
        core_member_entry(core, record->index, (const uint8_t *)(command + 1), command->body_size,
                          now);
}

/* The entries that raft accepted, out of the payload that was looked at before. */
static void replicate_take(struct role_core *core, const uint8_t *payload, uint32_t size,
                           uint64_t first, uint64_t last, struct now now)
{
    for (uint64_t at = 0; at < size;) {
        const struct log_record *record = (const struct log_record *)(payload + at);
        if (record->index >= first && record->index <= last) {
            int err = log_tail_append_record(core->tail, record, size - at);
            if (err) {
                struct fault fault;
                fault_set(&fault, err,
                          "entry %llu of term %llu does not follow this node's log, although index "
                          "and term do: the logs of the members differ",
                          (unsigned long long)record->index, (unsigned long long)record->term);
                core_fail(core, err, &fault);
                return;
            }
            core_follow_time(core, record);
            core->room_used += log_record_span(record->size);
        }
        at += log_record_span(record->size);
    }
    counters_set(core->counters, METRIC_core_last_index, core->tail->last_index);
    for (uint64_t at = 0; at < size;) { /* once they are all in the log */
        const struct log_record *record = (const struct log_record *)(payload + at);
        if (record->index >= first && record->index <= last)
            replicate_config(core, record, now);
        at += log_record_span(record->size);
    }
}

/* Entries that find no room are sent again. That the leader lives, and what is committed, was heard
 * all the same: else a member without room would campaign. It is not answered: the leader would
 * take it for an answer to the entries. */
static void replicate_drop(struct role_core *core, const struct peer_message *message,
                           struct now now)
{
    struct peer_message heard = *message;

    counters_add(core->counters, METRIC_core_hold_total, 1);
    core->starved = core->starved || core->raft.full;
    peer_message_set_entries(&heard, 0, 0);
    heard.payload_size = 0;
    heard.context = 0;
    heard.flags |= PEER_QUIET;
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_MESSAGE, .message = &heard, .now_ns = now.mono_ns});
    CHECK(core->out.accept_first == 0);
    CHECK(core->out.truncate_from == 0);
}

void core_on_append(struct role_core *core, const struct peer_message *message,
                    const uint8_t *payload, struct now now)
{
    if (!replicate_whole(message, payload)) {
        counters_add(core->counters, METRIC_core_peer_malformed_total, 1);
        return;
    }
    if (message->payload_size && (!core_room_takes(core, message->payload_size) ||
                                  !log_tail_has_room(core->tail, message->payload_size,
                                                     peer_message_entry_count(message)))) {
        replicate_drop(core, message, now);
        return;
    }
    if (message->payload_size)
        core->starved = false;
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_MESSAGE, .message = message, .now_ns = now.mono_ns});
    uint64_t first = core->out.accept_first, last = core->out.accept_last;
    if (core->out.truncate_from) {
        log_tail_truncate(core->tail, core->out.truncate_from);
        core_memory_truncate(core, core->out.truncate_from);
        core_member_truncate(core, core->out.truncate_from, now);
    }
    if (first)
        replicate_take(core, payload, message->payload_size, first, last, now);
    core_hello_caught_up(core, now);
}
