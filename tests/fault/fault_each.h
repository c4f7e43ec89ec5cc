/* fault_each: the tests that every scenario over a fault_disk has: call N of it fails, for N = 0,
 * 1, 2, ... until none is left to fail, once for each way to fail. One thread.
 *
 *   static bool log_survives(enum fault_disk_how how, uint64_t n);     one run, with its checks
 *   ...
 *   const struct CMUnitTest tests[] = {FAULT_EACH_TESTS("test_log", log_survives, 150)};
 */
#pragma once

#include "tests/fault/fault_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One scenario in one way. one runs it with call n (from 0) failing, checks, and returns whether it
 * came to that call. */
struct fault_each {
    enum fault_disk_how how;
    bool (*one)(enum fault_disk_how how, uint64_t n);
    uint64_t calls_min; /* the scenario makes more calls than this that can fail */
};

/* fault_each_test is the body of such a test; *state is a struct fault_each. */
void fault_each_test(void **state);

#define FAULT_EACH_TEST(name, how, one, calls_min)                                                 \
    {                                                                                              \
        name, fault_each_test, NULL, NULL, &(struct fault_each)                                    \
        {                                                                                          \
            how, one, calls_min                                                                    \
        }                                                                                          \
    }

/* Four elements of an array of tests, in the block that runs them. */
#define FAULT_EACH_TESTS(name, one, calls_min)                                                     \
    FAULT_EACH_TEST(name "_eio", FAULT_DISK_EIO, one, calls_min),                                  \
        FAULT_EACH_TEST(name "_eio_after_the_fact", FAULT_DISK_LATE, one, calls_min),              \
        FAULT_EACH_TEST(name "_short_write", FAULT_DISK_SHORT, one, calls_min),                    \
        FAULT_EACH_TEST(name "_disk_full", FAULT_DISK_FULL, one, calls_min)
