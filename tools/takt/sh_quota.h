/* sh_quota: commands of the shell; sh_table.c says what each does. */
#pragma once

#include "tools/takt/sh.h"

MUST_USE int sh_quota_set(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_quota_list(struct sh *sh, const struct sh_args *args);
MUST_USE int sh_quota_delete(struct sh *sh, const struct sh_args *args);
