#include "dataplane/peer_refuse.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const enum metric refuse_metrics[PEER_DROP_COUNT] = {
#define PEER_DROP_METRIC(name, metric, text) METRIC_peer_##metric##_total,
    PEER_DROP_TABLE(PEER_DROP_METRIC)
#undef PEER_DROP_METRIC
};

void peer_refuse_count(struct peer *peer, struct peer_remote *remote, enum peer_drop drop,
                       uint64_t n)
{
    CHECK(drop < PEER_DROP_COUNT);
    counters_add(peer->parts.page, refuse_metrics[drop], n);
    if (remote)
        datagram_count(&remote->seen.dropped[drop], n);
}

/* ---- lines ---- */

void peer_refuse_address(const struct address *address, char *text, size_t size)
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    char ip[INET6_ADDRSTRLEN];
    bool is_v4 = memcmp(address->ip, v4, sizeof(v4)) == 0;
    if (!inet_ntop(is_v4 ? AF_INET : AF_INET6, address->ip + (is_v4 ? 12 : 0), ip, sizeof(ip)))
        ip[0] = '\0';
    snprintf(text, size, is_v4 ? "%s:%u" : "[%s]:%u", ip, address->port);
}

static void refuse_hex(const uint8_t *bytes, char text[PEER_FRAME_CLUSTER_SIZE * 2 + 1])
{
    for (int i = 0; i < PEER_FRAME_CLUSTER_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void refuse_key_advice(const struct peer *peer, const struct peer_frame *frame, char *text,
                              size_t size)
{
    if (frame->key == 0)
        snprintf(text, size,
                 "its datagrams carry no mark, this node demands one: give it the same "
                 "key file");
    else if (peer->config.keys.count == 0)
        snprintf(text, size,
                 "its datagrams are marked with key %u and this node has no keys: give "
                 "this node the same key file",
                 frame->key);
    else if (!peer_keys_find(&peer->config.keys, frame->key))
        snprintf(text, size,
                 "it uses key %u, which is not in this node's key file: bring the "
                 "older key file up to date",
                 frame->key);
    else
        snprintf(text, size,
                 "its mark with key %u is wrong: the two key files have different "
                 "secrets under that number; copy one over the other",
                 frame->key);
}

/* What is wrong, and what to do about it. */
static void refuse_advice(const struct peer *peer, const struct peer_remote *remote,
                          enum peer_drop drop, const struct peer_frame *frame, char *text,
                          size_t size)
{
    char heard[64];
    char theirs[PEER_FRAME_CLUSTER_SIZE * 2 + 1], ours[PEER_FRAME_CLUSTER_SIZE * 2 + 1];
    switch (drop) {
    case PEER_DROP_VERSION:
        snprintf(text, size,
                 "it speaks wire version %u, this node %u: upgrade the older of the two",
                 frame->wire_version, PEER_FRAME_WIRE_VERSION);
        break;
    case PEER_DROP_CLUSTER:
        refuse_hex(frame->cluster, theirs);
        refuse_hex(peer->config.cluster, ours);
        snprintf(text, size,
                 "it belongs to cluster %s, this node to %s: correct the server list of "
                 "the one that is wrong, or give it an empty data directory to join with",
                 theirs, ours);
        break;
    case PEER_DROP_KEY: refuse_key_advice(peer, frame, text, size); break;
    case PEER_DROP_TO:
        snprintf(text, size,
                 "it sends to node %u, and this is node %u: its server list gives this "
                 "address to the wrong id",
                 frame->to, peer->config.id);
        break;
    case PEER_DROP_SELF:
        snprintf(text, size, "two nodes have the same id: give one of them another (myid)");
        break;
    case PEER_DROP_FROM:
        snprintf(text, size, "it is not a member: add it with `takt member add`, or stop it");
        break;
    case PEER_DROP_TWIN:
        peer_refuse_address(&remote->heard_at, heard, sizeof(heard));
        snprintf(text, size,
                 "another node with the id %u is heard at %s: give one of them another id "
                 "(node.id, myid), or stop it",
                 frame->from, heard);
        break;
    case PEER_DROP_CORRUPT:
        snprintf(text, size,
                 "a datagram was damaged on its way: look at the network cards between "
                 "the two, and at their checksum offload");
        break;
    default:
        snprintf(text, size,
                 "its incarnation %" PRIu64 " is older than one heard before: either "
                 "two processes run with this id (stop one), or its clock went back when its disk "
                 "was replaced (set the clock; it starts again by itself)",
                 frame->incarnation);
    }
}

static void refuse_print(const struct peer *peer, const char *line)
{
    if (peer->config.line)
        peer->config.line(peer->config.line_self, line);
    else
        say(SAY_WARN, "%s", line);
}

static void refuse_line(struct peer *peer, const struct peer_remote *remote,
                        const struct peer_said *said, enum peer_drop drop,
                        const struct address *from, const struct peer_frame *frame)
{
    char where[64], advice[256], again[64] = "", line[420];
    peer_refuse_address(from, where, sizeof(where));
    refuse_advice(peer, remote, drop, frame, advice, sizeof(advice));
    if (said->count > 1)
        snprintf(again, sizeof(again), " (%" PRIu64 " datagrams since the last such line)",
                 said->count);
    snprintf(line, sizeof(line), "peer %u at %s is refused: %s%s", frame->from, where, advice,
             again);
    refuse_print(peer, line);
}

void peer_refuse_datagram(struct peer *peer, struct peer_remote *remote, enum peer_drop drop,
                          const struct address *from, const struct peer_frame *frame)
{
    struct peer_said *said = remote ? &remote->said[drop] : &peer->strangers[drop];
    peer_refuse_count(peer, remote, drop, 1);
    said->count++;
    if (drop > PEER_DROP_LINE_LAST)
        return;
    if (drop == PEER_DROP_TWIN && !remote->incarnation)
        return; /* it waits for the one that belongs to the address */
    /* A late datagram of before the sender's restart is no news while the sender is well. */
    if (drop == PEER_DROP_OLD && remote &&
        peer->now.mono_ns - remote->heard_ns < peer->config.unreachable_ms * NS_PER_MS)
        return;
    if (said->at_ns && peer->now.mono_ns - said->at_ns < PEER_SAY_AGAIN_NS)
        return;
    refuse_line(peer, remote, said, drop, from, frame);
    said->at_ns = peer->now.mono_ns ? peer->now.mono_ns : 1;
    said->count = 0;
}

void peer_refuse_say(struct peer *peer, struct peer_said *said, const char *line)
{
    if (said->at_ns && peer->now.mono_ns - said->at_ns < PEER_SAY_AGAIN_NS)
        return;
    said->at_ns = peer->now.mono_ns ? peer->now.mono_ns : 1;
    said->count = 0;
    refuse_print(peer, line);
}
