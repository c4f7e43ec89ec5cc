/* Goal: a stream's buffers keep every byte in order, hold no memory while empty, and stop at their
 * limits. Method: the cases by hand, then seeded runs against a naive copy of the bytes. */
#include "base/rand.h"
#include "dataplane/port/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 65536u

static struct slab slab;
static struct port port;
static uint32_t flushed;

static void flush_counts(struct port *p, struct stream *stream)
{
    flushed++;
}

static const struct port_ops ops = {.flush = flush_counts};

static int set_up_sized(uint64_t slab_size)
{
    const struct port_setup setup = {.slab = &slab, .rx_limit = LIMIT, .tx_limit = LIMIT};
    flushed = 0;
    return slab_init(&slab, slab_size) || port_init(&port, &ops, &setup);
}

static int set_up(void **state)
{
    return set_up_sized(64 << 20);
}

static int tear_down(void **state)
{
    slab_fini(&slab);
    return 0;
}

static void test_limits_of_a_port(void **state)
{
    struct port p;
    struct port_setup setup = {.slab = &slab, .rx_limit = 1, .tx_limit = LIMIT};
    assert_int_equal(port_init(&p, &ops, &setup), ERR_RANGE);
    setup.rx_limit = LIMIT;
    setup.tx_limit = (1u << 27) + 1;
    assert_int_equal(port_init(&p, &ops, &setup), ERR_RANGE);
    setup.tx_limit = 1u << 27;
    assert_int_equal(port_init(&p, &ops, &setup), 0);
}

static void test_lent_bytes_are_kept_when_left(void **state)
{
    struct stream stream;
    stream_init(&stream, &port);
    uint8_t room[64] = "..........abcdef";
    uint32_t size;
    assert_true(stream_rx_wanted(&stream));
    assert_null(stream_rx(&stream, &size));

    stream_rx_lend(&stream, room + 10, 6);
    assert_false(stream_rx_wanted(&stream));
    assert_ptr_equal(stream_rx(&stream, &size), room + 10);
    assert_int_equal(size, 6);
    assert_int_equal(slab.in_use, 0);
    stream_consume(&stream, 2);
    assert_int_equal(stream_rx_want(&stream, 8), 0);
    assert_int_equal(stream_rx_settle(&stream), 0);
    memset(room, '!', sizeof(room));
    assert_memory_equal(stream_rx(&stream, &size), "cdef", 4);
    assert_int_equal(size, 4);
    assert_int_equal(slab.in_use, STREAM_PIECE_SIZE_MIN);
    assert_true(stream_rx_wanted(&stream));

    /* The kept bytes go in front of the next lent ones. */
    memcpy(room + 10, "ghij", 4);
    stream_rx_lend(&stream, room + 10, 4);
    assert_int_equal(slab.in_use, 0);
    assert_memory_equal(stream_rx(&stream, &size), "cdefghij", 8);
    assert_int_equal(size, 8);
    stream_consume(&stream, 8);
    assert_int_equal(stream_rx_settle(&stream), 0);
    assert_int_equal(slab.in_use, 0);
}

static void test_rx_grows_to_the_wanted_frame(void **state)
{
    struct stream stream;
    stream_init(&stream, &port);
    uint32_t size, filled = 0;
    assert_int_equal(stream_rx_append(&stream, "ab", 2), 0);
    assert_int_equal(stream_rx_want(&stream, LIMIT), 0);
    assert_int_equal(stream_rx_want(&stream, LIMIT + 1), ERR_LIMIT);
    assert_int_equal(stream_rx_settle(&stream), 0);
    while (stream_rx_wanted(&stream)) {
        uint8_t *at = stream_rx_room(&stream, &size);
        assert_non_null(at);
        uint32_t n = size < 1000 ? size : 1000;
        memset(at, 'x', n);
        stream_rx_commit(&stream, n);
        filled += n;
    }
    assert_true(filled >= LIMIT - 2);
    const uint8_t *at = stream_rx(&stream, &size);
    assert_memory_equal(at, "abxx", 4);
    stream_consume(&stream, size);
    assert_int_equal(stream_rx_settle(&stream), 0);
    assert_int_equal(slab.in_use, 0);
}

static void test_tx_stops_at_the_limit_and_drains(void **state)
{
    struct stream stream;
    stream_init(&stream, &port);
    uint32_t size, total = 0;
    uint8_t *at;
    while ((at = stream_tx_room(&stream, 4096))) {
        memset(at, (int)(total / 4096), 4096);
        stream_tx_commit(&stream, 4096);
        total += 4096;
    }
    assert_int_equal(total, LIMIT);
    assert_true(stream.tx_refused);
    assert_false(stream.failed);
    uint32_t sent = 0;
    bool drained = false;
    while (stream_tx(&stream, &size)) {
        assert_int_equal(*stream_tx(&stream, &size), (int)(sent / 4096));
        drained = stream_tx_sent(&stream, 4096);
        sent += 4096;
        assert_true(drained == (sent == LIMIT - LIMIT / 4)); /* once, at a quarter */
    }
    assert_int_equal(slab.in_use, 0);
    assert_null(stream_tx_room(&stream, LIMIT + 1));
    assert_non_null(stream_tx_room(&stream, 1));
    stream_release(&stream);
    assert_int_equal(slab.in_use, 0);
}

static void test_out_of_slab_fails_the_stream(void **state)
{
    slab_fini(&slab);
    assert_int_equal(set_up_sized(2 * STREAM_PIECE_SIZE_MIN), 0);
    struct stream a, b;
    stream_init(&a, &port);
    stream_init(&b, &port);
    assert_int_equal(stream_rx_append(&a, "1", 1), 0);
    assert_non_null(stream_tx_room(&a, 1));
    assert_int_equal(stream_rx_append(&b, "1", 1), ERR_NOMEM);
    assert_true(b.failed);
    b.failed = false;
    assert_null(stream_tx_room(&b, 1));
    assert_true(b.failed);
    port_flush(&port); /* the port gets to see it */
    assert_int_equal(flushed, 1);
    uint8_t lent[4] = "abc";
    b.failed = false;
    stream_rx_lend(&b, lent, 3);
    assert_int_equal(stream_rx_settle(&b), ERR_NOMEM);
    uint32_t size;
    assert_null(stream_rx(&b, &size)); /* nothing points at the lent room any more */
    assert_true(b.failed);
}

static void test_dirty_list(void **state)
{
    struct stream streams[3];
    for (int i = 0; i < 3; i++) {
        stream_init(&streams[i], &port);
        assert_int_equal(streams[i].id, i + 1);
        memset(stream_tx_room(&streams[i], 8), 0, 8);
        stream_tx_commit(&streams[i], 4);
        memset(stream_tx_room(&streams[i], 4), 0, 4);
        stream_tx_commit(&streams[i], 4);
    }
    port_forget(&port, &streams[1]);
    port_forget(&port, &streams[1]);
    port_flush(&port);
    assert_int_equal(flushed, 2);
    assert_null(port.dirty);
    for (int i = 0; i < 3; i++)
        stream_release(&streams[i]);
}

/* Frames of random sizes go in by random pieces, lent or appended, and are taken out whole. */
static void run_against_copy(uint64_t seed)
{
    static uint8_t room[2 * LIMIT];
    struct rand rand;
    struct stream stream;
    rand_seed(&rand, seed);
    stream_init(&stream, &port);
    uint8_t next_in = 0, next_out = 0;
    uint32_t size, frame = 1;
    for (int step = 0; step < 3000; step++) {
        if (stream_rx_wanted(&stream)) {
            uint32_t n = 1 + (uint32_t)rand_below(&rand, rand_below(&rand, 4) ? 64 : 20000);
            for (uint32_t i = 0; i < n; i++)
                room[LIMIT + i] = next_in++;
            if (rand_below(&rand, 2))
                stream_rx_lend(&stream, room + LIMIT, n);
            else
                assert_int_equal(stream_rx_append(&stream, room + LIMIT, n), 0);
        }
        const uint8_t *at;
        while ((at = stream_rx(&stream, &size)) && size >= frame) {
            for (uint32_t i = 0; i < frame; i++)
                assert_int_equal(at[i], (uint8_t)(next_out + i));
            next_out = (uint8_t)(next_out + frame);
            stream_consume(&stream, frame);
            frame = 1 + (uint32_t)rand_below(&rand, rand_below(&rand, 8) ? 300 : LIMIT);
        }
        assert_int_equal(stream_rx_want(&stream, frame), 0);
        assert_int_equal(stream_rx_settle(&stream), 0);
        memset(room, 0xee, sizeof(room));
        assert_true(size > 0 || slab.in_use == 0);
    }
    stream_release(&stream);
    assert_int_equal(slab.in_use, 0);
}

static void test_seeded_frames(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        run_against_copy(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_limits_of_a_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lent_bytes_are_kept_when_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rx_grows_to_the_wanted_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tx_stops_at_the_limit_and_drains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_slab_fails_the_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dirty_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seeded_frames, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
