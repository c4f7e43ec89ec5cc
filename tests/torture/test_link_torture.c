/* Goal: a link between two real threads loses, doubles, reorders and tears nothing. Method: the
 * producer sends numbered records of seeded random size whose bytes follow from their number; the
 * consumer checks each one; both stall at random so that the ring is full and empty in turn.
 * TAKT_TORTURE_SECONDS (default 1) says for how long. */
#include "base/check.h"
#include "base/clock.h"
#include "base/link.h"
#include "base/rand.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct link torture_link;
static _Atomic bool torture_stop;
static uint64_t torture_sent;

static uint32_t size_of(uint64_t number)
{
    struct rand r;
    rand_seed(&r, number);
    return 8 + (uint32_t)rand_below(&r, number % 50 ? 100 : 1000);
}

static void *producer(void *arg)
{
    struct rand r;
    rand_seed(&r, 1);
    for (uint64_t number = 1; !atomic_load(&torture_stop);) {
        uint32_t burst = 1 + (uint32_t)rand_below(&r, 20);
        while (burst--) {
            uint32_t size = size_of(number);
            uint8_t *at = link_reserve(&torture_link, size);
            if (!at)
                break;
            memcpy(at, &number, 8);
            memset(at + 8, (int)(number & 0xff), size - 8);
            torture_sent = number++;
        }
        link_publish(&torture_link);
        if (rand_below(&r, 200) == 0)
            sched_yield();
    }
    return NULL;
}

static void test_every_record_arrives_once_and_whole(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    uint64_t end = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    uint64_t expected = 1;
    struct rand r;
    pthread_t thread;

    rand_seed(&r, 2);
    assert_int_equal(link_init(&torture_link, "a_b", 8192), 0);
    assert_int_equal(pthread_create(&thread, NULL, producer, NULL), 0);
    for (uint64_t looks = 0;; looks++) {
        uint32_t size;
        const uint8_t *at = link_peek(&torture_link, &size);
        if (at) {
            uint64_t number;
            memcpy(&number, at, 8);
            CHECK(number == expected);
            CHECK(size == size_of(number));
            for (uint32_t i = 8; i < size; i++)
                CHECK(at[i] == (uint8_t)number);
            expected++;
            link_pop(&torture_link);
            if (rand_below(&r, 10) == 0)
                link_release(&torture_link);
        } else {
            link_release(&torture_link);
            if (atomic_load(&torture_stop) && link_empty(&torture_link))
                break;
            sched_yield();
        }
        if (looks % 1024 == 0 && clock_now().mono_ns > end && !atomic_load(&torture_stop)) {
            atomic_store(&torture_stop, true);
            pthread_join(thread, NULL);
        }
    }
    assert_int_equal(expected - 1, torture_sent);
    assert_true(torture_sent > 10000);
    link_fini(&torture_link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_record_arrives_once_and_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
