/* Goal: ids of the digest scheme are ZooKeeper's. Method: the examples of zk_protocol.md section
 * 12, and room that is one byte too small. */
#include "dataplane/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_examples(void **state)
{
    static const struct {
        const char *credentials, *id;
    } cases[] = {{"bob:pw", "bob:ikIaKsbtGweaHnb/jKn7OHqbunM="},
                 {"super:test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="},
                 {"foo", "foo:C+7Hteo/D9vJXQ3UfzxbwnXaijM="},
                 {"", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="}};
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[64];
        struct bytes credentials = bytes_of_string(cases[i].credentials);
        uint32_t size = (uint32_t)strlen(cases[i].id);
        assert_int_equal(digest_id(credentials, out, size - 1), ERR_LIMIT);
        assert_int_equal(digest_id(credentials, out, size), size);
        assert_memory_equal(out, cases[i].id, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
