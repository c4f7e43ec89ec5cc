/* config: every setting of a node as plain C values, and the one table that describes them.
 *
 *     defaults ◀ --dev ◀ file (YAML or zoo.cfg) ◀ --set key=value ◀ flags      later ones win
 *                            │                          │
 *                 config_yaml.c, config_zoo.c       config_set.c
 *                            └────── config_table.c ────┘──▶ config_value.c ──▶ struct config
 *                                          │
 *                                    config_print.c: --print-config, --help-config, tools/etc/
 *     config_check: config.c, and config_ensemble.c for the servers
 *
 * config_table.c says each setting once: its key, type, range, default, help and ZooKeeper names.
 * Messages, both file formats, --set, the printed forms and the documentation come from there.
 *
 * A struct config is filled by one thread before the roles start and only read afterwards. */
#pragma once

#include "base/err.h"
#include "base/membership.h"
#include "base/messages.h"
#include "base/say.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_LISTEN_MAX    16 /* addresses */
#define CONFIG_NET_MAX       16 /* NET roles */
#define CONFIG_WORDS_MAX     32 /* entries of a word list */
#define CONFIG_WORD_SIZE     24 /* bytes of one, with its NUL */
#define CONFIG_FILE_SIZE_MAX (1u << 20)
#define CONFIG_SETTINGS_MAX  128

#define CONFIG_PORT_MTU_MIN 1500u /* what beat's datagrams need */
enum config_port_kind { CONFIG_PORT_KERNEL, CONFIG_PORT_DPDK };
enum config_offloads { CONFIG_OFFLOADS_AUTO, CONFIG_OFFLOADS_OFF };
enum config_layout { CONFIG_LAYOUT_TOGETHER, CONFIG_LAYOUT_SPREAD };
enum config_idle {
    CONFIG_IDLE_SPIN,
    CONFIG_IDLE_PAUSE,
    CONFIG_IDLE_YIELD,
    CONFIG_IDLE_PARK,
    CONFIG_IDLE_HYBRID,
};
enum config_backend { CONFIG_BACKEND_AUTO, CONFIG_BACKEND_URING, CONFIG_BACKEND_SYNC };
enum config_form { CONFIG_FORM_ALL, CONFIG_FORM_MAJORITY };
enum config_reads { CONFIG_READS_LOCAL, CONFIG_READS_LINEARIZABLE };
enum config_durability { CONFIG_DURABILITY_DISK, CONFIG_DURABILITY_MEMORY };
enum config_peer_type { CONFIG_PEER_PARTICIPANT, CONFIG_PEER_OBSERVER };

struct config_listen {
    struct address at[CONFIG_LISTEN_MAX];
    uint32_t count;
};

struct config_words {
    char word[CONFIG_WORDS_MAX][CONFIG_WORD_SIZE];
    uint32_t count;
};

/* The cpus of a role: the i-th instance runs on cpu[i]; count 0 = wherever the kernel puts it. */
struct config_cpus {
    uint16_t cpu[CONFIG_NET_MAX];
    uint32_t count;
};

/* An interface address of the dpdk port. prefix_length in [0, 32], or 64 of IPv6; ip of zeros = not
 * given. */
struct config_subnet {
    struct address at;
    uint32_t prefix_length;
};

/* Where a setting's value came from, for messages. */
enum config_from {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_DEV,
    CONFIG_FROM_FILE,
    CONFIG_FROM_SET,
    CONFIG_FROM_FLAG,
};

struct config_origin {
    uint16_t from; /* enum config_from */
    uint16_t line; /* of the file, from 1 */
};

struct config {
    /* node */
    uint32_t node_id; /* 1..254 */
    char cluster_name[64];
    uint64_t cluster_id; /* 0 = taken at random at the first start and kept with the data */

    /* where it is reached */
    struct config_listen listen;
    uint32_t port_kind; /* enum config_port_kind */
    char port_eal[1024];
    struct config_subnet port_address;
    struct address port_gateway; /* zeros = none */
    uint32_t port_mtu;      /* 0 = at most 1500 */
    uint32_t port_vlan;     /* 0 = none */
    uint32_t port_offloads; /* enum config_offloads */
    uint32_t port_backlog;
    char beat_listen[64];   /* "" = no native sessions */
    uint32_t beat_endpoint; /* 0 = node_id */
    uint32_t beat_session_ms_min;
    uint32_t beat_priority; /* 802.1Q, 0..7 */
    char beat_key_file[256]; /* "" = datagrams are not authenticated */

    /* roles on cores */
    uint32_t net_count; /* 1..CONFIG_NET_MAX */
    uint32_t layout;    /* enum config_layout */
    uint32_t idle;      /* enum config_idle */
    uint32_t linger_us; /* hybrid: yields so long before it parks */
    bool page_shown;
    uint32_t trace_every; /* requests; 0 = none is traced */
    struct config_words idle_of; /* "net1-spin": otherwise than `idle` for one role */
    struct config_cpus cpus_net, cpus_core, cpus_disk, cpus_apply, cpus_snap, cpus_ctl;

    /* data, log, snapshots */
    char data_dir[256];
    uint64_t log_segment_size;
    uint32_t log_backend;          /* enum config_backend */
    uint64_t snapshot_every_count; /* log entries */
    uint64_t snapshot_every_size;  /* log bytes */
    uint32_t snapshot_kept_count;

    /* sessions */
    uint32_t session_tick_ms;
    uint32_t session_timeout_ms_min; /* after config_check never 0 */
    uint32_t session_timeout_ms_max;

    /* limits */
    uint32_t connections_max;             /* in total; after config_check never 0 */
    uint32_t connections_max_per_address; /* 0 = no limit of its own */
    uint32_t handshake_timeout_ms;
    uint32_t request_size_max; /* one frame from a client (jute.maxbuffer) */
    uint32_t output_size_max;  /* bytes that may wait for a client that does not read */
    uint32_t outstanding_max;  /* writes not yet answered, whole node */
    uint32_t outstanding_max_per_connection;
    uint32_t watches_max; /* per NET role */
    uint32_t watches_max_per_connection;
    uint32_t sessions_max;
    uint64_t net_memory_limit;  /* bytes of each NET role's buffers */
    uint64_t tree_memory_limit; /* bytes of the znode tree; after config_check never 0 */
    uint64_t tree_nodes_max;

    /* behaviour */
    bool ttl_nodes; /* extendedTypesEnabled */
    bool quotas_enforced;
    struct config_words four_letter_words; /* "*" = all */
    uint32_t container_check_ms;
    uint32_t container_reap_per_minute;
    uint32_t container_never_used_ms; /* 0 = an unused container is kept */

    /* who may do what */
    bool skip_acl;
    bool digest_enabled;
    char super_digest[192]; /* "super:<base64>"; "" = nobody is super */
    bool auth_enforced;
    struct config_words auth_schemes;

    /* ensemble; see config_is_ensemble */
    struct membership servers; /* as configured; what is in force comes from the log */
    uint32_t peer_type;        /* enum config_peer_type; the server's line counts, not this */
    char ensemble_cluster[64]; /* "" = the cluster id comes from the servers */
    uint32_t ensemble_form;    /* enum config_form: who must be there to begin an empty log */
    uint32_t ensemble_heartbeat_ms;
    uint32_t ensemble_election_ms_min, ensemble_election_ms_max;
    bool ensemble_reconfig;   /* reconfigEnabled */
    bool ensemble_standalone; /* standaloneEnabled: one server line is a node alone */
    char peers_key_file[256]; /* "" = packets are not authenticated */
    uint32_t peers_priority; /* 802.1Q, 0..7 */
    uint32_t peers_mtu;       /* largest IP packet to a peer, bytes; 0: the route's */
    uint64_t peers_bulk_rate; /* bytes a second to a peer that catches up */
    bool peers_listen_all;    /* quorumListenOnAllIPs */
    uint32_t durability_mode; /* enum config_durability */
    bool recover_from_disk;   /* --recover-from-disk: of this start only */
    uint64_t begin_anew;      /* --begin-anew: the entry its log ends at; 0 = not given */
    uint32_t reads_mode;      /* enum config_reads */
    uint32_t reads_catch_up_ms;
    bool reads_without_quorum; /* readonlymode.enabled */
    uint32_t say_level;        /* enum say_level */

    /* about the configuration itself */
    char file[1024];             /* "" = none */
    bool file_is_zoo;            /* the file is ZooKeeper's zoo.cfg */
    char zoo_dynamic_file[1024]; /* dynamicConfigFile of it; "" = none */
    char ignored[2048];          /* one sentence about keys without effect; "" = none */
    char notes[1024];            /* sentences of config_check that refuse nothing; "" = none */
    struct config_origin origins[CONFIG_SETTINGS_MAX]; /* by index in config_table */
};

/* ---- the table (config_table.c)
 * ----------------------------------------------------------------*/

enum config_type {
    CONFIG_BOOL,    /* bool: true/false, yes/no, on/off, 1/0 */
    CONFIG_COUNT,   /* uint32_t */
    CONFIG_COUNT64, /* uint64_t */
    CONFIG_SIZE,    /* uint64_t bytes: 64M, 1G; powers of 1024 */
    CONFIG_SIZE32,  /* uint32_t bytes */
    CONFIG_MS,      /* uint32_t milliseconds: 500ms, 2s, 5m, 1h */
    CONFIG_CHOICE,  /* uint32_t: place of the word in `choices` */
    CONFIG_TEXT,    /* char[max + 1] */
    CONFIG_LISTEN,  /* struct config_listen */
    CONFIG_ADDRESS, /* struct address, without a port */
    CONFIG_SUBNET,  /* struct config_subnet */
    CONFIG_WORDS,   /* struct config_words */
    CONFIG_CPUS,    /* struct config_cpus */
    CONFIG_SERVERS, /* struct membership */
};

struct config_setting {
    const char *key; /* dotted; a dot is a level in YAML */
    enum config_type type;
    uint32_t offset;      /* in struct config */
    uint64_t min, max;    /* inclusive: of the number; of the length, for texts and words */
    const char *fallback; /* the default, as it would be written */
    const char *choices;  /* CONFIG_CHOICE: "a|b|c"; CONFIG_WORDS: NULL = any word */
    const char *zk;       /* ZooKeeper's names without "zookeeper.", blank-separated; NULL = none */
    uint32_t zk_scale;    /* a bare number under a ZooKeeper name counts in these; 0 = 1 */
    bool secret;          /* never printed */
    const char *help;     /* sentences; '\n' where a line ends */
};

extern const struct config_setting config_table[];
extern const uint32_t config_table_count;

/* config_table_find gives the setting with this key of ours, or NULL. */
const struct config_setting *config_table_find(const char *key);

/* config_table_zk_find gives the setting that a ZooKeeper property sets, with or without the prefix
 * "zookeeper.", or NULL. */
const struct config_setting *config_table_zk_find(const char *name);

/* config_table_near gives the key of ours or the ZooKeeper name closest to a mistyped one, or NULL
 * when none is close. */
const char *config_table_near(const char *key);

/* config_table_zk_why says why a well-known ZooKeeper property has no effect in takt ("TLS is not
 * in this version"), or NULL when it is not well known. */
const char *config_table_zk_why(const char *name);

/* ---- values (config_value.c)
 * -------------------------------------------------------------------*/

/* config_value_parse reads `text` as the setting's type and stores it in config. scale multiplies a
 * bare number (1, or zk_scale). Returns 0 or ERR_CONFIG with "'x' is not ...: what is allowed";
 * config is unchanged then. */
MUST_USE int config_value_parse(struct config *config, const struct config_setting *setting,
                                const char *text, uint32_t scale, struct fault *fault);

/* config_value_print writes the value as config_value_parse reads it, cut to size. */
void config_value_print(const struct config *config, const struct config_setting *setting,
                        char *out, size_t size);

/* config_value_allowed writes what the setting takes: "a duration from 1ms to 10m". */
void config_value_allowed(const struct config_setting *setting, char *out, size_t size);

/* config_value_address reads ADDR:PORT, :PORT or *:PORT ([..] around IPv6) into `at`.
 * Returns 0 or ERR_CONFIG. Names other than localhost are not looked up. */
MUST_USE int config_value_address(struct address *at, const char *text, struct fault *fault);

/* config_value_address_print writes "1.2.3.4" or "::1", and with a port "1.2.3.4:5" or "[::1]:5".
 */
void config_value_address_print(const struct address *at, char *out, size_t size);

/* ---- sources
 * -----------------------------------------------------------------------------------*/

/* config_init sets every default. */
void config_init(struct config *config);

/* config_dev then sets what --dev changes: 127.0.0.1:2181, data in ./takt-data, every four-letter
 * word, no limit per address. */
void config_dev(struct config *config);

/* config_load reads a file of either format: YAML by the endings .yaml and .yml, zoo.cfg by .cfg,
 * .conf and .properties, else by its first line. Returns 0, or ERR_CONFIG with
 * "<file>:<line>: <key>: <what is wrong and what is allowed>". */
MUST_USE int config_load(struct config *config, const char *path, struct fault *fault);

/* The same for text in memory, called `name` in messages. size < CONFIG_FILE_SIZE_MAX. */
MUST_USE int config_yaml_load(struct config *config, const char *name, const char *text,
                              size_t size, struct fault *fault);
MUST_USE int config_zoo_load(struct config *config, const char *name, const char *text, size_t size,
                             struct fault *fault);

/* config_set sets one setting by our key or a ZooKeeper property name; line 0 = not from a file.
 * Returns 0; ERR_NOTFOUND: no such setting (the fault names the nearest one, or says why a property
 * of ZooKeeper has no effect here); ERR_CONFIG: bad value. The fault begins with the key. */
MUST_USE int config_set(struct config *config, const char *key, const char *value,
                        enum config_from from, uint32_t line, struct fault *fault);

/* config_set_pair does --set: "key=value". Returns 0 or ERR_CONFIG. */
MUST_USE int config_set_pair(struct config *config, const char *pair, struct fault *fault);

/* config_set_origin notes where a setting came from. */
void config_set_origin(struct config *config, const struct config_setting *setting,
                       enum config_from from, uint32_t line);

/* config_check, when all sources are in: derives what is left to the node (session limits from the
 * tick, memory limit, id from <data>/myid) and refuses what does not fit together. Returns 0,
 * ERR_CONFIG or ERR_UNSUPPORTED. */
MUST_USE int config_check(struct config *config, struct fault *fault);

/* ---- the ensemble (config_ensemble.c); behind config_check
 * -------------------------------------*/

/* config_is_ensemble asks whether this node has, or may get, peers: more than one server line, or
 * one with ensemble.standalone false. Else it is a node alone and has no peer link. */
bool config_is_ensemble(const struct config *config);

/* config_self gives this node's own server line; NULL for a node alone without one. */
const struct membership_server *config_self(const struct config *config);

/* config_cluster_id gives the id with which these servers begin an empty log: node.cluster_id, or
 * a hash of ensemble.cluster or of the servers. 0: a node alone takes a random one. */
uint64_t config_cluster_id(const struct config *config);

/* config_describe writes what the node would do: "node 2 of 3 (quorum 2: ...) would listen ...". */
void config_describe(const struct config *config, char *out, size_t size);

/* For config.c: the checks of ids, servers and times. config_ensemble_id comes first. */
MUST_USE int config_ensemble_id(struct config *config, struct fault *fault);
MUST_USE int config_ensemble_check(struct config *config, struct fault *fault);

/* config_named gives "session.tick (takt.yaml:3)" for messages, in one of four rotating buffers of
 * the thread. config_is_given: by a file, --set or a flag. config_read_file reads a regular file of
 * less than size bytes and ends it with NUL. */
const char *config_named(const struct config *config, const char *key);
bool config_is_given(const struct config *config, const char *key);
MUST_USE int config_read_file(const char *path, char *text, size_t size, size_t *n,
                              struct fault *fault);

/* ---- forms for people (config_print.c)
 * ---------------------------------------------------------*/

/* config_print writes the settings in force as YAML that config_load reads; each that is not the
 * default says where it comes from. Secrets are left out. */
void config_print(const struct config *config, FILE *to);

/* config_print_reference writes every setting with its help, default, range and ZooKeeper names, as
 * YAML with all values commented out: tools/etc/takt.yaml. */
void config_print_reference(FILE *to);

/* config_print_where writes where the value of a setting comes from: "takt.yaml:3", "--set". */
void config_print_where(const struct config *config, const struct config_setting *setting,
                        char *out, size_t size);
