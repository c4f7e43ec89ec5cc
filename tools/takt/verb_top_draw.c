#include "tools/takt/histplot.h"
#include "tools/takt/page.h"
#include "tools/takt/verb_top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const char *const top_idles[] = {"spin", "pause", "yield", "park", "hybrid"};
static const char *const top_states[] = {"follower", "pre-candidate", "candidate", "leader"};

/* ---- looking --------------------------------------------------------------------------------- */

void top_look_take(struct top_look *look, const struct node_page *page, uint64_t mono_ns,
                   const struct top_look *last)
{
    memset(look, 0, sizeof(*look));
    look->mono_ns = mono_ns;
    for (int i = 0; i < METRIC_COUNT; i++)
        for (uint32_t k = 0; k < page->counters_count && k < NODE_PAGE_COUNTERS; k++)
            look->metric[i] += counters_get(&page->counters[k].counters, (enum metric)i);
    for (uint32_t i = 0; i < page->role_count && i < NODE_PAGE_ROLES; i++) {
        look->turns[i] = turns_get(&page->roles[i].turns.turns);
        look->busy_ns[i] = turns_get(&page->roles[i].turns.busy_ns);
    }
    look->seen_ns = atomic_load_explicit(&page->seen_ns, memory_order_acquire);
    for (int i = 0; i < TRACE_STEPS; i++)
        look->steps[i] = page->steps[i].all;
    look->seen_before_ns = page->started_ns; /* all there is, until CTL has looked once more */
    if (!last)
        return;
    bool is_new = look->seen_ns != last->seen_ns;
    look->seen_before_ns = is_new ? last->seen_ns : last->seen_before_ns;
    memcpy(look->steps_before, is_new ? last->steps : last->steps_before,
           sizeof(look->steps_before));
}

void top_look_life(struct top_look looks[2], const struct node_page *page)
{
    uint64_t seen_ns = atomic_load_explicit(&page->seen_ns, memory_order_acquire);

    memset(&looks[0], 0, sizeof(looks[0]));
    looks[0].mono_ns = looks[0].seen_ns = page->started_ns;
    top_look_take(&looks[1], page, seen_ns > page->started_ns ? seen_ns : page->started_ns,
                  &looks[0]);
}

/* Seconds from one to the other; 0 when no time has passed. */
static double top_seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_S : 0;
}

static double top_span_s(const struct top_look *before, const struct top_look *now)
{
    return top_seconds(before->mono_ns, now->mono_ns);
}

/* What happened in a second of the window; nothing, when there is no window. */
static double top_per_s(uint64_t from, uint64_t to, double span_s)
{
    return to < from || span_s <= 0 ? 0 : (double)(to - from) / span_s;
}

static double top_rate(const struct top_look *before, const struct top_look *now, int metric)
{
    return top_per_s(before->metric[metric], now->metric[metric], top_span_s(before, now));
}

/* What a histogram took in between: percentiles of the interval, not of the node's life. */
static void top_between(struct hist *to, const struct hist *before, const struct hist *now)
{
    hist_init(to);
    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++) {
        to->slots[i] = now->slots[i] - before->slots[i];
        if (now->slots[i] < before->slots[i])
            to->slots[i] = 0; /* the node began anew */
        if (to->slots[i] == 0)
            continue;
        to->count += to->slots[i];
        to->max_ns = hist_slot_value(i);
        if (to->min_ns == UINT64_MAX)
            to->min_ns = hist_slot_value(i);
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void top_line(struct top_text *text, enum top_tint tint, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void top_line(struct top_text *text, enum top_tint tint, const char *format, ...)
{
    va_list args;

    if (text->count == TOP_LINES_MAX)
        return;
    text->lines[text->count].tint = tint;
    va_start(args, format);
    vsnprintf(text->lines[text->count].text, TOP_LINE_SIZE, format, args);
    va_end(args);
    text->count++;
}

/* 12345 as "12.3k". */
static const char *top_number(double value, char *to, size_t size)
{
    if (value < 10)
        snprintf(to, size, "%.1f", value);
    else if (value < 10000)
        snprintf(to, size, "%.0f", value);
    else if (value < 1e6)
        snprintf(to, size, "%.1fk", value / 1e3);
    else
        snprintf(to, size, "%.2fM", value / 1e6);
    return to;
}

static void top_draw_head(struct top_text *text, const struct node_page *page,
                          const struct top_look *now)
{
    bool alive = node_page_alive(page);
    uint64_t seen_ns = atomic_load_explicit(&page->seen_ns, memory_order_relaxed);
    uint64_t up_ns = (alive ? now->mono_ns : seen_ns) - page->started_ns;

    if (up_ns > UINT64_MAX / 2)
        up_ns = 0;
    top_line(text, TOP_HEAD, "takt node %u of '%s' on %s: %s, pid %" PRId64 ", up %" PRIu64 " s",
             page->node_id, page->cluster, page->listen, page_standing(page), page->pid,
             (uint64_t)(up_ns / NS_PER_S));
    if (atomic_load(&page->state) == NODE_PAGE_FAILED)
        top_line(text, TOP_WARN, "%.150s", page->reason);
    else if (!alive)
        top_line(text, TOP_WARN, "nothing moves any more: these are the numbers as it left them");
    top_line(text, TOP_PLAIN, "data %s, roles %s", page->data_dir, page->layout_name);
}

/* Which time the numbers below are of. */
static void top_draw_window(struct top_text *text, const struct node_page *page,
                            const struct top_look *before, const struct top_look *now)
{
    top_line(text, TOP_PLAIN, "%s %.2f s; longest, worst, high-water and full: since the start",
             node_page_alive(page) ? "the last" : "its whole life,", top_span_s(before, now));
}

static void top_draw_ensemble(struct top_text *text, const struct node_page *page,
                              const struct top_look *now)
{
    const struct core_status *status = &page->status;
    uint64_t leader_ns = core_status_get(&status->leader_ns), words[8];
    uint8_t state = atomic_load_explicit(&status->state, memory_order_relaxed);
    char reason[sizeof(words) + 1] = "";

    if (core_status_get(&status->told_ns) == 0) {
        top_line(text, TOP_PLAIN, "alone, term %" PRIu64 ", entry %" PRIu64 " committed",
                 now->metric[METRIC_core_term], now->metric[METRIC_core_committed_index]);
        return;
    }
    for (int i = 0; i < 8; i++)
        words[i] = atomic_load_explicit(&page->reason_text[i], memory_order_relaxed);
    memcpy(reason, words, sizeof(words));
    top_line(text, TOP_PLAIN,
             "%s in term %" PRIu64 ", leader %u, entry %" PRIu64 " committed of %" PRIu64
             ", elections %" PRIu64,
             state < 4 ? top_states[state] : "?", core_status_get(&status->term), status->leader,
             core_status_get(&status->commit_index), core_status_get(&status->last_index),
             core_status_get(&status->elections));
    if (leader_ns)
        top_line(text, TOP_PLAIN, "the last election took %.1f ms, %.0f s ago: %s",
                 (double)core_status_get(&status->outage_ns) / 1e6,
                 (double)(now->mono_ns - leader_ns) / 1e9, reason);
}

static void top_draw_work(struct top_text *text, const struct top_look *before,
                          const struct top_look *now)
{
    static const struct {
        const char *name;
        int metric;
    } rates[] = {{"reads/s", METRIC_net_reads_total},
                 {"writes/s", METRIC_net_writes_total},
                 {"events/s", METRIC_net_events_total},
                 {"batches/s", METRIC_core_batches_total},
                 {"log MB/s", METRIC_disk_written_bytes_total}},
      levels[] = {{"connections", METRIC_net_connections},
                  {"sessions", METRIC_apply_sessions},
                  {"outstanding", METRIC_net_outstanding},
                  {"watches", METRIC_net_watches},
                  {"znodes", METRIC_apply_nodes}};
    char line[TOP_LINE_SIZE] = "", value[32];
    size_t used = 0;

    for (int i = 0; i < 5; i++) {
        double rate = top_rate(before, now, rates[i].metric);
        if (rates[i].metric == METRIC_disk_written_bytes_total)
            rate /= 1e6;
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%11s %-10s",
                                 top_number(rate, value, sizeof(value)), rates[i].name);
    }
    top_line(text, TOP_PLAIN, "%s", line);
    used = 0;
    for (int i = 0; i < 5; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%9s %-12s",
                                 top_number((double)now->metric[levels[i].metric], value,
                                            sizeof(value)),
                                 levels[i].name);
    top_line(text, TOP_PLAIN, "%s", line);
    double syncs = top_rate(before, now, METRIC_disk_writes_total);
    double sync_ns = syncs > 0 ? top_rate(before, now, METRIC_disk_sync_ns_total) / syncs : 0;
    top_line(text, TOP_PLAIN, "%11s a disk write, longest %s since start",
             histplot_time((uint64_t)sync_ns, value, sizeof(value)),
             histplot_time(now->metric[METRIC_disk_sync_ns_max], line, 32));
}

static void top_draw_latency(struct top_text *text, const struct node_page *page,
                             const struct top_look *now)
{
    static struct hist between;
    char p50[32], p99[32], p999[32], most[32];
    double span_s = top_seconds(now->seen_before_ns, now->seen_ns);

    if (page->trace_every == 0)
        return;
    top_line(text, TOP_HEAD, "%-10s %9s %11s %11s %11s %11s   %s %.2f s, one request in %u", "step",
             "samples", "p50", "p99", "p99.9", "max", node_page_alive(page) ? "of" : "all",
             span_s, page->trace_every);
    for (int i = 0; i < TRACE_STEPS; i++) {
        top_between(&between, &now->steps_before[i], &now->steps[i]);
        if (between.count == 0)
            continue;
        top_line(text, TOP_PLAIN, "%-10s %9" PRIu64 " %11s %11s %11s %11s",
                 trace_step_name((enum trace_step)i), between.count,
                 histplot_time(hist_percentile(&between, 50), p50, sizeof(p50)),
                 histplot_time(hist_percentile(&between, 99), p99, sizeof(p99)),
                 histplot_time(hist_percentile(&between, 99.9), p999, sizeof(p999)),
                 histplot_time(between.max_ns, most, sizeof(most)));
    }
}

static void top_draw_roles(struct top_text *text, const struct node_page *page,
                           const struct top_look *before, const struct top_look *now)
{
    double span_s = top_span_s(before, now);

    top_line(text, TOP_HEAD, "%-10s %-8s %4s %-7s %11s %7s %12s", "role", "thread", "cpu", "idle",
             "turns/s", "busy", "worst turn");
    for (uint32_t i = 0; i < page->role_count && i < NODE_PAGE_ROLES; i++) {
        const struct node_page_role *role = &page->roles[i];
        double busy = top_per_s(before->busy_ns[i], now->busy_ns[i], span_s) / 1e7;
        int cpu = atomic_load_explicit(&role->cpu, memory_order_relaxed);
        char name[32], turns[32], worst[32], at[16] = "any";
        snprintf(name, sizeof(name), role->index ? "%s %u" : "%s", role->name, role->index);
        if (cpu >= 0)
            snprintf(at, sizeof(at), "%d", cpu);
        top_line(text, busy > 90 ? TOP_WARN : TOP_PLAIN,
                 "%-10s %-8s %4s %-7s %11s %6.1f%% %12s", name, role->worker, at,
                 role->idle < 5 ? top_idles[role->idle] : "?",
                 top_number(top_per_s(before->turns[i], now->turns[i], span_s), turns,
                            sizeof(turns)),
                 busy, histplot_time(turns_get(&role->turns.worst_ns), worst, sizeof(worst)));
    }
}

static uint64_t top_link_used(const struct link *link)
{
    uint64_t tail = atomic_load_explicit(&link->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&link->head, memory_order_relaxed);
    return head > tail ? head - tail : 0;
}

static void top_draw_links(struct top_text *text, const struct node_page *page)
{
    top_line(text, TOP_HEAD, "%-14s %11s %9s %11s %9s", "link", "depth KiB", "in it", "high-water",
             "full");
    for (uint32_t i = 0; i < page->link_count && i < NODE_PAGE_LINKS; i++) {
        const struct node_page_link *at = &page->links[i];
        uint64_t high = atomic_load_explicit(&at->link.high_water, memory_order_relaxed);
        uint64_t full = atomic_load_explicit(&at->link.full_count, memory_order_relaxed);
        double depth = at->link.depth ? (double)at->link.depth : 1;
        char name[32];
        snprintf(name, sizeof(name), at->index ? "%s %u" : "%s", at->name, at->index);
        top_line(text, full ? TOP_WARN : TOP_PLAIN,
                 "%-14s %11" PRIu64 " %8.1f%% %10.1f%% %9" PRIu64, name, at->link.depth >> 10,
                 100 * (double)top_link_used(&at->link) / depth, 100 * (double)high / depth, full);
    }
}

void top_draw(struct top_text *text, const struct node_page *page, const struct top_look *before,
              const struct top_look *now)
{
    text->count = 0;
    top_draw_head(text, page, now);
    top_draw_ensemble(text, page, now);
    top_line(text, TOP_PLAIN, "%s", "");
    top_draw_window(text, page, before, now);
    top_draw_work(text, before, now);
    top_line(text, TOP_PLAIN, "%s", "");
    top_draw_latency(text, page, now);
    top_draw_roles(text, page, before, now);
    top_draw_links(text, page);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void top_json_roles(struct json *json, const struct node_page *page,
                           const struct top_look *before, const struct top_look *now)
{
    double span_s = top_span_s(before, now);

    json_open(json, "roles", '[');
    for (uint32_t i = 0; i < page->role_count && i < NODE_PAGE_ROLES; i++) {
        const struct node_page_role *role = &page->roles[i];
        json_open(json, NULL, '{');
        json_text(json, "role", role->name);
        json_int(json, "index", role->index);
        json_text(json, "thread", role->worker);
        json_int(json, "cpu", atomic_load_explicit(&role->cpu, memory_order_relaxed));
        json_text(json, "idle", role->idle < 5 ? top_idles[role->idle] : "?");
        json_real(json, "turns_per_s", top_per_s(before->turns[i], now->turns[i], span_s));
        json_real(json, "busy", top_per_s(before->busy_ns[i], now->busy_ns[i], span_s) / 1e9);
        json_int(json, "worst_turn_ns", (int64_t)turns_get(&role->turns.worst_ns));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void top_json_links(struct json *json, const struct node_page *page)
{
    json_open(json, "links", '[');
    for (uint32_t i = 0; i < page->link_count && i < NODE_PAGE_LINKS; i++) {
        const struct link *link = &page->links[i].link;
        json_open(json, NULL, '{');
        json_text(json, "link", page->links[i].name);
        json_int(json, "index", page->links[i].index);
        json_int(json, "depth_bytes", (int64_t)link->depth);
        json_int(json, "used_bytes", (int64_t)top_link_used(link));
        json_int(json, "high_water_bytes",
                 (int64_t)atomic_load_explicit(&link->high_water, memory_order_relaxed));
        json_int(json, "full_count",
                 (int64_t)atomic_load_explicit(&link->full_count, memory_order_relaxed));
        json_close(json, '}');
    }
    json_close(json, ']');
}

void top_json(struct json *json, const struct node_page *page, const struct top_look *before,
              const struct top_look *now)
{
    json_open(json, NULL, '{');
    json_int(json, "node", page->node_id);
    json_text(json, "state", page_standing(page));
    json_int(json, "pid", page->pid);
    json_text(json, "data", page->data_dir);
    json_real(json, "interval_s", top_span_s(before, now));
    json_open(json, "counters", '{');
    for (int i = 0; i < METRIC_COUNT; i++)
        json_int(json, counters_text((enum metric)i)->name, (int64_t)now->metric[i]);
    json_close(json, '}');
    top_json_roles(json, page, before, now);
    top_json_links(json, page);
    json_close(json, '}');
    json_line(json);
}
