/* control: a socket in the data directory by which the machine's administrator talks to a running
 * node. Who may is said by the file's mode, 0600: the node's own user, and root.
 *
 *   takt cores move ──▶ <data>/control.sock ──▶ CTL: one line in, some lines out, closed
 *
 *   request   "workers\n"            answer  "ok\n", then a line each: "<cpu>\t<idle>\t<roles>\n"
 *             "move <role> <cpu>\n"          "ok\n" and the worker's line, or "error <sentence>\n"
 *
 * One conversation at a time, and each has 200 ms for its line. Everything in CTL. */
#pragma once

#include "base/say.h"
#include "tools/taktd/node.h"

#define CONTROL_NAME      "control.sock"
#define CONTROL_LINE_SIZE 128

struct control {
    int dir_fd, fd; /* -1: not open */
};

/* control_open listens in a data directory that this process has locked. Returns 0 or ERR_IO. */
MUST_USE int control_open(struct control *control, const char *data_dir, struct fault *fault);

/* control_close removes the socket. Also for one that was not opened (fd -1). */
void control_close(struct control *control);

/* control_serve takes one caller, if there is one, and answers. */
void control_serve(struct control *control, struct node *node);

/* control_answer carries out one request line, without its newline, and writes the answer. The
 * part that needs no socket. */
void control_answer(struct node *node, const char *line, char *out, size_t size);
