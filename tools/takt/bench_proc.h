/* bench_proc: what the machine says about a process and about itself. Linux's /proc and /sys. */
#pragma once

#include "base/err.h"
#include "base/hist.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_proc {
    double cpu_s;       /* user + system, of all threads */
    uint64_t rss_bytes; /* resident */
};

/* bench_proc_read asks about process `pid` (0: this one). Returns 0 or ERR_NOTFOUND. */
MUST_USE int bench_proc_read(uint64_t pid, struct bench_proc *proc);

/* bench_proc_read_all sums over a list of processes, "12" or "12,13,14", at least one. Returns 0;
 * ERR_MALFORMED when the text is no such list; ERR_NOTFOUND when one of them is not there. */
MUST_USE int bench_proc_read_all(const char *pids, struct bench_proc *sum);

/* bench_proc_parse_stat reads /proc/PID/stat: user and system ticks. The name in it may hold blanks
 * and brackets. Pure. Returns 0 or ERR_MALFORMED. */
MUST_USE int bench_proc_parse_stat(const char *text, uint64_t *ticks);
