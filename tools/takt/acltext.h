/* acltext: ACLs as people write them: "scheme:id:perms", several with commas. Pure.
 *
 *   world:anyone:cdrwa      digest:bob:<hash>:r      ip:10.0.0.0/8:rw      auth::cdrwa
 *
 * The scheme ends at the first colon, the permissions start behind the last one. */
#pragma once

#include "base/err.h"
#include "base/say.h"
#include "tools/takt/zkwire.h"

#include <stdint.h>

#define ACL_COUNT_MAX 64

/* acltext_parse fills acl[0..*count) from the text, which it borrows for as long as acl is used.
 * Returns 0, ERR_MALFORMED or ERR_LIMIT with a sentence. */
MUST_USE int acltext_parse(const char *text, struct zkwire_acl acl[ACL_COUNT_MAX], uint32_t *count,
                           struct fault *fault);

/* acltext_perms_text writes the letters of perms ("cdrwa") into room. */
void acltext_perms_text(int32_t perms, char room[8]);

/* The open ACL world:anyone:cdrwa. */
extern const struct zkwire_acl acltext_open;
