/* rand: a small seeded generator (xoshiro256**, Blackman and Vigna) for tests, simulation, jitter
 * and sampling. Not for secrets. Pure: same seed, same numbers. */
#pragma once

#include <stdint.h>

struct rand {
    uint64_t s[4];
};

void rand_seed(struct rand *rand, uint64_t seed);
uint64_t rand_next(struct rand *rand);

/* rand_below is uniform in [0, bound); bound > 0. */
uint64_t rand_below(struct rand *rand, uint64_t bound);
