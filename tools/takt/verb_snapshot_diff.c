#include "consensus/disk_posix.h"
#include "tools/takt/json.h"
#include "tools/takt/snapshot_diff.h"
#include "tools/takt/verb_snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One of the two words of the command line. */
struct verb_snapshot_place {
    struct disk_posix disk;
    struct disk_io io;
    bool open;
    char *path;             /* owned; dir and name point into it */
    const char *dir, *name; /* name NULL: a directory */
    uint64_t *indexes;      /* its snapshots, newest first; owned */
    uint32_t count;
};

struct verb_snapshot_two {
    const struct verb_snapshot_diff *options;
    struct verb_snapshot_place place[2];
    struct snapshot_diff diff;
    struct json json;
    bool headed;
};

/* DIR@INDEX: the index, in hexadecimal, becomes a file's name. The '@' of a path that is there as
 * it stands is part of it. */
static bool verb_snapshot_diff_at(struct verb_snapshot_place *place)
{
    char *at = strrchr(place->path, '@'), *end, name[DISK_PATH_SIZE_MAX];
    if (!at || at == place->path || at[1] == '\0')
        return false;
    uint64_t index = strtoull(at + 1, &end, 16);
    if (*end != '\0')
        return false;
    snapshot_name(name, index);
    *at = '\0';
    size_t size = strlen(place->path) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path)
        return false;
    snprintf(path, size, "%s/%s", place->path, name);
    free(place->path);
    place->path = path;
    return verb_snapshot_split(place->path, &place->dir, &place->name);
}

static int verb_snapshot_diff_open(struct verb_snapshot_place *place, const char *what,
                                   struct fault *fault)
{
    place->path = strdup(what);
    if (!place->path)
        return fault_set(fault, ERR_NOMEM, "no memory");
    if (!verb_snapshot_split(place->path, &place->dir, &place->name) &&
        !verb_snapshot_diff_at(place))
        return fault_set(fault, ERR_NOTFOUND, "there is no file or directory %s", what);
    if (place->name && strlen(place->name) >= DISK_PATH_SIZE_MAX)
        return fault_set(fault, ERR_RANGE, "%s is no name of a snapshot", place->name);
    int err = disk_posix_init(&place->disk, &place->io, place->dir, true, fault);
    place->open = err == 0;
    if (!err && !place->name)
        err = snapshot_list(&place->io, &place->indexes, &place->count, fault);
    if (!err && !place->name && place->count == 0)
        err = fault_set(fault, ERR_NOTFOUND, "%s holds no snapshot", what);
    return err;
}

static bool verb_snapshot_diff_has(const struct verb_snapshot_place *place, uint64_t index)
{
    for (uint32_t i = 0; i < place->count; i++)
        if (place->indexes[i] == index)
            return true;
    return false;
}

/* Of directories: the newest that both have, else the newest of each. */
static void verb_snapshot_diff_pick(struct verb_snapshot_two *two)
{
    const struct verb_snapshot_place *a = &two->place[0], *b = &two->place[1];
    uint64_t index[2] = {a->count ? a->indexes[0] : 0, b->count ? b->indexes[0] : 0};
    for (uint32_t i = 0; i < a->count; i++) {
        if (verb_snapshot_diff_has(b, a->indexes[i])) {
            index[0] = index[1] = a->indexes[i];
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        struct snapshot_side *side = &two->diff.side[i];
        side->io = &two->place[i].io;
        if (two->place[i].name)
            snprintf(side->name, sizeof(side->name), "%s", two->place[i].name);
        else
            snapshot_name(side->name, index[i]);
    }
}

/* Says once what A and B are. */
static void verb_snapshot_diff_head(struct verb_snapshot_two *two)
{
    if (two->headed)
        return;
    two->headed = true;
    for (int i = 0; i < 2; i++) {
        const struct snapshot_info *info = &two->diff.side[i].info;
        printf("%c  %s/%s: log index %" PRIu64 " (0x%" PRIx64 "), term %" PRIu64 ", zxid 0x%" PRIx64
               ", state hash %016" PRIx64 "\n",
               "AB"[i], two -> place[i].dir, two->diff.side[i].name, info->index, info->index,
               info->term, (uint64_t)info->zxid, info->state_hash);
    }
}

static void verb_snapshot_diff_line(void *self, const struct snapshot_diff_line *line)
{
    struct verb_snapshot_two *two = self;
    if (two->options->as_json) {
        json_open(&two->json, NULL, '{');
        json_text(&two->json, "kind", line->kind);
        json_text(&two->json, "name", line->name);
        if (line->field)
            json_text(&two->json, "field", line->field);
        json_text(&two->json, "a", line->a);
        json_text(&two->json, "b", line->b);
        json_close(&two->json, '}');
        json_line(&two->json);
        return;
    }
    verb_snapshot_diff_head(two);
    printf("%s %s", line->kind, line->name);
    if (!line->a || !line->b)
        printf("\tonly in %s: %s\n", line->a ? "A" : "B", line->a ? line->a : line->b);
    else
        printf("\t%s%sA %s | B %s\n", line->field ? line->field : "", line->field ? ": " : "",
               line->a, line->b);
}

static void verb_snapshot_diff_count(const struct verb_snapshot_two *two)
{
    const struct snapshot_diff *d = &two->diff;
    uint64_t znodes = d->only[0] + d->only[1] + d->both + (d->later_too ? d->later : 0);
    bool others_hidden = !snapshot_diff_one_moment(d) && !d->later_too;
    if (znodes > d->znodes_shown)
        printf("... and %" PRIu64 " more znodes\n", znodes - d->znodes_shown);
    if (!others_hidden && d->others > d->others_shown)
        printf("... and %" PRIu64 " more beside znodes\n", d->others - d->others_shown);
    if (snapshot_diff_same(d)) {
        printf("the same: %" PRIu64 " znodes, %" PRIu64 " sessions\n", d->side[0].info.node_count,
               d->side[0].info.session_count);
        return;
    }
    printf("znodes: %" PRIu64 " only in A, %" PRIu64 " only in B, %" PRIu64
           " differ; beside them: %" PRIu64 "\n",
           d->only[0], d->only[1], d->both, d->others);
    if (snapshot_diff_one_moment(d))
        return;
    printf("later: %" PRIu64 " znodes that the log's entries between the two may explain%s\n",
           d->later,
           others_hidden ? "; they, and what is beside znodes, are shown with --all" : "");
    if (snapshot_diff_agree(d))
        printf("of two moments, and nothing speaks against one history\n");
}

static void verb_snapshot_diff_sum(struct verb_snapshot_two *two)
{
    const struct snapshot_diff *d = &two->diff;
    struct json *json = &two->json;
    if (!two->options->as_json) {
        verb_snapshot_diff_head(two);
        verb_snapshot_diff_count(two);
        return;
    }
    json_open(json, NULL, '{');
    json_text(json, "kind", "sum");
    json_bool(json, "same", snapshot_diff_same(d));
    json_bool(json, "agree", snapshot_diff_agree(d));
    json_bool(json, "one_moment", snapshot_diff_one_moment(d));
    json_int(json, "only_a", (int64_t)d->only[0]);
    json_int(json, "only_b", (int64_t)d->only[1]);
    json_int(json, "differ", (int64_t)d->both);
    json_int(json, "later", (int64_t)d->later);
    json_int(json, "others", (int64_t)d->others);
    json_int(json, "znodes_shown", (int64_t)d->znodes_shown);
    json_int(json, "others_shown", (int64_t)d->others_shown);
    json_int(json, "index_a", (int64_t)d->side[0].info.index);
    json_int(json, "index_b", (int64_t)d->side[1].info.index);
    json_hex(json, "state_hash_a", d->side[0].info.state_hash);
    json_hex(json, "state_hash_b", d->side[1].info.state_hash);
    json_close(json, '}');
    json_line(json);
}

int verb_snapshot_diff(const struct verb_snapshot_diff *options, const char *a, const char *b)
{
    static struct verb_snapshot_two two; /* 100 KB of disk state: kept off the stack */
    const char *const what[2] = {a, b};
    struct fault fault;
    int err = 0;
    memset(&two, 0, sizeof(two));
    two.options = options;
    two.diff = (struct snapshot_diff){.limit = (uint32_t)options->limit,
                                      .later_too = options->all,
                                      .line = verb_snapshot_diff_line,
                                      .self = &two};
    json_init(&two.json, stdout);
    for (int i = 0; i < 2 && !err; i++)
        err = verb_snapshot_diff_open(&two.place[i], what[i], &fault);
    if (!err) {
        verb_snapshot_diff_pick(&two);
        err = snapshot_diff_run(&two.diff, &fault);
    }
    if (err)
        fprintf(stderr, "takt: %s\n", fault.text);
    else
        verb_snapshot_diff_sum(&two);
    int exit_code = err ? VERB_USAGE : snapshot_diff_agree(&two.diff) ? VERB_OK : VERB_FAILED;
    snapshot_diff_fini(&two.diff);
    for (int i = 0; i < 2; i++) {
        if (two.place[i].open)
            disk_posix_fini(&two.place[i].disk);
        free(two.place[i].indexes);
        free(two.place[i].path);
    }
    return exit_code;
}
