/* Old entries, for members that are further behind than the log tail goes back. */
#include "base/check.h"
#include "consensus/wal_parts.h"

#include <inttypes.h>
#include <string.h>

#define HEADER ((uint64_t)sizeof(struct log_record))

/* True when a later batch supersedes the entry of this index that stands here. */
static bool superseded(const struct wal *wal, uint64_t sequence, uint64_t offset, uint64_t index)
{
    for (uint32_t i = wal->back_count; i > 0; i--) {
        const struct wal_back *back = &wal->backs[i - 1];
        if (back->sequence < sequence || (back->sequence == sequence && back->offset <= offset))
            return false; /* they are in order */
        if (back->first_index <= index)
            return true;
    }
    return false;
}

/* The last place known to lie before an entry; NULL: none. A message that was lost is read again:
 * looking for it from its segment's beginning would cost the segment each time. */
static const struct wal_cursor *marked(const struct wal *wal, uint64_t index)
{
    const struct wal_cursor *best = NULL;
    for (uint32_t i = 0; i < WAL_MARKS_MAX; i++) {
        const struct wal_cursor *mark = &wal->marks[i];
        if (mark->sequence >= wal->first_sequence && mark->sequence && mark->index <= index &&
            mark->backs == wal->back_total && (!best || mark->index > best->index))
            best = mark;
    }
    return best;
}

/* The place to begin looking for an entry: where a read ended, or a segment's beginning. */
static bool seek(struct wal *wal, uint64_t index)
{
    struct wal_cursor *cursor = &wal->cursor;
    bool follows = cursor->index == index && cursor->sequence >= wal->first_sequence &&
                   cursor->backs == wal->back_total;
    uint64_t s = wal->sequence;
    if (follows)
        return true;
    while (s > wal->first_sequence &&
           (wal->bridged[s % WAL_SEGMENTS_MAX] || wal->first_index[s % WAL_SEGMENTS_MAX] > index))
        s--;
    if (s < wal->read_sequence || wal->first_index[s % WAL_SEGMENTS_MAX] > index)
        return false;
    *cursor = (struct wal_cursor){.sequence = s, .backs = wal->back_total};
    const struct wal_cursor *mark = marked(wal, index);
    if (mark && mark->sequence >= s)
        *cursor = *mark;
    return true;
}

/* What one piece of a segment gave. */
struct piece {
    struct wal *wal;
    uint8_t *room;
    uint64_t from, to; /* entries wanted */
    uint64_t size;     /* bytes of it that were read */
    uint64_t at;       /* the next record in it */
    uint64_t used;     /* bytes of entries gathered at the front of room */
    uint32_t count;
    bool end; /* of the segment: nothing more was written */
};

/* Takes the record at piece->at, if all of it is there. False: it is not, or the end is reached. */
static bool take(struct piece *piece, uint32_t seed, uint64_t block_size, int *err)
{
    struct wal_cursor *cursor = &piece->wal->cursor;
    const struct log_record *record = (const struct log_record *)(piece->room + piece->at);
    *err = 0;
    if (piece->count && piece->from + piece->count - 1 == piece->to)
        return false; /* what follows may be in flight */
    if (piece->at + HEADER > piece->size)
        return false;
    if (record->magic == 0 && (cursor->offset + piece->at) % block_size == 0) {
        piece->end = true;
        return false;
    }
    *err = log_record_intact(record, piece->size - piece->at, seed);
    if (*err) {
        *err = *err == ERR_SHORT ? 0 : ERR_CORRUPT;
        return false;
    }
    uint64_t span = log_record_span(record->size);
    uint64_t index = record->index;
    bool wanted = record->kind == LOG_RECORD_ENTRY && index == piece->from + piece->count &&
                  !superseded(piece->wal, cursor->sequence, cursor->offset + piece->at, index);
    if (wanted) {
        memmove(piece->room + piece->used, record, span);
        piece->used += span;
        piece->count++;
    }
    piece->at += span;
    return true;
}

/* Reads at the cursor until entries were gathered or the segment ends. */
static int piece_read(struct piece *piece, int file, uint64_t room_size,
                      const struct wal_header *header, struct fault *fault)
{
    struct disk_io *io = piece->wal->io;
    struct wal_cursor *cursor = &piece->wal->cursor;
    uint32_t seed = log_record_seed(header->salt), got;
    int err = 0;
    cursor->offset = cursor->offset ? cursor->offset : header->block_size;
    while (!err && piece->count == 0 && !piece->end) {
        if (cursor->offset >= header->segment_size) {
            piece->end = true;
            break;
        }
        uint64_t left = header->segment_size - cursor->offset;
        uint32_t want = (uint32_t)(left < room_size ? left : room_size);
        err = io->pread(io->ctx, file, cursor->offset, piece->room, want, &got, fault);
        piece->size = got;
        piece->at = 0;
        bool more = !err;
        while (more)
            more = take(piece, seed, header->block_size, &err);
        if (!err && piece->at == 0 && !piece->end && piece->count == 0)
            return got < left ? fault_set(fault, ERR_FULL, "an entry is longer than %llu bytes",
                                          (unsigned long long)room_size)
                              : fault_set(fault, ERR_CORRUPT, "a record is cut off");
        cursor->offset += piece->at;
    }
    return err == ERR_CORRUPT
               ? fault_set(fault, err, "segment log.%016" PRIx64 " at offset %" PRIu64 ": damaged",
                           cursor->sequence, cursor->offset)
               : err;
}

static int segment_read(struct piece *piece, uint64_t room_size, struct fault *fault)
{
    struct disk_io *io = piece->wal->io;
    struct wal_cursor *cursor = &piece->wal->cursor;
    struct wal_header header;
    char name[DISK_PATH_SIZE_MAX];
    int file;
    wal_segment_name(name, cursor->sequence);
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, fault);
    if (err)
        return err;
    err = wal_segment_read_header(io, file, &header, fault);
    if (!err)
        err = wal_segment_check(&header, cursor->sequence, &piece->wal->config.salt, fault);
    if (!err)
        err = piece_read(piece, file, room_size, &header, fault);
    io->close(io->ctx, file);
    return err;
}

int wal_read(struct wal *wal, uint64_t from, uint64_t to, uint8_t *room, uint64_t size,
             uint64_t *used, uint32_t *count, struct fault *fault)
{
    CHECK(from > 0 && from <= to && to <= wal->last.index);
    CHECK(size >= DISK_BLOCK_SIZE_MAX && ((uintptr_t)room & 7) == 0);
    if (!seek(wal, from))
        return fault_set(fault, ERR_NOTFOUND, "entry %" PRIu64 " is not in the log any more", from);
    struct piece piece = {.wal = wal, .room = room, .from = from, .to = to};
    int err = segment_read(&piece, size, fault);
    while (!err && piece.count == 0 && wal->cursor.sequence < wal->sequence) {
        wal->cursor =
            (struct wal_cursor){.sequence = wal->cursor.sequence + 1, .backs = wal->back_total};
        piece.end = false;
        err = segment_read(&piece, size, fault);
    }
    if (!err && piece.count == 0)
        err = fault_set(fault, ERR_NOTFOUND, "entry %" PRIu64 " is not in the log", from);
    if (err) {
        wal->cursor = (struct wal_cursor){.sequence = 0};
        return err;
    }
    wal->cursor.index = from + piece.count;
    wal->marks[wal->mark_total++ % WAL_MARKS_MAX] = wal->cursor;
    *used = piece.used;
    *count = piece.count;
    return 0;
}
