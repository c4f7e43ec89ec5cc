/* Compiled once, then copied with lwIP (dataplane/meson.build): every object here exists once for
 * each copy, and only stack_instance is seen outside of it. */
#include "dataplane/port/lwip/stack.h"

#include "base/check.h"

#include <string.h>

/* base/err.h and lwip/err.h share this one name, with the same value. */
#define ERR_OK LWIP_ERR_OK
#include "lwip/ethip6.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4_frag.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_index.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "netif/ethernet.h"
#undef ERR_OK
#define ERR_OK 0

#include "dataplane/port/lwip/stack_ip.h"

#define STACK_FLUSH_NS   (5 * NS_PER_S) /* a flushing stream may stand still for so long */
#define STACK_TCP_NS     (TCP_TMR_INTERVAL * NS_PER_MS)
#define STACK_QUIET_NS   (250 * NS_PER_MS) /* between ticks while no connection waits for anything \
                                            */
#define STACK_ARP_NS     (ARP_TMR_INTERVAL * NS_PER_MS)
#define STACK_HEADROOM   54 /* bytes before TCP's payload in a frame: Ethernet, IP, TCP, at least */
static_assert(ARP_TMR_INTERVAL == ND6_TMR_INTERVAL, "one timer for both");
#define STACK_WRITE_MAX  32768u /* given to tcp_write at once (its size is 16 bits) */

enum stack_state { STACK_OPEN, STACK_FLUSHING, STACK_DOOMED };

struct stack_stream {
    struct stream base;
    struct tcp_pcb *pcb;   /* NULL once lwIP has given it up */
    uint32_t uncredited;   /* received bytes for which the window is not open again */
    bool queued;
    bool drained_due, ended_due;
    bool graceful;         /* doomed after a flush: FIN rather than RST */
    uint64_t progress_ns;  /* flushing: when it last moved */
    struct stack_stream *queue_next;
    struct stack_stream *all_next, *all_prev;
};
static_assert(sizeof(struct stack_stream) <= 256, "an idle connection costs one 256 B piece here");

static struct {
    bool in_use;
    struct stack_setup setup;
    struct port *port;
    struct netif netif;
    bool is_ip6;
    ip6_addr_t gateway_ip6; /* any: none */
    u16_t checks; /* NETIF_CHECKSUM_* done in software */
    struct tcp_pcb *listener;
    struct slab slab; /* lwIP's */
    struct stack_stream *queue_first, *queue_last, *all;
    uint32_t flushing_count;
    uint64_t now_ns, tcp_due_ns, arp_due_ns, flush_due_ns;
    struct stack_counters counters;
} stack;

/* ---- what lwIP asks for (port/arch/cc.h) ---- */

void stack_failed(const char *condition, const char *file, int line)
{
    check_failed(condition, file, line);
}

/* The size goes in front: a slab wants it back. */
void *stack_alloc(size_t size)
{
    uint64_t *piece = slab_alloc(&stack.slab, size + 16);
    if (!piece) {
        port_count(&stack.counters.memory_refused, 1);
        return NULL;
    }
    piece[0] = size + 16;
    return piece + 2;
}

void *stack_calloc(size_t count, size_t size)
{
    void *piece = stack_alloc(count * size);
    return piece ? memset(piece, 0, count * size) : NULL;
}

void stack_free(void *piece)
{
    if (piece)
        slab_free(&stack.slab, (uint64_t *)piece - 2, ((uint64_t *)piece)[-2]);
}

uint32_t stack_now_ms(void)
{
    return (uint32_t)(stack.now_ns / NS_PER_MS);
}

static uint64_t mix(uint64_t v)
{
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
    return v ^ (v >> 31);
}

static uint64_t mix_ip(uint64_t h, const ip_addr_t *ip)
{
    if (IP_IS_V4(ip))
        return mix(h ^ ip_2_ip4(ip)->addr);
    const u32_t *at = ip_2_ip6(ip)->addr;
    return mix(mix(h ^ ((uint64_t)at[0] << 32 | at[1])) ^ ((uint64_t)at[2] << 32 | at[3]));
}

/* RFC 6528: a keyed hash of the connection, and a clock of 4 us. */
uint32_t stack_isn(const struct ip_addr *local_ip, uint16_t local_port,
                   const struct ip_addr *remote_ip, uint16_t remote_port)
{
    uint64_t h = mix_ip(mix_ip(stack.setup.seed, local_ip), remote_ip);
    h = mix(h ^ stack.setup.seed ^ ((uint64_t)local_port << 16 | remote_port));
    return (uint32_t)h + (uint32_t)(stack.now_ns / 4000);
}

/* Asked for by neighbour discovery: who takes what is not for our network. */
const struct ip6_addr *stack_gateway_ip6(void)
{
    return ip6_addr_isany(&stack.gateway_ip6) ? NULL : &stack.gateway_ip6;
}

/* ---- lwIP's clock ---- */

/* True when a tick has something to count: anything but established connections at rest. */
static bool tcp_waits(void)
{
    if (tcp_tw_pcbs)
        return true;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        if (pcb->state != ESTABLISHED || pcb->unacked || pcb->unsent || pcb->ooseq ||
            pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_FIN))
            return true;
    return false;
}

/* Something has moved: the next tick is a short one again. */
static void tcp_wake(void)
{
    if (stack.tcp_due_ns > stack.now_ns + STACK_TCP_NS)
        stack.tcp_due_ns = stack.now_ns + STACK_TCP_NS;
}

/* ---- streams ---- */

static struct stack_stream *stack_stream_of(struct stream *stream)
{
    return (struct stack_stream *)stream;
}

static void queue(struct stack_stream *stream)
{
    if (stream->queued)
        return;
    stream->queued = true;
    stream->queue_next = NULL;
    if (stack.queue_last)
        stack.queue_last->queue_next = stream;
    else
        stack.queue_first = stream;
    stack.queue_last = stream;
}

static void doom(struct stack_stream *stream, bool graceful)
{
    if (stream->base.state == STACK_DOOMED)
        return;
    if (stream->base.state == STACK_FLUSHING)
        stack.flushing_count--;
    stream->base.state = STACK_DOOMED;
    stream->graceful = graceful;
    queue(stream);
}

static void fail(struct stack_stream *stream, _Atomic uint64_t *counter)
{
    if (stream->base.state == STACK_DOOMED)
        return;
    port_count(counter, 1);
    doom(stream, false);
}

/* Opens the window for what NET has taken. A frame that is awaited counts as taken: the window
 * would never let one larger than itself in. */
static void credit(struct stack_stream *stream)
{
    uint32_t kept = 0;
    if (!stream_rx_wanted(&stream->base))
        kept = stream->base.rx.end - stream->base.rx.begin;
    while (stream->pcb && stream->uncredited > kept) {
        uint32_t n = stream->uncredited - kept < 0xffff ? stream->uncredited - kept : 0xffff;
        stream->uncredited -= n;
        tcp_recved(stream->pcb, (u16_t)n);
    }
}

/* Detaches the connection from its stream; lwIP ends it: by FIN if nothing would be lost, else
 * RST. */
static void hang_up(struct stack_stream *stream)
{
    struct tcp_pcb *pcb = stream->pcb;
    if (!pcb)
        return;
    stream->base.rx = stream->base.rx.room ? stream->base.rx : (struct stream_buf){0};
    stream->base.rx_want = UINT32_MAX; /* everything counts as taken */
    credit(stream);
    stream->pcb = NULL;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    bool unsent = pcb->unsent || pcb->unacked;
    if ((unsent && !stream->graceful) || tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
    tcp_wake();
}

static void release(struct stack_stream *stream)
{
    hang_up(stream);
    port_forget(stack.port, &stream->base);
    stream_release(&stream->base);
    *(stream->all_prev ? &stream->all_prev->all_next : &stack.all) = stream->all_next;
    if (stream->all_next)
        stream->all_next->all_prev = stream->all_prev;
    stack.port->stream_count--;
    slab_free(stack.port->setup.slab, stream, sizeof(*stream));
}

static void finish(struct stack_stream *stream)
{
    stack.port->setup.events->closed(stack.port->setup.net, &stream->base);
    port_count(&stack.port->counters.closed, 1);
    release(stream);
}

static void tell_received(struct stack_stream *stream)
{
    stack.port->setup.events->received(stack.port->setup.net, &stream->base);
    if (stream_rx_settle(&stream->base))
        fail(stream, &stack.port->counters.refused_memory);
    credit(stream);
}

/* ---- lwIP's callbacks; all from inside of input or service ---- */

/* Hands one segment to NET. In place when it is one piece with room for what is kept before it. */
static void deliver(struct stack_stream *stream, struct pbuf *p)
{
    struct stream *base = &stream->base;
    bool wanted = stream_rx_wanted(base);
    uint32_t kept = base->rx.end - base->rx.begin;
    stream->uncredited += p->tot_len;
    if (wanted && !p->next && (kept == 0 || (kept <= STACK_HEADROOM && p->ref == 1))) {
        stream_rx_lend(base, p->payload, p->tot_len);
    } else {
        for (struct pbuf *q = p; q; q = q->next)
            if (stream_rx_append(base, q->payload, q->len)) {
                fail(stream, &stack.port->counters.refused_memory);
                return;
            }
    }
    if (wanted && !stream_rx_wanted(base)) {
        tell_received(stream);
    } else {
        if (stream_rx_settle(base))
            fail(stream, &stack.port->counters.refused_memory);
        credit(stream);
    }
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)err;
    struct stack_stream *stream = arg;
    if (!p) {
        stream->base.ended = true;
        stream->ended_due = true;
        queue(stream);
        return ERR_OK;
    }
    port_count(&stack.port->counters.reads, 1);
    port_count(&stack.port->counters.rx_bytes, p->tot_len);
    if (stream->base.state == STACK_OPEN)
        deliver(stream, p);
    else
        tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    (void)pcb;
    (void)size;
    struct stack_stream *stream = arg;
    stream->progress_ns = stack.now_ns;
    if (stream_tx_size(&stream->base) > 0)
        port_dirty(stack.port, &stream->base);
    return ERR_OK;
}

/* The connection was reset, or gave up; lwIP has freed it. */
static void on_error(void *arg, err_t err)
{
    (void)err;
    struct stack_stream *stream = arg;
    stream->pcb = NULL;
    fail(stream, &stack.port->counters.reset);
}

/* Makes a stream of a connection. Returns NULL when it is refused; the caller aborts it then. */
static struct stack_stream *open_stream(struct tcp_pcb *pcb)
{
    struct port *port = stack.port;
    if (port->stream_count >= port->setup.streams_max) {
        port_count(&port->counters.refused_total, 1);
        return NULL;
    }
    struct stack_stream *stream = slab_alloc(port->setup.slab, sizeof(*stream));
    if (!stream) {
        port_count(&port->counters.refused_memory, 1);
        return NULL;
    }
    memset(stream, 0, sizeof(*stream));
    stream_init(&stream->base, port);
    stream->base.peer = stack_ip_address(&pcb->remote_ip, pcb->remote_port);
    stream->base.local = stack_ip_address(&pcb->local_ip, pcb->local_port);
    stream->pcb = pcb;
    port_count(&port->counters.opened, 1);
    if (!port->setup.events->opened(port->setup.net, &stream->base)) {
        port_count(&port->counters.refused, 1);
        port_forget(port, &stream->base);
        stream_release(&stream->base);
        slab_free(port->setup.slab, stream, sizeof(*stream));
        return NULL;
    }
    port->stream_count++;
    stream->all_next = stack.all;
    if (stack.all)
        stack.all->all_prev = stream;
    stack.all = stream;
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, stream);
    tcp_recv(pcb, on_recv);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    return stream;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err != ERR_OK || !pcb)
        return ERR_VAL;
    if (!open_stream(pcb)) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    return on_accept(arg, pcb, err);
}

/* ---- sending ---- */

static void send_stream(struct stack_stream *stream)
{
    uint32_t size;
    const uint8_t *at;
    bool wrote = false;
    while (stream->pcb && (at = stream_tx(&stream->base, &size))) {
        uint32_t n = tcp_sndbuf(stream->pcb) < size ? tcp_sndbuf(stream->pcb) : size;
        n = n < STACK_WRITE_MAX ? n : STACK_WRITE_MAX;
        u8_t flags = TCP_WRITE_FLAG_COPY | (n < size ? TCP_WRITE_FLAG_MORE : 0);
        if (n == 0 || tcp_write(stream->pcb, at, (u16_t)n, flags) != ERR_OK) {
            port_count(&stack.port->counters.short_writes, 1);
            break;
        }
        wrote = true;
        port_count(&stack.port->counters.tx_bytes, n);
        if (stream_tx_sent(&stream->base, n)) {
            stream->drained_due = true;
            queue(stream);
        }
    }
    if (wrote) {
        port_count(&stack.port->counters.writes, 1);
        stream->progress_ns = stack.now_ns;
        tcp_output(stream->pcb);
        tcp_wake();
    }
}

static void stack_flush(struct stream *base)
{
    struct stack_stream *stream = stack_stream_of(base);
    if (base->state == STACK_DOOMED)
        return;
    if (base->failed) {
        fail(stream, &stack.port->counters.refused_memory);
        return;
    }
    send_stream(stream);
    if (base->state == STACK_FLUSHING && stream_tx_size(base) == 0)
        doom(stream, true);
}

static void stack_close(struct stream *base, bool flush_first)
{
    struct stack_stream *stream = stack_stream_of(base);
    if (base->state == STACK_DOOMED)
        return;
    if (!flush_first) {
        doom(stream, false);
    } else if (base->state == STACK_OPEN) {
        base->state = STACK_FLUSHING;
        stack.flushing_count++;
        stream->progress_ns = stack.now_ns;
        port_dirty(stack.port, base);
    }
}

static void stack_resume(struct stream *base)
{
    struct stack_stream *stream = stack_stream_of(base);
    if (base->state != STACK_OPEN)
        return;
    if (stream_rx_settle(base))
        fail(stream, &stack.port->counters.refused_memory);
    credit(stream);
    if (stream->ended_due)
        queue(stream);
}

/* ---- a turn ---- */

static void look(struct stack_stream *stream)
{
    if (stream->base.state == STACK_DOOMED) {
        finish(stream);
        return;
    }
    if (stream->base.state != STACK_OPEN)
        return;
    if (stream->ended_due && stream_rx_wanted(&stream->base)) {
        stream->ended_due = false;
        tell_received(stream);
    }
    if (stream->drained_due && stream->base.state == STACK_OPEN) {
        stream->drained_due = false;
        stack.port->setup.events->drained(stack.port->setup.net, &stream->base);
    }
}

static void expire_flushes(void)
{
    for (struct stack_stream *stream = stack.all; stream; stream = stream->all_next)
        if (stream->base.state == STACK_FLUSHING &&
            stack.now_ns - stream->progress_ns >= STACK_FLUSH_NS)
            fail(stream, &stack.port->counters.reset);
}

static void run_timers(void)
{
    /* A late turn runs a timer once, not once for each period missed: nothing times out because
     * this side was slow. */
    if (stack.now_ns >= stack.tcp_due_ns) {
        tcp_tmr();
        stack.tcp_due_ns = stack.now_ns + (tcp_waits() ? STACK_TCP_NS : STACK_QUIET_NS);
    }
    if (stack.now_ns >= stack.arp_due_ns) {
        stack.arp_due_ns = stack.now_ns + STACK_ARP_NS;
        if (stack.is_ip6)
            nd6_tmr();
        else
            etharp_tmr();
    }
    if (stack.flushing_count && stack.now_ns >= stack.flush_due_ns) {
        stack.flush_due_ns = stack.now_ns + NS_PER_S;
        expire_flushes();
    }
}

static uint32_t stack_service(struct now now)
{
    stack.now_ns = now.mono_ns;
    run_timers();
    uint32_t work = 0;
    struct stack_stream *last = stack.queue_last;
    for (bool done = false; stack.queue_first && work < PORT_BURST && !done; work++) {
        struct stack_stream *stream = stack.queue_first;
        stack.queue_first = stream->queue_next;
        if (!stack.queue_first)
            stack.queue_last = NULL;
        stream->queued = false;
        done = stream == last;
        look(stream);
    }
    return work;
}

static bool stack_idle(void)
{
    return !stack.queue_first;
}

static uint64_t stack_deadline_ns(void)
{
    uint64_t at_ns = stack.arp_due_ns;
    bool alive = tcp_active_pcbs || tcp_tw_pcbs;
    return alive && stack.tcp_due_ns < at_ns ? stack.tcp_due_ns : at_ns;
}

/* ---- frames ---- */

static_assert(sizeof(struct pbuf_custom) <= STACK_FRAME_ROOM, "a frame's room holds lwIP's pbuf");

static void frame_free(struct pbuf *p)
{
    struct stack_frame *frame = (struct stack_frame *)(void *)p;
    frame->free(frame);
}

static void stack_input(struct stack_frame *frame)
{
    struct pbuf_custom *custom = (struct pbuf_custom *)(void *)frame->room;
    memset(custom, 0, sizeof(*custom));
    custom->custom_free_function = frame_free;
    port_count(&stack.counters.frames_in, 1);
    NETIF_SET_CHECKSUM_CTRL(&stack.netif,
                            (u16_t)(stack.checks &
                                    ~((frame->checked_ip ? NETIF_CHECKSUM_CHECK_IP : 0) |
                                      (frame->checked_tcp ? NETIF_CHECKSUM_CHECK_TCP : 0))));
    struct pbuf *p = frame->size > 0xffff
                         ? NULL
                         : pbuf_alloced_custom(PBUF_RAW, (u16_t)frame->size, PBUF_REF, custom,
                                               frame->data, (u16_t)frame->size);
    if (!p)
        frame->free(frame);
    else if (stack.netif.input(p, &stack.netif) != ERR_OK)
        pbuf_free(p);
    tcp_wake();
}

static err_t link_output(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    uint8_t *room = stack.setup.link_room(stack.setup.link, p->tot_len);
    if (!room) {
        port_count(&stack.counters.frames_dropped, 1);
        return ERR_MEM;
    }
    pbuf_copy_partial(p, room, p->tot_len, 0);
    port_count(&stack.counters.frames_out, 1);
    stack.setup.link_send(stack.setup.link, room, p->tot_len);
    return ERR_OK;
}

static err_t netif_start(struct netif *netif)
{
    const struct stack_offloads *offloads = &stack.setup.offloads;
    netif->name[0] = 't';
    netif->name[1] = 'k';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = link_output;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, stack.setup.mac, 6);
    netif->mtu = (u16_t)stack.setup.mtu;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
                   NETIF_FLAG_LINK_UP;
    stack.checks = NETIF_CHECKSUM_ENABLE_ALL;
    stack.checks &= (u16_t) ~((offloads->tx_ip ? NETIF_CHECKSUM_GEN_IP : 0) |
                              (offloads->tx_tcp ? NETIF_CHECKSUM_GEN_TCP : 0));
    NETIF_SET_CHECKSUM_CTRL(netif, stack.checks);
    return ERR_OK;
}

static void netif_begin_ip6(const struct stack_setup *setup)
{
    ip_addr_t ip = stack_ip_of(&setup->ip), gateway = stack_ip_of(&setup->gateway);
    stack.gateway_ip6 = *ip_2_ip6(&gateway);
    netif_create_ip6_linklocal_address(&stack.netif, 1);
    netif_ip6_addr_set_state(&stack.netif, 0, IP6_ADDR_PREFERRED);
    netif_ip6_addr_set(&stack.netif, 1, ip_2_ip6(&ip));
    netif_ip6_addr_set_state(&stack.netif, 1, IP6_ADDR_PREFERRED);
}

static int netif_begin(const struct stack_setup *setup)
{
    ip4_addr_t ip = {0}, gateway = {0}, mask = {0};
    if (!stack.is_ip6) {
        ip = stack_ip_4(&setup->ip);
        gateway = stack_ip_4(&setup->gateway);
        mask.addr = lwip_htonl(setup->prefix_size ? ~0u << (32 - setup->prefix_size) : 0);
    }
    if (!netif_add(&stack.netif, &ip, &mask, &gateway, NULL, netif_start, ethernet_input))
        return ERR_NOMEM;
    netif_set_default(&stack.netif);
    netif_set_up(&stack.netif);
    if (stack.is_ip6)
        netif_begin_ip6(setup);
    if (setup->listen_port == 0)
        return 0;
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
    if (!pcb || tcp_bind(pcb, IP_ANY_TYPE, setup->listen_port) != ERR_OK)
        return ERR_NOMEM;
    stack.listener = tcp_listen(pcb);
    if (!stack.listener)
        return ERR_NOMEM;
    tcp_accept(stack.listener, on_accept);
    return 0;
}

static void stack_fini(void)
{
    if (!stack.in_use)
        return;
    while (stack.all)
        release(stack.all);
    /* Connections that were closing by themselves, and those in TIME_WAIT. */
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    if (stack.listener)
        tcp_close(stack.listener);
    netif_remove(&stack.netif);
    etharp_cleanup_netif(&stack.netif);
    nd6_cleanup_netif(&stack.netif);
    CHECK(stack.slab.in_use == 0);
    slab_fini(&stack.slab);
    memset(&stack, 0, sizeof(stack));
}

static int stack_init(const struct stack_setup *setup)
{
    static bool lwip_ready;
    if (stack.in_use)
        return ERR_BUSY;
    bool is_ip6 = stack_ip_is_6(&setup->ip);
    if ((is_ip6 ? setup->prefix_size != 64 : setup->prefix_size > 32) || setup->mtu < 1280 ||
        setup->mtu > 9000)
        return ERR_RANGE;
    memset(&stack, 0, sizeof(stack));
    int err = slab_init(&stack.slab, setup->memory_limit);
    if (err)
        return err;
    stack.in_use = true;
    stack.is_ip6 = is_ip6;
    stack.setup = *setup;
    stack.port = setup->port;
    stack.now_ns = clock_now().mono_ns;
    tcp_index_seed = mix(setup->seed + 1);
    if (!lwip_ready)
        lwip_init();
    lwip_ready = true;
    err = netif_begin(setup);
    if (err)
        stack_fini();
    return err;
}

static const struct stack_counters *stack_counters(void)
{
    return &stack.counters;
}

static bool stack_neighbour(const struct address *to, uint8_t mac[6], bool ask)
{
    if (stack_ip_is_6(to) != stack.is_ip6)
        return false;
    if (!stack.is_ip6)
        return stack_ip_neighbour_4(&stack.netif, to, mac, ask);
    return ask ? stack_ip_ask_6(&stack.netif, &stack.setup.ip, to, mac) : stack_ip_known_6(to, mac);
}

static void stack_index_probes(uint64_t *lookups, uint64_t *probes)
{
    *lookups = tcp_index_lookups;
    *probes = tcp_index_probes;
}

static int stack_dial(const struct address *address)
{
    ip_addr_t to = stack_ip_of(address);
    struct tcp_pcb *pcb = tcp_new_ip_type(to.type);
    if (!pcb)
        return ERR_NOMEM;
    if (tcp_connect(pcb, &to, address->port, on_connected) != ERR_OK) {
        tcp_abort(pcb);
        return ERR_NOMEM;
    }
    return 0;
}

extern const struct stack_ops stack_instance;
const struct stack_ops stack_instance = {
    .init = stack_init,
    .fini = stack_fini,
    .input = stack_input,
    .service = stack_service,
    .flush = stack_flush,
    .close = stack_close,
    .resume = stack_resume,
    .idle = stack_idle,
    .deadline_ns = stack_deadline_ns,
    .counters = stack_counters,
    .neighbour = stack_neighbour,
    .index_probes = stack_index_probes,
    .dial = stack_dial,
};
