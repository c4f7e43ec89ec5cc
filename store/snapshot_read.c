#include "store/snapshot.h"

#include "base/check.h"
#include "store/snapshot_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

#define WINDOW_SIZE (4u << 20) /* bytes of the file read at once; grows for larger blocks */

struct snapshot_reader {
    const struct disk_io *io;
    const struct snapshot_sink *sink;
    int file;
    uint64_t file_size;
    uint64_t offset; /* of what is next in the window */
    uint8_t *window; /* bytes of the file from `offset` on */
    uint32_t window_room, window_at, window_size;
    uint8_t *raw;
    uint32_t raw_room;
    ZSTD_DCtx *zstd;
    XXH3_state_t *digest;
    uint64_t block_count, node_count, acl_count;
    uint32_t kind_last;
    struct snapshot_info info;
};

static int corrupt(struct fault *fault, const char *what)
{
    return fault_set(fault, ERR_CORRUPT, "%s", what);
}

/* Lends the next `size` bytes of the file, or fails; does not step over them. */
static int read_peek(struct snapshot_reader *r, uint32_t size, const uint8_t **at,
                     struct fault *fault)
{
    if (r->file_size - r->offset < size)
        return fault_set(fault, ERR_CORRUPT, "cut short: %" PRIu64 " bytes are left of %u",
                         r->file_size - r->offset, size);
    if (r->window_size - r->window_at < size) {
        r->window_size -= r->window_at;
        if (size > r->window_room) {
            uint8_t *more = malloc(size);
            if (!more)
                return fault_set(fault, ERR_NOMEM, "no memory for a block of %u bytes", size);
            memcpy(more, r->window + r->window_at, r->window_size);
            free(r->window);
            r->window = more;
            r->window_room = size;
        } else {
            memmove(r->window, r->window + r->window_at, r->window_size);
        }
        r->window_at = 0;
        while (r->window_size < size) {
            uint64_t from = r->offset + r->window_size;
            uint32_t want = r->window_room - r->window_size, got = 0;
            if (want > DISK_WRITE_SIZE_MAX)
                want = DISK_WRITE_SIZE_MAX;
            if (want > r->file_size - from)
                want = (uint32_t)(r->file_size - from);
            int err = r->io->pread(r->io->ctx, r->file, from, r->window + r->window_size, want,
                                   &got, fault);
            if (err)
                return err;
            if (got == 0)
                return corrupt(fault, "the file became shorter while it was read");
            r->window_size += got;
        }
    }
    *at = r->window + r->window_at;
    return 0;
}

static void read_step(struct snapshot_reader *r, uint32_t size)
{
    DCHECK(r->window_size - r->window_at >= size);
    r->window_at += size;
    r->offset += size;
}

static int read_header(struct snapshot_reader *r, struct fault *fault)
{
    struct snapshot_header header;
    const uint8_t *at;
    int err = read_peek(r, sizeof(header), &at, fault);
    if (err)
        return err;
    memcpy(&header, at, sizeof(header));
    if (header.magic != SNAPSHOT_MAGIC)
        return corrupt(fault, "this is no takt snapshot");
    if (header.crc != snapshot_header_crc(&header))
        return corrupt(fault, "the header does not match its checksum");
    if (header.version != SNAPSHOT_VERSION)
        return fault_set(fault, ERR_VERSION, "format %u; this build reads %d", header.version,
                         SNAPSHOT_VERSION);
    static const uint8_t zero[sizeof(header.reserved)];
    if (memcmp(header.reserved, zero, sizeof(zero)) != 0)
        return corrupt(fault, "reserved bytes of the header are not zero");
    r->info = (struct snapshot_info){.index = header.index,
                                     .term = header.term,
                                     .zxid = header.zxid,
                                     .chain = header.chain,
                                     .state_hash = header.state_hash,
                                     .time_ms = header.time_ms,
                                     .node_count = header.node_count,
                                     .session_count = header.session_count,
                                     .file_size = r->file_size};
    memcpy(r->info.cluster_id, header.cluster_id, sizeof(header.cluster_id));
    XXH3_128bits_update(r->digest, at, sizeof(header));
    read_step(r, sizeof(header));
    return r->sink->begin ? r->sink->begin(r->sink->self, &r->info, fault) : 0;
}

static int sink_acls(struct snapshot_reader *r, struct jute_in *in, struct fault *fault)
{
    struct snapshot_acl acl;
    const uint8_t *at = jute_take(in, sizeof(acl));
    if (!at)
        return corrupt(fault, "a block ends within an ACL");
    memcpy(&acl, at, sizeof(acl));
    at = jute_take(in, acl.size);
    if (!at)
        return corrupt(fault, "a block ends within an ACL");
    r->acl_count++;
    if (!r->sink->acl)
        return 0;
    return r->sink->acl(r->sink->self, acl.id, bytes_of(at, acl.size), fault);
}

static int sink_node(struct snapshot_reader *r, struct jute_in *in, struct fault *fault)
{
    struct snapshot_node node;
    const uint8_t *at = jute_take(in, sizeof(node));
    if (!at)
        return corrupt(fault, "a block ends within a node");
    memcpy(&node, at, sizeof(node));
    if (node.data_size < -1 || node.path_size == 0 || node.path_size > SNAPSHOT_RECORD_MAX ||
        node.reserved != 0)
        return corrupt(fault, "a node has sizes that cannot be");
    const uint8_t *path = jute_take(in, node.path_size);
    const uint8_t *data = jute_take(in, node.data_size > 0 ? (size_t)node.data_size : 0);
    if (in->bad)
        return corrupt(fault, "a block ends within a node");
    r->node_count++;
    if (!r->sink->node)
        return 0;
    struct tree_image image = {.path = bytes_of(path, node.path_size),
                               .data = {node.data_size < 0 ? NULL : data, node.data_size},
                               .czxid = node.czxid,
                               .mzxid = node.mzxid,
                               .pzxid = node.pzxid,
                               .ctime_ms = node.ctime_ms,
                               .mtime_ms = node.mtime_ms,
                               .owner = node.owner,
                               .version = node.version,
                               .aversion = node.aversion,
                               .creations = node.creations,
                               .acl = node.acl,
                               .child_count = node.child_count};
    return r->sink->node(r->sink->self, &image, fault);
}

static int sink_block(struct snapshot_reader *r, const struct snapshot_block *block,
                      struct fault *fault)
{
    struct jute_in in = jute_in(r->raw, block->raw_size);
    int err = 0;
    if (block->kind == SNAPSHOT_BLOCK_MACHINE) {
        if (block->record_count != 1 || block->number != 0)
            return corrupt(fault, "the machine's image is not one record in the first block");
        if (!r->sink->machine)
            return 0;
        return r->sink->machine(r->sink->self, bytes_of(r->raw, block->raw_size), fault);
    }
    for (uint32_t i = 0; i < block->record_count && !err; i++)
        err =
            block->kind == SNAPSHOT_BLOCK_ACL ? sink_acls(r, &in, fault) : sink_node(r, &in, fault);
    if (!err && in.at != in.end)
        err = corrupt(fault, "a block has more bytes than its records");
    return err;
}

static int read_inflate(struct snapshot_reader *r, const struct snapshot_block *block,
                        const uint8_t *stored, struct fault *fault)
{
    if (block->raw_size > r->raw_room) {
        uint8_t *more = realloc(r->raw, block->raw_size);
        if (!more)
            return fault_set(fault, ERR_NOMEM, "no memory for a block of %u bytes",
                             block->raw_size);
        r->raw = more;
        r->raw_room = block->raw_size;
    }
    size_t size = ZSTD_decompressDCtx(r->zstd, r->raw, block->raw_size, stored, block->stored_size);
    if (ZSTD_isError(size))
        return fault_set(fault, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(size));
    if (size != block->raw_size)
        return corrupt(fault, "a block does not have the size that it says");
    return 0;
}

static int read_trailer(struct snapshot_reader *r, const struct snapshot_block *block,
                        const uint8_t *stored, struct fault *fault)
{
    struct snapshot_trailer trailer;
    XXH128_hash_t digest = XXH3_128bits_digest(r->digest);
    if (block->stored_size != sizeof(trailer) || block->raw_size != sizeof(trailer) ||
        block->record_count != 1)
        return corrupt(fault, "the trailer has a wrong size");
    memcpy(&trailer, stored, sizeof(trailer));
    if (trailer.digest[0] != digest.low64 || trailer.digest[1] != digest.high64)
        return corrupt(fault, "the file does not match its digest");
    if (trailer.block_count != r->block_count || trailer.node_count != r->node_count ||
        trailer.acl_count != r->acl_count)
        return corrupt(fault, "blocks or records are missing or too many");
    if (r->info.node_count != r->node_count)
        return corrupt(fault, "header and contents count differently");
    if (trailer.file_size != r->file_size ||
        r->offset + sizeof(*block) + sizeof(trailer) != r->file_size)
        return corrupt(fault, "bytes follow the trailer");
    r->info.acl_count = r->acl_count;
    return 0;
}

/* Reads one block; *end turns true behind the trailer. r->offset is where a fault lies. */
static int read_block(struct snapshot_reader *r, bool *end, struct fault *fault)
{
    struct snapshot_block block;
    const uint8_t *at;
    int err = read_peek(r, sizeof(block), &at, fault);
    if (err)
        return err;
    memcpy(&block, at, sizeof(block));
    if (block.magic != SNAPSHOT_BLOCK_MAGIC || block.raw_size == 0 ||
        block.raw_size > SNAPSHOT_RECORD_MAX || block.stored_size == 0 ||
        block.stored_size > ZSTD_COMPRESSBOUND(SNAPSHOT_RECORD_MAX))
        return corrupt(fault, "no block begins here");
    err = read_peek(r, (uint32_t)sizeof(block) + block.stored_size, &at, fault);
    if (err)
        return err;
    const uint8_t *stored = at + sizeof(block);
    if (block.crc != snapshot_block_crc(&block, stored))
        return corrupt(fault, "a block does not match its checksum");
    if (block.number != r->block_count || block.kind < r->kind_last ||
        block.kind < SNAPSHOT_BLOCK_MACHINE || block.kind > SNAPSHOT_BLOCK_TRAILER)
        return corrupt(fault, "a block is out of place");
    if (block.number == 0 && block.kind != SNAPSHOT_BLOCK_MACHINE)
        return corrupt(fault, "the machine's image is missing");
    r->kind_last = block.kind;
    if (block.kind == SNAPSHOT_BLOCK_TRAILER) {
        *end = true;
        return read_trailer(r, &block, stored, fault);
    }
    err = read_inflate(r, &block, stored, fault);
    if (!err)
        err = sink_block(r, &block, fault);
    if (err)
        return err;
    XXH3_128bits_update(r->digest, at, sizeof(block) + block.stored_size);
    r->block_count++;
    read_step(r, (uint32_t)sizeof(block) + block.stored_size);
    return 0;
}

static int read_all(struct snapshot_reader *r, struct fault *fault)
{
    int err = r->io->size(r->io->ctx, r->file, &r->file_size, fault);
    r->window_room = WINDOW_SIZE;
    r->window = malloc(r->window_room);
    r->zstd = ZSTD_createDCtx();
    r->digest = XXH3_createState();
    if (!err && (!r->window || !r->zstd || !r->digest))
        err = fault_set(fault, ERR_NOMEM, "no memory to read it");
    if (err)
        return err;
    XXH3_128bits_reset(r->digest);
    err = read_header(r, fault);
    for (bool end = false; !err && !end;)
        err = read_block(r, &end, fault);
    return err;
}

int snapshot_read(const struct disk_io *io, const char *name, const struct snapshot_sink *sink,
                  struct snapshot_info *info, struct fault *fault)
{
    struct snapshot_reader r = {.io = io, .sink = sink};
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &r.file, fault);
    if (err)
        return err;
    err = read_all(&r, fault);
    if (err)
        fault_wrap(fault, err, "snapshot '%s', offset %" PRIu64, name, r.offset);
    else
        *info = r.info;
    io->close(io->ctx, r.file);
    ZSTD_freeDCtx(r.zstd);
    XXH3_freeState(r.digest);
    free(r.window);
    free(r.raw);
    return err;
}
