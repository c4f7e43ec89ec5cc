#include "tools/takt/zkwire.h"

#include "base/jute_stat.h"
#include "base/check.h"

#include <stddef.h>

uint8_t *zkwire_begin(struct jute_out *out, int32_t xid, int32_t op)
{
    uint8_t *mark = out->at;
    jute_put_int(out, 0);
    jute_put_int(out, xid);
    jute_put_int(out, op);
    return mark;
}

void zkwire_end(struct jute_out *out, uint8_t *mark)
{
    if (out->bad)
        return;
    DCHECK(out->at - mark >= 4);
    struct jute_out size = jute_out(mark, 4);
    jute_put_int(&size, (int32_t)(out->at - mark - 4));
}

void zkwire_put_connect(struct jute_out *out, int64_t last_zxid, int32_t timeout_ms,
                        int64_t session, const uint8_t *password)
{
    jute_put_int(out, 45);
    jute_put_int(out, 0); /* protocol version */
    jute_put_long(out, last_zxid);
    jute_put_int(out, timeout_ms);
    jute_put_long(out, session);
    jute_put_bytes(out, bytes_of(password, ZK_PASSWORD_SIZE));
    jute_put_byte(out, 0); /* not read-only */
}

static void zkwire_put_acl(struct jute_out *out, const struct zkwire_acl *acl, uint32_t acl_count)
{
    jute_put_int(out, (int32_t)acl_count);
    for (uint32_t i = 0; i < acl_count; i++) {
        jute_put_int(out, acl[i].perms);
        jute_put_bytes(out, acl[i].scheme);
        jute_put_bytes(out, acl[i].id);
    }
}

void zkwire_put_create(struct jute_out *out, struct bytes path, struct bytes data,
                       const struct zkwire_acl *acl, uint32_t acl_count, int32_t flags)
{
    jute_put_bytes(out, path);
    jute_put_bytes(out, data);
    zkwire_put_acl(out, acl, acl_count);
    jute_put_int(out, flags);
}

void zkwire_put_ttl(struct jute_out *out, int64_t ttl_ms)
{
    jute_put_long(out, ttl_ms);
}

void zkwire_put_path(struct jute_out *out, struct bytes path)
{
    jute_put_bytes(out, path);
}

void zkwire_put_path_watch(struct jute_out *out, struct bytes path, bool watch)
{
    jute_put_bytes(out, path);
    jute_put_byte(out, watch);
}

void zkwire_put_path_int(struct jute_out *out, struct bytes path, int32_t value)
{
    jute_put_bytes(out, path);
    jute_put_int(out, value);
}

void zkwire_put_set(struct jute_out *out, struct bytes path, struct bytes data, int32_t version)
{
    jute_put_bytes(out, path);
    jute_put_bytes(out, data);
    jute_put_int(out, version);
}

void zkwire_put_set_acl(struct jute_out *out, struct bytes path, const struct zkwire_acl *acl,
                        uint32_t acl_count, int32_t version)
{
    jute_put_bytes(out, path);
    zkwire_put_acl(out, acl, acl_count);
    jute_put_int(out, version);
}

void zkwire_put_reconfig(struct jute_out *out, struct bytes joining, struct bytes leaving,
                         struct bytes members, int64_t version)
{
    jute_put_bytes(out, joining);
    jute_put_bytes(out, leaving);
    jute_put_bytes(out, members);
    jute_put_long(out, version);
}

void zkwire_put_auth(struct jute_out *out, struct bytes scheme, struct bytes auth)
{
    jute_put_int(out, 0);
    jute_put_bytes(out, scheme);
    jute_put_bytes(out, auth);
}

void zkwire_put_multi_header(struct jute_out *out, int32_t op, bool done)
{
    jute_put_int(out, op);
    jute_put_byte(out, done);
    jute_put_int(out, -1);
}

void zkwire_get_stat(struct jute_in *in, struct zk_stat *stat)
{
    *stat = jute_stat_get(in);
}

void zkwire_get_acl(struct jute_in *in, struct zkwire_acl *acl)
{
    acl->perms = jute_get_int(in);
    acl->scheme = jute_get_bytes(in);
    acl->id = jute_get_bytes(in);
}

bool zkwire_get_session(struct jute_in *in, struct zkwire_session *session)
{
    jute_get_int(in); /* protocol version: always 0 */
    int32_t timeout_ms = jute_get_int(in);
    int64_t id = jute_get_long(in);
    struct bytes password = jute_get_bytes(in);
    if (in->bad || password.size != ZK_PASSWORD_SIZE)
        return false;
    session->timeout_ms = timeout_ms;
    session->id = id;
    memcpy(session->password, password.at, ZK_PASSWORD_SIZE);
    return true;
}
