#include "tools/takt/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool words_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int words_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape inside "..."; *at points behind the backslash and is moved behind the escape. */
static int words_escape(const char **at, char *into, struct fault *fault)
{
    static const char from[] = "ntr\\\"'0", to[] = "\n\t\r\\\"'";
    char c = **at;
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (found != NULL) {
        *into = to[found - from]; /* '0' finds the zero that ends `to` */
        *at += 1;
        return 0;
    }
    if (c == 'x' && words_hex((*at)[1]) >= 0 && words_hex((*at)[2]) >= 0) {
        *into = (char)(words_hex((*at)[1]) * 16 + words_hex((*at)[2]));
        *at += 3;
        return 0;
    }
    if (c == '\0')
        return fault_set(fault, ERR_MALFORMED, "a quote \" is opened and never closed");
    return fault_set(fault, ERR_MALFORMED,
                     "\\%c is no escape; inside \"...\" write \\n \\t \\r \\0 \\\\ \\\" or \\xHH",
                     c);
}

/* Copies one quoted piece; *at points at the opening quote and is moved behind the closing one. */
static int words_piece(const char **at, char **into, struct fault *fault)
{
    char quote = *(*at)++;
    while (**at != quote) {
        if (**at == '\0')
            return fault_set(fault, ERR_MALFORMED, "a quote %c is opened and never closed", quote);
        if (quote == '"' && **at == '\\') {
            *at += 1;
            int err = words_escape(at, *into, fault);
            if (err != 0)
                return err;
            *into += 1;
            continue;
        }
        *(*into)++ = *(*at)++;
    }
    *at += 1;
    return 0;
}

static int words_one(struct word *word, const char **at, char **into, struct fault *fault)
{
    *word = (struct word){.text = *into};
    while (**at != '\0' && !words_is_blank(**at) && **at != ';') {
        if (**at == '\'' || **at == '"') {
            word->quoted = true;
            int err = words_piece(at, into, fault);
            if (err != 0)
                return err;
            continue;
        }
        if (**at == '\\') {
            *at += 1;
            word->quoted = true;
            if (**at == '\0')
                return fault_set(fault, ERR_MALFORMED, "the line ends in a lone backslash");
        }
        *(*into)++ = *(*at)++;
    }
    word->size = (uint32_t)(*into - word->text);
    *(*into)++ = '\0';
    return 0;
}

int words_split(struct words *words, const char *text, struct fault *fault)
{
    /* Every word takes at most its own bytes plus a zero; a word costs one byte of text at least.
     */
    char *into = malloc(2 * strlen(text) + 2);
    if (into == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory for a line of %zu bytes", strlen(text));
    words->room = into;
    words->count = 0;
    int err = 0;
    for (const char *at = text; *at != '\0';) {
        if (words_is_blank(*at)) {
            at++;
            continue;
        }
        if (*at == '#') {
            at += strcspn(at, "\n");
            continue;
        }
        if (words->count == WORDS_COUNT_MAX) {
            err = fault_set(fault, ERR_LIMIT, "a line has at most %d words", WORDS_COUNT_MAX);
            goto out;
        }
        if (*at == ';') {
            words->at[words->count++] = (struct word){.text = ";", .size = 1, .separator = true};
            at++;
            continue;
        }
        err = words_one(&words->at[words->count], &at, &into, fault);
        if (err != 0)
            goto out;
        words->count++;
    }
    return 0;
out:
    words_fini(words);
    return err;
}

void words_fini(struct words *words)
{
    free(words->room);
    words->room = NULL;
    words->count = 0;
}

static bool words_is_bare(const uint8_t *text, uint32_t size)
{
    if (size == 0 || text[0] == '-' || text[0] == '#')
        return false;
    for (uint32_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] == 0x7f || strchr(";\\\"'", text[i]) != NULL)
            return false;
    return true;
}

int words_quote(const void *text, uint32_t size, char *room, uint32_t room_size)
{
    const uint8_t *from = text;
    uint32_t n = 0;
    bool bare = words_is_bare(from, size);
    if (!bare && n < room_size)
        room[n++] = '"';
    for (uint32_t i = 0; i < size; i++) {
        char piece[8];
        if (!bare && (from[i] < ' ' || from[i] == 0x7f))
            snprintf(piece, sizeof(piece), "\\x%02x", from[i]);
        else if (!bare && (from[i] == '"' || from[i] == '\\'))
            snprintf(piece, sizeof(piece), "\\%c", from[i]);
        else
            snprintf(piece, sizeof(piece), "%c", from[i]);
        uint32_t piece_size = (uint32_t)strlen(piece);
        if (n + piece_size >= room_size)
            return ERR_FULL;
        memcpy(room + n, piece, piece_size);
        n += piece_size;
    }
    if (n + 2 > room_size)
        return ERR_FULL;
    if (!bare)
        room[n++] = '"';
    room[n] = '\0';
    return 0;
}
