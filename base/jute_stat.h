/* jute_stat: a znode's Stat as it is on the wire, ZK_STAT_SIZE bytes (zk_protocol.md section 7).
 * Pure. */
#pragma once

#include "base/jute.h"
#include "base/zk.h"

/* jute_stat_put writes it; out->bad turns true when there is no room. */
static inline void jute_stat_put(struct jute_out *out, const struct zk_stat *stat)
{
    jute_put_long(out, stat->czxid);
    jute_put_long(out, stat->mzxid);
    jute_put_long(out, stat->ctime_ms);
    jute_put_long(out, stat->mtime_ms);
    jute_put_int(out, stat->version);
    jute_put_int(out, stat->cversion);
    jute_put_int(out, stat->aversion);
    jute_put_long(out, stat->ephemeral_owner);
    jute_put_int(out, stat->data_length);
    jute_put_int(out, stat->num_children);
    jute_put_long(out, stat->pzxid);
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
