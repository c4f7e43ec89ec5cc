/* The log begins: at its first start, or anew behind a snapshot. */
#include "base/check.h"
#include "consensus/wal_parts.h"

#include <string.h>

/* Everything but the header, which is what makes it a segment. */
static int segment_fill(struct wal *wal, int file, uint64_t size, struct fault *fault)
{
    int err = wal->io->sync_dir(wal->io->ctx, fault);
    for (uint64_t at = 0; !err && at < size;) {
        uint64_t left = size - at;
        uint32_t n = left < WAL_FILL_SIZE_MAX ? (uint32_t)left : WAL_FILL_SIZE_MAX;
        err = wal->io->pwrite(wal->io->ctx, file, at, wal->zeros, n, fault);
        at += n;
    }
    return err;
}

int wal_reset_begin(struct wal *wal, uint64_t sequence, int spare, struct wal_position at,
                    uint32_t flags, struct fault *fault)
{
    struct wal_header header = {.sequence = sequence,
                                .flags = flags,
                                .salt = wal->config.salt,
                                .first_index = at.index + 1,
                                .term_before = at.term,
                                .chain_before = at.chain,
                                .batch_before = wal->number,
                                .segment_size = wal->config.segment_size,
                                .block_size = wal->io->block_size};
    char name[DISK_PATH_SIZE_MAX];
    int file = spare, err = 0;
    if (file < 0)
        err = wal_segment_create(wal->io, sequence, header.segment_size, &file, fault);
    if (err)
        return err;
    err = segment_fill(wal, file, header.segment_size, fault);
    wal_segment_seal(&header);
    memset(wal->header_block, 0, wal->io->block_size);
    memcpy(wal->header_block, &header, sizeof(header));
    if (!err)
        err = wal->io->pwrite(wal->io->ctx, file, 0, wal->header_block, wal->io->block_size, fault);
    if (err) {
        wal_segment_name(name, sequence);
        wal->io->close(wal->io->ctx, file);
        if (err == ERR_NOSPACE)
            (void)!wal->io->unlink(wal->io->ctx, name, NULL); /* an unused segment may also stay */
        return err;
    }
    wal->file = file;
    wal->sequence = wal->first_sequence = wal->read_sequence = sequence;
    wal->first_index[sequence % WAL_SEGMENTS_MAX] = at.index + 1;
    wal->bridged[sequence % WAL_SEGMENTS_MAX] = false;
    wal->back_count = 0;
    wal->cursor = (struct wal_cursor){.sequence = 0};
    memset(wal->marks, 0, sizeof(wal->marks));
    wal->size = header.segment_size;
    wal->offset = wal->io->block_size;
    wal->last = at;
    wal->commit = at.index;
    return 0;
}

/* A file of the next segment's name that could not be dropped holds nothing. */
static int reset_clear(struct wal *wal, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];

    wal_segment_name(name, wal->sequence + 1);
    int err = wal->io->unlink(wal->io->ctx, name, fault);
    return err == ERR_NOTFOUND ? 0 : err;
}

int wal_reset_room(struct wal *wal, struct fault *fault)
{
    CHECK(!wal_busy(wal));
    if (wal->spare != WAL_SPARE_NONE)
        return 0;
    int err = reset_clear(wal, fault);
    if (!err)
        err = wal_segment_create(wal->io, wal->sequence + 1, wal->config.segment_size,
                                 &wal->spare_file, fault);
    if (err)
        return err;
    wal->spare = WAL_SPARE_FILLING;
    wal->spare_filled = 0;
    return 0;
}

int wal_reset(struct wal *wal, struct wal_position at, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    uint64_t first = wal->first_sequence, last = wal->sequence;
    int old = wal->file, spare = -1, err = 0;
    CHECK(!wal_busy(wal));
    CHECK(at.index > 0);
    if (wal->spare != WAL_SPARE_NONE)
        spare = wal->spare_file; /* its room is ours already, also when the disk is full now */
    else
        err = reset_clear(wal, fault);
    wal->spare = WAL_SPARE_NONE;
    wal->spare_filled = 0;
    if (!err)
        err = wal_reset_begin(wal, last + 1, spare, at, WAL_HEADER_RESET, fault);
    if (err)
        return err;
    wal->io->close(wal->io->ctx, old);
    /* From here on the old segments are of no account: recovery removes what stays. */
    for (uint64_t s = first; !err && s <= last; s++) {
        wal_segment_name(name, s);
        err = wal->io->unlink(wal->io->ctx, name, fault);
        err = err == ERR_NOTFOUND ? 0 : err;
    }
    wal->trim_sequence = 0;
    return err ? err : wal->io->sync_dir(wal->io->ctx, fault);
}
