#include "tools/taktd/node_parts.h"

#include "base/check.h"
#include "base/touch.h"
#include "consensus/core_status.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NODE_FLUSH_NS (10 * NS_PER_S) /* a clean stop waits so long for the disk */

/* ---- links ----------------------------------------------------------------------------------- */

struct link *node_link(struct node *node, enum topology_link which, uint32_t net)
{
    return node->links[which][topology_links[which].per_net ? net : 0];
}

static struct node_page_link *node_page_slot(struct node *node, const char *name, uint32_t index)
{
    CHECK(node->page->link_count < NODE_PAGE_LINKS);
    struct node_page_link *slot = &node->page->links[node->page->link_count++];
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    slot->index = index;
    return slot;
}

static int node_links_init(struct node *node, struct fault *fault)
{
    for (int which = 0; which < TOPOLOGY_LINK_COUNT; which++) {
        const struct topology_link_text *text = &topology_links[which];
        uint32_t count = text->per_net ? node->config->net_count : 1;
        if (!topology_has_link(node->config, (enum topology_link)which))
            continue;
        for (uint32_t i = 0; i < count; i++) {
            struct node_page_link *slot = node_page_slot(node, text->name, i);
            int err = link_init(&slot->link, text->name,
                                topology_depth(node->config, (enum topology_link)which));
            node->links[which][i] = &slot->link;
            if (err)
                return fault_set(fault, err, "no memory for the link %s", text->name);
        }
    }
    return 0;
}

/* The rings that every write passes are used from end to end, however light the load: they take
 * their pages now. */
static void node_touch(struct node *node)
{
    for (int which = 0; which < TOPOLOGY_LINK_COUNT; which++)
        for (uint32_t i = 0; topology_links[which].per_net && i < node->config->net_count; i++)
            touch_pages(node->links[which][i]->data, node->links[which][i]->depth);
    touch_pages(node->tail.ring, node->tail.size);
}

static void node_links_fini(struct node *node)
{
    for (int which = 0; which < TOPOLOGY_LINK_COUNT; which++)
        for (uint32_t i = 0; i < CONFIG_NET_MAX; i++)
            if (node->links[which][i])
                link_fini(node->links[which][i]);
}

/* ---- roles ----------------------------------------------------------------------------------- */

struct counters *node_page(struct node *node, const char *role, uint32_t index)
{
    CHECK(node->page->counters_count < NODE_PAGE_COUNTERS);
    struct node_page_counters *slot = &node->page->counters[node->page->counters_count++];
    snprintf(slot->role, sizeof(slot->role), "%s", role);
    slot->index = index;
    counters_init(&slot->counters, role, index);
    counters_book_add(&node->book, &slot->counters);
    return &slot->counters;
}

/* The ring of a role in which requests are stamped; NULL when none are. */
static struct trace_ring *node_ring(struct node *node, const char *role, uint32_t index)
{
    struct node_page *page = node->page;

    if (page->trace_every == 0)
        return NULL;
    CHECK(page->ring_count < NODE_PAGE_RINGS);
    struct node_page_ring *slot = &page->rings[page->ring_count++];
    snprintf(slot->role, sizeof(slot->role), "%s", role);
    slot->index = index;
    slot->ring.clock = clock_mono_ns;
    return &slot->ring;
}

/* A role met what it cannot go on from: the node stops with the reason. The first one wins. */
void node_failed(void *self, int err, const struct fault *reason)
{
    struct node *node = self;
    int none = 0;

    if (atomic_compare_exchange_strong(&node->failed, &none, err))
        node->reason = *reason;
    node_stop(node);
}

static void node_disk_failed(void *self, const struct fault *reason)
{
    node_failed(self, ERR_IO, reason);
}

/* APPLY reads committed entries out of the log tail. */
static void node_entry_next(void *self, struct entry *entry)
{
    struct node *node = self;
    const struct log_record *record = log_tail_entry(&node->tail, ++node->apply_index);

    node->apply_offset = log_tail_end(&node->tail, record->index);
    node_entry_of(record, entry);
    if (node->env.tap)
        node->env.tap(node->env.tap_self, entry);
}

static void node_entry_done(void *self)
{
    struct node *node = self;
    log_tail_applied(&node->tail, node->apply_offset);
}

static int node_core_init(struct node *node, struct fault *fault)
{
    const struct config *c = node->config;
    uint32_t sessions = machine_session_count(node->machine); /* may be more than now allowed */
    struct role_core_config config = {
        .node_id = (uint8_t)c->node_id,
        .settings = machine_settings(node->machine),
        .tick_ms = c->session_tick_ms,
        .session_max = sessions > c->sessions_max ? sessions : c->sessions_max,
        .reap_interval_ms = c->container_check_ms,
        .snapshot_entries = c->snapshot_every_count,
        .snapshot_bytes = c->snapshot_every_size,
        .waiting_depth = topology_depth(c, TOPOLOGY_CORE_APPLY),
        .random = node->env.random,
        .random_self = node->env.random_self,
    };
    if (config_is_ensemble(c))
        node_peers_core(node, &config);
    int err = role_core_init(&node->core, &config, &node->raft, &node->tail,
                             node_page(node, "core", 0), machine_time_ms(node->machine), 0);
    if (err)
        return fault_set(fault, err, "CORE cannot start: %s", err_name(err));
    node->core.net_count = c->net_count;
    for (uint32_t i = 0; i < c->net_count; i++)
        node->core.net_core[i] = node_link(node, TOPOLOGY_NET_CORE, i);
    node->core.core_apply = node_link(node, TOPOLOGY_CORE_APPLY, 0);
    node->core.apply_core = node_link(node, TOPOLOGY_APPLY_CORE, 0);
    node->core.core_disk = node_link(node, TOPOLOGY_CORE_DISK, 0);
    node->core.disk_core = node_link(node, TOPOLOGY_DISK_CORE, 0);
    node->core.core_peer = node_link(node, TOPOLOGY_CORE_PEER, 0);
    node->core.peer_core = node_link(node, TOPOLOGY_PEER_CORE, 0);
    core_state_init(&node->state, config_is_ensemble(c), c->reads_without_quorum,
                    c->session_tick_ms);
    node->core.state = &node->state;
    core_status_init(&node->page->status);
    node->core.status = config_is_ensemble(c) ? &node->page->status : NULL;
    node->core.traces.ring = node_ring(node, "core", 0);
    return 0;
}

/* Every session that recovery brought back has its full timeout from now on. */
static void node_timer(void *self, int64_t session, int32_t timeout_ms)
{
    struct node *node = self;
    int err = timers_set(&node->core.timers, session, (uint32_t)timeout_ms, node->env.now.mono_ns);
    CHECK(err == 0); /* as many sessions fit as the state machine holds */
    if (session > node->core.session_last)
        node->core.session_last = session;
}

/* A snapshot that a peer sent, before it replaces what this node has. Role: DISK. */
static int node_snapshot_check(void *self, const char *file, struct wal_position at,
                               struct fault *fault)
{
    const struct snapshot_sink nothing = {.self = self};
    struct node *node = self;
    struct snapshot_info info;
    int err = snapshot_read(node->env.disk, file, &nothing, &info, fault);

    if (err)
        return err;
    return info.index == at.index && info.term == at.term && info.chain == at.chain
               ? 0
               : fault_set(fault, ERR_CORRUPT, "%s is not the snapshot of entry %llu", file,
                           (unsigned long long)at.index);
}

static int node_disk_init(struct node *node, struct fault *fault)
{
    struct role_disk_config config = {.tail = &node->tail,
                                      .core_disk = node_link(node, TOPOLOGY_CORE_DISK, 0),
                                      .disk_core = node_link(node, TOPOLOGY_DISK_CORE, 0),
                                      .superblock = &node->superblock,
                                      .page = node_page(node, "disk", 0),
                                      .failed = node_disk_failed,
                                      .failed_self = node,
                                      .snapshot_name = snapshot_name,
                                      .snapshot_check = node_snapshot_check,
                                      .snapshot_self = node};
    int err = role_disk_init(&node->disk, &config, node->wal);
    return err ? fault_set(fault, err,
                           "log segments of %llu bytes are too small for batches of %u",
                           (unsigned long long)node->config->log_segment_size,
                           node->tail.batch_size_max)
               : 0;
}

static int node_snap_init(struct node *node, struct fault *fault)
{
    const struct superblock_state *state = &node->superblock.state;
    struct role_snap_config config = {.io = node->env.disk,
                                      .tree = node->tree,
                                      .machine = node->machine,
                                      .kept_count = node->config->snapshot_kept_count,
                                      .hold_size_limit = node->config->tree_memory_limit / 4};
    memcpy(config.cluster_id, state->cluster_id, sizeof(config.cluster_id));
    int err = role_snap_init(&node->snap, &config);
    return err ? fault_set(fault, err, "SNAP cannot start: %s", err_name(err)) : 0;
}

/* Nodes that one scan may look at, so that a minute's scans delete no more than is configured. */
static uint32_t node_reap_max(const struct config *c)
{
    uint64_t max = (uint64_t)c->container_reap_per_minute * c->container_check_ms / 60000;
    return max < 1 ? 1 : max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
}

static int node_apply_init(struct node *node, struct fault *fault)
{
    struct entry_source source = {node, node_entry_next, node_entry_done};
    struct machine_sink timers = {.self = node, .timer = node_timer};
    int err = role_apply_init(&node->apply, node->machine, node->tree, &source,
                              node_page(node, "apply", 0), (uint8_t)node->config->node_id,
                              node->apply_index);
    if (err)
        return fault_set(fault, err, "APPLY cannot start: %s", err_name(err));
    if (config_is_ensemble(node->config))
        node->apply.incarnation = node->superblock.state.incarnation;
    node->apply.trace = node_ring(node, "apply", 0);
    node->apply.net_count = node->config->net_count;
    for (uint32_t i = 0; i < node->config->net_count; i++)
        node->apply.apply_net[i] = node_link(node, TOPOLOGY_APPLY_NET, i);
    node->apply.core_apply = node_link(node, TOPOLOGY_CORE_APPLY, 0);
    node->apply.apply_core = node_link(node, TOPOLOGY_APPLY_CORE, 0);
    node->apply.apply_ctl = node->reclaim.apply_ctl = node_link(node, TOPOLOGY_APPLY_CTL, 0);
    node->apply.ctl_apply = node->reclaim.ctl_apply = node_link(node, TOPOLOGY_CTL_APPLY, 0);
    node->apply.snap = &node->snap;
    node->apply.reap_max = node_reap_max(node->config);
    node->apply.chain = node->apply_chain;
    machine_timers(node->machine, &timers);
    return 0;
}

static void node_net_config(struct node *node, uint32_t index, struct net_config *to)
{
    const struct config *c = node->config;

    net_config_default(to);
    to->node = (uint8_t)c->node_id;
    to->index = (uint8_t)index;
    to->conns_max = (c->connections_max + c->net_count - 1) / c->net_count;
    to->conns_per_address = c->connections_max_per_address;
    to->frame_size_max = c->request_size_max;
    to->output_limit = c->output_size_max;
    to->conn_writes_max = c->outstanding_max_per_connection;
    to->writes_max = (c->outstanding_max + c->net_count - 1) / c->net_count;
    to->watches_max = c->watches_max;
    to->conn_watches_max = c->watches_max_per_connection;
    to->memory_limit = c->net_memory_limit;
    to->tick_ms = (int32_t)c->session_tick_ms;
    to->timeout_ms_min = (int32_t)c->session_timeout_ms_min;
    to->timeout_ms_max = (int32_t)c->session_timeout_ms_max;
    to->handshake_ms = c->handshake_timeout_ms;
    to->catch_up_ms = c->reads_catch_up_ms;
    to->linearizable = c->reads_mode == CONFIG_READS_LINEARIZABLE;
    to->digest_off = !c->digest_enabled;
    to->super_digest = c->super_digest[0] ? c->super_digest : NULL;
    if (c->auth_enforced) {
        node_words(&c->auth_schemes, node->schemes, sizeof(node->schemes));
        to->auth_schemes = node->schemes;
    }
    node_words(&c->four_letter_words, node->words, sizeof(node->words));
    to->words.denied = fourletter_allow(node->words);
    to->words.built = TAKT_BUILT;
    to->words.data_dir = to->words.log_dir = c->data_dir;
    to->words.client_port = c->listen.count ? c->listen.at[0].port : 0;
    to->words.server_id = c->node_id;
    to->words.memory = c->durability_mode == CONFIG_DURABILITY_MEMORY;
    to->words.self = config_self(c);
    to->words.facts = node_facts;
    to->words.facts_self = node;
}

static int node_net_init(struct node *node, uint32_t index, struct fault *fault)
{
    struct net *net = &node->nets[index];
    struct net_config config;
    struct port_setup setup;
    struct port *port;
    struct net_parts parts = {
        .net_core = node_link(node, TOPOLOGY_NET_CORE, index),
        .apply_net = node_link(node, TOPOLOGY_APPLY_NET, index),
        .tree = node->tree,
        .acls = machine_acls(node->machine),
        .counters = node_page(node, "net", index),
        .book = &node->book,
        .state = config_is_ensemble(node->config) ? &node->state : NULL,
        .status = config_is_ensemble(node->config) ? &node->page->status : NULL,
        .trace = node_ring(node, "net", index),
        .trace_every = node->page->trace_every,
        .page = node->page,
    };

    node_net_config(node, index, &config);
    int err = net_init(net, &config, &parts);
    if (err)
        return fault_set(fault, err, "NET %u cannot start: %s", index, err_name(err));
    node->nets_ready = index + 1;
    net_port_setup(net, &setup);
    err = node->env.port_open(node->env.port_self, index, &setup, &port, fault);
    if (err)
        return err;
    net_start(net, port);
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int node_assemble(struct node *node, struct fault *fault)
{
    const struct config *c = node->config;
    int err = node_links_init(node, fault);

    if (!err)
        err = node_core_init(node, fault);
    if (!err)
        err = node_disk_init(node, fault);
    if (!err)
        err = node_snap_init(node, fault);
    if (!err)
        err = node_apply_init(node, fault);
    if (err)
        return err;
    node->nets = lines_calloc(c->net_count, sizeof(*node->nets));
    if (!node->nets)
        return fault_set(fault, ERR_NOMEM, "no memory for %u NET roles", c->net_count);
    for (uint32_t i = 0; !err && i < c->net_count; i++)
        err = node_net_init(node, i, fault);
    if (!err)
        err = node_beat_init(node, fault);
    if (!err && config_is_ensemble(c))
        err = node_peers_init(node, fault);
    if (!err)
        err = node_roles_add(node, fault);
    if (!err && !node->env.rings)
        node_wire_direct(node);
    if (!err && node->env.threads)
        err = node_wire_wakes(node, fault);
    for (uint32_t i = 0; !err && !node->env.threads && i < c->net_count; i++)
        net_online(&node->nets[i]);
    return err;
}

/* Without a page from outside the node has one that nobody sees. Pages of zeros cost nothing until
 * they are written. */
static int node_page_set(struct node *node, struct fault *fault)
{
    const struct config *c = node->config;
    struct node_page *page = node->env.page ? node->env.page(node->env.page_self) : NULL;
    bool shown = page != NULL;

    if (!shown) {
        page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
        if (page == MAP_FAILED)
            return fault_set(fault, ERR_NOMEM, "no memory for a node's page");
        node->page_own = true;
    }
    node->page = page;
    page->node_id = c->node_id;
    page->trace_every = shown ? c->trace_every : 0;
    page->started_ns = node->env.now.mono_ns;
    page->started_ms = node->env.now.wall_ms;
    snprintf(page->build, sizeof(page->build), "%s, %s", TAKT_VERSION, TAKT_BUILT);
    node_page_data(page, c->data_dir);
    snprintf(page->cluster, sizeof(page->cluster), "%s", c->cluster_name);
    config_value_print(c, config_table_find("listen"), page->listen, sizeof(page->listen));
    config_value_print(c, config_table_find("roles.layout"), page->layout_name,
                       sizeof(page->layout_name));
    return 0;
}

int node_open(struct node **to, const struct config *config, const struct node_env *env,
              struct fault *fault)
{
    struct node *node = lines_calloc(1, sizeof(*node));
    if (!node)
        return fault_set(fault, ERR_NOMEM, "no memory for a node");
    node->config = config;
    node->env = *env;
    int err = env->threads ? topology_check(config, fault) : 0;
    if (!err)
        err = node_recover(node, fault);
    if (!err)
        err = node_page_set(node, fault);
    if (!err)
        err = node_assemble(node, fault);
    if (err) {
        node_close(node);
        return err;
    }
    *to = node;
    return 0;
}

const struct node_recovery *node_recovery(const struct node *node)
{
    return &node->recovery;
}

int node_start(struct node *node, struct fault *fault)
{
    CHECK(node->env.threads);
    node->started = true;
    node_touch(node);
    atomic_store_explicit(&node->page->state, NODE_PAGE_RUNNING, memory_order_release);
    for (uint32_t i = 0; i < TOPOLOGY_WORKER_MAX; i++) {
        int err = node->worker_used[i] ? worker_start(&node->workers[i]) : 0;
        if (err) {
            node_stop(node);
            return fault_set(fault, err, "worker %s cannot start: %s", node->workers[i].name,
                             err_name(err));
        }
    }
    return 0;
}

/* The page says from now on how the node ended, should it end so. */
static void node_page_ended(struct node *node, int err)
{
    if (err)
        snprintf(node->page->reason, sizeof(node->page->reason), "%.255s", node->reason.text);
    atomic_store_explicit(&node->page->state, err ? NODE_PAGE_FAILED : NODE_PAGE_STOPPED,
                          memory_order_release);
}

void node_stop(struct node *node)
{
    for (uint32_t i = 0; i < TOPOLOGY_WORKER_MAX; i++)
        if (node->worker_used[i])
            worker_stop(&node->workers[i]);
}

int node_wait(struct node *node, struct fault *fault)
{
    for (uint32_t i = 0; i < TOPOLOGY_WORKER_MAX; i++)
        if (node->worker_used[i])
            worker_join(&node->workers[i]);
    node->started = false;
    int err = atomic_load(&node->failed);
    node_page_ended(node, err);
    if (err && fault)
        *fault = node->reason;
    return err;
}

int64_t node_turn(struct node *node, struct now now, uint64_t *deadline_ns, struct fault *fault)
{
    return node_turn_held(node, now, 0, deadline_ns, fault);
}

int64_t node_turn_held(struct node *node, struct now now, uint32_t held, uint64_t *deadline_ns,
                       struct fault *fault)
{
    int64_t work = 0;
    uint64_t first = UINT64_MAX;

    CHECK(!node->env.threads && (held == 0 || node->env.rings));
    for (uint32_t i = 0; i < node->role_count; i++) {
        struct role *role = &node->roles[i];
        if (i < 32 && (held >> i & 1))
            continue;
        work += role->poll(role->self, now);
    }
    for (uint32_t i = 0; i < node->role_count; i++) {
        struct role *role = &node->roles[i];
        if (i < 32 && (held >> i & 1))
            continue;
        work += role->finish ? role->finish(role->self, now) : 0;
        if (!deadline_ns || !role->deadline_ns)
            continue;
        uint64_t at = role->deadline_ns(role->self, now);
        first = at < first ? at : first;
    }
    if (deadline_ns)
        *deadline_ns = first;
    int err = atomic_load(&node->failed);
    if (err && fault)
        *fault = node->reason;
    return err ? err : work;
}

bool node_idle(const struct node *node)
{
    for (uint32_t i = 0; i < node->role_count; i++)
        if (node->roles[i].idle && !node->roles[i].idle(node->roles[i].self))
            return false;
    return true;
}

/* Nobody reads any more: memory that waits for a grace period, on either link, may go. */
static void node_reclaim_all(struct node *node)
{
    if (!node->page)
        return;
    struct link *links[] = {node_link(node, TOPOLOGY_CTL_APPLY, 0),
                            node_link(node, TOPOLOGY_APPLY_CTL, 0)};

    for (int i = 0; i < 2; i++) {
        const struct retired *retired;
        uint32_t size;
        while (links[i] && links[i]->data && (retired = link_peek(links[i], &size))) {
            if (retired->tree_batch)
                tree_reclaim(node->tree, retired->tree_batch);
            if (retired->acl_batch)
                acl_reclaim(machine_acls(node->machine), retired->acl_batch);
            link_pop(links[i]);
        }
    }
}

/* A clean stop of a node that acknowledges from memory: when all of its log is on disk, the next
 * start is its old self. A full disk, or one that answers nothing, is not waited for. */
static void node_flush(struct node *node)
{
    struct superblock_state state;
    struct fault fault;
    struct now now = clock_now();
    uint64_t until_ns = now.mono_ns + NODE_FLUSH_NS;
    int err = atomic_load(&node->failed);
    bool flushed = node->disk.installed; /* a snapshot took the place of all that is in the tail */

    if (!node->superblock.state.unflushed || !node->core.tail || !node->disk.wal || node->disk_dead)
        return;
    if (node->superblock.state.forget)
        return; /* none of it is wanted any more */
    if (node->memory_lost && node->core.hello.identity.catching_up) {
        say(SAY_WARN, "it stops before it has caught up: the next start does not vote either");
        return; /* the mark stays, and with it what --recover-from-disk may give up */
    }
    while (!flushed && !node->disk.stopped && !node->wal->no_space && now.mono_ns < until_ns) {
        flushed = role_core_flush(&node->core, now);
        if (!flushed && !role_disk_poll(&node->disk, now))
            sched_yield();
        now = clock_now();
    }
    state = node->superblock.state; /* DISK may have done a save meanwhile */
    state.unflushed = false;
    if (!flushed || node->disk.stopped || (err && err != ERR_RESTART))
        say(SAY_WARN, "the log's tail was not written: the next start does not vote until it has "
                      "caught up");
    else if (superblock_save(&node->superblock, &state, &fault))
        say(SAY_WARN, "%s", fault.text);
}

void node_abandon(struct node *node)
{
    node->disk.stopped = true;
    node->disk_dead = true;
    node_close(node);
}

void node_close(struct node *node)
{
    if (node->started) {
        node_stop(node);
        struct fault ignored;
        int err = node_wait(node, &ignored);
        (void)err; /* whoever closes a running node has given up on its reason */
    }
    for (uint32_t i = 0; i < node->nets_ready; i++) {
        if (!node->env.threads)
            net_offline(&node->nets[i]);
        net_fini(&node->nets[i]);
    }
    node_beat_fini(node);
    free(node->nets);
    node_flush(node);
    node_peers_fini(node);
    role_apply_fini(&node->apply);
    role_core_fini(&node->core);
    role_snap_fini(&node->snap);
    if (node->disk.wal && !node->disk_dead && role_disk_drain(&node->disk))
        say(SAY_WARN, "the last batch of the log was not finished; nobody was told it was");
    if (node->wal)
        wal_close(node->wal);
    free(node->wal);
    node_reclaim_all(node);
    if (node->machine)
        machine_destroy(node->machine);
    if (node->tree)
        tree_destroy(node->tree);
    log_tail_fini(&node->tail);
    node_links_fini(node);
    for (uint32_t i = 0; i < TOPOLOGY_WORKER_MAX; i++)
        if (node->worker_used[i])
            worker_fini(&node->workers[i]);
    if (node->page_own)
        munmap(node->page, sizeof(*node->page));
    free(node);
}

struct port *node_port(struct node *node, uint32_t net)
{
    CHECK(net < node->nets_ready);
    return node->nets[net].port;
}

const struct core_state *node_standing(const struct node *node)
{
    return &node->state;
}

const struct counters_book *node_counters(const struct node *node)
{
    return &node->book;
}

struct machine *node_machine(struct node *node)
{
    return node->machine;
}

struct tree *node_tree(struct node *node)
{
    return node->tree;
}
