/* fourletter: the four-letter words (zk_admin.md sections 1, 2, 18): text for people and
 * monitoring. A word is answered at once from this NET's connections and watches, the tree's view
 * of the turn, and the counter pages; then the connection is closed. Only `dump` asks APPLY first
 * (COMMAND_QUERY with COMMAND_OP_DUMP, base/messages.h). `memb` is takt's own: how this node stands
 * in its ensemble, as "key<TAB>value" lines, answered also while nobody leads.
 *
 * Where third parties disagree with the reference the parsers win: the build date is
 * MM/DD/YYYY HH:MM TZ and the average latency is a whole number. */
#pragma once

#include "base/clock.h"
#include "base/membership.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct net;

/* What only the node knows. Filled by a function of the node that must not block. */
struct fourletter_facts {
    uint64_t sessions, ephemerals;
    uint64_t log_size, snapshot_size; /* bytes on disk */
    uint64_t fds_open, fds_max;
    uint64_t proposal_last, proposal_min, proposal_max; /* bytes */
    bool serving; /* false: "not currently serving requests" */
};

struct fourletter_config {
    uint32_t denied;     /* a bit for each word not on the white list, fourletter_allow */
    const char *version; /* "3.9.5-takt...": clients switch features on the digits in front */
    const char *built;   /* "MM/DD/YYYY HH:MM TZ" */
    const char *data_dir, *log_dir;
    uint32_t client_port, server_id;
    bool memory; /* durability.mode */
    const struct membership_server *self; /* the own line as configured; NULL: none */
    void (*facts)(void *self, struct fourletter_facts *facts); /* NULL: all zero, serving */
    void *facts_self;
};

/* What srst took as the new zero. */
struct fourletter_reset {
    uint64_t received, sent, latency_count, latency_ns;
};

/* fourletter_allow gives `denied` for a white list: comma-separated words, or "*". Unknown words
 * are ignored. */
uint32_t fourletter_allow(const char *whitelist);

/* fourletter_serve answers a word on a connection that has said nothing else, and closes it. */
void fourletter_serve(struct net *net, struct conn *conn, const char *word, uint64_t arg);

/* fourletter_dump ends `dump` with APPLY's part of the text. */
void fourletter_dump(struct net *net, struct conn *conn, const char *text, uint32_t size);
