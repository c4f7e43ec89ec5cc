/* check_leader: one leader a term, and a leader commits by counting only when it counts an entry of
 * its own term (Raft, section 3.6.2): what is older is committed along with it. The second rule is
 * looked at by itself, since breaking it loses something only when three more things go wrong. It
 * remembers when each term's leader was first seen, for check_session. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_LEADER_TERMS 4096u /* the newest are kept */
#define CHECK_LEADER_NODES 8

struct check_leader {
    struct {
        uint64_t term, since_ns, commit_index; /* since_ns: true time */
        uint32_t node;
    } terms[CHECK_LEADER_TERMS]; /* by term modulo their count */
    uint64_t changes;            /* leaders seen */
};

/* What one look at a leader shows. */
struct check_leader_view {
    uint32_t node;
    uint64_t term, commit_index, term_first_index;
};

/* check_leader_look takes what a leader shows after a turn. Returns NULL, or what is wrong. */
const char *check_leader_look(struct check_leader *check, const struct check_leader_view *view,
                              uint64_t now_ns);

/* check_leader_since_ns is when the term's leader was first seen; 0: never, or too long ago. */
uint64_t check_leader_since_ns(const struct check_leader *check, uint64_t term);
