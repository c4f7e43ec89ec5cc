/* tcp_index: see the header. */
#include "lwip/opt.h"

#include "lwip/priv/tcp_priv.h"

u64_t tcp_index_seed;
u64_t tcp_index_lookups, tcp_index_probes;
static struct tcp_pcb *tcp_index_buckets[TCP_INDEX_BUCKETS];

static u32_t
tcp_index_hash(const ip_addr_t *remote_ip, u16_t remote_port, const ip_addr_t *local_ip,
               u16_t local_port)
{
  u64_t a, b = (u64_t)remote_port << 16 | local_port;
  if (IP_IS_V6_VAL(*remote_ip)) {
    /* The peer's address, whole; ours is one. */
    const u32_t *ip = ip_2_ip6(remote_ip)->addr;
    a = ((u64_t)ip[0] << 32 | ip[1]) ^ tcp_index_seed;
    a = (a ^ (a >> 31)) * 0xff51afd7ed558ccdull;
    a ^= (u64_t)ip[2] << 32 | ip[3];
  } else {
    a = (u64_t)ip4_addr_get_u32(ip_2_ip4(remote_ip)) << 32 | ip4_addr_get_u32(ip_2_ip4(local_ip));
  }
  a ^= tcp_index_seed;
  a = (a ^ (a >> 32)) * 0x9e3779b97f4a7c15ull;
  a = (a ^ (a >> 29) ^ b) * 0xbf58476d1ce4e5b9ull;
  a = (a ^ (a >> 32)) * 0x94d049bb133111ebull;
  return (u32_t)(a >> 40) % TCP_INDEX_BUCKETS;
}

void
tcp_index_add(struct tcp_pcb **pcbs, struct tcp_pcb *pcb)
{
  struct tcp_pcb **bucket = &tcp_index_buckets[tcp_index_hash(&pcb->remote_ip, pcb->remote_port,
                                                              &pcb->local_ip, pcb->local_port)];
  LWIP_ASSERT("tcp_index_add: already in", pcb->chain_link == NULL);
  pcb->prev = NULL;
  pcb->next = *pcbs;
  if (*pcbs != NULL) {
    (*pcbs)->prev = pcb;
  }
  *pcbs = pcb;

  pcb->chain_next = *bucket;
  pcb->chain_link = bucket;
  if (*bucket != NULL) {
    (*bucket)->chain_link = &pcb->chain_next;
  }
  *bucket = pcb;
}

void
tcp_index_remove(struct tcp_pcb **pcbs, struct tcp_pcb *pcb)
{
  LWIP_ASSERT("tcp_index_remove: not in", pcb->chain_link != NULL);
  if (pcb->prev != NULL) {
    pcb->prev->next = pcb->next;
  } else {
    LWIP_ASSERT("tcp_index_remove: first of its list", *pcbs == pcb);
    *pcbs = pcb->next;
  }
  if (pcb->next != NULL) {
    pcb->next->prev = pcb->prev;
  }
  pcb->next = pcb->prev = NULL;

  *pcb->chain_link = pcb->chain_next;
  if (pcb->chain_next != NULL) {
    pcb->chain_next->chain_link = pcb->chain_link;
  }
  pcb->chain_next = NULL;
  pcb->chain_link = NULL;
}

struct tcp_pcb *
tcp_index_find(const ip_addr_t *remote_ip, u16_t remote_port, const ip_addr_t *local_ip,
               u16_t local_port)
{
  struct tcp_pcb *pcb =
    tcp_index_buckets[tcp_index_hash(remote_ip, remote_port, local_ip, local_port)];
  ++tcp_index_lookups;
  while (pcb != NULL) {
    ++tcp_index_probes;
    if (pcb->remote_port == remote_port && pcb->local_port == local_port &&
        ip_addr_cmp(&pcb->remote_ip, remote_ip) && ip_addr_cmp(&pcb->local_ip, local_ip)) {
      break;
    }
    pcb = pcb->chain_next;
  }
  return pcb;
}
