/* crc32c: the Castagnoli CRC of iSCSI (RFC 3720 appendix B.4), reflected, as the log and the
 * snapshot use it. Uses the SSE4.2 instruction where the CPU has it. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* crc32c continues from `crc` (0 to begin) over n bytes. crc32c(0, "123456789", 9) is
 * 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *at, size_t n);
