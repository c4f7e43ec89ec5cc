#include "consensus/expiry.h"

#include "base/check.h"
#include "base/clock.h"

#include <string.h>
#include <sys/mman.h>

#define EXPIRY_LOOK_MAX 64

static void *expiry_map(uint64_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static uint64_t expiry_entries_size(uint32_t session_max)
{
    return ((uint64_t)session_max + 1) * sizeof(struct expiry_entry);
}

int expiry_init(struct expiry *expiry, uint32_t session_max, uint64_t tick_ns)
{
    memset(expiry, 0, sizeof(*expiry));
    if (session_max == 0 || session_max > (1u << 24) || tick_ns < 1000 || tick_ns > 3600 * NS_PER_S)
        return ERR_RANGE;
    uint32_t index_count = 16;
    while (index_count < 2 * session_max)
        index_count *= 2;
    expiry->entries = expiry_map(expiry_entries_size(session_max));
    expiry->index = expiry_map((uint64_t)index_count * sizeof(uint32_t));
    if (!expiry->entries || !expiry->index) {
        expiry->session_max = session_max;
        expiry->index_mask = index_count - 1;
        expiry_fini(expiry);
        return ERR_NOMEM;
    }
    expiry->tick_ns = tick_ns;
    expiry->session_max = session_max;
    expiry->index_mask = index_count - 1;
    return 0;
}

void expiry_fini(struct expiry *expiry)
{
    if (expiry->entries)
        munmap(expiry->entries, expiry_entries_size(expiry->session_max));
    if (expiry->index)
        munmap(expiry->index, ((uint64_t)expiry->index_mask + 1) * sizeof(uint32_t));
    expiry->entries = NULL;
    expiry->index = NULL;
}

static uint32_t expiry_home(const struct expiry *expiry, int64_t id)
{
    uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(h >> 32) & expiry->index_mask;
}

/* The index slot that holds the session, or the empty one where it would go. */
static uint32_t expiry_slot(const struct expiry *expiry, int64_t id)
{
    uint32_t slot = expiry_home(expiry, id);
    while (expiry->index[slot] && expiry->entries[expiry->index[slot]].id != id)
        slot = (slot + 1) & expiry->index_mask;
    return slot;
}

/* Backward-shift deletion keeps probes short without tombstones. */
static void expiry_index_remove(struct expiry *expiry, uint32_t hole)
{
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & expiry->index_mask;
        if (!expiry->index[at])
            break;
        uint32_t home = expiry_home(expiry, expiry->entries[expiry->index[at]].id);
        if (((at - home) & expiry->index_mask) >= ((at - hole) & expiry->index_mask)) {
            expiry->index[hole] = expiry->index[at];
            hole = at;
        }
    }
    expiry->index[hole] = 0;
}

static uint64_t expiry_deadline(const struct expiry *expiry, uint32_t timeout_ms, uint64_t now_ns)
{
    uint64_t at = now_ns + timeout_ms * NS_PER_MS;
    return (at / expiry->tick_ns + 1) * expiry->tick_ns;
}

static void expiry_hang(struct expiry *expiry, uint32_t at)
{
    struct expiry_entry *entry = &expiry->entries[at];
    uint64_t tick = entry->deadline_ns / expiry->tick_ns;
    /* a deadline in a tick that had its turn already is looked at in the next one */
    if (tick <= expiry->now_tick)
        tick = expiry->now_tick + 1;
    entry->bucket = (uint32_t)(tick % EXPIRY_BUCKET_COUNT);
    entry->prev = 0;
    entry->next = expiry->buckets[entry->bucket];
    if (entry->next)
        expiry->entries[entry->next].prev = at;
    expiry->buckets[entry->bucket] = at;
}

static void expiry_unhang(struct expiry *expiry, uint32_t at)
{
    struct expiry_entry *entry = &expiry->entries[at];
    if (expiry->cursor == at)
        expiry->cursor = entry->next;
    if (entry->prev)
        expiry->entries[entry->prev].next = entry->next;
    else
        expiry->buckets[entry->bucket] = entry->next;
    if (entry->next)
        expiry->entries[entry->next].prev = entry->prev;
}

int expiry_set(struct expiry *expiry, int64_t id, uint32_t timeout_ms, uint64_t now_ns)
{
    CHECK(id != 0);
    if (!expiry->started) {
        expiry->now_tick = now_ns / expiry->tick_ns;
        expiry->started = true;
    }
    uint32_t slot = expiry_slot(expiry, id);
    uint32_t at = expiry->index[slot];
    if (at) {
        expiry_unhang(expiry, at);
    } else {
        if (expiry->count == expiry->session_max)
            return ERR_FULL;
        at = expiry->free ? expiry->free : expiry->count + 1;
        if (expiry->free)
            expiry->free = expiry->entries[at].next;
        expiry->count++;
        expiry->index[slot] = at;
        expiry->entries[at].id = id;
    }
    expiry->entries[at].timeout_ms = timeout_ms;
    expiry->entries[at].deadline_ns = expiry_deadline(expiry, timeout_ms, now_ns);
    expiry_hang(expiry, at);
    return 0;
}

void expiry_touch(struct expiry *expiry, int64_t id, uint64_t now_ns)
{
    uint32_t at = expiry->index[expiry_slot(expiry, id)];
    if (!at)
        return;
    uint64_t deadline_ns = expiry_deadline(expiry, expiry->entries[at].timeout_ms, now_ns);
    if (deadline_ns > expiry->entries[at].deadline_ns)
        expiry->entries[at].deadline_ns = deadline_ns;
}

bool expiry_known(const struct expiry *expiry, int64_t id)
{
    return expiry->index[expiry_slot(expiry, id)] != 0;
}

void expiry_remove(struct expiry *expiry, int64_t id)
{
    uint32_t slot = expiry_slot(expiry, id), at = expiry->index[slot];
    if (!at)
        return;
    CHECK(expiry->count > 0);
    expiry_unhang(expiry, at);
    expiry_index_remove(expiry, slot);
    memset(&expiry->entries[at], 0, sizeof(expiry->entries[at]));
    expiry->entries[at].next = expiry->free;
    expiry->free = at;
    expiry->count--;
    if (expiry->count == 0)
        expiry->free = 0; /* entries are handed out from 1 again */
}

void expiry_restart(struct expiry *expiry, uint64_t now_ns)
{
    for (uint32_t slot = 0; slot <= expiry->index_mask; slot++) {
        uint32_t at = expiry->index[slot];
        if (!at)
            continue;
        expiry_unhang(expiry, at);
        expiry->entries[at].deadline_ns =
            expiry_deadline(expiry, expiry->entries[at].timeout_ms, now_ns);
        expiry_hang(expiry, at);
    }
}

/* Looks at one entry of the bucket whose turn it is; true when its session is overdue. */
static bool expiry_look(struct expiry *expiry, uint32_t at, uint64_t now_ns)
{
    struct expiry_entry *entry = &expiry->entries[at];
    uint64_t now_tick = expiry->now_tick, tick_last = now_ns / expiry->tick_ns;
    bool overdue = entry->deadline_ns <= now_ns;

    if (!overdue && (entry->deadline_ns / expiry->tick_ns) % EXPIRY_BUCKET_COUNT == entry->bucket)
        return false; /* its turn comes a round later */
    expiry_unhang(expiry, at);
    if (overdue) {
        entry->deadline_ns = (tick_last + 1) * expiry->tick_ns; /* offered again then */
        expiry->now_tick = tick_last;
    }
    expiry_hang(expiry, at);
    expiry->now_tick = now_tick;
    return overdue;
}

int64_t expiry_next(struct expiry *expiry, uint64_t now_ns)
{
    uint64_t tick_last = now_ns / expiry->tick_ns;
    if (!expiry->started)
        return 0;
    /* each bucket once is enough, and none at all without sessions */
    uint64_t skip_to = expiry->count == 0 ? tick_last : tick_last - EXPIRY_BUCKET_COUNT;
    if (tick_last > EXPIRY_BUCKET_COUNT && skip_to > expiry->now_tick) {
        expiry->now_tick = skip_to;
        expiry->walking = false;
    }
    for (int looked = 0; expiry->now_tick < tick_last;) {
        if (!expiry->walking) {
            expiry->cursor = expiry->buckets[(expiry->now_tick + 1) % EXPIRY_BUCKET_COUNT];
            expiry->walking = true;
        }
        while (expiry->cursor && looked < EXPIRY_LOOK_MAX) {
            uint32_t at = expiry->cursor;
            expiry->cursor = expiry->entries[at].next;
            looked++;
            if (expiry_look(expiry, at, now_ns))
                return expiry->entries[at].id;
        }
        if (expiry->cursor)
            return 0; /* enough for one call */
        expiry->walking = false;
        expiry->now_tick++;
    }
    return 0;
}

uint64_t expiry_deadline_ns(const struct expiry *expiry)
{
    uint64_t tick = expiry->now_tick + 1;
    if (expiry->count == 0)
        return UINT64_MAX;
    while (tick < expiry->now_tick + EXPIRY_BUCKET_COUNT &&
           !expiry->buckets[tick % EXPIRY_BUCKET_COUNT])
        tick++;
    return tick * expiry->tick_ns;
}
