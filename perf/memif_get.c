/* A control loop on net_memif: gets by libtakt's DPDK transport from a taktd that spins, as fast as
 * one after the other goes. Beside it perf_memif is the bare echo on the same path.
 *
 *   memif_get SOCKET CPU SECONDS WINDOW    prints: samples p50_ns p99_ns p999_ns per_s
 *
 *   this ──memif──▶ taktd --port dpdk (the device's server; 10.77.0.2, beat on 2182)
 *
 * A sample is from the loop's time before takt_get to when its answer has been read. */
#include "base/hist.h"
#include "tools/libtakt/takt_dpdk.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH       "/memif"
#define DATA_SIZE  100
#define WARM_NS    200000000ull
#define WINDOW_MAX 16

static struct hist hist;
static uint64_t sent_ns[TAKT_REQUESTS_MAX], count_from_ns, answered, wrong;

static void on_get(void *context, const struct takt_answer *answer)
{
    const uint8_t *data;
    uint32_t size;
    uint64_t *sent = context, now_ns = takt_now_ns();
    wrong += takt_read_data(answer, &data, &size, NULL) != 0 || size != DATA_SIZE;
    if (*sent >= count_from_ns)
        hist_record(&hist, now_ns - *sent);
    answered++;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "memif_get: %s: %s\n", what, why);
    return 1;
}

static int prepare(struct takt_client *client)
{
    static const char data[DATA_SIZE];
    struct takt_answer answer;
    int err = takt_wait_live(client, 20000000000ull);
    if (err)
        return fail("no session within 20 s", takt_error_text(err));
    err = takt_wait_answer(client,
                           takt_create(client, PATH, data, DATA_SIZE, TAKT_PERSISTENT, NULL),
                           5000000000ull, &answer);
    if (err || (answer.error && answer.error != TAKT_NODE_EXISTS))
        return fail("create", takt_error_text(err ? err : answer.error));
    takt_release(client, answer.ticket);
    return 0;
}

static int run(struct takt_client *client, uint32_t window, uint64_t span_ns)
{
    uint64_t submitted = 0, now_ns = takt_now_ns(), end_ns = now_ns + WARM_NS + span_ns;
    count_from_ns = now_ns + WARM_NS;
    hist_init(&hist);
    for (; now_ns < end_ns; now_ns = takt_now_ns()) {
        while (submitted - answered < window) {
            uint64_t *at = &sent_ns[submitted % TAKT_REQUESTS_MAX];
            const struct takt_done done = {.answer = on_get, .context = at};
            *at = now_ns;
            if (takt_get(client, PATH, 0, &done) < 0)
                return fail("get", "the session has ended");
            submitted++;
        }
        takt_poll(client, now_ns);
    }
    if (hist.count == 0 || wrong)
        return fail("get", wrong ? "a wrong answer" : "nothing came back");
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.0f\n", hist.count,
           hist_percentile(&hist, 50), hist_percentile(&hist, 99), hist_percentile(&hist, 99.9),
           (double)hist.count * 1e9 / (double)span_ns);
    return 0;
}

int main(int argc, char **argv)
{
    char eal[512], why[512];
    struct takt_transport transport;
    struct takt_client *client;
    if (argc != 5 || atoi(argv[4]) < 1 || atoi(argv[4]) > WINDOW_MAX) {
        fputs("usage: memif_get SOCKET CPU SECONDS WINDOW     (WINDOW in [1, 16])\n", stderr);
        return 2;
    }
    snprintf(eal, sizeof(eal),
             "--no-pci --no-huge -m 128 --no-shconf --log-level error "
             "--vdev net_memif0,role=client,socket=%s,socket-abstract=no",
             argv[1]);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)atoi(argv[2]), &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
    const struct takt_dpdk_config dpdk = {
        .eal = eal, .address = "10.77.0.1/24", .nodes = "10.77.0.2:2182"};
    if (takt_dpdk_open(&dpdk, &transport, why, sizeof(why)))
        return fail("no transport", why);
    const struct takt_config config = {.transport = &transport, .request_count = WINDOW_MAX};
    int err = takt_open(&config, &client);
    if (err)
        return fail("no client", takt_error_text(err));
    int code = prepare(client);
    if (!code)
        code = run(client, (uint32_t)atoi(argv[4]), (uint64_t)(atof(argv[3]) * 1e9));
    takt_free(client);
    return code;
}
