#include "store/znode.h"

#include "base/jute_stat.h"
#include "store/tree.h"

static uint32_t znode_name_size(struct bytes path)
{
    uint32_t size = 0;
    while (size < (uint32_t)path.size && path.at[(uint32_t)path.size - 1 - size] != '/')
        size++;
    return size;
}

/* The bits that a recipe leads to. */
static uint32_t znode_bits(const struct znode_recipe *recipe, int32_t data_size)
{
    uint32_t bits = (uint32_t)recipe->path.size;
    DCHECK(!recipe->from || znode_path_is(recipe->from, recipe->path));
    uint32_t name_size =
        recipe->from ? recipe->from->path_bits >> ZNODE_NAME_SHIFT : znode_name_size(recipe->path);
    if (recipe->parent)
        bits |= ZNODE_PARENT;
    if (data_size > ZNODE_INLINE_MAX)
        bits |= ZNODE_BLOB;
    if (name_size > ZNODE_NAME_SIZE_MAX)
        name_size = ZNODE_NAME_SIZE_MAX + 1;
    return bits | name_size << ZNODE_NAME_SHIFT;
}

static size_t znode_size(uint32_t path_bits, int32_t data_size)
{
    size_t size =
        (path_bits & (ZNODE_PARENT | ZNODE_BLOB)) ? sizeof(struct znode) : ZNODE_HEAD_SIZE;
    size += path_bits & ZNODE_PATH_SIZE_MAX;
    if (path_bits & ZNODE_PARENT)
        size += sizeof(struct znode_parent);
    if (path_bits & ZNODE_BLOB)
        size += sizeof(struct znode_blob *);
    else if (data_size > 0)
        size += (size_t)data_size;
    return size;
}

static struct znode_blob **znode_blob(const struct znode *node)
{
    DCHECK(znode_is(node, ZNODE_BLOB));
    return (struct znode_blob **)(uintptr_t)znode_tail(node);
}

static struct znode_blob *znode_blob_make(struct heap *heap, struct bytes data)
{
    struct znode_blob *blob = heap_alloc(heap, sizeof(*blob) + (size_t)data.size);
    if (!blob)
        return NULL;
    blob->ref_count = 0;
    blob->size = (uint64_t)data.size;
    memcpy(blob->at, data.at, (size_t)data.size);
    return blob;
}

static void znode_parent_fill(struct znode *node, const struct znode *from)
{
    struct znode_parent *parent = znode_parent(node);
    const struct znode_parent *old = from ? znode_parent(from) : NULL;
    if (!parent)
        return;
    parent->pzxid = old ? old->pzxid : node->czxid;
    atomic_init(&parent->first_child,
                old ? atomic_load_explicit(&old->first_child, memory_order_relaxed) : NULL);
    parent->creations = old ? old->creations : 0;
    parent->child_count = old ? old->child_count : 0;
}

struct znode *znode_make(struct heap *heap, const struct znode_recipe *recipe)
{
    const struct znode *from = recipe->from;
    CHECK(recipe->path.size > 0 && recipe->path.size <= (int32_t)ZNODE_PATH_SIZE_MAX);
    CHECK(from || !recipe->data_kept);
    struct bytes data = recipe->data_kept ? znode_data(from) : recipe->data;
    uint32_t bits = znode_bits(recipe, data.size);
    struct znode_blob *blob = NULL;
    if (bits & ZNODE_BLOB) {
        blob = recipe->data_kept ? *znode_blob(from) : znode_blob_make(heap, data);
        if (!blob)
            return NULL;
    }
    struct znode *node = heap_alloc(heap, znode_size(bits, data.size));
    if (!node) {
        if (blob && blob->ref_count == 0)
            heap_free(heap, blob, sizeof(*blob) + blob->size);
        return NULL;
    }
    if (from)
        memcpy((void *)node, (const void *)from, ZNODE_HEAD_SIZE);
    else
        memset((void *)node, 0, ZNODE_HEAD_SIZE);
    node->path_bits = bits;
    node->data_size = data.size < 0 ? -1 : data.size;
    node->prev = 0;
    atomic_init(&node->next, NULL);
    atomic_init(&node->older, NULL);
    znode_parent_fill(node, from);
    if (blob) {
        blob->ref_count++;
        *znode_blob(node) = blob;
    }
    uint8_t *path_at = (uint8_t *)(uintptr_t)znode_path_at(node);
    memcpy(path_at, recipe->path.at, (size_t)recipe->path.size);
    if (!blob && data.size > 0)
        memcpy(path_at + recipe->path.size, data.at, (size_t)data.size);
    return node;
}

void znode_free(struct heap *heap, struct znode *node)
{
    if (znode_is(node, ZNODE_BLOB)) {
        struct znode_blob *blob = *znode_blob(node);
        CHECK(blob->ref_count > 0);
        if (--blob->ref_count == 0)
            heap_free(heap, blob, sizeof(*blob) + blob->size);
    }
    size_t size = znode_size(node->path_bits, node->data_size);
#ifdef TAKT_POISON
    memset((void *)node, 0xa5, size); /* a reader that still stands here is caught at once */
#endif
    heap_free(heap, node, size);
}

uint64_t znode_footprint(const struct znode *node)
{
    uint64_t size = znode_size(node->path_bits, node->data_size);
    return znode_is(node, ZNODE_BLOB) ? size + (*znode_blob(node))->size : size;
}

/* ---- the public accessors of store/tree.h ---- */

struct bytes znode_path(const struct znode *node)
{
    return bytes_of(znode_path_at(node), znode_path_size(node));
}

struct bytes znode_name(const struct znode *node)
{
    uint32_t size = node->path_bits >> ZNODE_NAME_SHIFT;
    if (size > ZNODE_NAME_SIZE_MAX)
        size = znode_name_size(znode_path(node));
    return bytes_of(znode_path_at(node) + znode_path_size(node) - size, size);
}

struct bytes znode_data(const struct znode *node)
{
    if (node->data_size < 0)
        return (struct bytes){NULL, -1};
    if (znode_is(node, ZNODE_BLOB))
        return (struct bytes){(*znode_blob(node))->at, node->data_size};
    return (struct bytes){znode_path_at(node) + znode_path_size(node), node->data_size};
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
    const struct znode_parent *parent = znode_parent(node);
    return parent ? parent->child_count : 0;
}

int32_t znode_creations(const struct znode *node)
{
    const struct znode_parent *parent = znode_parent(node);
    return parent ? parent->creations : 0;
}

/* Of containers and nodes with a TTL the wire shows no owner. */
static inline int64_t znode_owner_shown(int64_t owner)
{
    if (LIKELY(owner == 0) || owner == ZK_OWNER_CONTAINER)
        return 0;
    return ((uint64_t)owner & ZK_OWNER_TTL_TOP) == ZK_OWNER_TTL_TOP ? 0 : owner;
}

inline void znode_stat(const struct znode *node, struct zk_stat *stat)
{
    const struct znode_parent *parent = znode_parent(node);
    uint32_t creations = parent ? (uint32_t)parent->creations : 0;
    uint32_t child_count = parent ? parent->child_count : 0;
    DCHECK(!znode_is(node, ZNODE_TOMBSTONE));
    *stat = (struct zk_stat){
        .czxid = node->czxid,
        .mzxid = node->mzxid,
        .ctime_ms = node->ctime_ms,
        .mtime_ms = node->mtime_ms,
        .version = node->version,
        .cversion = (int32_t)(2 * creations - child_count),
        .aversion = node->aversion,
        .ephemeral_owner = znode_owner_shown(node->owner),
        .data_length = node->data_size < 0 ? 0 : node->data_size,
        .num_children = (int32_t)child_count,
        .pzxid = parent ? parent->pzxid : node->czxid,
    };
}

inline void znode_stat_put(const struct znode *node, uint8_t *at)
{
    const struct znode_parent *parent = znode_parent(node);
    uint32_t creations = parent ? (uint32_t)parent->creations : 0;
    uint32_t child_count = parent ? parent->child_count : 0;
    int64_t pzxid = parent ? parent->pzxid : node->czxid;
    DCHECK(!znode_is(node, ZNODE_TOMBSTONE));
    at = jute_stat_put_long(at, node->czxid);
    at = jute_stat_put_long(at, node->mzxid);
    at = jute_stat_put_long(at, node->ctime_ms);
    at = jute_stat_put_long(at, node->mtime_ms);
    at = jute_stat_put_int(at, node->version);
    at = jute_stat_put_int(at, (int32_t)(2 * creations - child_count));
    at = jute_stat_put_int(at, node->aversion);
    at = jute_stat_put_long(at, znode_owner_shown(node->owner));
    at = jute_stat_put_int(at, node->data_size < 0 ? 0 : node->data_size);
    at = jute_stat_put_int(at, (int32_t)child_count);
    jute_stat_put_long(at, pzxid);
}

struct tree_image znode_image(const struct znode *node)
{
    const struct znode_parent *parent = znode_parent(node);
    return (struct tree_image){
        .path = znode_path(node),
        .data = znode_data(node),
        .czxid = node->czxid,
        .mzxid = node->mzxid,
        .pzxid = parent ? parent->pzxid : node->czxid,
        .ctime_ms = node->ctime_ms,
        .mtime_ms = node->mtime_ms,
        .owner = node->owner,
        .version = node->version,
        .aversion = node->aversion,
        .creations = parent ? parent->creations : 0,
        .acl = node->acl,
        .child_count = parent ? parent->child_count : 0,
    };
}
