/* raft_term: which term each entry of the log has, kept as runs. A bounded table; no allocation.
 *
 *   base (a snapshot's entry; 0@0 in the beginning)     last_index
 *     │ run 0: first, term 3 │ run 1: first, term 5 │ ... │
 *   ──┴──────────────────────┴──────────────────────┴─────┴──▶ index
 *     base_term known         one term each                 nothing known
 * Single-writer: CORE (recovery fills one before CORE starts). */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define RAFT_TERM_RUN_MAX 512u

struct raft_run {
    uint64_t first_index, term;
};

struct raft_terms {
    uint64_t base_index, base_term, last_index;
    uint32_t start, count; /* a ring */
    struct raft_run runs[RAFT_TERM_RUN_MAX];
};

/* raft_terms_init begins an empty log behind the entry base_index@base_term. */
void raft_terms_init(struct raft_terms *terms, uint64_t base_index, uint64_t base_term);

/* raft_terms_append adds the entries [last_index + 1, last] of one term, not below the last one's.
 * A full table forgets its oldest run, so the base moves up, but not above keep_index. Returns 0,
 * ERR_RANGE (last or term goes down) or ERR_FULL (nothing changed). */
MUST_USE int raft_terms_append(struct raft_terms *terms, uint64_t last, uint64_t term,
                               uint64_t keep_index);

/* raft_terms_truncate forgets the entries from `from` on. Assumes from > base_index. */
void raft_terms_truncate(struct raft_terms *terms, uint64_t from);

/* raft_terms_compact makes `index` the base. Below the base nothing happens; assumes index <=
 * last_index. */
void raft_terms_compact(struct raft_terms *terms, uint64_t index);

/* raft_terms_look_up is raft_terms_at for any entry. */
uint64_t raft_terms_look_up(const struct raft_terms *terms, uint64_t index);

/* raft_terms_at is the term of the entry at index; 0 for index 0 and for what is not known. Asked
 * is nearly always for one of the newest term. */
static inline uint64_t raft_terms_at(const struct raft_terms *terms, uint64_t index)
{
    const struct raft_run *last =
        &terms->runs[(terms->start + terms->count - 1) % RAFT_TERM_RUN_MAX];

    if (terms->count && index >= last->first_index && index <= terms->last_index)
        return last->term;
    return raft_terms_look_up(terms, index);
}

/* raft_terms_last is the term of the last entry. */
uint64_t raft_terms_last(const struct raft_terms *terms);

/* raft_terms_run_end is the last index of the same term that directly follows `index`. Assumes
 * index in (base_index, last_index]. */
uint64_t raft_terms_run_end(const struct raft_terms *terms, uint64_t index);

/* raft_terms_floor is the greatest index in [base_index, index] whose term is not above `term`;
 * base_index when there is none. */
uint64_t raft_terms_floor(const struct raft_terms *terms, uint64_t index, uint64_t term);
