/* counters: the numbers a role shows to everybody. A role owns one page and is its only writer;
 * CTL, the four-letter words and tests read it at any time. A page has a slot for every line of
 * base/metric_table.h and a latency histogram; slots are relaxed atomics, so a reader sees each
 * number whole, and different numbers from slightly different moments.
 *
 *               add/set/latency     get/sum/percentile
 *   add, set          X                   -              X : same role, one call at a time
 *   get, sum          -                   -              - : safe at the same time            */
#pragma once

#include "base/metric_table.h"

#include <stdatomic.h>
#include <stdint.h>

enum metric {
#define METRIC_ENUM(name, kind, unit, help) METRIC_##name,
    METRIC_TABLE(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE };

struct metric_text {
    const char *name, *unit, *help;
    enum metric_kind kind;
};

/* Latency slots: four linear steps in each power of two of nanoseconds, up to 2^40. */
#define COUNTERS_LATENCY_SLOTS 156

struct counters {
    _Alignas(64) _Atomic uint64_t value[METRIC_COUNT];
    _Atomic uint64_t latency[COUNTERS_LATENCY_SLOTS];
    const char *role; /* "net", "core", ...; set once */
    uint32_t index;   /* which of the roles of this kind; set once */
};

#define COUNTERS_PAGES_MAX 64

/* Every page of one node. Filled before the roles start, then only read. */
struct counters_book {
    struct counters *pages[COUNTERS_PAGES_MAX];
    uint32_t count;
};

/* counters_init zeroes a page and names its role; role must outlive the page. */
void counters_init(struct counters *page, const char *role, uint32_t index);

/* counters_book_add enters a page. CHECKs that there is room. Before the roles start. */
void counters_book_add(struct counters_book *book, struct counters *page);

/* counters_text describes a metric. Any role. */
const struct metric_text *counters_text(enum metric metric);

static inline uint64_t counters_get(const struct counters *page, enum metric metric)
{
    return atomic_load_explicit(&page->value[metric], memory_order_relaxed);
}

static inline void counters_set(struct counters *page, enum metric metric, uint64_t value)
{
    atomic_store_explicit(&page->value[metric], value, memory_order_relaxed);
}

/* counters_bump adds n to a slot that others only read. x86 adds in memory with one instruction,
 * whole for every reader and without a lock; of a relaxed load and store compilers make three. */
static inline void counters_bump(_Atomic uint64_t *slot, uint64_t n)
{
#ifdef __x86_64__
    __asm__("addq %1, %0" : "+m"(*(uint64_t *)slot) : "er"(n) : "cc");
#else
    atomic_store_explicit(slot, atomic_load_explicit(slot, memory_order_relaxed) + n,
                          memory_order_relaxed);
#endif
}

/* counters_add adds n; a gauge goes down by adding (uint64_t)-n. Role: the page's owner. */
static inline void counters_add(struct counters *page, enum metric metric, uint64_t n)
{
    counters_bump(&page->value[metric], n);
}

/* counters_sum adds a metric up over all pages of the book. Any role. */
uint64_t counters_sum(const struct counters_book *book, enum metric metric);

/* counters_max gives the greatest value over all pages. Any role. */
uint64_t counters_max(const struct counters_book *book, enum metric metric);

/* counters_latency records one duration in ns. Role: the page's owner. */
void counters_latency(struct counters *page, uint64_t ns);

/* counters_latency_percentile gives the upper edge (ns) of the slot below which `percent` of the
 * durations of all pages lie; percent in (0, 100]; 0 when there are none. Any role. */
uint64_t counters_latency_percentile(const struct counters_book *book, double percent);
