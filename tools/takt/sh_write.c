#include "tools/takt/sh_write.h"

#include "base/check.h"

#include <stdlib.h>

int sh_write_parse_create(const struct sh_args *args, struct sh_create *create, struct fault *fault)
{
    bool sequence = sh_args_has(args, 's'), ephemeral = sh_args_has(args, 'e');
    bool container = sh_args_has(args, 'c'), ttl = sh_args_has(args, 't');
    int err = sh_args_number(args, 't', 1, ZK_TTL_MS_MAX, 0, &create->ttl_ms, fault);
    if (err != 0)
        return err;
    if (ephemeral + container + ttl > 1 || (container && sequence))
        return fault_set(fault, ERR_CONFIG, "-e, -c and -t exclude each other, and -c has no -s");
    create->op = container ? ZK_OP_CREATE_CONTAINER : ttl ? ZK_OP_CREATE_TTL : ZK_OP_CREATE;
    create->flags =
        container ? ZK_CREATE_CONTAINER
        : ttl     ? ZK_CREATE_TTL + sequence
                  : ephemeral * ZK_CREATE_EPHEMERAL + sequence * ZK_CREATE_PERSISTENT_SEQUENTIAL;
    create->path = sh_args_bytes(args, 0);
    create->data = args->count > 1 ? sh_args_bytes(args, 1) : bytes_of("", 0);
    create->acl[0] = acltext_open;
    create->acl_count = 1;
    return args->count > 2
               ? acltext_parse(args->rest[2]->text, create->acl, &create->acl_count, fault)
               : 0;
}

size_t sh_write_create_size(const struct sh_create *create)
{
    size_t size = 4 + (size_t)create->path.size + 4 + (size_t)create->data.size + 4 + 4 + 8;
    for (uint32_t i = 0; i < create->acl_count; i++)
        size += 12 + (size_t)create->acl[i].scheme.size + (size_t)create->acl[i].id.size;
    return size;
}

void sh_write_put_create(struct jute_out *out, const struct sh_create *create)
{
    zkwire_put_create(out, create->path, create->data, create->acl, create->acl_count,
                      create->flags);
    if (create->op == ZK_OP_CREATE_TTL)
        zkwire_put_ttl(out, create->ttl_ms);
}

/* Makes the parents of path that are missing, from the top. */
static int sh_write_parents(struct sh *sh, const char *path)
{
    struct zkclient_reply reply;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct bytes parent = bytes_of(path, (size_t)(slash - path));
        struct jute_out *out = sh_request(sh, ZK_OP_CREATE, 64 + (size_t)parent.size);
        if (out == NULL)
            return ERR_IO;
        zkwire_put_create(out, parent, bytes_of("", 0), &acltext_open, 1, ZK_CREATE_PERSISTENT);
        int err = sh_ask(sh, &reply);
        if (err == 0 && reply.error != ZK_OK && reply.error != ZK_NODE_EXISTS)
            err = sh_refused(sh, path, reply.error);
        if (err != 0)
            return err;
    }
    return 0;
}

int sh_write_create(struct sh *sh, const struct sh_args *args)
{
    struct sh_create create;
    struct fault fault;
    struct zkclient_reply reply;
    const char *path = sh_args_text(args, 0);
    int err = sh_write_parse_create(args, &create, &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    if (sh_args_has(args, 'p') && path[0] == '/' && (err = sh_write_parents(sh, path)) != 0)
        return err;
    struct jute_out *out = sh_request(sh, create.op, sh_write_create_size(&create));
    if (out == NULL)
        return ERR_IO;
    sh_write_put_create(out, &create);
    err = sh_call(sh, path, &reply);
    if (err != 0)
        return err;
    struct bytes made = jute_get_bytes(&reply.body);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (!sh->as_json) {
        printf("%.*s\n", made.size, (const char *)made.at);
        return 0;
    }
    sh_json_begin(sh, NULL);
    json_bytes(&sh->json, "path", made);
    json_hex(&sh->json, "zxid", (uint64_t)reply.zxid);
    sh_json_end(sh);
    return 0;
}

/* The answer of set and setAcl: a Stat, shown when asked for. */
static int sh_write_stat_reply(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct zk_stat stat;
    const char *path = sh_args_text(args, 0);
    int err = sh_call(sh, path, &reply);
    if (err != 0)
        return err;
    zkwire_get_stat(&reply.body, &stat);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, path);
        json_hex(&sh->json, "zxid", (uint64_t)reply.zxid);
        sh_print_stat(sh, &stat);
        sh_json_end(sh);
    } else if (sh_args_has(args, 's')) {
        sh_print_stat(sh, &stat);
    }
    return 0;
}

int sh_write_set(struct sh *sh, const struct sh_args *args)
{
    struct fault fault;
    int64_t version;
    struct bytes path = sh_args_bytes(args, 0), data = sh_args_bytes(args, 1);
    int err = sh_args_number(args, 'v', INT32_MIN, INT32_MAX, -1, &version, &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    struct jute_out *out =
        sh_request(sh, ZK_OP_SET_DATA, 12 + sh_path_size(path) + sh_path_size(data));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_set(out, path, data, (int32_t)version);
    return sh_write_stat_reply(sh, args);
}

int sh_write_set_acl(struct sh *sh, const struct sh_args *args)
{
    struct fault fault;
    int64_t version;
    uint32_t count;
    struct zkwire_acl acl[ACL_COUNT_MAX];
    struct bytes path = sh_args_bytes(args, 0);
    int err = sh_args_number(args, 'v', INT32_MIN, INT32_MAX, -1, &version, &fault);
    if (err == 0)
        err = acltext_parse(sh_args_text(args, 1), acl, &count, &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    struct jute_out *out = sh_request(
        sh, ZK_OP_SET_ACL, 16 + sh_path_size(path) + 12 * count + strlen(sh_args_text(args, 1)));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_set_acl(out, path, acl, count, (int32_t)version);
    return sh_write_stat_reply(sh, args);
}

int sh_write_rm(struct sh *sh, const struct sh_args *args)
{
    struct fault fault;
    struct zkclient_reply reply;
    int64_t version;
    struct bytes path = sh_args_bytes(args, 0);
    int err = sh_args_number(args, 'v', INT32_MIN, INT32_MAX, -1, &version, &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    struct jute_out *out = sh_request(sh, ZK_OP_DELETE, 4 + sh_path_size(path));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_path_int(out, path, (int32_t)version);
    err = sh_call(sh, sh_args_text(args, 0), &reply);
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, sh_args_text(args, 0));
        json_hex(&sh->json, "zxid", (uint64_t)reply.zxid);
        sh_json_end(sh);
    }
    return err;
}

/* Keeps the credentials for a reconnect; a full table forgets the newest, and says so. */
static void sh_write_keep_auth(struct sh *sh, const char *scheme, struct bytes auth)
{
    if (sh->auth_count == SH_AUTH_COUNT_MAX) {
        fprintf(stderr, "addauth: more than %d credentials are not sent again at a reconnect\n",
                SH_AUTH_COUNT_MAX);
        return;
    }
    struct sh_auth *kept = &sh->auth[sh->auth_count];
    kept->scheme = strdup(scheme);
    kept->auth_size = auth.size > 0 ? (uint32_t)auth.size : 0;
    kept->auth = malloc(kept->auth_size + 1u);
    if (kept->scheme == NULL || kept->auth == NULL) {
        free(kept->scheme);
        free(kept->auth);
        return;
    }
    if (kept->auth_size > 0)
        memcpy(kept->auth, auth.at, kept->auth_size);
    sh->auth_count++;
}

/* The value of an option as bytes; the null buffer without it. */
static struct bytes sh_write_option(const struct sh_args *args, char letter)
{
    const struct word *word = args->flags[(uint8_t)letter & 127];
    return word ? bytes_of(word->text, word->size) : (struct bytes){NULL, -1};
}

int sh_write_reconfig(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct bytes joining = sh_write_option(args, 'a'), leaving = sh_write_option(args, 'r');
    struct bytes members = sh_write_option(args, 'm'), text = sh_write_option(args, 'v');
    int64_t version = -1;
    char *end = NULL;
    if (text.size > 0)
        version = (int64_t)strtoull((const char *)text.at, &end, 16);
    if (text.size == 0 || (end && *end))
        return sh_complain(sh, ERR_CONFIG, "-v takes a hexadecimal version, such as 100000000");
    if ((members.size >= 0) == (joining.size >= 0 || leaving.size >= 0))
        return sh_complain(sh, ERR_CONFIG, "give -a or -r (or both), or else -m");
    struct jute_out *out =
        sh_request(sh, ZK_OP_RECONFIG,
                   8 + sh_path_size(joining) + sh_path_size(leaving) + sh_path_size(members));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_reconfig(out, joining, leaving, members, version);
    int err = sh_call(sh, "/zookeeper/config", &reply);
    if (err != 0)
        return err;
    struct bytes data = jute_get_bytes(&reply.body);
    if (reply.body.bad)
        return sh_malformed(sh);
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_data(&sh->json, "config", data);
        sh_json_end(sh);
    } else {
        printf("%.*s\n", data.size > 0 ? data.size : 0, (const char *)data.at);
    }
    return 0;
}

int sh_write_add_auth(struct sh *sh, const struct sh_args *args)
{
    struct zkclient_reply reply;
    struct bytes scheme = sh_args_bytes(args, 0), auth = sh_args_bytes(args, 1);
    struct jute_out *out =
        sh_request(sh, ZK_OP_AUTH, 4 + sh_path_size(scheme) + sh_path_size(auth));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_auth(out, scheme, auth);
    int err = sh_call(sh, NULL, &reply);
    if (err != 0)
        return err;
    sh_write_keep_auth(sh, sh_args_text(args, 0), auth);
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_bytes(&sh->json, "scheme", scheme);
        sh_json_end(sh);
    }
    return 0;
}
