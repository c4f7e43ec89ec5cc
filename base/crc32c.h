/* crc32c: the Castagnoli CRC of iSCSI (RFC 3720 appendix B.4), reflected, as the log and the
 * snapshot use it. Uses the SSE4.2 instruction where the CPU has it. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The fastest that this CPU has: chosen before main, by way of the functions below only. */
extern uint32_t (*crc32c_best)(uint32_t crc, const void *at, size_t n);
extern uint32_t (*crc32c_best_datagram)(const void *at, size_t n);

/* crc32c continues from `crc` (0 to begin) over n bytes. crc32c(0, "123456789", 9) is
 * 0xe3069283. */
static inline uint32_t crc32c(uint32_t crc, const void *at, size_t n)
{
    return crc32c_best(crc, at, n);
}

/* The header of a datagram, to members (peer_frame) and to controllers (beat_wire): its last 4
 * bytes are the datagram's sum. */
#define CRC32C_HEADER_SIZE 72u
#define CRC32C_SUM_AT      (CRC32C_HEADER_SIZE - 4u)

/* crc32c_datagram sums a datagram that holds its own sum: the first CRC32C_SUM_AT bytes and the n
 * bytes behind the header, as one. */
static inline uint32_t crc32c_datagram(const void *at, size_t n)
{
    return crc32c_best_datagram(at, n);
}
