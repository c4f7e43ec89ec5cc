#include "store/tree_state.h"

#include <stdlib.h>

#define TREE_UNDO_ROOM_MIN 64

/* ---- life ------------------------------------------------------------------------------------ */

static int tree_make_builtins(struct tree *tree)
{
    static const struct {
        const char *path;
        uint32_t child_count, acl;
        int32_t aversion;
    } builtins[] = {{"/", 1, 0, 0},
                    {"/zookeeper", 2, 0, 0},
                    {"/zookeeper/quota", 0, 0, 0},
                    {"/zookeeper/config", 0, 1, -1}};
    tree_load_begin(tree, 4);
    for (uint32_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        struct tree_image image = {.path = bytes_of_string(builtins[i].path),
                                   .data = bytes_of("", 0),
                                   .acl = builtins[i].acl,
                                   .child_count = builtins[i].child_count,
                                   .aversion = builtins[i].aversion};
        int err = tree_load_node(tree, &image, NULL);
        if (err)
            return err;
    }
    return tree_load_end(tree, 0, NULL);
}

int tree_create(struct tree **out, const struct tree_config *config)
{
    if (config->nodes_max < 16 || config->nodes_max >= 1ull << 32)
        return ERR_RANGE;
    struct tree *tree = aligned_alloc(64, (sizeof(struct tree) + 63) & ~(size_t)63);
    if (!tree)
        return ERR_NOMEM;
    memset((void *)tree, 0, sizeof(*tree));
    tree->config = *config;
    int err = heap_init(&tree->heap);
    if (err)
        goto failed;
    err = tree_hash_init(&tree->hash, config->nodes_max, config->hash_seed);
    if (err)
        goto failed;
    err = tree_make_builtins(tree);
    if (err)
        goto failed;
    *out = tree;
    return 0;
failed:
    tree_destroy(tree);
    return err;
}

#ifndef TAKT_JEMALLOC
/* With jemalloc the whole arena goes at once. */
static void tree_drop_nodes(struct tree *tree)
{
    struct tree_hash_cursor cursor = {0};
    struct znode *nodes[64];
    uint32_t n;
    while ((n = tree_hash_scan(&tree->hash, &cursor, nodes, 64)) > 0)
        for (uint32_t i = 0; i < n; i++)
            znode_free(&tree->heap, nodes[i]);
}
#endif

void tree_destroy(struct tree *tree)
{
    if (!tree)
        return;
    CHECK(!tree->in_command);
    CHECK(tree->retire.sequence_out == tree->retire.sequence_in);
    tree_retire_drop(tree);
#ifndef TAKT_JEMALLOC
    if (tree->hash.buckets)
        tree_drop_nodes(tree);
#endif
    heap_fini(&tree->heap);
    tree_hash_fini(&tree->hash);
    free(tree->undo);
    free(tree);
}

/* ---- links: how versions take each other's place ---------------------------------------------
 *
 * The children of a node are a list, newest first: a new element goes to the head, a new version of
 * an element takes its place, a tombstone stays in the list until its grace period is over. The
 * links of a replaced version are frozen. Why a reader whose view is S reaches every child that
 * lives at S, from any version it may stand on:
 *   (1) It never stands on a version that a change <= S replaced. The hash and `older` give it the
 *       version visible at S, which is not one. A link of a current version, or of one that is
 *       being replaced, leads to what was current when the link was written; had a change <= S
 *       replaced that, the link would have been written again before S was published. A frozen link
 *       leads to what was current at the freezing, by a change > S by induction; what is replaced
 *       after that is replaced by a change > S too.
 *   (2) Elements never change their order, and nothing is ever inserted behind an element. So what
 *       followed an element when its link was frozen, by a change > S, is all that was created
 * before it and not unlinked: nothing that lives at S is missing. (3) An element is unlinked only
 * when its tombstone's grace period is over: no view needs it. And why it never meets freed memory:
 * by (1) a version replaced at Z is not met by views >= Z, and it is freed a grace period after
 * publish(Z). An unlinked tombstone can still be reached through links frozen before the unlinking,
 * that is by changes up to the last one made, Y; by (1) only by views < Y; it is freed a grace
 * period after publish(Y). A version that a rollback took back is current for nobody who starts
 * after the rollback. */

static bool tree_is_root(struct bytes path)
{
    return path.size == 1;
}

static tree_hash_slot *tree_slot_probe(struct tree *tree, struct bytes path)
{
    return tree_hash_find(&tree->hash, path, tree_hash_of(&tree->hash, path));
}

/* A command asks for one path several times over: looks at the slot found last before it probes. */
static tree_hash_slot *tree_slot(struct tree *tree, struct bytes path)
{
    tree_hash_slot *slot = tree->slot_last;
    if (slot && znode_path_is(tree_hash_at(slot), path))
        return slot;
    slot = tree_slot_probe(tree, path);
    if (slot && tree->in_command)
        tree->slot_last = slot;
    return slot;
}

/* The place that leads to `node`, which is current: its left neighbour's link or its parent's. */
static _Atomic(struct znode *) *tree_link_to(struct tree *tree, const struct znode *node)
{
    struct znode *prev = (struct znode *)node->prev;
    CHECK(!(node->prev & ZNODE_PREV_REPLACED));
    if (prev)
        return &prev->next;
    tree_hash_slot *slot = tree_slot_probe(tree, tree_parent_path(znode_path(node)));
    CHECK(slot);
    struct znode_parent *parent = znode_parent(tree_hash_at(slot));
    CHECK(parent);
    return &parent->first_child;
}

/* Puts `node` where `old` stands: in the list of siblings and in the hash. */
static void tree_take_place(struct tree *tree, tree_hash_slot *slot, struct znode *old,
                            struct znode *node)
{
    struct znode *next = atomic_load_explicit(&old->next, memory_order_relaxed);
    node->prev = old->prev;
    /* release for a rollback, where node is not new; then nothing changes, see tree_pop */
    atomic_store_explicit(&node->next, next, memory_order_release);
    if (!tree_is_root(znode_path(old))) {
        _Atomic(struct znode *) *link = tree_link_to(tree, old);
        DCHECK(atomic_load_explicit(link, memory_order_relaxed) == old);
        /* release; pairs with the acquire in tree_child_first and tree_child_next */
        atomic_store_explicit(link, node, memory_order_release);
    }
    if (next)
        next->prev = (uintptr_t)node;
    tree_hash_put(slot, node);
}

void tree_unlink(struct tree *tree, struct znode *node)
{
    struct znode *next = atomic_load_explicit(&node->next, memory_order_relaxed);
    _Atomic(struct znode *) *link = tree_link_to(tree, node);
    CHECK(atomic_load_explicit(link, memory_order_relaxed) == node);
    atomic_store_explicit(link, next, memory_order_release);
    if (next)
        next->prev = node->prev;
}

/* ---- commands and undo ----------------------------------------------------------------------- */

void tree_begin(struct tree *tree, int64_t zxid, int64_t time_ms)
{
    CHECK(!tree->in_command && !tree->loading);
    CHECK(zxid > tree->zxid);
    CHECK(!tree->slot_last);
    tree->in_command = true;
    tree->zxid = zxid;
    tree->time_ms = time_ms;
    tree->counts_before = tree->counts;
    tree->undo_count = 0;
}

static void tree_undo_reserve(struct tree *tree, uint32_t count)
{
    if (tree->undo_room - tree->undo_count >= count)
        return;
    uint32_t room = tree->undo_room ? tree->undo_room * 2 : TREE_UNDO_ROOM_MIN;
    struct znode **undo = realloc(tree->undo, room * sizeof(*undo));
    CHECK(undo);
    tree->undo = undo;
    tree->undo_room = room;
}

/* Stamps a version, ties it to the one before, and makes it current. */
static void tree_push(struct tree *tree, tree_hash_slot *slot, struct znode *node)
{
    struct znode *old = tree_hash_at(slot);
    CHECK(tree->in_command);
    CHECK(old && old != node);
    node->stamp = tree->zxid;
    atomic_store_explicit(&node->older, old, memory_order_relaxed);
    tree_take_place(tree, slot, old, node);
    tree_undo_reserve(tree, 1);
    tree->undo[tree->undo_count++] = node;
}

/* Makes the first version of an element current, at the head of its parent's list. */
static void tree_push_first(struct tree *tree, struct znode_parent *parent, struct znode *node,
                            uint64_t value)
{
    struct znode *head = atomic_load_explicit(&parent->first_child, memory_order_relaxed);
    CHECK(tree->in_command);
    node->stamp = tree->zxid;
    atomic_store_explicit(&node->next, head, memory_order_relaxed);
    atomic_store_explicit(&parent->first_child, node, memory_order_release);
    if (head)
        head->prev = (uintptr_t)node;
    tree->slot_last = NULL; /* an insert may move entries */
    tree_hash_insert(&tree->hash, node, value);
    tree_undo_reserve(tree, 1);
    tree->undo[tree->undo_count++] = node;
}

/* Takes back what was pushed last. Exactly the push in reverse: everything pushed after it is gone,
 * so its neighbours are those it had. */
static void tree_pop(struct tree *tree, struct znode *node)
{
    struct znode *old = atomic_load_explicit(&node->older, memory_order_relaxed);
    tree_hash_slot *slot = tree_slot(tree, znode_path(node));
    CHECK(slot && tree_hash_at(slot) == node);
    if (old) {
        tree_take_place(tree, slot, node, old);
    } else {
        tree_unlink(tree, node);
        tree->slot_last = NULL;
        tree_hash_remove(&tree->hash, slot);
    }
    tree_retire_add(tree, node, TREE_RETIRE_LOOSE, tree->zxid);
}

void tree_show_counts(struct tree *tree)
{
    atomic_store_explicit(&tree->nodes, tree->counts.nodes, memory_order_relaxed);
    atomic_store_explicit(&tree->data_size, tree->counts.data_size, memory_order_relaxed);
    atomic_store_explicit(&tree->charge_shown, tree->counts.charge, memory_order_relaxed);
}

void tree_commit(struct tree *tree)
{
    CHECK(tree->in_command);
    for (uint32_t i = 0; i < tree->undo_count; i++) {
        struct znode *node = tree->undo[i];
        struct znode *old = atomic_load_explicit(&node->older, memory_order_relaxed);
        CHECK(node->stamp == tree->zxid);
        if (old) {
            old->prev = ZNODE_PREV_REPLACED;
            tree_retire_add(tree, old, TREE_RETIRE_REPLACED, tree->zxid);
        }
        if (znode_is(node, ZNODE_TOMBSTONE))
            tree_retire_add(tree, node, TREE_RETIRE_TOMBSTONE, tree->zxid);
    }
    tree->undo_count = 0;
    tree->in_command = false;
    tree->slot_last = NULL;
    tree_show_counts(tree);
}

void tree_rollback(struct tree *tree)
{
    CHECK(tree->in_command);
    while (tree->undo_count > 0)
        tree_pop(tree, tree->undo[--tree->undo_count]);
    tree->counts = tree->counts_before;
    tree->in_command = false;
    tree->slot_last = NULL;
}

void tree_publish(struct tree *tree, int64_t zxid)
{
    CHECK(!tree->in_command);
    CHECK(zxid >= atomic_load_explicit(&tree->published, memory_order_relaxed));
    /* release; pairs with the acquire in tree_published: a view sees all changes up to its zxid */
    atomic_store_explicit(&tree->published, zxid, memory_order_release);
}

/* ---- changes --------------------------------------------------------------------------------- */

static const struct znode *tree_live(const struct znode *node)
{
    return node && !znode_is(node, ZNODE_TOMBSTONE) ? node : NULL;
}

const struct znode *tree_find(struct tree *tree, struct bytes path)
{
    if (path.size <= 0)
        return NULL;
    tree_hash_slot *slot = tree_slot(tree, path);
    return slot ? tree_live(tree_hash_at(slot)) : NULL;
}

/* The slot of a node that must live. */
static tree_hash_slot *tree_slot_live(struct tree *tree, struct bytes path)
{
    CHECK(tree->in_command);
    tree_hash_slot *slot = tree_slot(tree, path);
    CHECK(slot && tree_live(tree_hash_at(slot)));
    return slot;
}

static bool tree_charged_as_parent(const struct znode *node)
{
    const struct znode_parent *parent = znode_parent(node);
    return parent &&
           (parent->creations != 0 || parent->child_count != 0 || parent->pzxid != node->czxid);
}

void tree_limit_set(struct tree *tree, uint64_t memory_limit)
{
    CHECK(!tree->in_command);
    tree->config.memory_limit = memory_limit;
}

static uint64_t tree_charge_of(const struct znode *node)
{
    return tree_charge(znode_path_size(node), node->data_size, tree_charged_as_parent(node));
}

static bool tree_room_for(const struct tree *tree, uint64_t more, uint64_t less)
{
    return more <= less || tree->counts.charge + more - less <= tree->config.memory_limit;
}

/* A copy of `from` with room for children, to be changed and pushed by the caller. */
static struct znode *tree_copy_as_parent(struct tree *tree, const struct znode *from)
{
    struct znode_recipe recipe = {
        .from = from, .path = znode_path(from), .data_kept = true, .parent = true};
    return znode_make(&tree->heap, &recipe);
}

/* The first version of a child, or of one that comes after `tombstone`, whose dead children may
 * still be waiting in its list. */
static struct znode *tree_make_child(struct tree *tree, const struct znode *tombstone,
                                     struct bytes path, struct bytes data)
{
    const struct znode_parent *dead = tombstone ? znode_parent(tombstone) : NULL;
    struct znode *waiting =
        dead ? atomic_load_explicit(&dead->first_child, memory_order_relaxed) : NULL;
    struct znode_recipe recipe = {.path = path, .data = data, .parent = waiting != NULL};
    struct znode *node = znode_make(&tree->heap, &recipe);
    if (!node)
        return NULL;
    node->czxid = node->mzxid = tree->zxid;
    node->ctime_ms = node->mtime_ms = tree->time_ms;
    if (waiting) {
        znode_parent(node)->pzxid = tree->zxid;
        atomic_init(&znode_parent(node)->first_child, waiting);
    }
    return node;
}

int tree_add(struct tree *tree, struct bytes path, struct bytes data, uint32_t acl_id,
             int64_t owner)
{
    uint64_t value = tree_hash_of(&tree->hash, path);
    tree_hash_prefetch(&tree->hash, value);
    tree_hash_slot *parent_slot = tree_slot_live(tree, tree_parent_path(path));
    const struct znode *parent_before = tree_hash_at(parent_slot);
    uint64_t charge =
        tree_charge((uint64_t)path.size +
                        (tree_charged_as_parent(parent_before) ? 0 : sizeof(struct znode_parent)),
                    data.size, false);
    if (tree->counts.nodes >= tree->config.nodes_max || !tree_room_for(tree, charge, 0))
        return ERR_NOMEM;
    tree_hash_slot *slot = tree_hash_find(&tree->hash, path, value);
    const struct znode *tombstone = slot ? tree_hash_at(slot) : NULL;
    CHECK(!tree_live(tombstone));
    struct znode *node = tree_make_child(tree, tombstone, path, data);
    struct znode *parent = node ? tree_copy_as_parent(tree, parent_before) : NULL;
    if (!parent) {
        if (node)
            znode_free(&tree->heap, node);
        return ERR_NOMEM;
    }
    node->acl = acl_id;
    node->owner = owner;
    struct znode_parent *links = znode_parent(parent);
    links->pzxid = tree->zxid;
    links->creations += links->creations < INT32_MAX; /* the sequence counter never wraps */
    links->child_count++;
    tree->counts.charge += tree_charge_of(parent) - tree_charge_of(parent_before);
    tree_push(tree, parent_slot, parent);
    if (slot)
        tree_push(tree, slot, node);
    else
        tree_push_first(tree, links, node, value);
    tree->counts.nodes++;
    tree->counts.data_size += (uint64_t)path.size + (uint64_t)(data.size > 0 ? data.size : 0);
    tree->counts.charge += tree_charge_of(node);
    return 0;
}

enum tree_replace { TREE_REPLACE_PLAIN, TREE_REPLACE_SILENT, TREE_REPLACE_UNVERSIONED };

/* Pushes a version with other data; what else differs is up to the caller, before readers see it.
 */
static int tree_replace_data(struct tree *tree, struct bytes path, struct bytes data,
                             enum tree_replace how)
{
    tree_hash_slot *slot = tree_slot_live(tree, path);
    const struct znode *old = tree_hash_at(slot);
    struct znode_recipe recipe = {
        .from = old, .path = path, .data = data, .parent = znode_is(old, ZNODE_PARENT)};
    int32_t old_size = old->data_size > 0 ? old->data_size : 0;
    int32_t new_size = data.size > 0 ? data.size : 0;
    uint64_t charge_old = tree_charge_of(old);
    uint64_t charge_new = tree_charge((uint64_t)path.size, new_size, tree_charged_as_parent(old));
    if (how != TREE_REPLACE_UNVERSIONED && !tree_room_for(tree, charge_new, charge_old))
        return ERR_NOMEM;
    struct znode *node = znode_make(&tree->heap, &recipe);
    if (!node)
        return ERR_NOMEM;
    if (how == TREE_REPLACE_PLAIN)
        node->version = (int32_t)((uint32_t)node->version + 1);
    else if (how == TREE_REPLACE_UNVERSIONED)
        node->version = -1;
    if (how != TREE_REPLACE_SILENT) {
        node->mzxid = tree->zxid;
        node->mtime_ms = tree->time_ms;
    }
    tree->counts.charge += charge_new - charge_old;
    tree->counts.data_size += (uint64_t)((int64_t)new_size - old_size);
    tree_push(tree, slot, node);
    return 0;
}

int tree_set(struct tree *tree, struct bytes path, struct bytes data)
{
    return tree_replace_data(tree, path, data, TREE_REPLACE_PLAIN);
}

int tree_set_silent(struct tree *tree, struct bytes path, struct bytes data)
{
    return tree_replace_data(tree, path, data, TREE_REPLACE_SILENT);
}

void tree_set_unversioned(struct tree *tree, struct bytes path, struct bytes data)
{
    CHECK(tree_replace_data(tree, path, data, TREE_REPLACE_UNVERSIONED) == 0); /* else stop */
}

void tree_set_acl(struct tree *tree, struct bytes path, uint32_t acl_id)
{
    tree_hash_slot *slot = tree_slot_live(tree, path);
    const struct znode *old = tree_hash_at(slot);
    struct znode_recipe recipe = {
        .from = old, .path = path, .data_kept = true, .parent = znode_is(old, ZNODE_PARENT)};
    struct znode *node = znode_make(&tree->heap, &recipe);
    CHECK(node); /* the machine itself has no memory left: stop */
    node->acl = acl_id;
    node->aversion = (int32_t)((uint32_t)node->aversion + 1);
    tree_push(tree, slot, node);
}

void tree_remove(struct tree *tree, struct bytes path)
{
    tree_hash_slot *slot = tree_slot_live(tree, path);
    tree_hash_slot *parent_slot = tree_slot_live(tree, tree_parent_path(path));
    const struct znode *old = tree_hash_at(slot);
    const struct znode *parent_before = tree_hash_at(parent_slot);
    CHECK(znode_child_count(old) == 0);
    CHECK(znode_child_count(parent_before) > 0);
    struct znode *parent = tree_copy_as_parent(tree, parent_before);
    /* Dead children may still wait in its list: the tombstone keeps the list's head. */
    struct znode_recipe recipe = {
        .from = old, .path = path, .data = {NULL, -1}, .parent = znode_is(old, ZNODE_PARENT)};
    struct znode *tombstone = znode_make(&tree->heap, &recipe);
    CHECK(parent && tombstone);
    tombstone->path_bits |= ZNODE_TOMBSTONE;
    znode_parent(parent)->pzxid = tree->zxid;
    znode_parent(parent)->child_count--;
    tree->counts.nodes--;
    tree->counts.data_size -=
        (uint64_t)path.size + (uint64_t)(old->data_size > 0 ? old->data_size : 0);
    tree->counts.charge -= tree_charge_of(old);
    tree_push(tree, parent_slot, parent);
    tree_push(tree, slot, tombstone);
}

/* ---- readers --------------------------------------------------------------------------------- */

int64_t tree_published(const struct tree *tree)
{
    /* acquire; pairs with the release in tree_publish */
    return atomic_load_explicit(&tree->published, memory_order_acquire);
}

struct tree_view tree_view(struct tree *tree)
{
    return (struct tree_view){tree, tree_published(tree)};
}

inline const struct znode *tree_get(const struct tree_view *view, struct bytes path)
{
    if (path.size <= 0)
        return NULL;
    const struct tree_hash *hash = &view->tree->hash;
    struct znode *node = tree_hash_get(hash, path, tree_hash_of(hash, path));
    return tree_live(znode_version_at(node, view->zxid));
}

/* The first of `node` and the siblings behind it that lives in the view. */
static const struct znode *tree_first_visible(const struct tree_view *view, struct znode *node)
{
    while (node) {
        const struct znode *live = tree_live(znode_version_at(node, view->zxid));
        if (live)
            return live;
        node = atomic_load_explicit(&node->next, memory_order_acquire);
    }
    return NULL;
}

const struct znode *tree_child_first(const struct tree_view *view, const struct znode *parent)
{
    struct znode_parent *links = znode_parent(parent);
    if (!links)
        return NULL;
    return tree_first_visible(view,
                              atomic_load_explicit(&links->first_child, memory_order_acquire));
}

const struct znode *tree_child_next(const struct tree_view *view, const struct znode *child)
{
    return tree_first_visible(view, atomic_load_explicit(&child->next, memory_order_acquire));
}

/* The node behind `node` in a walk that does not go down; NULL when that leads out of `top`. */
static const struct znode *tree_after(const struct tree_view *view, const struct znode *node,
                                      struct bytes top)
{
    for (;;) {
        const struct znode *next = tree_child_next(view, node);
        if (next)
            return next;
        node = tree_get(view, tree_parent_path(znode_path(node)));
        CHECK(node); /* lives in the view because its child does */
        if (bytes_equal(znode_path(node), top))
            return NULL;
    }
}

uint64_t tree_descendant_count(const struct tree_view *view, const struct znode *top)
{
    uint64_t count = 0;
    const struct znode *node = tree_child_first(view, top);
    while (node) {
        const struct znode *down = tree_child_first(view, node);
        count++;
        node = down ? down : tree_after(view, node, znode_path(top));
    }
    return count;
}

void tree_reclaim(struct tree *tree, struct tree_batch *batch)
{
    if (batch)
        tree_retire_reclaim(tree, batch);
}

uint64_t tree_memory_size(const struct tree *tree)
{
    return heap_used(&tree->heap) +
           atomic_load_explicit(&tree->hash.memory_size, memory_order_relaxed);
}

uint64_t tree_charge_size(const struct tree *tree)
{
    return atomic_load_explicit(&tree->charge_shown, memory_order_relaxed);
}

uint64_t tree_node_count(const struct tree *tree)
{
    return atomic_load_explicit(&tree->nodes, memory_order_relaxed) + 1;
}

uint64_t tree_data_size(const struct tree *tree)
{
    return atomic_load_explicit(&tree->data_size, memory_order_relaxed);
}
