#include "store/snapshot.h"

#include "base/crc32c.h"
#include "store/snapshot_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX      "snapshot."
#define PREFIX_SIZE 9
#define DIGIT_COUNT 16
#define LIST_MAX    65536 /* files looked at; far above SNAPSHOT_KEPT_COUNT_MAX */

uint32_t snapshot_header_crc(const struct snapshot_header *header)
{
    struct snapshot_header copy = *header;
    copy.crc = 0;
    return crc32c(0, &copy, sizeof(copy));
}

uint32_t snapshot_block_crc(const struct snapshot_block *block, const void *stored)
{
    size_t from = offsetof(struct snapshot_block, kind);
    uint32_t crc = crc32c(0, (const uint8_t *)block + from, sizeof(*block) - from);
    return crc32c(crc, stored, block->stored_size);
}

void snapshot_name(char *name, uint64_t index)
{
    snprintf(name, DISK_PATH_SIZE_MAX, PREFIX "%016" PRIx64, index);
}

struct listing {
    uint64_t *indexes;
    uint32_t count, room;
    char (*left_over)[DISK_PATH_SIZE_MAX]; /* unfinished files */
    uint32_t left_over_count;
    bool failed;
};

/* The index in a snapshot's name, and what follows the digits; false for other files. */
static bool name_parse(const char *name, uint64_t *index, const char **rest)
{
    *index = 0;
    if (strncmp(name, PREFIX, PREFIX_SIZE) != 0)
        return false;
    for (int i = 0; i < DIGIT_COUNT; i++) {
        char c = name[PREFIX_SIZE + i];
        if (c >= '0' && c <= '9')
            *index = *index << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *index = *index << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *rest = name + PREFIX_SIZE + DIGIT_COUNT;
    return true;
}

static void listing_add(void *self, const char *name)
{
    struct listing *listing = self;
    const char *rest;
    uint64_t index;
    if (!name_parse(name, &index, &rest) || listing->count + listing->left_over_count >= LIST_MAX)
        return;
    if (strcmp(rest, ".tmp") == 0) {
        void *more = realloc(listing->left_over,
                             (listing->left_over_count + 1) * sizeof(*listing->left_over));
        if (!more) {
            listing->failed = true;
            return;
        }
        listing->left_over = more;
        snprintf(listing->left_over[listing->left_over_count++], DISK_PATH_SIZE_MAX, "%s", name);
    } else if (rest[0] == 0) {
        void *more = realloc(listing->indexes, (listing->count + 1) * sizeof(uint64_t));
        if (!more) {
            listing->failed = true;
            return;
        }
        listing->indexes = more;
        listing->indexes[listing->count++] = index;
    }
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void listing_fini(struct listing *listing)
{
    free(listing->indexes);
    free(listing->left_over);
}

static int listing_make(const struct disk_io *io, struct listing *listing, struct fault *fault)
{
    memset(listing, 0, sizeof(*listing));
    int err = io->list(io->ctx, listing_add, listing, fault);
    if (!err && listing->failed)
        err = fault_set(fault, ERR_NOMEM, "no memory for the list of snapshots");
    if (err) {
        listing_fini(listing);
        return fault_wrap(fault, err, "looking for snapshots");
    }
    if (listing->count > 0)
        qsort(listing->indexes, listing->count, sizeof(uint64_t), newest_first);
    return 0;
}

int snapshot_list(const struct disk_io *io, uint64_t **indexes, uint32_t *count,
                  struct fault *fault)
{
    struct listing listing;
    int err = listing_make(io, &listing, fault);
    if (err)
        return err;
    *indexes = listing.indexes;
    *count = listing.count;
    listing.indexes = NULL;
    listing_fini(&listing);
    return 0;
}

int snapshot_purge(const struct disk_io *io, uint32_t kept_count, struct fault *fault)
{
    struct listing listing;
    char name[DISK_PATH_SIZE_MAX];
    if (kept_count < 1 || kept_count > SNAPSHOT_KEPT_COUNT_MAX)
        return fault_set(fault, ERR_RANGE, "%u snapshots to keep; may be 1 to %d", kept_count,
                         SNAPSHOT_KEPT_COUNT_MAX);
    int err = listing_make(io, &listing, fault);
    if (err)
        return err;
    for (uint32_t i = 0; i < listing.left_over_count && !err; i++)
        err = io->unlink(io->ctx, listing.left_over[i], fault);
    /* Oldest first: whatever is left after a crash is the newest ones. */
    for (uint32_t i = listing.count; i > kept_count && !err; i--) {
        snapshot_name(name, listing.indexes[i - 1]);
        err = io->unlink(io->ctx, name, fault);
    }
    if (!err && (listing.left_over_count > 0 || listing.count > kept_count))
        err = io->sync_dir(io->ctx, fault);
    listing_fini(&listing);
    return err ? fault_wrap(fault, err, "removing old snapshots") : 0;
}
