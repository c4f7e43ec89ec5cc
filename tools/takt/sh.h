/* sh: the shell's state, what its commands share, and their table.
 *
 *   line ── words_split ──▶ words ── sh_run ──▶ command ── sh_request/sh_call ──▶ zkclient
 *                                                  └──▶ stdout: text, or one JSON object a command
 *
 * A command returns 0, or an ERR_* after it has told the person why (sh_complain, sh_call). */
#pragma once

#include "tools/takt/json.h"
#include "tools/takt/sh_args.h"
#include "tools/takt/zkclient.h"

#define SH_AUTH_COUNT_MAX 16

struct sh_auth {
    char *scheme, *auth;
    uint32_t auth_size;
};

struct sh {
    struct zkclient client;
    struct zkclient_config config;
    bool connected;   /* the client is open (its connection may still be down) */
    bool as_json;     /* one JSON object a command */
    bool interactive; /* a person at a prompt */
    bool quit;
    uint64_t event_count;  /* watch events printed so far */
    uint64_t event_waited; /* how many of them a `wait` has counted */
    const char *command;   /* the one that runs, for messages */
    struct json json;
    struct sh_auth auth[SH_AUTH_COUNT_MAX]; /* sent again at a reconnect */
    uint32_t auth_count;
};

struct sh_command {
    const char *name, *also; /* also: another name, or NULL */
    const char *spec;        /* option letters, see sh_args_parse */
    uint32_t min, max;       /* of words that are no options */
    const char *usage, *help;
    int (*run)(struct sh *sh, const struct sh_args *args);
    int (*run_words)(struct sh *sh, const struct word *words, uint32_t count); /* multi */
};

/* The commands, sorted as help shows them; the last has name NULL. */
extern const struct sh_command sh_table[];
const struct sh_command *sh_find(const char *name);

/* sh_init sets up; sh_fini ends the session and frees. */
void sh_init(struct sh *sh, const struct zkclient_config *config);
void sh_fini(struct sh *sh);

/* sh_connect opens the session, or re-attaches when the connection is gone; nothing when it stands.
 * Tells why on failure. */
MUST_USE int sh_connect(struct sh *sh);

/* sh_line runs the commands of one line, in turn, and stops at the first that fails. `multi` takes
 * the rest of the line. Returns 0 or the failure's ERR_*. */
MUST_USE int sh_line(struct sh *sh, const char *line);

/* sh_request starts a request (connecting first when needed); NULL after telling why. */
MUST_USE struct jute_out *sh_request(struct sh *sh, int32_t op, size_t record_size);

/* sh_call sends it and waits. An error code from the server is told in words, about `path` (may be
 * NULL). Returns 0, ERR_NOTFOUND for NoNode, ERR_EXISTS for NodeExists, ERR_RANGE for any other
 * code, or a transport error. */
MUST_USE int sh_call(struct sh *sh, const char *path, struct zkclient_reply *reply);

/* sh_ask is sh_call but leaves the server's codes to the caller, in reply->error. */
MUST_USE int sh_ask(struct sh *sh, struct zkclient_reply *reply);

/* sh_complain tells of a failure of this side's making; returns err. */
int sh_complain(struct sh *sh, int err, const char *format, ...) PRINTF_LIKE(3, 4);

/* sh_refused tells of a server's error code in words; returns the ERR_* of sh_call. */
int sh_refused(struct sh *sh, const char *path, int32_t error);

/* sh_malformed tells of a reply that does not parse; returns ERR_MALFORMED. */
int sh_malformed(struct sh *sh);

/* The frame of a JSON answer: {"command": .., "path": ..  then whatever, then the end of the line.
 * Only in JSON mode. */
void sh_json_begin(struct sh *sh, const char *path);
void sh_json_end(struct sh *sh);

void sh_print_stat(struct sh *sh, const struct zk_stat *stat);

/* Prints data, raw when stdout is no terminal, with escapes for control bytes when it is one. */
void sh_print_data(struct sh *sh, struct bytes data);

/* sh_children asks for the names below path. On success the caller frees *names (count pointers and
 * their text in one block). Quiet: says nothing on the server's refusals, which come in *error. */
MUST_USE int sh_children(struct sh *sh, const char *path, char ***names, uint32_t *count,
                         int32_t *error);

/* The path of a child, in new memory; NULL when memory ends. */
char *sh_join(const char *parent, const char *child);

static inline size_t sh_path_size(struct bytes path)
{
    return 4 + (size_t)(path.size > 0 ? path.size : 0);
}
