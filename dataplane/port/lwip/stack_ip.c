#include <string.h>

/* base/err.h and lwip/err.h share this one name, with the same value. */
#define ERR_OK LWIP_ERR_OK
#include "lwip/etharp.h"
#include "lwip/nd6.h"
#include "lwip/priv/nd6_priv.h"
#undef ERR_OK
#define ERR_OK 0

#include "dataplane/port/lwip/stack_ip.h"

#define STACK_IP6_SIZE 40 /* its header */

bool stack_ip_is_6(const struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, mapped, sizeof(mapped)) != 0;
}

ip4_addr_t stack_ip_4(const struct address *address)
{
    ip4_addr_t ip;
    memcpy(&ip.addr, address->ip + 12, 4);
    return ip;
}

ip_addr_t stack_ip_of(const struct address *address)
{
    ip_addr_t ip = {.type = stack_ip_is_6(address) ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4};
    if (IP_IS_V6_VAL(ip))
        memcpy(ip_2_ip6(&ip)->addr, address->ip, 16);
    else
        *ip_2_ip4(&ip) = stack_ip_4(address);
    return ip;
}

struct address stack_ip_address(const ip_addr_t *ip, uint16_t number)
{
    struct address address = {.ip = {[10] = 0xff, [11] = 0xff}, .port = number};
    if (IP_IS_V6(ip))
        memcpy(address.ip, ip_2_ip6(ip)->addr, 16);
    else
        memcpy(address.ip + 12, &ip_2_ip4(ip)->addr, 4);
    return address;
}

/* ---- neighbours ---- */

bool stack_ip_neighbour_4(struct netif *netif, const struct address *address, uint8_t mac[6],
                          bool ask)
{
    ip4_addr_t to = stack_ip_4(address);
    const ip4_addr_t *hop = &to, *ignored;
    struct eth_addr *found;
    if (!ip4_addr_netcmp(&to, netif_ip4_addr(netif), netif_ip4_netmask(netif)))
        hop = netif_ip4_gw(netif);
    if (ip4_addr_isany(hop))
        return false; /* elsewhere, and there is no gateway */
    if (etharp_find_addr(netif, hop, &found, &ignored) >= 0) {
        memcpy(mac, found->addr, 6);
        return true;
    }
    if (ask)
        etharp_query(netif, hop, NULL);
    return false;
}

/* lwIP looks a neighbour up for a packet only, which then waits for the answer: it is given one
 * that holds nothing ("no next header", RFC 8200 4.7), which whoever gets it drops. */
bool stack_ip_ask_6(struct netif *netif, const struct address *own, const struct address *address,
                    uint8_t mac[6])
{
    const uint8_t empty[STACK_IP6_SIZE] = {[0] = 0x60, [6] = 59, [7] = 1};
    const u8_t *found = NULL;
    ip_addr_t to = stack_ip_of(address);
    struct pbuf *p = pbuf_alloc(PBUF_LINK, STACK_IP6_SIZE, PBUF_RAM);
    if (!p)
        return false;
    pbuf_take(p, empty, sizeof(empty));
    pbuf_take_at(p, own->ip, 16, 8);
    pbuf_take_at(p, address->ip, 16, 24);
    err_t err = nd6_get_next_hop_addr_or_queue(netif, p, ip_2_ip6(&to), &found);
    if (err == ERR_OK && found)
        memcpy(mac, found, 6);
    pbuf_free(p);
    return err == ERR_OK && found;
}

bool stack_ip_known_6(const struct address *address, uint8_t mac[6])
{
    ip_addr_t to = stack_ip_of(address);
    for (uint32_t i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        const struct nd6_neighbor_cache_entry *entry = &neighbor_cache[i];
        if (entry->state >= ND6_REACHABLE &&
            ip6_addr_cmp_zoneless(&entry->next_hop_address, ip_2_ip6(&to))) {
            memcpy(mac, entry->lladdr, 6);
            return true;
        }
    }
    return false;
}

/* ---- what lwIP asks for ---- */

typedef uint64_t sum_lanes __attribute__((vector_size(16)));

/* The Internet checksum's sum (RFC 1071); not complemented. In lanes of 64 bits: `all` is the sum
 * of the words, without its carries, and `high` that of their upper halves, which cannot overflow;
 * what is left of `all` then is that of the lower halves, exactly. No carry to wait for. */
uint16_t stack_sum(const void *data, int size)
{
    const uint8_t *at = data;
    sum_lanes all = {0}, high = {0}, v, w;
    for (; size >= 32; size -= 32, at += 32) {
        memcpy(&v, at, 16);
        memcpy(&w, at + 16, 16);
        all += v + w;
        high += (v >> 32) + (w >> 32);
    }
    all += high - (high << 32);
    uint64_t sum = (all[0] >> 32) + (uint32_t)all[0] + (all[1] >> 32) + (uint32_t)all[1];
    for (uint32_t word; size >= 4; size -= 4, at += 4) {
        memcpy(&word, at, 4);
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, at, (size_t)size);
    sum += rest;
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 32) + (uint32_t)sum;
    uint32_t half = (uint32_t)(sum >> 16) + (uint16_t)sum;
    return (uint16_t)((half >> 16) + (uint16_t)half);
}
