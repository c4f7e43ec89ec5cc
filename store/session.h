/* session: the replicated table of sessions: who exists, with which password, timeout, identities,
 * and how far its commands were applied. Bounded; chained hash sized for the bound at the start.
 * One role (APPLY) owns it: no two calls at the same time. Saved and restored with a snapshot. */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/zk.h"
#include "store/once.h"
#include "store/owned.h"

#include <stdint.h>

struct session {
    struct session *chain;       /* next in the bucket */
    struct session *next, *prev; /* all sessions, in order of opening */
    int64_t id;
    uint64_t sequence; /* of the last command applied since the attach */
    int32_t timeout_ms;
    uint32_t attach;   /* how often it was attached; the number of the present one */
    uint8_t node, net; /* where it is attached */
    uint8_t password[ZK_PASSWORD_SIZE];
    struct owned_list ephemerals;
    uint8_t *identities; /* packed, store/acl.h */
    int32_t identities_size;
    struct once *once; /* recorded answers; NULL: it never asked for any */
};

struct session_table {
    struct session **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count, count_max;
    struct session *first, *last;
};

/* session_table_init makes an empty table. count_max in [1, LIMIT_SESSION_COUNT_MAX]. Returns 0,
 * ERR_RANGE or ERR_NOMEM. */
MUST_USE int session_table_init(struct session_table *table, uint32_t count_max);
void session_table_fini(struct session_table *table);

/* session_find gives the session of an id or NULL. */
struct session *session_find(const struct session_table *table, int64_t id);

/* session_open enters a new session, zeroed but for its id. Returns 0, ERR_RANGE (id 0 or
 * INT64_MIN), ERR_EXISTS, ERR_LIMIT or ERR_NOMEM. */
MUST_USE int session_open(struct session_table *table, int64_t id, struct session **session);

/* session_close takes it out and frees it. Assumes that it has no ephemerals. */
void session_close(struct session_table *table, struct session *session);

/* session_identify replaces the packed identities by a copy. Returns 0 or ERR_NOMEM. */
MUST_USE int session_identify(struct session *session, const uint8_t *identities, int32_t size);

static inline struct bytes session_identities(const struct session *session)
{
    return (struct bytes){session->identities, session->identities ? session->identities_size : -1};
}
