/* check_once: a request that a client sent once takes effect once, however often nodes forwarded
 * it, sent it again or replayed it. Clients of the simulator never use an xid twice in a session,
 * so each (session, xid) may be answered by one committed entry only. */
#pragma once

#include "base/messages.h"

#include <stdbool.h>

struct check_once {
    struct check_once_seen {
        int64_t session;
        int32_t xid;
        bool used;
    } * seen; /* open addressing */
    uint64_t count, room;
};

void check_once_init(struct check_once *once);
void check_once_fini(struct check_once *once);

/* check_once_entry takes the command of a committed entry, the session that an OPEN opened, and
 * whether it had effect. Returns NULL, or what is wrong. */
const char *check_once_entry(struct check_once *once, const struct command *command,
                             int64_t session, bool effect);
