/* check_late: what a deadline means (dataplane/beat/PROTOCOL.md, section 4): a request that its
 * node looks at when its clock is past the datagram's `time` is not carried out, and one that it
 * looks at before is not refused for that.
 *
 *   asked ── sent, time t ──▶ arrives at a node whose clock shows c
 *                               c <= t, or t is 0   it may be carried out
 *                               c >  t              it is not, by this copy
 *
 * A node looks at a copy when it arrives or later. So who is carried out had a copy that arrived in
 * time, and who is refused has a copy of whose time its node's clock is past. One request each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct check_late {
    bool limited;     /* it has a deadline */
    bool in_time;     /* a copy has arrived before its time */
    uint64_t past_ns; /* true time from which some copy is late; UINT64_MAX: none was sent */
};

/* check_late_begin: a request is asked, with a deadline or without. */
void check_late_begin(struct check_late *late, bool limited);

/* check_late_sent: a copy goes to a node. time: what it says, ns of that node's clock; 0: none.
 * time_ns, deadline_ns: the true times at which that clock shows `time`, and the controller's its
 * deadline. Returns NULL, or what is wrong: the copy could be carried out behind the deadline. */
const char *check_late_sent(struct check_late *late, uint64_t time, uint64_t time_ns,
                            uint64_t deadline_ns);

/* check_late_arrives: a copy comes to a node whose clock shows mono_ns. */
void check_late_arrives(struct check_late *late, uint64_t time, uint64_t mono_ns);

/* check_late_answered: the answer is there, at true time now_ns. refused: it is "past its
 * deadline"; carried_out: it says that the request was looked at and done, or could not be.
 * Returns NULL, or what is wrong. */
const char *check_late_answered(const struct check_late *late, bool refused, bool carried_out,
                                uint64_t now_ns);
