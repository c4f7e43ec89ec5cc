/* once: the answers to a native session's last writes, so that a request that is sent again (by a
 * client that did not hear the answer, to this node or another) is answered and not carried out
 * twice. Part of the replicated state: the same on every member, in snapshots, over failovers.
 *
 *     number n ──▶ answers[n % LIMIT_SESSION_ONCE_COUNT] = {n, zxid, error, body}
 *
 * A client has at most LIMIT_SESSION_ONCE_COUNT requests in flight (dataplane/beat/PROTOCOL.md
 * section 4), so when number n comes, it has the answer to n - COUNT, and that one may go. So of a
 * place that holds h, a number n of it, and the largest number of all places, last:
 *
 *     h == n               a repeat: the recorded answer              ONCE_KNOWN
 *     h != n, n >  last    never carried out                          ONCE_NEW
 *     h != n, n <  last    its client has the answer, or a node       ONCE_PASSED
 *                          refused it by itself and later ones were
 *                          carried out: it would come out of order
 *
 * Reads have numbers too and leave their places as they are. One role (APPLY) owns it. */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/limits.h"

#include <stdint.h>

enum once_state { ONCE_NEW, ONCE_KNOWN, ONCE_PASSED };

struct once_answer {
    uint64_t sequence; /* 0: none */
    int64_t zxid;
    int32_t error;
    uint32_t size, room; /* of body */
    uint8_t *body;
};

struct once {
    uint64_t last; /* the largest number that has an answer here */
    struct once_answer answers[LIMIT_SESSION_ONCE_COUNT];
};

/* once_find looks up a number, >= 1. On ONCE_KNOWN lends the answer until the next once_record.
 * once may be NULL: everything is new. */
enum once_state once_find(const struct once *once, uint64_t sequence,
                          const struct once_answer **answer);

/* once_record takes the answer to a number that is ONCE_NEW; makes *once when it is NULL. Copies
 * body, of at most LIMIT_SESSION_ONCE_SIZE bytes. Returns 0 or ERR_NOMEM. */
MUST_USE int once_record(struct once **once, uint64_t sequence, int64_t zxid, int32_t error,
                         struct bytes body);

void once_free(struct once *once); /* NULL is allowed */

/* For snapshots: once_image_size bytes at most; once_image_load reads what once_image wrote.
 * Returns 0, ERR_NOMEM, or ERR_MALFORMED (a place or a size that cannot be). */
uint64_t once_image_size(const struct once *once);
void once_image(const struct once *once, struct jute_out *out);
MUST_USE int once_image_load(struct once **once, struct jute_in *in);
