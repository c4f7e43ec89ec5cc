/* Goal: an operator's EAL options are kept as they were given, and only what is missing is added.
 * Method: the argument list for each kind of machine and wish; the refusals of the dpdk port that
 * need no device. */
#include "dataplane/port/dpdk/eal.h"
#include "dataplane/port/dpdk/port_dpdk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct eal_args args;
static struct fault fault;

static const char *joined(const char *options, uint32_t hugepages, uint32_t cpus)
{
    static char text[8192];
    assert_int_equal(eal_args_make(&args, options, hugepages, cpus, &fault), 0);
    text[0] = '\0';
    for (int i = 0; i < args.count; i++) {
        strcat(text, args.argv[i]);
        strcat(text, i + 1 < args.count ? " " : "");
    }
    assert_null(args.argv[args.count]);
    return text;
}

static void test_a_newcomer(void **state)
{
    assert_string_equal(joined("--vdev net_af_packet0,iface=eth1", 0, 4),
                        "taktd --vdev net_af_packet0,iface=eth1 --no-pci --no-huge -m 256 "
                        "--no-shconf --no-telemetry --lcores 0@(0-3) --log-level=lib.eal:warning");
}

static void test_a_server_with_a_nic(void **state)
{
    assert_string_equal(joined("-a 0000:03:00.0", 1024, 1),
                        "taktd -a 0000:03:00.0 --in-memory --no-telemetry --lcores 0@(0-0) "
                        "--log-level=lib.eal:warning");
}

static void test_what_is_given_wins(void **state)
{
    const char *all = "--vdev=net_tap0 -a 0:0.0 -m 64 --telemetry -l0-1 --log-level=8";
    char expected[256] = "taktd ";
    strcat(expected, all);
    assert_string_equal(joined(all, 0, 2), expected);
    const char *other =
        "--vdev=net_tap0 --no-pci --huge-dir=/h --no-telemetry --lcores=1 --log-level 8";
    strcpy(expected, "taktd ");
    strcat(expected, other);
    assert_string_equal(joined(other, 0, 2), expected);
}

static void test_quotes(void **state)
{
    joined("  --lcores '0@(0, 1)'\t\"-m\" 6'4'  ", 0, 2);
    assert_string_equal(args.argv[2], "0@(0, 1)");
    assert_string_equal(args.argv[3], "-m");
    assert_string_equal(args.argv[4], "64");
}

static void test_too_much(void **state)
{
    char many[1024] = "", lengthy[1200];
    for (int i = 0; i < EAL_ARGS_MAX; i++)
        strcat(many, "-x ");
    assert_int_equal(eal_args_make(&args, many, 0, 1, &fault), ERR_CONFIG);
    many[3 * (EAL_ARGS_MAX - 1)] = '\0'; /* they fit, but not with what is added */
    assert_int_equal(eal_args_make(&args, many, 0, 1, &fault), ERR_CONFIG);
    memset(lengthy, 'x', sizeof(lengthy));
    lengthy[sizeof(lengthy) - 1] = '\0';
    assert_int_equal(eal_args_make(&args, lengthy, 0, 1, &fault), ERR_CONFIG);
}

static void test_refusals_of_the_port(void **state)
{
    struct port_dpdk_device *device;
    struct port_dpdk_setup setup = {.eal = "", .net_count = 1};
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "--ip"));
    setup.ip = (struct address){.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    setup.ip.port = 2181;
    setup.prefix_size = 33;
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    setup.prefix_size = 24;
    setup.mtu = 1499;
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    setup.mtu = 9001;
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    setup.mtu = 9000;
    setup.vlan = 4095;
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_CONFIG);
    setup.vlan = 4094;
    setup.net_count = port_dpdk_nets_max() + 1;
    assert_int_equal(port_dpdk_start(&setup, &device, &fault), ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_newcomer),
        cmocka_unit_test(test_a_server_with_a_nic),
        cmocka_unit_test(test_what_is_given_wins),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_refusals_of_the_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
