/* check_calm: when nothing is wrong any more, nothing happens. Everything was mended, everybody was
 * answered, some time has passed; from then on for a while
 *   - nobody else leads: a member that was removed, or that came back, disturbs nobody;
 *   - no client is hung up on;
 *   - what is held for work under way is empty, and what grows is within its bound. */
#pragma once

#include <stdint.h>

/* Counters at two times, and what is held at the second one. */
struct check_calm_view {
    uint64_t leaders; /* that were seen so far */
    uint64_t closed;  /* connections that members have ended */
};

/* One thing that is held, and how much of it may be. */
struct check_calm_held {
    const char *what;
    uint64_t count, bound;
};

/* check_calm_quiet compares two looks. Returns NULL, or what is wrong. */
const char *check_calm_quiet(const struct check_calm_view *before,
                             const struct check_calm_view *after);

/* check_calm_held looks at `count` things of node `node` (an index). Returns NULL, or what is
 * wrong. */
const char *check_calm_held(uint32_t node, const struct check_calm_held *held, uint32_t count);
