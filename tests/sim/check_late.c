#include "tests/sim/check_late.h"

#include <stddef.h>

void check_late_begin(struct check_late *late, bool limited)
{
    *late = (struct check_late){.limited = limited, .past_ns = UINT64_MAX};
}

const char *check_late_sent(struct check_late *late, uint64_t time, uint64_t time_ns,
                            uint64_t deadline_ns)
{
    if ((time != 0) != late->limited)
        return "a datagram says another deadline than the request has";
    if (!late->limited)
        return NULL;
    if (time > 1 && time_ns > deadline_ns)
        return "a datagram allows more time than the request has";
    if (time_ns < late->past_ns)
        late->past_ns = time_ns;
    return NULL;
}

void check_late_arrives(struct check_late *late, uint64_t time, uint64_t mono_ns)
{
    late->in_time |= time == 0 || mono_ns <= time;
}

const char *check_late_answered(const struct check_late *late, bool refused, bool carried_out,
                                uint64_t now_ns)
{
    if (refused && !late->limited)
        return "it is past its deadline, and has none";
    if (refused && now_ns <= late->past_ns)
        return "it is past its deadline, and no node's clock is";
    if (carried_out && !late->in_time)
        return "it was carried out, and came to no node in time";
    return NULL;
}
