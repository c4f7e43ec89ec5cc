#include "store/role_reclaim.h"

#include "base/grace.h"
#include "base/messages.h"

#define _LGPL_SOURCE
#include <urcu-qsbr.h>

uint32_t role_reclaim_poll(void *self, struct now now)
{
    struct role_reclaim *reclaim = self;
    const struct retired *in;
    uint32_t size, n = 0;

    (void)now;
    if (link_empty(reclaim->apply_ctl))
        return 0;
    /* one wait serves every batch that is there: all were retired before it began */
    uint64_t until = atomic_load_explicit(&reclaim->apply_ctl->head, memory_order_acquire);
    synchronize_rcu();
    grace_passed();
    while (reclaim->apply_ctl->cursor != until && (in = link_peek(reclaim->apply_ctl, &size))) {
        struct retired *out = link_reserve(reclaim->ctl_apply, sizeof(*out));
        CHECK(out); /* as deep as apply_ctl, and APPLY takes back what it gave */
        *out = *in;
        link_pop(reclaim->apply_ctl);
        n++;
    }
    link_release(reclaim->apply_ctl);
    link_publish(reclaim->ctl_apply);
    return n;
}

bool role_reclaim_idle(void *self)
{
    struct role_reclaim *reclaim = self;
    return link_empty(reclaim->apply_ctl);
}
