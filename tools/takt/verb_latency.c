#include "base/check.h"
#include "tools/takt/histplot.h"
#include "tools/takt/json.h"
#include "tools/takt/page.h"
#include "tools/takt/verb.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_page verb_latency_page = {
    .usage = "takt latency [--data DIR] [--step STEP] [--plot] [--svg FILE] [-o table|json]",
    .about =
        "How long requests took inside of a node on this machine, step by step, since it started:\n"
        "one request in page.trace_every is stamped on its way. read and write are the whole way,\n"
        "from the bytes' arrival to the answer's departure; the others are its parts.\n"
        "The figures are this machine's at this hour: takt doctor says what they are worth.",
    .examples = "  takt latency\n"
                "  takt latency --step write --plot\n"
                "  takt latency --svg latency.svg\n",
};

static void verb_latency_json(const struct node_page *page)
{
    struct json json;

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "node", page_standing(page));
    json_int(&json, "lost_stamps", (int64_t)atomic_load(&page->lost_stamps));
    json_open(&json, "steps", '[');
    for (int i = 0; i < TRACE_STEPS; i++) {
        const struct hist *all = &page->steps[i].all;
        json_open(&json, NULL, '{');
        json_text(&json, "step", trace_step_name((enum trace_step)i));
        json_int(&json, "samples", (int64_t)all->count);
        json_int(&json, "min_ns", all->count ? (int64_t)all->min_ns : 0);
        json_int(&json, "p50_ns", (int64_t)hist_percentile(all, 50));
        json_int(&json, "p90_ns", (int64_t)hist_percentile(all, 90));
        json_int(&json, "p99_ns", (int64_t)hist_percentile(all, 99));
        json_int(&json, "p999_ns", (int64_t)hist_percentile(all, 99.9));
        json_int(&json, "max_ns", (int64_t)all->max_ns);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_line(&json);
}

static void verb_latency_table(const struct node_page *page, const char *only)
{
    static const double percents[] = {50, 90, 99, 99.9};
    char text[32];

    printf("%-10s %10s %11s %11s %11s %11s %11s %11s\n", "step", "samples", "min", "p50", "p90",
           "p99", "p99.9", "max");
    for (int i = 0; i < TRACE_STEPS; i++) {
        const struct hist *all = &page->steps[i].all;
        const char *name = trace_step_name((enum trace_step)i);
        if (only ? strcmp(only, name) != 0 : all->count == 0)
            continue;
        printf("%-10s %10" PRIu64 " %11s", name, all->count,
               histplot_time(all->count ? all->min_ns : 0, text, sizeof(text)));
        for (int k = 0; k < 4; k++)
            printf(" %11s", histplot_time(hist_percentile(all, percents[k]), text, sizeof(text)));
        printf(" %11s\n", histplot_time(all->max_ns, text, sizeof(text)));
    }
}

/* With one step its distribution, without one those of whole reads and writes. */
static uint32_t verb_latency_lines(const struct node_page *page, const char *only, bool all,
                                   struct histplot_line lines[TRACE_STEPS])
{
    uint32_t count = 0;

    for (int i = 0; i < TRACE_STEPS; i++) {
        const char *name = trace_step_name((enum trace_step)i);
        bool whole = i == TRACE_STEP_READ || i == TRACE_STEP_WRITE;
        if (only ? strcmp(only, name) == 0 : all || (whole && page->steps[i].all.count))
            lines[count++] = (struct histplot_line){name, &page->steps[i].all};
    }
    return count;
}

/* Says so when nothing was stamped that could be shown. */
static bool verb_latency_none(const struct node_page *page, const char *only)
{
    for (int i = 0; i < TRACE_STEPS; i++)
        if (page->steps[i].all.count &&
            (!only || strcmp(only, trace_step_name((enum trace_step)i)) == 0))
            return false;
    if (page->trace_every)
        fprintf(stderr, "takt latency: no request was stamped so far; one in %u is\n",
                page->trace_every);
    return true;
}

static int verb_latency_show(const struct node_page *page, const char *only, bool plot,
                             const char *svg)
{
    static_assert(TRACE_STEPS <= HISTPLOT_LINES_MAX, "a plot shows every step");
    struct histplot_line lines[TRACE_STEPS];
    char title[400];
    struct fault fault;

    if (!svg && verb_latency_none(page, only))
        return VERB_FAILED;
    if (plot) {
        uint32_t count = verb_latency_lines(page, only, false, lines);
        for (uint32_t i = 0; i < count; i++)
            histplot_text(stdout, &lines[i]);
    } else if (!svg) {
        verb_latency_table(page, only);
    }
    if (svg) {
        uint32_t count = verb_latency_lines(page, only, true, lines);
        snprintf(title, sizeof(title), "takt node %u, %s: where a request's time goes",
                 page->node_id, page->data_dir);
        if (histplot_svg(svg, title, "platform unqualified unless takt doctor says class A", lines,
                         count, &fault) != 0) {
            fprintf(stderr, "takt latency: %s\n", fault.text);
            return VERB_FAILED;
        }
        printf("%s is written\n", svg);
    }
    return VERB_OK;
}

static bool verb_latency_knows(const char *step)
{
    for (int i = 0; i < TRACE_STEPS; i++)
        if (strcmp(step, trace_step_name((enum trace_step)i)) == 0)
            return true;
    return false;
}

int verb_latency(int argc, char **argv)
{
    const char *step = NULL, *svg = NULL, *output = "table";
    struct page_choice choice = {0};
    const struct node_page *page;
    struct fault fault;
    bool plot = false;
    int rest;
    const struct opts_item items[] = {
        PAGE_OPTIONS(choice),
        {"step", 0, OPTS_CHOICE, &step, "STEP", "this one only",
         .choices = "read|write|decode|propose|durable|commit|apply|reply|tx"},
        {"plot", 0, OPTS_FLAG, &plot, NULL, "draw the distribution here"},
        {"svg", 0, OPTS_STRING, &svg, "FILE", "draw all steps into a file"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_latency_page, items, argc, argv, &rest);

    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_latency_page, "\"%s\" is one word too many", argv[1]);
    if (step && !verb_latency_knows(step))
        return verb_usage(&verb_latency_page, "there is no step \"%s\"", step);
    if (page_find(&choice, &page, &fault) != 0) {
        fprintf(stderr, "takt latency: %s\n", fault.text);
        return VERB_FAILED;
    }
    if (page->trace_every == 0)
        fprintf(stderr, "takt latency: this node traces nothing (page.trace_every is 0)\n");
    exit_code = VERB_OK;
    if (strcmp(output, "json") == 0)
        verb_latency_json(page);
    else
        exit_code = verb_latency_show(page, step, plot, svg);
    page_close(page);
    return exit_code;
}
