#include "tools/takt/benchmix.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define BENCHMIX_SHARE_MAX 1000000

static const char *const benchmix_names[BENCHMIX_OP_COUNT] = {
    "get",   "set",      "create", "delete", "exists", "ls",   "sync",
    "multi", "create_e", "event",  "last",   "open",   "close"};

const char *benchmix_name(enum benchmix_op op)
{
    CHECK(op < BENCHMIX_OP_COUNT);
    return benchmix_names[op];
}

static int benchmix_parse_one(const char *at, size_t size, struct benchmix *mix,
                              struct fault *fault)
{
    const char *equal = memchr(at, '=', size);
    size_t name = equal ? (size_t)(equal - at) : size;
    uint32_t op = 0;
    while (op < BENCHMIX_MIX_COUNT &&
           (strlen(benchmix_names[op]) != name || memcmp(benchmix_names[op], at, name) != 0))
        op++;
    if (op == BENCHMIX_MIX_COUNT)
        return fault_set(fault, ERR_CONFIG,
                         "\"%.*s\" is no operation; they are get, set, create, delete, exists, "
                         "ls, sync, multi, create_e",
                         (int)name, at);
    if (mix->share[op] != 0)
        return fault_set(fault, ERR_CONFIG, "\"%s\" is there twice", benchmix_names[op]);
    uint64_t share = 0;
    for (const char *c = equal ? equal + 1 : at + size; c < at + size; c++) {
        if (*c < '0' || *c > '9' || share > BENCHMIX_SHARE_MAX) {
            share = 0;
            break;
        }
        share = share * 10 + (uint64_t)(*c - '0');
    }
    if (equal == NULL)
        share = 1;
    if (share == 0 || share > BENCHMIX_SHARE_MAX)
        return fault_set(fault, ERR_CONFIG, "\"%.*s\": a share is a whole number in [1, %d]",
                         (int)size, at, BENCHMIX_SHARE_MAX);
    mix->share[op] = (uint32_t)share;
    mix->sum += (uint32_t)share;
    return 0;
}

int benchmix_parse(const char *text, struct benchmix *mix, struct fault *fault)
{
    struct benchmix found = {0};
    for (const char *at = text;;) {
        size_t size = strcspn(at, ",");
        int err = benchmix_parse_one(at, size, &found, fault);
        if (err != 0)
            return err;
        if (at[size] == '\0')
            break;
        at += size + 1;
    }
    *mix = found;
    return 0;
}

enum benchmix_op benchmix_pick(const struct benchmix *mix, struct rand *rand)
{
    DCHECK(mix->sum > 0);
    uint32_t ticket = (uint32_t)rand_below(rand, mix->sum), op = 0;
    while (ticket >= mix->share[op])
        ticket -= mix->share[op++];
    return (enum benchmix_op)op;
}
