#include "tests/sim/sim_client.h"

#include "base/check.h"
#include "tests/sim/sim_reply.h"
#include "tests/sim/sim_world.h"

#include <stdlib.h>
#include <string.h>

static bool per_mille(struct sim_client *c, uint32_t rate)
{
    return rate && rand_below(&c->rand, 1000) < rate;
}

static uint32_t below(struct sim_client *c, uint32_t bound)
{
    return (uint32_t)rand_below(&c->rand, bound);
}

void sim_client_init(struct sim_client *client, uint32_t id, struct sim_world *world)
{
    memset(client, 0, sizeof(*client));
    client->id = id;
    client->world = world;
    client->log = &world->log;
    client->xid_next = 1;
    client->next_ns = world->now_ns;
    rand_seed(&client->rand, rand_next(&world->rand));
}

bool sim_client_settled(const struct sim_client *client)
{
    return client->state == SIM_LIVE && client->pending_count == 0 && client->out_size == 0;
}

static void send_out(struct sim_client *c)
{
    uint32_t n = c->out_size;

    if (n == 0 || port_sim_closed(c->peer))
        return;
    if (below(c, 100) < c->world->knobs.split_percent)
        n = 1 + below(c, n);
    port_sim_send(c->peer, c->out, n);
    c->sent_ns = c->world->now_ns;
    sim_node_wake(&c->world->nodes[c->host]);
    memmove(c->out, c->out + n, c->out_size - n);
    c->out_size -= n;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void client_grave(struct sim_client *c)
{
    if (c->grave_count == c->grave_room) {
        c->grave_room = c->grave_room ? 2 * c->grave_room : 16;
        c->graves = realloc(c->graves, c->grave_room * sizeof(*c->graves));
        CHECK(c->graves);
    }
    c->graves[c->grave_count++] = (struct sim_grave){c->peer, c->host};
    c->peer = NULL;
}

void sim_client_lost(struct sim_client *c, bool told)
{
    if (c->state == SIM_DOWN)
        return;
    if (c->state == SIM_LIVE)
        sim_reply_end(c);
    if (told && !port_sim_closed(c->peer))
        port_sim_cut(c->peer);
    sim_node_wake(&c->world->nodes[c->host]);
    client_grave(c);
    c->state = SIM_DOWN;
    c->pending_count = 0;
    c->out_size = 0;
    c->key_busy = false;
    c->synced_floor = 0;
    if (c->closing) { /* the close may or may not have been heard */
        c->session = 0;
        memset(c->password, 0, sizeof(c->password));
        c->closing = false;
    }
}

void sim_client_node_lost(struct sim_client *c, uint32_t node)
{
    if (c->state != SIM_DOWN && c->host == node)
        sim_client_lost(c, true);
}

void sim_client_bury(struct sim_client *c, uint32_t node)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < c->grave_count; i++) {
        if (c->graves[i].host == node)
            port_sim_forget(c->graves[i].peer);
        else
            c->graves[kept++] = c->graves[i];
    }
    c->grave_count = kept;
    if (kept)
        return;
    free(c->graves);
    c->graves = NULL;
    c->grave_room = 0;
}

static void client_connect(struct sim_client *c)
{
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [14] = 1}};
    uint32_t host = below(c, c->world->node_count);
    struct port *port = sim_world_port(c->world, host);

    if (!port)
        return;
    if (host != c->host)
        c->moves++;
    from.ip[15] = (uint8_t)(1 + c->id);
    c->host = host;
    c->peer = port_sim_connect(port, &from);
    c->state = SIM_GREETING;
    c->out_size = 0;
    c->pending_count = 0;
    c->heard_ns = c->sent_ns = c->since_ns = c->world->now_ns;
    c->forged = c->session && !c->quiet && per_mille(c, c->world->knobs.forge_per_mille);
    c->poisoned = false;
    sim_request_greeting(c);
}

static void client_greeted(struct sim_client *c, struct jute_in *in)
{
    bool again = c->session != 0;

    if (!sim_reply_greeting(c, in)) {
        sim_client_lost(c, true);
        return;
    }
    c->state = SIM_LIVE;
    sim_watch_reset(&c->watch, c->log, c->last_zxid);
    if (again && below(c, 2))
        sim_request_set_watches(c);
}

static void client_receive(struct sim_client *c)
{
    uint32_t size;

    while (c->state != SIM_DOWN) {
        const uint8_t *at = port_sim_arrived(c->peer, &size);
        struct jute_in length = jute_in(at, size);
        int32_t frame = jute_get_int(&length);
        if (length.bad || (uint32_t)frame > size - 4)
            return;
        for (int32_t i = 0; i < 4 + frame; i++)
            c->digest = (c->digest ^ at[i]) * 1099511628211ull;
        c->heard_ns = c->world->now_ns;
        struct jute_in in = jute_in(at + 4, (size_t)frame);
        if (c->state == SIM_GREETING)
            client_greeted(c, &in);
        else
            sim_reply_check(c, &in);
        if (c->state != SIM_DOWN) {
            port_sim_take(c->peer, 4 + (uint32_t)frame);
            sim_node_wake(&c->world->nodes[c->host]);
        }
    }
}

/* Nothing was heard for two thirds of the session's time: another node may do better. */
static bool client_despairs(const struct sim_client *c)
{
    uint64_t patience_ms = c->session && c->timeout_ms ? (uint64_t)c->timeout_ms * 2 / 3 : 1500;
    return c->world->now_ns - c->heard_ns > patience_ms * NS_PER_MS;
}

static void client_talk(struct sim_client *c)
{
    const struct sim_knobs *knobs = &c->world->knobs;
    bool due = c->world->now_ns - c->sent_ns > (uint64_t)c->timeout_ms * NS_PER_MS / 3;

    if (c->state == SIM_LIVE && !c->quiet)
        for (uint32_t n = below(c, 4); n > 0; n--)
            sim_request_something(c);
    if (c->state == SIM_LIVE && c->pending_count == 0 && (due || (c->quiet && below(c, 20) == 0)))
        sim_request_ping(c);
    if (c->state == SIM_LIVE && !c->quiet && !c->out_size && per_mille(c, knobs->garbage_per_mille))
        sim_request_garbage(c);
    send_out(c);
    if (!c->quiet && per_mille(c, knobs->cut_per_mille))
        sim_client_lost(c, below(c, 100) >= knobs->vanish_percent);
}

static void client_act(struct sim_client *c)
{
    const struct sim_knobs *knobs = &c->world->knobs;

    if (c->state == SIM_DOWN) {
        if (below(c, 4) == 0)
            client_connect(c);
        if (c->state != SIM_DOWN)
            send_out(c);
        return;
    }
    if (!sim_world_reached(c->world, c->host)) {
        if (client_despairs(c)) {
            c->given_up++;
            sim_client_lost(c, false);
        }
        return;
    }
    if (c->poisoned) {
        sim_client_lost(c, true);
        return;
    }
    if (c->quiet || below(c, 100) >= knobs->slow_percent)
        client_receive(c);
    if (c->state == SIM_DOWN)
        return;
    if (port_sim_closed(c->peer)) {
        client_receive(c); /* what arrived before the end counts */
        c->closed++;
        sim_client_lost(c, true);
        return;
    }
    if (client_despairs(c)) {
        client_receive(c);
        if (c->state != SIM_DOWN && client_despairs(c)) {
            c->given_up++;
            sim_client_lost(c, true);
        }
        return;
    }
    client_talk(c);
}

void sim_client_step(struct sim_client *c)
{
    const struct sim_knobs *knobs = &c->world->knobs;

    c->next_ns = c->world->now_ns + 1000 +
                 rand_below(&c->rand, knobs->think_us * 1000ull / (knobs->haste + 1));
    if (c->silent_steps) {
        c->silent_steps--;
        return;
    }
    if (!c->quiet && per_mille(c, knobs->silent_per_mille))
        c->silent_steps = below(c, 200);
    client_act(c);
}
