#include "consensus/outbox.h"

#include "base/pages.h"

#include <string.h>

int outbox_init(struct outbox *outbox, uint64_t size)
{
    memset(outbox, 0, sizeof(*outbox));
    if (size < OUTBOX_SIZE_MIN || size > 1ull << 31 || (size & (size - 1)))
        return ERR_RANGE;
    outbox->ring = pages_take_twice("takt-outbox", size);
    outbox->size = size;
    return outbox->ring ? 0 : ERR_NOMEM;
}

void outbox_fini(struct outbox *outbox)
{
    if (outbox->ring)
        pages_give_twice(outbox->ring, outbox->size);
    outbox->ring = NULL;
}

struct command *outbox_add(struct outbox *outbox, const struct command *command, const void *body,
                           uint64_t incarnation)
{
    uint64_t span = outbox_span(command);

    CHECK(span <= outbox->size);
    if (outbox->head + span - outbox->tail > outbox->size)
        return NULL;
    uint8_t *at = outbox->ring + (outbox->head & (outbox->size - 1));
    memset(at + span - 8, 0, 8); /* the padding is sent, too */
    memcpy(at, command, sizeof(*command));
    if (command->body_size)
        memcpy(at + sizeof(*command), body, command->body_size);
    struct command *copy = (struct command *)at;
    copy->lane = ++outbox->lane_last;
    copy->incarnation = incarnation;
    outbox->head += span;
    return copy;
}

const struct command *outbox_at(const struct outbox *outbox, uint64_t cursor)
{
    CHECK(cursor >= outbox->tail);
    CHECK(cursor <= outbox->head);
    if (cursor == outbox->head)
        return NULL;
    return (const struct command *)(outbox->ring + (cursor & (outbox->size - 1)));
}

void outbox_free(struct outbox *outbox, uint64_t lane)
{
    CHECK(lane <= outbox->lane_last);
    while (outbox->lane_freed < lane) {
        const struct command *oldest = outbox_at(outbox, outbox->tail);
        CHECK(oldest && oldest->lane == outbox->lane_freed + 1);
        outbox->tail += outbox_span(oldest);
        outbox->lane_freed++;
    }
}
