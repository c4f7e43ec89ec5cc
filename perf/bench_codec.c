/* What the protocol's bytes cost by themselves: finding a frame, checking a write's record, writing
 * a reply and an event. One iteration is 64 of them, as one read of a busy connection brings. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/zk/frame.h"
#include "dataplane/zk/reply.h"
#include "dataplane/zk/validate.h"

#define BURST 64

static uint8_t bytes[BURST * 256];
static uint32_t bytes_size;

/* BURST setData requests of 100 B. */
static void build(void)
{
    static const uint8_t value[100];
    struct jute_out out = jute_out(bytes, sizeof(bytes));
    for (int i = 0; i < BURST; i++) {
        jute_put_int(&out, 8 + 4 + 22 + 4 + 100 + 4);
        jute_put_int(&out, i + 1);
        jute_put_int(&out, ZK_OP_SET_DATA);
        jute_put_bytes(&out, bytes_of("/p000001/n000000000001", 22));
        jute_put_bytes(&out, bytes_of(value, sizeof(value)));
        jute_put_int(&out, -1);
    }
    CHECK(!out.bad);
    bytes_size = (uint32_t)(out.at - bytes);
}

static void bench_decode(struct bench *bench, int64_t unused)
{
    build();
    while (bench_next(bench)) {
        uint32_t at = 0, good = 0;
        while (at < bytes_size) {
            struct frame frame;
            frame_next(&frame, bytes + at, bytes_size - at, 1 << 20, false);
            struct jute_in in = jute_in(frame.payload.at, (size_t)frame.payload.size);
            jute_get_int(&in);
            int32_t op = jute_get_int(&in);
            good += validate_record(op, bytes_of(in.at, (size_t)(in.end - in.at)));
            at += frame.size;
        }
        CHECK(good == BURST);
    }
    bench_counter(bench, "items", BURST);
}

static void bench_reply(struct bench *bench, int64_t unused)
{
    static const uint8_t value[100];
    struct zk_stat stat = {.mzxid = 7, .version = 3};
    while (bench_next(bench)) {
        struct jute_out out = jute_out(bytes, sizeof(bytes));
        for (int i = 0; i < BURST; i++) {
            reply_header(&out, i + 1, 77, ZK_OK, 104 + ZK_STAT_SIZE);
            jute_put_bytes(&out, bytes_of(value, sizeof(value)));
            reply_stat(&out, &stat);
        }
        CHECK(!out.bad);
    }
    bench_counter(bench, "items", BURST);
}

static void bench_event(struct bench *bench, int64_t unused)
{
    while (bench_next(bench)) {
        struct jute_out out = jute_out(bytes, sizeof(bytes));
        for (int i = 0; i < BURST; i++)
            reply_event(&out, i, ZK_EVENT_DATA_CHANGED, bytes_of("/p000001/n000000000001", 22));
        CHECK(!out.bad);
    }
    bench_counter(bench, "items", BURST);
}

int main(int argc, char **argv)
{
    bench_add("codec_decode_set", bench_decode, NULL, 0);
    bench_add("codec_encode_get_reply", bench_reply, NULL, 0);
    bench_add("codec_encode_event", bench_event, NULL, 0);
    return bench_main(argc, argv);
}
