#include "tools/taktd/run.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/node_page.h"
#include "consensus/disk_posix.h"
#include "consensus/disk_uring.h"
#include "dataplane/port/datagram_kernel.h"
#include "dataplane/port/dpdk/datagram_dpdk.h"
#include "dataplane/port/port_kernel.h"
#include "tools/taktd/control.h"
#include "tools/taktd/node.h"
#include "tools/taktd/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is the same in all lives of the node in this process. */
struct run_process {
    /* its page, on which nothing depends */
    char path[NODE_PAGE_PATH_MAX];
    struct node_page *page; /* NULL: not shown */
    struct node_page_watch *watch;
    struct port_dpdk_device *device; /* with port.kind dpdk: DPDK starts once in a process */
};

struct run {
    const struct config *config;
    struct disk_uring *uring; /* one of the two */
    struct disk_posix posix;
    bool posix_used;
    struct disk_io disk;
    struct node *node;
    struct run_process *process;
    struct control control; /* CTL's */
    pthread_t ctl;
    bool ctl_started;
    int signal; /* that asked to stop; 0 = none. Written by CTL, read after it has ended */
    bool again; /* not the first life of this process */
    _Atomic bool stopped; /* the node has ended; CTL is to end too */
};

/* ---- surroundings of the node ---------------------------------------------------------------- */

static void run_random(void *self, void *out, uint32_t n)
{
    uint8_t *at = out;

    (void)self;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            n -= (uint32_t)got;
        }
    }
}

static int run_port_open(void *self, uint32_t index, const struct port_setup *setup,
                         struct port **port, struct fault *fault)
{
    const struct run *run = self;
    const struct config *config = run->config;

    if (config->port_kind == CONFIG_PORT_DPDK)
        return port_dpdk_open(run->process->device, index, setup, port, fault);
    struct port_kernel_setup kernel = {.port = *setup,
                                       .listen = config->listen.at,
                                       .listen_count = config->listen.count,
                                       .net_index = index,
                                       .net_count = config->net_count,
                                       .backlog = (int)config->port_backlog};
    return port_kernel_open(&kernel, port, fault);
}

/* Starts DPDK and its device, once for all NETs. */
static int run_device_open(struct run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct port_dpdk_setup setup = {.eal = config->port_eal,
                                    .ip = config->port_address.at,
                                    .prefix_size = config->port_address.prefix_length,
                                    .gateway = config->port_gateway,
                                    .net_count = config->net_count,
                                    .mtu = (uint16_t)config->port_mtu,
                                    .vlan = (uint16_t)config->port_vlan,
                                    .plain = config->port_offloads == CONFIG_OFFLOADS_OFF};
    char text[256];

    setup.ip.port = config->listen.at[0].port;
    run_random(run, &setup.seed, sizeof(setup.seed));
    int err = port_dpdk_start(&setup, &run->process->device, fault);
    if (!err)
        say(SAY_INFO, "device: %s", port_dpdk_text(run->process->device, text, sizeof(text)));
    else if (geteuid() != 0)
        say(SAY_INFO, "as an ordinary user, af_packet needs CAP_NET_RAW and CAP_NET_ADMIN, tap "
                      "CAP_NET_ADMIN, a network card access to /dev/vfio, and af_xdp needs root");
    return err;
}

/* Opens the data directory. auto takes io_uring where DISK shares its thread with other roles. */
static int run_disk_open(struct run *run, struct fault *fault)
{
    const struct config *config = run->config;
    bool forced = config->log_backend == CONFIG_BACKEND_URING;
    bool wanted = forced || (config->log_backend == CONFIG_BACKEND_AUTO &&
                             config->layout == CONFIG_LAYOUT_TOGETHER);
    int err;

    if (wanted) {
        err = disk_uring_create(&run->uring, &run->disk, config->data_dir, fault);
        if (err != ERR_UNSUPPORTED)
            return err;
        if (forced)
            return fault_wrap(fault, err, "log.backend uring");
        say(SAY_INFO, "no io_uring, so the log is written by plain system calls: %s", fault->text);
    }
    err = disk_posix_init(&run->posix, &run->disk, config->data_dir, false, fault);
    run->posix_used = err == 0;
    return err;
}

static void run_disk_close(struct run *run)
{
    if (run->uring)
        disk_uring_destroy(run->uring);
    if (run->posix_used)
        disk_posix_fini(&run->posix);
}

/* Each connection is a descriptor. The soft limit is raised as far as an ordinary user may. */
static void run_raise_files(const struct config *config)
{
    struct rlimit limit;
    uint64_t wanted = (uint64_t)config->connections_max + 256;

    if (config->port_kind != CONFIG_PORT_KERNEL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    bool asked = config->origins[config_table_find("limits.connections") - config_table].from >
                 CONFIG_FROM_DEV;
    if (limit.rlim_cur < wanted)
        say(asked ? SAY_WARN : SAY_DEBUG,
            "limits.connections is %u, but this process may open %" PRIu64
            " files: raise ulimit -n (LimitNOFILE= in systemd) or lower the setting",
            config->connections_max, (uint64_t)limit.rlim_cur);
}

#define RUN_LOOK_MS 1000 /* between two looks: at traced requests, for members not heard */

/* ---- CTL: signals and the watchdog ----------------------------------------------------------- */

static void run_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

/* A node whose clients wait for an answer and which has applied nothing since the last look does
 * not work, whatever its threads do; systemd then hears nothing and restarts it. */
static void run_watchdog(const struct run *run, uint64_t *applied_before)
{
    const struct counters_book *book = node_counters(run->node);
    uint64_t applied = counters_sum(book, METRIC_apply_commands_total);
    bool waiting = counters_sum(book, METRIC_net_outstanding) > 0;

    if (!waiting || applied != *applied_before)
        notify_send("WATCHDOG=1");
    *applied_before = applied;
}

/* A hang-up asks a node with a key file to read it again, and any other node to stop. */
static bool run_rekey(const struct run *run, int got)
{
    struct fault fault;

    if (got != SIGHUP || run->config->peers_key_file[0] == '\0' || !config_is_ensemble(run->config))
        return false;
    if (node_rekey(run->node, &fault) != 0)
        say(SAY_WARN, "SIGHUP: the peers' keys stay as they were: %s", fault.text);
    return true;
}

/* Waits for a signal, a caller or the time. Returns the signal, or 0. */
static int run_ctl_wait(struct run *run, int signal_fd, uint32_t wait_ms)
{
    struct pollfd ready[2] = {{.fd = signal_fd, .events = POLLIN},
                              {.fd = run->control.fd, .events = POLLIN}}; /* -1: passed over */
    struct signalfd_siginfo got;

    if (poll(ready, 2, wait_ms ? (int)wait_ms : -1) <= 0)
        return 0;
    if (ready[1].revents)
        control_serve(&run->control, run->node);
    if (ready[0].revents && read(signal_fd, &got, sizeof(got)) == (ssize_t)sizeof(got))
        return (int)got.ssi_signo;
    return 0;
}

static void *run_ctl(void *self)
{
    struct run *run = self;
    uint32_t watchdog_ms = notify_watchdog_ms(), wait_ms = watchdog_ms;
    bool ensemble = config_is_ensemble(run->config);
    uint64_t applied = 0;
    sigset_t signals;

    run_signals(&signals);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(signal_fd >= 0);
    pthread_setname_np(pthread_self(), "ctl");
    if ((ensemble || run->process->page) && (!wait_ms || wait_ms > RUN_LOOK_MS))
        wait_ms = RUN_LOOK_MS;
    uint64_t due_ns = clock_now().mono_ns;
    while (!run->stopped) {
        int got = run_ctl_wait(run, signal_fd, wait_ms);
        if (run->stopped)
            break;
        if (got > 0 && run_rekey(run, got))
            continue;
        if (got > 0) {
            run->signal = got;
            notify_send("STOPPING=1");
            node_stop(run->node);
            continue;
        }
        /* a caller is no reason to look at the names before their time */
        if (!wait_ms || clock_now().mono_ns < due_ns)
            continue;
        due_ns = clock_now().mono_ns + (wait_ms - wait_ms / 8) * NS_PER_MS;
        if (watchdog_ms)
            run_watchdog(run, &applied);
        if (ensemble)
            node_resolve(run->node);
        if (run->process->page)
            node_page_look(run->process->watch, clock_now());
    }
    close(signal_fd);
    return NULL;
}

static int run_ctl_start(struct run *run, struct fault *fault)
{
    if (control_open(&run->control, run->config->data_dir, fault) != 0)
        say(SAY_WARN, "no control socket, so roles cannot be moved: %s", fault->text);
    int os_error = pthread_create(&run->ctl, NULL, run_ctl, run);

    if (os_error) {
        control_close(&run->control);
        return fault_set(fault, ERR_LIMIT, "no thread for CTL: %s", strerror(os_error));
    }
    run->ctl_started = true;
    return 0;
}

static void run_ctl_stop(struct run *run)
{
    if (!run->ctl_started)
        return;
    run->stopped = true;
    pthread_kill(run->ctl, SIGTERM);
    pthread_join(run->ctl, NULL);
    control_close(&run->control);
}

/* ---- lines for people ------------------------------------------------------------------------ */

static void run_say_recovered(const struct run *run)
{
    const struct node_recovery *r = node_recovery(run->node);

    if (r->cut_size)
        say(SAY_WARN,
            "the log ended in a torn write of %" PRIu64 " bytes, as after a power cut; "
            "nothing of it was ever acknowledged, and it was cut",
            r->cut_size);
    say(SAY_INFO,
        "data in %s: %" PRIu64 " znodes, %" PRIu64 " sessions; snapshot %" PRIu64 " and %" PRIu64
        " log entries read in %" PRIu64 " ms; term %" PRIu64 ", log at %" PRIu64,
        run->config->data_dir, r->nodes, r->sessions, r->snapshot_index, r->entries,
        (uint64_t)(r->elapsed_ns / NS_PER_MS), r->term, r->last_index);
}

static void run_say_ready(const struct run *run, uint64_t begin_ns)
{
    const struct config *config = run->config;
    char listen[1024], port[32], layout[32], idle[32], status[1400];

    config_value_print(config, config_table_find("listen"), listen, sizeof(listen));
    config_value_print(config, config_table_find("port.kind"), port, sizeof(port));
    config_value_print(config, config_table_find("roles.layout"), layout, sizeof(layout));
    config_value_print(config, config_table_find("roles.idle"), idle, sizeof(idle));
    say(SAY_INFO, "%u NET, roles %s, idle %s; log by %s in blocks of %u", config->net_count, layout,
        idle, run->disk.name, run->disk.block_size);
    bool ensemble = config_is_ensemble(config); /* which serves when it has a leader */
    say(SAY_INFO, "%s after %" PRIu64 " ms: node %u of '%s' listens on %s (%s port)%s",
        ensemble ? "up" : "ready", (uint64_t)((clock_now().mono_ns - begin_ns) / NS_PER_MS),
        config->node_id, config->cluster_name, listen, port,
        ensemble ? ", and serves when a leader is known" : "");
    if (config->beat_listen[0])
        say(SAY_INFO, "controllers reach it by beat (UDP) at %s, %s", config->beat_listen,
            config->beat_key_file[0] ? "with the keys of beat.key_file" : "without keys");
    snprintf(status, sizeof(status), "READY=1\nSTATUS=node %u listens on %s", config->node_id,
             listen);
    notify_send(status);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static int run_datagram_open(void *self, const struct node_datagrams *want,
                             struct datagram_port **port, struct fault *fault)
{
    const struct datagram_kernel_setup setup = {.listen = want->listen,
                                                .size_limit = want->size_limit,
                                                .shared = want->count > 1,
                                                .first = want->index == 0,
                                                .priority = want->priority};
    const struct datagram_dpdk_setup dpdk = {.name = want->name,
                                             .listen = want->listen,
                                             .net_index = want->index,
                                             .priority = want->priority,
                                             .sole = want->count == 1};
    struct run *run = self;
    if (run->config->port_kind == CONFIG_PORT_DPDK)
        return datagram_dpdk_open(run->process->device, &dpdk, port, fault);
    return datagram_kernel_open(&setup, port, fault);
}

static int run_resolve(void *self, const char *host, struct address *at, struct fault *fault)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);

    memset(at, 0, sizeof(*at));
    if (failed)
        return fault_set(fault, ERR_NOTFOUND, "%s: %s", host, gai_strerror(failed));
    if (found->ai_family == AF_INET6) {
        memcpy(at->ip, &((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr, 16);
    } else {
        at->ip[10] = at->ip[11] = 0xff;
        memcpy(at->ip + 12, &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr,
               4);
    }
    freeaddrinfo(found);
    return 0;
}

/* ---- the page ---- */

/* Asked for by node_open, when the data directory is locked. */
static struct node_page *run_page_open(void *self)
{
    struct run *run = self;
    struct run_process *process = run->process;
    struct fault fault;

    if (process->page) {
        node_page_reset(process->page);
        memset(process->watch, 0, sizeof(*process->watch));
    } else if (run->config->page_shown) {
        process->watch = calloc(1, sizeof(*process->watch));
        if (!process->watch || node_page_path(run->config->data_dir, process->path) != 0)
            return NULL;
        if (node_page_create(process->path, run->config->net_count + 2, &process->page, &fault) !=
            0)
            say(SAY_WARN, "takt top will not see this node: %s", fault.text);
    }
    if (process->page)
        process->watch->page = process->page;
    return process->page;
}

/* Which of several queues gets the datagrams of whom, where that is not every queue. */
static void run_flows_say(const struct device_facts *facts)
{
    for (uint32_t i = 0; i < facts->flow_count; i++) {
        const struct device_flow *flow = &facts->flows[i];
        if (flow->steer == DEVICE_STEER_DEVICE)
            say(SAY_INFO, "device: %s (UDP port %u): rte_flow gives them to queue %u", flow->name,
                flow->number, flow->queue);
        else if (flow->steer == DEVICE_STEER_SOFTWARE)
            say(SAY_INFO,
                "device: %s (UDP port %u): handed over to queue %u by who gets them, as "
                "the device takes no rule (%s)",
                flow->name, flow->number, flow->queue, flow->why);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int run_open(struct run *run, struct fault *fault)
{
    int err = run_disk_open(run, fault);
    if (!err && run->config->port_kind == CONFIG_PORT_DPDK && !run->process->device)
        err = run_device_open(run, fault);
    if (err)
        return err;
    const struct node_env env = {.disk = &run->disk,
                                 .port_open = run_port_open,
                                 .port_self = run,
                                 .datagram_open = run_datagram_open,
                                 .resolve = run_resolve,
                                 .random = run_random,
                                 .page = run_page_open,
                                 .page_self = run,
                                 .now = clock_now(),
                                 .again = run->again,
                                 .threads = true};
    err = node_open(&run->node, run->config, &env, fault);
    if (err || !run->process->device)
        return err;
    const struct device_facts *facts = port_dpdk_facts(run->process->device);
    if (!run->again)
        run_flows_say(facts);
    if (run->process->page)
        run->process->page->device = *facts;
    return 0;
}

/* One life of the node, from recovery to its end. */
static int run_once(struct run *run, uint64_t begin_ns, struct fault *fault)
{
    int err = run_open(run, fault);

    if (err)
        return err;
    run_say_recovered(run);
    err = node_start(run->node, fault);
    if (!err)
        err = run_ctl_start(run, fault);
    if (err) {
        struct fault ignored;
        node_stop(run->node);
        (void)!node_wait(run->node, &ignored);
        return err;
    }
    run_say_ready(run, begin_ns);
    err = node_wait(run->node, fault);
    run_ctl_stop(run);
    return err;
}

/* Everything of one life is given back. */
static void run_close(struct run *run)
{
    if (run->node)
        node_close(run->node);
    run_disk_close(run);
}

static void run_process_end(struct run_process *process, int err)
{
    if (process->device)
        port_dpdk_stop(process->device);
    if (process->page && !err)
        node_page_remove(process->path, process->page); /* of one that failed, it stays */
    free(process->watch);
}

int run_node(const struct config *config, struct fault *fault)
{
    static struct run run; /* 100 KB of disk state: kept off the stack */
    struct run_process process = {0};
    sigset_t signals;
    int err = 0;

    run_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* every thread to come inherits it */
    signal(SIGPIPE, SIG_IGN);
    run_raise_files(config);
    do {
        memset(&run, 0, sizeof(run));
        run.config = config;
        run.process = &process;
        run.again = err == ERR_RESTART;
        err = run_once(&run, clock_now().mono_ns, fault);
        if (err == ERR_RESTART)
            say(SAY_INFO, "%s", fault->text);
        else if (!err)
            say(SAY_INFO, "stopping: %s", strsignal(run.signal));
        run_close(&run);
    } while (err == ERR_RESTART);
    run_process_end(&process, err);
    if (!err)
        say(SAY_INFO, "stopped; the log is closed");
    return err;
}
