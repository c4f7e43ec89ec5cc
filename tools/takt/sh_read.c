#include "tools/takt/sh_read.h"

#include "tools/takt/acltext.h"
#include "tools/takt/sh_tree.h"

#include <stdlib.h>

/* Sends {path, watch} and waits. */
static int sh_read_ask(struct sh *sh, int32_t op, const char *path, bool watch,
                       struct zkclient_reply *reply)
{
    struct jute_out *out = sh_request(sh, op, 8 + strlen(path));
    if (out == NULL)
        return ERR_IO;
    if (op == ZK_OP_GET_ACL || op == ZK_OP_SYNC || op == ZK_OP_GET_EPHEMERALS ||
        op == ZK_OP_GET_ALL_CHILDREN_NUMBER)
        zkwire_put_path(out, bytes_of_string(path));
    else
        zkwire_put_path_watch(out, bytes_of_string(path), watch);
    return sh_call(sh, path, reply);
}

static int sh_read_data(struct sh *sh, const char *path, bool watch, bool with_stat)
{
    struct zkclient_reply reply;
    struct zk_stat stat;
    int err = sh_read_ask(sh, ZK_OP_GET_DATA, path, watch, &reply);
    if (err != 0)
        return err;
    struct bytes data = jute_get_bytes(&reply.body);
    zkwire_get_stat(&reply.body, &stat);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, path);
        json_data(&sh->json, "data", data);
        sh_print_stat(sh, &stat);
        sh_json_end(sh);
        return 0;
    }
    sh_print_data(sh, data);
    if (with_stat)
        sh_print_stat(sh, &stat);
    return 0;
}

int sh_read_get(struct sh *sh, const struct sh_args *args)
{
    return sh_read_data(sh, sh_args_text(args, 0), sh_args_has(args, 'w'), sh_args_has(args, 's'));
}

int sh_read_config(struct sh *sh, const struct sh_args *args)
{
    return sh_read_data(sh, "/zookeeper/config", false, sh_args_has(args, 's'));
}

static int sh_read_compare(const void *a, const void *b)
{
    const struct bytes *x = a, *y = b;
    int32_t size = x->size < y->size ? x->size : y->size;
    int order = size > 0 ? memcmp(x->at, y->at, (size_t)size) : 0;
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* A vector of names from a reply, sorted. The caller frees *names; the text is the reply's. */
static int sh_read_names(struct sh *sh, struct jute_in *in, struct bytes **names, int32_t *count)
{
    int32_t n = jute_get_count(in, 4);
    struct bytes *found = calloc((size_t)(n > 0 ? n : 1), sizeof(*found));
    if (found == NULL)
        return sh_complain(sh, ERR_NOMEM, "no memory for %d names", n);
    for (int32_t i = 0; i < n; i++)
        found[i] = jute_get_bytes(in);
    if (in->bad || n < 0) {
        free(found);
        return sh_malformed(sh);
    }
    qsort(found, (size_t)n, sizeof(*found), sh_read_compare);
    *names = found;
    *count = n;
    return 0;
}

static void sh_read_print_names(struct sh *sh, const char *key, const struct bytes *names,
                                int32_t count)
{
    if (sh->as_json)
        json_open(&sh->json, key, '[');
    for (int32_t i = 0; i < count; i++) {
        if (sh->as_json)
            json_bytes(&sh->json, NULL, names[i]);
        else
            printf("%.*s\n", names[i].size, (const char *)names[i].at);
    }
    if (sh->as_json)
        json_close(&sh->json, ']');
}

static int sh_read_list(struct sh *sh, const char *path, bool watch, bool with_stat)
{
    struct zkclient_reply reply;
    struct zk_stat stat;
    struct bytes *names;
    int32_t count;
    int err = sh_read_ask(sh, ZK_OP_GET_CHILDREN2, path, watch, &reply);
    if (err == 0)
        err = sh_read_names(sh, &reply.body, &names, &count);
    if (err != 0)
        return err;
    zkwire_get_stat(&reply.body, &stat);
    if (reply.body.bad) {
        free(names);
        return sh_malformed(sh);
    }
    if (sh->as_json)
        sh_json_begin(sh, path);
    sh_read_print_names(sh, "children", names, count);
    if (with_stat || sh->as_json)
        sh_print_stat(sh, &stat);
    if (sh->as_json)
        sh_json_end(sh);
    free(names);
    return 0;
}

int sh_read_ls(struct sh *sh, const struct sh_args *args)
{
    const char *path = args->count > 0 ? sh_args_text(args, 0) : "/";
    struct sh_tree tree;
    if (!sh_args_has(args, 'R'))
        return sh_read_list(sh, path, sh_args_has(args, 'w'), sh_args_has(args, 's'));
    int err = sh_tree_collect(sh, path, &tree);
    if (err != 0)
        return err;
    if (sh->as_json) {
        sh_json_begin(sh, path);
        json_open(&sh->json, "paths", '[');
    }
    for (size_t i = 0; i < tree.count; i++) {
        if (sh->as_json)
            json_text(&sh->json, NULL, tree.paths[i]);
        else
            printf("%s\n", tree.paths[i]);
    }
    if (sh->as_json) {
        json_close(&sh->json, ']');
        sh_json_end(sh);
    }
    sh_tree_fini(&tree);
    return 0;
}

int sh_read_ls2(struct sh *sh, const struct sh_args *args)
{
    return sh_read_list(sh, args->count > 0 ? sh_args_text(args, 0) : "/", sh_args_has(args, 'w'),
                        true);
}

int sh_read_stat(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct zk_stat stat;
    const char *path = sh_args_text(args, 0);
    int err = sh_read_ask(sh, ZK_OP_EXISTS, path, sh_args_has(args, 'w'), &reply);
    if (err != 0)
        return err;
    zkwire_get_stat(&reply.body, &stat);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (sh->as_json)
        sh_json_begin(sh, path);
    sh_print_stat(sh, &stat);
    if (sh->as_json)
        sh_json_end(sh);
    return 0;
}

int sh_read_get_acl(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct zk_stat stat;
    struct zkwire_acl acl;
    char perms[8];
    const char *path = sh_args_text(args, 0);
    int err = sh_read_ask(sh, ZK_OP_GET_ACL, path, false, &reply);
    if (err != 0)
        return err;
    struct jute_in body = reply.body; /* first to see that it is whole, then to print */
    int32_t count = jute_get_count(&body, 12);
    for (int32_t i = 0; i < count; i++)
        zkwire_get_acl(&body, &acl);
    zkwire_get_stat(&body, &stat);
    if (body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, path);
        json_open(&sh->json, "acl", '[');
    }
    jute_get_int(&reply.body);
    for (int32_t i = 0; i < count; i++) {
        char text[1024];
        zkwire_get_acl(&reply.body, &acl);
        acltext_perms_text(acl.perms, perms);
        snprintf(text, sizeof(text), "%.*s:%.*s:%s", acl.scheme.size, (const char *)acl.scheme.at,
                 acl.id.size, (const char *)acl.id.at, perms);
        if (sh->as_json)
            json_text(&sh->json, NULL, text);
        else
            printf("%s\n", text);
    }
    if (sh->as_json)
        json_close(&sh->json, ']');
    if (sh->as_json || sh_args_has(args, 's'))
        sh_print_stat(sh, &stat);
    if (sh->as_json)
        sh_json_end(sh);
    return 0;
}

int sh_read_sync(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    const char *path = args->count > 0 ? sh_args_text(args, 0) : "/";
    int err = sh_read_ask(sh, ZK_OP_SYNC, path, false, &reply);
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, path);
        json_hex(&sh->json, "zxid", (uint64_t)reply.zxid);
        sh_json_end(sh);
    }
    return err;
}

int sh_read_whoami(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    (void)args;
    if (sh_request(sh, ZK_OP_WHO_AM_I, 0) == NULL)
        return ERR_IO;
    int err = sh_call(sh, NULL, &reply);
    if (err != 0)
        return err;
    struct jute_in body = reply.body;
    int32_t count = jute_get_count(&body, 8);
    for (int32_t i = 0; i < count * 2; i++)
        jute_get_bytes(&body);
    if (body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_open(&sh->json, "credentials", '[');
    }
    jute_get_int(&reply.body);
    for (int32_t i = 0; i < count; i++) {
        char text[1024];
        struct bytes scheme = jute_get_bytes(&reply.body), user = jute_get_bytes(&reply.body);
        snprintf(text, sizeof(text), "%.*s:%.*s", scheme.size < 0 ? 0 : scheme.size,
                 (const char *)scheme.at, user.size < 0 ? 0 : user.size, (const char *)user.at);
        if (sh->as_json)
            json_text(&sh->json, NULL, text);
        else
            printf("%s\n", text);
    }
    if (sh->as_json) {
        json_close(&sh->json, ']');
        sh_json_end(sh);
    }
    return 0;
}

int sh_read_ephemerals(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct bytes *names;
    int32_t count;
    const char *prefix = args->count > 0 ? sh_args_text(args, 0) : "/";
    int err = sh_read_ask(sh, ZK_OP_GET_EPHEMERALS, prefix, false, &reply);
    if (err == 0)
        err = sh_read_names(sh, &reply.body, &names, &count);
    if (err != 0)
        return err;
    if (sh->as_json)
        sh_json_begin(sh, prefix);
    sh_read_print_names(sh, "ephemerals", names, count);
    if (sh->as_json)
        sh_json_end(sh);
    free(names);
    return 0;
}

int sh_read_count(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    const char *path = sh_args_text(args, 0);
    int err = sh_read_ask(sh, ZK_OP_GET_ALL_CHILDREN_NUMBER, path, false, &reply);
    if (err != 0)
        return err;
    int32_t count = jute_get_int(&reply.body);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, path);
        json_int(&sh->json, "count", count);
        sh_json_end(sh);
    } else {
        printf("%d\n", count);
    }
    return 0;
}
