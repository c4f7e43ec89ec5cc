/* Goal: the mark is HMAC-SHA-256 as RFC 4231 has it, and a key file says what it should. Method:
 * test vectors of the RFC; each refusal of the file by hand; the file's permissions. */
#include "dataplane/peer_keys.h"

#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET_A "000102030405060708090a0b0c0d0e0f"
#define SECRET_B "F0F1F2F3F4F5F6F7F8F9fafbfcfdfeff0011"

static int parse(struct peer_keys *keys, const char *text, struct fault *fault)
{
    return peer_keys_parse(keys, text, strlen(text), fault);
}

/* RFC 4231, test cases 1 (its key of 20 bytes) and 5, which is the one that cuts to 16 bytes. */
static void test_vectors(void **state)
{
    static const uint8_t expected1[16] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
                                          0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b};
    static const uint8_t expected5[16] = {0xa3, 0xb6, 0x16, 0x74, 0x73, 0x10, 0x0e, 0xe0,
                                          0x6e, 0x0c, 0x79, 0x6c, 0x29, 0x55, 0x55, 0x2b};
    struct peer_keys keys;
    uint8_t mac[PEER_KEYS_MAC_SIZE];
    assert_int_equal(parse(&keys,
                           "1 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b\n"
                           "2 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
                           NULL),
                     0);
    peer_keys_mark(peer_keys_find(&keys, 1), (const uint8_t *)"Hi There", 8, mac);
    assert_memory_equal(mac, expected1, sizeof(mac));
    assert_true(peer_keys_right(peer_keys_find(&keys, 1), (const uint8_t *)"Hi There", 8, mac));
    assert_false(peer_keys_right(peer_keys_find(&keys, 1), (const uint8_t *)"Hi there", 8, mac));
    assert_false(peer_keys_right(peer_keys_find(&keys, 2), (const uint8_t *)"Hi There", 8, mac));
    peer_keys_mark(peer_keys_find(&keys, 2), (const uint8_t *)"Test With Truncation", 20, mac);
    assert_memory_equal(mac, expected5, sizeof(mac));
}

static void test_rotation(void **state)
{
    struct peer_keys keys;
    assert_int_equal(parse(&keys, "# ours\n\n 7 " SECRET_A " \r\n", NULL), 0);
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys.key[keys.send_with].number, 7);
    assert_int_equal(parse(&keys, "7 " SECRET_A "\n-8 " SECRET_B "\n", NULL), 0);
    assert_int_equal(keys.count, 2);
    assert_int_equal(keys.key[keys.send_with].number, 7);
    assert_non_null(peer_keys_find(&keys, 8));
    assert_int_equal(parse(&keys, "8 " SECRET_B "\n7 " SECRET_A, NULL), 0);
    assert_int_equal(keys.key[keys.send_with].number, 8);
    assert_int_equal(parse(&keys, "7 " SECRET_A "\n8 " SECRET_B, NULL), 0);
    assert_int_equal(keys.key[keys.send_with].number, 8);
    assert_null(peer_keys_find(&keys, 9));
    assert_null(peer_keys_find(&keys, 0));
}

static void test_refusals(void **state)
{
    static const char *const wrong[] = {
        "",
        "# nothing\n",
        "-7 " SECRET_A, /* none to send with */
        "x " SECRET_A,
        "0 " SECRET_A,
        "256 " SECRET_A,
        "11111 " SECRET_A,
        "7" SECRET_A,
        "7",
        "7 ",
        "7 0011",
        "7 " SECRET_A "0",
        "7 " SECRET_A SECRET_A SECRET_A SECRET_A "00",
        "7 000102030405060708090a0b0c0d0e0g",
        "7 " SECRET_A "\n7 " SECRET_B,
        "7 " SECRET_A "\n8 " SECRET_B "\n9 " SECRET_B,
    };
    struct peer_keys keys;
    struct fault fault;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(&keys, wrong[i], &fault), ERR_CONFIG);
        assert_null(strstr(fault.text, "0001020304")); /* a log is no place for a secret */
    }
    assert_int_equal(parse(&keys, "7 " SECRET_A "\n\n8 zz", &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "line 3"));
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_file(void **state)
{
    char path[] = "/tmp/takt-peer-keys-XXXXXX", large[5000];
    struct peer_keys keys;
    struct fault fault;
    close(mkstemp(path));
    write_file(path, "7 " SECRET_A "\n", 0600);
    assert_int_equal(peer_keys_load(&keys, path, &fault), 0);
    assert_int_equal(keys.count, 1);
    write_file(path, "7 " SECRET_A "\n", 0640);
    assert_int_equal(peer_keys_load(&keys, path, &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "chmod 600"));
    write_file(path, "7 zz\n", 0600);
    assert_int_equal(peer_keys_load(&keys, path, &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, path));
    memset(large, '#', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    write_file(path, large, 0600);
    assert_int_equal(peer_keys_load(&keys, path, &fault), ERR_CONFIG);
    unlink(path);
    assert_int_equal(peer_keys_load(&keys, path, &fault), ERR_NOTFOUND);
    assert_int_equal(peer_keys_load(&keys, "/", &fault), ERR_CONFIG); /* others can read it */
}

static void test_takes_no_memory(void **state)
{
    struct peer_keys keys;
    uint8_t mac[PEER_KEYS_MAC_SIZE], bytes[1400] = {0};
    assert_int_equal(parse(&keys, "7 " SECRET_A "\n", NULL), 0);
    peer_keys_mark(&keys.key[0], bytes, sizeof(bytes), mac);
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 1000; i++) {
        peer_keys_mark(&keys.key[0], bytes, sizeof(bytes), mac);
        assert_true(peer_keys_right(&keys.key[0], bytes, sizeof(bytes), mac));
    }
    assert_int_equal(mallinfo2().uordblks, before.uordblks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),         cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_file),
        cmocka_unit_test(test_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
