/* The search for nodes to reap: bounded, going round containers and TTL nodes. */
#include "store/op.h"

#include "base/check.h"

uint32_t machine_reap_candidates(struct machine *m, int64_t time_ms, uint32_t visit_count,
                                 void (*found)(void *self, struct bytes path), void *self)
{
    struct owned_list *lists[2] = {&m->containers, &m->ttls};
    uint64_t all = m->containers.count + m->ttls.count;
    uint32_t visits = all < visit_count ? (uint32_t)all : visit_count;
    CHECK(found != NULL);
    for (uint32_t n = 0; n < visits; n++) {
        struct owned *owned = m->reap_next[m->reap_list];
        while (!owned) { /* the end of a list: on with the other one; one of them is not empty */
            m->reap_list ^= 1;
            owned = lists[m->reap_list]->first;
        }
        m->reap_next[m->reap_list] = owned->next;
        const struct znode *node = tree_find(m->tree, owned_path(owned));
        CHECK(node != NULL);
        if (op_reap_due(m, node, time_ms))
            found(self, owned_path(owned));
    }
    return visits;
}
