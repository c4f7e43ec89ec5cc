/* text: a line writer into room of known size. What does not fit is counted and not written, so one
 * run with no room gives the size for the next. Pure. */
#pragma once

#include "base/err.h"
#include "base/messages.h"

#include <stdint.h>

struct text {
    char *at, *end;
    uint64_t size; /* bytes there would be with room enough */
};

/* text_add appends printf-formatted text; each call's text is cut at 4095 bytes. */
void text_add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* text_bytes appends bytes as they are. */
void text_bytes(struct text *text, const void *at, uint64_t size);

/* text_address appends an address as Java prints it: "a.b.c.d" or eight groups of hex. */
void text_address(struct text *text, const struct address *address);
