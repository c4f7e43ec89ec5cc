/* Goal: readers on real threads see one state, never an older one than before, and never a version
 * that was freed, whatever the writer does meanwhile. Method: one writer with a random program of
 * commands that each keep some invariants (a multi moves value between accounts; lists agree with
 * Stats; every node's data names its path and its zxid), rollbacks, deletions of whole folders, a
 * table that grows through splits, and holds with a walker; readers check the invariants, and stay
 * on their views for random times. Freed versions are poisoned in sanitizer builds; the grace
 * periods are this test's own, in C11 atomics, so that ThreadSanitizer sees through them.
 * TAKT_TORTURE_SECONDS (default 1) says for how long; 5 and 30 by hand. */
#include "base/check.h"
#include "base/clock.h"
#include "base/rand.h"
#include "store/tree.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define READER_COUNT  3
#define ACCOUNT_COUNT 10
#define ACCOUNT_SUM   1000000
#define FOLDER_COUNT  8
#define NAME_COUNT    40
#define PERMANENT_MAX 200000
#define BATCH_MAX     256
#define HOLD_LIMIT    (256u << 20)

/* What every node's data begins with. */
struct stamp {
    uint64_t path_hash;
    int64_t zxid;   /* equal to mzxid */
    int64_t value;  /* accounts: the balance; /clock: how many permanent nodes there are */
    uint64_t check; /* of the three */
};

static struct tree *tree;
static _Atomic bool stop;
/* Grace periods: a reader stores the epoch it has seen when it holds nothing. */
static _Atomic uint64_t epoch = 1;
static _Atomic uint64_t seen[READER_COUNT + 1]; /* the walker is the last */
static _Atomic uint64_t turn_count, permanent_gets;
/* The walker's mailbox: the held zxid and what must be found. */
static _Atomic int walk_state; /* 0 none, 1 asked, 2 done */
static int64_t walk_zxid;
static uint64_t walk_expected;

static uint64_t hash_of(struct bytes path)
{
    uint64_t h = 14695981039346656037ull;
    for (int32_t i = 0; i < path.size; i++)
        h = (h ^ path.at[i]) * 1099511628211ull;
    return h;
}

static uint64_t check_of(const struct stamp *s)
{
    return (s->path_hash ^ (uint64_t)s->zxid * 31 ^ (uint64_t)s->value * 17) *
           0x9e3779b97f4a7c15ull;
}

/* ---- readers -----------------------------------------------------------------------------------
 */

/* A version in a reader's hands: it must be what it says. Returns its value. */
static int64_t verify(const struct tree_view *view, const struct znode *node)
{
    struct zk_stat stat;
    struct stamp stamp;
    struct bytes path = znode_path(node), data = znode_data(node);
    znode_stat(node, &stat);
    CHECK(stat.mzxid <= view->zxid && stat.czxid <= stat.mzxid && stat.pzxid <= view->zxid);
    if (data.size == 0)
        return 0; /* a built-in node */
    CHECK(data.size >= (int32_t)sizeof(stamp));
    memcpy(&stamp, data.at, sizeof(stamp));
    CHECK(stamp.check == check_of(&stamp));
    CHECK(stamp.path_hash == hash_of(path));
    CHECK(stamp.zxid == stat.mzxid);
    return stamp.value;
}

static int64_t read_value(const struct tree_view *view, const char *path)
{
    const struct znode *node = tree_get(view, bytes_of_string(path));
    CHECK(node);
    return verify(view, node);
}

static void read_sum(const struct tree_view *view, struct rand *r)
{
    char path[32];
    int64_t sum = 0;
    for (int i = 0; i < ACCOUNT_COUNT; i++) {
        snprintf(path, sizeof(path), "/accounts/a%d", i);
        sum += read_value(view, path);
        if (rand_below(r, 50) == 0)
            sched_yield();
    }
    CHECK(sum == ACCOUNT_SUM);
}

static void read_folder(const struct tree_view *view, struct rand *r)
{
    char path[32];
    snprintf(path, sizeof(path), "/f%d", (int)rand_below(r, FOLDER_COUNT));
    const struct znode *folder = tree_get(view, bytes_of_string(path));
    if (!folder)
        return;
    verify(view, folder);
    uint32_t count = 0;
    for (const struct znode *child = tree_child_first(view, folder); child;
         child = tree_child_next(view, child)) {
        verify(view, child);
        CHECK(tree_get(view, znode_path(child)) == child);
        count++;
        if (rand_below(r, 200) == 0)
            sched_yield();
    }
    CHECK(count == znode_child_count(folder));
}

/* The table grows: what was there at the view's zxid is found, whatever is being split. */
static void read_permanent(const struct tree_view *view, struct rand *r)
{
    char path[32];
    int64_t count = read_value(view, "/clock");
    for (int i = 0; i < 20 && count > 0; i++) {
        uint64_t number = rand_below(r, (uint64_t)count);
        snprintf(path, sizeof(path), "/permanent/n%d", (int)number);
        CHECK(read_value(view, path) == (int64_t)number);
        atomic_fetch_add_explicit(&permanent_gets, 1, memory_order_relaxed);
    }
}

static void quiescent(int self)
{
    /* release: what this reader did with its view is over; acquire in epoch_is_over */
    uint64_t now = atomic_load_explicit(&epoch, memory_order_acquire);
    atomic_store_explicit(&seen[self], now, memory_order_release);
}

static void *reader(void *arg)
{
    int self = (int)(intptr_t)arg;
    struct rand r;
    int64_t last = 0;
    rand_seed(&r, 100 + (uint64_t)self);
    while (!atomic_load(&stop)) {
        struct tree_view view = tree_view(tree);
        CHECK(view.zxid >= last);
        last = view.zxid;
        for (uint64_t n = 1 + rand_below(&r, 6); n > 0; n--) {
            switch (rand_below(&r, 3)) {
            case 0: read_sum(&view, &r); break;
            case 1: read_folder(&view, &r); break;
            default: read_permanent(&view, &r); break;
            }
        }
        quiescent(self);
        atomic_fetch_add_explicit(&turn_count, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&seen[self], UINT64_MAX, memory_order_release);
    return NULL;
}

/* ---- the walker --------------------------------------------------------------------------------
 */

static void walk(void)
{
    struct tree_walk w = tree_walk_begin(tree, walk_zxid);
    struct tree_view at = {tree, walk_zxid};
    const struct znode *nodes[32];
    uint64_t count = 0;
    int64_t sum = 0;
    uint32_t n;
    while ((n = tree_walk_next(&w, nodes, 32)) > 0) {
        for (uint32_t i = 0; i < n; i++) {
            int64_t value = verify(&at, nodes[i]);
            struct bytes path = znode_path(nodes[i]);
            if (path.size > 10 && memcmp(path.at, "/accounts/", 10) == 0)
                sum += value;
        }
        count += n;
        quiescent(READER_COUNT); /* nothing is kept from slice to slice but the cursor */
    }
    CHECK(count == walk_expected);
    CHECK(sum == ACCOUNT_SUM);
}

static void *walker(void *arg)
{
    while (!atomic_load(&stop)) {
        if (atomic_load_explicit(&walk_state, memory_order_acquire) == 1) {
            walk();
            atomic_store_explicit(&walk_state, 2, memory_order_release);
        }
        quiescent(READER_COUNT);
        sched_yield();
    }
    atomic_store_explicit(&seen[READER_COUNT], UINT64_MAX, memory_order_release);
    return NULL;
}

/* ---- the writer --------------------------------------------------------------------------------
 */

struct writer {
    struct rand rand;
    int64_t zxid;
    int64_t permanents, permanents_before;
    struct tree_batch *batches[BATCH_MAX];
    uint64_t epochs[BATCH_MAX];
    uint32_t first, count;
    uint64_t commands, rollbacks, walks, freed, breaks;
};

static struct bytes data_for(struct writer *w, const char *path, int64_t value)
{
    static uint8_t room[1024];
    static const int32_t sizes[] = {sizeof(struct stamp), 100, 500, 900};
    struct stamp stamp = {hash_of(bytes_of_string(path)), w->zxid, value, 0};
    stamp.check = check_of(&stamp);
    memcpy(room, &stamp, sizeof(stamp));
    return (struct bytes){room, sizes[rand_below(&w->rand, 4)]};
}

static bool there(const char *path)
{
    return tree_find(tree, bytes_of_string(path)) != NULL;
}

static void add(struct writer *w, const char *path, int64_t value)
{
    int err = tree_add(tree, bytes_of_string(path), data_for(w, path, value), 0, 0);
    CHECK(err == 0);
}

static void set(struct writer *w, const char *path, int64_t value)
{
    int err = tree_set(tree, bytes_of_string(path), data_for(w, path, value));
    CHECK(err == 0);
}

static int64_t value_of(const char *path)
{
    struct stamp stamp;
    memcpy(&stamp, znode_data(tree_find(tree, bytes_of_string(path))).at, sizeof(stamp));
    return stamp.value;
}

static void move_value(struct writer *w)
{
    char from[32], to[32];
    uint64_t a = rand_below(&w->rand, ACCOUNT_COUNT), b = rand_below(&w->rand, ACCOUNT_COUNT);
    snprintf(from, sizeof(from), "/accounts/a%d", (int)a);
    snprintf(to, sizeof(to), "/accounts/a%d", (int)b);
    int64_t amount = (int64_t)rand_below(&w->rand, 100);
    set(w, from, value_of(from) - amount);
    set(w, to, value_of(to) + amount);
}

/* Makes, fills, empties and removes folders; the names come again and again. */
static void change_folder(struct writer *w)
{
    char folder[32], path[64];
    snprintf(folder, sizeof(folder), "/f%d", (int)rand_below(&w->rand, FOLDER_COUNT));
    if (!there(folder)) {
        add(w, folder, 0);
        return;
    }
    bool empty = rand_below(&w->rand, 40) == 0;
    for (int i = 0; i < NAME_COUNT; i++) {
        snprintf(path, sizeof(path), "%s/c%d", folder, i);
        if (there(path) && (empty || rand_below(&w->rand, 6) == 0))
            tree_remove(tree, bytes_of_string(path));
        else if (!empty && rand_below(&w->rand, 6) == 0 && !there(path))
            add(w, path, i);
        else if (there(path) && rand_below(&w->rand, 10) == 0)
            set(w, path, i);
    }
    if (empty)
        tree_remove(tree, bytes_of_string(folder));
    else if (rand_below(&w->rand, 10) == 0)
        tree_set_acl(tree, bytes_of_string(folder), 1);
}

static void add_permanent(struct writer *w)
{
    char path[32];
    for (int i = 0; i < 8 && w->permanents < PERMANENT_MAX; i++) {
        snprintf(path, sizeof(path), "/permanent/n%d", (int)w->permanents);
        add(w, path, w->permanents++);
    }
}

static void command(struct writer *w)
{
    w->permanents_before = w->permanents;
    tree_begin(tree, ++w->zxid, 1);
    for (uint64_t n = 1 + rand_below(&w->rand, 3); n > 0; n--) {
        uint64_t what = rand_below(&w->rand, 4);
        if (what < 2)
            move_value(w);
        else if (what == 2)
            change_folder(w);
        else
            add_permanent(w);
    }
    set(w, "/clock", w->permanents);
    w->commands++;
    if (rand_below(&w->rand, 5) == 0) {
        tree_rollback(tree);
        w->permanents = w->permanents_before;
        w->rollbacks++;
    } else {
        tree_commit(tree);
    }
}

static bool epoch_is_over(uint64_t at)
{
    for (int i = 0; i <= READER_COUNT; i++)
        if (atomic_load_explicit(&seen[i], memory_order_acquire) < at)
            return false;
    return true;
}

static void reclaim(struct writer *w)
{
    while (w->count > 0 && epoch_is_over(w->epochs[w->first])) {
        tree_reclaim(tree, w->batches[w->first]);
        w->first = (w->first + 1) % BATCH_MAX;
        w->count--;
        w->freed++;
    }
    while (w->count < BATCH_MAX) {
        struct tree_batch *batch = tree_retired(tree);
        if (!batch)
            break;
        uint32_t at = (w->first + w->count++) % BATCH_MAX;
        w->batches[at] = batch;
        /* A reader that reports this epoch, or a later one, opened its view after the hand-over. */
        w->epochs[at] = atomic_fetch_add_explicit(&epoch, 1, memory_order_acq_rel) + 1;
    }
}

static void hold_sometimes(struct writer *w)
{
    int state = atomic_load_explicit(&walk_state, memory_order_acquire);
    if (state == 0 && rand_below(&w->rand, 20) == 0) {
        walk_zxid = tree_hold(tree, HOLD_LIMIT);
        walk_expected = tree_node_count(tree) - 1;
        atomic_store_explicit(&walk_state, 1, memory_order_release);
    } else if (state == 2) {
        w->breaks += tree_hold_broken(tree);
        tree_hold_release(tree);
        atomic_store_explicit(&walk_state, 0, memory_order_release);
        w->walks++;
    }
}

static void populate(struct writer *w)
{
    char path[32];
    tree_begin(tree, ++w->zxid, 1);
    add(w, "/accounts", 0);
    add(w, "/permanent", 0);
    add(w, "/clock", 0);
    for (int i = 0; i < ACCOUNT_COUNT; i++) {
        snprintf(path, sizeof(path), "/accounts/a%d", i);
        add(w, path, ACCOUNT_SUM / ACCOUNT_COUNT);
    }
    tree_commit(tree);
    tree_publish(tree, w->zxid);
}

static void run_writer(struct writer *w, uint64_t seconds)
{
    uint64_t end = clock_now().mono_ns + seconds * NS_PER_S;
    while (clock_now().mono_ns < end) {
        for (uint64_t n = 1 + rand_below(&w->rand, 10); n > 0; n--)
            command(w);
        tree_publish(tree, w->zxid);
        hold_sometimes(w);
        reclaim(w);
        if (w->count == BATCH_MAX)
            sched_yield();
    }
}

static void test_readers_beside_a_writer(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    static struct writer w;
    pthread_t threads[READER_COUNT + 1];
    struct tree_config config = {UINT64_MAX, 1000000, 99};
    assert_int_equal(tree_create(&tree, &config), 0);
    rand_seed(&w.rand, 1);
    populate(&w);
    for (int i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, (void *)(intptr_t)i), 0);
    assert_int_equal(pthread_create(&threads[READER_COUNT], NULL, walker, NULL), 0);
    run_writer(&w, seconds ? strtoull(seconds, NULL, 10) : 1);
    atomic_store(&stop, true);
    for (int i = 0; i <= READER_COUNT; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&walk_state) != 0)
        tree_hold_release(tree);
    while (w.count > 0)
        reclaim(&w);
    for (struct tree_batch *batch; (batch = tree_retired(tree)) != NULL;)
        tree_reclaim(tree, batch);
    print_message(
        "# %llu commands (%llu rolled back), %llu turns of readers, %llu walks, %llu batches"
        " freed, %lld nodes stay\n",
        (unsigned long long)w.commands, (unsigned long long)w.rollbacks,
        (unsigned long long)atomic_load(&turn_count), (unsigned long long)w.walks,
        (unsigned long long)w.freed, (long long)w.permanents);
    assert_true(w.rollbacks > 0 && w.freed > 0 && atomic_load(&turn_count) > 10);
    assert_true(w.walks > 0 && w.breaks == 0);
    tree_destroy(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_beside_a_writer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
