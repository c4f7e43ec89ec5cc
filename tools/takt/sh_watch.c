#include "tools/takt/sh_watch.h"

#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>

#define SH_WATCH_WAIT_S 10.0

/* The number behind -m, from a table that ends with name NULL. */
struct sh_watch_mode {
    const char *name;
    int32_t value;
};

static int sh_watch_mode(struct sh *sh, const struct sh_args *args,
                         const struct sh_watch_mode *modes, int32_t *value)
{
    const char *name = sh_args_has(args, 'm') ? args->flags['m']->text : modes[0].name;
    for (const struct sh_watch_mode *mode = modes; mode->name != NULL; mode++) {
        if (strcasecmp(mode->name, name) == 0) {
            *value = mode->value;
            return 0;
        }
    }
    return sh_complain(sh, ERR_CONFIG, "-m %s is unknown; help %s lists the modes", name,
                       sh->command);
}

static int sh_watch_send(struct sh *sh, int32_t op, const char *path, int32_t value)
{
    struct zkclient_reply reply;
    struct jute_out *out = sh_request(sh, op, 8 + strlen(path));
    if (out == NULL)
        return ERR_IO;
    zkwire_put_path_int(out, bytes_of_string(path), value);
    int err = sh_call(sh, path, &reply);
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, path);
        sh_json_end(sh);
    }
    return err;
}

int sh_watch_add(struct sh *sh, const struct sh_args *args)
{
    static const struct sh_watch_mode modes[] = {
        {"recursive", 1}, {"persistent", 0}, {"persistent_recursive", 1}, {0}};
    int32_t value;
    int err = sh_watch_mode(sh, args, modes, &value);
    return err != 0 ? err : sh_watch_send(sh, ZK_OP_ADD_WATCH, sh_args_text(args, 0), value);
}

int sh_watch_remove(struct sh *sh, const struct sh_args *args)
{
    static const struct sh_watch_mode modes[] = {{"any", ZK_WATCHER_ANY},
                                                 {"data", ZK_WATCHER_DATA},
                                                 {"children", ZK_WATCHER_CHILDREN},
                                                 {"persistent", ZK_WATCHER_PERSISTENT},
                                                 {"recursive", ZK_WATCHER_PERSISTENT_RECURSIVE},
                                                 {0}};
    int32_t value;
    int err = sh_watch_mode(sh, args, modes, &value);
    return err != 0 ? err : sh_watch_send(sh, ZK_OP_REMOVE_WATCHES, sh_args_text(args, 0), value);
}

int sh_watch_wait(struct sh *sh, const struct sh_args *args)
{
    struct fault fault;
    int64_t wanted;
    double seconds = SH_WATCH_WAIT_S;
    int err = sh_args_number(args, 'n', 0, INT32_MAX, 1, &wanted, &fault);
    if (err != 0)
        return sh_complain(sh, err, "%s", fault.text);
    if (args->count > 0) {
        char *end;
        seconds = strtod(sh_args_text(args, 0), &end);
        if (*end != '\0' || !(seconds >= 0 && seconds <= 86400))
            return sh_complain(sh, ERR_CONFIG, "\"%s\" is no number of seconds in [0, 86400]",
                               sh_args_text(args, 0));
    }
    err = sh_connect(sh);
    uint64_t until = sh->event_waited + (uint64_t)wanted;
    uint64_t deadline_ns = clock_now().mono_ns + (uint64_t)(seconds * NS_PER_S);
    while (err == 0 && (wanted == 0 || sh->event_count < until)) {
        uint64_t now_ns = clock_now().mono_ns;
        if (now_ns >= deadline_ns)
            break;
        int ping_ms = zkclient_wait_ms(&sh->client);
        int left_ms = (int)((deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
        struct pollfd poll_fd = {.fd = sh->client.fd, .events = POLLIN};
        if (poll(&poll_fd, 1, ping_ms < left_ms ? ping_ms : left_ms) < 0 && sh->interactive)
            return sh_complain(sh, ERR_NOTFOUND, "interrupted"); /* Ctrl-C */
        err = zkclient_poll(&sh->client, &fault);
        if (err != 0)
            return sh_complain(sh, err, "%s", fault.text);
    }
    if (err == 0 && sh->event_count < until)
        err = sh_complain(sh, ERR_NOTFOUND, "%d of %d events did not come within %g s",
                          (int)(until - sh->event_count), (int)wanted, seconds);
    sh->event_waited = wanted != 0 && err == 0 ? until : sh->event_count;
    return err;
}
