#include "tests/sim/check_read.h"

#include <stdio.h>
#include <string.h>

void check_read_begin(struct check_read *check, uint64_t asked, uint64_t answered)
{
    memset(check, 0, sizeof(*check));
    check->asked = asked;
    check->answered = answered;
}

const char *check_read_look(struct check_read *check, const struct check_read_view *view,
                            uint64_t floor)
{
    static char text[160];

    for (; check->asked < view->asked; check->asked++) {
        uint64_t number = check->asked + 1;
        check->asks[number % CHECK_READ_ASKS].number = number;
        check->asks[number % CHECK_READ_ASKS].floor = floor;
    }
    if (view->answered <= check->answered)
        return NULL;
    check->answered = view->answered;
    uint64_t at = view->answered % CHECK_READ_ASKS;
    if (check->asks[at].number != view->answered || view->index >= check->asks[at].floor)
        return NULL;
    snprintf(text, sizeof(text),
             "read barrier %llu came to index %llu, and %llu was committed when it was asked for",
             (unsigned long long)view->answered, (unsigned long long)view->index,
             (unsigned long long)check->asks[at].floor);
    return text;
}
