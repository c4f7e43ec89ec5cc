#include "consensus/disk_uring.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifdef TAKT_URING
#include <liburing.h>

/* An O_DSYNC write ends in a kernel worker thread, which is bound to a CPU and may share it with
 * us. A role loop that never enters the kernel would keep it waiting until the next tick (4 ms
 * measured, against 0.1 ms), so poll steps aside: not before a write can have ended, and not in
 * every turn. */
#define YIELD_AFTER_NS 40000
#define YIELD_EVERY_NS 10000

struct uring_write {
    uint64_t token, begin_ns;
    uint32_t size; /* 0: free */
    int file;
};

struct disk_uring {
    struct disk_posix posix;
    struct io_uring ring;
    struct uring_write writes[DISK_WRITES_MAX];
    uint32_t in_flight;
    uint64_t yield_ns; /* when to step aside next */
};

static struct uring_write *write_claim(struct disk_uring *disk)
{
    for (int i = 0; i < DISK_WRITES_MAX; i++) {
        if (disk->writes[i].size == 0)
            return &disk->writes[i];
    }
    return NULL;
}

static int uring_submit_write(void *ctx, int file, uint64_t offset, const void *memory,
                              uint32_t size, uint64_t token, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    CHECK(size > 0 && size <= DISK_WRITE_SIZE_MAX);
    CHECK(((offset | (uintptr_t)memory | size) & (disk->posix.block_size - 1)) == 0);
    const char *name = disk->posix.files[file].path;
    struct uring_write *write = write_claim(disk);
    struct io_uring_sqe *sqe = write ? io_uring_get_sqe(&disk->ring) : NULL;
    if (!sqe)
        return fault_set(fault, ERR_FULL, "write %s: %d writes are in flight", name,
                         DISK_WRITES_MAX);
    *write = (struct uring_write){token, clock_now().mono_ns, size, file};
    io_uring_prep_write(sqe, disk_posix_fd(&disk->posix, file), memory, size, offset);
    io_uring_sqe_set_data(sqe, write);
    int rc;
    do {
        rc = io_uring_submit(&disk->ring);
    } while (rc == -EINTR);
    if (rc != 1)
        return disk_posix_fault(fault, rc < 0 ? -rc : EIO, "submit a write to", name);
    disk->in_flight++;
    disk->yield_ns = write->begin_ns + YIELD_AFTER_NS;
    return 0;
}

static void step_aside(struct disk_uring *disk)
{
    if (clock_now().mono_ns < disk->yield_ns)
        return;
    sched_yield();
    disk->yield_ns = clock_now().mono_ns + YIELD_EVERY_NS;
}

static uint32_t uring_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    uint32_t n = 0;
    struct io_uring_cqe *cqe;
    while (n < max && io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
        struct uring_write *write = io_uring_cqe_get_data(cqe);
        const char *name = disk->posix.files[write->file].path;
        int err = 0;
        if (cqe->res < 0)
            err = disk_posix_fault(fault, -cqe->res, "write", name);
        else if ((uint32_t)cqe->res != write->size)
            err = fault_set(fault, ERR_IO, "write %s: %d of %u bytes were written", name, cqe->res,
                            write->size);
        done[n++] = (struct disk_done){write->token, err, 0, clock_now().mono_ns - write->begin_ns};
        write->size = 0;
        disk->in_flight--;
        io_uring_cqe_seen(&disk->ring, cqe);
    }
    if (n == 0 && disk->in_flight)
        step_aside(disk);
    return n;
}

int disk_uring_create(struct disk_uring **out, struct disk_io *io, const char *dir,
                      struct fault *fault)
{
    struct disk_uring *disk = calloc(1, sizeof(*disk));
    if (!disk)
        return fault_set(fault, ERR_NOMEM, "io_uring: no memory");
    int rc = io_uring_queue_init(2 * DISK_WRITES_MAX, &disk->ring, 0);
    if (rc < 0) {
        free(disk);
        return fault_set(fault, ERR_UNSUPPORTED, "io_uring is not usable here: %s%s", strerror(-rc),
                         rc == -EPERM ? " (see kernel.io_uring_disabled, or a seccomp filter)"
                                      : "");
    }
    int err = disk_posix_init(&disk->posix, io, dir, false, fault);
    if (err) {
        io_uring_queue_exit(&disk->ring);
        free(disk);
        return err;
    }
    /* ctx stays the address of the posix part, which comes first: its functions take it too. */
    static_assert(offsetof(struct disk_uring, posix) == 0, "both views share one address");
    io->name = "uring";
    io->park_fd = disk->ring.ring_fd;
    io->submit_write = uring_submit_write;
    io->poll = uring_poll;
    *out = disk;
    return 0;
}

void disk_uring_destroy(struct disk_uring *disk)
{
    for (int i = 0; i < DISK_WRITES_MAX; i++) {
        struct io_uring_cqe *cqe;
        if (disk->in_flight && io_uring_wait_cqe(&disk->ring, &cqe) == 0) {
            disk->in_flight--;
            io_uring_cqe_seen(&disk->ring, cqe);
        }
    }
    io_uring_queue_exit(&disk->ring);
    disk_posix_fini(&disk->posix);
    free(disk);
}

#else

int disk_uring_create(struct disk_uring **disk, struct disk_io *io, const char *dir,
                      struct fault *fault)
{
    return fault_set(fault, ERR_UNSUPPORTED, "this build has no io_uring (meson -During=enabled)");
}

void disk_uring_destroy(struct disk_uring *disk)
{
    CHECK(disk == NULL);
}

#endif
