/* check_lost: nothing that was acknowledged is lost. A client is told of a write when some node has
 * applied it; from then on each leader of a later term holds that entry, at that place (Raft's
 * leader completeness). Looked at when a term's leader is first seen, so a loss is found at the
 * election, not when somebody reads what is gone. */
#pragma once

#include <stdint.h>

struct check_lost_view {
    uint32_t node;
    uint64_t term;          /* that it leads; later than the applied entry's */
    uint64_t last_index;    /* of its log */
    uint64_t held_term;     /* of the entry applied_index in its log; 0: in its snapshot */
    uint64_t applied_index; /* the last that any node has applied ... */
    uint64_t applied_term;  /* ... and its term */
};

/* check_lost_look returns NULL, or what is wrong. */
const char *check_lost_look(const struct check_lost_view *view);
