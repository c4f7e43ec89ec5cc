/* net: the NET role. Owns its port, its connections and their watches; reads the tree; asks CORE
 * for every change; hears from APPLY what has changed.
 *
 * One turn:
 *   1 quiescent state: pointers into the tree from the last turn are given up
 *   2 S = the published zxid; the view of the whole turn is at S
 *   3 apply_net records with zxid <= S: events to watchers, replies, sessions. Later ones stay.
 *   4 connections that have frames left, round robin; then port_poll: new bytes, served at once
 *   5 touches to CORE; net_core is published; the port sends
 *
 * Watch before data. APPLY puts the changes of zxid z on apply_net, then publishes z. NET loads S
 * (acquire), so every record <= S is in the link when it looks, and 3 handles all of them before 4
 * reads anything at S. So (a) a client that reads data of zxid z <= S has been told, in the same
 * stream of bytes and earlier, of every change <= S it watched; (b) a watch set by a read at S is
 * set after all records <= S were handled and before any record > S is, so it fires for exactly the
 * changes that the read did not show; (c) records are handled in link order, which is zxid order.
 * When 3 does not get through in one turn (its work is bounded) then 4 serves nobody: the turn only
 * moves bytes. A read at S before all of S is told would break (a), a watch added (b).
 *
 * On one thread with APPLY (net_take) records of zxid z > S are handled between two turns, before z
 * is published. Reads are served inside of net_poll only, and S does not change there: all reads of
 * the turn before were at S < z and set their watches, all reads of the next are at S' >= z, since
 * APPLY publishes in the turn in which it handed the record over. So nothing is read at less than
 * z behind the event of z, which (b) needs, and nothing at z or more before it, which (a) needs. A
 * record that is refused waits in the link, and everything later behind it: (c). With two NETs
 * APPLY may have to stop between them (HOLD) with z not published: then both take the ring.
 *
 *                poll, idle, deadline     counters, net_core/apply_net ends of other roles
 *     poll ...            X                            -
 */
#pragma once

#include "base/counters.h"
#include "base/limits.h"
#include "base/lines.h"
#include "base/link.h"
#include "base/trace.h"
#include "dataplane/conn.h"
#include "dataplane/fourletter.h"
#include "store/acl.h"
#include "store/tree.h"

/* Bounds of one turn. A record, a frame and an event cost well under 10 us each (replies of very
 * long lists excepted: they are one state, so one turn). */
#define NET_TURN_RECORDS 1024u /* apply_net records */
#define NET_TURN_EVENTS  8192u /* owners told of changes */
#define NET_TURN_FRAMES  64u   /* frames of one connection */
#define NET_TURN_CONNS   256u  /* connections served from the runnable list */
/* Nodes that lists, counts, multis and setWatches may visit, and data in units of 256 bytes: in a
 * whole turn, and of one connection before others come first again. 64 counts of a large tree in
 * one frame after the other must not be one turn. The request that passes a bound is finished. */
#define NET_TURN_COST 65536u
#define NET_CONN_COST 8192u

#define NET_TOUCH_NS_MAX   (100 * NS_PER_MS)
#define NET_OUTPUT_WAIT    (1u << 20) /* bytes queued above which no more frames are served */
#define NET_ADDRESS_CHAINS 4096u

struct net_config {
    uint8_t node, index;        /* struct command's node and net */
    uint32_t conns_max;         /* in [1, 2^20]; more are refused */
    uint32_t conns_per_address; /* 0: no limit */
    uint32_t frame_size_max;    /* jute.maxbuffer, in [1024, LIMIT_PACKET_SIZE_MAX] */
    uint32_t reply_size_max;    /* largest reply, in [frame_size_max + 1024, 96 MiB] */
    uint32_t output_limit;      /* queued to a connection that does not read; then it is closed */
    uint32_t conn_writes_max;   /* writes in flight of one connection */
    uint32_t writes_max;        /* in flight of this NET, above it nothing more is taken */
    uint64_t watches_max;
    uint32_t conn_watches_max;
    uint64_t memory_limit; /* bytes of the slab: connections, buffers, credentials, watches */
    int32_t tick_ms, timeout_ms_min, timeout_ms_max;
    uint32_t handshake_ms;    /* a connection has so long to send its ConnectRequest */
    uint32_t catch_up_ms;     /* a client that is ahead of the node waits so long; 0 = not at all */
    bool linearizable;        /* reads wait for a barrier, dataplane/net_quorum.h */
    bool digest_off;          /* credentials of the scheme digest are refused */
    const char *super_digest; /* "super:<base64>" or NULL */
    const char *auth_schemes; /* enforce.auth: one of these (comma list) is needed; NULL: none */
    struct fourletter_config words;
};

/* net_config_default fills in what ZooKeeper ships, and bounds where it has none. Borrowed strings
 * of the result are literals. */
void net_config_default(struct net_config *config);

/* What a NET works with: all borrowed for its life. */
struct node_page;

struct net_parts {
    struct link *net_core, *apply_net;
    struct tree *tree;
    const struct acl_table *acls;
    struct counters *counters;        /* this NET's page */
    const struct counters_book *book; /* all pages of the node */
    const struct core_status *status; /* CORE's page for people; NULL: a node without peers */
    const struct core_state *state;   /* CORE's page; NULL: a node without peers */
    struct trace_ring *trace;         /* NULL: no request is traced */
    uint32_t trace_every;             /* one request in so many; 0 = none */
    const struct node_page *page;     /* steps of traced requests, for mntr; NULL: none */
};

struct beat;
#define NET_TRACES_MAX 16u /* answers of traced requests that one turn stamps as sent */

struct net {
    _Alignas(LINES_SIZE) struct net_config config;
    struct net_parts parts;
    struct port *port;
    struct beat *beat; /* native sessions; NULL: this NET has none */
    struct slab slab;
    struct watch_table watches;

    /* one turn */
    struct now now;
    struct tree_view view; /* .zxid is S */
    bool caught_up;        /* every record <= view.zxid has been handled */
    bool polling;          /* inside of net_poll: reads are served at the view */
    uint32_t records_left, events_left; /* that net_take may still handle in this turn */
    uint64_t turn_cost;    /* of the requests served in this turn, NET_TURN_COST */
    uint32_t trace;        /* id of the request being served; 0 = it is not traced */
    uint32_t answered_count, answered[NET_TRACES_MAX]; /* traced, with their answers in the port */
    uint64_t bulk_at;      /* bytes handled of the block at the front of apply_net */

    struct conn *conns; /* conns_max slots */
    uint32_t conns_used, conn_count;
    struct conn *free_first;          /* by run_next */
    struct conn_list runnable, fresh; /* fresh: by age */
    struct conn_list behind, barriers; /* net_quorum.c: by deadline, by number */
    struct conn **sessions;           /* hash chains by session id */
    struct conn_address **addresses;  /* hash chains by client address */
    uint32_t session_mask;

    bool cut_off, read_only; /* what the page said last; cut off, it may read for some */
    int64_t behind_zxid;    /* up to which `behind` was looked at */
    int64_t local_session;  /* the last id given in read-only mode */
    uint32_t barrier_next, barriers_out; /* number of the next barrier; not answered */

    uint64_t outstanding;
    int64_t *touches; /* session ids heard from since the last COMMAND_TOUCH */
    uint32_t touch_count, touch_max;
    uint64_t touch_epoch, touch_ns, touch_interval_ns;

    uint8_t *event; /* the event being told, encoded once */
    uint32_t event_size, event_room;
    int32_t event_type;
    struct fourletter_reset reset; /* srst */
    uint64_t started_ns;
    struct trace_sampler sampler;
};
LINES_OWN(struct net);

/* net_init takes all memory; no port yet. Returns 0, ERR_RANGE (a configured value, or net_core too
 * small for the largest frame) or ERR_NOMEM. Before the roles start. */
MUST_USE int net_init(struct net *net, const struct net_config *config,
                      const struct net_parts *parts);

/* net_port_setup says how this NET's port is to be made; net_start hands it over (NET owns it). */
void net_port_setup(struct net *net, struct port_setup *setup);
void net_start(struct net *net, struct port *port);

/* net_beat gives NET the front end of native sessions, made by beat_init (NET only turns it). */
void net_beat(struct net *net, struct beat *beat);

/* net_touch_all tells CORE of the sessions heard from, if net_core has room, else of some;
 * heard_ns: a look at the clock behind the last of them. net_touch_told: was this one told then. */
void net_touch_all(struct net *net, uint64_t heard_ns);
static inline bool net_touch_told(const struct net *net, const struct conn *conn)
{
    return conn->touch_epoch + 1 == net->touch_epoch;
}

/* net_touch_within makes CORE hear of sessions often enough for one with this timeout. */
void net_touch_within(struct net *net, int32_t timeout_ms);

/* net_fini closes the port with all connections and gives all memory back. */
void net_fini(struct net *net);

/* struct role of dataplane/worker.h. The thread that polls must be online (net_online). */
uint32_t net_poll(void *self, struct now now);
uint32_t net_finish(void *self, struct now now); /* answers with what was applied in this turn */
bool net_idle(void *self);
uint64_t net_deadline_ns(void *self, struct now now);
int net_park_fds(void *self, int *fds, int max);
void net_wait(void *self, int wake_fd, uint64_t wait_ns);
void net_online(void *self);
void net_offline(void *self);

/* net_command_room reserves a command of this NET with room for a body, zeroed but for kind,
 * version, node, net and body_size; NULL: net_core is full, try next turn. */
struct command *net_command_room(struct net *net, enum command_kind kind, uint32_t body_size);

/* net_command_done ends a command that net_command_room gave: CORE has it now, or when net_core is
 * published. It is not the caller's any more. */
void net_command_done(struct net *net, const struct command *command);

/* ---- net_apply.c ---- */

/* net_take handles a record on NET's own thread, in APPLY's turn. False: it is to wait on
 * apply_net. For link_direct; self is the NET. Assumes that it is the only NET, and that APPLY
 * publishes the record's zxid before the next net_poll. */
bool net_take(void *self, const void *record, uint32_t size);

/* net_apply_poll handles records up to the view's zxid. Returns records and events handled; sets
 * caught_up. */
uint32_t net_apply_poll(struct net *net);

/* net_apply_forget gives back what is still in the link. After APPLY has stopped. */
void net_apply_forget(struct net *net);

/* net_answered stamps the answer of traced request `id`; the port sends it at the turn's end. */
void net_answered(struct net *net, uint32_t id);

/* True while this turn may look at more requests. */
static inline bool net_may_serve(const struct net *net)
{
    return net->caught_up && net->turn_cost < NET_TURN_COST;
}

static inline void net_count(struct net *net, enum metric metric, uint64_t n)
{
    counters_add(net->parts.counters, metric, n);
}
