#include "dataplane/watch.h"

#include "base/check.h"
#include "base/zk.h"

#include <stdlib.h>

#define WATCH_LIMIT_MAX (1ull << 28)

struct watch {
    struct watch_path *path;
    struct watch_owner *owner;
    struct watch *hash_next;
    struct watch *path_prev, *path_next;   /* the path's list of this kind */
    struct watch *owner_prev, *owner_next; /* the owner's list */
    uint32_t kind_index;
};

struct watch_path {
    struct watch_path *hash_next;
    struct watch *first[WATCH_KIND_COUNT];
    uint64_t hash;
    uint32_t count; /* watches on it, all kinds */
    uint32_t size;
    uint8_t name[];
};

static uint32_t watch_kind_index(enum watch_kind kind)
{
    return (uint32_t)__builtin_ctz((unsigned)kind);
}

/* FNV-1a with a final mix: paths are short, and the table is per NET and not shared. */
static uint64_t watch_hash(struct bytes path)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int32_t i = 0; i < path.size; i++)
        hash = (hash ^ path.at[i]) * 0x100000001b3ull;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9ull;
    return hash ^ hash >> 32;
}

static uint64_t watch_key(uint64_t path_hash, uint32_t owner_id, uint32_t kind_index)
{
    uint64_t key = path_hash ^ ((uint64_t)owner_id << 2 | kind_index) * 0x9e3779b97f4a7c15ull;
    return key ^ key >> 31;
}

int watch_init(struct watch_table *table, struct slab *slab, uint64_t limit, uint32_t owner_limit)
{
    uint64_t size = 1024;
    if (limit < 1 || limit > WATCH_LIMIT_MAX)
        return ERR_RANGE;
    while (size < limit)
        size *= 2;
    memset(table, 0, sizeof(*table));
    table->paths = calloc(size, sizeof(*table->paths));
    table->watches = calloc(size, sizeof(*table->watches));
    if (!table->paths || !table->watches) {
        watch_fini(table);
        return ERR_NOMEM;
    }
    table->slab = slab;
    table->mask = size - 1;
    table->limit = limit;
    table->owner_limit = owner_limit;
    return 0;
}

void watch_fini(struct watch_table *table)
{
    free(table->paths);
    free(table->watches);
    table->paths = NULL;
    table->watches = NULL;
}

static struct watch_path *watch_path_find(const struct watch_table *table, struct bytes name,
                                          uint64_t hash)
{
    struct watch_path *path = table->paths[hash & table->mask];
    while (path && (path->hash != hash || path->size != (uint32_t)name.size ||
                    memcmp(path->name, name.at, path->size) != 0))
        path = path->hash_next;
    return path;
}

static struct watch *watch_find(const struct watch_table *table, const struct watch_path *path,
                                const struct watch_owner *owner, uint32_t kind_index)
{
    struct watch *watch =
        table->watches[watch_key(path->hash, owner->id, kind_index) & table->mask];
    while (watch &&
           (watch->path != path || watch->owner != owner || watch->kind_index != kind_index))
        watch = watch->hash_next;
    return watch;
}

static struct watch_path *watch_path_add(struct watch_table *table, struct bytes name,
                                         uint64_t hash)
{
    struct watch_path *path = slab_alloc(table->slab, sizeof(*path) + (uint64_t)name.size);
    if (!path)
        return NULL;
    memset(path, 0, sizeof(*path));
    path->hash = hash;
    path->size = (uint32_t)name.size;
    memcpy(path->name, name.at, path->size);
    path->hash_next = table->paths[hash & table->mask];
    table->paths[hash & table->mask] = path;
    table->path_count++;
    return path;
}

static void watch_path_remove(struct watch_table *table, struct watch_path *path)
{
    struct watch_path **at = &table->paths[path->hash & table->mask];
    while (*at != path)
        at = &(*at)->hash_next;
    *at = path->hash_next;
    table->path_count--;
    slab_free(table->slab, path, sizeof(*path) + path->size);
}

static void watch_link(struct watch_table *table, struct watch *watch)
{
    struct watch_path *path = watch->path;
    struct watch_owner *owner = watch->owner;
    struct watch **chain =
        &table->watches[watch_key(path->hash, owner->id, watch->kind_index) & table->mask];
    struct watch **first = &path->first[watch->kind_index];

    watch->hash_next = *chain;
    *chain = watch;
    watch->path_prev = NULL;
    watch->path_next = *first;
    if (*first)
        (*first)->path_prev = watch;
    *first = watch;
    watch->owner_prev = NULL;
    watch->owner_next = owner->first;
    if (owner->first)
        owner->first->owner_prev = watch;
    owner->first = watch;
    path->count++;
    owner->count++;
    table->count++;
    table->kind_count[watch->kind_index]++;
}

/* Takes a watch out of everything and frees it, and its path when it was the last one there. */
static void watch_unlink(struct watch_table *table, struct watch *watch)
{
    struct watch_path *path = watch->path;
    struct watch_owner *owner = watch->owner;
    struct watch **at =
        &table->watches[watch_key(path->hash, owner->id, watch->kind_index) & table->mask];

    if (table->job.next == watch)
        table->job.next = watch->path_next;
    while (*at != watch)
        at = &(*at)->hash_next;
    *at = watch->hash_next;
    if (watch->path_next)
        watch->path_next->path_prev = watch->path_prev;
    *(watch->path_prev ? &watch->path_prev->path_next : &path->first[watch->kind_index]) =
        watch->path_next;
    if (watch->owner_next)
        watch->owner_next->owner_prev = watch->owner_prev;
    *(watch->owner_prev ? &watch->owner_prev->owner_next : &owner->first) = watch->owner_next;
    owner->count--;
    table->count--;
    table->kind_count[watch->kind_index]--;
    slab_free(table->slab, watch, sizeof(*watch));
    if (--path->count == 0)
        watch_path_remove(table, path);
}

int watch_add(struct watch_table *table, struct watch_owner *owner, struct bytes name,
              enum watch_kind kind)
{
    uint64_t hash = watch_hash(name);
    struct watch_path *path = watch_path_find(table, name, hash);
    CHECK(!table->job.open);
    if (path && watch_find(table, path, owner, watch_kind_index(kind)))
        return 0;
    if (table->count >= table->limit || owner->count >= table->owner_limit)
        return ERR_LIMIT;
    struct watch *watch = slab_alloc(table->slab, sizeof(*watch));
    if (!watch)
        return ERR_NOMEM;
    if (!path)
        path = watch_path_add(table, name, hash);
    if (!path) {
        slab_free(table->slab, watch, sizeof(*watch));
        return ERR_NOMEM;
    }
    watch->path = path;
    watch->owner = owner;
    watch->kind_index = watch_kind_index(kind);
    watch_link(table, watch);
    return 0;
}

uint32_t watch_kinds(const struct watch_table *table, const struct watch_owner *owner,
                     struct bytes name)
{
    const struct watch_path *path = watch_path_find(table, name, watch_hash(name));
    uint32_t kinds = 0;
    for (uint32_t k = 0; path && k < WATCH_KIND_COUNT; k++)
        kinds |= watch_find(table, path, owner, k) ? 1u << k : 0;
    return kinds;
}

uint32_t watch_remove(struct watch_table *table, struct watch_owner *owner, struct bytes name,
                      uint32_t kinds)
{
    uint32_t removed = watch_kinds(table, owner, name) & kinds;
    for (uint32_t k = 0; k < WATCH_KIND_COUNT; k++) {
        if (removed & 1u << k) /* the path lives as long as one of them is left */
            watch_unlink(
                table, watch_find(table, watch_path_find(table, name, watch_hash(name)), owner, k));
    }
    return removed;
}

void watch_drop(struct watch_table *table, struct watch_owner *owner)
{
    while (owner->first)
        watch_unlink(table, owner->first);
    CHECK(owner->count == 0);
}

/* The lists a change walks: of the node itself, then of all its ancestors, then of its parent. */
enum watch_place { WATCH_PLACE_NODE, WATCH_PLACE_ABOVE, WATCH_PLACE_PARENT, WATCH_PLACE_END };

struct watch_step {
    enum watch_place place;
    enum watch_kind kind;
};

static const struct watch_step watch_steps_create[] = {
    {WATCH_PLACE_NODE, WATCH_DATA},      {WATCH_PLACE_NODE, WATCH_PERSISTENT},
    {WATCH_PLACE_NODE, WATCH_RECURSIVE}, {WATCH_PLACE_ABOVE, WATCH_RECURSIVE},
    {WATCH_PLACE_PARENT, WATCH_CHILD},   {WATCH_PLACE_PARENT, WATCH_PERSISTENT},
    {WATCH_PLACE_END, WATCH_ALL},
};
static const struct watch_step watch_steps_delete[] = {
    {WATCH_PLACE_NODE, WATCH_DATA},         {WATCH_PLACE_NODE, WATCH_PERSISTENT},
    {WATCH_PLACE_NODE, WATCH_RECURSIVE},    {WATCH_PLACE_ABOVE, WATCH_RECURSIVE},
    {WATCH_PLACE_NODE, WATCH_CHILD},        {WATCH_PLACE_PARENT, WATCH_CHILD},
    {WATCH_PLACE_PARENT, WATCH_PERSISTENT}, {WATCH_PLACE_END, WATCH_ALL},
};
static const struct watch_step watch_steps_set[] = {
    {WATCH_PLACE_NODE, WATCH_DATA},      {WATCH_PLACE_NODE, WATCH_PERSISTENT},
    {WATCH_PLACE_NODE, WATCH_RECURSIVE}, {WATCH_PLACE_ABOVE, WATCH_RECURSIVE},
    {WATCH_PLACE_END, WATCH_ALL},
};

static const struct watch_step *watch_step_of(const struct watch_job *job)
{
    const struct watch_step *steps = job->event == ZK_EVENT_CREATED   ? watch_steps_create
                                     : job->event == ZK_EVENT_DELETED ? watch_steps_delete
                                                                      : watch_steps_set;
    return &steps[job->step];
}

/* The parent of a path; size 0 when there is none. */
static struct bytes watch_parent(struct bytes path)
{
    int32_t size = path.size;
    if (size <= 1)
        return (struct bytes){path.at, 0};
    while (size > 0 && path.at[size - 1] != '/')
        size--;
    return (struct bytes){path.at, size <= 1 ? size : size - 1};
}

static struct watch *watch_list(const struct watch_table *table, struct bytes name,
                                enum watch_kind kind)
{
    uint32_t k = watch_kind_index(kind);
    if (table->kind_count[k] == 0 || name.size == 0)
        return NULL;
    const struct watch_path *path = watch_path_find(table, name, watch_hash(name));
    return path ? path->first[k] : NULL;
}

/* Points the job at the first list of its present step, or of the next ancestor in it. */
static void watch_job_enter(struct watch_table *table, bool deeper)
{
    struct watch_job *job = &table->job;
    const struct watch_step *step = watch_step_of(job);
    if (step->place == WATCH_PLACE_NODE)
        job->look = job->path;
    else if (step->place == WATCH_PLACE_PARENT || !deeper)
        job->look = watch_parent(job->path);
    else
        job->look = watch_parent(job->look);
    job->next = watch_list(table, job->look, step->kind);
}

/* Moves on to the next list that may have somebody to tell. False: there is none. */
static bool watch_job_advance(struct watch_table *table)
{
    struct watch_job *job = &table->job;
    const struct watch_step *step = watch_step_of(job);
    if (step->place == WATCH_PLACE_ABOVE && job->look.size > 1 &&
        table->kind_count[watch_kind_index(WATCH_RECURSIVE)] > 0) {
        watch_job_enter(table, true);
        return true;
    }
    bool parent = step->place == WATCH_PLACE_PARENT;
    job->step++;
    step = watch_step_of(job);
    if (step->place == WATCH_PLACE_END)
        return false;
    if (step->place == WATCH_PLACE_PARENT && !parent)
        job->stamp++; /* the other event of the change: owners may be told again */
    watch_job_enter(table, false);
    return true;
}

void watch_fire(struct watch_table *table, int32_t event, struct bytes path)
{
    struct watch_job *job = &table->job;
    CHECK(!job->open);
    CHECK(event == ZK_EVENT_CREATED || event == ZK_EVENT_DELETED || event == ZK_EVENT_DATA_CHANGED);
    job->open = true;
    job->event = event;
    job->path = path;
    job->step = 0;
    job->stamp++;
    watch_job_enter(table, false);
}

struct watch_owner *watch_fire_next(struct watch_table *table, int32_t *event, struct bytes *path)
{
    struct watch_job *job = &table->job;
    CHECK(job->open);
    for (;;) {
        const struct watch_step *step = watch_step_of(job);
        while (job->next) {
            struct watch *watch = job->next;
            struct watch_owner *owner = watch->owner;
            bool told = owner->told_stamp == job->stamp;
            if (step->kind == WATCH_DATA || step->kind == WATCH_CHILD)
                watch_unlink(table, watch); /* moves job->next on */
            else
                job->next = watch->path_next;
            if (told)
                continue;
            owner->told_stamp = job->stamp;
            *event = step->place == WATCH_PLACE_PARENT ? ZK_EVENT_CHILDREN_CHANGED : job->event;
            *path = step->place == WATCH_PLACE_PARENT ? watch_parent(job->path) : job->path;
            return owner;
        }
        if (!watch_job_advance(table)) {
            job->open = false;
            job->next = NULL;
            return NULL;
        }
    }
}

void watch_each_path(const struct watch_table *table, uint32_t kinds,
                     void (*visit)(void *self, struct watch_path *path), void *self)
{
    for (uint64_t i = 0; table->path_count > 0 && i <= table->mask; i++) {
        for (struct watch_path *path = table->paths[i]; path; path = path->hash_next) {
            bool wanted = false;
            for (uint32_t k = 0; k < WATCH_KIND_COUNT; k++)
                wanted |= (kinds & 1u << k) && path->first[k];
            if (wanted)
                visit(self, path);
        }
    }
}

void watch_each_owner(const struct watch_path *path, uint32_t kinds,
                      void (*visit)(void *self, struct watch_owner *owner), void *self)
{
    for (uint32_t k = 0; k < WATCH_KIND_COUNT; k++) {
        for (struct watch *w = kinds & 1u << k ? path->first[k] : NULL; w; w = w->path_next)
            visit(self, w->owner);
    }
}

struct bytes watch_path_name(const struct watch_path *path)
{
    return bytes_of(path->name, path->size);
}

void watch_each_of(const struct watch_owner *owner, uint32_t kinds,
                   void (*visit)(void *self, struct bytes path), void *self)
{
    for (const struct watch *w = owner->first; w; w = w->owner_next) {
        if (kinds & 1u << w->kind_index)
            visit(self, watch_path_name(w->path));
    }
}
