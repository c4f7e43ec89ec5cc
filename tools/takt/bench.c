#include "tools/takt/bench.h"

#include <stdlib.h>

void bench_sample(const struct bench_config *config, struct bench_result *result, bool after)
{
    struct bench_proc *server = after ? &result->server_after : &result->server_before;
    struct bench_proc *client = after ? &result->client_after : &result->client_before;
    if (bench_proc_read(0, client) != 0)
        *client = (struct bench_proc){0};
    result->has_server =
        config->server_pids != NULL && bench_proc_read_all(config->server_pids, server) == 0;
}

size_t bench_request_size(const struct bench_config *config)
{
    return 2 * (config->payload + BENCH_PATH_SIZE + 64);
}

struct bytes bench_payload(const struct bench_config *config)
{
    static uint8_t *data;
    static uint64_t size;
    if (data == NULL || size < config->payload) {
        struct rand rand;
        free(data);
        data = malloc(config->payload + 1);
        if (data == NULL)
            abort();
        size = config->payload;
        rand_seed(&rand, 1);
        for (uint64_t i = 0; i < size; i++)
            data[i] = (uint8_t)('a' + rand_below(&rand, 26));
    }
    return bytes_of(data, config->payload);
}
