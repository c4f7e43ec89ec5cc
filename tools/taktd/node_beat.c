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

int node_beat_init(struct node *node, struct fault *fault)
{
    struct beat_config config;
    struct datagram_port *port;
    struct address listen;

    if (!node->config->beat_listen[0] || !node->env.datagram_open)
        return 0;
    int err = beat_config_make(node, &config, &listen, fault);
    if (err)
        return err;
    struct beat *beat = calloc(1, sizeof(*beat));
    if (!beat)
        return fault_set(fault, ERR_NOMEM, "no memory for native sessions");
    err = node->env.datagram_open(node->env.port_self, &listen, BEAT_WIRE_DATAGRAM_MAX, &port,
                                  fault);
    if (err) {
        free(beat);
        return err;
    }
    node->beat = beat;
    err = beat_init(beat, &config, &node->nets[0], port);
    if (err)
        return fault_set(fault, err, "native sessions cannot be served: %s", err_name(err));
    net_beat(&node->nets[0], beat);
    return 0;
}

/* Behind net_fini, which ends its clients with the slab. */
void node_beat_fini(struct node *node)
{
    if (!node->beat)
        return;
    beat_fini(node->beat);
    free(node->beat);
    node->beat = NULL;
}
