/* Goal: each four-letter word answers in the shape that third parties parse (zk_admin.md sections
 * 1, 2, 18). Method: the words over the sim port, their lines matched against patterns. */
#include "net_rig.h"

#include "base/core_state.h"
#include "base/core_status.h"

#include <regex.h>

/* Sends a word (in two pieces) and gives the whole answer; the connection must be closed after. */
static char *ask(struct rig *rig, const char *word, uint32_t size)
{
    static char text[1 << 20];
    uint32_t got, total = 0;
    struct client c = client_connect(rig, 9);
    port_sim_send(c.peer, word, 2);
    rig_run(rig);
    port_sim_send(c.peer, word + 2, size - 2);
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    if (command) { /* dump asks APPLY */
        static const char part[] = "SessionTracker dump:\nephemeral nodes dump:\n";
        assert_int_equal(command->kind, COMMAND_QUERY);
        assert_int_equal(command->op, COMMAND_OP_DUMP);
        rig_reply(rig, command, ZK_OK, part, sizeof(part) - 1);
        rig_pop(rig);
        rig_publish(rig);
        rig_run(rig);
    }
    for (;;) {
        const uint8_t *at = port_sim_arrived(c.peer, &got);
        if (got == 0)
            break;
        assert_true(total + got < sizeof(text));
        memcpy(text + total, at, got);
        total += got;
        port_sim_take(c.peer, got);
        rig_run(rig);
    }
    text[total] = '\0';
    assert_true(port_sim_closed(c.peer));
    port_sim_forget(c.peer);
    return text;
}

static void expect(struct rig *rig, const char *word, const char *pattern)
{
    regex_t regex;
    char *text = ask(rig, word, 4);
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0))
        fail_msg("%s answered:\n%s\nwanted:\n%s", word, text, pattern);
    regfree(&regex);
}

#define SERVER_LINES                                                                               \
    "Latency min/avg/max: [0-9]+/[0-9]+/[0-9]+\nReceived: [0-9]+\nSent: [0-9]+\n"                  \
    "Connections: 3\nOutstanding: 0\nZxid: 0x[0-9a-f]+\nMode: standalone\nNode count: 6\n$"
/* go-zookeeper's pattern for the version line, and its line for a client */
#define GO_VERSION                                                                                 \
    "^Zookeeper version: .*-.*, built on [0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2} [A-Z]+\n"
#define CLIENT " /10\\.0\\.0\\.[0-9]:40000\\[[0-9a-f]+\\]\\(queued=0,recved=[0-9]+,sent=[0-9]+"

static struct rig *rig_with_clients(struct client *c, struct client *d)
{
    struct rig *rig = rig_make(NULL, 1 << 20);
    *c = client_live(rig, 1);
    *d = client_live(rig, 2);
    rig_create(rig, "/a", "12345");
    rig_publish(rig);
    client_path(c, 1, ZK_OP_GET_DATA, "/a", 1);
    client_path(d, 1, ZK_OP_EXISTS, "/a", 1);
    client_path(d, 2, ZK_OP_GET_CHILDREN, "/", 1);
    client_path(d, 3, ZK_OP_EXISTS, "/b", 1);
    rig_run(rig);
    return rig;
}

static void test_shapes(void **state)
{
    struct client c, d;
    struct rig *rig = rig_with_clients(&c, &d);
    expect(rig, "ruok", "^imok$");
    expect(rig, "isro", "^rw$");
    expect(rig, "srvr", GO_VERSION SERVER_LINES);
    expect(rig, "stat", GO_VERSION "Clients:\n(" CLIENT "\\)\n){3}\n" SERVER_LINES);
    expect(rig, "cons",
           "^(" CLIENT "(,sid=0x[0-9a-f]+,lop=(GETD|EXIS),est=[0-9]+,to=10000,lcxid=0x[0-9a-f]+,"
           "lzxid=0x[0-9a-f]+,lresp=[0-9]+,llat=0,minlat=0,avglat=0,maxlat=0)?\\)\n){3}\n$");
    expect(rig, "conf",
           "^clientPort=2181\nsecureClientPort=-1\ndataDir=.*\ndataDirSize=0\ndataLogDir=.*\n"
           "dataLogSize=0\ntickTime=2000\nmaxClientCnxns=60\nminSessionTimeout=4000\n"
           "maxSessionTimeout=40000\nclientPortListenBacklog=-1\nserverId=1\n"
           "durabilityMode=disk\n$");
    expect(rig, "envi",
           "^Environment:\nzookeeper.version=3\\.9\\.5.*\nhost.name=.*\nos.name=Linux\n");
    expect(rig, "dirs", "^datadir_size: 0\nlogdir_size: 0\n$");
    expect(rig, "wchs", "^2 connections watching 2 paths\nTotal watches:3\n$");
    expect(rig, "wchc", "^(0x100000000000001\n\t/a\n|0x100000000000002\n(\t/[ab]\n){2}){2}$");
    expect(rig, "wchp", "^(/a\n(\t0x10000000000000[12]\n){2}|/b\n\t0x100000000000002\n){2}$");
    expect(rig, "dump",
           "^SessionTracker dump:\nephemeral nodes dump:\nConnections dump:\nConnections Sets "
           "\\(1\\)/\\(3\\):\n3 expire at .*:\n(\tip: /10.0.0.[0-9]:40000 sessionId: 0x[0-9a-f]+\n)"
           "{3}$");
    expect(rig, "gtmk", "^306$");
    expect(rig, "hash", "^$");
    expect(rig, "crst", "^Connection stats reset\\.\n$");
    expect(rig, "cons", ",sid=0x100000000000001,lop=GETD,est=[0-9]+,to=10000,lzxid=0xf{16},");
    expect(rig, "srst", "^Server stats reset\\.\n$");
    expect(rig, "srvr", "\nReceived: 0\nSent: 0\n");
    assert_string_equal(ask(rig, "stmk\0\0\0\0\0\0\1\0", 12), "256");
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

static void facts(void *self, struct fourletter_facts *facts)
{
    *facts = *(struct fourletter_facts *)self;
}

static void test_mntr(void **state)
{
    struct client c, d;
    struct rig *rig = rig_with_clients(&c, &d);
    struct fourletter_facts now = {
        .sessions = 2, .ephemerals = 7, .fds_open = 11, .fds_max = 1024, .serving = true};
    rig->net.config.words.facts = facts;
    rig->net.config.words.facts_self = &now;
    rig_pass(rig, 1500);
    static const char *const lines[] = {"^zk_version\t3\\.9\\.5",
                                        "\nzk_server_state\tstandalone\n",
                                        "\nzk_uptime\t15[0-9][0-9]\n",
                                        "\nzk_avg_latency\t[0-9]+\\.[0-9]{4}\n",
                                        "\nzk_min_latency\t0\n",
                                        "\nzk_max_latency\t0\n",
                                        "\nzk_packets_received\t6\n",
                                        "\nzk_packets_sent\t6\n",
                                        "\nzk_znode_count\t6\n",
                                        "\nzk_approximate_data_size\t51\n",
                                        "\nzk_ephemerals_count\t7\n",
                                        "\nzk_global_sessions\t2\n",
                                        "\nzk_local_sessions\t0\n",
                                        "\nzk_open_file_descriptor_count\t11\n",
                                        "\nzk_max_file_descriptor_count\t1024\n",
                                        "\nzk_num_alive_connections\t3\n",
                                        "\nzk_outstanding_requests\t0\n",
                                        "\nzk_watch_count\t4\n"};
    for (uint32_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect(rig, "mntr", lines[i]);
    now.serving = false; /* electing, or recovering */
    expect(rig, "mntr", "^This ZooKeeper instance is not currently serving requests\n$");
    expect(rig, "isro", "^null$");
    expect(rig, "ruok", "^imok$");
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_whitelist(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    rig->net.config.words.denied = fourletter_allow("ruok, srvr,nope");
    expect(rig, "ruok", "^imok$");
    expect(rig, "srvr", "^Zookeeper version");
    expect(rig, "mntr", "^mntr is not executed because it is not in the whitelist\\.\n$");
    expect(rig, "dump", "^dump is not executed because it is not in the whitelist\\.\n$");
    rig->net.config.words.denied = fourletter_allow("*");
    expect(rig, "mntr", "^zk_version");
    rig->net.config.words.denied = fourletter_allow("");
    expect(rig, "ruok", "not in the whitelist");
    assert_string_equal(ask(rig, "nope", 4), ""); /* no word: a length that is too large */
    rig_free(rig);
}

static void test_too_large(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.frame_size_max = 65536;
    config.reply_size_max = 65536 + 1024;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1);
    char path[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(path, sizeof(path), "/a-path-that-is-somewhat-longer-than-others-%d", i);
        client_path_int(&c, i, ZK_OP_ADD_WATCH, path, 0);
        if (i % 500 == 499)
            rig_run(rig);
    }
    rig_run(rig);
    expect(rig, "wchp", "^The answer is larger than this node's reply limit\\.\n$");
    client_forget(rig, &c);
    rig_free(rig);
}

static struct core_state standing;
static struct core_status status;

/* A leader of 1, 2 and 3, of which 3 observes and was not heard for long. */
static struct rig *rig_leader(void)
{
    static struct membership_server self = {
        .id = 1, .quorum_port = 2888, .election_port = 3888, .host = "h1"};
    struct rig *rig = rig_make(NULL, 1 << 20);
    uint64_t now_ns = rig->now.mono_ns;
    core_state_init(&standing, 1, true, 2000);
    core_state_tell(&standing, 3, 1, CORE_ROLE_LEADER, 5, now_ns);
    memset(&status, 0, sizeof(status));
    status.state = CORE_STATUS_LEADER;
    status.leader = 1;
    status.voting = true;
    status.term = 5;
    status.last_index = 40;
    status.commit_index = 38;
    status.elections = 2;
    status.outage_ns = 715 * NS_PER_MS / 10;
    status.leader_ns = now_ns;
    status.reason = "node 2 was not heard";
    for (uint8_t i = 0; i < 3; i++) {
        status.peers[i].id = i + 1;
        status.peers[i].voter = i < 2;
        status.peers[i].streams = i < 2;
        status.peers[i].match_index = i < 2 ? 39u : 10u;
        status.peers[i].heard_ns = i < 2 ? now_ns : 1;
    }
    rig->now.mono_ns += 2 * NS_PER_S;
    status.peers[1].heard_ns = rig->now.mono_ns;
    rig->net.parts.state = &standing;
    rig->net.parts.status = &status;
    rig->net.config.words.self = &self;
    return rig;
}

#define LINES(p)                                                                                   \
    p "id\t1\n" p "term\t5\n" p "leader\t1\n" p "leader_known_ms\t20[0-9]{2}\n" p                  \
      "last_index\t40\n" p "durable_index\t0\n" p "commit_index\t38\n" p "applied_index\t0\n" p    \
      "elections\t2\n" p "election_ms\t71\\.500\n" p "election_reason\tnode 2 was not heard\n" p   \
      "voting\tyes\n" p "member\tyes\n" p "durability\tdisk\n" p "joint\tno\n" p "stuck\tno\n" p   \
      "peer_1\tvoter\n" p "peer_2\tvoter streaming lag=1 heard_ms=[0-9]+\n" p                      \
      "peer_3\tobserver silent lag=30 heard_ms=[0-9]+\n"

static void test_leader(void **state)
{
    struct rig *rig = rig_leader();
    expect(rig, "srvr", "\nMode: leader\n.*\nProposal sizes last/min/max: ");
    expect(rig, "memb", "^state\tleader\n" LINES("") "$");
    expect(rig, "mntr",
           "zk_server_state\tleader\nzk_peer_state\tleading - broadcast\nzk_quorum_size\t2\n"
           "zk_leader_uptime\t20[0-9]{2}\nzk_learners\t1\nzk_followers\t1\n"
           "zk_synced_followers\t1\nzk_synced_observers\t0\n"
           "zk_synced_non_voting_followers\t0\nzk_pending_syncs\t0\n"
           "zk_last_proposal_size\t0\nzk_max_proposal_size\t0\nzk_min_proposal_size\t0\n" LINES(
               "zk_takt_"));
    expect(rig, "conf",
           "serverId=1\ndurabilityMode=disk\nelectionAlg=3\nelectionPort=3888\n"
           "quorumPort=2888\npeerType=0\n"
           "membership: \n");
    rig_free(rig);
}

/* Without a leader mntr is silent as in the reference, and memb says how it stands. */
static void test_looking(void **state)
{
    struct rig *rig = rig_leader();
    status.state = CORE_STATUS_PRE_CANDIDATE;
    status.leader = 0;
    core_state_tell(&standing, 3, 0, CORE_ROLE_FOLLOWER, 5, rig->now.mono_ns);
    expect(rig, "mntr", "^This ZooKeeper instance is not currently serving requests\n$");
    expect(rig, "memb", "^state\tlooking\nid\t1\nterm\t5\nleader\t0\nleader_known_ms\t0\n");
    status.stuck = true;
    status.peers[0].vote = CORE_STATUS_VOTES;
    status.peers[1].vote = CORE_STATUS_NO_VOTE;
    expect(rig, "memb",
           "\nstuck\tnobody can be elected: 2 voters are needed; with a vote: 1; not "
           "heard: none; .*is lost: 2. Bring back their disks[^\n]*\n"
           "peer_1\tvoter votes\npeer_2\tvoter no-vote\npeer_3\tobserver\n");
    status.stuck = false;
    status.peers[0].vote = status.peers[1].vote = CORE_STATUS_VOTE_UNKNOWN;
    status.state = CORE_STATUS_FOLLOWER;
    status.leader = 2;
    status.voting = false;
    status.member = CORE_STATUS_REMOVED;
    rig->net.config.words.memory = true;
    core_state_tell(&standing, 3, 2, CORE_ROLE_OBSERVER, 6, rig->now.mono_ns);
    expect(rig, "memb",
           "^state\tobserver\n.*\nvoting\tcatching up\nmember\tremoved\ndurability\tmemory\n"
           "joint\tno\nstuck\tno\n"
           "peer_1\tvoter\npeer_2\tvoter\npeer_3\tobserver\n$");
    expect(rig, "mntr", "\nzk_peer_state\tobserving - broadcast\nzk_quorum_size\t2\nzk_takt_id");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_mntr),
        cmocka_unit_test(test_whitelist), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_leader),    cmocka_unit_test(test_looking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
