/* reply: what a server writes: headers, Stat, watch events (zk_protocol.md sections 3, 5, 14). Pure
 * writers over a jute_out; every *_SIZE is exact, so room is taken once and filled. */
#pragma once

#include "base/jute.h"
#include "base/zk.h"

#define REPLY_HEADER_SIZE       20 /* length, xid, zxid, err */
#define REPLY_EVENT_SIZE        32 /* length, header, type, state, path length; the path follows */
#define REPLY_ERROR_SIZE        13 /* an error entry of a multi: MultiHeader and code */
#define REPLY_MULTI_HEADER_SIZE 9

/* reply_header writes length and ReplyHeader of a reply whose body has body_size bytes. */
void reply_header(struct jute_out *out, int32_t xid, int64_t zxid, int32_t err, uint32_t body_size);

void reply_stat(struct jute_out *out, const struct zk_stat *stat);

/* reply_event writes a whole notification, length first. zxid -1: a catch-up event. */
void reply_event(struct jute_out *out, int64_t zxid, int32_t event, struct bytes path);

/* reply_multi_header writes one MultiHeader. */
void reply_multi_header(struct jute_out *out, int32_t type, bool done, int32_t err);

/* reply_multi_error writes an error entry: header -1 / code, record code. */
void reply_multi_error(struct jute_out *out, int32_t err);

static inline uint32_t reply_bytes_size(struct bytes b)
{
    return 4 + (b.size > 0 ? (uint32_t)b.size : 0);
}
