#include "dataplane/peer.h"

#include "base/check.h"
#include "consensus/peer_message.h"
#include "dataplane/peer_receive.h"
#include "dataplane/peer_send.h"

#include <stdio.h>
#include <string.h>

#define PEER_MESSAGE_SIZE_MAX ((uint32_t)sizeof(struct peer_message) + PEER_PAYLOAD_MAX)
#define PEER_ROUTE_AGAIN_NS   (60 * NS_PER_S) /* a route may change without a word */
#define PEER_BULK_RATE_MAX    100000000000ull /* 100 GB/s: nanoseconds times it stay below 2^64 */
#define PEER_BULK_BURST_MIN   (16u << 10)
#define PEER_SIZE_DEFAULT     DATAGRAM_SIZE_MIN

static_assert((int)PEER_KIND_COUNT <= (int)PEER_UPDATE_SET,
              "an update is told from a message by its first byte");
static_assert((uint64_t)PEER_FRAME_COUNT_MAX *
                      (DATAGRAM_SIZE_MIN - PEER_FRAME_SIZE - PEER_KEYS_MAC_SIZE - 8) >=
                  PEER_MESSAGE_SIZE_MAX,
              "the largest message is cut into few enough pieces at the least MTU");

static const char *const peer_drop_texts[PEER_DROP_COUNT] = {
#define PEER_DROP_TEXT(name, metric, text) text,
    PEER_DROP_TABLE(PEER_DROP_TEXT)
#undef PEER_DROP_TEXT
};

const char *peer_drop_text(enum peer_drop drop)
{
    CHECK(drop < PEER_DROP_COUNT);
    return peer_drop_texts[drop];
}

const struct peer_seen *peer_seen_of(const struct peer *peer, uint32_t index)
{
    CHECK(index < PEER_COUNT_MAX);
    return &peer->remotes[index].seen;
}

/* ---- the peer table ---- */

static struct peer_remote *peer_find(struct peer *peer, uint8_t id)
{
    return peer->index_of[id] ? &peer->remotes[peer->index_of[id] - 1] : NULL;
}

static void peer_remove(struct peer *peer, uint8_t id)
{
    struct peer_remote *remote = peer_find(peer, id);
    if (!remote)
        return;
    remote->id = 0;
    peer->index_of[id] = 0;
    atomic_store_explicit(&remote->seen.id, 0, memory_order_relaxed);
    counters_add(peer->parts.page, METRIC_peer_members, -(uint64_t)1);
    peer->due_ns = 0;
}

/* A free slot; when there is none, that of a guest, else of the member not heard for longest: more
 * than PEER_COUNT_MAX are known only when some that have left were not removed. */
static struct peer_remote *peer_slot(struct peer *peer)
{
    struct peer_remote *silent = &peer->remotes[0];
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        if (!peer->remotes[i].id)
            return &peer->remotes[i];
        bool guest = peer->remotes[i].guest_ns, before = silent->guest_ns;
        if (guest != before ? guest : peer->remotes[i].heard_ns < silent->heard_ns)
            silent = &peer->remotes[i];
    }
    peer_remove(peer, silent->id);
    return silent;
}

/* Ids go on, behind those of every slot: this node's incarnation is the same, and so may be the
 * other side's, which may have been in any slot before. */
static void peer_ids_go_on(const struct peer *peer, struct peer_remote *remote)
{
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        const struct peer_remote *other = &peer->remotes[i];
        if (other->urgent.id_sent > remote->urgent.id_sent)
            remote->urgent.id_sent = other->urgent.id_sent;
        if (other->bulk.id_sent > remote->bulk.id_sent)
            remote->bulk.id_sent = other->bulk.id_sent;
    }
}

/* Nothing is left of the peer that was in the slot but the memory. */
static struct peer_remote *peer_add(struct peer *peer, uint8_t id)
{
    struct peer_remote *remote = peer_slot(peer);
    struct peer_stream urgent = remote->urgent, bulk = remote->bulk;
    memset(remote, 0, sizeof(*remote));
    remote->urgent.in = urgent.in;
    remote->bulk.in = bulk.in;
    peer_reassembly_reset(&remote->urgent.in);
    peer_reassembly_reset(&remote->bulk.in);
    remote->urgent.id_sent = urgent.id_sent;
    remote->bulk.id_sent = bulk.id_sent;
    peer_ids_go_on(peer, remote);
    remote->id = id;
    remote->size_max = PEER_SIZE_DEFAULT;
    peer->index_of[id] = (uint8_t)(remote - peer->remotes + 1);
    atomic_store_explicit(&remote->seen.id, id, memory_order_relaxed);
    counters_add(peer->parts.page, METRIC_peer_members, 1);
    return remote;
}

static void peer_set(struct peer *peer, const struct peer_member *member)
{
    struct peer_remote *remote = peer_find(peer, member->id);
    if (member->id == peer->config.id || member->id == 0)
        return;
    if (!remote)
        remote = peer_add(peer, member->id);
    remote->guest_ns = 0;
    bool renamed = strncmp(remote->name, member->name, sizeof(remote->name)) != 0;
    memcpy(remote->name, member->name, sizeof(remote->name));
    remote->name[sizeof(remote->name) - 1] = '\0';
    /* An address that is not known yet does not take the place of one that is, of the same name. */
    bool usable = member->address.port || renamed;
    if (usable && memcmp(&remote->address, &member->address, sizeof(remote->address)) != 0) {
        remote->address = member->address;
        peer_send_route(peer, remote);
    }
    peer->due_ns = 0;
}

struct peer_remote *peer_guest(struct peer *peer, uint8_t id, const struct address *at)
{
    uint32_t used = 0;
    while (used < PEER_COUNT_MAX && peer->remotes[used].id)
        used++;
    if (used == PEER_COUNT_MAX || id == 0 || id == peer->config.id)
        return NULL;
    struct peer_remote *remote = peer_add(peer, id);
    remote->guest_ns = peer->now.mono_ns;
    remote->address = *at;
    peer_send_route(peer, remote);
    peer->due_ns = 0;
    return remote;
}

void peer_guest_goes(struct peer *peer, const struct peer_remote *remote)
{
    CHECK(remote->guest_ns);
    peer_remove(peer, remote->id);
}

static void peer_update(struct peer *peer, const struct peer_update *update)
{
    switch (update->kind) {
    case PEER_UPDATE_SET: peer_set(peer, &update->member); break;
    case PEER_UPDATE_REMOVE: peer_remove(peer, update->member.id); break;
    case PEER_UPDATE_CLUSTER:
        memcpy(peer->config.cluster, update->cluster, sizeof(peer->config.cluster));
        break;
    case PEER_UPDATE_KEYS:
        peer->config.keys = *update->keys;
        if (update->keys_taken) /* pairs with the acquire of whoever frees the keys */
            atomic_store_explicit(update->keys_taken, 1, memory_order_release);
        break;
    default: CHECK(!"a record that is neither a message nor an update");
    }
}

/* ---- init ---- */

void peer_config_default(struct peer_config *config)
{
    memset(config, 0, sizeof(*config));
    config->bulk_bytes_per_s = 64u << 20;
    config->bulk_burst_size = 64u << 10;
    config->bulk_queue_size = 32u << 20;
    config->greet_ms = 500;
    config->unreachable_ms = 2000;
    config->slots = 16;
    config->bulk_slots = 16; /* more than CORE_BULK_COUNT_MAX, and a chunk */
}

static int peer_check_members(const struct peer_config *config, struct fault *fault)
{
    bool used[256] = {false};
    uint32_t others = 0;
    if (config->member_count > PEER_COUNT_MAX + 1)
        return fault_set(fault, ERR_RANGE, "%u members: an ensemble has at most %u",
                         config->member_count, PEER_COUNT_MAX + 1);
    for (uint32_t i = 0; i < config->member_count; i++) {
        uint8_t id = config->members[i].id;
        if (id == 0 || id > PEER_ID_MAX)
            return fault_set(fault, ERR_RANGE, "a member has the id %u; it must be in 1 to %u", id,
                             PEER_ID_MAX);
        if (used[id])
            return fault_set(fault, ERR_RANGE, "two members have the id %u", id);
        used[id] = true;
        others += id != config->id;
    }
    if (others > PEER_COUNT_MAX)
        return fault_set(fault, ERR_RANGE,
                         "%u members besides this one: an ensemble has at most "
                         "%u in all",
                         others, PEER_COUNT_MAX + 1);
    return 0;
}

static int peer_check(const struct peer_config *config, struct fault *fault)
{
    if (config->id == 0 || config->id > PEER_ID_MAX)
        return fault_set(fault, ERR_RANGE, "this node's id %u is not in 1 to %u", config->id,
                         PEER_ID_MAX);
    if (config->incarnation == 0)
        return fault_set(fault, ERR_RANGE, "this node has no incarnation");
    if (config->bulk_bytes_per_s == 0 || config->bulk_bytes_per_s > PEER_BULK_RATE_MAX ||
        config->bulk_burst_size < PEER_BULK_BURST_MIN)
        return fault_set(fault, ERR_RANGE,
                         "the pace of bulk between peers must be in 1 to %llu "
                         "bytes a second, its burst at least %u bytes",
                         PEER_BULK_RATE_MAX, PEER_BULK_BURST_MIN);
    if (config->bulk_queue_size < 4ull * PEER_MESSAGE_SIZE_MAX)
        return fault_set(fault, ERR_RANGE,
                         "the queue of bulk between peers must have at least %llu "
                         "bytes",
                         4ull * PEER_MESSAGE_SIZE_MAX);
    if (config->greet_ms == 0 || config->unreachable_ms == 0)
        return fault_set(fault, ERR_RANGE, "the peers' times must not be 0");
    if (config->slots == 0 || config->slots > PEER_REASSEMBLY_SLOTS_MAX ||
        config->bulk_slots == 0 || config->bulk_slots > PEER_REASSEMBLY_SLOTS_MAX)
        return fault_set(fault, ERR_RANGE, "messages under reassembly must be in 1 to %u a peer",
                         PEER_REASSEMBLY_SLOTS_MAX);
    return peer_check_members(config, fault);
}

static int peer_memory(struct peer *peer, struct fault *fault)
{
    int err = link_init(&peer->bulk, "peer_bulk", peer->config.bulk_queue_size);
    if (err)
        return fault_set(fault, err, "the queue of bulk between peers, %llu bytes: %s",
                         (unsigned long long)peer->config.bulk_queue_size,
                         err == ERR_RANGE ? "not a power of two" : "no memory");
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        struct peer_remote *remote = &peer->remotes[i];
        if (peer_reassembly_init(&remote->urgent.in, peer->config.slots, PEER_MESSAGE_SIZE_MAX) ||
            peer_reassembly_init(&remote->bulk.in, peer->config.bulk_slots, PEER_MESSAGE_SIZE_MAX))
            return fault_set(fault, ERR_NOMEM, "no memory for the peers' messages");
    }
    return 0;
}

int peer_init(struct peer *peer, const struct peer_config *config, const struct peer_parts *parts,
              struct fault *fault)
{
    static const struct datagram_events events = {peer_receive_datagram};
    int err = peer_check(config, fault);
    if (err)
        return err;
    memset(peer, 0, sizeof(*peer));
    peer->config = *config;
    peer->parts = *parts;
    err = peer_memory(peer, fault);
    if (err) {
        peer_fini(peer);
        return err;
    }
    peer->tokens = config->bulk_burst_size;
    datagram_start(parts->port, &events, peer);
    for (uint32_t i = 0; i < config->member_count; i++)
        peer_set(peer, &config->members[i]);
    return 0;
}

void peer_fini(struct peer *peer)
{
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        peer_reassembly_fini(&peer->remotes[i].urgent.in);
        peer_reassembly_fini(&peer->remotes[i].bulk.in);
    }
    if (peer->bulk.data)
        link_fini(&peer->bulk);
    peer->bulk.data = NULL;
}

/* ---- one turn ---- */

static uint32_t peer_take(struct peer *peer, struct link *link)
{
    uint32_t count = 0, bytes = 0, size;
    const void *record;
    while (count < PEER_TURN_MESSAGES && bytes < PEER_TURN_SIZE &&
           (record = link_peek(link, &size))) {
        if (UNLIKELY(*(const uint8_t *)record >= PEER_UPDATE_SET)) {
            CHECK(size == sizeof(struct peer_update));
            peer_update(peer, record);
        } else {
            peer_send_message(peer, record, size);
        }
        link_pop(link);
        count++;
        bytes += size;
    }
    if (count)
        link_release(link);
    return count;
}

/* Looks at one peer: greets it when it is due, notices that it is not heard. Returns when to look
 * again. */
static uint64_t peer_look_at(struct peer *peer, struct peer_remote *remote)
{
    uint64_t now_ns = peer->now.mono_ns, greet_ns = peer->config.greet_ms * NS_PER_MS;
    uint64_t silence_ns = peer->config.unreachable_ms * NS_PER_MS, due_ns;
    bool reachable = remote->heard_ns && now_ns - remote->heard_ns < silence_ns;
    atomic_store_explicit(&remote->seen.reachable, reachable, memory_order_relaxed);
    if (now_ns - remote->size_asked_ns >= PEER_ROUTE_AGAIN_NS) {
        peer_send_route(peer, remote);
        remote->size_asked_ns = now_ns;
    }
    if (now_ns - remote->sent_ns >= greet_ns || !remote->greeted_ns) {
        peer_send_greeting(peer, remote);
        remote->sent_ns = now_ns; /* also when it could not be sent: not again at once */
        remote->greeted_ns = now_ns ? now_ns : 1;
    }
    due_ns = remote->sent_ns + greet_ns;
    if (reachable && remote->heard_ns + silence_ns < due_ns)
        due_ns = remote->heard_ns + silence_ns;
    return due_ns;
}

static void peer_look(struct peer *peer)
{
    uint32_t unreachable = 0;
    uint64_t too_large =
        atomic_load_explicit(&peer->parts.port->counters.tx_too_large, memory_order_relaxed);
    peer->due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        struct peer_remote *remote = &peer->remotes[i];
        if (remote->id && remote->guest_ns && peer->now.mono_ns - remote->guest_ns >= PEER_GUEST_NS)
            peer_guest_goes(peer, remote); /* also one that is never heard again */
        if (!remote->id)
            continue;
        if (too_large != peer->too_large_seen)
            peer_send_route(peer, remote);
        uint64_t due_ns = peer_look_at(peer, remote);
        peer->due_ns = due_ns < peer->due_ns ? due_ns : peer->due_ns;
        unreachable += !atomic_load_explicit(&remote->seen.reachable, memory_order_relaxed);
    }
    peer->too_large_seen = too_large;
    counters_set(peer->parts.page, METRIC_peer_unreachable, unreachable);
}

uint32_t peer_poll(void *self, struct now now)
{
    struct peer *peer = self;
    struct datagram_port *port = peer->parts.port;
    uint32_t work = 0;
    if (UNLIKELY(now.mono_ns - peer->now.mono_ns >= PEER_STILL_NS))
        peer->woke_ns = now.mono_ns;
    peer->now = now;
    if (peer->parts.ctl_peer)
        work += peer_take(peer, peer->parts.ctl_peer);
    uint32_t received = datagram_poll(port, now);
    if (received)
        link_publish(peer->parts.peer_core);
    work += received + peer_take(peer, peer->parts.core_peer);
    if (UNLIKELY(peer_send_bulk_waits(peer)))
        work += peer_send_bulk(peer);
    if (UNLIKELY(now.mono_ns >= peer->due_ns))
        peer_look(peer);
    datagram_flush(port);
    if (UNLIKELY(atomic_load_explicit(&port->counters.tx_too_large, memory_order_relaxed) !=
                 peer->too_large_seen))
        peer->due_ns = 0; /* a path has become narrower */
    return work;
}

uint32_t peer_finish(void *self, struct now now)
{
    struct peer *peer = self;
    if (link_empty(peer->parts.core_peer))
        return 0;
    uint32_t work = peer_take(peer, peer->parts.core_peer);
    datagram_flush(peer->parts.port);
    return work;
}

bool peer_idle(void *self)
{
    struct peer *peer = self;
    return link_empty(peer->parts.core_peer) &&
           (!peer->parts.ctl_peer || link_empty(peer->parts.ctl_peer)) &&
           datagram_idle(peer->parts.port);
}

uint64_t peer_deadline_ns(void *self, struct now now)
{
    struct peer *peer = self;
    uint64_t due_ns = peer->due_ns, bulk_ns = peer_send_bulk_due_ns(peer);
    uint64_t port_ns = datagram_deadline_ns(peer->parts.port, now);
    due_ns = bulk_ns < due_ns ? bulk_ns : due_ns;
    return port_ns < due_ns ? port_ns : due_ns;
}

int peer_park_fds(void *self, int *fds, int max)
{
    struct peer *peer = self;
    return datagram_park_fds(peer->parts.port, fds, max);
}
