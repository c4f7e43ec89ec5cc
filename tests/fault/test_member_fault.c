/* Goal: a member's disk, whatever call fails and however, and then loses power: a batch that
 * supersedes, a saved vote, an installed snapshot, a log begun anew, and damage put aside leave
 * either what was before or what is behind each of them, and nothing that was answered for is lost.
 * Method: fail call N for N = 0, 1, 2, ... of one scenario on DISK's own role, in each way; lose
 * power; recover with a healthy disk. */
#include "consensus/disk_chores.h"
#include "tests/fault/fault_each.h"
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT       65536u
#define SALT          0x99ull
#define INSTALL_AT    40u
#define INSTALL_TERM  5u
#define INSTALL_CHAIN 0x4242ull

struct member {
    struct disk_io *io;
    struct superblock superblock;
    struct wal wal;
    struct wal_recovery found;
    struct log_tail tail;
    struct link core_disk, disk_core;
    struct role_disk disk;
    struct fault fault;
    struct now now;
    bool open;
    /* what was answered for */
    uint64_t durable, saved_term;
    bool installed;
    bool told; /* of damage */
    uint64_t visited;
    uint64_t first_term; /* of entry 4, as recovery gave it */
};

static void snapshot_name_test(char *name, uint64_t index)
{
    snprintf(name, DISK_PATH_SIZE_MAX, "snapshot.%016lx", (unsigned long)index);
}

static int check_received(void *self, const char *file, struct wal_position at, struct fault *fault)
{
    struct member *member = self;
    char text[16] = {0};
    uint32_t got = 0;
    int handle;
    int err = member->io->open(member->io->ctx, file, DISK_OPEN_READ, &handle, fault);
    if (err)
        return err;
    err = member->io->pread(member->io->ctx, handle, 0, text, sizeof(text), &got, fault);
    member->io->close(member->io->ctx, handle);
    if (err)
        return err;
    return got == 11 && memcmp(text, "hello world", 11) == 0
               ? 0
               : fault_set(fault, ERR_CORRUPT, "not what was sent");
}

static void failed(void *self, const struct fault *fault)
{
}

static int visit(void *self, const struct log_record *record, struct fault *fault)
{
    struct member *member = self;
    member->visited = record->index;
    return 0;
}

static int damaged(void *self, const struct wal_damage *damage, struct fault *fault)
{
    struct member *member = self;
    struct superblock_state state = member->superblock.state;
    state.catching_up = true;
    int err = superblock_save(&member->superblock, &state, fault);
    member->told = !err;
    return err;
}

static bool has(struct disk_io *io, const char *name)
{
    int file;
    if (io->open(io->ctx, name, DISK_OPEN_READ, &file, NULL) != 0)
        return false;
    io->close(io->ctx, file);
    return true;
}

static int member_open(struct member *member)
{
    struct superblock_state fresh = {.node_id = 2, .salt = SALT};
    struct superblock_report report;
    struct fault *fault = &member->fault;
    int err = superblock_open(&member->superblock, member->io, &fresh, &report, fault);
    if (err)
        return err;
    const struct superblock_state *state = &member->superblock.state;
    struct wal_config config = {.salt = state->salt,
                                .segment_size = SEGMENT,
                                .ensemble = true,
                                .visit = visit,
                                .damaged = damaged,
                                .self = member};
    char name[DISK_PATH_SIZE_MAX];
    snapshot_name_test(name, INSTALL_AT);
    if (has(member->io, name)) {
        config.snapshot = (struct wal_position){INSTALL_AT, INSTALL_TERM, INSTALL_CHAIN};
        config.installed = state->installed_index == INSTALL_AT;
        member->visited = INSTALL_AT;
    }
    err = wal_open(&member->wal, member->io, &config, &member->found, fault);
    if (err)
        return err;
    struct log_tail_config tail = {.size = 1 << 16,
                                   .batch_size_max = 1 << 14,
                                   .slot_count = 1024,
                                   .block_size = 512,
                                   .salt = SALT,
                                   .last_index = member->found.committed.index,
                                   .last_term = member->found.committed.term,
                                   .chain = member->found.committed.chain,
                                   .batch = member->found.batch};
    CHECK(log_tail_init(&member->tail, &tail) == 0);
    for (uint64_t at = 0; at < member->found.suffix_size;) {
        const struct log_record *record = (const struct log_record *)(member->found.suffix + at);
        CHECK(log_tail_append_record(&member->tail, record, member->found.suffix_size - at) == 0);
        if (log_tail_batch_full(&member->tail))
            log_tail_settle(&member->tail);
        at += log_record_span(record->size);
    }
    log_tail_settle(&member->tail);
    CHECK(link_init(&member->core_disk, "core_disk", 16384) == 0);
    CHECK(link_init(&member->disk_core, "disk_core", 4096) == 0);
    struct role_disk_config role = {.tail = &member->tail,
                                    .core_disk = &member->core_disk,
                                    .disk_core = &member->disk_core,
                                    .superblock = &member->superblock,
                                    .failed = failed,
                                    .snapshot_name = snapshot_name_test,
                                    .snapshot_check = check_received,
                                    .snapshot_self = member};
    CHECK(role_disk_init(&member->disk, &role, &member->wal) == 0);
    member->open = true;
    return 0;
}

/* The process is gone: nothing is said to the disk any more. */
static void member_gone(struct member *member)
{
    wal_recovery_fini(&member->found);
    if (member->open) {
        log_tail_fini(&member->tail);
        link_fini(&member->core_disk);
        link_fini(&member->disk_core);
        member->wal.io = NULL;
        wal_close(&member->wal);
    }
    member->open = false;
}

/* Turns of DISK until an answer of this kind came, which is taken. 0, or what ended the role. */
static int await(struct member *member, uint32_t kind, struct disk_core *answer)
{
    for (int i = 0; i < 2000; i++) {
        member->now.mono_ns += NS_PER_MS;
        role_disk_poll(&member->disk, member->now);
        if (member->disk.stopped) {
            member->fault = member->disk.fault;
            return ERR_IO;
        }
        const struct disk_core *m;
        uint32_t size;
        bool found = false;
        while (!found && (m = link_peek(&member->disk_core, &size))) {
            *answer = *m;
            found = m->kind == kind;
            link_pop(&member->disk_core);
        }
        link_release(&member->disk_core);
        if (found)
            return 0;
    }
    return ERR_NOSPACE; /* it waits for room on disk */
}

static int ask(struct member *member, const struct core_disk *what, uint32_t kind,
               struct disk_core *answer)
{
    struct core_disk *at = link_reserve(&member->core_disk, sizeof(*at));
    *at = *what;
    link_publish(&member->core_disk);
    return await(member, kind, answer);
}

static int write_entries(struct member *member, uint64_t term, uint32_t count)
{
    struct core_disk batch;
    struct disk_core answer;
    log_tail_applied(&member->tail, member->tail.batch_start);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *payload = log_tail_append(&member->tail, term, 1500);
        CHECK(payload);
        memset(payload, (int)term, 1500);
        log_tail_seal(&member->tail, payload);
    }
    CHECK(log_tail_close_batch(&member->tail, &batch));
    int err = ask(member, &batch, DISK_CORE_DURABLE, &answer);
    if (err)
        return err;
    log_tail_written(&member->tail, answer.offset);
    member->durable = answer.index;
    return 0;
}

static int save(struct member *member, uint64_t term)
{
    struct disk_core answer;
    uint32_t size = sizeof(struct core_disk) + sizeof(struct core_disk_save);
    struct core_disk *at = link_reserve(&member->core_disk, size);
    memset(at, 0, size);
    at->kind = CORE_DISK_SAVE;
    struct core_disk_save *what = (struct core_disk_save *)(at + 1);
    what->term = term;
    what->vote = 3;
    what->formed = 1;
    link_publish(&member->core_disk);
    int err = await(member, DISK_CORE_SAVED, &answer);
    if (!err)
        member->saved_term = answer.number;
    return err;
}

static int receive(struct member *member)
{
    static char first[] = "hello ", second[] = "world";
    struct disk_core answer;
    struct core_disk chunk = {
        .kind = CORE_DISK_WRITE_SNAPSHOT, .size = 6, .offset = 0, .buffer = first};
    int err = ask(member, &chunk, DISK_CORE_SNAPSHOT_WRITTEN, &answer);
    chunk.size = 5;
    chunk.offset = 6;
    chunk.buffer = second;
    if (!err && !answer.error)
        err = ask(member, &chunk, DISK_CORE_SNAPSHOT_WRITTEN, &answer);
    struct core_disk install = {.kind = CORE_DISK_INSTALL,
                                .last_index = INSTALL_AT,
                                .term = INSTALL_TERM,
                                .chain = INSTALL_CHAIN};
    if (!err && !answer.error)
        err = ask(member, &install, DISK_CORE_INSTALLED, &answer);
    if (err || answer.error)
        return err ? err : answer.error;
    member->installed = true;
    member->durable = INSTALL_AT;
    return 0;
}

static int read_installed(struct member *member)
{
    static char room[64];
    struct disk_core answer;
    struct core_disk chunk = {
        .kind = CORE_DISK_READ_SNAPSHOT, .size = 64, .last_index = INSTALL_AT, .buffer = room};
    int err = ask(member, &chunk, DISK_CORE_SNAPSHOT_READ, &answer);
    if (!err && !answer.error && (answer.size != 11 || answer.offset != 11))
        return ERR_CORRUPT;
    return err;
}

/* What a member goes through. Stops at the first error. */
static int scenario(struct member *member)
{
    int err = member_open(member);
    if (!err)
        err = save(member, 3);
    if (!err)
        err = write_entries(member, 3, 4);
    if (!err)
        err = write_entries(member, 3, 6);
    for (uint64_t i = 0; !err && i < 4; i++) { /* across a segment's end */
        log_tail_truncate(&member->tail, 6);
        member->durable = 5;
        err = save(member, 4 + i);
        if (!err)
            err = write_entries(member, 4 + i, 8);
    }
    if (!err)
        err = receive(member);
    if (err)
        return err;
    struct core_disk late = {.kind = CORE_DISK_BATCH, .first_index = 999, .size = 512};
    *(struct core_disk *)link_reserve(&member->core_disk, sizeof(late)) = late;
    link_publish(&member->core_disk);
    role_disk_poll(&member->disk, member->now); /* of the old log: dropped */
    err = role_disk_drain(&member->disk);
    if (err)
        return err;
    wal_recovery_fini(&member->found);
    log_tail_fini(&member->tail);
    link_fini(&member->core_disk);
    link_fini(&member->disk_core);
    wal_close(&member->wal);
    member->open = false;
    err = member_open(member); /* it starts anew, in the same process */
    if (err)
        return err;
    if (member->found.last.index != INSTALL_AT)
        return fault_set(&member->fault, ERR_CORRUPT, "the installed snapshot is not the end");
    err = read_installed(member);
    if (!err)
        err = write_entries(member, 9, 3);
    return err ? err : write_entries(member, 9, 3);
}

static bool member_survives(enum fault_disk_how how, uint64_t n)
{
    struct sim_disk *disk = sim_disk_create(n, 1ull << 40);
    struct fault_disk faulty;
    struct member member = {.now = {1, 1}}, after = {.now = {1, 1}};
    fault_disk_init(&faulty, sim_disk_io(disk), how, n);
    member.io = &faulty.io;
    int err = scenario(&member);
    if (!faulty.failed && err)
        fail_msg("nothing failed, and yet: %s (%s)", member.fault.text, err_name(err));
    sim_disk_crash(disk, SIM_DISK_POWER);
    member_gone(&member);
    after.io = sim_disk_io(disk);
    err = member_open(&after);
    const struct wal_position last = after.found.last;
    if (err || after.told || last.index < member.durable ||
        after.superblock.state.term < member.saved_term ||
        (member.installed && after.found.committed.index < INSTALL_AT))
        fail_msg("%s in call %lu (%s): %s; last %lu, answered %lu; term %lu, told %lu; damage %d",
                 fault_disk_how_name(how), (unsigned long)n, faulty.failed_call,
                 err ? after.fault.text : "opened", (unsigned long)last.index,
                 (unsigned long)member.durable, (unsigned long)after.superblock.state.term,
                 (unsigned long)member.saved_term, after.told);
    char name[DISK_PATH_SIZE_MAX];
    snapshot_name_test(name, INSTALL_AT);
    if (has(after.io, name)) /* it has the name of a snapshot: then it is whole */
        assert_int_equal(check_received(&after, name, (struct wal_position){0}, &after.fault), 0);
    if (after.found.suffix_size == 0 && last.index < INSTALL_AT)
        assert_int_equal(last.index, 0); /* nothing was ever known to be committed */
    assert_int_equal(write_entries(&after, 20, 2), 0);
    sim_disk_crash(disk, SIM_DISK_KILL);
    member_gone(&after);
    sim_disk_destroy(disk);
    return faulty.failed;
}

/* ---- damage ---- */

static uint64_t file_count;

static void count_file(void *self, const char *name)
{
    file_count += strncmp(name, "log.", 4) == 0 && !strstr(name, ".good");
}

/* A log of 100 entries in several segments, one flipped bit in the second. */
static struct sim_disk *damaged_log(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_create(seed, 1ull << 40);
    struct member member = {.now = {1, 1}, .io = sim_disk_io(disk)};
    CHECK(member_open(&member) == 0);
    for (int i = 0; i < 50; i++) {
        CHECK(write_entries(&member, 3, 2) == 0);
        log_tail_commit(&member.tail, member.durable);
    }
    CHECK(wal_segment_count(&member.wal) >= 3);
    sim_disk_crash(disk, SIM_DISK_KILL);
    member_gone(&member);
    CHECK(sim_disk_flip(disk, "log.0000000000000002", 20000, 3) == 0);
    return disk;
}

static void test_damage_is_put_aside_and_told_of(void **state)
{
    for (uint64_t n = 0;; n++) {
        struct sim_disk *disk = damaged_log(n);
        struct fault_disk faulty;
        struct member member = {.now = {1, 1}}, after = {.now = {1, 1}};
        struct disk_io *io = sim_disk_io(disk);
        file_count = 0;
        assert_int_equal(io->list(io->ctx, count_file, NULL, NULL), 0);
        uint64_t before = file_count;
        fault_disk_init(&faulty, io, FAULT_DISK_EIO, n);
        member.io = &faulty.io;
        int first = member_open(&member);
        bool told = member.told, reached = faulty.failed;
        sim_disk_crash(disk, SIM_DISK_POWER);
        member_gone(&member);
        after.io = io;
        int err = member_open(&after);
        if (err)
            fail_msg("call %lu (%s): %s", (unsigned long)n, faulty.failed_call, after.fault.text);
        assert_true(after.superblock.state.catching_up);
        /* the good prefix: up to the batch that was hit, and all that was committed by hint */
        assert_true(after.found.last.index > 40 && after.found.last.index < 60);
        assert_true(after.visited <= after.found.last.index && after.visited > 38);
        assert_true(first || told); /* done at once, it was told of */
        assert_true(after.told || told);
        assert_true(has(io, "log.0000000000000002.damaged"));
        assert_true(has(io, "log.0000000000000003.damaged"));
        file_count = 0;
        assert_int_equal(io->list(io->ctx, count_file, NULL, NULL), 0);
        assert_true(file_count >= before); /* none was deleted */
        assert_int_equal(write_entries(&after, 4, 1), 0);
        sim_disk_crash(disk, SIM_DISK_KILL);
        member_gone(&after);
        sim_disk_destroy(disk);
        if (!reached) {
            assert_true(n > 20);
            break;
        }
    }
}

static void test_a_whole_log_that_is_gone(void **state)
{
    struct sim_disk *disk = damaged_log(1);
    struct disk_io *io = sim_disk_io(disk);
    struct member after = {.now = {1, 1}, .io = io};
    assert_int_equal(io->unlink(io->ctx, "log.0000000000000001", NULL), 0);
    assert_int_equal(member_open(&after), 0); /* it begins too late: none of it is of use */
    assert_true(after.told && after.found.reset);
    assert_int_equal(after.found.last.index, 0);
    assert_int_equal(after.found.damage.first_index, 1);
    assert_int_equal(after.found.damage.promised_index, 100);
    assert_int_equal(write_entries(&after, 4, 1), 0);
    sim_disk_crash(disk, SIM_DISK_KILL);
    member_gone(&after);
    after = (struct member){.now = {1, 1}, .io = io};
    assert_int_equal(member_open(&after), 0);
    assert_false(after.told);
    assert_int_equal(after.found.last.index, 1);
    member_gone(&after);
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_EACH_TESTS("test_member", member_survives, 100),
        cmocka_unit_test(test_damage_is_put_aside_and_told_of),
        cmocka_unit_test(test_a_whole_log_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
