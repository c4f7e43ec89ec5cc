/* From what lies on disk to a leader that holds everything acknowledged. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"
#include "base/plant.h"
#include "store/snapshot_load.h"

#include <stdlib.h>
#include <string.h>

#define RECOVER_REQUEST_EXTRA                                                                      \
    8192u /* a command, its record and a block fit into a batch with it                            \
           */
#define RECOVER_RECLAIM_COUNT                                                                      \
    4096u /* replayed entries between two reclaims of replaced versions                            \
           */

static int recover_machine(struct node *node, struct fault *fault)
{
    const struct config *c = node->config;
    struct tree_config tree = {.memory_limit = c->tree_memory_limit,
                               .nodes_max = c->tree_nodes_max};
    struct machine_config machine = {.memory_limit = c->tree_memory_limit,
                                     .session_count_max = c->sessions_max,
                                     .acl_count_max = LIMIT_ACL_COUNT_DEFAULT,
                                     .extended_types = c->ttl_nodes,
                                     .enforce_quota = c->quotas_enforced,
                                     .reconfig_enabled = c->ensemble_reconfig,
                                     .standalone = c->ensemble_standalone,
                                     .skip_acl = c->skip_acl,
                                     .container_unused_ms = c->container_never_used_ms};

    node->env.random(node->env.random_self, &tree.hash_seed, sizeof(tree.hash_seed));
    int err = tree_create(&node->tree, &tree);
    if (!err)
        err = machine_create(&node->machine, &machine, node->tree);
    return err ? fault_set(fault, err, "no memory for the tree: %s", err_name(err)) : 0;
}

/* Loads one snapshot into a machine that nothing has touched. */
static int recover_load(struct node *node, uint64_t index, struct wal_position *position,
                        struct fault *fault)
{
    struct snapshot_info info;
    char name[DISK_PATH_SIZE_MAX];

    snapshot_name(name, index);
    int err = snapshot_load(node->env.disk, name, node->tree, node->machine, &info, fault);
    if (err)
        return err;
    *position = (struct wal_position){.index = info.index, .term = info.term, .chain = info.chain};
    node->snapshot = (struct core_snapshot_id){info.index, info.term, info.chain};
    node->recovery.snapshot_index = info.index;
    return 0;
}

/* The newest good snapshot, or none. In place of a damaged one an older one serves, if the log
 * reaches back to it (wal_open sees to that) and up to the newest, good or not: `least` is where
 * the log must at least end. So nothing acknowledged is lost, or the node does not start. */
static int recover_snapshot(struct node *node, struct wal_position *position, uint64_t *least,
                            struct fault *fault)
{
    uint64_t *indexes;
    uint32_t count;
    int err = snapshot_list(node->env.disk, &indexes, &count, fault);

    if (err)
        return err;
    *least = count ? indexes[0] : 0;
    for (uint32_t i = 0; i < count; i++) {
        err = recover_load(node, indexes[i], position, fault);
        if (err != ERR_CORRUPT)
            break;
        say(SAY_WARN, "%s; %s", fault->text,
            i + 1 < count ? "the snapshot before it is tried, and the log behind that"
                          : "there is no older one, so the log must do, from its first entry");
        machine_destroy(node->machine);
        tree_destroy(node->tree);
        node->machine = NULL;
        node->tree = NULL;
        err = recover_machine(node, fault);
        if (err)
            break;
    }
    free(indexes);
    return err;
}

static void sink_change(void *self, int64_t zxid, uint32_t event, struct bytes path,
                        struct bytes acl, struct bytes parent_acl)
{
}

static void sink_reply(void *self, const struct apply_reply *reply, struct bytes body)
{
}

static void sink_session(void *self, const struct apply_session *session)
{
}

static void sink_timer(void *self, int64_t session, int32_t timeout_ms)
{
}

/* Nobody reads yet, so what a replayed command replaced may go at once. */
static void recover_reclaim(struct node *node)
{
    tree_publish(node->tree, machine_zxid(node->machine));
    struct tree_batch *batch = tree_retired(node->tree);
    if (batch)
        tree_reclaim(node->tree, batch);
    struct acl_batch *acls = acl_retired(machine_acls(node->machine));
    if (acls)
        acl_reclaim(machine_acls(node->machine), acls);
}

void node_entry_of(const struct log_record *record, struct entry *entry)
{
    *entry = (struct entry){.index = record->index,
                            .term = record->term,
                            .chain = record->chain,
                            .payload = record + 1,
                            .size = record->size};
}

/* A member tells followers that are behind which terms its entries have; the oldest may be
 * forgotten. */
static void recover_term(struct node *node, const struct log_record *record)
{
    int err = raft_terms_append(&node->terms, record->index, record->term, UINT64_MAX);
    CHECK(err == 0); /* the log is in order */
}

/* One entry of the log behind the snapshot. In an ensemble of one, what is durable here is held by
 * a quorum; it counts as committed as soon as the new term's first entry is, and nobody is answered
 * before that. In a larger one, these are the entries that are known to be committed. */
static int recover_entry(void *self, const struct log_record *record, struct fault *fault)
{
    static const struct machine_sink nowhere = {
        .change = sink_change, .reply = sink_reply, .session = sink_session, .timer = sink_timer};
    struct node *node = self;
    const struct command *command = (const struct command *)(record + 1);

    if (record->size < sizeof(*command) || command->body_size != record->size - sizeof(*command))
        return fault_set(fault, ERR_CORRUPT, "entry %llu holds no command",
                         (unsigned long long)record->index);
    if (command->version != COMMAND_VERSION)
        return fault_set(fault, ERR_VERSION, "entry %llu was written by another version of takt",
                         (unsigned long long)record->index);
    recover_term(node, record);
    struct entry entry;
    node_entry_of(record, &entry);
    if (node->env.tap)
        node->env.tap(node->env.tap_self, &entry);
    machine_apply(node->machine, record->index, record->term, command,
                  (const uint8_t *)(command + 1), &nowhere);
    node->recovery.entries++;
    if (node->recovery.entries % RECOVER_RECLAIM_COUNT == 0)
        recover_reclaim(node);
    return 0;
}

/* A vote for itself, durable, is a quorum of one; only then does the node lead its new term. */
static int recover_lead(struct node *node, const struct wal_position *last,
                        struct superblock_state *state, struct fault *fault)
{
    struct raft_output out;
    int err = raft_init_alone(&node->raft, state->node_id, state->term, state->vote, last->index,
                              last->term);

    if (err)
        return fault_set(fault, err, "the log's terms are used up");
    raft_step(&node->raft, &(struct raft_input){.kind = RAFT_INPUT_START}, &out);
    CHECK(out.save);
    state->term = node->raft.term;
    state->vote = node->raft.vote;
    state->formed = true;
    err = superblock_save(&node->superblock, state, fault);
    if (err)
        return err;
    raft_step(&node->raft, &(struct raft_input){.kind = RAFT_INPUT_SAVED}, &out);
    CHECK(out.append_noop); /* CORE's first act */
    return 0;
}

/* A member follows until it hears, or does not hear, of a leader. */
static int recover_follow(struct node *node, struct superblock_state *state, struct fault *fault)
{
    const struct config *c = node->config;
    struct raft_config config = raft_config_default(state->node_id);
    struct membership_body members;
    struct raft_recovered recovered = {.term = state->term,
                                       .vote = state->vote,
                                       .terms = &node->terms,
                                       .commit_index = node->apply_index};

    node_members(node, &members);
    core_member_raft(&members, &recovered.membership);
    config.voting = state->formed && !state->catching_up;
    config.heartbeat_ns = c->ensemble_heartbeat_ms * NS_PER_MS;
    config.election_ns_min = c->ensemble_election_ms_min * NS_PER_MS;
    config.election_ns_max = c->ensemble_election_ms_max * NS_PER_MS;
    config.rank = 0;
    for (uint32_t i = 0; i < c->servers.count; i++)
        config.rank += c->servers.server[i].id < state->node_id;
    node->env.random(node->env.random_self, &config.seed, sizeof(config.seed));
    int err = raft_init(&node->raft, &config, &recovered);
    if (err)
        return fault_set(fault, err, "the log and the membership do not fit together");
    return superblock_save(&node->superblock, state, fault);
}

/* Did the last run acknowledge from memory, and not stop in good order? And from here on this one
 * may: that is durable before anybody hears of it, with the incarnation. */
static void recover_durability(struct node *node, struct superblock_state *state)
{
    const struct config *c = node->config;
    bool lost = state->unflushed && state->formed;
    bool behind = state->catching_up && !lost; /* an older build has not said why */
    state->disk_lacks |= node->log_damaged || node->forgot || behind;
    bool whole = !state->disk_lacks || PLANTED(55);
    bool give_up = lost && c->recover_from_disk && !node->env.again && whole;

    node->memory_lost = lost && !give_up;
    state->unflushed = config_is_ensemble(c) && !PLANTED(49) &&
                       (c->durability_mode == CONFIG_DURABILITY_MEMORY || node->memory_lost);
    if (give_up) {
        state->catching_up = false;
        say(SAY_WARN,
            "--recover-from-disk: node %u votes with what its disk has; what it "
            "acknowledged from memory and had not written is lost, unless another member "
            "has it",
            state->node_id);
    } else if (lost && state->disk_lacks) {
        ; /* it catches up for another reason, and has said it */
    } else if (lost && !PLANTED(48)) {
        say(SAY_WARN,
            "node %u acknowledged from memory and did not stop in good order: it does not vote "
            "until it has caught up with a leader. If a majority of the members lost power at "
            "once, there will be none: then start them with --recover-from-disk",
            state->node_id);
    } else if (lost) {
        state->catching_up = false;
    }
    if (c->recover_from_disk && !give_up && !node->env.again)
        say(SAY_WARN, "--recover-from-disk does nothing: %s",
            state->disk_lacks
                ? "the disk was empty or damaged, or its log was given up, and what it lacks must "
                  "come from the others"
                : "there is nothing to be given up here");
    if (c->durability_mode == CONFIG_DURABILITY_MEMORY && state->unflushed)
        say(SAY_INFO, "durability.mode memory: what a quorum has in memory is acknowledged, the "
                      "disk follows");
}

/* --begin-anew: the operator says that a majority of the disks is lost for good. This node is an
 * ensemble of its own then: another cluster, so that no member of the old one is heard, or hears
 * it. The entry that the log ends at must be named: when the flag is left in a script, the next
 * start refuses, and throws nobody out. */
static int recover_anew(struct node *node, const struct wal_position *last,
                        struct superblock_state *state, struct fault *fault)
{
    const struct config *c = node->config;

    if (!c->begin_anew || node->env.again)
        return 0;
    if (last->index == 0)
        return fault_set(fault, ERR_CONFIG, "--begin-anew: there is no log in %s to begin from",
                         node->env.disk->where);
    if (last->index != c->begin_anew)
        return fault_set(
            fault, ERR_CONFIG,
            "--begin-anew %llu: the log in %s ends at entry %llu; give that one if this "
            "is the member whose log goes furthest. If it has begun anew already, start without "
            "the flag; only if it then waits for the votes of the lost, it had stopped on the "
            "way: give that one",
            (unsigned long long)c->begin_anew, node->env.disk->where,
            (unsigned long long)last->index);
    state->formed = false; /* a cluster id may change until then */
    int err = superblock_save(&node->superblock, state, fault);
    if (err)
        return err;
    node->env.random(node->env.random_self, state->cluster_id, sizeof(state->cluster_id));
    state->formed = true;
    state->catching_up = state->disk_lacks = state->unflushed = false;
    node->log_damaged = false;
    node->begins_anew = true;
    say(SAY_WARN,
        "--begin-anew: node %u alone is the ensemble from here on, with entries up to %llu; empty "
        "the data directories of the others, but for myid, and add them: takt member add",
        state->node_id, (unsigned long long)last->index);
    return 0;
}

static int recover_raft(struct node *node, const struct wal_position *last, struct fault *fault)
{
    struct superblock_state state = node->superblock.state;
    uint64_t wall_ms = (uint64_t)node->env.now.wall_ms;

    if (last->term > state.term)
        return fault_set(fault, ERR_CORRUPT,
                         "the log holds term %llu but the superblock promises only %llu: the "
                         "superblock is older than the log it lies beside",
                         (unsigned long long)last->term, (unsigned long long)state.term);
    state.incarnation = wall_ms > state.incarnation ? wall_ms : state.incarnation + 1;
    state.snapshot_index = node->recovery.snapshot_index;
    state.forget = false;
    int err = recover_anew(node, last, &state, fault);
    if (err)
        return err;
    recover_durability(node, &state);
    return config_is_ensemble(node->config) ? recover_follow(node, &state, fault)
                                            : recover_lead(node, last, &state, fault);
}

static int recover_superblock(struct node *node, struct fault *fault)
{
    struct superblock_state fresh = {.node_id = (uint8_t)node->config->node_id};
    struct superblock_report report = {.created = false};

    if (config_is_ensemble(node->config))
        ; /* it has none until it forms or joins an ensemble */
    else if (node->config->cluster_id)
        memcpy(fresh.cluster_id, &node->config->cluster_id, sizeof(node->config->cluster_id));
    else
        node->env.random(node->env.random_self, fresh.cluster_id, sizeof(fresh.cluster_id));
    node->env.random(node->env.random_self, &fresh.salt, sizeof(fresh.salt));
    int err = superblock_open(&node->superblock, node->env.disk, &fresh, &report, fault);
    if (!err && report.mended)
        say(SAY_WARN, "%s", report.fault.text);
    return err;
}

/* A member's log is damaged: nobody may count on its vote until it has from its peers what it may
 * have promised. */
static int recover_damaged(void *self, const struct wal_damage *damage, struct fault *fault)
{
    struct node *node = self;
    struct superblock_state state = node->superblock.state;

    node->log_damaged = true;
#if TAKT_PLANT != 26
    state.catching_up = state.disk_lacks = true;
#endif
    say(SAY_WARN,
        "%s; entries from %llu on come from the other members again, up to %llu at least, and "
        "until then this node does not vote; damaged files are kept as *.damaged",
        damage->fault.text, (unsigned long long)damage->first_index,
        (unsigned long long)damage->promised_index);
    return superblock_save(&node->superblock, &state, fault);
}

static int recover_log(struct node *node, struct wal_recovery *found, struct fault *fault)
{
    const struct superblock_state *state = &node->superblock.state;
    bool ensemble = config_is_ensemble(node->config);
    /* One node begins its log durably before it promises its first term. */
    struct wal_config config = {.segment_size = node->config->log_segment_size,
                                .salt = state->salt,
                                .expected = !state->forget &&
                                            (state->formed || (!ensemble && state->term > 0)),
                                .ensemble = ensemble,
                                .visit = recover_entry,
                                .damaged = recover_damaged,
                                .self = node};

    uint64_t least;
    int err = recover_snapshot(node, &config.snapshot, &least, fault);
    if (err)
        return err;
    const struct wal_position *snapshot = &config.snapshot;
    config.installed = snapshot->index != 0 && snapshot->index == state->installed_index &&
                       snapshot->term == state->installed_term;
    raft_terms_init(&node->terms, snapshot->index, snapshot->term);
    struct wal *wal = calloc(1, sizeof(*wal));
    if (!wal)
        return fault_set(fault, ERR_NOMEM, "no memory for the log");
    err = wal_open(wal, node->env.disk, &config, found, fault);
    if (err) {
        free(wal);
        return err;
    }
    node->wal = wal; /* node_close closes it */
    if (found->last.index < least && !config.ensemble)
        return fault_set(fault, ERR_CORRUPT,
                         "the log in %s ends at entry %llu, and there is a damaged snapshot of "
                         "entry %llu: the newest segments are missing",
                         node->env.disk->where, (unsigned long long)found->last.index,
                         (unsigned long long)least);
    recover_reclaim(node);
    return 0;
}

/* The largest batch, and with it the tail, follow the segments: the log of a small node is small.
 */
static uint32_t recover_batch_size_max(const struct config *config)
{
    uint32_t size = LOG_TAIL_BATCH_SIZE_MAX;
    while (size > LOG_TAIL_BATCH_SIZE_MIN && 4ull * size > config->log_segment_size)
        size /= 2;
    return size;
}

/* The tail goes on behind what is committed; the suffix that is not stands in it, on disk already.
 */
static int recover_tail(struct node *node, const struct wal_recovery *found, struct fault *fault)
{
    uint32_t batch_size_max = recover_batch_size_max(node->config);
    struct log_tail_config config = {.size = 4ull * batch_size_max,
                                     .batch_size_max = batch_size_max,
                                     .block_size = node->env.disk->block_size,
                                     .salt = node->superblock.state.salt,
                                     .last_index = found->committed.index,
                                     .last_term = found->committed.term,
                                     .chain = found->committed.chain,
                                     .batch = found->batch};
    node->apply_index = found->committed.index;
    node->apply_chain = found->committed.chain;
    if (node->config->request_size_max + RECOVER_REQUEST_EXTRA > batch_size_max)
        return fault_set(fault, ERR_CONFIG,
                         "limits.request_size %u: with a log.segment_size of %llu the largest "
                         "request has %u bytes",
                         (unsigned)node->config->request_size_max,
                         (unsigned long long)node->config->log_segment_size,
                         batch_size_max - RECOVER_REQUEST_EXTRA);
    int err = log_tail_init(&node->tail, &config);
    if (err)
        return fault_set(fault, err, "no memory for the log's tail");
    log_tail_commit(&node->tail, found->committed.index);
    for (uint64_t at = 0; at < found->suffix_size;) {
        const struct log_record *record = (const struct log_record *)(found->suffix + at);
        err = log_tail_append_record(&node->tail, record, found->suffix_size - at);
        if (err)
            return fault_set(fault, err,
                             "the log holds more entries that are not known to be committed than "
                             "fit in memory: start with the log.segment_size that wrote it");
        recover_term(node, record);
        if (log_tail_batch_full(&node->tail))
            log_tail_settle(&node->tail);
        at += log_record_span(record->size);
    }
    log_tail_settle(&node->tail);
    CHECK(node->tail.last_index == found->last.index);
    return 0;
}

int node_recover(struct node *node, struct fault *fault)
{
    struct disk_io *io = node->env.disk;
    struct wal_recovery found;
    uint64_t started_ns = clock_now().mono_ns;

    memset(&found, 0, sizeof(found));
    int err = io->lock(io->ctx, fault);
    if (!err)
        err = recover_superblock(node, fault);
    node->forgot = !err && node->superblock.state.forget;
    if (node->forgot)
        err = node_forget(node, fault);
    if (!err)
        err = recover_machine(node, fault);
    if (!err)
        err = recover_log(node, &found, fault);
    if (!err)
        err = recover_tail(node, &found, fault);
    if (!err)
        err = recover_raft(node, &found.last, fault);
    wal_recovery_fini(&found);
    if (err)
        return err;
    node->recovery.elapsed_ns = clock_now().mono_ns - started_ns;
    node->recovery.cut_size = found.torn_size;
    node->recovery.last_index = found.last.index;
    node->recovery.term = node->raft.term;
    node->recovery.nodes = tree_node_count(node->tree);
    node->recovery.sessions = machine_session_count(node->machine);
    return 0;
}
