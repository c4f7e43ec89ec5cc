/* takt's configuration of lwIP: IPv4, IPv6, TCP, ARP, neighbour discovery and echo; raw API; no thread, no heap of its
 * own; timers for a LAN. */
#ifndef LWIP_LWIPOPTS_H
#define LWIP_LWIPOPTS_H

/* No operating system: whoever owns the instance calls it, with the time. */
#define NO_SYS                     1
#define SYS_LIGHTWEIGHT_PROT       0
#define LWIP_TIMERS                0
#define LWIP_SOCKET                0
#define LWIP_NETCONN               0

/* Memory comes from a slab with a limit (stack_alloc), one piece an object. */
#define MEM_LIBC_MALLOC            1
#define MEMP_MEM_MALLOC            1
#define MEM_ALIGNMENT              16
#define LWIP_SUPPORT_CUSTOM_PBUF   1
#define PBUF_POOL_SIZE             0

#define LWIP_IPV4                  1
/* One address, given by hand: nothing is asked of routers, and nothing they say is taken. */
#define LWIP_IPV6                  1
#define LWIP_IPV6_NUM_ADDRESSES    2 /* link-local, and the one given */
#define LWIP_IPV6_AUTOCONFIG       0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_FRAG             0
#define LWIP_IPV6_REASS            0
#define LWIP_IPV6_MLD              0
#define LWIP_ND6_ALLOW_RA_UPDATES  0
#define LWIP_ND6_NUM_NEIGHBORS     127 /* the most its index type takes */
#define LWIP_ND6_NUM_DESTINATIONS  127 /* the same */
#define LWIP_HOOK_ND6_GET_GW(netif, to) stack_gateway_ip6()
#define LWIP_UDP                   0
#define LWIP_RAW                   0
#define LWIP_DNS                   0
#define LWIP_DHCP                  0
#define LWIP_AUTOIP                0
#define LWIP_IGMP                  0
#define LWIP_ICMP                  1
#define LWIP_TCP                   1
#define LWIP_ALTCP                 0
#define IP_REASSEMBLY              0
#define IP_FRAG                    0
#define IP_FORWARD                 0

#define LWIP_ARP                   1
#define ARP_TABLE_SIZE             127 /* the most its index type takes */
#define ARP_QUEUEING               1
#define ARP_QUEUE_LEN              3
#define LWIP_NETIF_HWADDRHINT      1
#define LWIP_NETIF_TX_SINGLE_PBUF  1
#define LWIP_SINGLE_NETIF          1
#define LWIP_NETIF_LOOPBACK        0
#define LWIP_HAVE_LOOPIF           0
#define LWIP_NETIF_HOSTNAME        0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 /* off where the device does it */

/* TCP. The windows cover a gigabyte a second at 100 us; what a peer does not read is bounded by the
 * stream above, not here. Timestamps: without them a Linux client cannot reuse a port in
 * TIME_WAIT. */
#define TCP_MSS                    8960 /* of a jumbo frame; a connection's is at most its MTU's */
#define TCP_WND_UPDATE_THRESHOLD   (4 * 1460)
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              2
#define TCP_WND                    (128 * 1024)
#define TCP_SND_BUF                (128 * 1024)
#define TCP_SND_QUEUELEN           512
#define TCP_SNDLOWAT               16384
#define TCP_OVERSIZE               1460
#define LWIP_TCP_TIMESTAMPS        1
#define LWIP_TCP_SACK_OUT          1
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_PBUFS        64 /* frames of the device that one stream may hold back */
#define TCP_LISTEN_BACKLOG         0  /* the slab is the limit */
#define LWIP_TCP_KEEPALIVE         0
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_HOOK_TCP_ISN          stack_isn

/* Timers: delayed ACK at most 10 ms (fast tick), slow tick 20 ms. A Linux peer delays its ACKs by
 * 40 ms, so a least timeout of 100 ms does not retransmit without need. lwIP's own: 3000 at
 * first. */
#define TCP_TMR_INTERVAL           10
#define TCP_RTO_INITIAL_MS         1000 /* RFC 6298 */
#define TCP_RTO_MIN_MS             100
#define TCP_MSL                    1000

#define LWIP_STATS                 0
#define LWIP_DEBUG                 0

#endif
