/* check_log: every node shows the same committed entries, each once, without a hole. A node's
 * place moves on with each entry it shows; a start (or a snapshot it was sent) may put it back, or
 * forward to just behind that snapshot. What is compared with is the one log of sim_log, which
 * whoever is first makes longer; what a node did of the entries, with what the model did. */
#pragma once

#include "tests/sim/sim_log.h"

struct check_log_place {
    uint64_t next;  /* index expected; 0: the first one shown decides, after a start */
    uint64_t first; /* the first one shown since the start; 0: none */
};

/* check_log_begin: the node's process starts. */
void check_log_begin(struct check_log_place *place);

/* check_log_entry takes an entry that a node shows. Returns NULL, or what is wrong. */
const char *check_log_entry(struct check_log_place *place, struct sim_log *log,
                            const struct entry *entry);

/* check_log_started compares with what recovery says it began with: a snapshot at that index (0:
 * none) and `last` in all. Returns NULL, or what is wrong. */
const char *check_log_started(const struct check_log_place *place, uint64_t snapshot_index);

/* check_log_done compares a node's zxid behind entry `index` with the model's: whatever is carried
 * out takes one, so a node that carried out what the model did not (or the other way round) differs
 * from there on, whoever is told of it. Returns NULL, or what is wrong. */
const char *check_log_done(const struct sim_log *log, uint64_t index, int64_t zxid);
