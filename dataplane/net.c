#include "dataplane/net.h"

#include "base/check.h"
#include "base/core_state.h"
#include "base/plant.h"
#include "dataplane/beat/beat.h"
#include "dataplane/net_quorum.h"
#include "dataplane/qsbr.h"
#include "dataplane/zk/reply.h"

#include <stdlib.h>

#define NET_CONNS_MAX      (1u << 20)
#define NET_REPLY_SIZE_MAX (96u << 20)

void net_config_default(struct net_config *config)
{
    *config = (struct net_config){
        .node = 1,
        .conns_max = 65536,
        .conns_per_address = 60,
        .frame_size_max = LIMIT_PACKET_SIZE_DEFAULT,
        .reply_size_max = 64u << 20,
        .output_limit = 8u << 20,
        .conn_writes_max = 1024,
        .writes_max = 16384,
        .watches_max = 4u << 20,
        .conn_watches_max = 1u << 20,
        .memory_limit = 4ull << 30,
        .tick_ms = 2000,
        .timeout_ms_min = 4000,
        .timeout_ms_max = 40000,
        .handshake_ms = 10000,
        .catch_up_ms = 2000,
        .words = {.version = "3.9.5-takt",
                  .built = "01/01/1970 00:00 GMT",
                  .data_dir = "",
                  .log_dir = "",
                  .client_port = 2181,
                  .server_id = 1},
    };
}

static int net_config_check(const struct net_config *config, const struct link *net_core)
{
    if (config->conns_max < 1 || config->conns_max > NET_CONNS_MAX ||
        config->frame_size_max < 1024 || config->frame_size_max > LIMIT_PACKET_SIZE_MAX ||
        config->reply_size_max < config->frame_size_max + 1024 ||
        config->reply_size_max > NET_REPLY_SIZE_MAX || config->output_limit < 65536 ||
        config->output_limit > NET_REPLY_SIZE_MAX / 4 || config->conn_writes_max < 1 ||
        config->writes_max < 1 || config->timeout_ms_min < 1 ||
        config->timeout_ms_max < config->timeout_ms_min)
        return ERR_RANGE;
    if (link_record_size_max(net_core->depth) < config->frame_size_max + sizeof(struct command))
        return ERR_RANGE;
    return 0;
}

/* Touches are told so often that a session is never heard from more than a twentieth of the least
 * timeout before CORE knows it. */
static uint64_t net_touch_interval(const struct net_config *config)
{
    uint64_t interval = (uint64_t)config->timeout_ms_min * NS_PER_MS / 20;
    return interval < NET_TOUCH_NS_MAX ? interval : NET_TOUCH_NS_MAX;
}

/* How a node without peers stands. */
static const struct core_state net_alone = {
    .member_count = 1, .leader = 1, .role = CORE_ROLE_LEADER, .vouched_ns = UINT64_MAX};

int net_init(struct net *net, const struct net_config *config, const struct net_parts *parts)
{
    int err = net_config_check(config, parts->net_core);
    if (err)
        return err;
    memset(net, 0, sizeof(*net));
    net->config = *config;
    net->parts = *parts;
    if (!parts->state)
        net->parts.state = &net_alone;
    trace_sampler_init(&net->sampler, parts->trace ? parts->trace_every : 0, config->index & 15u);
    uint32_t chains = 1024;
    while (chains < config->conns_max)
        chains *= 2;
    net->session_mask = chains - 1;
    net->touch_max = config->conns_max * 2;
    net->touch_epoch = 1;
    net->touch_interval_ns = net_touch_interval(config);
    net->records_left = NET_TURN_RECORDS;
    net->events_left = NET_TURN_EVENTS;
    /* A sequence suffix makes a created path longer than its request. */
    net->event_room = REPLY_EVENT_SIZE + config->frame_size_max + 16;
    if ((err = slab_init(&net->slab, config->memory_limit)))
        return err;
    net->conns = calloc(config->conns_max, sizeof(*net->conns));
    net->sessions = calloc(chains, sizeof(*net->sessions));
    net->addresses = calloc(NET_ADDRESS_CHAINS, sizeof(*net->addresses));
    net->touches = calloc(net->touch_max, sizeof(*net->touches));
    net->event = malloc(net->event_room);
    err = ERR_NOMEM;
    if (!net->conns || !net->sessions || !net->addresses || !net->touches || !net->event)
        goto out;
    err = watch_init(&net->watches, &net->slab, config->watches_max, config->conn_watches_max);
    if (err)
        goto out;
    return 0;
out:
    net_fini(net);
    return err;
}

void net_fini(struct net *net)
{
    if (net->port)
        port_fini(net->port);
    if (net->parts.apply_net)
        net_apply_forget(net);
    watch_fini(&net->watches);
    free(net->conns);
    free(net->sessions);
    free(net->addresses);
    free(net->touches);
    free(net->event);
    slab_fini(&net->slab);
    memset(net, 0, sizeof(*net));
}

/* ---- port events ---- */

static bool net_opened(void *self, struct stream *stream)
{
    stream->owner = conn_open(self, stream);
    return stream->owner != NULL;
}

static void net_received(void *self, struct stream *stream)
{
    struct net *net = self;
    struct conn *conn = stream->owner;
    conn->received_ns = net->now.mono_ns;
    conn_touch(net, conn);
    if (!conn->runnable) /* else it waits its turn behind others */
        conn_serve(net, conn, NET_TURN_FRAMES);
}

static void net_drained(void *self, struct stream *stream)
{
    struct conn *conn = stream->owner;
    if (conn->wait == CONN_WAIT_OUTPUT)
        conn->wait = CONN_WAIT_NONE;
    conn_run(self, conn);
}

static void net_closed(void *self, struct stream *stream)
{
    conn_gone(self, stream->owner);
}

static const struct port_events net_events = {net_opened, net_received, net_drained, net_closed};

void net_port_setup(struct net *net, struct port_setup *setup)
{
    *setup = (struct port_setup){
        .events = &net_events,
        .net = net,
        .slab = &net->slab,
        .rx_limit = net->config.frame_size_max + 4,
        .tx_limit = net->config.reply_size_max + net->config.output_limit + NET_OUTPUT_WAIT,
        .streams_max = net->config.conns_max,
    };
}

void net_start(struct net *net, struct port *port)
{
    net->port = port;
}

void net_beat(struct net *net, struct beat *beat)
{
    net->beat = beat;
}

void net_touch_within(struct net *net, int32_t timeout_ms)
{
    uint64_t interval_ns = (uint64_t)timeout_ms * NS_PER_MS / 20;
    if (interval_ns < net->touch_interval_ns)
        net->touch_interval_ns = interval_ns;
}

/* ---- commands ---- */

struct command *net_command_room(struct net *net, enum command_kind kind, uint32_t body_size)
{
    uint32_t size = (uint32_t)sizeof(struct command) + body_size;
    struct command *command = link_reserve(net->parts.net_core, size);
    if (!command) {
        net_count(net, METRIC_net_hold_total, 1);
        return NULL;
    }
    memset(command, 0, sizeof(*command));
    if (kind == COMMAND_OPEN || kind == COMMAND_ATTACH)
        memset(command + 1, 0, body_size);
    command->kind = (uint8_t)kind;
    command->version = COMMAND_VERSION;
    command->node = net->config.node;
    command->net = net->config.index;
    command->body_size = body_size;
    return command;
}

void net_command_done(struct net *net, const struct command *command)
{
    link_hand(net->parts.net_core, command);
}

void net_touch_all(struct net *net, uint64_t heard_ns)
{
    uint32_t sent = 0;
    while (sent < net->touch_count) {
        uint32_t left = net->touch_count - sent;
        uint32_t n = left < COMMAND_TOUCH_IDS ? left : COMMAND_TOUCH_IDS;
        struct command *command =
            net_command_room(net, COMMAND_TOUCH, n * (uint32_t)sizeof(int64_t));
        if (!command)
            break;
        command->sequence = heard_ns;
        memcpy(command + 1, net->touches + sent, n * sizeof(int64_t));
        net_command_done(net, command);
        sent += n;
    }
    net->touch_count -= sent;
    memmove(net->touches, net->touches + sent, net->touch_count * sizeof(int64_t));
    if (net->touch_count == 0) {
        net->touch_epoch++;
        net->touch_ns = net->now.mono_ns;
    }
    link_publish(net->parts.net_core);
}

/* Tells CORE now and then which sessions were heard from; what does not go goes next turn. */
static uint32_t net_send_touches(struct net *net)
{
    uint32_t before = net->touch_count;
    if (before == 0 || net->now.mono_ns < net->touch_ns + net->touch_interval_ns)
        return 0;
    net_touch_all(net, net->now.mono_ns);
    return net->touch_count < before;
}

/* ---- traced requests ---- */

void net_answered(struct net *net, uint32_t id)
{
    trace_stamp(net->parts.trace, id, TRACE_REPLY, 0);
    if (net->answered_count < NET_TRACES_MAX)
        net->answered[net->answered_count++] = id;
}

/* Lets the port send. */
static void net_flush(struct net *net)
{
    port_flush(net->port);
    if (net->beat)
        beat_flush(net->beat);
    if (LIKELY(net->answered_count == 0))
        return;
    for (uint32_t i = 0; i < net->answered_count; i++)
        trace_stamp(net->parts.trace, net->answered[i], TRACE_TX, 0);
    net->answered_count = 0;
}

/* ---- the turn ---- */

/* When the oldest connection without a session is to be closed; UINT64_MAX: there is none. */
static uint64_t net_fresh_until_ns(const struct net *net)
{
    const struct conn *conn = net->fresh.first;
    return conn ? conn->opened_ns + net->config.handshake_ms * NS_PER_MS : UINT64_MAX;
}

static uint32_t net_reap_fresh(struct net *net)
{
    uint32_t reaped = 0;
    while (net_fresh_until_ns(net) <= net->now.mono_ns && reaped < NET_TURN_CONNS) {
        struct conn *conn = net->fresh.first;
        net_count(net, METRIC_net_reaped_total, 1);
        conn_close(net, conn, false);
        reaped++;
    }
    return reaped;
}

/* Connections with frames left over, each once: those that are runnable again go behind. */
static uint32_t net_serve_runnable(struct net *net)
{
    uint32_t work = 0;
    struct conn *last = net->runnable.last;
    for (uint32_t i = 0; net_may_serve(net) && i < NET_TURN_CONNS && net->runnable.first; i++) {
        struct conn *conn = net->runnable.first;
        bool end = conn == last;
        conn_run_off(net, conn);
        work += conn_serve(net, conn, NET_TURN_FRAMES);
        if (conn->state != CONN_CLOSING)
            port_resume(conn->stream);
        if (end)
            break;
    }
    return work;
}

uint32_t net_poll(void *self, struct now now)
{
    struct net *net = self;
    uint32_t work;

    net->now = now;
    if (net->started_ns == 0)
        net->started_ns = now.mono_ns;
    net->turn_cost = 0;
    net->polling = true;
    net->records_left = NET_TURN_RECORDS;
    net->events_left = NET_TURN_EVENTS;
    qsbr_quiescent();
    net->view = tree_view(net->parts.tree);
    work = PLANTED(39) ? port_poll(net->port, now) : 0;
    work += net_apply_poll(net);
    if (!core_state_alone(net->parts.state))
        work += net_quorum_poll(net);
    work += net_serve_runnable(net);
    work += port_poll(net->port, now);
    if (net->beat)
        work += beat_poll(net->beat, now);
    work += net_reap_fresh(net);
    work += net_send_touches(net);
    if (!core_state_alone(net->parts.state))
        net_quorum_flush(net);
    link_publish(net->parts.net_core);
    net_flush(net);
    counters_set(net->parts.counters, METRIC_net_watches, net->watches.count);
    counters_set(net->parts.counters, METRIC_net_outstanding, net->outstanding);
    net->polling = false;
    return work;
}

uint32_t net_finish(void *self, struct now now)
{
    struct net *net = self;
    uint32_t taken = NET_TURN_RECORDS - net->records_left;

    if (taken == 0 && link_empty(net->parts.apply_net))
        return 0;
    qsbr_quiescent();
    net->view = tree_view(net->parts.tree);
    uint32_t work = taken + net_apply_poll(net);
    net_flush(net);
    return work;
}

bool net_idle(void *self)
{
    struct net *net = self;
    return net->runnable.first == NULL && !net->watches.job.open && net_quorum_idle(net) &&
           link_empty(net->parts.apply_net) && port_idle(net->port) &&
           (!net->beat || beat_idle(net->beat));
}

uint64_t net_deadline_ns(void *self, struct now now)
{
    struct net *net = self;
    uint64_t deadline_ns = port_deadline_ns(net->port, now);
    if (net_fresh_until_ns(net) < deadline_ns)
        deadline_ns = net_fresh_until_ns(net);
    if (net_quorum_deadline_ns(net) < deadline_ns)
        deadline_ns = net_quorum_deadline_ns(net);
    if (net->beat && beat_deadline_ns(net->beat, now) < deadline_ns)
        deadline_ns = beat_deadline_ns(net->beat, now);
    if (net->touch_count && net->touch_ns + net->touch_interval_ns < deadline_ns)
        deadline_ns = net->touch_ns + net->touch_interval_ns;
    return deadline_ns;
}

int net_park_fds(void *self, int *fds, int max)
{
    struct net *net = self;
    int count = port_park_fds(net->port, fds, max);
    if (!net->beat || count < 0)
        return count;
    int more = datagram_park_fds(net->beat->datagrams, fds + count, max - count);
    return more < 0 ? -1 : count + more;
}

void net_wait(void *self, int wake_fd, uint64_t wait_ns)
{
    port_wait(((struct net *)self)->port, wake_fd, wait_ns);
}

void net_online(void *self)
{
    qsbr_online();
}

void net_offline(void *self)
{
    qsbr_offline();
}
