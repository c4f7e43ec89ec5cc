/* Goal: each number that takt top shows is of the time that it says. Method: a page in memory whose
 * counters and whose own looks (CTL's) move at different moments. */
#include "tools/takt/verb_top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct node_page *page;
static char path[NODE_PAGE_PATH_MAX], dir[64];
static struct top_look looks[4];
static struct top_text text;

static int test_begin(void **state)
{
    struct fault fault;

    snprintf(dir, sizeof(dir), "/tmp/takt-top-XXXXXX");
    if (!mkdtemp(dir) || node_page_path(dir, path) != 0 ||
        node_page_create(path, 1, &page, &fault) != 0)
        return -1;
    page->trace_every = 16;
    page->started_ns = 10 * NS_PER_S;
    page->role_count = page->counters_count = 1;
    snprintf(page->roles[0].name, sizeof(page->roles[0].name), "core");
    atomic_store(&page->state, NODE_PAGE_RUNNING);
    return 0;
}

static int test_end(void **state)
{
    node_page_remove(path, page);
    return rmdir(dir);
}

/* The node works for a while: reads, turns, and with seen_ns a look of CTL with as many samples. */
static void work(uint64_t count, uint64_t busy_ns, uint64_t seen_ns, uint64_t samples,
                 uint64_t sample_ns)
{
    counters_add(&page->counters[0].counters, METRIC_net_reads_total, count);
    atomic_fetch_add(&page->roles[0].turns.turns, count);
    atomic_fetch_add(&page->roles[0].turns.busy_ns, busy_ns);
    for (uint64_t i = 0; i < samples; i++)
        hist_record(&page->steps[TRACE_STEP_READ].all, sample_ns);
    if (seen_ns)
        atomic_store(&page->seen_ns, seen_ns);
}

/* The line that begins with a word; "reads/s" stands behind its number. */
static const char *line_with(const char *word)
{
    for (uint32_t i = 0; i < text.count; i++) {
        const char *hit = strstr(text.lines[i].text, word);
        if (hit == text.lines[i].text || (hit && strchr(word, '/')))
            return text.lines[i].text;
    }
    return "(no such line)";
}

static void expect(const char *word, const char *part)
{
    if (!strstr(line_with(word), part))
        fail_msg("'%s' is not in: %s", part, line_with(word));
}

/* CTL looks at 20.9 and at 22.1 s; takt top at 20, 21, 22 and 23 s. */
static void test_windows(void **state)
{
    work(50, 0, 19900 * NS_PER_MS, 5, 1000);
    top_look_take(&looks[0], page, 20 * NS_PER_S, NULL);
    top_draw(&text, page, &looks[0], &looks[0]);
    expect("the last", "last 0.00 s");
    expect("reads/s", " 0.0 reads/s"); /* no window, no rate */
    expect("step ", "of 9.90 s, one request in 16"); /* all since the start at 10 s */
    expect("read   ", "   5     ");

    work(3000, NS_PER_S / 4, 20900 * NS_PER_MS, 7, 2000);
    top_look_take(&looks[1], page, 21500 * NS_PER_MS, &looks[0]);
    top_draw(&text, page, &looks[0], &looks[1]);
    expect("the last", "last 1.50 s");
    expect("reads/s", " 2000 reads/s");
    expect("core  ", " 2000   16.7%");
    expect("step ", "of 1.00 s");
    expect("read   ", "   7     "); /* not the 5 from before */

    work(1000, 0, 0, 0, 0); /* CTL has not looked again: its last window stays */
    top_look_take(&looks[2], page, 22 * NS_PER_S, &looks[1]);
    top_draw(&text, page, &looks[1], &looks[2]);
    expect("the last", "last 0.50 s");
    expect("reads/s", " 2000 reads/s");
    expect("step ", "of 1.00 s");
    expect("read   ", "   7     ");

    work(0, 0, 22100 * NS_PER_MS, 11, 4000);
    top_look_take(&looks[3], page, 23 * NS_PER_S, &looks[2]);
    top_draw(&text, page, &looks[2], &looks[3]);
    expect("reads/s", " 0.0 reads/s");
    expect("step ", "of 1.20 s");
    expect("read   ", "  11     ");
}

/* A node that is gone: what it did, over the time that it lived. */
static void test_life(void **state)
{
    work(600, 3 * NS_PER_S, 16 * NS_PER_S, 9, 1000);
    memset(page->boot_id, 'x', sizeof(page->boot_id) - 1); /* nobody of this machine's start */
    top_look_life(looks, page);
    top_draw(&text, page, &looks[0], &looks[1]);
    expect("takt node", "crashed or was killed");
    expect("its whole life", "life, 6.00 s");
    expect("reads/s", " 100 reads/s");
    expect("core  ", "  100   50.0%");
    expect("step ", "all 6.00 s");
    expect("read   ", "   9     ");

    atomic_store(&page->seen_ns, 0); /* it died before CTL looked */
    top_look_life(looks, page);
    top_draw(&text, page, &looks[0], &looks[1]);
    expect("its whole life", "life, 0.00 s");
    expect("reads/s", " 0.0 reads/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_windows, test_begin, test_end),
        cmocka_unit_test_setup_teardown(test_life, test_begin, test_end),
    };
    return cmocka_run_group_tests_name("verb_top", tests, NULL, NULL);
}
