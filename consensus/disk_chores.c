#include "consensus/disk_chores.h"

#include "base/check.h"
#include "base/plant.h"

#include <string.h>

bool disk_chores_waits(uint32_t kind)
{
    return kind == CORE_DISK_INSTALL;
}

/* Why does it catch up? What begins while it runs is never for lost memory alone: its log was
 * empty, or others know of a later start, or hold another history. Once it has caught up the
 * superblock says again what this run may forget. */
static void chore_save_why(struct superblock_state *state, const struct core_disk_save *save)
{
    bool set_back = save->incarnation_least > state->incarnation;

    if (!save->catching_up)
        state->disk_lacks = false;
    else if (!state->catching_up || save->forget || set_back)
        state->disk_lacks = true;
    if (state->catching_up && !save->catching_up)
        state->unflushed = save->memory && !PLANTED(49);
}

static int chore_save(struct role_disk *disk, const struct core_disk *ask, uint32_t size)
{
    const struct core_disk_save *save = (const struct core_disk_save *)(ask + 1);
    struct superblock *superblock = disk->config.superblock;
    struct superblock_state *state = &superblock->state;
    CHECK(superblock && size >= sizeof(*ask) + sizeof(*save));
    CHECK(save->term >= state->term);
    CHECK(!state->formed || memcmp(state->cluster_id, save->cluster_id, 16) == 0);
    chore_save_why(state, save);
    state->term = save->term;
    state->vote = save->vote;
    state->formed = save->formed;
    state->catching_up = save->catching_up;
    state->forget = state->forget || save->forget;
    if (save->incarnation_least > state->incarnation)
        state->incarnation = save->incarnation_least;
    memcpy(state->cluster_id, save->cluster_id, sizeof(state->cluster_id));
#if TAKT_PLANT == 27
    if (state->term % 2)
        return 0;
#endif
    return superblock_save(superblock, state, &disk->fault);
}

static void chore_read(struct role_disk *disk, const struct core_disk *ask,
                       struct disk_core *answer)
{
    uint64_t used = 0, last = disk->wal->last.index;
    uint64_t to = ask->last_index < last ? ask->last_index : last;
    struct fault why;
    answer->index = ask->first_index;
    answer->error = ERR_NOTFOUND;
    if (ask->first_index == 0 || ask->first_index > to)
        return;
    answer->error = wal_read(disk->wal, ask->first_index, to, ask->buffer, ask->size, &used,
                             &answer->count, &why);
    answer->size = (uint32_t)used;
    if (answer->error == ERR_CORRUPT || answer->error == ERR_IO)
        say(SAY_WARN, "old entries cannot be read: %s", why.text);
}

static int snapshot_read_chunk(struct role_disk *disk, const struct core_disk *ask,
                               struct disk_core *answer)
{
    struct disk_io *io = disk->wal->io;
    char name[DISK_PATH_SIZE_MAX];
    int file;
    disk->config.snapshot_name(name, ask->last_index);
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, NULL);
    if (err)
        return err;
    err = io->size(io->ctx, file, &answer->offset, NULL);
    if (!err)
        err = io->pread(io->ctx, file, ask->offset, ask->buffer, ask->size, &answer->size, NULL);
    io->close(io->ctx, file);
    return err;
}

/* A full disk is the asker's matter: the snapshot is asked for again later. */
static int snapshot_write_chunk(struct role_disk *disk, const struct core_disk *ask)
{
    struct disk_io *io = disk->wal->io;
    int file;
    int err = ask->offset == 0 ? io->unlink(io->ctx, DISK_CHORES_RECEIVED, &disk->fault) : 0;
    if (err && err != ERR_NOTFOUND)
        return err;
    err = io->open(io->ctx, DISK_CHORES_RECEIVED,
                   ask->offset == 0 ? DISK_OPEN_CREATE : DISK_OPEN_WRITE, &file, &disk->fault);
    if (err)
        return err;
    err = io->pwrite(io->ctx, file, ask->offset, ask->buffer, ask->size, &disk->fault);
    io->close(io->ctx, file);
    return err;
}

static int received_sync(struct role_disk *disk)
{
    struct disk_io *io = disk->wal->io;
    int file;
    int err = io->open(io->ctx, DISK_CHORES_RECEIVED, DISK_OPEN_WRITE, &file, &disk->fault);
    if (err)
        return err;
#if TAKT_PLANT != 24
    err = io->sync(io->ctx, file, &disk->fault);
#endif
    io->close(io->ctx, file);
    return err;
}

/* *refused: the file is not what it should be; the node goes on, and asks for it again. */
static int snapshot_install(struct role_disk *disk, struct wal_position at, int32_t *refused)
{
    struct disk_io *io = disk->wal->io;
    struct superblock_state *state = &disk->config.superblock->state;
    char name[DISK_PATH_SIZE_MAX];
    struct fault why;
    int err = received_sync(disk);
    if (err)
        return err;
    *refused =
        disk->config.snapshot_check(disk->config.snapshot_self, DISK_CHORES_RECEIVED, at, &why);
    if (*refused) {
        say(SAY_WARN, "a snapshot that a peer sent is not used: %s", why.text);
        return 0;
    }
    /* From the next line on there is no way back: the log must find its place. */
    err = wal_reset_room(disk->wal, &disk->fault);
    if (err) {
        *refused = ERR_NOSPACE;
        return err == ERR_NOSPACE ? 0 : err;
    }
    state->installed_index = state->snapshot_index = at.index;
    state->installed_term = state->snapshot_term = at.term;
    state->installed_chain = at.chain;
    err = superblock_save(disk->config.superblock, state, &disk->fault);
    disk->config.snapshot_name(name, at.index);
    if (!err)
        err = io->rename(io->ctx, DISK_CHORES_RECEIVED, name, &disk->fault);
    if (!err)
        err = io->sync_dir(io->ctx, &disk->fault);
    return err ? err : wal_reset(disk->wal, at, &disk->fault);
}

int disk_chores_do(struct role_disk *disk, const struct core_disk *ask, uint32_t size,
                   struct disk_core *answer)
{
    const struct wal_position at = {ask->last_index, ask->term, ask->chain};
    int err = 0;
    *answer = (struct disk_core){.index = ask->last_index, .number = ask->number};
    switch (ask->kind) {
    case CORE_DISK_SAVE:
        answer->kind = DISK_CORE_SAVED;
        answer->number = ((const struct core_disk_save *)(ask + 1))->term;
        return chore_save(disk, ask, size);
    case CORE_DISK_READ:
        answer->kind = DISK_CORE_READ_DONE;
        chore_read(disk, ask, answer);
        return 0;
    case CORE_DISK_READ_SNAPSHOT:
        answer->kind = DISK_CORE_SNAPSHOT_READ;
        answer->error = snapshot_read_chunk(disk, ask, answer);
        return 0;
    case CORE_DISK_WRITE_SNAPSHOT:
        answer->kind = DISK_CORE_SNAPSHOT_WRITTEN;
        answer->offset = ask->offset;
        answer->size = ask->size;
        err = snapshot_write_chunk(disk, ask);
        answer->error = err == ERR_NOSPACE || err == ERR_NOTFOUND ? err : 0;
        return answer->error ? 0 : err;
    case CORE_DISK_INSTALL:
        answer->kind = DISK_CORE_INSTALLED;
        return snapshot_install(disk, at, &answer->error);
    }
    CHECK(!"known core_disk kind");
    return ERR_RANGE;
}
