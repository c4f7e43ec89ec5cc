#include "store/tree_state.h"

int64_t tree_hold(struct tree *tree, uint64_t size_limit)
{
    struct tree_retire *retire = &tree->retire;
    CHECK(!tree->in_command);
    CHECK(!retire->hold && !retire->held.first);
    retire->hold = true;
    retire->hold_zxid = tree->zxid;
    retire->hold_size_limit = size_limit;
    retire->hold_size = 0;
    atomic_store_explicit(&retire->hold_broken, false, memory_order_relaxed);
    tree_hash_freeze(&tree->hash, true); /* a walk sees each path once */
    return retire->hold_zxid;
}

void tree_hold_release(struct tree *tree)
{
    struct tree_retire *retire = &tree->retire;
    struct tree_batch *chunk = retire->held.first;
    CHECK(!tree->in_command);
    CHECK(retire->hold);
    retire->hold = false;
    retire->held = (struct tree_retire_list){0};
    tree_hash_freeze(&tree->hash, false);
    while (chunk) {
        struct tree_batch *next = chunk->next;
        for (uint32_t i = 0; i < chunk->count; i++) {
            uintptr_t node_kind = chunk->entries[i].node_kind;
            enum tree_retire_kind kind = (enum tree_retire_kind)(node_kind & TREE_RETIRE_KIND_MASK);
            struct znode *node = (struct znode *)(node_kind & ~TREE_RETIRE_KIND_MASK);
            /* A tombstone that was replaced meanwhile has another entry, which may be on its way
             * already, and frees it. */
            if (kind == TREE_RETIRE_TOMBSTONE && (node->prev & ZNODE_PREV_REPLACED))
                continue;
            tree_retire_add(tree, node, kind, tree->zxid);
        }
        heap_free(&tree->heap, chunk, sizeof(*chunk));
        chunk = next;
    }
}

bool tree_hold_broken(const struct tree *tree)
{
    return atomic_load_explicit(&tree->retire.hold_broken, memory_order_relaxed);
}
