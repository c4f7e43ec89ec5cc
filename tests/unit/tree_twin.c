#include "tests/unit/tree_twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct twin_node *twin_free(struct twin *twin)
{
    for (int i = 0; i < TWIN_NODE_MAX; i++)
        if (!twin->nodes[i].live)
            return &twin->nodes[i];
    fail_msg("the twin is full");
    return NULL;
}

struct twin_node *twin_find(struct twin *twin, const char *path)
{
    for (int i = 0; i < TWIN_NODE_MAX; i++)
        if (twin->nodes[i].live && strcmp(twin->nodes[i].path, path) == 0)
            return &twin->nodes[i];
    return NULL;
}

static struct twin_node *twin_parent(struct twin *twin, const char *path)
{
    char above[TWIN_PATH_MAX];
    snprintf(above, sizeof(above), "%s", path);
    char *slash = strrchr(above, '/');
    slash[slash == above ? 1 : 0] = 0;
    return twin_find(twin, above);
}

static void twin_refresh(struct twin_node *node)
{
    node->stat.cversion = (int32_t)(2u * (uint32_t)node->creations) - node->stat.num_children;
}

static void twin_data(struct twin_node *node, struct bytes data)
{
    node->data_size = data.size;
    node->stat.data_length = data.size > 0 ? data.size : 0;
    if (data.size > 0)
        memcpy(node->data, data.at, (size_t)data.size);
}

void twin_init(struct twin *twin)
{
    static const char *paths[] = {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"};
    static const int children[] = {1, 2, 0, 0};
    memset(twin, 0, sizeof(*twin));
    for (int i = 0; i < 4; i++) {
        struct twin_node *node = &twin->nodes[i];
        node->live = true;
        snprintf(node->path, sizeof(node->path), "%s", paths[i]);
        node->stat.num_children = children[i];
        twin_refresh(node);
    }
    twin->nodes[3].acl = 1;
    twin->nodes[3].stat.aversion = -1;
}

void twin_add(struct twin *twin, const char *path, struct bytes data, uint32_t acl, int64_t owner,
              int64_t zxid, int64_t time_ms)
{
    struct twin_node *parent = twin_parent(twin, path), *node = twin_free(twin);
    memset(node, 0, sizeof(*node));
    node->live = true;
    snprintf(node->path, sizeof(node->path), "%s", path);
    twin_data(node, data);
    node->acl = acl;
    node->owner = owner;
    node->stat.czxid = node->stat.mzxid = node->stat.pzxid = zxid;
    node->stat.ctime_ms = node->stat.mtime_ms = time_ms;
    bool marked = owner == ZK_OWNER_CONTAINER || (uint64_t)owner >> 56 == 0xff;
    node->stat.ephemeral_owner = marked ? 0 : owner;
    parent->creations++;
    parent->stat.num_children++;
    parent->stat.pzxid = zxid;
    twin_refresh(parent);
}

void twin_set(struct twin *twin, const char *path, struct bytes data, int64_t zxid, int64_t time_ms)
{
    struct twin_node *node = twin_find(twin, path);
    twin_data(node, data);
    node->stat.version++;
    node->stat.mzxid = zxid;
    node->stat.mtime_ms = time_ms;
}

void twin_set_acl(struct twin *twin, const char *path, uint32_t acl)
{
    struct twin_node *node = twin_find(twin, path);
    node->acl = acl;
    node->stat.aversion++;
}

void twin_remove(struct twin *twin, const char *path, int64_t zxid)
{
    struct twin_node *parent = twin_parent(twin, path);
    twin_find(twin, path)->live = false;
    parent->stat.num_children--;
    parent->stat.pzxid = zxid;
    twin_refresh(parent);
}

static void twin_node_agrees(const struct twin_node *twin, const struct znode *node)
{
    struct zk_stat stat;
    memset(&stat, 0, sizeof(stat));
    assert_non_null(node);
    znode_stat(node, &stat);
    assert_true(stat.czxid == twin->stat.czxid);
    assert_true(stat.mzxid == twin->stat.mzxid);
    assert_true(stat.pzxid == twin->stat.pzxid);
    assert_true(stat.ctime_ms == twin->stat.ctime_ms);
    assert_true(stat.mtime_ms == twin->stat.mtime_ms);
    assert_int_equal(stat.version, twin->stat.version);
    assert_int_equal(stat.cversion, twin->stat.cversion);
    assert_int_equal(stat.aversion, twin->stat.aversion);
    assert_true(stat.ephemeral_owner == twin->stat.ephemeral_owner);
    assert_int_equal(stat.data_length, twin->stat.data_length);
    assert_int_equal(stat.num_children, twin->stat.num_children);
    assert_int_equal(znode_creations(node), twin->creations);
    assert_int_equal(znode_acl(node), twin->acl);
    assert_true(znode_owner(node) == twin->owner);
    assert_true(bytes_equal(znode_path(node), bytes_of_string(twin->path)));
    assert_true(bytes_equal(znode_data(node), (struct bytes){twin->data, twin->data_size}));
}

/* Every child listed is a live child of the twin, once, and the list is as long as the Stat says.
 */
static uint64_t twin_children_agree(struct twin *twin, const struct tree_view *view,
                                    const struct znode *parent)
{
    uint64_t below = 0;
    uint32_t count = 0;
    bool seen[TWIN_NODE_MAX] = {false};
    for (const struct znode *child = tree_child_first(view, parent); child;
         child = tree_child_next(view, child)) {
        char path[TWIN_PATH_MAX] = {0};
        memcpy(path, znode_path(child).at, (size_t)znode_path(child).size);
        struct twin_node *match = twin_find(twin, path);
        assert_non_null(match);
        assert_false(seen[match - twin->nodes]);
        seen[match - twin->nodes] = true;
        struct bytes name = znode_name(child);
        assert_true(memchr(name.at, '/', (size_t)name.size) == NULL);
        count++;
        below += 1 + twin_children_agree(twin, view, child);
    }
    assert_int_equal(count, znode_child_count(parent));
    assert_true(tree_descendant_count(view, parent) == below);
    return below;
}

void twin_agrees(struct twin *twin, const struct tree_view *view)
{
    uint64_t live = 0;
    for (int i = 0; i < TWIN_NODE_MAX; i++) {
        struct twin_node *node = &twin->nodes[i];
        if (!node->live) {
            if (node->path[0] && !twin_find(twin, node->path))
                assert_null(tree_get(view, bytes_of_string(node->path)));
            continue;
        }
        live++;
        twin_node_agrees(node, tree_get(view, bytes_of_string(node->path)));
    }
    assert_true(twin_children_agree(twin, view, tree_get(view, bytes_of("/", 1))) == live - 1);
}
