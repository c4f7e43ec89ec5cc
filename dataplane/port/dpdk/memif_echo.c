/* memif_echo (perf_memif): a bare echo of frames between two processes over net_memif: what a link
 * of shared memory costs when both ends spin, and nothing is done with a frame but sending it back.
 * (tests/system/port_echo.c is the bare echo of the other ports, with TCP.)
 *
 *   perf_memif serve SOCKET CPU                        until SIGTERM
 *   perf_memif ask   SOCKET CPU SIZE WINDOW SECONDS    prints: samples p50_ns p99_ns p999_ns per_s
 *
 *   ask ──TX ring──▶ serve      SOCKET is a path; the server makes it, the client may come later.
 *    ▲───RX ring───────┘        A frame carries when it was sent, in TSC ticks.
 *
 * One thread each. The frames stay those of the client: it counts what is under way by WINDOW. */
#include "base/hist.h"
#include "dataplane/port/dpdk/memif_guard.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST          32
#define MBUF_COUNT     4095
#define FRAME_SIZE_MIN 60
#define FRAME_SIZE_MAX 1500

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "perf_memif: %s\n", what);
    return 1;
}

/* Starts DPDK with the one device, which becomes port 0. Gives its pool, or NULL. */
static struct rte_mempool *memif_open(const char *socket, const char *cpu, bool serves)
{
    char vdev[512];
    snprintf(vdev, sizeof(vdev), "net_memif0,role=%s,socket=%s,socket-abstract=no",
             serves ? "server" : "client", socket);
    char *args[] = {"memif", "-l",     (char *)cpu,   "--no-pci",       "--no-huge",
                    "-m",    "64",     "--no-shconf", "--no-telemetry", "--log-level",
                    "error", "--vdev", vdev};
    if (rte_eal_init(sizeof(args) / sizeof(*args), args) < 0)
        return NULL;
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create("frames", MBUF_COUNT, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    const struct rte_eth_conf conf = {0};
    memif_guard_init();
    if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(0, 0, 1024, 0, NULL, pool) != 0 ||
        rte_eth_tx_queue_setup(0, 0, 1024, 0, NULL) != 0 || rte_eth_dev_start(0) != 0)
        return NULL;
    return pool;
}

static bool memif_linked(void)
{
    struct rte_eth_link link;
    return rte_eth_link_get_nowait(0, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

static void memif_send(struct rte_mbuf **frames, uint16_t count)
{
    for (uint16_t sent = 0; sent < count && !stopping;) {
        memif_guard_enter(0);
        sent = (uint16_t)(sent + rte_eth_tx_burst(0, 0, frames + sent, (uint16_t)(count - sent)));
        memif_guard_leave(0);
    }
}

static uint16_t memif_receive(struct rte_mbuf *frames[BURST])
{
    memif_guard_enter(0);
    uint16_t count = rte_eth_rx_burst(0, 0, frames, BURST);
    memif_guard_leave(0);
    return count;
}

static int memif_serve(void)
{
    struct rte_mbuf *frames[BURST];
    while (!stopping)
        memif_send(frames, memif_receive(frames));
    return 0;
}

/* Takes what has come back, notes how long it was away, and sends it again. */
static void memif_turn(struct hist *hist, double ns_per_tick, bool counts)
{
    struct rte_mbuf *frames[BURST];
    uint16_t count = memif_receive(frames);
    uint64_t now = count ? rte_rdtsc() : 0;
    for (uint16_t i = 0; i < count; i++) {
        uint64_t *stamp = rte_pktmbuf_mtod(frames[i], uint64_t *);
        if (counts)
            hist_record(hist, (uint64_t)((double)(now - *stamp) * ns_per_tick));
        *stamp = rte_rdtsc();
    }
    memif_send(frames, count);
}

static int memif_ask(struct rte_mempool *pool, uint16_t size, uint32_t window, double seconds)
{
    static struct hist hist;
    double ns_per_tick = 1e9 / (double)rte_get_tsc_hz();
    uint64_t until = rte_rdtsc() + 10 * rte_get_tsc_hz();
    while (!memif_linked() && !stopping)
        if (rte_rdtsc() > until)
            return fail("the server's end did not come within 10 s");
    for (uint32_t i = 0; i < window; i++) {
        struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);
        char *bytes = frame ? rte_pktmbuf_append(frame, size) : NULL;
        if (bytes == NULL)
            return fail("no room for the window");
        memset(bytes, 0, size);
        *(uint64_t *)bytes = rte_rdtsc();
        memif_send(&frame, 1);
    }
    hist_init(&hist);
    uint64_t begin = rte_rdtsc() + rte_get_tsc_hz() / 5;
    uint64_t end = begin + (uint64_t)(seconds * (double)rte_get_tsc_hz());
    for (uint64_t now = 0; now < end && !stopping; now = rte_rdtsc())
        memif_turn(&hist, ns_per_tick, now >= begin);
    if (hist.count == 0)
        return fail("nothing came back");
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.0f\n", hist.count,
           hist_percentile(&hist, 50), hist_percentile(&hist, 99), hist_percentile(&hist, 99.9),
           (double)hist.count / seconds);
    return 0;
}

int main(int argc, char **argv)
{
    bool serves = argc == 4 && strcmp(argv[1], "serve") == 0;
    if (!serves && !(argc == 7 && strcmp(argv[1], "ask") == 0)) {
        fputs("usage: memif serve SOCKET CPU | memif ask SOCKET CPU SIZE WINDOW SECONDS\n", stderr);
        return 2;
    }
    long size = serves ? FRAME_SIZE_MIN : atol(argv[4]), window = serves ? 1 : atol(argv[5]);
    if (size < FRAME_SIZE_MIN || size > FRAME_SIZE_MAX || window < 1 || window > 512)
        return fail("SIZE is in [60, 1500], WINDOW in [1, 512]"), 2;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    struct rte_mempool *pool = memif_open(argv[2], argv[3], serves);
    if (pool == NULL)
        return fail("DPDK does not start, or has no net_memif here");
    int code = serves ? memif_serve()
                      : memif_ask(pool, (uint16_t)size, (uint32_t)window, strtod(argv[6], NULL));
    rte_eth_dev_stop(0);
    rte_eal_cleanup();
    return code;
}
