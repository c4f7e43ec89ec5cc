#include "tests/model/naive_tree.h"

#include "base/check.h"

#include <stdlib.h>

struct znode {
    char *path;
    uint8_t *data;
    int32_t path_size, data_size; /* data_size -1: null */
    int64_t czxid, mzxid, pzxid, ctime_ms, mtime_ms, owner;
    int32_t version, aversion, creations;
    uint32_t acl, children;
    struct znode *made_before; /* every node ever made, to free them at the end */
};

/* One state: sorted by nothing, found by looking at each. */
struct state {
    struct znode **nodes;
    uint32_t count;
};

struct tree {
    struct tree_config config;
    struct state now, before, published; /* before: at tree_begin */
    struct znode *made;
    int64_t zxid, time_ms, published_zxid;
    bool open;
};

static struct state state_copy(const struct state *from)
{
    struct state to = {malloc((from->count + 1) * sizeof *to.nodes), from->count};
    CHECK(to.nodes != NULL);
    for (uint32_t i = 0; i < from->count; i++)
        to.nodes[i] = from->nodes[i];
    return to;
}

static void state_set(struct state *to, const struct state *from)
{
    struct state copy = state_copy(from);
    free(to->nodes);
    *to = copy;
}

static bool path_is(const struct znode *node, struct bytes path)
{
    return node->path_size == path.size && memcmp(node->path, path.at, (size_t)path.size) == 0;
}

static struct bytes parent_of(struct bytes path)
{
    int32_t size = path.size;
    while (path.at[size - 1] != '/')
        size--;
    return size == 1 ? bytes_of("/", 1) : bytes_of(path.at, (size_t)size - 1);
}

static int64_t index_of(const struct state *state, struct bytes path)
{
    for (uint32_t i = 0; i < state->count; i++)
        if (path_is(state->nodes[i], path))
            return i;
    return -1;
}

/* A new node that is like another (or zero) but can be changed until it is shared. */
static struct znode *node_like(struct tree *tree, const struct znode *other)
{
    struct znode *node = calloc(1, sizeof *node);
    CHECK(node != NULL);
    if (other)
        *node = *other;
    node->made_before = tree->made;
    tree->made = node;
    return node;
}

static void *copy(const void *from, size_t size)
{
    void *to = malloc(size + 1);
    CHECK(to != NULL);
    if (size)
        memcpy(to, from, size);
    return to;
}

/* A fresh version of an existing node in the state of now. */
static struct znode *change(struct tree *tree, struct bytes path)
{
    int64_t i = index_of(&tree->now, path);
    CHECK(i >= 0);
    struct znode *node = node_like(tree, tree->now.nodes[i]);
    /* Each version owns its bytes, so that freeing is simple. */
    node->path = copy(node->path, (size_t)node->path_size);
    node->data = copy(node->data, node->data_size > 0 ? (size_t)node->data_size : 0);
    tree->now.nodes[i] = node;
    return node;
}

static void data_set(struct znode *node, struct bytes data)
{
    free(node->data);
    node->data = copy(data.at, data.size > 0 ? (size_t)data.size : 0);
    node->data_size = data.size;
}

static void append(struct tree *tree, struct znode *node)
{
    struct state *now = &tree->now;
    now->nodes = realloc(now->nodes, (now->count + 1) * sizeof *now->nodes);
    CHECK(now->nodes != NULL);
    now->nodes[now->count++] = node;
}

static void built_in(struct tree *tree, const char *path, uint32_t acl, uint32_t children,
                     int32_t aversion)
{
    struct znode *node = node_like(tree, NULL);
    node->path_size = (int32_t)strlen(path);
    node->path = copy(path, strlen(path));
    node->data = copy("", 0);
    node->acl = acl;
    node->children = children;
    node->aversion = aversion;
    append(tree, node);
}

int tree_create(struct tree **tree, const struct tree_config *config)
{
    struct tree *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    t->config = *config;
    built_in(t, "/", 0, 1, 0);
    built_in(t, "/zookeeper", 0, 2, 0);
    built_in(t, "/zookeeper/quota", 0, 0, 0);
    built_in(t, "/zookeeper/config", 1, 0, -1);
    state_set(&t->published, &t->now);
    *tree = t;
    return 0;
}

void tree_destroy(struct tree *tree)
{
    struct znode *next;
    for (struct znode *node = tree->made; node; node = next) {
        next = node->made_before;
        free(node->path);
        free(node->data);
        free(node);
    }
    free(tree->now.nodes);
    free(tree->before.nodes);
    free(tree->published.nodes);
    free(tree);
}

void tree_begin(struct tree *tree, int64_t zxid, int64_t time_ms)
{
    CHECK(!tree->open);
    CHECK(zxid > tree->zxid);
    tree->open = true;
    tree->zxid = zxid;
    tree->time_ms = time_ms;
    state_set(&tree->before, &tree->now);
}

void tree_commit(struct tree *tree)
{
    CHECK(tree->open);
    tree->open = false;
}

void tree_rollback(struct tree *tree)
{
    CHECK(tree->open);
    tree->open = false;
    state_set(&tree->now, &tree->before);
}

void tree_limit_set(struct tree *tree, uint64_t memory_limit)
{
    CHECK(!tree->open);
    tree->config.memory_limit = memory_limit;
}

void tree_publish(struct tree *tree, int64_t zxid)
{
    CHECK(!tree->open);
    CHECK(zxid >= tree->published_zxid);
    tree->published_zxid = zxid;
    state_set(&tree->published, &tree->now);
}

const struct znode *tree_find(struct tree *tree, struct bytes path)
{
    int64_t i = index_of(&tree->now, path);
    return i < 0 ? NULL : tree->now.nodes[i];
}

#define NODE_SIZE 160 /* the charge of a node beside its bytes; any number would do */

static bool fits(const struct tree *tree, int64_t more)
{
    uint64_t used = tree_data_size(tree) + NODE_SIZE * tree->now.count;
    return tree->config.memory_limit == 0 || more <= 0 ||
           used + (uint64_t)more <= tree->config.memory_limit;
}

int tree_add(struct tree *tree, struct bytes path, struct bytes data, uint32_t acl_id,
             int64_t owner)
{
    CHECK(tree->open);
    CHECK(index_of(&tree->now, path) < 0);
    if (!fits(tree, NODE_SIZE + path.size + (data.size > 0 ? data.size : 0)))
        return ERR_NOMEM;
    struct znode *parent = change(tree, parent_of(path)), *node = node_like(tree, NULL);
    parent->children++;
    parent->creations += parent->creations < INT32_MAX;
    parent->pzxid = tree->zxid;
    node->path = copy(path.at, (size_t)path.size);
    node->path_size = path.size;
    data_set(node, data);
    node->czxid = node->mzxid = node->pzxid = tree->zxid;
    node->ctime_ms = node->mtime_ms = tree->time_ms;
    node->acl = acl_id;
    node->owner = owner;
    append(tree, node);
    return 0;
}

int tree_set(struct tree *tree, struct bytes path, struct bytes data)
{
    const struct znode *old = tree_find(tree, path);
    int64_t more = (data.size > 0 ? data.size : 0) - (old->data_size > 0 ? old->data_size : 0);
    CHECK(tree->open);
    if (!fits(tree, more))
        return ERR_NOMEM;
    struct znode *node = change(tree, path);
    data_set(node, data);
    node->version = (int32_t)((uint32_t)node->version + 1);
    node->mzxid = tree->zxid;
    node->mtime_ms = tree->time_ms;
    return 0;
}

int tree_set_silent(struct tree *tree, struct bytes path, struct bytes data)
{
    CHECK(tree->open);
    data_set(change(tree, path), data);
    return 0;
}

void tree_set_unversioned(struct tree *tree, struct bytes path, struct bytes data)
{
    CHECK(tree->open);
    struct znode *node = change(tree, path);
    data_set(node, data);
    node->version = -1;
    node->mzxid = tree->zxid;
    node->mtime_ms = tree->time_ms;
}

void tree_set_acl(struct tree *tree, struct bytes path, uint32_t acl_id)
{
    CHECK(tree->open);
    struct znode *node = change(tree, path);
    node->acl = acl_id;
    node->aversion = (int32_t)((uint32_t)node->aversion + 1);
}

void tree_remove(struct tree *tree, struct bytes path)
{
    int64_t i = index_of(&tree->now, path);
    CHECK(tree->open);
    CHECK(i >= 0 && tree->now.nodes[i]->children == 0);
    struct znode *parent = change(tree, parent_of(path));
    parent->children--;
    parent->pzxid = tree->zxid;
    for (uint32_t k = (uint32_t)i; k + 1 < tree->now.count; k++)
        tree->now.nodes[k] = tree->now.nodes[k + 1];
    tree->now.count--;
}

/* ---- readers: the published state, or, for a view opened by hand at a later zxid, that of now
 * ---- */

struct tree_view tree_view(struct tree *tree)
{
    return (struct tree_view){tree, tree->published_zxid};
}

static const struct state *seen(const struct tree_view *view)
{
    return view->zxid > view->tree->published_zxid ? &view->tree->now : &view->tree->published;
}

const struct znode *tree_get(const struct tree_view *view, struct bytes path)
{
    int64_t i = path.size > 0 ? index_of(seen(view), path) : -1;
    return i < 0 ? NULL : seen(view)->nodes[i];
}

static bool child_of(const struct znode *node, const struct znode *parent)
{
    struct bytes path = znode_path(node);
    return path.size > 1 && path_is(parent, parent_of(path));
}

/* The first node at or behind place i that is a child. */
static const struct znode *child_from(const struct state *state, int64_t i,
                                      const struct znode *parent)
{
    for (; i < state->count; i++)
        if (child_of(state->nodes[i], parent))
            return state->nodes[i];
    return NULL;
}

const struct znode *tree_child_first(const struct tree_view *view, const struct znode *parent)
{
    return child_from(seen(view), 0, parent);
}

const struct znode *tree_child_next(const struct tree_view *view, const struct znode *child)
{
    const struct state *state = seen(view);
    int64_t i = index_of(state, znode_path(child));
    int64_t parent = index_of(state, parent_of(znode_path(child)));
    CHECK(i >= 0 && parent >= 0);
    return child_from(state, i + 1, state->nodes[parent]);
}

uint64_t tree_descendant_count(const struct tree_view *view, const struct znode *top)
{
    const struct state *state = seen(view);
    uint64_t count = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        const struct znode *node = state->nodes[i];
        bool below = top->path_size == 1 ||
                     (node->path_size > top->path_size && node->path[top->path_size] == '/' &&
                      memcmp(node->path, top->path, (size_t)top->path_size) == 0);
        count += below && !path_is(node, znode_path(top));
    }
    return count;
}

struct bytes znode_path(const struct znode *node)
{
    return bytes_of(node->path, (size_t)node->path_size);
}

struct bytes znode_name(const struct znode *node)
{
    int32_t from = node->path_size;
    while (node->path[from - 1] != '/')
        from--;
    return bytes_of(node->path + from, (size_t)(node->path_size - from));
}

struct bytes znode_data(const struct znode *node)
{
    return (struct bytes){node->data, node->data_size};
}

uint32_t znode_acl(const struct znode *node)
{
    return node->acl;
}

int64_t znode_owner(const struct znode *node)
{
    return node->owner;
}

uint32_t znode_child_count(const struct znode *node)
{
    return node->children;
}

int32_t znode_creations(const struct znode *node)
{
    return node->creations;
}

void znode_stat(const struct znode *node, struct zk_stat *stat)
{
    bool marked = node->owner == ZK_OWNER_CONTAINER ||
                  ((uint64_t)node->owner & ZK_OWNER_TTL_TOP) == ZK_OWNER_TTL_TOP;
    *stat = (struct zk_stat){
        .czxid = node->czxid,
        .mzxid = node->mzxid,
        .ctime_ms = node->ctime_ms,
        .mtime_ms = node->mtime_ms,
        .version = node->version,
        .cversion = (int32_t)(2u * (uint32_t)node->creations - node->children),
        .aversion = node->aversion,
        .ephemeral_owner = marked ? 0 : node->owner,
        .data_length = node->data_size > 0 ? node->data_size : 0,
        .num_children = (int32_t)node->children,
        .pzxid = node->pzxid,
    };
}

/* ---- memory: nothing is ever given back before the end ---- */

struct tree_batch *tree_retired(struct tree *tree)
{
    (void)tree;
    return NULL;
}

void tree_reclaim(struct tree *tree, struct tree_batch *batch)
{
    (void)tree;
    CHECK(batch == NULL);
}

uint64_t tree_memory_size(const struct tree *tree)
{
    return tree_data_size(tree) + NODE_SIZE * tree->now.count;
}

uint64_t tree_node_count(const struct tree *tree)
{
    return tree->now.count;
}

uint64_t tree_data_size(const struct tree *tree)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < tree->now.count; i++) {
        const struct znode *node = tree->now.nodes[i];
        size += (uint64_t)node->path_size + (node->data_size > 0 ? (uint64_t)node->data_size : 0);
    }
    return size;
}

int64_t tree_published(const struct tree *tree)
{
    return tree->published_zxid;
}
