/* jute: checked cursors over the big-endian record encoding of the ZooKeeper protocol
 * (zk_protocol.md section 2). Bytes from outside are read only through these.
 *
 * Both cursors are sticky: after the first read past the end (or write past the end) `bad` is set,
 * every later read yields zero / null, and the caller tests `bad` once, at the end. Nothing here
 * allocates; what a read returns borrows the bytes it was read from. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. size in bytes; -1 means the null buffer, which differs from the empty one. */
struct bytes {
    const uint8_t *at;
    int32_t size;
};

struct jute_in {
    const uint8_t *at, *end;
    bool bad;
};

struct jute_out {
    uint8_t *at, *end;
    bool bad;
};

/* at may be NULL when size is 0. */
static inline struct jute_in jute_in(const void *at, size_t size)
{
    const uint8_t *from = (const uint8_t *)at;
    return (struct jute_in){from, size ? from + size : from, false};
}

static inline struct jute_out jute_out(void *at, size_t size)
{
    return (struct jute_out){(uint8_t *)at, (uint8_t *)at + size, false};
}

static inline struct bytes bytes_of(const void *at, size_t size)
{
    return (struct bytes){(const uint8_t *)at, (int32_t)size};
}

static inline struct bytes bytes_of_string(const char *string)
{
    return bytes_of(string, strlen(string));
}

/* True when both are null, or both have the same bytes. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size <= 0 || memcmp(a.at, b.at, (size_t)a.size) == 0);
}

/* bytes_same: are the first n bytes at a and b the same? Names and paths are short: as words, the
 * last of them over some of the one before. */
static inline bool bytes_same(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint64_t left, right;
    if (n < 8 || n > 64)
        return memcmp(a, b, n) == 0;
    for (size_t i = 0; i < n - 8; i += 8) {
        memcpy(&left, a + i, 8);
        memcpy(&right, b + i, 8);
        if (left != right)
            return false;
    }
    memcpy(&left, a + n - 8, 8);
    memcpy(&right, b + n - 8, 8);
    return left == right;
}

/* jute_take returns n bytes and steps over them, or NULL and sets bad. */
static inline const uint8_t *jute_take(struct jute_in *in, size_t n)
{
    if (in->bad || (size_t)(in->end - in->at) < n) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *at = in->at;
    in->at += n;
    return at;
}

static inline uint8_t jute_get_byte(struct jute_in *in)
{
    const uint8_t *at = jute_take(in, 1);
    return at ? *at : 0;
}

static inline bool jute_get_bool(struct jute_in *in)
{
    return jute_get_byte(in) != 0;
}

static inline int32_t jute_get_int(struct jute_in *in)
{
    uint32_t v;
    const uint8_t *at = jute_take(in, 4);
    if (!at)
        return 0;
    memcpy(&v, at, 4);
    return (int32_t)__builtin_bswap32(v);
}

static inline int64_t jute_get_long(struct jute_in *in)
{
    uint64_t v;
    const uint8_t *at = jute_take(in, 8);
    if (!at)
        return 0;
    memcpy(&v, at, 8);
    return (int64_t)__builtin_bswap64(v);
}

/* A buffer or ustring: -1 is null; any other negative length sets bad. */
static inline struct bytes jute_get_bytes(struct jute_in *in)
{
    int32_t size = jute_get_int(in);
    if (in->bad || size < 0) {
        in->bad |= size < -1;
        return (struct bytes){NULL, -1};
    }
    const uint8_t *at = jute_take(in, (size_t)size);
    return at ? (struct bytes){at, size} : (struct bytes){NULL, -1};
}

/* A vector's count: in [0, bytes left / size_min], or -1 for null; anything else sets bad.
 * size_min is the least number of bytes one element can take, at least 1. */
static inline int32_t jute_get_count(struct jute_in *in, uint32_t size_min)
{
    int32_t count = jute_get_int(in);
    if (count < -1 || (count > 0 && (size_t)count > (size_t)(in->end - in->at) / size_min))
        in->bad = true;
    return in->bad ? -1 : count;
}

/* jute_room returns a place for n bytes and steps over it, or NULL and sets bad. */
static inline uint8_t *jute_room(struct jute_out *out, size_t n)
{
    if (out->bad || (size_t)(out->end - out->at) < n) {
        out->bad = true;
        return NULL;
    }
    uint8_t *at = out->at;
    out->at += n;
    return at;
}

static inline void jute_put_byte(struct jute_out *out, uint8_t v)
{
    uint8_t *at = jute_room(out, 1);
    if (at)
        *at = v;
}

static inline void jute_put_int(struct jute_out *out, int32_t v)
{
    uint32_t be = __builtin_bswap32((uint32_t)v);
    uint8_t *at = jute_room(out, 4);
    if (at)
        memcpy(at, &be, 4);
}

static inline void jute_put_long(struct jute_out *out, int64_t v)
{
    uint64_t be = __builtin_bswap64((uint64_t)v);
    uint8_t *at = jute_room(out, 8);
    if (at)
        memcpy(at, &be, 8);
}

static inline void jute_put_raw(struct jute_out *out, const void *from, size_t n)
{
    uint8_t *at = jute_room(out, n);
    if (at && n)
        memcpy(at, from, n);
}

static inline void jute_put_bytes(struct jute_out *out, struct bytes v)
{
    jute_put_int(out, v.size < 0 ? -1 : v.size);
    if (v.size > 0)
        jute_put_raw(out, v.at, (size_t)v.size);
}
