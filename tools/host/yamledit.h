/* yamledit: changes single values in a YAML text and leaves all else, comments too, as it was.
 * Knows block mappings of plain keys, which is what configurations are; the caller parses the
 * result again to be sure. Pure. */
#pragma once

#include "base/say.h"

/* yamledit_set gives a new text in which `key`, dotted ("roles.cpus.net"), has this value, written
 * as YAML. A key that is not there is put at the end of its section, a section that is not there at
 * the end of the text. Returns 0 and the caller frees *out; ERR_UNSUPPORTED: a section on the way
 * is written in braces; ERR_NOMEM. */
MUST_USE int yamledit_set(const char *text, const char *key, const char *value, char **out,
                          struct fault *fault);
