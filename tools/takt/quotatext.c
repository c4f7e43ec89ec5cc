#include "tools/takt/quotatext.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct quota quotatext_none = {-1, -1, -1, -1};

static int64_t *quotatext_place(struct quota *quota, const char *key)
{
    if (strcmp(key, "count") == 0)
        return &quota->count;
    if (strcmp(key, "bytes") == 0)
        return &quota->bytes;
    if (strcmp(key, "countHardLimit") == 0)
        return &quota->count_hard;
    return strcmp(key, "byteHardLimit") == 0 ? &quota->bytes_hard : NULL;
}

/* One "key=value" piece; what follows a second '=' does not count. */
static int quotatext_parse_piece(char *piece, struct quota *quota)
{
    char *value = strchr(piece, '='), *end;
    if (value == NULL)
        return ERR_MALFORMED;
    *value++ = '\0';
    value[strcspn(value, "=")] = '\0';
    int64_t *place = quotatext_place(quota, piece);
    if (place == NULL || *value == '\0')
        return 0;
    errno = 0;
    int64_t v = strtoll(value, &end, 10);
    if (*end != '\0' || errno != 0)
        return ERR_MALFORMED;
    *place = v;
    return 0;
}

int quotatext_parse(struct bytes text, struct quota *quota)
{
    char room[QUOTA_TEXT_SIZE * 2], *save = NULL;
    struct quota found = quotatext_none;
    if (text.size < 0 || (size_t)text.size >= sizeof(room))
        return ERR_MALFORMED;
    if (text.size > 0)
        memcpy(room, text.at, (size_t)text.size);
    room[text.size] = '\0';
    for (char *piece = strtok_r(room, ",;", &save); piece; piece = strtok_r(NULL, ",;", &save))
        if (quotatext_parse_piece(piece, &found) != 0)
            return ERR_MALFORMED;
    *quota = found;
    return 0;
}

void quotatext_text(const struct quota *quota, char room[QUOTA_TEXT_SIZE])
{
    int n = snprintf(room, QUOTA_TEXT_SIZE, "count=%" PRId64 ",bytes=%" PRId64, quota->count,
                     quota->bytes);
    if (quota->bytes_hard >= 0 || quota->count_hard >= 0)
        n += snprintf(room + n, QUOTA_TEXT_SIZE - (size_t)n, "=");
    if (quota->bytes_hard >= 0)
        n += snprintf(room + n, QUOTA_TEXT_SIZE - (size_t)n, ";byteHardLimit=%" PRId64,
                      quota->bytes_hard);
    if (quota->count_hard >= 0)
        snprintf(room + n, QUOTA_TEXT_SIZE - (size_t)n, ";countHardLimit=%" PRId64,
                 quota->count_hard);
}
