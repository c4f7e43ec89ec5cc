/* What a snapshot holds of the machine beside tree and ACLs, and how it comes back. Big-endian
 * records, read with checked cursors. */
#include "store/op.h"

#include "base/check.h"
#include "base/limits.h"
#include "store/quota.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_VERSION     5 /* 1 had no settings, 2 no lanes, 3 no membership, 4 no answers */
#define IMAGE_HEAD_SIZE   (4 + 5 * 8 + (4 + 2 * 8 + 4) + 4 + 4)
#define IMAGE_LANE_SIZE   (1 + 3 * 8)
#define IMAGE_SESSION_MIN (8 + 4 + 4 + 8 + 1 + 1 + ZK_PASSWORD_SIZE + 4 + 4)

static void session_put(struct jute_out *out, const struct session *s)
{
    jute_put_long(out, s->id);
    jute_put_int(out, s->timeout_ms);
    jute_put_int(out, (int32_t)s->attach);
    jute_put_long(out, (int64_t)s->sequence);
    jute_put_byte(out, s->node);
    jute_put_byte(out, s->net);
    jute_put_raw(out, s->password, sizeof s->password);
    jute_put_bytes(out, session_identities(s));
    once_image(s->once, out);
}

static void settings_put(struct jute_out *out, const struct machine *m)
{
    struct command_settings settings = op_settings_of(m);
    jute_put_int(out, (int32_t)settings.flags);
    jute_put_long(out, (int64_t)settings.memory_limit);
    jute_put_long(out, settings.container_unused_ms);
    jute_put_int(out, (int32_t)settings.session_count_max);
}

static struct command_settings settings_get(struct jute_in *in)
{
    struct command_settings settings = {.version = COMMAND_SETTINGS_VERSION};
    settings.flags = (uint32_t)jute_get_int(in);
    settings.memory_limit = (uint64_t)jute_get_long(in);
    settings.container_unused_ms = jute_get_long(in);
    settings.session_count_max = (uint32_t)jute_get_int(in);
    in->bad |=
        settings.session_count_max < 1 || settings.session_count_max > LIMIT_SESSION_COUNT_MAX;
    return settings;
}

static void lanes_put(struct jute_out *out, const struct machine *m)
{
    struct command_lane lanes[LANES_COUNT];
    uint32_t count = lanes_list(&m->lanes, lanes);
    jute_put_int(out, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        jute_put_byte(out, lanes[i].node);
        jute_put_long(out, (int64_t)lanes[i].incarnation);
        jute_put_long(out, (int64_t)lanes[i].lane);
        jute_put_long(out, (int64_t)lanes[i].cancelled);
    }
}

/* Each node once; the image lists them in order. */
static void lanes_get(struct jute_in *in, struct machine *m)
{
    int32_t count = jute_get_count(in, IMAGE_LANE_SIZE), last = -1;
    for (int32_t i = 0; i < count && !in->bad; i++) {
        struct command_lane lane = {.node = jute_get_byte(in)};
        lane.incarnation = (uint64_t)jute_get_long(in);
        lane.lane = (uint64_t)jute_get_long(in);
        lane.cancelled = (uint64_t)jute_get_long(in);
        in->bad |= lane.node <= last || lane.incarnation == 0 || lane.cancelled > lane.lane;
        last = lane.node;
        m->lanes.node[lane.node] = lane;
    }
    in->bad |= count < 0;
}

int machine_image(const struct machine *m, uint8_t **image, uint64_t *size)
{
    uint64_t room =
        IMAGE_HEAD_SIZE + (uint64_t)LANES_COUNT * IMAGE_LANE_SIZE + OP_CONFIG_IMAGE_MAX;
    for (const struct session *s = m->sessions.first; s; s = s->next)
        room += IMAGE_SESSION_MIN + (uint64_t)s->identities_size + once_image_size(s->once);
    uint8_t *at = malloc(room);
    if (!at)
        return ERR_NOMEM;
    struct jute_out out = jute_out(at, room);
    jute_put_int(&out, IMAGE_VERSION);
    jute_put_long(&out, (int64_t)m->index);
    jute_put_long(&out, (int64_t)m->term);
    jute_put_long(&out, m->zxid);
    jute_put_long(&out, m->time_ms);
    jute_put_long(&out, (int64_t)m->hash);
    settings_put(&out, m);
    lanes_put(&out, m);
    op_config_put(&out, &m->config_of);
    jute_put_int(&out, (int32_t)m->sessions.count);
    for (const struct session *s = m->sessions.first; s; s = s->next)
        session_put(&out, s);
    CHECK(!out.bad);
    CHECK(out.at <= out.end);
    *image = at;
    *size = (uint64_t)(out.at - at);
    return 0;
}

static bool identities_well_formed(struct bytes identities)
{
    struct jute_in in = jute_in(identities.at, identities.size < 0 ? 0 : (size_t)identities.size);
    int32_t count = jute_get_count(&in, 8);
    bool null = count < 0;
    for (int32_t i = 0; i < count && !in.bad; i++) {
        null |= jute_get_bytes(&in).size < 0;
        null |= jute_get_bytes(&in).size < 0;
    }
    return !in.bad && !null && in.at == in.end && identities.size <= LIMIT_IDENTITIES_SIZE;
}

static int session_get(struct jute_in *in, struct machine *m, int32_t version)
{
    struct session *s;
    int64_t id = jute_get_long(in);
    int32_t timeout_ms = jute_get_int(in);
    uint32_t attach = (uint32_t)jute_get_int(in);
    uint64_t sequence = (uint64_t)jute_get_long(in);
    uint8_t node = jute_get_byte(in), net = jute_get_byte(in);
    const uint8_t *password = jute_take(in, ZK_PASSWORD_SIZE);
    struct bytes identities = jute_get_bytes(in);
    if (in->bad || timeout_ms <= 0 || attach == 0 || !identities_well_formed(identities))
        return ERR_MALFORMED;
    int err = session_open(&m->sessions, id, &s);
    if (err)
        return err == ERR_LIMIT || err == ERR_NOMEM ? err : ERR_MALFORMED;
    s->timeout_ms = timeout_ms;
    s->attach = attach;
    s->sequence = sequence;
    s->node = node;
    s->net = net;
    memcpy(s->password, password, ZK_PASSWORD_SIZE);
    err = session_identify(s, identities.at, identities.size);
    return err || version < 5 ? err : once_image_load(&s->once, in);
}

int machine_image_load(struct machine *m, const uint8_t *image, uint64_t size)
{
    struct jute_in in = jute_in(image, size);
    CHECK(m->index == 0);
    CHECK(m->sessions.count == 0);
    int32_t version = jute_get_int(&in);
    if (in.bad || version < 1 || version > IMAGE_VERSION)
        return in.bad ? ERR_MALFORMED : ERR_VERSION;
    uint64_t index = (uint64_t)jute_get_long(&in), term = (uint64_t)jute_get_long(&in);
    int64_t zxid = jute_get_long(&in), time_ms = jute_get_long(&in);
    uint64_t hash = (uint64_t)jute_get_long(&in);
    struct command_settings settings = version > 1 ? settings_get(&in) : op_settings_of(m);
    if (version > 2)
        lanes_get(&in, m);
    if (version > 3)
        op_config_get(&in, &m->config_of);
    int32_t count = jute_get_count(&in, IMAGE_SESSION_MIN);
    if (in.bad || count < 0 || zxid < 0 || term >= 1u << 31 || (uint64_t)zxid >> 32 > term)
        return ERR_MALFORMED;
    op_settings_take(m, &settings);
    for (int32_t i = 0; i < count; i++) {
        int err = session_get(&in, m, version);
        if (err)
            return err;
    }
    if (in.at != in.end)
        return ERR_MALFORMED;
    m->index = index;
    m->term = term;
    m->zxid = zxid;
    m->time_ms = time_ms;
    m->hash = hash;
    return 0;
}

int machine_image_node(struct machine *m, struct bytes path, uint32_t acl_id, int64_t owner)
{
    struct owned_list *list = op_owned_list(m, owner);
    CHECK(path.size > 0);
    if (acl_id >= acl_count(m->acls) || acl_packed(m->acls, acl_id).size < 0)
        return ERR_MALFORMED;
    if (owner != 0 && !list)
        return ERR_MALFORMED;
    if (list && owned_find(&m->owned, path))
        return ERR_MALFORMED;
    if (list && owned_add(&m->owned, list, path) != 0)
        return ERR_NOMEM;
    acl_take(m->acls, acl_id);
    m->quota_count += quota_is_limits(path);
    return 0;
}

void machine_image_done(struct machine *m)
{
    CHECK(m->effect_count == 0);
    acl_restored(m->acls);
}
