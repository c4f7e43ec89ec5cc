/* Memory: what the kernel does to pages behind a role's back. */
#include "tools/host/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of /proc/meminfo, in KiB. */
static bool doctor_meminfo(const struct doctor_subject *s, const char *name, uint64_t *kib)
{
    char *info = sysroot_all(&s->host->root, "/proc/meminfo");
    const char *row = info ? strstr(info, name) : NULL;

    if (row)
        *kib = strtoull(row + strlen(name), NULL, 10);
    free(info);
    return row != NULL;
}

static enum doctor_state doctor_mem_huge(const struct doctor_subject *s, char *text)
{
    uint64_t count = 0;
    char sizes[16][SYSROOT_NAME_SIZE];
    uint32_t n = sysroot_names(&s->host->root, sizes, 16, "/sys/kernel/mm/hugepages");
    int64_t pages;

    for (uint32_t i = 0; i < n; i++)
        if (sysroot_number(&s->host->root, &pages, "/sys/kernel/mm/hugepages/%s/nr_hugepages",
                           sizes[i]))
            count += (uint64_t)pages;
    return doctor_is(text, count ? DOCTOR_OK : DOCTOR_WARN, "%llu hugepages are reserved",
                     (unsigned long long)count);
}

static enum doctor_state doctor_mem_huge_node(const struct doctor_subject *s, char *text)
{
    int32_t node = -1;
    uint64_t count = 0;
    char sizes[16][SYSROOT_NAME_SIZE];
    int64_t pages;

    if (!cpulist_is_empty(&s->hot))
        node = s->host->cpus[cpulist_next(&s->hot, 0)].node;
    if (s->host->node_count < 2 || node < 0)
        return doctor_is(text, DOCTOR_NONE, "one NUMA node");
    uint32_t n =
        sysroot_names(&s->host->root, sizes, 16, "/sys/devices/system/node/node%d/hugepages", node);
    for (uint32_t i = 0; i < n; i++)
        if (sysroot_number(&s->host->root, &pages,
                           "/sys/devices/system/node/node%d/hugepages/%s/nr_hugepages", node,
                           sizes[i]))
            count += (uint64_t)pages;
    return doctor_is(text, count ? DOCTOR_OK : DOCTOR_WARN, "node %d of the hot cpus has %llu",
                     node, (unsigned long long)count);
}

/* Free blocks of order 9 (2 MiB) and more: what hugepages can still be made of. */
static enum doctor_state doctor_mem_fragments(const struct doctor_subject *s, char *text)
{
    char *info = sysroot_all(&s->host->root, "/proc/buddyinfo"), *next = NULL;
    uint64_t blocks = 0;

    if (!info)
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/buddyinfo cannot be read");
    for (char *row = strtok_r(info, "\n", &next); row; row = strtok_r(NULL, "\n", &next)) {
        char *at = strstr(row, "zone");
        if (!at)
            continue;
        at += 4;
        at += strspn(at, " ");
        at += strcspn(at, " ");
        for (int order = 0; *at != '\0' && order < 16; order++) {
            uint64_t n = strtoull(at, &at, 10);
            blocks += order >= 9 ? n << (order - 9) : 0;
            at += strspn(at, " ");
        }
    }
    free(info);
    return doctor_is(text, blocks >= 128 ? DOCTOR_OK : DOCTOR_WARN, "%llu free blocks of 2 MiB",
                     (unsigned long long)blocks);
}

static enum doctor_state doctor_mem_swap(const struct doctor_subject *s, char *text)
{
    uint64_t kib;
    if (!doctor_meminfo(s, "SwapTotal:", &kib))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/meminfo cannot be read");
    return doctor_is(text, kib ? DOCTOR_FAIL : DOCTOR_OK, "%llu MiB of swap",
                     (unsigned long long)(kib >> 10));
}

static enum doctor_state doctor_mem_free(const struct doctor_subject *s, char *text)
{
    uint64_t total = 0, available = 0;
    if (!doctor_meminfo(s, "MemTotal:", &total) || !doctor_meminfo(s, "MemAvailable:", &available))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/meminfo cannot be read");
    return doctor_is(text, available * 10 >= total ? DOCTOR_OK : DOCTOR_WARN,
                     "%llu of %llu MiB are available", (unsigned long long)(available >> 10),
                     (unsigned long long)(total >> 10));
}

static enum doctor_state doctor_mem_pressure(const struct doctor_subject *s, char *text)
{
    char line[128];
    double share = 0;
    if (!sysroot_text(&s->host->root, line, sizeof(line), "/proc/pressure/memory"))
        return doctor_is(text, DOCTOR_NONE, "the kernel has no pressure figures");
    if (sscanf(line, "some avg10=%lf", &share) != 1)
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/pressure/memory reads: %.60s", line);
    return doctor_is(text, share < 0.1 ? DOCTOR_OK : DOCTOR_WARN,
                     "some task waited for memory in %.2f %% of the last 10 s", share);
}

const struct doctor_check doctor_memory_table[] = {
    {.id = "mem-thp",
     .what = "transparent hugepages",
     .why = "The kernel stops a process to "
            "gather pages, for milliseconds; jemalloc asks by itself.",
     .mend = "echo madvise "
             ">/sys/kernel/mm/transparent_hugepage/enabled",
     .caps = DOCTOR_B,
     .path = "/sys/kernel/mm/transparent_hugepage/enabled",
     .want = "madvise|never"},
    {.id = "mem-thp-defrag",
     .what = "direct compaction",
     .why = "A page fault then compacts "
            "memory before it returns.",
     .mend = "echo defer+madvise "
             ">/sys/kernel/mm/transparent_hugepage/defrag",
     .caps = DOCTOR_A,
     .path = "/sys/kernel/mm/transparent_hugepage/defrag",
     .want = "madvise|defer+madvise|defer|never",
     .otherwise = DOCTOR_WARN},
    {.id = "mem-ksm",
     .what = "same-page merging",
     .why = "Merged pages fault on the next write.",
     .mend = "echo 0 >/sys/kernel/mm/ksm/run",
     .caps = DOCTOR_B,
     .path = "/sys/kernel/mm/ksm/run",
     .want = "0"},
    {.id = "mem-numa-balancing",
     .what = "NUMA balancing",
     .why = "Pages are unmapped to see who "
            "uses them; each costs a fault.",
     .mend = "sysctl kernel.numa_balancing=0",
     .caps = DOCTOR_B,
     .path = "/proc/sys/kernel/numa_balancing",
     .want = "0"},
    {.id = "mem-zone-reclaim",
     .what = "zone reclaim",
     .why = "Allocation frees pages of its own "
            "node first, and waits for that.",
     .mend = "sysctl vm.zone_reclaim_mode=0",
     .caps = DOCTOR_B,
     .path = "/proc/sys/vm/zone_reclaim_mode",
     .want = "0"},
    {.id = "mem-overcommit",
     .what = "overcommit",
     .why = "The tree reserves address space for "
            "all its nodes at start.",
     .mend = "sysctl vm.overcommit_memory=0",
     .caps = DOCTOR_A,
     .path = "/proc/sys/vm/overcommit_memory",
     .want = "0|1",
     .otherwise = DOCTOR_WARN},
    {.id = "mem-compaction",
     .what = "proactive compaction",
     .why = "kcompactd moves pages that "
            "are in use.",
     .mend = "sysctl vm.compaction_proactiveness=0",
     .caps = DOCTOR_A,
     .path = "/proc/sys/vm/compaction_proactiveness",
     .want = "0",
     .otherwise = DOCTOR_WARN},
    {.id = "mem-swappiness",
     .what = "swappiness",
     .why = "A page of the tree that went to swap "
            "costs a disk read.",
     .mend = "sysctl vm.swappiness=1",
     .caps = DOCTOR_A,
     .path = "/proc/sys/vm/swappiness",
     .want = "<10",
     .otherwise = DOCTOR_WARN},
    {"mem-swap", "swap", "A role that touches a swapped page waits for a disk.", "swapoff -a",
     DOCTOR_B, doctor_mem_swap},
    {"mem-hugepages", "hugepages", "The dpdk port's buffers without TLB misses; a card needs them.",
     "echo 512 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", DOCTOR_A, doctor_mem_huge},
    {"mem-hugepages-node", "hugepages per node", "Buffers on the other socket cost 100 ns a line.",
     "echo 512 >/sys/devices/system/node/nodeN/hugepages/hugepages-2048kB/nr_hugepages", DOCTOR_A,
     doctor_mem_huge_node},
    {"mem-fragments", "fragmentation", "Hugepages asked for later must be made of free blocks.",
     "echo 1 >/proc/sys/vm/compact_memory   # or reserve hugepages at boot", DOCTOR_A,
     doctor_mem_fragments},
    {"mem-available", "free memory", "Near its end every allocation reclaims first.",
     "ps -eo rss,comm --sort=-rss | head", DOCTOR_A, doctor_mem_free},
    {"mem-pressure", "memory pressure", "Tasks wait for pages already.",
     "cat /proc/pressure/memory", DOCTOR_A, doctor_mem_pressure},
    {0},
};
