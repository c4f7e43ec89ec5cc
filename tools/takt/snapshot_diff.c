#include "tools/takt/snapshot_diff.h"

#include "base/check.h"
#include "store/machine_diff.h"
#include "tools/takt/acltext.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIFF_DATA_KEPT 4096 /* bytes of a znode's data that are compared byte by byte */
#define DIFF_TEXT_SIZE 1024
#define DIFF_EXCERPT   24 /* bytes of data that are shown */

/* A znode as one side has it; data is its beginning. */
struct diff_copy {
    bool there;
    struct tree_image image; /* path and data not valid */
    uint64_t data_hash;      /* of all of it */
    int32_t kept_size;
    uint8_t *kept; /* owned */
};

struct snapshot_diff_item {
    char *path; /* owned */
    struct diff_copy copy[2];
};

bool snapshot_diff_one_moment(const struct snapshot_diff *diff)
{
    return diff->side[0].info.index == diff->side[1].info.index;
}

bool snapshot_diff_agree(const struct snapshot_diff *diff)
{
    return snapshot_diff_same(diff) || (!snapshot_diff_one_moment(diff) &&
                                        diff->only[0] + diff->only[1] + diff->both == 0);
}

bool snapshot_diff_same(const struct snapshot_diff *diff)
{
    return diff->only[0] + diff->only[1] + diff->both + diff->later + diff->others == 0;
}

/* ---- first pass: which paths ----------------------------------------------------------------- */

static int diff_want(struct snapshot_diff *diff, uint64_t path, struct fault *fault)
{
    if (diff->wanted_count == diff->wanted_room) {
        uint64_t room = diff->wanted_room ? diff->wanted_room * 2 : 1024;
        void *more = realloc(diff->wanted, room * sizeof(*diff->wanted));
        if (!more)
            return fault_set(fault, ERR_NOMEM, "no memory for the paths that differ");
        diff->wanted = more;
        diff->wanted_room = room;
    }
    CHECK(diff->wanted_count == 0 || diff->wanted[diff->wanted_count - 1] <= path);
    diff->wanted[diff->wanted_count++] = path;
    return 0;
}

/* May an entry between the two moments have made this? One of the marks may be NULL. */
static bool diff_is_later(const struct snapshot_diff *diff, const struct snapshot_mark *const of[2])
{
    if (snapshot_diff_one_moment(diff))
        return false;
    int newer = diff->side[1].info.index > diff->side[0].info.index;
    int64_t since = diff->side[!newer].info.zxid;
    if (of[newer])
        return of[newer]->stamp > since;
    const struct snapshot_mark *parent = snapshot_side_mark(&diff->side[newer], of[!newer]->parent);
    return !parent || parent->stamp > since;
}

static int diff_found(struct snapshot_diff *diff, const struct snapshot_mark *a,
                      const struct snapshot_mark *b, struct fault *fault)
{
    const struct snapshot_mark *const of[2] = {a, b};
    bool later = diff_is_later(diff, of);
    if (later)
        diff->later++;
    else if (a && b)
        diff->both++;
    else
        diff->only[a ? 0 : 1]++;
    return later && !diff->later_too ? 0 : diff_want(diff, (a ? a : b)->path, fault);
}

static int diff_merge(struct snapshot_diff *diff, struct fault *fault)
{
    const struct snapshot_mark *a = diff->side[0].marks, *a_end = a + diff->side[0].mark_count;
    const struct snapshot_mark *b = diff->side[1].marks, *b_end = b + diff->side[1].mark_count;
    int err = 0;
    while (!err && (a < a_end || b < b_end)) {
        if (b == b_end || (a < a_end && a->path < b->path)) {
            err = diff_found(diff, a++, NULL, fault);
        } else if (a == a_end || b->path < a->path) {
            err = diff_found(diff, NULL, b++, fault);
        } else {
            if (a->content != b->content)
                err = diff_found(diff, a, b, fault);
            a++;
            b++;
        }
    }
    return err;
}

/* ---- second pass: what they hold ------------------------------------------------------------- */

static int diff_by_hash(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int diff_compare(const char *name, struct bytes path)
{
    size_t size = strlen(name), shorter = size < (size_t)path.size ? size : (size_t)path.size;
    int order = memcmp(name, path.at, shorter);
    return order ? order : (size > (size_t)path.size) - (size < (size_t)path.size);
}

static void diff_item_free(struct snapshot_diff_item *item)
{
    free(item->path);
    free(item->copy[0].kept);
    free(item->copy[1].kept);
}

/* The item of a path, made where it belongs; NULL when `limit` smaller ones are there. */
static struct snapshot_diff_item *diff_item(struct snapshot_diff *diff, struct bytes path)
{
    uint32_t low = 0, high = diff->item_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = diff_compare(diff->items[middle].path, path);
        if (order == 0)
            return &diff->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    char *name = low < diff->limit ? strndup((const char *)path.at, (size_t)path.size) : NULL;
    if (!name)
        return NULL;
    if (diff->item_count == diff->limit)
        diff_item_free(&diff->items[--diff->item_count]);
    struct snapshot_diff_item *item = &diff->items[low];
    memmove(item + 1, item, (diff->item_count - low) * sizeof(*item));
    diff->item_count++;
    *item = (struct snapshot_diff_item){.path = name};
    return item;
}

static int diff_node(void *self, const struct tree_image *node, struct fault *fault)
{
    struct snapshot_diff *diff = self;
    uint64_t path = snapshot_side_hash(node->path);
    if (!bsearch(&path, diff->wanted, diff->wanted_count, sizeof(path), diff_by_hash))
        return 0;
    struct snapshot_diff_item *item = diff_item(diff, node->path);
    if (!item)
        return 0;
    struct diff_copy *copy = &item->copy[diff->reading];
    copy->there = true;
    copy->image = *node;
    copy->data_hash = snapshot_side_hash(node->data);
    copy->kept_size = node->data.size < DIFF_DATA_KEPT ? node->data.size : DIFF_DATA_KEPT;
    if (copy->kept_size <= 0)
        return 0;
    copy->kept = malloc((size_t)copy->kept_size);
    if (!copy->kept)
        return fault_set(fault, ERR_NOMEM, "no memory for what differs");
    memcpy(copy->kept, node->data.at, (size_t)copy->kept_size);
    return 0;
}

static int diff_collect(struct snapshot_diff *diff, struct fault *fault)
{
    const struct snapshot_sink sink = {.self = diff, .node = diff_node};
    if (diff->wanted_count == 0)
        return 0;
    diff->items = calloc((size_t)diff->limit + 1, sizeof(*diff->items));
    if (!diff->items)
        return fault_set(fault, ERR_NOMEM, "no memory for what differs");
    int err = 0;
    for (diff->reading = 0; diff->reading < 2 && !err; diff->reading++) {
        struct snapshot_side *side = &diff->side[diff->reading];
        err = snapshot_read(side->io, side->name, &sink, &side->info, fault);
    }
    return err;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void diff_add(char *room, const char *format, ...) PRINTF_LIKE(2, 3);
static void diff_add(char *room, const char *format, ...)
{
    size_t used = strlen(room);
    va_list args;
    va_start(args, format);
    vsnprintf(room + used, DIFF_TEXT_SIZE - used, format, args);
    va_end(args);
}

/* "12 bytes, "hello"", or from byte `from` on; bytes that do not print are \x... */
static const char *diff_data(const struct diff_copy *copy, int32_t from, char *room)
{
    snprintf(room, DIFF_TEXT_SIZE, "%d bytes", copy->image.data.size);
    if (copy->image.data.size < 0)
        snprintf(room, DIFF_TEXT_SIZE, "null");
    if (from == DIFF_DATA_KEPT && copy->image.data.size > from)
        diff_add(room, ", different behind byte %d", from);
    if (from >= copy->kept_size)
        return room;
    diff_add(room, from > 0 ? ", from byte %d on: \"" : ": \"", from);
    int32_t end = from + DIFF_EXCERPT < copy->kept_size ? from + DIFF_EXCERPT : copy->kept_size;
    for (int32_t i = from; i < end; i++) {
        uint8_t c = copy->kept[i];
        diff_add(room, c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\x%02x", c);
    }
    diff_add(room, end < copy->image.data.size ? "\"..." : "\"");
    return room;
}

static const char *diff_acl(struct snapshot_side *side, uint32_t id, char *room)
{
    struct bytes packed = snapshot_side_acl(side, id);
    room[0] = '\0';
    if (packed.size < 0) {
        diff_add(room, "number %u, which is not in the file", id);
        return room;
    }
    struct jute_in in = jute_in(packed.at, (size_t)packed.size);
    int32_t count = jute_get_count(&in, 12);
    for (int32_t i = 0; i < count && !in.bad; i++) {
        char letters[8];
        acltext_perms_text(jute_get_int(&in), letters);
        struct bytes scheme = jute_get_bytes(&in), who = jute_get_bytes(&in);
        if (!in.bad)
            diff_add(room, "%s%.*s:%.*s:%s", i > 0 ? "," : "", scheme.size, (const char *)scheme.at,
                     who.size, (const char *)who.at, letters);
    }
    return room;
}

static void diff_tell(struct snapshot_diff *diff, const char *name, const char *field,
                      const char *a, const char *b)
{
    diff->line(diff->self, &(struct snapshot_diff_line){"znode", name, field, a, b});
}

static void diff_tell_number(struct snapshot_diff *diff, const char *name, const char *field,
                             const int64_t of[2], bool hex)
{
    char text[2][32];
    if (of[0] == of[1])
        return;
    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof(text[i]), hex ? "0x%" PRIx64 : "%" PRId64, of[i]);
    diff_tell(diff, name, field, text[0], text[1]);
}

/* Where the data first differ, or DIFF_DATA_KEPT: somewhere behind what is kept; -1: nowhere. */
static int32_t diff_data_from(const struct diff_copy *a, const struct diff_copy *b)
{
    int32_t at = 0;
    while (at < a->kept_size && at < b->kept_size && a->kept[at] == b->kept[at])
        at++;
    return a->image.data.size == b->image.data.size && a->data_hash == b->data_hash ? -1 : at;
}

static void diff_tell_both(struct snapshot_diff *diff, const struct snapshot_diff_item *item)
{
    const struct diff_copy *a = &item->copy[0], *b = &item->copy[1];
    char text[2][DIFF_TEXT_SIZE];
    int32_t from = diff_data_from(a, b);
    if (from >= 0)
        diff_tell(diff, item->path, "data", diff_data(a, from, text[0]),
                  diff_data(b, from, text[1]));
#define DIFF_FIELD(label, field, hex)                                                              \
    diff_tell_number(diff, item->path, label, (int64_t[]){a->image.field, b->image.field}, hex)
    DIFF_FIELD("version", version, false);
    DIFF_FIELD("aversion", aversion, false);
    DIFF_FIELD("creations", creations, false);
    DIFF_FIELD("czxid", czxid, true);
    DIFF_FIELD("mzxid", mzxid, true);
    DIFF_FIELD("pzxid", pzxid, true);
    DIFF_FIELD("ctime_ms", ctime_ms, false);
    DIFF_FIELD("mtime_ms", mtime_ms, false);
    DIFF_FIELD("owner", owner, true);
    DIFF_FIELD("children", child_count, false);
#undef DIFF_FIELD
    diff_acl(&diff->side[0], a->image.acl, text[0]);
    diff_acl(&diff->side[1], b->image.acl, text[1]);
    if (strcmp(text[0], text[1]) != 0)
        diff_tell(diff, item->path, "acl", text[0], text[1]);
    diff->znodes_shown++;
}

static void diff_tell_only(struct snapshot_diff *diff, const struct snapshot_diff_item *item)
{
    char text[DIFF_TEXT_SIZE], acl[DIFF_TEXT_SIZE];
    int where = item->copy[0].there ? 0 : 1;
    const struct tree_image *image = &item->copy[where].image;
    diff_data(&item->copy[where], 0, text);
    diff_add(text, ", czxid 0x%" PRIx64 ", mzxid 0x%" PRIx64 ", version %d", (uint64_t)image->czxid,
             (uint64_t)image->mzxid, image->version);
    if (image->owner != 0)
        diff_add(text, ", owner 0x%" PRIx64, (uint64_t)image->owner);
    diff_add(text, ", acl %s", diff_acl(&diff->side[where], image->acl, acl));
    diff_tell(diff, item->path, NULL, where == 0 ? text : NULL, where == 1 ? text : NULL);
    diff->znodes_shown++;
}

/* ---- beside the znodes ----------------------------------------------------------------------- */

static void diff_other(void *self, const struct machine_difference *found)
{
    struct snapshot_diff *diff = self;
    diff->others++;
    if ((!snapshot_diff_one_moment(diff) && !diff->later_too) || diff->others_shown == diff->limit)
        return;
    diff->others_shown++;
    diff->line(diff->self,
               &(struct snapshot_diff_line){found->kind, found->name, NULL, found->a, found->b});
}

static void diff_others(struct snapshot_diff *diff)
{
    const struct snapshot_info *a = &diff->side[0].info, *b = &diff->side[1].info;
    char text[2][33];
    if (memcmp(a->cluster_id, b->cluster_id, sizeof(a->cluster_id)) != 0) {
        for (int i = 0; i < 16; i++) {
            snprintf(text[0] + 2 * i, 3, "%02x", a->cluster_id[i]);
            snprintf(text[1] + 2 * i, 3, "%02x", b->cluster_id[i]);
        }
        diff_other(diff, &(struct machine_difference){"state", "cluster", text[0], text[1]});
    }
    if (snapshot_diff_one_moment(diff) && a->chain != b->chain) {
        snprintf(text[0], sizeof(text[0]), "%016" PRIx64, a->chain);
        snprintf(text[1], sizeof(text[1]), "%016" PRIx64, b->chain);
        diff_other(diff, &(struct machine_difference){"state", "log chain", text[0], text[1]});
    }
    machine_diff(diff->side[0].machine, diff->side[1].machine, diff_other, diff);
}

int snapshot_diff_run(struct snapshot_diff *diff, struct fault *fault)
{
    int err = 0;
    CHECK(diff->line != NULL && diff->limit > 0);
    for (int i = 0; i < 2 && !err; i++)
        err = snapshot_side_read(&diff->side[i], fault);
    if (!err)
        err = diff_merge(diff, fault);
    if (!err)
        err = diff_collect(diff, fault);
    if (err)
        return err;
    diff_others(diff);
    for (uint32_t i = 0; i < diff->item_count; i++) {
        const struct snapshot_diff_item *item = &diff->items[i];
        if (item->copy[0].there && item->copy[1].there)
            diff_tell_both(diff, item);
        else
            diff_tell_only(diff, item);
    }
    return 0;
}

void snapshot_diff_fini(struct snapshot_diff *diff)
{
    for (uint32_t i = 0; i < diff->item_count; i++)
        diff_item_free(&diff->items[i]);
    free(diff->items);
    free(diff->wanted);
    snapshot_side_fini(&diff->side[0]);
    snapshot_side_fini(&diff->side[1]);
}
