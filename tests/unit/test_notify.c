/* Goal: what sd_notify(3) asks for arrives, and nothing happens without systemd. Method: a datagram
 * socket of our own, by path and in the abstract namespace. */
#include "tools/taktd/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_arrives(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char got[64];

    memcpy(at.sun_path, name, strlen(name));
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_send("READY=1\nSTATUS=good");
    ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, "READY=1\nSTATUS=good");
    close(fd);
    notify_send("nobody listens any more"); /* and nothing happens */
}

static void test_arrives(void **state)
{
    char path[64], name[64];

    snprintf(path, sizeof(path), "/tmp/test_notify.%d", (int)getpid());
    snprintf(name, sizeof(name), "@test_notify.%d", (int)getpid());
    expect_arrives(path);
    unlink(path);
    expect_arrives(name);
}

static void test_without_systemd(void **state)
{
    static char longest[200];

    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    memset(longest, '/', sizeof(longest) - 1);
    static const char *const bad[] = {"", "/", "relative", longest, "/nowhere/at/all"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        notify_send("READY=1");
    }
}

static void test_watchdog(void **state)
{
    char pid[16];

    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_USEC", "99999999999999", 1);
    assert_int_equal(notify_watchdog_ms(), 3600000);
    setenv("WATCHDOG_USEC", "x", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrives),
        cmocka_unit_test(test_without_systemd),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
