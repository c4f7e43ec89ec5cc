/* check_linear: is a history of one register linearizable (Herlihy and Wing)? Writes carry values
 * that no other write carries; reads say what they saw. Exact, by just-in-time linearization (Lowe,
 * "Testing for linearizability", 2017): the set of states that the operations so far allow is kept
 * while time goes by; at each return the operation must have taken effect in what remains.
 *
 *   invoke ────────────── return       one operation, anywhere between the two it took effect
 *
 * A write whose answer was lost may have taken effect at any time from its invocation on, or never.
 * Pure; memory grows with the history. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_LINEAR_UNKNOWN UINT64_MAX

struct check_linear_op {
    bool write;
    uint64_t value; /* written or seen; 0: seen before any write */
    uint64_t invoke_ns;
    uint64_t return_ns; /* CHECK_LINEAR_UNKNOWN: no answer came */
    uint32_t who;       /* for the message only */
};

enum check_linear_verdict {
    CHECK_LINEAR_YES,
    CHECK_LINEAR_NO,
    CHECK_LINEAR_UNDECIDED, /* too many operations at the same time: the bound was reached */
};

/* check_linear judges ops[count], in any order. bad, if not NULL, is the operation at whose return
 * nothing was possible any more (for NO). Operations without an answer that wrote what nobody saw,
 * and reads without an answer, say nothing. */
enum check_linear_verdict check_linear(const struct check_linear_op *ops, uint32_t count,
                                       uint32_t *bad);
