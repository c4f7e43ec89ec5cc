#include "tools/taktd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL_WAIT_MS     200
#define CONTROL_ANSWER_SIZE 4096

/* A data directory's path may be longer than a socket's name may be. */
static void control_address(int dir_fd, struct sockaddr_un *at)
{
    memset(at, 0, sizeof(*at));
    at->sun_family = AF_UNIX;
    snprintf(at->sun_path, sizeof(at->sun_path), "/proc/self/fd/%d/" CONTROL_NAME, dir_fd);
}

int control_open(struct control *control, const char *data_dir, struct fault *fault)
{
    struct sockaddr_un at;

    control->fd = -1;
    control->dir_fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (control->dir_fd < 0)
        return fault_set(fault, ERR_IO, "%s: %s", data_dir, strerror(errno));
    unlinkat(control->dir_fd, CONTROL_NAME, 0); /* of a node that died: the directory is ours */
    control_address(control->dir_fd, &at);
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* the mode is the socket's before it has a name, so that it is never open to others */
    if (control->fd < 0 || fchmod(control->fd, 0600) != 0 ||
        bind(control->fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(control->fd, 4) != 0) {
        int err = fault_set(fault, ERR_IO, "%s/" CONTROL_NAME ": %s", data_dir, strerror(errno));
        control_close(control);
        return err;
    }
    return 0;
}

void control_close(struct control *control)
{
    if (control->fd >= 0) {
        close(control->fd);
        unlinkat(control->dir_fd, CONTROL_NAME, 0);
    }
    if (control->dir_fd >= 0)
        close(control->dir_fd);
    control->fd = control->dir_fd = -1;
}

static size_t control_worker(const struct node_worker *worker, char *out, size_t size)
{
    int n = snprintf(out, size, "%d\t%s\t%s\n", worker->cpu, worker->idle, worker->roles);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

void control_answer(struct node *node, const char *line, char *out, size_t size)
{
    struct node_worker worker;
    struct fault fault;
    char role[32], tail;
    int cpu;

    if (strcmp(line, "workers") == 0) {
        size_t used = (size_t)snprintf(out, size, "ok\n");
        for (uint32_t i = 0; node_worker_at(node, i, &worker); i++)
            used += control_worker(&worker, out + used, size - used);
        return;
    }
    if (sscanf(line, "move %31s %d%c", role, &cpu, &tail) != 2 || cpu < -1) {
        snprintf(out, size, "error \"%.40s\" is neither \"workers\" nor \"move ROLE CPU\"\n", line);
        return;
    }
    if (node_move(node, role, cpu, &worker, &fault) != 0) {
        snprintf(out, size, "error %s\n", fault.text);
        return;
    }
    size_t used = (size_t)snprintf(out, size, "ok\n");
    control_worker(&worker, out + used, size - used);
}

/* Reads up to the newline. Returns false when there is none in time, or none that fits. */
static bool control_line(int fd, char line[CONTROL_LINE_SIZE])
{
    size_t used = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    while (used < CONTROL_LINE_SIZE - 1 && poll(&ready, 1, CONTROL_WAIT_MS) == 1) {
        ssize_t got = recv(fd, line + used, CONTROL_LINE_SIZE - 1 - used, MSG_DONTWAIT);
        if (got <= 0)
            return false;
        used += (size_t)got;
        line[used] = '\0';
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
            return true;
        }
    }
    return false;
}

void control_serve(struct control *control, struct node *node)
{
    char line[CONTROL_LINE_SIZE], answer[CONTROL_ANSWER_SIZE];
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (control_line(fd, line)) {
        control_answer(node, line, answer, sizeof(answer));
        /* a fresh socket's buffer holds it; a caller that is gone has no use for it */
        (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(fd);
}
