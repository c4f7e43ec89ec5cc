/* fault_disk: a struct disk_io over another one, whose Nth call fails. One thread.
 *
 *   code under test ──▶ fault_disk ──▶ sim_disk (or any)
 *                          │ call number `fail_at` fails in the way asked for, the others pass */
#pragma once

#include "base/disk_io.h"

#include <stdbool.h>

enum fault_disk_how {
    FAULT_DISK_EIO,   /* nothing happened, ERR_IO */
    FAULT_DISK_LATE,  /* it happened, and ERR_IO all the same: a write, a sync, a rename, ... */
    FAULT_DISK_SHORT, /* a write: the first sectors happened, then ERR_IO; else as EIO */
    FAULT_DISK_FULL,  /* a write, preallocation or creation: ERR_NOSPACE; else as EIO */
    FAULT_DISK_HOW_COUNT
};

struct fault_disk {
    struct disk_io io; /* what the code under test is given */
    struct disk_io *under;
    enum fault_disk_how how;
    uint64_t calls;   /* so far: those that can fail; an asynchronous write counts twice, once for
                       * submit_write and once for its end */
    uint64_t fail_at; /* the number, from 0, of the call to fail; UINT64_MAX: none */
    bool failed;      /* it has come to that */
    const char *failed_call; /* the name of the function */
};

/* fault_disk_init puts `disk` in front of `under`, which outlives it. */
void fault_disk_init(struct fault_disk *disk, struct disk_io *under, enum fault_disk_how how,
                     uint64_t fail_at);

/* fault_disk_how_name names a way to fail. */
const char *fault_disk_how_name(enum fault_disk_how how);
