/* Snapshots between members: who lacks entries that the log no longer holds gets the newest one,
 * chunk by chunk, each asked for by its offset, so that either side may begin again anywhere.
 *
 *   leader   raft_snapshot_due ─▶ DISK reads a chunk ─▶ SNAPSHOT (bulk) ─┐
 *                                      ▲                                 ▼
 *                                      └── SNAPSHOT_REPLY: next offset ── follower: DISK writes it
 *   follower the last chunk ─▶ DISK: checked, renamed, the log begins anew behind it
 *            ─▶ the node recovers again from its disk (ERR_RESTART)
 *            it has the entry already ─▶ raft answers, and the leader offers it no more
 *
 * One member is served at a time, one chunk is on its way. */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <string.h>

#define INSTALL_AGAIN_NS                                                                           \
    (300 * NS_PER_MS) /* without an answer: the chunk is read and sent again                       \
                       */

/* ---- the leader sends ------------------------------------------------------------------------ */

static void install_read(struct role_core *core, struct now now)
{
    struct core_sending *to = &core->sending;
    struct core_disk *read = NULL;

    if (!to->reading)
        read = link_reserve(core->core_disk, sizeof(*read));
    to->again_ns = now.mono_ns + INSTALL_AGAIN_NS;
    if (!read)
        return;
    *read = (struct core_disk){.kind = CORE_DISK_READ_SNAPSHOT,
                               .size = CORE_CHUNK_SIZE,
                               .last_index = to->snapshot.index,
                               .offset = to->offset,
                               .number = to->offset,
                               .buffer = to->buffer};
    to->reading = true;
}

void core_install_read(struct role_core *core, const struct disk_core *done, struct now now)
{
    struct core_sending *to = &core->sending;
    struct peer_message head = {.kind = PEER_SNAPSHOT,
                                .from = core->config.node_id,
                                .to = to->to,
                                .payload_size = done->size,
                                .flags = PEER_BULK | (done->size < CORE_CHUNK_SIZE ? PEER_LAST : 0),
                                .term = core->raft.term,
                                .index = to->snapshot.index,
                                .log_term = to->snapshot.term,
                                .context = to->snapshot.chain,
                                .extra = done->number};

    CHECK(to->reading);
    to->reading = false;
    if (to->to == 0 || core->raft.state != RAFT_LEADER)
        return;
    if (done->error) {
        say(SAY_WARN, "snapshot %llu cannot be sent to node %u: %s",
            (unsigned long long)to->snapshot.index, to->to, err_name(done->error));
        to->to = 0;
        return;
    }
    if (done->number == to->offset)
        core_peer_send(core, &head, to->buffer);
}

/* Somebody needs a snapshot that reaches to where the log begins: if the newest does not, another
 * one is made. */
static bool install_possible(struct role_core *core)
{
    if (core->snapshot.index && core->snapshot.index >= core->raft.terms.base_index)
        return true;
    core->snapshot_wanted = true;
    return false;
}

static bool install_due(struct role_core *core, uint8_t id)
{
    int at = raft_member_index(&core->raft, id);
    return at >= 0 && raft_snapshot_due(&core->raft, (uint32_t)at);
}

void core_install_turn(struct role_core *core, struct now now)
{
    struct core_sending *to = &core->sending;
    const struct raft_membership *members = raft_membership(&core->raft);

    if (core->raft.state != RAFT_LEADER) {
        to->to = 0;
        return;
    }
    if (to->to && !install_due(core, to->to)) {
        say(SAY_INFO, "node %u has snapshot %llu", to->to, (unsigned long long)to->snapshot.index);
        to->to = 0;
    }
    if (to->to) {
        if (now.mono_ns >= to->again_ns)
            install_read(core, now);
        return;
    }
    for (uint32_t i = 0; i < members->count && !to->to; i++)
        if (raft_snapshot_due(&core->raft, i) && core->hello.heard[members->members[i].id] &&
            install_possible(core))
            to->to = members->members[i].id;
    if (!to->to || to->reading)
        return;
    to->snapshot = core->snapshot;
    to->offset = 0;
    say(SAY_INFO, "node %u lacks entries that the log no longer holds: snapshot %llu is sent to it",
        to->to, (unsigned long long)to->snapshot.index);
    install_read(core, now);
}

uint64_t core_install_deadline_ns(const struct role_core *core)
{
    return core->sending.to ? core->sending.again_ns : UINT64_MAX;
}

void core_on_snapshot_reply(struct role_core *core, const struct peer_message *message,
                            const uint8_t *payload, struct now now)
{
    struct core_sending *to = &core->sending;

    if (message->from != to->to || message->index != to->snapshot.index ||
        core->raft.state != RAFT_LEADER || message->term != core->raft.term)
        return;
    if (message->extra == to->offset && to->offset)
        return; /* an answer that was sent twice */
    to->offset = message->extra;
    install_read(core, now);
}

/* ---- a follower takes ------------------------------------------------------------------------ */

static void install_reply(struct role_core *core, const struct peer_message *to, uint64_t offset)
{
    struct peer_message head = {.kind = PEER_SNAPSHOT_REPLY,
                                .from = core->config.node_id,
                                .to = to->from,
                                .term = core->raft.term,
                                .index = to->index,
                                .extra = offset};
    core_peer_send(core, &head, NULL);
}

void core_on_snapshot(struct role_core *core, const struct peer_message *message,
                      const uint8_t *payload, struct now now)
{
    struct core_receiving *from = &core->receiving;
    struct core_disk *write;

    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_MESSAGE, .message = message, .now_ns = now.mono_ns});
    if (message->term != core->raft.term || message->from != core->raft.leader ||
        !core_disk_has_term(core) || message->payload_size > CORE_CHUNK_SIZE || from->writing ||
        from->installing)
        return; /* sent again, if it still matters */
    if (!raft_snapshot_wanted(&core->raft, message->index, message->log_term))
        return;
    if (message->index != from->message.index || message->log_term != from->message.log_term ||
        message->context != from->message.context || message->extra == 0)
        from->offset = 0; /* another snapshot, or from the beginning */
    if (message->extra != from->offset) {
        install_reply(core, message, from->offset);
        return;
    }
    write = link_reserve(core->core_disk, sizeof(*write));
    if (!write)
        return;
    memcpy(from->buffer, payload, message->payload_size);
    from->message = *message;
    from->writing = true;
    *write = (struct core_disk){.kind = CORE_DISK_WRITE_SNAPSHOT,
                                .size = message->payload_size,
                                .last_index = message->index,
                                .offset = message->extra,
                                .number = message->extra,
                                .buffer = from->buffer};
}

static void install_ask(struct role_core *core)
{
    struct core_receiving *from = &core->receiving;
    struct core_disk *install = link_reserve(core->core_disk, sizeof(*install));

    CHECK(
        install); /* a batch, a trim, a save and three more are the most, and the link holds many */
    *install = (struct core_disk){.kind = CORE_DISK_INSTALL,
                                  .last_index = from->message.index,
                                  .term = from->message.log_term,
                                  .chain = from->message.context};
    from->installing = true;
}

void core_install_written(struct role_core *core, const struct disk_core *done)
{
    struct core_receiving *from = &core->receiving;

    CHECK(from->writing);
    from->writing = false;
    if (done->error) { /* a full disk: tried again from the beginning when it is sent again */
        from->offset = 0;
        return;
    }
    from->offset += from->message.payload_size;
    if (!(from->message.flags & PEER_LAST)) {
        install_reply(core, &from->message, from->offset);
        return;
    }
    /* ask once more: entries may have come meanwhile that make it needless */
    if (raft_snapshot_wanted(&core->raft, from->message.index, from->message.log_term))
        install_ask(core);
}

void core_install_done(struct role_core *core, const struct disk_core *done)
{
    struct core_receiving *from = &core->receiving;
    struct fault fault;

    from->installing = false;
    if (done->error) {
        say(SAY_WARN, "the snapshot %llu of node %u cannot be used: %s; it is asked for again",
            (unsigned long long)from->message.index, from->message.from, err_name(done->error));
        from->offset = 0;
        return;
    }
    fault_set(&fault, ERR_RESTART, "snapshot %llu came from node %u: the node goes on from it",
              (unsigned long long)from->message.index, from->message.from);
    core_fail(core, ERR_RESTART, &fault);
}
