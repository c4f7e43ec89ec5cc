/* outbox: what this node's clients asked for and the state machine has not applied yet: the bytes
 * of the commands, in order, each under its lane. A ring of bytes with one owner (CORE).
 *
 *      tail ── lane of the oldest       cursor of a reader            head ── lane_last
 *   ┌───┬──────────┬──────────┬──────────┬──────────┬──────────┬───────┐
 *   │   │ command  │ command  │ command  │ command  │ command  │ free  │  records, 8-byte aligned:
 *   └───┴──────────┴──────────┴──────────┴──────────┴──────────┴───────┘  struct command, body, 0s
 *
 * The ring is mapped twice, one copy behind the other, so that a run of records is one range of
 * bytes: the payload of a FORWARD message is copied from here as it lies. Lanes are without gaps.
 * Cursors count bytes ever added. Pure but for the mapping at init; nothing is allocated later.
 * Full: outbox_add says so, and CORE leaves the command on its link (HOLD). Role: CORE. */
#pragma once

#include "base/err.h"
#include "base/messages.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTBOX_SIZE_MIN 4096u

struct outbox {
    uint8_t *ring;
    uint64_t size;      /* bytes, a power of two */
    uint64_t head, tail; /* bytes ever added, ever freed */
    uint64_t lane_last; /* of the newest record ever added; 0 = none was */
    uint64_t lane_freed; /* every lane up to here is freed */
};

/* outbox_init maps `size` bytes twice; a power of two in [OUTBOX_SIZE_MIN, 2^31]. Lanes begin at 1.
 * Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles start. */
MUST_USE int outbox_init(struct outbox *outbox, uint64_t size);
void outbox_fini(struct outbox *outbox);

/* Bytes that one command takes, with its body and the padding. */
static inline uint64_t outbox_span(const struct command *command)
{
    return (sizeof(*command) + (uint64_t)command->body_size + 7) & ~7ull;
}

/* outbox_add copies a command and its body, and stamps lane and incarnation into the copy. Returns
 * the copy, lent until its lane is freed, or NULL when there is no room now. Assumes that the
 * largest command fits an empty ring. */
struct command *outbox_add(struct outbox *outbox, const struct command *command, const void *body,
                           uint64_t incarnation);

/* outbox_at gives the command at a cursor, or NULL at the end. cursor is outbox.tail, or what
 * outbox_span of the record before leads to. Lent until its lane is freed. */
const struct command *outbox_at(const struct outbox *outbox, uint64_t cursor);

/* outbox_free forgets every command with a lane up to `lane`. */
void outbox_free(struct outbox *outbox, uint64_t lane);
