#include "tests/sim/sim_disk.h"

#include "base/check.h"
#include "base/rand.h"
#include "tests/sim/sim_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INODES_MAX  512
#define HANDLES_MAX 64
#define CHANGES_MAX 4096

struct entry {
    char name[DISK_PATH_SIZE_MAX]; /* empty: free */
    int inode;
};

struct directory {
    struct entry entries[INODES_MAX];
};

enum change_kind { CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME };

struct change {
    enum change_kind kind;
    char from[DISK_PATH_SIZE_MAX], to[DISK_PATH_SIZE_MAX];
    int inode;
};

struct handle {
    int inode; /* -1: free */
    uint32_t flags;
};

enum flight_kind { FLIGHT_WRITE, FLIGHT_UNLINK, FLIGHT_SYNC_DIR };

struct flight {
    bool used;
    enum flight_kind kind;
    char path[DISK_PATH_SIZE_MAX];
    int inode;
    uint64_t offset, token, due_ns, begin_ns;
    const void *memory;
    uint32_t size;
};

struct sim_disk {
    struct disk_io io;
    struct rand rand;
    uint64_t capacity, now_ns, latency_min_ns, latency_max_ns;
    struct sim_file inodes[INODES_MAX];
    struct directory seen, medium;
    struct change changes[CHANGES_MAX];
    uint32_t change_count;
    struct handle handles[HANDLES_MAX];
    struct flight flights[DISK_WRITES_MAX];
    struct extent {
        uint64_t begin, end;
    } last[INODES_MAX][2]; /* of each file: written last; in flight when the process ended */
    bool damaged_late;
    bool locked;
    uint64_t hang_until_ns;
    uint32_t power_left;           /* operations until power fails; 0: it does not */
    bool power_waits, powerless;   /* power_waits: for a rename, before it counts */
    uint32_t fail[SIM_DISK_CALLS]; /* so many calls from now the last one fails; 0: none */
};

/* ---- inodes ---- */

static int inode_new(struct sim_disk *disk)
{
    for (int i = 0; i < INODES_MAX; i++) {
        if (!disk->inodes[i].used) {
            disk->inodes[i].used = true;
            memset(disk->last[i], 0, sizeof(disk->last[i]));
            return i;
        }
    }
    CHECK(!"an inode is free");
    return -1;
}

static uint64_t disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (int i = 0; i < INODES_MAX; i++)
        used += disk->inodes[i].seen_size;
    return used;
}

/* True when the file may reach to `end`. */
static bool room_for(const struct sim_disk *disk, const struct sim_file *inode, uint64_t end)
{
    return end <= inode->seen_size || disk_used(disk) + end - inode->seen_size <= disk->capacity;
}

/* ---- the directory ---- */

static struct entry *entry_find(struct directory *directory, const char *name)
{
    for (int i = 0; i < INODES_MAX; i++) {
        if (strcmp(directory->entries[i].name, name) == 0)
            return &directory->entries[i];
    }
    return NULL;
}

static void directory_change(struct directory *directory, const struct change *change)
{
    struct entry *entry = entry_find(directory, change->from);
    if (change->kind == CHANGE_LINK) {
        CHECK(!entry);
        entry = entry_find(directory, "");
        CHECK(entry);
        strcpy(entry->name, change->from);
        entry->inode = change->inode;
        return;
    }
    CHECK(entry);
    if (change->kind == CHANGE_RENAME) {
        struct entry *old = entry_find(directory, change->to);
        if (old && old != entry)
            old->name[0] = 0;
        strcpy(entry->name, change->to);
    } else {
        entry->name[0] = 0;
    }
}

/* Frees the files that no name and no handle leads to. */
static void inodes_collect(struct sim_disk *disk)
{
    bool reached[INODES_MAX] = {false};
    for (int i = 0; i < INODES_MAX; i++) {
        if (disk->seen.entries[i].name[0])
            reached[disk->seen.entries[i].inode] = true;
        if (disk->medium.entries[i].name[0])
            reached[disk->medium.entries[i].inode] = true;
    }
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (disk->handles[i].inode >= 0)
            reached[disk->handles[i].inode] = true;
    }
    for (uint32_t i = 0; i < disk->change_count; i++)
        reached[disk->changes[i].inode] = true;
    for (int i = 0; i < INODES_MAX; i++) {
        if (disk->inodes[i].used && !reached[i])
            sim_file_free(&disk->inodes[i]);
    }
}

static void directory_settle(struct sim_disk *disk, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        directory_change(&disk->medium, &disk->changes[i]);
    disk->change_count = 0;
    inodes_collect(disk);
}

static void changed(struct sim_disk *disk, enum change_kind kind, const char *from, const char *to,
                    int inode)
{
    CHECK(disk->change_count < CHANGES_MAX);
    struct change *change = &disk->changes[disk->change_count++];
    memset(change, 0, sizeof(*change));
    change->kind = kind;
    change->inode = inode;
    strcpy(change->from, from);
    strcpy(change->to, to);
    directory_change(&disk->seen, change);
}

/* ---- struct disk_io ---- */

/* True once behind each sim_disk_fail. */
static bool failing(struct sim_disk *disk, enum sim_disk_call call, struct fault *fault)
{
    if (disk->fail[call] == 0 || --disk->fail[call] > 0)
        return false;
    (void)!fault_set(fault, ERR_IO, "Input/output error");
    return true;
}

/* False: power has failed before this operation. */
static bool powered(struct sim_disk *disk, struct fault *fault)
{
    if (disk->power_left && !disk->power_waits && --disk->power_left == 0)
        disk->powerless = true;
    if (disk->powerless)
        (void)!fault_set(fault, ERR_IO, "power has failed");
    return !disk->powerless;
}

static struct sim_file *inode_of(struct sim_disk *disk, int file)
{
    CHECK(file >= 0 && file < HANDLES_MAX && disk->handles[file].inode >= 0);
    return &disk->inodes[disk->handles[file].inode];
}

static int sim_open(void *ctx, const char *path, uint32_t flags, int *file, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    struct entry *entry = entry_find(&disk->seen, path);
    CHECK(path[0] && strlen(path) < DISK_PATH_SIZE_MAX);
    if (entry && (flags & DISK_OPEN_CREATE))
        return fault_set(fault, ERR_EXISTS, "open %s: File exists", path);
    if (!entry && !(flags & DISK_OPEN_CREATE))
        return fault_set(fault, ERR_NOTFOUND, "open %s: No such file or directory", path);
    if (!entry && !powered(disk, fault))
        return ERR_IO;
    int i = 0;
    while (i < HANDLES_MAX && disk->handles[i].inode >= 0)
        i++;
    if (i == HANDLES_MAX)
        return fault_set(fault, ERR_LIMIT, "open %s: %d files are open", path, HANDLES_MAX);
    int inode = entry ? entry->inode : inode_new(disk);
    if (!entry)
        changed(disk, CHANGE_LINK, path, "", inode);
    disk->handles[i] = (struct handle){inode, flags};
    *file = i;
    return 0;
}

static void sim_close(void *ctx, int file)
{
    struct sim_disk *disk = ctx;
    CHECK(inode_of(disk, file)->used);
    disk->handles[file].inode = -1;
    inodes_collect(disk);
}

static int sim_size(void *ctx, int file, uint64_t *size, struct fault *fault)
{
    *size = inode_of(ctx, file)->seen_size;
    return 0;
}

static int sim_pread(void *ctx, int file, uint64_t offset, void *to, uint32_t size, uint32_t *got,
                     struct fault *fault)
{
    struct sim_file *inode = inode_of(ctx, file);
    if (failing(ctx, SIM_DISK_READ, fault))
        return ERR_IO;
    uint64_t left = offset < inode->seen_size ? inode->seen_size - offset : 0;
    *got = left < size ? (uint32_t)left : size;
    if (*got)
        sim_file_read(inode, offset, to, *got);
    return 0;
}

static void aligned_check(struct sim_disk *disk, int file, uint64_t offset, const void *memory,
                          uint32_t size)
{
    CHECK(size > 0 && size <= DISK_WRITE_SIZE_MAX);
    CHECK(disk->handles[file].flags & (DISK_OPEN_WRITE | DISK_OPEN_CREATE));
    if (disk->handles[file].flags & DISK_OPEN_DURABLE)
        CHECK(((offset | (uintptr_t)memory | size) & (disk->io.block_size - 1)) == 0);
}

static int sim_pwrite(void *ctx, int file, uint64_t offset, const void *from, uint32_t size,
                      struct fault *fault)
{
    struct sim_disk *disk = ctx;
    struct sim_file *inode = inode_of(disk, file);
    aligned_check(disk, file, offset, from, size);
    if (!powered(disk, fault) || failing(disk, SIM_DISK_WRITE, fault))
        return ERR_IO;
    if (!room_for(disk, inode, offset + size))
        return fault_set(fault, ERR_NOSPACE, "write: No space left on device");
    sim_file_write(inode, offset, from, size, disk->handles[file].flags & DISK_OPEN_DURABLE);
    return 0;
}

static int sim_sync(void *ctx, int file, struct fault *fault)
{
    if (!powered(ctx, fault) || failing(ctx, SIM_DISK_SYNC, fault))
        return ERR_IO;
    sim_file_sync(inode_of(ctx, file));
    return 0;
}

static int sim_sync_dir(void *ctx, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    if (!powered(disk, fault))
        return ERR_IO;
    directory_settle(disk, disk->change_count);
    return 0;
}

static int sim_rename(void *ctx, const char *from, const char *to, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    struct entry *entry = entry_find(&disk->seen, from);
    if (!entry)
        return fault_set(fault, ERR_NOTFOUND, "rename %s: No such file or directory", from);
    if (!powered(disk, fault))
        return ERR_IO;
    disk->power_waits = false;
    changed(disk, CHANGE_RENAME, from, to, entry->inode);
    return 0;
}

static int sim_unlink(void *ctx, const char *path, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    struct entry *entry = entry_find(&disk->seen, path);
    if (!entry)
        return fault_set(fault, ERR_NOTFOUND, "remove %s: No such file or directory", path);
    if (!powered(disk, fault))
        return ERR_IO;
    changed(disk, CHANGE_UNLINK, path, "", entry->inode);
    return 0;
}

static int sim_list(void *ctx, void (*each)(void *self, const char *name), void *self,
                    struct fault *fault)
{
    struct sim_disk *disk = ctx;
    for (int i = 0; i < INODES_MAX; i++) {
        if (disk->seen.entries[i].name[0])
            each(self, disk->seen.entries[i].name);
    }
    return 0;
}

static int sim_room(void *ctx, uint64_t *bytes, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    uint64_t used = disk_used(disk);
    *bytes = used < disk->capacity ? disk->capacity - used : 0;
    return 0;
}

static int sim_preallocate(void *ctx, int file, uint64_t size, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    struct sim_file *inode = inode_of(disk, file);
    if (!room_for(disk, inode, size))
        return fault_set(fault, ERR_NOSPACE, "preallocate: No space left on device");
    if (size > inode->seen_size)
        inode->seen_size = size;
    return 0;
}

static int sim_lock(void *ctx, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    if (disk->locked)
        return fault_set(fault, ERR_BUSY, "data directory sim is in use");
    disk->locked = true;
    return 0;
}

static struct flight *flight_claim(struct sim_disk *disk, enum flight_kind kind, uint64_t token)
{
    for (int i = 0; i < DISK_WRITES_MAX; i++) {
        struct flight *flight = &disk->flights[i];
        if (flight->used)
            continue;
        uint64_t spread = disk->latency_max_ns - disk->latency_min_ns;
        uint64_t takes = disk->latency_min_ns + rand_below(&disk->rand, spread + 1);
        if (disk->now_ns + takes < disk->hang_until_ns)
            takes = disk->hang_until_ns - disk->now_ns;
        *flight = (struct flight){.used = true,
                                  .kind = kind,
                                  .token = token,
                                  .begin_ns = disk->now_ns,
                                  .due_ns = disk->now_ns + takes};
        return flight;
    }
    return NULL;
}

static int flights_full(struct fault *fault)
{
    return fault_set(fault, ERR_FULL, "%d operations are in flight", DISK_WRITES_MAX);
}

static int sim_submit_write(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                            uint64_t token, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    aligned_check(disk, file, offset, memory, size);
    CHECK(disk->handles[file].flags & DISK_OPEN_DURABLE);
    struct flight *flight = flight_claim(disk, FLIGHT_WRITE, token);
    if (!flight)
        return flights_full(fault);
    flight->inode = disk->handles[file].inode;
    flight->offset = offset;
    flight->memory = memory;
    flight->size = size;
    return 0;
}

static int sim_submit_unlink(void *ctx, const char *path, uint64_t token, struct fault *fault)
{
    struct flight *flight = flight_claim(ctx, FLIGHT_UNLINK, token);
    if (!flight)
        return flights_full(fault);
    CHECK(strlen(path) < sizeof(flight->path));
    strcpy(flight->path, path);
    return 0;
}

static int sim_submit_sync_dir(void *ctx, uint64_t token, struct fault *fault)
{
    return flight_claim(ctx, FLIGHT_SYNC_DIR, token) ? 0 : flights_full(fault);
}

static int flight_land(struct sim_disk *disk, struct flight *flight, struct fault *fault)
{
    struct sim_file *inode = &disk->inodes[flight->inode];
    if (flight->kind == FLIGHT_UNLINK)
        return sim_unlink(disk, flight->path, fault);
    if (flight->kind == FLIGHT_SYNC_DIR)
        return sim_sync_dir(disk, fault);
    if (!powered(disk, fault) || failing(disk, SIM_DISK_WRITE, fault))
        return ERR_IO;
    if (!room_for(disk, inode, flight->offset + flight->size))
        return fault_set(fault, ERR_NOSPACE, "write: No space left on device");
    sim_file_write(inode, flight->offset, flight->memory, flight->size, true);
    disk->last[flight->inode][0] = disk->last[flight->inode][1] =
        (struct extent){flight->offset, flight->offset + flight->size};
    return 0;
}

static uint32_t sim_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct sim_disk *disk = ctx;
    uint32_t n = 0;
    for (int i = 0; i < DISK_WRITES_MAX && n < max && !disk->powerless; i++) {
        struct flight *flight = &disk->flights[i];
        if (!flight->used || flight->due_ns > disk->now_ns)
            continue;
        flight->used = false;
        int err = flight_land(disk, flight, fault);
        done[n++] = (struct disk_done){flight->token, err, 0, disk->now_ns - flight->begin_ns};
    }
    return n;
}

/* ---- control ---- */

struct sim_disk *sim_disk_create(uint64_t seed, uint64_t capacity)
{
    struct sim_disk *disk = calloc(1, sizeof(*disk));
    CHECK(disk);
    rand_seed(&disk->rand, seed);
    disk->capacity = capacity;
    for (int i = 0; i < HANDLES_MAX; i++)
        disk->handles[i].inode = -1;
    disk->io = (struct disk_io){
        .ctx = disk,
        .name = "sim",
        .where = "sim",
        .block_size = DISK_BLOCK_SIZE_MIN,
        .park_fd = -1,
        .open = sim_open,
        .close = sim_close,
        .size = sim_size,
        .pread = sim_pread,
        .pwrite = sim_pwrite,
        .sync = sim_sync,
        .sync_dir = sim_sync_dir,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .list = sim_list,
        .room = sim_room,
        .preallocate = sim_preallocate,
        .lock = sim_lock,
        .submit_write = sim_submit_write,
        .submit_unlink = sim_submit_unlink,
        .submit_sync_dir = sim_submit_sync_dir,
        .poll = sim_poll,
    };
    return disk;
}

void sim_disk_destroy(struct sim_disk *disk)
{
    for (int i = 0; i < INODES_MAX; i++)
        sim_file_free(&disk->inodes[i]);
    free(disk);
}

struct disk_io *sim_disk_io(struct sim_disk *disk)
{
    return &disk->io;
}

void sim_disk_latency(struct sim_disk *disk, uint64_t min_ns, uint64_t max_ns)
{
    CHECK(min_ns <= max_ns);
    disk->latency_min_ns = min_ns;
    disk->latency_max_ns = max_ns;
}

void sim_disk_time(struct sim_disk *disk, uint64_t now_ns)
{
    disk->now_ns = now_ns;
}

uint64_t sim_disk_next_ns(const struct sim_disk *disk)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < DISK_WRITES_MAX; i++) {
        if (disk->flights[i].used && disk->flights[i].due_ns < next)
            next = disk->flights[i].due_ns;
    }
    return next;
}

void sim_disk_capacity(struct sim_disk *disk, uint64_t capacity)
{
    disk->capacity = capacity;
}

static bool coin(struct sim_disk *disk)
{
    return rand_next(&disk->rand) & 1;
}

/* The writes in flight become writes that were seen and are not on the medium (POWER: the sectors
 * are then drawn one by one), or happen wholly or not (KILL). */
static void flights_crash(struct sim_disk *disk, enum sim_disk_crash how)
{
    for (int i = 0; i < DISK_WRITES_MAX; i++) {
        struct flight *flight = &disk->flights[i];
        struct sim_file *inode = &disk->inodes[flight->inode];
        if (!flight->used || (how == SIM_DISK_KILL && !coin(disk)))
            ; /* it did not happen */
        else if (flight->kind == FLIGHT_UNLINK)
            (void)!flight_land(disk, flight, NULL);
        else if (flight->kind == FLIGHT_WRITE &&
                 room_for(disk, inode, flight->offset + flight->size)) {
            sim_file_write(inode, flight->offset, flight->memory, flight->size, false);
            disk->last[flight->inode][1] =
                (struct extent){flight->offset, flight->offset + flight->size};
        }
        flight->used = false;
    }
}

void sim_disk_crash(struct sim_disk *disk, enum sim_disk_crash how)
{
    memset(disk->fail, 0, sizeof(disk->fail));
    disk->power_left = 0;
    disk->power_waits = disk->powerless = false;
    disk->hang_until_ns = 0;
    flights_crash(disk, how);
    for (int i = 0; i < HANDLES_MAX; i++)
        disk->handles[i].inode = -1;
    disk->locked = false;
    if (how == SIM_DISK_POWER) {
        for (int i = 0; i < INODES_MAX; i++)
            sim_file_power_loss(&disk->inodes[i], &disk->rand);
        directory_settle(disk, (uint32_t)rand_below(&disk->rand, disk->change_count + 1ull));
        disk->seen = disk->medium;
    }
    inodes_collect(disk);
}

/* ---- damage ---- */

static struct sim_file *file_named(struct sim_disk *disk, const char *path)
{
    struct entry *entry = entry_find(&disk->seen, path);
    return entry ? &disk->inodes[entry->inode] : NULL;
}

int sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t offset, uint32_t bit)
{
    struct sim_file *file = file_named(disk, path);
    uint8_t byte;

    CHECK(bit < 8);
    if (!file)
        return ERR_NOTFOUND;
    if (offset >= file->seen_size)
        return ERR_RANGE;
    sim_file_read(file, offset, &byte, 1);
    byte ^= (uint8_t)(1u << bit);
    sim_file_write(file, offset, &byte, 1, true);
    return 0;
}

/* A file whose name begins so, drawn from the seed; NULL: none. */
static struct entry *entry_draw(struct sim_disk *disk, const char *prefix)
{
    struct entry *drawn = NULL;
    uint64_t count = 0;

    for (int i = 0; i < INODES_MAX; i++) {
        struct entry *entry = &disk->seen.entries[i];
        if (entry->name[0] && strncmp(entry->name, prefix, strlen(prefix)) == 0 &&
            rand_below(&disk->rand, ++count) == 0)
            drawn = entry;
    }
    return drawn;
}

bool sim_disk_damage(struct sim_disk *disk, const char *prefix, enum sim_disk_damage how)
{
    struct entry *entry = entry_draw(disk, prefix);
    uint8_t sector[SIM_SECTOR_SIZE], other[SIM_SECTOR_SIZE];
    uint64_t at = 0, from = 0;

    disk->damaged_late = false;
    if (!entry || !sim_file_sector_draw(&disk->inodes[entry->inode], &disk->rand, &at))
        return false;
    for (int i = 0; i < 2; i++) {
        const struct extent *last = &disk->last[entry->inode][i];
        disk->damaged_late |= at < last->end && at + sizeof(sector) > last->begin;
    }
    struct sim_file *file = &disk->inodes[entry->inode];
    sim_file_read(file, at, sector, sizeof(sector));
    if (how == SIM_DISK_FLIPPED) {
        sector[rand_below(&disk->rand, sizeof(sector))] ^=
            (uint8_t)(1u << rand_below(&disk->rand, 8));
    } else if (how == SIM_DISK_MISDIRECTED) {
        (void)sim_file_sector_draw(file, &disk->rand, &from);
        sim_file_read(file, from, other, sizeof(other));
        if (memcmp(sector, other, sizeof(sector)) == 0)
            return false;
        memcpy(sector, other, sizeof(sector));
    } else {
        memset(sector, 0, sizeof(sector));
    }
    sim_file_write(file, at, sector, sizeof(sector), true);
    return true;
}

void sim_disk_wipe(struct sim_disk *disk)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        CHECK(disk->handles[i].inode < 0);
    memset(&disk->seen, 0, sizeof(disk->seen));
    memset(&disk->medium, 0, sizeof(disk->medium));
    disk->change_count = 0;
    inodes_collect(disk);
}

void sim_disk_hang(struct sim_disk *disk, uint64_t until_ns)
{
    disk->hang_until_ns = until_ns;
    for (int i = 0; i < DISK_WRITES_MAX; i++)
        if (disk->flights[i].used && disk->flights[i].due_ns < until_ns)
            disk->flights[i].due_ns = until_ns;
}

void sim_disk_fail(struct sim_disk *disk, enum sim_disk_call call, uint32_t nth)
{
    CHECK(call < SIM_DISK_CALLS);
    disk->fail[call] = nth;
}

void sim_disk_power(struct sim_disk *disk, uint32_t nth, bool behind_rename)
{
    disk->power_left = nth;
    disk->power_waits = nth && behind_rename;
    disk->powerless = false;
}

bool sim_disk_powerless(const struct sim_disk *disk)
{
    return disk->powerless;
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
    return disk_used(disk);
}

bool sim_disk_damaged_late(const struct sim_disk *disk)
{
    return disk->damaged_late;
}

uint32_t sim_disk_files(const struct sim_disk *disk, const char *text)
{
    uint32_t count = 0;

    for (int i = 0; i < INODES_MAX; i++)
        count += disk->seen.entries[i].name[0] && strstr(disk->seen.entries[i].name, text) != NULL;
    return count;
}

struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed)
{
    struct sim_disk *copy = sim_disk_create(seed, disk->capacity);

    copy->io.block_size = disk->io.block_size;
    for (int i = 0; i < INODES_MAX; i++) {
        const struct entry *entry = &disk->seen.entries[i];
        if (!entry->name[0])
            continue;
        int inode = inode_new(copy);
        sim_file_copy(&copy->inodes[inode], &disk->inodes[entry->inode]);
        changed(copy, CHANGE_LINK, entry->name, "", inode);
    }
    directory_settle(copy, copy->change_count);
    return copy;
}
