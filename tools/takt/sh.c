#include "tools/takt/sh.h"

#include "base/check.h"
#include "tools/takt/verb.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static const char *sh_event_name(int32_t type)
{
    switch (type) {
    case ZK_EVENT_CREATED:
        return "created";
    case ZK_EVENT_DELETED:
        return "deleted";
    case ZK_EVENT_DATA_CHANGED:
        return "changed";
    case ZK_EVENT_CHILDREN_CHANGED:
        return "children";
    default:
        return "unknown";
    }
}

static void sh_event(void *context, const struct zkclient_event *event)
{
    struct sh *sh = context;
    sh->event_count++;
    if (sh->as_json) {
        struct json json; /* an event may come in the middle of nothing, never inside an answer */
        json_init(&json, stdout);
        json_open(&json, NULL, '{');
        json_text(&json, "event", sh_event_name(event->type));
        json_bytes(&json, "path", event->path);
        if (event->zxid >= 0)
            json_hex(&json, "zxid", (uint64_t)event->zxid);
        json_close(&json, '}');
        json_line(&json);
        return;
    }
    printf("%s%sevent %s %.*s%s\n", sh->interactive ? "\r\033[K" : "", verb_tint(stdout, "36"),
           sh_event_name(event->type), event->path.size, (const char *)event->path.at,
           verb_tint(stdout, "0"));
    fflush(stdout);
}

void sh_init(struct sh *sh, const struct zkclient_config *config)
{
    *sh = (struct sh){.config = *config};
    sh->config.event = sh_event;
    sh->config.context = sh;
    json_init(&sh->json, stdout);
}

void sh_fini(struct sh *sh)
{
    if (sh->connected)
        zkclient_close(&sh->client);
    for (uint32_t i = 0; i < sh->auth_count; i++) {
        free(sh->auth[i].scheme);
        free(sh->auth[i].auth);
    }
}

int sh_complain(struct sh *sh, int err, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fflush(stdout);
    if (sh->as_json) {
        sh_json_begin(sh, NULL);
        json_text(&sh->json, "error", err_name(err));
        json_text(&sh->json, "message", text);
        sh_json_end(sh);
        return err;
    }
    fprintf(stderr, "%s%s%s%s%s\n", verb_tint(stderr, "31"), sh->command ? sh->command : "",
            sh->command ? ": " : "", verb_tint(stderr, "0"), text);
    return err;
}

/* What a code means, with %s for the path, and what to do. */
static const struct {
    int32_t error;
    const char *text;
} sh_advices[] = {
    {ZK_NO_NODE, "there is no znode %s"},
    {ZK_NODE_EXISTS, "%s exists already; use set to change its data"},
    {ZK_NOT_EMPTY, "%s has children; deleteall removes it with all below"},
    {ZK_BAD_VERSION, "%s has another version than the one given; stat shows the current one"},
    {ZK_NO_AUTH, "the ACL of %s does not let this session do that; getAcl shows it, addauth adds "
                 "credentials"},
    {ZK_INVALID_ACL, "the ACL for %s is not valid: scheme and id must be known to the server, and "
                     "auth needs an addauth first"},
    {ZK_NO_CHILDREN_FOR_EPHEMERALS, "the parent of %s is ephemeral: it cannot have children"},
    {ZK_BAD_ARGUMENTS, "the server does not accept the path or the arguments for %s: paths start "
                       "with /, have no empty, . or .. part and do not end in /"},
    {ZK_UNIMPLEMENTED, "this server does not do that for %s (TTL nodes need "
                       "extendedTypesEnabled=true; reconfig needs an ensemble)"},
    {ZK_QUOTA_EXCEEDED, "a hard quota that covers %s is used up; listquota shows it"},
    {ZK_AUTH_FAILED, "the server did not accept the credentials%.0s; it closes the connection"},
    {ZK_SESSION_EXPIRED, "the session has expired%.0s; the next command starts a new one"},
    {ZK_NOT_READ_ONLY, "the server has no quorum and only reads now; %s was not changed"},
    {ZK_NO_WATCHER, "this session has no such watch on %s"},
    {ZK_NEW_CONFIG_NO_QUORUM, "of the servers wanted too few are running and caught up%.0s; start "
                              "those that join first"},
    {ZK_RECONFIG_IN_PROGRESS, "another change of the membership is under way%.0s; try again"},
    {ZK_RECONFIG_DISABLED, "the server does not reconfigure%.0s (reconfigEnabled)"},
    {ZK_THROTTLED_OP, "the server is overloaded and did not do the request for %s; try again"},
    {ZK_MARSHALLING_ERROR, "the server could not read the request for %s"},
    {ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH, "the server wants credentials first%.0s; see addauth"},
};

static const char *sh_advice(int32_t error)
{
    for (size_t i = 0; i < sizeof(sh_advices) / sizeof(sh_advices[0]); i++)
        if (sh_advices[i].error == error)
            return sh_advices[i].text;
    return "the server refused the request for %s";
}

int sh_refused(struct sh *sh, const char *path, int32_t error)
{
    int err = error == ZK_NO_NODE ? ERR_NOTFOUND : error == ZK_NODE_EXISTS ? ERR_EXISTS : ERR_RANGE;
    char text[700];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), sh_advice(error), path ? path : "this");
    if (error == ZK_NO_NODE && strcmp(sh->command, "create") == 0)
        snprintf(text, sizeof(text), "the parent of %s is missing; -p makes parents", path);
#pragma GCC diagnostic pop
    fflush(stdout);
    if (!sh->as_json) {
        fprintf(stderr, "%s%s: %s:%s %s\n", verb_tint(stderr, "31"), sh->command,
                zk_error_name(error), verb_tint(stderr, "0"), text);
        return err;
    }
    sh_json_begin(sh, path);
    json_text(&sh->json, "error", zk_error_name(error));
    json_int(&sh->json, "code", error);
    json_text(&sh->json, "message", text);
    sh_json_end(sh);
    return err;
}

int sh_malformed(struct sh *sh)
{
    return sh_complain(sh, ERR_MALFORMED, "the server's answer does not have the protocol's form");
}

void sh_json_begin(struct sh *sh, const char *path)
{
    json_open(&sh->json, NULL, '{');
    json_text(&sh->json, "command", sh->command ? sh->command : "");
    if (path != NULL)
        json_text(&sh->json, "path", path);
}

void sh_json_end(struct sh *sh)
{
    json_close(&sh->json, '}');
    json_line(&sh->json);
    fflush(stdout);
}

/* Sends the remembered credentials; quietly, for they were accepted before. */
static void sh_send_auth(struct sh *sh)
{
    struct fault fault;
    struct zkclient_reply reply;
    for (uint32_t i = 0; i < sh->auth_count; i++) {
        struct sh_auth *auth = &sh->auth[i];
        struct jute_out *out =
            zkclient_request(&sh->client, ZK_OP_AUTH, 12 + strlen(auth->scheme) + auth->auth_size);
        if (out == NULL)
            return;
        zkwire_put_auth(out, bytes_of_string(auth->scheme), bytes_of(auth->auth, auth->auth_size));
        if (zkclient_call(&sh->client, &reply, &fault) != 0)
            return;
    }
}

int sh_connect(struct sh *sh)
{
    struct fault fault;
    int err;
    /* A look at the socket first: events that wait are shown, and a connection that broke while
     * nobody looked is made anew before the request, not lost with it. */
    if (sh->connected && sh->client.fd >= 0 &&
        (sh->client.in_flight > 0 || zkclient_poll(&sh->client, &fault) == 0))
        return 0;
    if (!sh->connected) {
        err = zkclient_open(&sh->client, &sh->config, &fault);
        if (err != 0)
            return sh_complain(sh, err, "%s; is the server running? (takt ready asks)", fault.text);
        sh->connected = true;
        return 0;
    }
    err = zkclient_reattach(&sh->client, &fault);
    if (err != 0 && err != ERR_NOTFOUND)
        return sh_complain(sh, err, "%s", fault.text);
    fprintf(stderr, "reconnected to %s%s%s; watches are to be set again\n", sh->client.server,
            err == ERR_NOTFOUND ? ": " : "", err == ERR_NOTFOUND ? fault.text : "");
    sh_send_auth(sh);
    return 0;
}

struct jute_out *sh_request(struct sh *sh, int32_t op, size_t record_size)
{
    if (sh_connect(sh) != 0)
        return NULL;
    struct jute_out *out = zkclient_request(&sh->client, op, record_size);
    if (out == NULL)
        sh_complain(sh, ERR_NOMEM, "no memory for the request");
    return out;
}

int sh_ask(struct sh *sh, struct zkclient_reply *reply)
{
    struct fault fault;
    int err = zkclient_call(&sh->client, reply, &fault);
    if (err != 0)
        return sh_complain(sh, err,
                           "%s; the next command connects again. Whether a change was made "
                           "is not known",
                           fault.text);
    return 0;
}

int sh_call(struct sh *sh, const char *path, struct zkclient_reply *reply)
{
    int err = sh_ask(sh, reply);
    if (err == 0 && reply->error != ZK_OK)
        return sh_refused(sh, path, reply->error);
    return err;
}

int sh_children(struct sh *sh, const char *path, char ***names, uint32_t *count, int32_t *error)
{
    struct zkclient_reply reply;
    struct jute_out *out = sh_request(sh, ZK_OP_GET_CHILDREN, 8 + strlen(path));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_path_watch(out, bytes_of_string(path), false);
    int err = sh_ask(sh, &reply);
    if (err != 0)
        return err;
    *names = NULL;
    *count = 0;
    *error = reply.error;
    if (reply.error != ZK_OK)
        return 0;
    size_t text_size = (size_t)(reply.body.end - reply.body.at);
    int32_t n = jute_get_count(&reply.body, 4);
    if (reply.body.bad || n < 0)
        return sh_malformed(sh);
    char **found = malloc((size_t)n * sizeof(char *) + text_size + 1);
    if (found == NULL)
        return sh_complain(sh, ERR_NOMEM, "no memory for %d names", n);
    char *text = (char *)(found + n);
    for (int32_t i = 0; i < n; i++) {
        struct bytes name = jute_get_bytes(&reply.body);
        found[i] = text;
        if (name.size > 0)
            memcpy(text, name.at, (size_t)name.size);
        text += name.size > 0 ? name.size : 0;
        *text++ = '\0';
    }
    if (reply.body.bad) {
        free(found);
        return sh_malformed(sh);
    }
    *names = found;
    *count = (uint32_t)n;
    return 0;
}

char *sh_join(const char *parent, const char *child)
{
    size_t size = strlen(parent) + strlen(child) + 2;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s%s%s", parent, parent[1] == '\0' ? "" : "/", child);
    return path;
}

const struct sh_command *sh_find(const char *name)
{
    for (const struct sh_command *c = sh_table; c->name != NULL; c++)
        if (strcasecmp(name, c->name) == 0 || (c->also && strcasecmp(name, c->also) == 0))
            return c;
    return NULL;
}

static int sh_run(struct sh *sh, const struct word *words, uint32_t count)
{
    struct sh_args args;
    struct fault fault;
    const struct sh_command *command = sh_find(words[0].text);
    sh->command = NULL;
    if (command == NULL)
        return sh_complain(sh, ERR_CONFIG, "there is no command \"%s\"; help lists them",
                           words[0].text);
    sh->command = command->name;
    if (command->run_words != NULL)
        return command->run_words(sh, words + 1, count - 1);
    int err = sh_args_parse(&args, words + 1, count - 1, command->spec, command->min, command->max,
                            &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s; usage: %s", fault.text, command->usage);
    return command->run(sh, &args);
}

int sh_line(struct sh *sh, const char *line)
{
    struct words words;
    struct fault fault;
    int err = words_split(&words, line, &fault);
    sh->command = NULL;
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    for (uint32_t at = 0; at < words.count && err == 0 && !sh->quit;) {
        uint32_t end = at;
        const struct sh_command *command = sh_find(words.at[at].text);
        bool takes_all = command != NULL && command->run_words != NULL;
        while (end < words.count && (takes_all || !words.at[end].separator))
            end++;
        if (end > at)
            err = sh_run(sh, &words.at[at], end - at);
        at = end + 1;
    }
    words_fini(&words);
    fflush(stdout);
    return err;
}
