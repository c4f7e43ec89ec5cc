/* lines: memory for what one thread writes all the time, that shares no cache line with anything of
 * another thread. The type says so too: its first field is _Alignas(LINES_SIZE), so that an array
 * of it, or a struct with several of them, keeps them apart. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LINES_SIZE 64u /* of x86-64 and of nearly all ARM */

/* LINES_OWN: two objects of the type share no line, however many lie side by side. LINES_APART: a
 * and b, of different writers in one object, lie on different lines. Else it does not compile. */
#define LINES_OWN(type)                                                                            \
    static_assert(_Alignof(type) % LINES_SIZE == 0, #type " has lines of its own")
#define LINES_APART(type, a, b)                                                                    \
    static_assert(offsetof(type, a) / LINES_SIZE != offsetof(type, b) / LINES_SIZE,                \
                  #a " and " #b " have different writers")

/* lines_calloc gives count objects of size bytes, zeroed, from the start of a line to the end of
 * one; free() takes it back. NULL: no memory. */
static inline void *lines_calloc(size_t count, size_t size)
{
    size_t whole = (count * size + LINES_SIZE - 1) / LINES_SIZE * LINES_SIZE;
    if (size && whole / size < count)
        return NULL; /* more than there can be */
    void *at = aligned_alloc(LINES_SIZE, whole ? whole : LINES_SIZE);
    return at ? memset(at, 0, whole) : NULL;
}
