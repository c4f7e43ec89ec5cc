#include "store/tree_state.h"

static_assert(sizeof(struct tree_batch) <= 4096, "one page class of the heap");

static struct znode *entry_node(const struct tree_retire_entry *entry)
{
    return (struct znode *)(entry->node_kind & ~TREE_RETIRE_KIND_MASK);
}

static enum tree_retire_kind entry_kind(const struct tree_retire_entry *entry)
{
    return (enum tree_retire_kind)(entry->node_kind & TREE_RETIRE_KIND_MASK);
}

static struct tree_batch *chunk_append(struct tree *tree, struct tree_retire_list *list)
{
    struct tree_batch *chunk = heap_alloc(&tree->heap, sizeof(*chunk));
    CHECK(chunk); /* the machine itself has no memory left: stop */
    chunk->next = NULL;
    chunk->count = 0;
    chunk->sequence = 0;
    if (list->last)
        list->last->next = chunk;
    else
        list->first = chunk;
    list->last = chunk;
    return chunk;
}

static void list_append(struct tree *tree, struct tree_retire_list *list,
                        struct tree_retire_entry entry)
{
    struct tree_batch *chunk = list->last;
    if (!chunk || chunk->count == TREE_BATCH_ENTRY_COUNT)
        chunk = chunk_append(tree, list);
    chunk->entries[chunk->count++] = entry;
}

void tree_retire_add(struct tree *tree, struct znode *node, enum tree_retire_kind kind,
                     int64_t stamp)
{
    const struct tree_batch *last = tree->retire.queue.last;
    CHECK(node && ((uintptr_t)node & TREE_RETIRE_KIND_MASK) == 0);
    DCHECK(!last || last->count == 0 || last->entries[last->count - 1].stamp <= stamp);
    tree->retire.queue_count++;
    list_append(tree, &tree->retire.queue,
                (struct tree_retire_entry){(uintptr_t)node | (uintptr_t)kind, stamp});
}

/* How many entries at the front of the chunk have a stamp <= zxid. */
static uint32_t chunk_ripe_count(const struct tree_batch *chunk, int64_t zxid)
{
    uint32_t low = 0, high = chunk->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (chunk->entries[middle].stamp <= zxid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Cuts the entries of the queue's first chunk from `at` on off, into a new first chunk behind it.
 */
static void chunk_split(struct tree *tree, struct tree_batch *chunk, uint32_t at)
{
    struct tree_retire_list rest = {0};
    struct tree_batch *more = chunk_append(tree, &rest);
    more->count = chunk->count - at;
    memcpy(more->entries, &chunk->entries[at], more->count * sizeof(more->entries[0]));
    more->next = chunk->next;
    chunk->count = at;
    chunk->next = more;
    if (tree->retire.queue.last == chunk)
        tree->retire.queue.last = more;
}

/* After a hold: what was kept for it joins the queue, a bounded number at a time. */
static void retire_unhold(struct tree *tree)
{
    struct tree_retire *retire = &tree->retire;
    for (uint32_t n = 0; n < TREE_BATCH_CHUNK_MAX && retire->held.first && !retire->hold; n++) {
        struct tree_batch *chunk = retire->held.first;
        retire->held.first = chunk->next;
        if (!chunk->next)
            retire->held.last = NULL;
        retire->held_count -= chunk->count;
        for (uint32_t i = 0; i < chunk->count; i++) {
            struct znode *node = entry_node(&chunk->entries[i]);
            enum tree_retire_kind kind = entry_kind(&chunk->entries[i]);
            /* A tombstone that was replaced meanwhile has another entry, behind this one. */
            if (kind != TREE_RETIRE_TOMBSTONE || !(node->prev & ZNODE_PREV_REPLACED))
                tree_retire_add(tree, node, kind, tree->zxid);
        }
        heap_free(&tree->heap, chunk, sizeof(*chunk));
    }
}

uint64_t tree_retired_count(const struct tree *tree)
{
    const struct tree_retire *retire = &tree->retire;
    return retire->queue_count + (retire->hold ? 0 : retire->held_count);
}

struct tree_batch *tree_retired(struct tree *tree)
{
    retire_unhold(tree);
    struct tree_retire_list *queue = &tree->retire.queue;
    struct tree_batch *batch = queue->first, *last = NULL;
    int64_t published = tree_published(tree);
    for (uint32_t n = 0; n < TREE_BATCH_CHUNK_MAX && queue->first; n++) {
        struct tree_batch *chunk = queue->first;
        uint32_t ripe = chunk_ripe_count(chunk, published);
        if (ripe == 0)
            break;
        if (ripe < chunk->count)
            chunk_split(tree, chunk, ripe);
        last = chunk;
        tree->retire.queue_count -= chunk->count;
        queue->first = chunk->next;
        if (!queue->first)
            queue->last = NULL;
    }
    if (!last)
        return NULL;
    last->next = NULL;
    batch->sequence = tree->retire.sequence_out++;
    return batch;
}

/* A version is cut out of its chain of versions, because one behind it stays for a hold. Readers
 * may be on it: it needs another grace period. */
static void retire_cut(struct tree *tree, struct znode *node)
{
    struct bytes path = znode_path(node);
    tree_hash_slot *slot = tree_hash_find(&tree->hash, path, tree_hash_of(&tree->hash, path));
    CHECK(slot);
    struct znode *newer = tree_hash_at(slot), *at;
    while ((at = atomic_load_explicit(&newer->older, memory_order_relaxed)) != node) {
        CHECK(at);
        newer = at;
    }
    struct znode *older = atomic_load_explicit(&node->older, memory_order_relaxed);
    atomic_store_explicit(&newer->older, older, memory_order_release);
    tree_retire_add(tree, node, TREE_RETIRE_LOOSE, tree->zxid);
}

static void retire_hold(struct tree *tree, const struct tree_retire_entry *entry)
{
    struct tree_retire *retire = &tree->retire;
    retire->hold_size += znode_footprint(entry_node(entry));
    retire->held_count++;
    list_append(tree, &retire->held, *entry);
    if (retire->hold_size > retire->hold_size_limit)
        atomic_store_explicit(&retire->hold_broken, true, memory_order_relaxed);
}

static void retire_replaced(struct tree *tree, const struct tree_retire_entry *entry)
{
    const struct tree_retire *retire = &tree->retire;
    struct znode *node = entry_node(entry);
    if (znode_is(node, ZNODE_TOMBSTONE) && retire->held.first)
        retire_hold(tree,
                    entry); /* its own entry may be among the held ones: this one is behind it */
    else if (!retire->hold || entry->stamp <= retire->hold_zxid)
        znode_free(&tree->heap, node);
    else if (node->stamp <= retire->hold_zxid)
        retire_hold(tree, entry);
    else
        retire_cut(tree, node);
}

/* A tombstone leaves the hash and the list of siblings. Dead children of it leave theirs first. */
static void retire_tombstone(struct tree *tree, const struct tree_retire_entry *entry)
{
    struct znode *node = entry_node(entry);
    const struct znode_parent *links = znode_parent(node);
    if (node->prev & ZNODE_PREV_REPLACED)
        return; /* created again: it is a REPLACED entry of its own */
    if (tree->retire.hold && entry->stamp > tree->retire.hold_zxid) {
        retire_hold(tree, entry);
        return;
    }
    if (links && atomic_load_explicit(&links->first_child, memory_order_relaxed)) {
        tree_retire_add(tree, node, TREE_RETIRE_TOMBSTONE, tree->zxid);
        return;
    }
    tree_unlink(tree, node);
    struct bytes path = znode_path(node);
    tree_hash_slot *slot = tree_hash_find(&tree->hash, path, tree_hash_of(&tree->hash, path));
    CHECK(slot && tree_hash_at(slot) == node);
    tree_hash_remove(&tree->hash, slot);
    tree_retire_add(tree, node, TREE_RETIRE_LOOSE, tree->zxid);
}

static void retire_entry(struct tree *tree, const struct tree_retire_entry *entry)
{
    switch (entry_kind(entry)) {
    case TREE_RETIRE_REPLACED: retire_replaced(tree, entry); break;
    case TREE_RETIRE_TOMBSTONE: retire_tombstone(tree, entry); break;
    case TREE_RETIRE_LOOSE: znode_free(&tree->heap, entry_node(entry)); break;
    }
}

void tree_retire_reclaim(struct tree *tree, struct tree_batch *batch)
{
    CHECK(!tree->in_command);
    CHECK(batch->sequence == tree->retire.sequence_in++);
    /* Tombstones first: one that was replaced may be freed by a REPLACED entry of the same batch.
     */
    for (struct tree_batch *chunk = batch; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < chunk->count; i++)
            if (entry_kind(&chunk->entries[i]) == TREE_RETIRE_TOMBSTONE)
                retire_entry(tree, &chunk->entries[i]);
    while (batch) {
        struct tree_batch *next = batch->next;
        for (uint32_t i = 0; i < batch->count; i++)
            if (entry_kind(&batch->entries[i]) != TREE_RETIRE_TOMBSTONE)
                retire_entry(tree, &batch->entries[i]);
        heap_free(&tree->heap, batch, sizeof(*batch));
        batch = next;
    }
}

void tree_retire_drop(struct tree *tree)
{
    struct tree_retire_list *lists[] = {&tree->retire.queue, &tree->retire.held};
    for (int i = 0; i < 2; i++) {
        while (lists[i]->first) {
            struct tree_batch *chunk = lists[i]->first;
            lists[i]->first = chunk->next;
            for (uint32_t e = 0; e < chunk->count; e++)
                if (entry_kind(&chunk->entries[e]) != TREE_RETIRE_TOMBSTONE)
                    znode_free(&tree->heap, entry_node(&chunk->entries[e]));
            heap_free(&tree->heap, chunk, sizeof(*chunk));
        }
        lists[i]->last = NULL;
    }
}
