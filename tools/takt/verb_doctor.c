#include "base/clock.h"
#include "tools/host/doctor_measure.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_host.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERB_DOCTOR_WATCH_MS 500 /* interrupts and ticks are counted for so long */

static const struct verb_page verb_doctor_page = {
    .usage =
        "takt doctor [--measure] [--config FILE] [-o table|json]   |   takt doctor explain [ID]",
    .about =
        "Looks at what stands between a node on this machine and microseconds: processor,\n"
        "isolation, interrupts, kernel, memory, clocks, network card, disk. Needs no root and\n"
        "changes nothing. Each finding says what was found, why it matters, what mends it.\n"
        "It ends with a class, and the bounds that go with it:\n"
        "  A  qualified: times may be promised (only with --measure)\n"
        "  B  tuned, but shared: times hold as a rule\n"
        "  C  functional only: no time may be promised\n"
        "--measure also spins on the hot cores, writes to the data directory (1 MiB, removed\n"
        "again), and asks the other members of the configuration.\n"
        "Exit code 1: worse than --need.",
    .examples = "  takt doctor\n"
                "  takt doctor --measure --config /etc/takt/takt.yaml\n"
                "  takt doctor --all -o json\n"
                "  takt doctor explain mem-thp\n",
};

struct verb_doctor {
    struct verb_host where;
    const char *output, *data_dir, *need;
    bool measure, all;
    double seconds;
    struct host host, later;
    struct config config;
    struct doctor_subject subject;
    struct doctor_report report;
    struct doctor_measured measured;
};

static int verb_doctor_explain(const char *id)
{
    const struct doctor_check *check;
    bool found = false;

    for (uint32_t i = 0; (check = doctor_all(i)) != NULL; i++) {
        if (id && strcmp(id, check->id) != 0)
            continue;
        found = true;
        printf("%s%-22s%s %s\n    why   %s\n", verb_tint(stdout, "1"), check->id,
               verb_tint(stdout, "0"), check->what, check->why);
        if (*check->mend)
            printf("    mend  %s\n", check->mend);
        if (check->caps != DOCTOR_A)
            printf("    a machine that fails it is class %c at best\n",
                   doctor_class_letter(check->caps));
    }
    if (!found)
        fprintf(stderr, "takt: there is no check \"%s\"; takt doctor explain lists them\n", id);
    return found ? VERB_OK : VERB_FAILED;
}

static const char *verb_doctor_tint(enum doctor_state state)
{
    static const char *const tints[] = {"32", "2", "33", "36", "31"};
    return tints[state];
}

static void verb_doctor_findings(const struct verb_doctor *doctor)
{
    uint32_t counts[DOCTOR_FAIL + 1] = {0};
    char mend[512];

    for (uint32_t i = 0; i < doctor->report.count; i++) {
        const struct doctor_finding *f = &doctor->report.findings[i];
        counts[f->state]++;
        if (!doctor->all && (f->state == DOCTOR_OK || f->state == DOCTOR_NONE))
            continue;
        printf("%s%-7s%s %-20s %s: %s\n", verb_tint(stdout, verb_doctor_tint(f->state)),
               doctor_state_name(f->state), verb_tint(stdout, "0"), f->check->id, f->check->what,
               f->text);
        if (f->state == DOCTOR_OK || f->state == DOCTOR_NONE)
            continue;
        printf("        %s\n", f->check->why);
        if (*f->check->mend)
            printf("        > %s\n", doctor_mend(&doctor->subject, f->check, mend, sizeof(mend)));
    }
    printf("\n%u checks: %u ok, %u fail, %u warn, %u unknown, %u do not apply%s\n",
           doctor->report.count, counts[DOCTOR_OK], counts[DOCTOR_FAIL], counts[DOCTOR_WARN],
           counts[DOCTOR_UNKNOWN], counts[DOCTOR_NONE],
           doctor->all ? "" : "; --all shows every one");
}

static struct doctor_bounds verb_doctor_bounds(const struct verb_doctor *doctor)
{
    return doctor_bounds_of(doctor->report.class, doctor->measured.gap_ns, doctor->measured.rtt_ns,
                            doctor->measured.flush_ns);
}

static const char *verb_doctor_source(uint64_t measured_ns)
{
    return measured_ns ? "measured" : "assumed";
}

static void verb_doctor_verdict(const struct verb_doctor *doctor)
{
    static const char *const says[] = {
        "qualified: the bounds below may be promised",
        "tuned but shared: the bounds below hold as a rule, and may not be promised",
        "functional only: platform unqualified, no bound may be promised"};
    enum doctor_class class = doctor->report.class;
    struct doctor_bounds b = verb_doctor_bounds(doctor);

    printf("\n%sclass %c%s: %s\n", verb_tint(stdout, "1"), doctor_class_letter(class),
           verb_tint(stdout, "0"), says[class]);
    for (uint32_t i = 0; i < doctor->report.count; i++) {
        const struct doctor_finding *f = &doctor->report.findings[i];
        if (class != DOCTOR_A && doctor_caps(f) == class)
            printf("  because of %-20s %s\n", f->check->id, f->text);
    }
    if (class == DOCTOR_B && !doctor->report.measured)
        printf("  because the gaps of the hot cores were not measured (--measure)\n");
    printf("with gaps of %.3f ms (%s), round trips of %.3f ms (%s) and a flush of %.3f ms (%s):\n"
           "  ensemble.heartbeat %.0f ms, election_min %.0f ms, election_max %.0f ms\n"
           "  failover within %.1f ms, leases from %.1f ms%s\n",
           (double)b.gap_ns / 1e6, verb_doctor_source(doctor->measured.gap_ns),
           (double)b.rtt_ns / 1e6, verb_doctor_source(doctor->measured.rtt_ns),
           (double)b.flush_ns / 1e6, verb_doctor_source(doctor->measured.flush_ns),
           (double)b.heartbeat_ns / 1e6,
           (double)b.election_ns_min / 1e6, (double)b.election_ns_max / 1e6,
           (double)b.failover_ns / 1e6, (double)b.lease_ns / 1e6,
           b.promised ? "" : "; to start from, not to promise");
}

static void verb_doctor_json(const struct verb_doctor *doctor)
{
    struct doctor_bounds b = verb_doctor_bounds(doctor);
    char class[2] = {doctor_class_letter(doctor->report.class), '\0'}, text[512];
    struct json json;

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "class", class);
    json_bool(&json, "measured", doctor->report.measured);
    json_text(&json, "hot_cpus", cpulist_print(&doctor->subject.hot, text, sizeof(text)));
    json_text(&json, "nic", doctor->subject.nic);
    json_text(&json, "disk", doctor->subject.disk);
    json_open(&json, "bounds", '{');
    json_bool(&json, "promised", b.promised);
    json_int(&json, "gap_ns", (int64_t)b.gap_ns);
    json_int(&json, "rtt_ns", (int64_t)b.rtt_ns);
    json_int(&json, "flush_ns", (int64_t)b.flush_ns);
    json_int(&json, "heartbeat_ns", (int64_t)b.heartbeat_ns);
    json_int(&json, "election_min_ns", (int64_t)b.election_ns_min);
    json_int(&json, "election_max_ns", (int64_t)b.election_ns_max);
    json_int(&json, "failover_ns", (int64_t)b.failover_ns);
    json_int(&json, "lease_ns", (int64_t)b.lease_ns);
    json_close(&json, '}');
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < doctor->report.count; i++) {
        const struct doctor_finding *f = &doctor->report.findings[i];
        char caps[2] = {doctor_class_letter(doctor_caps(f)), '\0'};
        json_open(&json, NULL, '{');
        json_text(&json, "id", f->check->id);
        json_text(&json, "state", doctor_state_name(f->state));
        json_text(&json, "class_at_best", caps);
        json_text(&json, "what", f->check->what);
        json_text(&json, "found", f->text);
        json_text(&json, "why", f->check->why);
        json_text(&json, "mend", doctor_mend(&doctor->subject, f->check, text, sizeof(text)));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_line(&json);
}

/* Everything that is looked at or measured. */
static int verb_doctor_look(struct verb_doctor *doctor, struct fault *fault)
{
    struct cpulist hot;
    char here[PATH_MAX] = "";
    const char *data = doctor->data_dir ? doctor->data_dir : doctor->config.data_dir;
    bool live = *doctor->where.root == '\0';

    int err = verb_host_hot(&doctor->where, &doctor->host, &doctor->config, &hot, fault);
    if (err)
        return err;
    /* A directory that is still to be made stands for the one that it will be in. */
    if (realpath(*data ? data : ".", here) == NULL && getcwd(here, sizeof(here)) == NULL)
        strcpy(here, "/");
    doctor_subject_init(&doctor->subject, &doctor->host, &hot, doctor->where.nic, here);
    doctor->subject.net_count = doctor->config.net_count;
    if (live) {
        struct timespec nap = {.tv_nsec = VERB_DOCTOR_WATCH_MS * 1000000l};
        host_interrupts(&doctor->host, doctor->host.root);
        doctor->later = doctor->host;
        nanosleep(&nap, NULL);
        host_interrupts(&doctor->later, doctor->host.root);
        doctor->subject.later = &doctor->later;
        doctor->subject.window_ms = VERB_DOCTOR_WATCH_MS;
        doctor_measure_live(&doctor->subject);
    }
    doctor_run(&doctor->subject, &doctor->report);
    if (doctor->measure && !live)
        return fault_set(fault, ERR_CONFIG,
                         "--measure measures this machine; it does not go with "
                         "--root");
    if (doctor->measure) {
        uint64_t ns = (uint64_t)(doctor->seconds * 1e9);
        doctor_measure_gaps(&doctor->subject, ns, &doctor->report, &doctor->measured);
        doctor_measure_clock(&doctor->report);
        doctor_measure_disk(&doctor->subject, ns, &doctor->report, &doctor->measured);
        doctor_measure_peers(&doctor->config, &doctor->report, &doctor->measured);
    }
    return 0;
}

int verb_doctor(int argc, char **argv)
{
    static struct verb_doctor doctor; /* 1 MB: kept off the stack */
    struct fault fault;
    int rest;

    doctor =
        (struct verb_doctor){.where = {.root = ""}, .output = "table", .need = "B", .seconds = 2};
    const struct opts_item items[] = {
        {"measure", 'm', OPTS_FLAG, &doctor.measure, NULL,
         "measure gaps, clock, disk and peers too"},
        {"seconds", 0, OPTS_REAL, &doctor.seconds, "SECONDS", "each measurement takes at most", 0,
         600},
        {"all", 'a', OPTS_FLAG, &doctor.all, NULL, "show also what is fine"},
        VERB_HOST_OPTIONS(doctor.where),
        {"data", 'd', OPTS_STRING, &doctor.data_dir, "DIR",
         "the data directory; default: as "
         "configured, else this one"},
        {"need", 0, OPTS_CHOICE, &doctor.need, "CLASS", "a worse class is a failure",
         .choices = "A|B|C"},
        {"output", 'o', OPTS_CHOICE, &doctor.output, "FORM", "table or json",
         .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_doctor_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0 && strcmp(argv[1], "explain") == 0 && rest <= 2)
        return verb_doctor_explain(rest == 2 ? argv[2] : NULL);
    if (rest > 0)
        return verb_usage(&verb_doctor_page, "\"%s\" is one word too many", argv[1]);
    if (doctor.measure && doctor.seconds < 0.05)
        return verb_usage(&verb_doctor_page, "--seconds: at least 0.05");
    if (doctor.data_dir && !*doctor.where.root && access(doctor.data_dir, F_OK) != 0)
        return verb_usage(&verb_doctor_page, "--data: there is no directory %s", doctor.data_dir);
    int err = verb_host_read(&doctor.where, &doctor.host, &doctor.config, &fault);
    if (!err)
        err = verb_doctor_look(&doctor, &fault);
    if (err) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    if (strcmp(doctor.output, "json") == 0) {
        verb_doctor_json(&doctor);
    } else {
        char hot[256];
        printf("%s%s%s; hot cpus %s; card %s; disk %s\n\n", verb_tint(stdout, "1"),
               doctor.host.model, verb_tint(stdout, "0"),
               cpulist_print(&doctor.subject.hot, hot, sizeof(hot)),
               *doctor.subject.nic ? doctor.subject.nic : "none",
               *doctor.subject.disk ? doctor.subject.disk : "not found");
        verb_doctor_findings(&doctor);
        verb_doctor_verdict(&doctor);
    }
    return doctor_class_letter(doctor.report.class) > *doctor.need ? VERB_FAILED : VERB_OK;
}
