#include "dataplane/port/dpdk/eal.h"

#include "dataplane/port/dpdk/memif_guard.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EAL_HUGEPAGES_LEAST 128u /* 2 MB each; fewer and the pool does not fit */
#define EAL_PLAIN_MEMORY    "256" /* MB without hugepages */

static bool started;

static char *args_text(struct eal_args *args, const char *from, size_t size, size_t *used)
{
    if (size + 1 > sizeof(args->text) - *used || args->count == EAL_ARGS_MAX)
        return NULL;
    char *at = args->text + *used;
    memcpy(at, from, size);
    at[size] = '\0';
    *used += size + 1;
    args->argv[args->count++] = at;
    args->argv[args->count] = NULL;
    return at;
}

/* True when one of the options (a NULL-ended list) was given, as "x", "x=..." or, for one letter,
 * "-xVALUE". */
static bool given(const struct eal_args *args, const char *const *names)
{
    for (; *names; names++) {
        size_t size = strlen(*names);
        bool letter = size == 2 && (*names)[1] != '-';
        for (int i = 1; i < args->count; i++)
            if (strncmp(args->argv[i], *names, size) == 0 &&
                (args->argv[i][size] == '\0' || args->argv[i][size] == '=' || letter))
                return true;
    }
    return false;
}

static int split(struct eal_args *args, const char *options, size_t *used, struct fault *fault)
{
    char word[1024];
    const char *at = options;
    for (;;) {
        at += strspn(at, " \t\n");
        if (!*at)
            return 0;
        size_t size = 0;
        for (char quote = 0; *at && (quote || !strchr(" \t\n", *at)); at++) {
            if (quote ? *at == quote : (*at == '\'' || *at == '"')) {
                quote = quote ? 0 : *at;
                continue;
            }
            if (size + 1 == sizeof(word))
                return fault_set(fault, ERR_CONFIG, "an EAL option is longer than 1023 characters");
            word[size++] = *at;
        }
        if (!args_text(args, word, size, used))
            return fault_set(fault, ERR_CONFIG, "more than %d EAL options, or longer than %zu "
                             "characters together", EAL_ARGS_MAX, sizeof(args->text));
    }
}

int eal_args_make(struct eal_args *args, const char *options, uint32_t hugepages_free,
                  uint32_t cpu_count, struct fault *fault)
{
    static const char *const pci[] = {"--no-pci", "-a", "--allow", "-b", "--block", NULL};
    static const char *const vdev[] = {"--vdev", NULL};
    static const char *const memory[] = {"--no-huge", "--in-memory", "--huge-dir", "-m",
                                         "--legacy-mem", "--socket-mem", "--huge-unlink", NULL};
    static const char *const telemetry[] = {"--telemetry", "--no-telemetry", NULL};
    static const char *const lcores[] = {"-l", "-c", "--lcores", "-s", NULL};
    static const char *const log[] = {"--log-level", NULL};
    size_t used = 0;
    char floating[32];
    snprintf(floating, sizeof(floating), "0@(0-%u)", cpu_count > 1 ? cpu_count - 1 : 0);
    memset(args, 0, sizeof(*args));
    args_text(args, "taktd", 5, &used);
    int err = split(args, options, &used, fault);
    if (err)
        return err;
    bool plain = hugepages_free < EAL_HUGEPAGES_LEAST;
    const struct {
        bool wanted;
        const char *words[4];
    } adds[] = {
        {given(args, vdev) && !given(args, pci), {"--no-pci"}},
        {!given(args, memory) && plain, {"--no-huge", "-m", EAL_PLAIN_MEMORY, "--no-shconf"}},
        {!given(args, memory) && !plain, {"--in-memory"}},
        {!given(args, telemetry), {"--no-telemetry"}},
        {!given(args, lcores), {"--lcores", floating}},
        {!given(args, log), {"--log-level=lib.eal:warning"}},
    };
    for (size_t i = 0; i < sizeof(adds) / sizeof(adds[0]); i++)
        for (int k = 0; adds[i].wanted && k < 4 && adds[i].words[k]; k++)
            if (!args_text(args, adds[i].words[k], strlen(adds[i].words[k]), &used))
                return fault_set(fault, ERR_CONFIG, "too many EAL options: at most %d",
                                 EAL_ARGS_MAX);
    return 0;
}

static uint32_t hugepages_free(void)
{
    unsigned count = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "HugePages_Free: %u", &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}

int eal_start(const char *options, struct fault *fault)
{
    struct eal_args args;
    cpu_set_t cpus;
    if (started)
        return fault_set(fault, ERR_BUSY, "DPDK was started in this process before");
    if (sched_getaffinity(0, sizeof(cpus), &cpus))
        CPU_ZERO(&cpus);
    uint32_t cpu_count = 1;
    for (uint32_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &cpus))
            cpu_count = i + 1;
    int err = eal_args_make(&args, options, hugepages_free(), cpu_count, fault);
    if (err)
        return err;
    char *argv[EAL_ARGS_MAX + 1]; /* rte_eal_init moves them about */
    memcpy(argv, args.argv, sizeof(argv));
    int used = rte_eal_init(args.count, argv);
    if (CPU_COUNT(&cpus))
        (void)!sched_setaffinity(0, sizeof(cpus), &cpus);
    if (used < 0)
        return fault_set(
            fault, rte_errno == EINVAL ? ERR_CONFIG : ERR_IO,
            "DPDK did not start (%s); its own words are in the lines above. The options "
            "were: %s",
            rte_strerror(rte_errno), options);
    started = true;
    memif_guard_init();
    return 0;
}

void eal_stop(void)
{
    /* DPDK cannot start a second time, so `started` stays. */
    if (started)
        rte_eal_cleanup();
}
