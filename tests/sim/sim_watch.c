#include "tests/sim/sim_watch.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_watch_reset(struct sim_watch *watch, const struct sim_log *log, int64_t zxid)
{
    watch->count = 0;
    watch->told_count = 0;
    watch->change_next = log->change_count;
    while (watch->change_next > 0 && log->changes[watch->change_next - 1].zxid > zxid)
        watch->change_next--;
}

static int watch_find(const struct sim_watch *watch, enum sim_watch_kind kind, const char *path)
{
    for (uint32_t i = 0; i < watch->count; i++)
        if (watch->set[i].kind == kind && strcmp(watch->set[i].path, path) == 0)
            return (int)i;
    return -1;
}

static bool watch_take(struct sim_watch *watch, enum sim_watch_kind kind, const char *path)
{
    int at = watch_find(watch, kind, path);
    if (at < 0)
        return false;
    watch->set[at] = watch->set[--watch->count];
    return true;
}

void sim_watch_add(struct sim_watch *watch, enum sim_watch_kind kind, const char *path)
{
    if (watch_find(watch, kind, path) >= 0)
        return;
    CHECK(watch->count < SIM_WATCHES_MAX);
    watch->set[watch->count].kind = kind;
    snprintf(watch->set[watch->count++].path, sizeof(watch->set[0].path), "%s", path);
}

void sim_watch_hear(struct sim_watch *watch, int64_t zxid, int32_t type, struct bytes path)
{
    CHECK(watch->told_count < SIM_EVENTS_MAX);
    struct sim_event *to = &watch->told[watch->told_count++];
    to->zxid = zxid;
    to->type = type;
    snprintf(to->path, sizeof(to->path), "%.*s", path.size, (const char *)path.at);
}

static void parent_of(const char *path, char *parent, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(parent, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static bool watch_recursive(const struct sim_watch *watch, const char *path)
{
    char at[128];
    snprintf(at, sizeof(at), "%s", path);
    for (;;) {
        if (watch_find(watch, SIM_WATCH_RECURSIVE, at) >= 0)
            return true;
        if (strcmp(at, "/") == 0)
            return false;
        char up[128];
        parent_of(at, up, sizeof(up));
        snprintf(at, sizeof(at), "%s", up);
    }
}

/* The events that one change brings this connection; returns how many were put into out. */
static uint32_t watch_events(struct sim_watch *watch, const struct sim_change *change,
                             struct sim_event out[2])
{
    uint32_t n = 0;
    char parent[128];
    bool hit = watch_take(watch, SIM_WATCH_DATA, change->path);

    hit |= watch_find(watch, SIM_WATCH_PERSISTENT, change->path) >= 0;
    hit |= watch_recursive(watch, change->path);
    if (change->event == ZK_EVENT_DELETED)
        hit |= watch_take(watch, SIM_WATCH_CHILD, change->path);
    if (hit) {
        out[n].zxid = change->zxid;
        out[n].type = (int32_t)change->event;
        snprintf(out[n++].path, sizeof(out[0].path), "%s", change->path);
    }
    if (change->event == ZK_EVENT_DATA_CHANGED)
        return n;
    parent_of(change->path, parent, sizeof(parent));
    bool child = watch_take(watch, SIM_WATCH_CHILD, parent);
    child |= watch_find(watch, SIM_WATCH_PERSISTENT, parent) >= 0;
    if (child) {
        out[n].zxid = change->zxid;
        out[n].type = ZK_EVENT_CHILDREN_CHANGED;
        snprintf(out[n++].path, sizeof(out[0].path), "%s", parent);
    }
    return n;
}

static int event_compare(const void *a, const void *b)
{
    const struct sim_event *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : x->type - y->type;
}

static bool event_same(const struct sim_event *a, const struct sim_event *b)
{
    return a->zxid == b->zxid && a->type == b->type && strcmp(a->path, b->path) == 0;
}

static const char *watch_differs(const struct sim_event *want, const struct sim_event *got)
{
    static char text[600];
    snprintf(text, sizeof(text), "event due: %d %s at %llx; heard: %d %s at %llx",
             want ? want->type : 0, want ? want->path : "none",
             want ? (unsigned long long)want->zxid : 0, got ? got->type : 0,
             got ? got->path : "none", got ? (unsigned long long)got->zxid : 0);
    return text;
}

const char *sim_watch_upto(struct sim_watch *watch, const struct sim_log *log, int64_t zxid,
                           bool whole)
{
    static struct sim_event want[2 * SIM_EVENTS_MAX];
    uint32_t heard = 0;

    while (watch->change_next < log->change_count &&
           log->changes[watch->change_next].zxid <= zxid) {
        /* all changes of one zxid together, since a closing session's come in any order */
        int64_t at = log->changes[watch->change_next].zxid;
        bool unordered = log->changes[watch->change_next].unordered;
        uint32_t n = 0;
        for (;
             watch->change_next < log->change_count && log->changes[watch->change_next].zxid == at;
             watch->change_next++) {
            CHECK(n + 2 <= 2 * SIM_EVENTS_MAX);
            n += watch_events(watch, &log->changes[watch->change_next], want + n);
        }
        uint32_t left = watch->told_count - heard, compared = n < left ? n : left;
        if (whole && left < n)
            return watch_differs(&want[left], NULL);
        if (unordered && compared == n) {
            qsort(want, n, sizeof(want[0]), event_compare);
            qsort(watch->told + heard, n, sizeof(want[0]), event_compare);
        }
        for (uint32_t i = 0; i < compared && !(unordered && compared < n); i++)
            if (!event_same(&want[i], &watch->told[heard + i]))
                return watch_differs(&want[i], &watch->told[heard + i]);
        heard += compared;
    }
    if (heard != watch->told_count)
        return watch_differs(NULL, &watch->told[heard]);
    watch->told_count = 0;
    return NULL;
}
