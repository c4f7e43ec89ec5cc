#include "store/tree_hash.h"

#include <sys/mman.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOT_LINK    ((uint64_t)1)
#define SLOT_POINTER ((1ull << 48) - 1)
#define LAST         (TREE_HASH_SLOT_COUNT - 1)

static void *tree_hash_map(uint64_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void tree_hash_measure(struct tree_hash *hash)
{
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_relaxed);
    atomic_store_explicit(&hash->memory_size,
                          (count + hash->pool_used) * sizeof(struct tree_hash_bucket),
                          memory_order_relaxed);
}

int tree_hash_init(struct tree_hash *hash, uint64_t node_max, uint64_t seed)
{
    memset((void *)hash, 0, sizeof(*hash));
    hash->seed = seed;
    hash->bucket_max = node_max / 4 + TREE_HASH_BUCKET_MIN;
    /* Worst case of a pool: every node, and as many tombstones, in one chain of 7 a bucket. */
    hash->pool_max = node_max / 3 + TREE_HASH_BUCKET_MIN;
    hash->buckets = tree_hash_map(hash->bucket_max * sizeof(struct tree_hash_bucket));
    hash->pool = tree_hash_map(hash->pool_max * sizeof(struct tree_hash_bucket));
    if (!hash->buckets || !hash->pool) {
        tree_hash_fini(hash);
        return ERR_NOMEM;
    }
    atomic_init(&hash->bucket_count, TREE_HASH_BUCKET_MIN);
    tree_hash_measure(hash);
    return 0;
}

void tree_hash_fini(struct tree_hash *hash)
{
    if (hash->buckets)
        munmap(hash->buckets, hash->bucket_max * sizeof(struct tree_hash_bucket));
    if (hash->pool)
        munmap(hash->pool, hash->pool_max * sizeof(struct tree_hash_bucket));
    hash->buckets = hash->pool = NULL;
}

void tree_hash_presize(struct tree_hash *hash, uint64_t count)
{
    uint64_t buckets = count * 8 / TREE_HASH_LOAD_EIGHTHS;
    CHECK(hash->entry_count == 0);
    if (buckets > hash->bucket_max)
        buckets = hash->bucket_max;
    if (buckets > TREE_HASH_BUCKET_MIN)
        atomic_store_explicit(&hash->bucket_count, buckets, memory_order_release);
    tree_hash_measure(hash);
}

inline uint64_t tree_hash_of(const struct tree_hash *hash, struct bytes path)
{
    DCHECK(path.size > 0);
    return XXH3_64bits_withSeed(path.at, (size_t)path.size, hash->seed);
}

/* Linear hashing: of `count` buckets, those below count - 2^k have been split at level k. */
static uint64_t tree_hash_index(uint64_t value, uint64_t count)
{
    uint64_t mask = UINT64_MAX >> __builtin_clzll(count - 1);
    uint64_t index = value & mask;
    return index < count ? index : index & mask >> 1;
}

static uint64_t slot_of(const struct znode *node, uint64_t value)
{
    DCHECK(((uint64_t)(uintptr_t)node & (SLOT_LINK | ~SLOT_POINTER)) == 0);
    return (uint64_t)(uintptr_t)node | (value & ~SLOT_POINTER);
}

static struct znode *slot_node(uint64_t slot)
{
    return (struct znode *)(uintptr_t)(slot & SLOT_POINTER);
}

static struct tree_hash_bucket *slot_link(uint64_t slot)
{
    return (struct tree_hash_bucket *)(uintptr_t)(slot & ~SLOT_LINK);
}

static struct tree_hash_bucket *bucket_next(const struct tree_hash_bucket *bucket)
{
    uint64_t last = atomic_load_explicit(&bucket->slots[LAST], memory_order_acquire);
    return last & SLOT_LINK ? slot_link(last) : NULL;
}

void tree_hash_prefetch(const struct tree_hash *hash, uint64_t value)
{
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_acquire);
    __builtin_prefetch(&hash->buckets[tree_hash_index(value, count)]);
}

/* Is the path of the node in this slot the one that is looked for? Most slots differ in the tag. */
static inline struct znode *tree_hash_match(uint64_t slot, struct bytes path, uint64_t value)
{
    if ((slot ^ value) >> 48 != 0 || slot_node(slot) == NULL)
        return NULL;
    return znode_path_is(slot_node(slot), path) ? slot_node(slot) : NULL;
}

/* Probes one chain. *at is the slot where the path was found. */
static inline struct znode *tree_hash_probe(struct tree_hash_bucket *bucket, struct bytes path,
                                            uint64_t value, tree_hash_slot **at)
{
    for (;;) {
        struct znode *node;
#pragma GCC unroll 8
        for (uint32_t i = 0; i < LAST; i++) {
            *at = &bucket->slots[i];
            node = tree_hash_match(atomic_load_explicit(*at, memory_order_acquire), path, value);
            if (node)
                return node;
        }
        *at = &bucket->slots[LAST];
        uint64_t last = atomic_load_explicit(*at, memory_order_acquire);
        if (!(last & SLOT_LINK))
            return tree_hash_match(last, path, value);
        bucket = slot_link(last);
    }
}

/* One look at the table as it is now. */
static inline struct znode *tree_hash_look(const struct tree_hash *hash, struct bytes path,
                                           uint64_t value)
{
    tree_hash_slot *at;
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_acquire);
    return tree_hash_probe(&hash->buckets[tree_hash_index(value, count)], path, value, &at);
}

/* Behind a miss: looks again while the table has changed. */
__attribute__((noinline)) static struct znode *tree_hash_look_again(const struct tree_hash *hash,
                                                                    struct bytes path,
                                                                    uint64_t value, uint64_t before)
{
    for (;;) {
        uint64_t generation = atomic_load_explicit(&hash->generation, memory_order_acquire);
        if (generation == before)
            return NULL;
        before = generation;
        struct znode *node = tree_hash_look(hash, path, value);
        if (node)
            return node;
    }
}

inline struct znode *tree_hash_get(const struct tree_hash *hash, struct bytes path, uint64_t value)
{
    /* acquire; pairs with the release stores of tree_hash_split (see the header) */
    uint64_t generation = atomic_load_explicit(&hash->generation, memory_order_acquire);
    struct znode *node = tree_hash_look(hash, path, value);
    return LIKELY(node) ? node : tree_hash_look_again(hash, path, value, generation);
}

tree_hash_slot *tree_hash_find(struct tree_hash *hash, struct bytes path, uint64_t value)
{
    tree_hash_slot *at;
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_relaxed);
    return tree_hash_probe(&hash->buckets[tree_hash_index(value, count)], path, value, &at) ? at
                                                                                            : NULL;
}

struct znode *tree_hash_at(const tree_hash_slot *slot)
{
    return slot_node(atomic_load_explicit(slot, memory_order_relaxed));
}

void tree_hash_put(tree_hash_slot *slot, struct znode *node)
{
    uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
    CHECK(node && slot_node(old) && !(old & SLOT_LINK));
    atomic_store_explicit(slot, slot_of(node, old), memory_order_release);
}

static struct tree_hash_bucket *pool_take(struct tree_hash *hash)
{
    struct tree_hash_bucket *bucket = hash->pool_free;
    if (bucket) {
        uint64_t last = atomic_load_explicit(&bucket->slots[LAST], memory_order_relaxed);
        hash->pool_free = last ? slot_link(last) : NULL;
        hash->pool_free_count--;
        atomic_store_explicit(&bucket->slots[LAST], 0, memory_order_relaxed);
        return bucket;
    }
    CHECK(hash->pool_used < hash->pool_max);
    bucket = &hash->pool[hash->pool_used++];
    tree_hash_measure(hash);
    return bucket;
}

/* Takes the empty bucket `at` points to off its chain. A reader that stands on it comes to the end
 * of a chain too early or to another chain; the caller has changed the generation. */
static void pool_give(struct tree_hash *hash, tree_hash_slot *at)
{
    struct tree_hash_bucket *bucket = slot_link(atomic_load_explicit(at, memory_order_relaxed));
    uint64_t after = atomic_load_explicit(&bucket->slots[LAST], memory_order_relaxed);
    atomic_store_explicit(at, after, memory_order_release);
    uint64_t link = hash->pool_free ? (uint64_t)(uintptr_t)hash->pool_free | SLOT_LINK : 0;
    atomic_store_explicit(&bucket->slots[LAST], link, memory_order_release);
    hash->pool_free = bucket;
    hash->pool_free_count++;
}

static void chain_insert(struct tree_hash *hash, struct tree_hash_bucket *bucket, uint64_t entry)
{
    for (;;) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < TREE_HASH_SLOT_COUNT; i++) {
            last = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);
            if (last == 0) {
                atomic_store_explicit(&bucket->slots[i], entry, memory_order_release);
                return;
            }
        }
        if (!(last & SLOT_LINK)) {
            struct tree_hash_bucket *more = pool_take(hash);
            atomic_store_explicit(&more->slots[0], last, memory_order_relaxed);
            atomic_store_explicit(&more->slots[1], entry, memory_order_relaxed);
            atomic_store_explicit(&bucket->slots[LAST], (uint64_t)(uintptr_t)more | SLOT_LINK,
                                  memory_order_release);
            return;
        }
        bucket = slot_link(last);
    }
}

static void generation_next(struct tree_hash *hash)
{
    uint64_t generation = atomic_load_explicit(&hash->generation, memory_order_relaxed);
    atomic_store_explicit(&hash->generation, generation + 1, memory_order_release);
}

/* The hash of the path that an entry stands for. */
static uint64_t entry_hash(const struct tree_hash *hash, uint64_t slot)
{
    const struct znode *node = slot_node(slot);
    return tree_hash_of(hash, bytes_of(znode_path_at(node), znode_path_size(node)));
}

/* Copies what belongs into bucket `to_index` there, before readers know of that bucket. The
 * versions are fetched together first: one memory latency for the split, not one for each entry. */
static void split_copy(struct tree_hash *hash, struct tree_hash_bucket *from, uint64_t to_index)
{
    struct tree_hash_bucket *to = &hash->buckets[to_index];
    for (struct tree_hash_bucket *b = from; b; b = bucket_next(b))
        for (uint32_t i = 0; i < TREE_HASH_SLOT_COUNT; i++)
            __builtin_prefetch(slot_node(atomic_load_explicit(&b->slots[i], memory_order_relaxed)));
    for (struct tree_hash_bucket *b = from; b; b = bucket_next(b)) {
        for (uint32_t i = 0; i < TREE_HASH_SLOT_COUNT; i++) {
            uint64_t slot = atomic_load_explicit(&b->slots[i], memory_order_relaxed);
            if (slot == 0 || (slot & SLOT_LINK))
                continue;
            if (tree_hash_index(entry_hash(hash, slot), to_index + 1) == to_index)
                chain_insert(hash, to, slot);
        }
    }
}

static void split_clear(struct tree_hash *hash, struct tree_hash_bucket *from, uint64_t to_index)
{
    for (struct tree_hash_bucket *b = from; b; b = bucket_next(b)) {
        for (uint32_t i = 0; i < TREE_HASH_SLOT_COUNT; i++) {
            uint64_t slot = atomic_load_explicit(&b->slots[i], memory_order_relaxed);
            if (slot == 0 || (slot & SLOT_LINK))
                continue;
            if (tree_hash_index(entry_hash(hash, slot), to_index + 1) == to_index)
                atomic_store_explicit(&b->slots[i], 0, memory_order_release);
        }
    }
}

/* Moves entries of overflow buckets to free slots of `first`, then gives empty ones back. */
static void chain_compact(struct tree_hash *hash, struct tree_hash_bucket *first)
{
    uint64_t moved[LAST];
    tree_hash_slot *old_places[LAST];
    uint32_t moved_count = 0, free_slot = 0;
    for (struct tree_hash_bucket *b = bucket_next(first); b; b = bucket_next(b)) {
        for (uint32_t i = 0; i < TREE_HASH_SLOT_COUNT; i++) {
            uint64_t slot = atomic_load_explicit(&b->slots[i], memory_order_relaxed);
            if (slot == 0 || (slot & SLOT_LINK))
                continue;
            while (free_slot < LAST &&
                   atomic_load_explicit(&first->slots[free_slot], memory_order_relaxed) != 0)
                free_slot++;
            if (free_slot == LAST)
                goto copied;
            atomic_store_explicit(&first->slots[free_slot], slot, memory_order_release);
            moved[moved_count] = slot;
            old_places[moved_count++] = &b->slots[i];
        }
    }
copied:
    generation_next(hash); /* between the copies and the clearing: see the header */
    for (uint32_t i = 0; i < moved_count; i++) {
        CHECK(atomic_load_explicit(old_places[i], memory_order_relaxed) == moved[i]);
        atomic_store_explicit(old_places[i], 0, memory_order_release);
    }
    tree_hash_slot *at = &first->slots[LAST];
    while (atomic_load_explicit(at, memory_order_relaxed) & SLOT_LINK) {
        struct tree_hash_bucket *b = slot_link(atomic_load_explicit(at, memory_order_relaxed));
        bool empty = true;
        for (uint32_t i = 0; i < LAST; i++)
            empty &= atomic_load_explicit(&b->slots[i], memory_order_relaxed) == 0;
        uint64_t last = atomic_load_explicit(&b->slots[LAST], memory_order_relaxed);
        if (empty && (last == 0 || (last & SLOT_LINK)))
            pool_give(hash, at);
        else
            at = &b->slots[LAST];
    }
}

/* Splits the next bucket in turn: bounded work, whatever the size of the table. */
static void tree_hash_split(struct tree_hash *hash)
{
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_relaxed);
    CHECK(count < hash->bucket_max);
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(count);
    struct tree_hash_bucket *from = &hash->buckets[count - (1ull << (bits - 1))];
    split_copy(hash, from, count);
    /* release; pairs with the acquire loads of tree_hash_get */
    atomic_store_explicit(&hash->bucket_count, count + 1, memory_order_release);
    generation_next(hash);
    split_clear(hash, from, count);
    if (bucket_next(from))
        chain_compact(hash, from);
    tree_hash_measure(hash);
}

static bool tree_hash_loaded(const struct tree_hash *hash)
{
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_relaxed);
    return !hash->frozen && count < hash->bucket_max &&
           hash->entry_count * 8 > count * TREE_HASH_LOAD_EIGHTHS;
}

void tree_hash_insert(struct tree_hash *hash, struct znode *node, uint64_t value)
{
    /* Two, so that a table that was frozen catches up. */
    for (int i = 0; i < 2 && tree_hash_loaded(hash); i++)
        tree_hash_split(hash);
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_relaxed);
    chain_insert(hash, &hash->buckets[tree_hash_index(value, count)], slot_of(node, value));
    hash->entry_count++;
}

void tree_hash_remove(struct tree_hash *hash, tree_hash_slot *slot)
{
    CHECK(hash->entry_count > 0);
    CHECK(tree_hash_at(slot));
    atomic_store_explicit(slot, 0, memory_order_release);
    hash->entry_count--;
}

void tree_hash_freeze(struct tree_hash *hash, bool frozen)
{
    CHECK(hash->frozen != frozen);
    hash->frozen = frozen;
}

uint32_t tree_hash_scan(const struct tree_hash *hash, struct tree_hash_cursor *cursor,
                        struct znode **nodes, uint32_t max)
{
    uint32_t n = 0;
    uint64_t count = atomic_load_explicit(&hash->bucket_count, memory_order_acquire);
    while (n < max && cursor->bucket_index < count) {
        if (!cursor->bucket) {
            cursor->bucket = &hash->buckets[cursor->bucket_index];
            cursor->slot = 0;
        }
        while (n < max && cursor->slot < TREE_HASH_SLOT_COUNT) {
            uint64_t slot =
                atomic_load_explicit(&cursor->bucket->slots[cursor->slot++], memory_order_acquire);
            if (slot & SLOT_LINK) {
                cursor->bucket = slot_link(slot);
                cursor->slot = 0;
            } else if (slot) {
                nodes[n++] = slot_node(slot);
            }
        }
        if (cursor->slot == TREE_HASH_SLOT_COUNT) {
            cursor->bucket = NULL;
            cursor->bucket_index++;
        }
    }
    return n;
}
