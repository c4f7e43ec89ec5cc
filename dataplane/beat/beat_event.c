/* Events: numbered in each attach, sent at once, and again until the client says it has them. */
#include "dataplane/beat/beat.h"

#include "base/check.h"

#include <string.h>

static void event_send(struct beat *beat, struct beat_client *client,
                       const struct beat_event *event)
{
    struct beat_frame told = {.kind = BEAT_EVENT,
                              .session = client->session,
                              .attach = client->attach,
                              .event = event->number,
                              .time = (uint64_t)event->zxid,
                              .code = event->code};
    beat_say(beat, &client->address, client, &told, bytes_of(event + 1, event->size));
}

static uint64_t event_resend_ns(const struct beat *beat, const struct beat_client *client)
{
    const struct conn *conn = client->stream.owner;
    uint64_t wait_ns = (uint64_t)conn->timeout_ms * NS_PER_MS / 4;
    wait_ns = wait_ns > BEAT_RESEND_NS_MIN ? wait_ns : BEAT_RESEND_NS_MIN;
    wait_ns = wait_ns < BEAT_RESEND_NS_MAX ? wait_ns : BEAT_RESEND_NS_MAX;
    return beat->net->now.mono_ns + wait_ns;
}

static void event_telling_on(struct beat *beat, struct beat_client *client)
{
    client->resend_ns = event_resend_ns(beat, client);
    if (client->telling)
        return;
    client->telling = true;
    client->prev = NULL;
    client->next = beat->telling;
    if (beat->telling)
        beat->telling->prev = client;
    beat->telling = client;
}

static void event_telling_off(struct beat *beat, struct beat_client *client)
{
    client->telling = false;
    *(client->prev ? &client->prev->next : &beat->telling) = client->next;
    if (client->next)
        client->next->prev = client->prev;
}

bool beat_event_add(struct beat *beat, struct beat_client *client, int64_t zxid, int32_t code,
                    struct bytes path)
{
    CHECK(client->state == BEAT_LIVE);
    uint32_t size = path.size > 0 ? (uint32_t)path.size : 0;
    if (client->event_count == BEAT_EVENTS_MAX || size > BEAT_EVENTS_SIZE - client->event_size)
        return false;
    struct beat_event *event = slab_alloc(&beat->net->slab, sizeof(*event) + size);
    if (!event)
        return false;
    *event = (struct beat_event){
        .zxid = zxid, .number = ++client->event_sent, .size = size, .code = code};
    memcpy(event + 1, path.at, size);
    *(client->event_first ? &client->event_end->next : &client->event_first) = event;
    client->event_end = event;
    client->event_count++;
    client->event_size += size;
    if (!client->telling)
        event_telling_on(beat, client);
    event_send(beat, client, event);
    return true;
}

static void event_take_first(struct beat *beat, struct beat_client *client)
{
    struct beat_event *event = client->event_first;
    client->event_first = event->next;
    client->event_count--;
    client->event_size -= event->size;
    slab_free(&beat->net->slab, event, sizeof(*event) + event->size);
}

void beat_event_acked(struct beat *beat, struct beat_client *client, uint32_t event)
{
    if (event <= client->event_acked || event > client->event_sent)
        return; /* an older datagram, or of no sense */
    client->event_acked = event;
    while (client->event_first && client->event_first->number <= event)
        event_take_first(beat, client);
    if (!client->event_first && client->telling)
        event_telling_off(beat, client);
    else if (client->telling)
        client->resend_ns = event_resend_ns(beat, client);
}

uint32_t beat_event_again(struct beat *beat)
{
    uint32_t sent = 0;
    for (struct beat_client *client = beat->telling; client; client = client->next) {
        uint32_t n = 0;
        if (beat->now.mono_ns < client->resend_ns)
            continue;
        client->resend_ns = event_resend_ns(beat, client);
        for (const struct beat_event *event = client->event_first;
             event && n < BEAT_EVENTS_AGAIN; event = event->next, n++)
            event_send(beat, client, event);
        net_count(beat->net, METRIC_beat_events_again_total, n);
        sent += n;
    }
    return sent;
}

uint64_t beat_event_deadline_ns(const struct beat *beat)
{
    uint64_t at = UINT64_MAX;
    for (const struct beat_client *client = beat->telling; client; client = client->next)
        at = client->resend_ns < at ? client->resend_ns : at;
    return at;
}

void beat_event_drop(struct beat *beat, struct beat_client *client)
{
    while (client->event_first)
        event_take_first(beat, client);
    if (client->telling)
        event_telling_off(beat, client);
}
