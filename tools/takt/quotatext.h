/* quotatext: the text of /zookeeper/quota<path>/zookeeper_limits and zookeeper_stats
 * (zk_protocol.md section 17). Pure.
 *
 *   count=C,bytes=B                                        soft limits, or usage
 *   count=C,bytes=B=;byteHardLimit=X;countHardLimit=Y      with hard limits                     */
#pragma once

#include "base/err.h"
#include "base/jute.h"

#include <stdint.h>

#define QUOTA_ROOT      "/zookeeper/quota"
#define QUOTA_LIMITS    "zookeeper_limits"
#define QUOTA_STATS     "zookeeper_stats"
#define QUOTA_TEXT_SIZE 160

struct quota {
    int64_t count, bytes, count_hard, bytes_hard; /* -1: no limit */
};

extern const struct quota quotatext_none;

/* quotatext_parse reads either form; a key that is missing or has no value is -1; keys it does not
 * know are passed over. Returns 0 or ERR_MALFORMED (a value that is no number). */
MUST_USE int quotatext_parse(struct bytes text, struct quota *quota);

/* quotatext_text writes the form that every server since 3.4 reads. */
void quotatext_text(const struct quota *quota, char room[QUOTA_TEXT_SIZE]);
