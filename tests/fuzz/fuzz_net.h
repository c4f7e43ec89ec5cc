/* fuzz_net: a NET on the sim port with a state machine behind it, for targets that play clients.
 * CORE and APPLY in one: what NET asks for is stamped and applied at once. */
#pragma once

#include "base/check.h"
#include "dataplane/net.h"
#include "dataplane/port/port_sim.h"
#include "store/machine.h"

#include <stdlib.h>
#include <string.h>

struct fuzz {
    struct net net;
    struct link net_core, apply_net;
    struct tree *tree;
    struct machine *machine;
    struct counters page;
    struct counters_book book;
    struct now now;
    uint64_t index;
    int64_t session;
};

static void fuzz_change(void *self, int64_t zxid, uint32_t event, struct bytes path,
                        struct bytes acl, struct bytes parent_acl)
{
    struct fuzz *f = self;
    struct bytes parts[3] = {path, acl, parent_acl};
    uint32_t sizes[3], size = 0;
    for (int i = 0; i < 3; i++)
        size += sizes[i] = parts[i].size > 0 ? (uint32_t)parts[i].size : 0;
    struct apply_change *c = link_reserve(&f->apply_net, (uint32_t)sizeof(*c) + size);
    CHECK(c);
    *c = (struct apply_change){{APPLY_NET_CHANGE, size, zxid}, event, sizes[0], sizes[1], sizes[2]};
    uint8_t *at = (uint8_t *)(c + 1);
    for (int i = 0; i < 3; at += sizes[i++]) {
        if (sizes[i])
            memcpy(at, parts[i].at, sizes[i]);
    }
}

static void fuzz_reply(void *self, const struct apply_reply *head, struct bytes body)
{
    struct fuzz *f = self;
    uint32_t size = body.size > 0 ? (uint32_t)body.size : 0;
    struct apply_reply *r = link_reserve(&f->apply_net, (uint32_t)sizeof(*r) + size);
    CHECK(r);
    *r = *head;
    r->head.size = size;
    if (size)
        memcpy(r + 1, body.at, size);
}

static void fuzz_session(void *self, const struct apply_session *session)
{
    struct apply_session *s = link_reserve(&((struct fuzz *)self)->apply_net, sizeof(*s));
    CHECK(s);
    *s = *session;
}

static void fuzz_timer(void *self, int64_t session, int32_t timeout_ms)
{
}

static void fuzz_create(struct fuzz *f)
{
    struct net_config config;
    struct tree_config tree_config = {.memory_limit = 16 << 20, .nodes_max = 1 << 12};
    struct machine_config machine_config = {.session_count_max = 64,
                                            .acl_count_max = 1024,
                                            .extended_types = true,
                                            .enforce_quota = true};
    net_config_default(&config);
    config.conns_max = 8;
    config.watches_max = 512;
    config.conn_watches_max = 256;
    config.memory_limit = 16 << 20; /* small regions: a sanitizer pays for mapping them */
    config.frame_size_max = 128 << 10;
    config.reply_size_max = 4 << 20;
    config.output_limit = 1 << 20;
    config.super_digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    memset(f, 0, sizeof(*f));
    CHECK(link_init(&f->net_core, "net_core", 1 << 20) == 0);
    CHECK(link_init(&f->apply_net, "apply_net", 4 << 20) == 0);
    CHECK(tree_create(&f->tree, &tree_config) == 0);
    CHECK(machine_create(&f->machine, &machine_config, f->tree) == 0);
    counters_init(&f->page, "net", 0);
    counters_book_add(&f->book, &f->page);
    struct net_parts parts = {&f->net_core, &f->apply_net, f->tree, machine_acls(f->machine),
                              &f->page,     &f->book};
    struct port_setup setup;
    struct port *port;
    CHECK(net_init(&f->net, &config, &parts) == 0);
    net_port_setup(&f->net, &setup);
    CHECK(port_sim_open(&setup, 1 << 20, &port) == 0);
    net_start(&f->net, port);
    f->now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    f->session = 0x100000000000000;
}

static void fuzz_destroy(struct fuzz *f)
{
    net_fini(&f->net);
    machine_destroy(f->machine);
    tree_destroy(f->tree);
    link_fini(&f->net_core);
    link_fini(&f->apply_net);
}

/* CORE and APPLY in one: stamps and applies what NET asked for. */
static void fuzz_apply(struct fuzz *f)
{
    struct machine_sink sink = {f, fuzz_change, fuzz_reply, fuzz_session, fuzz_timer};
    const struct command *c;
    uint32_t size;
    while ((c = link_peek(&f->net_core, &size))) {
        struct command stamped = *c;
        const uint8_t *body = (const uint8_t *)(c + 1);
        CHECK(size == sizeof(*c) + c->body_size);
        stamped.time_ms = f->now.wall_ms;
        if (c->kind == COMMAND_OPEN)
            stamped.session = ++f->session;
        if (c->kind == COMMAND_QUERY)
            machine_query(f->machine, &stamped, body, &sink);
        else if (c->kind != COMMAND_TOUCH)
            machine_apply(f->machine, ++f->index, 1, &stamped, body, &sink);
        link_pop(&f->net_core);
        link_release(&f->net_core);
    }
    link_publish(&f->apply_net);
    tree_publish(f->tree, machine_zxid(f->machine));
}
