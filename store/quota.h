/* quota: usage and hard limits of subtrees (zk_protocol.md section 17).
 *
 *   /zookeeper/quota + P + /zookeeper_limits   what P may hold, set by clients
 *   /zookeeper/quota + P + /zookeeper_stats    what P holds: kept here, silently
 *
 * The nodes are the only state: nothing is kept beside the tree but a count of limits nodes, so
 * that a service without quotas pays one comparison. Only the longest P with limits counts. Role:
 * APPLY, within a command. */
#pragma once

#include "store/op.h"

struct quota_track {
    int64_t count, bytes;           /* limits: soft; stats: usage. -1 = none said */
    int64_t count_hard, bytes_hard; /* -1 = none */
};

/* quota_parse reads the text of a limits or stats node; what it cannot read stays -1. Pure. */
struct quota_track quota_parse(struct bytes text);
/* quota_format writes it as the reference does; out has QUOTA_TEXT_SIZE bytes. Returns the size. */
#define QUOTA_TEXT_SIZE 160
int32_t quota_format(const struct quota_track *track, char *out);

/* quota_check says whether a create (count 1) or set of this path may add `bytes` of data:
 * ZK_OK or ZK_QUOTA_EXCEEDED. Always ZK_OK unless enforceQuota. */
int32_t quota_check(struct op *op, struct bytes path, int64_t bytes, int64_t count);

/* quota_created, quota_deleted and quota_set follow a change that was just made to the tree. */
void quota_created(struct op *op, struct bytes path, int64_t bytes);
void quota_deleted(struct op *op, struct bytes path, int64_t bytes);
void quota_set(struct op *op, struct bytes path, int64_t bytes_more);

/* quota_is_limits: is it the path of a limits node? (its creation and deletion change the count) */
bool quota_is_limits(struct bytes path);
