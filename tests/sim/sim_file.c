#include "tests/sim/sim_file.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS (SIM_PIECE_SIZE / SIM_SECTOR_SIZE)

static bool all_zero(const uint8_t *at, uint64_t size)
{
    return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

/* Pieces that came back, each with the next one's address at its start. */
static void *pieces_free;

static struct sim_piece *piece_take(void)
{
    struct sim_piece *piece = pieces_free;

    if (piece)
        memcpy(&pieces_free, piece, sizeof(pieces_free));
    else
        piece = malloc(sizeof(*piece));
    CHECK(piece);
    memset(piece, 0, sizeof(*piece));
    return piece;
}

static void piece_give(struct sim_piece *piece)
{
    if (!piece)
        return;
    memcpy(piece, &pieces_free, sizeof(pieces_free));
    pieces_free = piece;
}

void sim_file_free(struct sim_file *file)
{
    for (uint32_t i = 0; i < file->piece_count; i++)
        piece_give(file->pieces[i]);
    free(file->pieces);
    memset(file, 0, sizeof(*file));
}

static struct sim_piece *file_piece(const struct sim_file *file, uint64_t index)
{
    return index < file->piece_count ? file->pieces[index] : NULL;
}

static struct sim_piece *file_piece_make(struct sim_file *file, uint64_t index)
{
    if (index >= file->piece_count) {
        uint32_t count = (uint32_t)(index + 1) * 2;
        file->pieces = realloc(file->pieces, count * sizeof(*file->pieces));
        CHECK(file->pieces);
        memset(file->pieces + file->piece_count, 0,
               (count - file->piece_count) * sizeof(*file->pieces));
        file->piece_count = count;
    }
    if (!file->pieces[index])
        file->pieces[index] = piece_take();
    return file->pieces[index];
}

static void sector_settle(struct sim_piece *piece, uint32_t sector)
{
    memcpy(piece->medium + sector * SIM_SECTOR_SIZE, piece->seen + sector * SIM_SECTOR_SIZE,
           SIM_SECTOR_SIZE);
    piece->dirty[sector] = 0;
}

static void piece_write(struct sim_piece *piece, uint32_t at, const uint8_t *from, uint32_t size,
                        bool durable)
{
    memcpy(piece->seen + at, from, size);
    for (uint32_t i = at / SIM_SECTOR_SIZE; i * SIM_SECTOR_SIZE < at + size; i++) {
        piece->dirty[i] = 1;
        if (durable)
            sector_settle(piece, i);
        else
            piece->any_dirty = true;
    }
}

void sim_file_write(struct sim_file *file, uint64_t offset, const void *from, uint64_t size,
                    bool durable)
{
    const uint8_t *bytes = from;
    uint64_t end = offset + size;

    while (offset < end) {
        uint64_t index = offset / SIM_PIECE_SIZE;
        uint32_t at = (uint32_t)(offset % SIM_PIECE_SIZE);
        uint32_t n =
            SIM_PIECE_SIZE - at < end - offset ? SIM_PIECE_SIZE - at : (uint32_t)(end - offset);
        if (file_piece(file, index) || !all_zero(bytes, n))
            piece_write(file_piece_make(file, index), at, bytes, n, durable);
        bytes += n;
        offset += n;
    }
    if (end > file->seen_size)
        file->seen_size = end;
    if (durable)
        file->medium_size = file->seen_size;
}

void sim_file_read(const struct sim_file *file, uint64_t offset, void *to, uint64_t size)
{
    uint8_t *bytes = to;

    while (size) {
        const struct sim_piece *piece = file_piece(file, offset / SIM_PIECE_SIZE);
        uint32_t at = (uint32_t)(offset % SIM_PIECE_SIZE);
        uint64_t n = SIM_PIECE_SIZE - at < size ? SIM_PIECE_SIZE - at : size;
        if (piece)
            memcpy(bytes, piece->seen + at, n);
        else
            memset(bytes, 0, n);
        bytes += n;
        offset += n;
        size -= n;
    }
}

void sim_file_sync(struct sim_file *file)
{
    for (uint32_t i = 0; i < file->piece_count; i++) {
        struct sim_piece *piece = file->pieces[i];
        if (!piece || !piece->any_dirty)
            continue;
        for (uint32_t k = 0; k < SECTORS; k++)
            if (piece->dirty[k])
                sector_settle(piece, k);
        piece->any_dirty = false;
    }
    file->medium_size = file->seen_size;
}

/* What lies behind the size is zero in both. */
static void file_cut(struct sim_file *file, uint64_t size)
{
    for (uint32_t i = 0; i < file->piece_count; i++) {
        struct sim_piece *piece = file->pieces[i];
        uint64_t begin = (uint64_t)i * SIM_PIECE_SIZE;
        uint64_t keep = size <= begin                   ? 0
                        : size - begin < SIM_PIECE_SIZE ? size - begin
                                                        : SIM_PIECE_SIZE;
        if (!piece || keep == SIM_PIECE_SIZE)
            continue;
        memset(piece->seen + keep, 0, SIM_PIECE_SIZE - keep);
        memset(piece->medium + keep, 0, SIM_PIECE_SIZE - keep);
    }
}

void sim_file_power_loss(struct sim_file *file, struct rand *rand)
{
    /* mostly any combination, sometimes all or none: the corners of the space */
    uint64_t mood = rand_below(rand, 8);

    for (uint32_t i = 0; i < file->piece_count; i++) {
        struct sim_piece *piece = file->pieces[i];
        if (!piece || !piece->any_dirty)
            continue;
        for (uint32_t k = 0; k < SECTORS; k++) {
            if (piece->dirty[k] && (mood == 0 || (mood != 1 && (rand_next(rand) & 1))))
                sector_settle(piece, k);
            piece->dirty[k] = 0;
        }
        piece->any_dirty = false;
        memcpy(piece->seen, piece->medium, sizeof(piece->seen));
    }
    if (file->medium_size != file->seen_size && (rand_next(rand) & 1))
        file->medium_size = file->seen_size;
    if (file->medium_size < file->seen_size)
        file_cut(file, file->medium_size);
    file->seen_size = file->medium_size;
}

bool sim_file_sector_draw(const struct sim_file *file, struct rand *rand, uint64_t *offset)
{
    uint64_t sectors = file->seen_size / SIM_SECTOR_SIZE, seen = 0;

    /* one pass, each with the same chance (reservoir of one) */
    for (uint64_t i = 0; i < sectors; i++) {
        const struct sim_piece *piece = file_piece(file, i / SECTORS);
        if (!piece) {
            i |= SECTORS - 1;
            continue;
        }
        if (all_zero(piece->seen + i % SECTORS * SIM_SECTOR_SIZE, SIM_SECTOR_SIZE))
            continue;
        if (rand_below(rand, ++seen) == 0)
            *offset = i * SIM_SECTOR_SIZE;
    }
    return seen > 0;
}

void sim_file_copy(struct sim_file *to, const struct sim_file *from)
{
    to->used = true;
    to->piece_count = from->piece_count;
    to->pieces = calloc(from->piece_count + 1ull, sizeof(*to->pieces));
    CHECK(to->pieces);
    for (uint32_t i = 0; i < from->piece_count; i++) {
        if (!from->pieces[i])
            continue;
        to->pieces[i] = piece_take();
        CHECK(to->pieces[i]);
        memcpy(to->pieces[i]->seen, from->pieces[i]->seen, SIM_PIECE_SIZE);
        memcpy(to->pieces[i]->medium, from->pieces[i]->seen, SIM_PIECE_SIZE);
    }
    to->seen_size = to->medium_size = from->seen_size;
}
