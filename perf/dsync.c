/* A bare durable append: writes of one block into a preallocated, zeroed file, each durable before
 * the next, as a log does with nothing around it. O_DIRECT where the file system has it.
 *
 *   dsync DIR SECONDS [BYTES]    prints one line: samples p50_ns p99_ns p999_ns mean_ns
 * direct|buffered
 */
#include "base/clock.h"
#include "base/hist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DSYNC_FILE_SIZE (64 << 20)
#define DSYNC_ZERO_SIZE (1 << 20)

static int dsync_fail(const char *what)
{
    fprintf(stderr, "dsync: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Writes zeros over the whole file, so that no write below has an extent to convert. */
static int dsync_prepare(const char *path)
{
    static char zeros[DSYNC_ZERO_SIZE];
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return dsync_fail(path);
    for (int i = 0; i < DSYNC_FILE_SIZE / DSYNC_ZERO_SIZE; i++)
        if (write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
            return dsync_fail("cannot fill the file");
    if (fsync(fd) != 0)
        return dsync_fail("fsync");
    return close(fd);
}

static int dsync_run(const char *path, double seconds, size_t size)
{
    void *block;
    struct hist *hist = malloc(sizeof(*hist));
    bool direct = true;
    int fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (hist == NULL || posix_memalign(&block, 4096, (size + 4095) & ~(size_t)4095) != 0)
        return dsync_fail("no memory");
    memset(block, 'x', size);
    if (fd >= 0 && pwrite(fd, block, size, 0) != (ssize_t)size) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        direct = false;
        fd = open(path, O_WRONLY | O_DSYNC | O_CLOEXEC);
    }
    if (fd < 0)
        return dsync_fail(path);
    hist_init(hist);
    uint64_t now_ns = clock_now().mono_ns, end_ns = now_ns + (uint64_t)(seconds * 1e9);
    for (off_t at = 0; now_ns < end_ns; at += (off_t)size) {
        uint64_t from_ns = now_ns;
        if (at + (off_t)size > DSYNC_FILE_SIZE)
            at = 0;
        if (pwrite(fd, block, size, at) != (ssize_t)size)
            return dsync_fail("write");
        now_ns = clock_now().mono_ns;
        hist_record(hist, now_ns - from_ns);
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.0f %s\n", hist->count,
           hist_percentile(hist, 50), hist_percentile(hist, 99), hist_percentile(hist, 99.9),
           hist->sum_ns / (double)hist->count, direct ? "direct" : "buffered");
    free(block);
    free(hist);
    return close(fd);
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc != 3 && argc != 4) {
        fputs("usage: dsync DIR SECONDS [BYTES]\n", stderr);
        return 2;
    }
    size_t size = argc == 4 ? strtoul(argv[3], NULL, 10) : 512;
    if (size < 512 || size > DSYNC_ZERO_SIZE || size % 512 != 0) {
        fputs("dsync: BYTES is a multiple of 512, at most 1 MiB\n", stderr);
        return 2;
    }
    snprintf(path, sizeof(path), "%s/dsync.%d", argv[1], (int)getpid());
    int code = dsync_prepare(path);
    if (code == 0)
        code = dsync_run(path, strtod(argv[2], NULL), size);
    unlink(path);
    return code;
}
