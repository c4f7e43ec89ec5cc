#include "tools/host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool host_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += size)
        if ((at == text || strchr(" \t\n:", at[-1])) && strchr(" \t\n", at[size]) != NULL)
            return true;
    return false;
}

bool host_option(const struct sysroot *root, const char *name, char *out, size_t size)
{
    char line[4096];
    size_t n = strlen(name);

    out[0] = '\0';
    if (!sysroot_text(root, line, sizeof(line), "/proc/cmdline"))
        return false;
    for (const char *at = line; *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (word > n && strncmp(at, name, n) == 0 && at[n] == '=') {
            snprintf(out, size, "%.*s", (int)(word - n - 1), at + n + 1);
            return true;
        }
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

static void host_list(const struct sysroot *root, struct cpulist *to, const char *path)
{
    char text[2048];
    if (sysroot_text(root, text, sizeof(text), "%s", path)) {
        int err = cpulist_parse(text, to);
        (void)err; /* what the kernel writes otherwise is as good as absent */
    }
}

/* "isolcpus=nohz,domain,managed_irq,2-5" and "rcu_nocbs=all" on the boot line. */
static void host_boot_list(const struct host *host, const char *name, struct cpulist *to)
{
    char text[512];
    if (!host_option(&host->root, name, text, sizeof(text)))
        return;
    const char *at = text + strcspn(text, "0123456789");
    if (strcmp(text, "all") == 0)
        *to = host->online;
    else if (*at != '\0' && cpulist_parse(at, to) != 0)
        *to = (struct cpulist){0};
}

/* Every cgroup of the first two levels that is an isolated partition. */
static void host_partitions(struct host *host)
{
    char names[256][SYSROOT_NAME_SIZE], text[2048];
    const char *mount = sysroot_exists(&host->root, "/sys/fs/cgroup/cgroup.controllers")
                            ? "/sys/fs/cgroup"
                            : "/sys/fs/cgroup/unified";

    snprintf(text, sizeof(text), "%s/cpuset.cpus.isolated", mount);
    host_list(&host->root, &host->partition, text);
    uint32_t count = sysroot_names(&host->root, names, 256, "%s", mount);
    for (uint32_t i = 0; i < count; i++) {
        struct cpulist cpus = {0};
        if (!sysroot_text(&host->root, text, sizeof(text), "%s/%s/cpuset.cpus.partition", mount,
                          names[i]) ||
            strcmp(text, "isolated") != 0)
            continue;
        snprintf(text, sizeof(text), "%s/%.63s/cpuset.cpus", mount, names[i]);
        host_list(&host->root, &cpus, text);
        host->partition = cpulist_or(&host->partition, &cpus);
    }
}

static int32_t host_int(const struct host *host, uint32_t cpu, const char *file)
{
    int64_t value;
    if (!sysroot_number(&host->root, &value, "/sys/devices/system/cpu/cpu%u/%s", cpu, file))
        return -1;
    return (int32_t)value;
}

/* The last-level cache is the one with the highest level among index0..index4. */
static int32_t host_l3(const struct host *host, uint32_t cpu)
{
    int32_t best = -1, best_level = 0;

    for (int index = 0; index < 5; index++) {
        struct cpulist shared = {0};
        char path[96];
        snprintf(path, sizeof(path), "cache/index%d/level", index);
        int32_t level = host_int(host, cpu, path);
        if (level < 3 || level < best_level)
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cache/index%d/shared_cpu_list",
                 cpu, index);
        host_list(&host->root, &shared, path);
        best_level = level;
        best = (int32_t)cpulist_next(&shared, 0);
    }
    return best < CPULIST_MAX ? best : -1;
}

static void host_cpu(struct host *host, uint32_t cpu)
{
    struct host_cpu *to = &host->cpus[cpu];
    char path[96];

    to->package = host_int(host, cpu, "topology/physical_package_id");
    to->core = host_int(host, cpu, "topology/core_id");
    to->l3 = host_l3(host, cpu);
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
             cpu);
    host_list(&host->root, &to->siblings, path);
    cpulist_add(&to->siblings, cpu);
    to->siblings = cpulist_and(&to->siblings, &host->online);
    host->smt = host->smt || cpulist_count(&to->siblings) > 1;
    host->core_count += cpulist_next(&to->siblings, 0) == cpu;
    if (to->package >= (int32_t)host->package_count)
        host->package_count = (uint32_t)to->package + 1;
    to->node = -1;
    for (uint32_t node = 0; node < HOST_NODES_MAX; node++)
        if (cpulist_has(&host->nodes[node], cpu))
            to->node = (int32_t)node;
}

static void host_nodes(struct host *host)
{
    struct cpulist nodes = {0};
    host_list(&host->root, &nodes, "/sys/devices/system/node/online");
    for (uint32_t node = 0; node < HOST_NODES_MAX; node++) {
        char path[96];
        if (!cpulist_has(&nodes, node))
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
        host_list(&host->root, &host->nodes[node], path);
        host->node_count = node + 1;
    }
}

static void host_allowed(struct host *host)
{
    char *text = sysroot_all(&host->root, "/proc/self/status");
    const char *at = text ? strstr(text, "Cpus_allowed_list:") : NULL;

    host->allowed = host->online;
    if (at) {
        char list[1024];
        struct cpulist allowed;
        snprintf(list, sizeof(list), "%.*s", (int)strcspn(at + 18, "\n"), at + 18);
        if (cpulist_parse(list, &allowed) == 0)
            host->allowed = allowed;
    }
    free(text);
}

static void host_model(struct host *host)
{
    char *text = sysroot_all(&host->root, "/proc/cpuinfo");
    const char *at = text ? strstr(text, "model name") : NULL;

    if (at && (at = strchr(at, ':')) != NULL)
        snprintf(host->model, sizeof(host->model), "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
    host->virtual_machine = text && host_word(text, "hypervisor");
    free(text);
}

int host_read(struct host *host, struct sysroot root)
{
    memset(host, 0, sizeof(*host));
    host->root = root;
    host_list(&root, &host->online, "/sys/devices/system/cpu/online");
    if (cpulist_is_empty(&host->online))
        return ERR_NOTFOUND;
    host_allowed(host);
    host_nodes(host);
    for (uint32_t cpu = 0; cpu < CPULIST_MAX; cpu++)
        if (cpulist_has(&host->online, cpu))
            host_cpu(host, cpu);
    host_list(&root, &host->boot, "/sys/devices/system/cpu/isolated");
    host_partitions(host);
    host->isolated = cpulist_or(&host->boot, &host->partition);
    host_list(&root, &host->nohz_full, "/sys/devices/system/cpu/nohz_full");
    host_boot_list(host, "rcu_nocbs", &host->rcu_nocbs);
    host_model(host);
    host_interrupts(host, root);
    return 0;
}

/* A row of /proc/interrupts: "36:  0  13551753  PCI-MSIX ...". Columns are the online cpus. */
static void host_interrupt_row(struct host *host, const char *row)
{
    char *end;
    row += strspn(row, " ");
    bool device = *row >= '0' && *row <= '9', tick = strncmp(row, "LOC:", 4) == 0;
    const char *at = strchr(row, ':');

    if (at++ == NULL || (!device && !tick))
        return;
    for (uint32_t cpu = cpulist_next(&host->online, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&host->online, cpu + 1)) {
        unsigned long long count = strtoull(at, &end, 10);
        if (end == at)
            return;
        at = end;
        if (device)
            host->cpus[cpu].irq_count += count;
        else
            host->cpus[cpu].tick_count = count;
    }
}

void host_interrupts(struct host *host, struct sysroot root)
{
    char *text = sysroot_all(&root, "/proc/interrupts"), *next = NULL;

    for (uint32_t cpu = 0; cpu < CPULIST_MAX; cpu++)
        host->cpus[cpu].irq_count = host->cpus[cpu].tick_count = 0;
    for (char *row = text ? strtok_r(text, "\n", &next) : NULL; row;
         row = strtok_r(NULL, "\n", &next))
        host_interrupt_row(host, row);
    free(text);
}
