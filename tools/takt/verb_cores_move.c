/* takt cores workers, move: at a running node, by the socket in its data directory. */
#include "tools/takt/json.h"
#include "tools/takt/page.h"
#include "tools/takt/verb_cores.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define VERB_CORES_WAIT_S 3

/* One line to the node, its whole answer back. */
static int verb_cores_ask(const char *dir, const char *line, char *answer, size_t size,
                          struct fault *fault)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = VERB_CORES_WAIT_S};
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
    size_t used = 0;

    snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/control.sock", dir_fd);
    if (fd < 0 || dir_fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        err = fault_set(fault, ERR_IO, "%s/control.sock: %s%s", dir, strerror(errno),
                        errno == EACCES ? ": ask as the node's user, or as root"
                        : errno == ENOENT || errno == ECONNREFUSED
                            ? ": no node runs there (its data directory: --data or --config)"
                            : "");
        goto out;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        err = fault_set(fault, ERR_IO, "%s/control.sock: %s", dir, strerror(errno));
    for (ssize_t got = 1; !err && got > 0 && used<size - 1; used += got> 0 ? (size_t)got : 0) {
        got = recv(fd, answer + used, size - 1 - used, 0);
        if (got < 0)
            err = fault_set(fault, ERR_IO, "the node does not answer: %s", strerror(errno));
    }
    answer[used] = '\0';
    if (!err && strncmp(answer, "ok\n", 3) != 0)
        err = fault_set(fault, ERR_IO, "%.*s", (int)strcspn(answer, "\n"),
                        strncmp(answer, "error ", 6) == 0 ? answer + 6 : "the node hung up");
out:
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return err;
}

/* "<cpu>\t<idle>\t<roles>" */
static void verb_cores_workers_print(char *answer, bool as_json)
{
    struct json json;
    char *next = NULL;

    json_init(&json, stdout);
    if (as_json)
        json_open(&json, NULL, '[');
    else
        printf("%-28s %-4s %s\n", "roles of a thread", "cpu", "without work");
    for (char *row = strtok_r(answer + 3, "\n", &next); row; row = strtok_r(NULL, "\n", &next)) {
        char idle[16] = "", roles[96] = "", where[16];
        int cpu = -1;
        if (sscanf(row, "%d\t%15[^\t]\t%95[^\n]", &cpu, idle, roles) != 3)
            continue;
        if (as_json) {
            json_open(&json, NULL, '{');
            json_text(&json, "roles", roles);
            json_int(&json, "cpu", cpu);
            json_text(&json, "idle", idle);
            json_close(&json, '}');
            continue;
        }
        snprintf(where, sizeof(where), cpu < 0 ? "any" : "%d", cpu);
        printf("%-28s %-4s %s\n", roles, where, idle);
    }
    if (as_json) {
        json_close(&json, ']');
        json_line(&json);
    }
}

/* Of the node that is meant: --data, else as --config says, else the one that runs here. */
static int verb_cores_where(const struct verb_cores *cores, char *dir, size_t size,
                            struct fault *fault)
{
    const char *said = cores->data_dir ? cores->data_dir : cores->config.data_dir;
    const struct page_choice any = {0};
    const struct node_page *page;

    snprintf(dir, size, "%s", said);
    if (*said)
        return 0;
    int err = page_find(&any, &page, fault);
    if (err)
        return fault_wrap(fault, err, "which node? --data DIR%s",
                          cores->where.config ? "; --config has no data.dir"
                                              : ", or --config FILE");
    snprintf(dir, size, "%s", page->data_dir);
    page_close(page);
    return 0;
}

static int verb_cores_talk(struct verb_cores *cores, const char *line)
{
    char answer[4096], dir[PATH_MAX];
    struct fault fault;

    if (verb_cores_where(cores, dir, sizeof(dir), &fault) != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    if (verb_cores_ask(dir, line, answer, sizeof(answer), &fault) != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    verb_cores_workers_print(answer, cores->as_json);
    return VERB_OK;
}

int verb_cores_workers(struct verb_cores *cores)
{
    return verb_cores_talk(cores, "workers\n");
}

int verb_cores_move(struct verb_cores *cores)
{
    uint64_t cpu = 0;
    char line[64];
    bool any = strcmp(cores->words[1], "any") == 0;

    if (!any && opts_number(cores->words[1], 0, CPULIST_MAX - 1, &cpu) != 0)
        return verb_usage(&verb_cores_page, "\"%s\" is no cpu: a number, or any", cores->words[1]);
    snprintf(line, sizeof(line), "move %.31s %d\n", cores->words[0], any ? -1 : (int)cpu);
    return verb_cores_talk(cores, line);
}
