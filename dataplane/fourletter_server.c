/* srvr, stat, mntr, srst: the server as a whole. Numbers of all NETs are added up. */
#include "base/core_state.h"
#include "base/node_page.h"
#include "dataplane/fourletter_word.h"

#include <stdio.h>

struct fourletter_latency {
    uint64_t min_ms, max_ms, count, sum_ns;
};

static uint64_t fourletter_server_sum(const struct fourletter_word *word, enum metric metric)
{
    return counters_sum(word->net->parts.book, metric);
}

static struct fourletter_latency fourletter_server_latency(const struct fourletter_word *word)
{
    const struct counters_book *book = word->net->parts.book;
    const struct fourletter_reset *reset = &word->net->reset;
    struct fourletter_latency l = {.min_ms = UINT64_MAX};
    for (uint32_t i = 0; i < book->count; i++) {
        uint64_t min_ns = counters_get(book->pages[i], METRIC_net_latency_ns_min);
        if (counters_get(book->pages[i], METRIC_net_latency_count_total) &&
            min_ns / NS_PER_MS < l.min_ms)
            l.min_ms = min_ns / NS_PER_MS;
    }
    l.min_ms = l.min_ms == UINT64_MAX ? 0 : l.min_ms;
    l.max_ms = counters_max(book, METRIC_net_latency_ns_max) / NS_PER_MS;
    l.count = fourletter_server_sum(word, METRIC_net_latency_count_total) - reset->latency_count;
    l.sum_ns = fourletter_server_sum(word, METRIC_net_latency_ns_total) - reset->latency_ns;
    return l;
}

static uint64_t fourletter_server_received(const struct fourletter_word *word)
{
    return fourletter_server_sum(word, METRIC_net_packets_received_total) -
           word->net->reset.received;
}

static uint64_t fourletter_server_sent(const struct fourletter_word *word)
{
    return fourletter_server_sum(word, METRIC_net_packets_sent_total) - word->net->reset.sent;
}

static void fourletter_server_version(struct fourletter_word *word)
{
    const struct fourletter_config *config = &word->net->config.words;
    text_add(&word->text, "Zookeeper version: %s, built on %s\n", config->version, config->built);
    if (word->net->read_only)
        text_add(&word->text, "READ-ONLY mode; serving only read-only clients\n");
}

/* What the node is now, by ZooKeeper's names. */
static const char *fourletter_server_mode(const struct net *net)
{
    const struct core_state *state = net->parts.state;
    uint8_t role = atomic_load_explicit(&state->role, memory_order_relaxed);
    if (net->read_only)
        return "read-only";
    if (core_state_alone(state))
        return "standalone";
    return role == CORE_ROLE_LEADER     ? "leader"
           : role == CORE_ROLE_OBSERVER ? "observer"
                                        : "follower";
}

static void fourletter_server_lines(struct fourletter_word *word)
{
    struct fourletter_latency l = fourletter_server_latency(word);
    struct text *text = &word->text;
    text_add(text, "Latency min/avg/max: %lu/%lu/%lu\n", l.min_ms,
             l.count ? l.sum_ns / l.count / (uint64_t)NS_PER_MS : 0, l.max_ms);
    text_add(text, "Received: %lu\n", fourletter_server_received(word));
    text_add(text, "Sent: %lu\n", fourletter_server_sent(word));
    text_add(text, "Connections: %lu\n", fourletter_server_sum(word, METRIC_net_connections));
    text_add(text, "Outstanding: %lu\n", fourletter_server_sum(word, METRIC_net_outstanding));
    text_add(text, "Zxid: 0x%lx\n", (uint64_t)word->net->view.zxid);
    text_add(text, "Mode: %s\n", fourletter_server_mode(word->net));
    text_add(text, "Node count: %lu\n", tree_node_count(word->net->parts.tree));
    if (strcmp(fourletter_server_mode(word->net), "leader") == 0)
        text_add(text, "Proposal sizes last/min/max: %lu/%lu/%lu\n", word->facts.proposal_last,
                 word->facts.proposal_min, word->facts.proposal_max);
}

void fourletter_server_srvr(struct fourletter_word *word)
{
    fourletter_server_version(word);
    fourletter_server_lines(word);
}

void fourletter_server_stat(struct fourletter_word *word)
{
    fourletter_server_version(word);
    text_add(&word->text, "Clients:\n");
    fourletter_conns_brief(word);
    text_add(&word->text, "\n");
    fourletter_server_lines(word);
}

void fourletter_server_srst(struct fourletter_word *word)
{
    struct net *net = word->net;
    net->reset = (struct fourletter_reset){
        .received = fourletter_server_sum(word, METRIC_net_packets_received_total),
        .sent = fourletter_server_sum(word, METRIC_net_packets_sent_total),
        .latency_count = fourletter_server_sum(word, METRIC_net_latency_count_total),
        .latency_ns = fourletter_server_sum(word, METRIC_net_latency_ns_total),
    };
    counters_set(net->parts.counters, METRIC_net_latency_ns_min, UINT64_MAX);
    counters_set(net->parts.counters, METRIC_net_latency_ns_max, 0);
    text_add(&word->text, "Server stats reset.\n");
}

static void fourletter_server_line(struct fourletter_word *word, const char *key, uint64_t value)
{
    text_add(&word->text, "zk_%s\t%lu\n", key, value);
}

/* What has a number of our own behind a key that ZooKeeper knows. */
static void fourletter_server_counters(struct fourletter_word *word)
{
    static const struct {
        const char *key;
        enum metric metric;
    } lines[] = {
        {"num_alive_connections", METRIC_net_connections},
        {"outstanding_requests", METRIC_net_outstanding},
        {"watch_count", METRIC_net_watches},
        {"auth_failed_count", METRIC_net_auth_failed_total},
        {"bytes_received_count", METRIC_net_received_bytes_total},
        {"response_bytes", METRIC_net_sent_bytes_total},
        {"connection_rejected", METRIC_net_rejected_total},
        {"sessionless_connections_expired", METRIC_net_reaped_total},
        {"connection_request_count", METRIC_net_connections_total},
        {"unsuccessful_handshake", METRIC_net_handshake_failed_total},
    };
    for (uint32_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        fourletter_server_line(word, lines[i].key, fourletter_server_sum(word, lines[i].metric));
}

/* Percentiles of each step of a request's way through this node, since its start. */
static void fourletter_server_steps(struct fourletter_word *word)
{
    const struct node_page *page = word->net->parts.page;

    for (int i = 0; page && i < TRACE_STEPS; i++) {
        const struct node_page_step *step = &page->steps[i];
        const struct {
            const char *name;
            const _Atomic uint64_t *value;
        } lines[] = {{"count", &step->count},
                     {"ns_p50", &step->p50_ns},
                     {"ns_p99", &step->p99_ns},
                     {"ns_p999", &step->p999_ns},
                     {"ns_max", &step->max_ns}};
        if (atomic_load_explicit(&step->count, memory_order_relaxed) == 0)
            continue;
        for (int k = 0; k < 5; k++)
            text_add(&word->text, "zk_takt_step_%s_%s\t%lu\n",
                     trace_step_name((enum trace_step)i), lines[k].name,
                     atomic_load_explicit(lines[k].value, memory_order_relaxed));
    }
}

void fourletter_server_mntr(struct fourletter_word *word)
{
    const struct net *net = word->net;
    const struct fourletter_config *config = &net->config.words;
    struct fourletter_latency l = fourletter_server_latency(word);
    uint64_t avg_us10 = l.count ? l.sum_ns / l.count / 100 : 0; /* tenths of a microsecond */

    text_add(&word->text, "zk_version\t%s, built on %s\n", config->version, config->built);
    text_add(&word->text, "zk_server_state\t%s\n", fourletter_server_mode(net));
    fourletter_ensemble_mntr(word);
    fourletter_server_line(word, "uptime", (net->now.mono_ns - net->started_ns) / NS_PER_MS);
    text_add(&word->text, "zk_avg_latency\t%lu.%04lu\n", avg_us10 / 10000, avg_us10 % 10000);
    fourletter_server_line(word, "min_latency", l.min_ms);
    fourletter_server_line(word, "max_latency", l.max_ms);
    fourletter_server_line(word, "packets_received", fourletter_server_received(word));
    fourletter_server_line(word, "packets_sent", fourletter_server_sent(word));
    fourletter_server_line(word, "znode_count", tree_node_count(net->parts.tree));
    fourletter_server_line(word, "approximate_data_size", tree_data_size(net->parts.tree));
    fourletter_server_line(word, "takt_tree_memory_bytes", tree_memory_size(net->parts.tree));
    fourletter_server_line(word, "ephemerals_count", word->facts.ephemerals);
    fourletter_server_line(word, "global_sessions", word->facts.sessions);
    fourletter_server_line(word, "local_sessions", 0);
    fourletter_server_line(word, "open_file_descriptor_count", word->facts.fds_open);
    fourletter_server_line(word, "max_file_descriptor_count", word->facts.fds_max);
    fourletter_server_counters(word);
    fourletter_server_steps(word);
}
