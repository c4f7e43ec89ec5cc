#include "tools/takt/bench_proc.h"

#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads a small file whole. */
static int bench_proc_file(const char *path, char *room, size_t size)
{
    FILE *from = fopen(path, "re");
    if (from == NULL)
        return ERR_NOTFOUND;
    size_t n = fread(room, 1, size - 1, from);
    room[n] = '\0';
    fclose(from);
    return n > 0 ? 0 : ERR_NOTFOUND;
}

int bench_proc_parse_stat(const char *text, uint64_t *ticks)
{
    uint64_t user, sys;
    const char *at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &sys) != 2)
        return ERR_MALFORMED;
    *ticks = user + sys;
    return 0;
}

int bench_proc_read(uint64_t pid, struct bench_proc *proc)
{
    char path[64], who[32] = "self", text[2048];
    uint64_t ticks, pages;
    if (pid != 0)
        snprintf(who, sizeof(who), "%" PRIu64, pid);
    snprintf(path, sizeof(path), "/proc/%s/stat", who);
    if (bench_proc_file(path, text, sizeof(text)) != 0 || bench_proc_parse_stat(text, &ticks) != 0)
        return ERR_NOTFOUND;
    snprintf(path, sizeof(path), "/proc/%s/statm", who);
    if (bench_proc_file(path, text, sizeof(text)) != 0 || sscanf(text, "%*u %" SCNu64, &pages) != 1)
        return ERR_NOTFOUND;
    proc->cpu_s = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    proc->rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

int bench_proc_read_all(const char *pids, struct bench_proc *sum)
{
    struct bench_proc all = {0}, one;
    const char *at = pids;
    do {
        char *end;
        uint64_t pid = strtoull(at, &end, 10);
        if (!isdigit((unsigned char)*at) || (*end != ',' && *end != '\0') || pid == 0)
            return ERR_MALFORMED;
        int err = bench_proc_read(pid, &one);
        if (err != 0)
            return err;
        all.cpu_s += one.cpu_s;
        all.rss_bytes += one.rss_bytes;
        at = *end == ',' ? end + 1 : end;
    } while (at[-1] == ',');
    *sum = all;
    return 0;
}
