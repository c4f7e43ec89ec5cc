/* say: lines for people, on stderr. stdout is for answers. One line each: what happened, to which
 * file or peer, what to do. Not for the data path: there an error is a counter. */
#pragma once

#include "base/err.h"

enum say_level { SAY_ERROR, SAY_WARN, SAY_INFO, SAY_DEBUG };

/* say_level_set drops lines above `level`. Before the roles start. */
void say_level_set(enum say_level level);

/* say prints "<time> <level> <text>" (with colours on a tty; with a <N> priority prefix and no time
 * when systemd's journal reads stderr). Any role that is not on the data path. */
void say(enum say_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* One sentence about a failure, built up from the inside out on the control path. */
struct fault {
    char text[512];
};

/* fault_set replaces the text; fault_wrap puts "<format>: " before what is there. Both return err,
 * so that a failing function can end with `return fault_set(f, ERR_IO, "...")`. f may be NULL. */
int fault_set(struct fault *fault, int err, const char *format, ...) PRINTF_LIKE(3, 4);
int fault_wrap(struct fault *fault, int err, const char *format, ...) PRINTF_LIKE(3, 4);
