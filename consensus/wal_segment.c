#include "consensus/wal_segment.h"

#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_PREFIX "log."
#define NAME_DIGITS 16

void wal_segment_name(char name[DISK_PATH_SIZE_MAX], uint64_t sequence)
{
    CHECK(sequence > 0);
    snprintf(name, DISK_PATH_SIZE_MAX, NAME_PREFIX "%016" PRIx64, sequence);
}

uint64_t wal_segment_sequence(const char *name)
{
    size_t prefix = strlen(NAME_PREFIX);
    if (strncmp(name, NAME_PREFIX, prefix) != 0 || strlen(name) != prefix + NAME_DIGITS)
        return 0;
    uint64_t sequence = 0;
    for (const char *at = name + prefix; *at; at++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, *at);
        if (!digit)
            return 0;
        sequence = sequence << 4 | (uint64_t)(digit - digits);
    }
    return sequence;
}

/* Begins with the version, so that a damaged version is told from another one. */
static uint32_t header_crc(const struct wal_header *header)
{
    size_t from = offsetof(struct wal_header, salt);
    return crc32c(WAL_SEGMENT_VERSION, (const uint8_t *)header + from, sizeof(*header) - from);
}

void wal_segment_seal(struct wal_header *header)
{
    CHECK(header->sequence > 0);
    CHECK(header->first_index > 0);
    header->magic = WAL_SEGMENT_MAGIC;
    header->version = WAL_SEGMENT_VERSION;
    header->crc = header_crc(header);
}

static bool geometry_possible(const struct wal_header *header)
{
    return header->segment_size >= WAL_SEGMENT_SIZE_MIN &&
           header->segment_size <= WAL_SEGMENT_SIZE_MAX &&
           header->block_size >= DISK_BLOCK_SIZE_MIN && header->block_size <= DISK_BLOCK_SIZE_MAX &&
           (header->block_size & (header->block_size - 1)) == 0 &&
           header->segment_size % header->block_size == 0 && header->first_index > 0 &&
           (header->flags & ~WAL_HEADER_RESET) == 0;
}

int wal_segment_check(const struct wal_header *header, uint64_t sequence, const uint64_t *salt,
                      struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    wal_segment_name(name, sequence);
    if (wal_segment_is_zero(header, sizeof(*header)))
        return fault_set(fault, ERR_NOTFOUND, "segment %s was prepared and never used", name);
    if (header->magic != WAL_SEGMENT_MAGIC)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s at offset 0: expected a header, found magic %016" PRIx64, name,
                         header->magic);
    if (header->version != WAL_SEGMENT_VERSION && header->crc == header_crc(header))
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s at offset 8: header version expected %u, found %u", name,
                         WAL_SEGMENT_VERSION, header->version);
    if (header->version != WAL_SEGMENT_VERSION)
        return fault_set(fault, ERR_VERSION, "segment %s has format %u; this build reads %u%s",
                         name, header->version, WAL_SEGMENT_VERSION,
                         header->version < WAL_SEGMENT_VERSION
                             ? ": an older takt wrote it; start with an empty data directory"
                             : ": a newer takt wrote it");
    if (header->crc != header_crc(header))
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s at offset 0: header checksum expected %08x, found %08x", name,
                         header_crc(header), header->crc);
    if (!geometry_possible(header))
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s at offset 0: impossible sizes %" PRIu64 " and %u", name,
                         header->segment_size, header->block_size);
    if (salt && header->salt != *salt)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s belongs to the log %016" PRIx64 ", this node's is %016" PRIx64
                         ": a file of another node's data directory",
                         name, header->salt, *salt);
    if (header->sequence != sequence)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s holds sequence %" PRIx64 ": a file in another's place", name,
                         header->sequence);
    return 0;
}

int wal_segment_create(struct disk_io *io, uint64_t sequence, uint64_t size, int *file,
                       struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    CHECK(size >= WAL_SEGMENT_SIZE_MIN && size <= WAL_SEGMENT_SIZE_MAX);
    wal_segment_name(name, sequence);
    int created;
    int err = io->open(io->ctx, name, DISK_OPEN_CREATE | DISK_OPEN_DURABLE, &created, fault);
    if (err)
        return err;
    err = io->preallocate(io->ctx, created, size, fault);
    if (err) {
        io->close(io->ctx, created);
        /* Best effort: a file that stays is an unused segment, which recovery knows. */
        (void)!io->unlink(io->ctx, name, NULL);
        return err;
    }
    *file = created;
    return 0;
}

int wal_segment_read_header(struct disk_io *io, int file, struct wal_header *header,
                            struct fault *fault)
{
    memset(header, 0, sizeof(*header));
    uint32_t got;
    return io->pread(io->ctx, file, 0, header, sizeof(*header), &got, fault);
}

int wal_segment_load(struct disk_io *io, int file, uint8_t *to, uint64_t size, struct fault *fault)
{
    CHECK(size <= WAL_SEGMENT_SIZE_MAX);
    uint64_t at = 0;
    while (at < size) {
        uint64_t left = size - at;
        uint32_t want = left < DISK_WRITE_SIZE_MAX ? (uint32_t)left : DISK_WRITE_SIZE_MAX, got;
        int err = io->pread(io->ctx, file, at, to + at, want, &got, fault);
        if (err)
            return err;
        at += got;
        if (got < want)
            break;
    }
    memset(to + at, 0, size - at);
    return 0;
}

bool wal_segment_is_zero(const void *at, uint64_t n)
{
    const uint8_t *bytes = at;

    /* each byte equals the one before it, and the first is zero: memcmp is the fastest loop there
     * is, and a start reads whole segments of zeros */
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}
