/* memb, and what mntr and conf say of an ensemble (zk_admin.md sections 1 and 2). memb is takt's
 * own: it is answered also while nobody leads, which is when one wants to know. */
#include "base/core_state.h"
#include "base/core_status.h"
#include "dataplane/fourletter_word.h"

#include <string.h>

/* A member that was not heard for so long does not count as connected. */
#define CONNECTED_NS NS_PER_S

/* Without fractions. */
static uint64_t fourletter_ensemble_ms(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (to_ns - from_ns) / (uint64_t)NS_PER_MS : 0;
}

struct fourletter_members {
    uint64_t voters, followers, learners, synced_followers, synced_observers;
};

static uint8_t get_byte(const _Atomic uint8_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static bool get_bool(const _Atomic bool *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static bool fourletter_ensemble_connected(const struct fourletter_word *word,
                                          const struct core_status_peer *peer)
{
    uint64_t heard_ns = core_status_get(&peer->heard_ns);
    return heard_ns && word->net->now.mono_ns < heard_ns + CONNECTED_NS;
}

static struct fourletter_members fourletter_ensemble_count(const struct fourletter_word *word)
{
    const struct core_status *status = word->net->parts.status;
    struct fourletter_members n = {0};
    for (uint32_t i = 0; i < CORE_STATUS_PEERS; i++) {
        const struct core_status_peer *peer = &status->peers[i];
        bool voter = get_bool(&peer->voter), streams = get_bool(&peer->streams);
        if (!get_byte(&peer->id))
            continue;
        n.voters += voter;
        if (get_byte(&peer->id) == word->net->config.words.server_id ||
            !fourletter_ensemble_connected(word, peer))
            continue;
        n.learners++;
        n.followers += voter;
        n.synced_followers += voter && streams;
        n.synced_observers += !voter && streams;
    }
    return n;
}

static const char *fourletter_ensemble_state(const struct fourletter_word *word)
{
    static const char *const names[] = {"follower", "looking", "looking", "leader"};
    const struct core_status *status = word->net->parts.status;
    const struct core_state *state = word->net->parts.state;
    uint8_t at = get_byte(&status->state);
    if (!get_byte(&status->leader))
        return "looking";
    if (at == CORE_STATUS_FOLLOWER && get_byte(&state->role) == CORE_ROLE_OBSERVER)
        return "observer";
    return names[at % 4];
}

/* One line a member: "voter streaming lag=3 heard_ms=12"; on others than the leader only whether it
 * is a voter, and while nobody leads what is known of its vote: "voter no-vote".
 */
static void fourletter_ensemble_peers(struct fourletter_word *word, const char *prefix)
{
    const struct core_status *status = word->net->parts.status;
    uint64_t last = core_status_get(&status->last_index), now_ns = word->net->now.mono_ns;
    bool leads = get_byte(&status->state) == CORE_STATUS_LEADER;
    static const char *const votes[] = {"", " votes", " no-vote", " silent"};
    for (uint32_t i = 0; i < CORE_STATUS_PEERS; i++) {
        const struct core_status_peer *peer = &status->peers[i];
        uint64_t heard_ns = core_status_get(&peer->heard_ns);
        uint64_t match = core_status_get(&peer->match_index);
        uint8_t id = get_byte(&peer->id);
        if (!id)
            continue;
        text_add(&word->text, "%speer_%u\t%s", prefix, id,
                 get_bool(&peer->voter) ? "voter" : "observer");
        text_add(&word->text, "%s", votes[get_byte(&peer->vote) % 4]);
        if (leads && id != word->net->config.words.server_id) {
            text_add(&word->text, " %s lag=%lu",
                     !fourletter_ensemble_connected(word, peer) ? "silent"
                     : get_bool(&peer->streams)                 ? "streaming"
                                                                : "catching-up",
                     last > match ? last - match : 0);
            if (heard_ns)
                text_add(&word->text, " heard_ms=%lu", fourletter_ensemble_ms(heard_ns, now_ns));
        }
        text_add(&word->text, "\n");
    }
}

/* What the peer link counts; for people only what is not zero. */
static void fourletter_ensemble_link(struct fourletter_word *word, const char *prefix)
{
    for (int i = METRIC_peer_members; i <= METRIC_peer_unknown_total; i++) {
        uint64_t value = counters_sum(word->net->parts.book, (enum metric)i);
        if (prefix[0] || value)
            text_add(&word->text, "%s%s\t%lu\n", prefix, counters_text((enum metric)i)->name,
                     value);
    }
}

static void fourletter_ensemble_durability(struct fourletter_word *word, const char *prefix)
{
    text_add(&word->text, "%sdurability\t%s\n", prefix,
             word->net->config.words.memory ? "memory" : "disk");
}

static void fourletter_ensemble_lines(struct fourletter_word *word, const char *prefix)
{
    static const char *const members[] = {"yes", "no", "removed"};
    const struct core_status *status = word->net->parts.status;
    struct text *text = &word->text;
    uint64_t outage_us = core_status_get(&status->outage_ns) / 1000;
    uint64_t since_ns = core_status_get(&status->leader_ns), now_ns = word->net->now.mono_ns;
    bool led = get_byte(&status->leader) && since_ns;
    char stuck[CORE_STATUS_STUCK_SIZE];

    text_add(text, "%sid\t%u\n", prefix, word->net->config.words.server_id);
    text_add(text, "%sterm\t%lu\n", prefix, core_status_get(&status->term));
    text_add(text, "%sleader\t%u\n", prefix, get_byte(&status->leader));
    text_add(text, "%sleader_known_ms\t%lu\n", prefix,
             led ? fourletter_ensemble_ms(since_ns, now_ns) : 0);
    text_add(text, "%slast_index\t%lu\n", prefix, core_status_get(&status->last_index));
    text_add(text, "%sdurable_index\t%lu\n", prefix, core_status_get(&status->durable_index));
    text_add(text, "%scommit_index\t%lu\n", prefix, core_status_get(&status->commit_index));
    text_add(text, "%sapplied_index\t%lu\n", prefix,
             counters_max(word->net->parts.book, METRIC_apply_index));
    text_add(text, "%selections\t%lu\n", prefix, core_status_get(&status->elections));
    text_add(text, "%selection_ms\t%lu.%03lu\n", prefix, outage_us / 1000, outage_us % 1000);
    text_add(text, "%selection_reason\t%s\n", prefix,
             atomic_load_explicit(&status->reason, memory_order_relaxed));
    text_add(text, "%svoting\t%s\n", prefix, get_bool(&status->voting) ? "yes" : "catching up");
    text_add(text, "%smember\t%s\n", prefix, members[get_byte(&status->member) % 3]);
    fourletter_ensemble_durability(word, prefix);
    text_add(text, "%sjoint\t%s\n", prefix, get_bool(&status->joint) ? "yes" : "no");
    text_add(text, "%sstuck\t%s\n", prefix,
             core_status_stuck(status, stuck, sizeof(stuck)) ? stuck : "no");
    fourletter_ensemble_peers(word, prefix);
    fourletter_ensemble_link(word, prefix);
}

static bool fourletter_ensemble_is(const struct fourletter_word *word)
{
    return word->net->parts.status != NULL;
}

static void fourletter_ensemble_line(struct fourletter_word *word, const char *key, uint64_t value)
{
    text_add(&word->text, "zk_%s\t%lu\n", key, value);
}

void fourletter_ensemble_mntr(struct fourletter_word *word)
{
    if (!fourletter_ensemble_is(word)) {
        fourletter_ensemble_durability(word, "zk_takt_");
        return;
    }
    const struct core_status *status = word->net->parts.status;
    const char *state = fourletter_ensemble_state(word);
    uint64_t since_ns = core_status_get(&status->leader_ns), now_ns = word->net->now.mono_ns;
    struct fourletter_members n = fourletter_ensemble_count(word);
    bool leads = strcmp(state, "leader") == 0;

    text_add(&word->text, "zk_peer_state\t%s\n",
             leads                            ? "leading - broadcast"
             : strcmp(state, "follower") == 0 ? "following - broadcast"
             : strcmp(state, "observer") == 0 ? "observing - broadcast"
                                              : "looking");
    fourletter_ensemble_line(word, "quorum_size", n.voters);
    if (leads) {
        fourletter_ensemble_line(word, "leader_uptime", fourletter_ensemble_ms(since_ns, now_ns));
        fourletter_ensemble_line(word, "learners", n.learners);
        fourletter_ensemble_line(word, "followers", n.followers);
        fourletter_ensemble_line(word, "synced_followers", n.synced_followers);
        fourletter_ensemble_line(word, "synced_observers", n.synced_observers);
        /* In ZooKeeper a follower that is not in the list yet; such a node hears nothing here. */
        fourletter_ensemble_line(word, "synced_non_voting_followers", 0);
        fourletter_ensemble_line(word, "pending_syncs", core_status_get(&status->reads));
        fourletter_ensemble_line(word, "last_proposal_size", word->facts.proposal_last);
        fourletter_ensemble_line(word, "max_proposal_size", word->facts.proposal_max);
        fourletter_ensemble_line(word, "min_proposal_size", word->facts.proposal_min);
    }
    fourletter_ensemble_lines(word, "zk_takt_");
}

void fourletter_ensemble_memb(struct fourletter_word *word)
{
    const struct net *net = word->net;
    if (fourletter_ensemble_is(word)) {
        text_add(&word->text, "state\t%s\n",
                 net->read_only ? "read-only" : fourletter_ensemble_state(word));
        fourletter_ensemble_lines(word, "");
        return;
    }
    text_add(&word->text, "state\tstandalone\nid\t%u\n", net->config.words.server_id);
    text_add(&word->text, "term\t%lu\n", counters_max(net->parts.book, METRIC_core_term));
    text_add(&word->text, "last_index\t%lu\n",
             counters_max(net->parts.book, METRIC_core_last_index));
    text_add(&word->text, "commit_index\t%lu\n",
             counters_max(net->parts.book, METRIC_core_committed_index));
    text_add(&word->text, "applied_index\t%lu\n",
             counters_max(net->parts.book, METRIC_apply_index));
    fourletter_ensemble_durability(word, "");
}

void fourletter_ensemble_conf(struct fourletter_word *word)
{
    const struct membership_server *self = word->net->config.words.self;
    if (!fourletter_ensemble_is(word) || !self)
        return;
    text_add(&word->text, "electionAlg=3\nelectionPort=%u\nquorumPort=%u\npeerType=%d\n",
             self->election_port, self->quorum_port, self->observer);
    const struct znode *node = tree_get(&word->net->view, bytes_of_string("/zookeeper/config"));
    struct bytes data = node ? znode_data(node) : bytes_of(NULL, 0);
    text_add(&word->text, "membership: \n");
    text_bytes(&word->text, data.at, data.size > 0 ? (uint64_t)data.size : 0);
    text_add(&word->text, "\n");
}
