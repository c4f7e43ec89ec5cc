/* disk_uring: struct disk_io whose asynchronous writes go through io_uring: submit_write returns at
 * once, and the ring's own descriptor is the park_fd. Everything else is disk_posix. Right when
 * DISK shares its worker with other roles, which is the default. */
#pragma once

#include "consensus/disk_posix.h"

struct disk_uring;

/* disk_uring_create opens `dir` as disk_posix_init does, and sets up a ring. Fills `io`, which
 * lives as long as `disk`. Returns 0; ERR_UNSUPPORTED with the reason when this build or this
 * kernel has no io_uring (the caller falls back to disk_posix and says so); ERR_NOMEM; or an error
 * of disk_posix_init. Before the roles start. */
MUST_USE int disk_uring_create(struct disk_uring **disk, struct disk_io *io, const char *dir,
                               struct fault *fault);

/* disk_uring_destroy waits for the writes in flight, whose memory is still lent, and closes all. */
void disk_uring_destroy(struct disk_uring *disk);
