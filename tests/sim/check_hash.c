#include "tests/sim/check_hash.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_hash_init(struct check_hash *check)
{
    check->compared = 0;
    check->shown = calloc(CHECK_HASH_COUNT, sizeof(*check->shown));
    CHECK(check->shown);
}

void check_hash_fini(struct check_hash *check)
{
    free(check->shown);
    check->shown = NULL;
}

const char *check_hash_show(struct check_hash *check, uint32_t node, uint64_t index, uint64_t hash)
{
    static char text[200];
    uint64_t at = index % CHECK_HASH_COUNT;

    if (index == 0)
        return NULL;
    if (check->shown[at].index > index) /* so old that it was forgotten */
        return NULL;
    if (check->shown[at].index < index) {
        check->shown[at].index = index;
        check->shown[at].hash = hash;
        check->shown[at].node = node;
        return NULL;
    }
    check->compared++;
    if (check->shown[at].hash == hash)
        return NULL;
    snprintf(text, sizeof(text), "at entry %llu node %u has the state %016llx and node %u %016llx",
             (unsigned long long)index, node + 1, (unsigned long long)hash,
             check->shown[at].node + 1, (unsigned long long)check->shown[at].hash);
    return text;
}
