/* check_lease: what takt_session_deadline() tells a client is true: until then its session, and so
 * its ephemerals, live; and so no two clients hold the same lock at the same time, whatever their
 * clocks show. All times are true ones.
 *
 *   told: "until U" ─────────────────────────── U        the end of that session, committed in
 *                    ✗ end  ✗ another one holds           between, or another holder, is wrong
 *
 * Knows nothing of clocks and protocols. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_LEASE_CLIENTS 8

struct check_lease {
    struct check_lease_told {
        int64_t session;
        uint64_t until_ns; /* it may act until then */
        bool holds;        /* and acts as the lock's holder */
    } told[CHECK_LEASE_CLIENTS];
};

/* check_lease_told: what client, in [0, CHECK_LEASE_CLIENTS), knows after a poll at now_ns. What it
 * was told before counts no more: it has looked. Returns NULL, or what is wrong. */
const char *check_lease_told(struct check_lease *lease, uint32_t client,
                             const struct check_lease_told *told, uint64_t now_ns);

/* check_lease_ended: the end of the session is committed. Returns NULL, or what is wrong. */
const char *check_lease_ended(const struct check_lease *lease, int64_t session, uint64_t now_ns);
