#include "consensus/peer_message.h"

#include "consensus/log_format.h"

#include <stdio.h>

static const char *const peer_message_names[PEER_KIND_COUNT] = {
    [PEER_PRE_VOTE] = "pre_vote",
    [PEER_PRE_VOTE_REPLY] = "pre_vote_reply",
    [PEER_VOTE] = "vote",
    [PEER_VOTE_REPLY] = "vote_reply",
    [PEER_APPEND] = "append",
    [PEER_APPEND_REPLY] = "append_reply",
    [PEER_READ] = "read",
    [PEER_READ_REPLY] = "read_reply",
    [PEER_TIMEOUT_NOW] = "timeout_now",
    [PEER_SNAPSHOT] = "snapshot",
    [PEER_SNAPSHOT_REPLY] = "snapshot_reply",
    [PEER_FORWARD] = "forward",
    [PEER_FORWARD_REPLY] = "forward_reply",
    [PEER_TOUCH] = "touch",
    [PEER_HELLO] = "hello",
    [PEER_HASH] = "hash",
    [PEER_TOUCH_REPLY] = "touch_reply",
};

const char *peer_message_kind_name(uint8_t kind)
{
    return kind > 0 && kind < PEER_KIND_COUNT ? peer_message_names[kind] : "unknown";
}

/* APPEND: terms do not go down along the log, and each entry is at least one record long. */
static bool peer_message_append_valid(const struct peer_message *m)
{
    uint64_t count = peer_message_entry_count(m), term = peer_message_entry_term(m);

    if (m->index > UINT64_MAX / 2 || (m->index == 0 && m->log_term != 0))
        return false;
    if (count == 0)
        return m->payload_size == 0 && m->log_term <= m->term;
    return m->payload_size / sizeof(struct log_record) >= count && m->payload_size % 8 == 0 &&
           term >= m->log_term && term > 0 && term <= m->term;
}

static bool peer_message_fields_valid(const struct peer_message *m)
{
    switch (m->kind) {
    case PEER_PRE_VOTE:
    case PEER_VOTE: return m->payload_size == 0 && m->log_term < m->term;
    case PEER_APPEND: return peer_message_append_valid(m);
    case PEER_APPEND_REPLY: return m->payload_size == 0 && m->log_term <= m->term;
    case PEER_PRE_VOTE_REPLY:
    case PEER_VOTE_REPLY:
    case PEER_READ:
    case PEER_READ_REPLY:
    case PEER_TIMEOUT_NOW:
    case PEER_TOUCH_REPLY: return m->payload_size == 0;
    default: return true;
    }
}

int peer_message_valid(const struct peer_message *message, uint64_t size, uint8_t self)
{
    if (size < sizeof(*message))
        return ERR_SHORT;
    if (message->kind == 0 || message->kind >= PEER_KIND_COUNT ||
        (message->flags & ~PEER_FLAGS_KNOWN))
        return ERR_VERSION;
    if (message->payload_size > PEER_PAYLOAD_MAX)
        return ERR_RANGE;
    if (size != sizeof(*message) + message->payload_size)
        return ERR_SHORT;
    if (message->to != self || message->from == 0 || message->from > PEER_ID_MAX ||
        message->from == self || message->term > PEER_TERM_MAX)
        return ERR_RANGE;
    return peer_message_fields_valid(message) ? 0 : ERR_RANGE;
}

int peer_message_describe(const struct peer_message *message, char *line, uint32_t size)
{
    const struct peer_message *m = message;

    return snprintf(line, size,
                    "%u>%u %s%s%s%s%s term %llu index %llu@%llu commit %llu context %llu "
                    "extra %llu:%llu payload %u",
                    m->from, m->to, peer_message_kind_name(m->kind),
                    m->flags & PEER_REJECT ? " reject" : "", m->flags & PEER_QUIET ? " quiet" : "",
                    m->flags & PEER_TRANSFER ? " transfer" : "",
                    m->flags & (PEER_FULL | PEER_LAST) ? " +" : "", (unsigned long long)m->term,
                    (unsigned long long)m->index, (unsigned long long)m->log_term,
                    (unsigned long long)m->commit, (unsigned long long)m->context,
                    (unsigned long long)(m->extra >> 32),
                    (unsigned long long)(m->extra & 0xffffffffu), m->payload_size);
}
