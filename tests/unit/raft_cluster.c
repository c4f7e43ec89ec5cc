#include "tests/unit/raft_cluster.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

uint64_t cluster_random(struct cluster *c, uint64_t below)
{
    c->random += 0x9e3779b97f4a7c15ull;
    uint64_t z = c->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

bool cluster_chance(struct cluster *c, uint32_t rate, uint32_t of)
{
    return rate && cluster_random(c, of) < rate;
}

void cluster_fail(struct cluster *c, const char *format, ...)
{
    va_list args;

    if (c->failed)
        return;
    c->failed = true;
    int n = snprintf(c->failure, sizeof(c->failure),
                     "seed %llu at %llu ms: ", (unsigned long long)c->seed,
                     (unsigned long long)(c->now_ns / MS));
    va_start(args, format);
    vsnprintf(c->failure + n, sizeof(c->failure) - (size_t)n, format, args);
    va_end(args);
}

static struct cluster_node *cluster_node(struct cluster *c, uint8_t id)
{
    return id >= 1 && id <= c->node_count ? &c->nodes[id - 1] : NULL;
}

static void cluster_trace(struct cluster *c, const char *format, ...) PRINTF_LIKE(2, 3);
static void cluster_trace(struct cluster *c, const char *format, ...)
{
    va_list args;

    if (!c->trace)
        return;
    fprintf(c->trace, "%6llu ms  ", (unsigned long long)(c->now_ns / MS));
    va_start(args, format);
    vfprintf(c->trace, format, args);
    va_end(args);
    fputc('\n', c->trace);
}

/* ---- the network ----------------------------------------------------------------------------- */

static void net_queue(struct cluster *c, const struct cluster_message *message)
{
    if (c->message_count == CLUSTER_MESSAGE_MAX || cluster_chance(c, c->faults.drop, 1000))
        return;
    struct cluster_message *m = &c->messages[c->message_count++];
    *m = *message;
    m->at = c->now_ns + MS;
    if (cluster_chance(c, c->faults.late, 1000))
        m->at += cluster_random(c, c->faults.late_ms_max) * MS;
    if (m->head.flags & PEER_BULK) { /* one behind the other, everything else goes past them */
        uint64_t *free_ns = &c->bulk_free_ns[m->head.to - 1];
        *free_ns = (*free_ns > c->now_ns ? *free_ns : c->now_ns) + c->bulk_ms * MS;
        m->at += *free_ns - c->now_ns;
    }
}

static void net_send(struct cluster *c, const struct cluster_message *m)
{
    char line[RAFT_DESCRIBE_SIZE];

    if (c->trace) {
        peer_message_describe(&m->head, line, sizeof(line));
        cluster_trace(c, "    %s%s", line,
                      c->cut[m->head.from - 1][m->head.to - 1] ? "  (cut)" : "");
    }
    if (!cluster_node(c, m->head.to) || c->cut[m->head.from - 1][m->head.to - 1])
        return;
    net_queue(c, m);
    if (cluster_chance(c, c->faults.repeat, 1000))
        net_queue(c, m);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void check_entry(struct cluster *c, struct cluster_node *n, uint64_t index)
{
    const struct cluster_entry *e = &n->log.entries[index];

    if (e->term == 0 || index > n->log.last) {
        cluster_fail(c, "node %u commits entry %llu and does not hold it", n->id,
                     (unsigned long long)index);
        return;
    }
    if (index > c->committed_count) {
        c->committed[index] = *e;
        c->committed_in[index] = n->raft.term;
        c->committed_count = index;
        return;
    }
    const struct cluster_entry *was = &c->committed[index];
    if (was->term != e->term || was->value != e->value || was->config != e->config)
        cluster_fail(c, "node %u commits %llu@%llu where %llu@%llu was committed", n->id,
                     (unsigned long long)index, (unsigned long long)e->term,
                     (unsigned long long)index, (unsigned long long)was->term);
}

/* A leader holds what was committed in earlier terms. (One that is elected late, beside a leader of
 * a higher term, need not hold what that one commits.) */
static void check_leader(struct cluster *c, struct cluster_node *n)
{
    uint64_t term = n->raft.term;

    if (term >= CLUSTER_TERM_MAX) {
        cluster_fail(c, "terms run away: %llu", (unsigned long long)term);
        return;
    }
    if (c->leader_of[term] && c->leader_of[term] != n->id)
        cluster_fail(c, "term %llu has two leaders, %u and %u", (unsigned long long)term,
                     c->leader_of[term], n->id);
    if (!c->leader_of[term])
        c->elections++;
    c->leader_of[term] = n->id;
    for (uint64_t i = n->log.base_index + 1; i <= c->committed_count; i++)
        if (c->committed_in[i] < term &&
            (i > n->log.last || n->log.entries[i].term != c->committed[i].term)) {
            cluster_fail(c, "leader %u of term %llu lacks the committed entry %llu", n->id,
                         (unsigned long long)term, (unsigned long long)i);
            return;
        }
}

/* If two logs hold an entry of the same index and term, they are equal up to there. */
static void check_log_matching(struct cluster *c, struct cluster_node *a, struct cluster_node *b)
{
    uint64_t low = a->log.base_index > b->log.base_index ? a->log.base_index : b->log.base_index;
    uint64_t high = a->log.last < b->log.last ? a->log.last : b->log.last;
    bool same = false;

    for (uint64_t i = high; i > low; i--) {
        const struct cluster_entry *x = &a->log.entries[i], *y = &b->log.entries[i];
        if (x->term == y->term)
            same = true;
        if (same && (x->term != y->term || x->value != y->value)) {
            cluster_fail(c, "logs of %u and %u part at %llu below an entry they share", a->id,
                         b->id, (unsigned long long)i);
            return;
        }
    }
}

void cluster_check_logs(struct cluster *c)
{
    for (uint32_t i = 0; i < c->node_count && !c->failed; i++)
        for (uint32_t k = 0; k < i; k++)
            check_log_matching(c, &c->nodes[i], &c->nodes[k]);
}

/* What is told of the own disk lies there. */
static void check_told(struct cluster *c, struct cluster_node *n, const struct peer_message *m)
{
    if (m->kind == PEER_VOTE || (m->kind == PEER_VOTE_REPLY && !(m->flags & PEER_REJECT))) {
        uint8_t vote = m->kind == PEER_VOTE ? n->id : m->to;
        if (n->disk_term != m->term || n->disk_vote != vote)
            cluster_fail(c, "node %u tells its vote of term %llu, which is not on its disk", n->id,
                         (unsigned long long)m->term);
    }
    if (m->kind != PEER_APPEND_REPLY || (m->flags & PEER_REJECT))
        return;
    bool lies = n->disk.last < m->index;
    for (uint64_t i = n->log.base_index + 1; i <= m->index && !lies; i++)
        lies = i > n->disk.base_index && n->disk.entries[i].term != n->log.entries[i].term;
    if (lies)
        cluster_fail(c, "node %u acknowledges %llu, which is not on its disk", n->id,
                     (unsigned long long)m->index);
}

/* ---- one node -------------------------------------------------------------------------------- */

static void node_step(struct cluster *c, struct cluster_node *n, struct raft_input in,
                      const struct cluster_message *message);

static uint64_t disk_delay(struct cluster *c)
{
    uint64_t ms = 1 + cluster_random(c, c->faults.disk_ms_max + 1);

    return (cluster_chance(c, c->faults.disk_late, 1000) ? ms + cluster_random(c, 150) : ms) * MS;
}

static void node_accept(struct cluster *c, struct cluster_node *n, const struct raft_output *out,
                        const struct cluster_message *message)
{
    uint64_t from = out->truncate_from ? out->truncate_from : n->log.last + 1;

    if (out->truncate_from && out->truncate_from <= n->applied)
        cluster_fail(c, "node %u takes back %llu, which it applied", n->id,
                     (unsigned long long)out->truncate_from);
    c->truncations += out->truncate_from != 0;
    if (out->accept_first != from)
        cluster_fail(c, "node %u: a hole before %llu, the log ends at %llu", n->id,
                     (unsigned long long)out->accept_first, (unsigned long long)from - 1);
    if (c->failed)
        return;
    if (n->written >= from)
        n->written = from - 1;
    for (uint64_t i = out->accept_first; i <= out->accept_last; i++)
        n->log.entries[i] = message->entries[i - message->head.index - 1];
    n->log.last = out->accept_last;
    for (uint64_t i = out->accept_first; i <= out->accept_last; i++)
        if (n->log.entries[i].config >= 0)
            node_step(c, n,
                      (struct raft_input){.kind = RAFT_INPUT_CONFIG,
                                          .index = i,
                                          .membership = &c->configs[n->log.entries[i].config]},
                      NULL);
}

static void node_apply(struct cluster *c, struct cluster_node *n)
{
    while (n->applied < n->raft.commit_index && !c->failed)
        check_entry(c, n, ++n->applied);
    n->log.commit = n->applied;
}

static void node_reads(struct cluster *c, struct cluster_node *n, const struct raft_output *out)
{
    for (uint32_t i = 0; i < out->read_count; i++) {
        uint64_t least = c->read_least[out->reads[i].context % CLUSTER_READ_MAX];
        c->reads_done++;
        if (out->reads[i].index < least)
            cluster_fail(c, "read %llu on node %u is stale: index %llu, %llu was committed",
                         (unsigned long long)out->reads[i].context, n->id,
                         (unsigned long long)out->reads[i].index, (unsigned long long)least);
    }
}

static void node_trace(struct cluster *c, struct cluster_node *n, const struct raft_input *in,
                       const struct raft_output *out)
{
    char line[RAFT_DESCRIBE_SIZE];

    raft_describe_input(in, line, sizeof(line));
    cluster_trace(c, "%u %s", n->id, line);
    raft_describe_output(out, line, sizeof(line));
    cluster_trace(c, "  %s", line);
    if (out->state_changed) {
        raft_describe(&n->raft, line, sizeof(line));
        cluster_trace(c, "  %s", line);
    }
}

static void node_step(struct cluster *c, struct cluster_node *n, struct raft_input in,
                      const struct cluster_message *message)
{
    static struct raft_output scratch[4]; /* a step inside a step: CONFIG in an accepted APPEND */
    static uint32_t depth;
    struct raft_output *out = &scratch[depth++ % 4];
    uint64_t last_before = n->raft.last_index;

    in.now_ns = c->now_ns + n->skew_ns;
    in.message = message ? &message->head : NULL;
    raft_step(&n->raft, &in, out);
    bool dull = in.kind == RAFT_INPUT_SENT ||
                (in.kind == RAFT_INPUT_TICK && !out->state_changed && !out->message_count);
    if (c->trace && !dull)
        node_trace(c, n, &in, out);
    if (out->contradicts)
        cluster_fail(c, "node %u: entry %llu is committed there, and its leader holds another one",
                     n->id, (unsigned long long)out->contradicts);
    if (out->accept_first)
        node_accept(c, n, out, message);
    else if (in.kind == RAFT_INPUT_MESSAGE && n->raft.last_index != last_before && !c->failed)
        cluster_fail(c, "node %u: the log changed unseen", n->id);
    if (out->save) {
        n->saving = true;
        n->save_at = c->now_ns + disk_delay(c);
        n->save_term = out->save_term;
        n->save_vote = out->save_vote;
    }
    if (n->raft.state == RAFT_LEADER && out->append_noop)
        check_leader(c, n);
    for (uint32_t i = 0; i < out->message_count; i++) {
        check_told(c, n, &out->messages[i]);
        net_send(c, &(struct cluster_message){.head = out->messages[i]});
    }
    node_reads(c, n, out);
    node_apply(c, n);
    depth--;
}

static int32_t node_config(const struct cluster_node *n)
{
    uint64_t at = raft_membership(&n->raft)->index;

    return at > n->log.base_index ? n->log.entries[at].config : n->log.base_config;
}

bool cluster_propose(struct cluster *c, uint8_t id, int32_t config)
{
    struct cluster_node *n = cluster_node(c, id);
    uint64_t index = n->raft.last_index + 1;

    if (!n->up || n->raft.state != RAFT_LEADER || index >= CLUSTER_LOG_MAX)
        return false;
    n->log.entries[index] = (struct cluster_entry){n->raft.term, ++c->value_count, config};
    n->log.last = index;
    node_step(c, n, (struct raft_input){.kind = RAFT_INPUT_APPENDED, .index = index}, NULL);
    if (config >= 0) {
        c->changes++;
        node_step(c, n,
                  (struct raft_input){
                      .kind = RAFT_INPUT_CONFIG, .index = index, .membership = &c->configs[config]},
                  NULL);
    }
    return true;
}

/* As CORE does: who lacks more than a message gets bulk, and urgent entries do not overtake it. */
static bool node_lane(struct cluster *c, struct cluster_node *n, uint32_t member,
                      const struct raft_range *range, bool *bulk)
{
    *bulk = c->bulk_ms && n->raft.last_index - range->prev_index > CLUSTER_ENTRIES_MAX;
    return *bulk ? raft_on_way_count(&n->raft, member) < CLUSTER_BULK_MAX
                 : !raft_bulk_on_way(&n->raft, member);
}

static void node_send_entries(struct cluster *c, struct cluster_node *n, uint32_t member)
{
    struct raft_range range;

    for (enum raft_append what; (what = raft_next_append(&n->raft, member, &range));) {
        struct cluster_message m = {.count = 0};
        bool bulk = false;
        if (what == RAFT_APPEND_ENTRIES && !node_lane(c, n, member, &range, &bulk)) {
            what = raft_next_empty(&n->raft, member, &range);
            bulk = false;
            if (!what)
                return;
        }
        uint64_t last = range.prev_index;
        if (what == RAFT_APPEND_ENTRIES) {
            uint64_t most = 1 + cluster_random(c, CLUSTER_ENTRIES_MAX);
            last = range.last - range.prev_index < most ? range.last : range.prev_index + most;
            for (uint64_t i = range.first; i <= last; i++)
                m.entries[m.count++] = n->log.entries[i];
        }
        raft_append_message(&n->raft, &range, last, &m.head);
        m.head.flags |= bulk ? PEER_BULK : 0;
        c->entries_sent_to[range.to - 1] += m.count;
        net_send(c, &m);
        node_step(c, n,
                  (struct raft_input){
                      .kind = RAFT_INPUT_SENT, .index = last, .member = range.to, .bulk = bulk},
                  NULL);
    }
}

static void node_send_snapshot(struct cluster *c, struct cluster_node *n, uint32_t member)
{
    uint8_t to = raft_membership(&n->raft)->members[member].id;

    if (!raft_snapshot_due(&n->raft, member) || n->snapshot_at[to - 1] > c->now_ns)
        return;
    n->snapshot_at[to - 1] = c->now_ns + 40 * MS;
    net_send(c, &(struct cluster_message){.head = {.kind = PEER_SNAPSHOT,
                                                   .from = n->id,
                                                   .to = to,
                                                   .term = n->raft.term,
                                                   .index = n->log.base_index,
                                                   .log_term = n->log.base_term},
                                          .config = n->log.base_config,
                                          .config_index = n->log.base_config_index});
}

static void node_start_batch(struct cluster *c, struct cluster_node *n)
{
    if (n->writing || n->written >= n->log.last)
        return;
    n->writing = true;
    n->batch_dead = false;
    n->batch_at = c->now_ns + disk_delay(c);
    n->batch_first = n->written + 1;
    n->batch_last = n->log.last;
    n->batch_term = n->log.entries[n->log.last].term;
    n->batch_epoch = n->raft.log_epoch;
    n->batch_commit = n->raft.commit_index;
    for (uint64_t i = n->batch_first; i <= n->batch_last; i++)
        n->batch[i] = n->log.entries[i];
    n->written = n->log.last;
}

static void node_pump(struct cluster *c, struct cluster_node *n)
{
    if (n->raft.state == RAFT_LEADER && n->raft.last_index < n->raft.term_first_index)
        cluster_propose(c, n->id, -1);
    if (raft_leave_joint(&n->raft))
        cluster_propose(c, n->id, node_config(n) + 1);
    for (uint32_t i = 0; n->raft.state == RAFT_LEADER && i < raft_membership(&n->raft)->count;
         i++) {
        node_send_entries(c, n, i);
        node_send_snapshot(c, n, i);
    }
    node_start_batch(c, n);
}

/* ---- disk and crashes ------------------------------------------------------------------------ */

/* A batch supersedes all from its first entry on; after a crash, only `most` entries of it. */
static void disk_write(struct cluster_node *n, uint64_t most)
{
    if (n->batch_dead || most == 0)
        return;
    uint64_t last = n->batch_first + most - 1;
    if (last > n->batch_last)
        last = n->batch_last;
    for (uint64_t i = n->batch_first; i <= last; i++)
        n->disk.entries[i] = n->batch[i];
    n->disk.last = last;
    if (n->batch_commit > n->disk.commit)
        n->disk.commit = n->batch_commit;
}

static void disk_save(struct cluster_node *n)
{
    n->disk_term = n->save_term;
    n->disk_vote = n->save_vote;
}

static void log_set_base(struct cluster_log *log, uint64_t index, uint64_t term, int32_t config,
                         uint64_t config_index)
{
    if (log->last < index)
        log->last = index;
    for (uint64_t i = log->base_index + 1; i <= index; i++)
        log->entries[i].term = 0;
    log->base_index = index;
    log->base_term = term;
    log->base_config = config;
    log->base_config_index = config_index;
    if (log->commit < index)
        log->commit = index;
}

/* A snapshot replaces a log; entries behind it stay when it holds the snapshot's last one. */
static void log_install(struct cluster_log *log, const struct cluster_log *from)
{
    bool held = from->base_index <= log->last && from->base_index > log->base_index &&
                log->entries[from->base_index].term == from->base_term;

    if (!held)
        log->last = from->base_index;
    log_set_base(log, from->base_index, from->base_term, from->base_config,
                 from->base_config_index);
}

static void node_install(struct cluster *c, struct cluster_node *n)
{
    const struct cluster_log *from = &n->install;
    uint64_t epoch = n->raft.log_epoch;

    n->installing = false;
    if (n->raft.state == RAFT_LEADER ||
        !raft_snapshot_wanted(&n->raft, from->base_index, from->base_term))
        return;
    struct raft_membership membership = c->configs[from->base_config];
    membership.index = from->base_config_index;
    if (c->committed[from->base_index].term != from->base_term)
        cluster_fail(c, "a snapshot holds what was not committed");
    log_install(&n->disk, from);
    log_install(&n->log, from);
    n->applied = from->base_index;
    node_step(c, n,
              (struct raft_input){.kind = RAFT_INPUT_SNAPSHOT_INSTALLED,
                                  .index = from->base_index,
                                  .term = from->base_term,
                                  .membership = &membership},
              NULL);
    c->snapshots++;
    if (n->raft.log_epoch != epoch) { /* the log began anew: what is being written is not in it */
        n->batch_dead = true;
        n->written = from->base_index;
    } else if (n->written < from->base_index) {
        n->written = from->base_index;
    }
}

void cluster_compact(struct cluster *c, uint8_t id, uint64_t index)
{
    struct cluster_node *n = cluster_node(c, id);
    int32_t config = n->log.base_config;
    uint64_t config_index = n->log.base_config_index;

    if (!n->up || n->installing || index <= n->log.base_index || index > n->applied ||
        index > n->raft.durable_index || index > n->disk.last)
        return;
    for (uint64_t i = n->log.base_index + 1; i <= index; i++)
        if (n->log.entries[i].config >= 0) {
            config = n->log.entries[i].config;
            config_index = i;
        }
    uint64_t term = n->log.entries[index].term;
    if (n->disk.entries[index].term != term)
        return;
    node_step(c, n, (struct raft_input){.kind = RAFT_INPUT_COMPACTED, .index = index}, NULL);
    log_set_base(&n->log, index, term, config, config_index);
    log_set_base(&n->disk, index, term, config, config_index);
}

void cluster_crash(struct cluster *c, uint8_t id, uint32_t down_ms)
{
    struct cluster_node *n = cluster_node(c, id);

    if (!n->up)
        return;
    cluster_trace(c, "%u crashes", id);
    c->crashes++;
    if (n->saving && cluster_random(c, 2))
        disk_save(n);
    if (n->writing)
        disk_write(n, cluster_random(c, n->batch_last - n->batch_first + 2));
    n->up = n->saving = n->writing = n->installing = false;
    n->up_at = c->now_ns + down_ms * MS;
    n->paused_until = 0;
}

static void node_configs(struct cluster *c, struct cluster_node *n, uint64_t commit)
{
    for (uint64_t i = commit + 1; i <= n->log.last; i++)
        if (n->log.entries[i].config >= 0)
            node_step(c, n,
                      (struct raft_input){.kind = RAFT_INPUT_CONFIG,
                                          .index = i,
                                          .membership = &c->configs[n->log.entries[i].config]},
                      NULL);
}

static void node_start(struct cluster *c, struct cluster_node *n)
{
    static struct raft_terms terms;
    struct raft_config config = c->config;
    struct raft_recovered recovered = {.term = n->disk_term, .vote = n->disk_vote, .terms = &terms};

    n->log = n->disk;
    config.id = n->id;
    config.rank = n->id - 1u;
    config.seed = cluster_random(c, UINT64_MAX);
    uint64_t commit = n->disk.commit < n->log.last ? n->disk.commit : n->log.last;
    int32_t at = n->log.base_config;
    uint64_t at_index = n->log.base_config_index;
    raft_terms_init(&terms, n->log.base_index, n->log.base_term);
    for (uint64_t i = n->log.base_index + 1; i <= n->log.last; i++) {
        if (raft_terms_append(&terms, i, n->log.entries[i].term, commit))
            cluster_fail(c, "node %u: terms go down at %llu", n->id, (unsigned long long)i);
        if (i <= commit && n->log.entries[i].config >= 0) {
            at = n->log.entries[i].config;
            at_index = i;
        }
    }
    recovered.commit_index = commit;
    recovered.membership = c->configs[at];
    recovered.membership.index = at_index;
    if (raft_init(&n->raft, &config, &recovered))
        cluster_fail(c, "node %u does not start", n->id);
    if (c->failed)
        return;
    cluster_trace(c, "%u starts", n->id);
    n->up = true;
    n->written = n->log.last;
    n->applied = n->log.base_index;
    memset(n->snapshot_at, 0, sizeof(n->snapshot_at));
    node_apply(c, n);
    node_configs(c, n, commit);
}

/* ---- time passes ----------------------------------------------------------------------------- */

static void node_receive(struct cluster *c, struct cluster_node *n, const struct cluster_message *m)
{
    node_step(c, n, (struct raft_input){.kind = RAFT_INPUT_MESSAGE}, m);
    if (m->head.kind != PEER_SNAPSHOT || n->installing || m->head.term < n->raft.term ||
        !raft_snapshot_wanted(&n->raft, m->head.index, m->head.log_term))
        return;
    n->installing = true;
    n->install_at = c->now_ns + disk_delay(c);
    n->install = (struct cluster_log){.base_index = m->head.index,
                                      .base_term = m->head.log_term,
                                      .base_config = m->config,
                                      .base_config_index = m->config_index};
}

static void net_deliver(struct cluster *c)
{
    static struct cluster_message m;

    for (uint32_t i = 0; i < c->message_count && !c->failed;) {
        struct cluster_node *n = cluster_node(c, c->messages[i].head.to);
        if (c->messages[i].at > c->now_ns || (n->up && n->paused_until > c->now_ns)) {
            i++;
            continue;
        }
        m = c->messages[i]; /* the order among those of one millisecond is not kept */
        c->messages[i] = c->messages[--c->message_count];
        if (n->up && !c->cut[m.head.from - 1][m.head.to - 1])
            node_receive(c, n, &m);
    }
}

static void node_disk(struct cluster *c, struct cluster_node *n)
{
    if (n->saving && c->now_ns >= n->save_at) {
        n->saving = false;
        disk_save(n);
        node_step(c, n, (struct raft_input){.kind = RAFT_INPUT_SAVED}, NULL);
    }
    if (n->installing && c->now_ns >= n->install_at)
        node_install(c, n);
    if (n->writing && c->now_ns >= n->batch_at) {
        n->writing = false;
        disk_write(n, UINT64_MAX / 2);
        node_step(c, n,
                  (struct raft_input){.kind = RAFT_INPUT_DURABLE,
                                      .index = n->batch_last,
                                      .term = n->batch_term,
                                      .epoch = n->batch_epoch},
                  NULL);
    }
}

static void node_time(struct cluster *c, struct cluster_node *n)
{
    if (!n->up && c->now_ns >= n->up_at)
        node_start(c, n);
    if (!n->up || n->paused_until > c->now_ns || c->failed)
        return;
    node_disk(c, n);
    if (c->now_ns + n->skew_ns >= raft_deadline_ns(&n->raft))
        node_step(c, n, (struct raft_input){.kind = RAFT_INPUT_TICK}, NULL);
    if (n->raft.state == RAFT_LEADER && raft_may_propose(&n->raft) &&
        n->raft.last_index < CLUSTER_LOG_MAX - 64 && cluster_chance(c, c->write_rate, 1000))
        cluster_propose(c, n->id, -1);
    node_pump(c, n);
}

bool cluster_step(struct cluster *c)
{
    c->now_ns += MS;
    net_deliver(c);
    for (uint32_t i = 0; i < c->node_count && !c->failed; i++)
        node_time(c, &c->nodes[i]);
    return !c->failed;
}

bool cluster_run(struct cluster *c, uint32_t ms)
{
    for (uint32_t i = 0; i < ms && !c->failed; i++) {
        cluster_step(c);
        if (i % 64 == 0)
            cluster_check_logs(c);
    }
    cluster_check_logs(c);
    return !c->failed;
}

/* ---- acts ------------------------------------------------------------------------------------ */

void cluster_cut(struct cluster *c, uint8_t from, uint8_t to, bool cut)
{
    if (from != to)
        c->cut[from - 1][to - 1] = cut;
}

void cluster_isolate(struct cluster *c, uint8_t id, bool cut)
{
    for (uint8_t other = 1; other <= c->node_count; other++) {
        cluster_cut(c, id, other, cut);
        cluster_cut(c, other, id, cut);
    }
}

void cluster_input(struct cluster *c, uint8_t id, const struct raft_input *in)
{
    struct cluster_node *n = cluster_node(c, id);

    if (!n->up)
        return;
    node_step(c, n, *in, NULL);
    node_pump(c, n);
}

uint8_t cluster_leader(const struct cluster *c)
{
    uint8_t leader = 0;
    uint64_t term = 0;

    for (uint32_t i = 0; i < c->node_count; i++)
        if (c->nodes[i].up && c->nodes[i].raft.state == RAFT_LEADER &&
            c->nodes[i].raft.term > term) {
            leader = c->nodes[i].id;
            term = c->nodes[i].raft.term;
        }
    return leader;
}

bool cluster_read(struct cluster *c, uint8_t id)
{
    if (!cluster_node(c, id)->up)
        return false;
    uint64_t context = ++c->read_count;
    c->read_least[context % CLUSTER_READ_MAX] = c->committed_count;
    cluster_input(c, id, &(struct raft_input){.kind = RAFT_INPUT_READ, .context = context});
    return true;
}

bool cluster_change(struct cluster *c, uint8_t id, uint32_t voters, uint32_t learners)
{
    struct cluster_node *n = cluster_node(c, id);

    if (!n->up || !raft_may_change(&n->raft) || c->config_count + 2 > CLUSTER_CONFIG_MAX ||
        n->raft.last_index >= CLUSTER_LOG_MAX - 64)
        return false;
    const struct raft_membership *now = raft_membership(&n->raft);
    struct raft_membership *joint = &c->configs[c->config_count], *end = joint + 1;
    memset(joint, 0, 2 * sizeof(*joint));
    joint->joint = true;
    for (uint8_t i = 1; i <= c->node_count; i++) {
        int at = raft_member_index(&n->raft, i);
        bool votes = voters >> i & 1, stays = votes || (learners >> i & 1);
        if (stays || at >= 0)
            joint->members[joint->count++] = (struct raft_member){
                .id = i, .voter = at >= 0 && now->members[at].voter, .voter_next = votes};
        if (stays)
            end->members[end->count++] = (struct raft_member){.id = i, .voter = votes};
    }
    c->config_count += 2;
    return cluster_propose(c, id, c->config_count - 2);
}

void cluster_init(struct cluster *c, uint64_t seed, uint32_t node_count, uint32_t voters,
                  uint32_t learners)
{
    FILE *trace = c->trace;

    memset(c, 0, sizeof(*c));
    c->trace = trace;
    c->seed = c->random = seed;
    c->node_count = node_count;
    c->now_ns = 1000 * MS;
    c->config = raft_config_default(1);
    c->write_rate = 100;
    for (uint32_t i = 0; i < voters + learners; i++)
        c->configs[0].members[c->configs[0].count++] =
            (struct raft_member){.id = (uint8_t)(i + 1), .voter = i < voters};
    c->config_count = 1;
    for (uint32_t i = 0; i < node_count; i++)
        c->nodes[i].id = (uint8_t)(i + 1);
}
