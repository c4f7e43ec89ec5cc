#include "base/crc32c.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static uint32_t crc32c_table[256];

static uint32_t crc32c_bytewise(uint32_t crc, const void *from, size_t n)
{
    const uint8_t *at = from;
    crc = ~crc;
    while (n--)
        crc = crc32c_table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return ~crc;
}

static uint32_t crc32c_datagram_bytewise(const void *at, size_t n)
{
    return crc32c_bytewise(crc32c_bytewise(0, at, CRC32C_SUM_AT),
                           (const uint8_t *)at + CRC32C_HEADER_SIZE, n);
}

#ifdef __x86_64__
static inline uint64_t crc32c_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8); /* becomes the instruction's operand */
    return word;
}

/* Four words a round: the loop's own instructions were most of a short message's cost. */
__attribute__((target("sse4.2"))) static inline uint32_t
crc32c_line(uint32_t crc, const uint8_t *at, size_t n)
{
    uint64_t wide = crc;
    for (; n >= 32; n -= 32, at += 32) {
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 8));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 16));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 24));
    }
    if (n & 16) {
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at));
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 8));
        at += 16;
    }
    if (n & 8) {
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at));
        at += 8;
    }
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

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *at,
                                                               size_t n)
{
    return ~crc32c_line(~crc, at, n);
}

/* A datagram's header up to its sum. Its size is a constant: one instruction a word. */
__attribute__((target("sse4.2"))) static inline uint32_t crc32c_header(const uint8_t *at)
{
    uint64_t wide = ~0u;
    uint32_t half;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < CRC32C_SUM_AT / 8; i++)
        wide = __builtin_ia32_crc32di(wide, crc32c_word(at + 8 * i));
    memcpy(&half, at + CRC32C_SUM_AT / 8 * 8, 4);
    return __builtin_ia32_crc32si((uint32_t)wide, half);
}
static_assert(CRC32C_SUM_AT % 8 == 4, "crc32c_header: words, and a half");

__attribute__((target("sse4.2"))) static uint32_t crc32c_datagram_sse42(const void *at, size_t n)
{
    return ~crc32c_line(crc32c_header(at), (const uint8_t *)at + CRC32C_HEADER_SIZE, n);
}

/* The instruction takes three cycles, and one may begin each cycle. So three parts of `lane` bytes
 * are summed side by side, and joined: a sum is moved on over n bytes of zeros when it is
 * multiplied by x^(8n) mod P. The carry-less product of two reflected values is short of x, and the
 * instruction that reduces it brings x^32: the factor is x^(8n - 33).
 * (Gopal and others, "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", 2011) */
#define CRC32C_LANE_SHORT 64u
#define CRC32C_LANE_LONG  256u

typedef long long crc32c_pair __attribute__((vector_size(16)));

struct crc32c_factors {
    uint32_t one, two; /* over one lane, over two */
};
static struct crc32c_factors crc32c_short, crc32c_long;

__attribute__((target("sse4.2,pclmul"))) static inline uint32_t crc32c_moved(uint64_t crc,
                                                                              uint32_t factor)
{
    crc32c_pair a = {(long long)crc, 0}, b = {factor, 0};
    crc32c_pair product = __builtin_ia32_pclmulqdq128(a, b, 0);

    return (uint32_t)__builtin_ia32_crc32di(0, (uint64_t)product[0]);
}

__attribute__((target("sse4.2,pclmul"))) static inline uint32_t
crc32c_three(uint32_t crc, const uint8_t *at, uint32_t lane, const struct crc32c_factors *factors)
{
    uint64_t first = crc, second = 0, third = 0;

    for (uint32_t i = 0; i < lane; i += 8) {
        first = __builtin_ia32_crc32di(first, crc32c_word(at + i));
        second = __builtin_ia32_crc32di(second, crc32c_word(at + lane + i));
        third = __builtin_ia32_crc32di(third, crc32c_word(at + 2 * lane + i));
    }
    return crc32c_moved(first, factors->two) ^ crc32c_moved(second, factors->one) ^
           (uint32_t)third;
}

/* Kept apart, so that a short message pays nothing for it. */
__attribute__((target("sse4.2,pclmul"), noinline)) static uint32_t
crc32c_lanes(uint32_t crc, const uint8_t *at, size_t n)
{
    for (; n >= 3 * CRC32C_LANE_LONG; n -= 3 * CRC32C_LANE_LONG, at += 3 * CRC32C_LANE_LONG)
        crc = crc32c_three(crc, at, CRC32C_LANE_LONG, &crc32c_long);
    for (; n >= 3 * CRC32C_LANE_SHORT; n -= 3 * CRC32C_LANE_SHORT, at += 3 * CRC32C_LANE_SHORT)
        crc = crc32c_three(crc, at, CRC32C_LANE_SHORT, &crc32c_short);
    return crc32c_line(crc, at, n);
}

__attribute__((target("sse4.2,pclmul"))) static inline uint32_t
crc32c_any(uint32_t crc, const uint8_t *at, size_t n)
{
    return n < 3 * CRC32C_LANE_SHORT ? crc32c_line(crc, at, n) : crc32c_lanes(crc, at, n);
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_pclmul(uint32_t crc, const void *at,
                                                                       size_t n)
{
    return ~crc32c_any(~crc, at, n);
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_datagram_pclmul(const void *at,
                                                                                size_t n)
{
    return ~crc32c_any(crc32c_header(at), (const uint8_t *)at + CRC32C_HEADER_SIZE, n);
}

/* x^n mod P, reflected. */
static uint32_t crc32c_power(uint32_t n)
{
    uint32_t value = 0x80000000u;

    while (n--)
        value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0);
    return value;
}
#endif

uint32_t (*crc32c_best)(uint32_t, const void *, size_t) = crc32c_bytewise;
uint32_t (*crc32c_best_datagram)(const void *, size_t) = crc32c_datagram_bytewise;

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
    crc32c_short = (struct crc32c_factors){crc32c_power(8 * CRC32C_LANE_SHORT - 33),
                                           crc32c_power(16 * CRC32C_LANE_SHORT - 33)};
    crc32c_long = (struct crc32c_factors){crc32c_power(8 * CRC32C_LANE_LONG - 33),
                                          crc32c_power(16 * CRC32C_LANE_LONG - 33)};
    if (!__builtin_cpu_supports("sse4.2"))
        return;
    bool lanes = __builtin_cpu_supports("pclmul");
    crc32c_best = lanes ? crc32c_pclmul : crc32c_sse42;
    crc32c_best_datagram = lanes ? crc32c_datagram_pclmul : crc32c_datagram_sse42;
#endif
}
