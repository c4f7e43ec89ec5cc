#include "consensus/core_forward.h"

#include "base/clock.h"
#include "base/plant.h"

#include <string.h>

#define FORWARD_FULL_NS (1000 * NS_PER_MS) /* how long a leader's word of a full disk counts */
#define FORWARD_HOLD_NS (1 * NS_PER_MS)    /* how long to wait when the leader has no room */

int forward_init(struct forward *f, const struct forward_config *config)
{
    memset(f, 0, sizeof(*f));
    if (config->node_id == 0 || config->node_id > 254 || config->incarnation == 0 ||
        config->message_size_max <= sizeof(struct forward_head) || config->retry_ns_min == 0 ||
        config->retry_ns_max < config->retry_ns_min)
        return ERR_RANGE;
    f->config = *config;
    return outbox_init(&f->outbox, config->outbox_size);
}

void forward_fini(struct forward *f)
{
    outbox_fini(&f->outbox);
}

/* ---- the own commands ------------------------------------------------------------------------ */

uint64_t forward_take(struct forward *f, const struct command *command, const void *body)
{
    CHECK(command->kind == COMMAND_REQUEST || command->kind == COMMAND_OPEN ||
          command->kind == COMMAND_ATTACH || command->kind == COMMAND_AUTH);
    CHECK(command->node == f->config.node_id);
    if (f->stale)
        return 0; /* the node is to stop: nothing it takes can come into the log */
    const struct command *copy = outbox_add(&f->outbox, command, body, f->config.incarnation);
    return copy ? copy->lane : 0;
}

bool forward_full(const struct forward *f, uint64_t now_ns)
{
    return now_ns < f->full_until_ns;
}

/* Cursors do not stay on bytes that are freed. */
static void forward_free(struct forward *f, uint64_t lane)
{
    outbox_free(&f->outbox, lane);
    f->applied = lane;
    if (f->accepted_at < f->outbox.tail) {
        f->accepted_at = f->outbox.tail;
        f->accepted = lane;
        f->retry_ns = f->config.retry_ns_min; /* progress */
    }
    if (f->sent_at < f->outbox.tail) {
        f->sent_at = f->outbox.tail;
        f->sent = lane;
    }
    if (f->sent == f->accepted)
        f->retry_at_ns = 0;
}

void forward_applied(struct forward *f, uint64_t incarnation, uint64_t lane)
{
    if (incarnation != f->config.incarnation || lane <= f->applied)
        return;
    CHECK(lane <= f->outbox.lane_last);
    forward_free(f, lane);
}

/* Back to the first command that the leader is not known to have. */
static void forward_rewind(struct forward *f, uint64_t now_ns)
{
    f->resent_count += f->sent - f->accepted;
    f->sent_at = f->accepted_at;
    f->sent = f->accepted;
    f->rewound_ns = now_ns;
    f->retry_at_ns = 0;
}

bool forward_cancelled(struct forward *f, uint64_t incarnation, uint64_t lane,
                       bool (*refuse)(void *self, const struct command *command), void *self)
{
    if (incarnation != f->config.incarnation || lane <= f->refused)
        return true;
    CHECK(lane <= f->outbox.lane_last);
    while (f->applied < lane) {
        const struct command *oldest = outbox_at(&f->outbox, f->outbox.tail);
        CHECK(oldest && oldest->lane == f->applied + 1);
        if (!refuse(self, oldest))
            return false;
        f->cancelled_count++;
        forward_free(f, oldest->lane);
    }
    f->refused = lane;
    if (!f->ready)
        forward_rewind(f, f->rewound_ns); /* what the leader did not take before it hears of that */
    return true;
}

/* ---- who leads ------------------------------------------------------------------------------- */

/* Everything not applied goes out again. */
static void forward_rewind_all(struct forward *f)
{
    f->sent_at = f->accepted_at = f->outbox.tail;
    f->sent = f->accepted = f->applied;
    f->retry_ns = f->retry_at_ns = 0;
    f->pause_until_ns = f->rewound_ns = 0;
}

void forward_leader(struct forward *f, uint8_t leader, uint64_t term, uint64_t now_ns)
{
    (void)now_ns;
    CHECK(term >= f->term);
    if (leader == f->leader && term == f->term)
        return;
    f->leader = leader;
    f->term = term;
    f->ready = PLANTED(36) && leader == f->config.node_id;
    f->full_until_ns = 0; /* that was the one before */
    f->silent_ns = 0;
    forward_rewind_all(f);
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool forward_follows(const struct forward *f)
{
    return f->leader != 0 && f->leader != f->config.node_id && !f->stale;
}

bool forward_to_send(struct forward *f, uint64_t now_ns, struct forward_out *out)
{
    if (!forward_follows(f) || now_ns < f->pause_until_ns)
        return false;
    f->pause_until_ns = 0;
    if (f->retry_at_ns && now_ns >= f->retry_at_ns) {
        uint64_t twice = 2 * f->retry_ns;
        f->retry_ns = twice < f->config.retry_ns_max ? twice : f->config.retry_ns_max;
        forward_rewind(f, now_ns);
    }
    const struct command *command = outbox_at(&f->outbox, f->sent_at);
    if (!command ||
        (f->sent_at > f->accepted_at && f->sent_at - f->accepted_at >= f->config.window_size))
        return false;
    uint64_t room = f->config.message_size_max - sizeof(out->head), size = 0;
    memset(out, 0, sizeof(*out));
    out->to = f->leader;
    out->commands = (const uint8_t *)command;
    out->head.incarnation = f->config.incarnation;
    out->head.first = command->lane;
    out->head.refused = f->refused;
    do {
        CHECK(command->lane == out->head.first + out->head.count);
        size += outbox_span(command);
        out->head.count++;
        command = outbox_at(&f->outbox, f->sent_at + size);
    } while (command && size + outbox_span(command) <= room);
    out->head.size = (uint32_t)size;
    return true;
}

void forward_sent(struct forward *f, const struct forward_out *out, uint64_t now_ns)
{
    CHECK(out->head.first == f->sent + 1);
    CHECK(f->sent_at + out->head.size <= f->outbox.head);
    if (f->silent_ns == 0 || f->applied >= f->asked)
        f->silent_ns = now_ns;
    f->sent_at += out->head.size;
    f->sent += out->head.count;
    f->asked = f->sent > f->asked ? f->sent : f->asked;
    f->sent_count += out->head.count;
    if (f->retry_ns == 0)
        f->retry_ns = f->config.retry_ns_min;
    if (f->retry_at_ns == 0)
        f->retry_at_ns = now_ns + f->retry_ns;
}

/* The leader has everything up to `lane`. */
static void forward_accepted(struct forward *f, uint64_t lane, uint64_t now_ns)
{
    while (f->accepted < lane) {
        const struct command *command = outbox_at(&f->outbox, f->accepted_at);
        CHECK(command && command->lane == f->accepted + 1);
        f->accepted_at += outbox_span(command);
        f->accepted++;
    }
    if (f->sent < f->accepted) { /* a message from before a rewind arrived */
        f->sent = f->accepted;
        f->sent_at = f->accepted_at;
    }
    f->retry_ns = f->config.retry_ns_min;
    f->retry_at_ns = f->sent > f->accepted ? now_ns + f->retry_ns : 0;
}

int forward_reply(struct forward *f, uint8_t from, uint64_t term, const void *payload,
                  uint32_t size, uint64_t now_ns)
{
    struct forward_answer answer;

    if (size != sizeof(answer))
        return ERR_MALFORMED;
    memcpy(&answer, payload, sizeof(answer));
    if (from != f->leader || term != f->term || answer.incarnation != f->config.incarnation)
        return 0; /* of another time */
    f->silent_ns = 0;
    if (answer.flags & FORWARD_STALE) {
        if (answer.accepted <= f->config.incarnation)
            return ERR_MALFORMED;
        f->stale = true;
        f->later = answer.accepted;
        return 0;
    }
    if (answer.accepted > f->outbox.lane_last)
        return ERR_MALFORMED;
    if (answer.flags & FORWARD_FULL)
        f->full_until_ns = now_ns + FORWARD_FULL_NS;
    if (answer.accepted > f->accepted)
        forward_accepted(f, answer.accepted, now_ns);
    if (answer.flags & FORWARD_HOLD) {
        forward_rewind(f, now_ns);
        f->pause_until_ns = now_ns + FORWARD_HOLD_NS;
    } else if ((answer.flags & FORWARD_LOST) && answer.accepted == f->accepted &&
               now_ns - f->rewound_ns >= f->config.retry_ns_min / 4) {
        forward_rewind(f, now_ns); /* once for all the messages behind the lost one */
    }
    return 0;
}

bool forward_silent(const struct forward *f, uint64_t ns, uint64_t now_ns)
{
    bool asked = f->silent_ns && f->applied < f->asked;
    return asked && forward_follows(f) && now_ns >= f->silent_ns + ns;
}

uint64_t forward_deadline_ns(const struct forward *f)
{
    if (!forward_follows(f))
        return UINT64_MAX;
    if (f->pause_until_ns && f->sent_at < f->outbox.head)
        return f->pause_until_ns;
    return f->retry_at_ns ? f->retry_at_ns : UINT64_MAX;
}

/* ---- leading --------------------------------------------------------------------------------- */

void forward_lanes(struct forward *f, const struct command_lane *lanes, uint32_t count)
{
    CHECK(f->leader == f->config.node_id);
    memset(f->lanes, 0, sizeof(f->lanes));
    for (uint32_t i = 0; i < count; i++)
        f->lanes[lanes[i].node] =
            (struct forward_lane){lanes[i].incarnation, lanes[i].lane, lanes[i].cancelled};
    f->ready = true;
}

/* The refusal of everything of a node up to `lane`, as an entry. */
static int forward_cancel(struct forward *f, uint8_t node, uint64_t lane,
                          const struct forward_log *log)
{
    struct forward_lane *known = &f->lanes[node];
    struct command cancel = {.kind = COMMAND_CANCEL,
                             .version = COMMAND_VERSION,
                             .node = node,
                             .lane = lane,
                             .incarnation = known->incarnation};
    int err = log->propose(log->self, &cancel, NULL);
    if (err)
        return err;
    known->lane = known->cancelled = lane;
    return 0;
}

uint32_t forward_own(struct forward *f, uint32_t max, const struct forward_log *log,
                     uint64_t now_ns)
{
    struct forward_lane *own = &f->lanes[f->config.node_id];
    const struct command *command;
    uint32_t n = 0;

    if (!f->ready)
        return 0;
    if (own->incarnation != f->config.incarnation)
        *own = (struct forward_lane){.incarnation = f->config.incarnation};
    if (own->cancelled > f->refused)
        return 0;
    for (; n < max && (command = outbox_at(&f->outbox, f->sent_at)); n++) {
        CHECK(command->lane == own->lane + 1);
        int err = log->propose(log->self, command, command + 1);
        if (err == ERR_NOSPACE) {
            f->full_until_ns = now_ns + FORWARD_FULL_NS;
            err = forward_cancel(f, f->config.node_id, f->outbox.lane_last, log);
            f->sent = err ? f->sent : f->outbox.lane_last;
            f->sent_at = err ? f->sent_at : f->outbox.head;
            break;
        }
        if (err)
            break;
        own->lane = f->sent = command->lane;
        f->sent_at += outbox_span(command);
    }
    f->accepted = f->sent;
    f->accepted_at = f->sent_at;
    return n;
}

/* Are these bytes commands of `from` as its outbox holds them, and nothing else? */
static bool forward_well_formed(uint8_t from, const struct forward_head *head, const uint8_t *at)
{
    uint64_t room = head->size;

    if (head->count == 0 || head->first == 0 || head->incarnation == 0)
        return false;
    for (uint32_t i = 0; i < head->count; i++) {
        struct command command;
        if (room < sizeof(command))
            return false;
        memcpy(&command, at, sizeof(command));
        bool kind = command.kind == COMMAND_REQUEST || command.kind == COMMAND_OPEN ||
                    command.kind == COMMAND_ATTACH || command.kind == COMMAND_AUTH;
        if (!kind || command.version != COMMAND_VERSION || command.node != from ||
            command.lane != head->first + i || command.incarnation != head->incarnation ||
            outbox_span(&command) > room)
            return false;
        at += outbox_span(&command);
        room -= outbox_span(&command);
    }
    return room == 0;
}

/* Proposes those behind what is known, in order. */
static void forward_propose(struct forward *f, uint8_t from, const struct forward_head *head,
                            const uint8_t *at, const struct forward_log *log,
                            struct forward_answer *answer)
{
    struct forward_lane *known = &f->lanes[from];
    uint64_t last = head->first + head->count - 1;

    for (uint64_t lane = head->first; lane <= last; lane++) {
        const struct command *command = (const struct command *)at;
        at += outbox_span(command);
        if (lane <= known->lane && !PLANTED(35)) {
            f->skipped_count++;
            continue;
        }
        int err = log->propose(log->self, command, command + 1);
        if (err == ERR_NOSPACE) {
            answer->flags |= FORWARD_FULL;
            err = forward_cancel(f, from, last, log);
            answer->flags |= err ? FORWARD_HOLD : 0;
            return;
        }
        if (err) {
            answer->flags |= FORWARD_HOLD;
            return;
        }
        known->lane = lane;
    }
}

int forward_accept(struct forward *f, uint8_t from, const void *payload, uint32_t size,
                   const struct forward_log *log, struct forward_answer *answer)
{
    struct forward_head head;
    struct forward_lane *known = &f->lanes[from];
    const uint8_t *commands = (const uint8_t *)payload + sizeof(head);

    if (size < sizeof(head))
        return ERR_MALFORMED;
    memcpy(&head, payload, sizeof(head));
    if (head.size != size - sizeof(head) || !forward_well_formed(from, &head, commands))
        return ERR_MALFORMED;
    if (f->leader != f->config.node_id)
        return ERR_CLOSED;
    *answer = (struct forward_answer){.incarnation = head.incarnation};
    if (!f->ready) {
        answer->flags = FORWARD_HOLD;
        return 0;
    }
    if (head.incarnation < known->incarnation) {
        answer->flags = FORWARD_STALE;
        answer->accepted = known->incarnation;
        return 0;
    }
    if (head.incarnation > known->incarnation)
        *known = (struct forward_lane){.incarnation = head.incarnation};
    if (head.first > known->lane + 1)
        answer->flags = FORWARD_LOST;
    else if (head.refused >= known->cancelled)
        forward_propose(f, from, &head, commands, log, answer);
    answer->accepted = known->lane;
    return 0;
}
