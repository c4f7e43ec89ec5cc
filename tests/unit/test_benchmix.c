/* Goal: the mix that is asked for is the mix that is sent, and counts add up. Method: each form,
 * each refusal, a million draws against their shares, merges by hand; /proc's text with a hard
 * name. */
#include "tools/takt/bench_proc.h"
#include "tools/takt/bench_stats.h"
#include "tools/takt/benchmix.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_forms(void **state)
{
    struct benchmix mix;
    struct fault fault;
    assert_int_equal(benchmix_parse("get=80,set=20", &mix, &fault), 0);
    assert_int_equal(mix.share[BENCHMIX_GET], 80);
    assert_int_equal(mix.share[BENCHMIX_SET], 20);
    assert_int_equal(mix.sum, 100);
    assert_int_equal(benchmix_parse("create_e", &mix, &fault), 0);
    assert_int_equal(mix.share[BENCHMIX_CREATE_E], 1);
    assert_int_equal(mix.sum, 1);
    for (int op = 0; op < BENCHMIX_MIX_COUNT; op++) {
        assert_int_equal(benchmix_parse(benchmix_name(op), &mix, &fault), 0);
        assert_int_equal(mix.share[op], 1);
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"",
                                      "get=",
                                      "get=0",
                                      "get=x",
                                      "get=80,",
                                      ",get",
                                      "get=-1",
                                      "get,get",
                                      "nope=1",
                                      "ge=1",
                                      "get=1000001",
                                      "event=1",
                                      "get=99999999999999999999"};
    struct benchmix mix = {.sum = 42};
    struct fault fault;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(benchmix_parse(bad[i], &mix, &fault), ERR_CONFIG);
    assert_int_equal(mix.sum, 42);
}

static void test_draws_follow_the_shares(void **state)
{
    enum { DRAWS = 1000000 };
    struct benchmix mix;
    struct fault fault;
    struct rand rand;
    uint32_t seen[BENCHMIX_MIX_COUNT] = {0};
    rand_seed(&rand, 5);
    assert_int_equal(benchmix_parse("get=70,ls=25,multi=5", &mix, &fault), 0);
    for (int i = 0; i < DRAWS; i++)
        seen[benchmix_pick(&mix, &rand)]++;
    assert_in_range(seen[BENCHMIX_GET], DRAWS * 0.695, DRAWS * 0.705);
    assert_in_range(seen[BENCHMIX_LS], DRAWS * 0.245, DRAWS * 0.255);
    assert_in_range(seen[BENCHMIX_MULTI], DRAWS * 0.048, DRAWS * 0.052);
    assert_int_equal(seen[BENCHMIX_GET] + seen[BENCHMIX_LS] + seen[BENCHMIX_MULTI], DRAWS);
}

static void test_stats_merge(void **state)
{
    struct bench_stats *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    assert_true(a != NULL && b != NULL);
    bench_stats_init(a);
    bench_stats_init(b);
    a->done[BENCHMIX_GET] = 2, b->done[BENCHMIX_GET] = 3, b->done[BENCHMIX_SET] = 4;
    a->lag_ns_max = 7, b->lag_ns_max = 9, b->unanswered = 1;
    bench_stats_error(a, -101);
    bench_stats_error(b, -110);
    bench_stats_error(b, -101);
    hist_record(&b->latency[BENCHMIX_SET], 5);
    bench_stats_merge(a, b);
    assert_int_equal(bench_stats_done(a), 9);
    assert_int_equal(a->errors[0].code, -101);
    assert_int_equal(a->errors[0].count, 2);
    assert_int_equal(a->errors[1].count, 1);
    assert_int_equal(a->lag_ns_max, 9);
    assert_int_equal(a->unanswered, 1);
    assert_int_equal(a->latency[BENCHMIX_SET].count, 1);
    for (int code = -1000; code < -900; code++) /* more codes than places: none is lost */
        bench_stats_error(a, code);
    uint64_t sum = 0;
    for (int i = 0; i < BENCH_STATS_ERROR_COUNT; i++)
        sum += a->errors[i].count;
    assert_int_equal(sum, 103);
    free(a);
    free(b);
}

static void test_proc_stat(void **state)
{
    uint64_t ticks = 0;
    const char *text = "12 (a) b (c) S 1 12 12 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
    assert_int_equal(bench_proc_parse_stat(text, &ticks), 0);
    assert_int_equal(ticks, 300);
    assert_int_equal(bench_proc_parse_stat("12 (a) S 1 2", &ticks), ERR_MALFORMED);
    assert_int_equal(bench_proc_parse_stat("nothing", &ticks), ERR_MALFORMED);
    struct bench_proc proc;
    assert_int_equal(bench_proc_read(0, &proc), 0);
    assert_true(proc.rss_bytes > 100000);
    assert_int_equal(bench_proc_read(999999999, &proc), ERR_NOTFOUND);
}

static void test_proc_list(void **state)
{
    (void)state;
    struct bench_proc one, two;
    char list[64];
    snprintf(list, sizeof(list), "%d", (int)getpid());
    assert_int_equal(bench_proc_read_all(list, &one), 0);
    assert_true(one.rss_bytes > 100000);
    snprintf(list, sizeof(list), "%d,%d", (int)getpid(), (int)getpid());
    assert_int_equal(bench_proc_read_all(list, &two), 0);
    assert_true(two.rss_bytes >= 2 * one.rss_bytes && two.rss_bytes < 4 * one.rss_bytes);
    const char *bad[] = {"", "x", "12x", "0", "1,,2", ",1", "-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(bench_proc_read_all(bad[i], &one), ERR_MALFORMED);
    snprintf(list, sizeof(list), "%d,", (int)getpid());
    assert_int_equal(bench_proc_read_all(list, &one), ERR_MALFORMED);
    snprintf(list, sizeof(list), "%d,999999999", (int)getpid());
    assert_int_equal(bench_proc_read_all(list, &one), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_draws_follow_the_shares),
        cmocka_unit_test(test_stats_merge),
        cmocka_unit_test(test_proc_stat),
        cmocka_unit_test(test_proc_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
