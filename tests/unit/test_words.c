/* Goal: a line splits into the words its writer meant, and quoting survives the way back. Method:
 * table of lines, every refusal, and a round trip over every byte value. */
#include "tools/takt/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *line, uint32_t count, const char *const *texts)
{
    struct words words;
    struct fault fault;
    assert_int_equal(words_split(&words, line, &fault), 0);
    assert_int_equal(words.count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(words.at[i].text, texts[i]);
        assert_int_equal(words.at[i].size, strlen(texts[i]));
    }
    words_fini(&words);
}

static void test_plain_and_quoted(void **state)
{
    expect("", 0, NULL);
    expect(" \t\n", 0, NULL);
    expect("get /a", 2, (const char *const[]){"get", "/a"});
    expect("set /a 'x  y' \"p\\\"q\\n\"", 4, (const char *const[]){"set", "/a", "x  y", "p\"q\n"});
    expect("a'b c'\"d\"e", 1, (const char *const[]){"ab cde"});
    expect("'' \"\"", 2, (const char *const[]){"", ""});
    expect("a\\ b \\; c", 3, (const char *const[]){"a b", ";", "c"});
    expect("a;b ;; c # d ; e\nf", 7, (const char *const[]){"a", ";", "b", ";", ";", "c", "f"});
    expect("a#b", 1, (const char *const[]){"a#b"});
    expect("\"\\x41\\t\\r\\'\\\\\"", 1, (const char *const[]){"A\t\r'\\"});
}

static void test_marks(void **state)
{
    struct words words;
    struct fault fault;
    assert_int_equal(words_split(&words, "-s \"-s\" ; ';' \"a\\0b\"", &fault), 0);
    assert_int_equal(words.count, 5);
    assert_false(words.at[0].quoted);
    assert_true(words.at[1].quoted);
    assert_true(words.at[2].separator);
    assert_false(words.at[3].separator);
    assert_int_equal(words.at[4].size, 3);
    assert_memory_equal(words.at[4].text, "a\0b", 4);
    words_fini(&words);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"'a",        "\"a", "\"\\q\"", "\"\\x4\"",
                                      "\"\\xg0\"", "a\\", "\"a\\"};
    struct words words;
    struct fault fault;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault.text[0] = '\0';
        assert_int_equal(words_split(&words, bad[i], &fault), ERR_MALFORMED);
        assert_true(strlen(fault.text) > 10);
    }
}

static void test_limit(void **state)
{
    static char line[2 * WORDS_COUNT_MAX + 3];
    struct words words;
    struct fault fault;
    for (int i = 0; i < WORDS_COUNT_MAX; i++)
        memcpy(line + 2 * i, "a ", 2);
    assert_int_equal(words_split(&words, line, &fault), 0);
    assert_int_equal(words.count, WORDS_COUNT_MAX);
    words_fini(&words);
    strcat(line, "a");
    assert_int_equal(words_split(&words, line, &fault), ERR_LIMIT);
}

static void test_quote_comes_back(void **state)
{
    char room[64];
    struct words words;
    struct fault fault;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        assert_int_equal(words_quote(text, 3, room, sizeof(room)), 0);
        assert_int_equal(words_split(&words, room, &fault), 0);
        assert_int_equal(words.count, 1);
        assert_int_equal(words.at[0].size, 3);
        assert_memory_equal(words.at[0].text, text, 3);
        words_fini(&words);
    }
    assert_int_equal(words_quote("", 0, room, sizeof(room)), 0);
    assert_string_equal(room, "\"\"");
    assert_int_equal(words_quote("/a/b", 4, room, sizeof(room)), 0);
    assert_string_equal(room, "/a/b");
    assert_int_equal(words_quote("-x", 2, room, sizeof(room)), 0);
    assert_string_equal(room, "\"-x\"");
}

static void test_quote_full(void **state)
{
    char room[16];
    for (uint32_t size = 0; size < 5; size++)
        assert_int_equal(words_quote("/a/b", 4, room, size), ERR_FULL);
    assert_int_equal(words_quote("/a/b", 4, room, 6), 0);
    for (uint32_t size = 0; size < 6; size++)
        assert_int_equal(words_quote("a b", 3, room, size), ERR_FULL);
    assert_int_equal(words_quote("a b", 3, room, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_and_quoted), cmocka_unit_test(test_marks),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_limit),
        cmocka_unit_test(test_quote_comes_back), cmocka_unit_test(test_quote_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
