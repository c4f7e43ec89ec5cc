/* sh_watch: commands of the shell; sh_table.c says what each does. */
#pragma once

#include "tools/takt/sh.h"

MUST_USE int sh_watch_add(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_watch_remove(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_watch_wait(struct sh *sh, const struct sh_args *args);
