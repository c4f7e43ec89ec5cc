#include "tests/sim/check_durable.h"

#include <stdio.h>

const char *check_durable_look(const struct check_durable_view *view)
{
    static char text[160];

    if (view->durable_index <= view->written_index && view->durable_term <= view->written_term)
        return NULL;
    snprintf(text, sizeof(text),
             "entry %llu of term %llu counts as durable, and its log on disk ends with %llu of "
             "term %llu",
             (unsigned long long)view->durable_index, (unsigned long long)view->durable_term,
             (unsigned long long)view->written_index, (unsigned long long)view->written_term);
    return text;
}
