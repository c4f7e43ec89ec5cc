#include "consensus/core_hello.h"

#include <string.h>

enum { LOG_UNKNOWN = 0, LOG_SOME = 1, LOG_NONE = 2 };

void core_hello_init(struct core_hello *hello, const struct core_identity *identity,
                     uint64_t incarnation, uint64_t now_ns)
{
    CHECK(incarnation != 0);
    memset(hello, 0, sizeof(*hello));
    hello->identity = *identity;
    hello->incarnation = incarnation;
    hello->due_ns = now_ns;
}

int core_hello_hear(struct core_hello *hello, uint8_t from, const void *payload, uint32_t size,
                    bool *joined)
{
    struct core_greeting greeting;

    *joined = false;
    if (size != sizeof(greeting) || from == 0 || from > PEER_ID_MAX)
        return ERR_MALFORMED;
    memcpy(&greeting, payload, sizeof(greeting));
    if (greeting.incarnation == 0 || greeting.formed > 1)
        return ERR_MALFORMED;
    if (greeting.incarnation < hello->heard[from])
        return CORE_HELLO_NOTHING; /* late */
    bool reborn = greeting.incarnation > hello->heard[from] && hello->heard[from] != 0;
    hello->heard[from] = greeting.incarnation;
    hello->log_seen[from] = greeting.last_index ? LOG_SOME : LOG_NONE;
    hello->votes[from] = greeting.votes;
    if (greeting.votes == CORE_HELLO_VOTES_UNKNOWN) /* who has a log, most often does */
        hello->votes[from] = greeting.last_index ? CORE_HELLO_VOTES : CORE_HELLO_NO_VOTE;
    if (!hello->identity.formed && greeting.formed && greeting.last_index) {
        memcpy(hello->identity.cluster_id, greeting.cluster_id, CORE_CLUSTER_SIZE);
        hello->identity.formed = true;
        hello->identity.catching_up = true;
        *joined = true;
    }
    return reborn ? CORE_HELLO_REBORN : CORE_HELLO_NOTHING;
}

bool core_hello_form(struct core_hello *hello, const uint8_t *ids, uint32_t count, uint8_t self,
                     uint32_t needed, const uint8_t cluster_id[CORE_CLUSTER_SIZE])
{
    uint32_t without = 0;

    if (hello->identity.formed)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] != self && hello->log_seen[ids[i]] == LOG_SOME)
            return false; /* joins it, or waits until it is formed */
        without += ids[i] == self || hello->log_seen[ids[i]] == LOG_NONE;
    }
    if (without < needed)
        return false;
    memcpy(hello->identity.cluster_id, cluster_id, CORE_CLUSTER_SIZE);
    hello->identity.formed = true;
    return true;
}

void core_hello_fill(const struct core_hello *hello, uint64_t last_index, bool answer,
                     struct core_greeting *greeting)
{
    memset(greeting, 0, sizeof(*greeting));
    greeting->incarnation = hello->incarnation;
    greeting->last_index = last_index;
    memcpy(greeting->cluster_id, hello->identity.cluster_id, CORE_CLUSTER_SIZE);
    greeting->formed = hello->identity.formed;
    greeting->answer = answer;
    greeting->memory = hello->memory;
    greeting->votes = hello->identity.formed && !hello->identity.catching_up ? CORE_HELLO_VOTES
                                                                             : CORE_HELLO_NO_VOTE;
}
