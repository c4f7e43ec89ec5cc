/* link: a bounded ring of variable-size records from one role to another (single producer, single
 * consumer). No allocation after init, no system call. Named producer_consumer: net_core.
 *
 *   producer: link_reserve ... link_reserve, link_publish       consumer: link_peek/link_pop ...,
 *                                                                          link_release
 *   ┌────────┬──────────────┬───────────────┬───────────┐
 *   │ free   │ not released │ published     │ reserved  │ free ...   records are 8-byte aligned and
 *   └────────┴──────────────┴───────────────┴───────────┘            never wrap: always contiguous
 *
 *              reserve publish  peek pop release      - : safe at the same time, from the two roles
 *   reserve       X       X      -    -     -         X : same role, one call at a time
 *   publish       X       X      -    -     -
 *   peek, pop     -       -      X    X     X
 *
 * When both roles run on one thread, the consumer may be given to the link (link_direct). Then
 * link_pass and link_hand give it a record in the call: nothing is published, peeked, popped or
 * released, and the next record is built in the same, cached, room. The ring is behind: what the
 * consumer does not take now, and all that comes after, waits in it.                            */
#pragma once

#include "base/err.h"
#include "base/lines.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_CACHE_LINE 64

/* Takes a record, borrowed for the call. False: not now, and nothing of it is done. */
typedef bool link_take(void *self, const void *record, uint32_t size);

struct link {
    /* written by the producer; head is read by the consumer */
    _Alignas(LINK_CACHE_LINE) _Atomic uint64_t head; /* bytes ever published */
    uint64_t reserved;                               /* bytes ever reserved, >= head */
    uint64_t tail_seen;                              /* the producer's last look at tail */
    _Atomic uint64_t full_count;                     /* reserves refused; read by CTL */
    /* written by the consumer; tail is read by the producer */
    _Alignas(LINK_CACHE_LINE) _Atomic uint64_t tail; /* bytes ever released */
    uint64_t cursor;                                 /* bytes ever popped, >= tail */
    uint64_t head_seen;                              /* the consumer's last look at head */
    _Atomic uint64_t high_water; /* most bytes that the consumer found in it; read by CTL */
    /* written at init only */
    _Alignas(LINK_CACHE_LINE) uint8_t *data;
    uint64_t depth; /* bytes, a power of two */
    const char *name;
    link_take *take; /* NULL: every record goes by the ring */
    void *taker;
};
LINES_APART(struct link, full_count, tail);
LINES_APART(struct link, high_water, data);

/* The largest record a link of this depth takes, in bytes: with what is skipped at the ring's end
 * it still fits into an empty ring. */
static inline uint32_t link_record_size_max(uint64_t depth)
{
    return (uint32_t)(depth / 2 - 16);
}

/* link_init maps the ring. depth in bytes, a power of two in [4096, 2^31]. name must outlive the
 * link. Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles start. */
MUST_USE int link_init(struct link *link, const char *name, uint64_t depth);
void link_fini(struct link *link);

/* link_reserve gives room for one record of `size` bytes, in [0, link_record_size_max], 8-byte
 * aligned, invisible to the consumer until link_publish. Returns NULL when the link is full: the
 * link's full-policy decides. Lends the room until link_publish. Role: the producer. */
void *link_reserve(struct link *link, uint32_t size);

/* link_shrink cuts the record reserved last to `size` bytes, at most what was asked. Producer. */
void link_shrink(struct link *link, void *record, uint32_t size);

/* link_publish shows every reserved record to the consumer, in order. Role: the producer. */
static inline void link_publish(struct link *link)
{
    /* release; pairs with the acquire in link_refill */
    if (atomic_load_explicit(&link->head, memory_order_relaxed) != link->reserved)
        atomic_store_explicit(&link->head, link->reserved, memory_order_release);
}

/* link_direct lets link_pass and link_hand give records to `take`; borrows take and self for the
 * link's life. Assumes that one thread turns producer and consumer, and none while the other is
 * held. Before the roles start. */
void link_direct(struct link *link, link_take *take, void *self);

/* True when the link is direct and nothing waits in its ring. Role: the producer. */
static inline bool link_passes(const struct link *link)
{
    return link->take && link->cursor == link->reserved;
}

/* link_pass gives the consumer a record that lies elsewhere. False: the link does not pass now, or
 * the consumer does not take it: it is to be reserved and published. Borrows record for the call.
 * Role: the producer. */
static inline bool link_pass(struct link *link, const void *record, uint32_t size)
{
    return link_passes(link) && link->take(link->taker, record, size);
}

/* link_hand_over is link_hand where the link is direct. Role: the producer. */
void link_hand_over(struct link *link, const void *record);

/* link_hand ends the record reserved last: it is complete. The consumer has it when this returns,
 * if the link is direct, nothing waits in the ring and the consumer takes it; otherwise it waits
 * for link_publish. In any case the record is not the caller's any more. Role: the producer. */
static inline void link_hand(struct link *link, const void *record)
{
    if (link->take)
        link_hand_over(link, record);
}

/* link_room gives the bytes free now. A group of records whose sizes plus 16 each sum to less than
 * half of it fits for certain. Role: the producer. */
uint64_t link_room(struct link *link);

static inline bool link_refill(struct link *link)
{
    if (link->cursor != link->head_seen)
        return true;
    link->head_seen = atomic_load_explicit(&link->head, memory_order_acquire); /* link_publish */
    if (link->cursor == link->head_seen)
        return false;
    /* Counted here, and not by the producer, which knows the tail of some time ago only. */
    uint64_t in_flight = link->head_seen - atomic_load_explicit(&link->tail, memory_order_relaxed);
    if (in_flight > atomic_load_explicit(&link->high_water, memory_order_relaxed))
        atomic_store_explicit(&link->high_water, in_flight, memory_order_relaxed);
    return true;
}

/* link_next is link_peek where there is a record. Role: the consumer. */
const void *link_next(struct link *link, uint32_t *size);

/* link_peek returns the next record and its size, or NULL when there is none; the same record
 * until link_pop. Lends it until link_release. Role: the consumer. */
static inline const void *link_peek(struct link *link, uint32_t *size)
{
    return link_refill(link) ? link_next(link, size) : NULL;
}

/* link_pop steps past the record that link_peek returned. Role: the consumer. */
void link_pop(struct link *link);

/* link_release gives the room of all popped records back to the producer. Role: the consumer. */
static inline void link_release(struct link *link)
{
    /* release; pairs with the acquire in link_has_room */
    if (atomic_load_explicit(&link->tail, memory_order_relaxed) != link->cursor)
        atomic_store_explicit(&link->tail, link->cursor, memory_order_release);
}

/* link_published gives the bytes ever published: when `cursor` has come so far, all that was
 * published until now is popped. Role: the consumer. */
static inline uint64_t link_published(const struct link *link)
{
    return atomic_load_explicit(&link->head, memory_order_acquire); /* link_publish */
}

/* True when the consumer has nothing to read. Role: the consumer; before parking. */
static inline bool link_empty(struct link *link)
{
    return !link_refill(link);
}
