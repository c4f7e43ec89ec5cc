/* Goal: cards are listed as they are, and one is handed over only when that cuts nobody off.
 * Method: trees of files; every refusal; what was written for the two that are allowed. */
#include "tests/unit/host_fixture.h"
#include "tools/host/nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];
static struct sysroot root;
static struct nic nic;
static struct fault fault;

static void begin(const char *machine)
{
    assert_true(host_fixture_make(host_fixture_temp(dir), machine));
    root.path = dir;
}

static void holds(const char *path, const char *wanted)
{
    char text[64];
    assert_true(sysroot_text(&root, text, sizeof(text), "%s", path));
    assert_string_equal(text, wanted);
}

static void test_list(void **state)
{
    struct nic nics[NIC_MAX];
    begin("tuned");
    host_fixture_put(dir, "/sys/class/net/lo/operstate", "unknown");
    host_fixture_put(dir, "/sys/class/net/veth0/operstate", "up");
    assert_int_equal(nic_list(&root, nics, NIC_MAX), 3);
    assert_string_equal(nics[0].name, "ens1");
    assert_string_equal(nics[0].pci, "0000:5e:00.0");
    assert_string_equal(nics[0].driver, "mlx5_core");
    assert_int_equal(nics[0].speed, 25000);
    assert_int_equal(nics[0].node, 1);
    assert_int_equal(nics[0].rx_queues, 4);
    assert_string_equal(nics[0].link_now, "x16 at 8.0 GT/s PCIe");
    assert_true(nics[0].is_default && nics[0].has_stamps);
    assert_false(nics[1].is_default || nics[1].has_stamps);
    assert_string_equal(nics[2].name, "veth0");
    assert_int_equal(nic_list(&root, nics, 1), 1);
    assert_int_equal(nic_find(&root, "0000:af:00.0", &nic, &fault), 0);
    assert_string_equal(nic.name, "ens2");
    assert_int_equal(nic_find(&root, "ens9", &nic, &fault), ERR_NOTFOUND);
    host_fixture_drop(dir);
}

static void test_refusals(void **state)
{
    begin("tuned");
    assert_int_equal(nic_find(&root, "ens1", &nic, &fault), 0);
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), ERR_BUSY);
    assert_non_null(strstr(fault.text, "default route"));
    assert_int_equal(nic_unbind(&root, &nic, &fault), ERR_BUSY);
    assert_int_equal(nic_find(&root, "ens2", &nic, &fault), 0);
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.text, "IOMMU"));
    assert_int_equal(nic_bind(&root, &nic, "igb_uio", &fault), ERR_UNSUPPORTED);
    assert_int_equal(nic_bind(&root, &nic, "../x", &fault), ERR_UNSUPPORTED);
    assert_int_equal(nic_bind(&root, &nic, "ice", &fault), ERR_EXISTS);
    holds("/sys/bus/pci/devices/0000:af:00.0/driver_override", "(null)"); /* nothing was written */
    /* a port of a bridge that has the route; a route of IPv6 */
    host_fixture_put(dir, "/proc/net/route", "Iface Dest\nbr0 00000000 01 0003");
    host_fixture_link(dir, "/sys/class/net/ens2/master", "../br0");
    assert_int_equal(nic_find(&root, "ens2", &nic, &fault), 0);
    assert_true(nic.is_default);
    host_fixture_remove(dir, "/sys/class/net/ens2/master");
    host_fixture_put(dir, "/proc/net/ipv6_route",
                     "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                     "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 ens2");
    assert_int_equal(nic_find(&root, "ens2", &nic, &fault), 0);
    assert_true(nic.is_default);
    host_fixture_put(dir, "/sys/class/net/veth0/operstate", "up");
    assert_int_equal(nic_find(&root, "veth0", &nic, &fault), 0);
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.text, "af_packet"));
    host_fixture_drop(dir);
}

static void test_handed_over(void **state)
{
    begin("tuned");
    host_fixture_link(dir, "/sys/bus/pci/devices/0000:af:00.0/iommu_group", "../../iommu_groups/7");
    assert_int_equal(nic_find(&root, "ens2", &nic, &fault), 0);
    assert_string_equal(nic.iommu_group, "7");
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), 0);
    holds("/sys/bus/pci/devices/0000:af:00.0/driver_override", "vfio-pci");
    holds("/sys/bus/pci/drivers/ice/unbind", "0000:af:00.0");
    holds("/sys/bus/pci/drivers_probe", "0000:af:00.0");
    assert_int_equal(nic_unbind(&root, &nic, &fault), 0);
    holds("/sys/bus/pci/devices/0000:af:00.0/driver_override", "");
    /* without an IOMMU, by the administrator's own word */
    host_fixture_remove(dir, "/sys/bus/pci/devices/0000:af:00.0/iommu_group");
    host_fixture_put(dir, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y");
    assert_int_equal(nic_find(&root, "ens2", &nic, &fault), 0);
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), 0);
    host_fixture_remove(dir, "/sys/bus/pci/drivers_probe");
    assert_int_equal(nic_bind(&root, &nic, "vfio-pci", &fault), ERR_IO);
    assert_non_null(strstr(fault.text, "drivers_probe"));
    host_fixture_drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
