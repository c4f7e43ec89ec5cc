#include "store/tree_state.h"

int64_t tree_hold(struct tree *tree, uint64_t size_limit)
{
    struct tree_retire *retire = &tree->retire;
    CHECK(!tree->in_command);
    CHECK(!retire->hold);
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
    CHECK(!tree->in_command);
    CHECK(tree->retire.hold);
    tree->retire.hold = false; /* what was held goes with the next calls of tree_retired */
    tree_hash_freeze(&tree->hash, false);
}

bool tree_hold_broken(const struct tree *tree)
{
    return atomic_load_explicit(&tree->retire.hold_broken, memory_order_relaxed);
}
