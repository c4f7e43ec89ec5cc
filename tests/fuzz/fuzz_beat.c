/* fuzz_beat: datagrams of a controller through the front end of native sessions, a NET and the
 * state machine behind it.
 *
 * Input: datagrams, each behind two bytes of size (little-endian) and one that says how it is sent:
 *   bit 0: endpoints, session and attach of the present attach are put in; bit 1: a sequence of the
 *   next one; bit 2: its CRC is made right; bit 3: 30 ms pass first; bit 4: everything so far is
 *   acknowledged; bit 5: sent twice
 * The first thing is an OPEN of the target's own. What must hold: no failed CHECK; every datagram
 * that leaves decodes, and is for us; when NET closes, its slab holds nothing of the clients. */
#include "tests/fuzz/fuzz_net.h"

#include "base/crc32c.h"
#include "dataplane/beat/beat.h"
#include "dataplane/port/datagram_sim.h"

#define FUZZ_DATAGRAMS_MAX 128
#define FUZZ_CRC_AT        68
#define FUZZ_CLIENT        77

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuzz f;
static struct beat beat;
static struct datagram_port *port;
static struct beat_frame attached; /* of the last OPENED */
static uint64_t sequence;
static uint32_t event;

static const struct address fuzz_from = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 9}, .port = 1};

static void fuzz_turn(void)
{
    struct datagram_sim_sent sent;
    struct beat_frame frame;
    for (int i = 0; i < 3; i++) {
        f.now.mono_ns += 1000;
        net_poll(&f.net, f.now);
        fuzz_apply(&f);
    }
    while (datagram_sim_take(port, &sent)) {
        CHECK(beat_wire_decode(sent.bytes, sent.size, &frame) == 0);
        CHECK(frame.kind & BEAT_ANSWER);
        if (frame.kind == BEAT_OPENED && frame.code == 0) {
            attached = frame;
            sequence = frame.acked;
            event = 0;
        }
        if (frame.kind == BEAT_EVENT && frame.event > event)
            event = frame.event;
    }
}

static void fuzz_open(void)
{
    uint8_t body[45] = {[15] = 200, [27] = 16}, room[BEAT_WIRE_DATAGRAM_MAX];
    struct beat_frame open = {.kind = BEAT_OPEN,
                              .from = FUZZ_CLIENT,
                              .sequence = 1,
                              .message_size = sizeof(body),
                              .bytes = body,
                              .size = sizeof(body)};
    CHECK(datagram_sim_put(port, &fuzz_from, room, beat_wire_encode(&open, NULL, room)));
    fuzz_turn();
    fuzz_turn();
    CHECK(attached.session != 0 && attached.credits == BEAT_CREDITS);
}

static void put_word(uint8_t *at, uint64_t value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static void fuzz_send(uint8_t *bytes, uint32_t size, uint8_t how)
{
    if (how & 8)
        f.now.mono_ns += 30 * NS_PER_MS;
    if (size >= BEAT_WIRE_SIZE && how & 1) {
        put_word(bytes, BEAT_WIRE_MAGIC, 4);
        bytes[4] = BEAT_WIRE_VERSION;
        bytes[7] = 0;
        put_word(bytes + 8, FUZZ_CLIENT, 4);
        put_word(bytes + 12, 1, 4);
        put_word(bytes + 16, (uint64_t)attached.session, 8);
        put_word(bytes + 40, attached.attach, 4);
    }
    if (size >= BEAT_WIRE_SIZE && how & 2)
        put_word(bytes + 24, ++sequence, 8);
    if (size >= BEAT_WIRE_SIZE && how & 16) {
        put_word(bytes + 32, sequence ? sequence - 1 : 0, 8);
        put_word(bytes + 44, event, 4);
    }
    if (size >= BEAT_WIRE_SIZE && how & 4) {
        uint32_t crc = crc32c(0, bytes, FUZZ_CRC_AT);
        put_word(bytes + FUZZ_CRC_AT, crc32c(crc, bytes + BEAT_WIRE_SIZE, size - BEAT_WIRE_SIZE),
                 4);
    }
    for (int i = 0; i <= (how >> 5 & 1); i++)
        CHECK(datagram_sim_put(port, &fuzz_from, bytes, size));
    fuzz_turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[DATAGRAM_SIZE_MAX];
    struct datagram_sim_setup setup = {.in_count = 8, .out_count = 4096};
    struct beat_config config = {.endpoint = 1, .timeout_ms_min = 1};
    fuzz_create(&f);
    CHECK(datagram_sim_open(&setup, &port) == 0);
    CHECK(beat_init(&beat, &config, &f.net, port) == 0);
    net_beat(&f.net, &beat);
    uint64_t idle = f.net.slab.in_use;
    memset(&attached, 0, sizeof(attached));
    fuzz_open();
    uint32_t sent = 0;
    for (size_t at = 0; at + 3 <= size && sent < FUZZ_DATAGRAMS_MAX; sent++) {
        uint32_t wanted = data[at] | (uint32_t)data[at + 1] << 8;
        uint8_t how = data[at + 2];
        at += 3;
        wanted = wanted < BEAT_WIRE_DATAGRAM_MAX + 8 ? wanted : BEAT_WIRE_DATAGRAM_MAX + 8;
        uint32_t n = wanted < size - at ? wanted : (uint32_t)(size - at);
        memcpy(bytes, data + at, n);
        fuzz_send(bytes, n, how);
        at += n;
    }
    for (uint32_t i = 0; i < f.net.conns_used; i++) {
        struct conn *conn = &f.net.conns[i];
        if (conn->state != CONN_FREE && conn->state != CONN_CLOSING)
            conn_close(&f.net, conn, false);
    }
    fuzz_turn();
    CHECK(f.net.conn_count == 0 && f.net.watches.count == 0);
    CHECK(f.net.slab.in_use == idle);
    fuzz_destroy(&f);
    beat_fini(&beat);
    return 0;
}
