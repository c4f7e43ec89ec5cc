#include "store/path.h"

#include "base/check.h"

#include <string.h>

/* Decodes one character of well-formed UTF-8 (Unicode table 3-7) of the Basic Multilingual Plane
 * that is not ASCII. Returns its size in bytes, or 0 for anything else. */
static int decode(const uint8_t *at, size_t left, uint32_t *code)
{
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        if (left < 2 || (at[1] & 0xC0) != 0x80)
            return 0;
        *code = (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
        return 2;
    }
    if ((at[0] & 0xF0) == 0xE0) {
        if (left < 3 || (at[1] & 0xC0) != 0x80 || (at[2] & 0xC0) != 0x80)
            return 0;
        *code = (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
        return *code < 0x800 ? 0 : 3; /* overlong */
    }
    return 0; /* a lone continuation byte, an overlong form, or beyond the plane */
}

static bool code_forbidden(uint32_t code)
{
    return (code >= 0x7F && code <= 0x9F) || (code >= 0xD800 && code <= 0xF8FF) ||
           (code >= 0xFFF0 && code <= 0xFFFF);
}

/* One component, from `at`, of `size` bytes, with every character judged already. */
static bool component_valid(const uint8_t *at, size_t size)
{
    if (size == 0)
        return false;
    if (at[0] != '.')
        return true;
    return size > 2 || (size == 2 && at[1] != '.');
}

bool path_valid(struct bytes path)
{
    if (path.size < 1 || path.at[0] != '/')
        return false;
    if (path.size == 1)
        return true;
    const uint8_t *at = path.at + 1, *end = path.at + path.size, *component = at;
    while (at < end) {
        uint32_t code;
        if (*at == '/') {
            if (!component_valid(component, (size_t)(at - component)))
                return false;
            component = ++at;
        } else if (*at < 0x80) {
            if (*at < 0x20 || *at == 0x7F)
                return false;
            at++;
        } else {
            int size = decode(at, (size_t)(end - at), &code);
            if (size == 0 || code_forbidden(code))
                return false;
            at += size;
        }
    }
    return component_valid(component, (size_t)(end - component));
}

bool path_has_nul(struct bytes path)
{
    CHECK(path.size >= 0);
    return path.size > 0 && memchr(path.at, 0, (size_t)path.size) != NULL;
}

struct bytes path_parent(struct bytes path)
{
    const uint8_t *slash = path.size > 0 ? memrchr(path.at, '/', (size_t)path.size) : NULL;
    if (!slash)
        return (struct bytes){NULL, -1};
    return (struct bytes){path.at, (int32_t)(slash - path.at)};
}

struct bytes path_name(struct bytes path)
{
    struct bytes parent = path_parent(path);
    CHECK(parent.size < path.size || path.size <= 0);
    return (struct bytes){path.at + parent.size + 1, path.size - parent.size - 1};
}

bool path_below(struct bytes path, struct bytes top)
{
    CHECK(top.size >= 1);
    if (top.size == 1)
        return true;
    return path.size >= top.size && memcmp(path.at, top.at, (size_t)top.size) == 0 &&
           (path.size == top.size || path.at[top.size] == '/');
}

bool path_is(struct bytes path, const char *string)
{
    size_t size = strlen(string);
    return path.size >= 0 && (size_t)path.size == size &&
           (size == 0 || memcmp(path.at, string, size) == 0);
}

bool path_special(struct bytes path)
{
    return path_is(path, "/") || path_is(path, "/zookeeper") || path_is(path, "/zookeeper/quota") ||
           path_is(path, "/zookeeper/config");
}
