#include "consensus/superblock.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define MAGIC 0x31505553544b4154ull /* "TAKTSUP1" */

enum copy_flag {
    FLAG_FORMED = 1,
    FLAG_CATCHING_UP = 2,
    FLAG_UNFLUSHED = 4,
    FLAG_FORGET = 8,
    FLAG_DISK_LACKS = 16,
};

struct copy {
    uint64_t magic;
    uint32_t version;
    uint32_t crc; /* CRC32C of everything behind this field */
    uint64_t sequence;
    uint8_t cluster_id[16];
    uint64_t term, snapshot_index, snapshot_term;
    uint8_t node_id, vote, flags, pad[5];
    uint64_t salt, incarnation;
    uint64_t installed_index, installed_term, installed_chain;
    uint8_t rest[SUPERBLOCK_SIZE - 112]; /* 0; of older builds, the first 2072 may not be */
};
static_assert(sizeof(struct copy) == SUPERBLOCK_SIZE, "struct copy is stored");
static_assert(offsetof(struct copy, sequence) == 16, "struct copy is stored");
static_assert(offsetof(struct copy, rest) == 112, "struct copy is stored");

static const char *const copy_names[2] = {"superblock.0", "superblock.1"};

/* One copy as it was found. */
struct found {
    struct copy copy;
    int err; /* 0, ERR_NOTFOUND, ERR_VERSION, ERR_CORRUPT */
    struct fault fault;
};

static uint32_t copy_crc(const struct copy *copy)
{
    size_t from = offsetof(struct copy, sequence);
    return crc32c(0, (const uint8_t *)copy + from, sizeof(*copy) - from);
}

static int copy_judge(const struct copy *copy, const char *name, struct fault *fault)
{
    if (copy->magic != MAGIC)
        return fault_set(fault, ERR_CORRUPT, "%s: expected a superblock, found magic %016" PRIx64,
                         name, copy->magic);
    if (copy->version != SUPERBLOCK_VERSION)
        return fault_set(fault, ERR_VERSION, "%s has format %u; this build reads %u%s", name,
                         copy->version, SUPERBLOCK_VERSION,
                         copy->version < SUPERBLOCK_VERSION
                             ? ": an older takt wrote it; start with an empty data directory"
                             : ": a newer takt wrote it");
    if (copy->crc != copy_crc(copy))
        return fault_set(fault, ERR_CORRUPT, "%s: checksum expected %08x, found %08x", name,
                         copy_crc(copy), copy->crc);
    if (copy->node_id == 0 || copy->node_id > 254)
        return fault_set(fault, ERR_CORRUPT, "%s: impossible node id %u", name, copy->node_id);
    return 0;
}

/* Returns 0 when the disk could be asked; what was found is in `found`. */
static int copy_load(struct disk_io *io, uint32_t which, struct found *found, struct fault *fault)
{
    const char *name = copy_names[which];
    uint32_t got = 0;
    int file;
    memset(found, 0, sizeof(*found));
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, &found->fault);
    if (err == ERR_NOTFOUND) {
        found->err = err;
        return 0;
    }
    if (err) {
        *fault = found->fault;
        return err;
    }
    err = io->pread(io->ctx, file, 0, &found->copy, sizeof(found->copy), &got, fault);
    io->close(io->ctx, file);
    if (!err)
        found->err = copy_judge(&found->copy, name, &found->fault);
    return err;
}

/* Writes one copy in place and syncs it; makes the file when it is missing. */
static int copy_write(struct disk_io *io, uint32_t which, const struct copy *copy,
                      struct fault *fault)
{
    const char *name = copy_names[which];
    int file;
    int err = io->open(io->ctx, name, DISK_OPEN_WRITE, &file, fault);
    bool made = err == ERR_NOTFOUND;
    if (made)
        err = io->open(io->ctx, name, DISK_OPEN_CREATE, &file, fault);
    if (err)
        return err;
    err = io->pwrite(io->ctx, file, 0, copy, sizeof(*copy), fault);
    if (!err)
        err = io->sync(io->ctx, file, fault);
    io->close(io->ctx, file);
    return !err && made ? io->sync_dir(io->ctx, fault) : err;
}

static void copy_fill(struct copy *copy, const struct superblock *superblock)
{
    const struct superblock_state *state = &superblock->state;
    *copy = (struct copy){.magic = MAGIC,
                          .version = SUPERBLOCK_VERSION,
                          .sequence = superblock->sequence,
                          .term = state->term,
                          .snapshot_index = state->snapshot_index,
                          .snapshot_term = state->snapshot_term,
                          .node_id = state->node_id,
                          .vote = state->vote,
                          .salt = state->salt,
                          .incarnation = state->incarnation,
                          .installed_index = state->installed_index,
                          .installed_term = state->installed_term,
                          .installed_chain = state->installed_chain};
    /* a build that does not know of `unflushed` is told enough: no vote */
    bool unflushed = state->unflushed && state->formed;
    copy->flags = (uint8_t)((state->formed ? FLAG_FORMED : 0) |
                            (state->catching_up || unflushed ? FLAG_CATCHING_UP : 0) |
                            (unflushed ? FLAG_UNFLUSHED : 0) | (state->forget ? FLAG_FORGET : 0) |
                            (state->disk_lacks ? FLAG_DISK_LACKS : 0));
    memcpy(copy->cluster_id, state->cluster_id, sizeof(copy->cluster_id));
    copy->crc = copy_crc(copy);
}

static int both_write(struct superblock *superblock, struct fault *fault)
{
    struct copy copy;
    copy_fill(&copy, superblock);
    CHECK(copy.sequence > 0 && copy.node_id != 0);
    int err = copy_write(superblock->io, 0, &copy, fault);
#if TAKT_PLANT == 23
    if (superblock->sequence > 1)
        return err;
#endif
    return err ? err : copy_write(superblock->io, 1, &copy, fault);
}

static void state_take(struct superblock *superblock, const struct copy *copy)
{
    struct superblock_state *state = &superblock->state;
    *state = (struct superblock_state){.node_id = copy->node_id,
                                       .vote = copy->vote,
                                       .formed = copy->flags & FLAG_FORMED,
                                       .catching_up = copy->flags & FLAG_CATCHING_UP,
                                       .unflushed = copy->flags & FLAG_UNFLUSHED,
                                       .forget = copy->flags & FLAG_FORGET,
                                       .disk_lacks = copy->flags & FLAG_DISK_LACKS,
                                       .salt = copy->salt,
                                       .incarnation = copy->incarnation,
                                       .term = copy->term,
                                       .snapshot_index = copy->snapshot_index,
                                       .snapshot_term = copy->snapshot_term,
                                       .installed_index = copy->installed_index,
                                       .installed_term = copy->installed_term,
                                       .installed_chain = copy->installed_chain};
    memcpy(state->cluster_id, copy->cluster_id, sizeof(state->cluster_id));
    superblock->sequence = copy->sequence;
}

/* Takes the newer of two valid copies; what the other one promised is not taken back. */
static int copies_join(struct superblock *superblock, const struct copy *old,
                       const struct copy *new, struct superblock_report *report,
                       struct fault *fault)
{
    struct superblock_state *state = &superblock->state;
    if (old->salt != new->salt || old->node_id != new->node_id)
        return fault_set(fault, ERR_CORRUPT,
                         "superblock.0 and superblock.1 are of different nodes (%u and %u, logs "
                         "%016" PRIx64 " and %016" PRIx64 "): one was copied here from elsewhere",
                         old->node_id, new->node_id, old->salt, new->salt);
    state_take(superblock, new);
    bool tie = old->sequence == new->sequence &&memcmp(old, new, sizeof(*old)) != 0;
    if (old->term <= new->term && !tie)
        return 0;
    if (old->term > new->term) {
        state->term = old->term;
        state->vote = old->vote;
    } else if (old->term == new->term && old->vote != new->vote) {
        state->vote = SUPERBLOCK_VOTE_UNKNOWN;
    }
    state->formed |= old->flags & FLAG_FORMED;
    state->catching_up |= old->flags & FLAG_CATCHING_UP;
    state->unflushed |= old->flags & FLAG_UNFLUSHED;
    state->forget |= old->flags & FLAG_FORGET;
    state->disk_lacks |= old->flags & FLAG_DISK_LACKS;
    report->contradicted = true;
    fault_set(&report->fault, 0,
              "superblock.0 and superblock.1 contradict each other: term %" PRIu64
              " and vote %u in save %" PRIu64 ", term %" PRIu64 " and vote %u in save %" PRIu64
              "; this node goes on with term %" PRIu64 " and vote %u",
              old->term, old->vote, old->sequence, new->term, new->vote, new->sequence, state->term,
              state->vote);
    return 0;
}

/* Did another build save, or is copy i damaged (a bit of its version flipped)? Where the other copy
 * is whole, no save of another build has ended: that would have written both. Unless the disk
 * brought an old copy 0 back: then copy 1 is of a later save. */
static bool copy_other_build(const struct found found[2], int i)
{
    CHECK(found[i].err == ERR_VERSION);
    return found[!i].err || (i == 1 && found[1].copy.sequence > found[0].copy.sequence);
}

/* Chooses between what was found. mend: the other copy should be rewritten. */
static int copies_choose(struct superblock *superblock, const struct found found[2],
                         struct superblock_report *report, struct fault *fault)
{
    for (int i = 0; i < 2; i++) {
        if (found[i].err == ERR_VERSION && copy_other_build(found, i)) {
            *fault = found[i].fault;
            return ERR_VERSION;
        }
    }
    if (found[0].err && found[1].err) {
        const struct found *one = &found[found[0].err == ERR_NOTFOUND];
        return fault_set(fault, ERR_CORRUPT,
                         "no superblock copy in %s is usable: %.200s; the other "
                         "one: %.200s",
                         superblock->io->where, found[0].fault.text,
                         one == &found[0] ? found[1].fault.text : one->fault.text);
    }
    if (found[0].err || found[1].err) {
        int bad = found[1].err ? 1 : 0;
        state_take(superblock, &found[!bad].copy);
        report->mended = true;
        report->fault = found[bad].fault;
        return 0;
    }
    int newer = found[1].copy.sequence > found[0].copy.sequence;
    int err = copies_join(superblock, &found[!newer].copy, &found[newer].copy, report, fault);
    if (err)
        return err;
    report->mended = report->contradicted || found[0].copy.sequence != found[1].copy.sequence;
    if (report->mended && !report->contradicted)
        fault_set(&report->fault, 0, "%s is behind: a save did not end", copy_names[!newer]);
    return 0;
}

int superblock_read(struct superblock *superblock, struct disk_io *io,
                    struct superblock_report *report, struct fault *fault)
{
    struct found found[2];
    memset(superblock, 0, sizeof(*superblock));
    memset(report, 0, sizeof(*report));
    superblock->io = io;
    for (uint32_t i = 0; i < 2; i++) {
        int err = copy_load(io, i, &found[i], fault);
        if (err)
            return err;
    }
    /* Copy 1 is made when copy 0 is durable: without it, the making of copy 0 did not end. */
    bool unborn = found[0].err == ERR_NOTFOUND || found[0].err == ERR_CORRUPT;
    if (unborn && found[1].err == ERR_NOTFOUND)
        return fault_set(fault, ERR_NOTFOUND, "no superblock in %s", io->where);
    return copies_choose(superblock, found, report, fault);
}

struct traces {
    char name[DISK_PATH_SIZE_MAX]; /* of a file that only a node leaves; empty: none */
};

static void traces_name(void *self, const char *name)
{
    struct traces *traces = self;
    if (strncmp(name, "log.", 4) == 0 || strncmp(name, "snapshot.", 9) == 0) {
        strncpy(traces->name, name, sizeof(traces->name) - 1);
    }
}

static int superblock_create(struct superblock *superblock, const struct superblock_state *fresh,
                             struct superblock_report *report, struct fault *fault)
{
    struct disk_io *io = superblock->io;
    struct traces traces = {{0}};
    int err = io->list(io->ctx, traces_name, &traces, fault);
    if (err)
        return err;
    if (traces.name[0])
        return fault_set(fault, ERR_CORRUPT,
                         "data directory %s has %s and no superblock: it is not made anew over a "
                         "log or a snapshot; restore superblock.0 or .1, or use an empty directory",
                         io->where, traces.name);
    superblock->state = *fresh;
    superblock->sequence = 1;
    report->created = true;
    return both_write(superblock, fault);
}

int superblock_open(struct superblock *superblock, struct disk_io *io,
                    const struct superblock_state *fresh, struct superblock_report *report,
                    struct fault *fault)
{
    if (fresh->node_id == 0 || fresh->node_id > 254)
        return fault_set(fault, ERR_RANGE, "node id %u: 1 to 254 are possible", fresh->node_id);
    int err = superblock_read(superblock, io, report, fault);
    if (err == ERR_NOTFOUND)
        return superblock_create(superblock, fresh, report, fault);
    if (err)
        return err;
    if (superblock->state.node_id != fresh->node_id)
        return fault_set(fault, ERR_CONFIG,
                         "data directory %s belongs to node %u, this node is configured as %u",
                         io->where, superblock->state.node_id, fresh->node_id);
    if (report->contradicted) /* what is written now is newer than both */
        superblock->sequence++;
    return report->mended ? both_write(superblock, fault) : 0;
}

int superblock_save(struct superblock *superblock, const struct superblock_state *state,
                    struct fault *fault)
{
    CHECK(state->term >= superblock->state.term);
    CHECK(state->node_id == superblock->state.node_id && state->salt == superblock->state.salt);
    CHECK(!superblock->state.formed ||
          memcmp(state->cluster_id, superblock->state.cluster_id, 16) == 0);
    if (state != &superblock->state)
        superblock->state = *state;
    superblock->sequence++;
    return both_write(superblock, fault);
}
