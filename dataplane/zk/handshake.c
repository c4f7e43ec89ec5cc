#include "dataplane/zk/handshake.h"

#include "base/check.h"

int handshake_parse(struct handshake_request *request, struct bytes payload)
{
    struct jute_in in = jute_in(payload.at, (size_t)payload.size);
    *request = (struct handshake_request){0};
    request->protocol = jute_get_int(&in);
    request->zxid_seen = jute_get_long(&in);
    request->timeout_ms = jute_get_int(&in);
    request->session = jute_get_long(&in);
    request->password = jute_get_bytes(&in);
    if (in.bad)
        return ERR_MALFORMED;
    request->has_read_only = in.at < in.end;
    request->read_only = request->has_read_only && jute_get_bool(&in);
    return 0;
}

uint32_t handshake_encode(const struct handshake_response *response, uint8_t *room)
{
    struct jute_out out = jute_out(room, 40 + (size_t)response->has_read_only);
    jute_put_int(&out, 36 + response->has_read_only);
    jute_put_int(&out, 0);
    jute_put_int(&out, response->timeout_ms);
    jute_put_long(&out, response->session);
    jute_put_bytes(&out, bytes_of(response->password, ZK_PASSWORD_SIZE));
    if (response->has_read_only)
        jute_put_byte(&out, response->read_only);
    CHECK(!out.bad);
    return (uint32_t)(out.at - room);
}

int32_t handshake_timeout(int32_t asked_ms, int32_t min_ms, int32_t max_ms)
{
    if (asked_ms < min_ms)
        return min_ms;
    return asked_ms > max_ms ? max_ms : asked_ms;
}
