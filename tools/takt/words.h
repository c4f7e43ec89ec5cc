/* words: a line of the shell as words. Pure.
 *
 *   plain text           ends at a blank or ;
 *   'as it is'           no escapes inside
 *   "with \n escapes"    \n \t \r \\ \" \' \0 \xHH
 *   \c                   outside quotes: the character c, also a blank, ; or #
 *   ;                    a word of its own, marked `separator`
 *   # to the end         a comment, when it starts a word
 *
 * Adjacent pieces make one word; "" is an empty word. A word may hold zero bytes, so it has a size;
 * it also ends with one zero byte that is not counted. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdbool.h>
#include <stdint.h>

#define WORDS_COUNT_MAX 1024

struct word {
    const char *text;
    uint32_t size;  /* bytes, without the closing zero */
    bool separator; /* an unquoted ; */
    bool quoted;    /* some of it was quoted: never taken for an option */
};

struct words {
    struct word at[WORDS_COUNT_MAX];
    uint32_t count;
    char *room; /* owned: every text points into it */
};

/* words_split fills *words from the text. Returns 0, ERR_MALFORMED (an open quote, a bad escape;
 * the sentence says which), ERR_LIMIT (more than WORDS_COUNT_MAX words) or ERR_NOMEM. On success
 * the caller owns *words and ends it with words_fini; on failure there is nothing to end. */
MUST_USE int words_split(struct words *words, const char *text, struct fault *fault);

void words_fini(struct words *words);

/* words_quote writes text[0..size) so that words_split reads it back as one word: bare when that is
 * possible. At most room_size bytes with the closing zero. Returns 0 or ERR_FULL. */
MUST_USE int words_quote(const void *text, uint32_t size, char *room, uint32_t room_size);
