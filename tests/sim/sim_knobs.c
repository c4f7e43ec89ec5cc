#include "tests/sim/sim_knobs.h"

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct knob {
    const char *name, *what;
    uint32_t chance, least, greatest;
    size_t offset;
} knobs_all[] = {
#define KNOB_ROW(name, chance, least, greatest, what)                                              \
    {#name, what, chance, least, greatest, offsetof(struct sim_knobs, name)},
    SIM_KNOBS(KNOB_ROW)
#undef KNOB_ROW
};
#define KNOB_COUNT                                    (sizeof(knobs_all) / sizeof(knobs_all[0]))
#define KNOB_ONE(name, chance, least, greatest, what) +1
#define KNOB_APART                                    (KNOB_COUNT - (0 SIM_KNOBS_APART(KNOB_ONE)))

static uint32_t *knob_at(struct sim_knobs *knobs, const struct knob *knob)
{
    return (uint32_t *)((char *)knobs + knob->offset);
}

void sim_knobs_draw(struct sim_knobs *knobs, struct rand *rand)
{
    bool calm = rand_below(rand, 16) == 0;

    struct rand apart = {0};
    memset(knobs, 0, sizeof(*knobs));
    for (size_t i = 0; i < KNOB_COUNT; i++) {
        const struct knob *knob = &knobs_all[i];
        if (i == KNOB_APART) {
            apart = *rand;
            rand = &apart;
        }
        /* both are drawn always, so that a knob more does not change the meaning of the others */
        uint64_t coin = rand_below(rand, 100);
        uint64_t value = knob->least + rand_below(rand, knob->greatest - knob->least + 1ull);
        if (coin < knob->chance && (!calm || knob->chance == 100))
            *knob_at(knobs, knob) = (uint32_t)value;
    }
}

int sim_knobs_set(struct sim_knobs *knobs, const char *pair)
{
    const char *equal = strchr(pair, '=');

    for (size_t i = 0; equal && i < KNOB_COUNT; i++) {
        size_t size = strlen(knobs_all[i].name);
        if (size != (size_t)(equal - pair) || strncmp(pair, knobs_all[i].name, size) != 0)
            continue;
        char *end;
        unsigned long value = strtoul(equal + 1, &end, 10);
        if (*end || end == equal + 1 || value > UINT32_MAX)
            return ERR_RANGE;
        *knob_at(knobs, &knobs_all[i]) = (uint32_t)value;
        return 0;
    }
    return ERR_NOTFOUND;
}

void sim_knobs_print(const struct sim_knobs *knobs)
{
    for (size_t i = 0; i < KNOB_COUNT; i++) {
        uint32_t value = *knob_at((struct sim_knobs *)knobs, &knobs_all[i]);
        if (value)
            printf("%s=%u ", knobs_all[i].name, value);
    }
    printf("\n");
}

void sim_knobs_list(void)
{
    for (size_t i = 0; i < KNOB_COUNT; i++)
        printf("  %-20s %3u %% of seeds: %u..%u  %s\n", knobs_all[i].name, knobs_all[i].chance,
               knobs_all[i].least, knobs_all[i].greatest, knobs_all[i].what);
}
