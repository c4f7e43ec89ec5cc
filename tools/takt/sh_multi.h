/* sh_multi: several operations as one request (zk_protocol.md section 8). */
#pragma once

#include "tools/takt/sh.h"

MUST_USE int sh_multi_run(struct sh *sh, const struct word *words, uint32_t count);
