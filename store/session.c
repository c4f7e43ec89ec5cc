#include "store/session.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

int session_table_init(struct session_table *table, uint32_t count_max)
{
    if (count_max < 1 || count_max > LIMIT_SESSION_COUNT_MAX)
        return ERR_RANGE;
    memset(table, 0, sizeof *table);
    table->count_max = count_max;
    table->bucket_count = 16;
    while (table->bucket_count < count_max)
        table->bucket_count *= 2;
    table->buckets = calloc(table->bucket_count, sizeof *table->buckets);
    return table->buckets ? 0 : ERR_NOMEM;
}

static void session_free(struct session *session)
{
    once_free(session->once);
    free(session->identities);
    free(session);
}

void session_table_fini(struct session_table *table)
{
    struct session *next;
    for (struct session *session = table->first; session; session = next) {
        next = session->next;
        session_free(session);
    }
    free(table->buckets);
    memset(table, 0, sizeof *table);
}

static struct session **bucket(const struct session_table *table, int64_t id)
{
    uint64_t mixed = (uint64_t)id * 0x9E3779B97F4A7C15ull; /* ids of a node differ in a few bits */
    return &table->buckets[(mixed >> 32) & (table->bucket_count - 1)];
}

struct session *session_find(const struct session_table *table, int64_t id)
{
    struct session *session = *bucket(table, id);
    while (session && session->id != id)
        session = session->chain;
    return session;
}

int session_open(struct session_table *table, int64_t id, struct session **session)
{
    if (id == 0 || id == INT64_MIN)
        return ERR_RANGE;
    if (session_find(table, id))
        return ERR_EXISTS;
    if (table->count >= table->count_max)
        return ERR_LIMIT;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->id = id;
    s->chain = *bucket(table, id);
    *bucket(table, id) = s;
    s->prev = table->last;
    *(table->last ? &table->last->next : &table->first) = s;
    table->last = s;
    table->count++;
    *session = s;
    return 0;
}

void session_close(struct session_table *table, struct session *session)
{
    struct session **link = bucket(table, session->id);
    CHECK(session->ephemerals.count == 0);
    CHECK(table->count > 0);
    while (*link != session) {
        CHECK(*link != NULL);
        link = &(*link)->chain;
    }
    *link = session->chain;
    *(session->prev ? &session->prev->next : &table->first) = session->next;
    *(session->next ? &session->next->prev : &table->last) = session->prev;
    table->count--;
    session_free(session);
}

int session_identify(struct session *session, const uint8_t *identities, int32_t size)
{
    CHECK(size >= 4);
    CHECK(size <= LIMIT_IDENTITIES_SIZE);
    uint8_t *copy = malloc((size_t)size);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, identities, (size_t)size);
    free(session->identities);
    session->identities = copy;
    session->identities_size = size;
    return 0;
}
