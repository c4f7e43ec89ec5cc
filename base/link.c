#include "base/link.h"

#include "base/check.h"
#include "base/pages.h"

#include <string.h>

/* Each record is preceded by its size. LINK_SKIP marks the rest of the ring, to its end, as unused
 * so that no record wraps. */
#define LINK_SKIP   UINT32_MAX
#define LINK_HEADER 8

static uint64_t link_span(uint32_t size)
{
    return LINK_HEADER + (((uint64_t)size + 7) & ~7ull);
}

int link_init(struct link *link, const char *name, uint64_t depth)
{
    if (depth < 4096 || depth > (1ull << 31) || (depth & (depth - 1)))
        return ERR_RANGE;
    memset(link, 0, sizeof(*link));
    link->data = pages_take(depth);
    if (!link->data)
        return ERR_NOMEM;
    link->depth = depth;
    link->name = name;
    return 0;
}

void link_fini(struct link *link)
{
    if (link->data)
        pages_give(link->data, link->depth);
    link->data = NULL;
}

static bool link_has_room(struct link *link, uint64_t need)
{
    if (link->reserved + need - link->tail_seen <= link->depth)
        return true;
    link->tail_seen = atomic_load_explicit(&link->tail, memory_order_acquire); /* link_release */
    return link->reserved + need - link->tail_seen <= link->depth;
}

void *link_reserve(struct link *link, uint32_t size)
{
    CHECK(size <= link_record_size_max(link->depth));
    uint64_t span = link_span(size);
    uint64_t at = link->reserved & (link->depth - 1);
    uint64_t to_end = link->depth - at;
    uint64_t skip = to_end < span ? to_end : 0;

    if (!link_has_room(link, skip + span)) {
        atomic_store_explicit(&link->full_count,
                              atomic_load_explicit(&link->full_count, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return NULL;
    }
    if (skip) {
        *(uint32_t *)(link->data + at) = LINK_SKIP;
        link->reserved += skip;
        at = 0;
    }
    *(uint32_t *)(link->data + at) = size;
    link->reserved += span;
    return link->data + at + LINK_HEADER;
}

void link_direct(struct link *link, link_take *take, void *self)
{
    CHECK(take && link->reserved == 0);
    link->take = take;
    link->taker = self;
}

void link_hand_over(struct link *link, const void *record)
{
    uint32_t size = *(const uint32_t *)((const uint8_t *)record - LINK_HEADER);
    uint64_t at = link->reserved - link_span(size);

    CHECK((const uint8_t *)record - LINK_HEADER == link->data + (at & (link->depth - 1)));
    if (link->cursor == at && link->take(link->taker, record, size))
        link->reserved = at; /* as if it had not been */
}

uint64_t link_room(struct link *link)
{
    link->tail_seen = atomic_load_explicit(&link->tail, memory_order_acquire); /* link_release */
    return link->depth - (link->reserved - link->tail_seen);
}

void link_shrink(struct link *link, void *record, uint32_t size)
{
    uint8_t *header = (uint8_t *)record - LINK_HEADER;
    uint32_t was = *(uint32_t *)header;
    CHECK(size <= was);
    CHECK(((link->reserved - link_span(was)) & (link->depth - 1)) ==
          (uint64_t)(header - link->data));
    link->reserved -= link_span(was) - link_span(size);
    *(uint32_t *)header = size;
}

const void *link_next(struct link *link, uint32_t *size)
{
    uint64_t at = link->cursor & (link->depth - 1);
    if (*(uint32_t *)(link->data + at) == LINK_SKIP) {
        link->cursor += link->depth - at;
        at = 0;
    }
    *size = *(uint32_t *)(link->data + at);
    DCHECK(*size <= link_record_size_max(link->depth));
    return link->data + at + LINK_HEADER;
}

void link_pop(struct link *link)
{
    uint32_t size = *(uint32_t *)(link->data + (link->cursor & (link->depth - 1)));
    CHECK(size != LINK_SKIP); /* link_peek stepped over it */
    link->cursor += link_span(size);
}
