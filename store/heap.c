#include "store/heap.h"

#include "base/check.h"

#include <string.h>

static void heap_count(struct heap *heap, uint64_t more, uint64_t less)
{
    /* One writer: a plain store is enough, no locked instruction. */
    uint64_t used = atomic_load_explicit(&heap->used_size, memory_order_relaxed);
    CHECK(used + more >= less);
    atomic_store_explicit(&heap->used_size, used + more - less, memory_order_relaxed);
}

uint64_t heap_used(const struct heap *heap)
{
    return atomic_load_explicit(&heap->used_size, memory_order_relaxed);
}

#ifdef TAKT_JEMALLOC
#include <jemalloc/jemalloc.h>

int heap_init(struct heap *heap)
{
    size_t size = sizeof(unsigned);
    memset(heap, 0, sizeof(*heap));
    if (mallctl("arenas.create", &heap->arena, &size, NULL, 0) != 0)
        return ERR_NOMEM;
    if (mallctl("tcache.create", &heap->tcache, &size, NULL, 0) != 0)
        return ERR_NOMEM;
    heap->flags = (int)(MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE(heap->tcache));
    for (uint32_t i = 1; i < HEAP_STEP_COUNT; i++) {
        size_t class_size = nallocx(i * HEAP_STEP_SIZE, heap->flags);
        CHECK(class_size <= HEAP_SMALL_SIZE && class_size % HEAP_STEP_SIZE == 0);
        heap->class_size[i] = (uint16_t)class_size;
    }
    return 0;
}

void heap_fini(struct heap *heap)
{
    size_t mib[3];
    size_t mib_size = sizeof(mib) / sizeof(mib[0]);
    if (heap->flags == 0)
        return; /* heap_init did not succeed */
    mallctl("tcache.destroy", NULL, NULL, &heap->tcache, sizeof(heap->tcache));
    if (mallctlnametomib("arena.0.destroy", mib, &mib_size) == 0) {
        mib[1] = heap->arena;
        mallctlbymib(mib, sizeof(mib) / sizeof(mib[0]), NULL, NULL, NULL, 0);
    }
    memset(heap, 0, sizeof(*heap));
}

static void *heap_alloc_small(struct heap *heap, size_t size)
{
    uint32_t class_size = heap->class_size[(size + HEAP_STEP_SIZE - 1) / HEAP_STEP_SIZE];
    struct heap_piece **kept = &heap->kept[class_size / HEAP_STEP_SIZE], *piece = *kept;
    if (piece) {
        *kept = piece->next;
        heap->kept_size -= class_size;
    } else {
        piece = mallocx(class_size, heap->flags);
        if (!piece)
            return NULL;
    }
    heap_count(heap, class_size, 0);
    return piece;
}

static void heap_free_small(struct heap *heap, struct heap_piece *piece, size_t size)
{
    uint32_t class_size = heap->class_size[(size + HEAP_STEP_SIZE - 1) / HEAP_STEP_SIZE];
    struct heap_piece **kept = &heap->kept[class_size / HEAP_STEP_SIZE];
    heap_count(heap, 0, class_size);
    if (heap->kept_size + class_size > HEAP_KEPT_SIZE) {
        sdallocx(piece, class_size, heap->flags);
        return;
    }
    piece->next = *kept;
    *kept = piece;
    heap->kept_size += class_size;
}

void *heap_alloc(struct heap *heap, size_t size)
{
    CHECK(size > 0);
    if (size <= HEAP_SMALL_SIZE)
        return heap_alloc_small(heap, size);
    void *piece = mallocx(size, heap->flags);
    if (piece)
        heap_count(heap, nallocx(size, heap->flags), 0);
    return piece;
}

void heap_free(struct heap *heap, void *piece, size_t size)
{
    CHECK(piece);
    if (size <= HEAP_SMALL_SIZE) {
        heap_free_small(heap, piece, size);
        return;
    }
    heap_count(heap, 0, nallocx(size, heap->flags));
    sdallocx(piece, size, heap->flags);
}

#else
#include <stdlib.h>

/* What a size class of 16 bytes would hold; exact enough for builds that look for bugs. */
static size_t heap_class(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

int heap_init(struct heap *heap)
{
    memset(heap, 0, sizeof(*heap));
    return 0;
}

void heap_fini(struct heap *heap)
{
    memset(heap, 0, sizeof(*heap));
}

void *heap_alloc(struct heap *heap, size_t size)
{
    CHECK(size > 0);
    void *piece = malloc(size);
    if (piece)
        heap_count(heap, heap_class(size), 0);
    return piece;
}

void heap_free(struct heap *heap, void *piece, size_t size)
{
    CHECK(piece);
    heap_count(heap, 0, heap_class(size));
    free(piece);
}
#endif
