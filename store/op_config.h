/* op_config: the membership as the state machine has it, and the one change that is under way.
 * Inside store/ only; what others may ask is in store/machine.h.
 *
 *   now ── joint entry ──▶ now + next ── final entry ──▶ now      each final entry, and the initial
 *    ▲                                                    │       one, writes /zookeeper/config
 *    └────────────────────────────────────────────────────┘
 *   pending: a reconfig was found good and waits for the final entry, or for one that refuses it */
#pragma once

#include "base/jute.h"
#include "base/membership.h"
#include "base/messages.h"

struct op;
struct machine;

struct op_config {
    struct membership now;  /* count 0: a node alone */
    struct membership next; /* count 0: not joint */
    int64_t version;        /* of `now`: the zxid of its entry; -1 = none */
    bool pending;
    struct membership wanted; /* with pending, as is: */
    struct command who;       /* the request that waits for an answer */
    int64_t wanted_zxid;      /* of it */
};

/* op_config_apply applies a COMMAND_CONFIG. A body this build cannot read stops the node. */
void op_config_apply(struct op *op, const uint8_t *body);

/* op_config_remind tells the sink of a pending change again: a new leader does not know it. */
void op_config_remind(struct op *op);

/* op_config_want makes the running request the pending one and tells the sink. */
void op_config_want(struct op *op, const struct membership *wanted);

/* For the snapshot image: op_config_put writes at most OP_CONFIG_IMAGE_MAX bytes; op_config_get
 * sets in->bad for what cannot be. */
#define OP_CONFIG_IMAGE_MAX (3 * (MEMBERSHIP_TEXT_SIZE + 4) + 128)
void op_config_put(struct jute_out *out, const struct op_config *config);
void op_config_get(struct jute_in *in, struct op_config *config);
