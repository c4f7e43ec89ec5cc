/* The table of requests, their answers in order, and watch events. */
#include "tools/libtakt/takt_client.h"

#include <string.h>

struct takt_slot *takt_request_slot(const struct takt_client *client, int64_t ticket)
{
    struct takt_slot *slot = &client->slots[(uint64_t)ticket % client->slot_count];
    return ticket > 0 && slot->ticket == ticket ? slot : NULL;
}

static uint64_t request_number(const struct takt_client *client, const struct takt_slot *slot)
{
    return (uint64_t)(slot->ticket - client->ticket_base);
}

static bool operation_known(int32_t code)
{
    static const int8_t known[] = {1, 15, 19, 21,  2,  3,  4,   5,   6,   7,   8,   12,
                                   9, 14, 22, 106, 18, 17, 105, 100, 103, 104, 107, -11};
    for (uint32_t i = 0; i < sizeof(known); i++) {
        if (known[i] == code)
            return true;
    }
    return false;
}

int64_t takt_submit(struct takt_client *client, int32_t operation, const void *record,
                    uint32_t size, const struct takt_done *done)
{
    static const struct takt_done none;
    done = done ? done : &none;
    if (!operation_known(operation))
        return TAKT_ERROR_ARGUMENT;
    if (size > client->config.request_size)
        return TAKT_ERROR_SIZE;
    if (client->state > TAKT_LIVE || client->closing)
        return TAKT_ERROR_STATE;
    int64_t ticket = client->ticket_last + 1;
    struct takt_slot *slot = &client->slots[(uint64_t)ticket % client->slot_count];
    if (slot->ticket)
        return TAKT_ERROR_FULL;
    uint8_t *request = slot->request, *answer = slot->answer;
    memset(slot, 0, sizeof(*slot));
    slot->request = request;
    slot->answer = answer;
    slot->ticket = client->ticket_last = ticket;
    slot->operation = operation;
    slot->request_size = size;
    slot->deadline_ns = done->deadline_ns;
    slot->fn = done->answer ? done->answer : client->config.on_answer_default;
    slot->context = done->answer ? done->context : client->config.context;
    if (size && record != request) /* takt_record.c writes it in its place */
        memcpy(request, record, size);
    client->closing = operation == -11;
    return ticket;
}

/* ---- out ---- */

/* The deadline by the node's clock, early by what we do not know of it. */
static uint64_t request_time(const struct takt_client *client, const struct takt_slot *slot)
{
    int64_t offset_ns;
    uint64_t error_ns;
    if (slot->deadline_ns == 0)
        return 0;
    if (client->now_ns >= slot->deadline_ns || takt_time_offset(client, &offset_ns, &error_ns))
        return 1;
    int64_t time = (int64_t)(slot->deadline_ns - error_ns) + offset_ns;
    return time < 1 ? 1 : (uint64_t)time;
}

static void request_send(struct takt_client *client, struct takt_slot *slot)
{
    uint32_t pieces = beat_wire_pieces(slot->request_size);
    uint64_t time = request_time(client, slot);
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t size = beat_wire_piece_size(slot->request_size, i);
        struct beat_frame frame = {.kind = BEAT_REQUEST,
                                   .flags = slot->ever_sent ? BEAT_AGAIN : 0,
                                   .sequence = request_number(client, slot),
                                   .time = time,
                                   .code = slot->operation,
                                   .index = (uint16_t)i,
                                   .message_size = slot->request_size,
                                   .bytes = slot->request + i * BEAT_WIRE_PIECE_SIZE,
                                   .size = size};
        takt_send(client, &frame);
    }
    slot->resend_ns = slot->sends ? slot->resend_ns * 2 : takt_session_resend_ns(client);
    if (slot->resend_ns > TAKT_RESEND_NS_MAX)
        slot->resend_ns = TAKT_RESEND_NS_MAX;
    client->counts.resent += slot->ever_sent;
    /* A node that lives answers RENEW even while it cannot answer the request. */
    if (slot->sends && client->renew_due_ns > client->now_ns && client->renew_tries == 0)
        client->renew_due_ns = client->now_ns;
    slot->sends++;
    slot->ever_sent = true;
    slot->sent_ns = client->now_ns;
    slot->due_ns = client->now_ns + slot->resend_ns;
}

void takt_request_due(struct takt_client *client)
{
    for (uint64_t n = client->acked + 1; n <= client->acked + client->credits; n++) {
        struct takt_slot *slot = takt_request_slot(client, (int64_t)n + client->ticket_base);
        if (!slot)
            return;
        if (slot->whole || (slot->sends && client->now_ns < slot->due_ns))
            continue;
        if (slot->deadline_ns && !client->offset_known)
            return; /* the first RENEWED of the attach tells the node's clock */
        request_send(client, slot);
    }
}

/* What the node of the attach before answered out of turn is asked anew: PROTOCOL.md section 4. */
void takt_request_attached(struct takt_client *client)
{
    client->event = client->event_size = 0;
    client->event_missing = 0;
    for (uint32_t i = 0; i < TAKT_EARLY; i++)
        client->early[i].number = 0;
    for (uint32_t i = 0; i < client->slot_count; i++) {
        if (client->slots[i].done)
            continue;
        client->slots[i].whole = false;
        client->slots[i].missing = 0;
        client->slots[i].sends = 0;
    }
}

/* ---- in ---- */

/* Takes a piece into room; true when the message is whole. */
static bool piece_take(uint8_t *room, uint64_t *missing, bool begin, const struct beat_frame *frame)
{
    uint32_t pieces = beat_wire_pieces(frame->message_size);
    if (begin)
        *missing = pieces == 64 ? UINT64_MAX : (1ull << pieces) - 1;
    if (frame->size)
        memcpy(room + frame->index * BEAT_WIRE_PIECE_SIZE, frame->bytes, frame->size);
    *missing &= ~(1ull << frame->index);
    return *missing == 0;
}

static void slot_tell(struct takt_client *client, struct takt_slot *slot)
{
    struct takt_answer answer = {slot->ticket, slot->error, (int64_t)slot->zxid, slot->answer,
                                 slot->error ? 0 : slot->answer_size};
    slot->done = true;
    if (!slot->fn)
        return;
    slot->fn(slot->context, &answer);
    slot->ticket = 0;
}

void takt_request_settle(struct takt_client *client)
{
    struct takt_slot *slot;
    while (client->state == TAKT_LIVE &&
           (slot = takt_request_slot(client, (int64_t)client->acked + 1 + client->ticket_base)) &&
           slot->whole && slot->answer_event <= client->event) {
        bool closed = slot->operation == -11 && slot->error == 0;
        client->acked++;
        slot_tell(client, slot);
        if (closed)
            takt_session_over(client, TAKT_CLOSED);
    }
}

void takt_request_fail(struct takt_client *client, int32_t error)
{
    struct takt_slot *slot;
    while ((slot = takt_request_slot(client, (int64_t)client->acked + 1 + client->ticket_base))) {
        slot->whole = true;
        slot->error = slot->operation == -11 ? 0 : error;
        slot->answer_size = 0;
        client->acked++;
        slot_tell(client, slot);
    }
}

void takt_request_reply(struct takt_client *client, const struct beat_frame *frame)
{
    struct takt_slot *slot =
        takt_request_slot(client, (int64_t)frame->sequence + client->ticket_base);
    if (!slot || slot->done || slot->whole || slot->sends == 0)
        return;
    bool large = frame->message_size > client->config.answer_size;
    if (!large &&
        !piece_take(slot->answer, &slot->missing,
                    slot->missing == 0 || slot->answer_size != frame->message_size, frame)) {
        slot->answer_size = frame->message_size;
        return;
    }
    slot->whole = true;
    slot->answer_size = large ? 0 : frame->message_size;
    slot->error = large ? TAKT_ERROR_SIZE : frame->code;
    slot->zxid = frame->time;
    slot->answer_event = frame->event;
    if (slot->sends == 1)
        takt_session_rtt(client, client->now_ns - slot->sent_ns);
    takt_request_settle(client);
}

/* ---- events ---- */

static void event_tell(struct takt_client *client, int32_t type, uint64_t zxid, const uint8_t *path,
                       uint32_t size)
{
    struct takt_event event = {type, ++client->event, (const char *)path, size, (int64_t)zxid};
    client->event_size = 0;
    client->event_missing = 0;
    if (client->config.on_event)
        client->config.on_event(client->config.context, &event);
}

void takt_request_event(struct takt_client *client, const struct beat_frame *frame)
{
    client->ack_wanted = true;
    if (frame->event <= client->event || frame->event - client->event > TAKT_EARLY)
        return; /* had already; or too early: it comes again */
    struct takt_early *early = &client->early[frame->event % TAKT_EARLY];
    if (frame->event == client->event + 1) {
        bool begin = client->event_missing == 0 || client->event_size != frame->message_size;
        client->event_size = frame->message_size;
        if (!piece_take(client->event_path, &client->event_missing, begin, frame))
            return;
        event_tell(client, frame->code, frame->time, client->event_path, frame->message_size);
    } else if (frame->message_size <= BEAT_WIRE_PIECE_SIZE) {
        early->number = frame->event;
        early->type = frame->code;
        early->zxid = frame->time;
        early->size = frame->size;
        if (frame->size)
            memcpy(early->path, frame->bytes, frame->size);
    }
    while ((early = &client->early[(client->event + 1) % TAKT_EARLY])->number == client->event + 1)
        event_tell(client, early->type, early->zxid, early->path, early->size);
    takt_request_settle(client);
}

/* ---- answers ---- */

int takt_answer(const struct takt_client *client, int64_t ticket, struct takt_answer *answer)
{
    const struct takt_slot *slot = takt_request_slot(client, ticket);
    if (!slot || slot->fn)
        return TAKT_ERROR_TICKET;
    if (!slot->done)
        return TAKT_ERROR_PENDING;
    *answer = (struct takt_answer){ticket, slot->error, (int64_t)slot->zxid, slot->answer,
                                   slot->error ? 0 : slot->answer_size};
    return 0;
}

int takt_release(struct takt_client *client, int64_t ticket)
{
    struct takt_slot *slot = takt_request_slot(client, ticket);
    if (!slot || slot->fn)
        return TAKT_ERROR_TICKET;
    if (!slot->done)
        return TAKT_ERROR_PENDING;
    slot->ticket = 0;
    return 0;
}
