/* naive_tree: the tree's twin: every prototype of store/tree.h, written to be obviously right and
 * nothing else. Each state is an array of pointers to immutable nodes; a change copies the array.
 * Linear search, no hash, no reclaim: for small trees in tests.
 *
 * A program links either store/tree.c or this file. One that needs both (the tree's differential
 * test) compiles this file with -DNAIVE_TREE_PREFIX and includes this header, which renames
 * everything: tree_add becomes naive_tree_add, struct tree becomes struct naive_tree. */
#pragma once

#ifdef NAIVE_TREE_PREFIX
#define tree                  naive_tree
#define znode                 naive_znode
#define tree_config           naive_tree_config
#define tree_view             naive_tree_view
#define tree_batch            naive_tree_batch
#define tree_create           naive_tree_create
#define tree_destroy          naive_tree_destroy
#define tree_begin            naive_tree_begin
#define tree_commit           naive_tree_commit
#define tree_rollback         naive_tree_rollback
#define tree_publish          naive_tree_publish
#define tree_find             naive_tree_find
#define tree_add              naive_tree_add
#define tree_set              naive_tree_set
#define tree_set_silent       naive_tree_set_silent
#define tree_set_acl          naive_tree_set_acl
#define tree_remove           naive_tree_remove
#define tree_get              naive_tree_get
#define tree_child_first      naive_tree_child_first
#define tree_child_next       naive_tree_child_next
#define tree_descendant_count naive_tree_descendant_count
#define znode_path            naive_znode_path
#define znode_name            naive_znode_name
#define znode_data            naive_znode_data
#define znode_acl             naive_znode_acl
#define znode_owner           naive_znode_owner
#define znode_child_count     naive_znode_child_count
#define znode_creations       naive_znode_creations
#define znode_stat            naive_znode_stat
#define tree_retired          naive_tree_retired
#define tree_reclaim          naive_tree_reclaim
#define tree_memory_size      naive_tree_memory_size
#define tree_node_count       naive_tree_node_count
#define tree_data_size        naive_tree_data_size
#define tree_published        naive_tree_published
#endif

#include "store/tree.h"

/* naive_tree_creations sets how many children a node had, for tests of the sequence counter. */
void naive_tree_creations_set(struct tree *tree, struct bytes path, int32_t creations);
