/* Goal: roles are placed where they belong, and each line says why. Method: three machines whose
 * right answer is known; what cannot be placed is refused. */
#include "tests/unit/host_fixture.h"
#include "tools/host/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct host host;
static struct plan plan;
static char dir[64];

static int plan_for(const char *machine, struct plan_wish wish)
{
    struct fault fault = {""};
    assert_true(host_fixture_make(host_fixture_temp(dir), machine));
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    int err = plan_make(&host, &wish, &plan, &fault);
    assert_true(err == 0 || *fault.text != '\0');
    host_fixture_drop(dir);
    return err;
}

static void is(const struct cpulist *list, const char *wanted)
{
    char out[256];
    assert_string_equal(cpulist_print(list, out, sizeof(out)), wanted);
}

static void test_guest(void **state)
{
    assert_int_equal(plan_for("vm", (struct plan_wish){.net_count = 1, .nic_node = -1}), 0);
    assert_int_equal(plan.layout, CONFIG_LAYOUT_TOGETHER);
    assert_int_equal(plan.idle, CONFIG_IDLE_HYBRID);
    assert_int_equal(plan.line_count, 2);
    assert_string_equal(plan.lines[0].roles, "net0 core disk apply");
    assert_string_equal(plan.lines[1].roles, "snap reclaim");
    is(&plan.hot, "1"); /* not cpu 0 */
    assert_int_equal(plan.lines[1].cpu, 0);
    assert_int_equal(plan_for("vm", (struct plan_wish){.net_count = 1, .layout = PLAN_SPREAD}),
                     ERR_RANGE);
}

static void test_server(void **state)
{
    struct plan_wish wish = {.net_count = 2, .nic_node = 1, .nic = "ens1", .peers = true};
    assert_int_equal(plan_for("server", wish), 0);
    assert_int_equal(plan.layout, CONFIG_LAYOUT_SPREAD);
    assert_int_equal(plan.line_count, 6);
    assert_string_equal(plan.lines[0].roles, "peer net0");
    /* the card's socket, a thread a core, the other threads left empty */
    is(&plan.hot, "16-20");
    is(&plan.spare, "48-52");
    assert_int_equal(plan.lines[5].cpu, 0);
    assert_non_null(strstr(plan.lines[0].why, "on the node 1 of ens1"));
    assert_non_null(strstr(plan.lines[1].why, "same L3"));
    assert_int_equal(plan.idle, CONFIG_IDLE_HYBRID); /* nothing is isolated yet */
    /* without a card: the first socket, but not cpu 0's core */
    assert_int_equal(plan_for("server", (struct plan_wish){.net_count = 1, .nic_node = -1}), 0);
    is(&plan.hot, "1-4");
    char line[512];
    plan_boot_line(&plan, line, sizeof(line));
    assert_non_null(strstr(line, "isolcpus=managed_irq,domain,1-4 nohz_full=1-4 rcu_nocbs=1-4 "
                                 "irqaffinity=0,5-63 intel_pstate=disable nosoftlockup"));
    assert_int_equal(plan_for("vm", (struct plan_wish){.net_count = 1, .nic_node = -1}), 0);
    plan_boot_line(&plan, line, sizeof(line));
    assert_non_null(strstr(line, "irqaffinity=0 nosoftlockup")); /* of AMD */
}

static void test_isolated(void **state)
{
    assert_int_equal(plan_for("tuned", (struct plan_wish){.net_count = 3, .nic_node = -1}), 0);
    is(&plan.hot, "18-23"); /* all that is isolated, and no siblings of them */
    assert_int_equal(plan.idle, CONFIG_IDLE_SPIN);
    for (uint32_t i = 0; i < 6; i++)
        assert_non_null(strstr(plan.lines[i].why, "isolated"));
    /* one more NET than isolated cores: the last gets a core that is not */
    assert_int_equal(plan_for("tuned", (struct plan_wish){.net_count = 4, .nic_node = -1}), 0);
    assert_int_equal(plan.idle, CONFIG_IDLE_HYBRID);
    assert_non_null(strstr(plan.lines[6].why, "not isolated"));
    assert_int_equal(cpulist_count(&plan.hot), 7);
}

/* What the plan writes into a configuration is what is read back as its hot cpus. */
static void test_config(void **state)
{
    struct config config;
    config_init(&config);
    struct cpulist none = plan_of_config(&config);
    assert_true(cpulist_is_empty(&none));
    assert_int_equal(plan_for("server", (struct plan_wish){.net_count = 2, .nic_node = 1}), 0);
    plan_config(&plan, &config);
    assert_int_equal(config.net_count, 2);
    assert_int_equal(config.cpus_net.count, 2);
    assert_int_equal(config.cpus_net.cpu[1], 17);
    assert_int_equal(config.cpus_core.cpu[0], 18);
    struct cpulist hot = plan_of_config(&config);
    is(&hot, "16-20");
    assert_int_equal(plan_for("vm", (struct plan_wish){.net_count = 1, .nic_node = -1}), 0);
    plan_config(&plan, &config);
    hot = plan_of_config(&config);
    is(&hot, "1");
    /* on one thread only the first of NET's counts, and taktd refuses others */
    assert_int_equal(config.cpus_core.count + config.cpus_snap.count + config.cpus_ctl.count, 0);
    config_init(&config);
    plan_config(&plan, &config);
    assert_int_equal(config.cpus_core.count + config.cpus_disk.count + config.cpus_apply.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_isolated),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
