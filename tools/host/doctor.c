#include "tools/host/doctor.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct doctor_check *const doctor_tables[] = {
    doctor_cpu_table,    doctor_isolation_table, doctor_kernel_table,
    doctor_memory_table, doctor_nic_table,       doctor_disk_table};

const struct doctor_check *doctor_all(uint32_t i)
{
    for (size_t t = 0; t < sizeof(doctor_tables) / sizeof(doctor_tables[0]); t++)
        for (const struct doctor_check *check = doctor_tables[t]; check->id; check++)
            if (i-- == 0)
                return check;
    return NULL;
}

const struct doctor_check *doctor_find(const char *id)
{
    const struct doctor_check *check;
    for (uint32_t i = 0; (check = doctor_all(i)) != NULL; i++)
        if (strcmp(check->id, id) == 0)
            return check;
    return NULL;
}

char doctor_class_letter(enum doctor_class class)
{
    return "ABC"[class];
}

const char *doctor_state_name(enum doctor_state state)
{
    static const char *const names[] = {"ok", "n/a", "warn", "unknown", "fail"};
    return names[state];
}

enum doctor_state doctor_is(char text[DOCTOR_TEXT_SIZE], enum doctor_state state,
                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, DOCTOR_TEXT_SIZE, format, args);
    va_end(args);
    return state;
}

/* ---- the subject ------------------------------------------------------------------------------
 */

/* The interface of the route to 0.0.0.0; "" when there is none. */
static void doctor_default_nic(const struct sysroot *root, char *out, size_t size)
{
    char *routes = sysroot_all(root, "/proc/net/route"), *next = NULL;

    for (char *row = routes ? strtok_r(routes, "\n", &next) : NULL; row;
         row = strtok_r(NULL, "\n", &next)) {
        char name[32], to[16];
        if (sscanf(row, "%31s %15s", name, to) == 2 && strcmp(to, "00000000") == 0) {
            snprintf(out, size, "%s", name);
            break;
        }
    }
    free(routes);
}

/* The mount whose point is the longest prefix of the directory, and the disk below it. A partition
 * ("nvme0n1p2") counts as its disk. */
static void doctor_disk(struct doctor_subject *subject)
{
    const struct sysroot *root = &subject->host->root;
    char *mounts = sysroot_all(root, "/proc/self/mountinfo"), *next = NULL;
    size_t best = 0;
    char number[32] = "", found[32];

    for (char *row = mounts ? strtok_r(mounts, "\n", &next) : NULL; row;
         row = strtok_r(NULL, "\n", &next)) {
        char point[512];
        if (sscanf(row, "%*d %*d %31s %*s %511s", found, point) != 2)
            continue;
        size_t n = strcmp(point, "/") == 0 ? 1 : strlen(point);
        bool inside = n == 1 || (strncmp(subject->data_dir, point, n) == 0 &&
                                 (subject->data_dir[n] == '/' || subject->data_dir[n] == '\0'));
        if (!inside || n < best)
            continue;
        best = n;
        snprintf(subject->mount, sizeof(subject->mount), "%s", row);
        snprintf(number, sizeof(number), "%s", found);
    }
    free(mounts);
    if (!sysroot_target(root, subject->disk, sizeof(subject->disk), "/sys/dev/block/%s", number))
        return;
    if (sysroot_exists(root, "/sys/block/%s/queue", subject->disk))
        return;
    char disks[256][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(root, disks, 256, "/sys/block");
    for (uint32_t i = 0; i < count; i++)
        if (sysroot_exists(root, "/sys/block/%s/%s", disks[i], subject->disk))
            snprintf(subject->disk, sizeof(subject->disk), "%.*s", DOCTOR_NAME_SIZE - 1, disks[i]);
}

void doctor_subject_init(struct doctor_subject *subject, const struct host *host,
                         const struct cpulist *hot, const char *nic, const char *data_dir)
{
    memset(subject, 0, sizeof(*subject));
    subject->host = host;
    subject->hot = *hot;
    subject->rest = cpulist_without(&host->online, hot);
    subject->net_count = 1;
    snprintf(subject->data_dir, sizeof(subject->data_dir), "%s", data_dir);
    if (nic)
        snprintf(subject->nic, sizeof(subject->nic), "%s", nic);
    else
        doctor_default_nic(&host->root, subject->nic, sizeof(subject->nic));
    doctor_disk(subject);
}

/* ---- running ----------------------------------------------------------------------------------
 */

/* The word in brackets, where the kernel shows a choice: "always [madvise] never". */
static void doctor_chosen(char *text)
{
    char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    if (close) {
        memmove(text, open + 1, (size_t)(close - open - 1));
        text[close - open - 1] = '\0';
    }
}

static bool doctor_is_wanted(const char *value, const char *want)
{
    if (*want == '<')
        return atoll(value) <= atoll(want + 1);
    if (*want == '>')
        return atoll(value) >= atoll(want + 1);
    for (size_t n; *want != '\0'; want += n + (want[n] == '|')) {
        n = strcspn(want, "|");
        if (strlen(value) == n && strncmp(value, want, n) == 0)
            return true;
    }
    return false;
}

static enum doctor_state doctor_read_file(const struct doctor_subject *subject,
                                          const struct doctor_check *check, char *text)
{
    char value[128];
    if (!sysroot_text(&subject->host->root, value, sizeof(value), "%s", check->path))
        return doctor_is(text, check->absent ? check->absent : DOCTOR_NONE, "no %s here",
                         check->path);
    doctor_chosen(value);
    bool fine = doctor_is_wanted(value, check->want);
    return doctor_is(text,
                     fine               ? DOCTOR_OK
                     : check->otherwise ? check->otherwise
                                        : DOCTOR_FAIL,
                     "%s is %s", check->path, *value ? value : "empty");
}

enum doctor_class doctor_caps(const struct doctor_finding *finding)
{
    if (finding->state == DOCTOR_FAIL)
        return finding->check->caps;
    if (finding->state == DOCTOR_WARN || finding->state == DOCTOR_UNKNOWN)
        return finding->check->caps == DOCTOR_A ? DOCTOR_A : DOCTOR_B;
    return DOCTOR_A;
}

static void doctor_classify(struct doctor_report *report)
{
    report->class = report->measured ? DOCTOR_A : DOCTOR_B;
    for (uint32_t i = 0; i < report->count; i++)
        if (doctor_caps(&report->findings[i]) > report->class)
            report->class = doctor_caps(&report->findings[i]);
}

void doctor_add(struct doctor_report *report, const struct doctor_check *check,
                enum doctor_state state, const char *text)
{
    CHECK(report->count < DOCTOR_CHECKS_MAX);
    struct doctor_finding *finding = &report->findings[report->count++];
    finding->check = check;
    finding->state = state;
    snprintf(finding->text, sizeof(finding->text), "%s", text);
    if (strcmp(check->id, "measure-gaps") == 0)
        report->measured = true;
    doctor_classify(report);
}

void doctor_run(const struct doctor_subject *subject, struct doctor_report *report)
{
    const struct doctor_check *check;

    memset(report, 0, sizeof(*report));
    for (uint32_t i = 0; (check = doctor_all(i)) != NULL; i++) {
        char text[DOCTOR_TEXT_SIZE] = "";
        enum doctor_state state =
            check->read ? check->read(subject, text) : doctor_read_file(subject, check, text);
        doctor_add(report, check, state, text);
    }
}

/* ---- what it comes to --------------------------------------------------------------------------
 */

static uint64_t doctor_at_least(uint64_t value, uint64_t floor)
{
    return value > floor ? value : floor;
}

/* A heartbeat may be late by a gap at each end and a round trip; a follower waits for two of them
 * and one more gap before it asks for votes; a vote is on disk before it is told. The floors are
 * those of the settings (ensemble.heartbeat 1 ms, election_min 5 ms). */
struct doctor_bounds doctor_bounds_of(enum doctor_class class, uint64_t gap_ns, uint64_t rtt_ns,
                                      uint64_t flush_ns)
{
    static const struct {
        uint64_t gap_ns, rtt_ns, flush_ns;
    } assumed[] = {[DOCTOR_A] = {DOCTOR_GAP_NS_A, 50000, 100000},
                   [DOCTOR_B] = {DOCTOR_GAP_NS_B, 1000000, 5000000},
                   [DOCTOR_C] = {50000000, 1000000, 10000000}};
    struct doctor_bounds b = {.promised = class == DOCTOR_A,
                              .gap_ns = gap_ns ? gap_ns : assumed[class].gap_ns,
                              .rtt_ns = rtt_ns ? rtt_ns : assumed[class].rtt_ns,
                              .flush_ns = flush_ns ? flush_ns : assumed[class].flush_ns};

    b.heartbeat_ns = doctor_at_least(2 * (b.gap_ns + b.rtt_ns), NS_PER_MS);
    b.election_ns_min = doctor_at_least(2 * b.heartbeat_ns + b.gap_ns + b.rtt_ns, 5 * NS_PER_MS);
    b.election_ns_max = 2 * b.election_ns_min;
    b.failover_ns = b.election_ns_max + 2 * (b.rtt_ns + b.flush_ns + b.gap_ns);
    b.lease_ns = doctor_at_least(3 * (b.gap_ns + b.rtt_ns), NS_PER_MS);
    return b;
}

/* ---- mending -----------------------------------------------------------------------------------
 */

const char *doctor_mend(const struct doctor_subject *subject, const struct doctor_check *check,
                        char *out, size_t size)
{
    char hot[256], rest[256], mask[512], point[512] = "/";
    const char *names[] = {"{hot}", "{rest}", "{mask}", "{nic}", "{disk}", "{mount}"};
    const char *values[] = {cpulist_print(&subject->hot, hot, sizeof(hot)),
                            cpulist_print(&subject->rest, rest, sizeof(rest)),
                            cpulist_print_mask(&subject->rest, mask, sizeof(mask)),
                            *subject->nic ? subject->nic : "IFACE",
                            *subject->disk ? subject->disk : "DISK",
                            point};
    size_t used = 0;

    if (sscanf(subject->mount, "%*d %*d %*s %*s %511s", point) != 1)
        strcpy(point, "/");
    for (const char *at = check->mend; *at != '\0' && used + 1 < size;) {
        size_t i = 0;
        while (i < sizeof(names) / sizeof(names[0]) && strncmp(at, names[i], strlen(names[i])) != 0)
            i++;
        if (i < sizeof(names) / sizeof(names[0])) {
            int n = snprintf(out + used, size - used, "%s", values[i]);
            used += (size_t)n < size - used ? (size_t)n : size - used - 1;
            at += strlen(names[i]);
        } else {
            out[used++] = *at++;
        }
    }
    out[used] = '\0';
    return out;
}
