#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

static uint32_t crc32c_table[256];

static uint32_t crc32c_bytewise(uint32_t crc, const uint8_t *at, size_t n)
{
    while (n--)
        crc = crc32c_table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return crc;
}

#ifdef __x86_64__
static inline uint64_t crc32c_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8); /* becomes the instruction's operand */
    return word;
}

/* Four words a round: the loop's own instructions were most of a short message's cost. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *at,
                                                                size_t n)
{
    uint64_t wide = crc;
    for (; n >= 32; n -= 32, at += 32) {
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 8));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 16));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 24));
    }
    for (; n >= 8; n -= 8, at += 8)
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at));
    crc = (uint32_t)wide;
    if (n & 4) {
        uint32_t half;
        memcpy(&half, at, 4);
        crc = __builtin_ia32_crc32si(crc, half);
        at += 4;
    }
    if (n & 2) {
        uint16_t pair;
        memcpy(&pair, at, 2);
        crc = __builtin_ia32_crc32hi(crc, pair);
        at += 2;
    }
    return n & 1 ? __builtin_ia32_crc32qi(crc, *at) : crc;
}
#endif

static uint32_t (*crc32c_best)(uint32_t, const uint8_t *, size_t) = crc32c_bytewise;

/* Chosen once, before main, so that no call pays for the choice. */
__attribute__((constructor)) static void crc32c_choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
        crc32c_table[i] = crc;
    }
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        crc32c_best = crc32c_sse42;
#endif
}

uint32_t crc32c(uint32_t crc, const void *at, size_t n)
{
    return ~crc32c_best(~crc, at, n);
}
