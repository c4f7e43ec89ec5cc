/* Where the traced requests of this node are, between their place in the log and their commit.
 * Nearly always there is none, and the callers know that from the count alone. */
#include "base/check.h"
#include "consensus/core_parts.h"

void core_trace_proposed(struct role_core *core, uint32_t id, uint64_t index)
{
    struct core_traces *traces = &core->traces;

    if (!traces->ring)
        return;
    trace_stamp(traces->ring, id, TRACE_PROPOSE, index);
    if (traces->count == CORE_TRACES_MAX)
        return; /* stamped no further: so many at once are as good as more */
    traces->open[traces->count++] = (struct core_trace){.index = index, .id = id};
}

/* An entry that another leader's took the place of is not told apart: its way has no reply. */
void core_trace_passed(struct role_core *core, enum trace_stage stage, uint64_t index)
{
    struct core_traces *traces = &core->traces;
    uint32_t kept = 0;

    CHECK(stage == TRACE_DURABLE || stage == TRACE_COMMIT);
    for (uint32_t i = 0; i < traces->count; i++) {
        struct core_trace *at = &traces->open[i];
        if (at->index <= index && !(at->passed >> stage & 1)) {
            at->passed |= 1u << stage;
            trace_stamp(traces->ring, at->id, stage, at->index);
        }
        bool done = at->passed == (1u << TRACE_DURABLE | 1u << TRACE_COMMIT);
        if (!done)
            traces->open[kept++] = *at;
    }
    traces->count = kept;
}
