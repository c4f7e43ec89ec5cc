/* disk_io: the disk, as the log, the superblock and the snapshots see it: a table of functions over
 * one data directory. Real ones are consensus/disk_posix and consensus/disk_uring; the simulator's
 * loses what was not synced, and a test's fails the Nth call.
 *
 *        blocking calls                        asynchronous appends
 *   open size pread pwrite sync ...      submit_... ──▶ (device) ──▶ poll
 *                                             park_fd becomes readable when poll has something
 *
 * Paths are relative to the data directory ("log.0000000000000001", "superblock.0"); "." is the
 * directory itself. A file is a small number that open gave.
 *
 * A failure is an ERR_* and a sentence in `fault` (may be NULL) with the file's name and the
 * operating system's words. After a failed write or sync of a file its contents are unknown: the
 * caller stops, and never tries again (a second fsync may report success for data that is lost).
 * ERR_NOSPACE from pwrite, preallocate or open is the one exception where the caller may go on
 * without the file.
 *
 *                   blocking calls   submit_..., poll
 *   blocking calls        -                  -           - : safe from two roles at the same time,
 *   submit, poll          -                  X               on different files
 *                                                        X : one role, one call at a time   */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdint.h>

#define DISK_PATH_SIZE_MAX  64 /* bytes of a path, with its end */
#define DISK_WRITES_MAX     4  /* asynchronous operations in flight */
#define DISK_BLOCK_SIZE_MIN 512u
#define DISK_BLOCK_SIZE_MAX 4096u
#define DISK_WRITE_SIZE_MAX (16u << 20) /* bytes of one pread, pwrite or submit_write */

enum disk_open {
    DISK_OPEN_READ = 1,
    DISK_OPEN_WRITE = 2,   /* and read; the file exists */
    DISK_OPEN_CREATE = 4,  /* and read and write; the file must not exist yet */
    DISK_OPEN_DURABLE = 8, /* with WRITE or CREATE: a write that has returned is on the medium.
                            * Memory, offset and size of its writes and reads are multiples of
                            * block_size */
};

/* The end of one asynchronous operation. */
struct disk_done {
    uint64_t token; /* as given to submit_... */
    int err;        /* 0, ERR_IO, ERR_NOSPACE or (unlink) ERR_NOTFOUND */
    uint32_t reserved;
    uint64_t elapsed_ns; /* from submit_... to the device's answer, as far as it is known */
};

struct disk_io {
    void *ctx;
    const char *name;    /* "posix", "uring", "sim": for people */
    const char *where;   /* the data directory: for people */
    uint32_t block_size; /* bytes, a power of two in [DISK_BLOCK_SIZE_MIN, DISK_BLOCK_SIZE_MAX]: the
                          * unit of DURABLE files, and what the device writes as a whole */
    int park_fd;         /* readable when poll has something to report; -1: poll when due */

    /* Opens `path`. `flags` is a set of enum disk_open. Returns 0, ERR_NOTFOUND, ERR_EXISTS,
     * ERR_NOSPACE, ERR_LIMIT (too many files) or ERR_IO. */
    int (*open)(void *ctx, const char *path, uint32_t flags, int *file, struct fault *fault);
    void (*close)(void *ctx, int file);

    /* Bytes of the file. 0 or ERR_IO. */
    int (*size)(void *ctx, int file, uint64_t *size, struct fault *fault);

    /* Reads [offset, offset + size) into `to`; `got` < size only at the file's end. 0 or ERR_IO. */
    int (*pread)(void *ctx, int file, uint64_t offset, void *to, uint32_t size, uint32_t *got,
                 struct fault *fault);

    /* Writes all of it, or fails: 0, ERR_NOSPACE or ERR_IO. Durable after `sync` (at return for a
     * DURABLE file). */
    int (*pwrite)(void *ctx, int file, uint64_t offset, const void *from, uint32_t size,
                  struct fault *fault);

    /* Makes everything written to the file durable, its size too. 0, ERR_NOSPACE or ERR_IO. */
    int (*sync)(void *ctx, int file, struct fault *fault);

    /* Makes creations, renames and removals in the data directory durable. 0 or ERR_IO. */
    int (*sync_dir)(void *ctx, struct fault *fault);

    /* Renames, replacing `to`. Durable after sync_dir. 0, ERR_NOTFOUND, ERR_NOSPACE or ERR_IO. */
    int (*rename)(void *ctx, const char *from, const char *to, struct fault *fault);

    /* Removes a file. Durable after sync_dir. 0, ERR_NOTFOUND or ERR_IO. */
    int (*unlink)(void *ctx, const char *path, struct fault *fault);

    /* Calls each(self, name) for every file in the data directory, in no order; each must not call
     * back into the disk. 0 or ERR_IO. */
    int (*list)(void *ctx, void (*each)(void *self, const char *name), void *self,
                struct fault *fault);

    /* Bytes that may still be written to the file system. 0 or ERR_IO. */
    int (*room)(void *ctx, uint64_t *bytes, struct fault *fault);

    /* Gives the file `size` bytes of storage: it is `size` long, what was not written reads as
     * zero, and a later write inside it cannot find the disk full. 0, ERR_NOSPACE or ERR_IO. */
    int (*preallocate)(void *ctx, int file, uint64_t size, struct fault *fault);

    /* Claims the data directory for this process until the disk is closed. 0, ERR_BUSY (the fault
     * names who holds it, when that is known) or ERR_IO. */
    int (*lock)(void *ctx, struct fault *fault);

    /* Starts a write to a DURABLE file. Borrows `memory` until poll reports `token`. Returns 0,
     * ERR_FULL (DISK_WRITES_MAX in flight) or ERR_IO. */
    int (*submit_write)(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                        uint64_t token, struct fault *fault);

    /* Starts what unlink and sync_dir do: both may take milliseconds, which a role that shares its
     * worker does not have. Reported by poll. Return 0, ERR_FULL or ERR_IO. */
    int (*submit_unlink)(void *ctx, const char *path, uint64_t token, struct fault *fault);
    int (*submit_sync_dir)(void *ctx, uint64_t token, struct fault *fault);

    /* Reports up to `max` finished operations, in any order, never waits. `fault` describes the
     * last failed one. Returns how many. */
    uint32_t (*poll)(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault);
};
