/* watch: the watches of one NET's connections (zk_protocol.md section 14).
 *
 *   hash of path ─▶ watch_path "/a"  ─ data       ─▶ watch ⇄ watch ⇄ ...     one watch: one owner,
 *                                    ─ child      ─▶ ...                     one path, one kind
 *                                    ─ persistent ─▶ ...
 *                                    ─ recursive  ─▶ ...
 *   hash of (path, kind, owner) ─▶ watch          owner ─▶ its watches
 *
 * A change fires as a job that may be cut into turns: watch_fire starts it, watch_fire_next gives
 * the owners to tell, one at a time, until NULL. While a job is open no watch may be added (NET
 * serves nobody then, see net.h); owners may be dropped.
 *
 * All memory is from NET's slab; hash arrays are taken at init. One role owns a table. */
#pragma once

#include "base/jute.h"
#include "base/slab.h"

enum watch_kind {
    WATCH_DATA = 1,       /* by getData and exists; fires once */
    WATCH_CHILD = 2,      /* by getChildren; fires once */
    WATCH_PERSISTENT = 4, /* data and child side of one path */
    WATCH_RECURSIVE = 8,  /* data side of a path and everything below */
    WATCH_ALL = 15,
};
#define WATCH_KIND_COUNT 4

struct watch;
struct watch_path;

/* The holder of watches: embedded in a connection. Zeroed before use. */
struct watch_owner {
    struct watch *first;
    uint32_t count;
    uint32_t id;         /* for hashing; unique among the owners of a table */
    uint64_t told_stamp; /* the last job's side that told this owner */
};

/* One change being told. event and path are what to say to the owner given last. */
struct watch_job {
    int32_t event;     /* enum zk_event of the change */
    struct bytes path; /* of the changed node; borrowed until the job ends */
    struct bytes look; /* the path whose list is walked now */
    uint32_t step;     /* index into the job's steps */
    struct watch *next;
    uint64_t stamp;
    bool open;
};

struct watch_table {
    struct slab *slab;
    struct watch_path **paths; /* path_mask + 1 chains */
    struct watch **watches;    /* by (path, kind, owner), same mask */
    uint64_t mask;
    uint64_t limit;       /* watches in total */
    uint32_t owner_limit; /* watches of one owner */
    uint64_t count, path_count;
    uint64_t kind_count[WATCH_KIND_COUNT];
    struct watch_job job;
};

/* watch_init takes the hash arrays from the heap. limit in [1, 2^28]. Returns 0, ERR_NOMEM or
 * ERR_RANGE. Before the roles start. Borrows slab. */
MUST_USE int watch_init(struct watch_table *table, struct slab *slab, uint64_t limit,
                        uint32_t owner_limit);
/* watch_fini gives the hash arrays back; what is in the slab goes with the slab. */
void watch_fini(struct watch_table *table);

/* watch_add sets one watch; setting it again changes nothing. Assumes no job is open. Returns 0,
 * ERR_LIMIT (owner's or total limit) or ERR_NOMEM (slab). Copies path. */
MUST_USE int watch_add(struct watch_table *table, struct watch_owner *owner, struct bytes path,
                       enum watch_kind kind);

/* watch_kinds tells which kinds the owner holds on exactly this path, as a mask. */
uint32_t watch_kinds(const struct watch_table *table, const struct watch_owner *owner,
                     struct bytes path);

/* watch_remove removes the kinds in the mask that the owner holds on exactly this path. Returns the
 * kinds removed. */
uint32_t watch_remove(struct watch_table *table, struct watch_owner *owner, struct bytes path,
                      uint32_t kinds);

/* watch_drop removes everything of an owner. Allowed while a job is open. */
void watch_drop(struct watch_table *table, struct watch_owner *owner);

/* watch_fire opens the job of one change: event is ZK_EVENT_CREATED, _DELETED or _DATA_CHANGED at
 * path. Assumes no job is open. Borrows path until the job has ended. */
void watch_fire(struct watch_table *table, int32_t event, struct bytes path);

/* watch_fire_next gives the next owner to tell, and what: first everybody of the changed node, then
 * ChildrenChanged to those of its parent; each owner at most once for each of the two. Watches that
 * fire once are removed. Returns NULL when the job has ended. */
struct watch_owner *watch_fire_next(struct watch_table *table, int32_t *event, struct bytes *path);

/* ---- for listings ---- */

/* watch_each_path calls visit for every path that has watches of the kinds; watch_each_owner for
 * every watch of these kinds on it. Order unspecified. */
void watch_each_path(const struct watch_table *table, uint32_t kinds,
                     void (*visit)(void *self, struct watch_path *path), void *self);
void watch_each_owner(const struct watch_path *path, uint32_t kinds,
                      void (*visit)(void *self, struct watch_owner *owner), void *self);
struct bytes watch_path_name(const struct watch_path *path);

/* watch_each_of calls visit with the path of each watch of the kinds that the owner holds. */
void watch_each_of(const struct watch_owner *owner, uint32_t kinds,
                   void (*visit)(void *self, struct bytes path), void *self);
