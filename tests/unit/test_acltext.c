/* Goal: an ACL's text and its records agree. Method: each scheme's form, each refusal, the limit.
 */
#include "tools/takt/acltext.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_forms(void **state)
{
    struct zkwire_acl acl[ACL_COUNT_MAX];
    struct fault fault;
    uint32_t count;
    assert_int_equal(acltext_parse("world:anyone:cdrwa,digest:bob:h=:r,ip:::1/64:cd,auth::a", acl,
                                   &count, &fault),
                     0);
    assert_int_equal(count, 4);
    assert_int_equal(acl[0].perms, ZK_PERM_ALL);
    assert_true(bytes_equal(acl[1].scheme, bytes_of_string("digest")));
    assert_true(bytes_equal(acl[1].id, bytes_of_string("bob:h=")));
    assert_int_equal(acl[1].perms, ZK_PERM_READ);
    assert_true(bytes_equal(acl[2].id, bytes_of_string("::1/64")));
    assert_int_equal(acl[2].perms, ZK_PERM_CREATE | ZK_PERM_DELETE);
    assert_int_equal(acl[3].id.size, 0);
    assert_int_equal(acl[3].perms, ZK_PERM_ADMIN);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "", "world", "world:anyone", "world:anyone:", "w:a:x", "w:a:r,", ",w:a:r", "w:a:r,b"};
    struct zkwire_acl acl[ACL_COUNT_MAX];
    struct fault fault;
    uint32_t count;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(acltext_parse(bad[i], acl, &count, &fault), ERR_MALFORMED);
}

static void test_limit(void **state)
{
    char text[8 * (ACL_COUNT_MAX + 1)] = "";
    struct zkwire_acl acl[ACL_COUNT_MAX];
    struct fault fault;
    uint32_t count;
    for (int i = 0; i < ACL_COUNT_MAX; i++)
        strcat(text, i ? ",a:b:r" : "a:b:r");
    assert_int_equal(acltext_parse(text, acl, &count, &fault), 0);
    assert_int_equal(count, ACL_COUNT_MAX);
    strcat(text, ",a:b:r");
    assert_int_equal(acltext_parse(text, acl, &count, &fault), ERR_LIMIT);
}

static void test_perms_come_back(void **state)
{
    for (int32_t perms = 1; perms <= ZK_PERM_ALL; perms++) {
        char letters[8], text[32];
        struct zkwire_acl acl[ACL_COUNT_MAX];
        struct fault fault;
        uint32_t count;
        acltext_perms_text(perms, letters);
        snprintf(text, sizeof(text), "world:anyone:%s", letters);
        assert_int_equal(acltext_parse(text, acl, &count, &fault), 0);
        assert_int_equal(acl[0].perms, perms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_perms_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
