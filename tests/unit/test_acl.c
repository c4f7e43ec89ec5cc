/* Goal: ACLs are validated, expanded, matched, interned and reused as zk_protocol.md section 12 and
 * store/acl.h say. Method: tables for the rules, a small table driven to its limit for the slots.
 */
#include "store/acl.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct entry_text {
    int32_t perms;
    const char *scheme, *id; /* NULL: null on the wire */
};

static struct bytes text_of(const char *text)
{
    return text ? bytes_of_string(text) : (struct bytes){NULL, -1};
}

static struct bytes list_of(uint8_t *out, size_t room, const struct entry_text *entries, int count)
{
    struct jute_out to = jute_out(out, room);
    jute_put_int(&to, count);
    for (int i = 0; i < count; i++) {
        jute_put_int(&to, entries[i].perms);
        jute_put_bytes(&to, text_of(entries[i].scheme));
        jute_put_bytes(&to, text_of(entries[i].id));
    }
    assert_false(to.bad);
    return bytes_of(out, (size_t)(to.at - out));
}

static struct bytes identities_of(uint8_t *out, const char *const *pairs)
{
    struct address client = {.ip = {[10] = 0xFF, 0xFF, 10, 1, 2, 3}};
    int32_t size = acl_identities_set(out, &client);
    for (; pairs && *pairs; pairs += 2) {
        uint8_t one[256];
        int32_t one_size =
            acl_identities_one(one, sizeof one, text_of(pairs[0]), text_of(pairs[1]));
        assert_true(one_size > 0);
        assert_int_equal(acl_identities_add(out, &size, bytes_of(one, (size_t)one_size)), 0);
    }
    return bytes_of(out, (size_t)size);
}

static enum zk_error fixup_one(const char *scheme, const char *id, const char *const *pairs)
{
    static uint8_t out[LIMIT_ACL_SIZE];
    uint8_t list[512], identities[LIMIT_IDENTITIES_SIZE];
    int32_t size;
    struct entry_text entry = {31, scheme, id};
    return acl_fixup(list_of(list, sizeof list, &entry, 1), identities_of(identities, pairs), out,
                     &size);
}

static void test_which_ids_are_valid(void **state)
{
    static const struct {
        const char *scheme, *id;
        bool valid;
    } rows[] = {
        {"world", "anyone", true},
        {"world", "other", false},
        {"world", NULL, false},
        {"digest", "a:b", true},
        {"digest", ":b", true},
        {"digest", "a:b:", true},
        {"digest", "a", false},
        {"digest", "a:", false},
        {"digest", "", false},
        {"digest", ":", false},
        {"digest", "a:b:c", false},
        {"digest", "a::b", false},
        {"digest", NULL, false},
        {"ip", "10.0.0.1", true},
        {"ip", "10.0.0.0/8", true},
        {"ip", "10.0.0.0/0", true},
        {"ip", "10.0.0.0/32", true},
        {"ip", "10.0.0.0/33", false},
        {"ip", "10.0.0.0/-1", false},
        {"ip", "10.0.0.0/", false},
        {"ip", "10.0.0", false},
        {"ip", "10.0.0.0.1", false},
        {"ip", "10.0.0.256", false},
        {"ip", "10.0.0.x", false},
        {"ip", "", false},
        {"ip", "/8", false},
        {"ip", "::1", true},
        {"ip", "::", true},
        {"ip", "1::", true},
        {"ip", "fe80::1/64", true},
        {"ip", "1:2:3:4:5:6:7:8", true},
        {"ip", "1:2:3:4:5:6:7:8/128", true},
        {"ip", "1:2:3:4:5:6:7:8/129", false},
        {"ip", "1:2:3:4:5:6:7", false},
        {"ip", "1:2:3:4:5:6:7:8:9", false},
        {"ip", "1::2::3", false},
        {"ip", "12345::", false},
        {"ip", "g::", false},
        {"ip", "1:2:3:4:5:6:7::8", false},
        {"ip", ":1:2:3:4:5:6:7:8", false},
        {"ip", NULL, false},
        {"x509", "CN=a", false},
        {"sasl", "user", false},
        {"super", "a:b", false},
        {"auth", "", false},
        {"", "", false},
        {NULL, "anyone", false},
        {"nobody", "x", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if ((fixup_one(rows[i].scheme, rows[i].id, NULL) == ZK_OK) != rows[i].valid)
            fail_msg("row %zu: %s:%s", i, rows[i].scheme, rows[i].id);
}

static void test_lists_null_empty_doubled_long(void **state)
{
    static uint8_t list[1 << 16], out[LIMIT_ACL_SIZE];
    static struct entry_text many[LIMIT_ACL_ENTRY_COUNT + 1];
    uint8_t identities[LIMIT_IDENTITIES_SIZE];
    struct bytes ids = identities_of(identities, NULL);
    struct entry_text doubled[] = {{1, "world", "anyone"},
                                   {1, "world", "anyone"},
                                   {2, "world", "anyone"},
                                   {1, "world", "anyone"}};
    int32_t size = 0;
    (void)state;
    assert_int_equal(acl_fixup((struct bytes){NULL, -1}, ids, out, &size), ZK_INVALID_ACL);
    assert_int_equal(acl_fixup(list_of(list, sizeof list, NULL, 0), ids, out, &size),
                     ZK_INVALID_ACL);
    assert_int_equal(acl_fixup(list_of(list, sizeof list, doubled, 4), ids, out, &size), ZK_OK);
    struct entry_text once[] = {doubled[0], doubled[2]};
    assert_true(bytes_equal(bytes_of(out, (size_t)size), list_of(list, sizeof list, once, 2)));
    for (int i = 0; i <= LIMIT_ACL_ENTRY_COUNT; i++)
        many[i] = (struct entry_text){i, "world", "anyone"};
    assert_int_equal(
        acl_fixup(list_of(list, sizeof list, many, LIMIT_ACL_ENTRY_COUNT), ids, out, &size), ZK_OK);
    assert_int_equal(
        acl_fixup(list_of(list, sizeof list, many, LIMIT_ACL_ENTRY_COUNT + 1), ids, out, &size),
        ZK_INVALID_ACL);
}

static void test_packed_size_is_bounded(void **state)
{
    static uint8_t list[2 * LIMIT_ACL_SIZE], out[LIMIT_ACL_SIZE], id[LIMIT_ACL_SIZE];
    struct jute_out to = jute_out(list, sizeof list);
    int32_t size;
    (void)state;
    memset(id, 'x', sizeof id);
    id[1] = ':';
    jute_put_int(&to, 1);
    jute_put_int(&to, 31);
    jute_put_bytes(&to, bytes_of_string("digest"));
    jute_put_bytes(&to, bytes_of(id, sizeof id));
    assert_int_equal(
        acl_fixup(bytes_of(list, (size_t)(to.at - list)), (struct bytes){NULL, -1}, out, &size),
        ZK_INVALID_ACL);
}

static void test_auth_becomes_each_proved_identity(void **state)
{
    static const char *const pairs[] = {"digest", "bob:x", "super", "", "digest", "al:y", NULL};
    uint8_t list[512], want[512], identities[LIMIT_IDENTITIES_SIZE];
    static uint8_t out[LIMIT_ACL_SIZE];
    struct entry_text sent[] = {{1, "world", "anyone"}, {31, "auth", "whatever"}};
    struct entry_text stored[] = {
        {1, "world", "anyone"}, {31, "digest", "bob:x"}, {31, "digest", "al:y"}};
    int32_t size;
    (void)state;
    assert_int_equal(acl_fixup(list_of(list, sizeof list, sent, 2),
                               identities_of(identities, pairs), out, &size),
                     ZK_OK);
    assert_true(bytes_equal(bytes_of(out, (size_t)size), list_of(want, sizeof want, stored, 3)));
    assert_int_equal(fixup_one("auth", "", NULL), ZK_INVALID_ACL); /* ip alone proves nothing */
    assert_int_equal(fixup_one("auth", NULL, pairs), ZK_OK);
}

static void test_who_may(void **state)
{
    static const char *const bob[] = {"digest", "bob:x", NULL};
    static const char *const root[] = {"super", "", NULL};
    static const struct entry_text entries[] = {{ZK_PERM_READ, "ip", "10.1.0.0/16"},
                                                {ZK_PERM_WRITE, "digest", "bob:x"},
                                                {ZK_PERM_CREATE, "digest", "al:y"},
                                                {ZK_PERM_DELETE, "ip", "10.1.2.0/31"}};
    uint8_t list[512], identities[LIMIT_IDENTITIES_SIZE];
    struct bytes acl = list_of(list, sizeof list, entries, 4);
    (void)state;
    assert_int_equal(acl_packed_perms(acl, identities_of(identities, NULL)), ZK_PERM_READ);
    assert_int_equal(acl_packed_perms(acl, identities_of(identities, bob)),
                     ZK_PERM_READ | ZK_PERM_WRITE);
    assert_int_equal(acl_packed_perms(acl, identities_of(identities, root)), ZK_PERM_ALL);
    assert_int_equal(acl_packed_perms(acl, (struct bytes){NULL, -1}), 0);
    assert_true(
        acl_packed_allows((struct bytes){NULL, -1}, ZK_PERM_ADMIN, (struct bytes){NULL, -1}));
    assert_false(acl_packed_allows(acl, ZK_PERM_ADMIN, identities_of(identities, bob)));
}

static void test_ip_match(void **state)
{
    static const struct {
        const char *address, *expression;
        bool match;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.2", false},
        {"10.0.0.1", "11.0.0.0/7", true},
        {"10.0.0.1", "12.0.0.0/7", false},
        {"10.0.0.1", "10.0.0.0/31", true},
        {"10.0.0.2", "10.0.0.0/31", false},
        {"10.0.0.1", "99.0.0.0/0", true},
        {"0:0:0:0:0:0:0:1", "::1", true},
        {"fe80:0:0:0:0:0:0:1", "fe80::/10", true},
        {"fec0:0:0:0:0:0:0:1", "fe80::/10", false},
        {"10.0.0.1", "::/0", false},
        {"0:0:0:0:0:0:0:1", "0.0.0.0/0", false},
        {"10.0.0.1", "junk", false},
        {"junk", "10.0.0.1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (acl_ip_match(bytes_of_string(rows[i].address), bytes_of_string(rows[i].expression)) !=
            rows[i].match)
            fail_msg("row %zu", i);
}

static void test_identities(void **state)
{
    uint8_t identities[LIMIT_IDENTITIES_SIZE], one[LIMIT_IDENTITIES_SIZE];
    struct address v6 = {.ip = {0xfe, 0x80, [15] = 1}};
    int32_t size = acl_identities_set(identities, &v6), before = size, one_size, added = 0;
    (void)state;
    assert_non_null(memmem(identities, (size_t)size, "fe80:0:0:0:0:0:0:1", 18));
    assert_true(acl_identities_have(bytes_of(identities, (size_t)size), "ip"));
    assert_false(acl_identities_have(bytes_of(identities, (size_t)size), "digest"));
    for (int i = 0; i < 1000; i++) {
        char id[64];
        snprintf(id, sizeof id, "user%d:hash", i);
        one_size = acl_identities_one(one, sizeof one, text_of("digest"), text_of(id));
        int err = acl_identities_add(identities, &size, bytes_of(one, (size_t)one_size));
        if (err) {
            assert_int_equal(err, ERR_LIMIT);
            break;
        }
        before = size;
        assert_int_equal(acl_identities_add(identities, &size, bytes_of(one, (size_t)one_size)), 0);
        assert_int_equal(size, before); /* known already */
        added++;
    }
    assert_true(added > 100 && added < 200);
    assert_int_equal(size, before);
    assert_int_equal(acl_identities_add(identities, &size, bytes_of("\0\0\0\1\0", 5)),
                     ERR_MALFORMED);
    one_size = acl_identities_one(one, sizeof one, text_of("digest"), text_of(NULL));
    assert_int_equal(acl_identities_add(identities, &size, bytes_of(one, (size_t)one_size)),
                     ERR_MALFORMED);
    assert_int_equal(size, before);
    assert_int_equal(acl_identities_one(one, 8, text_of("digest"), text_of("x")), -1);
}

static uint32_t intern_digest(struct acl_table *table, int n, int want)
{
    uint8_t list[128];
    char id[32];
    uint32_t got = UINT32_MAX;
    struct entry_text entry = {31, "digest", id};
    snprintf(id, sizeof id, "u%d:h", n);
    assert_int_equal(acl_intern(table, list_of(list, sizeof list, &entry, 1), &got), want);
    return got;
}

static void test_slots_are_counted_and_reused_after_a_grace_period(void **state)
{
    struct acl_table *table;
    (void)state;
    assert_int_equal(acl_table_create(&table, 1, false), ERR_RANGE);
    assert_int_equal(acl_table_create(&table, (1u << 24) + 1, false), ERR_RANGE);
    assert_int_equal(acl_table_create(&table, 4, false), 0);
    uint32_t a = intern_digest(table, 1, 0), b = intern_digest(table, 2, 0);
    assert_int_equal(a, 2);
    assert_int_equal(intern_digest(table, 1, 0), a);
    acl_take(table, a);
    acl_take(table, b);
    intern_digest(table, 3, ERR_LIMIT); /* four are in use: two fixed ones, a and b */
    assert_int_equal(intern_digest(table, 1, 0), a);
    acl_drop(table, a);
    struct acl_batch *batch = acl_retired(table);
    assert_non_null(batch);
    assert_null(acl_retired(table));
    assert_true(acl_packed(table, a).size > 0); /* readers may still look */
    uint32_t c = intern_digest(table, 3, 0);
    assert_int_equal(c, 4); /* not a's slot yet */
    acl_take(table, c);
    intern_digest(table, 1, ERR_LIMIT); /* a is new again, though its slot is still there */
    acl_reclaim(table, batch);
    assert_int_equal(acl_packed(table, a).size, -1);
    acl_drop(table, c);
    assert_int_equal(intern_digest(table, 5, 0), a);
    acl_settle(table, a); /* never taken: retired again */
    assert_int_equal(acl_count(table), 5);
    acl_table_destroy(table);
}

static void test_slots_run_out_while_a_grace_period_lasts(void **state)
{
    struct acl_table *table;
    int made = 0;
    (void)state;
    assert_int_equal(acl_table_create(&table, 4, false), 0);
    for (; made < 6; made++) {
        uint32_t id = intern_digest(table, made, 0);
        acl_take(table, id);
        acl_drop(table, id);
    }
    intern_digest(table, made, ERR_NOMEM);
    acl_reclaim(table, acl_retired(table));
    intern_digest(table, made, 0);
    acl_table_destroy(table);
}

static void test_taken_again_before_the_grace_period_ends(void **state)
{
    struct acl_table *table;
    (void)state;
    assert_int_equal(acl_table_create(&table, 8, false), 0);
    uint32_t a = intern_digest(table, 1, 0);
    acl_take(table, a);
    acl_drop(table, a);
    struct acl_batch *first = acl_retired(table);
    assert_int_equal(intern_digest(table, 1, 0), a);
    acl_take(table, a);
    acl_drop(table, a); /* its own grace period begins only now */
    struct acl_batch *second = acl_retired(table);
    acl_reclaim(table, first);
    assert_true(acl_packed(table, a).size > 0);
    acl_pin(table);
    acl_reclaim(table, second); /* a snapshot reads: later */
    assert_true(acl_packed(table, a).size > 0);
    assert_null(acl_retired(table));
    acl_unpin(table);
    acl_reclaim(table, acl_retired(table));
    assert_int_equal(acl_packed(table, a).size, -1);
    acl_table_destroy(table);
}

static void test_restore_checks(void **state)
{
    struct acl_table *table;
    uint8_t list[256], other[256];
    struct entry_text open = {31, "world", "anyone"}, null = {31, NULL, "x"},
                      bob = {1, "digest", "b:h"};
    (void)state;
    assert_int_equal(acl_table_create(&table, 8, false), 0);
    struct bytes good = list_of(list, sizeof list, &bob, 1);
    assert_int_equal(acl_restore(table, 16, good), ERR_RANGE);
    assert_int_equal(acl_restore(table, 0, good), ERR_MALFORMED);
    assert_int_equal(acl_restore(table, 0, list_of(other, sizeof other, &open, 1)), 0);
    assert_int_equal(acl_restore(table, 5, list_of(other, sizeof other, &null, 1)), ERR_MALFORMED);
    assert_int_equal(acl_restore(table, 5, bytes_of(good.at, (size_t)good.size - 1)),
                     ERR_MALFORMED);
    assert_int_equal(acl_restore(table, 5, (struct bytes){NULL, -1}), ERR_MALFORMED);
    assert_int_equal(acl_restore(table, 5, good), 0);
    assert_int_equal(acl_restore(table, 5, good), ERR_EXISTS);
    assert_int_equal(acl_restore(table, 6, good), ERR_EXISTS);
    acl_take(table, 5);
    acl_restored(table);
    assert_true(bytes_equal(acl_packed(table, 5), good));
    assert_int_equal(intern_digest(table, 1, 0), 2); /* the gap is free */
    acl_table_destroy(table);
}

static void test_skip_allows_all(void **state)
{
    struct acl_table *table;
    struct bytes nobody = {NULL, -1};
    (void)state;
    assert_int_equal(acl_table_create(&table, 8, false), 0);
    uint32_t a = intern_digest(table, 1, 0);
    assert_false(acl_allows(table, a, ZK_PERM_READ, nobody));
    assert_true(acl_allows(table, ACL_ID_OPEN, ZK_PERM_ADMIN, nobody));
    assert_true(acl_allows(table, ACL_ID_READ, ZK_PERM_READ, nobody));
    assert_false(acl_allows(table, ACL_ID_READ, ZK_PERM_WRITE, nobody));
    assert_false(acl_skips(table));
    acl_table_destroy(table);
    assert_int_equal(acl_table_create(&table, 8, true), 0);
    a = intern_digest(table, 1, 0);
    assert_true(acl_allows(table, a, ZK_PERM_ADMIN, nobody));
    assert_true(acl_skips(table));
    acl_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_ids_are_valid),
        cmocka_unit_test(test_lists_null_empty_doubled_long),
        cmocka_unit_test(test_packed_size_is_bounded),
        cmocka_unit_test(test_auth_becomes_each_proved_identity),
        cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_ip_match),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_slots_are_counted_and_reused_after_a_grace_period),
        cmocka_unit_test(test_slots_run_out_while_a_grace_period_lasts),
        cmocka_unit_test(test_taken_again_before_the_grace_period_ends),
        cmocka_unit_test(test_restore_checks),
        cmocka_unit_test(test_skip_allows_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
