#include "tools/takt/sh_args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* One word of option letters; *taken counts a value that followed as the next word. */
static int sh_args_letters(struct sh_args *args, const struct word *word, const struct word *next,
                           const char *spec, uint32_t *taken, struct fault *fault)
{
    for (const char *at = word->text + 1; *at != '\0'; at++) {
        const char *known = *at != ':' ? strchr(spec, *at) : NULL;
        if (known == NULL)
            return fault_set(fault, ERR_CONFIG, "there is no option -%c", *at);
        if (known[1] != ':') {
            args->flags[(uint8_t)*at & 127] = word;
            continue;
        }
        if (at[1] != '\0' || next == NULL)
            return fault_set(fault, ERR_CONFIG, "-%c needs a value as the next word", *at);
        args->flags[(uint8_t)*at & 127] = next;
        *taken = 1;
        return 0;
    }
    return 0;
}

int sh_args_parse(struct sh_args *args, const struct word *words, uint32_t count, const char *spec,
                  uint32_t min, uint32_t max, struct fault *fault)
{
    bool ended = false;
    *args = (struct sh_args){0};
    for (uint32_t i = 0; i < count; i++) {
        const struct word *word = &words[i];
        bool dashed = !ended && !word->quoted && word->text[0] == '-' && word->size > 1;
        if (dashed && strcmp(word->text, "--") == 0) {
            ended = true;
        } else if (dashed) {
            uint32_t taken = 0;
            const struct word *next = i + 1 < count ? &words[i + 1] : NULL;
            int err = sh_args_letters(args, word, next, spec, &taken, fault);
            if (err != 0)
                return err;
            i += taken;
        } else if (args->count >= max) {
            return fault_set(fault, ERR_CONFIG, "\"%s\" is one word too many", word->text);
        } else {
            args->rest[args->count++] = word;
        }
    }
    if (args->count < min)
        return fault_set(fault, ERR_CONFIG, "something is missing");
    return 0;
}

struct bytes sh_args_bytes(const struct sh_args *args, uint32_t index)
{
    if (index >= args->count)
        return (struct bytes){NULL, -1};
    return bytes_of(args->rest[index]->text, args->rest[index]->size);
}

const char *sh_args_text(const struct sh_args *args, uint32_t index)
{
    return index < args->count ? args->rest[index]->text : NULL;
}

int sh_args_number(const struct sh_args *args, char letter, int64_t min, int64_t max,
                   int64_t absent, int64_t *value, struct fault *fault)
{
    const struct word *word = args->flags[(uint8_t)letter & 127];
    char *end;
    if (word == NULL) {
        *value = absent;
        return 0;
    }
    errno = 0;
    int64_t v = strtoll(word->text, &end, 10);
    if (word->size == 0 || *end != '\0' || errno != 0 || v < min || v > max)
        return fault_set(fault, ERR_CONFIG,
                         "-%c wants a whole number in [%" PRId64 ", %" PRId64 "], not \"%s\"",
                         letter, min, max, word->text);
    *value = v;
    return 0;
}
