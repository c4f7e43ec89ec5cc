/* handshake: the first packet of each direction (zk_protocol.md section 4). Pure. */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/zk.h"

#define HANDSHAKE_RESPONSE_SIZE_MAX 41 /* with the length in front and the readOnly byte */

struct handshake_request {
    int32_t protocol; /* ignored: the answer says 0 */
    int64_t zxid_seen;
    int32_t timeout_ms;
    int64_t session; /* 0: a new one */
    struct bytes password;
    bool has_read_only; /* the readOnly byte is there, so the answer has it too */
    bool read_only;
};

struct handshake_response {
    int32_t timeout_ms; /* 0: the session is expired, whatever else */
    int64_t session;
    uint8_t password[ZK_PASSWORD_SIZE];
    bool has_read_only;
    bool read_only;
};

/* handshake_parse reads a ConnectRequest. Trailing bytes are ignored. Returns 0 or ERR_MALFORMED.
 * Borrows payload. */
MUST_USE int handshake_parse(struct handshake_request *request, struct bytes payload);

/* handshake_encode writes the response, length first, into room for HANDSHAKE_RESPONSE_SIZE_MAX
 * bytes. Returns its size. */
uint32_t handshake_encode(const struct handshake_response *response, uint8_t *room);

/* handshake_timeout clamps what a client asks for, in ms. */
int32_t handshake_timeout(int32_t asked_ms, int32_t min_ms, int32_t max_ms);
