#include "tests/sim/check_lease.h"

#include "base/check.h"

#include <stdio.h>

const char *check_lease_told(struct check_lease *lease, uint32_t client,
                             const struct check_lease_told *told, uint64_t now_ns)
{
    static char text[160];

    CHECK(client < CHECK_LEASE_CLIENTS);
    lease->told[client] = *told;
    if (!told->holds || told->until_ns <= now_ns)
        return NULL;
    for (uint32_t i = 0; i < CHECK_LEASE_CLIENTS; i++) {
        const struct check_lease_told *other = &lease->told[i];
        if (i == client || !other->holds || other->until_ns <= now_ns)
            continue;
        snprintf(text, sizeof(text),
                 "it holds the lock, and controller %u believes for %llu us more that it does", i,
                 (unsigned long long)(other->until_ns - now_ns) / 1000);
        return text;
    }
    return NULL;
}

const char *check_lease_ended(const struct check_lease *lease, int64_t session, uint64_t now_ns)
{
    static char text[160];

    for (uint32_t i = 0; i < CHECK_LEASE_CLIENTS; i++) {
        const struct check_lease_told *told = &lease->told[i];
        if (told->session != session || told->until_ns <= now_ns)
            continue;
        snprintf(
            text, sizeof(text),
            "session %llx ended, and its controller %u was told that it lives for %llu us more",
            (unsigned long long)session, i, (unsigned long long)(told->until_ns - now_ns) / 1000);
        return text;
    }
    return NULL;
}
