#include "store/quota.h"

#include "base/check.h"
#include "store/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUOTA_ROOT  "/zookeeper/quota"
#define LIMITS_NAME "zookeeper_limits"
#define STATS_NAME  "zookeeper_stats"
#define ROOT_SIZE   (int32_t)(sizeof QUOTA_ROOT - 1)

/* ---- the text ---- */

/* A decimal int64 with an optional sign; anything else, and the empty text, is -1. */
static int64_t number(const uint8_t *at, const uint8_t *end)
{
    bool negative = at < end && *at == '-';
    int64_t value = 0;
    at += negative;
    if (at == end)
        return -1;
    for (; at < end; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value))
            return -1;
    return negative ? -value : value;
}

/* One "key=value" or "key=value=". */
static void pair(const uint8_t *at, const uint8_t *end, struct quota_track *track)
{
    struct {
        const char *key;
        int64_t *value;
    } known[] = {{"count", &track->count},
                 {"bytes", &track->bytes},
                 {"countHardLimit", &track->count_hard},
                 {"byteHardLimit", &track->bytes_hard}};
    const uint8_t *equals = memchr(at, '=', (size_t)(end - at));
    if (!equals)
        return;
    const uint8_t *stop = memchr(equals + 1, '=', (size_t)(end - equals - 1));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (path_is(bytes_of(at, (size_t)(equals - at)), known[i].key))
            *known[i].value = number(equals + 1, stop ? stop : end);
}

struct quota_track quota_parse(struct bytes text)
{
    struct quota_track track = {-1, -1, -1, -1};
    const uint8_t *at = text.at, *end = text.size > 0 ? at + text.size : at;
    while (at < end) {
        const uint8_t *stop = at;
        while (stop < end && *stop != ',' && *stop != ';')
            stop++;
        pair(at, stop, &track);
        at = stop + 1;
    }
    return track;
}

int32_t quota_format(const struct quota_track *track, char *out)
{
    bool hard = track->bytes_hard != -1 || track->count_hard != -1;
    int size =
        snprintf(out, QUOTA_TEXT_SIZE, "count=%" PRId64 ",bytes=%" PRId64 "%s", track->count,
                 track->bytes, hard ? "=" : ""); /* the odd sign hides the rest from old parsers */
    if (track->bytes_hard != -1)
        size += snprintf(out + size, (size_t)(QUOTA_TEXT_SIZE - size), ";byteHardLimit=%" PRId64,
                         track->bytes_hard);
    if (track->count_hard != -1)
        size += snprintf(out + size, (size_t)(QUOTA_TEXT_SIZE - size), ";countHardLimit=%" PRId64,
                         track->count_hard);
    CHECK(size > 0 && size < QUOTA_TEXT_SIZE);
    return size;
}

/* ---- which quota ---- */

/* Is it /zookeeper/quota<P>/<name>? P is what lies between, "" when nothing does. */
static bool quota_node(struct bytes path, const char *name, struct bytes *prefix)
{
    if (path.size <= ROOT_SIZE || memcmp(path.at, QUOTA_ROOT "/", (size_t)ROOT_SIZE + 1) != 0 ||
        !path_is(path_name(path), name))
        return false;
    struct bytes parent = path_parent(path);
    *prefix = bytes_of(path.at + ROOT_SIZE, (size_t)(parent.size - ROOT_SIZE));
    return true;
}

bool quota_is_limits(struct bytes path)
{
    struct bytes prefix;
    return quota_node(path, LIMITS_NAME, &prefix);
}

/* The node /zookeeper/quota<P>/<name>, or NULL. */
static const struct znode *find(struct op *op, struct bytes prefix, const char *name)
{
    struct machine *m = op->m;
    size_t name_size = strlen(name), size = (size_t)ROOT_SIZE + (size_t)prefix.size;
    /* Not by the body's size: a session that expires brings along paths of any size. */
    m->quota_room = op_room_grow(m->quota_room, &m->quota_max, size + 1 + name_size, 1);
    memcpy(m->quota_room, QUOTA_ROOT, (size_t)ROOT_SIZE);
    memcpy(m->quota_room + ROOT_SIZE, prefix.at, (size_t)prefix.size);
    if (name_size) {
        m->quota_room[size] = '/';
        memcpy(m->quota_room + size + 1, name, name_size);
        size += 1 + name_size;
    }
    return tree_find(m->tree, bytes_of(m->quota_room, size));
}

/* The longest P with limits that holds path; false when there is none. Walks down while nodes below
 * /zookeeper/quota exist, so its cost is that of the quotas there are, not of the path. */
static bool prefix_of(struct op *op, struct bytes path, struct bytes *prefix)
{
    bool found = false;
    CHECK(path.size > 0 && path.at[0] == '/');
    if (op->m->quota_count == 0)
        return false;
    for (int32_t size = 1; size < path.size; size++) {
        const uint8_t *slash = memchr(path.at + size, '/', (size_t)(path.size - size));
        size = slash ? (int32_t)(slash - path.at) : path.size;
        struct bytes part = bytes_of(path.at, (size_t)size);
        if (!find(op, part, ""))
            break;
        if (find(op, part, LIMITS_NAME)) {
            *prefix = part;
            found = true;
        }
    }
    return found;
}

int32_t quota_check(struct op *op, struct bytes path, int64_t bytes, int64_t count)
{
    struct bytes prefix;
    if (!op->m->config.enforce_quota || !prefix_of(op, path, &prefix))
        return ZK_OK;
    const struct znode *limits = find(op, prefix, LIMITS_NAME);
    CHECK(limits != NULL);
    struct quota_track limit = quota_parse(znode_data(limits));
    const struct znode *stats = find(op, prefix, STATS_NAME);
    if (!stats)
        return ZK_OK;
    struct quota_track used = quota_parse(znode_data(stats));
    if (limit.count_hard > -1 && count > 0 && used.count + count > limit.count_hard)
        return ZK_QUOTA_EXCEEDED;
    if (limit.bytes_hard > -1 && bytes > 0 && used.bytes + bytes > limit.bytes_hard)
        return ZK_QUOTA_EXCEEDED;
    return ZK_OK;
}

/* ---- usage ---- */

/* Usage is a side effect: at the memory limit it may stay behind, which changes no answer but that
 * of a later quota check. The text is no longer than it was but for a digit now and then. */
static void stats_put(struct op *op, struct bytes prefix, const struct quota_track *track)
{
    char text[QUOTA_TEXT_SIZE];
    int32_t size = quota_format(track, text);
    const struct znode *stats = find(op, prefix, STATS_NAME);
    CHECK(stats != NULL);
    struct bytes path = znode_path(stats);
    if (tree_set_silent(op->m->tree, path, bytes_of(text, (size_t)size)) != 0)
        op->m->counters.memory_refused++;
}

static void follow(struct op *op, struct bytes path, int64_t bytes, int64_t count)
{
    struct bytes prefix;
    if (!prefix_of(op, path, &prefix))
        return;
    const struct znode *stats = find(op, prefix, STATS_NAME);
    if (!stats)
        return;
    struct quota_track track = quota_parse(znode_data(stats));
    track.bytes += bytes;
    track.count += count;
    stats_put(op, prefix, &track);
}

/* Nodes of P and below it, P included, and the sum of their data. */
static struct quota_track usage(struct op *op, struct bytes prefix)
{
    /* This command's zxid: the view shows what it has changed so far, like tree_find. */
    struct tree_view view = {op->m->tree, op->zxid};
    struct quota_track track = {0, 0, -1, -1};
    const struct znode *top = prefix.size > 0 ? tree_get(&view, prefix) : NULL, *node = top;
    while (node) {
        struct bytes data = znode_data(node);
        const struct znode *next = tree_child_first(&view, node);
        track.count++;
        track.bytes += data.size > 0 ? data.size : 0;
        while (!next && node != top) {
            next = tree_child_next(&view, node);
            if (!next)
                node = tree_get(&view, path_parent(znode_path(node)));
            CHECK(node != NULL);
        }
        node = next;
    }
    return track;
}

void quota_created(struct op *op, struct bytes path, int64_t bytes)
{
    struct bytes prefix;
    if (quota_node(path, STATS_NAME, &prefix)) {
        struct quota_track track = usage(op, prefix);
        stats_put(op, prefix, &track);
    }
    follow(op, path, bytes, 1);
}

void quota_deleted(struct op *op, struct bytes path, int64_t bytes)
{
    follow(op, path, -bytes, -1);
}

void quota_set(struct op *op, struct bytes path, int64_t bytes_more)
{
    if (bytes_more)
        follow(op, path, bytes_more, 0);
}
