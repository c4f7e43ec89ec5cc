/* Goal: every check of the doctor can pass and can fail, and the class follows from them. Method: a
 * tree of files in which everything is right; then, check by check, the one thing changed that must
 * turn it (the table below names each check: one without a line is a failure). */
#include "base/check.h"
#include "tests/unit/host_fixture.h"
#include "tools/host/doctor_measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct host host, later;
static struct doctor_report report;
static struct doctor_subject subject;

static void look(const char *dir, const char *hot, const char *data)
{
    struct cpulist cpus;
    assert_int_equal(host_read(&host, (struct sysroot){dir}), 0);
    later = host;
    assert_int_equal(cpulist_parse(hot, &cpus), 0);
    doctor_subject_init(&subject, &host, &cpus, NULL, data);
    subject.later = &later;
    subject.window_ms = 500;
    subject.live = (struct doctor_live){.clock_known = true,
                                        .clock_synchronised = true,
                                        .clock_error_us = 100,
                                        .space_known = true,
                                        .space_free = 50,
                                        .space_size = 100};
}

static const struct doctor_finding *find(const char *id)
{
    for (uint32_t i = 0; i < report.count; i++)
        if (strcmp(report.findings[i].check->id, id) == 0)
            return &report.findings[i];
    fail_msg("no check %s", id);
    return NULL;
}

#define CPU18 "/sys/devices/system/cpu/cpu18/"
#define NIC1  "/sys/bus/pci/devices/0000:5e:00.0/"
#define NET1  "/sys/class/net/ens1/"
#define FLAGS "processor: 0\nmodel name : X\nflags : fpu tsc "
#define MOUNT(type, options)                                                                       \
    "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n28 27 259:1 / /data rw,noatime - " type         \
    " /dev/nvme0n1p1 rw" options

/* The change that must turn each check, and into what. path NULL: by hand in `turn`. A text NULL
 * removes the file. */
static const struct turn {
    const char *id;
    enum doctor_state state;
    const char *path, *text;
    void (*by_hand)(void);
} turns[];

static void steal_irqs(void)
{
    later.cpus[19].irq_count += 1000;
}

static void steal_ticks(void)
{
    later.cpus[20].tick_count += 125;
}

static void lose_sync(void)
{
    subject.live.clock_synchronised = false;
}

static void leap(void)
{
    subject.live.clock_leap = true;
}

static void fill_disk(void)
{
    subject.live.space_free = 1;
}

static void two_caches(void)
{
    host.cpus[18].l3 = 99;
}

static void two_sockets(void)
{
    cpulist_add(&subject.hot, 2);
}

static void card_far(void)
{
    subject.hot = (struct cpulist){0};
    cpulist_add(&subject.hot, 3);
}

static void many_nets(void)
{
    subject.net_count = 5;
}

static void guest_card(void)
{
    host_fixture_link(host.root.path, NIC1 "driver", "../../drivers/virtio_net");
}

static void no_stamps(void)
{
    host_fixture_remove(host.root.path, NIC1 "ptp/ptp0/clock_name");
    host_fixture_remove(host.root.path, NIC1 "ptp/ptp0");
}

static void no_vfio(void)
{
    host_fixture_remove(host.root.path, "/dev/vfio/vfio");
}

static void other_disk(void)
{
    strcpy(subject.disk, "loop3");
}

static const struct turn turns[] = {
    {"cpu-real", DOCTOR_FAIL, "/proc/cpuinfo", FLAGS "hypervisor"},
    {"cpu-steal", DOCTOR_FAIL, "/proc/stat", "cpu 1 1 1 1 1 1 1 3 0 0"},
    {"cpu-count", DOCTOR_FAIL, "/sys/devices/system/cpu/online", "0,18"},
    {"cpu-crc32", DOCTOR_FAIL, "/proc/cpuinfo", FLAGS "sse4_1"},
    {"cpu-clmul", DOCTOR_WARN, "/proc/cpuinfo", FLAGS "vpclmulqdq"},
    {"cpu-waitpkg", DOCTOR_WARN, "/proc/cpuinfo", FLAGS},
    {"cpu-tsc", DOCTOR_FAIL, "/proc/cpuinfo", FLAGS "constant_tsc"},
    {"cpu-governor", DOCTOR_FAIL, CPU18 "cpufreq/scaling_governor", "powersave"},
    {"cpu-turbo", DOCTOR_WARN, "/sys/devices/system/cpu/intel_pstate/no_turbo", "0"},
    {"cpu-idle", DOCTOR_FAIL, CPU18 "power/pm_qos_resume_latency_us", "0"},
    {"cpu-smt", DOCTOR_FAIL, "/sys/devices/system/cpu/isolated", "18-23"},
    {"cpu-cache", DOCTOR_WARN, NULL, NULL, two_caches},
    {"cpu-socket", DOCTOR_FAIL, NULL, NULL, two_sockets},
    {"cpu-mitigations", DOCTOR_WARN, "/sys/devices/system/cpu/vulnerabilities/mds",
     "Mitigation: x"},
    {"cpu-smi", DOCTOR_UNKNOWN, "/dev/cpu/0/msr", NULL},
    {"cpu-smi", DOCTOR_UNKNOWN, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\n"},
    {"cpu-cat", DOCTOR_WARN, "/sys/fs/resctrl/schemata", NULL},
    {"iso-cores", DOCTOR_FAIL, "/sys/devices/system/cpu/isolated", "18-22,50-55"},
    {"iso-nohz", DOCTOR_FAIL, "/sys/devices/system/cpu/nohz_full", "18-22"},
    {"iso-nohz", DOCTOR_FAIL, "/sys/devices/system/cpu/nohz_full", NULL},
    {"iso-rcu", DOCTOR_FAIL, "/proc/cmdline", "isolcpus=managed_irq,domain,18-23 rcu_nocbs=1-3"},
    {"iso-managed-irq", DOCTOR_WARN, "/proc/cmdline", "isolcpus=domain,18-23 rcu_nocbs=18-23"},
    {"iso-allowed", DOCTOR_FAIL, "/proc/self/status", "Cpus_allowed_list:\t0-20"},
    {"iso-irqs", DOCTOR_FAIL, "/proc/irq/25/effective_affinity_list", "21"},
    {"iso-irq-rate", DOCTOR_FAIL, NULL, NULL, steal_irqs},
    {"iso-tick-rate", DOCTOR_FAIL, NULL, NULL, steal_ticks},
    {"iso-workqueue", DOCTOR_FAIL, "/sys/devices/virtual/workqueue/cpumask", "ffffffff,ffffffff"},
    {"iso-writeback", DOCTOR_FAIL, "/sys/devices/virtual/workqueue/writeback/cpumask", "00040000"},
    {"iso-irqbalance", DOCTOR_FAIL, "/proc/100/comm", "irqbalance"},
    {"iso-quota", DOCTOR_FAIL, "/sys/fs/cgroup/system.slice/takt.service/cpu.max", "50000 100000"},
    {"iso-timers", DOCTOR_WARN, "/proc/sys/kernel/timer_migration", "0"},
    {"iso-rt-throttle", DOCTOR_WARN, "/proc/sys/kernel/sched_rt_runtime_us", "950000"},
    {"iso-load", DOCTOR_WARN, "/proc/loadavg", "80.0 1 1 1/1 1"},
    {"kernel-version", DOCTOR_FAIL, "/proc/sys/kernel/osrelease", "4.18.0-553.el8"},
    {"kernel-preempt", DOCTOR_WARN, "/sys/kernel/realtime", "0"},
    {"kernel-nmi-watchdog", DOCTOR_FAIL, "/proc/sys/kernel/nmi_watchdog", "1"},
    {"kernel-soft-watchdog", DOCTOR_FAIL, "/proc/sys/kernel/soft_watchdog", "1"},
    {"kernel-vmstat", DOCTOR_WARN, "/proc/sys/vm/stat_interval", "9"},
    {"kernel-console", DOCTOR_WARN, "/proc/sys/kernel/printk", "7 4 1 7"},
    {"kernel-mce", DOCTOR_WARN, "/sys/devices/system/machinecheck/machinecheck0/ignore_ce", "0"},
    {"kernel-io-uring", DOCTOR_WARN, "/proc/sys/kernel/io_uring_disabled", "2"},
    {"kernel-backlog", DOCTOR_WARN, "/proc/sys/net/core/somaxconn", "1023"},
    {"kernel-rmem", DOCTOR_WARN, "/proc/sys/net/core/rmem_max", "212992"},
    {"limit-files", DOCTOR_WARN, "/proc/self/limits",
     "Max locked memory  1 1\nMax open files  65791"},
    {"limit-locked", DOCTOR_WARN, "/proc/self/limits",
     "Max locked memory  65536\nMax open files  1"},
    {"clock-source", DOCTOR_FAIL,
     "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"},
    {"clock-sync", DOCTOR_WARN, NULL, NULL, lose_sync},
    {"clock-leap", DOCTOR_WARN, NULL, NULL, leap},
    {"clock-ptp", DOCTOR_WARN, "/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP"},
    {"mem-thp", DOCTOR_FAIL, "/sys/kernel/mm/transparent_hugepage/enabled",
     "[always] madvise never"},
    {"mem-thp-defrag", DOCTOR_WARN, "/sys/kernel/mm/transparent_hugepage/defrag", "[always] defer"},
    {"mem-ksm", DOCTOR_FAIL, "/sys/kernel/mm/ksm/run", "1"},
    {"mem-numa-balancing", DOCTOR_FAIL, "/proc/sys/kernel/numa_balancing", "1"},
    {"mem-zone-reclaim", DOCTOR_FAIL, "/proc/sys/vm/zone_reclaim_mode", "1"},
    {"mem-overcommit", DOCTOR_WARN, "/proc/sys/vm/overcommit_memory", "2"},
    {"mem-compaction", DOCTOR_WARN, "/proc/sys/vm/compaction_proactiveness", "20"},
    {"mem-swappiness", DOCTOR_WARN, "/proc/sys/vm/swappiness", "11"},
    {"mem-swap", DOCTOR_FAIL, "/proc/meminfo", "SwapTotal: 1024 kB"},
    {"mem-hugepages", DOCTOR_WARN, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0"},
    {"mem-hugepages-node", DOCTOR_WARN,
     "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "0"},
    {"mem-fragments", DOCTOR_WARN, "/proc/buddyinfo", "Node 0, zone Normal 9 9 9 9 9 9 9 9 9 1 0"},
    {"mem-available", DOCTOR_WARN, "/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 99 kB"},
    {"mem-pressure", DOCTOR_WARN, "/proc/pressure/memory", "some avg10=0.50 avg60=0"},
    {"nic-driver", DOCTOR_FAIL, NULL, NULL, guest_card},
    {"nic-node", DOCTOR_FAIL, NULL, NULL, card_far},
    {"nic-pcie", DOCTOR_WARN, NIC1 "current_link_width", "8"},
    {"nic-queues", DOCTOR_WARN, NULL, NULL, many_nets},
    {"nic-link", DOCTOR_FAIL, NET1 "operstate", "down"},
    {"nic-duplex", DOCTOR_FAIL, NET1 "duplex", "half"},
    {"nic-mtu", DOCTOR_WARN, NET1 "mtu", "1400"},
    {"nic-timestamps", DOCTOR_WARN, NULL, NULL, no_stamps},
    {"nic-flaps", DOCTOR_WARN, NET1 "carrier_changes", "11"},
    {"nic-errors", DOCTOR_WARN, NET1 "statistics/rx_errors", "4"},
    {"nic-iommu", DOCTOR_WARN, NULL, NULL, no_vfio},
    {"disk-device", DOCTOR_FAIL, NULL, NULL, other_disk},
    {"disk-system", DOCTOR_FAIL, "/proc/self/mountinfo", MOUNT("overlay", "")},
    {"disk-barrier", DOCTOR_FAIL, "/proc/self/mountinfo", MOUNT("ext4", ",nobarrier")},
    {"disk-cache", DOCTOR_WARN, "/sys/block/nvme0n1/queue/write_cache", "write back"},
    {"disk-fua", DOCTOR_UNKNOWN, "/sys/block/nvme0n1/queue/fua", NULL},
    {"disk-scheduler", DOCTOR_FAIL, "/sys/block/nvme0n1/queue/scheduler", "none [bfq]"},
    {"disk-rotates", DOCTOR_FAIL, "/sys/block/nvme0n1/queue/rotational", "1"},
    {"disk-atime", DOCTOR_WARN, "/proc/self/mountinfo",
     "28 27 259:1 / /data rw - xfs /dev/nvme0n1p1 rw"},
    {"disk-discard", DOCTOR_WARN, "/proc/self/mountinfo", MOUNT("xfs", ",discard")},
    {"disk-space", DOCTOR_FAIL, NULL, NULL, fill_disk},
    {"disk-pressure", DOCTOR_WARN, "/proc/pressure/io", "some avg10=7.00 avg60=0"},
};

static void test_tuned_passes(void **state)
{
    char dir[64];
    assert_true(host_fixture_make(host_fixture_temp(dir), "tuned"));
    look(dir, "18-23", "/data/takt");
    doctor_run(&subject, &report);
    assert_string_equal(subject.nic, "ens1");
    assert_string_equal(subject.disk, "nvme0n1");
    assert_true(report.count >= 40);
    for (uint32_t i = 0; i < report.count; i++)
        if (report.findings[i].state != DOCTOR_OK)
            fail_msg("%s: %s", report.findings[i].check->id, report.findings[i].text);
    /* nothing is wrong, and yet class A must be shown by measurement */
    assert_int_equal(report.class, DOCTOR_B);
    static const struct doctor_check gaps = {"measure-gaps", "", "", "", DOCTOR_C};
    doctor_add(&report, &gaps, DOCTOR_OK, "12 us");
    assert_int_equal(report.class, DOCTOR_A);
    host_fixture_drop(dir);
}

static const struct turn *turn_of(const char *id)
{
    for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++)
        if (strcmp(turns[t].id, id) == 0)
            return &turns[t];
    fail_msg("no test turns %s", id);
    return NULL;
}

static void test_each_check_fails(void **state)
{
    char dir[64];
    const struct doctor_check *check;
    assert_true(host_fixture_make(host_fixture_temp(dir), "tuned"));
    for (uint32_t i = 0; (check = doctor_all(i)) != NULL; i++) {
        const struct turn *turn = turn_of(check->id);
        struct sysroot root = {dir};
        char *before = turn->path ? sysroot_all(&root, "%s", turn->path) : NULL;
        if (turn->path && turn->text)
            host_fixture_put(dir, turn->path, "%s", turn->text);
        else if (turn->path)
            host_fixture_remove(dir, turn->path);
        look(dir, strcmp(check->id, "cpu-count") == 0 ? "18" : "18-23", "/data");
        if (turn->by_hand)
            turn->by_hand();
        doctor_run(&subject, &report);
        if (find(check->id)->state != turn->state)
            fail_msg("%s is %s: %s", check->id, doctor_state_name(find(check->id)->state),
                     find(check->id)->text);
        assert_true(*find(check->id)->text != '\0');
        /* the next check begins from a machine that has nothing wrong */
        if (before)
            host_fixture_put(dir, turn->path, "%s", before);
        else if (turn->path)
            host_fixture_remove(dir, turn->path);
        if (turn->by_hand)
            assert_true(host_fixture_make(dir, "tuned"));
        free(before);
    }
    host_fixture_drop(dir);
}

/* Words of the mending commands are filled in, and every check says why. */
static void test_texts(void **state)
{
    char dir[64], mend[512];
    const struct doctor_check *check;
    assert_true(host_fixture_make(host_fixture_temp(dir), "tuned"));
    look(dir, "18-23", "/data");
    for (uint32_t i = 0; (check = doctor_all(i)) != NULL; i++) {
        assert_true(strlen(check->why) > 10 && check->why[strlen(check->why) - 1] == '.');
        doctor_mend(&subject, check, mend, sizeof(mend));
        for (uint32_t k = i + 1; doctor_all(k); k++)
            assert_string_not_equal(check->id, doctor_all(k)->id);
    }
    doctor_mend(&subject, doctor_find("iso-nohz"), mend, sizeof(mend));
    assert_non_null(strstr(mend, "nohz_full=18-23 "));
    doctor_mend(&subject, doctor_find("iso-workqueue"), mend, sizeof(mend));
    assert_non_null(strstr(mend, "echo ffffffff,ff03ffff >"));
    doctor_mend(&subject, doctor_find("disk-barrier"), mend, sizeof(mend));
    assert_non_null(strstr(mend, "barrier=1 /data"));
    assert_null(doctor_find("no-such"));
    host_fixture_drop(dir);
}

static void test_guest_is_c(void **state)
{
    char dir[64];
    assert_true(host_fixture_make(host_fixture_temp(dir), "vm"));
    look(dir, "1", "/root/data");
    doctor_run(&subject, &report);
    assert_int_equal(report.class, DOCTOR_C);
    assert_int_equal(find("cpu-real")->state, DOCTOR_FAIL);
    assert_int_equal(find("cpu-steal")->state, DOCTOR_FAIL);
    assert_int_equal(find("disk-rotates")->state, DOCTOR_UNKNOWN);
    assert_string_equal(subject.disk, "vda");
    host_fixture_drop(dir);
}

static void test_box_is_b(void **state)
{
    char dir[64];
    assert_true(host_fixture_make(host_fixture_temp(dir), "server"));
    look(dir, "18-23", "/data");
    doctor_run(&subject, &report);
    assert_int_equal(report.class, DOCTOR_B);
    assert_int_equal(find("mem-thp")->state, DOCTOR_FAIL);
    assert_int_equal(find("cpu-smi")->state, DOCTOR_WARN);
    host_fixture_drop(dir);
}

static void test_empty_root(void **state)
{
    char dir[64];
    host_fixture_temp(dir);
    assert_int_equal(host_read(&host, (struct sysroot){dir}), ERR_NOTFOUND);
    /* only cpus: whatever cannot be read must not count as fine for the class */
    host_fixture_put(dir, "/sys/devices/system/cpu/online", "0-3");
    look(dir, "1", "/");
    doctor_run(&subject, &report);
    assert_int_equal(find("cpu-crc32")->state, DOCTOR_UNKNOWN);
    assert_int_equal(find("nic-driver")->state, DOCTOR_NONE);
    assert_int_equal(find("disk-system")->state, DOCTOR_UNKNOWN);
    assert_true(report.class != DOCTOR_A);
    host_fixture_drop(dir);
}

static void test_bounds(void **state)
{
    struct doctor_bounds a = doctor_bounds_of(DOCTOR_A, 0, 0, 0);
    struct doctor_bounds b = doctor_bounds_of(DOCTOR_B, 0, 0, 0);
    struct doctor_bounds c = doctor_bounds_of(DOCTOR_C, 8200000, 100000, 300000);
    assert_true(a.promised && !b.promised && !c.promised);
    /* the floors of the settings decide on a qualified machine */
    assert_int_equal(a.heartbeat_ns, 1000000);
    assert_int_equal(a.election_ns_min, 5000000);
    assert_true(a.failover_ns > a.election_ns_max && a.failover_ns < 11000000);
    assert_int_equal(a.lease_ns, 1000000);
    assert_int_equal(b.heartbeat_ns, 12000000);
    assert_int_equal(b.lease_ns, 18000000);
    assert_int_equal(c.gap_ns, 8200000);
    assert_true(c.election_ns_min >= 2 * c.heartbeat_ns);
    assert_true(c.failover_ns > b.failover_ns);
}

static void test_flush_judged(void **state)
{
    char text[DOCTOR_TEXT_SIZE];
    assert_int_equal(doctor_measure_flush(900, 1500, true, false, false, text), DOCTOR_FAIL);
    assert_int_equal(doctor_measure_flush(20000, 30000, false, false, false, text), DOCTOR_FAIL);
    assert_int_equal(doctor_measure_flush(20000, 30000, true, false, false, text), DOCTOR_OK);
    assert_int_equal(doctor_measure_flush(900000, 1000000, false, false, false, text), DOCTOR_OK);
    assert_int_equal(doctor_measure_flush(12000000, 15000000, false, false, false, text),
                     DOCTOR_WARN);
    assert_int_equal(doctor_measure_flush(120000, 130000, false, true, true, text), DOCTOR_FAIL);
    assert_int_equal(doctor_measure_flush(120000, 130000, false, false, true, text), DOCTOR_WARN);
}

/* The measuring ones, on this machine: short, and only that they say something. */
static void test_measured(void **state)
{
    struct doctor_measured measured = {0};
    struct fault fault;
    struct config config;
    char dir[64];
    assert_int_equal(host_read(&host, (struct sysroot){""}), 0);
    struct cpulist hot = {0};
    cpulist_add(&hot, cpulist_next(&host.allowed, 0));
    doctor_subject_init(&subject, &host, &hot, NULL, host_fixture_temp(dir));
    doctor_measure_live(&subject);
    assert_true(subject.live.space_known && subject.live.space_size > 0);
    memset(&report, 0, sizeof(report));
    doctor_measure_gaps(&subject, 20000000, &report, &measured);
    assert_true(report.measured && measured.gap_ns > 0);
    doctor_measure_clock(&report);
    doctor_measure_disk(&subject, 100000000, &report, &measured);
    assert_true(measured.flush_ns > 0);
    config_init(&config);
    doctor_measure_peers(&config, &report, &measured);
    assert_int_equal(find("measure-peers")->state, DOCTOR_NONE);
    struct membership_server nobody;
    assert_int_equal(membership_server_parse(&nobody, 2, "127.0.0.1:2:3;9", &fault), 0);
    assert_int_equal(membership_add(&config.servers, &nobody), 0);
    doctor_measure_peers(&config, &report, &measured);
    assert_int_equal(report.findings[report.count - 1].state, DOCTOR_FAIL);
    assert_non_null(strstr(report.findings[report.count - 1].text, "2: no answer"));
    /* a directory that is not there, a cpu that is not there */
    strcpy(subject.data_dir, "/nonexistent");
    doctor_measure_disk(&subject, 1000, &report, &measured);
    assert_int_equal(report.findings[report.count - 1].state, DOCTOR_UNKNOWN);
    subject.hot = (struct cpulist){0};
    cpulist_add(&subject.hot, CPULIST_MAX - 1);
    doctor_measure_gaps(&subject, 1000, &report, &measured);
    assert_int_equal(report.findings[report.count - 1].state, DOCTOR_UNKNOWN);
    host_fixture_drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuned_passes), cmocka_unit_test(test_each_check_fails),
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_guest_is_c),
        cmocka_unit_test(test_box_is_b),     cmocka_unit_test(test_empty_root),
        cmocka_unit_test(test_bounds),       cmocka_unit_test(test_flush_judged),
        cmocka_unit_test(test_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
