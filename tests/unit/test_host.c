/* Goal: a machine is read as it is. Method: three trees of files with known answers, and the words
 * of its texts one by one. */
#include "tests/unit/host_fixture.h"
#include "tools/host/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct host host;
static char dir[64];

static void read_machine(const char *machine)
{
    assert_true(host_fixture_make(host_fixture_temp(dir), machine));
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
}

static void is(const struct cpulist *list, const char *wanted)
{
    char out[256];
    assert_string_equal(cpulist_print(list, out, sizeof(out)), wanted);
}

static void test_guest(void **state)
{
    read_machine("vm");
    is(&host.online, "0-1");
    is(&host.isolated, "none");
    is(&host.nohz_full, "none");
    assert_true(host.virtual_machine);
    assert_false(host.smt);
    assert_int_equal(host.core_count, 2);
    assert_int_equal(host.package_count, 1);
    assert_string_equal(host.model, "AMD EPYC");
    assert_int_equal(host.cpus[0].irq_count, 90000);
    assert_int_equal(host.cpus[1].tick_count, 1000001);
    host_fixture_drop(dir);
}

static void test_server(void **state)
{
    read_machine("server");
    is(&host.online, "0-63");
    assert_int_equal(host.core_count, 32);
    assert_int_equal(host.node_count, 2);
    assert_true(host.smt && !host.virtual_machine);
    is(&host.cpus[50].siblings, "18,50");
    is(&host.nodes[1], "16-31,48-63");
    assert_int_equal(host.cpus[50].node, 1);
    assert_int_equal(host.cpus[50].package, 1);
    assert_int_equal(host.cpus[18].l3, 16);
    host_fixture_drop(dir);
}

static void test_isolated(void **state)
{
    read_machine("tuned");
    is(&host.boot, "18-23,50-55");
    is(&host.nohz_full, "18-23");
    is(&host.rcu_nocbs, "18-23");
    /* a cgroup partition isolates as well */
    host_fixture_put(dir, "/sys/fs/cgroup/takt/cpuset.cpus.partition", "isolated");
    host_fixture_put(dir, "/sys/fs/cgroup/takt/cpuset.cpus", "4-5");
    host_fixture_put(dir, "/sys/fs/cgroup/other/cpuset.cpus.partition", "root");
    host_fixture_put(dir, "/sys/fs/cgroup/other/cpuset.cpus", "6-7");
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    is(&host.partition, "4-5");
    is(&host.isolated, "4-5,18-23,50-55");
    host_fixture_put(dir, "/proc/cmdline", "quiet rcu_nocbs=all");
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    is(&host.rcu_nocbs, "0-63");
    host_fixture_drop(dir);
}

static void test_words(void **state)
{
    char value[16];
    assert_true(host_word("flags\t: sse sse4_2\n", "sse4_2"));
    assert_true(host_word("sse", "sse"));
    assert_false(host_word("vpclmulqdq", "pclmulqdq"));
    assert_false(host_word("sse4_2", "sse4"));
    host_fixture_put(host_fixture_temp(dir), "/proc/cmdline", "a=1 isolcpus=2-3  nohz_full=4 b");
    struct sysroot root = {dir};
    assert_true(host_option(&root, "nohz_full", value, sizeof(value)));
    assert_string_equal(value, "4");
    assert_true(host_option(&root, "a", value, sizeof(value)));
    assert_false(host_option(&root, "b", value, sizeof(value)));
    assert_false(host_option(&root, "olcpus", value, sizeof(value)));
    host_fixture_drop(dir);
}

static void test_files(void **state)
{
    struct sysroot root = {host_fixture_temp(dir)};
    char text[8], names[4][SYSROOT_NAME_SIZE];
    int64_t number;
    host_fixture_put(dir, "/a/b", "12345678901 \n");
    assert_true(sysroot_text(&root, text, sizeof(text), "/a/%s", "b"));
    assert_string_equal(text, "1234567");
    assert_true(sysroot_number(&root, &number, "/a/b"));
    assert_int_equal(number, 12345678901);
    assert_false(sysroot_text(&root, text, sizeof(text), "/a/c"));
    assert_string_equal(text, "");
    host_fixture_put(dir, "/a/word", "word");
    assert_false(sysroot_number(&root, &number, "/a/word"));
    assert_null(sysroot_all(&root, "/nothing"));
    host_fixture_link(dir, "/a/link", "../x/y");
    assert_true(sysroot_target(&root, text, sizeof(text), "/a/link"));
    assert_string_equal(text, "y");
    assert_false(sysroot_target(&root, text, sizeof(text), "/a/b"));
    host_fixture_put(dir, "/n/cpu10", "x");
    host_fixture_put(dir, "/n/cpu9", "x");
    assert_int_equal(sysroot_names(&root, names, 4, "/n"), 2);
    assert_string_equal(names[0], "cpu9"); /* by number */
    assert_int_equal(sysroot_names(&root, names, 1, "/n"), 1);
    assert_int_equal(sysroot_names(&root, names, 4, "/nothing"), 0);
    host_fixture_drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest),    cmocka_unit_test(test_server),
        cmocka_unit_test(test_isolated), cmocka_unit_test(test_words),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
