#include "tests/unit/host_fixture.h"

#include "base/check.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU "/sys/devices/system/cpu"

static void host_fixture_folders(char *path)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
        *at = '/';
    }
}

void host_fixture_put(const char *dir, const char *path, const char *format, ...)
{
    char full[1024];
    va_list args;

    snprintf(full, sizeof(full), "%s%s", dir, path);
    host_fixture_folders(full);
    FILE *file = fopen(full, "w");
    CHECK(file != NULL && format != NULL);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fputc('\n', file);
    fclose(file);
}

void host_fixture_link(const char *dir, const char *path, const char *target)
{
    char full[1024];
    snprintf(full, sizeof(full), "%s%s", dir, path);
    host_fixture_folders(full);
    unlink(full);
    CHECK(symlink(target, full) == 0);
}

void host_fixture_remove(const char *dir, const char *path)
{
    char full[1024];
    snprintf(full, sizeof(full), "%s%s", dir, path);
    CHECK(remove(full) == 0 || errno == ENOENT);
}

const char *host_fixture_temp(char dir[64])
{
    const char *base = getenv("TMPDIR");
    if (!base || strlen(base) > 40)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(dir, 64, "%s/takt-host-XXXXXX", base);
    CHECK(mkdtemp(dir) != NULL);
    return dir;
}

static int host_fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    return remove(path);
}

void host_fixture_drop(const char *dir)
{
    nftw(dir, host_fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

struct machine_shape {
    uint32_t sockets, cores, threads; /* per socket, per core */
    const char *model, *flags;
};

static uint32_t host_fixture_cpus(const struct machine_shape *shape)
{
    return shape->sockets * shape->cores * shape->threads;
}

/* Threads are numbered as Linux does: all first ones, then all second ones. */
static void host_fixture_cpu(const char *dir, const struct machine_shape *shape, uint32_t cpu)
{
    uint32_t cores = shape->sockets * shape->cores, core = cpu % cores;
    uint32_t socket = core / shape->cores, first = socket * shape->cores;
    char path[128], shared[64];

#define IN_CPU(rest) (snprintf(path, sizeof(path), CPU "/cpu%u/" rest, cpu), path)
    host_fixture_put(dir, IN_CPU("topology/physical_package_id"), "%u", socket);
    host_fixture_put(dir, IN_CPU("topology/core_id"), "%u", core % shape->cores);
    if (shape->threads == 2)
        host_fixture_put(dir, IN_CPU("topology/thread_siblings_list"), "%u,%u", core, core + cores);
    else
        host_fixture_put(dir, IN_CPU("topology/thread_siblings_list"), "%u", core);
    snprintf(shared, sizeof(shared), "%u-%u", first, first + shape->cores - 1);
    host_fixture_put(dir, IN_CPU("cache/index0/level"), "1");
    host_fixture_put(dir, IN_CPU("cache/index0/shared_cpu_list"), "%u", core);
    host_fixture_put(dir, IN_CPU("cache/index3/level"), "3");
    host_fixture_put(dir, IN_CPU("cache/index3/shared_cpu_list"), "%s", shared);
#undef IN_CPU
}

static void host_fixture_interrupts(const char *dir, const struct machine_shape *shape)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/proc/interrupts", dir);
    host_fixture_folders(path);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    for (uint32_t cpu = 0; cpu < host_fixture_cpus(shape); cpu++)
        fprintf(file, " CPU%u", cpu);
    fputs("\n 24:", file);
    for (uint32_t cpu = 0; cpu < host_fixture_cpus(shape); cpu++)
        fprintf(file, " %u", cpu == 0 ? 90000 : 0);
    fputs(" PCI-MSI eth0-0\nLOC:", file);
    for (uint32_t cpu = 0; cpu < host_fixture_cpus(shape); cpu++)
        fprintf(file, " %u", 1000000 + cpu);
    fputs(" Local timer interrupts\n", file);
    fclose(file);
}

static void host_fixture_topology(const char *dir, const struct machine_shape *shape)
{
    uint32_t count = host_fixture_cpus(shape), cores = shape->sockets * shape->cores;
    char path[128];

    host_fixture_put(dir, CPU "/online", "0-%u", count - 1);
    host_fixture_put(dir, CPU "/isolated", "%s", "");
    host_fixture_put(dir, "/proc/self/status", "Name:\ttakt\nCpus_allowed_list:\t0-%u", count - 1);
    host_fixture_put(dir, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: %s\nflags\t\t: %s",
                     shape->model, shape->flags);
    for (uint32_t cpu = 0; cpu < count; cpu++)
        host_fixture_cpu(dir, shape, cpu);
    if (shape->sockets == 1)
        host_fixture_put(dir, "/sys/devices/system/node/online", "0");
    else
        host_fixture_put(dir, "/sys/devices/system/node/online", "0-%u", shape->sockets - 1);
    for (uint32_t node = 0; node < shape->sockets; node++) {
        uint32_t first = node * shape->cores, last = first + shape->cores - 1;
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
        if (shape->threads == 2)
            host_fixture_put(dir, path, "%u-%u,%u-%u", first, last, first + cores, last + cores);
        else
            host_fixture_put(dir, path, "%u-%u", first, last);
    }
    host_fixture_interrupts(dir, shape);
}

/* Files that are the same kind of thing on every machine: path, in the guest, out of the box,
 * tuned. NULL: not there. */
static const struct {
    const char *path, *vm, *server, *tuned;
} host_fixture_files[] = {
    {"/proc/cmdline", "console=ttyS0 quiet nomodule", "root=/dev/sda1 quiet",
     "root=/dev/sda1 isolcpus=managed_irq,domain,18-23,50-55 nohz_full=18-23 rcu_nocbs=18-23"},
    {"/proc/stat", "cpu 1656475 124138 972321 1891528 17586 0 51395 2109 0 0",
     "cpu 10 0 10 100000 5 0 1 0 0 0", "cpu 10 0 10 100000 5 0 1 0 0 0"},
    {"/proc/loadavg", "15.71 9.1 4.0 3/180 1", "0.5 0.4 0.3 1/900 1", "0.5 0.4 0.3 1/900 1"},
    {"/proc/version", "Linux version 6.18.44 (gcc) #1 SMP",
     "Linux version 6.1.0 #1 SMP PREEMPT_DYNAMIC", "Linux version 6.1.0-rt7 #1 SMP"},
    {"/proc/self/cgroup", "3:cpuset:/\n0::/", "0::/system.slice/takt.service",
     "0::/system.slice/takt.service"},
    {"/proc/self/limits",
     "Max locked memory  8388608 8388608 bytes\nMax open files  20000 20000 files",
     "Max locked memory  8388608 8388608 bytes\nMax open files  1024 524288 files",
     "Max locked memory  unlimited unlimited bytes\nMax open files  1048576 1048576 files"},
    {"/proc/self/mountinfo", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
     "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n28 27 259:1 / /data rw,noatime - xfs "
     "/dev/nvme0n1p1 rw",
     "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n28 27 259:1 / /data rw,noatime - xfs "
     "/dev/nvme0n1p1 rw"},
    {"/proc/meminfo", "MemTotal: 24684096 kB\nMemAvailable: 20000000 kB\nSwapTotal: 0 kB",
     "MemTotal: 263000000 kB\nMemAvailable: 250000000 kB\nSwapTotal: 8388604 kB",
     "MemTotal: 263000000 kB\nMemAvailable: 250000000 kB\nSwapTotal: 0 kB"},
    {"/proc/buddyinfo", "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 5 900",
     "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 1 20", "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 1 20000"},
    {"/proc/pressure/memory", "some avg10=0.00 avg60=0.00", "some avg10=0.00 avg60=0.00",
     "some avg10=0.00 avg60=0.00"},
    {"/proc/pressure/io", "some avg10=0.10 avg60=0.00", "some avg10=0.00 avg60=0.00",
     "some avg10=0.00 avg60=0.00"},
    {"/proc/net/route", "Iface Destination Gateway\neth0 00000000 010200C0 0003",
     "Iface Destination Gateway\nens1 00000000 010200C0 0003",
     "Iface Destination Gateway\neth9 0000000A 00000000 0001\nens1 00000000 010200C0 0003"},
    {"/proc/irq/24/smp_affinity_list", "0", "0-63", "0-17"},
    {"/proc/irq/24/effective_affinity_list", "0", "0", "0"},
    {"/proc/irq/25/smp_affinity_list", "0-1", "0-63", "0-17"},
    {"/proc/irq/25/effective_affinity_list", "1", "18", "1"},
    {"/proc/irq/default_smp_affinity", "3", "ffffffff,ffffffff", "ff03ffff,ff03ffff"},
    {"/proc/100/comm", "init", "irqbalance", "init"},
    {"/proc/sys/kernel/osrelease", "6.18.44", "6.1.0-18-amd64", "6.1.0-rt7"},
    {"/proc/sys/kernel/printk", "4 4 1 7", "7 4 1 7", "4 4 1 7"},
    {"/proc/sys/kernel/nmi_watchdog", "0", "1", "0"},
    {"/proc/sys/kernel/soft_watchdog", "1", "1", "0"},
    {"/proc/sys/kernel/timer_migration", "1", "1", "1"},
    {"/proc/sys/kernel/sched_rt_runtime_us", "950000", "950000", "-1"},
    {"/proc/sys/kernel/numa_balancing", "0", "1", "0"},
    {"/proc/sys/kernel/io_uring_disabled", "0", "2", "0"},
    {"/proc/sys/net/core/somaxconn", "4096", "4096", "4096"},
    {"/proc/sys/net/core/rmem_max", "212992", "212992", "4194304"},
    {"/proc/sys/vm/stat_interval", "1", "1", "10"},
    {"/proc/sys/vm/swappiness", "60", "60", "1"},
    {"/proc/sys/vm/zone_reclaim_mode", "0", "0", "0"},
    {"/proc/sys/vm/overcommit_memory", "0", "0", "0"},
    {"/proc/sys/vm/compaction_proactiveness", "20", "20", "0"},
    {CPU "/nohz_full", " (null)", NULL, "18-23"},
    {CPU "/isolated", "", "", "18-23,50-55"},
    {CPU "/vulnerabilities/spectre_v2", "Mitigation: Retpolines", "Mitigation: IBRS", "Vulnerable"},
    {CPU "/intel_pstate/no_turbo", NULL, "0", "1"},
    {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc", "tsc", "tsc"},
    {"/sys/devices/virtual/workqueue/cpumask", "3", "ffffffff,ffffffff", "ff03ffff,ff03ffff"},
    {"/sys/devices/virtual/workqueue/writeback/cpumask", "3", "ffffffff,ffffffff",
     "ff03ffff,ff03ffff"},
    {"/sys/devices/system/machinecheck/machinecheck0/ignore_ce", NULL, "0", "1"},
    {"/sys/devices/system/machinecheck/machinecheck0/check_interval", NULL, "300", "300"},
    {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never",
     "[always] madvise never", "always [madvise] never"},
    {"/sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never",
     "always defer defer+madvise [madvise] never", "always defer defer+madvise [madvise] never"},
    {"/sys/kernel/mm/ksm/run", "0", "1", "0"},
    {"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0", "0", "1024"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", NULL, "0", "512"},
    {"/sys/kernel/realtime", NULL, NULL, "1"},
    {"/sys/fs/resctrl/schemata", NULL, NULL, "L3:0=ffff"},
    {"/sys/fs/cgroup/cgroup.controllers", NULL, "cpuset cpu io memory", "cpuset cpu io memory"},
    {"/sys/fs/cgroup/cgroup.subtree_control", NULL, "cpu", "cpuset cpu"},
    {"/sys/fs/cgroup/system.slice/takt.service/cpu.max", NULL, "max 100000", "max 100000"},
    {"/sys/class/ptp/ptp0/clock_name", NULL, "KVM virtual PTP", "mlx5_ptp"},
    {"/sys/kernel/iommu_groups/0/type", NULL, NULL, "identity"},
    {"/dev/vfio/vfio", NULL, NULL, ""},
    {"/sys/block/vda/queue/write_cache", "write back", NULL, NULL},
    {"/sys/block/vda/queue/fua", "0", NULL, NULL},
    {"/sys/block/vda/queue/scheduler", "none [mq-deadline] kyber bfq", NULL, NULL},
    {"/sys/block/vda/queue/rotational", "1", NULL, NULL},
    {"/sys/block/nvme0n1/queue/write_cache", NULL, "write back", "write through"},
    {"/sys/block/nvme0n1/queue/fua", NULL, "0", "1"},
    {"/sys/block/nvme0n1/queue/scheduler", NULL, "[bfq] none", "[none] mq-deadline"},
    {"/sys/block/nvme0n1/queue/rotational", NULL, "0", "0"},
    {"/sys/block/nvme0n1/device/model", NULL, "Desk Drive", "PLP Drive"},
    {"/sys/block/nvme0n1/nvme0n1p1/partition", NULL, "1", "1"},
};

/* A card: interface, PCI address, driver, files. */
static void host_fixture_nic(const char *dir, const char *name, const char *pci, const char *driver,
                             int node, const char *speed)
{
    char path[256], target[256];
#define IN_PCI(rest) (snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/" rest, pci), path)
#define IN_NET(rest) (snprintf(path, sizeof(path), "/sys/class/net/%s/" rest, name), path)
    host_fixture_put(dir, IN_PCI("vendor"), "0x15b3");
    host_fixture_put(dir, IN_PCI("device"), "0x1017");
    host_fixture_put(dir, IN_PCI("class"), "0x020000");
    host_fixture_put(dir, IN_PCI("numa_node"), "%d", node);
    host_fixture_put(dir, IN_PCI("driver_override"), "(null)");
    host_fixture_put(dir, IN_PCI("current_link_speed"), "8.0 GT/s PCIe");
    host_fixture_put(dir, IN_PCI("max_link_speed"), "8.0 GT/s PCIe");
    host_fixture_put(dir, IN_PCI("current_link_width"), "16");
    host_fixture_put(dir, IN_PCI("max_link_width"), "16");
    snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s/bind", driver);
    host_fixture_put(dir, target, "%s", "");
    snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s/unbind", driver);
    host_fixture_put(dir, target, "%s", "");
    snprintf(target, sizeof(target), "../../drivers/%s", driver);
    host_fixture_link(dir, IN_PCI("driver"), target);
    host_fixture_put(dir, IN_NET("operstate"), "up");
    host_fixture_put(dir, IN_NET("speed"), "%s", speed);
    host_fixture_put(dir, IN_NET("duplex"), strcmp(speed, "-1") == 0 ? "unknown" : "full");
    host_fixture_put(dir, IN_NET("mtu"), "1500");
    host_fixture_put(dir, IN_NET("address"), "02:00:00:00:00:01");
    host_fixture_put(dir, IN_NET("carrier_changes"), "2");
    host_fixture_put(dir, IN_NET("statistics/rx_errors"), "0");
    for (int queue = 0; queue < 4; queue++) {
        snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-%d/rps_cpus", name, queue);
        host_fixture_put(dir, path, "0");
    }
    snprintf(target, sizeof(target), "../../../bus/pci/devices/%s", pci);
    host_fixture_link(dir, IN_NET("device"), target);
    snprintf(target, sizeof(target), "/sys/bus/pci/devices/%s/net/%s/mtu", pci, name);
    host_fixture_put(dir, target, "1500");
#undef IN_PCI
#undef IN_NET
}

static void host_fixture_idle(const char *dir, uint32_t count, bool tuned)
{
    char path[128];
    for (uint32_t cpu = 0; cpu < count; cpu++) {
        snprintf(path, sizeof(path), CPU "/cpu%u/cpuidle/state0/latency", cpu);
        host_fixture_put(dir, path, "0");
        snprintf(path, sizeof(path), CPU "/cpu%u/cpuidle/state1/latency", cpu);
        host_fixture_put(dir, path, "133");
        snprintf(path, sizeof(path), CPU "/cpu%u/cpuidle/state1/disable", cpu);
        host_fixture_put(dir, path, "0");
        snprintf(path, sizeof(path), CPU "/cpu%u/power/pm_qos_resume_latency_us", cpu);
        host_fixture_put(dir, path, tuned && cpu % 32 >= 18 && cpu % 32 <= 23 ? "n/a" : "0");
        snprintf(path, sizeof(path), CPU "/cpu%u/cpufreq/scaling_governor", cpu);
        host_fixture_put(dir, path, tuned ? "performance" : "powersave");
    }
}

/* MSR 0x34 of cpu 0. */
static void host_fixture_msr(const char *dir, uint64_t count)
{
    char path[256];
    host_fixture_put(dir, "/dev/cpu/0/msr", "%s", "");
    snprintf(path, sizeof(path), "%s/dev/cpu/0/msr", dir);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fseek(file, 0x34, SEEK_SET) == 0);
    CHECK(fwrite(&count, sizeof(count), 1, file) == 1);
    fclose(file);
}

bool host_fixture_make(const char *dir, const char *machine)
{
    static const struct machine_shape guest = {
        1, 2, 1, "AMD EPYC", "fpu tsc constant_tsc nonstop_tsc pclmulqdq sse4_2 hypervisor"};
    static const struct machine_shape box = {
        2, 16, 2, "Intel Xeon Gold", "fpu tsc constant_tsc nonstop_tsc pclmulqdq sse4_2 waitpkg"};
    bool vm = strcmp(machine, "vm") == 0, tuned = strcmp(machine, "tuned") == 0;

    if (!vm && !tuned && strcmp(machine, "server") != 0)
        return false;
    host_fixture_topology(dir, vm ? &guest : &box);
    for (size_t i = 0; i < sizeof(host_fixture_files) / sizeof(host_fixture_files[0]); i++) {
        const char *text = vm      ? host_fixture_files[i].vm
                           : tuned ? host_fixture_files[i].tuned
                                   : host_fixture_files[i].server;
        if (text)
            host_fixture_put(dir, host_fixture_files[i].path, "%s", text);
    }
    if (vm) {
        host_fixture_link(dir, "/sys/dev/block/254:0", "../../block/vda");
        host_fixture_nic(dir, "eth0", "0000:00:04.0", "virtio_net", -1, "-1");
        return true;
    }
    host_fixture_idle(dir, host_fixture_cpus(&box), tuned);
    host_fixture_msr(dir, tuned ? 3 : 100000);
    host_fixture_link(dir, "/sys/dev/block/259:1", "../../block/nvme0n1/nvme0n1p1");
    host_fixture_nic(dir, "ens1", "0000:5e:00.0", tuned ? "mlx5_core" : "vmxnet3", 1,
                     tuned ? "25000" : "1000");
    host_fixture_nic(dir, "ens2", "0000:af:00.0", "ice", 1, "25000");
    host_fixture_put(dir, "/sys/bus/pci/drivers/vfio-pci/bind", "%s", "");
    host_fixture_put(dir, "/sys/bus/pci/drivers_probe", "%s", "");
    if (tuned)
        host_fixture_put(dir, "/sys/bus/pci/devices/0000:5e:00.0/ptp/ptp0/clock_name", "mlx5_ptp");
    return true;
}
