/* From the ACL a client sent to the ACL that is stored (zk_protocol.md section 12): duplicates go
 * first, then each entry is judged and `auth` entries are replaced. The order of the rest stays. */
#include "store/acl.h"

#include "base/check.h"
#include "base/limits.h"

struct ace {
    int32_t perms;
    struct bytes scheme, id;
};

static struct ace entry_get(struct jute_in *in)
{
    struct ace entry;
    entry.perms = jute_get_int(in);
    entry.scheme = jute_get_bytes(in);
    entry.id = jute_get_bytes(in);
    return entry;
}

static void entry_put(struct jute_out *out, int32_t perms, struct bytes scheme, struct bytes id)
{
    jute_put_int(out, perms);
    jute_put_bytes(out, scheme);
    jute_put_bytes(out, id);
}

static bool is(struct bytes text, const char *string)
{
    return bytes_equal(text, bytes_of_string(string));
}

/* Exactly two parts around ':', as Java's split counts them: empty parts at the end do not count.
 */
static bool digest_valid(struct bytes id)
{
    int32_t parts = 1, size = id.size;
    while (size > 0 && id.at[size - 1] == ':')
        size--;
    if (size <= 0)
        return false;
    for (int32_t i = 0; i < size; i++)
        parts += id.at[i] == ':';
    return parts == 2;
}

/* Schemes with a provider in a standalone server that has neither TLS nor SASL configured. */
static bool id_valid(const struct ace *entry)
{
    if (entry->id.size < 0)
        return false;
    if (is(entry->scheme, "world"))
        return is(entry->id, "anyone");
    if (is(entry->scheme, "digest"))
        return digest_valid(entry->id);
    return is(entry->scheme, "ip") && acl_ip_valid(entry->id);
}

/* One entry for each identity that was proved; `ip` is only observed. Returns how many. */
static int32_t auth_put(struct jute_out *out, int32_t perms, struct bytes identities)
{
    struct jute_in in = jute_in(identities.at, identities.size < 0 ? 0 : (size_t)identities.size);
    int32_t count = jute_get_count(&in, 8), put = 0;
    for (int32_t i = 0; i < count; i++) {
        struct bytes scheme = jute_get_bytes(&in), id = jute_get_bytes(&in);
        if (!is(scheme, "digest") && !is(scheme, "x509") && !is(scheme, "sasl"))
            continue;
        entry_put(out, perms, scheme, id);
        put++;
    }
    CHECK(!in.bad);
    return put;
}

/* Does the entry stand among the first `count` of the list already? */
static bool seen(struct bytes list, int32_t count, const struct ace *entry)
{
    struct jute_in in = jute_in(list.at + 4, (size_t)list.size - 4);
    for (int32_t i = 0; i < count; i++) {
        struct ace other = entry_get(&in);
        if (other.perms == entry->perms && bytes_equal(other.scheme, entry->scheme) &&
            bytes_equal(other.id, entry->id))
            return true;
    }
    return false;
}

enum zk_error acl_fixup(struct bytes list, struct bytes identities, uint8_t *out, int32_t *size)
{
    struct jute_in in = jute_in(list.at, list.size < 0 ? 0 : (size_t)list.size);
    struct jute_out to = jute_out(out, LIMIT_ACL_SIZE);
    int32_t count = list.size < 0 ? 0 : jute_get_int(&in), put = 0;
    if (count < 1 || count > LIMIT_ACL_ENTRY_COUNT)
        return ZK_INVALID_ACL;
    jute_put_int(&to, 0);
    for (int32_t i = 0; i < count; i++) {
        struct ace entry = entry_get(&in);
        CHECK(!in.bad);
        if (entry.scheme.size < 0)
            return ZK_INVALID_ACL;
        if (seen(list, i, &entry))
            continue;
        int32_t added = 1;
        if (is(entry.scheme, "auth"))
            added = auth_put(&to, entry.perms, identities);
        else if (id_valid(&entry))
            entry_put(&to, entry.perms, entry.scheme, entry.id);
        else
            added = 0;
        if (added == 0)
            return ZK_INVALID_ACL;
        put += added;
    }
    if (to.bad || put > LIMIT_ACL_ENTRY_COUNT)
        return ZK_INVALID_ACL;
    *size = (int32_t)(to.at - out);
    to = jute_out(out, 4);
    jute_put_int(&to, put);
    return ZK_OK;
}
