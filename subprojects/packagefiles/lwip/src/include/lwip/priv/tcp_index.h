/* tcp_index: takt's addition to lwIP. Finds the connection of a segment by a hash of its addresses
 * and ports, where lwIP walks a list; and takes a connection out of its list without walking it.
 * Holds the connections in tcp_active_pcbs and tcp_tw_pcbs. */
#ifndef LWIP_HDR_TCP_INDEX_H
#define LWIP_HDR_TCP_INDEX_H

#include "lwip/ip_addr.h"
#include "lwip/tcp.h"

#define TCP_INDEX_BUCKETS 16384

/* The lists that are indexed. */
#define TCP_INDEXED(pcbs) ((pcbs) == &tcp_active_pcbs || (pcbs) == &tcp_tw_pcbs)

/* Retransmission timeouts in slow ticks: never below TCP_RTO_MIN_MS. */
#define TCP_RTO_AT_LEAST(ticks) \
  ((s16_t)LWIP_MAX((int)(ticks), (int)(TCP_RTO_MIN_MS / TCP_SLOW_INTERVAL)))

/* Secret of the hash: set before the first connection, so that nobody can aim at one bucket. */
extern u64_t tcp_index_seed;
/* Lookups, and connections compared in them: what the test counts. */
extern u64_t tcp_index_lookups, tcp_index_probes;

void tcp_index_add(struct tcp_pcb **pcbs, struct tcp_pcb *pcb);
void tcp_index_remove(struct tcp_pcb **pcbs, struct tcp_pcb *pcb);
struct tcp_pcb *tcp_index_find(const ip_addr_t *remote_ip, u16_t remote_port,
                               const ip_addr_t *local_ip, u16_t local_port);

#endif
