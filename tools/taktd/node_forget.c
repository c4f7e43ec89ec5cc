/* A history that was given up (consensus/core_forget.c): log and snapshots get other names, so that
 * a person may still read them, and the node has none. Done again after a crash in the middle: the
 * superblock says `forget` until recovery has begun without them. */
#include "tools/taktd/node_parts.h"

#include <stdio.h>
#include <string.h>

struct forget_found {
    char name[DISK_PATH_SIZE_MAX]; /* of a file that is not aside yet; empty: none */
};

static void forget_name(void *self, const char *name)
{
    struct forget_found *found = self;

    if (strncmp(name, "log.", 4) == 0 || strncmp(name, "snapshot.", 9) == 0)
        snprintf(found->name, sizeof(found->name), "%s", name);
}

int node_forget(struct node *node, struct fault *fault)
{
    struct disk_io *io = node->env.disk;
    uint32_t count = 0;
    int err;

    for (;; count++) {
        struct forget_found found = {.name = ""};
        char aside[DISK_PATH_SIZE_MAX];
        err = io->list(io->ctx, forget_name, &found, fault);
        if (err || !found.name[0])
            break;
        /* the incarnation tells one such day from another */
        snprintf(aside, sizeof(aside), "lost.%llu.%.35s",
                 (unsigned long long)node->superblock.state.incarnation, found.name);
        err = io->rename(io->ctx, found.name, aside, fault);
        if (err)
            break;
    }
    if (!err)
        err = io->sync_dir(io->ctx, fault);
    if (!err)
        say(SAY_WARN,
            "node %u held a history that was given up: %u files are kept in %s as lost.%llu.*, and "
            "may be removed; it catches up before it votes",
            node->superblock.state.node_id, count, io->where,
            (unsigned long long)node->superblock.state.incarnation);
    return err;
}
