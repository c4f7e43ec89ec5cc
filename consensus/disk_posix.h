/* disk_posix: struct disk_io over plain system calls. An asynchronous write is done by the time
 * submit_write returns; poll only reports it. Right for a DISK role with a core of its own, and the
 * fallback when the kernel has no io_uring.
 *
 * DURABLE files are opened O_DIRECT|O_DSYNC, and O_DSYNC alone where the file system refuses
 * O_DIRECT. Files are numbered by slots that are claimed atomically, so two roles may open and
 * close at the same time; everything else as in base/disk_io.h. */
#pragma once

#include "base/disk_io.h"

#include <stdatomic.h>
#include <stdbool.h>

#define DISK_POSIX_FILES_MAX 64

struct disk_posix_file {
    _Atomic int fd; /* -1: free; -2: being opened or closed */
    bool direct;
    char path[DISK_PATH_SIZE_MAX];
};

struct disk_posix {
    int dir_fd;
    int lock_fd; /* -1 when read-only */
    bool direct; /* the file system takes O_DIRECT in blocks of block_size */
    uint32_t block_size;
    struct disk_posix_file files[DISK_POSIX_FILES_MAX];
    struct disk_done done[DISK_WRITES_MAX];
    uint32_t done_count;
    struct fault done_fault;
    char dir[256]; /* for people */
};

/* disk_posix_init opens the data directory `dir`, and makes it and its lock file when they are
 * missing (not when read_only: then nothing on the disk changes, and lock and writes must not be
 * called). Fills `io`, which lives as long as `disk`. Returns 0, ERR_NOTFOUND, ERR_RANGE (the name
 * is too long) or ERR_IO. Before the roles start. */
MUST_USE int disk_posix_init(struct disk_posix *disk, struct disk_io *io, const char *dir,
                             bool read_only, struct fault *fault);

/* disk_posix_fini closes everything, and gives up the lock. */
void disk_posix_fini(struct disk_posix *disk);

/* disk_posix_fd is the descriptor of an open file, for disk_uring. */
int disk_posix_fd(const struct disk_posix *disk, int file);

/* disk_posix_fault says "<what> <name>: <errno's text>" and turns os_error into an ERR_*. */
int disk_posix_fault(struct fault *fault, int os_error, const char *what, const char *name);
