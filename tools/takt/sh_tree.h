/* sh_tree: what the shell does with whole subtrees. */
#pragma once

#include "tools/takt/sh.h"

/* The paths of a subtree, each parent before its children, children in byte order. */
struct sh_tree {
    char **paths; /* owned */
    size_t count, room;
};

/* sh_tree_collect lists path and all below it. A znode that vanishes meanwhile is left out. Returns
 * 0 and the caller ends *tree with sh_tree_fini; or an ERR_* that was told. */
MUST_USE int sh_tree_collect(struct sh *sh, const char *path, struct sh_tree *tree);
void sh_tree_fini(struct sh_tree *tree);

/* The command deleteall: children first, many requests in flight. */
MUST_USE int sh_tree_delete(struct sh *sh, const struct sh_args *args);
