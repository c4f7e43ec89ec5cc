#include "tests/sim/check_stale.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

void check_stale_begin(struct check_stale *check)
{
    memset(check, 0, sizeof(*check));
}

void check_stale_put(struct check_stale *check, uint32_t sender,
                     const struct check_stale_datagram *datagram)
{
    CHECK(sender < CHECK_STALE_NODES);
    if (datagram->incarnation < datagram->known ||
        (datagram->to_incarnation && datagram->to_incarnation != datagram->own))
        check->senders[sender].stale_count++;
    else
        check->senders[sender].fresh = true;
}

const char *check_stale_look(struct check_stale *check, uint32_t sender, uint64_t heard_ns)
{
    static char text[120];
    struct check_stale_sender *from = &check->senders[sender];
    bool moved = heard_ns > from->heard_ns; /* 0 again: it left and came back */

    CHECK(sender < CHECK_STALE_NODES);
    from->heard_ns = heard_ns;
    if (!moved || from->fresh || from->stale_count == 0)
        return NULL;
    snprintf(text, sizeof(text), "took what node %u sent in another start, or to another start",
             sender + 1);
    return text;
}

void check_stale_rest(struct check_stale *check)
{
    for (uint32_t i = 0; i < CHECK_STALE_NODES; i++) {
        check->senders[i].fresh = false;
        check->senders[i].stale_count = 0;
    }
}
