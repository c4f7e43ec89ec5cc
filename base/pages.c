#include "base/pages.h"

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct pages_piece {
    void *at;
    uint64_t size;
    bool twice;
};

/* Shared by all nodes of the process, so that what one gave back serves the next. */
static struct {
    bool keep;
    uint32_t count;
    struct pages_piece kept[PAGES_KEPT_MAX];
} pages;

void pages_keep(void)
{
    pages.keep = true;
}

static void *pages_again(uint64_t size, bool twice)
{
    for (uint32_t i = pages.count; i-- > 0;) {
        struct pages_piece piece = pages.kept[i];
        if (piece.size != size || piece.twice != twice)
            continue;
        pages.kept[i] = pages.kept[--pages.count];
        return piece.at;
    }
    return NULL;
}

static void pages_back(void *at, uint64_t size, bool twice)
{
    CHECK(at && size > 0 && size % 4096 == 0);
    if (pages.keep && pages.count < PAGES_KEPT_MAX)
        pages.kept[pages.count++] = (struct pages_piece){at, size, twice};
    else
        CHECK(munmap(at, twice ? 2 * size : size) == 0);
}

void *pages_take(uint64_t size)
{
    CHECK(size > 0 && size % 4096 == 0);
    void *at = pages_again(size, false);
    if (at)
        return at;
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
              0);
    return at == MAP_FAILED ? NULL : at;
}

void pages_give(void *at, uint64_t size)
{
    pages_back(at, size, false);
}

static void *pages_map_twice(int fd, uint64_t size)
{
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;

    uint8_t *both = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED)
        return NULL;
    if (mmap(both, size, prot, flags, fd, 0) == MAP_FAILED ||
        mmap(both + size, size, prot, flags, fd, 0) == MAP_FAILED) {
        munmap(both, 2 * size);
        return NULL;
    }
    return both;
}

void *pages_take_twice(const char *name, uint64_t size)
{
    CHECK(size > 0 && size % 4096 == 0);
    void *at = pages_again(size, true);
    if (at)
        return at;
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)size) == 0)
        at = pages_map_twice(fd, size);
    close(fd);
    return at;
}

void pages_give_twice(void *at, uint64_t size)
{
    pages_back(at, size, true);
}
