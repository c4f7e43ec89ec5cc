/* Goal: the front end of native sessions does what PROTOCOL.md says: each request once and in order
 * however its datagrams come, answers and events until their receipt, and whatever is not for it,
 * or not right, without effect. Method: a NET with a simulated datagram port; the test plays the
 * client (one datagram at a time), CORE and APPLY. */
#include "tests/unit/beat_kit.h"

static uint8_t message[BEAT_WIRE_MESSAGE_MAX];
static uint32_t message_size;

static uint32_t body_of(uint8_t *room, int32_t op, const char *path, const char *data)
{
    struct jute_out out = jute_out(room, 256);
    jute_put_bytes(&out, bytes_of_string(path));
    if (op == ZK_OP_SET_DATA) {
        jute_put_bytes(&out, bytes_of_string(data));
        jute_put_int(&out, -1);
    } else {
        jute_put_byte(&out, data != NULL); /* a watch */
    }
    assert_false(out.bad);
    return (uint32_t)(out.at - room);
}

/* One request in one datagram: a get or exists (data: with a watch) or a set. */
static void ask_with(struct beat_frame frame, int32_t op, const char *path, const char *data)
{
    uint8_t body[256];
    frame.code = op;
    frame.bytes = body;
    frame.size = frame.message_size = body_of(body, op, path, data);
    put(&frame);
}

static void ask(uint64_t sequence, int32_t op, const char *path, const char *data)
{
    ask_with(frame_of(BEAT_REQUEST, sequence), op, path, data);
}

static void tree_has(const char *path, const char *data)
{
    rig_create(rig, path, data);
    rig_publish(rig);
    rig_run(rig);
}

/* ---- opening ---- */

static void test_open_is_repeated(void **state)
{
    (void)state;
    attach();
    open_as(5, 0, 0, 200);
    expect(BEAT_OPENED, 5, 0);
    assert_int_equal(got.session, SID);
    assert_null(rig_peek(rig)); /* no second session */
    open_as(4, 0, 0, 200);
    expect_nothing();
    open_as(6, 0, 0, 200); /* it begins anew */
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    expect(BEAT_OPENED, 6, 0);
    assert_int_equal(got.session, SID + 1);
    put(&(struct beat_frame){.kind = BEAT_RENEW,
                             .from = CLIENT,
                             .to = NODE,
                             .session = SID,
                             .attach = 1,
                             .sequence = 1});
    rig_run(rig);
    expect(BEAT_REFUSED, 1, BEAT_NOT_ATTACHED);
}

static void test_open_while_it_is_asked(void **state)
{
    (void)state;
    open_as(5, 0, 0, 200);
    open_as(5, 0, 0, 200);
    expect_nothing();
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    expect(BEAT_OPENED, 5, 0);
    expect_nothing();
}

static void test_open_resumes(void **state)
{
    (void)state;
    open_as(5, SID, 41, 1);
    const struct command *c = rig_peek(rig);
    assert_non_null(c);
    assert_int_equal(c->kind, COMMAND_ATTACH);
    assert_int_equal(((const struct session_open *)(c + 1))->timeout_ms, 1);
    rig_reply(rig, c, ZK_OK, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_OPENED, 5, 0);
    assert_int_equal(got.attach, 2);
    assert_int_equal(got.acked, 41);
    struct beat_frame next = frame_of(BEAT_REQUEST, 42);
    next.attach = 2;
    ask_with(next, ZK_OP_GET_DATA, "/none", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 42, ZK_NO_NODE);
}

static void test_open_expired(void **state)
{
    (void)state;
    open_as(5, SID, 0, 200);
    rig_reply(rig, rig_peek(rig), ZK_SESSION_EXPIRED, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_OPENED, 5, ZK_SESSION_EXPIRED);
    assert_int_equal(got.session, 0);
    expect_nothing();
    assert_int_equal(rig->net.conn_count, 0);
}

/* Numbers that would begin anew behind UINT64_MAX: slots of numbers far below `acked` could be in
 * use, and lose their room at a receipt. */
static void test_open_near_the_last_number(void **state)
{
    (void)state;
    open_as(5, SID, UINT64_MAX - 1, 200);
    expect(BEAT_REFUSED, 5, BEAT_UNFIT);
    open_as(5, SID, (uint64_t)INT64_MAX + 1, 200);
    expect(BEAT_REFUSED, 5, BEAT_UNFIT);
    assert_null(rig_peek(rig));
    open_as(5, SID, INT64_MAX, 200);
    assert_non_null(rig_peek(rig));
}

static void test_open_refused(void **state)
{
    struct beat_frame bad = {.kind = BEAT_OPEN, .from = CLIENT, .sequence = 9};
    (void)state;
    put(&bad); /* no ConnectRequest */
    rig_run(rig);
    expect(BEAT_REFUSED, 9, BEAT_UNFIT);
    open_as(9, 0, 3, 200); /* answers of a session that is not there yet */
    expect(BEAT_REFUSED, 9, BEAT_UNFIT);
    open_as(10, 0, 0, 200);
    rig_reply(rig, rig_peek(rig), ZK_SYSTEM_ERROR, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REFUSED, 10, BEAT_BUSY);
    expect_nothing();
    assert_int_equal(rig->net.conn_count, 0);
}

/* ---- requests ---- */

static void test_get(void **state)
{
    (void)state;
    tree_has("/a", "data");
    attach();
    ask(1, ZK_OP_GET_DATA, "/a", NULL);
    rig_turn(rig);
    expect(BEAT_REPLY, 1, 0);
    assert_int_equal(got.size, 4 + 4 + ZK_STAT_SIZE);
    assert_memory_equal(got.bytes + 4, "data", 4);
    assert_int_equal(got.time, rig->zxid);
    assert_int_equal(got.acked, 1);
    tree_has("/b", ""); /* the same bytes again, though the zxid has moved */
    uint8_t first[128];
    uint32_t size = got.size;
    memcpy(first, got.bytes, size);
    uint64_t zxid = got.time;
    ask(1, ZK_OP_GET_DATA, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    assert_int_equal(got.time, zxid);
    assert_memory_equal(got.bytes, first, size);
}

static void test_write_once(void **state)
{
    (void)state;
    attach();
    for (int i = 0; i < 3; i++)
        ask(1, ZK_OP_SET_DATA, "/a", "x");
    rig_run(rig);
    const struct command *c = rig_peek(rig);
    assert_non_null(c);
    assert_int_equal(c->kind, COMMAND_REQUEST);
    assert_int_equal(c->op, ZK_OP_SET_DATA);
    assert_int_equal(c->flags, COMMAND_ONCE);
    assert_int_equal(c->sequence, 1);
    assert_int_equal(c->attach, 1);
    assert_int_equal(c->session, SID);
    expect_nothing();
    rig_zxid(rig);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    ask(1, ZK_OP_SET_DATA, "/a", "x");
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    assert_null(rig_peek(rig));
}

static void test_any_order(void **state)
{
    static const uint64_t order[] = {3, 2, 5, 4, 3, 16, 1, 1};
    (void)state;
    attach();
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        ask(order[i], ZK_OP_SET_DATA, "/a", "x");
    rig_run(rig);
    for (uint64_t n = 1; n <= 5; n++) {
        const struct command *c = rig_peek(rig);
        assert_non_null(c);
        assert_int_equal(c->sequence, n);
        rig_reply(rig, c, ZK_OK, NULL, 0);
        rig_pop(rig);
    }
    assert_null(rig_peek(rig)); /* 16 waits for 6 */
    rig_publish(rig);
    rig_run(rig);
    for (uint64_t n = 1; n <= 5; n++)
        expect(BEAT_REPLY, n, 0);
    expect_nothing();
}

/* A read behind a write waits for it, as on a stream. */
static void test_read_waits_for_write(void **state)
{
    (void)state;
    attach();
    ask(1, ZK_OP_SET_DATA, "/a", "x");
    ask(2, ZK_OP_EXISTS, "/a", NULL);
    expect_nothing();
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    expect(BEAT_REPLY, 2, ZK_NO_NODE);
}

static void test_credits(void **state)
{
    (void)state;
    attach();
    ask(17, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REFUSED, 17, BEAT_UNFIT);
    for (uint64_t n = 1; n <= 40; n++) {
        struct beat_frame frame = frame_of(BEAT_REQUEST, n);
        frame.acked = n - 1;
        ask_with(frame, ZK_OP_EXISTS, "/a", NULL);
        rig_run(rig);
        expect(BEAT_REPLY, n, ZK_NO_NODE);
    }
    ask(39, ZK_OP_EXISTS, "/a", NULL); /* it said that it has the answer */
    expect_nothing();
    struct beat_frame lie = frame_of(BEAT_REQUEST, 41);
    lie.acked = 1000;
    ask_with(lie, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 41, ZK_NO_NODE);
    assert_int_equal(((struct beat_client *)rig->net.conns[0].stream)->acked, 40);
}

static void ask_piece(uint64_t sequence, uint32_t size, uint32_t index)
{
    struct beat_frame frame = frame_of(BEAT_REQUEST, sequence);
    frame.code = ZK_OP_SET_DATA;
    frame.message_size = size;
    frame.index = (uint16_t)index;
    frame.bytes = message + index * BEAT_WIRE_PIECE_SIZE;
    frame.size = beat_wire_piece_size(size, index);
    put(&frame);
}

static uint32_t large_set(uint32_t data_size)
{
    struct jute_out out = jute_out(message, sizeof(message));
    jute_put_bytes(&out, bytes_of_string("/a"));
    jute_put_int(&out, (int32_t)data_size);
    for (uint32_t i = 0; i < data_size; i++)
        jute_put_byte(&out, (uint8_t)(i * 7 ^ i >> 8));
    jute_put_int(&out, -1);
    assert_false(out.bad);
    return (uint32_t)(out.at - message);
}

static void test_pieces(void **state)
{
    uint32_t size = large_set(BEAT_WIRE_MESSAGE_MAX - 14), count = beat_wire_pieces(size);
    (void)state;
    assert_int_equal(size, BEAT_WIRE_MESSAGE_MAX);
    attach();
    for (uint32_t i = count; i-- > 1;) {
        ask_piece(1, size, i);
        ask_piece(1, size, i); /* each twice, backwards */
        rig_run(rig);
    }
    ask_piece(1, size - 1, 0); /* of another message: not taken */
    rig_run(rig);
    assert_null(rig_peek(rig));
    ask_piece(1, size, 0);
    rig_run(rig);
    const struct command *c = rig_peek(rig);
    assert_non_null(c);
    assert_int_equal(c->body_size, size);
    assert_memory_equal(c + 1, message, size);
    rig_serve(rig);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
}

static void test_answer_in_pieces(void **state)
{
    static char data[30001];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(data); i++)
        data[i] = (char)('a' + i % 26);
    tree_has("/big", data);
    attach();
    ask(1, ZK_OP_GET_DATA, "/big", NULL);
    rig_run(rig);
    message_size = 0;
    while (take()) {
        assert_int_equal(got.message_size, 30000 + 4 + ZK_STAT_SIZE);
        assert_int_equal(got.index, message_size / BEAT_WIRE_PIECE_SIZE);
        memcpy(message + message_size, got.bytes, got.size);
        message_size += got.size;
    }
    assert_int_equal(message_size, 30000 + 4 + ZK_STAT_SIZE);
    assert_memory_equal(message + 4, data, 30000);
}

/* An answer above the limit of a message is an error, not the end of the attach. */
static void test_answer_too_large(void **state)
{
    static char data[BEAT_WIRE_MESSAGE_MAX + 1];
    (void)state;
    memset(data, 'x', sizeof(data) - 1);
    tree_has("/big", data);
    attach();
    ask(1, ZK_OP_GET_DATA, "/big", NULL);
    ask(2, ZK_OP_EXISTS, "/big", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 1, ZK_SYSTEM_ERROR);
    expect(BEAT_REPLY, 2, 0);
}

static void test_unfit_operation(void **state)
{
    (void)state;
    attach();
    ask(1, ZK_OP_RECONFIG, "/a", NULL);
    ask(2, 4711, "/a", NULL);
    ask(3, ZK_OP_EXISTS, "/a", NULL); /* the attach goes on */
    rig_run(rig);
    expect(BEAT_REPLY, 1, ZK_UNIMPLEMENTED);
    expect(BEAT_REPLY, 2, ZK_UNIMPLEMENTED);
    expect(BEAT_REPLY, 3, ZK_NO_NODE);
    assert_null(rig_peek(rig));
}

static void test_deadline(void **state)
{
    struct beat_frame late = frame_of(BEAT_REQUEST, 1);
    (void)state;
    attach();
    late.time = rig->now.mono_ns - 1;
    ask_with(late, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 1, ZK_REQUEST_TIMEOUT);
    late.sequence = 2;
    ask_with(late, ZK_OP_SET_DATA, "/a", "x");
    rig_run(rig);
    const struct command *c = rig_peek(rig); /* only the record can say */
    assert_non_null(c);
    assert_int_equal(c->flags, COMMAND_ONCE | COMMAND_LATE);
    rig_reply(rig, c, ZK_REQUEST_TIMEOUT, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REPLY, 2, ZK_REQUEST_TIMEOUT);
    late.sequence = 3;
    late.time = rig->now.mono_ns + NS_PER_S;
    ask_with(late, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 3, ZK_NO_NODE);
}

/* Answers the barrier that reads wait for, and for nothing else. */
static void answer_barrier(void)
{
    const struct command *c = rig_peek(rig);
    assert_non_null(c);
    assert_int_equal(c->kind, COMMAND_QUERY);
    assert_int_equal(c->op, COMMAND_OP_BARRIER);
    rig_reply(rig, c, ZK_OK, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
}

/* reads.mode linearizable: a read whose deadline passes while it waits takes its barrier along. */
static void test_deadline_behind_a_barrier(void **state)
{
    static struct core_state page;
    struct beat_frame late = frame_of(BEAT_REQUEST, 1);
    (void)state;
    attach();
    core_state_init(&page, true, true, 2000);
    core_state_tell(&page, 3, 2, CORE_ROLE_FOLLOWER, 5, rig->now.mono_ns);
    rig->net.parts.state = &page;
    rig->net.config.linearizable = true;
    late.time = rig->now.mono_ns + NS_PER_MS;
    ask_with(late, ZK_OP_EXISTS, "/a", NULL);
    expect_nothing();
    rig->now.mono_ns += 2 * NS_PER_MS;
    answer_barrier();
    expect(BEAT_REPLY, 1, ZK_REQUEST_TIMEOUT);
    ask_with(frame_of(BEAT_REQUEST, 2), ZK_OP_EXISTS, "/a", NULL);
    expect_nothing(); /* it came later: another barrier */
    answer_barrier();
    expect(BEAT_REPLY, 2, ZK_NO_NODE);
}

/* ---- events ---- */

static void test_events(void **state)
{
    (void)state;
    attach();
    ask(1, ZK_OP_EXISTS, "/a", "watch");
    rig_run(rig);
    expect(BEAT_REPLY, 1, ZK_NO_NODE);
    assert_int_equal(got.event, 0);
    tree_has("/a", "");
    expect(BEAT_EVENT, 0, ZK_EVENT_CREATED);
    assert_int_equal(got.event, 1);
    assert_int_equal(got.time, rig->zxid);
    assert_memory_equal(got.bytes, "/a", 2);
    assert_int_equal(got.size, 2);
    ask(2, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 2, 0);
    assert_int_equal(got.event, 1); /* to be kept back until event 1 is there */
    for (int i = 0; i < 3; i++) {
        rig_pass(rig, 51);
        rig_run(rig);
        expect(BEAT_EVENT, 0, ZK_EVENT_CREATED);
        expect_nothing();
    }
    struct beat_frame ack = frame_of(BEAT_ACK, 0);
    ack.event = 2; /* of one that was not sent: not counted */
    put(&ack);
    rig_pass(rig, 51);
    rig_run(rig);
    expect(BEAT_EVENT, 0, ZK_EVENT_CREATED);
    ack.event = 1;
    put(&ack);
    rig_run(rig);
    rig_pass(rig, 500);
    expect_nothing();
    assert_null(beat.telling);
}

static void test_too_many_events(void **state)
{
    (void)state;
    attach();
    uint8_t body[64];
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_bytes(&out, bytes_of_string("/"));
    jute_put_int(&out, 1);
    struct beat_frame frame = frame_of(BEAT_REQUEST, 1);
    frame.code = ZK_OP_ADD_WATCH;
    frame.bytes = body;
    frame.size = frame.message_size = (uint32_t)(out.at - body);
    put(&frame);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    tree_has("/a", "");
    expect(BEAT_EVENT, 0, ZK_EVENT_CREATED);
    for (uint32_t i = 2; i <= BEAT_EVENTS_MAX; i++) {
        rig_set(rig, "/a", "x");
        rig_publish(rig);
        rig_turn(rig);
        expect(BEAT_EVENT, 0, ZK_EVENT_DATA_CHANGED);
    }
    rig_set(rig, "/a", "x");
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REFUSED, 0, BEAT_NOT_ATTACHED);
    assert_int_equal(rig->net.conn_count, 0);
    assert_int_equal(rig->net.watches.count, 0);
}

/* ---- ends ---- */

static void test_session_ends(void **state)
{
    (void)state;
    attach();
    rig_zxid(rig);
    rig_session(rig, SID, 1, SESSION_EXPIRED);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REFUSED, 0, BEAT_NOT_ATTACHED);
    assert_int_equal(got.session, SID);
    expect_nothing();
    assert_int_equal(rig->net.conn_count, 0);
}

/* Its answer, and its end, in one turn: the client is told that this OPEN came to nothing. */
static void test_session_ends_before_it_is_told(void **state)
{
    (void)state;
    open_as(5, 0, 0, 200);
    assert_int_equal(rig_serve(rig), 1);
    rig_zxid(rig);
    rig_session(rig, SID, 1, SESSION_EXPIRED);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REFUSED, 5, BEAT_BUSY);
    expect_nothing();
    assert_int_equal(rig->net.conn_count, 0);
}

static void test_close(void **state)
{
    (void)state;
    attach();
    struct beat_frame frame = frame_of(BEAT_REQUEST, 1);
    frame.code = ZK_OP_CLOSE_SESSION;
    put(&frame);
    rig_run(rig);
    rig_serve(rig);
    rig_run(rig);
    expect(BEAT_REPLY, 1, 0);
    expect_nothing();
    put(&frame); /* its answer was lost */
    rig_run(rig);
    expect(BEAT_REFUSED, 1, BEAT_NOT_ATTACHED);
    assert_int_equal(rig->net.conn_count, 0);
}

/* A request without a record, kept until its turn: its slot has no bytes. */
static void test_empty_ahead(void **state)
{
    (void)state;
    attach();
    struct beat_frame frame = frame_of(BEAT_REQUEST, 2);
    frame.code = ZK_OP_MULTI;
    put(&frame);
    rig_run(rig);
    assert_null(rig_peek(rig));
    ask(1, ZK_OP_EXISTS, "/a", NULL);
    rig_run(rig);
    expect(BEAT_REPLY, 1, ZK_NO_NODE);
    assert_non_null(rig_peek(rig));
    assert_int_equal(rig_peek(rig)->body_size, 0);
    rig_serve(rig);
    rig_run(rig);
    expect(BEAT_REPLY, 2, 0);
    expect_nothing();
}

static void test_moved(void **state)
{
    (void)state;
    attach();
    ask(1, ZK_OP_SET_DATA, "/a", "x");
    rig_run(rig);
    rig_reply(rig, rig_peek(rig), ZK_SESSION_MOVED, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    expect(BEAT_REFUSED, 0, BEAT_NOT_ATTACHED); /* no answer: it may have been carried out */
    expect_nothing();
}

/* ---- what is not for it, or not right ---- */

static void test_misrouted(void **state)
{
    (void)state;
    attach();
    struct beat_frame frame = frame_of(BEAT_RENEW, 1);
    frame.to = NODE + 1;
    put(&frame);
    frame.to = 0; /* anybody: not a RENEW */
    put(&frame);
    expect_nothing();
    assert_int_equal(counters_get(&rig->counters, METRIC_beat_misrouted_total), 2);
    frame.to = NODE;
    frame.attach = 2;
    put(&frame);
    rig_run(rig);
    expect(BEAT_REFUSED, 1, BEAT_NOT_ATTACHED);
    frame.attach = 1;
    from.port++; /* from elsewhere */
    put(&frame);
    rig_run(rig);
    expect(BEAT_REFUSED, 1, BEAT_NOT_ATTACHED);
    from.port--;
    put(&frame);
    rig_run(rig);
    expect(BEAT_RENEWED, 1, 0);
}

static void test_damage_has_no_effect(void **state)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    struct beat_frame frame = frame_of(BEAT_RENEW, 1);
    (void)state;
    attach();
    uint32_t size = beat_wire_encode(&frame, NULL, room);
    for (uint32_t bit = 0; bit < size * 8; bit++) {
        if (bit / 8 == 4)
            continue; /* the version is answered */
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(datagram_sim_put(port, &from, room, size));
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        rig_turn(rig);
        assert_false(take());
    }
    room[4] = 2;
    assert_true(datagram_sim_put(port, &from, room, size));
    rig_run(rig);
    expect(BEAT_REFUSED, 1, BEAT_OTHER_VERSION);
}

static void test_marked(void **state)
{
    static const char secret[] = "7 000102030405060708090a0b0c0d0e0f\n"
                                 "8 f00102030405060708090a0b0c0d0e0f";
    struct beat_config config = {.endpoint = NODE, .timeout_ms_min = 1};
    (void)state;
    assert_int_equal(peer_keys_parse(&config.keys, secret, sizeof(secret) - 1, NULL), 0);
    start(&config);
    attach();
    struct beat_frame frame = frame_of(BEAT_RENEW, 1);
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t size = beat_wire_encode(&frame, NULL, room); /* none */
    assert_true(datagram_sim_put(port, &from, room, size));
    size = beat_wire_encode(&frame, &config.keys.key[0], room);
    room[size - 1] ^= 1; /* a wrong one */
    assert_true(datagram_sim_put(port, &from, room, size));
    expect_nothing();
    assert_int_equal(counters_get(&rig->counters, METRIC_beat_unproven_total), 2);
    room[size - 1] ^= 1;
    assert_true(datagram_sim_put(port, &from, room, size));
    rig_run(rig);
    expect(BEAT_RENEWED, 1, 0);
    assert_int_equal(got.key, 8);
}

static void test_config(void **state)
{
    struct beat_config none = {.timeout_ms_min = 1}, zero = {.endpoint = 1};
    struct datagram_sim_setup setup_of = {.in_count = 1};
    struct beat refused;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct datagram_port *its;
        assert_int_equal(datagram_sim_open(&setup_of, &its), 0);
        assert_int_equal(beat_init(&refused, i ? &none : &zero, &rig->net, its), ERR_RANGE);
        beat_fini(&refused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_is_repeated),
        TEST(test_open_while_it_is_asked),
        TEST(test_open_resumes),
        TEST(test_open_expired),
        TEST(test_open_refused),
        TEST(test_open_near_the_last_number),
        TEST(test_get),
        TEST(test_write_once),
        TEST(test_any_order),
        TEST(test_read_waits_for_write),
        TEST(test_credits),
        TEST(test_pieces),
        TEST(test_answer_in_pieces),
        TEST(test_answer_too_large),
        TEST(test_unfit_operation),
        TEST(test_deadline),
        TEST(test_deadline_behind_a_barrier),
        TEST(test_events),
        TEST(test_too_many_events),
        TEST(test_session_ends),
        TEST(test_session_ends_before_it_is_told),
        TEST(test_close),
        TEST(test_empty_ahead),
        TEST(test_moved),
        TEST(test_misrouted),
        TEST(test_damage_has_no_effect),
        cmocka_unit_test_teardown(test_marked, teardown),
        TEST(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
