/* doctor_measure: what takes a while and touches the machine: gaps of the hot cores, the clock's
 * cost and rate, what a flush of the data directory costs and whether it can be believed, round
 * trips to other members. Each adds one finding to a report. */
#pragma once

#include "tools/host/doctor.h"
#include "tools/taktd/config.h"

struct doctor_measured {
    uint64_t gap_ns;   /* longest of the hot cores */
    uint64_t flush_ns; /* p99.9 of the better of the two forms */
    uint64_t rtt_ns;   /* p99 to the slowest member that answered */
};

/* doctor_measure_gaps spins on all hot cpus at once for duration_ns. Adds unknown when it may not
 * run there. */
void doctor_measure_gaps(const struct doctor_subject *subject, uint64_t duration_ns,
                         struct doctor_report *report, struct doctor_measured *measured);

/* doctor_measure_clock times 100000 reads of the clock, and holds it against the raw clock. */
void doctor_measure_clock(struct doctor_report *report);

/* doctor_measure_disk writes a file of 1 MiB in the data directory, 4 KiB at a time: O_DSYNC, then
 * fdatasync, each for at most budget_ns or 1000 writes. The file is removed. */
void doctor_measure_disk(const struct doctor_subject *subject, uint64_t budget_ns,
                         struct doctor_report *report, struct doctor_measured *measured);

/* doctor_measure_peers asks each other server of the configuration "ruok" 20 times at its client
 * port, and compares versions. */
void doctor_measure_peers(const struct config *config, struct doctor_report *report,
                          struct doctor_measured *measured);

/* doctor_measure_live fills what the kernel tells by calls. */
void doctor_measure_live(struct doctor_subject *subject);

/* doctor_measure_flush judges a pair of flush times (p50, ns): the pure part of the disk's test.
 * through: the device says "write through"; in_memory: tmpfs or ramfs, whatever the times are.
 * Writes a sentence. */
enum doctor_state doctor_measure_flush(uint64_t dsync_ns, uint64_t fdatasync_ns, bool through,
                                       bool in_memory, bool virtual_machine,
                                       char text[DOCTOR_TEXT_SIZE]);
