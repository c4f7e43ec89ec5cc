/* What lwIP wants to know about the compiler, and where its checksums and assertions go. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stddef.h>
#include <stdint.h>

#define LWIP_PLATFORM_DIAG(x)   do { } while (0)
#define LWIP_PLATFORM_ASSERT(x) stack_failed(x, __FILE__, __LINE__)

/* Given by dataplane/port/lwip/stack.c. */
void stack_failed(const char *condition, const char *file, int line);
void *stack_alloc(size_t size);
void *stack_calloc(size_t count, size_t size);
void stack_free(void *piece);
uint16_t stack_sum(const void *data, int size);
struct ip_addr;
struct ip6_addr;
uint32_t stack_isn(const struct ip_addr *local_ip, uint16_t local_port,
                   const struct ip_addr *remote_ip, uint16_t remote_port);
const struct ip6_addr *stack_gateway_ip6(void);

#define LWIP_CHKSUM     stack_sum
#define sys_now         stack_now_ms
#define mem_clib_malloc stack_alloc
#define mem_clib_calloc stack_calloc
#define mem_clib_free   stack_free

#endif
