/* c_client: libzookeeper's C client against a server; one TAP line a test.
 *
 * usage: c_client HOST:PORT BASE SESSION PASSWORD
 *   BASE       a node of the caller's own, which exists
 *   SESSION, PASSWORD   in hex: a session to take over; it has the ephemeral BASE/theirs
 *
 * The library's threads deliver watches and completions; `notes` is the one place they meet. */
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

static const char *host, *base;
static clientid_t inherited;
static int failed, test_number;
static bool test_good;

static struct notes {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int session_state, event_count, done_count, error_count;
    int event_type[64];
    char event_path[64][256];
} notes = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh, (void)context;
    pthread_mutex_lock(&notes.lock);
    if (type == ZOO_SESSION_EVENT) {
        notes.session_state = state;
    } else if (notes.event_count < 64) {
        notes.event_type[notes.event_count] = type;
        snprintf(notes.event_path[notes.event_count++], 256, "%s", path);
    }
    pthread_cond_broadcast(&notes.changed);
    pthread_mutex_unlock(&notes.lock);
}

/* Waits until *value has reached `wanted`; false after 10 seconds. */
static bool wait_for(const int *value, int wanted) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    pthread_mutex_lock(&notes.lock);
    int late = 0;
    while (*value < wanted && !late)
        late = pthread_cond_timedwait(&notes.changed, &notes.lock, &limit);
    bool reached = *value >= wanted;
    pthread_mutex_unlock(&notes.lock);
    return reached;
}

static void clear_notes(void) {
    pthread_mutex_lock(&notes.lock);
    notes.event_count = notes.done_count = notes.error_count = notes.session_state = 0;
    pthread_mutex_unlock(&notes.lock);
}

static void expect(bool good, const char *format, ...) {
    if (good)
        return;
    va_list list;
    va_start(list, format);
    printf("# ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
    test_good = false;
}

#define CODE(call, code)                                                                           \
    do {                                                                                           \
        int got_ = (call);                                                                         \
        expect(got_ == (code), "line %d: %s gave %d, not %d", __LINE__, #call, got_, (code));      \
    } while (0)

static const char *at(const char *name) {
    static char paths[8][256];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, 256, "%s/%s", base, name);
    return path;
}

static zhandle_t *open_session(const clientid_t *id) {
    clear_notes();
    zhandle_t *zh = zookeeper_init(host, watcher, 10000, id, NULL, 0);
    /* The states are bits above 0; CONNECTING and ASSOCIATING are smaller than CONNECTED. */
    expect(zh && wait_for(&notes.session_state, ZOO_CONNECTED_STATE), "no session");
    return zh;
}

static void test_basics(zhandle_t *zh) {
    char data[64], made[256];
    int size = sizeof data;
    struct Stat stat;
    CODE(zoo_create(zh, at("n"), "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made), ZOK);
    expect(strcmp(made, at("n")) == 0, "created %s", made);
    CODE(zoo_create(zh, at("n"), "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZNODEEXISTS);
    CODE(zoo_create(zh, at("no/n"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZNONODE);
    CODE(zoo_get(zh, at("n"), 0, data, &size, &stat), ZOK);
    expect(size == 3 && memcmp(data, "one", 3) == 0 && stat.version == 0, "get %.*s", size, data);
    CODE(zoo_set(zh, at("n"), "x", 1, 5), ZBADVERSION);
    CODE(zoo_set2(zh, at("n"), "two", 3, 0, &stat), ZOK);
    expect(stat.version == 1 && stat.dataLength == 3, "version %d", stat.version);
    CODE(zoo_set(zh, at("n"), NULL, -1, 1), ZOK);
    size = sizeof data;
    CODE(zoo_get(zh, at("n"), 0, data, &size, &stat), ZOK);
    expect(size == -1, "null data has size %d", size);
    CODE(zoo_exists(zh, at("n"), 0, &stat), ZOK);
    CODE(zoo_exists(zh, at("none"), 0, &stat), ZNONODE);
    CODE(zoo_delete(zh, at("n"), 7), ZBADVERSION);
    CODE(zoo_delete(zh, at("n"), 2), ZOK);
    CODE(zoo_delete(zh, at("n"), -1), ZNONODE);
}

static void test_kinds(zhandle_t *zh) {
    char made[256], numbered[256] = "";
    struct Stat stat;
    CODE(zoo_create2(zh, at("two"), "abc", 3, &ZOO_OPEN_ACL_UNSAFE, 0, made, 256, &stat), ZOK);
    expect(stat.dataLength == 3 && stat.czxid != 0, "create2 Stat");
    CODE(zoo_create(zh, at("s-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, numbered, 256), ZOK);
    size_t stem_size = strlen(at("s-"));
    expect(strlen(numbered) == stem_size + 10 &&
               strspn(numbered + stem_size, "0123456789") == 10, "%s", numbered);
    CODE(zoo_create(zh, at("e"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0), ZOK);
    CODE(zoo_exists(zh, at("e"), 0, &stat), ZOK);
    expect(stat.ephemeralOwner == zoo_client_id(zh)->client_id, "ephemeral owner");
    CODE(zoo_create(zh, at("e/c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0),
         ZNOCHILDRENFOREPHEMERALS);
    CODE(zoo_create(zh, at("c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, made, 256), ZOK);
    CODE(zoo_create2_ttl(zh, at("t"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000,
                         made, 256, &stat), ZOK);
    expect(stat.ephemeralOwner == 0, "a TTL node shows no owner");
    const char *names[] = {"two", "e", "c", "t"};
    for (int i = 0; i < 4; i++)
        CODE(zoo_delete(zh, at(names[i]), -1), ZOK);
    CODE(zoo_delete(zh, numbered, -1), ZOK);
}

static void test_children(zhandle_t *zh) {
    struct String_vector names;
    struct Stat stat;
    CODE(zoo_create(zh, at("p"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    for (int i = 0; i < 100; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/p/%d", base, i);
        CODE(zoo_create(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    }
    CODE(zoo_get_children2(zh, at("p"), 0, &names, &stat), ZOK);
    expect(names.count == 100 && stat.numChildren == 100, "%d children", names.count);
    deallocate_String_vector(&names);
    CODE(zoo_delete(zh, at("p"), -1), ZNOTEMPTY);
    for (int i = 0; i < 100; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/p/%d", base, i);
        CODE(zoo_delete(zh, path, -1), ZOK);
    }
    CODE(zoo_get_children(zh, at("p"), 0, &names), ZOK);
    expect(names.count == 0, "%d left", names.count);
    deallocate_String_vector(&names);
}

static void auth_done(int code, const void *context) {
    (void)context;
    pthread_mutex_lock(&notes.lock);
    notes.done_count++;
    notes.error_count += code != ZOK;
    pthread_cond_broadcast(&notes.changed);
    pthread_mutex_unlock(&notes.lock);
}

static void test_acl(zhandle_t *zh) {
    struct ACL_vector acl;
    struct Stat stat;
    char data[8];
    int size = sizeof data;
    clear_notes();
    CODE(zoo_add_auth(zh, "digest", "carol:pw", 8, auth_done, NULL), ZOK);
    expect(wait_for(&notes.done_count, 1) && notes.error_count == 0, "add_auth");
    CODE(zoo_create(zh, at("mine"), "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0), ZOK);
    CODE(zoo_get_acl(zh, at("mine"), &acl, &stat), ZOK);
    expect(acl.count == 1 && strcmp(acl.data[0].id.scheme, "digest") == 0 &&
               strncmp(acl.data[0].id.id, "carol:", 6) == 0, "the ACL");
    deallocate_ACL_vector(&acl);
    zhandle_t *other = open_session(NULL);
    CODE(zoo_get(other, at("mine"), 0, data, &size, &stat), ZNOAUTH);
    CODE(zoo_set_acl(zh, at("mine"), 0, &ZOO_OPEN_ACL_UNSAFE), ZOK);
    /* at another node of an ensemble the change is seen a little later */
    for (int i = 0; i < 200 && zoo_get(other, at("mine"), 0, data, &size, &stat) == ZNOAUTH; i++)
        usleep(10000);
    CODE(zoo_get(other, at("mine"), 0, data, &size, &stat), ZOK);
    expect(stat.aversion == 1, "aversion %d", stat.aversion);
    CODE(zookeeper_close(other), ZOK);
}

static void test_multi(zhandle_t *zh) {
    char made[256];
    struct Stat stat;
    zoo_op_t ops[4];
    zoo_op_result_t results[4];
    zoo_create_op_init(&ops[0], at("m"), "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_check_op_init(&ops[1], at("m"), 0);
    zoo_set_op_init(&ops[2], at("m"), "22", 2, 0, &stat);
    zoo_create_op_init(&ops[3], at("m/c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    CODE(zoo_multi(zh, 4, ops, results), ZOK);
    expect(stat.version == 1 && stat.dataLength == 2, "the Stat of a set in a multi");
    expect(strcmp(made, at("m")) == 0, "the path of a create in a multi: %s", made);
    zoo_delete_op_init(&ops[0], at("m/c"), -1);
    zoo_check_op_init(&ops[1], at("m"), 9);
    zoo_delete_op_init(&ops[2], at("m"), -1);
    CODE(zoo_multi(zh, 3, ops, results), ZBADVERSION);
    expect(results[0].err == ZOK && results[1].err == ZBADVERSION &&
               results[2].err == ZRUNTIMEINCONSISTENCY,
           "results %d %d %d", results[0].err, results[1].err, results[2].err);
    CODE(zoo_exists(zh, at("m/c"), 0, &stat), ZOK);
}

static bool event_is(int index, int type, const char *path) {
    return wait_for(&notes.event_count, index + 1) && notes.event_type[index] == type &&
           strcmp(notes.event_path[index], path) == 0;
}

static void test_watches(zhandle_t *zh) {
    struct Stat stat;
    char data[8];
    int size = sizeof data;
    struct String_vector names;
    clear_notes();
    CODE(zoo_wexists(zh, at("w"), watcher, NULL, &stat), ZNONODE);
    CODE(zoo_create(zh, at("w"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    expect(event_is(0, ZOO_CREATED_EVENT, at("w")), "created");
    CODE(zoo_wget(zh, at("w"), watcher, NULL, data, &size, &stat), ZOK);
    CODE(zoo_set(zh, at("w"), "1", 1, -1), ZOK);
    expect(event_is(1, ZOO_CHANGED_EVENT, at("w")), "changed");
    CODE(zoo_wget_children(zh, at("w"), watcher, NULL, &names), ZOK);
    deallocate_String_vector(&names);
    CODE(zoo_create(zh, at("w/c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    expect(event_is(2, ZOO_CHILD_EVENT, at("w")), "child");
    CODE(zoo_delete(zh, at("w/c"), -1), ZOK);
    CODE(zoo_wexists(zh, at("w"), watcher, NULL, &stat), ZOK);
    CODE(zoo_remove_watches(zh, at("w"), ZWATCHTYPE_DATA, watcher, NULL, 0), ZOK);
    CODE(zoo_remove_watches(zh, at("w"), ZWATCHTYPE_DATA, watcher, NULL, 0), ZNOWATCHER);
    CODE(zoo_wexists(zh, at("w"), watcher, NULL, &stat), ZOK);
    CODE(zoo_delete(zh, at("w"), -1), ZOK);
}

static void stat_done(int code, const struct Stat *stat, const void *context) {
    (void)stat, (void)context;
    auth_done(code, NULL);
}

static void test_async(zhandle_t *zh) {
    CODE(zoo_create(zh, at("a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    clear_notes();
    for (int i = 0; i < 2000; i++)
        CODE(zoo_aset(zh, at("a"), "x", 1, i, stat_done, NULL), ZOK);
    expect(wait_for(&notes.done_count, 2000) && notes.error_count == 0,
           "%d done, %d errors: pipelined sets with the exact version each", notes.done_count,
           notes.error_count);
}

static void sync_done(int code, const char *value, const void *context) {
    (void)context;
    auth_done(code == ZOK && strcmp(value, base) == 0 ? ZOK : code ? code : -1, NULL);
}

/* What any node of an ensemble has answered is seen behind this. */
static void sync_now(zhandle_t *zh) {
    clear_notes();
    CODE(zoo_async(zh, base, sync_done, NULL), ZOK);
    expect(wait_for(&notes.done_count, 1) && notes.error_count == 0, "sync");
}

static void test_sync_and_config(zhandle_t *zh) {
    char data[4096];
    int size = sizeof data;
    struct Stat stat;
    sync_now(zh);
    CODE(zoo_getconfig(zh, 0, data, &size, &stat), ZOK);
}

/* The session that the caller opened by other means, with the ephemeral BASE/theirs. */
static void test_session(zhandle_t *zh) {
    struct Stat stat;
    zhandle_t *heir = open_session(&inherited);
    expect(zoo_client_id(heir)->client_id == inherited.client_id, "the same session");
    CODE(zoo_exists(heir, at("theirs"), 0, &stat), ZOK);
    expect(stat.ephemeralOwner == inherited.client_id, "the owner");
    CODE(zookeeper_close(heir), ZOK);
    sync_now(zh);
    CODE(zoo_exists(zh, at("theirs"), 0, &stat), ZNONODE);
}

static void test_paths(zhandle_t *zh) {
    const char *bad[] = {"relative", "/trailing/", "//", "/a//b", "/a/./b", "/a/../b"};
    for (int i = 0; i < 6; i++)
        CODE(zoo_create(zh, bad[i], "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZBADARGUMENTS);
    static char big[1048576 - 200];
    memset(big, 'x', sizeof big);
    int size = sizeof big;
    struct Stat stat;
    CODE(zoo_create(zh, at("big"), big, sizeof big, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    CODE(zoo_get(zh, at("big"), 0, big, &size, &stat), ZOK);
    expect(size == (int)sizeof big, "%d bytes of %zu", size, sizeof big);
    CODE(zoo_delete(zh, at("big"), 0), ZOK);
}

static void run(const char *name, void (*test)(zhandle_t *)) {
    test_good = true;
    zhandle_t *zh = open_session(NULL);
    if (zh)
        test(zh);
    if (zh)
        CODE(zookeeper_close(zh), ZOK);
    printf("%sok %d - libzookeeper: %s\n", test_good ? "" : "not ", ++test_number, name);
    fflush(stdout);
    failed += !test_good;
}

int main(int argc, char **argv) {
    if (argc != 5 || strlen(argv[4]) != 32) {
        fprintf(stderr, "usage: c_client HOST:PORT BASE SESSION PASSWORD\n");
        return 2;
    }
    inherited.client_id = (int64_t)strtoull(argv[3], NULL, 16);
    for (int i = 0; i < 16; i++) {
        char digits[3] = {argv[4][2 * i], argv[4][2 * i + 1], 0};
        inherited.passwd[i] = (char)strtoul(digits, NULL, 16);
    }
    host = argv[1], base = argv[2];
    zoo_set_debug_level(0);
    run("create, get, set, exists, delete and their codes", test_basics);
    run("kinds of nodes: create2, sequence, ephemeral, container, TTL", test_kinds);
    run("children", test_children);
    run("ACLs and add_auth", test_acl);
    run("multi", test_multi);
    run("watches, and their removal", test_watches);
    run("2000 pipelined sets", test_async);
    run("sync and getconfig", test_sync_and_config);
    run("bad paths, and a large node", test_paths);
    run("a session taken over by its id", test_session);
    printf("1..%d\n", test_number);
    return failed ? 1 : 0;
}
