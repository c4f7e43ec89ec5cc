#include "tests/sim/check_log.h"

#include <stdio.h>
#include <string.h>

static char text[200];

void check_log_begin(struct check_log_place *place)
{
    *place = (struct check_log_place){0, 0};
}

const char *check_log_entry(struct check_log_place *place, struct sim_log *log,
                            const struct entry *entry)
{
    if (place->next && entry->index != place->next) {
        snprintf(text, sizeof(text), "it shows entry %llu where %llu is due",
                 (unsigned long long)entry->index, (unsigned long long)place->next);
        return text;
    }
    if (!place->next)
        place->first = entry->index;
    place->next = entry->index + 1;
    return sim_log_add(log, entry);
}

const char *check_log_started(const struct check_log_place *place, uint64_t snapshot_index)
{
    if (place->first && place->first != snapshot_index + 1) {
        snprintf(text, sizeof(text), "recovery began with entry %llu behind a snapshot at %llu",
                 (unsigned long long)place->first, (unsigned long long)snapshot_index);
        return text;
    }
    return NULL;
}

const char *check_log_done(const struct sim_log *log, uint64_t index, int64_t zxid)
{
    if (index == 0 || index > log->count || log->entries[index - 1].zxid_after == zxid)
        return NULL;
    snprintf(text, sizeof(text), "it is at zxid %llx behind entry %llu, and the model at %llx",
             (unsigned long long)zxid, (unsigned long long)index,
             (unsigned long long)log->entries[index - 1].zxid_after);
    return text;
}
