/* digest: the id of ZooKeeper's digest scheme: "user:" + base64(SHA-1("user:password")). Pure. */
#pragma once

#include "base/err.h"
#include "base/jute.h"

#define DIGEST_HASH_SIZE 28 /* base64 of 20 bytes */

/* digest_id writes the id of credentials "user:password" (no ':': all of it is the user) into out,
 * which has `room` bytes. Returns its size, or ERR_LIMIT. */
int digest_id(struct bytes credentials, uint8_t *out, uint32_t room);
