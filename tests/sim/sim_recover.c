#include "tests/sim/sim_recover.h"

#include "base/check.h"
#include "tests/sim/sim_world.h"
#include "tools/taktd/node_parts.h"

#include <stdlib.h>
#include <string.h>

#define RECOVER_AGAIN_NS (100 * NS_PER_MS) /* not now: asked again */

static uint64_t span_ms(struct sim_world *world, uint64_t least, uint64_t greatest)
{
    return (least + rand_below(&world->faults.rand, greatest - least + 1)) * NS_PER_MS;
}

void sim_recover_init(struct sim_world *world)
{
    const struct sim_knobs *knobs = &world->knobs;

    memset(&world->recover, 0, sizeof(world->recover));
    if (!knobs->recover_ms || !sim_atlas_forgets(world) || world->voter_count < 3 ||
        knobs->reconfig || world->beat_count)
        return;
    world->recover.state = SIM_RECOVER_DUE;
    world->recover.at_ns = world->now_ns + knobs->recover_ms * NS_PER_MS;
}

void sim_recover_fini(struct sim_world *world)
{
    free(world->recover.terms);
    world->recover.terms = NULL;
}

uint64_t sim_recover_next_ns(const struct sim_world *world)
{
    bool due = world->recover.state > SIM_RECOVER_OFF && world->recover.state < SIM_RECOVER_WAIT;
    return due ? world->recover.at_ns : UINT64_MAX;
}

/* ---- the power fails ------------------------------------------------------------------------- */

/* Everybody is well, but for a minority that has lost its disks, and there is something to lose. */
static bool recover_may_begin(const struct sim_world *world)
{
    uint32_t lacking = 0;

    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (!node->node || node->dark)
            return false;
        if (node->observer || node->node->core.raft.config.voting)
            continue;
        if (!node->lacks)
            return false;
        lacking++;
    }
    if (lacking > (world->voter_count - 1) / 2)
        return false;
    for (uint32_t i = 0; i < world->faults.active_count; i++)
        if (world->faults.active[i].kind == SIM_FAULT_disk_full)
            return false; /* what a stop in good order cannot write is lost once more */
    return world->log.count > 0 && !world->calm;
}

static void recover_hang(struct sim_world *world)
{
    struct sim_recover *recover = &world->recover;

    while ((uint32_t)__builtin_popcount(recover->majority) <= world->voter_count / 2)
        recover->majority |= 1u << rand_below(&world->faults.rand, world->voter_count);
    recover->at_ns = world->now_ns + span_ms(world, 5, 500);
    for (uint32_t i = 0; i < world->voter_count; i++)
        if (recover->majority >> i & 1)
            sim_disk_hang(world->nodes[i].disk, recover->at_ns);
    recover->state = SIM_RECOVER_HANG;
}

/* The node loses power, if it is up, and is to be started again. */
static void recover_down(struct sim_world *world, struct sim_node *node, uint64_t down_ns)
{
    sim_disk_power(node->disk, 0, false);
    for (int call = 0; call < SIM_DISK_CALLS; call++)
        sim_disk_fail(node->disk, (enum sim_disk_call)call, 0);
    if (node->led_term > world->recover.term_max)
        world->recover.term_max = node->led_term;
    if (node->node)
        sim_node_crash(node, SIM_DISK_POWER);
    sim_disk_hang(node->disk, 0);
    node->honest = node->troubled = false;
    sim_atlas_damaged(world, node->index);
    /* what it has acknowledged is given up; term and vote are not */
    node->promise.match_index = node->promise.match_term = node->promise.match_entry_term = 0;
    node->start_ns = world->now_ns + down_ns;
}

/* Who lost its disk gets no vote by the flag, so nobody else can do without it then. */
static void recover_flag(struct sim_world *world)
{
    bool lacking = false;

    for (uint32_t i = 0; i < world->voter_count; i++)
        lacking |= world->nodes[i].lacks;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        bool first = node->observer || (world->recover.majority >> i & 1);
        bool flag = first || lacking || rand_below(&world->faults.rand, 2);
        recover_down(world, node, first ? span_ms(world, 1, 300) : span_ms(world, 1, 4000));
        node->config.recover_from_disk = flag;
        node->config.durability_mode = CONFIG_DURABILITY_MEMORY;
        sim_world_say(world, "node %u is to be started %s", i + 1,
                      flag ? "with --recover-from-disk" : "as ever");
    }
    world->recover.state = SIM_RECOVER_WAIT;
}

/* At first nobody knows what is to be done. */
static void recover_stall(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        recover_down(world, node, span_ms(world, 1, 300));
        if (rand_below(&world->faults.rand, 3) == 0)
            node->config.durability_mode = CONFIG_DURABILITY_DISK;
    }
    world->recover.at_ns = world->now_ns + span_ms(world, 200, 3000);
    world->recover.state = SIM_RECOVER_STALL;
}

static void recover_power(struct sim_world *world)
{
    world->recover.term_max = 0;
    world->faults.looping = 0;
    memset(world->members.acked, 0, sizeof(world->members.acked));
    for (uint32_t i = 0; i < world->knobs.clients; i++) {
        sim_client_lost(&world->clients[i], true);
        world->clients[i].next_ns = UINT64_MAX;
    }
    if (rand_below(&world->faults.rand, 2))
        recover_stall(world);
    else
        recover_flag(world);
}

void sim_recover_step(struct sim_world *world)
{
    struct sim_recover *recover = &world->recover;

    if (recover->state == SIM_RECOVER_STALL) {
        recover_flag(world);
    } else if (world->calm) {
        recover->state = SIM_RECOVER_OFF;
    } else if (recover->state == SIM_RECOVER_HANG && recover_may_begin(world)) {
        sim_world_say(world, "all lose power, and what they had in memory");
        recover_power(world);
    } else if (recover->state == SIM_RECOVER_DUE && recover_may_begin(world)) {
        recover_hang(world);
    } else { /* somebody was killed, or wiped: also while the disks hung */
        recover->state = SIM_RECOVER_DUE;
        recover->at_ns = world->now_ns + RECOVER_AGAIN_NS;
    }
}

/* ---- the new history ------------------------------------------------------------------------- */

static bool recover_gave_up(const struct sim_recover *recover, uint64_t index, uint64_t term)
{
    if (recover->state != SIM_RECOVER_DONE || index <= recover->kept ||
        recover->kept == recover->count || term > recover->term_max)
        return false;
    uint64_t at = index < recover->count ? index : recover->count;
    uint64_t old = recover->terms[at - recover->kept - 1];
    return index > recover->count ? term >= old : term == old;
}

static void recover_ahead(struct sim_world *world, struct sim_node *node, uint64_t index,
                          uint64_t term)
{
    if (node->ahead || !recover_gave_up(&world->recover, index, term))
        return;
    node->ahead = true;
    sim_world_say(world, "node %u is ahead: it holds entry %llu of term %llu", node->index + 1,
                  (unsigned long long)index, (unsigned long long)term);
}

static void recover_clients(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->knobs.clients; i++) {
        uint64_t digest = world->clients[i].digest;
        CHECK(world->clients[i].grave_count == 0);
        sim_client_init(&world->clients[i], i, world);
        world->clients[i].digest = digest;
        world->clients[i].quiet = world->calm;
    }
}

static const char *recover_refeed_entry(struct sim_world *world, const struct sim_entry *old,
                                        uint64_t index)
{
    const struct command *command = (const struct command *)old->payload;
    struct entry entry = {
        .index = index, .term = old->term, .payload = old->payload, .size = old->size};
    struct membership_body body;
    const char *wrong = sim_log_add(&world->log, &entry);

    if (!wrong && command->kind == COMMAND_CONFIG) {
        CHECK(membership_body_decode(&body, (const uint8_t *)(command + 1), command->body_size) ==
              0);
        wrong = check_member_entry(&world->members, &body);
    }
    const struct sim_entry *last = &world->log.entries[index - 1];
    bool effect = last->gone || (last->session && last->error == 0);
    struct check_session_when when = {0, 0}; /* whom it was heard of is not asked again */
    return wrong ? wrong
                 : check_session_entry(&world->sessions, command, last->session, effect, last->zxid,
                                       when);
}

static void recover_refeed(struct sim_world *world, uint64_t count)
{
    struct model_config model = {.session_count_max = SIM_SESSIONS_MAX};
    struct sim_log old = world->log;
    const char *wrong = NULL;

    sim_log_init(&world->log, &model);
    for (uint64_t i = 0; i < count && !wrong; i++)
        wrong = recover_refeed_entry(world, &old.entries[i], i + 1);
    if (wrong)
        sim_world_wrong(world, "what was right before is wrong now: %s", wrong);
    sim_log_fini(&old);
}

/* All that was fed with the old history is fed with what is left of it. */
static void recover_rewind(struct sim_world *world, uint64_t kept)
{
    struct sim_recover *recover = &world->recover;
    uint64_t calm_ns = world->sessions.calm_ns;

    recover->kept = kept;
    recover->count = world->log.count;
    recover->state = SIM_RECOVER_DONE;
    recover->terms = calloc(recover->count - kept + 1, sizeof(*recover->terms));
    CHECK(recover->terms);
    for (uint64_t i = kept; i < recover->count; i++)
        recover->terms[i - kept] = world->log.entries[i].term;
    sim_world_say(world, "of %llu entries %llu are left", (unsigned long long)recover->count,
                  (unsigned long long)kept);
    const char *wrong = check_registers_judge(&world->registers);
    if (wrong)
        sim_world_wrong(world, "%s", wrong);
    check_hash_fini(&world->hash);
    check_hash_init(&world->hash);
    check_session_fini(&world->sessions);
    check_session_init(&world->sessions);
    world->sessions.calm_ns = calm_ns;
    world->members.begun = world->members.joint = world->members.both = false;
    world->commit_index = kept;
    recover_refeed(world, kept);
    for (uint32_t i = 0; i < world->node_count; i++) {
        world->atlas.nodes[i].needs = kept;
        if (world->nodes[i].node)
            sim_recover_started(world, &world->nodes[i]);
    }
    recover_clients(world);
}

bool sim_recover_shown(struct sim_world *world, struct sim_node *node, const struct entry *entry)
{
    struct sim_recover *recover = &world->recover;
    const struct sim_log *log = &world->log;

    if (recover->state == SIM_RECOVER_WAIT) {
        bool known = entry->index <= log->count;
        bool differs = known && log->entries[entry->index - 1].term != entry->term;
        if (differs || (!known && entry->term > recover->term_max))
            recover_rewind(world, differs ? entry->index - 1 : log->count);
    }
    recover_ahead(world, node, entry->index, entry->term);
    return node->ahead;
}

/* What it holds at the end of its snapshot, or applied, is looked at: terms do not go down. */
void sim_recover_started(struct sim_world *world, struct sim_node *node)
{
    const struct raft *raft = &node->node->core.raft;
    uint64_t applied = machine_index(node_machine(node->node));

    if (world->recover.state == SIM_RECOVER_DONE)
        node->config.recover_from_disk = false;
    if (applied)
        recover_ahead(world, node, applied, raft_terms_at(&raft->terms, applied));
}

void sim_recover_again(struct sim_world *world, struct sim_node *node)
{
    if (!node->node->superblock.state.forget)
        return;
    if (world->recover.state < SIM_RECOVER_WAIT)
        sim_world_wrong(world, "node %u puts its log aside, and nobody gave that up",
                        node->index + 1);
    world->recover.forgot++;
    node->honest = false;
    node->lacks = true;
}
