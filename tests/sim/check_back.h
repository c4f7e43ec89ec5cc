/* check_back: what a client sees goes one way. Replies come in the order of its requests (only a
 * ping's may overtake), and their zxids never fall, over reconnects to other nodes too: so no read
 * is older than an earlier one, and each sees the client's own writes.
 *
 *   requests   4 5 6            replies   4@10  5@10  6@12     right
 *                                         5 ...                a reply out of turn
 *                                         4@10  5@9            a read that went back            */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct check_back {
    int64_t zxid; /* the highest that the client was told, of all its connections */
};

/* check_back_reply: the reply of request `xid` came at `zxid`, while `first` is the oldest request
 * that waits (none: owed is false). Returns NULL, or what is wrong. */
const char *check_back_reply(struct check_back *check, bool owed, int32_t first, int32_t xid,
                             int64_t zxid);
