/* Goal: a zoo.cfg is taken as it is: what takt has is set, the rest is said in one sentence,
 * nothing is dropped. Method: real files of well-known packagings, each property of the table, and
 * the corners of Java's properties syntax. */
#include "tools/taktd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct fault fault;

static int load(const char *text)
{
    config_init(&config);
    fault.text[0] = '\0';
    return config_zoo_load(&config, "zoo.cfg", text, strlen(text), &fault);
}

static void expect_bad(const char *text, const char *sentence)
{
    assert_int_equal(load(text), ERR_CONFIG);
    assert_string_equal(fault.text, sentence);
}

static void test_the_sample(void **state)
{
    assert_int_equal(load("# The number of milliseconds of each tick\ntickTime=2000\n"
                          "initLimit=10\nsyncLimit=5\ndataDir=/var/lib/zookeeper\n"
                          "clientPort=2181\n#maxClientCnxns=60\n"),
                     0);
    assert_int_equal(config.session_tick_ms, 2000);
    assert_string_equal(config.data_dir, "/var/lib/zookeeper");
    assert_int_equal(config.listen.count, 1);
    assert_int_equal(config.listen.at[0].port, 2181);
    assert_int_equal(config.listen.at[0].ip[12], 0); /* every address, as in ZooKeeper */
    assert_string_equal(config.ignored,
                        "zoo.cfg: 2 keys have no effect in takt: initLimit, syncLimit "
                        "(takt's are ensemble.heartbeat, ensemble.election_min and _max)");
}

/* What docker's image, Bitnami, Strimzi and the Ansible roles write. */
static void test_real_files(void **state)
{
    assert_int_equal(load("dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\n"
                          "syncLimit=2\nautopurge.snapRetainCount=3\nautopurge.purgeInterval=0\n"
                          "maxClientCnxns=60\nstandaloneEnabled=true\nadmin.enableServer=true\n"
                          "server.1=localhost:2888:3888;2181\n"),
                     0);
    assert_int_equal(config.snapshot_kept_count, 3);
    assert_int_equal(config.connections_max_per_address, 60);
    assert_int_equal(config.servers.server[0].client_port, 2181);
    assert_string_equal(
        config.ignored,
        "zoo.cfg: 5 keys have no effect in takt: dataLogDir (log and snapshots lie together in "
        "data.dir); initLimit, syncLimit (takt's are ensemble.heartbeat, ensemble.election_min "
        "and _max); autopurge.purgeInterval (takt always does so); admin.enableServer (the HTTP "
        "admin server is not in this version; use takt status)");

    assert_int_equal(load("standaloneEnabled=false\nreconfigEnabled=true\npeerType=observer\n"
                          "quorumListenOnAllIPs=true\nreadonlymode.enabled=true\n"
                          "server.2=b:2888:3888:observer;2182\nserver.10=c:2888:3888\n"
                          "server.1=a:2888:3888;2181\n"),
                     0);
    assert_string_equal(config.ignored, "");
    assert_false(config.ensemble_standalone);
    assert_true(config.ensemble_reconfig && config.peers_listen_all);
    assert_true(config.reads_without_quorum);
    assert_int_equal(config.peer_type, CONFIG_PEER_OBSERVER);
    assert_int_equal(config.servers.count, 3);
    assert_int_equal(config.servers.server[1].id, 2);
    assert_true(config.servers.server[1].observer);

    assert_int_equal(load("clientPort=2181\npreAllocSize=65536\nsnapCount=100000\nmaxCnxns=0\n"
                          "reconfigEnabled=false\nquorumListenOnAllIPs=false\n"
                          "maxSessionTimeout=40000\n4lw.commands.whitelist=srvr, mntr, ruok\n"
                          "globalOutstandingLimit=1000\n"
                          "metricsProvider.httpPort=7000\naudit.enable=true\n"
                          "authProvider.sasl=org.apache.zookeeper.server.auth."
                          "SASLAuthenticationProvider\n"
                          "requireClientAuthScheme=sasl\nssl.clientAuth=need\nmy.own=1\n"),
                     0);
    assert_true(config.log_segment_size == 64ull << 20);
    assert_true(config.snapshot_every_count == 100000);
    assert_int_equal(config.session_timeout_ms_max, 40000);
    assert_int_equal(config.outstanding_max, 1000);
    assert_int_equal(config.four_letter_words.count, 3);
    assert_string_equal(
        config.ignored,
        "zoo.cfg: 6 keys have no effect in takt: metricsProvider.httpPort (a metrics server is "
        "not "
        "in this version; use the word mntr); audit.enable (the audit log is not in this version); "
        "authProvider.sasl, requireClientAuthScheme (SASL, X.509 and plug-in authentication are "
        "not "
        "in this version); ssl.clientAuth (TLS is not in this version); my.own (not known to "
        "takt)");
}

/* Each property of ours: as it stands, with "zookeeper." before it, and -1 for the default. */
static void test_each_property(void **state)
{
    char text[256];

    for (uint32_t i = 0; i < config_table_count; i++) {
        const struct config_setting *s = &config_table[i];
        bool number = s->type == CONFIG_COUNT || s->type == CONFIG_COUNT64 ||
                      s->type == CONFIG_SIZE || s->type == CONFIG_SIZE32 || s->type == CONFIG_MS;
        if (!s->zk)
            continue;
        for (int prefix = 0; prefix < 2; prefix++) {
            snprintf(text, sizeof(text), "%s%s=%s\n", prefix ? "zookeeper." : "", s->zk,
                     number ? "-1" : s->fallback);
            assert_int_equal(load(text), 0);
            assert_string_equal(config.ignored, "");
            assert_int_equal(config.origins[i].from, CONFIG_FROM_FILE);
            assert_int_equal(config.origins[i].line, 1);
        }
        if (number) {
            snprintf(text, sizeof(text), "\n%s=x\n", s->zk);
            assert_int_equal(load(text), ERR_CONFIG);
            assert_int_equal(strncmp(fault.text, "zoo.cfg:2: ", 11), 0);
        }
    }
}

static void test_super_digest(void **state)
{
    assert_int_equal(
        load("DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
             "\nextendedTypesEnabled=true\nskipACL=yes\njute.maxbuffer=0xfffff\n"),
        0);
    assert_string_equal(config.super_digest, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
    assert_true(config.ttl_nodes);
    assert_true(config.skip_acl);
    assert_int_equal(config.request_size_max, 0xfffff);
}

static void test_syntax(void **state)
{
    assert_int_equal(load("  ! a remark\n\f\t# another\r\n\r\n"
                          "dataDir : /a b\\\n     c  \n"
                          "zookeeper.maxClientCnxns 7\r"
                          "tick\\u0054ime=\\u0031\\\r\n000\n"
                          "clientPort:2182\nclientPortAddress=::1\nsnapCount\\\n =200"),
                     0);
    assert_string_equal(config.data_dir, "/a bc");
    assert_int_equal(config.connections_max_per_address, 7);
    assert_int_equal(config.session_tick_ms, 1000);
    assert_int_equal(config.listen.at[0].port, 2182);
    assert_int_equal(config.listen.at[0].ip[15], 1);
    assert_true(config.snapshot_every_count == 200);
    assert_string_equal(config.ignored, "");

    assert_int_equal(load("dataDir=\\u00e4\\u20ac\\x\\\\"), 0);
    assert_string_equal(config.data_dir, "\xc3\xa4\xe2\x82\xacx\\");
    assert_int_equal(load("maxClientCnxns=1\nmaxClientCnxns=2\n"),
                     0); /* as in Java: the last one */
    assert_int_equal(config.connections_max_per_address, 2);
    assert_int_equal(load("= x\n"), 0);
    assert_string_equal(config.ignored,
                        "zoo.cfg: 1 key has no effect in takt:  (not known to takt)");
    assert_int_equal(load(""), 0);
    assert_string_equal(config.ignored, "");
}

static void test_refusals(void **state)
{
    expect_bad("\n\ntickTime=soon\n",
               "zoo.cfg:3: tickTime: 'soon' is not a duration from 1ms to 10m "
               "(ms, or with s, m, h)");
    expect_bad("clientPort=0\n",
               "zoo.cfg:1: clientPort, clientPortAddress: '0.0.0.0:0' is not an IP "
               "address and a port from 1 to 65535 (names are not looked up)");
    expect_bad(
        "clientPort=2181\nclientPortAddress=db\n",
        "zoo.cfg:2: clientPort, clientPortAddress: "
        "'db:2181' is not an IP address and a port from 1 to 65535 (names are not looked up)");
    expect_bad("secureClientPort=2281\n",
               "zoo.cfg:1: secureClientPort: TLS is not in this version, "
               "and there is no clientPort");
    expect_bad(
        "DigestAuthenticationProvider.digestAlg=SHA-256\n",
        "zoo.cfg:1: DigestAuthenticationProvider.digestAlg: 'SHA-256' is not in this version; "
        "SHA1 is");
    assert_int_equal(load("DigestAuthenticationProvider.digestAlg=SHA1\n"), 0);
    assert_string_equal(config.ignored, "");
    expect_bad("sessionRequireClientSASLAuth=true\n",
               "zoo.cfg:1: sessionRequireClientSASLAuth: SASL "
               "is not in this version, so no client could ever be let in; auth.enforce with "
               "auth.schemes digest is");
    expect_bad(
        "server.1=h g:1:2\n",
        "zoo.cfg:1: server.1: 'h g:1:2' is not a server: host:2888:3888["
        ":participant|:observer][;[client host:]2181], ids are 1 to 254, ports 1 to 65535 and "
        "the first two differ");
    expect_bad(
        "server.x=h:1:2\n",
        "zoo.cfg:1: server.x: 'h:1:2' is not a server: host:2888:3888["
        ":participant|:observer][;[client host:]2181], ids are 1 to 254, ports 1 to 65535 and "
        "the first two differ");
    expect_bad("server.1=a:1:2\nserver.2=b:1:2\n\nserver.01=c:1:2\n",
               "zoo.cfg:4: server 1 is given twice, first on line 1; keep the line that is right");
    expect_bad("zookeeper.server.3=a:1:2\nserver.3=a:1:2\n",
               "zoo.cfg:2: server 3 is given twice, first on line 1; keep the line that is right");
    static char text[6000];
    memset(text, 'a', 5000);
    expect_bad(text,
               "zoo.cfg:1: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...: the key or the value is "
               "too long");
    memcpy(text, "clientPort=", 11);
    text[500] = '\0';
    expect_bad(text, "zoo.cfg:1: clientPort: the value is too long");
    assert_int_equal(config_zoo_load(&config, "zoo.cfg", "a\0b", 3, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "zoo.cfg: not a text file");
}

/* The sentence has a bound: with very many keys it ends with dots. */
static void test_many_ignored(void **state)
{
    static char text[40000];

    text[0] = '\0';
    for (int i = 0; i < 1000; i++)
        snprintf(text + strlen(text), 64, "some.long.key.%d=1\n", i);
    assert_int_equal(load(text), 0);
    assert_int_equal(strlen(config.ignored), sizeof(config.ignored) - 1);
    assert_string_equal(config.ignored + sizeof(config.ignored) - 4, "...");
    assert_non_null(strstr(config.ignored, "1000 keys have no effect"));
}

static void test_why(void **state)
{
    static const char *const known[] = {"initLimit",
                                        "syncLimit",
                                        "admin.serverPort",
                                        "metricsProvider.className",
                                        "ssl.keyStore.password",
                                        "sslQuorum",
                                        "authProvider.1",
                                        "group.1",
                                        "weight.1",
                                        "zookeeper.nio.numWorkerThreads",
                                        "forceSync",
                                        "electionAlg",
                                        "autopurge.purgeInterval",
                                        "snapshot.trust.empty",
                                        "serverCnxnFactory",
                                        "fips-mode",
                                        "commitLogCount",
                                        "oraclePath",
                                        "superUser",
                                        "X509AuthenticationProvider.superUser",
                                        "throttledOpWaitTime",
                                        "connectionMaxTokens",
                                        "largeRequestThreshold",
                                        "cnxTimeout"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_non_null(config_table_zk_why(known[i]));
        assert_null(config_table_zk_find(known[i]));
    }
    assert_null(config_table_zk_why("initLimits"));
    assert_null(config_table_zk_why("ssl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample),    cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_each_property), cmocka_unit_test(test_super_digest),
        cmocka_unit_test(test_syntax),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_many_ignored),  cmocka_unit_test(test_why),
    };
    return cmocka_run_group_tests_name("config_zoo", tests, NULL, NULL);
}
