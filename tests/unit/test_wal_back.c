/* Goal: a member's log comes back as one that a reference which keeps whole copies of it allows,
 * whatever moment a crash picks, with batches that supersede, a log that begins anew, and old
 * entries read while it grows; and nothing is used that was not committed. Method: thousands of
 * seeded histories on a disk that forgets. The reference keeps what is answered for, and the batch
 * in flight. TAKT_SEED=N runs the history of that seed alone; TAKT_SEEDS=N how many. */
#include "base/rand.h"
#include "consensus/log_tail.h"
#include "consensus/wal.h"
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOMY       (1ull << 40)
#define ENTRIES_MAX 8192u
#define SALT        0x77ull

struct known {
    uint64_t term, chain;
};

struct reference {
    uint64_t last;
    struct known entries[ENTRIES_MAX]; /* by index */
};

struct world {
    uint64_t seed;
    struct rand rand;
    struct sim_disk *disk;
    struct disk_io *io;
    struct wal wal;
    struct log_tail tail;
    struct wal_config config;
    struct fault fault;
    struct now now;
    struct reference done;  /* answered for */
    struct reference ahead; /* what CORE believes: also what is in flight or not sent */
    struct core_disk batch; /* size 0: none */
    bool sent;              /* the wal has taken it */
    uint64_t term, commit;
    uint64_t hint; /* the commit index stamped on the last batch that was answered for */
    uint64_t hint_flight;
    uint64_t visited;
    bool wrong;
    /* how often */
    uint64_t backs, resets, reads, not_read, torn, cut, rolls, suffixes;
};

static struct world w;

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %lu (TAKT_SEED=%lu): %s; last fault: %s\n", (unsigned long)w.seed,   \
                        (unsigned long)w.seed, #condition, w.fault.text);                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static struct wal_position place(const struct reference *of, uint64_t index)
{
    return (struct wal_position){index, of->entries[index].term, of->entries[index].chain};
}

/* ---- one step each ---- */

static bool append(void)
{
    uint32_t size = (uint32_t)rand_below(&w.rand, rand_below(&w.rand, 8) ? 300 : 3000);
    uint8_t *payload = log_tail_append(&w.tail, w.term, size);
    if (!payload || w.ahead.last + 2 >= ENTRIES_MAX)
        return false;
    for (uint32_t i = 0; i < size; i++)
        payload[i] = (uint8_t)rand_next(&w.rand);
    uint64_t index = log_tail_seal(&w.tail, payload);
    w.ahead.last = index;
    w.ahead.entries[index] = (struct known){w.term, w.tail.chain};
    return true;
}

/* Another leader: some entries that are not committed go, and maybe older terms come back. */
static void go_back(void)
{
    if (w.ahead.last <= w.commit)
        return;
    uint64_t from = w.commit + 1 + rand_below(&w.rand, w.ahead.last - w.commit);
    if (from < log_tail_first(&w.tail))
        return;
    log_tail_truncate(&w.tail, from);
    w.ahead.last = from - 1;
    w.term += rand_below(&w.rand, 3);
    w.backs++;
}

static int send(void)
{
    if (w.batch.size == 0) {
        const struct log_record *last = log_tail_find(&w.tail, w.tail.last_index);
        w.hint_flight = last ? last->commit : 0; /* the padding, if it fits, says more */
        if (!log_tail_close_batch(&w.tail, &w.batch))
            return 0;
        w.sent = false;
    }
    if (w.sent)
        return 0;
    uint64_t sequence = w.wal.sequence;
    int err = wal_append(&w.wal, &w.batch, log_tail_at(&w.tail, w.batch.offset), &w.fault);
    w.sent = !err;
    w.rolls += w.wal.sequence != sequence;
    return err == ERR_NOSPACE ? 0 : err;
}

/* The reference behind the batch in flight: its entries, read from the lent memory. */
static void supersede(struct reference *to, const struct core_disk *batch)
{
    const uint8_t *at = log_tail_at(&w.tail, batch->offset);
    to->last = batch->first_index - 1;
    for (uint64_t index = batch->first_index; index <= batch->last_index; index++) {
        const struct log_record *record = (const struct log_record *)at;
        assert_int_equal(record->index, index);
        to->entries[index] = (struct known){record->term, record->chain};
        at += log_record_span(record->size);
    }
    to->last = batch->last_index;
}

static int pump(void)
{
    struct wal_event event;
    uint32_t work;
    w.now.mono_ns += 1000000;
    sim_disk_time(w.disk, w.now.mono_ns);
    int err = wal_poll(&w.wal, w.now, &event, &w.fault);
    if (!err && event.durable_index) {
        HOLDS(event.durable_index == w.batch.last_index);
        supersede(&w.done, &w.batch);
        log_tail_written(&w.tail, w.batch.offset + w.batch.size);
        w.hint = w.hint_flight;
        w.batch.size = 0;
    }
    if (!err)
        err = wal_prepare(&w.wal, w.now, true, &work, &w.fault);
    return err;
}

/* A quorum has what we have, as far as it was not gone back on. */
static void commit(void)
{
    uint64_t same = w.done.last < w.ahead.last ? w.done.last : w.ahead.last;
    while (same > w.commit && w.done.entries[same].chain != w.ahead.entries[same].chain)
        same--;
    if (w.batch.size && same >= w.batch.first_index)
        same = w.batch.first_index - 1;
    if (same <= w.commit)
        return;
    w.commit += 1 + rand_below(&w.rand, same - w.commit);
    log_tail_commit(&w.tail, w.commit);
    log_tail_applied(&w.tail, log_tail_end(&w.tail, w.commit));
}

static void trim(void)
{
    uint64_t at = w.config.snapshot.index;
    if (w.commit <= at)
        return;
    at += 1 + rand_below(&w.rand, w.commit - at);
    w.config.snapshot = place(&w.done, at);
    w.config.installed = false;
    wal_trim(&w.wal, at);
    uint32_t work;
    HOLDS(wal_trim_step(&w.wal, &work, &w.fault) == 0);
}

static void read_back(void)
{
    static _Alignas(8) uint8_t room[16384];
    if (w.commit == 0)
        return;
    uint64_t from = 1 + rand_below(&w.rand, w.commit);
    uint64_t to = from + rand_below(&w.rand, w.commit - from + 1), used = 0;
    uint64_t rounds = rand_below(&w.rand, 4);
    for (uint64_t i = 0; i <= rounds && from <= to; i++) {
        uint32_t count = 0;
        uint64_t size = 4096ull << rand_below(&w.rand, 3);
        int err = wal_read(&w.wal, from, to, room, size, &used, &count, &w.fault);
        if (err) {
            HOLDS(err == ERR_NOTFOUND); /* trimmed, or before what was read at the start */
            HOLDS(from <= w.config.snapshot.index || w.wal.read_sequence > w.wal.first_sequence ||
                  wal_first_index(&w.wal) > from);
            w.not_read++;
            return;
        }
        HOLDS(count > 0 && count <= to - from + 1 && used <= size);
        uint64_t at = 0;
        for (uint32_t k = 0; k < count; k++, from++) {
            const struct log_record *record = (const struct log_record *)(room + at);
            HOLDS(record->index == from && record->chain == w.done.entries[from].chain);
            at += log_record_span(record->size);
        }
        HOLDS(at == used);
        w.reads += count;
    }
}

/* A snapshot came from a peer: ahead of the log, or in it. */
static void reset(void)
{
    if (w.batch.size || wal_busy(&w.wal) || w.tail.batch_index)
        return;
    uint64_t at = w.commit + 1 + rand_below(&w.rand, 200);
    if (at + 200 >= ENTRIES_MAX)
        return;
    struct wal_position to = {at, w.term, rand_next(&w.rand)};
    w.config.snapshot = to;
    w.config.installed = true;
    if (rand_below(&w.rand, 3) == 0)
        return; /* a crash comes first: recovery does it */
    HOLDS(wal_reset(&w.wal, to, &w.fault) == 0);
    struct log_tail_config tail = {.size = 1 << 18,
                                   .batch_size_max = 1 << 16,
                                   .block_size = w.io->block_size,
                                   .salt = SALT,
                                   .last_index = at,
                                   .last_term = to.term,
                                   .chain = to.chain,
                                   .batch = w.wal.number};
    log_tail_fini(&w.tail);
    assert_int_equal(log_tail_init(&w.tail, &tail), 0);
    log_tail_commit(&w.tail, at);
    w.done.last = w.ahead.last = w.commit = w.hint = at;
    w.done.entries[at] = w.ahead.entries[at] = (struct known){to.term, to.chain};
    w.resets++;
}

/* ---- recovery ---- */

static uint64_t chains[ENTRIES_MAX], terms[ENTRIES_MAX]; /* what recovery gave */

static int visit(void *self, const struct log_record *record, struct fault *fault)
{
    uint64_t before = w.visited ? w.visited : w.config.snapshot.index;
    w.wrong |= record->index != before + 1 || record->index >= ENTRIES_MAX;
    w.visited = record->index;
    chains[record->index % ENTRIES_MAX] = record->chain;
    terms[record->index % ENTRIES_MAX] = record->term;
    return 0;
}

static int damaged(void *self, const struct wal_damage *damage, struct fault *fault)
{
    return fault_wrap(&w.fault, ERR_CORRUPT, "taken for damage: %.200s", damage->fault.text);
}

static bool equals(const struct reference *of, uint64_t last, uint64_t above)
{
    if (last != of->last)
        return false;
    for (uint64_t i = above + 1; i <= last; i++) {
        if (of->entries[i].chain != chains[i])
            return false;
    }
    return true;
}

/* Is what came back answered for, or that and the first entries of the batch in flight, or that
 * without what the batch's segment supersedes? */
static bool allowed(uint64_t last, uint64_t above)
{
    static struct reference after;
    if (equals(&w.done, last, above))
        return true;
    if (w.batch.size == 0)
        return false;
    after = w.done;
    after.last = w.batch.first_index - 1;
    if (w.batch.first_index <= w.done.last && equals(&after, last, above)) {
        w.cut++;
        return true;
    }
    supersede(&after, &w.batch);
    /* an entry that ends with its block ends a batch, as far as one can see */
    after.last = last < after.last && last >= w.batch.first_index ? last : after.last;
    return equals(&after, last, above);
}

static void recover(bool first)
{
    struct wal_recovery found;
    w.visited = 0;
    w.wrong = false;
    w.config.visit = visit;
    w.config.damaged = damaged;
    w.config.ensemble = true;
    HOLDS(wal_open(&w.wal, w.io, &w.config, &found, &w.fault) == 0);
    HOLDS(!w.wrong && !found.damaged);
    uint64_t snapshot = w.config.snapshot.index;
    uint64_t committed = w.visited ? w.visited : snapshot;
    HOLDS(found.committed.index == committed && found.last.index >= committed);
    struct log_tail_config tail = {.size = 1 << 18,
                                   .batch_size_max = 1 << 16,
                                   .block_size = w.io->block_size,
                                   .salt = SALT,
                                   .last_index = found.committed.index,
                                   .last_term = found.committed.term,
                                   .chain = found.committed.chain,
                                   .batch = found.batch};
    struct log_tail old = w.tail; /* the batch in flight is read from it once more */
    struct log_tail new;
    assert_int_equal(log_tail_init(&new, &tail), 0);
    for (uint64_t at = 0; at < found.suffix_size;) {
        const struct log_record *record = (const struct log_record *)(found.suffix + at);
        HOLDS(log_tail_append_record(&new, record, found.suffix_size - at) == 0);
        chains[record->index] = record->chain;
        terms[record->index] = record->term;
        at += log_record_span(record->size);
        w.suffixes++;
        if (log_tail_batch_full(&new))
            log_tail_settle(&new);
    }
    log_tail_settle(&new);
    HOLDS(new.last_index == found.last.index &&new.chain == found.last.chain);
    w.torn += found.torn_size > 0;
    if (found.reset) {
        w.done.last = snapshot;
        w.done.entries[snapshot] = (struct known){w.config.snapshot.term, w.config.snapshot.chain};
        w.commit = snapshot;
        w.resets++;
    } else if (!first) {
        uint64_t floor = w.commit > snapshot ? w.commit : snapshot;
        HOLDS(committed <= floor); /* nothing that was not committed is used */
        HOLDS(committed >= w.hint || w.hint < snapshot);
        HOLDS(allowed(found.last.index, snapshot));
        HOLDS(found.last.index >= w.commit);
        w.commit = floor;
    }
    if (old.ring)
        log_tail_fini(&old);
    wal_recovery_fini(&found);
    w.tail = new;
    for (uint64_t i = snapshot + 1; i <= found.last.index; i++)
        w.done.entries[i] = (struct known){terms[i], chains[i]};
    w.done.last = found.last.index;
    w.ahead = w.done;
    w.batch.size = 0;
    w.hint = committed;
    /* A leader tells again what is committed. */
    log_tail_commit(&w.tail, w.commit);
    if (w.commit > committed)
        log_tail_applied(&w.tail, log_tail_end(&w.tail, w.commit));
    w.term = (found.last.term > w.term ? found.last.term : w.term) + 1;
}

static void live(uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t what = rand_below(&w.rand, 100);
        int err = 0;
        if (what < 30)
            append();
        else if (what < 36)
            go_back();
        else if (what < 55)
            err = send();
        else if (what < 65)
            commit();
        else if (what < 68)
            trim();
        else if (what < 71)
            read_back();
        else
            err = pump();
        HOLDS(err == 0);
        HOLDS(w.tail.last_index == w.ahead.last);
    }
}

static void run_history(uint64_t seed)
{
    w = (struct world){.seed = seed,
                       .now = {1, 1},
                       .term = 1,
                       .backs = w.backs,
                       .resets = w.resets,
                       .reads = w.reads,
                       .not_read = w.not_read,
                       .torn = w.torn,
                       .cut = w.cut,
                       .rolls = w.rolls,
                       .suffixes = w.suffixes};
    rand_seed(&w.rand, seed * 2 + 1);
    w.disk = sim_disk_create(seed, ROOMY);
    w.io = sim_disk_io(w.disk);
    if (rand_below(&w.rand, 4) == 0)
        w.io->block_size = 4096;
    w.config =
        (struct wal_config){.salt = SALT, .segment_size = 32768ull << rand_below(&w.rand, 2)};
    uint64_t slow_ns = rand_below(&w.rand, 2) * 5000000;
    for (int life = 0; life < 6; life++) {
        recover(life == 0);
        sim_disk_latency(w.disk, 0, slow_ns);
        live(rand_below(&w.rand, 400));
        if (rand_below(&w.rand, 4) == 0) {
            for (int i = 0; i < 200 && (w.batch.size || wal_busy(&w.wal)); i++) {
                HOLDS(send() == 0);
                HOLDS(pump() == 0);
            }
            reset();
            if (!w.config.installed)
                live(rand_below(&w.rand, 100));
        }
        sim_disk_crash(w.disk, rand_below(&w.rand, 4) ? SIM_DISK_POWER : SIM_DISK_KILL);
        sim_disk_latency(w.disk, 0, 0);
        w.wal.io = NULL;
        wal_close(&w.wal);
    }
    log_tail_fini(&w.tail);
    sim_disk_destroy(w.disk);
}

static void test_random_histories(void **state)
{
    const char *one = getenv("TAKT_SEED"), *many = getenv("TAKT_SEEDS");
    uint64_t from = one ? strtoull(one, NULL, 0) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 0) : 400;
    for (uint64_t seed = from; seed < from + count; seed++)
        run_history(seed);
    print_message(
        "# %lu histories: %lu times back, %lu of which a segment's header did, %lu resets, "
        "%lu torn tails, %lu segments, %lu entries read (%lu times not), %lu not committed "
        "at a start\n",
        (unsigned long)count, (unsigned long)w.backs, (unsigned long)w.cut, (unsigned long)w.resets,
        (unsigned long)w.torn, (unsigned long)w.rolls, (unsigned long)w.reads,
        (unsigned long)w.not_read, (unsigned long)w.suffixes);
    if (!one) { /* the histories did reach what they are for */
        assert_true(w.backs > count && w.resets > count / 10 && w.torn > count / 20);
        assert_true(w.rolls > count && w.reads > count && w.suffixes > count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
