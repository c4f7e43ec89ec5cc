/* digest: the id of ZooKeeper's digest scheme: "user:" + base64(SHA-1("user:password")). */
#pragma once

#include "base/err.h"
#include "base/jute.h"

#define DIGEST_HASH_SIZE 28 /* base64 of 20 bytes */

struct digest; /* a hashing context, taken once so that nothing is allocated later */

/* digest_create takes a context. Returns 0 or ERR_NOMEM / ERR_UNSUPPORTED (no SHA-1 here). */
MUST_USE int digest_create(struct digest **digest);
void digest_destroy(struct digest *digest);

/* digest_id writes the id of credentials "user:password" (no ':': all of it is the user) into out,
 * which has `room` bytes. Returns its size, or ERR_LIMIT. */
int digest_id(struct digest *digest, struct bytes credentials, uint8_t *out, uint32_t room);
