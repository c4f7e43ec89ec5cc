/* node_parts: the inside of a node, for node.c and node_recover.c only. */
#pragma once

#include "base/link.h"
#include "base/node_page.h"
#include "consensus/log_tail.h"
#include "consensus/raft.h"
#include "consensus/role_core.h"
#include "consensus/role_disk.h"
#include "consensus/superblock.h"
#include "consensus/wal.h"
#include "dataplane/beat/beat.h"
#include "dataplane/net.h"
#include "dataplane/peer.h"
#include "dataplane/worker.h"
#include "store/machine.h"
#include "store/role_apply.h"
#include "store/role_reclaim.h"
#include "store/role_snap.h"
#include "store/tree.h"
#include "tools/taktd/node.h"
#include "tools/taktd/topology.h"

#define NODE_WORDS_SIZE    (CONFIG_WORDS_MAX * CONFIG_WORD_SIZE)
#define NODE_ROLES_MAX     (TOPOLOGY_ROLE_COUNT + CONFIG_NET_MAX)

/* What only a node with peers has. */
/* The servers whose names CTL looks up again: written by CORE when the membership changes, in whole
 * words, so that no reader tears one; version is odd meanwhile. */
struct node_names {
    _Atomic uint32_t version;
    _Atomic uint64_t words[(sizeof(struct membership) + 7) / 8];
};

struct node_peers {
    struct peer peer;
    struct datagram_port *port;
    struct link ctl_peer; /* new addresses, from CTL */
    bool ctl_ready;
    struct node_names names;
    uint64_t known[4]; /* CORE's: the ids that were members by the log, a set */
    struct address told[MEMBERSHIP_ID_MAX + 1]; /* by CTL, of each id; this and more CTL's own: */
    uint32_t look_next;     /* whose turn it is: one name a look */
    uint64_t look_after_ns; /* monotonic; a resolver that is slow is asked less often */
    struct peer_keys keys;  /* read again by CTL; lent to PEER until: */
    _Atomic uint32_t keys_taken; /* 1: PEER has copied `keys` */
    bool keys_lent;              /* CTL's: the keys were handed over at some time */
};

struct node {
    const struct config *config;
    struct node_env env;
    struct node_recovery recovery;

    struct superblock superblock;
    struct core_snapshot_id snapshot; /* that recovery began with; index 0 = none */
    struct wal *wal;
    struct raft raft;
    struct log_tail tail;
    struct raft_terms terms;            /* of the entries that recovery found */
    uint64_t apply_index, apply_offset; /* APPLY's place: the last entry it took, and behind it */
    uint64_t apply_chain; /* of that entry, as recovery found it */
    struct tree *tree;
    struct machine *machine;

    struct link *links[TOPOLOGY_LINK_COUNT][CONFIG_NET_MAX]; /* in the page; NULL: there is none */
    struct role_core core;
    struct role_disk disk;
    struct role_apply apply;
    struct role_reclaim reclaim;
    struct role_snap snap;
    struct net *nets; /* [config->net_count] */
    struct beat *beats; /* native sessions, of NETs [0, beat_count); NULL: none are served */
    uint32_t beat_count;
    struct core_state state;
    struct node_peers *peers; /* NULL: a node alone */
    bool begins_anew;         /* --begin-anew: it alone is the ensemble, whatever the log says */
    uint32_t nets_ready;
    char words[NODE_WORDS_SIZE], schemes[NODE_WORDS_SIZE]; /* comma lists, lent to the NETs */

    struct node_page *page; /* what is shown outside */
    bool page_own;          /* of node_open's making */
    struct counters_book book;
    struct role roles[NODE_ROLES_MAX]; /* for node_turn, in the order of the drawing */
    uint32_t role_count;
    struct worker workers[TOPOLOGY_WORKER_MAX];
    bool worker_used[TOPOLOGY_WORKER_MAX];
    bool started;
    bool memory_lost; /* what it acknowledged from memory may be lost: it does not vote */
    bool log_damaged; /* recover_damaged: of this start */
    bool forgot;      /* node_forget: of this start */
    bool disk_dead;   /* node_abandon: nothing is waited for */

    /* the first role that fails writes these; node_wait reads them after every worker has ended */
    _Atomic int failed;
    struct fault reason;
};

/* node_facts answers the four-letter words; node_words joins a word list with commas. */
void node_facts(void *self, struct fourletter_facts *facts);
void node_words(const struct config_words *words, char *list, size_t size);

/* node_entry_of shows a log record as APPLY takes it. */
void node_entry_of(const struct log_record *record, struct entry *entry);

/* node_members gives who belongs at the last applied entry, as an entry of the log has it (JOINT
 * while two lists count); the configured servers while no entry said it. Returns whether one did.
 * After recovery, before the roles start. */
bool node_members(const struct node *node, struct membership_body *to);

struct link *node_link(struct node *node, enum topology_link which, uint32_t net);

/* node_peers_core adds what CORE is told in a node with peers; node_peers_init opens the peer
 * link. */
void node_peers_core(struct node *node, struct role_core_config *config);
MUST_USE int node_peers_init(struct node *node, struct fault *fault);
void node_peers_fini(struct node *node);

/* node_beat_init opens the ports of native sessions and gives each NET its own, if an address for
 * them is configured. */
MUST_USE int node_beat_init(struct node *node, struct fault *fault);
void node_beat_fini(struct node *node);

struct counters *node_page(struct node *node, const char *role, uint32_t index);
void node_failed(void *self, int err, const struct fault *reason);

/* node_wire_direct lets a request go from NET to CORE, its commit to APPLY and its answer back to
 * NET in calls, where one thread turns them: it crosses no ring. */
void node_wire_direct(struct node *node);

/* node_roles_add gives each role to its worker; node_wire_wakes lets whoever produces for a role of
 * another worker wake that worker. */
MUST_USE int node_roles_add(struct node *node, struct fault *fault);
MUST_USE int node_wire_wakes(struct node *node, struct fault *fault);

/* node_recover locks the directory, reads superblock, snapshot and log into tree and machine, and
 * makes this node the leader of a new term. On failure what it opened is closed by node_close. */
MUST_USE int node_recover(struct node *node, struct fault *fault);

/* node_forget gives log and snapshots other names, of which recovery knows nothing. Returns 0,
 * ERR_IO or ERR_NOSPACE; may be called again. */
MUST_USE int node_forget(struct node *node, struct fault *fault);
