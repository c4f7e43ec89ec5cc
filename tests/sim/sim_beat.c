#include "tests/sim/sim_beat.h"

#include "base/check.h"
#include "dataplane/beat/beat_wire.h"
#include "tests/sim/sim_world.h"

#include <stdio.h>
#include <string.h>

#define BEAT_STILL_CHANCE 300 /* one step in so many */

struct address sim_beat_address(uint32_t id)
{
    struct address at = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1}, .port = 4000};
    at.ip[15] = (uint8_t)(id + 1);
    return at;
}

struct address sim_beat_node_address(uint32_t index)
{
    struct address at = sim_node_address(index);
    at.port = 2182;
    return at;
}

_Noreturn static void beat_wrong(struct sim_beat *beat, const char *what)
{
    struct takt_status status;
    takt_status(beat->client, &status);
    sim_world_wrong(beat->world, "controller %u at node %u, session %llx: %s", beat->id,
                    status.node + 1, (unsigned long long)status.session, what);
}

/* ---- its clock ---- */

static uint64_t beat_clock(const struct sim_beat *beat)
{
    uint64_t true_ns = beat->world->now_ns;
    return (uint64_t)((int64_t)true_ns + beat->offset_ns +
                      (int64_t)(true_ns / 1000000) * beat->drift_ppm);
}

/* The true time at which its clock shows mono_ns; `late`: or a little later, else before. */
static uint64_t beat_true_ns(const struct sim_beat *beat, uint64_t mono_ns, bool late)
{
    if (mono_ns == UINT64_MAX || mono_ns == 0)
        return mono_ns;
    double since = (double)((int64_t)mono_ns - beat->offset_ns);
    double at = since / (1.0 + beat->drift_ppm * 1e-6) + (late ? 1000 : -2000);
    return at < 1 ? 1 : (uint64_t)at;
}

/* ---- deadlines ---- */

/* The request that a datagram of the session it has now asks for; NULL: none that waits. */
static struct sim_beat_request *beat_asked(struct sim_beat *beat, const uint8_t *bytes,
                                           uint32_t size, struct beat_frame *frame)
{
    struct takt_status status;

    takt_status(beat->client, &status);
    if (beat_wire_decode(bytes, size, frame) || frame->kind != BEAT_REQUEST ||
        frame->session != status.session)
        return NULL;
    int64_t ticket = (int64_t)frame->sequence + beat->ticket_base;
    struct sim_beat_request *request = &beat->pending[(uint64_t)ticket % SIM_BEAT_PENDING];
    return request->ticket == ticket ? request : NULL;
}

static void beat_sent(struct sim_beat *beat, const struct takt_datagram *datagram)
{
    struct beat_frame frame;
    struct sim_beat_request *request = beat_asked(beat, datagram->bytes, datagram->size, &frame);

    if (!request)
        return;
    const struct sim_node *node = &beat->world->nodes[datagram->node];
    uint64_t time_ns = frame.time > 1 ? sim_node_true_ns(node, frame.time) : frame.time;
    const char *wrong = check_late_sent(&request->late, frame.time, time_ns, request->deadline_ns);
    if (wrong)
        beat_wrong(beat, wrong);
}

void sim_beat_arrives(struct sim_beat *beat, const uint8_t *bytes, uint32_t size, uint64_t mono_ns)
{
    struct beat_frame frame;
    struct sim_beat_request *request = beat_asked(beat, bytes, size, &frame);

    if (request)
        check_late_arrives(&request->late, frame.time, mono_ns);
}

/* ---- the transport ---- */

static uint32_t beat_send(void *context, const struct takt_datagram *datagrams, uint32_t count)
{
    struct sim_beat *beat = context;
    struct sim_world *world = beat->world;

    for (uint32_t i = 0; i < count; i++) {
        beat_sent(beat, &datagrams[i]);
        if (!world->nodes[datagrams[i].node].clients_cut)
            sim_network_send(world->beat_network, world->node_count + beat->id, datagrams[i].node,
                             datagrams[i].bytes, datagrams[i].size, world->now_ns);
    }
    return count;
}

static uint32_t beat_receive(void *context, struct takt_datagram *datagrams, uint32_t count)
{
    struct sim_beat *beat = context;
    uint32_t n = 0;

    for (; n < count && beat->in_count; n++, beat->in_count--) {
        const struct sim_beat_datagram *from = &beat->in[beat->in_first++ % SIM_BEAT_QUEUE];
        uint32_t room = datagrams[n].size;
        datagrams[n].node = from->node;
        datagrams[n].size = from->size < room ? from->size : room;
        memcpy(datagrams[n].bytes, from->bytes, datagrams[n].size);
    }
    return n;
}

void sim_beat_datagram(struct sim_beat *beat, uint32_t node, const uint8_t *bytes, uint32_t size)
{
    if (beat->in_count == SIM_BEAT_QUEUE || size > SIM_BEAT_SIZE ||
        beat->world->nodes[node].clients_cut)
        return;
    struct sim_beat_datagram *to = &beat->in[(beat->in_first + beat->in_count++) % SIM_BEAT_QUEUE];
    to->node = node;
    to->size = size;
    memcpy(to->bytes, bytes, size);
    uint64_t at = beat->world->now_ns + 1000;
    if (at < beat->still_ns)
        at = beat->still_ns;
    if (at < beat->next_ns)
        beat->next_ns = at;
}

/* ---- what it is told ---- */

static void beat_digest(struct sim_beat *beat, const void *bytes, uint64_t size, uint64_t more)
{
    const uint8_t *at = bytes;
    beat->digest = (beat->digest ^ more) * 1099511628211ull;
    for (uint64_t i = 0; i < size; i++)
        beat->digest = (beat->digest ^ at[i]) * 1099511628211ull;
}

static void beat_path(uint32_t key, char path[static 16])
{
    snprintf(path, 16, "/beat/k%u", key);
}

/* Watches are an attach's. */
static void beat_attach(struct sim_beat *beat)
{
    struct takt_status status;
    takt_status(beat->client, &status);
    if (status.attaches == beat->attaches)
        return;
    beat->attaches = status.attaches;
    beat->event_zxid = 0;
    memset(beat->watches, 0, sizeof(beat->watches));
}

static const char *beat_read(struct sim_beat *beat, const struct sim_beat_request *request,
                             const struct takt_answer *answer)
{
    struct check_beat_watch *watch = &beat->watches[request->key];
    char path[16];

    beat_path(request->key, path);
    const char *wrong = check_beat_read(&beat->world->log, path, answer);
    if (wrong || (answer->error && answer->error != TAKT_NO_NODE))
        return wrong;
    if (answer->zxid < beat->seen_zxid)
        return "it reads what is older than what it has seen";
    if (beat->world->knobs.linearizable)
        wrong = check_order_read(request->floor, answer->zxid);
    if (wrong)
        return wrong;
    wrong = check_beat_seen(&beat->world->log, watch, path, answer->zxid);
    if (answer->error)
        watch->armed = false; /* there is no watch for what is missing, and perhaps one before */
    else if (request->watch && answer->zxid >= watch->zxid)
        *watch = (struct check_beat_watch){true, answer->zxid};
    return wrong;
}

static const char *beat_write(struct sim_beat *beat, const struct sim_beat_request *request,
                              uint64_t sequence, const struct takt_answer *answer)
{
    struct takt_status status;

    takt_status(beat->client, &status);
    const char *wrong = check_beat_write(&beat->world->log, status.session, sequence, answer);
    return wrong || !check_beat_final(answer->error)
               ? wrong
               : check_order_write(&beat->world->order, request->floor, answer->zxid);
}

static const char *beat_judge(struct sim_beat *beat, const struct sim_beat_request *request,
                              const struct takt_answer *answer)
{
    bool refused = answer->error == TAKT_PAST_DEADLINE;
    const char *wrong = check_late_answered(
        &request->late, refused, !refused && check_beat_final(answer->error), beat->world->now_ns);

    beat->late += refused;
    if (wrong)
        return wrong;
    return request->op == SIM_BEAT_GET
               ? beat_read(beat, request, answer)
               : beat_write(beat, request, (uint64_t)(answer->ticket - beat->ticket_base), answer);
}

static void beat_answered(void *context, const struct takt_answer *answer)
{
    struct sim_beat *beat = context;
    struct sim_beat_request *request = &beat->pending[(uint64_t)answer->ticket % SIM_BEAT_PENDING];

    if (request->ticket != answer->ticket)
        beat_wrong(beat, "a ticket is answered that does not wait");
    beat_attach(beat);
    beat->answers++;
    beat_digest(beat, answer->bytes, answer->size,
                (uint64_t)answer->ticket ^ (uint64_t)answer->zxid << 20 ^ (uint32_t)answer->error);
    const char *wrong = beat_judge(beat, request, answer);
    if (wrong)
        beat_wrong(beat, wrong);
    if (answer->error == TAKT_OK && answer->zxid > beat->seen_zxid)
        beat->seen_zxid = answer->zxid;
    if (request->op == SIM_BEAT_LOCK && answer->error == TAKT_OK)
        beat->holds = true;
    request->ticket = 0;
    beat->pending_count--;
}

/* Is a read with a watch on its way? Its event may overtake its answer. */
static bool beat_watches(const struct sim_beat *beat, uint32_t key)
{
    for (uint32_t i = 0; i < SIM_BEAT_PENDING; i++)
        if (beat->pending[i].ticket && beat->pending[i].watch && beat->pending[i].key == key)
            return true;
    return false;
}

static void beat_event(void *context, const struct takt_event *event)
{
    struct sim_beat *beat = context;

    beat_attach(beat);
    beat->events++;
    beat_digest(beat, event->path, event->path_size, (uint64_t)event->zxid);
    const char *wrong = check_beat_event(&beat->world->log, event, beat->event_zxid);
    if (wrong)
        beat_wrong(beat, wrong);
    beat->event_zxid = event->zxid;
    uint32_t key = (uint32_t)(event->path[event->path_size - 1] - '0');
    if (key >= SIM_BEAT_KEYS || !(beat->watches[key].armed || beat_watches(beat, key)))
        beat_wrong(beat, "an event of a watch that is not set");
    beat->watches[key] = (struct check_beat_watch){false, event->zxid};
}

/* ---- what it asks ---- */

static int64_t beat_submit(struct sim_beat *beat, enum sim_beat_op op, uint32_t key, bool watch,
                           const struct takt_done *done)
{
    struct takt_client *client = beat->client;
    char path[16], value[24];
    uint32_t size =
        (uint32_t)snprintf(value, sizeof(value), "%u.%lld", beat->id, (long long)beat->ticket_last);

    beat_path(key, path);
    switch (op) {
    case SIM_BEAT_NONE: break;
    case SIM_BEAT_CREATE: return takt_create(client, path, value, size, 0, done);
    case SIM_BEAT_SET: return takt_set(client, path, value, size, -1, done);
    case SIM_BEAT_DELETE: return takt_delete(client, path, -1, done);
    case SIM_BEAT_SEQUENTIAL:
        return takt_create(client, "/beat/s-", value, size, TAKT_SEQUENTIAL | TAKT_EPHEMERAL, done);
    case SIM_BEAT_GET: return takt_get(client, path, watch, done);
    case SIM_BEAT_LOCK: return takt_create(client, "/beat/lock", value, size, TAKT_EPHEMERAL, done);
    case SIM_BEAT_UNLOCK: return takt_delete(client, "/beat/lock", -1, done);
    case SIM_BEAT_ROOT: return takt_create(client, "/beat", value, size, 0, done);
    }
    return 0;
}

/* Is a request of that kind on its way? */
static bool beat_asks(const struct sim_beat *beat, enum sim_beat_op op)
{
    for (uint32_t i = 0; i < SIM_BEAT_PENDING; i++)
        if (beat->pending[i].ticket && beat->pending[i].op == op)
            return true;
    return false;
}

static enum sim_beat_op beat_draw(struct sim_beat *beat)
{
    uint64_t coin = rand_below(&beat->rand, 100);

    if (coin < 20 && !beat->holds && !beat_asks(beat, SIM_BEAT_LOCK))
        return SIM_BEAT_LOCK;
    if (coin < 5 && beat->holds && !beat_asks(beat, SIM_BEAT_UNLOCK))
        return SIM_BEAT_UNLOCK;
    return coin < 50   ? SIM_BEAT_GET
           : coin < 75 ? SIM_BEAT_SET
           : coin < 85 ? SIM_BEAT_CREATE
           : coin < 92 ? SIM_BEAT_DELETE
           : coin < 97 ? SIM_BEAT_SEQUENTIAL
                       : SIM_BEAT_ROOT;
}

/* Until when it makes sense, by its clock; 0: always. Some are late from the start, most in about
 * the time that an answer takes. */
static uint64_t beat_deadline(struct sim_beat *beat, enum sim_beat_op op)
{
    const struct sim_knobs *knobs = &beat->world->knobs;

    if (!knobs->beat_late || op == SIM_BEAT_ROOT || op == SIM_BEAT_UNLOCK ||
        rand_below(&beat->rand, 100) >= knobs->beat_late)
        return 0;
    uint64_t clock_ns = beat_clock(beat);
    if (rand_below(&beat->rand, 8) == 0)
        return clock_ns - rand_below(&beat->rand, NS_PER_MS);
    uint64_t round_ns = 1000ull * knobs->delay_us + NS_PER_MS;
    return clock_ns + 1 + rand_below(&beat->rand, round_ns << rand_below(&beat->rand, 5));
}

static void beat_ask(struct sim_beat *beat)
{
    enum sim_beat_op op = beat->ticket_last == 0 ? SIM_BEAT_ROOT : beat_draw(beat);
    uint32_t key = (uint32_t)rand_below(&beat->rand, SIM_BEAT_KEYS);
    bool watch = op == SIM_BEAT_GET && rand_below(&beat->rand, 2);

    if (beat->pending[(uint64_t)(beat->ticket_last + 1) % SIM_BEAT_PENDING].ticket)
        return;
    if (op == SIM_BEAT_UNLOCK)
        beat->holds = false; /* from now on it does not act */
    uint64_t deadline_ns = beat_deadline(beat, op);
    struct takt_done done = {.deadline_ns = deadline_ns};
    int64_t ticket = beat_submit(beat, op, key, watch, &done);
    if (ticket <= 0)
        beat_wrong(beat, takt_error_text((int32_t)ticket));
    beat->ticket_last = ticket;
    struct sim_beat_request *request = &beat->pending[(uint64_t)ticket % SIM_BEAT_PENDING];
    *request = (struct sim_beat_request){.ticket = ticket,
                                         .op = op,
                                         .key = key,
                                         .watch = watch,
                                         .floor = check_order_begin(&beat->world->order),
                                         .deadline_ns = beat_true_ns(beat, deadline_ns, true)};
    check_late_begin(&request->late, deadline_ns != 0);
    beat->pending_count++;
}

/* ---- one step ---- */

static void beat_lease(struct sim_beat *beat)
{
    struct takt_status status;
    uint64_t deadline_ns = takt_session_deadline(beat->client), now_ns = beat->world->now_ns;

    takt_status(beat->client, &status);
    struct check_lease_told told = {.session = status.session,
                                    .until_ns = beat_true_ns(beat, deadline_ns, false),
                                    .holds = beat->holds};
    beat->leases += told.until_ns > now_ns;
    const char *wrong = check_lease_told(&beat->world->leases, beat->id, &told, now_ns);
    if (wrong && beat->world->knobs.beat_lease)
        beat_wrong(beat, wrong);
}

static void beat_again(struct sim_beat *beat)
{
    beat->expired++;
    beat->holds = false;
    CHECK(beat->pending_count == 0); /* all were answered when it ended */
    CHECK(takt_restart(beat->client) == 0);
    beat->ticket_base = beat->ticket_last;
    beat->seen_zxid = 0;
}

void sim_beat_step(struct sim_beat *beat)
{
    struct sim_world *world = beat->world;
    uint64_t now_ns = world->now_ns, clock_ns = beat_clock(beat);

    enum takt_state state = (enum takt_state)takt_poll(beat->client, clock_ns);
    if (state > TAKT_LIVE)
        beat_again(beat);
    beat_lease(beat);
    if (state == TAKT_LIVE && now_ns >= beat->act_ns && !world->calm) {
        beat_ask(beat);
        beat->act_ns = now_ns + 1 + rand_below(&beat->rand, world->knobs.think_us * 1000ull);
        if (rand_below(&beat->rand, BEAT_STILL_CHANCE) == 0)
            beat->still_ns = now_ns + rand_below(&beat->rand, 3 * NS_PER_S);
    }
    uint64_t next_ns = beat_true_ns(beat, takt_next_ns(beat->client), true);
    if (!world->calm && beat->act_ns < next_ns && beat->act_ns > now_ns)
        next_ns = beat->act_ns;
    if (beat->in_count)
        next_ns = now_ns;
    if (next_ns < now_ns + 10000)
        next_ns = now_ns + 10000; /* a cycle of its loop */
    beat->next_ns = next_ns < beat->still_ns && !world->calm ? beat->still_ns : next_ns;
}

bool sim_beat_settled(const struct sim_beat *beat)
{
    struct takt_status status;
    takt_status(beat->client, &status);
    return beat->pending_count == 0 && status.state == TAKT_LIVE;
}

/* ---- life ---- */

void sim_beat_init(struct sim_beat *beat, uint32_t id, struct sim_world *world)
{
    const struct sim_knobs *knobs = &world->knobs;
    int32_t drift = (int32_t)knobs->drift_ppm;
    struct takt_transport transport = {.context = beat,
                                       .node_count = world->node_count,
                                       .send = beat_send,
                                       .receive = beat_receive};

    memset(beat, 0, sizeof(*beat));
    beat->id = id;
    beat->world = world;
    rand_seed(&beat->rand, rand_next(&world->rand));
    beat->offset_ns = (int64_t)rand_below(&beat->rand, 1000 * NS_PER_S);
    beat->drift_ppm = (int32_t)rand_below(&beat->rand, 2 * (uint64_t)drift + 1) - drift;
    beat->digest = 14695981039346656037ull;
    beat->next_ns = world->now_ns + 1 + rand_below(&beat->rand, NS_PER_S);
    struct takt_config config = {.timeout_ms = knobs->beat_lease_ms,
                                 .endpoint = 100 + id,
                                 .drift_ppm = 2 * knobs->drift_ppm + 1,
                                 .request_count = SIM_BEAT_PENDING,
                                 .request_size = 1024,
                                 .answer_size = 4096,
                                 .follow_leader = rand_below(&beat->rand, 4) != 0,
                                 .transport = &transport,
                                 .opening = 1,
                                 .on_answer_default = beat_answered,
                                 .on_event = beat_event,
                                 .context = beat};
    CHECK(takt_open(&config, &beat->client) == 0);
}

void sim_beat_fini(struct sim_beat *beat)
{
    takt_free(beat->client);
}
