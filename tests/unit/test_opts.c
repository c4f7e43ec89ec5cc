/* Goal: options mean what the table says, and what is wrong is named. Method: each kind in each
 * spelling, each refusal, each bound at and beyond its edge. */
#include "tools/takt/opts.h"

#include <stdbool.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool flag;
static const char *text, *form;
static uint64_t number;
static double real;

static const struct opts_item items[] = {
    {"flag", 'f', OPTS_FLAG, &flag, NULL, "a flag"},
    {"text", 't', OPTS_STRING, &text, "TEXT", "a text"},
    {"number", 'n', OPTS_NUMBER, &number, "N", "a number", 2, 1000},
    {"real", 'r', OPTS_REAL, &real, "R", "a real", 1, 10},
    {"form", 'o', OPTS_CHOICE, &form, "FORM", "a choice", .choices = "table|json"},
    {"servers", 's', OPTS_SERVERS, &text, "HOST:PORT,...", "servers"},
    {"cpus", 'c', OPTS_CPUS, &text, "LIST", "cpus"},
    {"number-free", 0, OPTS_NUMBER, &number, "N", "no bound", 1, 0},
    {0},
};

static int parse(const char *line, int *rest, char **argv, struct fault *fault)
{
    static char room[256];
    int argc = 0;
    char *save = NULL;
    strcpy(room, line);
    flag = false, text = NULL, form = "table", number = 7, real = 1.5, *rest = -1;
    for (char *word = strtok_r(room, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return opts_parse(items, argc, argv, rest, fault);
}

static void test_servers_and_cpus(void **state)
{
    static const char *const good[] = {
        "-s a", "-s a:1,[::1]:65535,b", "-s :2181", "-c 0", "-c 2-5,8", "-s ,a:1,"};
    static const char *const wrong[] = {"-s a:x", "-s a:0", "-s a:65536", "-s a:1,b:", "-s [::1",
                                        "-s ::1", "-c x",   "-c 5-2",     "-c -1",     "-c 99999"};
    char *argv[16];
    int rest;
    struct fault fault;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse(good[i], &rest, argv, &fault), 0);
        assert_string_equal(text, good[i] + 3);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(wrong[i], &rest, argv, &fault), ERR_CONFIG);
        assert_null(text);
        assert_non_null(strstr(fault.text, wrong[i][1] == 's' ? "--servers: " : "--cpus "));
    }
    assert_int_equal(parse("--servers=", &rest, argv, &fault), ERR_CONFIG);
    assert_int_equal(parse("--cpus=", &rest, argv, &fault), ERR_CONFIG);
}

static void test_spellings(void **state)
{
    char *argv[16];
    int rest;
    struct fault fault;
    assert_int_equal(parse("", &rest, argv, &fault), 0);
    assert_int_equal(rest, 0);
    assert_int_equal(number, 7);
    assert_int_equal(
        parse("a --flag --text x b -n 1k --real=2.5 -ojson -- -f -", &rest, argv, &fault), 0);
    assert_true(flag);
    assert_string_equal(text, "x");
    assert_int_equal(number, 1000);
    assert_true(real == 2.5);
    assert_string_equal(form, "json");
    assert_int_equal(rest, 4);
    assert_string_equal(argv[0], "a");
    assert_string_equal(argv[1], "b");
    assert_string_equal(argv[2], "-f");
    assert_string_equal(argv[3], "-");
    assert_int_equal(parse("--number-free 3", &rest, argv, &fault), 0);
    assert_int_equal(number, 3);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"--nope", "--nope"},
        {"-x", "-x"},
        {"--flag=1", "takes no value"},
        {"--text", "TEXT"},
        {"-n x", "\"x\""},
        {"-n 1", "[2, 1000]"},
        {"-n 1001", "[2, 1000]"},
        {"-n -3", "\"-3\""},
        {"-n 5kk", "\"5kk\""},
        {"-r x", "\"x\""},
        {"-r 0.5", "[1, 10]"},
        {"-r 10.5", "[1, 10]"},
        {"-r nan", "number"},
        {"-o yaml", "table|json"},
        {"-o tab", "\"tab\""},
        {"--number-free 0", "at least 1"},
    };
    char *argv[16];
    int rest;
    struct fault fault;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i].line, &rest, argv, &fault), ERR_CONFIG);
        assert_non_null(strstr(fault.text, bad[i].says));
        assert_int_equal(rest, -1);
    }
}

static void test_numbers(void **state)
{
    uint64_t v = 42;
    assert_int_equal(opts_number("18446744073709551615", 0, 0, &v), 0);
    assert_true(v == UINT64_MAX);
    v = 42;
    assert_int_equal(opts_number("18446744073709551616", 0, 0, &v), ERR_RANGE);
    assert_int_equal(opts_number("18446744073709551G", 0, 0, &v), ERR_RANGE);
    assert_int_equal(opts_number("", 0, 0, &v), ERR_MALFORMED);
    assert_int_equal(opts_number("+1", 0, 0, &v), ERR_MALFORMED);
    assert_int_equal(opts_number("1 ", 0, 0, &v), ERR_MALFORMED);
    assert_int_equal(v, 42);
    assert_int_equal(opts_number("2M", 0, 0, &v), 0);
    assert_int_equal(v, 2000000);
    assert_int_equal(opts_number("3G", 0, 0, &v), 0);
    assert_true(v == 3000000000u);
}

static void test_help_names_every_option(void **state)
{
    char room[2048] = "";
    flag = false, text = NULL, form = "table", number = 7, real = 1.5;
    FILE *to = fmemopen(room, sizeof(room), "w");
    assert_non_null(to);
    opts_help(items, to);
    fclose(to);
    for (const struct opts_item *item = items; item->name != NULL; item++)
        assert_non_null(strstr(room, item->name));
    assert_non_null(strstr(room, "[table]"));
    assert_non_null(strstr(room, "[7]"));
    assert_non_null(strstr(room, "[1.5]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_and_cpus),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
