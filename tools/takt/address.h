/* address: "HOST:PORT" as people write it, and a TCP connection to it. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_DEFAULT "127.0.0.1:2181"

struct address_tcp {
    struct sockaddr_storage at;
    socklen_t size;
};

/* address_split cuts "host:port", "[v6]:port", "host" or ":port" (defaults 127.0.0.1 and 2181) into
 * host (room for 256 bytes) and *port. Pure. Returns 0 or ERR_MALFORMED with a sentence. */
MUST_USE int address_split(const char *text, char host[256], uint16_t *port, struct fault *fault);

/* address_check says whether each of a list, with commas between, can be split so. Pure. Returns 0
 * or ERR_MALFORMED with a sentence. */
MUST_USE int address_check(const char *list, struct fault *fault);

/* address_resolve asks the resolver for the first TCP address of `text`. Returns 0, ERR_MALFORMED
 * or ERR_NOTFOUND, with a sentence. */
MUST_USE int address_resolve(const char *text, struct address_tcp *address, struct fault *fault);

/* address_connect opens a TCP connection (TCP_NODELAY, close-on-exec, blocking) within timeout_ms.
 * Returns 0 and the caller owns *fd, or ERR_IO with a sentence. */
MUST_USE int address_connect(const struct address_tcp *address, uint32_t timeout_ms, int *fd,
                             struct fault *fault);
