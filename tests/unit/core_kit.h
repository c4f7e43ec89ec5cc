/* core_kit: the CORE of member 1 of an ensemble, the other members, DISK and APPLY played by hand
 * over its links, one turn at a time. For the unit tests of core_*.c. */
#pragma once

#include "consensus/core_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KIT_ROOM (1ull << 30)

static struct {
    struct role_core core;
    struct log_tail tail, theirs; /* theirs: where a leader's records are made */
    struct counters page;
    struct link net_core, core_apply, apply_core, core_disk, disk_core, core_peer, peer_core;
    struct now now;
    int failed;
    bool saved_late; /* SAVE is not answered by kit_disk */
} kit;

static inline void kit_failed(void *self, int err, const struct fault *reason)
{
    kit.failed = err;
}

static inline void kit_random(void *self, void *out, uint32_t n)
{
    memset(out, 7, n);
}

static inline void kit_cluster(void *record, const uint8_t cluster_id[CORE_CLUSTER_SIZE])
{
    *(struct peer_message *)record = (struct peer_message){.kind = PEER_KIND_COUNT};
}

static inline struct membership kit_servers(uint32_t count)
{
    struct membership servers = {.count = count};

    for (uint32_t i = 0; i < count; i++)
        servers.server[i] = (struct membership_server){.id = i + 1,
                                                       .quorum_port = 2888,
                                                       .election_port = 3888,
                                                       .client_port = 2181,
                                                       .host = {'h', (char)('1' + i)}};
    return servers;
}

/* Member 1 of `count` voters, formed, its log empty, in term 1. */
static inline void kit_begin(uint32_t count)
{
    struct raft raft;
    struct raft_config raft_config = raft_config_default(1);
    struct raft_recovered found = {.term = 1};
    struct log_tail_config tail = {
        .size = 1u << 20, .batch_size_max = 256u << 10, .block_size = 512, .batch = 1};
    struct role_core_config config = {.node_id = 1,
                                      .tick_ms = 100,
                                      .session_max = 64,
                                      .waiting_depth = 1 << 16,
                                      .random = kit_random,
                                      .ensemble = true,
                                      .incarnation = 5,
                                      .forward = {.node_id = 1,
                                                  .incarnation = 5,
                                                  .outbox_size = 1 << 20,
                                                  .message_size_max = 1 << 16,
                                                  .window_size = 1 << 18,
                                                  .retry_ns_min = 20 * NS_PER_MS,
                                                  .retry_ns_max = 200 * NS_PER_MS},
                                      .identity = {.cluster_id = {1}, .formed = true},
                                      .servers = kit_servers(count),
                                      .form_count = count,
                                      .cluster_update = kit_cluster,
                                      .cluster_update_size = sizeof(struct peer_message),
                                      .failed = kit_failed};
    struct membership_body members = {.after = kit_servers(count)};
    struct link *links[] = {&kit.net_core,  &kit.core_apply, &kit.apply_core, &kit.core_disk,
                            &kit.disk_core, &kit.core_peer,  &kit.peer_core};

    memset(&kit, 0, sizeof(kit));
    kit.now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ms = 1700000000000};
    core_member_raft(&members, &found.membership);
    assert_int_equal(raft_init(&raft, &raft_config, &found), 0);
    assert_int_equal(log_tail_init(&kit.tail, &tail), 0);
    assert_int_equal(log_tail_init(&kit.theirs, &tail), 0);
    counters_init(&kit.page, "core", 0);
    assert_int_equal(role_core_init(&kit.core, &config, &raft, &kit.tail, &kit.page, 0, 0), 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(link_init(links[i], "test", 4u << 20), 0);
    kit.core.net_core[0] = &kit.net_core;
    kit.core.net_count = 1;
    kit.core.core_apply = &kit.core_apply;
    kit.core.apply_core = &kit.apply_core;
    kit.core.core_disk = &kit.core_disk;
    kit.core.disk_core = &kit.disk_core;
    kit.core.core_peer = &kit.core_peer;
    kit.core.peer_core = &kit.peer_core;
}

static inline int kit_end(void **state)
{
    struct link *links[] = {&kit.net_core,  &kit.core_apply, &kit.apply_core, &kit.core_disk,
                            &kit.disk_core, &kit.core_peer,  &kit.peer_core};
    for (int i = 0; i < 7; i++)
        link_fini(links[i]);
    role_core_fini(&kit.core);
    log_tail_fini(&kit.tail);
    log_tail_fini(&kit.theirs);
    return 0;
}

static inline void kit_turn(void)
{
    (void)role_core_poll(&kit.core, kit.now);
}

/* So many milliseconds pass, in steps of one, with a turn in each. */
static inline void kit_pass(uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        kit.now.mono_ns += NS_PER_MS;
        kit_turn();
    }
}

/* ---- DISK ---- */

static inline void kit_disk_says(struct disk_core done)
{
    struct disk_core *at = link_reserve(&kit.disk_core, sizeof(*at));
    *at = done;
    link_publish(&kit.disk_core);
}

/* What DISK is asked next; kind 0: nothing. */
static inline struct core_disk kit_disk_next(void)
{
    uint32_t size;
    const struct core_disk *at = link_peek(&kit.core_disk, &size);
    struct core_disk ask = {0};

    if (at) {
        ask = *at;
        link_pop(&kit.core_disk);
        link_release(&kit.core_disk);
    }
    return ask;
}

/* A disk that does at once what it is asked, until it is asked nothing; with a turn behind each. */
static inline void kit_disk(void)
{
    struct core_disk ask;

    kit_turn();
    while ((ask = kit_disk_next()).kind) {
        if (ask.kind == CORE_DISK_SAVE && !kit.saved_late)
            kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
        if (ask.kind == CORE_DISK_BATCH)
            kit_disk_says((struct disk_core){.kind = DISK_CORE_DURABLE,
                                             .index = ask.last_index,
                                             .term = ask.term,
                                             .offset = ask.offset + ask.size});
        kit_turn();
    }
}

/* ---- the others ---- */

static inline void kit_hears(struct peer_message head, const void *payload, uint32_t size)
{
    head.to = 1;
    head.payload_size = size;
    uint8_t *at = link_reserve(&kit.peer_core, (uint32_t)sizeof(head) + size);
    assert_non_null(at);
    memcpy(at, &head, sizeof(head));
    if (size)
        memcpy(at + sizeof(head), payload, size);
    link_publish(&kit.peer_core);
}

/* The next message of this kind that was sent to `to`, earlier ones are dropped; NULL: none. Lent
 * until the next call. */
static inline const struct peer_message *kit_said(uint8_t kind, uint8_t to)
{
    static uint8_t copy[(256u << 10) + 64] __attribute__((aligned(8)));
    const struct peer_message *at;
    uint32_t size;
    bool found = false;

    link_publish(&kit.core_peer);
    while (!found && (at = link_peek(&kit.core_peer, &size))) {
        found = at->kind == kind && at->to == to;
        if (found) {
            assert_true(size <= sizeof(copy));
            memcpy(copy, at, size);
        }
        link_pop(&kit.core_peer);
    }
    link_release(&kit.core_peer);
    return found ? (const struct peer_message *)copy : NULL;
}

static inline void kit_say_nothing(void)
{
    assert_null(kit_said(0, 0)); /* no kind */
}

/* ---- a leader, played by hand: its entries are theirs ---- */

/* One more entry of `term` in the leader's log. */
static inline uint64_t kit_entry(uint64_t term, uint8_t kind, const void *body, uint32_t size)
{
    struct command command = {.kind = kind, .version = COMMAND_VERSION, .body_size = size};
    uint8_t *payload = log_tail_append(&kit.theirs, term, (uint32_t)sizeof(command) + size);

    assert_non_null(payload);
    memcpy(payload, &command, sizeof(command));
    if (size)
        memcpy(payload + sizeof(command), body, size);
    return log_tail_seal(&kit.theirs, payload);
}

/* Leader `from` of `term` sends the entry `index` (the last one it has), or a heartbeat: 0. */
static inline void kit_append(uint8_t from, uint64_t term, uint64_t index, uint64_t commit,
                              uint64_t round)
{
    uint64_t before = index ? index - 1 : kit.theirs.last_index;
    const struct log_record *record = index ? log_tail_find(&kit.theirs, index) : NULL;
    struct peer_message head = {.kind = PEER_APPEND,
                                .from = from,
                                .term = term,
                                .index = before,
                                .log_term = log_tail_term(&kit.theirs, before),
                                .commit = commit,
                                .context = round};
    if (record)
        peer_message_set_entries(&head, record->term, 1);
    kit_hears(head, record, record ? (uint32_t)log_record_span(record->size) : 0);
}

/* ---- member 1 leads, elected by member 2 ---- */

static inline void kit_lead(void)
{
    const struct peer_message *asked;

    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    for (int i = 0; i < 400 && kit.core.raft.state != RAFT_LEADER; i++) {
        kit_pass(1);
        kit_disk();
        if ((asked = kit_said(PEER_PRE_VOTE, 2)))
            kit_hears((struct peer_message){.kind = PEER_PRE_VOTE_REPLY,
                                            .from = 2,
                                            .term = asked->term,
                                            .context = asked->context},
                      NULL, 0);
        kit_disk();
        if ((asked = kit_said(PEER_VOTE, 2)))
            kit_hears(
                (struct peer_message){.kind = PEER_VOTE_REPLY, .from = 2, .term = asked->term},
                NULL, 0);
        kit_disk();
    }
    assert_int_equal(kit.core.raft.state, RAFT_LEADER);
    kit_disk();
}

/* Member `from` has durably all that this leader has, and says so. */
static inline void kit_agrees(uint8_t from)
{
    kit_hears((struct peer_message){.kind = PEER_APPEND_REPLY,
                                    .from = from,
                                    .term = kit.core.raft.term,
                                    .index = kit.core.raft.last_index,
                                    .context = kit.core.raft.round,
                                    .extra = kit.core.raft.last_index},
              NULL, 0);
    kit_disk();
}
