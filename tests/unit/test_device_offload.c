/* Goal: takt uses exactly those offloads that the device has and takt has a use for, and asks the
 * driver for the same. Method: devices that say what the test makes them say; each one alone, none,
 * all, and what depends on another. */
#include "dataplane/port/dpdk/device_offload.h"

#include <rte_ethdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct device_facts facts;
static struct rte_eth_conf conf;

static void negotiate(uint64_t rx, uint64_t tx, uint64_t rss, uint16_t queues, bool plain)
{
    const struct rte_eth_dev_info info = {
        .rx_offload_capa = rx, .tx_offload_capa = tx, .flow_type_rss_offloads = rss};
    memset(&facts, 0, sizeof(facts));
    memset(&conf, 0, sizeof(conf));
    facts.queue_count = queues;
    device_negotiate(&info, plain, &facts, &conf);
    assert_int_equal(facts.used & ~facts.can, 0);
}

static void test_a_device_without_any(void **state)
{
    negotiate(0, 0, 0, 4, false);
    assert_int_equal(facts.can, 0);
    assert_int_equal(facts.used, 0);
    assert_int_equal(conf.rxmode.offloads | conf.txmode.offloads, 0);
    assert_int_equal(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
}

static void test_a_device_with_all(void **state)
{
    negotiate(UINT64_MAX, UINT64_MAX, UINT64_MAX, 2, false);
    assert_int_equal(facts.can, DEVICE_BIT(DEVICE_OFFLOAD_COUNT) - 1);
    assert_int_equal(facts.can & ~facts.used, DEVICE_BIT(DEVICE_RX_STAMP)); /* nobody reads it */
    assert_int_equal(conf.rxmode.offloads,
                     RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
    assert_int_equal(conf.txmode.offloads,
                     RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
                         RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_VLAN_INSERT |
                         RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
    assert_int_equal(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
    const uint64_t hashes = conf.rx_adv_conf.rss_conf.rss_hf;
    assert_true(hashes & RTE_ETH_RSS_NONFRAG_IPV4_UDP && hashes & RTE_ETH_RSS_NONFRAG_IPV6_TCP);
    assert_false(hashes & RTE_ETH_RSS_FRAG_IPV4); /* no datagram of takt's is a fragment */
}

static void test_what_depends_on_another(void **state)
{
    const uint64_t sums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    negotiate(0, sums, 0, 1, false);
    assert_true(device_can(&facts, DEVICE_TX_TCP_SUM) && device_can(&facts, DEVICE_TX_UDP_SUM));
    assert_int_equal(facts.used, 0); /* not without IPv4's */
    assert_int_equal(conf.txmode.offloads, 0);
    negotiate(0, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, 0, 1, false);
    assert_int_equal(facts.used, DEVICE_BIT(DEVICE_TX_IP_SUM));
    negotiate(0, 0, RTE_ETH_RSS_IPV4, 1, false); /* nothing to spread over */
    assert_true(device_can(&facts, DEVICE_RSS) && !device_uses(&facts, DEVICE_RSS));
    negotiate(0, 0, RTE_ETH_RSS_IPV4, 2, false);
    assert_true(device_uses(&facts, DEVICE_RSS));
    assert_int_equal(conf.rx_adv_conf.rss_conf.rss_hf, RTE_ETH_RSS_IPV4);
}

static void test_plain(void **state)
{
    negotiate(UINT64_MAX, UINT64_MAX, UINT64_MAX, 2, true);
    assert_int_equal(facts.can, DEVICE_BIT(DEVICE_OFFLOAD_COUNT) - 1);
    assert_int_equal(facts.used, DEVICE_BIT(DEVICE_RSS)); /* or the second NET would be idle */
    assert_int_equal(conf.rxmode.offloads | conf.txmode.offloads, 0);
}

static void test_each_has_words(void **state)
{
    for (int i = 0; i < DEVICE_OFFLOAD_COUNT; i++) {
        const struct device_offload_text *text = device_offload_text((enum device_offload)i);
        assert_true(text->key[0] && text->name[0] && text->instead[0]);
        assert_true(strlen(text->name) <= 26); /* the column of takt nic show */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_device_without_any),
        cmocka_unit_test(test_a_device_with_all),
        cmocka_unit_test(test_what_depends_on_another),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_each_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
