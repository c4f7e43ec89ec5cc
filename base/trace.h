/* trace: when a sampled request passed each stage of its way. Every role that a request passes has
 * a ring of its own and stamps there, if the request carries a trace id; whoever looks (CTL,
 * `takt trace`) joins the stamps of one id. A request that is not sampled costs one comparison.
 *
 *   NET  rx ── decode ───────────────────────────────────────────── reply ── tx        ring of NET
 *                └▶ CORE  propose ── durable ── commit ──┐            ▲                ring of CORE
 *                                                        └▶ APPLY  apply              ring of APPLY
 *   a read:  rx ── decode ── reply ── tx, all in NET. Of a node that does not lead, CORE stamps
 *   commit only: the leader's own page has the others.
 *
 * A ring keeps the last TRACE_RING_DEPTH stamps; older ones are overwritten, never waited for.
 *
 *              stamp   collect     - : safe at the same time     X : one role, the ring's owner
 *     stamp      X        -        collect finds out what was overwritten, and skips it */
#pragma once

#include "base/hist.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum trace_stage {
    TRACE_RX,      /* its bytes were taken from the port; detail = op */
    TRACE_DECODE,  /* it was understood, and handed on or looked up */
    TRACE_PROPOSE, /* it has its place in the log; detail = index */
    TRACE_DURABLE, /* this node's disk has it */
    TRACE_COMMIT,  /* a quorum has it, and APPLY is told */
    TRACE_APPLY,   /* the state machine has carried it out */
    TRACE_REPLY,   /* the answer is encoded */
    TRACE_TX,      /* the port was given the answer */
    TRACE_STAGES,
};

#define TRACE_RING_DEPTH 4096u /* stamps, a power of two */

struct trace_ring {
    _Alignas(64) _Atomic uint64_t head; /* stamps ever made */
    _Atomic uint64_t begun; /* head, or one more while a stamp is being written */
    uint64_t (*clock)(void); /* monotonic ns. Not a turn's `now`: stages of one turn differ */
    _Alignas(64) _Atomic uint64_t words[TRACE_RING_DEPTH][3]; /* id and stage, ns, detail */
};

/* trace_stamp notes that request `id` (not 0) passed `stage` now, by the ring's clock. Role: the
 * ring's owner. */
void trace_stamp(struct trace_ring *ring, uint32_t id, enum trace_stage stage, uint64_t detail);

/* trace_stamp_at is trace_stamp for a moment that is past. */
void trace_stamp_at(struct trace_ring *ring, uint32_t id, enum trace_stage stage, uint64_t ns,
                    uint64_t detail);

/* ---- sampling ---- */

/* Which requests of one NET are traced. Role: that NET. */
struct trace_sampler {
    uint32_t every; /* one in so many; 0 = none */
    uint32_t until; /* requests before the next one */
    uint32_t next;  /* id of the next, in its low 20 bits */
    uint32_t net;   /* the 4 bits above them */
};

/* trace_sampler_init: every in [0, 2^31]; net in [0, 15]. */
void trace_sampler_init(struct trace_sampler *sampler, uint32_t every, uint32_t net);

/* trace_sampler_id gives the id of a request that is to be traced, or 0. */
uint32_t trace_sampler_id(struct trace_sampler *sampler);

static inline uint32_t trace_sample(struct trace_sampler *sampler)
{
    return __builtin_expect(sampler->until-- != 0, 1) ? 0 : trace_sampler_id(sampler);
}

/* ---- ways ---- */

/* The way of one request, as far as its stamps were found. */
struct trace_way {
    uint32_t id;
    uint32_t stages; /* bit n: stage n was stamped */
    uint64_t ns[TRACE_STAGES]; /* monotonic */
    uint64_t index;  /* of its entry; 0 = none known */
    int32_t op;
};

static inline bool trace_way_has(const struct trace_way *way, enum trace_stage stage)
{
    return way->stages >> stage & 1;
}

#define TRACE_WAYS 4096u /* open ways, a power of two: a way whose place is wanted is forgotten */

/* Joins stamps into ways. For one reader; NETs' rings are collected last, for a way ends there. */
struct trace_join {
    struct trace_way ways[TRACE_WAYS];
};

void trace_join_init(struct trace_join *join);

/* trace_collect reads the stamps of a ring from *at on (in stamps ever made; what is overwritten is
 * skipped and added to *lost) up to `end`, and calls done for each way that has its TX. Sets *at to
 * `end`. Any thread. */
void trace_collect(struct trace_join *join, const struct trace_ring *ring, uint64_t *at,
                   uint64_t end, uint64_t *lost,
                   void (*done)(void *self, const struct trace_way *way), void *self);

static inline uint64_t trace_head(const struct trace_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire);
}

/* ---- steps: how long each part of the way took ---- */

enum trace_step {
    TRACE_STEP_READ,    /* a read's rx to its tx */
    TRACE_STEP_WRITE,   /* a write's rx to its tx */
    TRACE_STEP_DECODE,  /* rx to decode */
    TRACE_STEP_PROPOSE, /* decode to propose: the way to CORE */
    TRACE_STEP_DURABLE, /* propose to durable */
    TRACE_STEP_COMMIT,  /* propose to commit */
    TRACE_STEP_APPLY,   /* commit to apply */
    TRACE_STEP_REPLY,   /* apply to reply: the way back to NET */
    TRACE_STEP_TX,      /* reply to tx */
    TRACE_STEPS,
};

/* trace_step_name gives the word for a step ("durable"), trace_stage_name that of a stage. */
const char *trace_step_name(enum trace_step step);
const char *trace_stage_name(enum trace_stage stage);

/* trace_step_ns gives how long a step of this way took, or false: it has no such step. */
bool trace_step_ns(const struct trace_way *way, enum trace_step step, uint64_t *ns);
