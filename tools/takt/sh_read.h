/* sh_read: commands of the shell; sh_table.c says what each does. */
#pragma once

#include "tools/takt/sh.h"

MUST_USE int sh_read_get(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_ls(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_ls2(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_stat(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_get_acl(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_sync(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_whoami(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_ephemerals(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_count(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_read_config(struct sh *sh, const struct sh_args *args);
