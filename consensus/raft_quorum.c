#include "base/check.h"
#include "consensus/raft.h"

uint64_t raft_quorum_index(const uint64_t *match_index, uint32_t count)
{
    uint64_t sorted[RAFT_MEMBER_COUNT_MAX];

    CHECK(count >= 1);
    CHECK(count <= RAFT_MEMBER_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) { /* insertion sort, descending */
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < match_index[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = match_index[i];
    }
    return sorted[count / 2];
}
