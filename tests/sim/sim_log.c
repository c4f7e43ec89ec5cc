#include "tests/sim/sim_log.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *sim_grow(void *at, uint64_t count, uint64_t *room, size_t size)
{
    if (count < *room)
        return at;
    *room = *room ? *room * 2 : 64;
    at = realloc(at, *room * size);
    CHECK(at);
    return at;
}

static uint8_t *sim_copy(const void *from, int64_t size)
{
    uint8_t *to = malloc(size > 0 ? (size_t)size + 1 : 1);
    CHECK(to);
    if (size > 0)
        memcpy(to, from, (size_t)size);
    to[size > 0 ? size : 0] = 0;
    return to;
}

void sim_log_init(struct sim_log *log, const struct model_config *config)
{
    memset(log, 0, sizeof(*log));
    log->model = model_create(config);
    CHECK(log->model);
    check_once_init(&log->once);
}

void sim_log_fini(struct sim_log *log)
{
    for (uint64_t i = 0; i < log->count; i++) {
        free(log->entries[i].payload);
        free(log->entries[i].body);
    }
    for (uint64_t i = 0; i < log->change_count; i++)
        free(log->changes[i].path);
    for (uint32_t i = 0; i < log->path_count; i++) {
        for (uint32_t k = 0; k < log->paths[i].count; k++)
            free(log->paths[i].states[k].data);
        free(log->paths[i].states);
        free(log->paths[i].path);
    }
    free(log->entries);
    free(log->changes);
    free(log->paths);
    free(log->path_table);
    check_once_fini(&log->once);
    model_destroy(log->model);
}

/* The place of a path in the table: its own, or the free one it would get. */
static uint32_t *path_place(const struct sim_log *log, const char *path)
{
    uint64_t hash = 14695981039346656037ull;

    for (const char *at = path; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 1099511628211ull;
    for (uint64_t i = hash ^ hash >> 32;; i++) {
        uint32_t *place = &log->path_table[i & (log->path_table_room - 1)];
        if (*place == 0 || strcmp(log->paths[*place - 1].path, path) == 0)
            return place;
    }
}

static void path_table_grow(struct sim_log *log)
{
    free(log->path_table);
    log->path_table_room = log->path_table_room ? 2 * log->path_table_room : 256;
    log->path_table = calloc(log->path_table_room, sizeof(*log->path_table));
    CHECK(log->path_table);
    for (uint32_t i = 0; i < log->path_count; i++)
        *path_place(log, log->paths[i].path) = i + 1;
}

static struct sim_path *log_path(struct sim_log *log, const char *path)
{
    if (2 * log->path_count >= log->path_table_room)
        path_table_grow(log);
    uint32_t *place = path_place(log, path);
    if (*place)
        return &log->paths[*place - 1];
    uint64_t room = log->path_room;
    log->paths = sim_grow(log->paths, log->path_count, &room, sizeof(*log->paths));
    log->path_room = (uint32_t)room;
    struct sim_path *to = &log->paths[log->path_count++];
    memset(to, 0, sizeof(*to));
    to->path = (char *)sim_copy(path, (int64_t)strlen(path));
    *place = log->path_count;
    return to;
}

/* Notes how a path is now. Several notes at one zxid (a multi) keep the last. */
static void log_note(struct sim_log *log, const char *path, int64_t zxid)
{
    struct sim_path *at = log_path(log, path);
    const struct model_node *node = model_find(log->model, bytes_of_string(path));

    if (at->count && at->states[at->count - 1].zxid == zxid)
        free(at->states[--at->count].data);
    uint64_t room = at->room;
    at->states = sim_grow(at->states, at->count, &room, sizeof(*at->states));
    at->room = (uint32_t)room;
    struct sim_state *state = &at->states[at->count++];
    memset(state, 0, sizeof(*state));
    state->zxid = zxid;
    state->exists = node != NULL;
    if (!node)
        return;
    model_stat(node, &state->stat);
    state->data_size = node->data.size;
    state->data = sim_copy(node->data.at, node->data.size);
}

static void log_note_parent(struct sim_log *log, const char *path, int64_t zxid)
{
    char parent[512];
    const char *slash = strrchr(path, '/');
    size_t size = slash == path ? 1 : (size_t)(slash - path);

    CHECK(size < sizeof(parent));
    memcpy(parent, path, size);
    parent[size] = '\0';
    log_note(log, parent, zxid);
}

static void log_changes(struct sim_log *log, const struct model_result *result)
{
    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct model_change *change = &result->changes[i];
        log->changes =
            sim_grow(log->changes, log->change_count, &log->change_room, sizeof(*log->changes));
        struct sim_change *to = &log->changes[log->change_count++];
        to->zxid = result->zxid;
        to->event = change->event;
        to->unordered = result->session_gone;
        to->path = (char *)sim_copy(change->path.at, change->path.size);
        log_note(log, to->path, result->zxid);
        if (change->event != ZK_EVENT_DATA_CHANGED)
            log_note_parent(log, to->path, result->zxid);
    }
}

/* Returns NULL, or what is wrong. */
static const char *log_new(struct sim_log *log, const struct entry *entry)
{
    const struct command *command = entry->payload;
    const uint8_t *body = (const uint8_t *)(command + 1);
    const struct model_result *result = model_apply(log->model, entry->term, command, body);

    log->entries = sim_grow(log->entries, log->count, &log->room, sizeof(*log->entries));
    struct sim_entry *to = &log->entries[log->count++];
    memset(to, 0, sizeof(*to));
    to->term = entry->term;
    to->size = entry->size;
    to->payload = sim_copy(entry->payload, entry->size);
    to->answered = result->answered;
    to->effect = result->answered && !result->again;
    to->error = result->error;
    to->zxid = result->zxid;
    to->zxid_after = model_zxid(log->model);
    to->body_size = result->body.size;
    to->body = sim_copy(result->body.at, result->body.size);
    to->session = result->session;
    if (result->whose) {
        to->whose_session = result->whose->session;
        to->whose_xid = result->whose->xid;
    }
    to->gone = result->session_gone;
    log_changes(log, result);
    if (command->kind == COMMAND_REQUEST && command->op == ZK_OP_SET_ACL && result->error == 0) {
        struct jute_in in = jute_in(body, command->body_size);
        struct bytes path = jute_get_bytes(&in);
        char *text = (char *)sim_copy(path.at, path.size);
        log_note(log, text, result->zxid);
        free(text);
    }
    return check_once_entry(&log->once, command, to->session, to->effect);
}

const char *sim_log_add(struct sim_log *log, const struct entry *entry)
{
    static char text[160];

    if (entry->index < 1 || entry->index > log->count + 1) {
        snprintf(text, sizeof(text), "entry %llu is shown, and only %llu are committed",
                 (unsigned long long)entry->index, (unsigned long long)log->count);
        return text;
    }
    if (entry->index == log->count + 1)
        return log_new(log, entry);
    const struct sim_entry *before = &log->entries[entry->index - 1];
    if (before->term == entry->term && before->size == entry->size &&
        memcmp(before->payload, entry->payload, entry->size) == 0)
        return NULL;
    snprintf(text, sizeof(text), "entry %llu of term %llu is another one of term %llu elsewhere",
             (unsigned long long)entry->index, (unsigned long long)entry->term,
             (unsigned long long)before->term);
    return text;
}

const struct sim_entry *sim_log_find(const struct sim_log *log, int64_t session, int32_t xid)
{
    for (uint64_t i = log->count; i > 0; i--) {
        const struct command *command = (const struct command *)log->entries[i - 1].payload;
        if (command->session == session && command->xid == xid && command->kind == COMMAND_REQUEST)
            return &log->entries[i - 1];
        if (log->entries[i - 1].whose_session == session && log->entries[i - 1].whose_xid == xid)
            return &log->entries[i - 1];
    }
    return NULL;
}

const struct sim_state *sim_log_at(const struct sim_log *log, const char *path, int64_t zxid)
{
    uint32_t place = log->path_table_room ? *path_place(log, path) : 0;

    if (!place)
        return NULL;
    const struct sim_path *at = &log->paths[place - 1];
    for (uint32_t k = at->count; k > 0; k--)
        if (at->states[k - 1].zxid <= zxid)
            return at->states[k - 1].exists ? &at->states[k - 1] : NULL;
    return NULL;
}

int64_t sim_log_zxid(const struct sim_log *log)
{
    return model_zxid(log->model);
}
