/* Goal: the sources come in their order, and what does not fit together is refused by name. Method:
 * files in a temporary directory, --set pairs, and the exact sentence of each refusal. */
#include "tools/taktd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config;
static struct fault fault;
static char dir[64];

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static int set_up(void **state)
{
    strcpy(dir, "/tmp/test_config.XXXXXX");
    assert_non_null(mkdtemp(dir));
    config_init(&config);
    fault.text[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void set(const char *pair)
{
    if (config_set_pair(&config, pair, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void expect_checked(int err, const char *sentence)
{
    assert_int_equal(config_check(&config, &fault), err);
    if (err)
        assert_string_equal(fault.text, sentence);
}

/* The sentence with the directory of this run replaced. */
static void expect_load(const char *name, const char *text, const char *format)
{
    char sentence[512];
    write_file(name, text);
    config_init(&config);
    int err = config_load(&config, path_of(name), &fault);
    if (!format) {
        assert_int_equal(err, 0);
        return;
    }
    assert_int_equal(err, ERR_CONFIG);
    snprintf(sentence, sizeof(sentence), "%s/%s", dir, format);
    assert_string_equal(fault.text, sentence);
}

static void test_formats(void **state)
{
    expect_load("a.yaml", "node:\n  id: 3\n", NULL);
    assert_int_equal(config.node_id, 3);
    assert_false(config.file_is_zoo);
    expect_load("zoo.cfg", "tickTime=1000\n", NULL);
    assert_true(config.file_is_zoo);
    expect_load("plain", "# words: a\n\ntickTime=1000\n", NULL);
    assert_true(config.file_is_zoo);
    assert_int_equal(config.session_tick_ms, 1000);
    expect_load("plain2", "# words = a\nnode:\n  id: 4\n", NULL);
    assert_false(config.file_is_zoo);
    assert_int_equal(config.node_id, 4);
    expect_load("b.yml", "a=b\n", "b.yml:1: the file must hold 'key: value' lines");
    expect_load("c.properties", "tickTime=x\n",
                "c.properties:1: tickTime: 'x' is not a duration from "
                "1ms to 10m (ms, or with s, m, h)");
}

static void test_unreadable(void **state)
{
    char sentence[256];

    assert_int_equal(config_load(&config, path_of("none.yaml"), &fault), ERR_CONFIG);
    snprintf(sentence, sizeof(sentence), "%s/none.yaml: cannot be read: No such file or directory",
             dir);
    assert_string_equal(fault.text, sentence);
    assert_int_equal(config_load(&config, dir, &fault), ERR_CONFIG);
    snprintf(sentence, sizeof(sentence), "%s: not a regular file", dir);
    assert_string_equal(fault.text, sentence);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(config_load(&config, path_of("pipe"), &fault), ERR_CONFIG);
    snprintf(sentence, sizeof(sentence), "%s/pipe: not a regular file", dir);
    assert_string_equal(fault.text, sentence);
    write_file("large.yaml", "");
    assert_int_equal(truncate(path_of("large.yaml"), CONFIG_FILE_SIZE_MAX), 0);
    assert_int_equal(config_load(&config, path_of("large.yaml"), &fault), ERR_CONFIG);
    snprintf(sentence, sizeof(sentence), "%s/large.yaml: larger than 1048575 bytes", dir);
    assert_string_equal(fault.text, sentence);
}

static void test_order_of_sources(void **state)
{
    char where[300];
    const struct config_setting *tick = config_table_find("session.tick");

    config_print_where(&config, tick, where, sizeof(where));
    assert_string_equal(where, "default");
    config_dev(&config);
    assert_string_equal(config.data_dir, "takt-data");
    write_file("a.yaml", "session: {tick: 1s}\ndata: {dir: /d}\n");
    assert_int_equal(config_load(&config, path_of("a.yaml"), &fault), 0);
    assert_string_equal(config.data_dir, "/d");
    config_print_where(&config, tick, where, sizeof(where));
    assert_string_equal(where, path_of("a.yaml:1"));
    set("tickTime=3000");
    assert_int_equal(config.session_tick_ms, 3000);
    config_print_where(&config, tick, where, sizeof(where));
    assert_string_equal(where, "--set");
    expect_checked(0, NULL);
    assert_int_equal(config.session_timeout_ms_min, 6000);
    assert_int_equal(config.session_timeout_ms_max, 60000);
}

static void test_set(void **state)
{
    static const struct {
        const char *pair, *sentence;
    } bad[] = {
        {"session.tick", "--set session.tick: it is written --set key=value"},
        {"=1", "--set =1: it is written --set key=value"},
        {"sesion.tick=1s", "--set: sesion.tick: no such setting; did you mean session.tick?"},
        {"tick=1s", "--set: tick: no such setting; did you mean session.tick?"},
        {"maxClientCnxn=1", "--set: maxClientCnxn: no such setting; did you mean maxClientCnxns?"},
        {"something.else=1", "--set: something.else: no such setting; --help-config lists all"},
        {"initLimit=1", "--set: initLimit: has no effect in takt (takt's are ensemble.heartbeat, "
                        "ensemble.election_min and _max)"},
        {"zookeeper.ssl.protocol=1", "--set: zookeeper.ssl.protocol: has no effect in takt (TLS is "
                                     "not in this version)"},
        {"roles.nets=17", "--set: roles.nets: '17' is not a number from 1 to 16"},
        {"clientPort=0", "--set: clientPort: '0' is not a port, 1 to 65535"},
        {"clientPortAddress=x", "--set: clientPortAddress: 'x' is not an IP address (names are not "
                                "looked up; localhost is known)"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(config_set_pair(&config, bad[i].pair, &fault), ERR_CONFIG);
        assert_string_equal(fault.text, bad[i].sentence);
    }
    set("clientPort=2182");
    assert_int_equal(config.listen.at[0].port, 2182);
    assert_int_equal(config.listen.at[0].ip[12], 127);
    set("clientPortAddress=::1");
    assert_int_equal(config.listen.at[0].ip[15], 1);
    set("preAllocSize=20480"); /* ZooKeeper's unit is KB ... */
    assert_true(config.log_segment_size == 20u << 20);
    set("preAllocSize=30M"); /* ... when none is written */
    assert_true(config.log_segment_size == 30u << 20);
    set("zookeeper.DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
    assert_string_equal(config.super_digest, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
    set("server.1=a:1:2");
    set("server.1=b:1:2");
    assert_int_equal(config.servers.count, 1);
    assert_string_equal(config.servers.server[0].host, "b");
    for (int i = 2; i <= MEMBERSHIP_MAX; i++) {
        char pair[64];
        snprintf(pair, sizeof(pair), "server.%d=a:1:2", i);
        set(pair);
    }
    assert_int_equal(config_set_pair(&config, "server.99=a:1:2", &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "--set: server.99: more than 16 servers");
}

static void test_myid(void **state)
{
    char zoo[256], text[256];

    snprintf(zoo, sizeof(zoo), "dataDir=%s\nserver.7=h:1:2;127.0.0.1:2199\n", dir);
    expect_load("zoo.cfg", zoo, NULL);
    expect_checked(0, NULL); /* no myid: the only server line says it */
    assert_int_equal(config.node_id, 7);
    assert_int_equal(config.listen.at[0].port, 2199);
    write_file("myid", "7\n");
    expect_load("zoo.cfg", zoo, NULL);
    expect_checked(0, NULL);
    assert_int_equal(config.node_id, 7);
    write_file("myid", "8\n");
    expect_load("zoo.cfg", zoo, NULL);
    assert_int_equal(config_check(&config, &fault), ERR_CONFIG);
    snprintf(text, sizeof(text),
             "servers (%s/zoo.cfg:2): this node, node.id (myid) = 8, is not among the servers 7",
             dir);
    assert_string_equal(fault.text, text);
    write_file("myid", "seven\n");
    expect_load("zoo.cfg", zoo, NULL);
    assert_int_equal(config_check(&config, &fault), ERR_CONFIG);
    snprintf(text, sizeof(text), "%s/myid: 'seven' is not a number from 1 to 254", dir);
    assert_string_equal(fault.text, text);
    expect_load("zoo.cfg", zoo, NULL); /* --id wins, and the file is not looked at */
    assert_int_equal(config_set(&config, "node.id", "7", CONFIG_FROM_FLAG, 0, &fault), 0);
    expect_checked(0, NULL);
}

static void test_dynamic_file(void **state)
{
    char zoo[300];

    write_file("zoo.dynamic", "server.1=h:1:2:participant;127.0.0.1:2188\nversion=0\n");
    snprintf(zoo, sizeof(zoo), "dataDir=%s\ndynamicConfigFile=%s/zoo.dynamic\n", dir, dir);
    expect_load("zoo.cfg", zoo, NULL);
    expect_checked(0, NULL);
    assert_int_equal(config.listen.at[0].port, 2188);
    snprintf(zoo, sizeof(zoo), "dynamicConfigFile=%s/none\n", dir);
    expect_load("zoo.cfg", zoo, "none: cannot be read: No such file or directory");
}

static void three(const char *form)
{
    char pair[64];

    config_init(&config);
    set("data.dir=/d");
    for (int i = 1; i <= 3; i++) {
        snprintf(pair, sizeof(pair), "server.%d=h%d:%s", i, i, form);
        set(pair);
    }
}

/* An ensemble: who this node is, where it listens, what its clients are told. */
static void test_ensemble(void **state)
{
    char text[1024];

    three("2888:3888");
    set("node.id=2");
    set("listen=10.0.0.2:2182");
    expect_checked(0, NULL);
    assert_true(config_is_ensemble(&config));
    assert_string_equal(config_self(&config)->host, "h2");
    assert_string_equal(config_self(&config)->client_host, "10.0.0.2");
    assert_int_equal(config_self(&config)->client_port, 2182);
    assert_string_equal(config.notes, "");
    config_describe(&config, text, sizeof(text));
    assert_string_equal(text, "node 2 would listen on 10.0.0.2:2182 and keep its data in /d; as a "
                              "voter of 3 servers, of which 3 vote and 2 decide, it would hear "
                              "the others on UDP port 2888 of h2, 1 at h1:2888, 3 at h3:2888; "
                              "election ports are not used");
    three("2888:3888;2199");
    set("node.id=3");
    expect_checked(0, NULL);
    assert_int_equal(config.listen.at[0].port, 2199);
    assert_int_equal(config.listen.at[0].ip[12], 0);
    set("server.4=h4:1:2:observer");
    set("node.id=4");
    set("peers.listen_all=yes");
    expect_checked(0, NULL);
    config_describe(&config, text, sizeof(text));
    assert_non_null(strstr(text, "as an observer of 4 servers, of which 3 vote and 2 decide, it "
                                 "would hear the others on UDP port 1 of every address, 1 at"));
}

/* What works but deserves a word. */
static void test_ensemble_notes(void **state)
{
    three("1:2");
    set("node.id=1");
    expect_checked(0, NULL);
    assert_string_equal(config.notes,
                        "the line of server 1 has no client part and no clientPort is given, so "
                        "only this machine's clients reach it, at 127.0.0.1:2181: put ;2181 behind "
                        "the line");
    set("clientPort=2199");
    set("server.1=h1:1:2;2181");
    expect_checked(0, NULL);
    assert_string_equal(config.notes,
                        "listen (--set) is 127.0.0.1:2199, but the line of server 1 tells clients "
                        "port 2181: make both the same");
    set("clientPort=2181");
    expect_checked(0, NULL);
    assert_string_equal(config.notes, "");
    set("server.4=h4:1:2");
    expect_checked(0, NULL);
    assert_string_equal(config.notes, "4 voting members survive no more failures than 3");
    set("server.4=h4:1:2:observer");
    set("server.3=h3:1:2:observer");
    set("peerType=observer");
    expect_checked(0, NULL);
    assert_string_equal(config.notes,
                        "2 voting members: none may fail; with three, one may; peers.peer_type "
                        "(--set) does not agree with the line of server 1: it is a participant");
    set("peerType=participant");
    set("server.2=h2:1:2:observer");
    expect_checked(0, NULL);
    assert_string_equal(config.notes, "1 voting member: none may fail; with three, one may");
}

static void test_ensemble_cluster_id(void **state)
{
    three("1:2");
    uint64_t id = config_cluster_id(&config);
    assert_true(id != 0);
    three("1:2;7"); /* clients do not matter */
    assert_true(config_cluster_id(&config) == id);
    three("1:3"); /* nor do the election ports */
    assert_true(config_cluster_id(&config) == id);
    three("3:2");
    assert_true(config_cluster_id(&config) != id);
    three("1:2");
    set("ensemble.cluster=blue");
    uint64_t blue = config_cluster_id(&config);
    assert_true(blue != id && blue != 0);
    set("server.4=h:1:2");
    assert_true(config_cluster_id(&config) == blue);
    set("node.cluster_id=5");
    assert_true(config_cluster_id(&config) == 5);
    config_init(&config);
    assert_true(config_cluster_id(&config) == 0);
    set("server.1=h:1:2");
    assert_false(config_is_ensemble(&config));
    set("standaloneEnabled=false");
    assert_true(config_is_ensemble(&config) && config_cluster_id(&config) != 0);
}

static void test_ensemble_refusals(void **state)
{
    static const struct {
        const char *sets[3], *sentence;
    } cases[] = {
        {{"node.id=9"},
         "servers (--set): this node, node.id (--set) = 9, is not among the servers 1, 2, 3"},
        {{NULL},
         "servers (--set): which of them is this node? Write its number into /d/myid, or give "
         "node.id or --id"},
        {{"node.id=1", "server.3=h1:1:5"},
         "servers (--set): servers 1 and 3 both want port 1 of h1"},
        {{"node.id=1", "server.3=H2:5:1"},
         "servers (--set): servers 2 and 3 both want port 1 of H2"},
        {{"node.id=1", "server.3=h3:5:6;h2:2"},
         "servers (--set): servers 2 and 3 both want port 2 of h2"},
        {{"node.id=1", "server.3=h3|h4:1:2"},
         "servers (--set): server 3: several addresses (h3|h4) are not in this version; give one"},
        {{"node.id=1", "ensemble.heartbeat=31ms"},
         "ensemble.election_min (default) must be at least twice ensemble.heartbeat (--set)"},
        {{"node.id=1", "ensemble.election_max=60ms"},
         "ensemble.election_max (--set) must be more than ensemble.election_min (default)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        three("1:2");
        for (int n = 0; n < 3 && cases[i].sets[n]; n++)
            set(cases[i].sets[n]);
        expect_checked(ERR_CONFIG, cases[i].sentence);
    }
    three("1:2:observer");
    set("node.id=1");
    expect_checked(ERR_CONFIG, "servers (--set): every server is an observer; somebody must vote");
    config_init(&config);
    set("data.dir=/d");
    set("server.1=a:1:2;nowhere:2181");
    expect_checked(ERR_CONFIG,
                   "servers (--set): server 1: its client part: listen: 'nowhere' is not an IP "
                   "address (names are not looked up; localhost is known)");
}

/* A YAML file with servers takes its id from myid too. */
static void test_myid_yaml(void **state)
{
    char text[300];

    write_file("myid", "2\n");
    snprintf(text, sizeof(text), "data: {dir: %s}\nservers: ['1=a:1:2;5', '2=b:1:2;0.0.0.0:6']\n",
             dir);
    expect_load("a.yaml", text, NULL);
    expect_checked(0, NULL);
    assert_int_equal(config.node_id, 2);
    assert_int_equal(config.listen.at[0].port, 6);
    snprintf(text, sizeof(text), "data: {dir: %s}\n", dir);
    expect_load("a.yaml", text, NULL);
    expect_checked(0, NULL);
    assert_int_equal(config.node_id, 1); /* a node alone does not look */
}

static void test_together(void **state)
{
    static const struct {
        const char *sets[5];
        int err;
        const char *sentence;
    } cases[] = {
        {{NULL}, ERR_CONFIG, "no data directory: give --data DIR, data.dir in a file, or --dev"},
        {{"data.dir=/d", "session.timeout_min=2m"},
         ERR_CONFIG,
         "the shortest session timeout is 120000 ms and the longest 40000 ms: see "
         "session.timeout_min "
         "(--set), session.timeout_max (default), session.tick (default)"},
        {{"data.dir=/d", "beat.listen=nowhere"},
         ERR_CONFIG,
         "beat.listen (--set): 'nowhere' is not an address such as 0.0.0.0:2182"},
        {{"data.dir=/d", "beat.listen=:2182", "beat.session_min=1m"},
         ERR_CONFIG,
         "beat.session_min (--set) is longer than session.timeout_max (default): 60000 ms and "
         "40000 ms"},
        {{"data.dir=/d", "beat.listen=:2182", "beat.session_min=1ms"}, 0, NULL},
        {{"data.dir=/d", "limits.tree_memory=1M"},
         ERR_CONFIG,
         "limits.tree_memory (--set) is less than 16M: no tree fits"},
        {{"data.dir=/d", "log.segment_size=16777217"},
         ERR_CONFIG,
         "log.segment_size (--set) is not a multiple of 4096"},
        {{"data.dir=/d", "limits.net_memory=64M", "limits.output=24M"},
         ERR_CONFIG,
         "limits.net_memory (--set) must be at least four times limits.output (--set) and "
         "limits.request_size (default) together"},
        {{"data.dir=/d", "auth.super_digest=abc"},
         ERR_CONFIG,
         "auth.super_digest (--set) is not user:hash; the hash is made by: printf "
         "user:password | openssl sha1 -binary | base64"},
        {{"data.dir=/d", "auth.super_digest=:abc"},
         ERR_CONFIG,
         "auth.super_digest (--set) is not user:hash; the hash is made by: printf "
         "user:password | openssl sha1 -binary | base64"},
        {{"data.dir=/d", "auth.super_digest=super:HASH"},
         ERR_CONFIG,
         "auth.super_digest (--set) is not user:hash; the hash is made by: printf "
         "user:password | openssl sha1 -binary | base64"},
        {{"data.dir=/d", "auth.super_digest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs"},
         ERR_CONFIG,
         "auth.super_digest (--set) is not user:hash; the hash is made by: printf "
         "user:password | openssl sha1 -binary | base64"},
        {{"data.dir=/d", "auth.super_digest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs-"},
         ERR_CONFIG,
         "auth.super_digest (--set) is not user:hash; the hash is made by: printf "
         "user:password | openssl sha1 -binary | base64"},
        {{"data.dir=/d", "enforce.auth.enabled=true"},
         ERR_CONFIG,
         "auth.enforce (--set) needs auth.schemes, for example digest"},
        {{"data.dir=/d", "port.eal=x"},
         ERR_CONFIG,
         "port.eal (--set) is for port.kind dpdk, but it is kernel"},
        {{"data.dir=/d", "port.address=10.0.0.1/8"},
         ERR_CONFIG,
         "port.address (--set) is for port.kind dpdk, but it is kernel"},
        {{"data.dir=/d", "roles.cpus.core=0"},
         ERR_CONFIG,
         "roles.cpus.core (--set) is for roles.layout spread, but it is together"},
        {{"data.dir=/d", "roles.cpus.net=0", "roles.nets=2", "roles.layout=spread"},
         ERR_CONFIG,
         "roles.cpus.net (--set) names 1 cpus for 2 NET roles (roles.nets)"},
        {{"data.dir=/d", "roles.cpus.net=1023"},
         ERR_CONFIG,
         "roles.cpus.net (--set): cpu 1023 is not there, or not for this process"},
        {{"data.dir=/d", "roles.cpus.net=0"}, 0, NULL},
        {{"data.dir=/d", "durability.mode=memory", "node.id=1", "server.1=a:1:2;3",
          "server.2=b:1:2:observer"},
         ERR_CONFIG,
         "durability.mode (--set) is memory, and no other server votes beside this one: what it "
         "acknowledged would be lost with its process; use disk, or configure servers"},
        {{"data.dir=/d", "durability.mode=memory", "node.id=1", "server.1=a:1:2;3",
          "server.2=b:1:2"},
         0,
         NULL},
        {{"data.dir=/d", "roles.idle=spin"}, 0, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        config_init(&config);
        for (int n = 0; n < 5 && cases[i].sets[n]; n++)
            set(cases[i].sets[n]);
        expect_checked(cases[i].err, cases[i].sentence);
    }
}

/* --dev serves controllers too, but not when it was told to be elsewhere. */
static void test_dev_beat(void **state)
{
    config_init(&config);
    config_dev(&config);
    expect_checked(0, NULL);
    assert_string_equal(config.beat_listen, "127.0.0.1:2182");
    config_init(&config);
    config_dev(&config);
    set("listen=127.0.0.1:3181");
    expect_checked(0, NULL);
    assert_string_equal(config.beat_listen, "");
    set("beat.listen=127.0.0.1:3182");
    expect_checked(0, NULL);
    assert_string_equal(config.beat_listen, "127.0.0.1:3182");
}

static void test_spinning(void **state)
{
    config_init(&config);
    set("data.dir=/d");
    set("roles.layout=spread");
    set("roles.nets=16");
    set("roles.idle=pause");
    if (sysconf(_SC_NPROCESSORS_ONLN) >= 19)
        skip();
    assert_int_equal(config_check(&config, &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "roles.idle (--set): 19 threads would spin on "));
    set("roles.idle=park");
    expect_checked(0, NULL);
}

static void test_derived(void **state)
{
    set("data.dir=/d");
    set("maxCnxns=0");
    set("session.tick=10m");
    expect_checked(0, NULL);
    assert_int_equal(config.connections_max, 1000000);
    assert_int_equal(config.session_timeout_ms_max, 12000000);
    assert_true(config.tree_memory_limit >= 16u << 20);
}

static void test_dpdk(void **state)
{
    set("data.dir=/d");
    set("port.kind=dpdk");
    int err = config_check(&config, &fault);
    if (err == ERR_UNSUPPORTED)
        skip();
    assert_int_equal(err, ERR_CONFIG);
    assert_string_equal(fault.text,
                        "port.address (--ip) is missing: the dpdk port has an address of "
                        "its own, such as 192.168.7.2/24");
    set("port.address=192.168.7.2/24");
    expect_checked(
        ERR_CONFIG,
        "port.eal (--eal) is missing: it names the device, and without a name DPDK would "
        "try every network card of this machine; such as -a 0000:01:00.0, or --no-pci "
        "--vdev net_af_packet0,iface=veth0");
    set("port.eal=--no-pci --vdev net_af_packet0,iface=veth0");
    expect_checked(0, NULL); /* listens on its own address */
    assert_int_equal(config.listen.at[0].ip[15], 2);
    set("listen=127.0.0.1:2181");
    expect_checked(ERR_CONFIG, "listen (--set): 127.0.0.1:2181 is not the dpdk port's address");
    set("listen=0.0.0.0:2181,0.0.0.0:2182");
    expect_checked(ERR_CONFIG, "listen (--set): the dpdk port listens on one address");
    set("listen=0.0.0.0:2181");
    expect_checked(0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_formats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_myid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dynamic_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ensemble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ensemble_notes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ensemble_cluster_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ensemble_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_myid_yaml, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dev_beat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spinning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_derived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dpdk, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
