#include "tools/takt/snapshot_side.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SIDE_NODES_MIN 1024u /* marks; grows by doubling */

uint64_t snapshot_side_hash(struct bytes path)
{
    return XXH3_64bits(path.at, path.size > 0 ? (size_t)path.size : 0);
}

/* "/a/b" -> "/a", "/a" -> "/", "/" -> "". */
static struct bytes side_parent(struct bytes path)
{
    int32_t size = path.size;
    while (size > 0 && path.at[size - 1] != '/')
        size--;
    return bytes_of(path.at, (size_t)(size > 1 ? size - 1 : size == 1 && path.size > 1));
}

static int side_by_path(const void *a, const void *b)
{
    const struct snapshot_mark *x = a, *y = b;
    return x->path < y->path ? -1 : x->path > y->path;
}

static int side_by_id(const void *a, const void *b)
{
    const struct snapshot_side_acl *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

const struct snapshot_mark *snapshot_side_mark(const struct snapshot_side *side, uint64_t path)
{
    const struct snapshot_mark key = {.path = path};
    return side->mark_count == 0
               ? NULL
               : bsearch(&key, side->marks, side->mark_count, sizeof(key), side_by_path);
}

struct bytes snapshot_side_acl(struct snapshot_side *side, uint32_t id)
{
    const struct snapshot_side_acl key = {.id = id}, *found = NULL;
    if (!side->acls_sorted && side->acl_count > 0)
        qsort(side->acls, side->acl_count, sizeof(*side->acls), side_by_id);
    side->acls_sorted = true;
    if (side->acl_count > 0)
        found = bsearch(&key, side->acls, side->acl_count, sizeof(key), side_by_id);
    return found ? found->packed : (struct bytes){NULL, -1};
}

/* ---- the sink -------------------------------------------------------------------------------- */

static int side_begin(void *self, const struct snapshot_info *info, struct fault *fault)
{
    struct snapshot_side *side = self;
    const struct tree_config tree = {.memory_limit = 1 << 20, .nodes_max = 16};
    uint64_t sessions = info->session_count;
    if (sessions > LIMIT_SESSION_COUNT_MAX)
        return fault_set(fault, ERR_LIMIT, "it says that it has more sessions than there may be");
    const struct machine_config config = {.session_count_max = sessions ? (uint32_t)sessions : 1,
                                          .acl_count_max = 2};
    int err = tree_create(&side->tree, &tree);
    if (!err)
        err = machine_create(&side->machine, &config, side->tree);
    return err ? fault_set(fault, err, "no memory for its sessions") : 0;
}

static int side_machine(void *self, struct bytes image, struct fault *fault)
{
    struct snapshot_side *side = self;
    int err = machine_image_load(side->machine, image.at, (uint64_t)image.size);
    return err ? fault_set(fault, err, "its sessions and settings cannot be read") : 0;
}

static int side_acl(void *self, uint32_t id, struct bytes packed, struct fault *fault)
{
    struct snapshot_side *side = self;
    uint8_t *copy = malloc((size_t)packed.size + 1);
    if (copy && side->acl_count == side->acl_room) {
        uint32_t room = side->acl_room ? side->acl_room * 2 : 64;
        void *more = realloc(side->acls, room * sizeof(*side->acls));
        if (more) {
            side->acls = more;
            side->acl_room = room;
        }
    }
    if (!copy || side->acl_count == side->acl_room) {
        free(copy);
        return fault_set(fault, ERR_NOMEM, "no memory for its ACLs");
    }
    memcpy(copy, packed.at, (size_t)packed.size);
    side->acls[side->acl_count++] =
        (struct snapshot_side_acl){id, bytes_of(copy, (size_t)packed.size)};
    return 0;
}

static uint64_t side_content(struct snapshot_side *side, const struct tree_image *node)
{
    struct bytes acl = snapshot_side_acl(side, node->acl);
    const int64_t of[] = {
        node->czxid,
        node->mzxid,
        node->pzxid,
        node->ctime_ms,
        node->mtime_ms,
        node->owner,
        node->version,
        node->aversion,
        node->creations,
        node->child_count,
        node->data.size,
        (int64_t)snapshot_side_hash(node->data),
        acl.size < 0 ? -1 - (int64_t)node->acl : (int64_t)snapshot_side_hash(acl),
    };
    return XXH3_64bits(of, sizeof(of));
}

static int side_node(void *self, const struct tree_image *node, struct fault *fault)
{
    struct snapshot_side *side = self;
    if (side->mark_count == side->mark_room) {
        uint64_t room = side->mark_room ? side->mark_room * 2 : SIDE_NODES_MIN;
        void *more = realloc(side->marks, room * sizeof(*side->marks));
        if (!more)
            return fault_set(fault, ERR_NOMEM, "no memory for marks of its znodes, 32 bytes each");
        side->marks = more;
        side->mark_room = room;
    }
    int64_t stamp = node->czxid > node->mzxid ? node->czxid : node->mzxid;
    side->marks[side->mark_count++] =
        (struct snapshot_mark){.path = snapshot_side_hash(node->path),
                               .parent = snapshot_side_hash(side_parent(node->path)),
                               .content = side_content(side, node),
                               .stamp = stamp > node->pzxid ? stamp : node->pzxid};
    return 0;
}

int snapshot_side_read(struct snapshot_side *side, struct fault *fault)
{
    const struct snapshot_sink sink = {.self = side,
                                       .begin = side_begin,
                                       .machine = side_machine,
                                       .acl = side_acl,
                                       .node = side_node};
    int err = snapshot_read(side->io, side->name, &sink, &side->info, fault);
    if (!err && side->mark_count > 0)
        qsort(side->marks, side->mark_count, sizeof(*side->marks), side_by_path);
    return err;
}

void snapshot_side_fini(struct snapshot_side *side)
{
    if (side->machine)
        machine_destroy(side->machine);
    if (side->tree)
        tree_destroy(side->tree);
    for (uint32_t i = 0; i < side->acl_count; i++)
        free((void *)(uintptr_t)side->acls[i].packed.at);
    free(side->acls);
    free(side->marks);
}
