/* sim_file: the bytes of one file of sim_disk, twice: as they are seen now, and as the medium holds
 * them. Sparse: a piece that was never written with anything but zeros takes no memory, so that
 * pre-zeroed segments of 16 MiB cost nothing. Pieces that come back serve the next file, of
 * whatever disk: a simulator's worker runs many seeds, and fresh memory costs more than zeroing.
 * One thread. */
#pragma once

#include "base/rand.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_SECTOR_SIZE 512u
#define SIM_PIECE_SIZE  16384u /* bytes that are taken together */

struct sim_piece {
    uint8_t seen[SIM_PIECE_SIZE], medium[SIM_PIECE_SIZE];
    uint8_t dirty[SIM_PIECE_SIZE / SIM_SECTOR_SIZE]; /* seen and not on the medium */
    bool any_dirty;
};

struct sim_file {
    bool used;
    struct sim_piece **pieces; /* NULL: zeros */
    uint32_t piece_count;
    uint64_t seen_size, medium_size;
};

void sim_file_free(struct sim_file *file);

/* sim_file_write changes what is seen, and with `durable` the medium, size too. */
void sim_file_write(struct sim_file *file, uint64_t offset, const void *from, uint64_t size,
                    bool durable);

/* sim_file_read copies [offset, offset + size) of what is seen; behind the end there are zeros. */
void sim_file_read(const struct sim_file *file, uint64_t offset, void *to, uint64_t size);
void sim_file_sync(struct sim_file *file);

/* sim_file_power_loss: each sector not on the medium stays or goes by itself. */
void sim_file_power_loss(struct sim_file *file, struct rand *rand);

/* sim_file_sector_draw picks a sector that holds something. False: there is none. */
bool sim_file_sector_draw(const struct sim_file *file, struct rand *rand, uint64_t *offset);

/* sim_file_copy makes `to` the same, all of it durable. Assumes to is zeroed. */
void sim_file_copy(struct sim_file *to, const struct sim_file *from);
