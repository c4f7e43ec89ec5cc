#include "base/trace.h"

#include "base/check.h"

#include <string.h>

#define TRACE_ID_LOG2 20 /* an id has 24 bits, of which 4 are the NET's */

/* ---- stamping ---- */

void trace_stamp_at(struct trace_ring *ring, uint32_t id, enum trace_stage stage, uint64_t ns,
                    uint64_t detail)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    _Atomic uint64_t *words = ring->words[head & (TRACE_RING_DEPTH - 1)];

    CHECK(id != 0 && stage < TRACE_STAGES);
    /* A reader that copied torn words sees this `begun` behind its copy. */
    atomic_store_explicit(&ring->begun, head + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&words[0], (uint64_t)id << 32 | (uint32_t)stage, memory_order_relaxed);
    atomic_store_explicit(&words[1], ns, memory_order_relaxed);
    atomic_store_explicit(&words[2], detail, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

void trace_stamp(struct trace_ring *ring, uint32_t id, enum trace_stage stage, uint64_t detail)
{
    trace_stamp_at(ring, id, stage, ring->clock(), detail);
}

/* ---- sampling ---- */

void trace_sampler_init(struct trace_sampler *sampler, uint32_t every, uint32_t net)
{
    CHECK(net < 16);
    CHECK(every <= 1u << 31);
    *sampler = (struct trace_sampler){
        .every = every, .until = every ? every - 1 : UINT32_MAX, .next = 1, .net = net};
}

uint32_t trace_sampler_id(struct trace_sampler *sampler)
{
    sampler->until = sampler->every ? sampler->every - 1 : UINT32_MAX;
    if (!sampler->every)
        return 0;
    uint32_t id = sampler->net << TRACE_ID_LOG2 | sampler->next;
    sampler->next = sampler->next + 1 == 1u << TRACE_ID_LOG2 ? 1 : sampler->next + 1;
    return id;
}

/* ---- joining ---- */

void trace_join_init(struct trace_join *join)
{
    memset(join, 0, sizeof(*join));
}

static void trace_join_stamp(struct trace_join *join, const uint64_t words[3],
                             void (*done)(void *self, const struct trace_way *way), void *self)
{
    uint32_t id = (uint32_t)(words[0] >> 32), stage = (uint32_t)words[0];
    /* A NET's ids follow each other: as long as it has fewer open ways than there are places, none
     * takes another's. */
    struct trace_way *way =
        &join->ways[(id + (id >> TRACE_ID_LOG2) * 1361u) & (TRACE_WAYS - 1)];

    static_assert((TRACE_WAYS & (TRACE_WAYS - 1)) == 0, "places are found by a mask");
    if (id == 0 || stage >= TRACE_STAGES)
        return; /* of a page that somebody damaged */
    bool later = (int32_t)((way->id - id) << (32 - TRACE_ID_LOG2)) > 0;
    if (way->id && later && way->id >> TRACE_ID_LOG2 == id >> TRACE_ID_LOG2)
        return; /* a ring that is passed once goes back further than one that is passed often */
    if (way->id != id)
        *way = (struct trace_way){.id = id};
    way->stages |= 1u << stage;
    way->ns[stage] = words[1];
    if (stage == TRACE_RX)
        way->op = (int32_t)words[2];
    if (stage == TRACE_PROPOSE)
        way->index = words[2];
    if (stage == TRACE_TX) {
        done(self, way);
        way->id = 0;
    }
}

void trace_collect(struct trace_join *join, const struct trace_ring *ring, uint64_t *at,
                   uint64_t end, uint64_t *lost,
                   void (*done)(void *self, const struct trace_way *way), void *self)
{
    if (end > *at + TRACE_RING_DEPTH) {
        *lost += end - TRACE_RING_DEPTH - *at;
        *at = end - TRACE_RING_DEPTH;
    }
    for (; *at < end; ++*at) {
        const _Atomic uint64_t *from = ring->words[*at & (TRACE_RING_DEPTH - 1)];
        uint64_t words[3];
        for (int i = 0; i < 3; i++)
            words[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire); /* pairs with the release in trace_stamp_at */
        if (atomic_load_explicit(&ring->begun, memory_order_relaxed) > *at + TRACE_RING_DEPTH)
            ++*lost; /* written over while it was copied */
        else
            trace_join_stamp(join, words, done, self);
    }
}

/* ---- steps ---- */

static const struct {
    const char *name;
    enum trace_stage from, to;
} trace_steps[TRACE_STEPS] = {
    [TRACE_STEP_READ] = {"read", TRACE_RX, TRACE_TX},
    [TRACE_STEP_WRITE] = {"write", TRACE_RX, TRACE_TX},
    [TRACE_STEP_DECODE] = {"decode", TRACE_RX, TRACE_DECODE},
    [TRACE_STEP_PROPOSE] = {"propose", TRACE_DECODE, TRACE_PROPOSE},
    [TRACE_STEP_DURABLE] = {"durable", TRACE_PROPOSE, TRACE_DURABLE},
    [TRACE_STEP_COMMIT] = {"commit", TRACE_PROPOSE, TRACE_COMMIT},
    [TRACE_STEP_APPLY] = {"apply", TRACE_COMMIT, TRACE_APPLY},
    [TRACE_STEP_REPLY] = {"reply", TRACE_APPLY, TRACE_REPLY},
    [TRACE_STEP_TX] = {"tx", TRACE_REPLY, TRACE_TX},
};

static const char *const trace_stages[TRACE_STAGES] = {
    "rx", "decode", "propose", "durable", "commit", "apply", "reply", "tx"};

const char *trace_step_name(enum trace_step step)
{
    CHECK(step < TRACE_STEPS);
    return trace_steps[step].name;
}

const char *trace_stage_name(enum trace_stage stage)
{
    CHECK(stage < TRACE_STAGES);
    return trace_stages[stage];
}

bool trace_step_ns(const struct trace_way *way, enum trace_step step, uint64_t *ns)
{
    enum trace_stage from = trace_steps[step].from, to = trace_steps[step].to;
    bool write = trace_way_has(way, TRACE_APPLY);

    if (!trace_way_has(way, from) || !trace_way_has(way, to) || way->ns[to] < way->ns[from])
        return false;
    if ((step == TRACE_STEP_READ && write) || (step == TRACE_STEP_WRITE && !write))
        return false;
    *ns = way->ns[to] - way->ns[from];
    return true;
}
