/* The processor: what it can, whether it is real, and what it does between two instructions. */
#include "tools/host/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCTOR_EXIT_US_MAX 10 /* of an idle state that a hot core may enter */

static enum doctor_state doctor_cpu_flag(const struct doctor_subject *subject, const char *flag,
                                         enum doctor_state without, char *text)
{
    char *info = sysroot_all(&subject->host->root, "/proc/cpuinfo");
    bool has = info && host_word(info, flag);
    enum doctor_state state = info == NULL ? DOCTOR_UNKNOWN : has ? DOCTOR_OK : without;

    free(info);
    return doctor_is(text, state, "%s %s", flag,
                     state == DOCTOR_UNKNOWN ? "cannot be told: no /proc/cpuinfo"
                     : has                   ? "is there"
                                             : "is missing");
}

static enum doctor_state doctor_cpu_crc(const struct doctor_subject *s, char *text)
{
    return doctor_cpu_flag(s, "sse4_2", DOCTOR_FAIL, text);
}

static enum doctor_state doctor_cpu_clmul(const struct doctor_subject *s, char *text)
{
    return doctor_cpu_flag(s, "pclmulqdq", DOCTOR_WARN, text);
}

static enum doctor_state doctor_cpu_waitpkg(const struct doctor_subject *s, char *text)
{
    return doctor_cpu_flag(s, "waitpkg", DOCTOR_WARN, text);
}

static enum doctor_state doctor_cpu_tsc(const struct doctor_subject *s, char *text)
{
    enum doctor_state state = doctor_cpu_flag(s, "constant_tsc", DOCTOR_FAIL, text);
    return state == DOCTOR_OK ? doctor_cpu_flag(s, "nonstop_tsc", DOCTOR_FAIL, text) : state;
}

static enum doctor_state doctor_cpu_real(const struct doctor_subject *s, char *text)
{
    return doctor_is(text, s->host->virtual_machine ? DOCTOR_FAIL : DOCTOR_OK, "%s%s",
                     s->host->virtual_machine ? "a virtual machine: cpuid says hypervisor; "
                                              : "no hypervisor; ",
                     s->host->model);
}

static enum doctor_state doctor_cpu_count(const struct doctor_subject *s, char *text)
{
    uint32_t cores = s->host->core_count;
    return doctor_is(text,
                     cores >= 6   ? DOCTOR_OK
                     : cores >= 3 ? DOCTOR_WARN
                                  : DOCTOR_FAIL,
                     "%u cores, %u cpus, %u socket%s", cores, cpulist_count(&s->host->online),
                     s->host->package_count, s->host->package_count == 1 ? "" : "s");
}

/* Field 8 of the first line of /proc/stat, as a share of all. */
static enum doctor_state doctor_cpu_steal(const struct doctor_subject *s, char *text)
{
    char line[512];
    uint64_t v[8] = {0}, sum = 0;

    if (!sysroot_text(&s->host->root, line, sizeof(line), "/proc/stat") ||
        sscanf(line,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/stat cannot be read");
    for (int i = 0; i < 8; i++)
        sum += v[i];
    double share = sum ? 100.0 * (double)v[7] / (double)sum : 0;
    return doctor_is(text, v[7] == 0 ? DOCTOR_OK : DOCTOR_FAIL,
                     "%.3f %% of all time since boot was given to other guests", share);
}

static enum doctor_state doctor_cpu_governor(const struct doctor_subject *s, char *text)
{
    char governor[64];
    uint32_t seen = 0;

    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        if (!sysroot_text(&s->host->root, governor, sizeof(governor),
                          "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu))
            continue;
        seen++;
        if (strcmp(governor, "performance") != 0)
            return doctor_is(text, DOCTOR_FAIL, "cpu %u has the governor %s", cpu, governor);
    }
    if (seen == 0)
        return doctor_is(text, s->host->virtual_machine ? DOCTOR_UNKNOWN : DOCTOR_NONE,
                         "no frequency control is visible%s",
                         s->host->virtual_machine ? ": the host has it" : "");
    return doctor_is(text, DOCTOR_OK, "performance on all hot cpus");
}

static enum doctor_state doctor_cpu_turbo(const struct doctor_subject *s, char *text)
{
    int64_t value;
    if (sysroot_number(&s->host->root, &value, "/sys/devices/system/cpu/intel_pstate/no_turbo"))
        return doctor_is(text, value == 1 ? DOCTOR_OK : DOCTOR_WARN, "no_turbo is %d", (int)value);
    if (sysroot_number(&s->host->root, &value, "/sys/devices/system/cpu/cpufreq/boost"))
        return doctor_is(text, value == 0 ? DOCTOR_OK : DOCTOR_WARN, "boost is %d", (int)value);
    return doctor_is(text, DOCTOR_NONE, "no switch for it here");
}

/* The slowest idle state that a hot cpu may still enter. Per-cpu PM QoS "n/a" allows none. */
static enum doctor_state doctor_cpu_idle(const struct doctor_subject *s, char *text)
{
    const struct sysroot *root = &s->host->root;
    int64_t worst_us = -1, latency_us, off;
    uint32_t worst_cpu = 0;
    char qos[32];

    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        if (sysroot_text(root, qos, sizeof(qos),
                         "/sys/devices/system/cpu/cpu%u/power/pm_qos_resume_latency_us", cpu) &&
            strcmp(qos, "n/a") == 0)
            continue;
        for (int state = 0; state < 12; state++) {
            if (!sysroot_number(root, &latency_us,
                                "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/latency", cpu,
                                state))
                break;
            if (sysroot_number(root, &off, "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/disable",
                               cpu, state) &&
                off != 0)
                continue;
            if (latency_us > worst_us) {
                worst_us = latency_us;
                worst_cpu = cpu;
            }
        }
    }
    if (worst_us > DOCTOR_EXIT_US_MAX)
        return doctor_is(text, DOCTOR_FAIL, "cpu %u may sleep so that it needs %d us to wake",
                         worst_cpu, (int)worst_us);
    if (worst_us < 0 && s->host->virtual_machine)
        return doctor_is(text, DOCTOR_UNKNOWN, "idle states are the host's");
    return doctor_is(text, DOCTOR_OK, "no idle state above %d us on the hot cpus",
                     DOCTOR_EXIT_US_MAX);
}

static enum doctor_state doctor_cpu_smt(const struct doctor_subject *s, char *text)
{
    char list[128];
    struct cpulist busy = {0};

    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        struct cpulist others = cpulist_without(&s->host->cpus[cpu].siblings, &s->host->isolated);
        cpulist_remove(&others, cpu);
        busy = cpulist_or(&busy, &others);
    }
    if (!cpulist_is_empty(&busy))
        return doctor_is(text, DOCTOR_FAIL, "others may run on %s, siblings of hot cpus",
                         cpulist_print(&busy, list, sizeof(list)));
    return doctor_is(text, DOCTOR_OK, "%s",
                     s->host->smt ? "siblings of hot cpus are kept empty" : "one thread a core");
}

static enum doctor_state doctor_cpu_mitigations(const struct doctor_subject *s, char *text)
{
    char names[64][SYSROOT_NAME_SIZE], line[128];
    uint32_t mitigated = 0;
    uint32_t count =
        sysroot_names(&s->host->root, names, 64, "/sys/devices/system/cpu/vulnerabilities");

    for (uint32_t i = 0; i < count; i++)
        if (sysroot_text(&s->host->root, line, sizeof(line),
                         "/sys/devices/system/cpu/vulnerabilities/%s", names[i]))
            mitigated += strncmp(line, "Mitigation", 10) == 0;
    if (count == 0)
        return doctor_is(text, DOCTOR_NONE, "the kernel does not say");
    return doctor_is(text, mitigated ? DOCTOR_WARN : DOCTOR_OK,
                     "%u of %u known holes are mitigated", mitigated, count);
}

/* Intel's MSR 0x34 counts system management interrupts; the msr device needs root. AMD has an event
 * of the PMU instead, and no count since the boot. */
static enum doctor_state doctor_cpu_smi(const struct doctor_subject *s, char *text)
{
    char path[SYSROOT_PATH_SIZE];
    uint64_t count = 0;
    FILE *file = fopen(sysroot_path(&s->host->root, path, "/dev/cpu/0/msr"), "re");

    if (s->host->virtual_machine) {
        if (file)
            fclose(file);
        return doctor_is(text, DOCTOR_UNKNOWN, "the host's SMIs are invisible in a guest");
    }
    if (strncmp(s->host->model, "AMD", 3) == 0) {
        if (file)
            fclose(file);
        return doctor_is(text, DOCTOR_UNKNOWN, "AMD's processors keep no count of SMIs");
    }
    if (!file)
        return doctor_is(text, DOCTOR_UNKNOWN,
                         "/dev/cpu/0/msr cannot be opened (root, module msr)");
    bool got = fseek(file, 0x34, SEEK_SET) == 0 && fread(&count, 8, 1, file) == 1;
    fclose(file);
    if (!got)
        return doctor_is(text, DOCTOR_UNKNOWN, "MSR 0x34 cannot be read");
    return doctor_is(text, count > 1000 ? DOCTOR_WARN : DOCTOR_OK, "%" PRIu64 " SMIs since boot",
                     count);
}

static enum doctor_state doctor_cpu_cache(const struct doctor_subject *s, char *text)
{
    int32_t first = -1;
    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        int32_t l3 = s->host->cpus[cpu].l3;
        if (first >= 0 && l3 != first)
            return doctor_is(text, DOCTOR_WARN, "hot cpus lie in different last-level caches");
        first = l3;
    }
    return doctor_is(text, first < 0 ? DOCTOR_UNKNOWN : DOCTOR_OK, "%s",
                     first < 0 ? "the kernel does not say" : "all hot cpus share one");
}

static enum doctor_state doctor_cpu_socket(const struct doctor_subject *s, char *text)
{
    int32_t first = -2;
    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        if (first != -2 && s->host->cpus[cpu].node != first)
            return doctor_is(text, DOCTOR_FAIL, "hot cpus lie on different NUMA nodes");
        first = s->host->cpus[cpu].node;
    }
    return doctor_is(text, DOCTOR_OK, "all hot cpus are on node %d", first);
}

static enum doctor_state doctor_cpu_cat(const struct doctor_subject *s, char *text)
{
    return doctor_is(
        text, sysroot_exists(&s->host->root, "/sys/fs/resctrl/schemata") ? DOCTOR_OK : DOCTOR_WARN,
        "%s",
        sysroot_exists(&s->host->root, "/sys/fs/resctrl/schemata")
            ? "resctrl is mounted: ways can be reserved"
            : "resctrl is not mounted");
}

const struct doctor_check doctor_cpu_table[] = {
    {"cpu-real", "real processor", "A guest is stopped by its host at any time, for milliseconds.",
     "run takt on the machine itself, not in a guest", DOCTOR_C, doctor_cpu_real},
    {"cpu-steal", "time stolen", "Time that the host gave to others is a stall of every role.",
     "pin the guest's vCPUs to cores of their own, or leave the guest", DOCTOR_C, doctor_cpu_steal},
    {"cpu-count", "cores", "NET, CORE, DISK and APPLY want a core each, and the system one or two.",
     "takt cores plan    # shows what fits here", DOCTOR_B, doctor_cpu_count},
    {"cpu-crc32", "CRC32C in hardware", "Each record, frame and batch carries one.",
     "use a processor with SSE4.2; the software form is 10 times slower", DOCTOR_B, doctor_cpu_crc},
    {"cpu-clmul", "carry-less multiply", "Long checksums (snapshots, bulk) go 3 times as fast.", "",
     DOCTOR_A, doctor_cpu_clmul},
    {"cpu-waitpkg", "UMWAIT, TPAUSE", "The idle policy `pause` sleeps lightly with it.", "",
     DOCTOR_A, doctor_cpu_waitpkg},
    {"cpu-tsc", "invariant TSC", "All deadlines are read from it, on every core alike.",
     "use a processor with constant_tsc and nonstop_tsc", DOCTOR_C, doctor_cpu_tsc},
    {"cpu-governor", "frequency governor", "A core that clocks up first answers late.",
     "for c in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance >$c; "
     "done",
     DOCTOR_B, doctor_cpu_governor},
    {"cpu-turbo", "turbo", "The clock of a core then depends on what its neighbours do.",
     "echo 1 >/sys/devices/system/cpu/intel_pstate/no_turbo   # or: echo 0 "
     ">/sys/devices/system/cpu/cpufreq/boost",
     DOCTOR_A, doctor_cpu_turbo},
    {"cpu-idle", "deep sleep", "Waking from C6 takes 50 to 130 us, each time a role parks.",
     "takt cores apply --system   # writes n/a to pm_qos_resume_latency_us of {hot}", DOCTOR_B,
     doctor_cpu_idle},
    {"cpu-smt", "hardware threads", "A sibling halves a core's speed whenever it works.",
     "takt cores apply --system   # or: echo 0 >/sys/devices/system/cpu/cpuN/online", DOCTOR_B,
     doctor_cpu_smt},
    {"cpu-cache", "last-level cache",
     "A link between roles costs ~100 ns in one, several times it "
     "across.",
     "takt cores plan", DOCTOR_A, doctor_cpu_cache},
    {"cpu-socket", "one socket", "A hop across sockets costs 150 to 440 ns.", "takt cores plan",
     DOCTOR_B, doctor_cpu_socket},
    {"cpu-mitigations", "mitigations",
     "They make each system call dearer; a spinning role does few.",
     "mitigations=off on the boot line, where nobody else's code runs", DOCTOR_A,
     doctor_cpu_mitigations},
    {"cpu-smi", "firmware interrupts", "An SMI stops every core for 10 us to 1 ms, unseen.",
     "rdmsr -p 0 0x34 twice (AMD: perf stat -a -e ls_smi_rx sleep 60), and switch off in the BIOS "
     "what makes it rise",
     DOCTOR_A, doctor_cpu_smi},
    {"cpu-cat", "cache allocation", "Neighbours can push the tree out of the shared cache.",
     "mount -t resctrl resctrl /sys/fs/resctrl", DOCTOR_A, doctor_cpu_cat},
    {0},
};
