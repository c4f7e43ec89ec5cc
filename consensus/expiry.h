/* expiry: which sessions has the leader not heard of for too long. A wheel of ticks: a session
 * whose deadline lies in a tick hangs in that tick's bucket; hearing of it only moves its deadline,
 * and the bucket's turn finds out (so a touch costs one hash probe). Pure; fixed memory.
 *
 * A deadline is now + timeout rounded up to the next tick, as ZooKeeper's (zk_protocol.md section
 * 15), so a session lives for (timeout, timeout + tick]. Role: CORE. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define EXPIRY_BUCKET_COUNT 512u /* ticks; longer timeouts go round the wheel more than once */

struct expiry_entry {
    int64_t id; /* 0 = free */
    uint64_t deadline_ns;
    uint32_t timeout_ms;
    uint32_t next, prev; /* in the bucket, or of the free list; 0 = none, so entry 0 is unused */
    uint32_t bucket;
};

struct expiry {
    uint64_t tick_ns, now_tick; /* buckets up to now_tick have had their turn */
    uint32_t session_max, count;
    uint32_t free;
    uint32_t index_mask;
    uint32_t cursor; /* entry at which the look at now_tick + 1's bucket goes on; 0 = its end */
    bool walking;    /* cursor is in use */
    struct expiry_entry *entries; /* [session_max + 1] */
    uint32_t *index;              /* open addressing: session id -> entry */
    uint32_t buckets[EXPIRY_BUCKET_COUNT];
    bool started;
};

/* expiry_init maps room for session_max sessions, in [1, 2^24]. tick_ns in [1000, 3600 s]. Returns
 * 0, ERR_RANGE or ERR_NOMEM. */
MUST_USE int expiry_init(struct expiry *expiry, uint32_t session_max, uint64_t tick_ns);
void expiry_fini(struct expiry *expiry);

/* expiry_set starts or restarts the session's timer with this timeout. Returns 0 or ERR_FULL. */
MUST_USE int expiry_set(struct expiry *expiry, int64_t id, uint32_t timeout_ms, uint64_t now_ns);

/* expiry_touch notes a sign of life; one older than another that was noted takes no time away.
 * Unknown sessions are ignored. */
void expiry_touch(struct expiry *expiry, int64_t id, uint64_t now_ns);

/* expiry_known: has the session a timer here? */
bool expiry_known(const struct expiry *expiry, int64_t id);

/* expiry_remove forgets a session. Unknown sessions are ignored. */
void expiry_remove(struct expiry *expiry, int64_t id);

/* expiry_restart gives every session its full timeout from now on: a new leader's first act. */
void expiry_restart(struct expiry *expiry, uint64_t now_ns);

/* expiry_next returns the id of one session whose deadline has passed, or 0 when there is none
 * among the next 64 looked at: call it until 0 once a turn, a later turn goes on. The session stays
 * known and is offered again one tick later until expiry_remove. */
int64_t expiry_next(struct expiry *expiry, uint64_t now_ns);

/* expiry_deadline_ns is when expiry_next should next be called: the end of the next tick in which a
 * session hangs; UINT64_MAX without sessions. Looks at 512 buckets at most. */
uint64_t expiry_deadline_ns(const struct expiry *expiry);
