/* benchmix: what share of the load each operation has. Pure. */
#pragma once

#include "base/err.h"
#include "base/rand.h"
#include "base/say.h"

#include <stdint.h>

enum benchmix_op {
    BENCHMIX_GET,
    BENCHMIX_SET,
    BENCHMIX_CREATE,
    BENCHMIX_DELETE, /* of a znode that this connection created; a create when there is none */
    BENCHMIX_EXISTS,
    BENCHMIX_LS,
    BENCHMIX_SYNC,
    BENCHMIX_MULTI,    /* two sets, all or nothing */
    BENCHMIX_CREATE_E, /* an ephemeral */
    BENCHMIX_MIX_COUNT,
    /* What the other scenarios count: */
    BENCHMIX_EVENT = BENCHMIX_MIX_COUNT, /* set to an event, each */
    BENCHMIX_LAST,                       /* set to the last event of its round */
    BENCHMIX_OPEN,                       /* connect to session */
    BENCHMIX_CLOSE,
    BENCHMIX_OP_COUNT,
};

struct benchmix {
    uint32_t share[BENCHMIX_MIX_COUNT];
    uint32_t sum;
};

const char *benchmix_name(enum benchmix_op op);

/* benchmix_parse reads "get=80,set=20" (any positive whole shares; "get" alone is all of it).
 * Returns 0, or ERR_CONFIG with a sentence. */
MUST_USE int benchmix_parse(const char *text, struct benchmix *mix, struct fault *fault);

/* benchmix_pick draws an operation. Assumes mix->sum > 0. */
enum benchmix_op benchmix_pick(const struct benchmix *mix, struct rand *rand);
