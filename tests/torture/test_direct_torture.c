/* Goal: links whose roles share a thread (link_direct) lose, double, reorder and tear nothing,
 * however calls and rings take turns, and what others read of them meanwhile is never absurd.
 * Method: three links in a row as in a node (net_core, core_apply, apply_net); a record goes as far
 * in one call as the roles take it. Each role refuses at random, and in spells that fill every ring
 * before it; the roles' turns come in random order. The end checks each record, and a second thread
 * reads the counters of the links, as takt top does.
 * TAKT_TORTURE_SECONDS (default 1) says for how long. */
#include "base/check.h"
#include "base/clock.h"
#include "base/link.h"
#include "base/rand.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINKS     3
#define DEPTH     4096u
#define RECORD_MAX 300u
#define ROOM      (4 * (RECORD_MAX + 16)) /* a record for certain, and what is skipped before it */
#define TURNS_MIN 20000u                 /* fewer do not meet everything that is counted below */

/* The consumer of a link; it hands on to the next link, the last one to nobody. */
struct direct_role {
    struct link *in, *out;
    uint64_t expected;       /* number of the next record */
    uint64_t called, ringed; /* records that came by the call, and by the ring */
    uint64_t refused, full;  /* calls not taken, and turns without room in `out` */
    uint32_t left;           /* of this turn's bound */
    uint32_t held_turns;     /* it takes nothing for so long */
    bool in_call;
};

static struct link links[LINKS];
static struct direct_role roles[LINKS];
static struct rand rand_of_turns;
static _Atomic bool direct_stop;

static uint32_t size_of(uint64_t number)
{
    struct rand r;
    rand_seed(&r, number);
    return 8 + (uint32_t)rand_below(&r, RECORD_MAX - 8);
}

static void fill(uint8_t *to, uint64_t number)
{
    memcpy(to, &number, 8);
    memset(to + 8, (int)(number & 0xff), size_of(number) - 8);
}

static void check(const uint8_t *at, uint32_t size, uint64_t expected)
{
    uint64_t number;
    memcpy(&number, at, 8);
    CHECK(number == expected);
    CHECK(size == size_of(number));
    for (uint32_t i = 8; i < size; i++)
        CHECK(at[i] == (uint8_t)number);
}

/* Sends a record by one of the two ways that a producer has. Room was looked at. */
static void send(struct link *link, uint64_t number)
{
    uint8_t elsewhere[RECORD_MAX];
    uint32_t size = size_of(number);

    if (rand_below(&rand_of_turns, 2)) {
        fill(elsewhere, number);
        if (link_pass(link, elsewhere, size))
            return;
        uint8_t *at = link_reserve(link, size);
        CHECK(at);
        memcpy(at, elsewhere, size);
        return;
    }
    uint8_t *at = link_reserve(link, RECORD_MAX);
    CHECK(at);
    fill(at, number);
    link_shrink(link, at, size);
    link_hand(link, at);
}

static bool may_take(struct direct_role *role)
{
    if (role->held_turns || role->left == 0)
        return false;
    if (!role->out || link_room(role->out) >= ROOM)
        return true;
    role->full++;
    return false;
}

static void eat(struct direct_role *role, const uint8_t *record, uint32_t size)
{
    uint64_t number = role->expected++;

    check(record, size, number);
    role->left--;
    if (role->out)
        send(role->out, number);
}

static bool take(void *self, const void *record, uint32_t size)
{
    struct direct_role *role = self;

    CHECK(!role->in_call); /* a record does not come back to where it is being taken */
    if (!may_take(role)) {
        role->refused++;
        return false;
    }
    role->in_call = true;
    eat(role, record, size);
    role->in_call = false;
    role->called++;
    return true;
}

/* A role's turn: what is in its ring, as far as it takes it. */
static void poll(struct direct_role *role)
{
    const uint8_t *record;
    uint32_t size;

    role->held_turns -= role->held_turns > 0;
    if (role->held_turns == 0 && rand_below(&rand_of_turns, 60) == 0)
        role->held_turns = (uint32_t)rand_below(&rand_of_turns, 40);
    role->left = 1 + (uint32_t)rand_below(&rand_of_turns, 12);
    while (may_take(role) && (record = link_peek(role->in, &size))) {
        eat(role, record, size);
        link_pop(role->in);
        role->ringed++;
        if (rand_below(&rand_of_turns, 3) == 0)
            link_release(role->in);
    }
    link_release(role->in);
    if (role->out)
        link_publish(role->out);
}

static uint64_t produce(uint64_t number)
{
    for (uint64_t burst = rand_below(&rand_of_turns, 6); burst--;) {
        if (link_room(&links[0]) < ROOM)
            break;
        send(&links[0], number++);
    }
    link_publish(&links[0]);
    return number;
}

/* The roles' turns, in an order that changes: what a role leaves may wait for the next turn. */
static void turn(void)
{
    uint32_t first = (uint32_t)rand_below(&rand_of_turns, LINKS), step = 1 + first % 2;

    for (uint32_t i = 0; i < LINKS; i++)
        poll(&roles[(first + i * step) % LINKS]);
}

/* Whoever looks from outside: numbers that grow, and fit each other. */
static void *look(void *arg)
{
    uint64_t tails[LINKS] = {0}, heads[LINKS] = {0}, full[LINKS] = {0};

    (void)arg;
    while (!atomic_load(&direct_stop))
        for (int i = 0; i < LINKS; i++) {
            uint64_t tail = atomic_load_explicit(&links[i].tail, memory_order_acquire);
            uint64_t head = atomic_load_explicit(&links[i].head, memory_order_acquire);
            uint64_t refused = atomic_load_explicit(&links[i].full_count, memory_order_relaxed);
            CHECK(head >= tail && tail >= tails[i] && head >= heads[i] && refused >= full[i]);
            CHECK(atomic_load_explicit(&links[i].high_water, memory_order_relaxed) <= DEPTH);
            tails[i] = tail;
            heads[i] = head;
            full[i] = refused;
        }
    return NULL;
}

static void begin(void)
{
    memset(roles, 0, sizeof(roles));
    rand_seed(&rand_of_turns, 1);
    for (int i = 0; i < LINKS; i++) {
        assert_int_equal(link_init(&links[i], "direct", DEPTH), 0);
        roles[i].in = &links[i];
        roles[i].out = i + 1 < LINKS ? &links[i + 1] : NULL;
        roles[i].expected = 1;
        link_direct(&links[i], take, &roles[i]);
    }
}

/* Whether a record goes from the first role to the last in one call, and by no ring. In each link
 * one of a few may not: what is left at the ring's end is skipped, and that is published. */
static bool goes_through(uint64_t number)
{
    for (uint64_t last = number + LINKS; number <= last; number++) {
        for (int i = 0; i < LINKS; i++) {
            roles[i].held_turns = 0;
            roles[i].left = 1;
        }
        send(&links[0], number);
        if (roles[LINKS - 1].expected == number + 1)
            return true;
        link_publish(&links[0]);
        while (roles[LINKS - 1].expected == number)
            turn();
    }
    return false;
}

static void test_calls_and_rings_keep_the_order(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    uint64_t end_ns = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    uint64_t number = 1;
    pthread_t thread;

    begin();
    assert_int_equal(pthread_create(&thread, NULL, look, NULL), 0);
    for (uint32_t turns = 0; turns < TURNS_MIN || clock_now().mono_ns < end_ns; turns++) {
        number = produce(number);
        turn();
    }
    while (roles[LINKS - 1].expected < number) /* nothing more is sent: all of it arrives */
        turn();
    for (int i = 0; i < LINKS; i++) {
        assert_true(link_empty(&links[i]) && link_passes(&links[i]));
        assert_int_equal(roles[i].expected, number);
        assert_int_equal(roles[i].called + roles[i].ringed, number - 1);
        assert_true(roles[i].called > 100 && roles[i].ringed > 100 && roles[i].refused > 100);
        assert_true(roles[i].full > 100 || !roles[i].out);
    }
    assert_true(goes_through(number));
    atomic_store(&direct_stop, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < LINKS; i++)
        link_fini(&links[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_and_rings_keep_the_order),
    };
    return cmocka_run_group_tests_name("direct_torture", tests, NULL, NULL);
}
