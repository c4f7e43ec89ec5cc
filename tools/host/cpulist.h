/* cpulist: a set of cpus, and its text as the kernel writes it: "0-3,8,10-11". Plain values. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPULIST_MAX 1024 /* cpus are [0, CPULIST_MAX) */

struct cpulist {
    uint64_t words[CPULIST_MAX / 64];
};

/* cpulist_parse reads "0-3,8" (blanks around it are fine; "" and "(null)" are the empty set).
 * Returns 0, ERR_MALFORMED or ERR_RANGE; *to is written only on success. */
MUST_USE int cpulist_parse(const char *text, struct cpulist *to);

/* cpulist_parse_mask reads the kernel's other form, hexadecimal words: "ffffffff,0000000f".
 * Returns 0, ERR_MALFORMED or ERR_RANGE. */
MUST_USE int cpulist_parse_mask(const char *text, struct cpulist *to);

/* cpulist_print writes the kernel's form, "none" for the empty set; cut to size. Returns out. */
const char *cpulist_print(const struct cpulist *list, char *out, size_t size);

/* cpulist_print_mask writes the other form. Returns out. */
const char *cpulist_print_mask(const struct cpulist *list, char *out, size_t size);

void cpulist_add(struct cpulist *list, uint32_t cpu);
void cpulist_remove(struct cpulist *list, uint32_t cpu);
bool cpulist_has(const struct cpulist *list, uint32_t cpu);
uint32_t cpulist_count(const struct cpulist *list);
bool cpulist_is_empty(const struct cpulist *list);

/* The first cpu in [from, CPULIST_MAX), or CPULIST_MAX. */
uint32_t cpulist_next(const struct cpulist *list, uint32_t from);

struct cpulist cpulist_and(const struct cpulist *a, const struct cpulist *b);
struct cpulist cpulist_or(const struct cpulist *a, const struct cpulist *b);
struct cpulist cpulist_without(const struct cpulist *a, const struct cpulist *b);
