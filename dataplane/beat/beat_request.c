/* A request's way through its slot: pieces, order, once each, and its answer until receipt. */
#include "dataplane/beat/beat.h"

#include "base/check.h"
#include "base/plant.h"
#include "dataplane/net_quorum.h"
#include "dataplane/read.h"
#include "dataplane/request.h"
#include "dataplane/zk/reply.h"

#include <string.h>

#define XID_MASK 0x7fffffffu /* NET knows a request by these bits of its number */

enum request_fit { FIT_NOT, FIT_READ, FIT_WRITE };

/* PROTOCOL.md section 7. A read here is what the machine keeps no answer of. */
static enum request_fit request_fit(int32_t op)
{
    switch (op) {
    case ZK_OP_CREATE:
    case ZK_OP_CREATE2:
    case ZK_OP_CREATE_CONTAINER:
    case ZK_OP_CREATE_TTL:
    case ZK_OP_DELETE:
    case ZK_OP_SET_DATA:
    case ZK_OP_SET_ACL:
    case ZK_OP_MULTI:
    case ZK_OP_CLOSE_SESSION: return FIT_WRITE;
    case ZK_OP_EXISTS:
    case ZK_OP_GET_DATA:
    case ZK_OP_GET_ACL:
    case ZK_OP_GET_CHILDREN:
    case ZK_OP_GET_CHILDREN2:
    case ZK_OP_SYNC:
    case ZK_OP_MULTI_READ:
    case ZK_OP_CHECK_WATCHES:
    case ZK_OP_REMOVE_WATCHES:
    case ZK_OP_ADD_WATCH:
    case ZK_OP_SET_WATCHES2:
    case ZK_OP_AUTH:
    case ZK_OP_GET_EPHEMERALS:
    case ZK_OP_GET_ALL_CHILDREN_NUMBER:
    case ZK_OP_WHO_AM_I: return FIT_READ;
    default: return FIT_NOT;
    }
}

static struct beat_slot *slot_of(struct beat_client *client, uint64_t sequence)
{
    return &client->slots[sequence & (BEAT_CREDITS - 1)];
}

/* ---- a slot's memory ---- */

static void slot_give_back(struct beat *beat, struct beat_client *client, struct beat_slot *slot)
{
    client->large_count -= slot->room > BEAT_SLOT_KEPT;
    slab_free(&beat->net->slab, slot->bytes, slot->room);
    slot->bytes = NULL;
    slot->room = 0;
}

static bool slot_grow(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
                      uint32_t size)
{
    uint32_t room = (uint32_t)slab_size_usable(size);
    uint8_t *bytes = slab_alloc(&beat->net->slab, room);
    if (!bytes) {
        net_count(beat->net, METRIC_net_no_memory_total, 1);
        return false;
    }
    slot_give_back(beat, client, slot);
    slot->bytes = bytes;
    slot->room = room;
    client->large_count += room > BEAT_SLOT_KEPT;
    return true;
}

static inline bool slot_fit(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
                            uint32_t size)
{
    return size <= slot->room || slot_grow(beat, client, slot, size);
}

void beat_request_drop(struct beat *beat, struct beat_client *client)
{
    for (uint32_t i = 0; i < BEAT_CREDITS; i++) {
        client->slots[i].state = BEAT_SLOT_FREE;
        slot_give_back(beat, client, &client->slots[i]);
    }
}

/* A slot whose number is receipted is found free when another number wants it. */
void beat_request_acked(struct beat *beat, struct beat_client *client, uint64_t acked)
{
    if (acked > client->taken)
        acked = client->taken; /* nobody can have the answer to what was not asked */
    if (acked <= client->acked)
        return;
    for (uint64_t n = client->acked + 1; client->large_count && n <= acked; n++)
        if (slot_of(client, n)->room > BEAT_SLOT_KEPT)
            slot_give_back(beat, client, slot_of(client, n));
    client->acked = acked;
}

/* ---- answers ---- */

static void slot_say_pieces(struct beat *beat, const struct beat_client *client,
                            const struct beat_slot *slot)
{
    struct beat_frame told = {.kind = BEAT_REPLY,
                              .session = client->session,
                              .sequence = slot->sequence,
                              .attach = client->attach,
                              .event = slot->event,
                              .time = slot->time,
                              .code = slot->code};
    beat_say(beat, &client->address, client, &told, bytes_of(slot->bytes, slot->size));
}

/* The frame of a short answer is never in memory but as a datagram: it need not be cleared. */
static inline void slot_say(struct beat *beat, const struct beat_client *client,
                            const struct beat_slot *slot)
{
    if (UNLIKELY(slot->size > BEAT_WIRE_PIECE_SIZE)) {
        slot_say_pieces(beat, client, slot);
        return;
    }
    uint8_t *room = beat_room(beat);
    if (!room)
        return;
    struct beat_frame told = {.kind = BEAT_REPLY,
                              .sequence = slot->sequence,
                              .event = slot->event,
                              .time = slot->time,
                              .code = slot->code};
    beat_say_whole(beat, client, &told, bytes_of(slot->bytes, slot->size), room);
}

static void slot_answer(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
                        int64_t zxid, int32_t error)
{
    slot->state = BEAT_SLOT_ANSWERED;
    slot->time = (uint64_t)zxid;
    slot->code = error;
    slot->event = client->event_sent;
    slot_say(beat, client, slot);
}

void beat_request_answer(struct beat *beat, struct beat_client *client, int32_t xid, int64_t zxid,
                         int32_t error, struct bytes body)
{
    struct beat_slot *slot = slot_of(client, (uint64_t)xid);
    if (slot->state != BEAT_SLOT_ASKED || (slot->sequence & XID_MASK) != (uint32_t)xid ||
        slot->sequence <= client->acked)
        return; /* its client says that it has the answer */
    if (!slot_fit(beat, client, slot, (uint32_t)body.size)) {
        conn_close(beat->net, client->stream.owner, false);
        return;
    }
    slot->size = (uint32_t)body.size;
    if (body.size)
        memcpy(slot->bytes, body.at, (size_t)body.size);
    slot_answer(beat, client, slot, zxid, error);
}

/* ---- to NET ---- */

static inline struct request slot_request(const struct beat_slot *slot, int32_t op,
                                          struct bytes message)
{
    return (struct request){.xid = (int32_t)(slot->sequence & XID_MASK), .op = op, .body = message};
}

/* The request of a slot, `size` bytes, is NET's. */
static inline void slot_taken(struct net *net, struct beat_client *client,
                              const struct beat_slot *slot, int32_t size)
{
    struct counters *page = net->parts.counters;
    struct conn *conn = client->stream.owner;
    client->taken = slot->sequence;
    conn->received++;
    counters_add(page, METRIC_net_packets_received_total, 1);
    counters_add(page, METRIC_net_received_bytes_total, (uint64_t)size);
    net_quorum_consumed(conn, 1);
}

/* What NET made of a request. */
static enum request_step slot_given(struct beat *beat, struct beat_client *client,
                                    struct beat_slot *slot, int32_t size, enum request_step step)
{
    if (client->state == BEAT_CLOSING)
        return step;
    if (step == REQUEST_WAIT || step == REQUEST_RETRY) {
        slot->state = BEAT_SLOT_WHOLE;
        return step;
    }
    slot_taken(beat->net, client, slot, size);
    if (step == REQUEST_CLOSE)
        conn_close(beat->net, client->stream.owner, true);
    return step;
}

/* A get or an exists: its answer is put into the slot itself, where it lies for a repetition. What
 * NET has written before into the stream, events above all, goes first. op: the slot's code, a
 * constant: each has a function of its own. */
__attribute__((always_inline)) static inline enum request_step
slot_read(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
          struct bytes message, int32_t op)
{
    struct net *net = beat->net;
    struct conn *conn = client->stream.owner;
    struct request request = slot_request(slot, op, message);
    struct read_node read;

    slot->state = BEAT_SLOT_ASKED;
    if (stream_tx_size(&client->stream)) {
        beat_client_output(beat, client);
        if (client->state == BEAT_CLOSING)
            return REQUEST_CLOSE;
    }
    enum request_step step = request_admit(net, conn, &request, REQUEST_READ, 1);
    if (step != REQUEST_DONE)
        return slot_given(beat, client, slot, message.size, step);
    int32_t error = read_node_ask(net, conn, &request, &read);
    if (!error && read.size > BEAT_WIRE_MESSAGE_MAX) {
        net_count(net, METRIC_net_unanswerable_total, 1);
        error = ZK_SYSTEM_ERROR;
    }
    slot->size = error ? 0 : read.size;
    if (!slot_fit(beat, client, slot, slot->size)) {
        conn_close(net, conn, false);
        return REQUEST_CLOSE;
    }
    if (error) {
        read_node_refused(net, error);
    } else {
        read_node_put(&read, slot->bytes);
        read_node_note(net, read.size);
    }
    conn_sent_note(net, conn, REPLY_HEADER_SIZE + slot->size);
    request_answered(net, conn, &request);
    slot_taken(net, client, slot, message.size);
    slot_answer(beat, client, slot, net->view.zxid, error);
    return REQUEST_DONE;
}

__attribute__((noinline)) static enum request_step slot_get(struct beat *beat,
                                                            struct beat_client *client,
                                                            struct beat_slot *slot,
                                                            struct bytes message)
{
    return slot_read(beat, client, slot, message, ZK_OP_GET_DATA);
}

__attribute__((noinline)) static enum request_step slot_exists(struct beat *beat,
                                                               struct beat_client *client,
                                                               struct beat_slot *slot,
                                                               struct bytes message)
{
    return slot_read(beat, client, slot, message, ZK_OP_EXISTS);
}

/* Everything else goes through NET's table of handlers. */
static enum request_step slot_pass(struct beat *beat, struct beat_client *client,
                                   struct beat_slot *slot, struct bytes message, bool late)
{
    struct net *net = beat->net;
    struct conn *conn = client->stream.owner;
    enum request_fit fit = request_fit(slot->code);
    struct request request = slot_request(slot, slot->code, message);

    if (fit == FIT_NOT || (late && fit == FIT_READ)) {
        client->taken = slot->sequence;
        if (!PLANTED(56))
            net_quorum_consumed(conn, 1); /* what it waited for covers nothing behind it */
        slot->size = 0;
        slot_answer(beat, client, slot, net->view.zxid,
                    fit == FIT_NOT ? ZK_UNIMPLEMENTED : ZK_REQUEST_TIMEOUT);
        return REQUEST_DONE;
    }
    conn->sequence = slot->sequence;
    conn->late = late && !PLANTED(57);
    slot->state = BEAT_SLOT_ASKED;
    enum request_step step = request_take(net, conn, &request, 1);
    return slot_given(beat, client, slot, message.size, step);
}

/* Gives the request of a slot to NET; its message may lie anywhere. */
static inline enum request_step slot_give(struct beat *beat, struct beat_client *client,
                                          struct beat_slot *slot, struct bytes message)
{
    bool late = slot->time && beat->net->now.mono_ns > slot->time;
    CHECK(slot->sequence == client->taken + 1);
    if (LIKELY(slot->code == ZK_OP_GET_DATA && !late))
        return slot_get(beat, client, slot, message);
    if (slot->code == ZK_OP_EXISTS && !late)
        return slot_exists(beat, client, slot, message);
    return slot_pass(beat, client, slot, message, late);
}

static bool conn_may_serve(const struct net *net, const struct conn *conn)
{
    return conn->wait == CONN_WAIT_NONE && !conn->leaving && net_may_serve(net);
}

uint32_t beat_serve(struct beat *beat, struct conn *conn, uint32_t frames)
{
    struct net *net = beat->net;
    struct beat_client *client = (struct beat_client *)conn->stream;
    uint32_t handled = 0;
    uint64_t cost_end = net->turn_cost + NET_CONN_COST;
    while (client->state == BEAT_LIVE) {
        struct beat_slot *slot = slot_of(client, client->taken + 1);
        if (slot->sequence != client->taken + 1 || slot->state != BEAT_SLOT_WHOLE)
            return handled;
        if (conn->wait != CONN_WAIT_NONE || conn->leaving)
            return handled;
        if (handled == frames || net->turn_cost >= cost_end || !net_may_serve(net)) {
            conn_run(net, conn); /* behind the others */
            return handled;
        }
        enum request_step step = slot_give(beat, client, slot, bytes_of(slot->bytes, slot->size));
        if (step == REQUEST_RETRY && client->state == BEAT_LIVE)
            conn_run(net, conn);
        if (step != REQUEST_DONE)
            return handled;
        handled++;
    }
    return handled;
}

/* ---- from the wire ---- */

/* Serves a whole request from the datagram's own bytes, when it is its turn. False: it is not, or
 * NET does not take it now. */
static bool request_now(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
                        const struct beat_frame *frame)
{
    struct conn *conn = client->stream.owner;
    if (slot->sequence != client->taken + 1 || conn->runnable || !conn_may_serve(beat->net, conn))
        return false;
    enum request_step step = slot_give(beat, client, slot, bytes_of(frame->bytes, frame->size));
    return step == REQUEST_DONE || step == REQUEST_CLOSE || client->state == BEAT_CLOSING;
}

/* Keeps a piece. What there is no room for is lost: it will be sent again. */
static void request_keep(struct beat *beat, struct beat_client *client, struct beat_slot *slot,
                         struct beat_frame frame)
{
    uint32_t pieces = beat_wire_pieces(frame.message_size);
    if (slot->state == BEAT_SLOT_FREE) {
        if (!slot_fit(beat, client, slot, frame.message_size))
            return;
        slot->state = BEAT_SLOT_PIECES;
        slot->size = frame.message_size;
        slot->missing = pieces == 64 ? UINT64_MAX : (1ull << pieces) - 1;
    }
    if (slot->size != frame.message_size || slot->code != frame.code) {
        net_count(beat->net, METRIC_beat_malformed_total, 1);
        return;
    }
    if (frame.size)
        memcpy(slot->bytes + frame.index * BEAT_WIRE_PIECE_SIZE, frame.bytes, frame.size);
    slot->missing &= ~(1ull << frame.index);
    if (slot->missing)
        return;
    slot->state = BEAT_SLOT_WHOLE;
    if (slot->sequence == client->taken + 1)
        conn_run(beat->net, client->stream.owner);
}

/* Of a number whose request is here already. */
__attribute__((cold)) static void request_repeated(struct beat *beat, struct beat_client *client,
                                                   const struct beat_slot *slot)
{
    net_count(beat->net, METRIC_beat_repeated_total, 1);
    if (slot && slot->state == BEAT_SLOT_ANSWERED)
        slot_say(beat, client, slot);
}

/* Of a number that is not among those that may be asked now. */
__attribute__((cold)) static void request_outside(struct beat *beat, struct beat_client *client,
                                                  struct beat_frame frame)
{
    if (frame.sequence <= client->acked)
        request_repeated(beat, client, NULL);
    else
        beat_refuse(beat, &client->address, frame, BEAT_UNFIT);
}

void beat_request(struct beat *beat, struct beat_client *client, const struct beat_frame *frame)
{
    uint64_t n = frame->sequence;
    struct beat_slot *slot = slot_of(client, n);
    if (UNLIKELY(n - client->acked - 1 >= BEAT_CREDITS)) { /* 0 is below, and large */
        request_outside(beat, client, *frame);
        return;
    }
    if (slot->sequence == n && slot->state > BEAT_SLOT_PIECES) {
        request_repeated(beat, client, slot);
        return;
    }
    if (slot->sequence != n) {
        CHECK(slot->sequence <= client->acked);
        slot->sequence = n;
        slot->state = BEAT_SLOT_FREE;
    }
    if (slot->state == BEAT_SLOT_FREE)
        slot->code = frame->code;
    slot->time = frame->time;
    if (slot->state == BEAT_SLOT_FREE && beat_wire_pieces(frame->message_size) == 1 &&
        request_now(beat, client, slot, frame)) {
        if (slot_of(client, n + 1)->state == BEAT_SLOT_WHOLE && client->state == BEAT_LIVE)
            conn_run(beat->net, client->stream.owner);
        return;
    }
    if (slot->state == BEAT_SLOT_WHOLE) /* NET gave it back: not in the slot yet */
        slot->state = BEAT_SLOT_FREE;
    request_keep(beat, client, slot, *frame);
}
