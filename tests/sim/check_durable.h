/* check_durable: what a node's Raft calls durable, its log on disk has. Terms never go down along a
 * log, so an entry of a later term than the last one written cannot be there, whatever its index:
 * a write that was under way when its entries were cut holds other entries at the same places.
 *
 *   on disk   1 1 2 2 2 2         written: index 6 of term 2
 *   log       1 1 3 3 3           durable: 2; with 5 it would be wrong, for 5 is of term 3 */
#pragma once

#include <stdint.h>

struct check_durable_view {
    uint64_t durable_index, durable_term; /* what Raft says; term 0: not known (a snapshot's) */
    uint64_t written_index, written_term; /* the end of the log on disk */
};

/* check_durable_look takes what a node shows after a turn. Returns NULL, or what is wrong. */
const char *check_durable_look(const struct check_durable_view *view);
