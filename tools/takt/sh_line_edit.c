#include "tools/takt/sh_line_edit.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#define SH_LINE_EDIT_HISTORY 1000

#define SH_LINE_EDIT_KILL L'\x15' /* Ctrl-U: libedit's key that empties the line */

static volatile sig_atomic_t sh_line_edit_interrupted;

static void sh_line_edit_interrupt(int signal_number)
{
    (void)signal_number;
    sh_line_edit_interrupted = 1;
}

static char *sh_line_edit_prompt(EditLine *el)
{
    static char room[330];
    struct sh *sh;
    el_get(el, EL_CLIENTDATA, &sh);
    snprintf(room, sizeof(room), "%s> ",
             sh->connected && sh->client.fd >= 0 ? sh->client.server : "(not connected)");
    return room;
}

/* Reads one character; meanwhile the connection is looked after. libedit calls it. */
static int sh_line_edit_char(EditLine *el, wchar_t *into)
{
    struct sh *sh;
    mbstate_t state = {0};
    el_get(el, EL_CLIENTDATA, &sh);
    for (;;) {
        bool up = sh->connected && sh->client.fd >= 0;
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = up ? sh->client.fd : -1, .events = POLLIN}};
        struct fault fault;
        uint64_t before = sh->event_count;
        if (poll(fds, 2, up ? zkclient_wait_ms(&sh->client) : -1) < 0 && errno != EINTR)
            return -1;
        if (sh_line_edit_interrupted) { /* Ctrl-C empties the line and does not end the shell */
            sh_line_edit_interrupted = 0;
            *into = SH_LINE_EDIT_KILL;
            return 1;
        }
        if (up && zkclient_poll(&sh->client, &fault) != 0) {
            fprintf(stderr, "\n%s; the next command connects again\n", fault.text);
            el_set(el, EL_REFRESH);
        }
        if (sh->event_count != before)
            el_set(el, EL_REFRESH);
        if ((fds[0].revents & (POLLIN | POLLHUP)) == 0)
            continue;
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(into, &byte, 1, &state);
        if (used == (size_t)-2)
            continue; /* more bytes of this character are to come */
        if (used == (size_t)-1)
            *into = (wchar_t)(unsigned char)byte;
        return 1;
    }
}

uint32_t sh_line_edit_split(const char *line, uint32_t size, uint32_t *from)
{
    uint32_t number = 0, start = 0;
    bool in_word = false;
    for (uint32_t i = 0; i < size; i++) {
        bool blank = line[i] == ' ' || line[i] == '\t';
        if (line[i] == ';') {
            number = 0;
            in_word = false;
            start = i + 1;
        } else if (blank) {
            number += in_word;
            in_word = false;
            start = i + 1;
        } else {
            in_word = true;
        }
    }
    *from = start;
    return number;
}

struct sh_line_edit_found {
    char common[512]; /* what all hits share */
    uint32_t count;
};

static void sh_line_edit_hit(struct sh_line_edit_found *found, const char *name)
{
    if (found->count++ == 0) {
        snprintf(found->common, sizeof(found->common), "%s", name);
        return;
    }
    size_t n = 0;
    while (found->common[n] != '\0' && found->common[n] == name[n])
        n++;
    found->common[n] = '\0';
}

static void sh_line_edit_list(const char *name, uint32_t *shown)
{
    printf("%s%s", (*shown)++ ? "  " : "\n", name);
}

/* Completes the name of a command: counts when `shown` is NULL, else lists. */
static void sh_line_edit_commands(const char *stem, struct sh_line_edit_found *found,
                                  uint32_t *shown)
{
    for (const struct sh_command *c = sh_table; c->name != NULL; c++) {
        if (strncmp(c->name, stem, strlen(stem)) != 0)
            continue;
        if (shown)
            sh_line_edit_list(c->name, shown);
        else
            sh_line_edit_hit(found, c->name);
    }
}

/* Completes a path by the children of its parent. */
static void sh_line_edit_paths(struct sh *sh, const char *stem, struct sh_line_edit_found *found,
                               uint32_t *shown)
{
    char parent[1024], **names;
    uint32_t count;
    int32_t error = ZK_OK;
    const char *slash = strrchr(stem, '/');
    if (slash == NULL || (size_t)(slash - stem) >= sizeof(parent))
        return;
    snprintf(parent, sizeof(parent), "%.*s", slash == stem ? 1 : (int)(slash - stem), stem);
    if (sh_children(sh, parent, &names, &count, &error) != 0 || error != ZK_OK)
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (strncmp(names[i], slash + 1, strlen(slash + 1)) != 0)
            continue;
        if (shown)
            sh_line_edit_list(names[i], shown);
        else
            sh_line_edit_hit(found, names[i]);
    }
    free(names);
}

static unsigned char sh_line_edit_complete(EditLine *el, int ch)
{
    struct sh *sh;
    char stem[1024], rest[520];
    uint32_t from, shown = 0;
    struct sh_line_edit_found found = {.count = 0};
    const LineInfo *line = el_line(el);
    uint32_t size = (uint32_t)(line->cursor - line->buffer);
    (void)ch;
    el_get(el, EL_CLIENTDATA, &sh);
    uint32_t number = sh_line_edit_split(line->buffer, size, &from);
    snprintf(stem, sizeof(stem), "%.*s", (int)(size - from), line->buffer + from);
    bool is_path = number > 0 && stem[0] == '/';
    if (is_path)
        sh_line_edit_paths(sh, stem, &found, NULL);
    else if (number == 0)
        sh_line_edit_commands(stem, &found, NULL);
    if (found.count == 0)
        return CC_ERROR;
    const char *tail = is_path ? strrchr(stem, '/') + 1 : stem;
    snprintf(rest, sizeof(rest), "%s%s", found.common + strlen(tail),
             found.count == 1 && !is_path ? " " : "");
    if (rest[0] != '\0') {
        el_insertstr(el, rest);
        return CC_REFRESH;
    }
    if (found.count == 1)
        return CC_ERROR;
    if (is_path)
        sh_line_edit_paths(sh, stem, NULL, &shown);
    else
        sh_line_edit_commands(stem, NULL, &shown);
    putchar('\n');
    fflush(stdout);
    return CC_REDISPLAY;
}

/* Where the history is kept: $XDG_STATE_HOME/takt_history, or ~/.takt_history. */
static bool sh_line_edit_file(char *room, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        snprintf(room, size, "%s/takt_history", state);
    else if (home != NULL && home[0] == '/')
        snprintf(room, size, "%s/.takt_history", home);
    else
        return false;
    return true;
}

static void sh_line_edit_turns(struct sh *sh, EditLine *el, History *list)
{
    HistEvent event;
    while (!sh->quit) {
        int size = 0;
        const char *line = el_gets(el, &size);
        if (line == NULL || size <= 0)
            break;
        char *copy = strndup(line, (size_t)size);
        if (copy == NULL)
            break;
        copy[strcspn(copy, "\n")] = '\0';
        /* Credentials are not for a file. */
        if (copy[strspn(copy, " \t")] != '\0' && strstr(copy, "addauth") == NULL)
            history(list, &event, H_ENTER, line);
        (void)!sh_line(sh, copy);
        free(copy);
    }
    putchar('\n');
}

int sh_line_edit_run(struct sh *sh)
{
    char file[1024];
    HistEvent event;
    int err = ERR_NOMEM;
    struct sigaction interrupt = {.sa_handler = sh_line_edit_interrupt}, before;
    sigaction(SIGINT, &interrupt, &before);
    EditLine *el = el_init("takt", stdin, stdout, stderr);
    History *list = history_init();
    if (el == NULL || list == NULL)
        goto out;
    bool keeps = sh_line_edit_file(file, sizeof(file));
    history(list, &event, H_SETSIZE, SH_LINE_EDIT_HISTORY);
    history(list, &event, H_SETUNIQUE, 1);
    if (keeps)
        history(list, &event, H_LOAD, file);
    el_set(el, EL_CLIENTDATA, sh);
    el_set(el, EL_PROMPT, sh_line_edit_prompt);
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_SIGNAL, 1);
    el_set(el, EL_HIST, history, list);
    el_set(el, EL_ADDFN, "takt-complete", "complete a command or a path", sh_line_edit_complete);
    el_set(el, EL_BIND, "^I", "takt-complete", NULL);
    el_set(el, EL_GETCFN, sh_line_edit_char);
    el_source(el, NULL);
    sh_line_edit_turns(sh, el, list);
    if (keeps)
        history(list, &event, H_SAVE, file);
    err = 0;
out:
    if (list != NULL)
        history_end(list);
    if (el != NULL)
        el_end(el);
    sigaction(SIGINT, &before, NULL);
    return err;
}
