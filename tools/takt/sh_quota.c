#include "tools/takt/sh_quota.h"

#include "tools/takt/acltext.h"
#include "tools/takt/quotatext.h"
#include "tools/takt/sh_tree.h"

#include <inttypes.h>
#include <stdlib.h>

#define SH_QUOTA_PATH_SIZE 1200

/* /zookeeper/quota<path>/<leaf>. */
static int sh_quota_path(struct sh *sh, const char *path, const char *leaf,
                         char room[SH_QUOTA_PATH_SIZE])
{
    if (path[0] != '/' || path[1] == '\0' || strncmp(path, "/zookeeper", 10) == 0)
        return sh_complain(sh, ERR_CONFIG,
                           "a quota belongs to a path such as /app; the root and "
                           "/zookeeper have none");
    int n = snprintf(room, SH_QUOTA_PATH_SIZE, QUOTA_ROOT "%s%s%s", path, leaf[0] ? "/" : "", leaf);
    return n < SH_QUOTA_PATH_SIZE ? 0 : sh_complain(sh, ERR_LIMIT, "the path is too long");
}

/* Reads one of the two znodes. *error is the server's code. */
static int sh_quota_read(struct sh *sh, const char *path, struct quota *quota, int32_t *error)
{
    struct zkclient_reply reply;
    struct jute_out *out = sh_request(sh, ZK_OP_GET_DATA, 8 + strlen(path));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_path_watch(out, bytes_of_string(path), false);
    int err = sh_ask(sh, &reply);
    if (err != 0)
        return err;
    *error = reply.error;
    struct bytes text = jute_get_bytes(&reply.body);
    if (reply.error == ZK_OK && quotatext_parse(text, quota) != 0)
        return sh_complain(sh, ERR_MALFORMED, "%s holds no quota", path);
    return 0;
}

/* Creates path with the text, or sets it when it is there and `overwrite`. */
static int sh_quota_write(struct sh *sh, const char *path, const char *text, bool overwrite)
{
    struct zkclient_reply reply;
    struct bytes at = bytes_of_string(path), data = bytes_of_string(text);
    struct jute_out *out = sh_request(sh, ZK_OP_CREATE, 64 + strlen(path) + strlen(text));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_create(out, at, data, &acltext_open, 1, ZK_CREATE_PERSISTENT);
    int err = sh_ask(sh, &reply);
    if (err != 0 || reply.error == ZK_OK)
        return err;
    if (reply.error != ZK_NODE_EXISTS)
        return sh_refused(sh, path, reply.error);
    if (!overwrite)
        return 0;
    out = sh_request(sh, ZK_OP_SET_DATA, 16 + strlen(path) + strlen(text));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_set(out, at, data, -1);
    return sh_call(sh, path, &reply);
}

/* Refuses a second quota above or below: only the longest prefix counts, so one of them would lie.
 */
static int sh_quota_alone(struct sh *sh, const char *path)
{
    char room[SH_QUOTA_PATH_SIZE], *parent = strdup(path);
    struct quota quota;
    int32_t error = ZK_OK;
    int err = parent ? 0 : sh_complain(sh, ERR_NOMEM, "no memory");
    for (char *slash = parent;
         err == 0 && (slash = strrchr(parent, '/')) != NULL && slash > parent;) {
        *slash = '\0';
        err = sh_quota_path(sh, parent, QUOTA_LIMITS, room);
        if (err == 0)
            err = sh_quota_read(sh, room, &quota, &error);
        if (err == 0 && error == ZK_OK)
            err = sh_complain(sh, ERR_EXISTS, "%s, which is above, has a quota; delquota it first",
                              parent);
    }
    free(parent);
    return err;
}

int sh_quota_set(struct sh *sh, const struct sh_args *args)
{
    struct fault fault;
    struct quota quota = quotatext_none;
    char room[SH_QUOTA_PATH_SIZE], text[QUOTA_TEXT_SIZE];
    const char *path = sh_args_text(args, 0);
    int32_t error = ZK_OK;
    if (!sh_args_has(args, 'n') && !sh_args_has(args, 'b') && !sh_args_has(args, 'N') &&
        !sh_args_has(args, 'B'))
        return sh_complain(sh, ERR_CONFIG, "no limit is given; help setquota");
    int err = sh_quota_path(sh, path, QUOTA_LIMITS, room);
    if (err == 0)
        err = sh_quota_alone(sh, path);
    if (err == 0)
        err = sh_quota_read(sh, room, &quota, &error);
    if (err != 0)
        return err;
    if (sh_args_number(args, 'n', -1, INT64_MAX, quota.count, &quota.count, &fault) != 0 ||
        sh_args_number(args, 'b', -1, INT64_MAX, quota.bytes, &quota.bytes, &fault) != 0 ||
        sh_args_number(args, 'N', -1, INT64_MAX, quota.count_hard, &quota.count_hard, &fault) ||
        sh_args_number(args, 'B', -1, INT64_MAX, quota.bytes_hard, &quota.bytes_hard, &fault))
        return sh_complain(sh, ERR_CONFIG, "%s", fault.text);
    for (char *slash = strchr(room + sizeof(QUOTA_ROOT), '/'); slash && err == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        err = sh_quota_write(sh, room, "", false);
        *slash = '/';
    }
    quotatext_text(&quota, text);
    if (err == 0)
        err = sh_quota_write(sh, room, text, true);
    if (err == 0)
        err = sh_quota_path(sh, path, QUOTA_STATS, room);
    if (err == 0)
        err = sh_quota_write(sh, room, "count=0,bytes=0", false);
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, path);
        json_text(&sh->json, "limits", text);
        sh_json_end(sh);
    }
    return err;
}

static void sh_quota_limit(const char *name, int64_t used, int64_t soft, int64_t hard)
{
    printf("  %-6s used %" PRId64, name, used);
    if (soft >= 0)
        printf(", soft limit %" PRId64, soft);
    if (hard >= 0)
        printf(", hard limit %" PRId64, hard);
    putchar('\n');
}

static int sh_quota_show(struct sh *sh, const char *path)
{
    char room[SH_QUOTA_PATH_SIZE];
    struct quota limits = quotatext_none, used = quotatext_none;
    int32_t error = ZK_OK, stats_error = ZK_OK;
    int err = sh_quota_path(sh, path, QUOTA_LIMITS, room);
    if (err == 0)
        err = sh_quota_read(sh, room, &limits, &error);
    if (err == 0 && error == ZK_NO_NODE)
        return sh_complain(sh, ERR_NOTFOUND, "%s has no quota", path);
    if (err == 0 && error != ZK_OK)
        return sh_refused(sh, room, error);
    if (err == 0)
        err = sh_quota_path(sh, path, QUOTA_STATS, room);
    if (err == 0)
        err = sh_quota_read(sh, room, &used, &stats_error);
    if (err != 0)
        return err;
    if (!sh->as_json) {
        printf("%s\n", path);
        sh_quota_limit("count", used.count, limits.count, limits.count_hard);
        sh_quota_limit("bytes", used.bytes, limits.bytes, limits.bytes_hard);
        return 0;
    }
    sh_json_begin(sh, path);
    json_int(&sh->json, "count", used.count);
    json_int(&sh->json, "bytes", used.bytes);
    json_int(&sh->json, "count_limit", limits.count);
    json_int(&sh->json, "bytes_limit", limits.bytes);
    json_int(&sh->json, "count_hard_limit", limits.count_hard);
    json_int(&sh->json, "bytes_hard_limit", limits.bytes_hard);
    sh_json_end(sh);
    return 0;
}

int sh_quota_list(struct sh *sh, const struct sh_args *args)
{
    struct sh_tree tree;
    if (args->count > 0)
        return sh_quota_show(sh, sh_args_text(args, 0));
    int err = sh_tree_collect(sh, QUOTA_ROOT, &tree);
    if (err != 0)
        return err;
    for (size_t i = 0; i < tree.count && err == 0; i++) {
        char *leaf = strrchr(tree.paths[i], '/');
        if (strcmp(leaf + 1, QUOTA_LIMITS) != 0)
            continue;
        *leaf = '\0';
        err = sh_quota_show(sh, tree.paths[i] + strlen(QUOTA_ROOT));
    }
    sh_tree_fini(&tree);
    return err;
}

/* Deletes a znode when it is there and has no children; *gone tells. */
static int sh_quota_drop(struct sh *sh, const char *path, bool *gone)
{
    struct zkclient_reply reply;
    struct jute_out *out = sh_request(sh, ZK_OP_DELETE, 8 + strlen(path));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_path_int(out, bytes_of_string(path), -1);
    int err = sh_ask(sh, &reply);
    *gone = err == 0 && (reply.error == ZK_OK || reply.error == ZK_NO_NODE);
    if (err == 0 && reply.error != ZK_OK && reply.error != ZK_NO_NODE &&
        reply.error != ZK_NOT_EMPTY)
        return sh_refused(sh, path, reply.error);
    return err;
}

static int sh_quota_remove(struct sh *sh, const char *path)
{
    static const char *const leaves[] = {QUOTA_LIMITS, QUOTA_STATS};
    char room[SH_QUOTA_PATH_SIZE];
    bool gone = true;
    int err = 0;
    for (uint32_t i = 0; i < 2 && err == 0; i++) {
        err = sh_quota_path(sh, path, leaves[i], room);
        if (err == 0)
            err = sh_quota_drop(sh, room, &gone);
    }
    if (err == 0)
        err = sh_quota_path(sh, path, "", room);
    while (err == 0 && gone && strlen(room) > strlen(QUOTA_ROOT)) {
        err = sh_quota_drop(sh, room, &gone);
        *strrchr(room, '/') = '\0';
    }
    return err;
}

int sh_quota_delete(struct sh *sh, const struct sh_args *args)
{
    struct quota quota;
    char room[SH_QUOTA_PATH_SIZE], text[QUOTA_TEXT_SIZE];
    const char *path = sh_args_text(args, 0);
    int32_t error = ZK_OK;
    bool n = sh_args_has(args, 'n'), b = sh_args_has(args, 'b'), hard_n = sh_args_has(args, 'N'),
         hard_b = sh_args_has(args, 'B');
    int err = sh_quota_path(sh, path, QUOTA_LIMITS, room);
    if (err == 0)
        err = sh_quota_read(sh, room, &quota, &error);
    if (err == 0 && error == ZK_NO_NODE)
        return sh_complain(sh, ERR_NOTFOUND, "%s has no quota", path);
    if (err == 0 && error != ZK_OK)
        return sh_refused(sh, room, error);
    if (err != 0)
        return err;
    if (!n && !b && !hard_n && !hard_b) {
        err = sh_quota_remove(sh, path);
    } else {
        quota.count = n ? -1 : quota.count;
        quota.bytes = b ? -1 : quota.bytes;
        quota.count_hard = hard_n ? -1 : quota.count_hard;
        quota.bytes_hard = hard_b ? -1 : quota.bytes_hard;
        quotatext_text(&quota, text);
        err = sh_quota_write(sh, room, text, true);
    }
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, path);
        sh_json_end(sh);
    }
    return err;
}
