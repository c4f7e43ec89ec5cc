/* Goal: a device is asked for the narrowest rule that it takes, and datagrams are handed over in
 * software, with its own words, where it takes none. Method: devices that are made up, each of
 * which refuses rules as some drivers do. */
#include "dataplane/port/dpdk/device_flow.h"

#include <errno.h>
#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_flow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What the made-up device cannot do, and what it was asked. */
static struct {
    bool no_vlan, no_address, nothing, no_room, silent;
    uint32_t validated, created, destroyed;
    enum rte_flow_item_type types[8]; /* of the last rule made */
    uint32_t type_count;
    uint16_t vlan, udp_port, queue;
    uint8_t ip[16], ip_mask[16];
    uint32_t ip_size;
} fake;

static int fake_says(struct rte_flow_error *error, int code, const char *words)
{
    error->message = fake.silent ? NULL : words;
    rte_errno = code;
    return -code;
}

static int fake_validate(uint16_t port, const struct rte_flow_attr *attr,
                         const struct rte_flow_item *items, const struct rte_flow_action *actions,
                         struct rte_flow_error *error)
{
    assert_int_equal(port, 7);
    assert_true(attr->ingress);
    assert_int_equal(actions[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
    assert_int_equal(actions[1].type, RTE_FLOW_ACTION_TYPE_END);
    fake.validated++;
    if (fake.nothing)
        return fake_says(error, ENOSYS, "no flows here");
    for (; items->type != RTE_FLOW_ITEM_TYPE_END; items++) {
        bool ip = items->type == RTE_FLOW_ITEM_TYPE_IPV4 || items->type == RTE_FLOW_ITEM_TYPE_IPV6;
        if (fake.no_vlan && items->type == RTE_FLOW_ITEM_TYPE_VLAN)
            return fake_says(error, ENOTSUP, "no VLAN");
        if (fake.no_address && ip && items->spec)
            return fake_says(error, ENOTSUP, "no address");
    }
    return 0;
}

static void fake_note(const struct rte_flow_item *item)
{
    fake.types[fake.type_count++] = item->type;
    if (item->type == RTE_FLOW_ITEM_TYPE_VLAN) {
        const struct rte_flow_item_vlan *spec = item->spec, *mask = item->mask;
        fake.vlan = rte_be_to_cpu_16(spec->tci & mask->tci);
    } else if (item->type == RTE_FLOW_ITEM_TYPE_UDP) {
        const struct rte_flow_item_udp *spec = item->spec, *mask = item->mask;
        assert_int_equal(mask->hdr.dst_port, 0xffff);
        assert_int_equal(mask->hdr.src_port, 0);
        fake.udp_port = rte_be_to_cpu_16(spec->hdr.dst_port);
    } else if (item->type == RTE_FLOW_ITEM_TYPE_IPV4 && item->spec) {
        memcpy(fake.ip, &((const struct rte_flow_item_ipv4 *)item->spec)->hdr.dst_addr, 4);
        memcpy(fake.ip_mask, &((const struct rte_flow_item_ipv4 *)item->mask)->hdr.dst_addr, 4);
        fake.ip_size = 4;
    } else if (item->type == RTE_FLOW_ITEM_TYPE_IPV6 && item->spec) {
        memcpy(fake.ip, ((const struct rte_flow_item_ipv6 *)item->spec)->hdr.dst_addr, 16);
        memcpy(fake.ip_mask, ((const struct rte_flow_item_ipv6 *)item->mask)->hdr.dst_addr, 16);
        fake.ip_size = 16;
    }
}

static struct rte_flow *fake_create(uint16_t port, const struct rte_flow_attr *attr,
                                    const struct rte_flow_item *items,
                                    const struct rte_flow_action *actions,
                                    struct rte_flow_error *error)
{
    (void)port;
    (void)attr;
    if (fake.no_room) {
        (void)fake_says(error, ENOSPC, "the table is full");
        return NULL;
    }
    fake.created++;
    for (; items->type != RTE_FLOW_ITEM_TYPE_END; items++)
        fake_note(items);
    fake.queue = ((const struct rte_flow_action_queue *)actions[0].conf)->index;
    return (struct rte_flow *)&fake;
}

static int fake_destroy(uint16_t port, struct rte_flow *rule, struct rte_flow_error *error)
{
    (void)error;
    assert_int_equal(port, 7);
    assert_ptr_equal(rule, &fake);
    fake.destroyed++;
    return 0;
}

static const struct device_flow_ops ops = {fake_validate, fake_create, fake_destroy};
static struct device_flow flow;

static struct device_flow_want wanted(uint16_t vlan, bool is_v4)
{
    struct device_flow_want want = {.device = 7, .to = {.port = 2888}, .vlan = vlan, .queue = 3};
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1};
    static const uint8_t v6[16] = {0xfd, [15] = 1};
    memcpy(want.to.ip, is_v4 ? v4 : v6, 16);
    return want;
}

static struct rte_flow *steer(uint16_t vlan, bool is_v4)
{
    const struct device_flow_want want = wanted(vlan, is_v4);
    fake.type_count = fake.ip_size = fake.created = fake.validated = 0;
    memset(&flow, 0xaa, sizeof(flow));
    return device_flow_steer(&ops, &want, &flow);
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    return 0;
}

static void test_address_and_port(void **state)
{
    static const uint8_t v4[4] = {10, 0, 0, 1}, v6[16] = {0xfd, [15] = 1};
    static const uint8_t ones[16] = {[0 ... 15] = 0xff};
    (void)state;
    assert_non_null(steer(0, true));
    assert_int_equal(fake.type_count, 3);
    assert_int_equal(fake.types[0], RTE_FLOW_ITEM_TYPE_ETH);
    assert_int_equal(fake.types[1], RTE_FLOW_ITEM_TYPE_IPV4);
    assert_int_equal(fake.types[2], RTE_FLOW_ITEM_TYPE_UDP);
    assert_int_equal(fake.ip_size, 4);
    assert_memory_equal(fake.ip, v4, 4);
    assert_memory_equal(fake.ip_mask, ones, 4);
    assert_int_equal(fake.udp_port, 2888);
    assert_int_equal(fake.queue, 3);
    assert_int_equal(flow.steer, DEVICE_STEER_DEVICE);
    assert_int_equal(flow.queue, 3);
    assert_string_equal(flow.why, "");
    assert_non_null(steer(0, false));
    assert_int_equal(fake.types[1], RTE_FLOW_ITEM_TYPE_IPV6);
    assert_int_equal(fake.ip_size, 16);
    assert_memory_equal(fake.ip, v6, 16);
    assert_memory_equal(fake.ip_mask, ones, 16);
}

static void test_vlan(void **state)
{
    (void)state;
    assert_non_null(steer(42, true));
    assert_int_equal(fake.type_count, 4);
    assert_int_equal(fake.types[1], RTE_FLOW_ITEM_TYPE_VLAN);
    assert_int_equal(fake.vlan, 42);
    fake.no_vlan = true;
    assert_non_null(steer(42, true));
    assert_int_equal(fake.validated, 2);
    assert_int_equal(fake.type_count, 3);
    assert_string_equal(flow.why, ""); /* what it refused first is of no interest */
}

static void test_port_alone(void **state)
{
    (void)state;
    fake.no_vlan = fake.no_address = true;
    assert_non_null(steer(42, false));
    assert_int_equal(fake.validated, 3);
    assert_int_equal(fake.ip_size, 0);
    assert_int_equal(fake.udp_port, 2888);
    assert_int_equal(flow.steer, DEVICE_STEER_DEVICE);
}

static void test_refused(void **state)
{
    (void)state;
    fake.nothing = true;
    assert_null(steer(42, true));
    assert_int_equal(fake.created, 0);
    assert_int_equal(flow.steer, DEVICE_STEER_SOFTWARE);
    assert_string_equal(flow.why, "no flows here");
    fake.silent = true;
    assert_null(steer(0, true));
    assert_string_equal(flow.why, rte_strerror(ENOSYS));
    fake.nothing = fake.silent = false;
    fake.no_room = true;
    assert_null(steer(0, true));
    assert_string_equal(flow.why, "the table is full");
    assert_int_equal(flow.steer, DEVICE_STEER_SOFTWARE);
}

static void test_drop(void **state)
{
    (void)state;
    device_flow_drop(&ops, 7, NULL);
    assert_int_equal(fake.destroyed, 0);
    device_flow_drop(&ops, 7, steer(0, true));
    assert_int_equal(fake.destroyed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_address_and_port, setup),
        cmocka_unit_test_setup(test_vlan, setup),
        cmocka_unit_test_setup(test_port_alone, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_drop, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
