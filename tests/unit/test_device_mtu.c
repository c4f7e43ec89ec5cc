/* Goal: frames are as large as the device, its ring and its interface take them, buffers hold one
 * each, and everything larger is refused with what to change. Method: devices that say what drivers
 * say (measured with DPDK 22.11). */
#include "dataplane/port/dpdk/device_mtu.h"

#include <rte_ethdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct device_mtu plan;
static struct fault fault;

static const struct rte_eth_dev_info packet = {.driver_name = "net_af_packet", .min_mtu = 46,
                                               .max_mtu = 65535, .max_rx_pktlen = 1518};
static const struct rte_eth_dev_info tap = {.driver_name = "net_tap", .min_mtu = 46,
                                            .max_mtu = 65535, .max_rx_pktlen = 1522};
static const struct rte_eth_dev_info card = {.driver_name = "net_ixgbe", .min_mtu = 68,
                                             .max_mtu = 9702, .max_rx_pktlen = 9728};

static void refused(const struct rte_eth_dev_info *info, const char *args, uint32_t interface_mtu,
                    uint16_t wanted, const char *words)
{
    assert_int_equal(device_mtu_plan(info, args, interface_mtu, wanted, &plan, &fault),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.text, words));
}

static void test_nothing_is_asked_for(void **state)
{
    assert_int_equal(device_mtu_plan(&card, NULL, 0, 0, &plan, &fault), 0);
    assert_int_equal(plan.mtu, 1500);
    assert_int_equal(plan.mtu_max, 9702);
    assert_false(plan.by_driver);
    assert_int_equal(plan.frame_size, 2048);
    assert_int_equal(device_mtu_plan(&packet, "iface=a", 1500, 0, &plan, &fault), 0);
    assert_int_equal(plan.frame_size, 2048);
    /* A ring of larger frames: the driver wants buffers as large. */
    assert_int_equal(device_mtu_plan(&packet, "iface=a,framesz=4096", 1500, 0, &plan, &fault), 0);
    assert_int_equal(plan.frame_size, 4096);
    assert_int_equal(plan.mtu, 1500);
}

static void test_a_card(void **state)
{
    assert_int_equal(device_mtu_plan(&card, NULL, 0, 9000, &plan, &fault), 0);
    assert_int_equal(plan.mtu, 9000);
    assert_true(plan.by_driver);
    assert_int_equal(plan.frame_size, 9216);
    assert_int_equal(device_mtu_plan(&card, NULL, 0, 1500, &plan, &fault), 0);
    assert_false(plan.by_driver); /* it is at 1500 by itself */
    refused(&tap, "iface=t", 9000, 9000, "(net_tap) takes 46 to 1504");
    refused(&tap, "iface=t", 9000, 1505, "port.mtu is 1505");
    assert_int_equal(device_mtu_plan(&tap, "iface=t", 9000, 1504, &plan, &fault), 0);
}

static void test_an_interface(void **state)
{
    const char *args = "iface=tk0,qdisc_bypass=1,blocksz=73728,framesz=9216";
    assert_int_equal(device_mtu_plan(&packet, args, 9000, 9000, &plan, &fault), 0);
    assert_int_equal(plan.mtu, 9000);
    assert_int_equal(plan.mtu_max, 9000);
    assert_false(plan.by_driver);
    assert_int_equal(plan.frame_size, 9216);
    refused(&packet, args, 1500, 9000, "ip link set");
    refused(&packet, args, 8999, 9000, "is 8999");
    refused(&packet, "iface=tk0", 9000, 9000, "framesz=9216");
    refused(&packet, "iface=tk0,framesz=9072", 9000, 9000, "room for 8992");
    refused(&packet, NULL, 9000, 2000, "room for 1968");
    assert_int_equal(device_mtu_plan(&packet, NULL, 9000, 1968, &plan, &fault), 0);
}

/* A frame, its tag, and the alignment of what is sent fit behind the headroom, whatever the MTU. */
static void test_a_buffer_holds_a_frame(void **state)
{
    for (uint16_t mtu = DEVICE_MTU_PLAIN; mtu <= DEVICE_MTU_MAX; mtu++) {
        assert_int_equal(device_mtu_plan(&card, NULL, 0, mtu, &plan, &fault), 0);
        assert_true(plan.frame_size >= mtu + 14u + 4u + 8u);
        assert_true(plan.frame_size < mtu + 14u + 4u + 8u + 1100u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_asked_for),
        cmocka_unit_test(test_a_card),
        cmocka_unit_test(test_an_interface),
        cmocka_unit_test(test_a_buffer_holds_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
