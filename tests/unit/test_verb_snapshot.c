/* Goal: `takt snapshot` tells a whole file from a damaged one, and what is in it. Method: a
 * snapshot of three znodes made by the writer, read by the verb as a user calls it; then each byte
 * of it damaged in turn, and each argument that makes no sense. */
#include "consensus/disk_posix.h"
#include "store/snapshot.h"
#include "tests/unit/verb_call.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define said      verb_call_said
#define call(...) verb_call(verb_snapshot, "snapshot", __VA_ARGS__)

static char dir[64], file[128];

static void make_snapshot(void)
{
    static struct disk_posix disk;
    struct disk_io io;
    struct fault fault;
    struct snapshot_write *write;
    struct snapshot_info info = {.index = 0x12, .term = 3, .zxid = 0x300000007, .node_count = 3};
    strcpy(dir, "/tmp/takt-verb-snapshot-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/snapshot.0000000000000012", dir);
    assert_int_equal(disk_posix_init(&disk, &io, dir, false, &fault), 0);
    assert_int_equal(snapshot_write_begin(&write, &io, &info, &fault), 0);
    assert_int_equal(snapshot_write_machine(write, bytes_of_string("machine"), &fault), 0);
    static const char *const paths[] = {"/", "/a", "/a/b"};
    for (int i = 0; i < 3; i++) {
        struct tree_image node = {.path = bytes_of_string(paths[i]),
                                  .data = bytes_of("0123456789", (size_t)i * 5),
                                  .owner = i == 2 ? 77 : 0,
                                  .version = i,
                                  .mzxid = 5};
        assert_int_equal(snapshot_write_node(write, &node, &fault), 0);
    }
    assert_int_equal(snapshot_write_finish(write, &fault), 0);
    disk_posix_fini(&disk);
}

static void test_inspect(void **state)
{
    assert_int_equal(call("inspect", dir, NULL), VERB_OK);
    assert_non_null(strstr(said, "snapshot.0000000000000012"));
    assert_non_null(strstr(said, "0x300000007"));
    assert_non_null(strstr(said, "znodes       3 (1 ephemeral)"));
    assert_non_null(strstr(said, "data         15 bytes"));
    assert_non_null(strstr(said, "largest      10 bytes: /a/b"));
    assert_int_equal(call("inspect", file, "-o", "json", NULL), VERB_OK);
    assert_non_null(strstr(said, "\"whole\": true"));
    assert_non_null(strstr(said, "\"znodes\": 3"));
    assert_int_equal(call("inspect", "--paths", dir, NULL), VERB_OK);
    assert_non_null(strstr(said, "/a/b\t10\t2\t0x5\n"));
    assert_int_equal(call("verify", file, NULL), VERB_OK);
    assert_non_null(strstr(said, "whole, 3 znodes, log index 18"));
}

static void test_every_byte_damaged_is_found(void **state)
{
    uint8_t byte;
    struct stat stat_buffer;
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat_buffer), 0);
    for (off_t at = 0; at < stat_buffer.st_size; at++) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(call("verify", dir, NULL), VERB_FAILED);
        assert_non_null(strstr(said, "snapshot.0000000000000012"));
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    assert_int_equal(call("verify", dir, NULL), VERB_OK);
    assert_int_equal(truncate(file, stat_buffer.st_size - 1), 0);
    assert_int_equal(call("verify", file, "-o", "json", NULL), VERB_FAILED);
    assert_non_null(strstr(said, "\"whole\": false"));
}

static void test_arguments(void **state)
{
    char nothing[] = "/tmp/takt-verb-empty-XXXXXX";
    assert_non_null(mkdtemp(nothing));
    assert_int_equal(call(NULL), VERB_USAGE);
    assert_int_equal(call("inspect", NULL), VERB_USAGE);
    assert_int_equal(call("mend", dir, NULL), VERB_USAGE);
    assert_int_equal(call("inspect", "/nonexistent", NULL), VERB_FAILED);
    assert_non_null(strstr(said, "/nonexistent"));
    assert_int_equal(call("verify", nothing, NULL), VERB_FAILED);
    assert_non_null(strstr(said, "holds no snapshot"));
    assert_int_equal(access(nothing, F_OK), 0);
    assert_int_equal(rmdir(nothing), 0); /* still empty: looking changed nothing */
}

static int clean(void **state)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return dir[0] == '/' ? system(command) : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_every_byte_damaged_is_found),
        cmocka_unit_test(test_arguments),
    };
    make_snapshot();
    return cmocka_run_group_tests(tests, NULL, clean);
}
