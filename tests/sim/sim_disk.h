/* sim_disk: a disk in memory that forgets as real ones do; deterministic from a seed.
 *
 *            pwrite, submit_write+poll           sync, DURABLE
 *   process ───────────────────────▶ seen now ─────────────────▶ medium
 *                                       │                           │
 *             sim_disk_crash(POWER): of what is not on the medium, each sector of 512 bytes stays
 * or goes by itself; of directory changes since sync_dir, a first part stays sim_disk_crash(KILL):
 * everything seen stays; a write in flight happens wholly or not
 *
 * Time is given: a submitted write ends when sim_disk_time has reached its due time. One thread. */
#pragma once

#include "base/disk_io.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_disk;

enum sim_disk_crash { SIM_DISK_KILL, SIM_DISK_POWER };

/* sim_disk_create makes an empty disk of `capacity` bytes. Aborts when memory is out. */
struct sim_disk *sim_disk_create(uint64_t seed, uint64_t capacity);
void sim_disk_destroy(struct sim_disk *disk);

/* sim_disk_io is the disk's table of functions; it lives as long as the disk. Its block_size may be
 * changed before the first use. */
struct disk_io *sim_disk_io(struct sim_disk *disk);

/* sim_disk_latency makes each submitted write take [min_ns, max_ns], drawn from the seed. At first
 * both are 0: a write ends at the next poll. */
void sim_disk_latency(struct sim_disk *disk, uint64_t min_ns, uint64_t max_ns);

/* sim_disk_time sets now; sim_disk_next_ns is when the next write in flight ends (UINT64_MAX:
 * none). */
void sim_disk_time(struct sim_disk *disk, uint64_t now_ns);
uint64_t sim_disk_next_ns(const struct sim_disk *disk);

/* sim_disk_crash ends the process that used the disk: open files, the lock and writes in flight are
 * gone (their memory is read once more, here). The disk can be used again at once, as by the
 * process's successor. */
void sim_disk_crash(struct sim_disk *disk, enum sim_disk_crash how);

/* sim_disk_capacity changes how many bytes fit. */
void sim_disk_capacity(struct sim_disk *disk, uint64_t capacity);

/* sim_disk_flip flips one bit of a file, on the medium too. Returns 0, ERR_NOTFOUND or ERR_RANGE.
 */
int sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t offset, uint32_t bit);

/* sim_disk_damage changes one sector that holds something, on the medium too, in a file whose name
 * begins with `prefix`. False: there was none, or nothing changed. */
enum sim_disk_damage { SIM_DISK_FLIPPED, SIM_DISK_MISDIRECTED, SIM_DISK_STALE };
bool sim_disk_damage(struct sim_disk *disk, const char *prefix, enum sim_disk_damage how);

/* sim_disk_wipe makes it an empty disk. Assumes no process uses it (sim_disk_crash). */
void sim_disk_wipe(struct sim_disk *disk);

/* sim_disk_hang: nothing in flight ends before until_ns. */
void sim_disk_hang(struct sim_disk *disk, uint64_t until_ns);

/* sim_disk_fail lets the nth such call from now on fail with ERR_IO; a crash takes it back, and so
 * does nth = 0. */
enum sim_disk_call { SIM_DISK_READ, SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_CALLS };
void sim_disk_fail(struct sim_disk *disk, enum sim_disk_call call, uint32_t nth);

/* sim_disk_power lets power fail at the nth operation that changes the disk from now on, in the
 * middle of whatever the process does; `behind_rename`: from the next rename on. From then on
 * nothing changes any more and everything fails with ERR_IO (sim_disk_powerless), until
 * sim_disk_crash. nth 0: it does not fail. */
void sim_disk_power(struct sim_disk *disk, uint32_t nth, bool behind_rename);
bool sim_disk_powerless(const struct sim_disk *disk);

/* sim_disk_used is how many bytes its files have. */
uint64_t sim_disk_used(const struct sim_disk *disk);

/* sim_disk_damaged_late: did the last damage hit what was written last to its file, or was being
 * written when the process ended? Whoever reads it cannot tell it from a write that was torn. */
bool sim_disk_damaged_late(const struct sim_disk *disk);

/* sim_disk_files is how many files have a name that holds `text`. */
uint32_t sim_disk_files(const struct sim_disk *disk, const char *text);

/* sim_disk_copy makes a second disk with the same files, all of them durable. */
struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed);
