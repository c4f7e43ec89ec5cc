#include "store/tree_state.h"

/* A path as it may be stored: begins with '/', no empty component, no '/' at the end but for "/".
 */
static bool load_path_valid(struct bytes path)
{
    if (path.size < 1 || path.size > (int32_t)ZNODE_PATH_SIZE_MAX || path.at[0] != '/')
        return false;
    for (int32_t i = 1; i < path.size; i++)
        if (path.at[i] == 0 || (path.at[i] == '/' && path.at[i - 1] == '/'))
            return false;
    return path.size == 1 || path.at[path.size - 1] != '/';
}

void tree_load_begin(struct tree *tree, uint64_t node_count)
{
    struct tree_hash_cursor cursor = {0};
    struct znode *nodes[16];
    CHECK(!tree->in_command && !tree->loading);
    CHECK(tree->zxid == 0 && tree->undo_count == 0);
    uint32_t n = tree_hash_scan(&tree->hash, &cursor, nodes, 16);
    CHECK(n == tree->counts.nodes && n <= 4); /* nothing but the built-in nodes */
    for (uint32_t i = 0; i < n; i++) {
        struct bytes path = znode_path(nodes[i]);
        tree_hash_remove(&tree->hash,
                         tree_hash_find(&tree->hash, path, tree_hash_of(&tree->hash, path)));
        znode_free(&tree->heap, nodes[i]);
    }
    tree->counts = (struct tree_counts){0};
    tree->loading = true;
    tree->load_child_count = 0;
    tree_hash_presize(&tree->hash, node_count);
}

static int load_fault(struct fault *fault, int err, struct bytes path, const char *what)
{
    int shown = path.size < 200 ? path.size : 200;
    return fault_set(fault, err, "node '%.*s': %s", shown, (const char *)path.at, what);
}

int tree_load_node(struct tree *tree, const struct tree_image *image, struct fault *fault)
{
    CHECK(tree->loading);
    bool parent = image->creations != 0 || image->child_count != 0 || image->pzxid != image->czxid;
    if (!load_path_valid(image->path))
        return load_fault(fault, ERR_CORRUPT, image->path, "the path is not well-formed");
    uint64_t value = tree_hash_of(&tree->hash, image->path);
    if (tree_hash_find(&tree->hash, image->path, value))
        return load_fault(fault, ERR_CORRUPT, image->path, "is there twice");
    if (tree->counts.nodes >= tree->config.nodes_max)
        return load_fault(fault, ERR_NOMEM, image->path,
                          "is beyond the configured number of nodes");
    struct znode_recipe recipe = {.path = image->path, .data = image->data, .parent = parent};
    struct znode *node = znode_make(&tree->heap, &recipe);
    if (!node)
        return load_fault(fault, ERR_NOMEM, image->path, "the machine has no memory for it");
    node->czxid = image->czxid;
    node->mzxid = image->mzxid;
    node->ctime_ms = image->ctime_ms;
    node->mtime_ms = image->mtime_ms;
    node->owner = image->owner;
    node->version = image->version;
    node->aversion = image->aversion;
    node->acl = image->acl;
    node->stamp = -(int64_t)image->child_count; /* children to come; 0 when all are tied to it */
    if (parent) {
        znode_parent(node)->pzxid = image->pzxid;
        znode_parent(node)->creations = image->creations;
        znode_parent(node)->child_count = image->child_count;
    }
    tree_hash_insert(&tree->hash, node, value);
    int32_t data_size = image->data.size > 0 ? image->data.size : 0;
    tree->load_child_count += image->child_count;
    tree->counts.nodes++;
    tree->counts.data_size += (uint64_t)image->path.size + (uint64_t)data_size;
    tree->counts.charge += tree_charge((uint64_t)image->path.size, data_size, parent);
    return 0;
}

/* Ties one node to its parent; `hint` is the parent of the node before, most often the same. */
static int load_tie(struct tree *tree, struct znode *node, struct znode **hint, struct fault *fault)
{
    struct bytes path = znode_path(node);
    struct bytes above = tree_parent_path(path);
    if (!*hint || !znode_path_is(*hint, above)) {
        tree_hash_slot *slot = tree_hash_find(&tree->hash, above, tree_hash_of(&tree->hash, above));
        if (!slot)
            return load_fault(fault, ERR_CORRUPT, path, "has no parent");
        *hint = tree_hash_at(slot);
    }
    if ((*hint)->stamp == 0)
        return load_fault(fault, ERR_CORRUPT, above, "has more children than it counts");
    (*hint)->stamp++;
    struct znode_parent *links = znode_parent(*hint);
    struct znode *head = atomic_load_explicit(&links->first_child, memory_order_relaxed);
    atomic_store_explicit(&node->next, head, memory_order_relaxed);
    if (head)
        head->prev = (uintptr_t)node;
    atomic_store_explicit(&links->first_child, node, memory_order_relaxed);
    return 0;
}

int tree_load_end(struct tree *tree, int64_t zxid, struct fault *fault)
{
    struct tree_hash_cursor cursor = {0};
    struct znode *nodes[256], *hint = NULL;
    uint64_t root_count = 0;
    uint32_t n;
    CHECK(tree->loading);
    if (zxid < 0)
        return fault_set(fault, ERR_CORRUPT, "a negative zxid: 0x%llx", (unsigned long long)zxid);
    while ((n = tree_hash_scan(&tree->hash, &cursor, nodes, 256)) > 0) {
        for (uint32_t i = 0; i < n; i++)
            __builtin_prefetch((const char *)nodes[i] + sizeof(struct znode));
        for (uint32_t i = 0; i < n; i++) {
            if (znode_path_size(nodes[i]) == 1) {
                root_count++;
                continue;
            }
            int err = load_tie(tree, nodes[i], &hint, fault);
            if (err)
                return err;
        }
    }
    /* No parent got more than it counts (above); so if the sums agree, each got what it counts. */
    if (root_count != 1)
        return fault_set(fault, ERR_CORRUPT, "the node '/' is missing");
    if (tree->load_child_count != tree->counts.nodes - 1)
        return fault_set(fault, ERR_CORRUPT, "children are missing: %llu counted, %llu there",
                         (unsigned long long)tree->load_child_count,
                         (unsigned long long)tree->counts.nodes - 1);
    tree->loading = false;
    tree->zxid = zxid;
    tree_show_counts(tree);
    tree_publish(tree, zxid);
    return 0;
}
