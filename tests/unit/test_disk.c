/* Goal: both real disks keep the promises of base/disk_io.h on this machine's file system, and say
 * which file an error is about. Method: a temporary data directory, each function, each error that
 * can be had without root. */
#include "consensus/disk_uring.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
    char dir[64];
    struct disk_io io;
    struct disk_posix posix;
    struct disk_uring *uring;
    struct fault fault;
    uint8_t *block; /* DISK_BLOCK_SIZE_MAX bytes, aligned */
};

static struct bench *bench_new(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    strcpy(bench->dir, "/tmp/takt-disk-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    bench->block = aligned_alloc(DISK_BLOCK_SIZE_MAX, 2 * DISK_BLOCK_SIZE_MAX);
    return bench;
}

static int setup_posix(void **state)
{
    struct bench *bench = bench_new();
    *state = bench;
    return disk_posix_init(&bench->posix, &bench->io, bench->dir, false, &bench->fault);
}

static int setup_uring(void **state)
{
    struct bench *bench = bench_new();
    *state = bench;
    int err = disk_uring_create(&bench->uring, &bench->io, bench->dir, &bench->fault);
    return err == ERR_UNSUPPORTED ? 0 : err;
}

static void remove_one(void *self, const char *name)
{
    char path[512];
    struct bench *bench = self;
    snprintf(path, sizeof(path), "%s/%s", bench->dir, name);
    unlink(path);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    struct disk_posix disk;
    struct disk_io io;
    if (bench->uring)
        disk_uring_destroy(bench->uring);
    else if (bench->io.ctx)
        disk_posix_fini(&bench->posix);
    assert_int_equal(disk_posix_init(&disk, &io, bench->dir, true, NULL), 0);
    assert_int_equal(io.list(io.ctx, remove_one, bench, NULL), 0);
    disk_posix_fini(&disk);
    rmdir(bench->dir);
    free(bench->block);
    free(bench);
    return 0;
}

static void count_one(void *self, const char *name)
{
    if (strcmp(name, "b") == 0 || strcmp(name, "takt.lock") == 0)
        *(int *)self += 1;
}

static void test_files(void **state)
{
    struct bench *bench = *state;
    struct disk_io *io = &bench->io;
    uint8_t back[8] = {0};
    uint32_t got;
    uint64_t size, room;
    int file, count = 0;
    if (!io->ctx)
        skip();
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_READ, &file, &bench->fault), ERR_NOTFOUND);
    assert_non_null(strstr(bench->fault.text, "open a: "));
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_CREATE, &file, &bench->fault), 0);
    assert_int_equal(io->pwrite(io->ctx, file, 3, "hello", 5, &bench->fault), 0);
    assert_int_equal(io->sync(io->ctx, file, &bench->fault), 0);
    assert_int_equal(io->size(io->ctx, file, &size, &bench->fault), 0);
    assert_int_equal(size, 8);
    assert_int_equal(io->pread(io->ctx, file, 4, back, sizeof(back), &got, &bench->fault), 0);
    assert_int_equal(got, 4);
    assert_memory_equal(back, "ello", 4);
    io->close(io->ctx, file);
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_CREATE, &file, &bench->fault), ERR_EXISTS);
    assert_int_equal(io->rename(io->ctx, "a", "b", &bench->fault), 0);
    assert_int_equal(io->rename(io->ctx, "a", "b", &bench->fault), ERR_NOTFOUND);
    assert_int_equal(io->unlink(io->ctx, "a", &bench->fault), ERR_NOTFOUND);
    assert_int_equal(io->sync_dir(io->ctx, &bench->fault), 0);
    assert_int_equal(io->list(io->ctx, count_one, &count, &bench->fault), 0);
    assert_int_equal(count, 2);
    assert_int_equal(io->room(io->ctx, &room, &bench->fault), 0);
    assert_true(room > 0);
    /* a file opened for reading cannot be written */
    assert_int_equal(io->open(io->ctx, "b", DISK_OPEN_READ, &file, &bench->fault), 0);
    assert_int_equal(io->pwrite(io->ctx, file, 0, "x", 1, &bench->fault), ERR_IO);
    assert_non_null(strstr(bench->fault.text, "write b: "));
    io->close(io->ctx, file);
    assert_int_equal(io->unlink(io->ctx, "b", &bench->fault), 0);
}

static void test_too_many_files(void **state)
{
    struct bench *bench = *state;
    struct disk_io *io = &bench->io;
    int files[DISK_POSIX_FILES_MAX], file;
    if (!io->ctx)
        skip();
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_CREATE, &files[0], NULL), 0);
    for (int i = 1; i < DISK_POSIX_FILES_MAX; i++)
        assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_READ, &files[i], NULL), 0);
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_READ, &file, &bench->fault), ERR_LIMIT);
    for (int i = 0; i < DISK_POSIX_FILES_MAX; i++)
        io->close(io->ctx, files[i]);
    assert_int_equal(io->open(io->ctx, "a", DISK_OPEN_READ, &file, NULL), 0);
    io->close(io->ctx, file);
}

static void test_lock(void **state)
{
    struct bench *bench = *state;
    struct disk_posix *other = calloc(1, sizeof(*other));
    struct disk_io io;
    char pid[32];
    if (!bench->io.ctx)
        skip();
    assert_int_equal(bench->io.lock(bench->io.ctx, &bench->fault), 0);
    assert_int_equal(disk_posix_init(other, &io, bench->dir, false, &bench->fault), 0);
    assert_int_equal(io.lock(io.ctx, &bench->fault), ERR_BUSY);
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(bench->fault.text, pid));
    disk_posix_fini(other);
    /* Nor when somebody took the lock's file for left over. */
    assert_int_equal(bench->io.unlink(bench->io.ctx, "takt.lock", &bench->fault), 0);
    assert_int_equal(disk_posix_init(other, &io, bench->dir, false, &bench->fault), 0);
    assert_int_equal(io.lock(io.ctx, &bench->fault), ERR_BUSY);
    disk_posix_fini(other);
    free(other);
}

static void test_directory_errors(void **state)
{
    struct disk_posix *disk = calloc(1, sizeof(*disk));
    struct disk_io io;
    struct fault fault;
    char name[600];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = 0;
    assert_int_equal(disk_posix_init(disk, &io, name, false, &fault), ERR_RANGE);
    assert_int_equal(disk_posix_init(disk, &io, "/tmp/takt-none/there", false, &fault),
                     ERR_NOTFOUND);
    assert_int_equal(disk_posix_init(disk, &io, "/tmp/takt-none", true, &fault), ERR_NOTFOUND);
    assert_int_equal(disk_posix_init(disk, &io, "/dev/null", false, &fault), ERR_IO);
    assert_non_null(strstr(fault.text, "/dev/null"));
    free(disk);
}

static uint32_t wait_done(struct disk_io *io, struct disk_done *done, uint32_t max,
                          struct fault *fault)
{
    uint32_t n = 0;
    for (int i = 0; i < 1000 && n == 0; i++) {
        struct pollfd fd = {io->park_fd, POLLIN, 0};
        if (io->park_fd >= 0)
            assert_true(poll(&fd, 1, 5000) > 0); /* it does become readable */
        n = io->poll(io->ctx, done, max, fault);
    }
    return n;
}

static void test_asynchronous_writes(void **state)
{
    struct bench *bench = *state;
    struct disk_io *io = &bench->io;
    struct disk_done done[DISK_WRITES_MAX + 1];
    uint32_t b = io->block_size, got, ended = 0, tokens = 0;
    int file;
    if (!io->ctx)
        skip();
    assert_int_equal(
        io->open(io->ctx, "log", DISK_OPEN_CREATE | DISK_OPEN_DURABLE, &file, &bench->fault), 0);
    assert_int_equal(io->preallocate(io->ctx, file, 1 << 20, &bench->fault), 0);
    memset(bench->block, 0x5a, DISK_BLOCK_SIZE_MAX);
    for (uint32_t i = 0; i < DISK_WRITES_MAX; i++)
        assert_int_equal(
            io->submit_write(io->ctx, file, (uint64_t)i * b, bench->block, b, i, &bench->fault), 0);
    assert_int_equal(io->submit_write(io->ctx, file, 0, bench->block, b, 9, &bench->fault),
                     ERR_FULL);
    while (ended < DISK_WRITES_MAX) {
        uint32_t n = wait_done(io, done, DISK_WRITES_MAX + 1, &bench->fault);
        assert_true(n > 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(done[i].err, 0);
            assert_true(done[i].elapsed_ns > 0);
            tokens |= 1u << done[i].token;
        }
        ended += n;
    }
    assert_int_equal(tokens, (1u << DISK_WRITES_MAX) - 1);
    assert_int_equal(io->poll(io->ctx, done, 1, &bench->fault), 0);
    io->close(io->ctx, file);
    assert_int_equal(io->open(io->ctx, "log", DISK_OPEN_READ, &file, &bench->fault), 0);
    uint8_t *back = bench->block + DISK_BLOCK_SIZE_MAX;
    assert_int_equal(io->pread(io->ctx, file, 3 * b, back, b, &got, &bench->fault), 0);
    assert_int_equal(got, b);
    assert_memory_equal(back, bench->block, b);
    assert_int_equal(io->pread(io->ctx, file, 4 * b, back, 16, &got, &bench->fault), 0);
    assert_int_equal(back[0], 0);
    io->close(io->ctx, file);
}

static void test_a_failed_asynchronous_write(void **state)
{
    struct bench *bench = *state;
    struct disk_io *io = &bench->io;
    struct disk_done done;
    int file;
    if (!io->ctx)
        skip();
    assert_int_equal(io->open(io->ctx, "log", DISK_OPEN_CREATE, &file, &bench->fault), 0);
    io->close(io->ctx, file);
    /* opened for reading only: the device's answer is an error */
    assert_int_equal(io->open(io->ctx, "log", DISK_OPEN_READ, &file, &bench->fault), 0);
    assert_int_equal(
        io->submit_write(io->ctx, file, 0, bench->block, io->block_size, 5, &bench->fault), 0);
    assert_int_equal(wait_done(io, &done, 1, &bench->fault), 1);
    assert_int_equal(done.token, 5);
    assert_int_equal(done.err, ERR_IO);
    assert_non_null(strstr(bench->fault.text, "write log: "));
    io->close(io->ctx, file);
}

int main(void)
{
#define POSIX(name) cmocka_unit_test_setup_teardown(name, setup_posix, teardown)
#define URING(name)                                                                                \
    {                                                                                              \
#name " (uring)", name, setup_uring, teardown, NULL                                        \
    }
    const struct CMUnitTest tests[] = {
        POSIX(test_files),
        POSIX(test_too_many_files),
        POSIX(test_lock),
        POSIX(test_asynchronous_writes),
        POSIX(test_a_failed_asynchronous_write),
        cmocka_unit_test(test_directory_errors),
        URING(test_files),
        URING(test_lock),
        URING(test_asynchronous_writes),
        URING(test_a_failed_asynchronous_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
