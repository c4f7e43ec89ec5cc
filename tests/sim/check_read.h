/* check_read: the index that a node's read barrier comes to (ReadIndex) covers everything that
 * anybody had committed when the barrier was asked for. The simulator sees every node's commit
 * index, so a stale index is found whatever the client then reads.
 *
 *   a node numbers its barriers. Floor: the highest commit index of all nodes, before the turn
 *   look: asked up to 8                  ─▶ 8 must come to the floor of this turn, at least
 *   look: answered up to 8, index 40     ─▶ 40 >= the floor of 8?
 *
 * Holds by Raft: a leader that a quorum confirmed after the question has everything that was
 * committed before it, once an entry of its own term is committed. */
#pragma once

#include <stdint.h>

#define CHECK_READ_ASKS 256u /* barriers under way at once; RAFT_READ_COUNT_MAX is 64 */

struct check_read {
    uint64_t asked, answered; /* barrier numbers */
    struct {
        uint64_t number, floor;
    } asks[CHECK_READ_ASKS]; /* by number modulo their count */
};

/* What a node shows after a turn. */
struct check_read_view {
    uint64_t asked;    /* number of its last barrier */
    uint64_t answered; /* all up to this one have an index */
    uint64_t index;    /* the highest that an answer had */
};

/* check_read_begin: the node has just started, and its barriers begin behind these. */
void check_read_begin(struct check_read *check, uint64_t asked, uint64_t answered);

/* check_read_look takes what a node shows after a turn; floor is from before that turn. Returns
 * NULL, or what is wrong. */
const char *check_read_look(struct check_read *check, const struct check_read_view *view,
                            uint64_t floor);
