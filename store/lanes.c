#include "store/lanes.h"

#include "base/check.h"
#include "base/plant.h"

enum lanes_verdict lanes_take(struct lanes *lanes, const struct command *command)
{
    struct command_lane *known = &lanes->node[command->node];

    if (command->lane == 0) {
        CHECK(command->kind != COMMAND_CANCEL);
        return LANES_NEW;
    }
    CHECK(command->incarnation != 0);
    if (command->incarnation < known->incarnation)
        return LANES_STALE;
    if (command->incarnation > known->incarnation)
        *known = (struct command_lane){.node = command->node, .incarnation = command->incarnation};
    if (command->lane <= known->lane && !PLANTED(35))
        return LANES_REPEAT;
    if (command->kind == COMMAND_CANCEL)
        known->cancelled = command->lane;
    else
        lanes->gaps += command->lane != known->lane + 1;
    known->lane = command->lane;
    return LANES_NEW;
}

uint32_t lanes_list(const struct lanes *lanes, struct command_lane *out)
{
    uint32_t n = 0;

    for (uint32_t node = 0; node < LANES_COUNT; node++) {
        CHECK(lanes->node[node].cancelled <= lanes->node[node].lane);
        if (lanes->node[node].incarnation)
            out[n++] = lanes->node[node];
    }
    CHECK(n <= LANES_COUNT);
    return n;
}
