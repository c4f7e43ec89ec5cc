/* sh_args: the options and the rest of one shell command's words. Pure. */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/say.h"
#include "tools/takt/words.h"

#include <stdint.h>

#define SH_ARGS_COUNT_MAX 8

struct sh_args {
    const struct word *rest[SH_ARGS_COUNT_MAX]; /* the words that are no options */
    uint32_t count;
    const struct word *flags[128]; /* by letter: the option's value, or the option itself */
};

/* sh_args_parse reads words[0..count), without the command's own name. spec lists the option
 * letters, ':' behind one that takes a value ("swv:"). Only unquoted words are options; "--" ends
 * them; letters may be joined ("-sw"). min..max is how many other words there may be, max at most
 * SH_ARGS_COUNT_MAX. Borrows the words. Returns 0 or ERR_CONFIG with a sentence. */
MUST_USE int sh_args_parse(struct sh_args *args, const struct word *words, uint32_t count,
                           const char *spec, uint32_t min, uint32_t max, struct fault *fault);

static inline bool sh_args_has(const struct sh_args *args, char letter)
{
    return args->flags[(uint8_t)letter & 127] != NULL;
}

/* The word at `index` of the rest as bytes; the null buffer when it is not there. */
struct bytes sh_args_bytes(const struct sh_args *args, uint32_t index);

/* The same as text, or NULL. */
const char *sh_args_text(const struct sh_args *args, uint32_t index);

/* The option's value as a whole number in [min, max], or `absent` when the option is not given.
 * Returns 0 or ERR_CONFIG with a sentence. */
MUST_USE int sh_args_number(const struct sh_args *args, char letter, int64_t min, int64_t max,
                            int64_t absent, int64_t *value, struct fault *fault);
