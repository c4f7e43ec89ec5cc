#include "dataplane/port/port.h"

#include <string.h>

#define PORT_LIMIT_SIZE_MAX (1u << 27)

int port_init(struct port *port, const struct port_ops *ops, const struct port_setup *setup)
{
    if (setup->rx_limit < STREAM_PIECE_SIZE_MIN || setup->rx_limit > PORT_LIMIT_SIZE_MAX ||
        setup->tx_limit < STREAM_PIECE_SIZE_MIN || setup->tx_limit > PORT_LIMIT_SIZE_MAX)
        return ERR_RANGE;
    memset(port, 0, sizeof(*port));
    port->ops = ops;
    port->setup = *setup;
    return 0;
}

void port_dirty(struct port *port, struct stream *stream)
{
    if (stream->tx_dirty)
        return;
    stream->tx_dirty = true;
    stream->dirty_next = port->dirty;
    port->dirty = stream;
}

void port_forget(struct port *port, struct stream *stream)
{
    if (!stream->tx_dirty)
        return;
    struct stream **at = &port->dirty;
    while (*at != stream) {
        CHECK(*at != NULL);
        at = &(*at)->dirty_next;
    }
    *at = stream->dirty_next;
    stream->tx_dirty = false;
}

void port_flush(struct port *port)
{
    struct stream *stream;
    while ((stream = port->dirty) != NULL) {
        port->dirty = stream->dirty_next;
        stream->tx_dirty = false;
        port->ops->flush(port, stream);
    }
    if (port->ops->flushed)
        port->ops->flushed(port);
}
