/* Goal: a datagram of beat says exactly what PROTOCOL.md says it does, and anything else is
 * refused. Method: tests/vectors/beat.txt, made by another implementation: each is decoded to the
 * fields that it names and encoded to the same bytes; then every truncation and every flipped bit
 * of each; and each rule of the header, broken by hand with the CRC made right again. */
#include "dataplane/beat/beat_wire.h"

#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTORS_MAX 64
#define CRC_AT      68

static const char secret[] = "7 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

struct vector {
    char name[32];
    struct beat_frame frame; /* bytes: into piece */
    uint8_t piece[BEAT_WIRE_PIECE_SIZE], datagram[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t size;
};

static struct vector vectors[VECTORS_MAX];
static uint32_t vector_count;
static struct peer_keys keys;

static uint32_t from_hex(const char *hex, uint8_t *to, uint32_t room)
{
    uint32_t n = 0;
    unsigned byte;
    while (sscanf(hex + n * 2, "%2x", &byte) == 1) {
        assert_true(n < room);
        to[n++] = (uint8_t)byte;
    }
    return n;
}

static void set_field(struct vector *v, const char *name, const char *text)
{
    long long value = strtoll(text, NULL, 10);
    struct beat_frame *f = &v->frame;
    if (strcmp(name, "piece") == 0)
        f->size = from_hex(text, v->piece, sizeof(v->piece));
    else if (strcmp(name, "hex") == 0)
        v->size = from_hex(text, v->datagram, sizeof(v->datagram));
    else if (strcmp(name, "kind") == 0)
        f->kind = (uint8_t)value;
    else if (strcmp(name, "flags") == 0)
        f->flags = (uint8_t)value;
    else if (strcmp(name, "key") == 0)
        f->key = (uint8_t)value;
    else if (strcmp(name, "from") == 0)
        f->from = (uint32_t)value;
    else if (strcmp(name, "to") == 0)
        f->to = (uint32_t)value;
    else if (strcmp(name, "session") == 0)
        f->session = value;
    else if (strcmp(name, "sequence") == 0)
        f->sequence = (uint64_t)value;
    else if (strcmp(name, "acked") == 0)
        f->acked = (uint64_t)value;
    else if (strcmp(name, "attach") == 0)
        f->attach = (uint32_t)value;
    else if (strcmp(name, "event") == 0)
        f->event = (uint32_t)value;
    else if (strcmp(name, "time") == 0)
        f->time = (uint64_t)value;
    else if (strcmp(name, "code") == 0)
        f->code = (int32_t)value;
    else if (strcmp(name, "credits") == 0)
        f->credits = (uint16_t)value;
    else if (strcmp(name, "index") == 0)
        f->index = (uint16_t)value;
    else if (strcmp(name, "message_size") == 0)
        f->message_size = (uint32_t)value;
    else
        fail_msg("unknown field %s", name);
}

static int read_vectors(void **state)
{
    (void)state;
    static char line[8192];
    char name[32];
    int at = 0;
    FILE *file = fopen(TAKT_SOURCE "/tests/vectors/beat.txt", "r");
    struct vector *v = NULL;
    assert_non_null(file);
    assert_int_equal(peer_keys_parse(&keys, secret, sizeof(secret) - 1, NULL), 0);
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || sscanf(line, "%31s %n", name, &at) != 1)
            continue;
        if (strcmp(name, "name") == 0) {
            assert_true(vector_count < VECTORS_MAX);
            v = &vectors[vector_count++];
            v->frame.bytes = v->piece;
            v->frame.version = BEAT_WIRE_VERSION;
            assert_int_equal(sscanf(line + at, "%31s", v->name), 1);
        } else {
            assert_non_null(v);
            set_field(v, name, line + at);
        }
    }
    fclose(file);
    assert_true(vector_count >= 20);
    return 0;
}

static void assert_same(const struct beat_frame *a, const struct beat_frame *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->key, b->key);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->acked, b->acked);
    assert_int_equal(a->attach, b->attach);
    assert_int_equal(a->event, b->event);
    assert_int_equal(a->time, b->time);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->credits, b->credits);
    assert_int_equal(a->index, b->index);
    assert_int_equal(a->message_size, b->message_size);
    assert_int_equal(a->size, b->size);
    if (a->size)
        assert_memory_equal(a->bytes, b->bytes, a->size);
}

/* Goal: a header that was prepared gives the same datagram. Method: it is prepared from a frame in
 * which everything else is that may change. */
static void assert_prepared(const struct vector *v, const struct peer_key *key)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    struct beat_wire_head head;
    struct beat_frame other = v->frame;
    other.kind ^= BEAT_ANSWER;
    other.flags ^= BEAT_LEADER;
    other.code = ~other.code;
    other.event = ~other.event;
    other.sequence = ~other.sequence;
    other.acked = ~other.acked;
    other.time = ~other.time;
    other.size = 1;
    other.message_size = 1;
    beat_wire_prepare(&other, key, &head);
    assert_int_equal(beat_wire_encode_as(&head, &v->frame, key, room), v->size);
    assert_memory_equal(room, v->datagram, v->size);
}

static void test_vectors(void **state)
{
    (void)state;
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        struct beat_frame frame;
        const struct peer_key *key = v->frame.key ? peer_keys_find(&keys, v->frame.key) : NULL;
        print_message("# vector %s\n", v->name);
        assert_int_equal(beat_wire_decode(v->datagram, v->size, &frame), 0);
        assert_same(&frame, &v->frame);
        if (key)
            assert_true(beat_wire_right(v->datagram, v->size, key));
        assert_int_equal(beat_wire_encode(&v->frame, key, room), v->size);
        assert_memory_equal(room, v->datagram, v->size);
        memset(room, 0xee, BEAT_WIRE_SIZE); /* the piece is in its place: not copied */
        struct beat_frame in_place = v->frame;
        in_place.bytes = room + BEAT_WIRE_SIZE;
        assert_int_equal(beat_wire_encode(&in_place, key, room), v->size);
        assert_memory_equal(room, v->datagram, v->size);
        if (v->frame.size == v->frame.message_size)
            assert_prepared(v, key);
        kinds |= 1u << (v->frame.kind & 7) << (v->frame.kind & BEAT_ANSWER ? 8 : 0);
    }
    assert_int_equal(kinds, 0x7e3e); /* each kind has one */
}

/* A marked datagram is right when both are. */
static bool taken(const uint8_t *bytes, uint32_t size, const struct vector *v)
{
    struct beat_frame frame;
    if (beat_wire_decode(bytes, size, &frame))
        return false;
    if (v->frame.key == 0)
        return true;
    const struct peer_key *key = peer_keys_find(&keys, frame.key);
    return key && beat_wire_right(bytes, size, key);
}

static void test_damage(void **state)
{
    (void)state;
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX + 1];
    for (uint32_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        for (uint32_t size = 0; size < v->size; size++) {
            memcpy(room, v->datagram, size);
            assert_false(taken(room, size, v));
        }
        memcpy(room, v->datagram, v->size);
        for (uint32_t bit = 0; bit < v->size * 8; bit++) {
            room[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(taken(room, v->size, v));
            room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        room[v->size] = 0;
        assert_false(taken(room, v->size + 1, v));
        assert_true(taken(room, v->size, v));
    }
}

static const struct vector *vector_named(const char *name)
{
    for (uint32_t i = 0; i < vector_count; i++) {
        if (strcmp(vectors[i].name, name) == 0)
            return &vectors[i];
    }
    fail_msg("no vector %s", name);
    return NULL;
}

/* Writes n bytes at `at` into the named vector, mends its CRC, and decodes it. */
static int broken(const char *name, uint32_t at, const char *bytes, uint32_t n)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    const struct vector *v = vector_named(name);
    struct beat_frame frame;
    memcpy(room, v->datagram, v->size);
    memcpy(room + at, bytes, n);
    uint32_t crc = crc32c(0, room, CRC_AT);
    crc = crc32c(crc, room + BEAT_WIRE_SIZE, v->size - BEAT_WIRE_SIZE);
    crc = __builtin_bswap32(crc);
    memcpy(room + CRC_AT, &crc, sizeof(crc));
    return beat_wire_decode(room, v->size, &frame);
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        uint32_t at, n;
        int err;
    } rules[] = {
        {"renew", "\x54", 0, 1, 0}, /* as it was: taken */
        {"renew", "\x55", 0, 1, ERR_MALFORMED},
        {"renew", "\x02", 4, 1, ERR_VERSION},
        {"renew", "\x00", 5, 1, ERR_MALFORMED},
        {"renew", "\x06", 5, 1, ERR_MALFORMED},
        {"renew", "\x80", 5, 1, ERR_MALFORMED},
        {"renew", "\x87", 5, 1, ERR_MALFORMED},
        {"renew", "\xff", 5, 1, ERR_MALFORMED},
        {"renew", "\x04", 6, 1, ERR_MALFORMED},          /* a flag that is none */
        {"renew", "\0\0\0\0", 8, 4, ERR_MALFORMED},      /* from nobody */
        {"renew", "\0\0\0\0\0\0\0\0", 16, 8, ERR_MALFORMED},
        {"renew", "\0\0\0\0\0\0\0\0", 24, 8, ERR_MALFORMED},
        {"renew", "\0\0\0\0", 40, 4, ERR_MALFORMED},     /* no attach */
        {"renew", "\1", 48, 1, ERR_MALFORMED},           /* a deadline */
        {"renew", "\1", 56, 1, ERR_MALFORMED},           /* an operation */
        {"renew", "\1", 60, 1, ERR_MALFORMED},           /* credits */
        {"time", "\1", 16, 1, ERR_MALFORMED},            /* a session */
        {"time", "\1", 32, 1, ERR_MALFORMED},
        {"time", "\1", 44, 1, ERR_MALFORMED},
        {"ack", "\1", 24, 1, ERR_MALFORMED},             /* a sequence */
        {"event", "\1", 24, 1, ERR_MALFORMED},
        {"renew", "\0\0\0\1", 64, 4, ERR_MALFORMED},     /* a message that is not there */
        {"set_piece_0", "\x04", 6, 1, ERR_MALFORMED},    /* REQUEST has no row in the table */
        {"set_piece_0", "\0\0\0\0", 8, 4, ERR_MALFORMED},
        {"set_piece_0", "\0\0\0\0\0\0\0\0", 16, 8, ERR_MALFORMED},
        {"set_piece_0", "\0\0\0\0\0\0\0\0", 24, 8, ERR_MALFORMED},
        {"set_piece_0", "\0\0\0\0", 40, 4, ERR_MALFORMED},
        {"set_piece_0", "\1", 60, 1, ERR_MALFORMED},
        {"set_piece_0", "\1", 61, 1, ERR_MALFORMED},
        {"set_piece_0", "\0\1", 62, 2, ERR_MALFORMED},   /* the last piece is not so long */
        {"set_piece_1", "\0\2", 62, 2, ERR_MALFORMED},   /* behind the last piece */
        {"set_piece_1", "\0\0\x07\xe6", 64, 4, ERR_MALFORMED},
        {"set_piece_0", "\0\0\xf0\0", 64, 4, 0},         /* the largest message */
        {"set_piece_0", "\0\0\xf0\1", 64, 4, ERR_MALFORMED},
        {"set_piece_0", "\xff\xff\xff\xff", 64, 4, ERR_MALFORMED},
    };
    for (uint32_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        print_message("# rule %u: %s\n", i, rules[i].name);
        assert_int_equal(broken(rules[i].name, rules[i].at, rules[i].bytes, rules[i].n),
                         rules[i].err);
    }
}

/* Who speaks another version is known, so that it can be told. */
static void test_version(void **state)
{
    (void)state;
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    struct beat_frame frame;
    const struct vector *v = vector_named("renew");
    memcpy(room, v->datagram, v->size);
    room[4] = 9;
    assert_int_equal(beat_wire_decode(room, v->size, &frame), ERR_VERSION);
    assert_int_equal(frame.version, 9);
    assert_int_equal(frame.from, 77);
    assert_int_equal(frame.session, v->frame.session);
    assert_int_equal(beat_wire_decode(v->datagram, v->size - 1, &frame), ERR_MALFORMED);
    room[4] = BEAT_WIRE_VERSION;
    room[CRC_AT] ^= 1;
    assert_int_equal(beat_wire_decode(room, v->size, &frame), ERR_CORRUPT);
}

static void test_pieces(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 1311, 1312, 1313, 2624, 2625, BEAT_WIRE_MESSAGE_MAX};
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t sum = 0, count = beat_wire_pieces(sizes[i]);
        for (uint32_t index = 0; index < count; index++)
            sum += beat_wire_piece_size(sizes[i], index);
        assert_int_equal(sum, sizes[i]);
        assert_true(count <= BEAT_WIRE_PIECE_COUNT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_rules),   cmocka_unit_test(test_version),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, read_vectors, NULL);
}
