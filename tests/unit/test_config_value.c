/* Goal: each type of setting takes what it says, refuses the rest with the exact sentence, and
 * leaves the configuration as it was. Method: tables of good and bad texts for each type; for each
 * setting of the table its default, the ends of its range and one beyond each. */
#include "tools/taktd/config.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config config, before;

static void expect_good(const char *key, const char *text, const char *printed)
{
    const struct config_setting *setting = config_table_find(key);
    struct fault fault = {.text = ""};
    char out[8192];

    assert_non_null(setting);
    if (config_value_parse(&config, setting, text, 1, &fault) != 0)
        fail_msg("%s = %s: %s", key, text, fault.text);
    config_value_print(&config, setting, out, sizeof(out));
    assert_string_equal(out, printed);
    /* What is printed is read back as the same. */
    assert_int_equal(config_value_parse(&config, setting, out, 1, &fault), 0);
    config_value_print(&config, setting, out, sizeof(out));
    assert_string_equal(out, printed);
}

static void expect_bad(const char *key, const char *text, const char *sentence)
{
    const struct config_setting *setting = config_table_find(key);
    struct fault fault = {.text = ""};

    assert_non_null(setting);
    before = config;
    assert_int_equal(config_value_parse(&config, setting, text, 1, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, sentence);
    assert_memory_equal(&before, &config, sizeof(config));
}

static int set_up(void **state)
{
    config_init(&config);
    return 0;
}

static void test_bool(void **state)
{
    static const char *const yes[] = {"true", "yes", "on", "1", "TRUE", "Yes"};
    static const char *const no[] = {"false", "no", "off", "0", "False"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        expect_good("auth.skip_acl", yes[i], "true");
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        expect_good("auth.skip_acl", no[i], "false");
    expect_bad("auth.skip_acl", "maybe", "'maybe' is not true or false");
    expect_bad("auth.skip_acl", "", "'' is not true or false");
    expect_bad("auth.skip_acl", "true ", "'true ' is not true or false");
}

static void test_count(void **state)
{
    const char *range = "' is not a number from 1 to 254";
    static const char *const bad[] = {"0",   "255", "-1",         "",
                                      "x",   "1x",  "1K",         "0x",
                                      "1.5", " 1 ", "4294967297", "99999999999999999999"};
    char sentence[128];

    expect_good("node.id", "1", "1");
    expect_good("node.id", "254", "254");
    expect_good("node.id", "0xfe", "254");
    expect_good("node.id", "007", "7");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(sentence, sizeof(sentence), "'%s%s", bad[i], range);
        expect_bad("node.id", bad[i], sentence);
    }
    expect_good("node.cluster_id", "18446744073709551615", "18446744073709551615");
    expect_bad("node.cluster_id", "18446744073709551616",
               "'18446744073709551616' is not a number from 0 to 18446744073709551615");
}

static void test_size(void **state)
{
    expect_good("log.segment_size", "64M", "64M");
    expect_good("log.segment_size", "64MB", "64M");
    expect_good("log.segment_size", "64MiB", "64M");
    expect_good("log.segment_size", "64mib", "64M");
    expect_good("log.segment_size", "32768K", "32M");
    expect_good("log.segment_size", "1 G", "1G");
    expect_good("log.segment_size", "16777217", "16777217");
    expect_good("log.segment_size", "16777217B", "16777217");
    const char *sentence = "'%s' is not a size from 16M to 1G (bytes, or with K, M, G, T)";
    static const char *const bad[] = {"1",    "1023K",        "5G",   "64T",   "64Mi",
                                      "64MM", "64iB",         "M",    "-64M",  "64s",
                                      "64M ", "17179869184G", "64BB", "64MiBB"};
    char text[128];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), sentence, bad[i]);
        expect_bad("log.segment_size", bad[i], text);
    }
}

static void test_ms(void **state)
{
    expect_good("session.tick", "1", "1ms");
    expect_good("session.tick", "2000", "2s");
    expect_good("session.tick", "2 s", "2s");
    expect_good("session.tick", "1500ms", "1500ms");
    expect_good("session.tick", "10m", "10m");
    expect_good("session.timeout_max", "24h", "24h");
    expect_good("session.timeout_max", "0", "0");
    static const char *const bad[] = {"0", "11m", "1h", "2S", "2sec", "s", "1.5s"};
    char text[128];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "'%s' is not a duration from 1ms to 10m (ms, or with s, m, h)",
                 bad[i]);
        expect_bad("session.tick", bad[i], text);
    }
}

static void test_choice_and_text(void **state)
{
    expect_good("port.kind", "dpdk", "dpdk");
    expect_good("port.kind", "Kernel", "kernel");
    assert_int_equal(config.port_kind, CONFIG_PORT_KERNEL);
    expect_good("roles.idle", "hybrid", "hybrid");
    assert_int_equal(config.idle, CONFIG_IDLE_HYBRID);
    expect_bad("port.kind", "kern", "'kern' is not one of kernel|dpdk");
    expect_bad("port.kind", "", "'' is not one of kernel|dpdk");
    expect_bad("port.kind", "kernel|dpdk", "'kernel|dpdk' is not one of kernel|dpdk");

    char longest[64 + 1];
    memset(longest, 'a', 63);
    longest[63] = '\0';
    expect_good("node.cluster_name", longest, longest);
    longest[63] = 'a';
    longest[64] = '\0';
    char sentence[160];
    snprintf(sentence, sizeof(sentence), "'%s' is not a text of at most 63 bytes", longest);
    expect_bad("node.cluster_name", longest, sentence);
    expect_bad("node.cluster_name", "a\nb", "the value holds a control character");
    expect_bad("node.id", "1\n", "the value holds a control character");
    char secret[256];
    memset(secret, 's', 250);
    secret[250] = '\0';
    expect_bad("auth.super_digest", secret, "'(hidden)' is not a text of at most 191 bytes");
}

static void test_listen(void **state)
{
    expect_good("listen", "127.0.0.1:2181", "127.0.0.1:2181");
    expect_good("listen", "localhost:1", "127.0.0.1:1");
    expect_good("listen", ":2181", "0.0.0.0:2181");
    expect_good("listen", "*:2181", "0.0.0.0:2181");
    expect_good("listen", "[::1]:65535", "[::1]:65535");
    expect_good("listen", "[::]:1,  10.0.0.1:2", "[::]:1, 10.0.0.1:2");
    assert_int_equal(config.listen.count, 2);
    assert_int_equal(config.listen.at[1].port, 2);
    assert_int_equal(config.listen.at[1].ip[12], 10);
    assert_int_equal(config.listen.at[1].ip[10], 0xff);

    static const char *const no_port[] = {"127.0.0.1",       "127.0.0.1:",  "127.0.0.1:0",
                                          "127.0.0.1:65536", "127.0.0.1:x", "2181"};
    char sentence[256];
    for (size_t i = 0; i < sizeof(no_port) / sizeof(no_port[0]); i++) {
        snprintf(sentence, sizeof(sentence),
                 "'%s' is not an address with a port, such as 127.0.0.1:2181 or [::1]:2181; ports "
                 "are 1 to 65535",
                 no_port[i]);
        expect_bad("listen", no_port[i], sentence);
    }
    expect_bad("listen", "::1:2181",
               "'::1:2181': an IPv6 address is written in brackets, [::1]:2181");
    expect_bad("listen", "db1:2181",
               "'db1' is not an IP address (names are not looked up; localhost is known)");
    expect_bad("listen", "1.2.3:2181",
               "'1.2.3' is not an IP address (names are not looked up; localhost is known)");
    expect_bad("listen", "", "no address; give one such as 127.0.0.1:2181");
    expect_bad("listen", " , ", "no address; give one such as 127.0.0.1:2181");
    expect_bad("listen", ":1 :2 :1", "':1' is given twice");

    char many[512] = "";
    for (int i = 1; i <= CONFIG_LISTEN_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ":%d ", i);
    assert_int_equal(config_value_parse(&config, config_table_find("listen"), many, 1, NULL), 0);
    assert_int_equal(config.listen.count, CONFIG_LISTEN_MAX);
    strcat(many, ":99");
    expect_bad("listen", many, "more than 16 addresses");
}

static void test_subnet_and_gateway(void **state)
{
    expect_good("port.address", "192.168.7.2/24", "192.168.7.2/24");
    assert_int_equal(config.port_address.prefix_length, 24);
    expect_good("port.address", "10.0.0.1/32", "10.0.0.1/32");
    expect_good("port.address", "fd00::2/64", "fd00::2/64");
    expect_good("port.address", "", "");
    static const char *const bad[] = {"192.168.7.2", "192.168.7.2/", "192.168.7.2/33",
                                      "/24",         "::1/48",       "192.168.7.2/24/1",
                                      "a/24"};
    char sentence[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(sentence, sizeof(sentence),
                 "'%s' is not an IPv4 address with a prefix length, such as 192.168.7.2/24, or an "
                 "IPv6 address in a network of 64 bits, such as fd00::2/64",
                 bad[i]);
        expect_bad("port.address", bad[i], sentence);
    }
    expect_good("port.gateway", "192.168.7.1", "192.168.7.1");
    expect_good("port.gateway", "", "");
    expect_good("port.gateway", "fd00::1", "fd00::1");
    expect_bad("port.gateway", "*", "'*' is not an IP address, such as 192.168.7.1 or fd00::1");
    expect_bad("port.gateway", "gw", "'gw' is not an IP address, such as 192.168.7.1 or fd00::1");
}

static void test_words_and_cpus(void **state)
{
    expect_good("features.four_letter_words", "*", "*");
    expect_good("features.four_letter_words", "ruok,srvr ruok", "ruok, srvr");
    expect_good("auth.schemes", "", "");
    expect_bad("auth.schemes", "a;b", "'a;b' is not a word of letters and digits");
    expect_bad("auth.schemes", "abcdefghijklmnopqrstuvwxyz",
               "the word 'abcdefghijklmnopqrstuvw...' is longer than 23 characters");
    char many[256] = "";
    for (int i = 0; i < CONFIG_WORDS_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "w%d ", i);
    assert_int_equal(config_value_parse(&config, config_table_find("auth.schemes"), many, 1, NULL),
                     0);
    strcat(many, "w99");
    expect_bad("auth.schemes", many, "more than 32 words");

    expect_good("roles.cpus.net", "2-4, 7", "2, 3, 4, 7");
    expect_good("roles.cpus.net", "", "");
    expect_good("roles.cpus.core", "1023", "1023");
    expect_bad("roles.cpus.core", "1,2", "more than 1 cpu");
    expect_bad("roles.cpus.net", "0-16", "more than 16 cpus");
    static const char *const bad[] = {"x", "1024", "4-2", "1-", "-1", "1-x"};
    char sentence[128];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(sentence, sizeof(sentence),
                 "'%s' is not a cpu (0 to 1023) or a range of them such as 2-5", bad[i]);
        expect_bad("roles.cpus.net", bad[i], sentence);
    }
}

static void test_servers(void **state)
{
    expect_good("servers", "1=h:2888:3888", "1=h:2888:3888:participant");
    expect_good("servers", "2=h1|h2:1:2:OBSERVER;0.0.0.0:3", "2=h1|h2:1:2:observer;0.0.0.0:3");
    assert_true(config.servers.server[0].observer);
    assert_int_equal(config.servers.server[0].client_port, 3);
    expect_good("servers", "3=[::1]:1:2;4", "3=[::1]:1:2:participant;4");
    assert_string_equal(config.servers.server[0].host, "[::1]");
    assert_string_equal(config.servers.server[0].client_host, "");
    static const char *const bad[] = {"h",       "h:1",         "h:1:1",     ":1:2",
                                      "h:1:2:x", "h:0:2",       "h:1:65536", "h:1:2;",
                                      "h:1:2;x", "h:1:2;:3",    "h:1:2;h:0", "h$g:1:2",
                                      "h's:1:2", "h:1:2;a$b:3", ";1"};
    char text[64], sentence[512];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "1=%s", bad[i]);
        snprintf(
            sentence, sizeof(sentence),
            "'%s' is not a server: host:2888:3888[:participant|"
            ":observer][;[client host:]2181], ids are 1 to 254, ports 1 to 65535 and the first "
            "two differ",
            bad[i]);
        expect_bad("servers", text, sentence);
    }
    expect_bad("servers", "h:1:2",
               "'h:1:2' has no id: 1=host:2888:3888[:participant|:observer][;"
               "[client host:]2181]");
    static const char *const ids[] = {"0", "255", "4294967297", "x", ""};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        snprintf(text, sizeof(text), "%s=h:1:2", ids[i]);
        expect_bad("servers", text,
                   "'h:1:2' is not a server: host:2888:3888[:participant|:observer]"
                   "[;[client host:]2181], ids are 1 to 254, ports 1 to 65535 and the first two "
                   "differ");
    }
    expect_bad("servers", "1=h:1:2, 1=g:1:2", "server 1 is given twice");
    char many[1024] = "";
    for (int i = 1; i <= MEMBERSHIP_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%d=h:1:2,", i);
    assert_int_equal(config_value_parse(&config, config_table_find("servers"), many, 1, NULL), 0);
    strcat(many, "99=h:1:2");
    expect_bad("servers", many, "more than 16 servers");
}

/* Bytes of the field that each type writes: a setting of the wrong type would spoil its neighbour.
 */
static bool is_number(enum config_type type)
{
    return type == CONFIG_COUNT || type == CONFIG_COUNT64 || type == CONFIG_SIZE ||
           type == CONFIG_SIZE32 || type == CONFIG_MS;
}

static void test_each_setting(void **state)
{
    char text[64], allowed[256];

    for (uint32_t i = 0; i < config_table_count; i++) {
        const struct config_setting *s = &config_table[i];
        assert_true(strlen(s->help) > 10);
        assert_ptr_equal(config_table_find(s->key), s);
        assert_int_equal(config_value_parse(&config, s, s->fallback, 1, NULL), 0);
        config_value_allowed(s, allowed, sizeof(allowed));
        assert_true(strlen(allowed) > 5 && strlen(allowed) < 160);
        if (!is_number(s->type)) {
            if (s->type == CONFIG_CHOICE || s->type == CONFIG_BOOL)
                assert_int_equal(config_value_parse(&config, s, "no such word", 1, NULL),
                                 ERR_CONFIG);
            continue;
        }
        for (int end = 0; end < 2; end++) {
            uint64_t edge = end ? s->max : s->min;
            snprintf(text, sizeof(text), "%" PRIu64, edge);
            assert_int_equal(config_value_parse(&config, s, text, 1, NULL), 0);
            if (edge == 0 || edge == UINT64_MAX)
                continue;
            snprintf(text, sizeof(text), "%" PRIu64, end ? edge + 1 : edge - 1);
            assert_int_equal(config_value_parse(&config, s, text, 1, NULL), ERR_CONFIG);
        }
        assert_int_equal(config_value_parse(&config, s, "abc", 1, NULL), ERR_CONFIG);
    }
}

/* The defaults are what the help says: parsing them all gives config_init's values again. */
static void test_fields_do_not_overlap(void **state)
{
    struct config *all = &config;
    char text[8192];

    for (uint32_t i = 0; i < config_table_count; i++) {
        config_init(&before);
        config_init(all);
        const struct config_setting *s = &config_table[i];
        snprintf(text, sizeof(text), "%" PRIu64, s->max);
        if (is_number(s->type))
            assert_int_equal(config_value_parse(all, s, text, 1, NULL), 0);
        for (uint32_t j = 0; j < config_table_count; j++) {
            char a[8192], b[8192];
            config_value_print(all, &config_table[j], a, sizeof(a));
            config_value_print(&before, &config_table[j], b, sizeof(b));
            if (j != i)
                assert_string_equal(a, b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bool, set_up),
        cmocka_unit_test_setup(test_count, set_up),
        cmocka_unit_test_setup(test_size, set_up),
        cmocka_unit_test_setup(test_ms, set_up),
        cmocka_unit_test_setup(test_choice_and_text, set_up),
        cmocka_unit_test_setup(test_listen, set_up),
        cmocka_unit_test_setup(test_subnet_and_gateway, set_up),
        cmocka_unit_test_setup(test_words_and_cpus, set_up),
        cmocka_unit_test_setup(test_servers, set_up),
        cmocka_unit_test_setup(test_each_setting, set_up),
        cmocka_unit_test_setup(test_fields_do_not_overlap, set_up),
    };
    return cmocka_run_group_tests_name("config_value", tests, NULL, NULL);
}
