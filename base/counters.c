#include "base/counters.h"

#include "base/check.h"

#include <string.h>

#define METRIC_TEXT_COUNTER METRIC_KIND_COUNTER
#define METRIC_TEXT_GAUGE   METRIC_KIND_GAUGE

static const struct metric_text counters_texts[METRIC_COUNT] = {
#define METRIC_TEXT(name, kind, unit, help) {#name, unit, help, METRIC_TEXT_##kind},
    METRIC_TABLE(METRIC_TEXT)
#undef METRIC_TEXT
};

void counters_init(struct counters *page, const char *role, uint32_t index)
{
    memset(page, 0, sizeof(*page));
    page->role = role;
    page->index = index;
}

void counters_book_add(struct counters_book *book, struct counters *page)
{
    CHECK(book->count < COUNTERS_PAGES_MAX);
    book->pages[book->count++] = page;
}

const struct metric_text *counters_text(enum metric metric)
{
    CHECK(metric < METRIC_COUNT);
    return &counters_texts[metric];
}

uint64_t counters_sum(const struct counters_book *book, enum metric metric)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < book->count; i++)
        sum += counters_get(book->pages[i], metric);
    return sum;
}

uint64_t counters_max(const struct counters_book *book, enum metric metric)
{
    uint64_t max = 0;
    for (uint32_t i = 0; i < book->count; i++) {
        uint64_t value = counters_get(book->pages[i], metric);
        max = value > max ? value : max;
    }
    return max;
}

/* Slot of a duration: values below 4 have their own; above, two bits below the top one choose. */
static uint32_t counters_latency_slot(uint64_t ns)
{
    if (ns < 4)
        return (uint32_t)ns;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t slot = (top - 1) * 4 + (uint32_t)((ns >> (top - 2)) & 3);
    return slot < COUNTERS_LATENCY_SLOTS ? slot : COUNTERS_LATENCY_SLOTS - 1;
}

static uint64_t counters_latency_edge(uint32_t slot)
{
    if (slot < 4)
        return slot;
    uint32_t top = slot / 4 + 1;
    return (((uint64_t)(slot & 3) + 5) << (top - 2)) - 1;
}

inline void counters_latency(struct counters *page, uint64_t ns)
{
    counters_bump(&page->latency[counters_latency_slot(ns)], 1);
}

static uint64_t counters_latency_slot_sum(const struct counters_book *book, uint32_t slot)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < book->count; i++)
        sum += atomic_load_explicit(&book->pages[i]->latency[slot], memory_order_relaxed);
    return sum;
}

uint64_t counters_latency_percentile(const struct counters_book *book, double percent)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t slot = 0; slot < COUNTERS_LATENCY_SLOTS; slot++)
        total += counters_latency_slot_sum(book, slot);
    for (uint32_t slot = 0; slot < COUNTERS_LATENCY_SLOTS; slot++) {
        seen += counters_latency_slot_sum(book, slot);
        if (seen && (double)seen * 100 >= percent * (double)total)
            return counters_latency_edge(slot);
    }
    return 0;
}
