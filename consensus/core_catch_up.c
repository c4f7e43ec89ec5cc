/* Followers that are further behind than the log tail reaches: old entries are read back by DISK,
 * one range at a time, into one buffer. Some of it is used, so that DISK is soon back with the
 * batches; all of it for an entry that is longer than that, of which there are few. */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <string.h>

/* Nothing urgent is sent while bulk is under way: it would come before it, and be refused. So who
 * has nearly caught up waits until all bulk has come, once; who lacks much goes on with bulk. */
enum core_lane core_lane(const struct role_core *core, const struct raft_range *range,
                         uint64_t size)
{
    int at = raft_member_index(&core->raft, range->to);
    uint64_t behind = log_tail_bytes_from(core->tail, range->first); /* 0: more than the tail */

    CHECK(at >= 0);
    bool bulk = behind == 0 || behind > CORE_BULK_SIZE || size > PEER_APPEND_SIZE;
    if (bulk)
        return raft_on_way_count(&core->raft, (uint32_t)at) < CORE_BULK_COUNT_MAX ? CORE_LANE_BULK
                                                                                  : CORE_LANE_WAIT;
    return raft_bulk_on_way(&core->raft, (uint32_t)at) ? CORE_LANE_WAIT : CORE_LANE_URGENT;
}

/* Sends what the buffer holds of the range; false: none of it, or no room. */
static bool catch_up_send(struct role_core *core, const struct raft_range *range)
{
    const struct core_old *old = &core->old;
    struct peer_message head;
    uint64_t at = 0, begin = 0, last = range->first - 1;

    while (at < old->size) {
        const struct log_record *record = (const struct log_record *)(old->buffer + at);
        uint64_t span = log_record_span(record->size);
        if (record->index > range->last || record->index != last + 1) {
            if (last >= range->first || record->index > range->last)
                break;
            begin = at + span; /* before the range */
        } else if (at + span - begin > PEER_APPEND_SIZE && last >= range->first) {
            break;
        } else if (record->term != range->term) {
            break;
        } else {
            last = record->index;
        }
        at += span;
    }
    if (last < range->first)
        return false;
    raft_append_message(&core->raft, range, last, &head);
    head.flags |= PEER_BULK;
    head.payload_size = (uint32_t)(at - begin);
    if (!core_peer_send(core, &head, old->buffer + begin))
        return false;
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_SENT, .member = range->to, .index = last, .bulk = true});
    return true;
}

bool core_catch_up(struct role_core *core, const struct raft_range *range)
{
    struct core_old *old = &core->old;

    if (old->reading || core_lane(core, range, PEER_APPEND_SIZE) != CORE_LANE_BULK)
        return false;
    if (range->first >= old->first && range->first < old->first + old->count)
        return catch_up_send(core, range);
    struct core_disk *read = link_reserve(core->core_disk, sizeof(*read));
    if (!read)
        return false;
    memset(read, 0, sizeof(*read));
    read->kind = CORE_DISK_READ;
    read->size = old->long_entry ? CORE_OLD_SIZE_MAX : CORE_OLD_SIZE;
    read->first_index = range->first;
    read->last_index = range->last;
    read->number = range->first;
    read->buffer = old->buffer;
    old->reading = true;
    old->count = 0;
    return false;
}

void core_catch_up_read(struct role_core *core, const struct disk_core *done, struct now now)
{
    struct core_old *old = &core->old;

    CHECK(old->reading);
    old->reading = false;
    old->first = done->index;
    old->count = done->error ? 0 : done->count;
    old->size = done->error ? 0 : done->size;
    old->long_entry = done->error == ERR_FULL && !old->long_entry;
    if (old->long_entry)
        return;        /* asked for again, with all of the buffer */
    if (done->error) { /* not held any more, or not readable: a snapshot is needed */
        say(SAY_INFO, "entry %llu cannot be read back for a member: %s",
            (unsigned long long)done->number, err_name(done->error));
        core_step(core, &(struct raft_input){.kind = RAFT_INPUT_COMPACTED,
                                             .index = done->number,
                                             .now_ns = now.mono_ns});
    }
}
