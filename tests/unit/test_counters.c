/* Goal: a page's numbers are what was written, sums span pages, percentiles bound their samples.
 * Method: small pages written by hand; percentiles of a known set against its sorted order. */
#include "base/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_values(void **state)
{
    static struct counters a, b;
    struct counters_book book = {0};
    counters_init(&a, "net", 0);
    counters_init(&b, "net", 1);
    counters_book_add(&book, &a);
    counters_book_add(&book, &b);
    counters_add(&a, METRIC_net_reads_total, 5);
    counters_add(&b, METRIC_net_reads_total, 7);
    counters_set(&b, METRIC_net_watches, 3);
    counters_add(&b, METRIC_net_watches, (uint64_t)-1);
    assert_int_equal(counters_sum(&book, METRIC_net_reads_total), 12);
    assert_int_equal(counters_max(&book, METRIC_net_reads_total), 7);
    assert_int_equal(counters_get(&b, METRIC_net_watches), 2);
}

static void test_texts(void **state)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        const struct metric_text *text = counters_text((enum metric)m);
        bool total =
            strlen(text->name) > 6 && !strcmp(text->name + strlen(text->name) - 6, "_total");
        assert_true(strlen(text->help) > 5);
        assert_int_equal(total, text->kind == METRIC_KIND_COUNTER); /* Prometheus' convention */
    }
}

static void test_percentiles(void **state)
{
    static struct counters page;
    struct counters_book book = {0};
    counters_init(&page, "net", 0);
    counters_book_add(&book, &page);
    assert_int_equal(counters_latency_percentile(&book, 50), 0);
    for (uint64_t i = 1; i <= 10000; i++)
        counters_latency(&page, i * 1000);
    uint64_t p50 = counters_latency_percentile(&book, 50);
    uint64_t p99 = counters_latency_percentile(&book, 99);
    assert_in_range(p50, 5000000, 5000000 * 5 / 4);
    assert_in_range(p99, 9900000, 9900000 * 5 / 4);
    counters_latency(&page, UINT64_MAX);
    assert_true(counters_latency_percentile(&book, 100) >= 1ull << 39);
    counters_init(&page, "net", 0);
    for (uint64_t ns = 0; ns < 4; ns++) {
        counters_latency(&page, ns);
        assert_int_equal(counters_latency_percentile(&book, 100), ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
