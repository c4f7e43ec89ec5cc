#include "store/acl.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ACL_NONE UINT32_MAX

struct acl {
    uint64_t hash;
    int32_t world_perms; /* what anybody may do: the usual check ends here */
    int32_t size;
    uint8_t packed[];
};

struct slot {
    _Atomic(struct acl *) acl; /* release by APPLY at intern; acquire by readers */
    uint32_t refs;
    uint32_t stamp;  /* counts how often the id lost its last reference */
    uint32_t next;   /* id + 1 in the bucket's chain, or of the free list; 0 ends it */
    uint32_t queued; /* the id waits in `retired` already, with its present stamp */
};

struct retiree {
    uint32_t id, stamp;
};

struct acl_batch {
    uint32_t count;
    struct retiree at[];
};

struct acl_table {
    struct slot *slots;
    uint32_t *buckets; /* id + 1; 0 is empty */
    struct retiree *retired;
    uint32_t count_max;  /* ACLs that nodes may name at a time */
    uint32_t slot_count; /* twice as many: the others wait for a grace period */
    uint32_t bucket_count;
    uint32_t live_count;    /* ids with a reference */
    _Atomic uint32_t count; /* ids ever used; release by APPLY */
    uint32_t free;          /* id + 1 */
    uint32_t retired_count;
    uint32_t pins;
    _Atomic bool skip; /* by APPLY; readers relaxed: it guards nothing else */
};

static void *map(uint64_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void unmap(void *at, uint64_t size)
{
    if (at)
        CHECK(munmap(at, size) == 0);
}

static int32_t world_pack(uint8_t *out, size_t room, int32_t perms)
{
    struct jute_out to = jute_out(out, room);
    jute_put_int(&to, 1);
    jute_put_int(&to, perms);
    jute_put_bytes(&to, bytes_of_string("world"));
    jute_put_bytes(&to, bytes_of_string("anyone"));
    CHECK(!to.bad);
    return (int32_t)(to.at - out);
}

static int predefine(struct acl_table *table)
{
    static const int32_t perms[2] = {ZK_PERM_ALL, ZK_PERM_READ};
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t packed[64];
        uint32_t id;
        int32_t size = world_pack(packed, sizeof packed, perms[i]);
        if (acl_intern(table, bytes_of(packed, (size_t)size), &id) != 0)
            return ERR_NOMEM;
        CHECK(id == i);
        acl_take(table, id); /* for ever */
    }
    return 0;
}

int acl_table_create(struct acl_table **table, uint32_t acl_count_max, bool skip)
{
    if (acl_count_max < 2 || acl_count_max > 1u << 24)
        return ERR_RANGE;
    struct acl_table *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_NOMEM;
    t->count_max = acl_count_max;
    t->skip = skip;
    t->bucket_count = 1;
    while (t->bucket_count < acl_count_max)
        t->bucket_count *= 2;
    t->slot_count = 2 * acl_count_max;
    t->slots = map(t->slot_count * sizeof *t->slots);
    t->buckets = map(t->bucket_count * sizeof *t->buckets);
    t->retired = map(t->slot_count * sizeof *t->retired);
    if (!t->slots || !t->buckets || !t->retired || predefine(t) != 0) {
        acl_table_destroy(t);
        return ERR_NOMEM;
    }
    *table = t;
    return 0;
}

void acl_table_destroy(struct acl_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; table->slots && i < table->count; i++)
        free(atomic_load_explicit(&table->slots[i].acl, memory_order_relaxed));
    unmap(table->slots, table->slot_count * sizeof *table->slots);
    unmap(table->buckets, table->bucket_count * sizeof *table->buckets);
    unmap(table->retired, table->slot_count * sizeof *table->retired);
    free(table);
}

static struct acl *at(const struct acl_table *table, uint32_t id)
{
    CHECK(id < table->slot_count);
    return atomic_load_explicit(&table->slots[id].acl, memory_order_acquire);
}

static uint32_t *bucket(struct acl_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static uint32_t find(struct acl_table *table, struct bytes packed, uint64_t hash)
{
    for (uint32_t next = *bucket(table, hash); next; next = table->slots[next - 1].next) {
        const struct acl *acl = at(table, next - 1);
        CHECK(acl != NULL);
        if (acl->hash == hash && bytes_equal(bytes_of(acl->packed, (size_t)acl->size), packed))
            return next - 1;
    }
    return ACL_NONE;
}

/* Makes the immutable part and links it at a slot that nobody uses. */
static int place(struct acl_table *table, uint32_t id, struct bytes packed, uint64_t hash)
{
    struct slot *slot = &table->slots[id];
    struct acl *acl = malloc(sizeof *acl + (size_t)packed.size);
    if (!acl)
        return ERR_NOMEM;
    CHECK(atomic_load_explicit(&slot->acl, memory_order_relaxed) == NULL);
    CHECK(slot->refs == 0);
    acl->hash = hash;
    acl->size = packed.size;
    memcpy(acl->packed, packed.at, (size_t)packed.size);
    acl->world_perms = acl_packed_perms(packed, (struct bytes){NULL, -1});
    slot->queued = 0;
    slot->next = *bucket(table, hash);
    *bucket(table, hash) = id + 1;
    atomic_store_explicit(&slot->acl, acl, memory_order_release); /* pairs with acquire in at */
    if (id >= atomic_load_explicit(&table->count, memory_order_relaxed))
        atomic_store_explicit(&table->count, id + 1, memory_order_release);
    return 0;
}

int acl_intern(struct acl_table *table, struct bytes packed, uint32_t *id)
{
    CHECK(packed.size >= 4 && packed.size <= LIMIT_ACL_SIZE);
    uint64_t hash = XXH3_64bits(packed.at, (size_t)packed.size);
    uint32_t found = find(table, packed, hash);
    bool live = found != ACL_NONE && table->slots[found].refs > 0;
    /* An id that only waits for its grace period counts as new: when it goes differs from replica
     * to replica, and a refusal must not. */
    if (!live && table->live_count >= table->count_max)
        return ERR_LIMIT;
    if (found != ACL_NONE) {
        *id = found;
        return 0;
    }
    bool reuse = table->free != 0;
    uint32_t fresh = reuse ? table->free - 1 : table->count;
    if (fresh >= table->slot_count)
        return ERR_NOMEM;
    uint32_t free_next = table->slots[fresh].next;
    int err = place(table, fresh, packed, hash);
    if (err)
        return err;
    if (reuse)
        table->free = free_next;
    *id = fresh;
    return 0;
}

void acl_take(struct acl_table *table, uint32_t id)
{
    CHECK(at(table, id) != NULL);
    CHECK(table->slots[id].refs < UINT32_MAX);
    table->live_count += table->slots[id].refs == 0;
    table->slots[id].refs++;
}

void acl_drop(struct acl_table *table, uint32_t id)
{
    CHECK(at(table, id) != NULL);
    CHECK(table->slots[id].refs > 0);
    if (--table->slots[id].refs == 0) {
        table->live_count--;
        table->slots[id].stamp++;
        acl_settle(table, id);
    }
}

void acl_settle(struct acl_table *table, uint32_t id)
{
    struct slot *slot = &table->slots[id];
    CHECK(at(table, id) != NULL);
    if (slot->refs || slot->queued)
        return;
    CHECK(table->retired_count < table->slot_count);
    slot->queued = 1;
    table->retired[table->retired_count++].id = id;
}

struct acl_batch *acl_retired(struct acl_table *table)
{
    uint32_t count = table->retired_count;
    if (count == 0 || table->pins)
        return NULL;
    struct acl_batch *batch = malloc(sizeof *batch + count * sizeof batch->at[0]);
    if (!batch)
        return NULL; /* another time */
    batch->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = table->retired[i].id;
        batch->at[i] = (struct retiree){id, table->slots[id].stamp};
        table->slots[id].queued = 0;
    }
    table->retired_count = 0;
    return batch;
}

/* Out of its bucket, freed, and onto the free list. */
static void release(struct acl_table *table, uint32_t id)
{
    struct slot *slot = &table->slots[id];
    struct acl *acl = at(table, id);
    uint32_t *link = bucket(table, acl->hash);
    while (*link != id + 1) {
        CHECK(*link != 0);
        link = &table->slots[*link - 1].next;
    }
    *link = slot->next;
    atomic_store_explicit(&slot->acl, NULL, memory_order_release);
    free(acl);
    slot->next = table->free;
    table->free = id + 1;
}

void acl_reclaim(struct acl_table *table, struct acl_batch *batch)
{
    CHECK(batch != NULL);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t id = batch->at[i].id;
        struct slot *slot = &table->slots[id];
        if (slot->refs || slot->queued || slot->stamp != batch->at[i].stamp || !at(table, id))
            continue;
        if (table->pins)
            acl_settle(table, id); /* a snapshot may have begun meanwhile: later */
        else
            release(table, id);
    }
    free(batch);
}

void acl_pin(struct acl_table *table)
{
    CHECK(table->pins < UINT32_MAX);
    table->pins++;
}

void acl_unpin(struct acl_table *table)
{
    CHECK(table->pins > 0);
    table->pins--;
}

/* Well-formed, with no null in it, and nothing behind. */
static bool well_formed(struct bytes packed)
{
    struct jute_in in = jute_in(packed.at, packed.size < 0 ? 0 : (size_t)packed.size);
    int32_t count = jute_get_count(&in, 12);
    bool null = count < 1;
    for (int32_t i = 0; i < count && !in.bad; i++) {
        jute_get_int(&in);
        null |= jute_get_bytes(&in).size < 0;
        null |= jute_get_bytes(&in).size < 0;
    }
    return !in.bad && !null && in.at == in.end && packed.size <= LIMIT_ACL_SIZE;
}

int acl_restore(struct acl_table *table, uint32_t id, struct bytes packed)
{
    if (id >= table->slot_count)
        return ERR_RANGE;
    if (!well_formed(packed))
        return ERR_MALFORMED;
    if (id <= ACL_ID_READ)
        return bytes_equal(acl_packed(table, id), packed) ? 0 : ERR_MALFORMED;
    uint64_t hash = XXH3_64bits(packed.at, (size_t)packed.size);
    if (at(table, id) || find(table, packed, hash) != ACL_NONE)
        return ERR_EXISTS;
    return place(table, id, packed, hash);
}

void acl_restored(struct acl_table *table)
{
    CHECK(table->free == 0);
    for (uint32_t id = table->count; id-- > 2;) {
        struct slot *slot = &table->slots[id];
        if (at(table, id)) {
            acl_settle(table, id);
        } else {
            slot->next = table->free;
            table->free = id + 1;
        }
    }
}

void acl_skip_set(struct acl_table *table, bool skip)
{
    atomic_store_explicit(&table->skip, skip, memory_order_relaxed);
}

uint32_t acl_count(const struct acl_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_acquire);
}

struct bytes acl_packed(const struct acl_table *table, uint32_t id)
{
    const struct acl *acl = at(table, id);
    return acl ? bytes_of(acl->packed, (size_t)acl->size) : (struct bytes){NULL, -1};
}

bool acl_skips(const struct acl_table *table)
{
    return atomic_load_explicit(&table->skip, memory_order_relaxed);
}

/* Does one of the packed identities fit {scheme, id} of an ACL entry? */
static bool matches(struct bytes identities, struct bytes scheme, struct bytes id)
{
    struct jute_in in = jute_in(identities.at, identities.size < 0 ? 0 : (size_t)identities.size);
    int32_t count = jute_get_count(&in, 8);
    bool ip = bytes_equal(scheme, bytes_of_string("ip"));
    for (int32_t i = 0; i < count; i++) {
        struct bytes one_scheme = jute_get_bytes(&in), one_id = jute_get_bytes(&in);
        if (!bytes_equal(one_scheme, scheme))
            continue;
        if (ip ? acl_ip_match(one_id, id) : bytes_equal(one_id, id))
            return true;
    }
    return false;
}

int32_t acl_packed_perms(struct bytes packed, struct bytes identities)
{
    if (packed.size <= 0 || acl_identities_have(identities, "super"))
        return ZK_PERM_ALL;
    struct jute_in in = jute_in(packed.at, (size_t)packed.size);
    int32_t count = jute_get_count(&in, 12), perms = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t entry = jute_get_int(&in);
        struct bytes scheme = jute_get_bytes(&in), id = jute_get_bytes(&in);
        if ((entry & ~perms) == 0)
            continue;
        if ((bytes_equal(scheme, bytes_of_string("world")) &&
             bytes_equal(id, bytes_of_string("anyone"))) ||
            matches(identities, scheme, id))
            perms |= entry;
    }
    CHECK(!in.bad);
    return perms;
}

bool acl_packed_allows(struct bytes packed, int32_t perm, struct bytes identities)
{
    return (acl_packed_perms(packed, identities) & perm) == perm;
}

bool acl_allows(const struct acl_table *table, uint32_t id, int32_t perm, struct bytes identities)
{
    const struct acl *acl = at(table, id);
    CHECK(acl != NULL);
    CHECK(perm != 0);
    if ((acl->world_perms & perm) == perm || acl_skips(table))
        return true;
    return acl_packed_allows(bytes_of(acl->packed, (size_t)acl->size), perm, identities);
}

struct bytes acl_list_take(struct jute_in *in)
{
    const uint8_t *from = in->at;
    int32_t count = jute_get_count(in, 12);
    for (int32_t i = 0; i < count && !in->bad; i++) {
        jute_get_int(in);
        jute_get_bytes(in);
        jute_get_bytes(in);
    }
    return in->bad || count < 0 ? (struct bytes){NULL, -1}
                                : bytes_of(from, (size_t)(in->at - from));
}
