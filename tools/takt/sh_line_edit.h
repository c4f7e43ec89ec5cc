/* sh_line_edit: the shell at a terminal: line editing, history and completion by libedit; watch
 * events are shown and pings sent while the person thinks. */
#pragma once

#include "tools/takt/sh.h"

/* Runs until quit or end of input. Returns 0, or ERR_NOMEM when libedit cannot start. */
MUST_USE int sh_line_edit_run(struct sh *sh);

/* sh_line_edit_split finds the word that ends at the end of line[0..size): *from is where it
 * starts; returns its number in its command, 0 for the command itself. Pure. */
uint32_t sh_line_edit_split(const char *line, uint32_t size, uint32_t *from);
