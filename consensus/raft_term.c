#include "consensus/raft_term.h"

#include "base/check.h"

#include <string.h>

static struct raft_run *raft_terms_run(const struct raft_terms *terms, uint32_t i)
{
    return (struct raft_run *)&terms->runs[(terms->start + i) % RAFT_TERM_RUN_MAX];
}

/* The run that holds index, which lies in (base_index, last_index]: the last that begins at or
 * below it. */
static uint32_t raft_terms_find(const struct raft_terms *terms, uint64_t index)
{
    uint32_t low = 0, high = terms->count;

    CHECK(index > terms->base_index);
    CHECK(index <= terms->last_index);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (raft_terms_run(terms, middle)->first_index <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void raft_terms_init(struct raft_terms *terms, uint64_t base_index, uint64_t base_term)
{
    CHECK(base_index > 0 || base_term == 0);
    memset(terms, 0, sizeof(*terms));
    terms->base_index = base_index;
    terms->base_term = base_term;
    terms->last_index = base_index;
}

uint64_t raft_terms_last(const struct raft_terms *terms)
{
    return terms->count ? raft_terms_run(terms, terms->count - 1)->term : terms->base_term;
}

int raft_terms_append(struct raft_terms *terms, uint64_t last, uint64_t term, uint64_t keep_index)
{
    if (last <= terms->last_index || term < raft_terms_last(terms))
        return ERR_RANGE;
    if (terms->count && term == raft_terms_last(terms)) {
        terms->last_index = last;
        return 0;
    }
    if (terms->count == RAFT_TERM_RUN_MAX) {
        uint64_t end = raft_terms_run(terms, 1)->first_index - 1;
        if (end > keep_index)
            return ERR_FULL;
        raft_terms_compact(terms, end);
    }
    struct raft_run *run = raft_terms_run(terms, terms->count++);
    run->first_index = terms->last_index + 1;
    run->term = term;
    terms->last_index = last;
    return 0;
}

void raft_terms_truncate(struct raft_terms *terms, uint64_t from)
{
    CHECK(from > terms->base_index);
    if (from > terms->last_index)
        return;
    while (terms->count && raft_terms_run(terms, terms->count - 1)->first_index >= from)
        terms->count--;
    terms->last_index = from - 1;
}

void raft_terms_compact(struct raft_terms *terms, uint64_t index)
{
    if (index <= terms->base_index)
        return;
    CHECK(index <= terms->last_index);
    uint64_t end = raft_terms_run_end(terms, index);
    uint32_t gone = raft_terms_find(terms, index);
    terms->base_term = raft_terms_run(terms, gone)->term;
    terms->base_index = index;
    raft_terms_run(terms, gone)->first_index = index + 1;
    if (end == index) /* nothing of that run is left */
        gone++;
    terms->start = (terms->start + gone) % RAFT_TERM_RUN_MAX;
    terms->count -= gone;
}

uint64_t raft_terms_look_up(const struct raft_terms *terms, uint64_t index)
{
    if (index == terms->base_index)
        return terms->base_term;
    if (index < terms->base_index || index > terms->last_index)
        return 0;
    return raft_terms_run(terms, raft_terms_find(terms, index))->term;
}

uint64_t raft_terms_run_end(const struct raft_terms *terms, uint64_t index)
{
    uint32_t run = raft_terms_find(terms, index);

    return run + 1 < terms->count ? raft_terms_run(terms, run + 1)->first_index - 1
                                  : terms->last_index;
}

uint64_t raft_terms_floor(const struct raft_terms *terms, uint64_t index, uint64_t term)
{
    if (index > terms->last_index)
        index = terms->last_index;
    if (index <= terms->base_index)
        return terms->base_index;
    for (uint32_t run = raft_terms_find(terms, index);; run--) {
        if (raft_terms_run(terms, run)->term <= term)
            return index;
        index = raft_terms_run(terms, run)->first_index - 1;
        if (run == 0)
            return terms->base_index;
    }
}
