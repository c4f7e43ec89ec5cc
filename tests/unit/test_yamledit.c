/* Goal: one value of a YAML text changes, nothing else does. Method: texts as people write them,
 * and what must come out, byte for byte. */
#include "tools/host/yamledit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *text, const char *key, const char *value, const char *wanted)
{
    struct fault fault = {""};
    char *out = NULL;
    assert_int_equal(yamledit_set(text, key, value, &out, &fault), 0);
    assert_string_equal(out, wanted);
    free(out);
}

static void test_replaced(void **state)
{
    becomes("a: 1\nb: 2\n", "b", "3", "a: 1\nb: 3\n");
    becomes("# c\nroles:\n  # net roles\n  nets: 1 # one\n  idle: park\nx: 1\n", "roles.nets", "4",
            "# c\nroles:\n  # net roles\n  nets: 4\n  idle: park\nx: 1\n");
    becomes("roles:\n  cpus:\n    net: [1]\n    core: [2]\n", "roles.cpus.net", "[5, 6]",
            "roles:\n  cpus:\n    net: [5, 6]\n    core: [2]\n");
    /* lists on lines of their own, indented or not */
    becomes("r:\n  l:\n    - 1\n    - 2\n  m: 1\n", "r.l", "[3]", "r:\n  l: [3]\n  m: 1\n");
    becomes("r:\n  l:\n  - 1\n  - 2\n  m: 1\n", "r.l", "[3]", "r:\n  l: [3]\n  m: 1\n");
    /* a key of the same name elsewhere is another key */
    becomes("x:\n  nets: 1\nroles:\n  nets: 1\n", "roles.nets", "2",
            "x:\n  nets: 1\nroles:\n  nets: 2\n");
    becomes("roles:\n  cpus:\n    nets: 9\n  nets: 1\n", "roles.nets", "2",
            "roles:\n  cpus:\n    nets: 9\n  nets: 2\n");
    becomes("a: 1", "a", "2", "a: 2\n");
}

static void test_added(void **state)
{
    becomes("", "roles.cpus.net", "[1]", "roles:\n  cpus:\n    net: [1]\n");
    becomes("data:\n  dir: /d", "roles.nets", "2", "data:\n  dir: /d\nroles:\n  nets: 2\n");
    becomes("roles:\n    idle: park\nx: 1\n", "roles.nets", "2",
            "roles:\n    idle: park\n    nets: 2\nx: 1\n");
    becomes("roles:\n  cpus:\n    core: [1]\n\n# next\nx: 1\n", "roles.cpus.net", "[2]",
            "roles:\n  cpus:\n    core: [1]\n    net: [2]\n\n# next\nx: 1\n");
    /* a section of comments only, as in tools/etc/takt.yaml */
    becomes("roles:\n  #nets: 1\n  cpus:\n    #net: []\nx: 1\n", "roles.cpus.net", "[2]",
            "roles:\n  #nets: 1\n  cpus:\n    net: [2]\n    #net: []\nx: 1\n");
}

static void test_refused(void **state)
{
    struct fault fault = {""};
    char *out = NULL;
    assert_int_equal(yamledit_set("roles: {nets: 2}\n", "roles.nets", "3", &out, &fault),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.text, "roles"));
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
