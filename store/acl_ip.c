/* The ip scheme: addresses as text, with an optional "/bits" (zk_protocol.md section 12). */
#include "store/acl.h"

#include "base/check.h"

#include <string.h>

struct ip {
    uint8_t byte[16];
    int32_t size; /* 4 or 16 */
    int32_t bits; /* the prefix that counts */
};

/* A decimal number of at most 3 digits, in [0, limit]; -1 for anything else. */
static int32_t decimal(const uint8_t *at, const uint8_t *end, int32_t limit)
{
    int32_t value = 0;
    if (at == end || end - at > 3)
        return -1;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        value = value * 10 + (*at - '0');
    }
    return value <= limit ? value : -1;
}

static bool parse_v4(const uint8_t *at, const uint8_t *end, struct ip *ip)
{
    ip->size = 4;
    for (int i = 0; i < 4; i++) {
        const uint8_t *dot = memchr(at, '.', (size_t)(end - at));
        if (i == 3 ? dot != NULL : dot == NULL)
            return false;
        int32_t value = decimal(at, dot ? dot : end, 255);
        if (value < 0)
            return false;
        ip->byte[i] = (uint8_t)value;
        at = dot ? dot + 1 : end;
    }
    return true;
}

/* One group of 1 to 4 hex digits; -1 for anything else. */
static int32_t group(const uint8_t *at, const uint8_t *end)
{
    int32_t value = 0;
    if (at == end || end - at > 4)
        return -1;
    for (; at < end; at++) {
        uint8_t c = *at | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (c - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Groups separated by single ':' into out, at most 8. Returns how many, -1 when malformed. */
static int32_t groups(const uint8_t *at, const uint8_t *end, uint8_t *out)
{
    int32_t count = 0;
    if (at == end)
        return 0;
    for (;;) {
        const uint8_t *colon = memchr(at, ':', (size_t)(end - at));
        int32_t value = group(at, colon ? colon : end);
        if (value < 0 || count == 8)
            return -1;
        out[2 * count] = (uint8_t)(value >> 8);
        out[2 * count + 1] = (uint8_t)value;
        count++;
        if (!colon)
            return count;
        at = colon + 1;
    }
}

static bool parse_v6(const uint8_t *at, const uint8_t *end, struct ip *ip)
{
    uint8_t tail[16];
    const uint8_t *gap = memmem(at, (size_t)(end - at), "::", 2);
    ip->size = 16;
    if (!gap)
        return groups(at, end, ip->byte) == 8;
    memset(ip->byte, 0, sizeof ip->byte);
    int32_t before = groups(at, gap, ip->byte), after = groups(gap + 2, end, tail);
    if (before < 0 || after < 0 || before + after > 7)
        return false;
    memcpy(ip->byte + 16 - 2 * after, tail, 2 * (size_t)after);
    return true;
}

static bool parse(struct bytes text, bool bits_allowed, struct ip *ip)
{
    if (text.size < 1)
        return false;
    const uint8_t *at = text.at, *end = at + text.size;
    const uint8_t *slash = bits_allowed ? memchr(at, '/', (size_t)text.size) : NULL;
    const uint8_t *stop = slash ? slash : end;
    if (memchr(at, ':', (size_t)(stop - at)) ? !parse_v6(at, stop, ip) : !parse_v4(at, stop, ip))
        return false;
    ip->bits = slash ? decimal(slash + 1, end, ip->size * 8) : ip->size * 8;
    return ip->bits >= 0;
}

bool acl_ip_valid(struct bytes expression)
{
    struct ip ip;
    return parse(expression, true, &ip);
}

bool acl_ip_match(struct bytes address, struct bytes expression)
{
    struct ip have, want;
    if (!parse(address, false, &have) || !parse(expression, true, &want) || have.size != want.size)
        return false;
    int32_t whole = want.bits / 8, rest = want.bits % 8;
    CHECK(whole <= want.size);
    if (memcmp(have.byte, want.byte, (size_t)whole) != 0)
        return false;
    return rest == 0 || (have.byte[whole] ^ want.byte[whole]) >> (8 - rest) == 0;
}
