/* check_promise: what a node has told others it holds durably is there when it comes back. A
 * promise is read off the messages that leave the node; at its next start, what it restored is
 * compared. It finds what is told before it is durable with one crash of one node, without waiting
 * until a second fault makes a loss of it.
 *
 *   VOTE, VOTE_REPLY of term 7 for node 2  ─▶ restart: term > 7, or 7 and the vote is 2's
 *   APPEND, APPEND_REPLY of term 7         ─▶ restart: term >= 7
 *   APPEND_REPLY of term 7, match 40       ─▶ restart in term 7: the log reaches to 40 at least,
 *                                             and 40 is the same entry
 *
 * A later term's leader may cut entries, so those of an older term promise nothing any more. A node
 * that says that it lost something (it does not vote yet) has taken its word back itself. */
#pragma once

#include "consensus/peer_message.h"

#include <stdbool.h>
#include <stdint.h>

struct check_promise {
    uint64_t term; /* the highest told */
    uint8_t vote;  /* told in it; 0: none */
    uint64_t match_term, match_index;
    uint64_t match_entry_term; /* of the entry match_index; 0: not known */
};

/* What a start restored. */
struct check_promise_found {
    uint64_t term, last_index;
    uint8_t vote;
    bool voting;         /* false: it knows that it forgot something */
    uint64_t entry_term; /* of the entry match_index of the promise; 0: not in the log any more */
};

/* check_promise_sent notes a message that the node sends. entry_term: of the entry message->index
 * in its log; 0: not known. */
void check_promise_sent(struct check_promise *promise, const struct peer_message *message,
                        uint64_t entry_term);

/* check_promise_kept compares with what a start found, and forgets what is taken back. Returns
 * NULL, or what is wrong. */
const char *check_promise_kept(struct check_promise *promise,
                               const struct check_promise_found *found);

/* check_promise_void: the disk was taken from the node; it is a new one. */
void check_promise_void(struct check_promise *promise);
