#include "base/core_status.h"

#include <stdio.h>

static uint8_t status_byte(const _Atomic uint8_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* The ids of the voters that stand so, as "1 2", or "none"; returns how many. */
static uint32_t status_voters(const struct core_status *status, enum core_status_vote vote,
                              char *out, uint32_t size)
{
    uint32_t count = 0;
    size_t used = 0;

    snprintf(out, size, "none");
    for (uint32_t i = 0; i < CORE_STATUS_PEERS; i++) {
        const struct core_status_peer *peer = &status->peers[i];
        if (!status_byte(&peer->id) || !atomic_load_explicit(&peer->voter, memory_order_relaxed) ||
            status_byte(&peer->vote) != vote)
            continue;
        if (used < size)
            used += (size_t)snprintf(out + used, size - used, count ? " %u" : "%u",
                                     status_byte(&peer->id));
        count++;
    }
    return count;
}

bool core_status_stuck(const struct core_status *status, char *out, uint32_t size)
{
    char with[64], without[64], silent[64];

    out[0] = '\0';
    if (!atomic_load_explicit(&status->stuck, memory_order_relaxed))
        return false;
    uint32_t votes = status_voters(status, CORE_STATUS_VOTES, with, sizeof(with));
    uint32_t lacks = status_voters(status, CORE_STATUS_NO_VOTE, without, sizeof(without));
    uint32_t away = status_voters(status, CORE_STATUS_SILENT, silent, sizeof(silent));
    uint32_t needed = (votes + lacks + away) / 2 + 1;
    snprintf(
        out, size,
        "nobody can be elected: %u voters are needed; with a vote: %s; not heard: %s; without "
        "a vote until one leads, for what they had is lost: %s. %s",
        needed, with, silent, without,
        votes + away >= needed
            ? "Start those that are not heard"
            : "Bring back their disks; else see --recover-from-disk and --begin-anew in taktd(8)");
    return true;
}
