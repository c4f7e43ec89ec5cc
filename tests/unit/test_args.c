/* Goal: the command line means the same in any order, and each mistake has its sentence. Method:
 * whole command lines. */
#include "tools/taktd/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct fault fault;
static enum args_action action;

/* Splits at blanks. */
static int parse(const char *line)
{
    static char copy[1024];
    char *argv[64] = {"taktd"};
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word && argc < 63; word = strtok(NULL, " "))
        argv[argc++] = word;
    fault.text[0] = '\0';
    return args_parse(argc, argv, &action, &config, &fault);
}

static void test_actions(void **state)
{
    assert_int_equal(parse("--help"), 0);
    assert_int_equal(action, ARGS_HELP);
    assert_int_equal(parse("-h"), 0);
    assert_int_equal(action, ARGS_HELP);
    assert_int_equal(parse("--version"), 0);
    assert_int_equal(action, ARGS_VERSION);
    assert_int_equal(parse("--help-config"), 0);
    assert_int_equal(action, ARGS_HELP_CONFIG);
    assert_int_equal(parse("--dev --check-config"), 0);
    assert_int_equal(action, ARGS_CHECK);
    assert_int_equal(parse("--print-config --dev"), 0);
    assert_int_equal(action, ARGS_PRINT);
    assert_int_equal(parse("--dev"), 0);
    assert_int_equal(action, ARGS_RUN);
    assert_false(config.recover_from_disk);
    assert_int_equal(parse("--dev --recover-from-disk"), 0);
    assert_int_equal(action, ARGS_RUN);
    assert_true(config.recover_from_disk);
    assert_int_equal(parse("--set standaloneEnabled=false --set server.1=127.0.0.1:2888:3888;2181 "
                           "--data /a --begin-anew 4711"),
                     0);
    assert_int_equal(config.begin_anew, 4711);
}

static void test_begin_anew_is_refused(void **state)
{
    static const char *const wrong[] = {"0", "-1", "x", "12x", "18446744073709551615", ""};
    char line[64];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(line, sizeof(line), "--dev --begin-anew=%s", wrong[i]);
        assert_int_equal(parse(line), ERR_CONFIG);
        assert_non_null(strstr(fault.text, "--begin-anew takes the entry"));
    }
    assert_int_equal(parse("--dev --begin-anew 7"), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "is for a member of an ensemble"));
}

static void test_flags_win(void **state)
{
    assert_int_equal(parse("--data /a --id 9 --set node.id=3 --dev --set data.dir=/b "
                           "--listen 127.0.0.1:1 --listen [::1]:2 --port kernel"),
                     0);
    assert_string_equal(config.data_dir, "/a");
    assert_int_equal(config.node_id, 9);
    assert_int_equal(config.listen.count, 2);
    assert_int_equal(parse("--data /a --data=/c"), 0);
    assert_string_equal(config.data_dir, "/c");
}

static void test_refusals(void **state)
{
    static const struct {
        const char *line, *sentence;
    } bad[] = {
        {"--wat", "unknown flag --wat; see taktd --help"},
        {"-x", "unknown flag -x; see taktd --help"},
        {"--data", "--data needs a value; see taktd --help"},
        {"zoo.cfg", "'zoo.cfg' is not a flag; a file is given with --config; see taktd --help"},
        {"--config a --config b", "--config is given twice; see taktd --help"},
        {"--config /nowhere.yaml", "/nowhere.yaml: cannot be read: No such file or directory"},
        {"--dev --id 0", "--id: node.id: '0' is not a number from 1 to 254"},
        {"--dev --port x", "--port: port.kind: 'x' is not one of kernel|dpdk"},
        {"--dev --set durability.mode=memory",
         "durability.mode (--set) is memory, and no other server votes beside this one: what it "
         "acknowledged would be lost with its process; use disk, or configure servers"},
        {"--dev --set a", "--set a: it is written --set key=value"},
        {"", "no data directory: give --data DIR, data.dir in a file, or --dev"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i].line), ERR_CONFIG);
        assert_string_equal(fault.text, bad[i].sentence);
    }
}

static void test_too_many(void **state)
{
    static char *argv[512] = {"taktd"};

    for (int i = 1; i < 300; i += 2) {
        argv[i] = "--set";
        argv[i + 1] = "node.id=1";
    }
    assert_int_equal(args_parse(300, argv, &action, &config, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "more than 128 --set; see taktd --help");
    for (int i = 1; i < 300; i += 2) {
        argv[i] = "--listen";
        argv[i + 1] = "127.0.0.1:2181";
    }
    assert_int_equal(args_parse(301, argv, &action, &config, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "too many --listen; see taktd --help");
}

static void test_help_names_each_flag(void **state)
{
    static const char *const flags[] = {
        "--dev",         "--config FILE",  "--set KEY=VALUE", "--listen ADDR:PORT",
        "--data DIR",    "--id N",         "--port KIND",     "--eal ARGS",
        "--ip ADDR/LEN", "--check-config", "--print-config",  "--help-config",
        "--version",     "--help"};
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    args_help(to);
    fclose(to);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        assert_non_null(strstr(text, flags[i]));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 0, 100);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),   cmocka_unit_test(test_begin_anew_is_refused),
        cmocka_unit_test(test_flags_win), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many),  cmocka_unit_test(test_help_names_each_flag),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
