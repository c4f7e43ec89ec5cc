#include "dataplane/port/datagram_kernel.h"

#include "base/check.h"
#include "base/lines.h"
#include "dataplane/port/kernel_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_SLOT_SIZE   ((DATAGRAM_SIZE_MAX + 63u) & ~63u)
#define KERNEL_BUFFER_SIZE (4u << 20)
#define KERNEL_RETRY_NS    (200ull * 1000) /* the socket's buffer was full */
#define KERNEL_V4_HEADERS  28u
#define KERNEL_V6_HEADERS  48u

struct kernel_slots {
    struct mmsghdr *heads;
    struct iovec *vectors;
    struct sockaddr_storage *addresses;
};

struct datagram_kernel {
    _Alignas(LINES_SIZE) struct datagram_port base; /* of one NET, or of PEER */
    int fd;
    uint32_t size_limit, buffer_size;
    bool v6, rx_full;
    uint32_t tx_begin, tx_end; /* slots [begin, end) wait */
    struct mmsghdr rx_heads[DATAGRAM_BURST], tx_heads[DATAGRAM_QUEUE];
    struct iovec rx_vectors[DATAGRAM_BURST], tx_vectors[DATAGRAM_QUEUE];
    struct sockaddr_storage rx_from[DATAGRAM_BURST], tx_to[DATAGRAM_QUEUE];
    uint8_t *memory; /* rx slots, then tx slots */
};
LINES_OWN(struct datagram_kernel);

#define KERNEL_MEMORY_SIZE ((size_t)(DATAGRAM_BURST + DATAGRAM_QUEUE) * KERNEL_SLOT_SIZE)

static struct datagram_kernel *kernel_of(struct datagram_port *port)
{
    return (struct datagram_kernel *)port;
}

static bool kernel_is_v4(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, prefix, sizeof(prefix)) == 0;
}

/* An IPv6 socket speaks to IPv4 by mapped addresses. */
static socklen_t kernel_sockaddr(bool v6, const struct address *address,
                                 struct sockaddr_storage *to)
{
    if (!v6 || !kernel_is_v4(address))
        return kernel_listener_sockaddr(address, to);
    struct sockaddr_in6 *mapped = (struct sockaddr_in6 *)to;
    *mapped = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    memcpy(&mapped->sin6_addr, address->ip, 16);
    return sizeof(*mapped);
}

/* ---- receive ---- */

static uint32_t kernel_poll(struct datagram_port *base, struct now now)
{
    struct datagram_kernel *port = kernel_of(base);
    (void)now;
    int n = recvmmsg(port->fd, port->rx_heads, DATAGRAM_BURST, MSG_DONTWAIT, NULL);
    port->rx_full = n == (int)DATAGRAM_BURST;
    if (n <= 0)
        return 0; /* nothing there, or the report of an earlier datagram's failure */
    base->received_ns = clock_now().mono_ns;
    datagram_count(&base->counters.reads, 1);
    datagram_count(&base->counters.rx, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        struct mmsghdr *head = &port->rx_heads[i];
        bool cut = head->msg_hdr.msg_flags & MSG_TRUNC;
        if (cut) {
            datagram_count(&base->counters.rx_truncated, 1);
        } else {
            struct address from = kernel_listener_address(&port->rx_from[i]);
            datagram_count(&base->counters.rx_bytes, head->msg_len);
            base->events->received(base->role, &from, port->rx_vectors[i].iov_base, head->msg_len);
        }
        head->msg_hdr.msg_namelen = sizeof(port->rx_from[i]);
    }
    return (uint32_t)n;
}

/* ---- send ---- */

static void kernel_flush(struct datagram_port *base)
{
    struct datagram_kernel *port = kernel_of(base);
    while (port->tx_begin < port->tx_end) {
        int n = sendmmsg(port->fd, port->tx_heads + port->tx_begin, port->tx_end - port->tx_begin,
                         MSG_DONTWAIT);
        if (n > 0) {
            datagram_count(&base->counters.writes, 1);
            datagram_count(&base->counters.tx, (uint32_t)n);
            port->tx_begin += (uint32_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR) {
            return;
        } else { /* the first of them is the one that failed: it alone is lost */
            datagram_count(
                errno == EMSGSIZE ? &base->counters.tx_too_large : &base->counters.tx_failed, 1);
            port->tx_begin++;
        }
    }
    port->tx_begin = port->tx_end = 0; /* the same slots again: they are in the cache */
}

static uint8_t *kernel_room(struct datagram_port *base)
{
    struct datagram_kernel *port = kernel_of(base);
    if (UNLIKELY(port->tx_end == DATAGRAM_QUEUE)) {
        kernel_flush(base);
        if (port->tx_end == DATAGRAM_QUEUE) {
            datagram_count(&base->counters.tx_full, 1);
            return NULL;
        }
    }
    return port->tx_vectors[port->tx_end].iov_base;
}

static void kernel_send(struct datagram_port *base, const struct address *to, uint32_t size)
{
    struct datagram_kernel *port = kernel_of(base);
    CHECK(port->tx_end < DATAGRAM_QUEUE && size >= 1 && size <= DATAGRAM_SIZE_MAX);
    uint32_t slot = port->tx_end++;
    port->tx_vectors[slot].iov_len = size;
    port->tx_heads[slot].msg_hdr.msg_namelen = kernel_sockaddr(port->v6, to, &port->tx_to[slot]);
    datagram_count(&base->counters.tx_bytes, size);
}

/* ---- the route's MTU ---- */

/* The kernel tells it of a connected socket, and with it what path MTU discovery has learnt. */
static int kernel_route_mtu(const struct address *to, bool v4)
{
    struct sockaddr_storage at;
    socklen_t size = kernel_listener_sockaddr(to, &at);
    int mtu = 0;
    socklen_t mtu_size = sizeof(mtu);
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0)
        return 0;
    if (connect(fd, (struct sockaddr *)&at, size) ||
        getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &mtu_size))
        mtu = 0;
    close(fd);
    return mtu;
}

static uint32_t kernel_size_max(struct datagram_port *base, const struct address *to)
{
    struct datagram_kernel *port = kernel_of(base);
    bool v4 = kernel_is_v4(to);
    uint32_t headers = v4 ? KERNEL_V4_HEADERS : KERNEL_V6_HEADERS;
    int mtu = kernel_route_mtu(to, v4);
    uint32_t size = mtu > (int)headers ? (uint32_t)mtu - headers : DATAGRAM_SIZE_MIN;
    size = size < DATAGRAM_SIZE_MAX ? size : DATAGRAM_SIZE_MAX;
    size = port->size_limit && size > port->size_limit ? port->size_limit : size;
    return size > DATAGRAM_SIZE_MIN ? size : DATAGRAM_SIZE_MIN;
}

/* ---- the rest of the interface ---- */

static bool kernel_idle(struct datagram_port *base)
{
    return !kernel_of(base)->rx_full;
}

static uint64_t kernel_deadline_ns(struct datagram_port *base, struct now now)
{
    struct datagram_kernel *port = kernel_of(base);
    return port->tx_begin < port->tx_end ? now.mono_ns + KERNEL_RETRY_NS : UINT64_MAX;
}

static int kernel_park_fds(struct datagram_port *base, int *fds, int max)
{
    if (max > 0)
        fds[0] = kernel_of(base)->fd;
    return 1;
}

static void kernel_fini(struct datagram_port *base)
{
    struct datagram_kernel *port = kernel_of(base);
    close(port->fd);
    munmap(port->memory, KERNEL_MEMORY_SIZE);
    free(port);
}

static const struct datagram_ops kernel_ops = {
    .poll = kernel_poll,
    .room = kernel_room,
    .send = kernel_send,
    .flush = kernel_flush,
    .size_max = kernel_size_max,
    .idle = kernel_idle,
    .deadline_ns = kernel_deadline_ns,
    .park_fds = kernel_park_fds,
    .fini = kernel_fini,
};

/* ---- open ---- */

static void kernel_slots_init(const struct kernel_slots *slots, uint32_t count, uint8_t *memory)
{
    for (uint32_t i = 0; i < count; i++) {
        slots->vectors[i] =
            (struct iovec){memory + (size_t)i * KERNEL_SLOT_SIZE, DATAGRAM_SIZE_MAX};
        slots->heads[i].msg_hdr = (struct msghdr){.msg_name = &slots->addresses[i],
                                                  .msg_namelen = sizeof(slots->addresses[i]),
                                                  .msg_iov = &slots->vectors[i],
                                                  .msg_iovlen = 1};
    }
}

static int kernel_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* The privileged option goes above the system's limit; without the privilege the limit is taken. */
static void kernel_buffer(int fd, int forced, int name, uint32_t size)
{
    if (kernel_option(fd, SOL_SOCKET, forced, (int)size))
        (void)!kernel_option(fd, SOL_SOCKET, name, (int)size);
}

static int kernel_prepare(struct datagram_kernel *port, const struct datagram_kernel_setup *setup)
{
    struct sockaddr_storage at;
    socklen_t size = kernel_listener_sockaddr(&setup->listen, &at);
    uint32_t buffer = setup->buffer_size ? setup->buffer_size : KERNEL_BUFFER_SIZE;
    int granted = 0;
    socklen_t granted_size = sizeof(granted);
    kernel_buffer(port->fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer);
    kernel_buffer(port->fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer);
    if (port->v6) {
        if (kernel_option(port->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) ||
            kernel_option(port->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO) ||
            kernel_option(port->fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1))
            return -1;
    }
    /* The first binds before it shares: so another process at that address is still an error. */
    if (setup->shared && !setup->first && kernel_option(port->fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return -1;
    if (kernel_option(port->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO) ||
        bind(port->fd, (struct sockaddr *)&at, size) ||
        (setup->shared && setup->first && kernel_option(port->fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        getsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &granted, &granted_size))
        return -1;
    size = sizeof(at);
    if (getsockname(port->fd, (struct sockaddr *)&at, &size))
        return -1;
    port->base.local = kernel_listener_address(&at);
    port->buffer_size = (uint32_t)granted;
    return 0;
}

static struct datagram_kernel *kernel_new(void)
{
    struct datagram_kernel *port = lines_calloc(1, sizeof(*port));
    if (!port)
        return NULL;
    port->memory =
        mmap(NULL, KERNEL_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (port->memory == MAP_FAILED) {
        free(port);
        return NULL;
    }
    struct kernel_slots rx = {port->rx_heads, port->rx_vectors, port->rx_from};
    struct kernel_slots tx = {port->tx_heads, port->tx_vectors, port->tx_to};
    kernel_slots_init(&rx, DATAGRAM_BURST, port->memory);
    kernel_slots_init(&tx, DATAGRAM_QUEUE,
                      port->memory + (size_t)DATAGRAM_BURST * KERNEL_SLOT_SIZE);
    return port;
}

int datagram_kernel_open(const struct datagram_kernel_setup *setup, struct datagram_port **out,
                         struct fault *fault)
{
    if (setup->size_limit && setup->size_limit < DATAGRAM_SIZE_MIN)
        return fault_set(fault, ERR_RANGE,
                         "peers' datagrams of %u bytes: at least %u must be "
                         "allowed",
                         setup->size_limit, DATAGRAM_SIZE_MIN);
    struct datagram_kernel *port = kernel_new();
    if (!port)
        return fault_set(fault, ERR_NOMEM, "no memory for the peers' datagrams");
    port->base.ops = &kernel_ops;
    port->size_limit = setup->size_limit;
    port->v6 = !kernel_is_v4(&setup->listen);
    port->fd = socket(port->v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                      IPPROTO_UDP);
    bool refused = port->fd >= 0 && setup->priority &&
                   kernel_option(port->fd, SOL_SOCKET, SO_PRIORITY, setup->priority);
    if (port->fd < 0 || refused || kernel_prepare(port, setup)) {
        int code = errno;
        if (port->fd >= 0)
            close(port->fd);
        munmap(port->memory, KERNEL_MEMORY_SIZE);
        free(port);
        if (refused)
            return fault_set(fault, ERR_UNSUPPORTED, "priority %u: %s; above 6 it needs "
                             "CAP_NET_ADMIN", setup->priority, strerror(code));
        return kernel_listener_fault(code, &setup->listen, fault);
    }
    *out = &port->base;
    return 0;
}

uint32_t datagram_kernel_buffer_size(const struct datagram_port *port)
{
    return ((const struct datagram_kernel *)port)->buffer_size;
}
