/* beat_kit: the front end of native sessions in a NET with a simulated datagram port; the test
 * plays the client (one datagram at a time), CORE and APPLY. For test_beat.c, test_beat_lease.c. */
#pragma once

#include "tests/unit/net_rig.h"

#include "base/core_state.h"
#include "dataplane/beat/beat.h"
#include "dataplane/port/datagram_sim.h"

#define NODE   3u
#define CLIENT 77u
#define SID    0x100000000000001ll /* the rig's first session */

static struct rig *rig;
static struct beat beat;
static struct datagram_port *port;
static struct address from;
static struct beat_frame got; /* the last datagram taken */
static uint8_t got_bytes[BEAT_WIRE_DATAGRAM_MAX];

static inline void start(const struct beat_config *config)
{
    struct beat_config usual = {.endpoint = NODE, .timeout_ms_min = 1};
    struct datagram_sim_setup setup = {.in_count = 128, .out_count = 1024};
    rig = rig_make(NULL, 0);
    from = rig_address(9);
    assert_int_equal(datagram_sim_open(&setup, &port), 0);
    assert_int_equal(beat_init(&beat, config ? config : &usual, &rig->net, port), 0);
    net_beat(&rig->net, &beat);
}

static inline int setup(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    rig_free(rig);
    beat_fini(&beat);
    return 0;
}

/* ---- the client ---- */

static inline void put(const struct beat_frame *frame)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t size = beat_wire_encode(frame, beat.key, room);
    assert_true(datagram_sim_put(port, &from, room, size));
}

/* Takes the next datagram; false: none. */
static inline bool take(void)
{
    struct datagram_sim_sent sent;
    if (!datagram_sim_take(port, &sent))
        return false;
    assert_memory_equal(sent.to.ip, from.ip, sizeof(from.ip));
    memcpy(got_bytes, sent.bytes, sent.size);
    assert_int_equal(beat_wire_decode(got_bytes, sent.size, &got), 0);
    assert_int_equal(got.from, beat.config.endpoint);
    assert_int_equal(got.to, CLIENT);
    return true;
}

static inline void expect(uint8_t kind, uint64_t sequence, int32_t code)
{
    assert_true(take());
    assert_int_equal(got.kind, kind);
    assert_int_equal(got.sequence, sequence);
    assert_int_equal(got.code, code);
}

static inline void expect_nothing(void)
{
    rig_run(rig);
    assert_false(take());
}

static inline void open_as(uint64_t number, int64_t session, uint64_t acked, int32_t timeout_ms)
{
    uint8_t body[64];
    static const uint8_t password[16] = {1};
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_int(&out, 0);
    jute_put_long(&out, 0);
    jute_put_int(&out, timeout_ms);
    jute_put_long(&out, session);
    jute_put_bytes(&out, bytes_of(password, sizeof(password)));
    jute_put_byte(&out, 0);
    put(&(struct beat_frame){.kind = BEAT_OPEN,
                             .from = CLIENT,
                             .session = session,
                             .sequence = number,
                             .acked = acked,
                             .message_size = 45,
                             .bytes = body,
                             .size = 45});
    rig_run(rig);
}

static inline void attach(void)
{
    open_as(5, 0, 0, 200);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    expect(BEAT_OPENED, 5, 0);
    assert_int_equal(got.session, SID);
    assert_int_equal(got.attach, 1);
    assert_int_equal(got.credits, BEAT_CREDITS);
    assert_int_equal(got.size, 37);
}

static inline struct beat_frame frame_of(uint8_t kind, uint64_t sequence)
{
    return (struct beat_frame){.kind = kind,
                               .from = CLIENT,
                               .to = NODE,
                               .session = SID,
                               .attach = 1,
                               .sequence = sequence};
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
