#include "base/slab.h"

#include "base/check.h"

#include <string.h>
#include <sys/mman.h>

static uint32_t slab_class(uint64_t size)
{
    if (size <= (1u << SLAB_CLASS_LOG2_MIN))
        return 0;
    return 64 - (uint32_t)__builtin_clzll(size - 1) - SLAB_CLASS_LOG2_MIN;
}

int slab_init(struct slab *slab, uint64_t limit)
{
    memset(slab, 0, sizeof(*slab));
    slab->region = mmap(NULL, limit, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->region == MAP_FAILED) {
        slab->region = NULL;
        return ERR_NOMEM;
    }
    slab->limit = limit;
    return 0;
}

void slab_fini(struct slab *slab)
{
    if (slab->region)
        munmap(slab->region, slab->limit);
    slab->region = NULL;
}

uint64_t slab_size_usable(uint64_t size)
{
    return 1ull << (slab_class(size) + SLAB_CLASS_LOG2_MIN);
}

void *slab_alloc(struct slab *slab, uint64_t size)
{
    uint32_t class = slab_class(size);
    if (class >= SLAB_CLASS_COUNT)
        return NULL;
    uint64_t usable = 1ull << (class + SLAB_CLASS_LOG2_MIN);
    void *piece = slab->free[class];
    if (piece) {
        memcpy(&slab->free[class], piece, sizeof(void *));
    } else {
        if (usable > slab->limit - slab->carved)
            return NULL;
        piece = slab->region + slab->carved;
        slab->carved += usable;
    }
    slab->in_use += usable;
    return piece;
}

void slab_free(struct slab *slab, void *piece, uint64_t size)
{
    if (!piece)
        return;
    uint32_t class = slab_class(size);
    uint64_t usable = 1ull << (class + SLAB_CLASS_LOG2_MIN);
    CHECK(class < SLAB_CLASS_COUNT);
    CHECK((uint8_t *)piece >= slab->region && (uint8_t *)piece < slab->region + slab->carved);
    CHECK(slab->in_use >= usable);
    memcpy(piece, &slab->free[class], sizeof(void *));
    slab->free[class] = piece;
    slab->in_use -= usable;
}
