#include "tools/takt/bench.h"

#include "base/clock.h"
#include "tools/host/gaps.h"
#include "tools/takt/histplot.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_host.h"

#include <inttypes.h>
#include <stdlib.h>

#define BENCH_REPORT_SPIN_MS 200

/* What the machine is, and what it adds by itself: measured behind the run, in the same minute. */
struct bench_platform {
    struct gaps gaps;
    enum doctor_class class;
    char why[DOCTOR_TEXT_SIZE];
    struct host host;
};

static void bench_report_platform(struct bench_platform *platform)
{
    int err = gaps_measure(-1, BENCH_REPORT_SPIN_MS * NS_PER_MS, &platform->gaps);

    platform->class = DOCTOR_C;
    snprintf(platform->why, sizeof(platform->why), "this machine cannot be read");
    if (!err && host_read(&platform->host, (struct sysroot){""}) == 0)
        platform->class = verb_host_class(&platform->host, &platform->host.allowed, platform->why);
}

/* All operations in one histogram: in memory of its own, for it is large. */
static struct hist *bench_report_total(const struct bench_result *result)
{
    struct hist *total = malloc(sizeof(*total));
    if (total == NULL)
        return NULL;
    hist_init(total);
    for (uint32_t op = 0; op < BENCHMIX_OP_COUNT; op++)
        if (op != BENCHMIX_LAST)
            hist_merge(total, &result->stats.latency[op]);
    return total;
}

static double bench_report_us(uint64_t ns)
{
    return (double)ns / 1000.0;
}

static void bench_report_row(const char *name, const struct hist *hist, uint64_t done,
                             double measured_s)
{
    if (hist->count == 0 && done == 0)
        return;
    printf("%-10s %11.0f %11" PRIu64 " %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", name,
           (double)done / measured_s, hist->count, bench_report_us(hist->count ? hist->min_ns : 0),
           hist->count ? hist->sum_ns / (double)hist->count / 1000.0 : 0.0,
           bench_report_us(hist_percentile(hist, 50)), bench_report_us(hist_percentile(hist, 90)),
           bench_report_us(hist_percentile(hist, 99)), bench_report_us(hist_percentile(hist, 99.9)),
           bench_report_us(hist->max_ns));
}

/* What the figures are per: notifications, sessions, or requests. */
static uint64_t bench_report_units(const struct bench_result *result, const char **unit)
{
    const struct bench_stats *stats = &result->stats;
    if (stats->done[BENCHMIX_EVENT] != 0) {
        *unit = "notification";
        return stats->done[BENCHMIX_EVENT];
    }
    if (stats->done[BENCHMIX_CLOSE] != 0) {
        *unit = "session";
        return stats->done[BENCHMIX_CLOSE];
    }
    *unit = "request";
    return bench_stats_done(stats);
}

static void bench_report_text(const struct bench_config *config, const struct bench_result *result,
                              const struct hist *total, const struct bench_platform *platform)
{
    const struct bench_stats *stats = &result->stats;
    const char *unit;
    uint64_t units = bench_report_units(result, &unit);
    double client_s = result->client_after.cpu_s - result->client_before.cpu_s;
    printf("%s%s at %s%s: %" PRIu64 " connections, window %" PRIu64 ", %" PRIu64
           " B, %s, measured %.2f s after %.1f s\n",
           verb_tint(stdout, "1"), config->scenario, config->server, verb_tint(stdout, "0"),
           config->connections, config->window, config->payload,
           config->rate_per_s > 0 ? "open loop" : "closed loop", result->measured_s,
           config->warmup_s);
    if (config->rate_per_s > 0)
        printf("intended rate %.0f/s; sent at most %.1f us late by this program\n",
               config->rate_per_s, bench_report_us(stats->lag_ns_max));
    printf("%-10s %11s %11s %9s %9s %9s %9s %9s %9s %9s\n", "us", "per second", "samples", "min",
           "mean", "p50", "p90", "p99", "p99.9", "max");
    for (uint32_t op = 0; op < BENCHMIX_OP_COUNT; op++)
        bench_report_row(benchmix_name((enum benchmix_op)op), &stats->latency[op], stats->done[op],
                         result->measured_s);
    if (strcmp(config->scenario, "mix") == 0 || strcmp(config->scenario, "beat") == 0)
        bench_report_row("total", total, bench_stats_done(stats), result->measured_s);
    for (uint32_t i = 0; i < BENCH_STATS_ERROR_COUNT; i++)
        if (stats->errors[i].count != 0)
            printf("%serrors%s     %s: %" PRIu64 "\n", verb_tint(stdout, "31"),
                   verb_tint(stdout, "0"), zk_error_name(stats->errors[i].code),
                   stats->errors[i].count);
    if (stats->unanswered != 0)
        printf("unanswered %" PRIu64 " requests\n", stats->unanswered);
    if (result->has_server)
        printf("server     %.2f CPU s, %.3f us a %s, %.1f MB resident (%+.1f MB)\n",
               result->server_after.cpu_s - result->server_before.cpu_s,
               units ? (result->server_after.cpu_s - result->server_before.cpu_s) * 1e6 /
                           (double)units
                     : 0.0,
               unit, (double)result->server_after.rss_bytes / 1e6,
               ((double)result->server_after.rss_bytes - (double)result->server_before.rss_bytes) /
                   1e6);
    printf("client     %.2f CPU s, %.3f us a %s\n", client_s,
           units ? client_s * 1e6 / (double)units : 0.0, unit);
    printf("machine    gaps while spinning for %u ms: p99.9 %.1f us, max %.1f us, %" PRIu64
           " over 10 us\n",
           BENCH_REPORT_SPIN_MS, bench_report_us(hist_percentile(&platform->gaps.steps, 99.9)),
           bench_report_us(platform->gaps.steps.max_ns), platform->gaps.over_10us);
    if (platform->class == DOCTOR_C)
        printf("           platform unqualified (class C: %s): ratios only\n", platform->why);
    else
        printf("           class %c at best: %s (takt doctor)\n",
               doctor_class_letter(platform->class), platform->why);
}

static void bench_report_json_hist(struct json *json, const char *name, const struct hist *hist,
                                   uint64_t done, double measured_s)
{
    json_open(json, name, '{');
    json_real(json, "per_s", (double)done / measured_s);
    json_int(json, "done", (int64_t)done);
    json_int(json, "samples", (int64_t)hist->count);
    json_int(json, "min_ns", hist->count ? (int64_t)hist->min_ns : 0);
    json_int(json, "mean_ns", hist->count ? (int64_t)(hist->sum_ns / (double)hist->count) : 0);
    json_int(json, "p50_ns", (int64_t)hist_percentile(hist, 50));
    json_int(json, "p90_ns", (int64_t)hist_percentile(hist, 90));
    json_int(json, "p99_ns", (int64_t)hist_percentile(hist, 99));
    json_int(json, "p999_ns", (int64_t)hist_percentile(hist, 99.9));
    json_int(json, "max_ns", (int64_t)hist->max_ns);
    json_close(json, '}');
}

static void bench_report_json(const struct bench_config *config, const struct bench_result *result,
                              const struct hist *total, const struct bench_platform *platform)
{
    const struct bench_stats *stats = &result->stats;
    const char *unit;
    uint64_t units = bench_report_units(result, &unit);
    struct json json;
    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "scenario", config->scenario);
    json_text(&json, "server", config->server);
    json_text(&json, "platform",
              platform->class == DOCTOR_C ? "unqualified: ratios only" : "not disqualified");
    json_text(&json, "platform_class", (char[2]){doctor_class_letter(platform->class), '\0'});
    json_text(&json, "ops_mix", config->ops);
    json_int(&json, "connections", (int64_t)config->connections);
    json_int(&json, "window", (int64_t)config->window);
    json_int(&json, "payload_bytes", (int64_t)config->payload);
    json_int(&json, "keys", (int64_t)config->keys);
    json_int(&json, "threads", (int64_t)config->threads);
    json_real(&json, "rate_per_s", config->rate_per_s);
    json_real(&json, "warmup_s", config->warmup_s);
    json_real(&json, "measured_s", result->measured_s);
    bench_report_json_hist(&json, "total", total, bench_stats_done(stats), result->measured_s);
    json_open(&json, "ops", '{');
    for (uint32_t op = 0; op < BENCHMIX_OP_COUNT; op++)
        if (stats->latency[op].count != 0 || stats->done[op] != 0)
            bench_report_json_hist(&json, benchmix_name((enum benchmix_op)op), &stats->latency[op],
                                   stats->done[op], result->measured_s);
    json_close(&json, '}');
    json_open(&json, "errors", '{');
    for (uint32_t i = 0; i < BENCH_STATS_ERROR_COUNT; i++)
        if (stats->errors[i].count != 0)
            json_int(&json, zk_error_name(stats->errors[i].code), (int64_t)stats->errors[i].count);
    json_close(&json, '}');
    json_int(&json, "unanswered", (int64_t)stats->unanswered);
    json_int(&json, "sent_late_max_ns", (int64_t)stats->lag_ns_max);
    json_text(&json, "unit", unit);
    json_int(&json, "units", (int64_t)units);
    json_real(&json, "client_cpu_s", result->client_after.cpu_s - result->client_before.cpu_s);
    if (result->has_server) {
        json_real(&json, "server_cpu_s", result->server_after.cpu_s - result->server_before.cpu_s);
        json_int(&json, "server_rss_before_bytes", (int64_t)result->server_before.rss_bytes);
        json_int(&json, "server_rss_bytes", (int64_t)result->server_after.rss_bytes);
    }
    json_int(&json, "spin_gap_p999_ns", (int64_t)hist_percentile(&platform->gaps.steps, 99.9));
    json_int(&json, "spin_gap_max_ns", (int64_t)platform->gaps.steps.max_ns);
    json_close(&json, '}');
    json_line(&json);
}

static int bench_report_plot(const struct bench_config *config, const struct bench_result *result,
                             const struct bench_platform *platform, struct fault *fault)
{
    struct histplot_line lines[HISTPLOT_LINES_MAX];
    char title[200], note[DOCTOR_TEXT_SIZE + 80];
    uint32_t count = 0;

    for (uint32_t op = 0; op < BENCHMIX_OP_COUNT; op++)
        if (result->stats.latency[op].count != 0 && count < HISTPLOT_LINES_MAX)
            lines[count++] = (struct histplot_line){benchmix_name((enum benchmix_op)op),
                                                    &result->stats.latency[op]};
    if (count == 0)
        return fault_set(fault, ERR_NOTFOUND, "nothing was answered: nothing to plot");
    snprintf(title, sizeof(title), "%s at %.80s: %" PRIu64 " x %" PRIu64 ", %" PRIu64 " B, %s loop",
             config->scenario, config->server, config->connections, config->window,
             config->payload, config->rate_per_s > 0 ? "open" : "closed");
    snprintf(note, sizeof(note), "%s%s",
             platform->class == DOCTOR_C ? "platform unqualified, ratios only: " : "",
             platform->why);
    return histplot_svg(config->plot, title, note, lines, count, fault);
}

int bench_report(const struct bench_config *config, const struct bench_result *result,
                 struct fault *fault)
{
    struct hist *total = bench_report_total(result);
    struct bench_platform *platform = malloc(sizeof(*platform));
    int err = 0;
    if (total == NULL || platform == NULL) {
        err = fault_set(fault, ERR_NOMEM, "no memory");
        goto out;
    }
    bench_report_platform(platform);
    if (config->as_json)
        bench_report_json(config, result, total, platform);
    else
        bench_report_text(config, result, total, platform);
    if (config->plot != NULL)
        err = bench_report_plot(config, result, platform, fault);
    if (!err && config->hdr != NULL)
        err = histplot_hdr(config->hdr, total, fault);
out:
    free(total);
    free(platform);
    return err;
}
