#include "tools/takt/verb_snapshot.h"
#include "consensus/disk_posix.h"
#include "store/snapshot.h"
#include "tools/takt/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const struct verb_page verb_snapshot_page = {
    .usage = "takt snapshot inspect|verify FILE|DIR [--paths] [-o table|json]\n"
             "       takt snapshot diff A B [--limit N] [--all] [-o table|json]",
    .about =
        "Reads a snapshot, or every snapshot in a node's data directory, without changing it; the\n"
        "node may run. Both read all of it and check every byte (checksums of the blocks, digest\n"
        "of the file). inspect shows what it holds, and with --paths every znode; verify only "
        "says\n"
        "whether it is whole, and where not. Exit code 1 when one is damaged, or there is none.\n"
        "\n"
        "diff shows where two snapshots differ: znodes (data, Stat, ACL), sessions, lanes (how\n"
        "far each node's forwarded commands were applied), settings, membership. A and B are\n"
        "files, or data directories: DIR@INDEX is the snapshot of that index, as its file's name\n"
        "has it; DIR is the newest that both directories have, else the newest. Snapshots of one\n"
        "index must be the same on every member; of two indexes, what the zxids explain by the\n"
        "entries between them is counted as later and not shown. Exit code 0: the same, or of two\n"
        "indexes with nothing but what is later; 1: they differ; 2: one cannot be read.",
    .examples = "  takt snapshot verify /var/lib/takt\n"
                "  takt snapshot inspect /var/lib/takt/snapshot.0000000000001234\n"
                "  takt snapshot inspect --paths /var/lib/takt | grep ^/app\n"
                "  takt snapshot diff node1/data node2/data\n"
                "  takt snapshot diff -o json /var/lib/takt@1234 copy/snapshot.0000000000001234\n",
};

struct verb_snapshot {
    struct disk_posix disk;
    struct disk_io io;
    bool verify, paths, as_json;
    struct json json;
    const char *name; /* of the file being read */
    uint64_t data_size, ephemeral_count, largest_size;
    char largest[256]; /* the path with the most data */
};

static void verb_snapshot_print_node(struct verb_snapshot *s, const struct tree_image *node)
{
    if (!s->as_json) {
        printf("%.*s\t%d\t%d\t0x%" PRIx64 "\n", node->path.size, (const char *)node->path.at,
               node->data.size < 0 ? 0 : node->data.size, node->version, node->mzxid);
        return;
    }
    json_open(&s->json, NULL, '{');
    json_text(&s->json, "file", s->name);
    json_bytes(&s->json, "path", node->path);
    json_int(&s->json, "data_length", node->data.size < 0 ? 0 : node->data.size);
    json_int(&s->json, "version", node->version);
    json_hex(&s->json, "czxid", (uint64_t)node->czxid);
    json_hex(&s->json, "mzxid", (uint64_t)node->mzxid);
    json_hex(&s->json, "owner", (uint64_t)node->owner);
    json_int(&s->json, "children", node->child_count);
    json_close(&s->json, '}');
    json_line(&s->json);
}

static int verb_snapshot_node(void *self, const struct tree_image *node, struct fault *fault)
{
    struct verb_snapshot *s = self;
    uint64_t size = node->data.size > 0 ? (uint64_t)node->data.size : 0;
    (void)fault;
    s->data_size += size;
    s->ephemeral_count += node->owner != 0 && node->owner != ZK_OWNER_CONTAINER &&
                          ((uint64_t)node->owner & ZK_OWNER_TTL_TOP) != ZK_OWNER_TTL_TOP;
    if (size > s->largest_size) {
        s->largest_size = size;
        snprintf(s->largest, sizeof(s->largest), "%.*s", node->path.size,
                 (const char *)node->path.at);
    }
    if (s->paths && !s->verify)
        verb_snapshot_print_node(s, node);
    return 0;
}

static void verb_snapshot_time(int64_t ms, char room[40])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms == 0 || gmtime_r(&seconds, &tm) == NULL)
        snprintf(room, 40, "-");
    else
        strftime(room, 40, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

static void verb_snapshot_print(struct verb_snapshot *s, const struct snapshot_info *info)
{
    char when[40], cluster[33];
    for (int i = 0; i < 16; i++)
        snprintf(cluster + 2 * i, 3, "%02x", info->cluster_id[i]);
    verb_snapshot_time(info->time_ms, when);
    printf("%s%s%s\n", verb_tint(stdout, "1"), s->name, verb_tint(stdout, "0"));
    printf("  cluster      %s\n", cluster);
    printf("  log index    %" PRIu64 ", term %" PRIu64 "\n", info->index, info->term);
    printf("  zxid         0x%" PRIx64 "\n", (uint64_t)info->zxid);
    printf("  time         %s\n", when);
    printf("  znodes       %" PRIu64 " (%" PRIu64 " ephemeral)\n", info->node_count,
           s->ephemeral_count);
    printf("  data         %" PRIu64 " bytes\n", s->data_size);
    if (s->largest_size > 0)
        printf("  largest      %" PRIu64 " bytes: %s\n", s->largest_size, s->largest);
    printf("  sessions     %" PRIu64 "\n", info->session_count);
    printf("  ACLs         %" PRIu64 "\n", info->acl_count);
    printf("  state hash   %016" PRIx64 "\n", info->state_hash);
    printf("  file         %" PRIu64 " bytes, whole\n", info->file_size);
}

static void verb_snapshot_print_json(struct verb_snapshot *s, const struct snapshot_info *info,
                                     const struct fault *damage)
{
    struct json *json = &s->json;
    json_open(json, NULL, '{');
    json_text(json, "file", s->name);
    json_bool(json, "whole", damage == NULL);
    if (damage != NULL) {
        json_text(json, "damage", damage->text);
    } else {
        json_int(json, "index", (int64_t)info->index);
        json_int(json, "term", (int64_t)info->term);
        json_hex(json, "zxid", (uint64_t)info->zxid);
        json_int(json, "time_ms", info->time_ms);
        json_int(json, "znodes", (int64_t)info->node_count);
        json_int(json, "ephemerals", (int64_t)s->ephemeral_count);
        json_int(json, "data_bytes", (int64_t)s->data_size);
        json_int(json, "sessions", (int64_t)info->session_count);
        json_int(json, "acls", (int64_t)info->acl_count);
        json_hex(json, "state_hash", info->state_hash);
        json_int(json, "file_bytes", (int64_t)info->file_size);
    }
    json_close(json, '}');
    json_line(json);
}

/* Reads one file and says how it is. */
static int verb_snapshot_one(struct verb_snapshot *s, const char *name)
{
    struct snapshot_info info;
    struct fault fault = {""};
    struct snapshot_sink sink = {.self = s, .node = verb_snapshot_node};
    s->name = name;
    s->data_size = s->ephemeral_count = s->largest_size = 0;
    int err = snapshot_read(&s->io, name, &sink, &info, &fault);
    if (s->as_json)
        verb_snapshot_print_json(s, &info, err ? &fault : NULL);
    else if (err)
        fprintf(stderr, "takt: %s\n", fault.text);
    else if (s->verify)
        printf("%s: whole, %" PRIu64 " znodes, log index %" PRIu64 "\n", name, info.node_count,
               info.index);
    else if (!s->paths)
        verb_snapshot_print(s, &info);
    return err;
}

/* All of a directory, the newest first. With --paths only the newest: one list, not several. */
static int verb_snapshot_all(struct verb_snapshot *s)
{
    uint64_t *indexes = NULL;
    uint32_t count = 0;
    struct fault fault;
    int worst = snapshot_list(&s->io, &indexes, &count, &fault);
    if (worst != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return worst;
    }
    if (count == 0) {
        fprintf(stderr, "takt: %s holds no snapshot\n", s->io.where);
        worst = ERR_NOTFOUND;
    }
    for (uint32_t i = 0; i < count && (i == 0 || !s->paths); i++) {
        char name[DISK_PATH_SIZE_MAX];
        snapshot_name(name, indexes[i]);
        int err = verb_snapshot_one(s, name);
        worst = err != 0 ? err : worst;
    }
    free(indexes);
    return worst;
}

bool verb_snapshot_split(char *path, const char **dir, const char **name)
{
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) != 0)
        return false;
    *dir = path;
    *name = NULL;
    if (S_ISDIR(stat_buffer.st_mode))
        return true;
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    *dir = slash == path ? "/" : slash ? path : ".";
    if (slash != NULL)
        *slash = '\0';
    return true;
}

static int verb_snapshot_run(struct verb_snapshot *s, const char *what)
{
    char *path = strdup(what);
    const char *dir, *name;
    struct fault fault;
    int exit_code = VERB_FAILED;
    if (path == NULL || !verb_snapshot_split(path, &dir, &name)) {
        fprintf(stderr, "takt: there is no file or directory %s\n", what);
    } else if (name != NULL && strlen(name) >= DISK_PATH_SIZE_MAX) {
        fprintf(stderr, "takt: %s is no name of a snapshot\n", name);
    } else if (disk_posix_init(&s->disk, &s->io, dir, true, &fault) != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
    } else {
        int err = name ? verb_snapshot_one(s, name) : verb_snapshot_all(s);
        exit_code = err == 0 ? VERB_OK : VERB_FAILED;
        disk_posix_fini(&s->disk);
    }
    free(path);
    return exit_code;
}

int verb_snapshot(int argc, char **argv)
{
    static struct verb_snapshot snapshot;
    const char *output = "table";
    struct verb_snapshot_diff diff = {.limit = 50};
    int rest;
    snapshot = (struct verb_snapshot){.paths = false};
    const struct opts_item items[] = {
        {"paths", 'p', OPTS_FLAG, &snapshot.paths, NULL,
         "inspect: list every znode of the newest: path, data bytes, version, mzxid"},
        {"limit", 'n', OPTS_NUMBER, &diff.limit, "N",
         "diff: show at most so many znodes, and as many other things; count the rest", 1, 1000000},
        {"all", 'a', OPTS_FLAG, &diff.all, NULL,
         "diff: show what is later, too, in snapshots of two indexes"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table, or json: one object a line",
         .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_snapshot_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    diff.as_json = strcmp(output, "json") == 0;
    if (rest > 0 && strcmp(argv[1], "diff") == 0)
        return rest == 3 ? verb_snapshot_diff(&diff, argv[2], argv[3])
                         : verb_usage(&verb_snapshot_page, "diff, then two files or directories");
    if (rest != 2)
        return verb_usage(&verb_snapshot_page, "inspect or verify, then one file or directory");
    snapshot.verify = strcmp(argv[1], "verify") == 0;
    if (!snapshot.verify && strcmp(argv[1], "inspect") != 0)
        return verb_usage(&verb_snapshot_page, "\"%s\" is neither inspect, verify nor diff",
                          argv[1]);
    snapshot.as_json = diff.as_json;
    json_init(&snapshot.json, stdout);
    return verb_snapshot_run(&snapshot, argv[2]);
}
