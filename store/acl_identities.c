/* Packed identities: what a session, or a connection, has proved to be. */
#include "store/acl.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

int32_t acl_identities_one(uint8_t *out, int32_t room, struct bytes scheme, struct bytes id)
{
    CHECK(room >= 0);
    CHECK(scheme.size >= 0);
    struct jute_out to = jute_out(out, (size_t)room);
    jute_put_int(&to, 1);
    jute_put_bytes(&to, scheme);
    jute_put_bytes(&to, id);
    return to.bad ? -1 : (int32_t)(to.at - out);
}

int32_t acl_identities_set(uint8_t *out, const struct address *client)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const uint8_t *ip = client->ip;
    char text[48];
    int size;
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        size = snprintf(text, sizeof text, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
    } else {
        size = 0;
        for (int i = 0; i < 16; i += 2)
            size += snprintf(text + size, sizeof text - (size_t)size, "%s%x", i ? ":" : "",
                             ip[i] << 8 | ip[i + 1]);
    }
    CHECK(size > 0 && (size_t)size < sizeof text);
    int32_t packed_size = acl_identities_one(out, LIMIT_IDENTITIES_SIZE, bytes_of_string("ip"),
                                             bytes_of(text, (size_t)size));
    CHECK(packed_size > 0);
    return packed_size;
}

/* Steps through packed identities; false at the end. */
static bool next(struct jute_in *in, int32_t *left, struct bytes *scheme, struct bytes *id)
{
    if (*left <= 0)
        return false;
    --*left;
    *scheme = jute_get_bytes(in);
    *id = jute_get_bytes(in);
    return !in->bad;
}

static bool have(struct bytes identities, struct bytes scheme, struct bytes id)
{
    struct jute_in in = jute_in(identities.at, (size_t)identities.size);
    int32_t left = jute_get_count(&in, 8);
    struct bytes one_scheme, one_id;
    while (next(&in, &left, &one_scheme, &one_id))
        if (bytes_equal(one_scheme, scheme) && bytes_equal(one_id, id))
            return true;
    return false;
}

int acl_identities_add(uint8_t *identities, int32_t *size, struct bytes more)
{
    CHECK(*size >= 4 && *size <= LIMIT_IDENTITIES_SIZE);
    struct jute_in in = jute_in(more.at, more.size < 0 ? 0 : (size_t)more.size);
    struct jute_out out = jute_out(identities, LIMIT_IDENTITIES_SIZE);
    struct jute_in count_in = jute_in(identities, 4);
    int32_t count = jute_get_int(&count_in), left = jute_get_count(&in, 8);
    struct bytes scheme, id;
    out.at += *size;
    while (next(&in, &left, &scheme, &id)) {
        if (scheme.size < 0 || id.size < 0)
            return ERR_MALFORMED;
        if (have(bytes_of(identities, (size_t)*size), scheme, id))
            continue;
        jute_put_bytes(&out, scheme);
        jute_put_bytes(&out, id);
        count++;
    }
    if (in.bad || left != 0)
        return ERR_MALFORMED;
    if (out.bad)
        return ERR_LIMIT;
    *size = (int32_t)(out.at - identities);
    out = jute_out(identities, 4);
    jute_put_int(&out, count);
    return 0;
}

bool acl_identities_have(struct bytes identities, const char *scheme)
{
    struct jute_in in = jute_in(identities.at, identities.size < 0 ? 0 : (size_t)identities.size);
    int32_t left = jute_get_count(&in, 8);
    struct bytes one_scheme, one_id, wanted = bytes_of_string(scheme);
    while (next(&in, &left, &one_scheme, &one_id))
        if (bytes_equal(one_scheme, wanted))
            return true;
    return false;
}
