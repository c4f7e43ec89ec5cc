#include "tests/sim/check_beat.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 1, 2))) static const char *beat_wrong(const char *format, ...)
{
    static char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return text;
}

static struct check_beat_life *beat_life(struct check_beat *check, int64_t session)
{
    uint64_t at = (uint64_t)session * 0x9e3779b97f4a7c15ull >> 40;

    for (uint32_t tries = 0; tries < CHECK_BEAT_SESSIONS; tries++, at++) {
        struct check_beat_life *life = &check->lives[at % CHECK_BEAT_SESSIONS];
        if (life->session == session || life->session == 0) {
            life->session = session;
            return life;
        }
    }
    CHECK(!"more native sessions than a run has");
    return NULL;
}

const char *check_beat_entry(struct check_beat *check, const struct command *command, bool effect)
{
    if (command->kind != COMMAND_REQUEST || !(command->flags & COMMAND_ONCE) || !effect)
        return NULL;
    struct check_beat_life *life = beat_life(check, command->session);
    if (command->sequence <= life->last)
        return beat_wrong("request %llu of session %llx took effect behind request %llu",
                          (unsigned long long)command->sequence,
                          (unsigned long long)command->session, (unsigned long long)life->last);
    life->last = command->sequence;
    return NULL;
}

bool check_beat_final(int32_t error)
{
    return error == TAKT_OK || error == TAKT_NO_NODE || error == TAKT_BAD_VERSION ||
           error == TAKT_NODE_EXISTS || error == TAKT_NOT_EMPTY || error == TAKT_PAST_DEADLINE ||
           error == TAKT_NO_CHILDREN_FOR_EPHEMERALS;
}

static const struct sim_entry *beat_entry(const struct sim_log *log, int64_t session,
                                          uint64_t sequence)
{
    for (uint64_t i = log->count; i > 0; i--) {
        const struct command *c = (const struct command *)log->entries[i - 1].payload;
        if (c->kind == COMMAND_REQUEST && c->session == session && c->flags & COMMAND_ONCE &&
            c->sequence == sequence && log->entries[i - 1].effect)
            return &log->entries[i - 1];
    }
    return NULL;
}

const char *check_beat_write(const struct sim_log *log, int64_t session, uint64_t sequence,
                             const struct takt_answer *answer)
{
    if (!check_beat_final(answer->error))
        return NULL;
    const struct sim_entry *entry = beat_entry(log, session, sequence);
    if (!entry)
        return beat_wrong("request %llu is answered with %d, and was never carried out",
                          (unsigned long long)sequence, answer->error);
    int32_t size = entry->error ? 0 : entry->body_size;
    if (entry->error != answer->error || entry->zxid != answer->zxid ||
        (uint32_t)size != answer->size || memcmp(entry->body, answer->bytes, answer->size) != 0)
        return beat_wrong("request %llu is answered %d at zxid %llx with %u bytes, and was %d at "
                          "%llx with %d",
                          (unsigned long long)sequence, answer->error,
                          (unsigned long long)answer->zxid, answer->size, entry->error,
                          (unsigned long long)entry->zxid, size);
    return NULL;
}

const char *check_beat_read(const struct sim_log *log, const char *path,
                            const struct takt_answer *answer)
{
    const struct sim_state *state = sim_log_at(log, path, answer->zxid);
    struct takt_stat stat;
    const uint8_t *data;
    uint32_t size;

    if (answer->error == TAKT_NO_NODE)
        return state ? beat_wrong("%s is missing at zxid %llx, and exists", path,
                                  (unsigned long long)answer->zxid)
                     : NULL;
    if (answer->error)
        return NULL;
    if (takt_read_data(answer, &data, &size, &stat))
        return beat_wrong("the answer to a read of %s is malformed", path);
    int32_t want = state && state->data_size > 0 ? state->data_size : 0;
    if (!state || stat.mzxid != state->stat.mzxid || stat.czxid != state->stat.czxid ||
        stat.version != state->stat.version || size != (uint32_t)want ||
        (size && memcmp(data, state->data, size) != 0))
        return beat_wrong("%s is read at zxid %llx as of %llx, and is another", path,
                          (unsigned long long)answer->zxid, (unsigned long long)stat.mzxid);
    return NULL;
}

/* One transaction may delete a node and create it again: what lies between its states has no zxid
 * of its own, so the changes are asked, not the states. */
static bool beat_changed(const struct sim_log *log, const struct takt_event *event,
                         const char *path)
{
    for (uint64_t i = log->change_count; i > 0; i--) {
        const struct sim_change *change = &log->changes[i - 1];
        if (change->zxid < event->zxid)
            return false;
        if (change->zxid == event->zxid && change->event == (uint32_t)event->type &&
            strcmp(change->path, path) == 0)
            return true;
    }
    return false;
}

const char *check_beat_event(const struct sim_log *log, const struct takt_event *event,
                             int64_t before)
{
    char path[128];

    if (event->zxid < before)
        return beat_wrong("an event of zxid %llx comes behind one of %llx",
                          (unsigned long long)event->zxid, (unsigned long long)before);
    snprintf(path, sizeof(path), "%.*s", (int)event->path_size, event->path);
    return beat_changed(log, event, path)
               ? NULL
               : beat_wrong("event %d of %s at zxid %llx, which was not so", event->type, path,
                            (unsigned long long)event->zxid);
}

const char *check_beat_seen(const struct sim_log *log, const struct check_beat_watch *watch,
                            const char *path, int64_t zxid)
{
    if (!watch->armed || zxid <= watch->zxid)
        return NULL;
    const struct sim_state *was = sim_log_at(log, path, watch->zxid);
    const struct sim_state *is = sim_log_at(log, path, zxid);
    if (was == is || (was && is && was->stat.mzxid == is->stat.mzxid))
        return NULL; /* also when its ACL or its children changed: nobody is told */
    return beat_wrong("%s is seen at zxid %llx, and its watch of %llx has not told of the change",
                      path, (unsigned long long)zxid, (unsigned long long)watch->zxid);
}
