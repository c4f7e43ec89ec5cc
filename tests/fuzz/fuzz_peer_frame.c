/* fuzz_peer_frame: datagrams from anybody, through the codec and through a whole PEER.
 *
 * Input: first byte: bit 0: PEER has keys; bit 1: the CRC of each datagram is made right first (so
 * that the search gets behind it); bit 2: PEER is not formed. Then datagrams, each behind its size
 * in two bytes, little-endian. What must hold: no failed CHECK; a datagram that decodes encodes to
 * the same bytes; CORE gets only messages that are valid for this node, and with keys none at all
 * (nobody who does not know them can make a mark). */
#include "base/check.h"
#include "base/crc32c.h"
#include "consensus/peer_message.h"
#include "dataplane/peer.h"
#include "dataplane/port/datagram_sim.h"

#include <string.h>

#define FUZZ_DATAGRAMS_MAX 256
#define FUZZ_CRC_AT        68

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct peer peer;
    struct datagram_port *port;
    struct link core_peer, peer_core;
    struct counters page;
};

static void fuzz_line(void *self, const char *text)
{
    CHECK(strlen(text) > 10);
}

static struct address fuzz_address(uint8_t id)
{
    return (struct address){.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, id}, .port = 1};
}

static void fuzz_create(struct fuzz *f, uint8_t how)
{
    static const char keys[] = "7 000102030405060708090a0b0c0d0e0f";
    struct datagram_sim_setup setup = {
        .local = fuzz_address(1), .in_count = FUZZ_DATAGRAMS_MAX, .out_count = FUZZ_DATAGRAMS_MAX};
    struct peer_config config;
    peer_config_default(&config);
    config.id = 1;
    config.incarnation = 1;
    config.slots = config.bulk_slots = 1;
    config.line = fuzz_line;
    config.member_count = 2;
    for (uint8_t i = 0; i < 2; i++)
        config.members[i] =
            (struct peer_member){.id = (uint8_t)(i + 2), .address = fuzz_address((uint8_t)(i + 2))};
    if (how & 1)
        CHECK(peer_keys_parse(&config.keys, keys, sizeof(keys) - 1, NULL) == 0);
    if (!(how & 4))
        memset(config.cluster, 0xc1, sizeof(config.cluster));
    CHECK(datagram_sim_open(&setup, &f->port) == 0);
    CHECK(link_init(&f->core_peer, "core_peer", 4096) == 0);
    CHECK(link_init(&f->peer_core, "peer_core", 64 << 10) == 0);
    counters_init(&f->page, "peer", 0);
    struct peer_parts parts = {&f->core_peer, &f->peer_core, NULL, f->port, &f->page};
    CHECK(peer_init(&f->peer, &config, &parts, NULL) == 0);
}

static void fuzz_destroy(struct fuzz *f)
{
    peer_fini(&f->peer);
    datagram_fini(f->port);
    link_fini(&f->core_peer);
    link_fini(&f->peer_core);
}

static void fuzz_take(struct fuzz *f, bool marked)
{
    const struct peer_message *message;
    uint32_t size;
    while ((message = link_peek(&f->peer_core, &size))) {
        CHECK(!marked);
        CHECK(message->kind == PEER_LATER || message->kind == PEER_ABSENT ||
              peer_message_valid(message, size, 1) == 0);
        link_pop(&f->peer_core);
    }
    link_release(&f->peer_core);
}

static void fuzz_codec(const uint8_t *bytes, uint32_t size)
{
    static uint8_t again[DATAGRAM_SIZE_MAX];
    struct peer_frame frame;
    if (peer_frame_decode(bytes, size, &frame))
        return;
    CHECK(frame.size == size - peer_frame_size(0, frame.key != 0));
    CHECK((uint64_t)peer_frame_offset(&frame) + frame.size <= frame.message_size);
    uint8_t key = frame.key;
    uint32_t body = frame.size + PEER_FRAME_SIZE;
    CHECK(peer_frame_encode(&frame, NULL, again) == body);
    if (!key) /* the number of a key is made together with its mark */
        CHECK(memcmp(again, bytes, body) == 0);
}

static uint32_t fuzz_datagram(uint8_t *bytes, uint32_t size, bool fix)
{
    struct peer_frame frame;
    if (fix && size >= PEER_FRAME_SIZE) {
        uint32_t mac =
            bytes[7] && size >= PEER_FRAME_SIZE + PEER_KEYS_MAC_SIZE ? PEER_KEYS_MAC_SIZE : 0;
        uint32_t crc = crc32c(0, bytes, FUZZ_CRC_AT);
        crc = crc32c(crc, bytes + PEER_FRAME_SIZE, size - PEER_FRAME_SIZE - mac);
        memcpy(bytes + FUZZ_CRC_AT, &crc, sizeof(crc));
        CHECK(peer_frame_decode(bytes, size, &frame) != ERR_CORRUPT);
    }
    fuzz_codec(bytes, size);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    static uint8_t bytes[DATAGRAM_SIZE_MAX];
    struct now now = {.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    struct address from = fuzz_address(2);
    if (size < 1)
        return 0;
    uint8_t how = data[0];
    fuzz_create(&f, how);
    for (size_t at = 1; at + 2 <= size;) {
        uint32_t wanted = data[at] | (uint32_t)data[at + 1] << 8;
        at += 2;
        wanted = wanted < sizeof(bytes) ? wanted : (uint32_t)sizeof(bytes);
        uint32_t n = wanted < size - at ? wanted : (uint32_t)(size - at);
        memcpy(bytes, data + at, n);
        fuzz_datagram(bytes, n, how & 2);
        CHECK(datagram_sim_put(f.port, &from, bytes, n));
        now.mono_ns += 20 * NS_PER_MS;
        peer_poll(&f.peer, now);
        fuzz_take(&f, how & 1);
        struct datagram_sim_sent sent;
        while (datagram_sim_take(f.port, &sent)) /* greetings, and nothing else */
            CHECK(sent.size == peer_frame_size(0, how & 1));
        at += n;
    }
    fuzz_destroy(&f);
    return 0;
}
