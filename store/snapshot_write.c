#include "store/snapshot.h"

#include "base/check.h"
#include "store/snapshot_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

#define SYNC_EVERY_SIZE                                                                            \
    (16u << 20) /* bytes between syncs: a long queue would delay the log's own */

struct snapshot_write {
    const struct disk_io *io;
    int file; /* -1: closed */
    bool failed;
    char tmp_name[DISK_PATH_SIZE_MAX];
    struct snapshot_info info;
    uint64_t offset, synced_offset, block_count, node_count, acl_count;
    enum snapshot_block_kind kind; /* of the open block; 0 = none */
    uint32_t record_count, raw_size;
    uint8_t *raw, *stored;
    uint32_t raw_room;
    size_t stored_room;
    ZSTD_CCtx *zstd;
    XXH3_state_t *digest;
};

static void write_free(struct snapshot_write *write)
{
    if (write->file >= 0)
        write->io->close(write->io->ctx, write->file);
    ZSTD_freeCCtx(write->zstd);
    XXH3_freeState(write->digest);
    free(write->raw);
    free(write->stored);
    free(write);
}

/* Appends bytes to the file, in pieces that the disk takes. */
static int write_out(struct snapshot_write *write, const void *from, uint64_t size,
                     struct fault *fault)
{
    const uint8_t *at = from;
    while (size > 0) {
        uint32_t piece = size > DISK_WRITE_SIZE_MAX ? DISK_WRITE_SIZE_MAX : (uint32_t)size;
        int err = write->io->pwrite(write->io->ctx, write->file, write->offset, at, piece, fault);
        if (err)
            return err;
        write->offset += piece;
        at += piece;
        size -= piece;
    }
    if (write->offset - write->synced_offset < SYNC_EVERY_SIZE)
        return 0;
    write->synced_offset = write->offset;
    return write->io->sync(write->io->ctx, write->file, fault);
}

/* Every failure comes through here: after it only abort is allowed. */
static int write_failed(struct snapshot_write *write, int err, struct fault *fault)
{
    if (err) {
        write->failed = true;
        return fault_wrap(fault, err, "snapshot '%s'", write->tmp_name);
    }
    return 0;
}

static int write_room(struct snapshot_write *write, uint64_t size, struct fault *fault)
{
    if (size <= write->raw_room)
        return 0;
    if (size > SNAPSHOT_RECORD_MAX)
        return fault_set(fault, ERR_RANGE, "a record of %" PRIu64 " bytes, above the limit of %u",
                         size, SNAPSHOT_RECORD_MAX);
    size_t stored_room = ZSTD_compressBound(size) + sizeof(struct snapshot_block);
    uint8_t *raw = realloc(write->raw, size);
    if (raw)
        write->raw = raw;
    uint8_t *stored = raw ? realloc(write->stored, stored_room) : NULL;
    if (!stored)
        return fault_set(fault, ERR_NOMEM, "no memory for a block of %" PRIu64 " bytes", size);
    write->stored = stored;
    write->raw_room = (uint32_t)size;
    write->stored_room = stored_room;
    return 0;
}

static int write_header(struct snapshot_write *write, struct fault *fault)
{
    const struct snapshot_info *info = &write->info;
    struct snapshot_header header = {.magic = SNAPSHOT_MAGIC,
                                     .version = SNAPSHOT_VERSION,
                                     .index = info->index,
                                     .term = info->term,
                                     .zxid = info->zxid,
                                     .chain = info->chain,
                                     .state_hash = info->state_hash,
                                     .time_ms = info->time_ms,
                                     .node_count = info->node_count,
                                     .session_count = info->session_count};
    memcpy(header.cluster_id, info->cluster_id, sizeof(header.cluster_id));
    header.crc = snapshot_header_crc(&header);
    XXH3_128bits_update(write->digest, &header, sizeof(header));
    return write_out(write, &header, sizeof(header), fault);
}

int snapshot_write_begin(struct snapshot_write **out, const struct disk_io *io,
                         const struct snapshot_info *info, struct fault *fault)
{
    struct snapshot_write *write = calloc(1, sizeof(*write));
    if (!write)
        return fault_set(fault, ERR_NOMEM, "no memory for a snapshot");
    write->io = io;
    write->info = *info;
    write->file = -1;
    write->zstd = ZSTD_createCCtx();
    write->digest = XXH3_createState();
    char name[DISK_PATH_SIZE_MAX];
    snapshot_name(name, info->index);
    snprintf(write->tmp_name, sizeof(write->tmp_name), "%.50s.tmp", name);
    int err = !write->zstd || !write->digest ? fault_set(fault, ERR_NOMEM, "no memory") : 0;
    if (!err)
        err = write_room(write, SNAPSHOT_BLOCK_SIZE, fault);
    if (!err) {
        XXH3_128bits_reset(write->digest);
        err = io->unlink(io->ctx, write->tmp_name, fault); /* of an attempt that was cut off */
        if (err == ERR_NOTFOUND)
            err = 0;
    }
    if (!err)
        err = io->open(io->ctx, write->tmp_name, DISK_OPEN_CREATE, &write->file, fault);
    if (!err)
        err = write_header(write, fault);
    if (err) {
        fault_wrap(fault, err, "snapshot '%s'", write->tmp_name);
        snapshot_write_abort(write);
        return err;
    }
    *out = write;
    return 0;
}

/* Seals a block header over its stored bytes and appends both. */
static int write_block(struct snapshot_write *write, struct snapshot_block *block, uint8_t *stored,
                       struct fault *fault)
{
    block->magic = SNAPSHOT_BLOCK_MAGIC;
    block->number = write->block_count++;
    block->crc = snapshot_block_crc(block, stored + sizeof(*block));
    memcpy(stored, block, sizeof(*block));
    uint64_t size = sizeof(*block) + block->stored_size;
    if (block->kind != SNAPSHOT_BLOCK_TRAILER)
        XXH3_128bits_update(write->digest, stored, size);
    return write_out(write, stored, size, fault);
}

/* Compresses and writes the open block, if there is one. */
static int write_flush(struct snapshot_write *write, struct fault *fault)
{
    if (write->record_count == 0)
        return 0;
    struct snapshot_block block = {
        .kind = write->kind, .record_count = write->record_count, .raw_size = write->raw_size};
    size_t size =
        ZSTD_compressCCtx(write->zstd, write->stored + sizeof(block),
                          write->stored_room - sizeof(block), write->raw, write->raw_size, 1);
    if (ZSTD_isError(size))
        return fault_set(fault, ERR_NOMEM, "zstd: %s", ZSTD_getErrorName(size));
    block.stored_size = (uint32_t)size;
    write->record_count = write->raw_size = 0;
    return write_block(write, &block, write->stored, fault);
}

/* Begins a record of `size` bytes in a block of this kind. */
static int write_record(struct snapshot_write *write, enum snapshot_block_kind kind, uint64_t size,
                        uint8_t **at, struct fault *fault)
{
    CHECK(!write->failed);
    CHECK(kind >= write->kind); /* machine, ACLs, nodes */
    int err = 0;
    if (write->kind != kind || write->raw_size + size > write->raw_room)
        err = write_flush(write, fault);
    if (!err)
        err = write_room(write, size, fault);
    if (err)
        return err;
    write->kind = kind;
    *at = write->raw + write->raw_size;
    write->raw_size += (uint32_t)size;
    write->record_count++;
    return 0;
}

static int write_flush_if_full(struct snapshot_write *write, struct fault *fault)
{
    return write->raw_size >= SNAPSHOT_BLOCK_SIZE ? write_flush(write, fault) : 0;
}

int snapshot_write_machine(struct snapshot_write *write, struct bytes image, struct fault *fault)
{
    uint8_t *at;
    CHECK(image.size > 0 && write->block_count == 0);
    int err = write_record(write, SNAPSHOT_BLOCK_MACHINE, (uint64_t)image.size, &at, fault);
    if (!err) {
        memcpy(at, image.at, (size_t)image.size);
        err = write_flush(write, fault);
    }
    return write_failed(write, err, fault);
}

int snapshot_write_acl(struct snapshot_write *write, uint32_t id, struct bytes packed,
                       struct fault *fault)
{
    struct snapshot_acl acl = {id, (uint32_t)packed.size};
    uint8_t *at;
    CHECK(packed.size >= 0);
    int err = write_record(write, SNAPSHOT_BLOCK_ACL, sizeof(acl) + acl.size, &at, fault);
    if (!err) {
        memcpy(at, &acl, sizeof(acl));
        memcpy(at + sizeof(acl), packed.at, acl.size);
        write->acl_count++;
        err = write_flush_if_full(write, fault);
    }
    return write_failed(write, err, fault);
}

int snapshot_write_node(struct snapshot_write *write, const struct tree_image *image,
                        struct fault *fault)
{
    struct snapshot_node node = {.czxid = image->czxid,
                                 .mzxid = image->mzxid,
                                 .pzxid = image->pzxid,
                                 .ctime_ms = image->ctime_ms,
                                 .mtime_ms = image->mtime_ms,
                                 .owner = image->owner,
                                 .version = image->version,
                                 .aversion = image->aversion,
                                 .creations = image->creations,
                                 .acl = image->acl,
                                 .child_count = image->child_count,
                                 .path_size = (uint32_t)image->path.size,
                                 .data_size = image->data.size};
    size_t data_size = image->data.size > 0 ? (size_t)image->data.size : 0;
    uint8_t *at;
    CHECK(image->path.size > 0);
    int err = write_record(write, SNAPSHOT_BLOCK_NODE, sizeof(node) + node.path_size + data_size,
                           &at, fault);
    if (!err) {
        memcpy(at, &node, sizeof(node));
        memcpy(at + sizeof(node), image->path.at, node.path_size);
        if (data_size > 0)
            memcpy(at + sizeof(node) + node.path_size, image->data.at, data_size);
        write->node_count++;
        err = write_flush_if_full(write, fault);
    }
    return write_failed(write, err, fault);
}

static int write_trailer(struct snapshot_write *write, struct fault *fault)
{
    uint8_t stored[sizeof(struct snapshot_block) + sizeof(struct snapshot_trailer)];
    XXH128_hash_t digest = XXH3_128bits_digest(write->digest);
    struct snapshot_trailer trailer = {.digest = {digest.low64, digest.high64},
                                       .file_size = write->offset + sizeof(stored),
                                       .node_count = write->node_count,
                                       .acl_count = write->acl_count,
                                       .block_count = write->block_count};
    struct snapshot_block block = {.kind = SNAPSHOT_BLOCK_TRAILER,
                                   .record_count = 1,
                                   .raw_size = sizeof(trailer),
                                   .stored_size = sizeof(trailer)};
    memcpy(stored + sizeof(block), &trailer, sizeof(trailer));
    return write_block(write, &block, stored, fault);
}

int snapshot_write_finish(struct snapshot_write *write, struct fault *fault)
{
    const struct disk_io *io = write->io;
    char name[DISK_PATH_SIZE_MAX];
    CHECK(!write->failed);
    CHECK(write->node_count == write->info.node_count);
    snapshot_name(name, write->info.index);
    int err = write_flush(write, fault);
    if (!err)
        err = write_trailer(write, fault);
    if (!err)
        err = io->sync(io->ctx, write->file, fault);
    if (!err)
        err = io->rename(io->ctx, write->tmp_name, name, fault);
    if (!err)
        err = io->sync_dir(io->ctx, fault);
    if (err) {
        fault_wrap(fault, err, "snapshot '%s'", write->tmp_name);
        snapshot_write_abort(write);
        return err;
    }
    write_free(write);
    return 0;
}

void snapshot_write_abort(struct snapshot_write *write)
{
    const struct disk_io *io = write->io;
    bool made = write->file >= 0;
    char tmp_name[DISK_PATH_SIZE_MAX];
    memcpy(tmp_name, write->tmp_name, sizeof(tmp_name));
    write_free(write);
    /* What stays behind when this fails too is removed by the next purge. */
    if (made && io->unlink(io->ctx, tmp_name, NULL) != 0)
        return;
}

uint64_t snapshot_write_size(const struct snapshot_write *write)
{
    return write->offset;
}
