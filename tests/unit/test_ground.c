/* Goal: the small parts of base/ keep their word: CRC32C, slab, histogram, faults, names. Method:
 * published vectors, naive twins, every limit. */
#include "base/crc32c.h"
#include "base/hist.h"
#include "base/rand.h"
#include "base/say.h"
#include "base/slab.h"
#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_crc32c_vectors(void **state)
{
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xff, 32);
    for (int i = 0; i < 32; i++)
        rising[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aau); /* RFC 3720 appendix B.4 */
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43u);
    assert_int_equal(crc32c(0, rising, 32), 0x46dd794eu);
    assert_int_equal(crc32c(crc32c(0, rising, 13), rising + 13, 19), 0x46dd794eu);
}

/* Goal: the sums of whole buffers, taken in lanes, are those of a bit at a time. Method: every size
 * up to a few rounds of each kind, at odd addresses, begun anew and continued. */
static void test_crc32c_sizes(void **state)
{
    static uint8_t bytes[2000];
    uint32_t slow = 0x12345678u;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 131 + (i >> 7));
    for (size_t n = 0; n + 1 < sizeof(bytes); n++) {
        assert_int_equal(crc32c(0x12345678u, bytes + 1, n), slow);
        uint32_t part = crc32c(0x12345678u, bytes + 1, n / 3);
        assert_int_equal(crc32c(part, bytes + 1 + n / 3, n - n / 3), slow);
        uint32_t around = crc32c(0, bytes + 1, CRC32C_SUM_AT);
        size_t behind = n > CRC32C_HEADER_SIZE ? n - CRC32C_HEADER_SIZE : 0;
        around = crc32c(around, bytes + 1 + CRC32C_HEADER_SIZE, behind);
        assert_int_equal(crc32c_datagram(bytes + 1, behind), around);
        slow = ~slow ^ bytes[1 + n];
        for (int bit = 0; bit < 8; bit++)
            slow = (slow >> 1) ^ (slow & 1 ? 0x82f63b78u : 0);
        slow = ~slow;
    }
}

static void test_slab_stays_inside_its_limit(void **state)
{
    static void *pieces[1024];
    static uint64_t sizes[1024];
    struct slab slab;
    struct rand r;
    uint64_t in_use = 0;
    rand_seed(&r, 1);
    assert_int_equal(slab_init(&slab, 1 << 20), 0);
    for (int i = 0; i < 200000; i++) {
        uint32_t k = (uint32_t)rand_below(&r, 1024);
        if (pieces[k]) {
            assert_int_equal(*(uint8_t *)pieces[k], (uint8_t)k);
            slab_free(&slab, pieces[k], sizes[k]);
            in_use -= slab_size_usable(sizes[k]);
            pieces[k] = NULL;
            continue;
        }
        sizes[k] = 1 + rand_below(&r, rand_below(&r, 8) ? 200 : 20000);
        pieces[k] = slab_alloc(&slab, sizes[k]);
        if (pieces[k]) {
            memset(pieces[k], (int)k, sizes[k]);
            in_use += slab_size_usable(sizes[k]);
        }
        assert_true(in_use <= 1 << 20);
        assert_int_equal(slab.in_use, in_use);
    }
    assert_null(slab_alloc(&slab, 2 << 20));
    assert_null(slab_alloc(&slab, 1ull << 40));
    slab_fini(&slab);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_hist_is_within_two_percent_of_sorting(void **state)
{
    static uint64_t values[20000];
    static struct hist hist, other;
    struct rand r;
    rand_seed(&r, 9);
    hist_init(&hist);
    hist_init(&other);
    assert_int_equal(hist_percentile(&hist, 50), 0);
    for (int i = 0; i < 20000; i++) {
        values[i] = rand_below(&r, 1ull << (1 + rand_below(&r, 39)));
        hist_record(i % 2 ? &hist : &other, values[i]);
    }
    hist_merge(&hist, &other);
    qsort(values, 20000, sizeof(values[0]), compare);
    for (double p = 1; p <= 100; p += 0.5) {
        uint64_t rank = (uint64_t)(20000 * p / 100.0 + 0.5), want = values[rank - 1];
        uint64_t got = hist_percentile(&hist, p);
        assert_true(got >= want && (double)got <= (double)want * 1.02 + 1);
    }
    assert_int_equal(hist.count, 20000);
    assert_true(hist.max_ns == values[19999] && hist.min_ns == values[0]);
}

static void test_faults_are_built_from_the_inside_out(void **state)
{
    struct fault fault;
    assert_int_equal(fault_set(&fault, ERR_IO, "fsync of %s failed", "log.1"), ERR_IO);
    assert_int_equal(fault_wrap(&fault, ERR_CORRUPT, "recovery"), ERR_CORRUPT);
    assert_string_equal(fault.text, "recovery: fsync of log.1 failed");
    assert_int_equal(fault_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void test_names(void **state)
{
    assert_string_equal(err_name(ERR_NOSPACE), "no space left on device");
    assert_string_equal(err_name(-999), "unknown");
    assert_string_equal(zk_op_name(ZK_OP_CREATE2), "create2");
    assert_null(zk_op_name(13000));
    assert_string_equal(zk_error_name(ZK_NO_NODE), "NoNode");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_vectors),
        cmocka_unit_test(test_crc32c_sizes),
        cmocka_unit_test(test_slab_stays_inside_its_limit),
        cmocka_unit_test(test_hist_is_within_two_percent_of_sorting),
        cmocka_unit_test(test_faults_are_built_from_the_inside_out),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
