/* Goal: a YAML file sets what it says, and each mistake is answered with its file, its line and
 * what is allowed. Method: whole files as text beside the exact sentence; every setting of the
 * table. */
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
    return config_yaml_load(&config, "t.yaml", text, strlen(text), &fault);
}

static void test_good(void **state)
{
    assert_int_equal(load("session:\n  tick: 500ms\n  timeout_max: 1m\n"
                          "listen:\n  - 127.0.0.1:2181\n  - '[::1]:2181'\n"
                          "features: {four_letter_words: [ruok, mntr], ttl_nodes: yes}\n"
                          "roles:\n  cpus:\n    net: [1, 2-3]\n    core: 0\n"
                          "servers: 1=h:1:2\n"
                          "port:\n  eal: \"--no-pci --vdev net_tap0,iface=t0\"\n"
                          "node.cluster_name: ''\n"),
                     0);
    assert_int_equal(config.session_tick_ms, 500);
    assert_int_equal(config.session_timeout_ms_max, 60000);
    assert_int_equal(config.listen.count, 2);
    assert_int_equal(config.four_letter_words.count, 2);
    assert_true(config.ttl_nodes);
    assert_int_equal(config.cpus_net.count, 3);
    assert_int_equal(config.cpus_net.cpu[2], 3);
    assert_int_equal(config.servers.count, 1);
    assert_string_equal(config.port_eal, "--no-pci --vdev net_tap0,iface=t0");
    assert_string_equal(config.cluster_name, "");
    char where[64];
    config_print_where(&config, config_table_find("session.timeout_max"), where, sizeof(where));
    assert_string_equal(where, ":3");
}

static void test_empty(void **state)
{
    static const char *const empty[] = {
        "", "# only words\n", "---\n", "session:\n", "~", "session: ~\nlimits: null\n"};

    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        assert_int_equal(load(empty[i]), 0);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"session:\n  tikc: 2s\n",
         "t.yaml:2: unknown key session.tikc; did you mean session.tick; known here: tick, "
         "timeout_min, timeout_max"},
        {"tick: 2s\n",
         "t.yaml:1: unknown key tick; did you mean session.tick; known here: node, listen, beat, "
         "port, roles, page, "
         "data, log, durability, snapshot, session, limits, features, containers, auth, "
         "servers, ensemble, peers, reads, messages"},
        {"\n\nsession: {tick: 2s\n", "t.yaml:4: not YAML: did not find expected ',' or '}'"},
        {"session:\n\ttick: 2s\n",
         "t.yaml:2: not YAML: found character that cannot start any token"},
        {"session:\n  tick: soon\n",
         "t.yaml:2: session.tick: 'soon' is not a duration from 1ms to 10m (ms, or with s, m, h)"},
        {"session:\n  tick: 1s\n  timeout_min: 2s\n  tick: 1s\n",
         "t.yaml:4: session.tick: given twice, first on line 2"},
        {"session:\n  tick: 1s\nsession.tick: 1s\n",
         "t.yaml:3: session.tick: given twice, first on line 2"},
        {"session:\n  tick:\n  timeout_min: 2s\n", "t.yaml:2: session.tick: has no value; it takes "
                                                   "a duration from 1ms to 10m (ms, or with s, "
                                                   "m, h)"},
        {"session:\n  tick: [1s]\n", "t.yaml:2: session.tick: takes no list or mapping; it takes a "
                                     "duration from 1ms to 10m (ms, "
                                     "or with s, m, h)"},
        {"session: 2s\n",
         "t.yaml:1: session is a section; it holds: tick, timeout_min, timeout_max"},
        {"session: [2s]\n",
         "t.yaml:1: session is a section; it holds: tick, timeout_min, timeout_max"},
        {"roles: {cpus: 3}\n",
         "t.yaml:1: roles.cpus is a section; it holds: net, core, disk, apply, snap, ctl"},
        {"- a\n- b\n", "t.yaml:1: the file must hold 'key: value' lines"},
        {"just a sentence\n", "t.yaml:1: the file must hold 'key: value' lines"},
        {"listen:\n  - a\n  - [b]\n", "t.yaml:3: listen: a list of plain values is expected"},
        {"listen:\n  - 127.0.0.1:1\n  - nowhere\n",
         "t.yaml:1: listen: 'nowhere' is not an address with a port, such as 127.0.0.1:2181 or "
         "[::1]:2181; ports are 1 to 65535"},
        {"? [a]\n: b\n", "t.yaml:1: a key must be a plain word"},
        {"node:\n  id: 1\n---\nnode:\n",
         "t.yaml:3: a second document begins here; one is expected"},
        {"node: &n\n  id: 1\nx: *n\n",
         "t.yaml:3: unknown key x; known here: node, listen, beat, port, roles, page, "
         "data, log, durability, "
         "snapshot, session, limits, features, containers, auth, servers, ensemble, peers, reads, "
         "messages"},
        {"data:\n  dir: &d /a\nlog: *d\n",
         "t.yaml:3: an alias (*name) is not allowed; write the value"},
        {"'': 1\n",
         "t.yaml:1: unknown key ; known here: node, listen, beat, port, roles, page, "
         "data, log, durability, "
         "snapshot, session, limits, features, containers, auth, servers, ensemble, "
         "peers, reads, messages"},
        {"data:\n  dir: \"a\\0b\"\n", "t.yaml:2: data.dir: holds a NUL byte"},
        {"data:\n  dir: \"a\\nb\"\n", "t.yaml:2: data.dir: the value holds a control character"},
        {"initLimit: 5\n",
         "t.yaml:1: unknown key initLimit; known here: node, listen, beat, port, roles, page, "
         "data, log, durability, snapshot, session, limits, features, containers, auth, servers, "
         "ensemble, peers, reads, messages"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(load(bad[i].text), ERR_CONFIG);
        assert_string_equal(fault.text, bad[i].sentence);
    }
}

static void test_too_long(void **state)
{
    static char text[20000];

    snprintf(text, sizeof(text), "%0200d: 1\n", 1);
    assert_int_equal(load(text), ERR_CONFIG);
    assert_string_equal(fault.text, "t.yaml:1: a key: too long");
    snprintf(text, sizeof(text), "servers: [%0200d", 1);
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), 300, ",%0200d", 1);
    strcat(text, "]\n");
    assert_int_equal(load(text), ERR_CONFIG);
    assert_string_equal(fault.text, "t.yaml:1: servers: too long");
    snprintf(text, sizeof(text), "data: {dir: %09000d}\n", 1);
    assert_int_equal(load(text), ERR_CONFIG);
    assert_string_equal(fault.text, "t.yaml:1: data.dir: too long");
}

/* Each setting by its dotted key with its default, in quotes where a text may be empty. */
static void test_each_setting(void **state)
{
    char text[256];

    for (uint32_t i = 0; i < config_table_count; i++) {
        const struct config_setting *s = &config_table[i];
        snprintf(text, sizeof(text), "\n%s: '%s'\n", s->key, s->fallback);
        assert_int_equal(load(text), 0);
        assert_int_equal(config.origins[i].from, CONFIG_FROM_FILE);
        assert_int_equal(config.origins[i].line, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_each_setting),
    };
    return cmocka_run_group_tests_name("config_yaml", tests, NULL, NULL);
}
