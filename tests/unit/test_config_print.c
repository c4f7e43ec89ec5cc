/* Goal: the printed forms are true: what --print-config writes is the same configuration when it is
 * read, the reference shows the defaults, and tools/etc/takt.yaml is that reference. Method: print,
 * read again, compare each setting. */
#include "tools/taktd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config first, second;
static struct fault fault;

static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    if (config)
        config_print(config, to);
    else
        config_print_reference(to);
    fclose(to);
    return text;
}

static void expect_same(void)
{
    char a[8192], b[8192];

    for (uint32_t i = 0; i < config_table_count; i++) {
        config_value_print(&first, &config_table[i], a, sizeof(a));
        config_value_print(&second, &config_table[i], b, sizeof(b));
        if (!config_table[i].secret)
            assert_string_equal(a, b);
    }
}

static void test_read_again(void **state)
{
    static const char *const sets[] = {"data.dir=/it's # a: [place]",
                                       "listen=127.0.0.1:1,[::1]:2",
                                       "roles.cpus.net=1,2,3",
                                       "servers=1=h|g:1:2:participant;0.0.0.0:3",
                                       "port.eal=--vdev net_tap0,iface=x",
                                       "auth.super_digest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=",
                                       "features.four_letter_words=*",
                                       "session.tick=1500",
                                       "port.address=10.0.0.2/8",
                                       "port.gateway=10.0.0.1"};

    config_init(&first);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        assert_int_equal(config_set_pair(&first, sets[i], &fault), 0);
    char *text = printed(&first);
    assert_null(strstr(text, "xQJmx")); /* the hash */
    assert_non_null(strstr(text, "  # super_digest: (set, not printed)  # --set\n"));
    assert_non_null(strstr(text, "session:\n  tick: 1500ms  # --set\n  timeout_min: 0\n"));
    config_init(&second);
    if (config_yaml_load(&second, "p", text, strlen(text), &fault) != 0)
        fail_msg("%s", fault.text);
    expect_same();
    free(text);
}

/* With the '#' off, the reference is a configuration of nothing but defaults. */
static void test_reference(void **state)
{
    char *text = printed(NULL), *plain = malloc(strlen(text) + 1), *to = plain;

    assert_non_null(plain);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n") + 1, indent = strspn(line, " ");
        bool setting = line[indent] == '#' && line[indent + 1] != ' ';
        memcpy(to, line, indent);
        memcpy(to + indent, line + indent + setting, n - indent - setting);
        to += n - setting;
    }
    *to = '\0';
    config_init(&first);
    config_init(&second);
    if (config_yaml_load(&second, "r", plain, strlen(plain), &fault) != 0)
        fail_msg("%s", fault.text);
    expect_same();
    for (uint32_t i = 0; i < config_table_count; i++)
        assert_int_equal(second.origins[i].from, CONFIG_FROM_FILE);
    assert_int_equal(config_yaml_load(&second, "r", text, strlen(text), &fault), 0);
    free(plain);
    free(text);
}

static void test_the_file_in_the_tree(void **state)
{
    static char file[65536];
    char *text = printed(NULL);
    FILE *from = fopen(TAKT_SOURCE "/tools/etc/takt.yaml", "r");

    assert_non_null(from);
    file[fread(file, 1, sizeof(file) - 1, from)] = '\0';
    fclose(from);
    assert_string_equal(file, text); /* differs? build/tools/taktd --help-config > it */
    free(text);
}

static void test_the_samples_load(void **state)
{
    config_init(&first);
    assert_int_equal(config_load(&first, TAKT_SOURCE "/tools/etc/takt.yaml", &fault), 0);
    config_init(&first);
    if (config_load(&first, TAKT_SOURCE "/tools/etc/zoo.cfg", &fault) != 0)
        fail_msg("%s", fault.text);
    assert_string_equal(first.data_dir, "/var/lib/takt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_again),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_the_file_in_the_tree),
        cmocka_unit_test(test_the_samples_load),
    };
    return cmocka_run_group_tests_name("config_print", tests, NULL, NULL);
}
