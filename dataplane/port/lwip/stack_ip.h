/* stack_ip: addresses of both kinds between takt and lwIP, and who on the wire has one. Part of
 * stack.c: copied with it; the copy's role. Assumes that lwIP's headers are included before. */
#pragma once

#include "base/messages.h"

#include "lwip/netif.h"

#include <stdbool.h>

/* True for anything but ::ffff:a.b.c.d, which is IPv4. */
bool stack_ip_is_6(const struct address *address);
ip4_addr_t stack_ip_4(const struct address *address);
ip_addr_t stack_ip_of(const struct address *address);
struct address stack_ip_address(const ip_addr_t *ip, uint16_t number);

/* As stack_ops.neighbour: by ARP; by neighbour discovery, from `own`; as known, without asking. */
bool stack_ip_neighbour_4(struct netif *netif, const struct address *address, uint8_t mac[6],
                          bool ask);
bool stack_ip_ask_6(struct netif *netif, const struct address *own, const struct address *address,
                    uint8_t mac[6]);
bool stack_ip_known_6(const struct address *address, uint8_t mac[6]);
