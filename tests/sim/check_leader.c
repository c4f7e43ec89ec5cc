#include "tests/sim/check_leader.h"

#include <stdio.h>

const char *check_leader_look(struct check_leader *check, const struct check_leader_view *view,
                              uint64_t now_ns)
{
    static char text[200];
    uint64_t at = view->term % CHECK_LEADER_TERMS;

    if (check->terms[at].term > view->term) /* so old that it was forgotten */
        return NULL;
    if (check->terms[at].term < view->term) {
        check->terms[at].term = view->term;
        check->terms[at].since_ns = now_ns;
        check->terms[at].commit_index = view->commit_index;
        check->terms[at].node = view->node;
        check->changes++;
        return NULL;
    }
    if (check->terms[at].node != view->node) {
        snprintf(text, sizeof(text), "term %llu has two leaders, nodes %u and %u",
                 (unsigned long long)view->term, check->terms[at].node + 1, view->node + 1);
        return text;
    }
    if (view->commit_index <= check->terms[at].commit_index)
        return NULL;
    if (view->commit_index < view->term_first_index) {
        snprintf(text, sizeof(text),
                 "node %u leads term %llu from entry %llu on, and commits entry %llu of an older "
                 "term by counting",
                 view->node + 1, (unsigned long long)view->term,
                 (unsigned long long)view->term_first_index,
                 (unsigned long long)view->commit_index);
        return text;
    }
    check->terms[at].commit_index = view->commit_index;
    return NULL;
}

uint64_t check_leader_since_ns(const struct check_leader *check, uint64_t term)
{
    uint64_t at = term % CHECK_LEADER_TERMS;
    return check->terms[at].term == term ? check->terms[at].since_ns : 0;
}
