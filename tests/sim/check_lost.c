#include "tests/sim/check_lost.h"

#include <stddef.h>
#include <stdio.h>

const char *check_lost_look(const struct check_lost_view *view)
{
    static char text[200];

    if (view->term <= view->applied_term ||
        (view->last_index >= view->applied_index &&
         (view->held_term == 0 || view->held_term == view->applied_term)))
        return NULL;
    snprintf(text, sizeof(text),
             "node %u leads term %llu without entry %llu of term %llu, which clients were told of: "
             "its log ends at %llu, and has term %llu there",
             view->node + 1, (unsigned long long)view->term,
             (unsigned long long)view->applied_index, (unsigned long long)view->applied_term,
             (unsigned long long)view->last_index, (unsigned long long)view->held_term);
    return text;
}
