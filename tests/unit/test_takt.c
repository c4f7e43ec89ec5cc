/* Goal: the client of beat keeps PROTOCOL.md whatever the network does. Method: a scripted node
 * under an in-memory transport that loses, repeats and holds back datagrams, both ways, by seed; it
 * carries a request out once, checks the credits and the order, and dies when told; malloc is
 * counted. */
#include "dataplane/beat/beat_wire.h"
#include "tools/libtakt/takt.h"

#include "base/jute.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE     4096
#define CREDITS   4
#define LEASE_US  90000u
#define MARGIN_US 1000u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
static uint64_t allocations;
void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

struct packet {
    uint32_t node, size;
    uint8_t bytes[BEAT_WIRE_DATAGRAM_MAX];
};

static struct {
    struct packet queue[QUEUE];
    uint32_t head, tail;
    uint32_t random, loss, twice, late; /* of 100 */
    bool dead[2], lose_answers, no_answers, follower[2];
    /* what all nodes share: the session and its record */
    uint64_t opening, done, applied, client_acked, recorded[256];
    uint32_t attach, node, opens, events_sent, credits_broken, renews;
    bool expired;
    uint64_t now_ns, newest_renew_ns;
} net;

static uint32_t dice(void)
{
    net.random = net.random * 1664525u + 1013904223u;
    return (net.random >> 8) % 100;
}

static void put(uint32_t node, const uint8_t *bytes, uint32_t size)
{
    struct packet *p = &net.queue[net.tail++ % QUEUE];
    assert_true(net.tail - net.head < QUEUE);
    p->node = node;
    p->size = size;
    memcpy(p->bytes, bytes, size);
}

static void answer(uint32_t node, struct beat_frame *frame, const void *bytes, uint32_t size)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    frame->from = node + 1;
    frame->bytes = bytes;
    frame->size = frame->message_size = size;
    if (net.lose_answers && frame->kind == BEAT_REPLY)
        return;
    uint32_t n = beat_wire_encode(frame, NULL, room);
    if (dice() < net.loss)
        return;
    put(node, room, n);
    if (dice() < net.twice)
        put(node, room, n);
    if (dice() < net.late && net.tail - net.head >= 2) {
        struct packet swap = net.queue[(net.tail - 1) % QUEUE];
        net.queue[(net.tail - 1) % QUEUE] = net.queue[(net.tail - 2) % QUEUE];
        net.queue[(net.tail - 2) % QUEUE] = swap;
    }
}

static struct beat_frame told(uint8_t kind, const struct beat_frame *to)
{
    return (struct beat_frame){.kind = kind,
                               .flags = net.follower[net.node] ? 0 : BEAT_LEADER,
                               .to = to->from,
                               .session = 7,
                               .sequence = to->sequence,
                               .attach = net.attach,
                               .acked = net.done,
                               .credits = CREDITS,
                               .event = net.events_sent,
                               .time = net.applied + 1};
}

static void node_open(uint32_t node, const struct beat_frame *f)
{
    uint8_t body[64];
    struct jute_out out = jute_out(body, sizeof(body));
    if (f->sequence < net.opening)
        return;
    if (f->sequence > net.opening) {
        net.opens++;
        net.attach++;
        net.node = node;
        net.events_sent = 0;
        net.client_acked = f->acked;
    }
    net.opening = f->sequence;
    struct beat_frame t = told(BEAT_OPENED, f);
    t.acked = f->acked;
    jute_put_int(&out, 0);
    jute_put_int(&out, 100);
    jute_put_long(&out, 7);
    jute_put_bytes(&out, bytes_of("0123456789abcdef", 16));
    jute_put_byte(&out, 0);
    t.code = net.expired ? -112 : 0;
    answer(node, &t, body, net.expired ? 0 : (uint32_t)(out.at - body));
}

static void node_request(uint32_t node, const struct beat_frame *f)
{
    uint8_t body[8];
    struct jute_out out = jute_out(body, sizeof(body));
    if (f->sequence > f->acked + CREDITS)
        net.credits_broken++;
    if (f->sequence > net.done + 1)
        return; /* in order: it comes again */
    if (f->sequence == net.done + 1) {
        net.done++;
        net.recorded[f->sequence % 256] = ++net.applied;
        net.events_sent++;
        struct beat_frame e = told(BEAT_EVENT, f);
        e.sequence = 0;
        e.code = 3;
        if (net.loss == 0)
            answer(node, &e, "/e", 2);
        else
            net.events_sent--;
    }
    struct beat_frame t = told(BEAT_REPLY, f);
    jute_put_long(&out, (int64_t)net.recorded[f->sequence % 256]);
    answer(node, &t, body, 8);
}

static uint32_t transport_send(void *context, const struct takt_datagram *d, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct beat_frame f;
        assert_int_equal(beat_wire_decode(d[i].bytes, d[i].size, &f), 0);
        if (net.dead[d[i].node] || net.no_answers || dice() < net.loss)
            continue;
        if (f.kind == BEAT_OPEN) {
            node_open(d[i].node, &f);
        } else if (f.kind == BEAT_TIME) {
            uint8_t body[16] = {0};
            struct beat_frame t = {.kind = BEAT_TIMED, .to = f.from, .sequence = f.sequence};
            answer(d[i].node, &t, body, 16);
        } else if (f.attach != net.attach || d[i].node != net.node) {
            struct beat_frame t = {.kind = BEAT_REFUSED,
                                   .to = f.from,
                                   .session = f.session,
                                   .attach = f.attach,
                                   .sequence = f.sequence,
                                   .code = 1};
            answer(d[i].node, &t, NULL, 0);
        } else if (f.kind == BEAT_REQUEST) {
            node_request(d[i].node, &f);
        } else if (f.kind == BEAT_RENEW) {
            uint8_t body[24];
            struct jute_out out = jute_out(body, sizeof(body));
            struct beat_frame t = told(BEAT_RENEWED, &f);
            jute_put_long(&out, (int64_t)(net.now_ns + 5000));
            jute_put_long(&out, (int64_t)(net.now_ns + 5000));
            jute_put_int(&out, net.follower[d[i].node] ? 0 : (int32_t)LEASE_US);
            jute_put_int(&out, MARGIN_US);
            net.newest_renew_ns = f.sequence;
            net.renews++;
            answer(d[i].node, &t, body, 24);
        }
    }
    return count;
}

static uint32_t transport_receive(void *context, struct takt_datagram *d, uint32_t count)
{
    uint32_t n = 0;
    for (; n < count && net.head != net.tail; n++) {
        const struct packet *p = &net.queue[net.head++ % QUEUE];
        d[n].node = p->node;
        d[n].size = p->size;
        memcpy(d[n].bytes, p->bytes, p->size);
    }
    return n;
}

static int follow;
static struct takt_client *begin(uint32_t seed, uint32_t bad, takt_answer_fn *fn,
                                 takt_event_fn *event)
{
    struct takt_transport transport = {
        .node_count = 2, .send = transport_send, .receive = transport_receive};
    struct takt_config config = {.timeout_ms = 100,
                                 .transport = &transport,
                                 .endpoint = 77,
                                 .on_answer_default = fn,
                                 .on_event = event,
                                 .follow_leader = follow,
                                 .opening = 5};
    struct takt_client *client;
    memset(&net, 0, sizeof(net));
    net.random = seed;
    net.loss = net.twice = net.late = bad;
    net.now_ns = 1000000000;
    assert_int_equal(takt_open(&config, &client), 0);
    return client;
}

static void run_ms(struct takt_client *client, uint32_t ms)
{
    for (uint32_t i = 0; i < ms * 2; i++) {
        net.now_ns += 500000;
        takt_poll(client, net.now_ns);
        uint64_t deadline_ns = takt_session_deadline(client);
        uint64_t lease_ns = LEASE_US * 1000ull;
        assert_true(deadline_ns <= net.newest_renew_ns + lease_ns - lease_ns / 1000000 * 200 ||
                    deadline_ns == 0);
    }
}

static int64_t answered;
static uint32_t event_last, failed;

static void on_answer(void *context, const struct takt_answer *a)
{
    if (a->error) {
        failed++;
        return;
    }
    struct jute_in in = jute_in(a->bytes, a->size);
    assert_int_equal(a->ticket, ++answered); /* in order, each once */
    assert_int_equal(jute_get_long(&in), a->ticket);
}

static void on_event(void *context, const struct takt_event *e)
{
    assert_int_equal(e->number, event_last + 1);
    assert_int_equal(e->path_size, 2);
    event_last = e->number;
}

static void test_once_on_a_bad_network(void **state)
{
    for (uint32_t seed = 1; seed <= 30; seed++) {
        struct takt_client *client = begin(seed, 30, on_answer, NULL);
        int64_t asked = answered = 0;
        uint64_t before = allocations;
        for (uint32_t ms = 0; ms < 40000 && answered < 100; ms++) {
            while (asked < 100 && takt_set(client, "/a", "x", 1, -1, NULL) > 0)
                asked++;
            run_ms(client, 1);
        }
        assert_int_equal(answered, 100);
        assert_int_equal(net.applied, 100);
        assert_int_equal(net.credits_broken, 0);
        assert_int_equal(allocations, before);
        takt_free(client);
    }
}

static void test_events_come_before_answers(void **state)
{
    struct takt_client *client = begin(3, 0, on_answer, on_event);
    net.late = net.twice = 40;
    answered = event_last = 0;
    for (int i = 0; i < 12; i++)
        assert_int_equal(takt_set(client, "/e", "x", 1, -1, NULL), i + 1);
    run_ms(client, 200);
    assert_int_equal(answered, 12);
    assert_int_equal(event_last, 12);
    takt_free(client);
}

static void test_another_node_answers_once(void **state)
{
    struct takt_client *client = begin(4, 0, on_answer, NULL);
    struct takt_status status;
    answered = 0;
    run_ms(client, 20);
    net.lose_answers = true; /* carried out, never answered; then the node dies */
    for (int i = 0; i < 4; i++)
        assert_true(takt_set(client, "/a", "x", 1, -1, NULL) > 0);
    run_ms(client, 3);
    assert_int_equal(net.applied, 4);
    net.dead[0] = true;
    net.lose_answers = false;
    run_ms(client, 500);
    takt_status(client, &status);
    assert_int_equal(status.node, 1);
    assert_int_equal(status.state, TAKT_LIVE);
    assert_int_equal(answered, 4);
    assert_int_equal(net.applied, 4);
    takt_free(client);
}

/* A quarter of the timeout apart, also when other answers come between a RENEW and its own. */
static void test_it_renews_no_more_than_it_must(void **state)
{
    struct takt_client *client = begin(7, 0, on_answer, NULL);
    answered = 0;
    for (int i = 0; i < 2000; i++) {
        assert_true(takt_set(client, "/a", "x", 1, -1, NULL) > 0);
        net.now_ns += 500000;
        takt_poll(client, net.now_ns);
    }
    assert_true(answered > 1800);
    assert_in_range(net.renews, 39, 42);
    takt_free(client);
}

static void test_the_lease_ends_by_itself(void **state)
{
    struct takt_client *client = begin(5, 0, NULL, NULL);
    assert_int_equal(takt_session_deadline(client), 0);
    run_ms(client, 50);
    int64_t offset_ns;
    uint64_t error_ns, deadline_ns = takt_session_deadline(client);
    assert_true(deadline_ns > net.now_ns);
    assert_int_equal(takt_time_offset(client, &offset_ns, &error_ns), 0);
    assert_true((uint64_t)llabs(offset_ns - 5000) <= error_ns);
    net.no_answers = true;
    run_ms(client, 300);
    assert_true(takt_session_deadline(client) < net.now_ns);
    assert_true(takt_session_deadline(client) - deadline_ns <= 1000000);
    takt_free(client);
}

static void test_the_leader_is_followed(void **state)
{
    struct takt_status status;
    for (follow = 0; follow <= 1; follow++) {
        struct takt_client *client = begin(7, 0, NULL, NULL);
        net.follower[0] = true;
        run_ms(client, 50);
        takt_status(client, &status);
        assert_int_equal(status.node, follow);
        assert_int_equal(takt_session_deadline(client) > net.now_ns, follow);
        takt_free(client);
    }
    follow = 1;
    struct takt_client *client = begin(8, 0, NULL, NULL);
    net.follower[0] = net.follower[1] = true; /* the list lacks the leader */
    run_ms(client, 1000);
    assert_in_range(net.opens, 10, 12); /* one each 100 ms, the timeout, or a RENEW later */
    assert_int_equal(takt_session_deadline(client), 0);
    net.follower[0] = false; /* elected */
    run_ms(client, 300);
    takt_status(client, &status);
    assert_int_equal(status.node, 0);
    assert_true(takt_session_deadline(client) > net.now_ns);
    net.follower[0] = true; /* and no more: the next is tried at once */
    net.follower[1] = false;
    uint32_t opens = net.opens;
    run_ms(client, 50);
    takt_status(client, &status);
    assert_int_equal(status.node, 1);
    assert_int_equal(net.opens, opens + 1);
    takt_free(client);
    follow = 0;
}

static void test_limits_and_the_end(void **state)
{
    struct takt_client *client = begin(6, 0, NULL, NULL);
    struct takt_answer a;
    failed = 0;
    run_ms(client, 10);
    assert_int_equal(takt_submit(client, 77, "", 0, NULL), TAKT_ERROR_ARGUMENT);
    assert_int_equal(takt_submit(client, 5, "", TAKT_MESSAGE_MAX + 1, NULL), TAKT_ERROR_SIZE);
    int64_t ticket = takt_get(client, "/a", 0, NULL);
    assert_int_equal(takt_answer(client, ticket, &a), TAKT_ERROR_PENDING);
    assert_int_equal(takt_release(client, ticket), TAKT_ERROR_PENDING);
    assert_int_equal(takt_restart(client), TAKT_ERROR_STATE);
    run_ms(client, 20);
    assert_int_equal(takt_answer(client, ticket, &a), 0);
    assert_int_equal(takt_release(client, ticket), 0);
    assert_int_equal(takt_answer(client, ticket, &a), TAKT_ERROR_TICKET);
    for (int i = 0; i < 16; i++)
        assert_true(takt_get(client, "/a", 0, NULL) > 0);
    assert_int_equal(takt_get(client, "/a", 0, NULL), TAKT_ERROR_FULL);
    net.expired = true; /* while it was away */
    net.attach++;
    run_ms(client, 50);
    assert_int_equal(takt_poll(client, ++net.now_ns), TAKT_EXPIRED);
    assert_int_equal(takt_session_deadline(client), 0);
    assert_int_equal(takt_answer(client, ticket + 16, &a), 0);
    assert_int_equal(a.error, TAKT_EXPIRED_SESSION);
    assert_int_equal(takt_get(client, "/a", 0, NULL), TAKT_ERROR_STATE);
    net.expired = false;
    net.done = 0;
    assert_int_equal(takt_restart(client), 0);
    run_ms(client, 50);
    assert_int_equal(takt_poll(client, ++net.now_ns), TAKT_LIVE);
    takt_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_on_a_bad_network),
        cmocka_unit_test(test_events_come_before_answers),
        cmocka_unit_test(test_another_node_answers_once),
        cmocka_unit_test(test_it_renews_no_more_than_it_must),
        cmocka_unit_test(test_the_lease_ends_by_itself),
        cmocka_unit_test(test_the_leader_is_followed),
        cmocka_unit_test(test_limits_and_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
