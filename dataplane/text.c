#include "dataplane/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_bytes(struct text *text, const void *at, uint64_t size)
{
    uint64_t room = (uint64_t)(text->end - text->at);
    uint64_t n = size < room ? size : room;
    if (n) {
        memcpy(text->at, at, n);
        text->at += n;
    }
    text->size += size;
}

void text_add(struct text *text, const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size > 0)
        text_bytes(text, line, (size_t)size < sizeof(line) ? (size_t)size : sizeof(line) - 1);
}

void text_address(struct text *text, const struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *ip = address->ip;
    if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
        text_add(text, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    for (int i = 0; i < 16; i += 2)
        text_add(text, "%s%x", i ? ":" : "", ip[i] << 8 | ip[i + 1]);
}
