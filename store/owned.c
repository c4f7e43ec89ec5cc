#include "store/owned.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BUCKET_COUNT_MIN 64u
#define MOVE_BUCKETS     4u /* at each insertion: the old table is empty before the next growth */

int owned_init(struct owned_index *index)
{
    memset(index, 0, sizeof *index);
    index->now.buckets = calloc(BUCKET_COUNT_MIN, sizeof(struct owned *));
    index->now.bucket_count = BUCKET_COUNT_MIN;
    return index->now.buckets ? 0 : ERR_NOMEM;
}

static void table_free(struct owned_table *table)
{
    for (uint64_t i = 0; table->buckets && i < table->bucket_count; i++) {
        struct owned *next;
        for (struct owned *owned = table->buckets[i]; owned; owned = next) {
            next = owned->chain;
            free(owned);
        }
    }
    free(table->buckets);
    *table = (struct owned_table){0};
}

void owned_fini(struct owned_index *index)
{
    table_free(&index->now);
    table_free(&index->old);
}

static struct owned **bucket(const struct owned_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void move_some(struct owned_index *index)
{
    for (uint32_t n = 0; n < MOVE_BUCKETS && index->old.bucket_count; n++) {
        struct owned *owned = index->old.buckets[index->move_next], *next;
        index->old.buckets[index->move_next] = NULL;
        for (; owned; owned = next) {
            struct owned **to = bucket(&index->now, owned->hash);
            next = owned->chain;
            owned->chain = *to;
            *to = owned;
        }
        if (++index->move_next == index->old.bucket_count)
            table_free(&index->old);
    }
}

/* At one entry a bucket the table doubles; without memory it stays, only slower. */
static void grow(struct owned_index *index)
{
    if (index->count < index->now.bucket_count || index->old.bucket_count)
        return;
    struct owned **buckets = calloc(index->now.bucket_count * 2, sizeof(struct owned *));
    if (!buckets)
        return;
    index->old = index->now;
    index->now = (struct owned_table){buckets, index->old.bucket_count * 2};
    index->move_next = 0;
}

int owned_add(struct owned_index *index, struct owned_list *list, struct bytes path)
{
    CHECK(path.size > 0);
    DCHECK(!owned_find(index, path));
    struct owned *owned = malloc(sizeof *owned + (size_t)path.size);
    if (!owned)
        return ERR_NOMEM;
    grow(index);
    move_some(index);
    owned->hash = XXH3_64bits(path.at, (size_t)path.size);
    owned->size = path.size;
    memcpy(owned->path, path.at, (size_t)path.size);
    struct owned **to = bucket(&index->now, owned->hash);
    owned->chain = *to;
    *to = owned;
    owned->list = list;
    owned->next = NULL;
    owned->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = owned;
    list->last = owned;
    list->count++;
    index->count++;
    return 0;
}

/* The link that points to the entry of a path, in one of the tables, or NULL. */
static struct owned **link_of(const struct owned_table *table, struct bytes path, uint64_t hash)
{
    if (!table->bucket_count)
        return NULL;
    struct owned **link = bucket(table, hash);
    for (; *link; link = &(*link)->chain)
        if ((*link)->hash == hash && bytes_equal(owned_path(*link), path))
            return link;
    return NULL;
}

static struct owned **link_any(struct owned_index *index, struct bytes path, uint64_t hash)
{
    struct owned **link = link_of(&index->now, path, hash);
    return link ? link : link_of(&index->old, path, hash);
}

struct owned *owned_find(struct owned_index *index, struct bytes path)
{
    CHECK(path.size > 0);
    if (index->count == 0)
        return NULL;
    struct owned **link = link_any(index, path, XXH3_64bits(path.at, (size_t)path.size));
    return link ? *link : NULL;
}

void owned_remove(struct owned_index *index, struct owned *owned)
{
    struct owned **link = link_any(index, owned_path(owned), owned->hash);
    struct owned_list *list = owned->list;
    CHECK(link && *link == owned);
    CHECK(list->count > 0);
    *link = owned->chain;
    *(owned->prev ? &owned->prev->next : &list->first) = owned->next;
    *(owned->next ? &owned->next->prev : &list->last) = owned->prev;
    list->count--;
    index->count--;
    free(owned);
}
