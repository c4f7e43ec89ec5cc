/* Goal: a path is judged as zk_protocol.md section 11 says. Method: tables of edges, then every
 * code point of the plane in turn and every pair and triple of bytes that could be a character,
 * against the plain statement of the rule. */
#include "store/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_paths_by_hand(void **state)
{
    static const struct {
        const char *path;
        bool valid;
    } rows[] = {
        {"/", true},
        {"/a", true},
        {"/a/b", true},
        {"/.a", true},
        {"/a.", true},
        {"/...", true},
        {"/a/..b", true},
        {"/ ", true},
        {"/a b", true},
        {"/\xC2\xA0", true},
        {"/\xE2\x82\xAC", true},
        {"", false},
        {"a", false},
        {"a/b", false},
        {"/a/", false},
        {"//", false},
        {"//a", false},
        {"/a//b", false},
        {"/.", false},
        {"/..", false},
        {"/a/.", false},
        {"/a/..", false},
        {"/./a", false},
        {"/../a", false},
        {"/a/../b", false},
        {"/\x01", false},
        {"/\x1F", false},
        {"/\x7F", false},
        {"/a\x7F", false},
        {"/\xC2\x80", false},
        {"/\xC2\x9F", false},
        {"/\xEE\x80\x80", false} /* U+E000 */,
        {"/\xEF\xA3\xBF", false} /* U+F8FF */,
        {"/\xEF\xA4\x80", true} /* U+F900 */,
        {"/\xEF\xBF\xAF", true} /* U+FFEF */,
        {"/\xEF\xBF\xB0", false} /* U+FFF0 */,
        {"/\xEF\xBF\xBD", false} /* U+FFFD */,
        {"/\xF0\x9F\x98\x80", false} /* an emoji */,
        {"/\xED\xA0\x80", false} /* a surrogate */,
        {"/\xC0\x80", false} /* overlong NUL */,
        {"/\xC1\xBF", false},
        {"/\xE0\x80\xAF", false} /* overlong '/' */,
        {"/\x80", false},
        {"/\xC2", false},
        {"/\xC2/a", false},
        {"/\xE2\x82", false},
        {"/\xE2\x82/", false},
        {"/\xFF", false},
        {"/\xFE", false},
        {"/\xF8\x88\x80\x80\x80", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (path_valid(bytes_of_string(rows[i].path)) != rows[i].valid)
            fail_msg("row %zu", i);
    assert_false(path_valid((struct bytes){NULL, -1}));
    assert_false(path_valid(bytes_of("/a\0b", 4)));
    assert_false(path_valid(bytes_of("/\0", 2)));
}

static bool code_allowed(uint32_t code)
{
    return !(code <= 0x1F || (code >= 0x7F && code <= 0x9F) || (code >= 0xD800 && code <= 0xF8FF) ||
             (code >= 0xFFF0 && code <= 0xFFFF));
}

static size_t encode(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (uint8_t)(0xE0 | code >> 12);
    out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code & 0x3F));
    return 3;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0xFFFF; code++) {
        uint8_t path[8] = "/a";
        bool want = code_allowed(code) && code != '/';
        size_t size = 2 + encode(code, path + 2);
        if (path_valid(bytes_of(path, size)) != want)
            fail_msg("U+%04X", code);
    }
}

/* The count of well-formed, allowed two- and three-byte characters is the count of code points. */
static void test_every_byte_pair_and_triple(void **state)
{
    uint32_t pairs = 0, triples = 0, want_pairs = 0, want_triples = 0;
    uint8_t path[4] = {'/'};
    (void)state;
    for (uint32_t code = 0x80; code < 0x800; code++)
        want_pairs += code_allowed(code);
    for (uint32_t code = 0x800; code <= 0xFFFF; code++)
        want_triples += code_allowed(code);
    for (uint32_t first = 0xC0; first <= 0xFF; first++) {
        path[1] = (uint8_t)first;
        for (uint32_t second = 0; second < 256; second++) {
            path[2] = (uint8_t)second;
            pairs += path_valid(bytes_of(path, 3));
            for (uint32_t third = 0x80; third < 256; third++) {
                path[3] = (uint8_t)third;
                triples += path_valid(bytes_of(path, 4));
            }
        }
    }
    assert_int_equal(pairs, want_pairs);
    assert_int_equal(triples, want_triples);
}

static void test_parts(void **state)
{
    (void)state;
    struct bytes path = bytes_of_string("/app/lock");
    assert_true(path_is(path_parent(path), "/app"));
    assert_true(path_is(path_name(path), "lock"));
    assert_true(path_is(path_parent(bytes_of_string("/app")), ""));
    assert_true(path_is(path_name(bytes_of_string("/app")), "app"));
    assert_true(path_is(path_parent(bytes_of_string("/")), ""));
    assert_true(path_is(path_parent(bytes_of_string("/a/")), "/a"));
    assert_int_equal(path_parent(bytes_of_string("app")).size, -1);
    assert_int_equal(path_parent(bytes_of_string("")).size, -1);
    assert_true(path_is(path_name(bytes_of_string("app")), "app"));
}

static void test_below_special_nul(void **state)
{
    (void)state;
    assert_true(path_below(bytes_of_string("/a/b"), bytes_of_string("/a")));
    assert_true(path_below(bytes_of_string("/a"), bytes_of_string("/a")));
    assert_true(path_below(bytes_of_string("/a"), bytes_of_string("/")));
    assert_false(path_below(bytes_of_string("/ab"), bytes_of_string("/a")));
    assert_false(path_below(bytes_of_string("/"), bytes_of_string("/a")));
    assert_true(path_special(bytes_of_string("/")));
    assert_true(path_special(bytes_of_string("/zookeeper")));
    assert_true(path_special(bytes_of_string("/zookeeper/quota")));
    assert_true(path_special(bytes_of_string("/zookeeper/config")));
    assert_false(path_special(bytes_of_string("/zookeeper/other")));
    assert_false(path_special(bytes_of_string("")));
    assert_true(path_has_nul(bytes_of("/a\0b", 4)));
    assert_false(path_has_nul(bytes_of_string("/ab")));
    assert_false(path_has_nul(bytes_of("", 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_by_hand),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_byte_pair_and_triple),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_below_special_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
