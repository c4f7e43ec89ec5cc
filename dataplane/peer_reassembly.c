#include "dataplane/peer_reassembly.h"

#include "base/check.h"
#include "base/pages.h"

#include <string.h>

/* ---- window ---- */

static uint64_t *window_word(struct peer_window *window, uint64_t id)
{
    return &window->done[id / 64 % (PEER_REASSEMBLY_WINDOW / 64)];
}

/* Makes `id` the newest: the ids that come into the window are not done, whatever their bits said
 * about the ones that leave it. */
static void window_move(struct peer_window *window, uint64_t id)
{
    if (id - window->newest >= PEER_REASSEMBLY_WINDOW) {
        memset(window->done, 0, sizeof(window->done));
    } else {
        for (uint64_t i = window->newest + 1; i <= id; i++)
            *window_word(window, i) &= ~(1ull << i % 64);
    }
    window->newest = id;
}

/* 0 and the window includes id, or ERR_EXISTS (done), ERR_RANGE (too old). */
static int window_look(struct peer_window *window, uint64_t id)
{
    if (id > window->newest) {
        window_move(window, id);
        return 0;
    }
    if (window->newest - id >= PEER_REASSEMBLY_WINDOW)
        return ERR_RANGE;
    return *window_word(window, id) >> id % 64 & 1 ? ERR_EXISTS : 0;
}

static void window_set(struct peer_window *window, uint64_t id)
{
    *window_word(window, id) |= 1ull << id % 64;
}

/* ---- slots ---- */

/* In whole pages. */
static uint64_t slots_size(size_t slot_size, uint32_t slot_count)
{
    return ((uint64_t)slot_size * slot_count + 4095) & ~4095ull;
}

int peer_reassembly_init(struct peer_reassembly *reassembly, uint32_t slot_count,
                         uint32_t message_size_max)
{
    CHECK(slot_count >= 1 && slot_count <= PEER_REASSEMBLY_SLOTS_MAX);
    memset(reassembly, 0, sizeof(*reassembly));
    size_t slot_size = ((size_t)message_size_max + 63) & ~(size_t)63;
    reassembly->memory = pages_take(slots_size(slot_size, slot_count));
    if (!reassembly->memory)
        return ERR_NOMEM;
    reassembly->slot_count = slot_count;
    reassembly->message_size_max = message_size_max;
    for (uint32_t i = 0; i < slot_count; i++)
        reassembly->slots[i].data = reassembly->memory + i * slot_size;
    return 0;
}

void peer_reassembly_fini(struct peer_reassembly *reassembly)
{
    size_t slot_size = ((size_t)reassembly->message_size_max + 63) & ~(size_t)63;
    if (reassembly->memory)
        pages_give(reassembly->memory, slots_size(slot_size, reassembly->slot_count));
    reassembly->memory = NULL;
}

void peer_reassembly_reset(struct peer_reassembly *reassembly)
{
    memset(&reassembly->window, 0, sizeof(reassembly->window));
    for (uint32_t i = 0; i < reassembly->slot_count; i++)
        reassembly->slots[i].id = 0;
}

/* The slot of a message, or the one it shall take: a free one, else that of the lowest id, whose
 * message is given up. NULL: the message itself would be the one to give up. */
static struct peer_slot *slot_of(struct peer_reassembly *reassembly, uint64_t id)
{
    struct peer_slot *lowest = &reassembly->slots[0]; /* a free slot has the lowest id of all */
    for (uint32_t i = 0; i < reassembly->slot_count; i++) {
        struct peer_slot *slot = &reassembly->slots[i];
        if (slot->id == id)
            return slot;
        if (slot->id < lowest->id)
            lowest = slot;
    }
    return lowest->id < id ? lowest : NULL;
}

static void slot_begin(struct peer_slot *slot, const struct peer_frame *frame)
{
    bool last = frame->index + 1u == frame->count;
    slot->id = frame->message_id;
    slot->size = frame->message_size;
    slot->unit = last ? (frame->message_size - frame->size) / (frame->count - 1u) : frame->size;
    slot->count = frame->count;
    slot->have = 0;
    memset(slot->got, 0, (frame->count + 63u) / 64 * sizeof(slot->got[0]));
}

/* The fragment lies where the message's others say that it does. */
static bool slot_agrees(const struct peer_slot *slot, const struct peer_frame *frame)
{
    uint32_t begin = frame->index * slot->unit;
    uint32_t size = frame->index + 1u == slot->count ? slot->size - begin : slot->unit;
    return frame->message_size == slot->size && frame->count == slot->count && frame->size == size;
}

static int reassembly_fragment(struct peer_reassembly *reassembly, const struct peer_frame *frame,
                               const uint8_t **message)
{
    struct peer_slot *slot = slot_of(reassembly, frame->message_id);
    if (!slot) {
        reassembly->dropped++;
        window_set(&reassembly->window, frame->message_id); /* the rest of it need not be kept */
        return ERR_EXISTS;
    }
    if (slot->id != frame->message_id) {
        if (slot->id) {
            reassembly->dropped++;
            /* Too old for the window: refused by it already. */
            if (reassembly->window.newest - slot->id < PEER_REASSEMBLY_WINDOW)
                window_set(&reassembly->window, slot->id);
        }
        slot_begin(slot, frame);
    }
    if (!slot_agrees(slot, frame))
        return ERR_MALFORMED;
    uint64_t bit = 1ull << frame->index % 64;
    if (slot->got[frame->index / 64] & bit)
        return ERR_EXISTS;
    slot->got[frame->index / 64] |= bit;
    memcpy(slot->data + (size_t)frame->index * slot->unit, frame->bytes, frame->size);
    if (++slot->have < slot->count)
        return ERR_SHORT;
    slot->id = 0;
    window_set(&reassembly->window, frame->message_id);
    *message = slot->data;
    return 0;
}

int peer_reassembly_add(struct peer_reassembly *reassembly, const struct peer_frame *frame,
                        const uint8_t **message)
{
    CHECK(frame->message_id > 0);
    if (frame->message_size > reassembly->message_size_max)
        return ERR_LIMIT;
    int err = window_look(&reassembly->window, frame->message_id);
    if (err)
        return err;
    if (frame->count > 1)
        return reassembly_fragment(reassembly, frame, message);
    window_set(&reassembly->window, frame->message_id);
    *message = frame->count ? frame->bytes : NULL;
    return 0;
}
