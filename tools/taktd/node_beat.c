/* The front end of native sessions (dataplane/beat), from the configuration. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static int beat_config_make(const struct node *node, struct beat_config *config,
                            struct address *listen, struct fault *fault)
{
    const struct config *c = node->config;

    memset(config, 0, sizeof(*config));
    int err = config_value_address(listen, c->beat_listen, fault);
    if (err)
        return err;
    config->endpoint = c->beat_endpoint ? c->beat_endpoint : c->node_id;
    config->timeout_ms_min = c->beat_session_ms_min;
    if (config_is_ensemble(c))
        config->lease_loss_ns = c->ensemble_election_ms_max * NS_PER_MS;
    if (c->beat_key_file[0])
        err = peer_keys_load(&config->keys, c->beat_key_file, fault);
    return err;
}

/* The front end of NET `index`. Port 0 in the configuration: all take what the first one got. */
static int node_beat_add(struct node *node, uint32_t index, const struct beat_config *config,
                         struct node_datagrams *want, struct fault *fault)
{
    struct datagram_port *port;

    want->index = index;
    int err = node->env.datagram_open(node->env.port_self, want, &port, fault);
    if (err)
        return err;
    want->listen.port = port->local.port;
    node->beat_count = index + 1;
    err = beat_init(&node->beats[index], config, &node->nets[index], port);
    if (err)
        return fault_set(fault, err, "native sessions cannot be served: %s", err_name(err));
    net_beat(&node->nets[index], &node->beats[index]);
    return 0;
}

int node_beat_init(struct node *node, struct fault *fault)
{
    struct beat_config config;
    struct node_datagrams want = {.size_limit = BEAT_WIRE_DATAGRAM_MAX,
                                  .name = "beat",
                                  .priority = (uint8_t)node->config->beat_priority};

    if (!node->config->beat_listen[0] || !node->env.datagram_open)
        return 0;
    int err = beat_config_make(node, &config, &want.listen, fault);
    if (err)
        return err;
    want.count = node->config->net_count;
    node->beats = lines_calloc(want.count, sizeof(*node->beats));
    if (!node->beats)
        return fault_set(fault, ERR_NOMEM, "no memory for native sessions");
    for (uint32_t i = 0; !err && i < want.count; i++)
        err = node_beat_add(node, i, &config, &want, fault);
    return err;
}

/* Behind net_fini, which ends its clients with the slab. */
void node_beat_fini(struct node *node)
{
    for (uint32_t i = 0; i < node->beat_count; i++)
        beat_fini(&node->beats[i]);
    free(node->beats);
    node->beats = NULL;
    node->beat_count = 0;
}
