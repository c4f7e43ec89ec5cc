#include "tools/takt/histplot.h"
#include "tools/takt/json.h"
#include "tools/takt/page.h"
#include "tools/takt/verb.h"

#include "base/zk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct verb_page verb_trace_page = {
    .usage = "takt trace [--data DIR] [--count N] [--writes] [--slowest] [-o table|json]",
    .about =
        "The way of single requests through a node on this machine, with the time of each stage:\n"
        "the newest that were stamped (one request in page.trace_every is), or the slowest of\n"
        "what the node still holds. A stage of a node that does not lead may lie at the leader.",
    .examples = "  takt trace\n"
                "  takt trace --writes --slowest --count 3\n"
                "  takt trace --page /dev/shm/takt-1000-0123456789abcdef.crashed\n",
};

#define VERB_TRACE_MAX 100u

struct verb_trace {
    uint64_t count; /* wanted */
    bool writes, slowest;
    uint32_t held;
    struct trace_way ways[VERB_TRACE_MAX + 1]; /* newest, or slowest, first */
};

static uint64_t verb_trace_took(const struct trace_way *way)
{
    return trace_way_has(way, TRACE_RX) ? way->ns[TRACE_TX] - way->ns[TRACE_RX] : 0;
}

static void verb_trace_take(void *self, const struct trace_way *way)
{
    struct verb_trace *trace = self;
    uint32_t at = trace->held;

    if (!trace_way_has(way, TRACE_RX) || (trace->writes && !trace_way_has(way, TRACE_APPLY)))
        return;
    for (; at > 0; at--) {
        const struct trace_way *before = &trace->ways[at - 1];
        bool stays = trace->slowest ? verb_trace_took(before) >= verb_trace_took(way)
                                    : before->ns[TRACE_TX] > way->ns[TRACE_TX];
        if (stays)
            break;
        trace->ways[at] = *before;
    }
    trace->ways[at] = *way;
    if (trace->held < trace->count)
        trace->held++;
}

static void verb_trace_collect(const struct node_page *page, struct trace_join *join,
                               struct verb_trace *trace)
{
    uint64_t ends[NODE_PAGE_RINGS], lost = 0;

    for (int nets = 1; nets >= 0; nets--)
        for (uint32_t i = 0; i < page->ring_count && i < NODE_PAGE_RINGS; i++)
            if ((strcmp(page->rings[i].role, "net") == 0) == nets)
                ends[i] = trace_head(&page->rings[i].ring);
    for (int nets = 0; nets <= 1; nets++)
        for (uint32_t i = 0; i < page->ring_count && i < NODE_PAGE_RINGS; i++) {
            uint64_t at = ends[i] > TRACE_RING_DEPTH ? ends[i] - TRACE_RING_DEPTH : 0;
            if ((strcmp(page->rings[i].role, "net") == 0) == nets)
                trace_collect(join, &page->rings[i].ring, &at, ends[i], &lost, verb_trace_take,
                              trace);
        }
}

/* Stages in the order in which this request passed them: a quorum may have an entry before the own
 * disk has. */
static uint32_t verb_trace_order(const struct trace_way *way, enum trace_stage order[TRACE_STAGES])
{
    uint32_t count = 0;

    for (int stage = 0; stage < TRACE_STAGES; stage++) {
        if (!trace_way_has(way, (enum trace_stage)stage))
            continue;
        uint32_t at = count++;
        for (; at > 0 && way->ns[order[at - 1]] > way->ns[stage]; at--)
            order[at] = order[at - 1];
        order[at] = (enum trace_stage)stage;
    }
    return count;
}

static const char *verb_trace_op(const struct trace_way *way)
{
    const char *name = zk_op_name(way->op);
    return name ? name : "unknown";
}

static void verb_trace_print(const struct trace_way *way)
{
    enum trace_stage order[TRACE_STAGES];
    uint32_t count = verb_trace_order(way, order);
    char took[32];

    printf("%s%s%s, request %08" PRIx32, verb_tint(stdout, "1"), verb_trace_op(way),
           verb_tint(stdout, "0"), way->id);
    if (way->index)
        printf(", entry %" PRIu64, way->index);
    printf(": %s\n", histplot_time(verb_trace_took(way), took, sizeof(took)));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = way->ns[order[i]] - way->ns[order[0]];
        uint64_t step = i ? way->ns[order[i]] - way->ns[order[i - 1]] : 0;
        printf("  %-8s %12" PRIu64 " ns  +%" PRIu64 "\n", trace_stage_name(order[i]), at, step);
    }
}

static void verb_trace_json(const struct verb_trace *trace)
{
    struct json json;

    json_init(&json, stdout);
    json_open(&json, NULL, '[');
    for (uint32_t i = 0; i < trace->held; i++) {
        const struct trace_way *way = &trace->ways[i];
        json_open(&json, NULL, '{');
        json_text(&json, "op", verb_trace_op(way));
        json_hex(&json, "request", way->id);
        json_int(&json, "index", (int64_t)way->index);
        json_open(&json, "ns", '{');
        for (int stage = 0; stage < TRACE_STAGES; stage++)
            if (trace_way_has(way, (enum trace_stage)stage))
                json_int(&json, trace_stage_name((enum trace_stage)stage),
                         (int64_t)(way->ns[stage] - way->ns[TRACE_RX]));
        json_close(&json, '}');
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_line(&json);
}

static int verb_trace_run(const struct node_page *page, struct verb_trace *trace, bool as_json)
{
    struct trace_join *join = malloc(sizeof(*join));

    if (!join)
        return VERB_FAILED;
    trace_join_init(join);
    verb_trace_collect(page, join, trace);
    free(join);
    if (as_json) {
        verb_trace_json(trace);
        return VERB_OK;
    }
    for (uint32_t i = 0; i < trace->held; i++)
        verb_trace_print(&trace->ways[i]);
    if (trace->held == 0)
        fprintf(stderr, "takt trace: no stamped request is held; one in %u is stamped\n",
                page->trace_every);
    return trace->held ? VERB_OK : VERB_FAILED;
}

int verb_trace(int argc, char **argv)
{
    static struct verb_trace trace = {.count = 5};
    struct page_choice choice = {0};
    const struct node_page *page;
    const char *output = "table";
    struct fault fault;
    int rest;
    const struct opts_item items[] = {
        PAGE_OPTIONS(choice),
        {"count", 'n', OPTS_NUMBER, &trace.count, "N", "so many requests", 1, VERB_TRACE_MAX},
        {"writes", 'w', OPTS_FLAG, &trace.writes, NULL, "writes only"},
        {"slowest", 's', OPTS_FLAG, &trace.slowest, NULL, "those that took longest"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_trace_page, items, argc, argv, &rest);

    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_trace_page, "\"%s\" is one word too many", argv[1]);
    if (page_find(&choice, &page, &fault) != 0) {
        fprintf(stderr, "takt trace: %s\n", fault.text);
        return VERB_FAILED;
    }
    exit_code = verb_trace_run(page, &trace, strcmp(output, "json") == 0);
    page_close(page);
    return exit_code;
}
