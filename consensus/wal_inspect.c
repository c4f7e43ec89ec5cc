#include "consensus/wal_inspect.h"

#include "base/check.h"
#include "consensus/wal.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

struct pass {
    const struct wal_inspect *inspect;
    struct wal_inspect_sum *sum;
    struct wal_scan scan;
    uint64_t count; /* of sequences */
    uint64_t sequences[WAL_SEGMENTS_MAX];
    bool overflow;
    bool joined;            /* the segment before was whole: the next must follow it */
    uint64_t salt;          /* of the first segment with a header */
    bool salt_known;
};

const char *wal_inspect_state_name(enum wal_inspect_state state)
{
    static const char *const names[] = {"whole", "last", "torn", "unused", "BAD"};
    CHECK(state <= WAL_INSPECT_BAD);
    return names[state];
}

static void pass_name(void *self, const char *name)
{
    struct pass *pass = self;
    uint64_t sequence = wal_segment_sequence(name);
    if (sequence && pass->count < WAL_SEGMENTS_MAX)
        pass->sequences[pass->count++] = sequence;
    else if (sequence)
        pass->overflow = true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int pass_entry(void *self, const struct log_record *record, struct fault *fault)
{
    struct pass *pass = self;
    if (pass->sum->first_index == 0)
        pass->sum->first_index = record->index;
    pass->sum->last_index = record->index;
    if (pass->inspect->entry)
        pass->inspect->entry(pass->inspect->self, record);
    return 0;
}

static const uint64_t *pass_salt(struct pass *pass)
{
    if (pass->inspect->salt)
        return pass->inspect->salt;
    return pass->salt_known ? &pass->salt : NULL;
}

/* Reads the batches of a segment whose header is in order. */
static int pass_scan(struct pass *pass, const uint8_t *data, bool last,
                     struct wal_inspect_segment *segment)
{
    struct wal_scan *scan = &pass->scan;
    const struct wal_header *header = &segment->header;
    pass->salt = header->salt;
    pass->salt_known = true;
    if (segment->size != header->segment_size)
        return fault_set(&segment->fault, ERR_CORRUPT, "%s is %llu bytes long, expected %llu",
                         segment->name, (unsigned long long)segment->size,
                         (unsigned long long)header->segment_size);
    int joins = pass->joined ? wal_scan_joins(scan, header, &segment->fault) : 0;
    struct fault why = segment->fault;
    wal_scan_enter(scan, header, pass->joined && !joins);
    scan->data = data;
    scan->last = last;
    snprintf(scan->name, sizeof(scan->name), "%s", segment->name);
    int err = wal_scan_segment(scan, &segment->fault);
    segment->used_size = scan->end;
    segment->torn_size = err == ERR_TORN ? scan->torn_size : 0;
    segment->entry_count = scan->entry_count;
    segment->batch_count = scan->batch_count;
    segment->last = scan->at;
    if (joins && (err == 0 || err == ERR_TORN)) {
        segment->fault = why;
        return joins;
    }
    return err;
}

/* Judges one segment that was loaded. `last`: no segment in use follows. */
static int pass_judge(struct pass *pass, uint64_t sequence, const uint8_t *data, bool last,
                      bool final, struct wal_inspect_segment *segment)
{
    memcpy(&segment->header, data, sizeof(segment->header));
    int err = wal_segment_check(&segment->header, sequence, pass_salt(pass), &segment->fault);
    if (err == ERR_NOTFOUND && final && wal_segment_is_zero(data, segment->size)) {
        segment->state = WAL_INSPECT_UNUSED;
        return 0;
    }
    if (!err)
        err = pass_scan(pass, data, last, segment);
    segment->state = last ? WAL_INSPECT_LAST : WAL_INSPECT_WHOLE;
    if (err)
        segment->state = err == ERR_TORN ? WAL_INSPECT_TORN : WAL_INSPECT_BAD;
    pass->joined = !err;
    return 0;
}

static int pass_load(struct pass *pass, uint64_t sequence, struct wal_inspect_segment *segment,
                     uint8_t **data, struct fault *fault)
{
    struct disk_io *io = pass->inspect->io;
    int file;
    wal_segment_name(segment->name, sequence);
    int err = io->open(io->ctx, segment->name, DISK_OPEN_READ, &file, fault);
    if (err)
        return err;
    err = io->size(io->ctx, file, &segment->size, fault);
    if (!err && segment->size > WAL_SEGMENT_SIZE_MAX)
        err = fault_set(fault, ERR_CORRUPT, "%s is %llu bytes long", segment->name,
                        (unsigned long long)segment->size);
    uint64_t room = (segment->size / DISK_BLOCK_SIZE_MAX + 1) * DISK_BLOCK_SIZE_MAX;
    *data = err ? NULL : aligned_alloc(DISK_BLOCK_SIZE_MAX, room);
    if (!err && !*data)
        err = fault_set(fault, ERR_NOMEM, "no memory for %s", segment->name);
    if (!err)
        err = wal_segment_load(io, file, *data, room, fault);
    io->close(io->ctx, file);
    return err;
}

static void pass_count(struct wal_inspect_sum *sum, const struct wal_inspect_segment *segment)
{
    sum->segment_count++;
    sum->bad_count += segment->state == WAL_INSPECT_BAD;
    sum->entry_count += segment->entry_count;
    sum->batch_count += segment->batch_count;
    sum->torn_size += segment->torn_size;
}

/* True when the file after number i is one that was prepared and never used, and the final one. */
static bool only_unused_follows(struct pass *pass, uint64_t i)
{
    struct disk_io *io = pass->inspect->io;
    struct wal_header header;
    char name[DISK_PATH_SIZE_MAX];
    int file;
    if (i + 2 != pass->count)
        return false;
    wal_segment_name(name, pass->sequences[i + 1]);
    if (io->open(io->ctx, name, DISK_OPEN_READ, &file, NULL))
        return false;
    int err = wal_segment_read_header(io, file, &header, NULL);
    io->close(io->ctx, file);
    return err == 0 && wal_segment_is_zero(&header, sizeof(header));
}

static int pass_segment(struct pass *pass, uint64_t i, struct fault *fault)
{
    struct wal_inspect_segment segment = {.state = WAL_INSPECT_BAD};
    uint8_t *data = NULL;
    bool final = i + 1 == pass->count, last = final || only_unused_follows(pass, i);
    int err = pass_load(pass, pass->sequences[i], &segment, &data, fault);
    if (err == ERR_CORRUPT)
        segment.fault = *fault;
    else if (!err)
        err = pass_judge(pass, pass->sequences[i], data, last, final, &segment);
    free(data);
    if (err && err != ERR_CORRUPT)
        return err;
    if (segment.state == WAL_INSPECT_BAD)
        pass->joined = false;
    pass_count(pass->sum, &segment);
    pass->inspect->segment(pass->inspect->self, &segment);
    return 0;
}

/* Tells of a gap in the row of files as of a segment that is bad. */
static void pass_missing(struct pass *pass, uint64_t sequence)
{
    struct wal_inspect_segment segment = {.state = WAL_INSPECT_BAD};
    wal_segment_name(segment.name, sequence);
    fault_set(&segment.fault, ERR_CORRUPT, "%s is missing: there are older and newer ones",
              segment.name);
    pass->joined = false;
    pass_count(pass->sum, &segment);
    pass->inspect->segment(pass->inspect->self, &segment);
}

static int pass_run(struct pass *pass, struct fault *fault)
{
    struct disk_io *io = pass->inspect->io;
    int err = io->list(io->ctx, pass_name, pass, fault);
    if (err)
        return err;
    if (pass->overflow)
        return fault_set(fault, ERR_LIMIT, "more than %u log segments in %s", WAL_SEGMENTS_MAX,
                         io->where);
    if (pass->count == 0)
        return fault_set(fault, ERR_NOTFOUND, "there is no log in %s", io->where);
    qsort(pass->sequences, pass->count, sizeof(uint64_t), by_value);
    for (uint64_t i = 0; !err && i < pass->count; i++) {
        if (i > 0 && pass->sequences[i] != pass->sequences[i - 1] + 1)
            pass_missing(pass, pass->sequences[i - 1] + 1);
        err = pass_segment(pass, i, fault);
    }
    if (!err && pass->sum->bad_count)
        err = fault_set(fault, ERR_CORRUPT, "%llu of the log's segments in %s are damaged",
                        (unsigned long long)pass->sum->bad_count, io->where);
    return err;
}

int wal_inspect_run(const struct wal_inspect *inspect, struct wal_inspect_sum *sum,
                    struct fault *fault)
{
    struct pass *pass = calloc(1, sizeof(*pass));
    memset(sum, 0, sizeof(*sum));
    if (!pass)
        return fault_set(fault, ERR_NOMEM, "no memory to look at the log");
    CHECK(inspect->io && inspect->segment);
    pass->inspect = inspect;
    pass->sum = sum;
    pass->scan = (struct wal_scan){.where = inspect->io->where, .visit = pass_entry, .self = pass};
    int err = pass_run(pass, fault);
    free(pass);
    return err;
}
