/* Goal: a shell command's words become its options and arguments. Method: each spelling, what data
 * that looks like an option needs, each refusal. */
#include "tools/takt/sh_args.h"
#include "tools/takt/sh_line_edit.h"
#include "tools/takt/sh_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct words words;
static struct fault fault;

static int parse(struct sh_args *args, const char *line, const char *spec, uint32_t min,
                 uint32_t max)
{
    words_fini(&words);
    assert_int_equal(words_split(&words, line, &fault), 0);
    return sh_args_parse(args, words.at, words.count, spec, min, max, &fault);
}

static void test_spellings(void **state)
{
    struct sh_args args;
    int64_t v;
    assert_int_equal(parse(&args, "-sw -v 3 /a 'x y'", "swv:", 1, 2), 0);
    assert_true(sh_args_has(&args, 's') && sh_args_has(&args, 'w') && sh_args_has(&args, 'v'));
    assert_int_equal(sh_args_number(&args, 'v', -1, 10, -1, &v, &fault), 0);
    assert_int_equal(v, 3);
    assert_int_equal(args.count, 2);
    assert_string_equal(sh_args_text(&args, 1), "x y");
    assert_null(sh_args_text(&args, 2));
    assert_int_equal(sh_args_bytes(&args, 2).size, -1);
    assert_int_equal(parse(&args, "/a '-s' \"-1\"", "s", 1, 3), 0);
    assert_false(sh_args_has(&args, 's'));
    assert_int_equal(args.count, 3);
    assert_int_equal(parse(&args, "/a -- -s", "s", 1, 2), 0);
    assert_string_equal(sh_args_text(&args, 1), "-s");
    assert_int_equal(parse(&args, "-sv 5 /a", "sv:", 1, 1), 0);
    assert_true(sh_args_has(&args, 's'));
    assert_string_equal(args.flags['v']->text, "5");
    assert_int_equal(sh_args_number(&args, 'x', 0, 1, 9, &v, &fault), 0);
    assert_int_equal(v, 9);
}

static void test_refusals(void **state)
{
    struct sh_args args;
    int64_t v = 1;
    assert_int_equal(parse(&args, "/a -x", "s", 1, 2), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "-x"));
    assert_int_equal(parse(&args, "/a -:", "v:", 1, 2), ERR_CONFIG);
    assert_int_equal(parse(&args, "/a -v", "v:", 1, 2), ERR_CONFIG);
    assert_int_equal(parse(&args, "/a -vs 1", "v:s", 1, 2), ERR_CONFIG);
    assert_int_equal(parse(&args, "/a b c", "", 1, 2), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "\"c\""));
    assert_int_equal(parse(&args, "-s", "s", 1, 2), ERR_CONFIG);
    static const char *const bad[] = {"-v x",  "-v ''", "-v 11",
                                      "-v -2", "-v 1x", "-v 99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(&args, bad[i], "v:", 0, 0), 0);
        assert_int_equal(sh_args_number(&args, 'v', -1, 10, -1, &v, &fault), ERR_CONFIG);
        assert_int_equal(v, 1);
    }
}

static void test_create_modes(void **state)
{
    static const struct {
        const char *line;
        int32_t op, flags;
    } good[] = {
        {"/a", ZK_OP_CREATE, 0},
        {"-e /a", ZK_OP_CREATE, 1},
        {"-s /a", ZK_OP_CREATE, 2},
        {"-es /a", ZK_OP_CREATE, 3},
        {"-c /a", ZK_OP_CREATE_CONTAINER, 4},
        {"-t 5 /a", ZK_OP_CREATE_TTL, 5},
        {"-s -t 5 /a", ZK_OP_CREATE_TTL, 6},
    };
    static const char *const bad[] = {"-e -c /a", "-e -t 5 /a",          "-c -t 5 /a",   "-c -s /a",
                                      "-t 0 /a",  "-t 1099511627776 /a", "/a x nonsense"};
    struct sh_args args;
    struct sh_create create;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse(&args, good[i].line, "secpt:", 1, 3), 0);
        assert_int_equal(sh_write_parse_create(&args, &create, &fault), 0);
        assert_int_equal(create.op, good[i].op);
        assert_int_equal(create.flags, good[i].flags);
        uint8_t room[256];
        assert_true(sh_write_create_size(&create) <= sizeof(room));
        struct jute_out out = jute_out(room, sh_write_create_size(&create));
        sh_write_put_create(&out, &create);
        assert_false(out.bad);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(&args, bad[i], "secpt:", 1, 3), 0);
        assert_int_not_equal(sh_write_parse_create(&args, &create, &fault), 0);
    }
}

static void test_what_tab_completes(void **state)
{
    static const struct {
        const char *line;
        uint32_t number, from;
    } cases[] = {{"", 0, 0},           {"ge", 0, 0},      {"get ", 1, 4},        {"get /a", 1, 4},
                 {"get /a ; l", 0, 9}, {"ls;ls /", 1, 6}, {"  set  /a x", 2, 10}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t from;
        assert_int_equal(sh_line_edit_split(cases[i].line, (uint32_t)strlen(cases[i].line), &from),
                         cases[i].number);
        assert_int_equal(from, cases[i].from);
    }
}

static void test_table_is_consistent(void **state)
{
    for (const struct sh_command *c = sh_table; c->name != NULL; c++) {
        assert_true(c->max <= SH_ARGS_COUNT_MAX && c->min <= c->max);
        assert_true((c->run != NULL) != (c->run_words != NULL));
        assert_ptr_equal(sh_find(c->name), c);
        assert_int_equal(strncmp(c->usage, c->name, strlen(c->name)), 0);
        for (const char *letter = c->spec; *letter != '\0'; letter++) {
            char option[3] = {'-', *letter, '\0'};
            assert_true(*letter == ':' || strstr(c->usage, option) != NULL);
        }
    }
    assert_null(sh_find("nope"));
}

static int fini(void **state)
{
    words_fini(&words);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_create_modes),        cmocka_unit_test(test_what_tab_completes),
        cmocka_unit_test(test_table_is_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
