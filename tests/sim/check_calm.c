#include "tests/sim/check_calm.h"

#include <stdio.h>

static char text[160];

const char *check_calm_quiet(const struct check_calm_view *before,
                             const struct check_calm_view *after)
{
    if (after->leaders != before->leaders) {
        snprintf(text, sizeof(text), "nothing is wrong, and another node leads (%llu times)",
                 (unsigned long long)(after->leaders - before->leaders));
        return text;
    }
    if (after->closed != before->closed) {
        snprintf(text, sizeof(text), "nothing is wrong, and %llu clients were hung up on",
                 (unsigned long long)(after->closed - before->closed));
        return text;
    }
    return NULL;
}

const char *check_calm_held(uint32_t node, const struct check_calm_held *held, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (held[i].count <= held[i].bound)
            continue;
        snprintf(text, sizeof(text), "node %u holds %llu %s where %llu are enough", node + 1,
                 (unsigned long long)held[i].count, held[i].what,
                 (unsigned long long)held[i].bound);
        return text;
    }
    return NULL;
}
