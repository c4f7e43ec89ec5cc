/* jute_stat: a znode's Stat as it is on the wire, ZK_STAT_SIZE bytes (zk_protocol.md section 7).
 * Pure. */
#pragma once

#include "base/jute.h"
#include "base/zk.h"

static inline uint8_t *jute_stat_put_int(uint8_t *at, int32_t v)
{
    uint32_t be = __builtin_bswap32((uint32_t)v);
    memcpy(at, &be, 4);
    return at + 4;
}

static inline uint8_t *jute_stat_put_long(uint8_t *at, int64_t v)
{
    uint64_t be = __builtin_bswap64((uint64_t)v);
    memcpy(at, &be, 8);
    return at + 8;
}

/* jute_stat_put writes it; out->bad turns true, and nothing is written, when there is no room. One
 * look at the room, not one for each field: most replies carry a Stat. */
static inline void jute_stat_put(struct jute_out *out, const struct zk_stat *stat)
{
    uint8_t *at = jute_room(out, ZK_STAT_SIZE);
    if (!at)
        return;
    at = jute_stat_put_long(at, stat->czxid);
    at = jute_stat_put_long(at, stat->mzxid);
    at = jute_stat_put_long(at, stat->ctime_ms);
    at = jute_stat_put_long(at, stat->mtime_ms);
    at = jute_stat_put_int(at, stat->version);
    at = jute_stat_put_int(at, stat->cversion);
    at = jute_stat_put_int(at, stat->aversion);
    at = jute_stat_put_long(at, stat->ephemeral_owner);
    at = jute_stat_put_int(at, stat->data_length);
    at = jute_stat_put_int(at, stat->num_children);
    jute_stat_put_long(at, stat->pzxid);
}

/* jute_stat_get reads it, every byte of the struct written; in->bad turns true when it is cut
 * short. */
static inline struct zk_stat jute_stat_get(struct jute_in *in)
{
    struct zk_stat stat;
    memset(&stat, 0, sizeof(stat));
    stat.czxid = jute_get_long(in);
    stat.mzxid = jute_get_long(in);
    stat.ctime_ms = jute_get_long(in);
    stat.mtime_ms = jute_get_long(in);
    stat.version = jute_get_int(in);
    stat.cversion = jute_get_int(in);
    stat.aversion = jute_get_int(in);
    stat.ephemeral_owner = jute_get_long(in);
    stat.data_length = jute_get_int(in);
    stat.num_children = jute_get_int(in);
    stat.pzxid = jute_get_long(in);
    return stat;
}
