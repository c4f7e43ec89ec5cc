#include "tools/taktd/config.h"

#include "base/check.h"

#include <string.h>

#define AT(field)   .offset = (uint32_t)offsetof(struct config, field)
#define ROOM(field) .max = sizeof(((struct config *)NULL)->field) - 1
#define KIB         (1024ull)
#define MIB         (1024ull * KIB)
#define GIB         (1024ull * MIB)
#define TIB         (1024ull * GIB)
#define DAY_MS      86400000ull

/* The order is the order of the printed forms. Settings of one section stand together. */
const struct config_setting config_table[] = {
    {.key = "node.id",
     .type = CONFIG_COUNT,
     AT(node_id),
     .min = 1,
     .max = 254,
     .fallback = "1",
     .help = "Number of this node, unique among the nodes that will ever work together.\n"
             "A zoo.cfg takes it from <data>/myid."},
    {.key = "node.cluster_name",
     .type = CONFIG_TEXT,
     AT(cluster_name),
     ROOM(cluster_name),
     .fallback = "takt",
     .help = "A name for people; shown in start-up lines and by the tools."},
    {.key = "node.cluster_id",
     .type = CONFIG_COUNT64,
     AT(cluster_id),
     .max = UINT64_MAX,
     .fallback = "0",
     .help = "Number that keeps nodes of different clusters apart, stored with the data.\n"
             "0: taken at random at the first start, afterwards read from the data."},

    {.key = "listen",
     .type = CONFIG_LISTEN,
     AT(listen),
     .min = 1,
     .max = CONFIG_LISTEN_MAX,
     .fallback = "127.0.0.1:2181",
     .help = "Addresses for ZooKeeper clients. 0.0.0.0:2181 is every IPv4 address of the\n"
             "machine, [::]:2181 every address. In a zoo.cfg: clientPort, clientPortAddress."},

    {.key = "beat.listen",
     .type = CONFIG_TEXT,
     AT(beat_listen),
     ROOM(beat_listen),
     .fallback = "",
     .help = "Address for controllers that speak beat, datagrams of UDP, such as 0.0.0.0:2182.\n"
             "Their sessions are ordinary ones. Each NET serves them. Empty: none are served."},
    {.key = "beat.endpoint",
     .type = CONFIG_COUNT,
     AT(beat_endpoint),
     .min = 0,
     .max = UINT32_MAX,
     .fallback = "0",
     .help = "Number of this node in beat's datagrams; those for another are dropped. 0: node.id."},
    {.key = "beat.session_min",
     .type = CONFIG_MS,
     AT(beat_session_ms_min),
     .min = 1,
     .max = DAY_MS,
     .fallback = "1ms",
     .help = "Shortest session timeout that a controller is given; the longest is\n"
             "session.timeout_max, as for everybody."},
    {.key = "beat.priority",
     .type = CONFIG_COUNT,
     AT(beat_priority),
     .max = 7,
     .fallback = "0",
     .help = "802.1Q priority of what controllers are sent, as peers.priority has it for peers."},
    {.key = "beat.key_file",
     .type = CONFIG_TEXT,
     AT(beat_key_file),
     ROOM(beat_key_file),
     .fallback = "",
     .help = "File with the key (or two, while one is replaced) that controllers and this node\n"
             "prove themselves by, as peers.key_file has it. Read at start. Empty: datagrams\n"
             "carry a checksum only, for networks that nobody else can send on."},

    {.key = "port.kind",
     .type = CONFIG_CHOICE,
     AT(port_kind),
     .choices = "kernel|dpdk",
     .fallback = "kernel",
     .help = "kernel: the operating system's sockets; any machine, nothing to prepare.\n"
             "dpdk: a network device driven by takt itself, without the kernel."},
    {.key = "port.eal",
     .type = CONFIG_TEXT,
     AT(port_eal),
     ROOM(port_eal),
     .fallback = "",
     .help = "Arguments for DPDK's EAL, with port.kind dpdk: \"-a 0000:01:00.0\" for a network\n"
             "card, or a virtual device such as \"--no-pci --vdev net_af_packet0,iface=veth0\"."},
    {.key = "port.address",
     .type = CONFIG_SUBNET,
     AT(port_address),
     .max = 32,
     .fallback = "",
     .help =
         "The dpdk port's own address and network: 192.168.7.2/24, or of IPv6 fd00::2/64 (its\n"
         "networks are of 64 bits). Nobody else may use it."},
    {.key = "port.gateway",
     .type = CONFIG_ADDRESS,
     AT(port_gateway),
     .fallback = "",
     .help = "The dpdk port's router for clients of other networks."},
    {.key = "port.mtu",
     .type = CONFIG_COUNT,
     AT(port_mtu),
     .max = 9000,
     .fallback = "0",
     .help = "Largest IP packet of the dpdk port, 1500 to 9000 bytes, as the device and everybody\n"
             "on its network take it. 0: the device's own, at most 1500."},
    {.key = "port.vlan",
     .type = CONFIG_COUNT,
     AT(port_vlan),
     .max = 4094,
     .fallback = "0",
     .help = "802.1Q id that all frames of the dpdk port carry; others are not taken. 0: none, as\n"
             "behind a switch that puts the tag in itself."},
    {.key = "port.offloads",
     .type = CONFIG_CHOICE,
     AT(port_offloads),
     .choices = "auto|off",
     .fallback = "auto",
     .help = "What the dpdk port leaves to its device: checksums, 802.1Q tags. auto: whatever the\n"
             "device says that it can (takt nic show); off: nothing, for one that says too much."},
    {.key = "port.backlog",
     .type = CONFIG_COUNT,
     AT(port_backlog),
     .min = 1,
     .max = 65535,
     .fallback = "1024",
     .zk = "clientPortListenBacklog",
     .help = "Connections that may wait to be accepted, on the kernel port."},

    {.key = "roles.nets",
     .type = CONFIG_COUNT,
     AT(net_count),
     .min = 1,
     .max = CONFIG_NET_MAX,
     .fallback = "1",
     .help = "How many NET roles share the clients: connections, decoding, watches, reads."},
    {.key = "roles.layout",
     .type = CONFIG_CHOICE,
     AT(layout),
     .choices = "together|spread",
     .fallback = "together",
     .help = "together: NET, CORE, DISK and APPLY take turns on one thread; best up to 2 cores.\n"
             "spread: a thread for each role, on the cpus named in roles.cpus."},
    {.key = "roles.idle",
     .type = CONFIG_CHOICE,
     AT(idle),
     .choices = "spin|pause|yield|park|hybrid",
     .fallback = "hybrid",
     .help = "What a thread without work does. spin, pause: burns its core, answers soonest.\n"
             "yield: lets others run. park: sleeps until something happens, no CPU when idle.\n"
             "hybrid: yields for a moment, then parks."},
    {.key = "roles.linger_us",
     .type = CONFIG_COUNT,
     AT(linger_us),
     .max = 1000000,
     .fallback = "50",
     .help =
         "Microseconds that hybrid yields before it parks; less on a core that others want too."},
    {.key = "roles.idles",
     .type = CONFIG_WORDS,
     AT(idle_of),
     .max = CONFIG_WORDS_MAX,
     .fallback = "",
     .help = "The same for single roles: [net-spin, core-hybrid]. net is every NET, net1 the\n"
             "second. Threads that spin need a core each; more of them are refused."},
    {.key = "roles.cpus.net",
     .type = CONFIG_CPUS,
     AT(cpus_net),
     .max = CONFIG_NET_MAX,
     .fallback = "",
     .help = "CPUs of the NET roles with layout spread, one each: [2, 3]. Empty: not pinned.\n"
             "With layout together the first one is for the shared thread."},
    {.key = "roles.cpus.core",
     .type = CONFIG_CPUS,
     AT(cpus_core),
     .max = 1,
     .fallback = "",
     .help = "CPU of CORE, which orders the writes."},
    {.key = "roles.cpus.disk",
     .type = CONFIG_CPUS,
     AT(cpus_disk),
     .max = 1,
     .fallback = "",
     .help = "CPU of DISK, which writes the log."},
    {.key = "roles.cpus.apply",
     .type = CONFIG_CPUS,
     AT(cpus_apply),
     .max = 1,
     .fallback = "",
     .help = "CPU of APPLY, the only writer of the tree."},
    {.key = "roles.cpus.snap",
     .type = CONFIG_CPUS,
     AT(cpus_snap),
     .max = 1,
     .fallback = "",
     .help = "CPU of SNAP, which writes snapshots."},
    {.key = "roles.cpus.ctl",
     .type = CONFIG_CPUS,
     AT(cpus_ctl),
     .max = 1,
     .fallback = "",
     .help = "CPU of CTL, which looks after the others."},

    {.key = "page.shown",
     .type = CONFIG_BOOL,
     AT(page_shown),
     .fallback = "true",
     .help = "Whether the node's counters lie in a file of /dev/shm, where takt top, takt trace\n"
             "and takt latency find them, also after a crash. It costs the node nothing."},
    {.key = "page.trace_every",
     .type = CONFIG_COUNT,
     AT(trace_every),
     .max = 1000000000,
     .fallback = "256",
     .help = "One request in so many is stamped on its way through the node, for takt trace and\n"
             "takt latency. 0: none."},

    {.key = "data.dir",
     .type = CONFIG_TEXT,
     AT(data_dir),
     ROOM(data_dir),
     .fallback = "",
     .zk = "dataDir",
     .help =
         "Directory of the log and the snapshots. Created if its parent exists. One node only; a\n"
         "second one is refused. Must be given: here, with --data, or by --dev."},

    {.key = "log.segment_size",
     .type = CONFIG_SIZE,
     AT(log_segment_size),
     .min = 16 * MIB,
     .max = GIB,
     .fallback = "64M",
     .zk = "preAllocSize",
     .zk_scale = 1024,
     .help = "Size of one log file, a multiple of 4096 bytes. Files are zeroed before they are "
             "used, so that a write\n"
             "behind them changes no size."},
    {.key = "log.backend",
     .type = CONFIG_CHOICE,
     AT(log_backend),
     .choices = "auto|uring|sync",
     .fallback = "auto",
     .help = "How the log is written. uring: io_uring; sync: plain system calls.\n"
             "auto: uring with roles.layout together where the kernel allows it, else sync.\n"
             "With each, a write is durable before it is answered."},

    {.key = "durability.mode",
     .type = CONFIG_CHOICE,
     AT(durability_mode),
     .choices = "disk|memory",
     .fallback = "disk",
     .help =
         "What this member of an ensemble acknowledges. disk: what is on its disk. memory: what\n"
         "is in its memory; the disk follows, at most two batches (8 MiB) behind. A member that\n"
         "did not stop in good order then votes again only when it has caught up with a leader,\n"
         "and a majority that loses power at once stops the ensemble until taktd is started with\n"
         "--recover-from-disk. The same on every member. Not for a node alone."},

    {.key = "snapshot.every_entries",
     .type = CONFIG_COUNT64,
     AT(snapshot_every_count),
     .min = 100,
     .max = 1000000000000,
     .fallback = "500000",
     .zk = "snapCount",
     .help = "A snapshot is taken after so many log entries, ..."},
    {.key = "snapshot.every_size",
     .type = CONFIG_SIZE,
     AT(snapshot_every_size),
     .min = MIB,
     .max = 16 * TIB,
     .fallback = "1G",
     .zk = "snapSizeLimitInKb",
     .zk_scale = 1024,
     .help = "... or after so much log, whichever is first. Older log files then go."},
    {.key = "snapshot.kept",
     .type = CONFIG_COUNT,
     AT(snapshot_kept_count),
     .min = 1,
     .max = 1000,
     .fallback = "3",
     .zk = "autopurge.snapRetainCount",
     .help = "How many snapshots are kept; older ones are deleted after each new one."},

    {.key = "session.tick",
     .type = CONFIG_MS,
     AT(session_tick_ms),
     .min = 1,
     .max = 600000,
     .fallback = "2s",
     .zk = "tickTime",
     .help = "The unit of the two limits below when they are not given."},
    {.key = "session.timeout_min",
     .type = CONFIG_MS,
     AT(session_timeout_ms_min),
     .max = DAY_MS,
     .fallback = "0",
     .zk = "minSessionTimeout",
     .help = "Shortest session timeout that a client is given. 0: two ticks."},
    {.key = "session.timeout_max",
     .type = CONFIG_MS,
     AT(session_timeout_ms_max),
     .max = DAY_MS,
     .fallback = "0",
     .zk = "maxSessionTimeout",
     .help = "Longest session timeout that a client is given. 0: twenty ticks."},

    {.key = "limits.connections",
     .type = CONFIG_COUNT,
     AT(connections_max),
     .max = 1000000,
     .fallback = "65536",
     .zk = "maxCnxns",
     .help = "Most connections at one time. 0: the most that this build can hold, 1000000."},
    {.key = "limits.connections_per_address",
     .type = CONFIG_COUNT,
     AT(connections_max_per_address),
     .max = 1000000,
     .fallback = "1000",
     .zk = "maxClientCnxns",
     .help = "Most connections from one address. 0: no limit but the one above."},
    {.key = "limits.handshake_timeout",
     .type = CONFIG_MS,
     AT(handshake_timeout_ms),
     .min = 100,
     .max = 3600000,
     .fallback = "10s",
     .zk = "nio.sessionlessCnxnTimeout",
     .help = "A connection that has no session after this time is closed."},
    {.key = "limits.request_size",
     .type = CONFIG_SIZE32,
     AT(request_size_max),
     .min = 4 * KIB,
     .max = 2 * MIB - 16 * KIB,
     .fallback = "1048575",
     .zk = "jute.maxbuffer",
     .help = "Largest request that is accepted; a larger one ends its connection. At most half a\n"
             "batch of the log (consensus/log_tail.h)."},
    {.key = "limits.output",
     .type = CONFIG_SIZE32,
     AT(output_size_max),
     .min = 64 * KIB,
     .max = 24 * MIB,
     .fallback = "8M",
     .help = "Most bytes that wait for a client that reads too slowly; then it is closed."},
    {.key = "limits.outstanding",
     .type = CONFIG_COUNT,
     AT(outstanding_max),
     .min = 1,
     .max = 1000000,
     .fallback = "65536",
     .zk = "globalOutstandingLimit",
     .help = "Most writes on their way at one time; above it connections are read later."},
    {.key = "limits.sessions",
     .type = CONFIG_COUNT,
     AT(sessions_max),
     .min = 1,
     .max = 1 << 24,
     .fallback = "100000",
     .help = "Most sessions alive at one time, connected or not; more are refused."},
    {.key = "limits.outstanding_per_connection",
     .type = CONFIG_COUNT,
     AT(outstanding_max_per_connection),
     .min = 1,
     .max = 65536,
     .fallback = "1024",
     .help = "The same for one connection."},
    {.key = "limits.watches",
     .type = CONFIG_COUNT,
     AT(watches_max),
     .min = 16,
     .max = 100000000,
     .fallback = "4000000",
     .help = "Most watches that one NET role keeps; a read that wants one more is refused."},
    {.key = "limits.watches_per_connection",
     .type = CONFIG_COUNT,
     AT(watches_max_per_connection),
     .min = 16,
     .max = 100000000,
     .fallback = "1000000",
     .help = "The same for one connection."},
    {.key = "limits.net_memory",
     .type = CONFIG_SIZE,
     AT(net_memory_limit),
     .min = 64 * MIB,
     .max = TIB,
     .fallback = "4G",
     .help = "Memory for the buffers of each NET role. Taken as it is needed, never returned."},
    {.key = "limits.tree_memory",
     .type = CONFIG_SIZE,
     AT(tree_memory_limit),
     .max = 16 * TIB,
     .fallback = "0",
     .help = "Memory for the znodes. At the limit writes that grow the tree are refused and\n"
             "deletes still work. 0: half of the machine's memory."},
    {.key = "limits.tree_nodes",
     .type = CONFIG_COUNT64,
     AT(tree_nodes_max),
     .min = 1000,
     .max = 1000000000,
     .fallback = "50000000",
     .help = "Most znodes; address space is reserved for them at start."},

    {.key = "features.ttl_nodes",
     .type = CONFIG_BOOL,
     AT(ttl_nodes),
     .fallback = "false",
     .zk = "extendedTypesEnabled",
     .help = "Znodes that are deleted when nobody changed them for a time."},
    {.key = "features.quotas_enforced",
     .type = CONFIG_BOOL,
     AT(quotas_enforced),
     .fallback = "false",
     .zk = "enforceQuota",
     .help = "Writes beyond a hard quota are refused. Without it quotas are only counted."},
    {.key = "features.four_letter_words",
     .type = CONFIG_WORDS,
     AT(four_letter_words),
     .min = 0,
     .max = CONFIG_WORDS_MAX,
     .fallback = "ruok, srvr, stat, mntr, conf, cons, isro, envi, dirs, wchs, memb",
     .zk = "4lw.commands.whitelist",
     .help = "The four-letter words that are answered; \"*\" is all of them."},

    {.key = "containers.check_interval",
     .type = CONFIG_MS,
     AT(container_check_ms),
     .min = 100,
     .max = DAY_MS,
     .fallback = "1m",
     .zk = "znode.container.checkIntervalMs",
     .help = "How often empty containers and outdated TTL znodes are looked for."},
    {.key = "containers.reap_per_minute",
     .type = CONFIG_COUNT,
     AT(container_reap_per_minute),
     .min = 1,
     .max = 10000000,
     .fallback = "10000",
     .zk = "znode.container.maxPerMinute",
     .help = "Most of them deleted in one minute."},
    {.key = "containers.never_used",
     .type = CONFIG_MS,
     AT(container_never_used_ms),
     .max = DAY_MS,
     .fallback = "0",
     .zk = "znode.container.maxNeverUsedIntervalMs",
     .help = "A container that never had a child is deleted after this time. 0: it is kept."},

    {.key = "auth.skip_acl",
     .type = CONFIG_BOOL,
     AT(skip_acl),
     .fallback = "false",
     .zk = "skipACL",
     .help = "Access lists are kept but not looked at: everybody may do everything."},
    {.key = "auth.digest",
     .type = CONFIG_BOOL,
     AT(digest_enabled),
     .fallback = "true",
     .zk = "DigestAuthenticationProvider.enabled",
     .help = "Clients may prove who they are by user and password (scheme digest)."},
    {.key = "auth.super_digest",
     .type = CONFIG_TEXT,
     AT(super_digest),
     ROOM(super_digest),
     .fallback = "",
     .secret = true,
     .zk = "DigestAuthenticationProvider.superDigest",
     .help = "Who may do everything, as user:hash. Empty: nobody. The hash is made by\n"
             "printf super:password | openssl sha1 -binary | base64"},
    {.key = "auth.enforce",
     .type = CONFIG_BOOL,
     AT(auth_enforced),
     .fallback = "false",
     .zk = "enforce.auth.enabled",
     .help = "A session must be authenticated by one of auth.schemes before it may do anything."},
    {.key = "auth.schemes",
     .type = CONFIG_WORDS,
     AT(auth_schemes),
     .max = CONFIG_WORDS_MAX,
     .fallback = "",
     .zk = "enforce.auth.schemes",
     .help = "See auth.enforce. For example: digest."},

    {.key = "servers",
     .type = CONFIG_SERVERS,
     AT(servers),
     .max = MEMBERSHIP_MAX,
     .fallback = "",
     .help =
         "The members of the ensemble, the same list on each, as in a zoo.cfg's server.N lines:\n"
         "\"1=host:2888:3888;2181\". The first port is the UDP port of the link between members;\n"
         "the second is ZooKeeper's election port, which takt does not use. None, or one: a node\n"
         "alone. They begin an empty log; later the log says who belongs (takt member)."},

    {.key = "ensemble.cluster",
     .type = CONFIG_TEXT,
     AT(ensemble_cluster),
     ROOM(ensemble_cluster),
     .fallback = "",
     .help = "A name that only the members of this ensemble share; members with another one are\n"
             "refused. Empty: the list of servers is the name."},
    {.key = "ensemble.form",
     .type = CONFIG_CHOICE,
     AT(ensemble_form),
     .choices = "all|majority",
     .fallback = "all",
     .help = "Who must be there to begin with empty disks. all: every voter, so that members\n"
             "with wiped disks never pass for a new ensemble. majority: more than half will do."},
    {.key = "ensemble.heartbeat",
     .type = CONFIG_MS,
     AT(ensemble_heartbeat_ms),
     .min = 1,
     .max = 10000,
     .fallback = "20ms",
     .help = "How often a leader that has nothing else to say tells its followers that it is "
             "there."},
    {.key = "ensemble.election_min",
     .type = CONFIG_MS,
     AT(ensemble_election_ms_min),
     .min = 5,
     .max = 60000,
     .fallback = "60ms",
     .help = "A follower that heard no leader for a time between this and election_max asks for\n"
             "votes. At least twice ensemble.heartbeat. Less is sooner, and errs more often."},
    {.key = "ensemble.election_max",
     .type = CONFIG_MS,
     AT(ensemble_election_ms_max),
     .min = 10,
     .max = 120000,
     .fallback = "120ms",
     .help = "The longest such time; more than election_min, or members would ask all at once."},
    {.key = "ensemble.reconfig",
     .type = CONFIG_BOOL,
     AT(ensemble_reconfig),
     .fallback = "false",
     .zk = "reconfigEnabled",
     .help = "Members may be added, removed and changed while it runs (reconfig, takt member).\n"
             "Who may is in the access list of /zookeeper/config: at first only super."},
    {.key = "ensemble.standalone",
     .type = CONFIG_BOOL,
     AT(ensemble_standalone),
     .fallback = "true",
     .zk = "standaloneEnabled",
     .help = "true: a single server line is a node alone, and a change that leaves fewer than two\n"
             "voters is refused. false: it is an ensemble of one, which can grow."},

    {.key = "peers.peer_type",
     .type = CONFIG_CHOICE,
     AT(peer_type),
     .choices = "participant|observer",
     .fallback = "participant",
     .zk = "peerType",
     .help = "For a zoo.cfg. The role is in this node's own line of servers, and that one counts."},
    {.key = "peers.listen_all",
     .type = CONFIG_BOOL,
     AT(peers_listen_all),
     .fallback = "false",
     .zk = "quorumListenOnAllIPs",
     .help = "Hear other members on every address, not only on that of the own server line."},
    {.key = "peers.key_file",
     .type = CONFIG_TEXT,
     AT(peers_key_file),
     ROOM(peers_key_file),
     .fallback = "",
     .help = "File with the key (or two, while one is replaced) that members prove themselves by;\n"
             "read again at SIGHUP. Lines \"<number> <hex>\", \"-\" in front: not sent with yet.\n"
             "Empty: packets carry a checksum only, for networks that nobody else can send on."},
    {.key = "peers.mtu",
     .type = CONFIG_COUNT,
     AT(peers_mtu),
     .min = 0,
     .max = 65535,
     .fallback = "0",
     .help = "Largest IP packet that reaches every member in one piece, at least 1280 bytes; 0:\n"
             "as the route to each says. For networks that drop large packets without a word."},
    {.key = "peers.priority",
     .type = CONFIG_COUNT,
     AT(peers_priority),
     .max = 7,
     .fallback = "0",
     .help = "802.1Q priority, 0 to 7, of what this node sends to its peers: in the tag on the\n"
             "dpdk port; on the kernel port SO_PRIORITY, for a VLAN's egress-qos-map to map."},
    {.key = "peers.bulk_rate",
     .type = CONFIG_SIZE,
     AT(peers_bulk_rate),
     .min = 64 * KIB,
     .max = 64 * GIB,
     .fallback = "100M",
     .help = "Bytes a second at which a member that is behind is brought up to date, so that "
             "others\n"
             "keep their latency."},

    {.key = "reads.mode",
     .type = CONFIG_CHOICE,
     AT(reads_mode),
     .choices = "local|linearizable",
     .fallback = "local",
     .help =
         "local: reads are answered from this node's tree, as in ZooKeeper; sync first when it\n"
         "matters. linearizable: each waits until the leader confirms that it is current."},
    {.key = "reads.catch_up",
     .type = CONFIG_MS,
     AT(reads_catch_up_ms),
     .max = 600000,
     .fallback = "2s",
     .help = "A client that has seen more than this node has waits so long for the node to catch\n"
             "up; then it is sent away to another."},
    {.key = "reads.without_quorum",
     .type = CONFIG_BOOL,
     AT(reads_without_quorum),
     .fallback = "false",
     .zk = "readonlymode.enabled",
     .help = "A node without a leader serves clients that asked for read-only sessions."},

    {.key = "messages.level",
     .type = CONFIG_CHOICE,
     AT(say_level),
     .choices = "error|warn|info|debug",
     .fallback = "info",
     .help = "Which messages are written to stderr."},
};
const uint32_t config_table_count = sizeof(config_table) / sizeof(config_table[0]);
static_assert(sizeof(config_table) / sizeof(config_table[0]) <= CONFIG_SETTINGS_MAX,
              "struct config has an origin for each setting");

const struct config_setting *config_table_find(const char *key)
{
    for (uint32_t i = 0; i < config_table_count; i++)
        if (strcmp(config_table[i].key, key) == 0)
            return &config_table[i];
    return NULL;
}

#define NEAR_SIZE_MAX 64

/* Levenshtein's distance; texts of NEAR_SIZE_MAX bytes or more are far from everything. */
static uint32_t config_table_distance(const char *a, const char *b)
{
    uint32_t row[NEAR_SIZE_MAX + 1];
    size_t a_size = strlen(a), b_size = strlen(b);

    if (a_size >= NEAR_SIZE_MAX || b_size >= NEAR_SIZE_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= a_size; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            uint32_t least = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < least)
                least = row[j] + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            row[j] = least;
        }
    }
    return row[b_size];
}

const char *config_table_near(const char *key)
{
    const char *best = NULL;
    uint32_t best_distance = (uint32_t)strlen(key) / 4 + 2;

    for (uint32_t i = 0; i < config_table_count; i++) {
        const char *names[3] = {config_table[i].key, config_table[i].zk, NULL};
        const char *dot = strrchr(config_table[i].key, '.');
        /* Somebody who leaves the section out means the key all the same. */
        if (dot && strcmp(dot + 1, key) == 0)
            return config_table[i].key;
        for (int n = 0; names[n] && n < 2; n++) {
            uint32_t distance = config_table_distance(key, names[n]);
            if (distance < best_distance) {
                best_distance = distance;
                best = names[n];
            }
        }
    }
    return best;
}
