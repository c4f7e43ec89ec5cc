/* fuzz_takt: a node that sends what it likes, against libtakt's client.
 *
 * Input: datagrams, each behind two bytes of size (little-endian) and one that says how it comes:
 *   bit 0: version, endpoints, session and attach are those of the client; bit 1: the sequence is
 *   the client's own last of that kind, less the byte at [24]; bit 2: size and CRC are made right;
 *   bit 3: 30 ms pass first; bit 4: a right OPENED comes first; bit 5: the client asks four things
 *   first; bit 6: it comes twice; bit 7: from the second node
 * The first thing is a right OPENED and four requests. What must hold: no bad access; what the
 * client sends decodes, is within its credits, and its numbers have no gap; answers are within
 * config.answer_size, and each ticket is answered once; the watchdog never goes beyond what the
 * largest lease allows. */
#include "base/check.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/jute.h"
#include "base/zk.h"
#include "dataplane/beat/beat_wire.h"
#include "tools/libtakt/takt.h"

#include <string.h>

#define FUZZ_DATAGRAMS_MAX 128
#define FUZZ_CLIENT        77
#define FUZZ_SESSION       7
#define FUZZ_ANSWER_SIZE   5000
#define FUZZ_CRC_AT        68
#define FUZZ_CREDITS       16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_in {
    uint8_t bytes[BEAT_WIRE_DATAGRAM_MAX + 8];
    uint32_t size, node, times;
};

static struct {
    struct takt_client *client;
    struct fuzz_in in;
    uint64_t now_ns;
    uint64_t opening, asked, renewed, timed; /* the client's last sequences */
    uint64_t acked;
    uint32_t attach;
    uint64_t tickets_open;
    uint64_t sum; /* so that each byte is read */
} f;

static void read_all(const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        f.sum += bytes[i];
}

/* ---- the network ---- */

static uint32_t fuzz_out(void *context, const struct takt_datagram *datagrams, uint32_t count)
{
    struct beat_frame frame;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(datagrams[i].node < 2);
        CHECK(beat_wire_decode(datagrams[i].bytes, datagrams[i].size, &frame) == 0);
        CHECK(!(frame.kind & BEAT_ANSWER) && frame.from == FUZZ_CLIENT);
        switch (frame.kind) {
        case BEAT_OPEN: f.opening = frame.sequence; break;
        case BEAT_RENEW: f.renewed = frame.sequence; break;
        case BEAT_TIME: f.timed = frame.sequence; break;
        case BEAT_REQUEST:
            CHECK(frame.sequence <= f.asked + 1); /* without a gap */
            CHECK(frame.sequence > frame.acked &&
                  frame.sequence - frame.acked <= FUZZ_CREDITS); /* what any node may grant */
            f.asked = frame.sequence > f.asked ? frame.sequence : f.asked;
            break;
        default: break;
        }
        CHECK(frame.acked <= f.asked);
        f.acked = frame.acked > f.acked ? frame.acked : f.acked;
    }
    return count;
}

static uint32_t fuzz_receive(void *context, struct takt_datagram *datagrams, uint32_t count)
{
    uint32_t given = 0;
    while (given < count && f.in.times > 0) {
        struct takt_datagram *to = &datagrams[given++];
        to->node = f.in.node;
        to->size = f.in.size < to->size ? f.in.size : to->size;
        memcpy(to->bytes, f.in.bytes, to->size);
        f.in.times--;
    }
    return given;
}

static uint64_t fuzz_now(void *context)
{
    return f.now_ns;
}

static void fuzz_wait(void *context, uint64_t until_ns)
{
    f.now_ns = until_ns;
}

/* ---- the client ---- */

static void fuzz_answered(void *context, const struct takt_answer *answer)
{
    struct takt_stat stat;
    const uint8_t *bytes;
    const char *name;
    uint32_t size, at = 0;
    CHECK(f.tickets_open > 0);
    f.tickets_open--;
    CHECK(answer->size <= FUZZ_ANSWER_SIZE);
    read_all(answer->bytes, answer->size);
    if (takt_read_data(answer, &bytes, &size, &stat) == 0)
        read_all(bytes, size);
    if (takt_read_path(answer, &name, &size) == 0)
        read_all((const uint8_t *)name, size);
    while (takt_read_children(answer, &at, &name, &size) == 1)
        read_all((const uint8_t *)name, size);
    (void)takt_read_stat(answer, &stat);
}

static void fuzz_event(void *context, const struct takt_event *event)
{
    CHECK(event->path_size <= BEAT_WIRE_MESSAGE_MAX);
    read_all((const uint8_t *)event->path, event->path_size);
}

static void fuzz_poll(void)
{
    for (int i = 0; i < 3; i++) {
        f.now_ns += 1000;
        int state = takt_poll(f.client, f.now_ns);
        if (state == TAKT_EXPIRED || state == TAKT_CLOSED) {
            CHECK(f.tickets_open == 0); /* each was answered, if only that nobody knows */
            CHECK(takt_restart(f.client) == 0);
            f.asked = f.acked = 0;
        }
    }
    CHECK(takt_session_deadline(f.client) <= f.now_ns + UINT32_MAX * 1000ull);
    CHECK(takt_next_ns(f.client) != 0);
}

static void fuzz_ask(void)
{
    struct takt_done done = {.answer = fuzz_answered};
    uint8_t parts[100];
    uint32_t used = 0;
    CHECK(takt_put_set(parts, sizeof(parts), &used, "/a", "x", 1, -1) == 0);
    const int64_t tickets[] = {
        takt_get(f.client, "/a", 1, &done),
        takt_children(f.client, "/", 0, &done),
        takt_set(f.client, "/a", "abc", 3, -1, &done),
        takt_multi(f.client, parts, used, &done),
    };
    for (int i = 0; i < 4; i++)
        f.tickets_open += tickets[i] > 0;
    fuzz_poll();
}

/* ---- the node ---- */

static void put_word(uint8_t *at, uint64_t value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static uint64_t sequence_of(const uint8_t *bytes)
{
    uint64_t last = bytes[5] == BEAT_REPLY     ? f.asked
                    : bytes[5] == BEAT_RENEWED ? f.renewed
                    : bytes[5] == BEAT_TIMED   ? f.timed
                                               : f.opening;
    return last - bytes[24];
}

static void fuzz_opened(uint32_t node)
{
    uint8_t body[40];
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_int(&out, 0);
    jute_put_int(&out, 100);
    jute_put_long(&out, FUZZ_SESSION);
    jute_put_bytes(&out, bytes_of("0123456789abcdef", 16));
    jute_put_byte(&out, 0);
    struct beat_frame opened = {.kind = BEAT_OPENED,
                                .flags = BEAT_LEADER,
                                .from = node + 1,
                                .to = FUZZ_CLIENT,
                                .session = FUZZ_SESSION,
                                .sequence = f.opening,
                                .attach = ++f.attach,
                                .acked = f.acked,
                                .credits = 4,
                                .time = 1,
                                .bytes = body,
                                .size = (uint32_t)(out.at - body),
                                .message_size = (uint32_t)(out.at - body)};
    f.in.size = beat_wire_encode(&opened, NULL, f.in.bytes);
    f.in.node = node;
    f.in.times = 1;
    fuzz_poll();
}

static void fuzz_come(uint8_t how)
{
    uint8_t *bytes = f.in.bytes;
    uint32_t size = f.in.size;
    if (size >= BEAT_WIRE_SIZE && how & 1) {
        put_word(bytes, BEAT_WIRE_MAGIC, 4);
        bytes[4] = BEAT_WIRE_VERSION;
        bytes[7] = 0;
        put_word(bytes + 8, (how >> 7) + 1u, 4);
        put_word(bytes + 12, FUZZ_CLIENT, 4);
        put_word(bytes + 16, FUZZ_SESSION, 8);
        put_word(bytes + 40, f.attach, 4);
    }
    if (size >= BEAT_WIRE_SIZE && how & 2)
        put_word(bytes + 24, sequence_of(bytes), 8);
    if (size >= BEAT_WIRE_SIZE && how & 4) {
        if (bytes[62] == 0 && bytes[63] == 0)
            put_word(bytes + 64, size - BEAT_WIRE_SIZE, 4);
        uint32_t crc = crc32c(0, bytes, FUZZ_CRC_AT);
        put_word(bytes + FUZZ_CRC_AT, crc32c(crc, bytes + BEAT_WIRE_SIZE, size - BEAT_WIRE_SIZE),
                 4);
    }
    f.in.node = how >> 7;
    f.in.times = 1 + (how >> 6 & 1);
    fuzz_poll();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct takt_transport transport = {.node_count = 2,
                                             .send = fuzz_out,
                                             .receive = fuzz_receive,
                                             .now_ns = fuzz_now,
                                             .wait = fuzz_wait};
    const struct takt_config config = {.timeout_ms = 100,
                                       .endpoint = FUZZ_CLIENT,
                                       .answer_size = FUZZ_ANSWER_SIZE,
                                       .transport = &transport,
                                       .opening = 1000,
                                       .on_event = fuzz_event};
    memset(&f, 0, sizeof(f));
    f.now_ns = NS_PER_S;
    CHECK(takt_open(&config, &f.client) == 0);
    fuzz_poll();
    fuzz_opened(0);
    fuzz_ask();
    for (uint32_t count = 0; size >= 3 && count < FUZZ_DATAGRAMS_MAX; count++) {
        uint32_t wanted = data[0] | (uint32_t)data[1] << 8;
        uint8_t how = data[2];
        data += 3;
        size -= 3;
        if (how & 8)
            f.now_ns += 30 * NS_PER_MS;
        if (how & 16)
            fuzz_opened(how >> 7);
        if (how & 32)
            fuzz_ask();
        f.in.size = wanted < sizeof(f.in.bytes) ? wanted : sizeof(f.in.bytes);
        f.in.size = f.in.size < size ? f.in.size : (uint32_t)size;
        memcpy(f.in.bytes, data, f.in.size);
        data += f.in.size;
        size -= f.in.size;
        fuzz_come(how);
    }
    takt_free(f.client);
    return 0;
}
