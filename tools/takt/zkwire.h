/* zkwire: the client's side of the records of the ZooKeeper protocol (zk_protocol.md sections 1-8):
 * requests written, replies read. Pure; the cursors are sticky, so callers test `bad` once.
 *
 *   frame := int32 size | RequestHeader {xid, op} | record        zkwire_begin .. zkwire_end */
#pragma once

#include "base/jute.h"
#include "base/zk.h"

#define ZKWIRE_FRAME_SIZE_MAX (64 << 20) /* what a client accepts in one reply, in bytes */

struct zkwire_acl {
    int32_t perms; /* ZK_PERM_* */
    struct bytes scheme, id;
};

/* zkwire_begin leaves room for the frame's size and writes the request header. Returns the mark
 * that zkwire_end wants. */
uint8_t *zkwire_begin(struct jute_out *out, int32_t xid, int32_t op);

/* zkwire_end fills in the size of the frame that started at mark. Nothing when out is bad. */
void zkwire_end(struct jute_out *out, uint8_t *mark);

/* The handshake's frame, whole: no request header. password holds ZK_PASSWORD_SIZE bytes. */
void zkwire_put_connect(struct jute_out *out, int64_t last_zxid, int32_t timeout_ms,
                        int64_t session, const uint8_t *password);

/* The records of the ops, behind a header. create serves create, create2, createContainer and, with
 * zkwire_put_ttl behind it, createTTL. */
void zkwire_put_create(struct jute_out *out, struct bytes path, struct bytes data,
                       const struct zkwire_acl *acl, uint32_t acl_count, int32_t flags);
void zkwire_put_ttl(struct jute_out *out, int64_t ttl_ms);
void zkwire_put_path(struct jute_out *out, struct bytes path);
void zkwire_put_path_watch(struct jute_out *out, struct bytes path, bool watch);
void zkwire_put_path_int(struct jute_out *out, struct bytes path, int32_t value);
void zkwire_put_set(struct jute_out *out, struct bytes path, struct bytes data, int32_t version);
void zkwire_put_set_acl(struct jute_out *out, struct bytes path, const struct zkwire_acl *acl,
                        uint32_t acl_count, int32_t version);
/* zkwire_put_reconfig: texts that are absent have size -1; version -1 is any. */
void zkwire_put_reconfig(struct jute_out *out, struct bytes joining, struct bytes leaving,
                         struct bytes members, int64_t version);
void zkwire_put_auth(struct jute_out *out, struct bytes scheme, struct bytes auth);

/* One MultiHeader: before each record of a multi, and (op -1, done) at its end. */
void zkwire_put_multi_header(struct jute_out *out, int32_t op, bool done);

void zkwire_get_stat(struct jute_in *in, struct zk_stat *stat);
void zkwire_get_acl(struct jute_in *in, struct zkwire_acl *acl);

struct zkwire_session {
    int64_t id;
    int32_t timeout_ms; /* 0 or less: the server says that the session is gone */
    uint8_t password[ZK_PASSWORD_SIZE];
};

/* Reads a ConnectResponse, without its frame size. False when it is malformed. */
bool zkwire_get_session(struct jute_in *in, struct zkwire_session *session);
