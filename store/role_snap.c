#include "store/role_snap.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-qsbr.h>

#define SLICE_ACLS 256 /* ACL ids looked at in one turn */

static uint32_t snap_state(const struct role_snap *snap)
{
    return atomic_load_explicit(&snap->state, memory_order_acquire);
}

static void snap_state_set(struct role_snap *snap, enum role_snap_state state)
{
    atomic_store_explicit(&snap->state, (uint32_t)state, memory_order_release);
}

int role_snap_init(struct role_snap *snap, const struct role_snap_config *config)
{
    if (config->kept_count < 1 || config->kept_count > SNAPSHOT_KEPT_COUNT_MAX)
        return ERR_RANGE;
    memset(snap, 0, sizeof(*snap));
    snap->config = *config;
    return 0;
}

/* Gives back what the job holds of machine and tree. Role: APPLY. */
static void snap_give_back(struct role_snap *snap)
{
    tree_hold_release(snap->config.tree);
    acl_unpin(machine_acls(snap->config.machine));
    free(snap->image);
    snap->image = NULL;
}

void role_snap_fini(struct role_snap *snap)
{
    if (snap->write)
        snapshot_write_abort(snap->write);
    snap->write = NULL;
    if (snap_state(snap) != ROLE_SNAP_IDLE)
        snap_give_back(snap);
    snap_state_set(snap, ROLE_SNAP_IDLE);
}

/* ---- APPLY ----------------------------------------------------------------------------------- */

int role_snap_request(struct role_snap *snap, uint64_t chain)
{
    struct machine *machine = snap->config.machine;
    if (snap_state(snap) != ROLE_SNAP_IDLE)
        return ERR_BUSY;
    CHECK(!snap->write && !snap->image);
    int err = machine_image(machine, &snap->image, &snap->image_size);
    if (err)
        return err;
    CHECK(snap->image_size <= SNAPSHOT_RECORD_MAX);
    acl_pin(machine_acls(machine));
    snap->hold_zxid = tree_hold(snap->config.tree, snap->config.hold_size_limit);
    CHECK(snap->hold_zxid <= machine_zxid(machine));
    snap->info = (struct snapshot_info){.index = machine_index(machine),
                                        .term = machine_term(machine),
                                        .zxid = machine_zxid(machine),
                                        .chain = chain,
                                        .state_hash = machine_hash(machine),
                                        .time_ms = machine_time_ms(machine),
                                        .node_count = tree_node_count(snap->config.tree) -
                                                      1, /* without ZooKeeper's inner root */
                                        .session_count = machine_session_count(machine)};
    memcpy(snap->info.cluster_id, snap->config.cluster_id, sizeof(snap->info.cluster_id));
    snap_state_set(snap, ROLE_SNAP_REQUESTED);
    return 0;
}

bool role_snap_collect(struct role_snap *snap, struct role_snap_result *result)
{
    if (snap_state(snap) != ROLE_SNAP_DONE)
        return false;
    snap_give_back(snap);
    *result = snap->result;
    snap_state_set(snap, ROLE_SNAP_IDLE);
    return true;
}

/* ---- SNAP ------------------------------------------------------------------------------------ */

static void snap_done(struct role_snap *snap, int err)
{
    if (err && snap->write)
        snapshot_write_abort(snap->write);
    snap->write = NULL;
    snap->result.err = err;
    snap->result.index = snap->info.index;
    snap->result.node_count = snap->info.node_count;
    snap_state_set(snap, ROLE_SNAP_DONE);
}

static int snap_begin(struct role_snap *snap, struct now now)
{
    struct fault *fault = &snap->result.fault;
    memset(&snap->result, 0, sizeof(snap->result));
    snap->result.begin_ns = now.mono_ns;
    snap->acl_next = 0;
    snap->walk = tree_walk_begin(snap->config.tree, snap->hold_zxid);
    int err = snapshot_write_begin(&snap->write, snap->config.io, &snap->info, fault);
    if (err)
        return err;
    snap_state_set(snap, ROLE_SNAP_RUNNING);
    struct bytes image = bytes_of(snap->image, snap->image_size);
    return snapshot_write_machine(snap->write, image, fault);
}

/* The ACLs: those that the held nodes name are pinned; others that came later do no harm, a load
 * lets go of what no node names. */
static int snap_acls(struct role_snap *snap)
{
    const struct acl_table *acls = machine_acls(snap->config.machine);
    uint32_t end = acl_count(acls);
    for (uint32_t n = 0; n < SLICE_ACLS && snap->acl_next < end; n++, snap->acl_next++) {
        struct bytes packed = acl_packed(acls, snap->acl_next);
        if (packed.size < 0)
            continue;
        int err = snapshot_write_acl(snap->write, snap->acl_next, packed, &snap->result.fault);
        if (err)
            return err;
    }
    if (snap->acl_next >= end)
        snap->acl_next = UINT32_MAX; /* all written */
    return 0;
}

static int snap_nodes(struct role_snap *snap, bool *end)
{
    const struct znode *nodes[64];
    for (uint32_t written = 0; written < ROLE_SNAP_SLICE_NODES && !*end;) {
        uint32_t n = tree_walk_next(&snap->walk, nodes, 64);
        for (uint32_t i = 0; i < n; i++) {
            struct tree_image image = znode_image(nodes[i]);
            int err = snapshot_write_node(snap->write, &image, &snap->result.fault);
            if (err)
                return err;
        }
        *end = n == 0;
        written += n;
    }
    return 0;
}

static int snap_finish(struct role_snap *snap)
{
    struct fault *fault = &snap->result.fault;
    struct snapshot_write *write = snap->write;
    snap->result.file_size = snapshot_write_size(write);
    snap->write = NULL; /* gone, whatever comes back */
    int err = snapshot_write_finish(write, fault);
    if (err)
        return err;
    /* The new one is durable; a purge that fails leaves too many, which is said and no failure. */
    if (snapshot_purge(snap->config.io, snap->config.kept_count, fault) == 0)
        fault->text[0] = 0;
    return 0;
}

/* One slice. *end turns true when the file is complete. */
static int snap_slice(struct role_snap *snap, bool *end)
{
    if (tree_hold_broken(snap->config.tree))
        return fault_set(&snap->result.fault, ERR_LIMIT,
                         "the tree changed too much while snapshot %llu was written: more than %llu"
                         " bytes would have been kept for it",
                         (unsigned long long)snap->info.index,
                         (unsigned long long)snap->config.hold_size_limit);
    if (snap->acl_next != UINT32_MAX)
        return snap_acls(snap);
    bool walked = false;
    int err = snap_nodes(snap, &walked);
    if (err || !walked)
        return err;
    *end = true;
    return snap_finish(snap);
}

uint32_t role_snap_poll(void *self, struct now now)
{
    struct role_snap *snap = self;
    uint32_t state = snap_state(snap);
    bool end = false;
    int err = 0;
    if (state == ROLE_SNAP_REQUESTED)
        err = snap_begin(snap, now);
    else if (state == ROLE_SNAP_RUNNING)
        err = snap_slice(snap, &end);
    if (err || end)
        snap_done(snap, err);
    urcu_qsbr_quiescent_state(); /* nothing of the tree is held from one turn to the next */
    return state == ROLE_SNAP_REQUESTED || state == ROLE_SNAP_RUNNING;
}

bool role_snap_idle(void *self)
{
    uint32_t state = snap_state(self);
    return state == ROLE_SNAP_IDLE || state == ROLE_SNAP_DONE;
}
