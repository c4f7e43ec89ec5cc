/* acl: access control lists, interned, and the check that both APPLY and NET do.
 *
 * Packed ACL         = the wire's vector<ACL>: int count, then {int perms; ustring scheme; ustring
 * id} Packed identities  = the wire's vector<ClientInfo>: int count, then {ustring scheme; ustring
 * id} so the answer to getACL and to whoAmI is a copy. Both were made here, never by a client.
 *
 *   znode ──acl id──▶ slot[id] ──▶ struct acl (immutable)     ids 0 and 1 are never freed:
 *                     refs, stamp                              world:anyone:cdrwa and
 * world:anyone:r
 *
 * refs counts the newest versions of nodes that name the id. At 0 the id is retired; after a grace
 * period (no reader can still see an older version of a node) and if nobody took it again, it is
 * reused. While a snapshot is being written the table is pinned and nothing is retired.
 *
 *               writer  reader           - : safe at the same time
 *     writer      X       -              X : APPLY only, one call at a time
 *     reader      -       -                                                                     */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/messages.h"
#include "base/zk.h"

#include <stdbool.h>
#include <stdint.h>

#define ACL_ID_OPEN 0u /* world:anyone:cdrwa */
#define ACL_ID_READ 1u /* world:anyone:r */

struct acl_table;

/* acl_table_create makes a table of at most acl_count_max ACLs in use, in [2, 2^24]. skip: every
 * check says yes (skipACL). Returns 0, ERR_RANGE or ERR_NOMEM. The caller owns the table. */
MUST_USE int acl_table_create(struct acl_table **table, uint32_t acl_count_max, bool skip);
void acl_table_destroy(struct acl_table *table);

/* ---- writer: role APPLY ---- */

/* acl_intern gives the id of a packed ACL (well-formed, at most LIMIT_ACL_SIZE bytes), new ones
 * with no reference. Returns 0, ERR_LIMIT (as many ACLs as allowed have references: the same on
 * every replica) or ERR_NOMEM (no slot: as many again wait for a grace period). Borrows packed. */
MUST_USE int acl_intern(struct acl_table *table, struct bytes packed, uint32_t *id);
/* acl_take adds a reference, acl_drop ends one; acl_settle retires an id that has none. */
void acl_take(struct acl_table *table, uint32_t id);
void acl_drop(struct acl_table *table, uint32_t id);
void acl_settle(struct acl_table *table, uint32_t id);

/* acl_skip_set changes whether every check says yes. */
void acl_skip_set(struct acl_table *table, bool skip);

/* acl_retired moves the ids retired so far into one opaque batch, NULL when there are none or the
 * table is pinned. A grace period after, acl_reclaim frees those that were not taken again. */
struct acl_batch;
struct acl_batch *acl_retired(struct acl_table *table);
void acl_reclaim(struct acl_table *table, struct acl_batch *batch);

/* While pinned (pins nest) nothing is handed to acl_retired, so a snapshot may read every ACL that
 * a node of its view names. */
void acl_pin(struct acl_table *table);
void acl_unpin(struct acl_table *table);

/* acl_restore puts a packed ACL at an id, from a snapshot, before any acl_intern. Checks it.
 * Returns 0, ERR_RANGE (id), ERR_EXISTS (id in use), ERR_MALFORMED, ERR_LIMIT or ERR_NOMEM.
 * ids 0 and 1 must say what they always say, else ERR_MALFORMED. */
MUST_USE int acl_restore(struct acl_table *table, uint32_t id, struct bytes packed);
/* acl_restored ends a restore: ids that no node took are retired. */
void acl_restored(struct acl_table *table);

/* ---- readers: any role ---- */

uint32_t acl_count(const struct acl_table *table); /* ids in [0, count) were used at some time */
/* acl_packed lends the packed form until the next quiescent state; null when the id is free now. */
struct bytes acl_packed(const struct acl_table *table, uint32_t id);
/* acl_allows: may somebody with these packed identities do all that `perm` (one ZK_PERM_*) means?
 */
bool acl_allows(const struct acl_table *table, uint32_t id, int32_t perm, struct bytes identities);
/* acl_packed_allows: the same for a packed ACL; of size 0 or null it allows. */
bool acl_packed_allows(struct bytes packed, int32_t perm, struct bytes identities);
/* acl_packed_perms gives the union of the permissions these identities have. */
int32_t acl_packed_perms(struct bytes packed, struct bytes identities);
bool acl_skips(const struct acl_table *table);

/* ---- making packed things: pure ---- */

/* acl_fixup makes a packed ACL from a client's vector<ACL>: de-duplicated, validated, `auth`
 * replaced by the session's authenticated identities (zk_protocol.md section 12). out has room for
 * LIMIT_ACL_SIZE bytes. Returns ZK_OK or ZK_INVALID_ACL. list must be decodable or null. */
enum zk_error acl_fixup(struct bytes list, struct bytes identities, uint8_t *out, int32_t *size);

/* acl_list_take steps over a vector<ACL> and returns its bytes, count included; null when the
 * vector is null; sets in->bad when it is not decodable. */
struct bytes acl_list_take(struct jute_in *in);

/* acl_identities_set makes the packed identities of a fresh session, {ip:<address>}, in out, which
 * has LIMIT_IDENTITIES_SIZE bytes; returns their size. */
int32_t acl_identities_set(uint8_t *out, const struct address *client);
/* acl_identities_add appends those of `more` (packed) that are not there yet; all or none. Returns
 * 0, ERR_LIMIT (over LIMIT_IDENTITIES_SIZE; nothing changed) or ERR_MALFORMED. */
MUST_USE int acl_identities_add(uint8_t *identities, int32_t *size, struct bytes more);
/* acl_identities_one packs a single identity into out of `room` bytes; returns its size or -1. */
int32_t acl_identities_one(uint8_t *out, int32_t room, struct bytes scheme, struct bytes id);
/* acl_identities_have: is there an identity of this scheme? */
bool acl_identities_have(struct bytes identities, const char *scheme);

/* acl_ip_valid, acl_ip_match: "a.b.c.d", "a.b.c.d/bits" and IPv6, full or with "::". */
bool acl_ip_valid(struct bytes expression);
bool acl_ip_match(struct bytes address, struct bytes expression);
