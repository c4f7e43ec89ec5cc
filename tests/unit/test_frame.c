/* Goal: frames and four-letter words are found, at any cut, and nothing else is. Method: every size
 * at the edges, every prefix of every word, and the byte examples of zk_protocol.md section 23. */
#include "base/zk.h"
#include "dataplane/zk/frame.h"
#include "dataplane/zk/handshake.h"
#include "dataplane/zk/reply.h"
#include "dataplane/zk/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    static uint8_t bytes[2048];
    struct frame frame;
    static const struct {
        uint32_t size;
        enum frame_kind kind;
    } cases[] = {{0, FRAME_BAD},          {1, FRAME_READY},         {1024, FRAME_READY},
                 {1025, FRAME_BAD},       {0x80000000u, FRAME_BAD}, {0xffffffffu, FRAME_BAD},
                 {0xfff4fffdu, FRAME_BAD}};
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct jute_out out = jute_out(bytes, 4);
        jute_put_int(&out, (int32_t)cases[i].size);
        for (uint32_t have = 0; have < 4; have++) {
            frame_next(&frame, bytes, have, 1024, true);
            assert_int_equal(frame.kind, FRAME_NEED);
            assert_int_equal(frame.need, 4);
        }
        frame_next(&frame, bytes, sizeof(bytes), 1024, i % 2);
        assert_int_equal(frame.kind, cases[i].kind);
        if (cases[i].kind != FRAME_READY)
            continue;
        assert_int_equal(frame.size, cases[i].size + 4);
        assert_ptr_equal(frame.payload.at, bytes + 4);
        assert_int_equal(frame.payload.size, cases[i].size);
        frame_next(&frame, bytes, cases[i].size + 3, 1024, false);
        assert_int_equal(frame.kind, FRAME_NEED);
        assert_int_equal(frame.need, cases[i].size + 4);
    }
}

static void test_words(void **state)
{
    static const char words[] = "confconscrstdirsdumpenvigtmkhashisromembmntrruoksrst"
                                "srvrstatwchcwchpwchs";
    struct frame frame;
    for (const char *word = words; *word; word += 4) {
        for (uint32_t have = 0; have < 4; have++) {
            frame_next(&frame, (const uint8_t *)word, have, 1 << 20, true);
            assert_int_equal(frame.kind, FRAME_NEED);
        }
        frame_next(&frame, (const uint8_t *)word, 4, 1 << 20, true);
        assert_int_equal(frame.kind, FRAME_WORD);
        assert_memory_equal(frame.word, word, 4);
        assert_int_equal(frame.size, 4);
        frame_next(&frame, (const uint8_t *)word, 4, 1 << 20, false); /* later: only a size */
        assert_int_equal(frame.kind, FRAME_BAD);
    }
    const uint8_t mask[] = "stmk\x01\x02\x03\x04\x05\x06\x07\x08";
    frame_next(&frame, mask, 11, 1 << 20, true);
    assert_int_equal(frame.kind, FRAME_NEED);
    assert_int_equal(frame.need, 12);
    frame_next(&frame, mask, 12, 1 << 20, true);
    assert_int_equal(frame.kind, FRAME_WORD);
    assert_true(frame.word_arg == 0x0102030405060708);
    assert_int_equal(frame.size, 12);
    frame_next(&frame, (const uint8_t *)"lead", 4, 1 << 20, true); /* an AdminServer alias only */
    assert_int_equal(frame.kind, FRAME_BAD);
}

static void test_handshake(void **state)
{
    static const uint8_t want[] = {0,    0,    0,    0x25, 0,    0,    0,    0,    0,    0,    0x27,
                                   0x10, 1,    0,    0,    0x0a, 0xdf, 0x71, 0,    0,    0,    0,
                                   0,    0x10, 0xf5, 0xd9, 0xa8, 0x12, 0xde, 0x1c, 0x28, 0xd6, 0x5b,
                                   0x8a, 0xac, 0x01, 0x57, 0xf3, 0x4a, 0xc6, 0};
    struct handshake_response response = {
        .timeout_ms = 10000, .session = 0x100000adf710000, .has_read_only = true};
    memcpy(response.password, want + 24, 16);
    uint8_t room[HANDSHAKE_RESPONSE_SIZE_MAX];
    assert_int_equal(handshake_encode(&response, room), sizeof(want));
    assert_memory_equal(room, want, sizeof(want));
    response.has_read_only = false;
    assert_int_equal(handshake_encode(&response, room), sizeof(want) - 1);
    assert_int_equal(room[3], 0x24);

    uint8_t bytes[64];
    struct jute_out out = jute_out(bytes, sizeof(bytes));
    struct handshake_request request;
    jute_put_int(&out, 42);
    jute_put_long(&out, 7);
    jute_put_int(&out, -3);
    jute_put_long(&out, 9);
    jute_put_bytes(&out, bytes_of("0123456789abcdef", 16));
    jute_put_byte(&out, 1);
    for (uint32_t size = 0; size <= 45; size++) {
        int err = handshake_parse(&request, bytes_of(bytes, size));
        assert_int_equal(err, size < 44 ? ERR_MALFORMED : 0);
    }
    assert_true(request.has_read_only && request.read_only);
    assert_true(request.zxid_seen == 7 && request.session == 9);
    assert_int_equal(request.password.size, 16);
    assert_int_equal(handshake_parse(&request, bytes_of(bytes, 44)), 0);
    assert_false(request.has_read_only);
    assert_int_equal(handshake_timeout(-1, 4000, 40000), 4000);
    assert_int_equal(handshake_timeout(5000, 4000, 40000), 5000);
    assert_int_equal(handshake_timeout(INT32_MAX, 4000, 40000), 40000);
}

static void test_reply(void **state)
{
    uint8_t room[128];
    struct jute_out out = jute_out(room, sizeof(room));
    static const uint8_t ping[] = {0, 0, 0, 0x10, 0xff, 0xff, 0xff, 0xfe, 0, 0,
                                   0, 0, 0, 0,    0,    5,    0,    0,    0, 0};
    reply_header(&out, ZK_XID_PING, 5, 0, 0);
    assert_int_equal(out.at - room, REPLY_HEADER_SIZE);
    assert_memory_equal(room, ping, sizeof(ping));
    out = jute_out(room, sizeof(room));
    reply_event(&out, 0x29, ZK_EVENT_DATA_CHANGED, bytes_of_string("/t"));
    assert_int_equal(out.at - room, REPLY_EVENT_SIZE + 2);
    struct jute_in in = jute_in(room, (size_t)(out.at - room));
    assert_int_equal(jute_get_int(&in), REPLY_EVENT_SIZE + 2 - 4);
    assert_int_equal(jute_get_int(&in), -1);
    assert_true(jute_get_long(&in) == 0x29);
    assert_int_equal(jute_get_int(&in), 0);
    assert_int_equal(jute_get_int(&in), 3);
    assert_int_equal(jute_get_int(&in), 3);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/t")));
    out = jute_out(room, sizeof(room));
    reply_stat(&out, &(struct zk_stat){0});
    assert_int_equal(out.at - room, ZK_STAT_SIZE);
    out = jute_out(room, sizeof(room));
    reply_multi_error(&out, -101);
    assert_int_equal(out.at - room, REPLY_ERROR_SIZE);
}

/* A record with every kind of field; each op needs a prefix of it of a known size. */
static uint32_t record_of(int32_t op, uint8_t *bytes, uint32_t room)
{
    struct jute_out out = jute_out(bytes, room);
    bool create = op == ZK_OP_CREATE || op == ZK_OP_CREATE2 || op == ZK_OP_CREATE_CONTAINER ||
                  op == ZK_OP_CREATE_TTL;
    jute_put_bytes(&out, bytes_of_string("/path"));
    if (create || op == ZK_OP_SET_DATA)
        jute_put_bytes(&out, (struct bytes){NULL, -1});
    if (create || op == ZK_OP_SET_ACL) {
        jute_put_int(&out, 2);
        for (int i = 0; i < 2; i++) {
            jute_put_int(&out, 31);
            jute_put_bytes(&out, bytes_of_string("world"));
            jute_put_bytes(&out, bytes_of_string("anyone"));
        }
    }
    if (op == ZK_OP_RECONFIG) {
        jute_put_bytes(&out, bytes_of_string("x"));
        jute_put_bytes(&out, bytes_of_string("y"));
        jute_put_long(&out, -1);
    } else if (op != ZK_OP_SYNC && op != ZK_OP_GET_EPHEMERALS) {
        jute_put_int(&out, -1);
    }
    if (op == ZK_OP_CREATE_TTL)
        jute_put_long(&out, 1000);
    assert_false(out.bad);
    return (uint32_t)(out.at - bytes);
}

static void test_validate(void **state)
{
    static const int32_t ops[] = {ZK_OP_CREATE,        ZK_OP_CREATE2, ZK_OP_CREATE_CONTAINER,
                                  ZK_OP_CREATE_TTL,    ZK_OP_DELETE,  ZK_OP_SET_DATA,
                                  ZK_OP_SET_ACL,       ZK_OP_SYNC,    ZK_OP_RECONFIG,
                                  ZK_OP_GET_EPHEMERALS};
    for (uint32_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        uint8_t bytes[256] = {0};
        uint32_t size = record_of(ops[i], bytes, sizeof(bytes));
        for (uint32_t n = 0; n < size; n++) /* every truncation is refused */
            assert_false(validate_record(ops[i], bytes_of(bytes, n)));
        assert_true(validate_record(ops[i], bytes_of(bytes, size)));
        assert_true(validate_record(ops[i], bytes_of(bytes, size + 3))); /* trailing bytes */
        bytes[0] = 0x80;                                                 /* a length below -1 */
        assert_false(validate_record(ops[i], bytes_of(bytes, size)));
    }
    const uint8_t null_path[4] = {0xff, 0xff, 0xff, 0xff};
    assert_false(validate_record(ZK_OP_SYNC, bytes_of(null_path, 4)));
    assert_true(validate_record(ZK_OP_GET_EPHEMERALS, bytes_of(null_path, 4)));
    assert_true(validate_record(ZK_OP_MULTI, bytes_of(null_path, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_words),
        cmocka_unit_test(test_handshake), cmocka_unit_test(test_reply),
        cmocka_unit_test(test_validate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
