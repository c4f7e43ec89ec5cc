/* c_failover: libzookeeper's C client writes through a failover and counts what it saw.
 *
 * usage: c_failover HOSTS PATH SECONDS
 *   Sets PATH, one write after the other, at the first of HOSTS that takes it, for SECONDS and
 * until a write has succeeded after that. Prints one line: good= failed= maybe= disconnects=
 * expired= longest_ms= failed counts answers other than OK; maybe those of them that were lost on
 * the way. Exit code: 0, or 1 when it could not connect or never wrote again. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

static int disconnects, expired;

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    (void)zh, (void)path, (void)context;
    if (type != ZOO_SESSION_EVENT)
        return;
    if (state == ZOO_CONNECTING_STATE)
        __atomic_add_fetch(&disconnects, 1, __ATOMIC_RELAXED);
    if (state == ZOO_EXPIRED_SESSION_STATE)
        __atomic_add_fetch(&expired, 1, __ATOMIC_RELAXED);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int wait_connected(zhandle_t *zh)
{
    for (int i = 0; i < 1000 && zoo_state(zh) != ZOO_CONNECTED_STATE; i++)
        usleep(20000);
    return zoo_state(zh) == ZOO_CONNECTED_STATE;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: c_failover HOSTS PATH SECONDS\n");
        return 2;
    }
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zoo_deterministic_conn_order(1);
    zhandle_t *zh = zookeeper_init(argv[1], watcher, 20000, NULL, NULL, 0);
    if (!zh || !wait_connected(zh))
        return 1;

    int good = 0, failed = 0, maybe = 0, last = 0;
    double begin = seconds(), end = begin + atof(argv[3]), previous = begin, longest = 0;
    while (previous < end || last != ZOK) {
        char data[32];
        int length = snprintf(data, sizeof(data), "%d", good);
        last = zoo_set(zh, argv[2], data, length, -1);
        double now = seconds();
        if (last == ZOK) {
            good++;
            longest = now - previous > longest ? now - previous : longest;
            previous = now;
        } else {
            failed++;
            maybe += last == ZCONNECTIONLOSS || last == ZOPERATIONTIMEOUT;
            if (now > end + 60 || zoo_state(zh) == ZOO_EXPIRED_SESSION_STATE)
                return 1;
            wait_connected(zh);
        }
        usleep(2000);
    }
    printf("good=%d failed=%d maybe=%d disconnects=%d expired=%d longest_ms=%.0f\n", good, failed,
           maybe, disconnects, expired, longest * 1e3);
    zookeeper_close(zh);
    return 0;
}
