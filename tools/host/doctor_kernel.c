/* The kernel: version, watchdogs, console, clocks, limits. */
#include "tools/host/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCTOR_FILES_WANTED  65792          /* limits.connections by default, and 256 */
#define DOCTOR_LOCKED_WANTED (256ull << 20) /* bytes: the dpdk port's memory without hugepages */

static enum doctor_state doctor_kernel_version(const struct doctor_subject *s, char *text)
{
    char version[128];
    int major = 0, minor = 0;

    if (!sysroot_text(&s->host->root, version, sizeof(version), "/proc/sys/kernel/osrelease") ||
        sscanf(version, "%d.%d", &major, &minor) != 2)
        return doctor_is(text, DOCTOR_UNKNOWN, "no version");
    int number = major * 1000 + minor;
    return doctor_is(text,
                     number >= 5015   ? DOCTOR_OK
                     : number >= 5004 ? DOCTOR_WARN
                                      : DOCTOR_FAIL,
                     "Linux %s", version);
}

static enum doctor_state doctor_kernel_preempt(const struct doctor_subject *s, char *text)
{
    char version[256];
    int64_t realtime;
    bool rt = sysroot_number(&s->host->root, &realtime, "/sys/kernel/realtime") && realtime == 1;

    if (!sysroot_text(&s->host->root, version, sizeof(version), "/proc/version"))
        version[0] = '\0';
    rt = rt || strstr(version, "PREEMPT_RT") != NULL;
    bool some = strstr(version, "PREEMPT") != NULL;
    return doctor_is(text, rt || some ? DOCTOR_OK : DOCTOR_WARN, "%s",
                     rt     ? "PREEMPT_RT"
                     : some ? "preemptible"
                            : "kernel code is not preempted (PREEMPT_NONE or not said)");
}

static enum doctor_state doctor_kernel_console(const struct doctor_subject *s, char *text)
{
    int64_t level;
    if (!sysroot_number(&s->host->root, &level, "/proc/sys/kernel/printk"))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/sys/kernel/printk cannot be read");
    return doctor_is(text, level <= 4 ? DOCTOR_OK : DOCTOR_WARN, "console log level %d",
                     (int)level);
}

static enum doctor_state doctor_kernel_mce(const struct doctor_subject *s, char *text)
{
    const char *folder = "/sys/devices/system/machinecheck/machinecheck0";
    int64_t ignore = 0, interval = 0;

    if (!sysroot_exists(&s->host->root, "%s", folder))
        return doctor_is(text, DOCTOR_NONE, "no machine checks here");
    if (sysroot_number(&s->host->root, &ignore, "%s/ignore_ce", folder) && ignore == 1)
        return doctor_is(text, DOCTOR_OK, "corrected errors are not polled for");
    if (!sysroot_number(&s->host->root, &interval, "%s/check_interval", folder))
        return doctor_is(text, DOCTOR_UNKNOWN, "check_interval cannot be read");
    return doctor_is(text, interval == 0 ? DOCTOR_OK : DOCTOR_WARN,
                     "each core polls for corrected errors every %d s", (int)interval);
}

/* The soft limit of /proc/self/limits; unlimited counts as UINT64_MAX. */
static bool doctor_limit(const struct doctor_subject *s, const char *name, uint64_t *to)
{
    char *limits = sysroot_all(&s->host->root, "/proc/self/limits");
    const char *row = limits ? strstr(limits, name) : NULL;

    if (row) {
        row += strlen(name);
        row += strspn(row, " ");
        *to = strncmp(row, "unlimited", 9) == 0 ? UINT64_MAX : strtoull(row, NULL, 10);
    }
    free(limits);
    return row != NULL;
}

static enum doctor_state doctor_limit_files(const struct doctor_subject *s, char *text)
{
    uint64_t n;
    if (!doctor_limit(s, "Max open files", &n))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/self/limits cannot be read");
    return doctor_is(text, n >= DOCTOR_FILES_WANTED ? DOCTOR_OK : DOCTOR_WARN,
                     "%llu files may be open", (unsigned long long)n);
}

static enum doctor_state doctor_limit_locked(const struct doctor_subject *s, char *text)
{
    uint64_t n;
    if (!doctor_limit(s, "Max locked memory", &n))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/self/limits cannot be read");
    if (n == UINT64_MAX)
        return doctor_is(text, DOCTOR_OK, "no limit");
    return doctor_is(text, n >= DOCTOR_LOCKED_WANTED ? DOCTOR_OK : DOCTOR_WARN,
                     "%llu MiB may be locked", (unsigned long long)(n >> 20));
}

static enum doctor_state doctor_clock_source(const struct doctor_subject *s, char *text)
{
    char name[64];
    if (!sysroot_text(&s->host->root, name, sizeof(name),
                      "/sys/devices/system/clocksource/clocksource0/current_clocksource"))
        return doctor_is(text, DOCTOR_UNKNOWN, "no clock source is named");
    bool slow = strcmp(name, "hpet") == 0 || strcmp(name, "acpi_pm") == 0;
    return doctor_is(text,
                     strcmp(name, "tsc") == 0 ? DOCTOR_OK
                     : slow                   ? DOCTOR_FAIL
                                              : DOCTOR_WARN,
                     "the clock source is %s", name);
}

static enum doctor_state doctor_clock_sync(const struct doctor_subject *s, char *text)
{
    if (!s->live.clock_known)
        return doctor_is(text, DOCTOR_UNKNOWN, "the kernel's clock state was not asked for");
    if (!s->live.clock_synchronised)
        return doctor_is(text, DOCTOR_WARN, "no daemon keeps the clock: not synchronised");
    return doctor_is(text, s->live.clock_error_us < 10000 ? DOCTOR_OK : DOCTOR_WARN,
                     "synchronised, within %lld us", (long long)s->live.clock_error_us);
}

static enum doctor_state doctor_clock_leap(const struct doctor_subject *s, char *text)
{
    if (!s->live.clock_known)
        return doctor_is(text, DOCTOR_UNKNOWN, "the kernel's clock state was not asked for");
    return doctor_is(text, s->live.clock_leap ? DOCTOR_WARN : DOCTOR_OK, "%s",
                     s->live.clock_leap ? "a leap second is announced for today"
                                        : "none announced");
}

static enum doctor_state doctor_clock_ptp(const struct doctor_subject *s, char *text)
{
    char names[32][SYSROOT_NAME_SIZE], name[64];
    uint32_t count = sysroot_names(&s->host->root, names, 32, "/sys/class/ptp");

    for (uint32_t i = 0; i < count; i++)
        if (sysroot_text(&s->host->root, name, sizeof(name), "/sys/class/ptp/%s/clock_name",
                         names[i]) &&
            strstr(name, "virtual") == NULL && strstr(name, "KVM") == NULL)
            return doctor_is(text, DOCTOR_OK, "%s: %s", names[i], name);
    return doctor_is(text, DOCTOR_WARN, "no card has a hardware clock");
}

#define SYS "/proc/sys/"

const struct doctor_check doctor_kernel_table[] = {
    {"kernel-version", "kernel", "Isolated cgroup partitions need 5.15, microsecond parking 5.11.",
     "install a kernel of 5.15 or later", DOCTOR_B, doctor_kernel_version},
    {"kernel-preempt", "preemption",
     "Long system calls of others hold a core that a role waits "
     "for; isolated cores hardly notice.",
     "use a PREEMPT or PREEMPT_RT kernel", DOCTOR_A, doctor_kernel_preempt},
    {.id = "kernel-nmi-watchdog",
     .what = "NMI watchdog",
     .why = "A perf counter interrupts every "
            "core, also isolated ones.",
     .mend = "sysctl kernel.nmi_watchdog=0",
     .caps = DOCTOR_B,
     .path = SYS "kernel/nmi_watchdog",
     .want = "0"},
    {.id = "kernel-soft-watchdog",
     .what = "lock-up detector",
     .why = "A timer and a kernel thread "
            "wake on each core every 4 s.",
     .mend = "sysctl kernel.soft_watchdog=0   # or "
             "kernel.watchdog_cpumask={rest}",
     .caps = DOCTOR_B,
     .path = SYS "kernel/soft_watchdog",
     .want = "0"},
    {.id = "kernel-vmstat",
     .what = "vmstat interval",
     .why = "Each core folds its counters once "
            "in so many seconds.",
     .mend = "sysctl vm.stat_interval=10",
     .caps = DOCTOR_A,
     .path = SYS "vm/stat_interval",
     .want = ">10",
     .otherwise = DOCTOR_WARN},
    {"kernel-console", "console",
     "A line for a serial console is printed by the core that logs "
     "it: 1 ms and more.",
     "sysctl kernel.printk='4 4 1 7'", DOCTOR_A, doctor_kernel_console},
    {"kernel-mce", "machine-check polling", "Every core reads its banks every 5 minutes: 50 us.",
     "echo 1 >/sys/devices/system/machinecheck/machinecheck0/ignore_ce", DOCTOR_A,
     doctor_kernel_mce},
    {.id = "kernel-io-uring",
     .what = "io_uring",
     .why = "One thread then serves network and log "
            "(layout together).",
     .mend = "sysctl kernel.io_uring_disabled=0",
     .caps = DOCTOR_A,
     .path = SYS "kernel/io_uring_disabled",
     .want = "0",
     .otherwise = DOCTOR_WARN},
    {.id = "kernel-backlog",
     .what = "accept queue",
     .why = "After a failover all clients connect "
            "at once; what does not fit is retried after 1 s.",
     .mend = "sysctl net.core.somaxconn=4096",
     .caps = DOCTOR_A,
     .path = SYS "net/core/somaxconn",
     .want = ">1024",
     .otherwise = DOCTOR_WARN},
    {.id = "kernel-rmem",
     .what = "receive buffer",
     .why = "A member that catches up is sent "
            "datagrams in bursts.",
     .mend = "sysctl net.core.rmem_max=4194304",
     .caps = DOCTOR_A,
     .path = SYS "net/core/rmem_max",
     .want = ">2097152",
     .otherwise = DOCTOR_WARN},
    {"limit-files", "open files", "Each client is a descriptor of the kernel port.",
     "ulimit -n 1048576   # systemd: LimitNOFILE=1048576", DOCTOR_A, doctor_limit_files},
    {"limit-locked", "locked memory", "Device memory of the dpdk port is locked.",
     "ulimit -l unlimited   # systemd: LimitMEMLOCK=infinity", DOCTOR_A, doctor_limit_locked},
    {"clock-source", "clock source",
     "Each turn reads the clock: 20 ns by TSC, 1 us and a lock "
     "by HPET.",
     "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource", DOCTOR_B,
     doctor_clock_source},
    {"clock-sync", "clock synchronisation",
     "ctime, mtime and the cluster's logs are compared by "
     "people; leases do not depend on it.",
     "systemctl enable --now chrony   # or ptp4l and "
     "phc2sys",
     DOCTOR_A, doctor_clock_sync},
    {"clock-leap", "leap second", "The wall clock will jump; monotonic time will not.",
     "let chrony smear it (leapsectz, smoothtime)", DOCTOR_A, doctor_clock_leap},
    {"clock-ptp", "hardware clock", "Barriers at a common time need one in the card.",
     "use a card with PTP, ptp4l -i {nic} and phc2sys", DOCTOR_A, doctor_clock_ptp},
    {0},
};
