/* Goal: the system is changed as planned, and undone to the byte. Method: the files of a server out
 * of the box: listed, applied, listed again (nothing is left to do), undone, compared with before.
 */
#include "tests/unit/host_fixture.h"
#include "tools/host/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct host host;
static struct plan plan;
static struct stage_list list;
static struct fault fault;
static char dir[64], journal[128];

static void look(void)
{
    struct plan_wish wish = {.net_count = 2, .nic_node = 1};
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    assert_int_equal(plan_make(&host, &wish, &plan, &fault), 0);
    assert_int_equal(stage_make(&host, &plan, &list, &fault), 0);
}

static void begin(const char *machine)
{
    assert_true(host_fixture_make(host_fixture_temp(dir), machine));
    snprintf(journal, sizeof(journal), "%s/journal", dir);
    look();
}

static void holds(const char *path, const char *wanted)
{
    char text[256];
    assert_true(sysroot_text(&host.root, text, sizeof(text), "%s", path));
    assert_string_equal(text, wanted);
}

static uint32_t count_of(enum stage_kind stage)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list.count; i++)
        count += list.edits[i].stage == stage;
    return count;
}

static void test_apply_and_undo(void **state)
{
    begin("server");
    assert_int_equal(count_of(STAGE_CPUSET), 4);
    assert_int_equal(count_of(STAGE_IRQ), 3); /* two interrupts and the default */
    assert_int_equal(count_of(STAGE_SLEEP), 5);
    assert_int_equal(count_of(STAGE_KWORK), 2);
    assert_int_equal(stage_apply(&host.root, &list, journal, &fault), 0);
    for (uint32_t i = 0; i < list.count; i++)
        assert_int_equal(list.edits[i].os_error, 0);
    holds("/sys/fs/cgroup/takt/cpuset.cpus", "16-20,48-52");
    holds("/sys/fs/cgroup/takt/cpuset.cpus.partition", "isolated");
    holds("/proc/irq/25/smp_affinity_list", "0-15,21-63");
    holds("/proc/irq/default_smp_affinity", "ffffffff,ffe0ffff");
    holds("/sys/devices/system/cpu/cpu18/power/pm_qos_resume_latency_us", "n/a");
    holds("/sys/devices/virtual/workqueue/cpumask", "ffffffff,ffe0ffff");
    look();
    assert_int_equal(list.count, 0);
    assert_true(cpulist_has(&host.isolated, 16));
    /* a second apply would lose what was there first */
    list.count = 1;
    assert_int_equal(stage_apply(&host.root, &list, journal, &fault), ERR_EXISTS);

    assert_int_equal(stage_undo(&host.root, &list, journal, &fault), 0);
    assert_int_equal(access(journal, F_OK), -1);
    holds("/proc/irq/25/smp_affinity_list", "0-63");
    holds("/proc/irq/default_smp_affinity", "ffffffff,ffffffff");
    holds("/sys/devices/system/cpu/cpu18/power/pm_qos_resume_latency_us", "0");
    holds("/sys/devices/virtual/workqueue/writeback/cpumask", "ffffffff,ffffffff");
    assert_false(sysroot_exists(&host.root, "/sys/fs/cgroup/takt"));
    look();
    assert_int_equal(list.count, 14);
    assert_int_equal(stage_undo(&host.root, &list, journal, &fault), ERR_NOTFOUND);
    host_fixture_drop(dir);
}

/* A tuned machine needs nothing; a guest without cgroup v2 is told so. */
static void test_nothing_to_do(void **state)
{
    begin("tuned");
    assert_int_equal(list.count, 0);
    assert_non_null(strstr(list.found[STAGE_CPUSET], "isolated already"));
    assert_int_equal(stage_apply(&host.root, &list, journal, &fault), 0);
    assert_int_equal(access(journal, F_OK), -1);
    host_fixture_drop(dir);
    begin("vm");
    assert_false(list.possible[STAGE_CPUSET]);
    assert_int_equal(count_of(STAGE_CPUSET), 0);
    assert_false(list.possible[STAGE_SLEEP]);
    assert_int_equal(count_of(STAGE_IRQ), 2);
    host_fixture_drop(dir);
}

/* What the kernel refuses is noted, and the rest is done. */
static void test_refused_file(void **state)
{
    begin("server");
    host_fixture_remove(dir, "/proc/irq/24/smp_affinity_list");
    char path[128];
    snprintf(path, sizeof(path), "%s/proc/irq/24/smp_affinity_list", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* a folder cannot be written */
    assert_int_equal(stage_apply(&host.root, &list, journal, &fault), 0);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < list.count; i++)
        failed += list.edits[i].os_error != 0;
    assert_int_equal(failed, 1);
    holds("/proc/irq/25/smp_affinity_list", "0-15,21-63");
    /* the journal stays while something could not be undone */
    assert_int_equal(stage_undo(&host.root, &list, journal, &fault), ERR_IO);
    holds("/proc/irq/25/smp_affinity_list", "0-63");
    assert_int_equal(access(journal, F_OK), 0);
    host_fixture_drop(dir);
}

/* An interrupt that the kernel moves for nobody is not asked for again, and not put back. */
static void test_kept(void **state)
{
    begin("server");
    uint32_t count = list.count;
    host_fixture_put(dir, "/journal",
                     "1\t0\t/proc/irq/24/smp_affinity_list\t7\t8\n"
                     "1\t2\t/proc/irq/24/smp_affinity_list\t7\t8\n"
                     "1\t0\t/proc/irq/25/smp_affinity_list\t7\t8\n");
    assert_int_equal(stage_forget_kept(&list, "/no/journal"), 0);
    assert_int_equal(stage_forget_kept(&list, journal), 1);
    assert_int_equal(list.count, count - 1);
    for (uint32_t i = 0; i < list.count; i++)
        assert_string_not_equal(list.edits[i].path, "/proc/irq/24/smp_affinity_list");
    assert_int_equal(stage_undo(&host.root, &list, journal, &fault), 0);
    holds("/proc/irq/24/smp_affinity_list", "0-63");
    holds("/proc/irq/25/smp_affinity_list", "7");
    host_fixture_drop(dir);
}

static void test_bad_journal(void **state)
{
    begin("server");
    static const char *const bad[] = {"nonsense",
                                      "9\t0\t/a\tb\tc",
                                      "0\t7\t/a\tb\tc",
                                      "0\t0\tetc/passwd\tb\tc",
                                      "0\t0\t/a/../b\tb\tc",
                                      "0\t0\t/a\tb",
                                      "1\t2\t/proc/irq/24/smp_affinity_list\t7\t8"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        host_fixture_put(dir, "/journal", "1\t0\t/proc/irq/25/smp_affinity_list\t7\t8\n%s", bad[i]);
        assert_int_equal(stage_undo(&host.root, &list, journal, &fault), ERR_CORRUPT);
        holds("/proc/irq/25/smp_affinity_list", "0-63"); /* nothing was undone */
    }
    snprintf(journal, sizeof(journal), "%s/no/such/folder", dir);
    look();
    assert_int_equal(stage_apply(&host.root, &list, journal, &fault), ERR_IO);
    holds("/proc/irq/25/smp_affinity_list", "0-63");
    host_fixture_drop(dir);
}

static void test_limit(void **state)
{
    char path[64];
    begin("server");
    for (int irq = 100; irq < 100 + STAGE_EDITS_MAX; irq++) {
        snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
        host_fixture_put(dir, path, "0-63");
    }
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    assert_int_equal(stage_make(&host, &plan, &list, &fault), ERR_LIMIT);
    host_fixture_drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply_and_undo), cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_refused_file),   cmocka_unit_test(test_bad_journal),
        cmocka_unit_test(test_kept),           cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
