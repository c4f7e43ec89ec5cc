/* Goal: what is written is JSON, whatever bytes it holds; and addresses and four-letter words read
 * as they should. Method: one value of each kind, bytes that need care, UTF-8 at its edges. */
#include "tools/takt/address.h"
#include "tools/takt/fourlw.h"
#include "tools/takt/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char room[1024];

static void expect(void (*write)(struct json *json), const char *text)
{
    struct json json;
    memset(room, 0, sizeof(room));
    FILE *to = fmemopen(room, sizeof(room), "w");
    assert_non_null(to);
    json_init(&json, to);
    write(&json);
    fclose(to);
    assert_string_equal(room, text);
}

static void write_all(struct json *json)
{
    json_open(json, NULL, '{');
    json_int(json, "i", -5);
    json_hex(json, "h", 0xabc);
    json_real(json, "r", 0.25);
    json_real(json, "inf", 1.0 / 0.0);
    json_bool(json, "b", true);
    json_text(json, "t", "a\"b\\c\n\x7f");
    json_text(json, "n", NULL);
    json_open(json, "v", '[');
    json_int(json, NULL, 1);
    json_int(json, NULL, 2);
    json_close(json, ']');
    json_open(json, "e", '[');
    json_close(json, ']');
    json_close(json, '}');
    json_line(json);
    json_int(json, NULL, 3);
    json_line(json);
}

static void write_data(struct json *json)
{
    json_open(json, NULL, '{');
    json_data(json, "a", bytes_of_string("\xc3\xa9"));
    json_data(json, "b", bytes_of_string("\xc3"));
    json_data(json, "c", (struct bytes){NULL, -1});
    json_close(json, '}');
}

static void test_forms(void **state)
{
    expect(write_all,
           "{\"i\": -5, \"h\": \"0xabc\", \"r\": 0.25, \"inf\": null, \"b\": true, "
           "\"t\": \"a\\\"b\\\\c\\u000a\\u007f\", \"n\": null, \"v\": [1, 2], \"e\": []}\n3\n");
    expect(write_data, "{\"a\": \"\xc3\xa9\", \"b_hex\": \"c3\", \"c\": null}");
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"", true},
                 {"a", true},
                 {"\xc2\x80", true},
                 {"\xc1\x80", false},
                 {"\xe0\xa0\x80", true},
                 {"\xe0\x9f\x80", false},
                 {"\xed\xa0\x80", false},
                 {"\xf0\x90\x80\x80", true},
                 {"\xf0\x8f\x80\x80", false},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\xf4\x90\x80\x80", false},
                 {"\x80", false},
                 {"\xe2\x82", false},
                 {"\xff", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(json_is_utf8((const uint8_t *)cases[i].text, strlen(cases[i].text)),
                         cases[i].good);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"10.0.0.1:1", "10.0.0.1", 1}, {"h:65535", "h", 65535}, {"h", "h", 2181},
                {":7", "127.0.0.1", 7},        {"[::1]:9", "::1", 9},   {"[::1]", "::1", 2181}};
    static const char *const bad[] = {"h:0",   "h:65536", "h:x",    "h:",
                                      "::1",   "[::1",    "[::1]x", "h,g:1"};
    struct fault fault;
    char host[256], large[300];
    uint16_t port;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(address_split(good[i].text, host, &port, &fault), 0);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(address_split(bad[i], host, &port, &fault), ERR_MALFORMED);
    assert_int_equal(address_split("a:1,b:2", host, &port, &fault), ERR_MALFORMED);
    assert_string_equal(fault.text, "\"a:1,b:2\" is a list; one HOST:PORT is wanted here");
    memset(large, 'a', 256);
    large[256] = '\0';
    assert_int_equal(address_split(large, host, &port, &fault), ERR_MALFORMED);
}

static void test_four_letter_words(void **state)
{
    const char text[] = "Mode: standalone\nZxid: 0x1\nzk_version\t3.8\nempty:\n";
    char value[8];
    assert_int_equal(fourlw_value(text, "Zxid:", value, sizeof(value)), 0);
    assert_string_equal(value, "0x1");
    assert_int_equal(fourlw_value(text, "Mode:", value, sizeof(value)), 0);
    assert_string_equal(value, "standal"); /* cut to the room */
    assert_int_equal(fourlw_value(text, "zk_version\t", value, sizeof(value)), 0);
    assert_string_equal(value, "3.8");
    assert_int_equal(fourlw_value(text, "empty:", value, sizeof(value)), 0);
    assert_string_equal(value, "");
    assert_int_equal(fourlw_value(text, "xid:", value, sizeof(value)), ERR_NOTFOUND);
    assert_true(fourlw_is_refused("mntr is not executed because it is not in the whitelist.\n"));
    assert_false(fourlw_is_refused(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_four_letter_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
