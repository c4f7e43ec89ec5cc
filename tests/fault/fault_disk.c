#include "tests/fault/fault_disk.h"

#include "base/check.h"

#include <string.h>

const char *fault_disk_how_name(enum fault_disk_how how)
{
    static const char *const names[] = {"EIO", "EIO after the fact", "short write", "disk full"};
    CHECK(how < FAULT_DISK_HOW_COUNT);
    return names[how];
}

/* True when it is this call's turn. */
static bool turn(struct fault_disk *disk, const char *call)
{
    if (disk->calls++ != disk->fail_at)
        return false;
    disk->failed = true;
    disk->failed_call = call;
    return true;
}

static int fail(struct fault_disk *disk, bool may_be_full, struct fault *fault)
{
    bool full = may_be_full && disk->how == FAULT_DISK_FULL;
    return fault_set(fault, full ? ERR_NOSPACE : ERR_IO, "%s: injected %s", disk->failed_call,
                     full ? "No space left on device" : "Input/output error");
}

/* Calls the function under it, or fails. LATE: calls it and fails. */
#define PASS(call, may_be_full, ...)                                                               \
    struct fault_disk *disk = ctx;                                                                 \
    struct disk_io *under = disk->under;                                                           \
    bool mine = turn(disk, #call);                                                                 \
    int err = mine && disk->how != FAULT_DISK_LATE ? 0 : under->call(under->ctx, __VA_ARGS__);     \
    return mine ? fail(disk, may_be_full, fault) : err

static int fault_open(void *ctx, const char *path, uint32_t flags, int *file, struct fault *fault)
{
    struct fault_disk *disk = ctx;
    struct disk_io *under = disk->under;
    bool mine = turn(disk, "open");
    if (!mine)
        return under->open(under->ctx, path, flags, file, fault);
    /* LATE: the file was made, and could not be opened */
    if (disk->how == FAULT_DISK_LATE && under->open(under->ctx, path, flags, file, fault) == 0)
        under->close(under->ctx, *file);
    return fail(disk, flags & DISK_OPEN_CREATE, fault);
}

static void fault_close(void *ctx, int file)
{
    struct fault_disk *disk = ctx;
    disk->under->close(disk->under->ctx, file);
}

static int fault_size(void *ctx, int file, uint64_t *size, struct fault *fault)
{
    PASS(size, false, file, size, fault);
}

static int fault_pread(void *ctx, int file, uint64_t offset, void *to, uint32_t size, uint32_t *got,
                       struct fault *fault)
{
    PASS(pread, false, file, offset, to, size, got, fault);
}

static int fault_pwrite(void *ctx, int file, uint64_t offset, const void *from, uint32_t size,
                        struct fault *fault)
{
    struct fault_disk *disk = ctx;
    struct disk_io *under = disk->under;
    bool mine = turn(disk, "pwrite");
    uint32_t part = size / 2 / under->block_size * under->block_size;
    if (!mine || disk->how == FAULT_DISK_LATE)
        part = size;
    else if (disk->how != FAULT_DISK_SHORT)
        part = 0;
    int err = part ? under->pwrite(under->ctx, file, offset, from, part, fault) : 0;
    return mine ? fail(disk, true, fault) : err;
}

static int fault_sync(void *ctx, int file, struct fault *fault)
{
    PASS(sync, false, file, fault);
}

static int fault_sync_dir(void *ctx, struct fault *fault)
{
    PASS(sync_dir, false, fault);
}

static int fault_rename(void *ctx, const char *from, const char *to, struct fault *fault)
{
    PASS(rename, true, from, to, fault);
}

static int fault_unlink(void *ctx, const char *path, struct fault *fault)
{
    PASS(unlink, false, path, fault);
}

static int fault_list(void *ctx, void (*each)(void *self, const char *name), void *self,
                      struct fault *fault)
{
    PASS(list, false, each, self, fault);
}

static int fault_room(void *ctx, uint64_t *bytes, struct fault *fault)
{
    PASS(room, false, bytes, fault);
}

static int fault_preallocate(void *ctx, int file, uint64_t size, struct fault *fault)
{
    PASS(preallocate, true, file, size, fault);
}

static int fault_lock(void *ctx, struct fault *fault)
{
    PASS(lock, false, fault);
}

static int fault_submit_write(void *ctx, int file, uint64_t offset, const void *memory,
                              uint32_t size, uint64_t token, struct fault *fault)
{
    struct fault_disk *disk = ctx;
    struct disk_io *under = disk->under;
    if (turn(disk, "submit_write"))
        return fail(disk, false, fault);
    return under->submit_write(under->ctx, file, offset, memory, size, token, fault);
}

static int fault_submit_unlink(void *ctx, const char *path, uint64_t token, struct fault *fault)
{
    struct fault_disk *disk = ctx;
    if (turn(disk, "submit_unlink"))
        return fail(disk, false, fault);
    return disk->under->submit_unlink(disk->under->ctx, path, token, fault);
}

static int fault_submit_sync_dir(void *ctx, uint64_t token, struct fault *fault)
{
    struct fault_disk *disk = ctx;
    if (turn(disk, "submit_sync_dir"))
        return fail(disk, false, fault);
    return disk->under->submit_sync_dir(disk->under->ctx, token, fault);
}

static uint32_t fault_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct fault_disk *disk = ctx;
    uint32_t n = disk->under->poll(disk->under->ctx, done, max, fault);
    for (uint32_t i = 0; i < n; i++) {
        if (done[i].err == 0 && turn(disk, "poll"))
            done[i].err = fail(disk, true, fault); /* written, but nobody may rely on it */
    }
    return n;
}

void fault_disk_init(struct fault_disk *disk, struct disk_io *under, enum fault_disk_how how,
                     uint64_t fail_at)
{
    memset(disk, 0, sizeof(*disk));
    disk->io = *under;
    disk->under = under;
    disk->how = how;
    disk->fail_at = fail_at;
    disk->io.ctx = disk;
    disk->io.name = "fault";
    disk->io.open = fault_open;
    disk->io.close = fault_close;
    disk->io.size = fault_size;
    disk->io.pread = fault_pread;
    disk->io.pwrite = fault_pwrite;
    disk->io.sync = fault_sync;
    disk->io.sync_dir = fault_sync_dir;
    disk->io.rename = fault_rename;
    disk->io.unlink = fault_unlink;
    disk->io.list = fault_list;
    disk->io.room = fault_room;
    disk->io.preallocate = fault_preallocate;
    disk->io.lock = fault_lock;
    disk->io.submit_write = fault_submit_write;
    disk->io.submit_unlink = fault_submit_unlink;
    disk->io.submit_sync_dir = fault_submit_sync_dir;
    disk->io.poll = fault_poll;
}
