#include "dataplane/zk/reply.h"

#include "base/jute_stat.h"

inline void reply_header(struct jute_out *out, int32_t xid, int64_t zxid, int32_t err,
                         uint32_t body_size)
{
    uint8_t *room = jute_room(out, REPLY_HEADER_SIZE);
    if (!room)
        return;
    struct jute_out head = {room, room + REPLY_HEADER_SIZE, false};
    jute_put_int(&head, (int32_t)(REPLY_HEADER_SIZE - 4 + body_size));
    jute_put_int(&head, xid);
    jute_put_long(&head, zxid);
    jute_put_int(&head, err);
}

void reply_stat(struct jute_out *out, const struct zk_stat *stat)
{
    jute_stat_put(out, stat);
}

void reply_event(struct jute_out *out, int64_t zxid, int32_t event, struct bytes path)
{
    reply_header(out, ZK_XID_NOTIFICATION, zxid, ZK_OK,
                 REPLY_EVENT_SIZE - REPLY_HEADER_SIZE + (uint32_t)path.size);
    jute_put_int(out, event);
    jute_put_int(out, ZK_STATE_SYNC_CONNECTED);
    jute_put_bytes(out, path);
}

void reply_multi_header(struct jute_out *out, int32_t type, bool done, int32_t err)
{
    jute_put_int(out, type);
    jute_put_byte(out, done);
    jute_put_int(out, err);
}

void reply_multi_error(struct jute_out *out, int32_t err)
{
    reply_multi_header(out, ZK_OP_ERROR, false, err);
    jute_put_int(out, err);
}
