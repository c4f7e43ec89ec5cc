#include "tests/sim/check_linear.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define STATES_MAX  4096u /* kept at one time */
#define PENDING_MAX 64    /* operations at the same time */

/* What may be the case: these of the pending operations have taken effect, and the value is this.
 */
struct linear_state {
    uint64_t done, value;
};

struct linear_event {
    uint64_t at_ns;
    uint32_t op;
    bool returns;
};

struct linear {
    const struct check_linear_op *ops;
    uint32_t pending[PENDING_MAX]; /* by bit of `done`; UINT32_MAX: free */
    struct linear_state *states, *next;
    uint32_t *table; /* of `next`: index + 1, open addressing */
    uint32_t count, next_count;
    bool full;
};

static int event_order(const void *a, const void *b)
{
    const struct linear_event *x = a, *y = b;

    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    if (x->returns != y->returns) /* at the same instant they overlap: the weaker claim */
        return x->returns ? 1 : -1;
    return x->op < y->op ? -1 : x->op > y->op;
}

/* Adds a state to `next`. False: it was there already, or there is no room. */
static bool state_add(struct linear *linear, struct linear_state state)
{
    uint64_t hash = (state.done * 0x9e3779b97f4a7c15ull ^ state.value) * 0xd6e8feb86659fd93ull;
    uint32_t at = (uint32_t)(hash >> 40) % (2 * STATES_MAX);

    for (;; at = (at + 1) % (2 * STATES_MAX)) {
        if (linear->table[at] == 0)
            break;
        const struct linear_state *there = &linear->next[linear->table[at] - 1];
        if (there->done == state.done && there->value == state.value)
            return false;
    }
    if (linear->next_count == STATES_MAX) {
        linear->full = true;
        return false;
    }
    linear->next[linear->next_count++] = state;
    linear->table[at] = linear->next_count;
    return true;
}

/* Every state that is reached from those of `next` when pending operations take effect. */
static void states_close(struct linear *linear)
{
    for (uint32_t i = 0; i < linear->next_count && !linear->full; i++) {
        struct linear_state from = linear->next[i];
        for (uint32_t bit = 0; bit < PENDING_MAX; bit++) {
            if (linear->pending[bit] == UINT32_MAX || (from.done >> bit & 1))
                continue;
            const struct check_linear_op *op = &linear->ops[linear->pending[bit]];
            if (!op->write && op->value != from.value)
                continue;
            state_add(linear, (struct linear_state){from.done | 1ull << bit, op->value});
        }
    }
}

static void next_clear(struct linear *linear)
{
    memset(linear->table, 0, 2 * STATES_MAX * sizeof(*linear->table));
    linear->next_count = 0;
}

/* The operation of `bit` has returned: only states in which it took effect remain. */
static bool linear_return(struct linear *linear, uint32_t bit)
{
    next_clear(linear);
    for (uint32_t i = 0; i < linear->count; i++)
        state_add(linear, linear->states[i]);
    states_close(linear);
    linear->count = 0;
    for (uint32_t i = 0; i < linear->next_count; i++) {
        struct linear_state state = linear->next[i];
        if (!(state.done >> bit & 1))
            continue;
        state.done &= ~(1ull << bit);
        linear->states[linear->count++] = state;
    }
    linear->pending[bit] = UINT32_MAX;
    return linear->count > 0;
}

static bool linear_invoke(struct linear *linear, uint32_t op)
{
    for (uint32_t bit = 0; bit < PENDING_MAX; bit++) {
        if (linear->pending[bit] == UINT32_MAX) {
            linear->pending[bit] = op;
            return true;
        }
    }
    return false;
}

static uint32_t linear_bit(const struct linear *linear, uint32_t op)
{
    for (uint32_t bit = 0; bit < PENDING_MAX; bit++)
        if (linear->pending[bit] == op)
            return bit;
    return UINT32_MAX;
}

/* A write without an answer has happened by the return of the first read that saw it. */
static uint64_t return_of(const struct check_linear_op *ops, uint32_t count, uint32_t which)
{
    uint64_t first = ops[which].return_ns;

    if (first != CHECK_LINEAR_UNKNOWN || !ops[which].write)
        return first;
    for (uint32_t i = 0; i < count; i++)
        if (!ops[i].write && ops[i].value == ops[which].value && ops[i].return_ns < first)
            first = ops[i].return_ns;
    return first;
}

static struct linear_event *events_make(const struct check_linear_op *ops, uint32_t count,
                                        uint32_t *event_count)
{
    struct linear_event *events = calloc(2ull * count + 1, sizeof(*events));
    uint32_t n = 0;

    CHECK(events);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t returns_ns = return_of(ops, count, i);
        if (returns_ns == CHECK_LINEAR_UNKNOWN)
            continue;
        if (returns_ns < ops[i].invoke_ns)
            returns_ns = ops[i].invoke_ns; /* seen before it was begun: never possible in order */
        events[n++] = (struct linear_event){ops[i].invoke_ns, i, false};
        events[n++] = (struct linear_event){returns_ns, i, true};
    }
    qsort(events, n, sizeof(*events), event_order);
    *event_count = n;
    return events;
}

static enum check_linear_verdict
linear_walk(struct linear *linear, const struct linear_event *events, uint32_t count, uint32_t *bad)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!events[i].returns) {
            if (!linear_invoke(linear, events[i].op))
                return CHECK_LINEAR_UNDECIDED;
            continue;
        }
        bool possible = linear_return(linear, linear_bit(linear, events[i].op));
        if (linear->full)
            return CHECK_LINEAR_UNDECIDED;
        if (!possible) {
            if (bad)
                *bad = events[i].op;
            return CHECK_LINEAR_NO;
        }
    }
    return CHECK_LINEAR_YES;
}

enum check_linear_verdict check_linear(const struct check_linear_op *ops, uint32_t count,
                                       uint32_t *bad)
{
    uint32_t event_count = 0;
    struct linear linear = {.ops = ops, .count = 1};
    struct linear_event *events = events_make(ops, count, &event_count);

    memset(linear.pending, 0xff, sizeof(linear.pending));
    linear.states = calloc(STATES_MAX, sizeof(*linear.states)); /* [0]: nothing done, value 0 */
    linear.next = calloc(STATES_MAX, sizeof(*linear.next));
    linear.table = calloc(2 * STATES_MAX, sizeof(*linear.table));
    CHECK(linear.states && linear.next && linear.table);
    enum check_linear_verdict verdict = linear_walk(&linear, events, event_count, bad);
    free(linear.states);
    free(linear.next);
    free(linear.table);
    free(events);
    return verdict;
}
