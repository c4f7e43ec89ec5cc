#include "tools/takt/sh.h"
#include "tools/takt/sh_line_edit.h"
#include "tools/takt/verb.h"

#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

static const struct verb_page verb_sh_page = {
    .usage = "takt sh [--server HOST:PORT,...] [-c COMMANDS] [-o table|json]",
    .about =
        "A shell on the tree of any ZooKeeper-compatible server. At a terminal it has history,\n"
        "completes commands and paths with Tab, and shows watch events as they come. With -c, or "
        "with\n"
        "commands on stdin, it runs them and leaves: exit code 1 when one failed; the rest of "
        "that\n"
        "line is not run. Commands are separated by ; or by new lines. \"help\" lists them.",
    .examples = "  takt sh\n"
                "  takt sh -c 'create /app hello ; get -s /app'\n"
                "  takt sh -c 'multi check /app 0 ; set /app \"new\\n\" ; create -e /app/me'\n"
                "  takt sh -c 'watch -m recursive /app ; wait -n 3 60'\n"
                "  takt sh -o json -c 'ls /' | jq .children\n",
};

/* Runs each line of the text. */
static int verb_sh_lines(struct sh *sh, char *text)
{
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line && !sh->quit;
         line = strtok_r(NULL, "\n", &save))
        if (sh_line(sh, line) != 0)
            return VERB_FAILED;
    return VERB_OK;
}

static int verb_sh_stdin(struct sh *sh)
{
    char *line = NULL;
    size_t room = 0;
    int exit_code = VERB_OK;
    while (!sh->quit && exit_code == VERB_OK && getline(&line, &room, stdin) >= 0)
        exit_code = verb_sh_lines(sh, line);
    free(line);
    return exit_code;
}

static int verb_sh_run(struct sh *sh, char *commands)
{
    if (commands != NULL)
        return verb_sh_lines(sh, commands);
    if (!isatty(STDIN_FILENO))
        return verb_sh_stdin(sh);
    sh->interactive = true;
    if (sh_connect(sh) != 0)
        return VERB_FAILED;
    fprintf(stderr, "connected to %s; help lists the commands, Tab completes, quit leaves\n",
            sh->client.server);
    return sh_line_edit_run(sh) == 0 ? VERB_OK : VERB_FAILED;
}

int verb_sh(int argc, char **argv)
{
    const char *server = ADDRESS_DEFAULT, *commands = NULL, *output = "table";
    uint64_t session_ms = 30000, timeout_ms = 15000;
    int rest;
    const struct opts_item items[] = {
        {"server", 's', OPTS_SERVERS, &server, "HOST:PORT,...", "whom to talk to, in this order"},
        {"command", 'c', OPTS_STRING, &commands, "COMMANDS", "run these and leave"},
        {"session", 0, OPTS_NUMBER, &session_ms, "MS", "session timeout to ask for", 1, 3600000},
        {"timeout", 't', OPTS_NUMBER, &timeout_ms, "MS", "how long to wait for an answer", 1,
         3600000},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table, or json: one object a command",
         .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_sh_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_sh_page,
                          "\"%s\" is one word too many; commands go behind -c, in "
                          "quotes",
                          argv[1]);
    setlocale(LC_CTYPE, "");
    struct sh sh;
    struct zkclient_config config = {.servers = server,
                                     .session_ms = (int32_t)session_ms,
                                     .connect_ms = timeout_ms < 5000 ? (uint32_t)timeout_ms : 5000,
                                     .reply_ms = (uint32_t)timeout_ms};
    char *text = commands != NULL ? strdup(commands) : NULL;
    sh_init(&sh, &config);
    sh.as_json = strcmp(output, "json") == 0;
    exit_code = verb_sh_run(&sh, text);
    sh_fini(&sh);
    free(text);
    return exit_code;
}
