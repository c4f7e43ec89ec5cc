/* lanes: how far the commands of each node were applied, so that each is applied once
 * (consensus/core_forward.h numbers them). A plain table in the state machine: replicated, saved in
 * its image, equal on every member. Role: APPLY.
 *
 *   command of node n, incarnation i, lane l       known {i', l'}
 *     l = 0                  NEW      not numbered: always taken
 *     i < i'                 STALE    sent by a start of the node that is over: dropped
 *     i > i'                 NEW      the node was started again: counted from here
 *     i = i', l <= l'        REPEAT   applied, or cancelled: dropped
 *     i = i', l > l'         NEW
 */
#pragma once

#include "base/messages.h"

#include <stdint.h>

#define LANES_COUNT 256u

enum lanes_verdict { LANES_NEW = 0, LANES_REPEAT = 1, LANES_STALE = 2 };

struct lanes {
    struct command_lane node[LANES_COUNT]; /* incarnation 0 = never heard of */
    uint64_t gaps; /* lanes left out without a CANCEL: 0 unless the leader is wrong */
};

/* lanes_take judges a command that is about to be applied, and notes it when it is NEW. A
 * COMMAND_CANCEL moves the lane to its own and is NEW when it did. */
enum lanes_verdict lanes_take(struct lanes *lanes, const struct command *command);

/* lanes_list copies the nodes that were ever heard of, in order of their ids. Returns how many. */
uint32_t lanes_list(const struct lanes *lanes, struct command_lane *out);
