/* Goal: a page is found again by whoever looks, keeps a crash, and is never taken for what it is
 * not. Method: pages of this process and of one that ended; damaged and strange files. */
#include "base/node_page.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[NODE_PAGE_PATH_MAX], crashed[NODE_PAGE_PATH_MAX + 16];

static int test_begin(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/takt-page-XXXXXX");
    if (!mkdtemp(dir) || node_page_path(dir, path) != 0)
        return -1;
    snprintf(crashed, sizeof(crashed), "%s.crashed", path);
    return 0;
}

static int test_end(void **state)
{
    unlink(path);
    unlink(crashed);
    rmdir(dir);
    return 0;
}

static struct node_page *page_new(uint32_t ring_count)
{
    struct node_page *page;
    struct fault fault;

    assert_int_equal(node_page_create(path, ring_count, &page, &fault), 0);
    snprintf(page->data_dir, sizeof(page->data_dir), "%s", dir);
    return page;
}

static void test_shown(void **state)
{
    struct node_page *page = page_new(3);
    const struct node_page *seen;
    struct fault fault;
    char other[NODE_PAGE_PATH_MAX];

    assert_int_equal(node_page_path("/no/such/directory", other), ERR_NOTFOUND);
    counters_init(&page->counters[0].counters, "net", 0);
    counters_add(&page->counters[0].counters, METRIC_net_reads_total, 5);
    assert_int_equal(node_page_open(path, &seen, &fault), 0);
    assert_int_equal(counters_get(&seen->counters[0].counters, METRIC_net_reads_total), 5);
    assert_true(node_page_alive(seen));
    node_page_close(seen);
    node_page_remove(path, page);
    assert_int_equal(node_page_open(path, &seen, &fault), ERR_NOTFOUND);
}

/* A process that ends without saying so leaves a page that says "running". */
static void test_crash(void **state)
{
    const struct node_page *seen;
    struct fault fault;
    pid_t pid = fork();

    if (pid == 0) {
        struct node_page *page;
        if (node_page_create(path, 2, &page, &fault) != 0)
            _exit(1);
        snprintf(page->data_dir, sizeof(page->data_dir), "%s", dir);
        page->node_id = 77;
        atomic_store(&page->state, NODE_PAGE_RUNNING);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(node_page_open(path, &seen, &fault), 0);
    assert_false(node_page_alive(seen));
    node_page_close(seen);
    /* the next start keeps it, and what began anew is its own */
    struct node_page *page = page_new(2);
    assert_int_equal(page->node_id, 0);
    assert_int_equal(node_page_open(crashed, &seen, &fault), 0);
    assert_int_equal(seen->node_id, 77);
    node_page_close(seen);
    node_page_remove(path, page);
}

/* Whoever's process and directory are both gone is swept away by the next page that is made. */
static void test_sweep(void **state)
{
    char gone[64] = "/tmp/takt-gone-XXXXXX", old[NODE_PAGE_PATH_MAX];
    struct fault fault;

    assert_non_null(mkdtemp(gone));
    assert_int_equal(node_page_path(gone, old), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct node_page *page;
        if (node_page_create(old, 1, &page, &fault) != 0)
            _exit(1);
        snprintf(page->data_dir, sizeof(page->data_dir), "%s", gone);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(old, F_OK), 0);
    struct node_page *page = page_new(1);
    assert_int_equal(access(old, F_OK), 0); /* its directory is still there */
    node_page_remove(path, page);
    rmdir(gone);
    page = page_new(1);
    assert_int_not_equal(access(old, F_OK), 0);
    node_page_remove(path, page);
}

static void overwrite(off_t at, uint64_t value)
{
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
    close(fd);
}

static void test_strange(void **state)
{
    const struct node_page *seen;
    struct node_page *page = page_new(1);
    struct fault fault;

    overwrite(offsetof(struct node_page, layout), 12345);
    assert_int_equal(node_page_open(path, &seen, &fault), ERR_VERSION);
    overwrite(0, 12345);
    assert_int_equal(node_page_open(path, &seen, &fault), ERR_CORRUPT);
    node_page_close(page);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(node_page_open(path, &seen, &fault), ERR_VERSION);
    page = page_new(1); /* what is no page is replaced, and not kept */
    assert_int_not_equal(access(crashed, F_OK), 0);
    node_page_close(page);
    unlink(path);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(node_page_create(path, 1, &page, &fault), ERR_IO);
    unlink(path);
}

static void test_look(void **state)
{
    struct node_page *page = page_new(2);
    struct node_page_watch *watch = calloc(1, sizeof(*watch));
    const struct now now = {.mono_ns = 5000, .wall_ms = 9};

    assert_non_null(watch);
    page->ring_count = 2;
    snprintf(page->rings[0].role, sizeof(page->rings[0].role), "net");
    snprintf(page->rings[1].role, sizeof(page->rings[1].role), "apply");
    trace_stamp_at(&page->rings[0].ring, 3, TRACE_RX, 1000, 5);
    trace_stamp_at(&page->rings[1].ring, 3, TRACE_APPLY, 1500, 0);
    trace_stamp_at(&page->rings[0].ring, 3, TRACE_TX, 3000, 0);
    watch->page = page;
    node_page_look(watch, now);
    assert_int_equal(atomic_load(&page->seen_ns), 5000);
    assert_int_equal(atomic_load(&page->steps[TRACE_STEP_WRITE].count), 1);
    assert_in_range(atomic_load(&page->steps[TRACE_STEP_WRITE].p50_ns), 2000, 2032);
    node_page_look(watch, now);
    assert_int_equal(atomic_load(&page->steps[TRACE_STEP_WRITE].count), 1);
    /* another life in the same process */
    node_page_reset(page);
    assert_int_equal(trace_head(&page->rings[0].ring), 0);
    assert_int_equal(page->steps[TRACE_STEP_WRITE].all.count, 0);
    assert_int_equal(page->pid, getpid());
    free(watch);
    node_page_remove(path, page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shown, test_begin, test_end),
        cmocka_unit_test_setup_teardown(test_crash, test_begin, test_end),
        cmocka_unit_test_setup_teardown(test_sweep, test_begin, test_end),
        cmocka_unit_test_setup_teardown(test_strange, test_begin, test_end),
        cmocka_unit_test_setup_teardown(test_look, test_begin, test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
