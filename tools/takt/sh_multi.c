#include "tools/takt/sh_multi.h"

#include "tools/takt/sh_write.h"

#include <stdlib.h>

#define SH_MULTI_COUNT_MAX 256

struct sh_multi_op {
    const char *name;
    struct sh_args args;
    struct sh_create create;
    int32_t op, version;
    struct bytes path, data;
};

struct sh_multi {
    uint32_t count;
    bool reads; /* all of them: a multiRead */
    struct sh_multi_op ops[SH_MULTI_COUNT_MAX];
};

/* What each operation's words look like. */
static const struct {
    const char *name, *spec;
    int32_t op;
    uint32_t min, max;
    bool reads;
} sh_multi_kinds[] = {
    {"create", "sect:", ZK_OP_CREATE, 1, 3, false}, {"set", "v:", ZK_OP_SET_DATA, 2, 2, false},
    {"delete", "v:", ZK_OP_DELETE, 1, 1, false},    {"rm", "v:", ZK_OP_DELETE, 1, 1, false},
    {"check", "v:", ZK_OP_CHECK, 1, 2, false},      {"get", "", ZK_OP_GET_DATA, 1, 1, true},
    {"ls", "", ZK_OP_GET_CHILDREN, 1, 1, true},
};

#define SH_MULTI_KIND_COUNT (sizeof(sh_multi_kinds) / sizeof(sh_multi_kinds[0]))

static int sh_multi_version(struct sh_multi_op *op, struct fault *fault)
{
    int64_t version;
    if (op->op == ZK_OP_CHECK && op->args.count == 2)
        op->args.flags['v'] = op->args.rest[1];
    int err = sh_args_number(&op->args, 'v', INT32_MIN, INT32_MAX, -1, &version, fault);
    if (err == 0)
        op->version = (int32_t)version;
    return err;
}

/* One operation's words, [words, words + count). */
static int sh_multi_parse_one(struct sh_multi *multi, const struct word *words, uint32_t count,
                              struct fault *fault)
{
    if (multi->count == SH_MULTI_COUNT_MAX)
        return fault_set(fault, ERR_LIMIT, "at most %d operations", SH_MULTI_COUNT_MAX);
    struct sh_multi_op *op = &multi->ops[multi->count];
    size_t kind = 0;
    while (kind < SH_MULTI_KIND_COUNT && strcmp(sh_multi_kinds[kind].name, words[0].text) != 0)
        kind++;
    if (kind == SH_MULTI_KIND_COUNT)
        return fault_set(fault, ERR_CONFIG,
                         "\"%s\" is no operation of a multi; they are create, "
                         "set, delete, check, or get and ls",
                         words[0].text);
    if (multi->count > 0 && multi->reads != sh_multi_kinds[kind].reads)
        return fault_set(fault, ERR_CONFIG, "reads and changes do not mix in one multi");
    multi->reads = sh_multi_kinds[kind].reads;
    op->name = words[0].text;
    op->op = sh_multi_kinds[kind].op;
    int err = sh_args_parse(&op->args, words + 1, count - 1, sh_multi_kinds[kind].spec,
                            sh_multi_kinds[kind].min, sh_multi_kinds[kind].max, fault);
    if (err == 0 && op->op == ZK_OP_CREATE) {
        err = sh_write_parse_create(&op->args, &op->create, fault);
        op->op = op->create.op;
    } else if (err == 0) {
        err = sh_multi_version(op, fault);
    }
    if (err != 0)
        return fault_wrap(fault, err, "operation %u (%s)", multi->count + 1, words[0].text);
    op->path = sh_args_bytes(&op->args, 0);
    op->data = sh_args_bytes(&op->args, 1);
    multi->count++;
    return 0;
}

static void sh_multi_put(const struct sh_multi *multi, struct jute_out *out)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        const struct sh_multi_op *op = &multi->ops[i];
        zkwire_put_multi_header(out, op->op, false);
        switch (op->op) {
        case ZK_OP_SET_DATA:
            zkwire_put_set(out, op->path, op->data, op->version);
            break;
        case ZK_OP_DELETE:
        case ZK_OP_CHECK:
            zkwire_put_path_int(out, op->path, op->version);
            break;
        case ZK_OP_GET_DATA:
        case ZK_OP_GET_CHILDREN:
            zkwire_put_path_watch(out, op->path, false);
            break;
        default:
            sh_write_put_create(out, &op->create);
        }
    }
    zkwire_put_multi_header(out, -1, true);
}

static size_t sh_multi_size(const struct sh_multi *multi)
{
    size_t size = 9;
    for (uint32_t i = 0; i < multi->count; i++) {
        const struct sh_multi_op *op = &multi->ops[i];
        bool creates = op->op != ZK_OP_SET_DATA && op->op != ZK_OP_DELETE &&
                       op->op != ZK_OP_CHECK && !multi->reads;
        size += creates ? 9 + sh_write_create_size(&op->create)
                        : 9 + 4 + sh_path_size(op->path) + sh_path_size(op->data);
    }
    return size;
}

/* One result of a multi that went well, or of a multiRead. `op` is the header's type. */
static int sh_multi_print(struct sh *sh, const struct sh_multi_op *asked, int32_t op,
                          struct jute_in *in)
{
    struct zk_stat stat = {0};
    struct bytes text = {NULL, -1};
    int32_t error = ZK_OK;
    if (sh->as_json) {
        json_open(&sh->json, NULL, '{');
        json_text(&sh->json, "operation", asked->name);
    } else {
        printf("%s ", asked->name);
    }
    if (op == ZK_OP_CREATE || op == ZK_OP_CREATE2)
        text = jute_get_bytes(in);
    if (op == ZK_OP_GET_DATA)
        text = jute_get_bytes(in);
    if (op == ZK_OP_CREATE2 || op == ZK_OP_GET_DATA || op == ZK_OP_SET_DATA)
        zkwire_get_stat(in, &stat);
    if (op == ZK_OP_ERROR)
        error = jute_get_int(in);
    struct bytes path = op == ZK_OP_CREATE || op == ZK_OP_CREATE2 ? text : asked->path;
    if (sh->as_json)
        json_bytes(&sh->json, "path", path);
    else
        printf("%.*s", path.size, (const char *)path.at);
    if (op == ZK_OP_SET_DATA && !sh->as_json)
        printf(" version %d", stat.version);
    if (op == ZK_OP_SET_DATA && sh->as_json)
        sh_print_stat(sh, &stat);
    if (op == ZK_OP_GET_DATA && sh->as_json)
        json_data(&sh->json, "data", text);
    if (error != ZK_OK && sh->as_json)
        json_text(&sh->json, "error", zk_error_name(error));
    if (!sh->as_json)
        printf(error != ZK_OK ? " %s\n" : "\n", zk_error_name(error));
    if (op == ZK_OP_GET_DATA && !sh->as_json)
        sh_print_data(sh, text);
    if (op == ZK_OP_GET_CHILDREN) {
        int32_t count = jute_get_count(in, 4);
        if (sh->as_json)
            json_open(&sh->json, "children", '[');
        for (int32_t i = 0; i < count; i++) {
            struct bytes name = jute_get_bytes(in);
            if (sh->as_json)
                json_bytes(&sh->json, NULL, name);
            else
                printf("%.*s\n", name.size > 0 ? name.size : 0, (const char *)name.at);
        }
        if (sh->as_json)
            json_close(&sh->json, ']');
    }
    if (sh->as_json)
        json_close(&sh->json, '}');
    return in->bad ? ERR_MALFORMED : error == ZK_OK ? 0 : ERR_RANGE;
}

/* A failed multi holds error entries only: finds the one that failed, or count when none did. */
static uint32_t sh_multi_failed(const struct sh_multi *multi, struct jute_in in, int32_t *error)
{
    for (uint32_t i = 0; i < multi->count; i++) {
        int32_t op = jute_get_int(&in);
        jute_get_bool(&in);
        jute_get_int(&in);
        if (op != ZK_OP_ERROR)
            return multi->count;
        *error = jute_get_int(&in);
        if (*error != ZK_OK && *error != ZK_RUNTIME_INCONSISTENCY && !in.bad)
            return i;
    }
    return multi->count;
}

static int sh_multi_answer(struct sh *sh, const struct sh_multi *multi, struct jute_in *in)
{
    int32_t error;
    int worst = 0;
    uint32_t failed = multi->reads ? multi->count : sh_multi_failed(multi, *in, &error);
    if (failed < multi->count) {
        char path[512];
        snprintf(path, sizeof(path), "%.*s (operation %u, %s; nothing was changed)",
                 multi->ops[failed].path.size, (const char *)multi->ops[failed].path.at, failed + 1,
                 multi->ops[failed].name);
        return sh_refused(sh, path, error);
    }
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_open(&sh->json, "results", '[');
    }
    for (uint32_t i = 0; i < multi->count && worst != ERR_MALFORMED; i++) {
        int32_t op = jute_get_int(in);
        jute_get_bool(in);
        jute_get_int(in);
        int err = in->bad ? ERR_MALFORMED : sh_multi_print(sh, &multi->ops[i], op, in);
        worst = worst != 0 && err != ERR_MALFORMED ? worst : err;
    }
    if (sh->as_json) {
        json_close(&sh->json, ']');
        sh_json_end(sh);
    }
    return worst == ERR_MALFORMED ? sh_malformed(sh) : worst;
}

static int sh_multi_parse(struct sh_multi *multi, const struct word *words, uint32_t count,
                          struct fault *fault)
{
    for (uint32_t at = 0; at < count;) {
        uint32_t end = at;
        while (end < count && !words[end].separator)
            end++;
        int err = end > at ? sh_multi_parse_one(multi, words + at, end - at, fault) : 0;
        if (err != 0)
            return err;
        at = end + 1;
    }
    return multi->count > 0 ? 0 : fault_set(fault, ERR_CONFIG, "no operation is given; help multi");
}

int sh_multi_run(struct sh *sh, const struct word *words, uint32_t count)
{
    struct zkclient_reply reply;
    struct fault fault;
    struct sh_multi *multi = calloc(1, sizeof(*multi));
    if (multi == NULL)
        return sh_complain(sh, ERR_NOMEM, "no memory");
    int err = sh_multi_parse(multi, words, count, &fault);
    if (err != 0) {
        sh_complain(sh, err, "%s", fault.text);
        goto out;
    }
    struct jute_out *out =
        sh_request(sh, multi->reads ? ZK_OP_MULTI_READ : ZK_OP_MULTI, sh_multi_size(multi));
    if (out == NULL) {
        err = ERR_IO;
        goto out;
    }
    sh_multi_put(multi, out);
    err = sh_call(sh, "the multi", &reply);
    if (err == 0)
        err = sh_multi_answer(sh, multi, &reply.body);
out:
    free(multi);
    return err;
}
