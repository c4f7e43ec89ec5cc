/* First steps with takt from C, by way of libzookeeper, the usual ZooKeeper client.
 *
 * usage: first_steps [HOST:PORT]        (127.0.0.1:2181 when none is given)
 *
 * Debian: apt-get install libzookeeper-mt-dev
 * Build:  gcc -DTHREADED -o first_steps first_steps.c -lzookeeper_mt */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

static const int session_timeout_ms = 5000;

/* The library tells us from a thread of its own that the session is there. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int session_state;

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh, (void)path, (void)context;
    if (type != ZOO_SESSION_EVENT)
        return;
    pthread_mutex_lock(&lock);
    session_state = state;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int wait_connected(void) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    int timed_out = 0;
    pthread_mutex_lock(&lock);
    while (session_state != ZOO_CONNECTED_STATE && !timed_out)
        timed_out = pthread_cond_timedwait(&changed, &lock, &limit);
    pthread_mutex_unlock(&lock);
    return !timed_out;
}

/* Every call answers ZOK or a code with a text. */
static void must(int code, const char *what, const char *path) {
    if (code == ZOK)
        return;
    fprintf(stderr, "%s %s: %s\n", what, path, zerror(code));
    exit(1);
}

int main(int argc, char **argv) {
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:2181";
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);

    /* A session of 5 seconds: the library keeps it alive; if this program died, the server would
     * end the session 5 seconds later, and delete what belongs to it. */
    zhandle_t *zh = zookeeper_init(address, watcher, session_timeout_ms, NULL, NULL, 0);
    if (!zh || !wait_connected()) {
        fprintf(stderr, "no answer from %s\n", address);
        return 1;
    }
    printf("connected to %s, session 0x%llx\n", address,
           (unsigned long long)zoo_client_id(zh)->client_id);

    /* Two nodes that belong to the session: ephemerals. */
    const char *paths[] = {"/node1", "/node2"};
    const char *data[] = {"first", "second"};
    for (int i = 0; i < 2; i++) {
        must(zoo_create(zh, paths[i], data[i], (int)strlen(data[i]), &ZOO_OPEN_ACL_UNSAFE,
                        ZOO_EPHEMERAL, NULL, 0), "create", paths[i]);
        printf("created %s\n", paths[i]);
    }

    for (int i = 0; i < 2; i++) {
        /* A read gives the data and a Stat; its version says which state of the node one saw. */
        char value[64];
        int value_size = sizeof value - 16;
        struct Stat stat;
        must(zoo_get(zh, paths[i], 0, value, &value_size, &stat), "get", paths[i]);
        printf("%s holds %.*s at version %d\n", paths[i], value_size, value, stat.version);

        /* Change it only if nobody has in between: another version would answer ZBADVERSION. */
        memcpy(value + value_size, ", changed", 9);
        must(zoo_set2(zh, paths[i], value, value_size + 9, stat.version, &stat), "set", paths[i]);
        printf("%s is now at version %d\n", paths[i], stat.version);

        must(zoo_delete(zh, paths[i], stat.version), "delete", paths[i]);
        printf("deleted %s\n", paths[i]);
    }

    must(zookeeper_close(zh), "close", "session");
    printf("closed\n");
    return 0;
}
