/* listen: what a test's subject says to people (base/say.h), read back from stderr. */
#pragma once

#include "base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *listen_file;
static int listen_kept;

/* From here on stderr is a file of our own. */
static inline void listen_begin(void)
{
    fflush(stderr);
    listen_file = tmpfile();
    CHECK(listen_file);
    listen_kept = dup(2);
    CHECK(listen_kept >= 0 && dup2(fileno(listen_file), 2) == 2);
}

/* All that was said since; the text is valid until the next call. */
static inline const char *listen_end(void)
{
    static char text[1 << 16];

    fflush(stderr);
    CHECK(dup2(listen_kept, 2) == 2);
    close(listen_kept);
    rewind(listen_file);
    text[fread(text, 1, sizeof(text) - 1, listen_file)] = '\0';
    fclose(listen_file);
    return text;
}

static inline uint32_t listen_count(const char *text, const char *words)
{
    uint32_t count = 0;

    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}
