#include "tools/host/doctor_measure.h"

#include "base/clock.h"
#include "tools/host/gaps.h"
#include "tools/takt/fourlw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define MEASURE_FILE_SIZE (1u << 20)
#define MEASURE_WRITE     4096u
#define MEASURE_WRITES    1000u
#define MEASURE_READS     100000u
#define MEASURE_PEER_ASKS 20u
#define MEASURE_PEER_MS   2000u /* without an answer for so long, it has none */

static const struct doctor_check doctor_measure_checks[] = {
    {"measure-gaps", "gaps of hot cores",
     "Every promise of a time is at most as good as the core "
     "that keeps it.",
     "takt jitter --cpus {hot}   # and the isolation items above", DOCTOR_C},
    {"measure-clock", "clock", "Each turn reads it; leases are counted on it.",
     "see clock-source, cpu-tsc", DOCTOR_B},
    {"measure-disk", "durable write", "A write is answered after it: the floor of each commit.",
     "use a drive with power-loss protection for {mount}", DOCTOR_C},
    {"measure-peers", "round trips", "A commit needs one to a majority; an election two.",
     "put the members on one switch, on cards of their own", DOCTOR_B},
};
enum { MEASURE_GAPS, MEASURE_CLOCK, MEASURE_DISK, MEASURE_PEERS };

static double doctor_us(uint64_t ns)
{
    return (double)ns / 1000;
}

static uint64_t doctor_clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- gaps -------------------------------------------------------------------------------------
 */

void doctor_measure_gaps(const struct doctor_subject *subject, uint64_t duration_ns,
                         struct doctor_report *report, struct doctor_measured *measured)
{
    uint32_t count = cpulist_count(&subject->hot), worst = 0;
    struct gaps *gaps = calloc(count ? count : 1, sizeof(*gaps));
    char text[DOCTOR_TEXT_SIZE];
    struct fault fault = {"there are no hot cpus"};
    int err =
        gaps && count ? gaps_measure_all(&subject->hot, duration_ns, gaps, &fault) : ERR_NOMEM;

    for (uint32_t i = 1; !err && i < count; i++)
        if (gaps[i].steps.max_ns > gaps[worst].steps.max_ns)
            worst = i;
    if (err) {
        doctor_add(report, &doctor_measure_checks[MEASURE_GAPS], DOCTOR_UNKNOWN, fault.text);
    } else {
        uint64_t max_ns = gaps[worst].steps.max_ns;
        snprintf(text, sizeof(text),
                 "cpu %u was away for %.0f us at most in %.1f s, %llu times for more than 10 us, "
                 "%.2f %% of the time",
                 gaps[worst].cpu, doctor_us(max_ns), (double)gaps[worst].elapsed_ns / 1e9,
                 (unsigned long long)gaps[worst].over_10us,
                 100.0 * (double)gaps[worst].lost_ns / (double)gaps[worst].elapsed_ns);
        doctor_add(report, &doctor_measure_checks[MEASURE_GAPS],
                   max_ns <= DOCTOR_GAP_NS_A   ? DOCTOR_OK
                   : max_ns <= DOCTOR_GAP_NS_B ? DOCTOR_WARN
                                               : DOCTOR_FAIL,
                   text);
        measured->gap_ns = max_ns;
    }
    free(gaps);
}

/* ---- clock ------------------------------------------------------------------------------------
 */

void doctor_measure_clock(struct doctor_report *report)
{
    struct timespec ts;
    char text[DOCTOR_TEXT_SIZE];
    uint64_t begin_ns = doctor_clock_ns(CLOCK_MONOTONIC);

    for (uint32_t i = 0; i < MEASURE_READS; i++)
        clock_gettime(CLOCK_MONOTONIC, &ts);
    double cost_ns = (double)(doctor_clock_ns(CLOCK_MONOTONIC) - begin_ns) / MEASURE_READS;
    struct timespec nap = {.tv_nsec = 200000000};
    uint64_t mono = doctor_clock_ns(CLOCK_MONOTONIC), raw = doctor_clock_ns(CLOCK_MONOTONIC_RAW);
    nanosleep(&nap, NULL);
    mono = doctor_clock_ns(CLOCK_MONOTONIC) - mono;
    raw = doctor_clock_ns(CLOCK_MONOTONIC_RAW) - raw;
    double ppm = raw ? ((double)mono - (double)raw) * 1e6 / (double)raw : 0;
    bool dear = cost_ns > 100, fast = ppm > 500 || ppm < -500;
    snprintf(text, sizeof(text), "a read costs %.0f ns; it runs %+.0f ppm against the raw clock",
             cost_ns, ppm);
    doctor_add(report, &doctor_measure_checks[MEASURE_CLOCK],
               fast   ? DOCTOR_FAIL
               : dear ? DOCTOR_WARN
                      : DOCTOR_OK,
               text);
}

/* ---- disk -------------------------------------------------------------------------------------
 */

/* Writes 4 KiB again and again at following places of the zeroed file, each durable when it is
 * done. Returns 0 or ERR_IO. */
static int doctor_disk_writes(const char *path, bool dsync, uint64_t budget_ns, struct hist *hist)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | (dsync ? O_DSYNC : 0));
    static char block[MEASURE_WRITE];
    uint64_t begin_ns = clock_now().mono_ns, last_ns = begin_ns;
    int err = fd < 0 ? ERR_IO : 0;

    hist_init(hist);
    for (uint32_t i = 0; !err && i < MEASURE_WRITES && last_ns < begin_ns + budget_ns; i++) {
        memset(block, (int)i, sizeof(block));
        uint64_t at = (uint64_t)i * MEASURE_WRITE % MEASURE_FILE_SIZE;
        uint64_t from_ns = clock_now().mono_ns;
        if (pwrite(fd, block, sizeof(block), (off_t)at) != (ssize_t)sizeof(block) ||
            (!dsync && fdatasync(fd) != 0))
            err = ERR_IO;
        last_ns = clock_now().mono_ns;
        hist_record(hist, last_ns - from_ns);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

static int doctor_disk_prepare(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static const char zeros[MEASURE_WRITE];
    int err = fd < 0 ? ERR_IO : 0;

    for (uint32_t at = 0; !err && at < MEASURE_FILE_SIZE; at += MEASURE_WRITE)
        err = write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros) ? 0 : ERR_IO;
    if (!err && fsync(fd) != 0)
        err = ERR_IO;
    if (fd >= 0)
        close(fd);
    return err;
}

/* A medium without protection needs at least ~50 us (flash: a program operation is longer); what
 * comes back sooner was kept in a cache that is protected, or in one that lies. */
enum doctor_state doctor_measure_flush(uint64_t dsync_ns, uint64_t fdatasync_ns, bool through,
                                       bool in_memory, bool virtual_machine,
                                       char text[DOCTOR_TEXT_SIZE])
{
    uint64_t best = dsync_ns < fdatasync_ns ? dsync_ns : fdatasync_ns;

    if (in_memory)
        return doctor_is(text, DOCTOR_FAIL, "not believable: the directory lies in memory");
    if (best < 5000)
        return doctor_is(text, DOCTOR_FAIL, "not believable: no medium is durable in %.1f us",
                         doctor_us(best));
    if (virtual_machine)
        return doctor_is(text, DOCTOR_WARN,
                         "cannot be judged in a guest: the host may keep it in its cache");
    if (best < 50000 && !through)
        return doctor_is(text, DOCTOR_FAIL,
                         "not believable: a volatile write cache, and a flush in %.1f us",
                         doctor_us(best));
    if (best > 10000000)
        return doctor_is(text, DOCTOR_WARN, "believable, and slow: a turning disk, or a busy one");
    return doctor_is(text, DOCTOR_OK, "believable%s",
                     best < 200000 ? ": protected, or very fast" : "");
}

static bool doctor_disk_in_memory(const char *path)
{
    struct statfs system;
    return statfs(path, &system) == 0 && ((uint32_t)system.f_type == (uint32_t)TMPFS_MAGIC ||
                                          (uint32_t)system.f_type == (uint32_t)RAMFS_MAGIC);
}

void doctor_measure_disk(const struct doctor_subject *subject, uint64_t budget_ns,
                         struct doctor_report *report, struct doctor_measured *measured)
{
    static struct hist dsync, sync; /* 18 KB each */
    char path[600], text[DOCTOR_TEXT_SIZE], judged[DOCTOR_TEXT_SIZE] = "", cache[32] = "";
    const struct doctor_check *check = &doctor_measure_checks[MEASURE_DISK];

    snprintf(path, sizeof(path), "%s/.takt-doctor-%d", subject->data_dir, (int)getpid());
    int err = doctor_disk_prepare(path);
    if (!err)
        err = doctor_disk_writes(path, true, budget_ns, &dsync);
    if (!err)
        err = doctor_disk_writes(path, false, budget_ns, &sync);
    snprintf(text, sizeof(text), "%.180s: %.60s", path, strerror(errno));
    unlink(path);
    if (err) {
        doctor_add(report, check, DOCTOR_UNKNOWN, text);
        return;
    }
    if (*subject->disk)
        sysroot_text(&subject->host->root, cache, sizeof(cache), "/sys/block/%s/queue/write_cache",
                     subject->disk);
    uint64_t a = hist_percentile(&dsync, 50), b = hist_percentile(&sync, 50);
    enum doctor_state state = doctor_measure_flush(a, b, strcmp(cache, "write through") == 0,
                                                   doctor_disk_in_memory(subject->data_dir),
                                                   subject->host->virtual_machine, judged);
    uint64_t a_tail = hist_percentile(&dsync, 99.9), b_tail = hist_percentile(&sync, 99.9);
    snprintf(
        text, sizeof(text),
        "O_DSYNC p50 %.0f p99.9 %.0f us, fdatasync p50 %.0f p99.9 %.0f us (%.1f times); %.120s",
        doctor_us(a), doctor_us(a_tail), doctor_us(b), doctor_us(b_tail),
        a ? (double)b / (double)a : 0, judged);
    doctor_add(report, check, state, text);
    measured->flush_ns = a_tail < b_tail ? a_tail : b_tail;
}

/* ---- other members ------------------------------------------------------------------------------
 */

/* Asks one server. *rtt_ns is the 95th percentile of the questions. */
static int doctor_peer(const char *server, uint64_t *rtt_ns, char *version, uint32_t size)
{
    static struct hist hist;
    struct fault fault;
    char *answer = NULL;
    int err = fourlw_ask(server, "srvr", MEASURE_PEER_MS, &answer, &fault);

    if (err)
        return err;
    if (fourlw_value(answer, "Zookeeper version:", version, size) != 0)
        snprintf(version, size, "unknown");
    free(answer);
    hist_init(&hist);
    for (uint32_t i = 0; !err && i < MEASURE_PEER_ASKS; i++) {
        uint64_t begin_ns = clock_now().mono_ns;
        err = fourlw_ask(server, "ruok", MEASURE_PEER_MS, &answer, &fault);
        hist_record(&hist, clock_now().mono_ns - begin_ns);
        if (!err)
            free(answer);
    }
    *rtt_ns = hist_percentile(&hist, 95);
    return err;
}

void doctor_measure_peers(const struct config *config, struct doctor_report *report,
                          struct doctor_measured *measured)
{
    const struct doctor_check *check = &doctor_measure_checks[MEASURE_PEERS];
    char text[DOCTOR_TEXT_SIZE] = "", first[128] = "", version[128];
    uint32_t asked = 0, unknown = 0, failed = 0, differ = 0;

    for (uint32_t i = 0; i < config->servers.count; i++) {
        const struct membership_server *peer = &config->servers.server[i];
        char server[320];
        uint64_t rtt_ns = 0;
        size_t used = strlen(text);
        if (peer->id == config->node_id)
            continue;
        if (peer->client_port == 0) {
            snprintf(text + used, sizeof(text) - used, "%s%u: no client port in its line",
                     used ? "; " : "", peer->id);
            unknown++;
            continue;
        }
        snprintf(server, sizeof(server), "%s:%u", membership_client_host(peer), peer->client_port);
        asked++;
        int err = doctor_peer(server, &rtt_ns, version, sizeof(version));
        failed += err != 0;
        if (err) {
            snprintf(text + used, sizeof(text) - used, "%s%u: no answer", used ? "; " : "",
                     peer->id);
            continue;
        }
        differ += *first && strcmp(first, version) != 0;
        snprintf(first, sizeof(first), "%s", version);
        snprintf(text + used, sizeof(text) - used, "%s%u: %.0f us with a connect", used ? "; " : "",
                 peer->id, doctor_us(rtt_ns));
        if (rtt_ns > measured->rtt_ns)
            measured->rtt_ns = rtt_ns;
    }
    size_t used = strlen(text);
    if (differ)
        snprintf(text + used, sizeof(text) - used, "; their versions differ");
    if (asked + unknown == 0)
        snprintf(text, sizeof(text), "the configuration names no other members");
    doctor_add(report, check,
               failed || differ ? DOCTOR_FAIL
               : unknown        ? DOCTOR_UNKNOWN
               : asked          ? DOCTOR_OK
                                : DOCTOR_NONE,
               text);
}

/* ---- what only calls tell ----------------------------------------------------------------------
 */

void doctor_measure_live(struct doctor_subject *subject)
{
    struct timex clock = {0};
    struct statvfs space;
    int state = adjtimex(&clock);

    subject->live.clock_known = state >= 0;
    subject->live.clock_synchronised = state >= 0 && !(clock.status & STA_UNSYNC);
    subject->live.clock_leap = state == TIME_INS || state == TIME_DEL;
    subject->live.clock_error_us = clock.maxerror;
    subject->live.space_known = statvfs(subject->data_dir, &space) == 0;
    if (subject->live.space_known) {
        subject->live.space_free = (uint64_t)space.f_bavail * space.f_frsize;
        subject->live.space_size = (uint64_t)space.f_blocks * space.f_frsize;
    }
}
