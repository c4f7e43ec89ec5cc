/* The model's ACL, path and quota rules: sections 11, 12 and 17 of zk_protocol.md, one by one. */
#include "tests/model/model_state.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool model_is(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of_string(text));
}

/* ---- paths ---- */

/* Decodes to code points as Java does, more or less: anything malformed is U+FFFD. */
static int decode(struct bytes text, uint32_t *codes)
{
    int count = 0;
    for (int32_t i = 0; i < text.size; count++) {
        uint8_t c = text.at[i];
        int more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;
        uint32_t code = more < 0 ? 0xFFFD : more == 0 ? c : c & (0x3Fu >> more);
        int k = 1;
        for (; k <= more; k++) {
            if (i + k >= text.size || (text.at[i + k] & 0xC0) != 0x80)
                break;
            code = code << 6 | (text.at[i + k] & 0x3F);
        }
        if (more > 0 && k <= more)
            code = 0xFFFD;
        if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000))
            code = 0xFFFD;
        codes[count] = code;
        i += k;
    }
    return count;
}

bool model_path_valid(struct bytes path)
{
    if (path.size < 1 || path.at[0] != '/')
        return false;
    if (path.size == 1)
        return true;
    uint32_t *codes = malloc(((size_t)path.size + 1) * sizeof *codes);
    int count = decode(path, codes), start = 1;
    bool valid = true;
    codes[count] = '/';
    for (int i = 1; i <= count; i++) {
        uint32_t c = codes[i];
        if (c <= 0x1F || (c >= 0x7F && c <= 0x9F) || (c >= 0xD800 && c <= 0xF8FF) || c >= 0xFFF0)
            valid = false;
        if (c != '/')
            continue;
        int size = i - start;
        if (size == 0 || (size == 1 && codes[start] == '.') ||
            (size == 2 && codes[start] == '.' && codes[start + 1] == '.'))
            valid = false;
        start = i + 1;
    }
    free(codes);
    return valid;
}

struct bytes model_parent(struct bytes path)
{
    for (int32_t i = path.size - 1; i >= 0; i--)
        if (path.at[i] == '/')
            return bytes_of(path.at, (size_t)i);
    return (struct bytes){NULL, -1};
}

/* ---- ACLs ---- */

/* "address[/bits]" to a family, 16 bytes and a prefix. */
static bool ip_read(struct bytes text, bool bits_too, int *family, uint8_t *byte, int *bits)
{
    char copy[128];
    if (text.size < 1 || text.size >= (int32_t)sizeof copy)
        return false;
    memcpy(copy, text.at, (size_t)text.size);
    copy[text.size] = 0;
    char *slash = bits_too ? strchr(copy, '/') : NULL, *stop = NULL;
    if (slash)
        *slash = 0;
    *family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    if (strlen(copy) == 0 || inet_pton(*family, copy, byte) != 1)
        return false;
    int most = *family == AF_INET ? 32 : 128;
    *bits = slash ? (int)strtol(slash + 1, &stop, 10) : most;
    return *bits >= 0 && *bits <= most && (!slash || (stop != slash + 1 && *stop == 0));
}

static bool ip_matches(struct bytes address, struct bytes expression)
{
    uint8_t a[16] = {0}, b[16] = {0};
    int family_a, family_b, bits_a, bits;
    if (!ip_read(address, false, &family_a, a, &bits_a) ||
        !ip_read(expression, true, &family_b, b, &bits) || family_a != family_b)
        return false;
    for (int i = 0; i < bits; i++)
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static bool digest_valid(struct bytes id)
{
    int colons = 0, end = id.size;
    while (end > 0 && id.at[end - 1] == ':')
        end--;
    for (int i = 0; i < end; i++)
        colons += id.at[i] == ':';
    return end > 0 && colons == 1;
}

struct ace {
    int32_t perms;
    struct bytes scheme, id;
};

static struct ace ace_next(struct jute_in *in)
{
    int32_t perms = jute_get_int(in);
    struct bytes scheme = jute_get_bytes(in);
    return (struct ace){perms, scheme, jute_get_bytes(in)};
}

static void ace_put(struct jute_out *out, struct ace ace)
{
    jute_put_int(out, ace.perms);
    jute_put_bytes(out, ace.scheme);
    jute_put_bytes(out, ace.id);
}

static bool ace_equal(struct ace a, struct ace b)
{
    return a.perms == b.perms && bytes_equal(a.scheme, b.scheme) && bytes_equal(a.id, b.id);
}

/* One entry of the client's list; returns how many stored entries it makes, 0 = it is not valid. */
static int ace_store(struct jute_out *out, const struct model_session *session, struct ace ace)
{
    uint8_t byte[16];
    int family, bits, count = 0;
    if (model_is(ace.scheme, "auth")) {
        for (int i = 0; i < session->identity_count; i++) {
            if (model_is(session->identities[i].scheme, "digest")) {
                ace_put(out, (struct ace){ace.perms, session->identities[i].scheme,
                                          session->identities[i].id});
                count++;
            }
        }
        return count;
    }
    if ((model_is(ace.scheme, "world") && model_is(ace.id, "anyone")) ||
        (model_is(ace.scheme, "digest") && ace.id.size >= 0 && digest_valid(ace.id)) ||
        (model_is(ace.scheme, "ip") && ip_read(ace.id, true, &family, byte, &bits))) {
        ace_put(out, ace);
        return 1;
    }
    return 0;
}

bool model_acl_make(const struct model_session *session, struct bytes list, struct bytes *stored)
{
    static uint8_t room[1 << 20];
    struct jute_in in = jute_in(list.at, list.size < 0 ? 0 : (size_t)list.size);
    struct jute_out out = jute_out(room, sizeof room);
    int32_t count = list.size < 0 ? 0 : jute_get_int(&in), total = 0;
    jute_put_int(&out, 0);
    for (int32_t i = 0; i < count; i++) {
        struct ace ace = ace_next(&in);
        struct jute_in again = jute_in(list.at + 4, (size_t)list.size - 4);
        bool seen = false;
        for (int32_t k = 0; k < i; k++)
            seen |= ace_equal(ace, ace_next(&again));
        if (seen)
            continue;
        int made = ace_store(&out, session, ace);
        if (made == 0)
            return false;
        total += made;
    }
    *stored = bytes_of(room, (size_t)(out.at - room));
    out = jute_out(room, 4);
    jute_put_int(&out, total);
    return total > 0;
}

int32_t model_acl_perms(struct bytes acl, const struct model_session *session)
{
    struct jute_in in = jute_in(acl.at, (size_t)acl.size);
    int32_t perms = 0;
    for (int32_t left = jute_get_int(&in); left > 0; left--) {
        struct ace ace = ace_next(&in);
        bool matches = model_is(ace.scheme, "world");
        for (int i = 0; session && i < session->identity_count; i++) {
            struct bytes scheme = session->identities[i].scheme, id = session->identities[i].id;
            if (model_is(scheme, "super"))
                return ZK_PERM_ALL;
            if (bytes_equal(scheme, ace.scheme))
                matches |=
                    model_is(scheme, "ip") ? ip_matches(id, ace.id) : bytes_equal(id, ace.id);
        }
        perms |= matches ? ace.perms : 0;
    }
    return perms;
}

/* ---- quotas ---- */

struct track {
    long long count, bytes, count_hard, bytes_hard;
};

static struct track track_read(struct bytes text)
{
    struct track track = {-1, -1, -1, -1};
    char copy[512], *save = NULL;
    int size = text.size < 0 ? 0 : text.size < 511 ? text.size : 511;
    memcpy(copy, text.at, (size_t)size);
    copy[size] = 0;
    for (char *pair = strtok_r(copy, ",;", &save); pair; pair = strtok_r(NULL, ",;", &save)) {
        sscanf(pair, "count=%lld", &track.count);
        sscanf(pair, "bytes=%lld", &track.bytes);
        sscanf(pair, "countHardLimit=%lld", &track.count_hard);
        sscanf(pair, "byteHardLimit=%lld", &track.bytes_hard);
    }
    return track;
}

static void track_write(struct model *model, struct model_node *stats, struct track track)
{
    char text[256];
    int size = snprintf(text, sizeof text, "count=%lld,bytes=%lld%s", track.count, track.bytes,
                        track.count_hard != -1 || track.bytes_hard != -1 ? "=" : "");
    if (track.bytes_hard != -1)
        size += sprintf(text + size, ";byteHardLimit=%lld", track.bytes_hard);
    if (track.count_hard != -1)
        size += sprintf(text + size, ";countHardLimit=%lld", track.count_hard);
    stats->data = model_keep(model, bytes_of(text, (size_t)size));
}

struct model_node *model_quota_node(const struct model *model, struct bytes prefix,
                                    const char *name)
{
    char *path = malloc((size_t)prefix.size + 64);
    int size = sprintf(path, "/zookeeper/quota%.*s/%s", prefix.size, (const char *)prefix.at, name);
    struct model_node *node = model_node(model, bytes_of(path, (size_t)size));
    free(path);
    return node;
}

/* The longest part of path, whole components, that has limits. */
static struct bytes prefix_of(const struct model *model, struct bytes path)
{
    for (int32_t size = path.size; size > 1; size--) {
        struct bytes part = bytes_of(path.at, (size_t)size);
        if ((size == path.size || path.at[size] == '/') &&
            model_quota_node(model, part, "zookeeper_limits"))
            return part;
    }
    return (struct bytes){NULL, -1};
}

bool model_quota_allows(const struct model *model, struct bytes path, int64_t bytes, int64_t count)
{
    struct bytes prefix = prefix_of(model, path);
    if (!model->config.enforce_quota || prefix.size < 0)
        return true;
    const struct model_node *limits = model_quota_node(model, prefix, "zookeeper_limits");
    const struct model_node *stats = model_quota_node(model, prefix, "zookeeper_stats");
    if (!stats)
        return true;
    struct track limit = track_read(limits->data), used = track_read(stats->data);
    bool count_over = limit.count_hard >= 0 && count > 0 && used.count + count > limit.count_hard;
    bool bytes_over = limit.bytes_hard >= 0 && bytes > 0 && used.bytes + bytes > limit.bytes_hard;
    return !count_over && !bytes_over;
}

void model_quota_follow(struct model *model, struct bytes path, int64_t bytes, int64_t count)
{
    struct bytes prefix = prefix_of(model, path);
    struct model_node *stats =
        prefix.size < 0 ? NULL : model_quota_node(model, prefix, "zookeeper_stats");
    if (!stats || (bytes == 0 && count == 0))
        return;
    struct track track = track_read(stats->data);
    track.count += count;
    track.bytes += bytes;
    track_write(model, stats, track);
}

/* A stats node was made: it begins with what there is. */
void model_quota_recount(struct model *model, struct bytes path)
{
    static const char root[] = "/zookeeper/quota/", name[] = "/zookeeper_stats";
    int32_t root_size = (int32_t)sizeof root - 1, name_size = (int32_t)sizeof name - 1;
    if (path.size < root_size - 1 + name_size || memcmp(path.at, root, (size_t)root_size) != 0 ||
        memcmp(path.at + path.size - name_size, name, (size_t)name_size) != 0)
        return;
    struct bytes top =
        bytes_of(path.at + root_size - 1, (size_t)(path.size - name_size - root_size + 1));
    struct track track = {0, 0, -1, -1};
    for (uint32_t i = 0; top.size > 0 && i < model->state.node_count; i++) {
        const struct model_node *node = model->state.nodes[i];
        if (node->path.size >= top.size && memcmp(node->path.at, top.at, (size_t)top.size) == 0 &&
            (node->path.size == top.size || node->path.at[top.size] == '/')) {
            track.count++;
            track.bytes += node->data.size > 0 ? node->data.size : 0;
        }
    }
    if (top.size > 0 && !model_node(model, top))
        track = (struct track){0, 0, -1, -1};
    track_write(model, model_node(model, path), track);
}
