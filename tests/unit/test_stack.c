/* Goal: TCP by lwIP keeps the promises of port.h, finds its connections without walking them, and
 * recovers from loss in a LAN's time. Method: two copies of the stack on one wire of memory, a wire
 * that loses, and a clock that the test moves. */
#include "base/rand.h"
#include "dataplane/port/lwip/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIRE_DEPTH 4096
#define TX_LIMIT   (1u << 20)

struct wire_frame {
    struct stack_frame frame;
    uint8_t bytes[1600];
};

struct side {
    struct port port;
    struct slab slab;
    const struct stack_ops *ops;
    struct wire_frame *inbox[WIRE_DEPTH];
    uint32_t inbox_head, inbox_tail;
    uint8_t last_sent[1600];
    uint32_t last_sent_size, sent_count;
    /* as NET */
    uint32_t opened, closed, received, drained;
    bool refuse, hold;
    bool echo;              /* sends back what comes */
    uint64_t bytes, to_send; /* taken; still to be sent, as far as there is room */
    uint8_t next_in, next_out;
    bool intact;
    struct stream *last;
};

static struct side sides[2];
static bool ip6; /* the test's addresses: fd00::1 and ::2, in place of 10.1.0.1 and 10.1.0.2 */
static struct rand rng;
static uint32_t loss_percent;
static uint64_t now_ns;
static bool cut; /* the wire loses everything */
static uint32_t sums_checked;

static struct side *side_of(struct port *port)
{
    return port == &sides[0].port ? &sides[0] : &sides[1];
}

/* ---- NET ---- */

static void net_send(struct side *side, struct stream *stream)
{
    while (side->to_send) {
        uint32_t n = side->to_send < 5000 ? (uint32_t)side->to_send : 5000;
        uint8_t *room = stream_tx_room(stream, n);
        if (!room)
            return;
        for (uint32_t i = 0; i < n; i++)
            room[i] = side->next_out++;
        stream_tx_commit(stream, n);
        side->to_send -= n;
    }
}

static void net_take(struct side *side, struct stream *stream)
{
    uint32_t size;
    const uint8_t *in = stream_rx(stream, &size);
    for (uint32_t i = 0; i < size; i++)
        side->intact &= in[i] == side->next_in++;
    side->bytes += size;
    if (side->echo && size) {
        uint8_t *room = stream_tx_room(stream, size);
        if (room) {
            memcpy(room, in, size);
            stream_tx_commit(stream, size);
        }
    }
    stream_consume(stream, size);
    if (stream->ended)
        port_close(stream, true);
}

static bool net_opened(void *self, struct stream *stream)
{
    struct side *side = self;
    side->opened++;
    side->last = stream;
    return !side->refuse;
}

static void net_received(void *self, struct stream *stream)
{
    struct side *side = self;
    side->received++;
    if (!side->hold)
        net_take(side, stream);
}

static void net_drained(void *self, struct stream *stream)
{
    ((struct side *)self)->drained++;
    net_send(self, stream);
}

static void net_closed(void *self, struct stream *stream)
{
    struct side *side = self;
    side->closed++;
    if (side->last == stream)
        side->last = NULL;
}

static const struct port_events events = {
    .opened = net_opened, .received = net_received, .drained = net_drained, .closed = net_closed};

/* ---- the ports: they only forward ---- */

static void forward_flush(struct port *port, struct stream *stream)
{
    side_of(port)->ops->flush(stream);
}

static void forward_close(struct port *port, struct stream *stream, bool flush_first)
{
    side_of(port)->ops->close(stream, flush_first);
}

static void forward_resume(struct port *port, struct stream *stream)
{
    side_of(port)->ops->resume(stream);
}

static const struct port_ops forward = {
    .flush = forward_flush, .close = forward_close, .resume = forward_resume};

/* ---- the wire ---- */

static void wire_free(struct stack_frame *frame)
{
    free(frame); /* first member of a struct wire_frame */
}

static void wire_put(struct side *to, const uint8_t *bytes, uint32_t size)
{
    assert_true(size <= sizeof(to->inbox[0]->bytes));
    if (cut || to->inbox_head - to->inbox_tail == WIRE_DEPTH ||
        (loss_percent && rand_below(&rng, 100) < loss_percent))
        return;
    struct wire_frame *frame = calloc(1, sizeof(*frame));
    memcpy(frame->bytes, bytes, size);
    frame->frame.data = frame->bytes;
    frame->frame.size = size;
    frame->frame.free = wire_free;
    to->inbox[to->inbox_head++ % WIRE_DEPTH] = frame;
}

/* RFC 1071 by its words, as slow as it is plain: the sum of big-endian words, ones' complement. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    while (sum >> 16)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

/* Every frame of IP that is sent has right sums: of its header, and of TCP or ICMPv6. */
static void check_sums(const uint8_t *frame, uint32_t size)
{
    const uint8_t *ip = frame + 14;
    bool is_6 = frame[12] == 0x86 && frame[13] == 0xdd;
    if (!is_6 && (frame[12] != 0x08 || frame[13] != 0x00))
        return;
    uint32_t head = is_6 ? 40 : (uint32_t)(ip[0] & 15) * 4;
    uint32_t length = is_6 ? 40u + (uint32_t)(ip[4] << 8 | ip[5]) : (uint32_t)(ip[2] << 8 | ip[3]);
    assert_true(14 + length <= size);
    if (!is_6)
        assert_int_equal(plain_sum(0, ip, head), 0xffff);
    uint8_t protocol = is_6 ? ip[6] : ip[9];
    if (protocol == 6 || protocol == 58) {
        uint32_t sum = plain_sum(protocol + length - head, is_6 ? ip + 8 : ip + 12, is_6 ? 32 : 8);
        assert_int_equal(plain_sum(sum, ip + head, length - head), 0xffff);
        sums_checked++;
    }
}

static uint8_t wire_room[2048];

static uint8_t *link_room(void *link, uint32_t size)
{
    return size <= sizeof(wire_room) ? wire_room : NULL;
}

static void link_send(void *link, uint8_t *bytes, uint32_t size)
{
    struct side *from = link;
    check_sums(bytes, size);
    memcpy(from->last_sent, bytes, size);
    from->last_sent_size = size;
    from->sent_count++;
    wire_put(from == &sides[0] ? &sides[1] : &sides[0], bytes, size);
}

/* One turn of both sides; then the clock moves by step_ns. Returns work. */
static uint32_t turn(uint64_t step_ns)
{
    uint32_t work = 0;
    for (int i = 0; i < 2; i++) {
        struct side *side = &sides[i];
        struct now now = {.mono_ns = now_ns};
        for (int n = 0; n < 64 && side->inbox_tail != side->inbox_head; n++, work++)
            side->ops->input(&side->inbox[side->inbox_tail++ % WIRE_DEPTH]->frame);
        work += side->ops->service(now);
        port_flush(&side->port);
    }
    now_ns += step_ns;
    return work;
}

static void turns(uint64_t span_ns)
{
    for (uint64_t end_ns = now_ns + span_ns; now_ns < end_ns;)
        turn(100000);
}

static struct address address(uint8_t last)
{
    static const struct address four = {.ip = {[10] = 0xff, [11] = 0xff, 10, 1}, .port = 2181};
    static const struct address six = {.ip = {0xfd}, .port = 2181};
    struct address made = ip6 ? six : four;
    made.ip[15] = last;
    return made;
}

static int start(int i, uint32_t streams_max)
{
    struct side *side = &sides[i];
    const struct port_setup port = {.events = &events, .net = side, .slab = &side->slab,
                                    .rx_limit = 1 << 20, .tx_limit = TX_LIMIT,
                                    .streams_max = streams_max};
    struct stack_setup setup = {
        .port = &side->port,
        .mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)},
        .ip = address((uint8_t)(i + 1)),
        .prefix_size = ip6 ? 64 : 16,
        .mtu = 1500,
        .listen_port = i == 0 ? 2181 : 0,
        .memory_limit = 256 << 20,
        .seed = 42 + (uint64_t)i,
        .link = side,
        .link_room = link_room,
        .link_send = link_send,
    };
    side->ops = stack_copy((uint32_t)i);
    side->intact = true;
    if (slab_init(&side->slab, 256 << 20) || port_init(&side->port, &forward, &port))
        return -1;
    return side->ops->init(&setup);
}

static int set_up_both(void)
{
    memset(sides, 0, sizeof(sides)); /* before either starts: each announces itself to the other */
    rand_seed(&rng, 1);
    loss_percent = 0;
    cut = false;
    now_ns = clock_now().mono_ns;
    return start(0, 10000) || start(1, 10000);
}

static int set_up(void **state)
{
    ip6 = false;
    return set_up_both();
}

static int set_up_ip6(void **state)
{
    ip6 = true;
    return set_up_both();
}

static int tear_down(void **state)
{
    int leaks = 0;
    for (int i = 0; i < 2; i++)
        sides[i].ops->fini(); /* checks that lwIP's slab is empty */
    for (int i = 0; i < 2; i++) {
        while (sides[i].inbox_tail != sides[i].inbox_head)
            free(sides[i].inbox[sides[i].inbox_tail++ % WIRE_DEPTH]);
        leaks += sides[i].slab.in_use != 0;
        slab_fini(&sides[i].slab);
    }
    return leaks;
}

static void dial(void)
{
    const struct address server = address(1);
    assert_int_equal(sides[1].ops->dial(&server), 0);
    turns(5 * NS_PER_MS);
}

static void send_bytes(struct side *side, uint64_t count)
{
    side->to_send = count;
    net_send(side, side->last);
}

static void test_there_and_back(void **state)
{
    sides[0].echo = true;
    dial();
    assert_int_equal(sides[0].opened, 1);
    assert_int_equal(sides[1].opened, 1);
    assert_int_equal(sides[0].last->peer.ip[15], 2);
    assert_memory_equal(sides[0].last->peer.ip, address(2).ip, 16);
    assert_memory_equal(sides[0].last->local.ip, address(1).ip, 16);
    assert_int_equal(sides[0].last->local.port, 2181);
    send_bytes(&sides[1], 100);
    turns(NS_PER_MS);
    assert_int_equal(sides[1].bytes, 100);
    assert_true(sides[1].intact);
    assert_int_equal(sides[0].slab.in_use, 256); /* no buffer while idle */
}

static void test_sums_of_every_length(void **state)
{
    sides[0].echo = true;
    dial();
    sums_checked = 0;
    for (uint32_t size = 1; size <= 300; size++) {
        send_bytes(&sides[1], size);
        turns(NS_PER_MS);
    }
    assert_true(sums_checked >= 600);
    assert_int_equal(sides[1].bytes, 300 * 301 / 2);
    assert_true(sides[1].intact);
}

static void test_much_through_a_bad_wire(void **state)
{
    const uint64_t count = 3 << 20;
    dial();
    loss_percent = 3;
    send_bytes(&sides[1], count);
    send_bytes(&sides[0], count);
    uint64_t begin_ns = now_ns;
    for (int i = 0; i < 2000000 && (sides[0].bytes < count || sides[1].bytes < count); i++)
        turn(20000);
    assert_int_equal(sides[0].bytes, count);
    assert_int_equal(sides[1].bytes, count);
    assert_true(sides[0].intact && sides[1].intact);
    print_message("# 3 MiB each way at 3 %% loss: %.2f s\n", (double)(now_ns - begin_ns) / 1e9);
    assert_true(sides[0].drained > 0);
}

static void test_a_lost_request_is_repeated_soon(void **state)
{
    sides[0].echo = true;
    dial();
    for (int i = 0; i < 30; i++) { /* enough samples of the round trip */
        send_bytes(&sides[1], 10);
        turns(2 * NS_PER_MS);
    }
    assert_int_equal(sides[1].bytes, 300);
    cut = true;
    send_bytes(&sides[1], 10);
    turns(5 * NS_PER_MS);
    cut = false;
    uint64_t begin_ns = now_ns;
    while (sides[1].bytes < 310 && now_ns < begin_ns + 10 * NS_PER_S)
        turn(100000);
    print_message("# repeated after %.0f ms\n", (double)(now_ns - begin_ns) / 1e6);
    assert_true(now_ns - begin_ns < 300 * NS_PER_MS);
}

static void test_half_close_and_flush(void **state)
{
    dial();
    send_bytes(&sides[1], 500000);
    port_close(sides[1].last, true);
    sides[0].echo = true;
    turns(200 * NS_PER_MS);
    assert_int_equal(sides[0].bytes, 500000);
    assert_int_equal(sides[0].closed, 1);
    assert_int_equal(sides[1].closed, 1);
    assert_int_equal(sides[0].port.stream_count, 0);
}

static void test_close_now_resets_what_was_not_sent(void **state)
{
    dial();
    sides[0].hold = true;
    send_bytes(&sides[1], 1 << 19);
    turns(50 * NS_PER_MS);
    port_close(sides[1].last, false);
    turns(50 * NS_PER_MS);
    assert_int_equal(sides[1].closed, 1);
    assert_int_equal(sides[0].closed, 1);
    assert_int_equal(atomic_load(&sides[0].port.counters.reset), 1);
}

static void test_refusals(void **state)
{
    sides[0].refuse = true;
    dial();
    assert_int_equal(sides[0].opened, 1);
    assert_int_equal(sides[0].port.stream_count, 0);
    turns(10 * NS_PER_MS);
    assert_int_equal(sides[1].closed, sides[1].opened);
    sides[0].refuse = false;
    sides[0].port.setup.streams_max = 1;
    dial();
    dial();
    turns(10 * NS_PER_MS);
    assert_int_equal(sides[0].port.stream_count, 1);
    assert_int_equal(atomic_load(&sides[0].port.counters.refused_total), 1);
}

/* A NET that takes nothing: the sender stops at the window, and nothing is lost. */
static void test_backpressure(void **state)
{
    dial();
    sides[0].hold = true;
    send_bytes(&sides[1], 1 << 20);
    turns(300 * NS_PER_MS);
    uint32_t size;
    stream_rx(sides[0].last, &size);
    assert_true(size > 1000 && size <= 130 * 1024);
    assert_int_equal(sides[0].received, 1);
    sides[0].hold = false;
    net_take(&sides[0], sides[0].last);
    port_resume(sides[0].last);
    turns(3 * NS_PER_S);
    assert_int_equal(sides[0].bytes, 1 << 20);
    assert_true(sides[0].intact);
}

/* A frame larger than the window still arrives whole. */
static void test_a_frame_above_the_window(void **state)
{
    dial();
    sides[0].hold = true;
    assert_int_equal(stream_rx_want(sides[0].last, 700000), 0);
    send_bytes(&sides[1], 700000);
    turns(2 * NS_PER_S);
    uint32_t size;
    stream_rx(sides[0].last, &size);
    assert_int_equal(size, 700000);
    assert_int_equal(sides[0].received, 1);
    assert_int_equal(stream_rx_want(sides[0].last, (1 << 20) + 1), ERR_LIMIT);
}

static void test_flush_deadline(void **state)
{
    dial();
    turns(NS_PER_MS);
    cut = true;
    send_bytes(&sides[0], 1 << 20);
    port_close(sides[0].last, true);
    turns(4 * NS_PER_S);
    assert_int_equal(sides[0].closed, 0);
    turns(3 * NS_PER_S);
    assert_int_equal(sides[0].closed, 1);
    assert_int_equal(sides[0].port.stream_count, 0);
}

static void test_look_up_is_not_linear(void **state)
{
    enum { COUNT = 5000 };
    const struct address server = address(1);
    uint64_t lookups, probes, lookups_after, probes_after;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(sides[1].ops->dial(&server), 0);
        if (i % 100 == 0)
            turns(NS_PER_MS);
    }
    turns(20 * NS_PER_MS);
    assert_int_equal(sides[0].port.stream_count, COUNT);
    sides[0].echo = true;
    sides[0].ops->index_probes(&lookups, &probes);
    send_bytes(&sides[1], 100000); /* of the newest */
    turns(100 * NS_PER_MS);
    sides[0].ops->index_probes(&lookups_after, &probes_after);
    lookups = lookups_after - lookups;
    probes = probes_after - probes;
    assert_true(lookups > 50);
    assert_true(probes < 8 * lookups);
    sides[0].ops->index_probes(&lookups, &probes); /* over all, with those for 5000 handshakes */
    print_message("# %d connections: %.3f compared in a look-up\n", COUNT,
                  (double)probes / (double)lookups);
    assert_true(probes < 2 * lookups);
}

static void test_port_reused_in_time_wait(void **state)
{
    /* The server closes first, so TIME_WAIT is there; the same pair of ports opens again. */
    dial();
    uint16_t number = sides[0].last->peer.port;
    port_close(sides[0].last, true);
    turns(20 * NS_PER_MS);
    assert_int_equal(sides[1].closed, 1);
    uint8_t syn[54] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6,
                       0, 0, 10, 1, 0, 2, 10, 1, 0, 1, (uint8_t)(number >> 8), (uint8_t)number,
                       2181 >> 8, 2181 & 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x50, 2, 0x10};
    /* Sequence numbers compare by distance: take one ahead of whatever was received. */
    uint32_t sum, last_ack;
    memcpy(&last_ack, sides[0].last_sent + 42, 4);
    uint32_t seq = __builtin_bswap32(__builtin_bswap32(last_ack) + 100000);
    memcpy(syn + 38, &seq, 4);
    sum = 0;
    for (int i = 14; i < 34; i += 2)
        sum += (uint32_t)(syn[i] << 8 | syn[i + 1]);
    sum = ~((sum & 0xffff) + (sum >> 16));
    syn[24] = (uint8_t)(sum >> 8);
    syn[25] = (uint8_t)sum;
    sum = 6 + 20;
    for (int i = 26; i < 54; i += 2)
        sum += (uint32_t)(syn[i] << 8 | syn[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    syn[50] = (uint8_t)(sum >> 8);
    syn[51] = (uint8_t)sum;
    cut = true; /* the client must not answer */
    uint32_t before = sides[0].sent_count;
    cut = false;
    wire_put(&sides[0], syn, sizeof(syn));
    cut = true;
    turn(0);
    assert_int_equal(sides[0].sent_count, before + 1);
    assert_int_equal(sides[0].last_sent[47] & 0x3f, 0x12); /* SYN and ACK */
}

static void test_arp_and_echo_are_answered(void **state)
{
    const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  9, 8, 6,
                             0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,  0, 0, 9,
                             10,   1,    0,    9,    0,    0,    0, 0, 0, 0, 10, 1, 0, 1};
    wire_put(&sides[0], arp, sizeof(arp));
    turn(1000);
    assert_int_equal(sides[0].last_sent[12] << 8 | sides[0].last_sent[13], 0x0806);
    assert_int_equal(sides[0].last_sent[21], 2);     /* a reply */
    assert_int_equal(sides[0].last_sent[22 + 5], 1); /* with its hardware address */
    assert_int_equal(sides[0].last_sent[5], 9);      /* to who asked */

    uint8_t ping[74] = {2,    0, 0,  0,  0, 1, 2, 0, 0,    0,    0,    9,    8,  0,
                        0x45, 0, 0,  60, 0, 1, 0, 0, 64,   1,    0x66, 0xb4, 10, 1,
                        0,    9, 10, 1,  0, 1, 8, 0, 0xf7, 0xff, 0,    0,    0,  0};
    uint32_t sum = 0;
    ping[24] = ping[25] = 0;
    for (int i = 14; i < 34; i += 2)
        sum += (uint32_t)(ping[i] << 8 | ping[i + 1]);
    sum = ~((sum & 0xffff) + (sum >> 16));
    ping[24] = (uint8_t)(sum >> 8);
    ping[25] = (uint8_t)sum;
    uint32_t before = sides[0].sent_count;
    wire_put(&sides[0], ping, sizeof(ping));
    turn(1000);
    assert_int_equal(sides[0].sent_count, before + 1);
    assert_int_equal(sides[0].last_sent[23], 1);
    assert_int_equal(sides[0].last_sent[34], 0); /* echo reply */
    assert_memory_equal(sides[0].last_sent + 30, ((uint8_t[]){10, 1, 0, 9}), 4);
}

static void test_bad_frames_are_dropped(void **state)
{
    uint8_t junk[1514];
    sides[0].echo = true;
    dial();
    for (int i = 0; i < 20000; i++) {
        uint32_t size = (uint32_t)rand_below(&rng, i % 2 ? sizeof(junk) : 80);
        for (uint32_t k = 0; k < size; k++)
            junk[k] = (uint8_t)rand_next(&rng);
        if (size > 40 && i % 3) { /* near enough to get in deeper */
            memcpy(junk, "\2\0\0\0\0\1\2\0\0\0\0\2\10\0\105\0", 16);
            junk[23] = i % 6 == 1 ? 6 : 1;
            memcpy(junk + 26, "\12\1\0\2\12\1\0\1", 8);
            if (ip6 && size > 60) { /* TCP or ICMPv6, from ::2 to ::1, of the size that it says */
                memcpy(junk + 12, "\206\335\140\0\0\0\0\0\0\377", 10);
                junk[19] = (uint8_t)(size - 54);
                junk[18] = (uint8_t)((size - 54) >> 8);
                junk[20] = i % 6 == 1 ? 6 : 58;
                memcpy(junk + 22, address(2).ip, 16);
                memcpy(junk + 38, address(1).ip, 16);
            }
        }
        wire_put(&sides[0], junk, size);
        if (i % 50 == 0)
            turn(100000);
    }
    turns(5 * NS_PER_MS);
    send_bytes(&sides[1], 1000);
    turns(500 * NS_PER_MS);
    assert_int_equal(sides[1].bytes, 1000);
    assert_true(sides[1].intact);
}

static void test_init_says_no(void **state)
{
    struct stack_setup setup = {
        .port = &sides[0].port, .ip = address(1), .mtu = 1500, .memory_limit = 1 << 20};
    assert_int_equal(sides[0].ops->init(&setup), ERR_BUSY);
    if (stack_copy_count > 2) {
        setup.mtu = 9001;
        assert_int_equal(stack_copy(2)->init(&setup), ERR_RANGE);
        setup.mtu = 1500;
        setup.prefix_size = 33;
        assert_int_equal(stack_copy(2)->init(&setup), ERR_RANGE);
        setup.ip.ip[0] = 0xfd; /* IPv6: lwIP knows networks of 64 bits */
        setup.prefix_size = 48;
        assert_int_equal(stack_copy(2)->init(&setup), ERR_RANGE);
    }
    assert_null(stack_copy(stack_copy_count));
}

/* Who has an address is asked on the wire, and known then; nobody answers for another. */
static void test_neighbours_are_found(void **state)
{
    const struct address there = address(2), nobody = address(77);
    uint8_t mac[6] = {0};
    assert_false(sides[0].ops->neighbour(&there, mac, false));
    assert_false(sides[0].ops->neighbour(&there, mac, true));
    assert_false(sides[0].ops->neighbour(&nobody, mac, true));
    turns(5 * NS_PER_MS);
    assert_true(sides[0].ops->neighbour(&there, mac, false));
    assert_true(sides[0].ops->neighbour(&there, mac, true));
    assert_memory_equal(mac, ((uint8_t[]){2, 0, 0, 0, 0, 2}), 6);
    assert_false(sides[0].ops->neighbour(&nobody, mac, false));
    const struct address far = ip6 ? (struct address){.ip = {0xfc, [15] = 1}}
                                   : (struct address){.ip = {[10] = 0xff, [11] = 0xff, 11}};
    uint32_t before = sides[0].sent_count;
    assert_false(sides[0].ops->neighbour(&far, mac, true)); /* there is no gateway */
    assert_int_equal(sides[0].sent_count, before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
#define T6(name)                                                                                   \
    {                                                                                              \
#name " over IPv6", test_##name, set_up_ip6, tear_down, NULL                               \
    }
    const struct CMUnitTest tests[] = {
        T(there_and_back),
        T(sums_of_every_length),
        T(much_through_a_bad_wire),
        T(a_lost_request_is_repeated_soon),
        T(half_close_and_flush),
        T(close_now_resets_what_was_not_sent),
        T(refusals),
        T(backpressure),
        T(a_frame_above_the_window),
        T(flush_deadline),
        T(look_up_is_not_linear),
        T(port_reused_in_time_wait),
        T(arp_and_echo_are_answered),
        T(neighbours_are_found),
        T(bad_frames_are_dropped),
        T(init_says_no),
        T6(there_and_back),
        T6(sums_of_every_length),
        T6(much_through_a_bad_wire),
        T6(a_lost_request_is_repeated_soon),
        T6(half_close_and_flush),
        T6(backpressure),
        T6(a_frame_above_the_window),
        T6(look_up_is_not_linear),
        T6(neighbours_are_found),
        T6(bad_frames_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
