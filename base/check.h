/* check: assertions. CHECK stays in production: a node that is wrong stops, with file, line and the
 * condition that was false. DCHECK is compiled only when TAKT_DCHECK is defined (debug builds and
 * the sanitizer builds): for conditions whose cost is per byte or per packet. */
#pragma once

#include <assert.h> /* static_assert */

/* check_failed prints one line to stderr and aborts. Any role. */
_Noreturn void check_failed(const char *condition, const char *file, int line);

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

#ifdef TAKT_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif
