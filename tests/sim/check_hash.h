/* check_hash: nodes that have applied the same entries have the same state. Each node shows the
 * index it has applied and its running hash, now and then; what two nodes show for one index must
 * be equal. A node that starts again may show an index once more: the same hash again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_HASH_COUNT 65536u /* indexes kept, the newest */

struct check_hash {
    struct {
        uint64_t index, hash;
        uint32_t node;
    } * shown; /* by index modulo CHECK_HASH_COUNT */
    uint64_t compared;
};

void check_hash_init(struct check_hash *check);
void check_hash_fini(struct check_hash *check);

/* check_hash_show takes what a node shows; index 0 says nothing. Returns NULL, or what is wrong. */
const char *check_hash_show(struct check_hash *check, uint32_t node, uint64_t index, uint64_t hash);
