/* crc32c: the Castagnoli CRC of iSCSI (RFC 3720 appendix B.4), reflected, as the log and the
 * snapshot use it. Uses the SSE4.2 instruction where the CPU has it. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The fastest that this CPU has: chosen before main, by way of the functions below only. */
extern uint32_t (*crc32c_best)(uint32_t crc, const void *at, size_t n);
extern uint32_t (*crc32c_best_around)(const void *at, size_t before, size_t gap, size_t after);

/* crc32c continues from `crc` (0 to begin) over n bytes. crc32c(0, "123456789", 9) is
 * 0xe3069283. */
static inline uint32_t crc32c(uint32_t crc, const void *at, size_t n)
{
    return crc32c_best(crc, at, n);
}

/* crc32c_around sums the first `before` bytes and the `after` bytes that follow a gap of `gap`
 * bytes: a message that holds its own sum. The sum of both pieces as one. */
static inline uint32_t crc32c_around(const void *at, size_t before, size_t gap, size_t after)
{
    return crc32c_best_around(at, before, gap, after);
}
