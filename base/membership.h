/* membership: who belongs to the ensemble, as ZooKeeper writes it. One list for the configuration,
 * for /zookeeper/config, for the log entry that changes it, and for the quorums of Raft.
 *
 *   server.<id>=<host>:<quorum port>:<election port>[:participant|:observer][;[<host>:]<port>]
 *                      └ UDP port of the peer link   └ voter or learner      └ for clients
 *                                     └ kept and shown, not used: one link does both
 *
 * A change goes through two log entries (joint consensus): C_old,new and then C_new.
 *
 *   reconfig ──▶ machine: checked, pending ──▶ leader's CORE ──▶ COMMAND_CONFIG joint
 *                                                   └─ both quorums have it ──▶ COMMAND_CONFIG new
 *                reply, /zookeeper/config ◀── machine ◀──────────────────────────────┘
 *
 * Values only: no memory is taken, nothing is kept between calls, so any role may call anything.
 * Source: zk_admin.md sections 6 and 7. */
#pragma once

#include "base/say.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBERSHIP_MAX         16  /* servers; RAFT_MEMBER_COUNT_MAX is the same */
#define MEMBERSHIP_ID_MAX      254 /* a node's id is a byte, and 255 marks TTL nodes */
#define MEMBERSHIP_HOST_SIZE   128 /* with its NUL */
#define MEMBERSHIP_CLIENT_SIZE 64
/* "server.254=" host ":65535:65535:participant;" client ":65535" NUL, rounded up */
#define MEMBERSHIP_LINE_SIZE 256
#define MEMBERSHIP_TEXT_SIZE (MEMBERSHIP_MAX * MEMBERSHIP_LINE_SIZE + 32)
/* Head, then at most two lists of text. */
#define MEMBERSHIP_BODY_SIZE (16 + 2 * MEMBERSHIP_TEXT_SIZE)

struct membership_server {
    uint32_t id; /* in [1, MEMBERSHIP_ID_MAX] */
    uint16_t quorum_port, election_port;
    uint16_t client_port; /* 0 = not given */
    bool observer;        /* a learner: it gets every entry and has no vote */
    char host[MEMBERSHIP_HOST_SIZE];
    char client_host[MEMBERSHIP_CLIENT_SIZE]; /* "" = not given; 0.0.0.0 and "" mean `host` */
};

/* By ascending id, each once. Zeroed behind count. */
struct membership {
    uint32_t count;
    struct membership_server server[MEMBERSHIP_MAX];
};

/* Body of COMMAND_CONFIG. */
enum membership_flags {
    MEMBERSHIP_INITIAL = 1, /* the first list of a new ensemble: `after` */
    MEMBERSHIP_JOINT = 2,   /* both `before` and `after` must agree from here on */
    MEMBERSHIP_REFUSED = 4, /* the pending change is given up; the client is told `error` */
};                          /* 0: `after` alone decides from here on */

struct membership_body {
    uint32_t flags;           /* enum membership_flags */
    int32_t error;            /* enum zk_error, with REFUSED; else 0 */
    struct membership before; /* with JOINT; else empty */
    struct membership after;  /* empty with REFUSED */
};

/* ---- one server ---- */

/* membership_server_parse reads what stands behind "server.<id>=". Returns 0 or ERR_CONFIG with a
 * sentence. *server is written on success only. */
MUST_USE int membership_server_parse(struct membership_server *server, uint32_t id,
                                     const char *text, struct fault *fault);

/* membership_server_print writes it as it is read, with the role; client host only if given. */
void membership_server_print(const struct membership_server *server, char *out, size_t size);

/* membership_client_host gives the host that clients are to use: 0.0.0.0, [::] and none given are
 * the server's own host. Lent with the server. */
const char *membership_client_host(const struct membership_server *server);

/* ---- a list ---- */

/* membership_add enters a server, or replaces the one of its id. Returns 0 or ERR_LIMIT. */
MUST_USE int membership_add(struct membership *m, const struct membership_server *server);
/* membership_remove takes one out; false: there was none. */
bool membership_remove(struct membership *m, uint32_t id);
/* membership_find gives the server of that id or NULL. Lent with m. */
const struct membership_server *membership_find(const struct membership *m, uint32_t id);
bool membership_equal(const struct membership *a, const struct membership *b);
bool membership_server_equal(const struct membership_server *a, const struct membership_server *b);
uint32_t membership_voter_count(const struct membership *m);
uint32_t membership_quorum(const struct membership *m); /* votes that decide: more than half */

/* membership_reachable asks whether the servers with these ids hold a quorum of m's voters. For
 * NEWCONFIGNOQUORUM: ids are those connected and caught up, the leader's own among them. */
bool membership_reachable(const struct membership *m, const uint8_t *ids, uint32_t id_count);

/* membership_check refuses a list that cannot work: nobody votes, two servers at one address and
 * port, several addresses for one server. Returns 0 or ERR_CONFIG with a sentence. */
MUST_USE int membership_check(const struct membership *m, struct fault *fault);

/* membership_cluster_id gives what keeps the ensembles of a network apart: a hash of `name`, or of
 * ids, hosts, quorum ports and roles when name is "". Never 0. Equal on all members whose files
 * name the same servers, whatever they say of clients. */
uint64_t membership_cluster_id(const struct membership *m, const char *name);

/* ---- texts ---- */

/* membership_print writes the lines "server.1=..." in the order of their texts, joined by '\n', and
 * with version >= 0 a last line "version=<hex>"; no '\n' at the end: the data of /zookeeper/config.
 * Client hosts that were left out are written 0.0.0.0. Assumes size >= MEMBERSHIP_TEXT_SIZE.
 * Returns its length. */
size_t membership_print(const struct membership *m, int64_t version, char *out, size_t size);

/* membership_parse reads such lines, separated by '\n' or ','; blank ones and version= are passed
 * over; *version (NULL: not wanted) is -1 without that line. text need not end with NUL. Returns 0
 * or ERR_CONFIG with a sentence; *m is written on success only. membership_check is the caller's.
 */
MUST_USE int membership_parse(struct membership *m, const char *text, size_t size, int64_t *version,
                              struct fault *fault);

/* membership_change makes the incremental change of a reconfig: leaving is "3,4", joining is
 * "server.5=...,server.6=..." (each with a client port; the id of a member replaces it). Ids that
 * leave and are no members are passed over, as in ZooKeeper. Either may be empty (size 0). Returns
 * 0 or ERR_CONFIG with a sentence; m is changed on success only. */
MUST_USE int membership_change(struct membership *m, const char *joining, size_t joining_size,
                               const char *leaving, size_t leaving_size, struct fault *fault);

/* ---- the body of COMMAND_CONFIG ---- */

/* membership_body_encode writes it into out. Assumes size >= MEMBERSHIP_BODY_SIZE and lists that
 * membership_check passed. Returns its size in bytes. */
size_t membership_body_encode(const struct membership_body *body, uint8_t *out, size_t size);

/* membership_body_decode reads it, trusting nothing. Returns 0, ERR_VERSION or ERR_MALFORMED. */
MUST_USE int membership_body_decode(struct membership_body *body, const uint8_t *at, size_t size);
