#include "tests/unit/mem_disk.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* True when this call is the one that is to fail. */
static bool fails(struct mem_disk *disk, int *err, struct fault *fault)
{
    disk->calls++;
    if (disk->calls != disk->fail_at)
        return false;
    *err = fault_set(fault, disk->fail_err, "call %u was made to fail", disk->calls);
    return true;
}

struct mem_disk_file *mem_disk_file(struct mem_disk *disk, const char *name)
{
    for (int i = 0; i < MEM_DISK_FILE_MAX; i++)
        if (disk->files[i].there && strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

static struct mem_disk_file *make_file(struct mem_disk *disk, const char *name)
{
    for (int i = 0; i < MEM_DISK_FILE_MAX; i++) {
        struct mem_disk_file *file = &disk->files[i];
        if (file->there)
            continue;
        memset(file, 0, sizeof(*file));
        file->there = true;
        snprintf(file->name, sizeof(file->name), "%s", name);
        return file;
    }
    CHECK(!"room for a file");
    return NULL;
}

static void drop_file(struct mem_disk_file *file)
{
    free(file->bytes);
    memset(file, 0, sizeof(*file));
}

static void write_at(struct mem_disk_file *file, uint64_t offset, const void *from, uint64_t size)
{
    if (offset + size > file->size) {
        file->bytes = realloc(file->bytes, offset + size);
        CHECK(file->bytes);
        memset(file->bytes + file->size, 0, offset + size - file->size);
        file->size = offset + size;
    }
    memcpy(file->bytes + offset, from, size);
}

void mem_disk_put(struct mem_disk *disk, const char *name, const void *bytes, uint64_t size)
{
    struct mem_disk_file *file = mem_disk_file(disk, name);
    if (file)
        drop_file(file);
    file = make_file(disk, name);
    if (size > 0)
        write_at(file, 0, bytes, size);
}

static int mem_open(void *ctx, const char *path, uint32_t flags, int *file, struct fault *fault)
{
    struct mem_disk *disk = ctx;
    struct mem_disk_file *at = mem_disk_file(disk, path);
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    if (flags & DISK_OPEN_CREATE) {
        if (at)
            return fault_set(fault, ERR_EXISTS, "%s is there", path);
        at = make_file(disk, path);
    }
    if (!at)
        return fault_set(fault, ERR_NOTFOUND, "%s is not there", path);
    disk->open_count++;
    *file = (int)(at - disk->files);
    return 0;
}

static void mem_close(void *ctx, int file)
{
    ((struct mem_disk *)ctx)->open_count--;
}

static int mem_size(void *ctx, int file, uint64_t *size, struct fault *fault)
{
    struct mem_disk *disk = ctx;
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    *size = disk->files[file].size;
    return 0;
}

static int mem_pread(void *ctx, int file, uint64_t offset, void *to, uint32_t size, uint32_t *got,
                     struct fault *fault)
{
    struct mem_disk *disk = ctx;
    const struct mem_disk_file *at = &disk->files[file];
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    uint64_t left = offset < at->size ? at->size - offset : 0;
    *got = left < size ? (uint32_t)left : size;
    if (*got > 0)
        memcpy(to, at->bytes + offset, *got);
    return 0;
}

static int mem_pwrite(void *ctx, int file, uint64_t offset, const void *from, uint32_t size,
                      struct fault *fault)
{
    struct mem_disk *disk = ctx;
    int err = 0;
    if (fails(disk, &err, fault)) {
        write_at(&disk->files[file], offset, from, size / 2); /* as a full disk does */
        return err;
    }
    write_at(&disk->files[file], offset, from, size);
    return 0;
}

static int mem_sync(void *ctx, int file, struct fault *fault)
{
    int err = 0;
    fails(ctx, &err, fault);
    return err;
}

static int mem_sync_dir(void *ctx, struct fault *fault)
{
    int err = 0;
    fails(ctx, &err, fault);
    return err;
}

static int mem_rename(void *ctx, const char *from, const char *to, struct fault *fault)
{
    struct mem_disk *disk = ctx;
    struct mem_disk_file *file = mem_disk_file(disk, from), *old = mem_disk_file(disk, to);
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    if (!file)
        return fault_set(fault, ERR_NOTFOUND, "%s is not there", from);
    if (old)
        drop_file(old);
    snprintf(file->name, sizeof(file->name), "%s", to);
    return 0;
}

static int mem_unlink(void *ctx, const char *path, struct fault *fault)
{
    struct mem_disk *disk = ctx;
    struct mem_disk_file *file = mem_disk_file(disk, path);
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    if (!file)
        return fault_set(fault, ERR_NOTFOUND, "%s is not there", path);
    drop_file(file);
    return 0;
}

static int mem_list(void *ctx, void (*each)(void *self, const char *name), void *self,
                    struct fault *fault)
{
    struct mem_disk *disk = ctx;
    int err = 0;
    if (fails(disk, &err, fault))
        return err;
    for (int i = 0; i < MEM_DISK_FILE_MAX; i++)
        if (disk->files[i].there)
            each(self, disk->files[i].name);
    return 0;
}

void mem_disk_init(struct mem_disk *disk)
{
    memset(disk, 0, sizeof(*disk));
    disk->fail_err = ERR_IO;
    disk->io = (struct disk_io){.ctx = disk,
                                .name = "memory",
                                .block_size = DISK_BLOCK_SIZE_MIN,
                                .park_fd = -1,
                                .open = mem_open,
                                .close = mem_close,
                                .size = mem_size,
                                .pread = mem_pread,
                                .pwrite = mem_pwrite,
                                .sync = mem_sync,
                                .sync_dir = mem_sync_dir,
                                .rename = mem_rename,
                                .unlink = mem_unlink,
                                .list = mem_list};
}

void mem_disk_fini(struct mem_disk *disk)
{
    for (int i = 0; i < MEM_DISK_FILE_MAX; i++)
        if (disk->files[i].there)
            drop_file(&disk->files[i]);
}
