/* role_apply: the loop body of APPLY, the only writer of the tree.
 *
 * core_apply ─▶ committed entries (from the log tail) ─▶ machine ─▶ stage ─▶ apply_net[0..n] ─▶ NET
 *                                                           │                 then publish S
 *                                                           └─▶ apply_core (sessions, lanes)
 * snapshot asked by CORE ─▶ SNAP, at exactly that index ─▶ (written beside us) ─▶ CORE cuts the log
 * retired versions ─▶ apply_ctl ─▶ (grace period, elsewhere) ─▶ ctl_apply ─▶ freed here
 *
 * Watch before data. A command's changes and its reply are staged, then pushed to every apply_net
 * link, and only then is its zxid published; so whoever sees S published finds everything up to S
 * in its link. When a link has no room the command stays staged and nothing later is applied
 * (HOLD); what is complete is published all the same, so a NET that drains its link up to S always
 * makes room: the HOLD ends. Records of one command that could never fit travel in a block (struct
 * apply_bulk). */
#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "base/lines.h"
#include "base/link.h"
#include "base/messages.h"
#include "base/trace.h"
#include "store/machine.h"
#include "store/role_snap.h"

#define APPLY_NET_COUNT_MAX      16
#define APPLY_TURN_COMMANDS_MAX  256u /* entries applied in one turn */
#define APPLY_RETIRE_COUNT       1024u /* commands between two hand-overs of retired memory */
#define APPLY_RETIRE_WAITING     4096u /* or versions that wait, */
#define APPLY_RETIRE_BATCHES     4u    /* unless so many batches are out */
#define APPLY_REAP_MAX           10000u /* looked at in one scan, unless configured */
#define APPLY_RETIRE_NS          (50 * NS_PER_MS) /* or this long after the first of them */

struct role_apply {
    _Alignas(LINES_SIZE) struct machine *machine;
    struct tree *tree;
    const struct command *current; /* whose results the machine is giving; NULL between */
    struct entry_source source;
    uint8_t node_id;
    /* of this start of the node; 0 = without peers. May be set before the roles start. Entries are
     * answered when they carry it: those of earlier starts have nobody who waits. */
    uint64_t incarnation;
    bool current_logged; /* `current` came from the log */
    bool lane_new;       /* an own lane was applied since CORE was last told */
    struct link *core_apply, *apply_core;
    struct link *apply_net[APPLY_NET_COUNT_MAX];
    uint32_t net_count;
    struct link *apply_ctl, *ctl_apply;
    uint64_t applied_index, commit_index;
    int64_t complete;  /* zxid up to which every NET has been pushed everything */
    int64_t published; /* zxid that readers see */
    /* records of the command being delivered: struct stage_record + record, 8-byte aligned */
    uint8_t *stage;
    uint64_t stage_size, stage_room;
    const uint64_t *watch_count; /* of the only NET, on our thread; NULL: not known */
    uint64_t stage_from;  /* before it: given to the only NET in the call */
    uint32_t stage_count; /* records in it, from stage_from on */
    uint32_t stage_net; /* nets [0, stage_net) have theirs */
    uint32_t retire_count;
    uint64_t retire_ns; /* when the oldest command since the last hand-over was applied */
    uint32_t batches_out; /* with CTL */
    uint32_t reap_max;  /* candidates that one scan looks at; may be changed before the start */
    uint32_t reap_left; /* candidates the scan under way may still look at */
    int64_t reap_time_ms;
    uint64_t chain;         /* of the log at applied_index */
    struct role_snap *snap; /* who writes snapshots; NULL: nobody */
    bool snap_busy;
    uint64_t snap_term, snap_chain; /* of the index that the last one is of */
    struct counters *counters; /* APPLY's page */
    struct trace_ring *trace;  /* NULL: nothing is traced */
};

/* role_apply_init: the machine holds everything up to applied_index. Sessions it knows are told to
 * CORE in the first turns. Returns 0 or ERR_NOMEM. Before the roles start. */
MUST_USE int role_apply_init(struct role_apply *apply, struct machine *machine,
                             struct tree *tree, const struct entry_source *source,
                             struct counters *counters, uint8_t node_id,
                             uint64_t applied_index);
void role_apply_fini(struct role_apply *apply);

/* role_apply_take takes a commit index on APPLY's own thread, in CORE's turn; what else core_apply
 * carries is left to the ring. For link_direct; self is the role. */
bool role_apply_take(void *self, const void *record, uint32_t size);

/* struct role of dataplane/worker.h. */
uint32_t role_apply_poll(void *self, struct now now);
bool role_apply_idle(void *self);
uint64_t role_apply_deadline_ns(void *self, struct now now);

/* apply_bulk_done gives a NET's share of a block back; the last one frees it. Role: NET. */
void apply_bulk_done(struct bulk_block *block);
