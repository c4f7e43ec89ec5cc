#include "consensus/disk_uring.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
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

enum uring_kind { URING_FREE, URING_WRITE, URING_UNLINK, URING_SYNC_DIR };

/* One operation in flight. */
struct uring_flight {
    enum uring_kind kind;
    uint32_t size; /* of a write */
    uint64_t token, begin_ns;
    char name[DISK_PATH_SIZE_MAX]; /* of the file: for faults, and for the kernel to read */
};

struct disk_uring {
    struct disk_posix posix;
    struct io_uring ring;
    struct uring_flight flights[DISK_WRITES_MAX];
    uint32_t in_flight;
    uint64_t yield_ns; /* when to step aside next */
};

/* Takes a free place and an entry of the ring for it. ERR_FULL: there is none. */
static int flight_claim(struct disk_uring *disk, enum uring_kind kind, const char *name,
                        uint64_t token, struct uring_flight **flight, struct io_uring_sqe **sqe,
                        struct fault *fault)
{
    int i = 0;
    while (i < DISK_WRITES_MAX && disk->flights[i].kind != URING_FREE)
        i++;
    *sqe = i < DISK_WRITES_MAX ? io_uring_get_sqe(&disk->ring) : NULL;
    if (!*sqe)
        return fault_set(fault, ERR_FULL, "%s: %d operations are in flight", name, DISK_WRITES_MAX);
    *flight = &disk->flights[i];
    **flight = (struct uring_flight){.kind = kind, .token = token, .begin_ns = clock_now().mono_ns};
    snprintf((*flight)->name, sizeof((*flight)->name), "%s", name);
    return 0;
}

static int flight_submit(struct disk_uring *disk, struct uring_flight *flight,
                         struct io_uring_sqe *sqe, struct fault *fault)
{
    io_uring_sqe_set_data(sqe, flight);
    int rc;
    do {
        rc = io_uring_submit(&disk->ring);
    } while (rc == -EINTR);
    if (rc != 1)
        return disk_posix_fault(fault, rc < 0 ? -rc : EIO, "submit to io_uring:", flight->name);
    disk->in_flight++;
    disk->yield_ns = flight->begin_ns + YIELD_AFTER_NS;
    return 0;
}

static int uring_submit_write(void *ctx, int file, uint64_t offset, const void *memory,
                              uint32_t size, uint64_t token, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    struct uring_flight *flight;
    struct io_uring_sqe *sqe;
    CHECK(size > 0 && size <= DISK_WRITE_SIZE_MAX);
    CHECK(((offset | (uintptr_t)memory | size) & (disk->posix.block_size - 1)) == 0);
    int err =
        flight_claim(disk, URING_WRITE, disk->posix.files[file].path, token, &flight, &sqe, fault);
    if (err)
        return err;
    flight->size = size;
    io_uring_prep_write(sqe, disk_posix_fd(&disk->posix, file), memory, size, offset);
    return flight_submit(disk, flight, sqe, fault);
}

static int uring_submit_unlink(void *ctx, const char *path, uint64_t token, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    struct uring_flight *flight;
    struct io_uring_sqe *sqe;
    int err = flight_claim(disk, URING_UNLINK, path, token, &flight, &sqe, fault);
    if (err)
        return err;
    io_uring_prep_unlinkat(sqe, disk->posix.dir_fd, flight->name, 0);
    return flight_submit(disk, flight, sqe, fault);
}

static int uring_submit_sync_dir(void *ctx, uint64_t token, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    struct uring_flight *flight;
    struct io_uring_sqe *sqe;
    int err = flight_claim(disk, URING_SYNC_DIR, ".", token, &flight, &sqe, fault);
    if (err)
        return err;
    io_uring_prep_fsync(sqe, disk->posix.dir_fd, 0);
    return flight_submit(disk, flight, sqe, fault);
}

static void step_aside(struct disk_uring *disk)
{
    if (clock_now().mono_ns < disk->yield_ns)
        return;
    sched_yield();
    disk->yield_ns = clock_now().mono_ns + YIELD_EVERY_NS;
}

static int flight_end(const struct uring_flight *flight, int result, struct fault *fault)
{
    static const char *const what[] = {"", "write", "remove", "fsync of directory"};
    if (result < 0)
        return disk_posix_fault(fault, -result, what[flight->kind], flight->name);
    if (flight->kind == URING_WRITE && (uint32_t)result != flight->size)
        return fault_set(fault, ERR_IO, "write %s: %d of %u bytes were written", flight->name,
                         result, flight->size);
    return 0;
}

static uint32_t uring_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct disk_uring *disk = ctx;
    uint32_t n = 0;
    struct io_uring_cqe *cqe;
    while (n < max && io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
        struct uring_flight *flight = io_uring_cqe_get_data(cqe);
        CHECK(flight->kind != URING_FREE);
        int err = flight_end(flight, cqe->res, fault);
        done[n++] =
            (struct disk_done){flight->token, err, 0, clock_now().mono_ns - flight->begin_ns};
        flight->kind = URING_FREE;
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
    io->submit_unlink = uring_submit_unlink;
    io->submit_sync_dir = uring_submit_sync_dir;
    io->poll = uring_poll;
    *out = disk;
    return 0;
}

void disk_uring_destroy(struct disk_uring *disk)
{
    struct io_uring_cqe *cqe;
    for (; disk->in_flight && io_uring_wait_cqe(&disk->ring, &cqe) == 0; disk->in_flight--)
        io_uring_cqe_seen(&disk->ring, cqe);
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
