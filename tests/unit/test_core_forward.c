/* Goal: whoever leads, and whatever is lost, doubled, overtaken or restarted, each command comes
 * into the log at most once and in the order of its lane, is answered in that order, and comes in
 * exactly once (or is refused exactly once) when its node lives. Method: single calls for each
 * rule; then seeded runs of three members over a model of a log whose leader changes, with a strict
 * reader of that log that knows nothing of lanes_take's mercy. */
#include "consensus/core_forward.h"

#include "base/clock.h"
#include "base/rand.h"
#include "store/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES       3
#define LOG_MAX     60000
#define MESSAGE_MAX 64
#define PAYLOAD_MAX 8192
#define EVENT_MAX   4096

enum { FORWARD_MESSAGE, REPLY_MESSAGE };

struct message {
    bool used;
    uint8_t kind, from, to;
    uint64_t term, due;
    uint32_t size;
    _Alignas(8) uint8_t payload[PAYLOAD_MAX];
};

struct event {    /* what APPLY told CORE, not yet looked at */
    uint8_t kind; /* enum apply_core_kind */
    uint64_t index;
    struct command_lane lane;
};

struct member {
    struct forward forward;
    struct lanes lanes;
    uint64_t applied; /* entries of the committed log */
    uint64_t incarnation, taken, answered;
    uint8_t leader; /* as it knows */
    uint64_t term;
    struct event events[EVENT_MAX];
    uint32_t event_first, event_count;
};

struct log_entry {
    struct command command;
    uint64_t term, value;
};

static struct {
    struct rand rand;
    uint64_t now;
    struct member members[NODES];
    struct message messages[MESSAGE_MAX];
    struct log_entry committed[LOG_MAX];
    struct log_entry pending[LOG_MAX]; /* the present leader's, behind the committed ones */
    uint64_t committed_count, pending_count, noop_index;
    uint8_t leader;
    uint64_t term;
    uint8_t zombie; /* believes that it leads in zombie_term; what it takes is lost */
    bool disk_full, faults;
    struct lanes strict; /* reads the committed log */
    uint64_t resent, refused, crashes, changes;
} w;

static struct forward_config config_of(uint8_t node, uint64_t incarnation)
{
    return (struct forward_config){.node_id = node,
                                   .incarnation = incarnation,
                                   .outbox_size = 16384,
                                   .message_size_max = 1024,
                                   .window_size = 4096,
                                   .retry_ns_min = 20 * NS_PER_MS,
                                   .retry_ns_max = 200 * NS_PER_MS};
}

static struct member *member_of(uint8_t id)
{
    return &w.members[id - 1];
}

static bool chance(uint32_t percent)
{
    return rand_below(&w.rand, 100) < percent;
}

/* ---- the log --------------------------------------------------------------------------------- */

static void pending_add(const struct command *command, uint64_t value)
{
    assert_true(w.pending_count < LOG_MAX);
    w.pending[w.pending_count++] = (struct log_entry){*command, w.term, value};
}

static int propose(void *self, const struct command *command, const void *body)
{
    struct member *m = self;
    uint64_t value = 0;
    if (w.faults && chance(5))
        return ERR_FULL;
    if (w.disk_full && command->kind != COMMAND_CANCEL)
        return ERR_NOSPACE;
    if (command->body_size)
        memcpy(&value, body, 8);
    if (m == member_of(w.leader) && m->term == w.term)
        pending_add(command, value);
    return 0; /* a deposed leader takes it as well, into a log that goes nowhere */
}

static struct forward_log log_of(struct member *m)
{
    return (struct forward_log){m, propose};
}

/* The log as everybody must find it: each lane once, in order; a value is its lane. */
static void commit_one(void)
{
    struct log_entry *entry = &w.pending[0];
    assert_int_equal(lanes_take(&w.strict, &entry->command), LANES_NEW);
    assert_int_equal(w.strict.gaps, 0);
    if (entry->command.lane && entry->command.kind != COMMAND_CANCEL)
        assert_int_equal(entry->value, entry->command.lane);
    assert_true(w.committed_count < LOG_MAX);
    w.committed[w.committed_count++] = *entry;
    memmove(w.pending, w.pending + 1, --w.pending_count * sizeof(*entry));
}

/* ---- one member ------------------------------------------------------------------------------ */

static void event_add(struct member *m, struct event event)
{
    assert_true(m->event_count < EVENT_MAX);
    m->events[(m->event_first + m->event_count++) % EVENT_MAX] = event;
}

static void answered(struct member *m, uint64_t lane)
{
    assert_int_equal(lane, m->answered + 1);
    m->answered = lane;
}

static void apply_one(struct member *m, uint8_t id)
{
    const struct log_entry *entry = &w.committed[m->applied++];
    const struct command *c = &entry->command;
    struct command_lane before = m->lanes.node[id];

    assert_int_equal(lanes_take(&m->lanes, c), LANES_NEW);
    bool own = c->node == id && c->incarnation == m->incarnation && c->lane;
    if (own && c->kind == COMMAND_CANCEL) {
        if (before.incarnation == m->incarnation)
            event_add(m, (struct event){APPLY_CORE_LANE, 0, before});
        event_add(m, (struct event){APPLY_CORE_CANCELLED, 0, m->lanes.node[id]});
    } else if (own) {
        answered(m, c->lane);
        event_add(m, (struct event){APPLY_CORE_LANE, 0, m->lanes.node[id]});
    }
    if (c->kind == COMMAND_NOOP)
        event_add(m, (struct event){APPLY_CORE_LANES, m->applied, {0}});
}

static bool refuse(void *self, const struct command *command)
{
    if (w.faults && chance(20))
        return false;
    answered(self, command->lane);
    w.refused++;
    return true;
}

static void event_take(struct member *m, uint8_t id)
{
    struct event *event = &m->events[m->event_first];
    struct forward *f = &m->forward;
    struct command_lane lanes[LANES_COUNT];

    if (event->kind == APPLY_CORE_LANE) {
        forward_applied(f, event->lane.incarnation, event->lane.lane);
    } else if (event->kind == APPLY_CORE_CANCELLED) {
        if (!forward_cancelled(f, event->lane.incarnation, event->lane.lane, refuse, m))
            return;
    } else if (m->leader == id && m->term == w.term && event->index == w.noop_index) {
        /* the lanes of that moment: nothing behind the no-op is applied in between */
        struct lanes *then = calloc(1, sizeof(*then));
        for (uint64_t i = 0; i < event->index; i++)
            assert_int_equal(lanes_take(then, &w.committed[i].command), LANES_NEW);
        forward_lanes(f, lanes, lanes_list(then, lanes));
        free(then);
    }
    m->event_first = (m->event_first + 1) % EVENT_MAX;
    m->event_count--;
}

static void client_asks(struct member *m, uint8_t id)
{
    uint8_t body[600] = {0};
    struct command c = {.kind = COMMAND_REQUEST,
                        .version = COMMAND_VERSION,
                        .node = id,
                        .conn = 1,
                        .body_size = 8 + (uint32_t)rand_below(&w.rand, chance(5) ? 590 : 40)};
    uint64_t value = m->taken + 1;
    if (forward_full(&m->forward, w.now))
        return; /* answered at once: it has no lane */
    memcpy(body, &value, 8);
    uint64_t lane = forward_take(&m->forward, &c, body);
    if (lane)
        assert_int_equal(lane, ++m->taken);
}

static void member_crash(struct member *m, uint8_t id)
{
    struct forward_config config = config_of(id, m->incarnation + 1);
    forward_fini(&m->forward);
    m->incarnation++;
    m->taken = m->answered = 0;
    m->event_count = 0;
    m->leader = 0;
    assert_int_equal(forward_init(&m->forward, &config), 0);
    forward_leader(&m->forward, 0, m->term, w.now);
    w.crashes++;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void send(uint8_t kind, uint8_t from, uint8_t to, uint64_t term, const void *head,
                 uint32_t head_size, const void *behind, uint32_t size)
{
    uint32_t copies = w.faults && chance(15) ? 0 : w.faults && chance(15) ? 2 : 1;
    assert_true(head_size + size <= PAYLOAD_MAX);
    for (uint32_t i = 0; i < MESSAGE_MAX && copies; i++) {
        struct message *message = &w.messages[i];
        if (message->used)
            continue;
        uint64_t late = w.faults && chance(10) ? rand_below(&w.rand, 400) : rand_below(&w.rand, 4);
        *message = (struct message){
            true, kind, from, to, term, w.now + late * NS_PER_MS, head_size + size, {0}};
        memcpy(message->payload, head, head_size);
        if (size)
            memcpy(message->payload + head_size, behind, size);
        copies--;
    }
}

static void receive(struct message *message)
{
    struct member *m = member_of(message->to);
    struct forward_answer answer;
    struct forward_log log = log_of(m);

    if (message->kind == REPLY_MESSAGE) {
        assert_int_equal(forward_reply(&m->forward, message->from, message->term, message->payload,
                                       message->size, w.now),
                         0);
        assert_true(!m->forward.stale || m->incarnation > 1);
        return;
    }
    int err =
        forward_accept(&m->forward, message->from, message->payload, message->size, &log, &answer);
    assert_true(err == 0 || err == ERR_CLOSED);
    if (!err)
        send(REPLY_MESSAGE, message->to, message->from, m->term, &answer, sizeof(answer), NULL, 0);
}

static void deliver(void)
{
    for (uint32_t i = 0; i < MESSAGE_MAX; i++) {
        if (!w.messages[i].used || w.messages[i].due > w.now)
            continue;
        struct message message = w.messages[i];
        w.messages[i].used = false;
        receive(&message);
    }
}

static void member_sends(struct member *m, uint8_t id)
{
    struct forward_out out;
    for (int i = 0; i < 8 && forward_to_send(&m->forward, w.now, &out); i++) {
        if (w.faults && chance(10))
            break; /* core_peer is full */
        assert_int_equal(out.to, m->leader);
        send(FORWARD_MESSAGE, id, out.to, m->term, &out.head, sizeof(out.head), out.commands,
             out.head.size);
        forward_sent(&m->forward, &out, w.now);
    }
}

/* ---- elections ------------------------------------------------------------------------------- */

static void hears_of_leader(struct member *m, uint8_t leader, uint64_t term)
{
    if (term < m->term)
        return;
    m->leader = leader;
    m->term = term;
    forward_leader(&m->forward, leader, term, w.now);
}

/* Some of what the old leader had is in the new one's log; its no-op comes behind. */
static void elect(uint8_t id)
{
    uint64_t kept = w.pending_count ? rand_below(&w.rand, w.pending_count + 1) : 0;
    struct command noop = {.kind = COMMAND_NOOP, .version = COMMAND_VERSION, .node = id};
    w.zombie = w.leader != id ? w.leader : 0;
    w.pending_count = kept;
    w.leader = id;
    w.term++;
    pending_add(&noop, 0);
    w.noop_index = w.committed_count + w.pending_count;
    hears_of_leader(member_of(id), id, w.term);
    w.changes++;
}

static void one_step(void)
{
    w.now += rand_below(&w.rand, 2 * NS_PER_MS);
    if (w.faults && chance(1) && chance(40))
        elect((uint8_t)(1 + rand_below(&w.rand, NODES)));
    if (w.faults && chance(1) && chance(30)) {
        uint8_t id = (uint8_t)(1 + rand_below(&w.rand, NODES));
        member_crash(member_of(id), id);
        if (id == w.leader)
            elect((uint8_t)(1 + rand_below(&w.rand, NODES)));
    }
    if (chance(1))
        w.disk_full = w.faults && !w.disk_full;
    while (w.pending_count && chance(70))
        commit_one();
    for (uint8_t id = 1; id <= NODES; id++) {
        struct member *m = member_of(id);
        if (chance(id == w.zombie ? 2 : 20)) /* it hears of the leader, or that there is none */
            hears_of_leader(m, w.faults && chance(5) && id != w.leader ? 0 : w.leader, w.term);
        while (m->applied < w.committed_count && m->event_count < EVENT_MAX - 4 && chance(80))
            apply_one(m, id);
        while (m->event_count && chance(80))
            event_take(m, id);
        if (chance(50))
            client_asks(m, id);
        struct forward_log log = log_of(m);
        forward_own(&m->forward, 4, &log, w.now);
        member_sends(m, id);
    }
    deliver();
}

static bool all_done(void)
{
    for (uint8_t id = 1; id <= NODES; id++)
        if (member_of(id)->answered != member_of(id)->taken ||
            member_of(id)->forward.outbox.head != member_of(id)->forward.outbox.tail)
            return false;
    return true;
}

static void run_seed(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    rand_seed(&w.rand, seed);
    w.faults = true;
    for (uint8_t id = 1; id <= NODES; id++) {
        struct forward_config config = config_of(id, 1);
        member_of(id)->incarnation = 1;
        assert_int_equal(forward_init(&member_of(id)->forward, &config), 0);
    }
    elect(1);
    for (uint32_t step = 0; step < 2500; step++)
        one_step();
    w.faults = w.disk_full = false; /* it heals: everything asked is answered in bounded time */
    uint64_t healed_ns = w.now;
    for (uint8_t id = 1; id <= NODES; id++)
        hears_of_leader(member_of(id), w.leader, w.term);
    while (w.now < healed_ns + 3 * NS_PER_S)
        one_step();
    uint64_t left = 20000; /* no more is asked */
    while (!all_done() && --left) {
        w.now += NS_PER_MS;
        while (w.pending_count)
            commit_one();
        for (uint8_t id = 1; id <= NODES; id++) {
            struct member *m = member_of(id);
            while (m->applied < w.committed_count)
                apply_one(m, id);
            while (m->event_count)
                event_take(m, id);
            struct forward_log log = log_of(m);
            forward_own(&m->forward, 4, &log, w.now);
            member_sends(m, id);
        }
        deliver();
    }
    assert_true(all_done());
    assert_int_equal(w.strict.gaps, 0);
    for (uint8_t id = 1; id <= NODES; id++) {
        assert_false(member_of(id)->forward.stale);
        w.resent += member_of(id)->forward.resent_count;
        forward_fini(&member_of(id)->forward);
    }
}

static void test_seeds(void **state)
{
    const char *wanted = getenv("TAKT_SEEDS");
    uint64_t count = wanted ? strtoull(wanted, NULL, 10) : 40, refused = 0, resent = 0, changes = 0;
    uint64_t crashes = 0, entries = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= count; seed++) {
        run_seed(seed);
        refused += w.refused;
        resent += w.resent;
        changes += w.changes;
        crashes += w.crashes;
        entries += w.committed_count;
    }
    printf("# %llu seeds: %llu entries, %llu leaders, %llu crashes, %llu resent, %llu refused\n",
           (unsigned long long)count, (unsigned long long)entries, (unsigned long long)changes,
           (unsigned long long)crashes, (unsigned long long)resent, (unsigned long long)refused);
    assert_true(refused > 0 && resent > 0 && crashes > 0 && changes > count);
}

/* ---- one rule at a time ---------------------------------------------------------------------- */

static struct {
    struct forward origin, leader;
    uint64_t proposed[64];
    uint32_t count;
    int err; /* what the log answers to anything but a CANCEL */
} one;

static int one_propose(void *self, const struct command *command, const void *body)
{
    (void)self, (void)body;
    if (one.err && command->kind != COMMAND_CANCEL)
        return one.err;
    one.proposed[one.count++] = command->lane;
    return 0;
}

static const struct forward_log one_log = {NULL, one_propose};

static int one_setup(void **state)
{
    struct forward_config origin = config_of(2, 7), leader = config_of(1, 5);
    (void)state;
    memset(&one, 0, sizeof(one));
    assert_int_equal(forward_init(&one.origin, &origin), 0);
    assert_int_equal(forward_init(&one.leader, &leader), 0);
    forward_leader(&one.origin, 1, 3, 0);
    forward_leader(&one.leader, 1, 3, 0);
    return 0;
}

static int one_teardown(void **state)
{
    (void)state;
    forward_fini(&one.origin);
    forward_fini(&one.leader);
    return 0;
}

static uint64_t ask(struct forward *f, uint32_t body_size)
{
    static const uint8_t body[16384];
    struct command c = {.kind = COMMAND_REQUEST,
                        .version = COMMAND_VERSION,
                        .node = f->config.node_id,
                        .body_size = body_size};
    return forward_take(f, &c, body);
}

/* The origin's next message, as bytes. Returns its size; 0 = none is due. */
static uint32_t next_message(uint64_t now_ns, uint8_t *bytes)
{
    struct forward_out out;
    if (!forward_to_send(&one.origin, now_ns, &out))
        return 0;
    memcpy(bytes, &out.head, sizeof(out.head));
    memcpy(bytes + sizeof(out.head), out.commands, out.head.size);
    forward_sent(&one.origin, &out, now_ns);
    return (uint32_t)sizeof(out.head) + out.head.size;
}

static void test_config(void **state)
{
    struct forward f;
    struct forward_config config = config_of(0, 1);
    (void)state;
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
    config = config_of(255, 1);
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
    config = config_of(1, 0);
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
    config = config_of(1, 1);
    config.outbox_size = 5000;
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
    config.outbox_size = OUTBOX_SIZE_MIN / 2;
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
    config = config_of(1, 1);
    config.retry_ns_max = 1;
    assert_int_equal(forward_init(&f, &config), ERR_RANGE);
}

static void test_full_outbox_holds(void **state)
{
    (void)state;
    assert_int_equal(ask(&one.origin, 8000), 1);
    assert_int_equal(ask(&one.origin, 8000), 2);
    assert_int_equal(ask(&one.origin, 1000), 0);
    forward_applied(&one.origin, 6, 1); /* of an earlier start */
    assert_int_equal(ask(&one.origin, 1000), 0);
    forward_applied(&one.origin, 7, 1);
    assert_int_equal(ask(&one.origin, 1000), 3);
    assert_int_equal(forward_lane_last(&one.origin), 3);
}

static void test_nothing_before_the_no_op(void **state)
{
    _Alignas(8) uint8_t bytes[4096];
    struct forward_answer answer;
    (void)state;
    ask(&one.origin, 8);
    ask(&one.leader, 8);
    uint32_t size = next_message(1, bytes);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.flags, FORWARD_HOLD);
    assert_int_equal(forward_own(&one.leader, 8, &one_log, 1), 0);
    assert_int_equal(one.count, 0);
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, sizeof(answer), 1), 0);
    assert_int_equal(next_message(1, bytes), 0);
    assert_int_equal(forward_deadline_ns(&one.origin), 1 + NS_PER_MS);
    forward_lanes(&one.leader, NULL, 0);
    assert_int_equal(forward_own(&one.leader, 8, &one_log, 1), 1);
    assert_int_equal(next_message(1 + NS_PER_MS, bytes), size);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.accepted, 1);
    assert_int_equal(answer.flags, 0);
    assert_int_equal(one.count, 2);
}

static void test_retry_backs_off(void **state)
{
    _Alignas(8) uint8_t bytes[4096];
    (void)state;
    ask(&one.origin, 8);
    assert_true(next_message(0, bytes) > 0);
    uint64_t at = 0, wait = 20 * NS_PER_MS;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(forward_deadline_ns(&one.origin), at + wait);
        assert_int_equal(next_message(at + wait - 1, bytes), 0);
        at += wait;
        assert_true(next_message(at, bytes) > 0);
        wait = 2 * wait < 200 * NS_PER_MS ? 2 * wait : 200 * NS_PER_MS;
    }
    uint64_t first = 20 * NS_PER_MS; /* 0 is no time; this is of the second message */
    assert_true(forward_silent(&one.origin, at - first, at));
    assert_false(forward_silent(&one.origin, at - first + 1, at));
    forward_leader(&one.origin, 3, 4, at); /* at once to another */
    assert_false(forward_silent(&one.origin, 0, at));
    assert_true(next_message(at, bytes) > 0);
    /* any answer ends the silence, also one that has taken nothing */
    assert_true(forward_silent(&one.origin, 5, at + 5));
    struct forward_answer answer = {.incarnation = one.origin.config.incarnation,
                                    .flags = FORWARD_HOLD};
    assert_int_equal(forward_reply(&one.origin, 3, 4, &answer, sizeof(answer), at + 6), 0);
    assert_false(forward_silent(&one.origin, 5, at + 20));
}

static void test_lost_message_goes_again(void **state)
{
    _Alignas(8) uint8_t first[4096];
    _Alignas(8) uint8_t second[4096];
    struct forward_answer answer;
    (void)state;
    forward_lanes(&one.leader, NULL, 0);
    ask(&one.origin, 8);
    uint32_t size = next_message(100 * NS_PER_MS, first);
    ask(&one.origin, 8);
    uint32_t more = next_message(100 * NS_PER_MS, second);
    assert_int_equal(forward_accept(&one.leader, 2, second, more, &one_log, &answer), 0);
    assert_int_equal(answer.flags, FORWARD_LOST);
    assert_int_equal(answer.accepted, 0);
    assert_int_equal(forward_reply(&one.origin, 1, 2, &answer, sizeof(answer), 100 * NS_PER_MS), 0);
    assert_int_equal(next_message(100 * NS_PER_MS, second), 0); /* of an older term: not heard */
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, sizeof(answer), 100 * NS_PER_MS), 0);
    assert_true(next_message(100 * NS_PER_MS, second) > size); /* both in one */
    assert_int_equal(forward_accept(&one.leader, 2, first, size, &one_log, &answer), 0);
    more = (uint32_t)(sizeof(struct forward_head) + 2 * 96);
    assert_int_equal(forward_accept(&one.leader, 2, second, more, &one_log, &answer), 0);
    assert_int_equal(answer.accepted, 2);
    assert_int_equal(one.leader.skipped_count, 1);
    assert_int_equal(one.count, 2);
}

static void test_older_start_is_told(void **state)
{
    _Alignas(8) uint8_t bytes[4096];
    struct forward_answer answer;
    struct command_lane newer = {.node = 2, .incarnation = 8, .lane = 4};
    (void)state;
    forward_lanes(&one.leader, &newer, 1);
    ask(&one.origin, 8);
    uint32_t size = next_message(0, bytes);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.flags, FORWARD_STALE);
    assert_int_equal(answer.accepted, 8); /* the later incarnation */
    struct forward_answer wrong = answer;
    wrong.accepted = answer.incarnation; /* no later one */
    assert_int_equal(forward_reply(&one.origin, 1, 3, &wrong, sizeof(wrong), 0), ERR_MALFORMED);
    assert_false(one.origin.stale);
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, sizeof(answer), 0), 0);
    assert_true(one.origin.stale);
    assert_int_equal(one.origin.later, 8);
    assert_int_equal(ask(&one.origin, 8), 0);
    assert_int_equal(one.count, 0);
}

static bool note_refused(void *self, const struct command *command)
{
    (void)self;
    one.proposed[one.count++] = 1000 + command->lane;
    return one.err == 0;
}

/* The refusal is an entry; behind it nothing is taken until the origin has answered. */
static void test_full_disk_cancels(void **state)
{
    _Alignas(8) uint8_t bytes[4096];
    struct forward_answer answer;
    (void)state;
    forward_lanes(&one.leader, NULL, 0);
    ask(&one.origin, 8);
    ask(&one.origin, 8);
    one.err = ERR_NOSPACE;
    uint32_t size = next_message(0, bytes);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.flags, FORWARD_FULL);
    assert_int_equal(answer.accepted, 2);
    assert_int_equal(one.count, 1);
    assert_int_equal(one.proposed[0], 2); /* the CANCEL's lane */
    assert_false(forward_full(&one.origin, 5));
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, sizeof(answer), 5), 0);
    assert_true(forward_full(&one.origin, 5));
    assert_false(forward_full(&one.origin, 5 + NS_PER_S));
    one.err = 0;
    ask(&one.origin, 8);
    size = next_message(6, bytes);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.accepted, 2);
    assert_int_equal(one.count, 1);
    one.err = ERR_FULL; /* no room to answer the client now */
    assert_false(forward_cancelled(&one.origin, 7, 2, note_refused, NULL));
    one.err = one.count = 0;
    assert_true(forward_cancelled(&one.origin, 7, 2, note_refused, NULL));
    assert_int_equal(one.count, 2);
    assert_int_equal(one.proposed[1], 1002);
    assert_true(forward_cancelled(&one.origin, 7, 2, note_refused, NULL)); /* told twice */
    assert_int_equal(one.count, 2);
    size = next_message(6, bytes);
    assert_true(size > 0);
    assert_int_equal(forward_accept(&one.leader, 2, bytes, size, &one_log, &answer), 0);
    assert_int_equal(answer.accepted, 3);
}

static void test_own_full_disk(void **state)
{
    (void)state;
    forward_lanes(&one.leader, NULL, 0);
    ask(&one.leader, 8);
    ask(&one.leader, 8);
    one.err = ERR_NOSPACE;
    assert_int_equal(forward_own(&one.leader, 8, &one_log, 0), 0);
    assert_int_equal(one.count, 1);
    assert_int_equal(one.proposed[0], 2);
    assert_true(forward_full(&one.leader, 1));
    one.err = one.count = 0;
    ask(&one.leader, 8);
    assert_int_equal(forward_own(&one.leader, 8, &one_log, 0), 0); /* not before the answers */
    assert_true(forward_cancelled(&one.leader, 5, 2, note_refused, NULL));
    one.count = 0;
    assert_int_equal(forward_own(&one.leader, 8, &one_log, 0), 1);
    assert_int_equal(one.proposed[0], 3);
}

static void test_malformed(void **state)
{
    _Alignas(8) uint8_t good[4096];
    _Alignas(8) uint8_t bad[4096];
    struct forward_answer answer;
    (void)state;
    forward_lanes(&one.leader, NULL, 0);
    ask(&one.origin, 8);
    ask(&one.origin, 9);
    uint32_t size = next_message(0, good);
    for (uint32_t cut = 0; cut < size; cut++)
        assert_int_equal(forward_accept(&one.leader, 2, good, cut, &one_log, &answer),
                         ERR_MALFORMED);
    assert_int_equal(forward_accept(&one.leader, 3, good, size, &one_log, &answer), ERR_MALFORMED);
    const struct command *at = (const struct command *)(good + sizeof(struct forward_head));
    const size_t places[] = {
        offsetof(struct forward_head, incarnation), offsetof(struct forward_head, first),
        offsetof(struct forward_head, count), offsetof(struct forward_head, size)};
    const size_t inside[] = {
        offsetof(struct command, kind),        offsetof(struct command, version),
        offsetof(struct command, node),        offsetof(struct command, lane),
        offsetof(struct command, incarnation), offsetof(struct command, body_size) + 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        memcpy(bad, good, size);
        bad[places[i]] ^= 0x40;
        assert_int_equal(forward_accept(&one.leader, 2, bad, size, &one_log, &answer),
                         ERR_MALFORMED);
    }
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        memcpy(bad, good, size);
        bad[sizeof(struct forward_head) + outbox_span(at) + inside[i]] ^= 0x40;
        assert_int_equal(forward_accept(&one.leader, 2, bad, size, &one_log, &answer),
                         ERR_MALFORMED);
    }
    assert_int_equal(one.count, 0);
    assert_int_equal(forward_accept(&one.origin, 1, good, size, &one_log, &answer), ERR_MALFORMED);
    assert_int_equal(forward_accept(&one.origin, 2, good, size, &one_log, &answer), ERR_CLOSED);
    assert_int_equal(forward_accept(&one.leader, 2, good, size, &one_log, &answer), 0);
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, 23, 0), ERR_MALFORMED);
    answer.accepted = 3;
    assert_int_equal(forward_reply(&one.origin, 1, 3, &answer, sizeof(answer), 0), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test_setup_teardown(test_full_outbox_holds, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_before_the_no_op, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_retry_backs_off, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_lost_message_goes_again, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_older_start_is_told, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_cancels, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_own_full_disk, one_setup, one_teardown),
        cmocka_unit_test_setup_teardown(test_malformed, one_setup, one_teardown),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
