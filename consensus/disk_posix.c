#include "consensus/disk_posix.h"

#include "base/check.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_FILE "takt.lock"

int disk_posix_fault(struct fault *fault, int os_error, const char *what, const char *name)
{
    int err = ERR_IO;
    switch (os_error) {
    case ENOENT: err = ERR_NOTFOUND; break;
    case EEXIST: err = ERR_EXISTS; break;
    case ENOSPC:
    case EDQUOT: err = ERR_NOSPACE; break;
    case EMFILE:
    case ENFILE: err = ERR_LIMIT; break;
    }
    return fault_set(fault, err, "%s %s: %s", what, name, strerror(os_error));
}

static struct disk_posix_file *file_of(struct disk_posix *disk, int file)
{
    CHECK(file >= 0 && file < DISK_POSIX_FILES_MAX);
    CHECK(atomic_load_explicit(&disk->files[file].fd, memory_order_relaxed) >= 0);
    return &disk->files[file];
}

int disk_posix_fd(const struct disk_posix *disk, int file)
{
    CHECK(file >= 0 && file < DISK_POSIX_FILES_MAX);
    return atomic_load_explicit(&disk->files[file].fd, memory_order_relaxed);
}

/* Claims a free slot, or gives -1. */
static int slot_claim(struct disk_posix *disk)
{
    for (int i = 0; i < DISK_POSIX_FILES_MAX; i++) {
        int free_mark = -1;
        /* acquire; pairs with the release in slot_free */
        if (atomic_compare_exchange_strong_explicit(&disk->files[i].fd, &free_mark, -2,
                                                    memory_order_acquire, memory_order_relaxed))
            return i;
    }
    return -1;
}

static void slot_free(struct disk_posix_file *slot)
{
    atomic_store_explicit(&slot->fd, -1, memory_order_release);
}

static int posix_open(void *ctx, const char *path, uint32_t flags, int *file, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    CHECK(strlen(path) < DISK_PATH_SIZE_MAX);
    int os = O_CLOEXEC | (flags & (DISK_OPEN_WRITE | DISK_OPEN_CREATE) ? O_RDWR : O_RDONLY);
    if (flags & DISK_OPEN_CREATE)
        os |= O_CREAT | O_EXCL;
    int durable = flags & DISK_OPEN_DURABLE ? O_DSYNC | (disk->direct ? O_DIRECT : 0) : 0;

    int i = slot_claim(disk);
    if (i < 0)
        return fault_set(fault, ERR_LIMIT, "open %s: %d files are open", path,
                         DISK_POSIX_FILES_MAX);
    struct disk_posix_file *slot = &disk->files[i];
    int fd = openat(disk->dir_fd, path, os | durable, 0640);
    if (fd < 0 && errno == EINVAL && (durable & O_DIRECT)) {
        durable &= ~O_DIRECT;
        /* Linux may have made the file before it refused O_DIRECT. */
        fd = openat(disk->dir_fd, path, (os & ~O_EXCL) | durable, 0640);
    }
    if (fd < 0) {
        int os_error = errno;
        slot_free(slot);
        return disk_posix_fault(fault, os_error, "open", path);
    }
    snprintf(slot->path, sizeof(slot->path), "%s", path);
    slot->direct = durable & O_DIRECT;
    atomic_store_explicit(&slot->fd, fd, memory_order_release); /* pairs with nothing: own slot */
    *file = i;
    return 0;
}

static void posix_close(void *ctx, int file)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    int fd = atomic_exchange_explicit(&slot->fd, -2, memory_order_relaxed);
    close(fd);
    slot_free(slot);
}

static int posix_size(void *ctx, int file, uint64_t *size, struct fault *fault)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    struct stat st;
    if (fstat(slot->fd, &st) != 0)
        return disk_posix_fault(fault, errno, "size of", slot->path);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int posix_pread(void *ctx, int file, uint64_t offset, void *to, uint32_t size, uint32_t *got,
                       struct fault *fault)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    CHECK(size <= DISK_WRITE_SIZE_MAX);
    uint32_t done = 0;
    while (done < size) {
        ssize_t n = pread(slot->fd, (uint8_t *)to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return disk_posix_fault(fault, errno, "read", slot->path);
        if (n == 0)
            break;
        done += (uint32_t)n;
    }
    *got = done;
    return 0;
}

/* Writes everything. A write that was cut short goes on behind what was written (a signal, or the
 * file system's way to report a full disk on the next call); a write that failed is final. */
static int slot_write(struct disk_posix_file *slot, uint64_t offset, const void *from,
                      uint32_t size, struct fault *fault)
{
    uint32_t done = 0;
    while (done < size) {
        ssize_t n =
            pwrite(slot->fd, (const uint8_t *)from + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return disk_posix_fault(fault, errno, "write", slot->path);
        if (n == 0)
            return fault_set(fault, ERR_IO, "write %s: nothing was written", slot->path);
        done += (uint32_t)n;
    }
    return 0;
}

static void aligned_check(const struct disk_posix *disk, const struct disk_posix_file *slot,
                          uint64_t offset, const void *memory, uint32_t size)
{
    uint64_t mask = disk->block_size - 1;
    if (slot->direct)
        CHECK(((offset | (uintptr_t)memory | size) & mask) == 0);
}

static int posix_pwrite(void *ctx, int file, uint64_t offset, const void *from, uint32_t size,
                        struct fault *fault)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    CHECK(size <= DISK_WRITE_SIZE_MAX);
    aligned_check(ctx, slot, offset, from, size);
    return slot_write(slot, offset, from, size, fault);
}

static int posix_sync(void *ctx, int file, struct fault *fault)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    if (fsync(slot->fd) != 0)
        return disk_posix_fault(fault, errno, "fsync", slot->path);
    return 0;
}

static int posix_sync_dir(void *ctx, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    if (fsync(disk->dir_fd) != 0)
        return disk_posix_fault(fault, errno, "fsync of directory", disk->dir);
    return 0;
}

static int posix_rename(void *ctx, const char *from, const char *to, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    if (renameat(disk->dir_fd, from, disk->dir_fd, to) != 0)
        return disk_posix_fault(fault, errno, "rename", from);
    return 0;
}

static int posix_unlink(void *ctx, const char *path, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    if (unlinkat(disk->dir_fd, path, 0) != 0)
        return disk_posix_fault(fault, errno, "remove", path);
    return 0;
}

static int posix_list(void *ctx, void (*each)(void *self, const char *name), void *self,
                      struct fault *fault)
{
    struct disk_posix *disk = ctx;
    int fd = openat(disk->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int os_error = errno;
        if (fd >= 0)
            close(fd);
        return disk_posix_fault(fault, os_error, "list", disk->dir);
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(self, entry->d_name);
    }
    int err = errno ? disk_posix_fault(fault, errno, "list", disk->dir) : 0;
    closedir(dir);
    return err;
}

static int posix_room(void *ctx, uint64_t *bytes, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    struct statvfs st;
    if (fstatvfs(disk->dir_fd, &st) != 0)
        return disk_posix_fault(fault, errno, "free space of", disk->dir);
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static int posix_preallocate(void *ctx, int file, uint64_t size, struct fault *fault)
{
    struct disk_posix_file *slot = file_of(ctx, file);
    int rc;
    do {
        rc = fallocate(slot->fd, 0, 0, (off_t)size);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno != EOPNOTSUPP) {
        char what[64];
        int os_error = errno;
        snprintf(what, sizeof(what), "set aside %llu KiB for", (unsigned long long)(size >> 10));
        return disk_posix_fault(fault, os_error, what, slot->path);
    }
    /* No reservation here: whoever wants one writes the zeros, as the log does. */
    if (ftruncate(slot->fd, (off_t)size) != 0)
        return disk_posix_fault(fault, errno, "set the size of", slot->path);
    return 0;
}

static int posix_lock(void *ctx, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    CHECK(disk->lock_fd >= 0);
    /* The directory itself too, where the file system can: the file may be removed by somebody who
     * takes it for left over, and then a second node would make one of its own. */
    bool held = flock(disk->dir_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held || flock(disk->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (!held && errno != EWOULDBLOCK)
            return disk_posix_fault(fault, errno, "lock", LOCK_FILE);
        char pid[16] = {0};
        ssize_t n = pread(disk->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
        return fault_set(fault, ERR_BUSY, "data directory %s is in use by process %s", disk->dir,
                         pid[0] ? pid : "(unknown)");
    }
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(disk->lock_fd, 0) != 0 || pwrite(disk->lock_fd, pid, (size_t)n, 0) != n)
        return disk_posix_fault(fault, errno, "write", LOCK_FILE);
    return 0;
}

static int done_room(const struct disk_posix *disk, const char *name, struct fault *fault)
{
    if (disk->done_count < DISK_WRITES_MAX)
        return 0;
    return fault_set(fault, ERR_FULL, "%s: %d operations are in flight", name, DISK_WRITES_MAX);
}

static void done_add(struct disk_posix *disk, uint64_t token, int err, uint64_t begin_ns,
                     const struct fault *why)
{
    if (err)
        disk->done_fault = *why;
    disk->done[disk->done_count++] =
        (struct disk_done){token, err, 0, clock_now().mono_ns - begin_ns};
}

static int posix_submit_write(void *ctx, int file, uint64_t offset, const void *memory,
                              uint32_t size, uint64_t token, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    struct disk_posix_file *slot = file_of(disk, file);
    struct fault why;
    CHECK(size > 0 && size <= DISK_WRITE_SIZE_MAX);
    aligned_check(disk, slot, offset, memory, size);
    int err = done_room(disk, slot->path, fault);
    if (err)
        return err;
    uint64_t begin_ns = clock_now().mono_ns;
    err = slot_write(slot, offset, memory, size, &why);
    done_add(disk, token, err, begin_ns, &why);
    return 0;
}

static int posix_submit_unlink(void *ctx, const char *path, uint64_t token, struct fault *fault)
{
    struct fault why;
    int err = done_room(ctx, path, fault);
    if (err)
        return err;
    uint64_t begin_ns = clock_now().mono_ns;
    err = posix_unlink(ctx, path, &why);
    done_add(ctx, token, err, begin_ns, &why);
    return 0;
}

static int posix_submit_sync_dir(void *ctx, uint64_t token, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    struct fault why;
    int err = done_room(ctx, disk->dir, fault);
    if (err)
        return err;
    uint64_t begin_ns = clock_now().mono_ns;
    err = posix_sync_dir(ctx, &why);
    done_add(ctx, token, err, begin_ns, &why);
    return 0;
}

static uint32_t posix_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct disk_posix *disk = ctx;
    uint32_t n = disk->done_count < max ? disk->done_count : max;
    for (uint32_t i = 0; i < n; i++) {
        done[i] = disk->done[i];
        if (done[i].err && fault)
            *fault = disk->done_fault;
    }
    disk->done_count -= n;
    memmove(disk->done, disk->done + n, disk->done_count * sizeof(*done));
    return n;
}

/* The unit of direct writes on the file system that holds fd; 0 when it takes none. A kernel before
 * 6.1 cannot say: 4096 serves every disk. */
static uint32_t direct_unit(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && (st.stx_mask & STATX_DIOALIGN)) {
        uint32_t unit = st.stx_dio_offset_align;
        if (st.stx_dio_mem_align > unit)
            unit = st.stx_dio_mem_align;
        return unit > DISK_BLOCK_SIZE_MAX ? 0 : unit;
    }
#endif
    (void)fd;
    return DISK_BLOCK_SIZE_MAX;
}

static void table_fill(struct disk_posix *disk, struct disk_io *io)
{
    *io = (struct disk_io){
        .ctx = disk,
        .name = "posix",
        .where = disk->dir,
        .block_size = disk->block_size,
        .park_fd = -1,
        .open = posix_open,
        .close = posix_close,
        .size = posix_size,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .sync = posix_sync,
        .sync_dir = posix_sync_dir,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .list = posix_list,
        .room = posix_room,
        .preallocate = posix_preallocate,
        .lock = posix_lock,
        .submit_write = posix_submit_write,
        .submit_unlink = posix_submit_unlink,
        .submit_sync_dir = posix_submit_sync_dir,
        .poll = posix_poll,
    };
}

int disk_posix_init(struct disk_posix *disk, struct disk_io *io, const char *dir, bool read_only,
                    struct fault *fault)
{
    memset(disk, 0, sizeof(*disk));
    for (int i = 0; i < DISK_POSIX_FILES_MAX; i++)
        atomic_init(&disk->files[i].fd, -1);
    disk->lock_fd = -1;
    disk->block_size = DISK_BLOCK_SIZE_MIN;
    if (strlen(dir) >= sizeof(disk->dir))
        return fault_set(fault, ERR_RANGE, "data directory: a name of %zu bytes, at most %zu work",
                         strlen(dir), sizeof(disk->dir) - 1);
    strcpy(disk->dir, dir);
    if (!read_only && mkdir(dir, 0750) != 0 && errno != EEXIST)
        return disk_posix_fault(fault, errno, "make data directory", dir);
    disk->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->dir_fd < 0)
        return disk_posix_fault(fault, errno, "open data directory", dir);
    if (!read_only) {
        disk->lock_fd = openat(disk->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (disk->lock_fd < 0) {
            int os_error = errno;
            close(disk->dir_fd);
            return disk_posix_fault(fault, os_error, "open", LOCK_FILE);
        }
        uint32_t unit = direct_unit(disk->lock_fd);
        disk->direct = unit != 0;
        while (disk->block_size < unit)
            disk->block_size *= 2;
    }
    table_fill(disk, io);
    return 0;
}

void disk_posix_fini(struct disk_posix *disk)
{
    for (int i = 0; i < DISK_POSIX_FILES_MAX; i++) {
        int fd = atomic_load_explicit(&disk->files[i].fd, memory_order_relaxed);
        if (fd >= 0)
            posix_close(disk, i);
    }
    if (disk->lock_fd >= 0)
        close(disk->lock_fd);
    close(disk->dir_fd);
    disk->lock_fd = disk->dir_fd = -1;
}
