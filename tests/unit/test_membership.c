/* Goal: servers are read and written exactly as ZooKeeper does, what cannot work is refused by
 * name, and a damaged log body is never taken. Method: texts of the reference, each refusal's
 * sentence, every cut and every flipped byte of a body. */
#include "base/membership.h"

#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fault fault;

static struct membership list(const char *text)
{
    struct membership m;
    if (membership_parse(&m, text, strlen(text), NULL, &fault) != 0)
        fail_msg("%s", fault.text);
    return m;
}

static void expect_refused(const char *text, const char *sentence)
{
    struct membership m = list("server.1=a:1:2"), before = m;
    assert_int_equal(membership_parse(&m, text, strlen(text), NULL, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, sentence);
    assert_memory_equal(&m, &before, sizeof m);
}

static void test_text_of_the_reference(void **state)
{
    char text[MEMBERSHIP_TEXT_SIZE];
    int64_t version;
    struct membership m = list("server.2=h2:2888:3888;2182\nserver.10=h10:2888:3888:observer;"
                               "10.0.0.9:2190\n\n server.1=[::1]:2888:3888:PARTICIPANT \r\n");
    (void)state;
    assert_int_equal(m.count, 3);
    assert_int_equal(m.server[0].id, 1);
    assert_int_equal(m.server[2].id, 10);
    assert_true(m.server[2].observer);
    size_t size = membership_print(&m, 0x100000000, text, sizeof text);
    /* in order of the texts: '0' stands before '='; the client's host is written out; no newline at
     * the end */
    assert_string_equal(text, "server.10=h10:2888:3888:observer;10.0.0.9:2190\n"
                              "server.1=[::1]:2888:3888:participant\n"
                              "server.2=h2:2888:3888:participant;0.0.0.0:2182\n"
                              "version=100000000");
    assert_int_equal(size, strlen(text));
    struct membership again;
    assert_int_equal(membership_parse(&again, text, size, &version, &fault), 0);
    assert_true(version == 0x100000000);
    assert_string_equal(membership_client_host(&again.server[1]), "h2");
    assert_string_equal(membership_client_host(&again.server[2]), "10.0.0.9");
    membership_print(&again, -1, text, sizeof text);
    assert_null(strstr(text, "version"));
    assert_int_equal(membership_parse(&m, text, strlen(text), &version, &fault), 0);
    assert_true(version == -1);
    assert_true(membership_equal(&m, &again));
}

static void test_refusals(void **state)
{
    static char text[600];
    (void)state;
    expect_refused("server.0=a:1:2",
                   "'a:1:2' is not a server: host:2888:3888[:participant|:observer][;[client "
                   "host:]2181], ids are 1 to 254, ports 1 to 65535 and the first two differ");
    expect_refused("server.255=a:1:2",
                   "'a:1:2' is not a server: host:2888:3888[:participant|:observer][;[client "
                   "host:]2181], ids are 1 to 254, ports 1 to 65535 and the first two differ");
    expect_refused("1=a:1:2", "'1=a:1:2' is not server.<id>=...");
    expect_refused("server.x=a:1:2", "'server.x=a:1:2' is not server.<id>=...");
    expect_refused("server.1 =a:1:2", "'server.1 =a:1:2' is not server.<id>=...");
    expect_refused("server.1=a:1:2,server.1=b:1:2", "server 1 is given twice");
    expect_refused("version=x", "version=x is not a hexadecimal number");
    expect_refused("version=8000000000000000",
                   "version=8000000000000000 is not a hexadecimal number");
    memset(text, 'a', sizeof text - 1);
    expect_refused(text, "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not "
                         "a server: too long, or it holds a NUL");
    struct membership m;
    assert_int_equal(membership_parse(&m, "server.1=a:1:2\0x", 16, NULL, &fault), ERR_CONFIG);
    text[0] = '\0';
    for (int i = 1; i <= MEMBERSHIP_MAX + 1; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "server.%d=h%d:1:2\n", i, i);
    expect_refused(text, "more than 16 servers");
}

static void expect_unchecked(const char *text, const char *sentence)
{
    struct membership m = list(text);
    assert_int_equal(membership_check(&m, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, sentence);
}

static void test_what_cannot_work(void **state)
{
    (void)state;
    expect_unchecked("", "no servers");
    expect_unchecked("server.1=a:1:2:observer", "every server is an observer; somebody must vote");
    expect_unchecked("server.1=a:1:2,server.2=a:3:1", "servers 1 and 2 both want port 1 of a");
    expect_unchecked("server.1=a:1:2;9,server.2=b:3:4;a:9",
                     "servers 1 and 2 both want port 9 of a");
    expect_unchecked("server.1=a:1:2,server.2=b|c:1:2",
                     "server 2: several addresses (b|c) are not in this version; give one");
    struct membership m = list("server.1=a:1:2;9,server.2=b:1:2;9");
    assert_int_equal(membership_check(&m, &fault), 0);
}

static void test_change(void **state)
{
    struct membership m = list("server.1=a:1:2;3,server.2=b:1:2;3,server.3=c:1:2;3"), was;
    const char *joining = "server.4=d:1:2:observer;3,server.2=b:1:2:observer;3";
    (void)state;
    assert_int_equal(membership_change(&m, joining, strlen(joining), "3, 99", 5, &fault), 0);
    assert_int_equal(m.count, 3);
    assert_null(membership_find(&m, 3));
    assert_true(membership_find(&m, 2)->observer && membership_find(&m, 4)->observer);
    was = m;
    joining = "server.5=e:1:2";
    assert_int_equal(membership_change(&m, joining, strlen(joining), "1", 1, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "server 5 joins without a client port");
    assert_int_equal(membership_change(&m, NULL, 0, "x", 1, &fault), ERR_CONFIG);
    assert_string_equal(fault.text, "'x' is not the id of a server");
    assert_int_equal(membership_change(&m, NULL, 0, "1\0", 2, &fault), ERR_CONFIG);
    assert_memory_equal(&m, &was, sizeof m);
}

static void test_quorums(void **state)
{
    struct membership m = list("server.1=a:1:2,server.2=b:1:2,server.3=c:1:2,server.4=d:1:2,"
                               "server.9=e:1:2:observer");
    (void)state;
    assert_int_equal(membership_voter_count(&m), 4);
    assert_int_equal(membership_quorum(&m), 3);
    assert_false(membership_reachable(&m, (uint8_t[]){1, 2, 9, 200, 1}, 5));
    assert_true(membership_reachable(&m, (uint8_t[]){1, 2, 4}, 3));
    assert_false(membership_reachable(&m, NULL, 0));
    assert_true(membership_remove(&m, 4));
    assert_false(membership_remove(&m, 4));
    assert_int_equal(membership_quorum(&m), 2);
}

static struct membership_body joint(void)
{
    return (struct membership_body){.flags = MEMBERSHIP_JOINT,
                                    .before = list("server.1=a:1:2;3,server.2=b:1:2;3"),
                                    .after = list("server.1=a:1:2;3,server.3=c:1:2;3")};
}

static void test_body(void **state)
{
    static uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    struct membership_body body = joint(), got;
    (void)state;
    size_t size = membership_body_encode(&body, bytes, sizeof bytes);
    assert_int_equal(membership_body_decode(&got, bytes, size), 0);
    assert_int_equal(got.flags, MEMBERSHIP_JOINT);
    char a[MEMBERSHIP_TEXT_SIZE], b[MEMBERSHIP_TEXT_SIZE];
    membership_print(&body.after, -1, a, sizeof a);
    membership_print(&got.after, -1, b, sizeof b);
    assert_string_equal(a, b);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(membership_body_decode(&got, bytes, cut), ERR_MALFORMED);
    bytes[3] = 2;
    assert_int_equal(membership_body_decode(&got, bytes, size), ERR_VERSION);
    bytes[3] = 1;
    static const uint8_t flags[] = {0, 1, 3, 4, 6, 8, 255};
    for (size_t i = 0; i < sizeof flags; i++) { /* none of these goes with two lists */
        bytes[7] = flags[i];
        assert_int_equal(membership_body_decode(&got, bytes, size), ERR_MALFORMED);
    }
    body = (struct membership_body){.flags = MEMBERSHIP_REFUSED, .error = ZK_NEW_CONFIG_NO_QUORUM};
    size = membership_body_encode(&body, bytes, sizeof bytes);
    assert_int_equal(membership_body_decode(&got, bytes, size), 0);
    assert_int_equal(got.error, ZK_NEW_CONFIG_NO_QUORUM);
    memset(bytes + 8, 0, 4);
    assert_int_equal(membership_body_decode(&got, bytes, size), ERR_MALFORMED);
}

/* The largest there can be is within the sizes that the header promises. */
static void test_largest(void **state)
{
    static uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    struct membership_body body = {.flags = MEMBERSHIP_JOINT}, got;
    (void)state;
    for (uint32_t id = MEMBERSHIP_ID_MAX - MEMBERSHIP_MAX + 1; id <= MEMBERSHIP_ID_MAX; id++) {
        struct membership_server server = {
            .id = id, .quorum_port = 65534, .election_port = 65535, .client_port = 65533};
        memset(server.host, 'h', sizeof server.host - 1);
        memset(server.client_host, 'c', sizeof server.client_host - 1);
        server.host[0] = server.client_host[0] = (char)('a' + id % 26);
        assert_int_equal(membership_add(&body.before, &server), 0);
    }
    struct membership_server more = {.id = 1};
    assert_int_equal(membership_add(&body.before, &more), ERR_LIMIT);
    body.after = body.before;
    assert_int_equal(membership_check(&body.after, &fault), 0);
    size_t size = membership_body_encode(&body, bytes, sizeof bytes);
    assert_int_equal(membership_body_decode(&got, bytes, size), 0);
    assert_true(membership_equal(&got.after, &body.after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_the_reference),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_cannot_work),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_quorums),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests_name("membership", tests, NULL, NULL);
}
