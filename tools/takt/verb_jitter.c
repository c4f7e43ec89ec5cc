#include "base/clock.h"
#include "tools/host/doctor.h"
#include "tools/host/gaps.h"
#include "tools/takt/histplot.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_host.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_page verb_jitter_page = {
    .usage = "takt jitter [--cpus LIST] [--seconds S] [--hdr FILE] [--svg FILE] [-o table|json]",
    .about =
        "Spins on each cpu, all at the same time, and records how long the core was away between\n"
        "two looks at the clock: interrupts, the scheduler, the host below a virtual machine,\n"
        "firmware. It is what this machine adds to every latency, whatever takt does.\n"
        "A polling core of a qualified machine (class A) is away for 50 us at most.\n"
        "--hdr writes the percentiles as HdrHistogram does, in microseconds, a file a cpu\n"
        "(FILE.cpu1). Exit code 1: a cpu was away for longer than --limit.",
    .examples = "  takt jitter\n"
                "  takt jitter --cpus 2-5 --seconds 60 --svg gaps.svg\n"
                "  takt jitter --limit 50 -o json\n",
};

struct verb_jitter {
    struct verb_host where;
    const char *output, *hdr, *svg;
    double seconds, limit_us;
    struct host host;
    struct config config;
    struct cpulist cpus;
    uint32_t count;
    struct gaps *gaps; /* [count] */
};

static double verb_jitter_us(uint64_t ns)
{
    return (double)ns / 1000;
}

/* ---- for people -------------------------------------------------------------------------------
 */

/* A bar a power of ten of the gaps, its length the logarithm of the count. */
static void verb_jitter_bars(const struct gaps *gaps)
{
    static const char *const names[] = {"< 100 ns", "< 1 us",  "< 10 us",  "< 100 us",
                                        "< 1 ms",   "< 10 ms", "< 100 ms", "more"};
    uint64_t counts[8] = {0};

    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++) {
        uint64_t limit = 100;
        int band = 0;
        for (; band < 7 && hist_slot_value(i) >= limit; limit *= 10)
            band++;
        counts[band] += gaps->steps.slots[i];
    }
    for (int band = 0; band < 8; band++) {
        if (counts[band] == 0)
            continue;
        int length = 1 + (int)(log10((double)counts[band]) * 5);
        printf("  %-9s %12" PRIu64 " %s", names[band], counts[band],
               verb_tint(stdout, band < 3   ? "32"
                                 : band < 4 ? "33"
                                            : "31"));
        for (int i = 0; i < length; i++)
            fputs("█", stdout);
        printf("%s\n", verb_tint(stdout, "0"));
    }
}

static void verb_jitter_table(const struct verb_jitter *jitter)
{
    printf("%-5s %9s %9s %9s %9s %9s %11s %10s %9s %9s %8s\n", "cpu", "p50 ns", "p99 us",
           "p99.99 us", "p99.9999", "max us", ">10us /s", ">100us /s", ">1ms /s", "lost",
           "seconds");
    for (uint32_t i = 0; i < jitter->count; i++) {
        const struct gaps *g = &jitter->gaps[i];
        double s = (double)g->elapsed_ns / 1e9;
        printf("%-5u %9" PRIu64 " %9.2f %9.2f %9.2f %9.1f %11.1f %10.1f %9.2f %8.3f%% %8.1f\n",
               g->cpu, hist_percentile(&g->steps, 50),
               verb_jitter_us(hist_percentile(&g->steps, 99)),
               verb_jitter_us(hist_percentile(&g->steps, 99.99)),
               verb_jitter_us(hist_percentile(&g->steps, 99.9999)), verb_jitter_us(g->steps.max_ns),
               (double)g->over_10us / s, (double)g->over_100us / s, (double)g->over_1ms / s,
               100.0 * (double)g->lost_ns / (double)g->elapsed_ns, s);
    }
    for (uint32_t i = 0; i < jitter->count; i++) {
        printf("\ncpu %u: steps between two looks, by length (bars: logarithm of the count)\n",
               jitter->gaps[i].cpu);
        verb_jitter_bars(&jitter->gaps[i]);
    }
}

static void verb_jitter_json(const struct verb_jitter *jitter, char class, bool qualified)
{
    struct json json;
    char letter[2] = {class, '\0'};

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "class", letter);
    json_text(&json, "platform", qualified ? "not disqualified" : "unqualified: ratios only");
    json_open(&json, "cpus", '[');
    for (uint32_t i = 0; i < jitter->count; i++) {
        const struct gaps *g = &jitter->gaps[i];
        json_open(&json, NULL, '{');
        json_int(&json, "cpu", g->cpu);
        json_int(&json, "elapsed_ns", (int64_t)g->elapsed_ns);
        json_int(&json, "samples", (int64_t)g->steps.count);
        json_int(&json, "p50_ns", (int64_t)hist_percentile(&g->steps, 50));
        json_int(&json, "p99_ns", (int64_t)hist_percentile(&g->steps, 99));
        json_int(&json, "p9999_ns", (int64_t)hist_percentile(&g->steps, 99.99));
        json_int(&json, "p999999_ns", (int64_t)hist_percentile(&g->steps, 99.9999));
        json_int(&json, "max_ns", (int64_t)g->steps.max_ns);
        json_int(&json, "over_10us", (int64_t)g->over_10us);
        json_int(&json, "over_100us", (int64_t)g->over_100us);
        json_int(&json, "over_1ms", (int64_t)g->over_1ms);
        json_int(&json, "lost_ns", (int64_t)g->lost_ns);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_line(&json);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static int verb_jitter_hdr(const struct verb_jitter *jitter, const struct gaps *g,
                           struct fault *fault)
{
    char path[512];

    snprintf(path, sizeof(path), "%s.cpu%u", jitter->hdr, g->cpu);
    return histplot_hdr(path, &g->steps, fault);
}

#define SVG_LEFT    70.0
#define SVG_TOP     40.0
#define SVG_WIDTH   760.0
#define SVG_HEIGHT  380.0
#define SVG_RANKS   8.0 /* decades of 1 / (1 - percentile) */
#define SVG_LOW     1.0 /* log10 of 10 ns */
#define SVG_DECADES 7.0 /* to 100 ms */

static double verb_jitter_x(double rank)
{
    double at = log10(rank < 1 ? 1 : rank) / SVG_RANKS;
    return SVG_LEFT + SVG_WIDTH * (at > 1 ? 1 : at);
}

static double verb_jitter_y(uint64_t ns)
{
    double at = (log10(ns ? (double)ns : 1) - SVG_LOW) / SVG_DECADES;
    return SVG_TOP + SVG_HEIGHT * (1 - (at < 0 ? 0 : at > 1 ? 1 : at));
}

static void verb_jitter_grid(FILE *to)
{
    static const char *const values[] = {"10 ns",  "100 ns", "1 us",  "10 us",
                                         "100 us", "1 ms",   "10 ms", "100 ms"};
    static const char *const ranks[] = {"0",      "90",      "99",       "99.9",     "99.99",
                                        "99.999", "99.9999", "99.99999", "99.999999"};
    for (int i = 0; i < 8; i++) {
        double y = SVG_TOP + SVG_HEIGHT * (1 - i / SVG_DECADES);
        fprintf(to,
                "<path d='M%.0f %.1fh%.0f' class='g'/><text x='%.0f' y='%.1f' "
                "text-anchor='end'>%s</text>\n",
                SVG_LEFT, y, SVG_WIDTH, SVG_LEFT - 6, y + 4, values[i]);
    }
    for (int i = 0; i < 9; i++) {
        double x = SVG_LEFT + SVG_WIDTH * i / SVG_RANKS;
        fprintf(to,
                "<path d='M%.1f %.0fv%.0f' class='g'/><text x='%.1f' y='%.0f' "
                "text-anchor='middle'>%s</text>\n",
                x, SVG_TOP, SVG_HEIGHT, x, SVG_TOP + SVG_HEIGHT + 18, ranks[i]);
    }
}

static int verb_jitter_svg(const struct verb_jitter *jitter, bool qualified, struct fault *fault)
{
    static const char *const colours[] = {"#1b6ca8", "#c0392b", "#1e8449", "#8e44ad",
                                          "#b9770e", "#117a65", "#5d6d7e", "#922b21"};
    FILE *to = fopen(jitter->svg, "we");

    if (to == NULL)
        return fault_set(fault, ERR_IO, "%s cannot be written", jitter->svg);
    fputs("<svg xmlns='http://www.w3.org/2000/svg' width='860' height='470' "
          "font-family='sans-serif' font-size='12'>\n<style>.g{stroke:#ddd}.c{fill:none;"
          "stroke-width:2}</style>\n<rect width='860' height='470' fill='white'/>\n",
          to);
    fprintf(to,
            "<text x='%.0f' y='22' font-size='15'>How long each core was away, by percentile "
            "of its looks at the clock%s</text>\n",
            SVG_LEFT, qualified ? "" : " (platform unqualified)");
    verb_jitter_grid(to);
    for (uint32_t i = 0; i < jitter->count; i++) {
        const struct hist *hist = &jitter->gaps[i].steps;
        uint64_t seen = 0;
        double x = SVG_LEFT;
        fprintf(to, "<path class='c' stroke='%s' d='", colours[i % 8]);
        for (uint32_t slot = 0; slot < HIST_SLOT_COUNT; slot++) {
            if (hist->slots[slot] == 0)
                continue;
            seen += hist->slots[slot];
            double y = verb_jitter_y(hist_slot_value(slot));
            double left = 1 - (double)seen / (double)hist->count;
            double next = verb_jitter_x(left > 0 ? 1 / left : (double)hist->count);
            fprintf(to, "%s%.1f %.1fL%.1f %.1f", seen == hist->slots[slot] ? "M" : "L", x, y, next,
                    y);
            x = next;
        }
        fprintf(to, "'/><text x='%.0f' y='%.0f' fill='%s'>cpu %u, max %.0f us</text>\n",
                SVG_LEFT + 12, SVG_TOP + 18 + 16 * i, colours[i % 8], jitter->gaps[i].cpu,
                verb_jitter_us(hist->max_ns));
    }
    fputs("</svg>\n", to);
    return fclose(to) == 0 ? 0 : fault_set(fault, ERR_IO, "%s cannot be written", jitter->svg);
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

static int verb_jitter_measure(struct verb_jitter *jitter, struct fault *fault)
{
    int err = verb_host_read(&jitter->where, &jitter->host, &jitter->config, fault);

    if (!err && jitter->where.cpus == NULL && jitter->where.config == NULL)
        jitter->cpus = jitter->host.allowed;
    else if (!err)
        err = verb_host_hot(&jitter->where, &jitter->host, &jitter->config, &jitter->cpus, fault);
    if (err)
        return err;
    jitter->count = cpulist_count(&jitter->cpus);
    jitter->gaps = calloc(jitter->count, sizeof(*jitter->gaps));
    if (jitter->gaps == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory for %u cpus", jitter->count);
    fprintf(stderr, "spinning on %u cpus for %.1f s ...\n", jitter->count, jitter->seconds);
    return gaps_measure_all(&jitter->cpus, (uint64_t)(jitter->seconds * 1e9), jitter->gaps, fault);
}

static int verb_jitter_report(const struct verb_jitter *jitter, struct fault *fault)
{
    char why[DOCTOR_TEXT_SIZE];
    enum doctor_class class = verb_host_class(&jitter->host, &jitter->cpus, why);
    bool qualified = class != DOCTOR_C;
    int err = 0;

    if (strcmp(jitter->output, "json") == 0) {
        verb_jitter_json(jitter, doctor_class_letter(class), qualified);
    } else {
        verb_jitter_table(jitter);
        if (!qualified)
            printf("\nplatform unqualified (class C: %s): no bound may be promised here\n", why);
    }
    if (jitter->svg)
        err = verb_jitter_svg(jitter, qualified, fault);
    for (uint32_t i = 0; !err && jitter->hdr && i < jitter->count; i++)
        err = verb_jitter_hdr(jitter, &jitter->gaps[i], fault);
    return err;
}

int verb_jitter(int argc, char **argv)
{
    static struct verb_jitter jitter; /* 1 MB: kept off the stack */
    struct fault fault;
    int rest, exit_code;

    jitter = (struct verb_jitter){.where = {.root = ""}, .output = "table", .seconds = 5};
    const struct opts_item items[] = {
        {"seconds", 't', OPTS_REAL, &jitter.seconds, "SECONDS", "how long", 0, 86400},
        {"cpus", 0, OPTS_CPUS, &jitter.where.cpus, "LIST", "which, such as 2-5; default: all"},
        {"config", 'c', OPTS_STRING, &jitter.where.config, "FILE",
         "those that a node's "
         "configuration names"},
        {"hdr", 0, OPTS_STRING, &jitter.hdr, "FILE", "write FILE.cpuN as HdrHistogram does"},
        {"svg", 0, OPTS_STRING, &jitter.svg, "FILE", "draw the percentiles"},
        {"limit", 0, OPTS_REAL, &jitter.limit_us, "MICROSECONDS",
         "a longer gap is a failure; 0: none", 0, 1000000},
        {"output", 'o', OPTS_CHOICE, &jitter.output, "FORM", "table or json",
         .choices = "table|json"},
        {0},
    };
    exit_code = verb_begin(&verb_jitter_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (jitter.seconds < 0.01)
        return verb_usage(&verb_jitter_page, "--seconds: at least 0.01");
    if (rest > 0)
        return verb_usage(&verb_jitter_page, "\"%s\" is one word too many", argv[1]);
    int err = verb_jitter_measure(&jitter, &fault);
    if (!err)
        err = verb_jitter_report(&jitter, &fault);
    if (err)
        fprintf(stderr, "takt: %s\n", fault.text);
    exit_code = err ? VERB_FAILED : VERB_OK;
    for (uint32_t i = 0; !err && i < jitter.count; i++)
        if (jitter.limit_us > 0 && verb_jitter_us(jitter.gaps[i].steps.max_ns) > jitter.limit_us)
            exit_code = VERB_FAILED;
    free(jitter.gaps);
    return exit_code;
}
